"""No secret comes out: client secret, certificate key, tokens, webhook, storage, function keys.

The product is run widely, with secrets that can be recognised: every guard in enforce and alert
mode, trouble of every service, sign-ins that fail, wrong settings, every route, the command line.
Then all it said is searched: logs at DEBUG of every library, rows as they lie in the table,
messages for the queue, cards, pages, exports, answers, prints, and errors with all their causes.
"""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.data.tables.aio import TableClient
from rich.console import Console

from core.api.request import HttpRequest, Route
from core.api.routes import ROUTES
from core.api.server import handle_request
from core.bootstrap import connect_world
from core.cli.program import main
from core.cli.session import Session
from core.config.catalog import CATALOG
from core.config.settings import SETTINGS, Settings
from core.engine.run import create_run_id, run
from core.errors import ExoguardError
from core.jobs.run_requests import RunMessage, process_run_message
from core.jobs.settings_changes import alert_on_settings_change
from core.jobs.weekly_digest import send_weekly_digest
from core.model.guards import Mode
from sandbox.certificate import make_certificate
from sandbox.functions_host.azurite import ACCOUNT_KEY, Azurite
from sandbox.scene_runner import (
    BETWEEN_TICKS,
    SteppingClock,
    build_app_settings,
    end_throttling,
)
from sandbox.server import Sandbox
from tests.resilience.canaries import Canaries, CapturedOutput, capture_output
from tests.support.run_scene import load_scene

# azure-data-tables asks an XML element whether it is true, when it is refused with a body of XML.
pytestmark = pytest.mark.filterwarnings("ignore:Testing an element's truth value")

FUNCTION_KEY = "canary-function-key-AzFuXjQ9=="
WRONG_KEY = base64.b64encode(
    b"canary of a storage key that is wrong, 64 bytes long in all......"
).decode()
WRONG_SECRET = "canary~secret~that~is~wrong"
WRONG_HOOK = "https://prod-01.elsewhere.example/workflows/canary-path?sig=canary-signature"
DEAD_HOOK = "http://127.0.0.1:9/workflows/canary-dead-path?sig=canary-dead-signature"
SECRET = (
    "AzureWebJobsStorage",
    "IDENTITY_HEADER",
    *(one.name for one in SETTINGS if one.is_secret),
)
GUARD = "shared-mailbox-sign-in"
SERVICES = ("graph", "exchange", "entra", "teams")
TROUBLES: list[dict[str, Any]] = [
    {"kind": "error", "status": 400},
    {"kind": "error", "status": 401},
    {"kind": "error", "status": 403},
    {"kind": "html", "status": 200, "times": 1},
    {"kind": "wrongBody", "times": 1},
    {"kind": "truncate", "times": 1},
    {"kind": "drop", "times": 1},
    {"kind": "error", "status": 503, "times": 1},
    {"kind": "throttle", "retryAfter": 1, "times": 1},
]


@dataclass(frozen=True)
class Said:
    """Everything that was said, and what must not be in it."""

    spill: CapturedOutput
    canaries: Canaries
    cards: int
    writes: int


@asynccontextmanager
async def complaining(spill: CapturedOutput, where: str) -> AsyncIterator[None]:
    """What goes wrong inside is expected, and said."""
    try:
        yield
    except ExoguardError as error:
        spill.add_error(where, error)


@contextmanager
def on_azure(environ: Mapping[str, str]) -> Iterator[None]:
    """The managed identity endpoint, which Azure tells the process and not the app."""
    names = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: environ[name] for name in names})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def with_secret(box: Sandbox, azurite: Azurite, table: str) -> dict[str, str]:
    """The settings of an app that signs in with a client secret."""
    return build_app_settings(box, azurite, {}) | {
        "MANAGED_IDENTITY_CLIENT_ID": "",
        "CLIENT_SECRET": box.client_secret,
        "STATE_TABLE": table,
    }


async def every_guard(spill: CapturedOutput, azurite: Azurite, mode: Mode, ticks: int) -> Sandbox:
    """All guards in one mode, and everything one can ask about it afterwards."""
    clock = SteppingClock()
    async with Sandbox(load_scene("attack" if mode is Mode.ALERT else "neglected")) as box:
        modes = {duty.guard.name: str(mode) for duty in CATALOG}
        environ = build_app_settings(box, azurite, modes) | {"STATE_TABLE": f"every{mode}"}
        settings = Settings.read(environ)
        with on_azure(environ):
            for duty in settings.guard_configs * ticks:
                async with connect_world(settings, clock) as world:
                    spill.add_output("report", await run(duty, world))
                clock.offset += BETWEEN_TICKS / 6
                end_throttling(box)
            async with connect_world(settings, clock) as world:
                last = create_run_id(world.now())
                await send_weekly_digest(
                    world, settings.guard_configs, settings["DIGEST_SCHEDULE"], last
                )
                await alert_on_settings_change(world, settings, create_run_id(world.now()))
            if mode is Mode.ENFORCE:
                await asked_over_the_api(spill, environ)
                await on_the_command_line(spill, environ)
            webhook = environ["TEAMS_WEBHOOK_URL"]
            moved = Settings.read(environ | {"TEAMS_WEBHOOK_URL": f"{webhook}&again=1"})
            async with connect_world(moved, clock) as world:
                assert (
                    await alert_on_settings_change(world, moved, create_run_id(world.now()))
                    == "told"
                )
            box.tenant.faults.load([{"service": "msi", "kind": "error", "status": 400}])
            await once(spill, "no managed identity", environ)
        await rows_of(spill, environ)
        spill.add_output("cards", json.dumps(box.cards))
    return box


async def troubled(spill: CapturedOutput, azurite: Azurite, service: str) -> Sandbox:
    """One guard, again and again, while one thing after another goes wrong with a service."""
    async with Sandbox(load_scene("attack")) as box:
        environ = with_secret(box, azurite, f"trouble{service}")
        for fault in TROUBLES:
            box.tenant.faults.load([{"service": service, **fault}])
            await once(spill, f"{service}: {fault}", environ)
        await rows_of(spill, environ)
        spill.add_output("cards", json.dumps(box.cards))
    return box


async def once(spill: CapturedOutput, where: str, environ: Mapping[str, str]) -> None:
    """One run of one guard, whatever comes of it."""
    async with complaining(spill, where):
        settings = Settings.read(environ)
        duty = settings.find_guard_config(GUARD)
        assert duty
        async with connect_world(settings) as world:
            spill.add_output("report", await run(duty, world))


async def wrongly_set_up(spill: CapturedOutput, azurite: Azurite, folder: Path) -> None:
    """Settings that do not work, each a secret of its own that is wrong."""
    certificate, key = make_certificate(folder)
    both = folder / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    broken = folder / "broken.pem"
    broken.write_bytes(key.read_bytes()[:120])
    async with Sandbox(load_scene("attack")) as box:
        given = with_secret(box, azurite, "wrong")
        storage = azurite.connection_string
        for name, changed in {
            "wrong secret": {"CLIENT_SECRET": WRONG_SECRET},
            "unknown certificate": {"CLIENT_CERTIFICATE_PATH": str(both)},
            "broken certificate": {"CLIENT_CERTIFICATE_PATH": str(broken)},
            "webhook elsewhere": {"TEAMS_WEBHOOK_URL": WRONG_HOOK},
            "webhook that is dead": {"TEAMS_WEBHOOK_URL": DEAD_HOOK},
            "wrong storage key": {
                "STATE_CONNECTION_STRING": storage.replace(ACCOUNT_KEY, WRONG_KEY)
            },
            "storage key that is no base64": {
                "STATE_CONNECTION_STRING": storage.replace(ACCOUNT_KEY, f"={WRONG_SECRET}=")
            },
            "no connection string": {"STATE_CONNECTION_STRING": f"AccountKey={WRONG_KEY}"},
            "not even that": {"STATE_CONNECTION_STRING": WRONG_SECRET},
        }.items():
            await once(spill, name, given | changed)
            for route in ROUTES[5:8]:
                answer = await handle_request(route, HttpRequest(), given | changed)
                spill.add_output(f"answer of {route.name}, {name}", answer)


async def asked_over_the_api(spill: CapturedOutput, environ: dict[str, str]) -> None:
    """Every route, by key, with a key in the address, and by a hand that is not let in."""
    headers = {"x-functions-key": FUNCTION_KEY, "content-type": "application/json"}
    path = {"guard": GUARD, "case": "0" * 32, "change": "0" * 32, "run": "0-0", "request": "0-0"}
    wish = {"who": "Dana", "why": "to see", "subject": "nobody", "until": "2999-01-01"}
    period = {"from": "2020-01-01", "until": "2030-01-01"}
    for route in ROUTES:
        body = json.dumps({name: wish[name] for name in names_of(route) if name in wish}).encode()
        query = {name: period[name] for name in names_of(route) if name in period}
        call = HttpRequest(path, query, headers, body)
        for asked in (
            call,
            replace(call, query={"CODE": FUNCTION_KEY}),
            replace(call, body=FUNCTION_KEY.encode()),
            replace(call, path_parameters=dict.fromkeys(path, FUNCTION_KEY)),
        ):
            answer = await handle_request(route, asked, environ)
            if asked is not call or FUNCTION_KEY not in asked.body.decode():
                spill.add_output(f"answer of {route.name}", answer)
            for sent in answer.run_messages:
                spill.add_output("message", sent.to_json())
    async with complaining(spill, "a ticket"):
        ticket = RunMessage(
            GUARD, create_run_id(SteppingClock()()), SteppingClock()(), runs_guard=False
        )
        spill.add_output("report", await process_run_message(ticket, Settings.read(environ)))


def names_of(route: Route) -> list[str]:
    return [entry.name for entry in route.parameters]


async def on_the_command_line(spill: CapturedOutput, environ: Mapping[str, str]) -> None:
    """Commands on the table, on an app that does not answer, and with a key that is none."""
    key = {"EXOGUARD_KEY": FUNCTION_KEY}
    for arguments, more in (
        (["--local", "status"], {}),
        (["--local", "status", "--json"], {}),
        (["--local", "doctor"], {}),
        (["--app", "http://127.0.0.1:9", "status"], key),
        (["--app", "https://evil.example/path", "status"], key),
        (["--app", "http://127.0.0.1:9", "status"], {"EXOGUARD_KEY": f"{FUNCTION_KEY}\n"}),
        (["--local", "status"], {"STATE_CONNECTION_STRING": f"AccountKey={WRONG_KEY}"}),
    ):
        out = StringIO()
        console = Console(file=out, width=200)
        session = Session({**environ, **more}, console, console, who="Dana")
        code = await asyncio.to_thread(main, arguments, session)
        assert isinstance(code, int)
        spill.add_output(f"command {arguments}", out.getvalue())


async def rows_of(spill: CapturedOutput, environ: Mapping[str, str]) -> None:
    """The state table, row by row, as it lies there."""
    async with TableClient.from_connection_string(
        environ["STATE_CONNECTION_STRING"], table_name=environ["STATE_TABLE"]
    ) as table:
        async for entity in table.list_entities():
            spill.add_output(f"row {entity['RowKey']}", dict(entity))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def said(azurite: Azurite, tmp_path_factory: Any) -> Said:
    """The product, run widely."""
    spill, folder = CapturedOutput(), tmp_path_factory.mktemp("keys")
    canaries = Canaries(
        {
            "function key": FUNCTION_KEY,
            "storage key": ACCOUNT_KEY,
            "wrong storage key": WRONG_KEY,
            "wrong secret": WRONG_SECRET,
            "path of the webhook elsewhere": "canary-path",
            "signature of the webhook elsewhere": "canary-signature",
            "path of the dead webhook": "canary-dead-path",
            "signature of the dead webhook": "canary-dead-signature",
        }
    )
    named = {"STATE_CONNECTION_STRING": azurite.connection_string}
    with capture_output(spill, named, SECRET):
        boxes = [
            await every_guard(spill, azurite, Mode.ENFORCE, ticks=2),
            await every_guard(spill, azurite, Mode.ALERT, ticks=1),
            *await asyncio.gather(*(troubled(spill, azurite, one) for one in SERVICES)),
        ]
        await wrongly_set_up(spill, azurite, folder)
    for box in boxes:
        canaries.add_sandbox_secrets(box)
    key = (folder / "sandbox.key").read_text().splitlines()
    canaries.secrets |= {f"certificate key, line {n}": line for n, line in enumerate(key[1:-1])}
    enforced = boxes[0]
    return Said(spill, canaries, len(enforced.cards), len(enforced.writes))


def test_the_product_was_run_widely_enough_to_have_said_something(said: Said) -> None:
    places = {where.partition(":")[0] for where, _ in said.spill.pieces}
    assert said.cards > 5
    assert said.writes > 5
    assert {"log of exoguard.run", "report", "cards", "printed"} <= places
    assert any(where.startswith("row case") for where in places)
    assert len([name for name in said.canaries.secrets if name.startswith("token")]) > 20


def test_a_secret_that_came_out_would_be_found(said: Said) -> None:
    spill = CapturedOutput()
    for secret in said.canaries.secrets.values():
        spill.add_output("somewhere", f"before {secret} after")
    assert len(spill.find_leaks(said.canaries)) >= len(said.canaries.secrets)


def test_no_secret_comes_out_anywhere(said: Said) -> None:
    assert said.spill.find_leaks(said.canaries) == []


def test_what_exoguard_logs_holds_no_secret_before_anything_cleans_it(said: Said) -> None:
    assert said.spill.find_own_leaks(said.canaries) == []
