"""What is imported when the app starts, and what its first work brings in.

msgraph-sdk is some seventeen thousand files, and the first of its typed models to be imported costs
seconds of a cold start and half of the memory, so nothing may load them unasked. Each scenario
below runs in a process of its own, which notes who imports what and prints the modules that were
not wanted, with the way that led to them. Nothing here measures time.
"""

import asyncio
import importlib
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from io import StringIO
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SDK = ("msgraph", "msgraph_core", "kiota_abstractions", "kiota_http", "kiota_serialization_json")
# What only who looks at a page needs.
PAGES = ("jinja2", "core.web.pages")
# What only a request, the digest or the audit logs need: whose trigger imports it.
OTHER_TRIGGERS = (
    "core.api.routes",
    "core.evidence",
    "core.jobs.activity",
    "core.jobs.weekly_digest",
    "core.status.document",
    "core.status.overview",
)
# The command line and what it prints with are for people's own machines.
TERMINAL = ("core.cli", "typer", "rich")
# What a terminal does not wait for when it is asked for help or completes a word.
SLOW_FOR_HELP = ("aiohttp", "azure", "core.config", "core.engine", "core.model", "core.status")
# Each entity that is made runs 2,388 imports again.
SLOW_MODEL = "msgraph.generated.models.entity"


# ----------------------------------------------------------------------------------------------
# The child process
# ----------------------------------------------------------------------------------------------


def importer(frame: FrameType | None) -> str:
    """The module whose code imports, past the frames of the import system itself."""
    while frame is not None and (
        frame.f_code.co_filename.startswith("<frozen importlib")
        or frame.f_globals.get("__name__") == "importlib"
    ):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__")) if frame else ""


class Watch(MetaPathFinder):
    """Finds nothing, and remembers which module asked for which first."""

    def __init__(self) -> None:
        self.asked_by: dict[str, str] = {}

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        self.asked_by.setdefault(name, importer(sys._getframe(1)))
        return None

    def way(self, name: str) -> str:
        """A module, who imported it, who imported that one, and so on."""
        steps = [name]
        while (name := self.asked_by.get(name, "")) and name not in steps:
            steps.append(name)
        return " <- ".join(steps)

    def ways(self, *unwanted: str) -> list[str]:
        """The ways to the first few of these modules, or of modules inside them, that are loaded.

        What they import in turn says nothing more and is left out.
        """
        found = [
            name
            for name in self.asked_by
            if name in sys.modules and any(f"{name}.".startswith(f"{one}.") for one in unwanted)
        ]
        return [self.way(name) for name in found if self.asked_by[name] not in found][:5]


def importing(module: str, watch: Watch) -> None:
    importlib.import_module(module)


def start(watch: Watch) -> dict[str, Any]:
    """Azure imports the app, as a new instance does first of all."""
    importing("function_app", watch)
    functions = len(sys.modules["function_app"].app.get_functions())
    return {"functions": functions, **seen(watch, *SDK, *PAGES, *TERMINAL, *OTHER_TRIGGERS)}


def help_asked(watch: Watch) -> dict[str, Any]:
    """A person asks the command line for help."""
    importing("core.cli.program", watch)
    with redirect_stdout(StringIO()) as text:
        code = sys.modules["core.cli.program"].main(["acknowledge", "--help"])
    helped = "CASE..." in text.getvalue()
    return {"helped": helped, "code": code, **seen(watch, *SLOW_FOR_HELP)}


def seen(watch: Watch, *unwanted: str) -> dict[str, Any]:
    return {"unwanted": watch.ways(*unwanted)}


async def look(watch: Watch) -> dict[str, Any]:
    """The app is connected to a tenant and reads the inbox rules of a mailbox, by a $batch."""
    from core.bootstrap import connect_world
    from core.config.settings import Settings
    from core.tenant.mailboxes import Mailbox
    from sandbox.scene_runner import build_app_settings
    from sandbox.server import Sandbox
    from tests.sandbox.tenant_client import CLIENT_SCENE, MIA, MIA_GUID
    from tests.support.shared_azurite import take_account

    async with Sandbox(CLIENT_SCENE) as box:
        settings = build_app_settings(box, take_account(), {})
        os.environ.update({name: settings[name] for name in settings if name.startswith("IDENT")})
        async with connect_world(Settings.read(settings)) as world:
            mailbox = Mailbox(id=MIA, guid=MIA_GUID, address="mia@contoso.example")
            reading = await world.tenant.inbox_rules.read_inbox_rules([mailbox])
        return {
            "unread": [str(one) for one in reading.failures],
            "rules": len(reading.items),
            "inner": box.counts["graph/inner"],
            **seen(watch, SLOW_MODEL),
        }


def pretended(watch: Watch) -> dict[str, Any]:
    """Something imports what it should not, by a way of two steps."""
    importing("email.mime.text", watch)
    return seen(watch, "email.mime.nonmultipart")


def child(scenario: str) -> None:
    watch = Watch()
    sys.meta_path.insert(0, watch)
    outcome = asyncio.run(look(watch)) if scenario == "look" else globals()[scenario](watch)
    json.dump(outcome, sys.stdout)


# ----------------------------------------------------------------------------------------------
# The tests
# ----------------------------------------------------------------------------------------------


def outcome_of(scenario: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.test_cold_start", scenario],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_starting_the_app_imports_nothing_of_the_graph_sdk_or_of_the_pages() -> None:
    outcome = outcome_of("start")
    assert outcome["unwanted"] == []
    assert outcome["functions"] > 0


def test_connecting_and_one_batch_do_without_the_typed_models() -> None:
    outcome = outcome_of("look")
    assert outcome["unwanted"] == []
    assert (outcome["unread"], outcome["inner"] > 0, outcome["rules"] > 0) == ([], True, True)


def test_help_on_the_command_line_imports_nothing_of_the_app() -> None:
    outcome = outcome_of("help_asked")
    assert outcome["unwanted"] == []
    assert (outcome["helped"], outcome["code"]) == (True, 0)


def test_an_unwanted_import_is_told_with_the_way_that_led_to_it() -> None:
    [way] = outcome_of("pretended")["unwanted"]
    assert way == "email.mime.nonmultipart <- email.mime.text <- __main__"


if __name__ == "__main__":
    child(sys.argv[1])
