"""From the managed identity to the tokens of Graph and Exchange, and what is said when it breaks.

Real azure-identity throughout: identity endpoint, federated assertion, token endpoint over TLS.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.adapters.m365.tenant import M365Tenant
from core.bootstrap import connect_world, open_ledger
from core.config.catalog import CATALOG
from core.config.settings import Settings
from core.doctor import main as doctor
from core.engine.run import run
from core.microsoft365.assumptions.graph_directory import REGISTRATION_PAGE
from core.model.findings import Severity, format_facts
from core.model.runs import RunReport
from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox

IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")
SCENE: dict[str, Any] = {
    "graph": {"users": [], "domains": [{"id": "contoso.com", "isVerified": True}]},
    "exchange": {"Get-Mailbox": []},
}


@pytest.fixture(autouse=True)
def process_environment() -> Iterator[None]:
    """Restore the identity endpoint after each test: it is a variable of the process."""
    before = {name: os.environ.get(name) for name in IDENTITY}
    yield
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def settings(box: Sandbox, azurite: Azurite, changes: Mapping[str, str]) -> dict[str, str]:
    """The app's settings for this tenant, with changes."""
    table = {"STATE_TABLE": f"t{uuid.uuid4().hex}"}
    environ: dict[str, str] = {**build_app_settings(box, azurite, {}), **table, **changes}
    os.environ.update({name: environ[name] for name in IDENTITY})
    return environ


async def report(environ: Mapping[str, str]) -> RunReport:
    """Run the first guard once."""
    read = Settings.read(environ)
    async with connect_world(read, lambda: datetime.now(UTC)) as world:
        return await run(read.guard_configs[0], world)


async def test_one_identity_token_opens_graph_and_exchange(azurite: Azurite) -> None:
    async with Sandbox(SCENE) as box:
        done = await report(settings(box, azurite, {}))
        assert (done.status, done.unavailable_sources, done.error) == ("done", (), "")
        seen = [row.service for row in box.requests]
        assert seen.count("msi") == 1
        assert seen.count("entra") == 2
        assert seen.count("exchange") >= 2


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"TENANT_ID": str(uuid.UUID(int=7))}, "TENANT_ID names a tenant that does not exist"),
        ({"CLIENT_ID": str(uuid.UUID(int=8))}, "the app registration CLIENT_ID does not exist"),
    ],
    ids=["wrong tenant", "wrong app"],
)
async def test_a_wrong_setting_is_one_critical_case_that_names_it(
    azurite: Azurite, changes: Mapping[str, str], remedy: str
) -> None:
    async with Sandbox(SCENE) as box:
        told = await report(settings(box, azurite, changes))
        assert_case(told, remedy)
        assert remedy in json.dumps(box.cards).replace("\\", "")
        assert not [row for row in box.requests if row.service in ("graph", "exchange")]


async def test_a_federation_that_may_be_new_is_notified_when_it_stays_unknown(
    azurite: Azurite,
) -> None:
    async with Sandbox(SCENE) as box:
        environ = settings(box, azurite, {})
        # The assertion of another app: the right form, the wrong subject.
        stranger = box.entra.issue_token(
            "api://AzureADTokenExchange", 3600, sub=str(uuid.UUID(int=9))
        )
        box.tenant.set_faults(identity_answer(stranger))
        assert (await report(environ)).notifications == ()
        for _ in range(2):
            done = await report(environ)
        assert [case.kind for case in done.notifications] == ["credential"]
        assert "takes up to 15 minutes: wait" in json.dumps(box.cards)


async def test_a_federation_that_is_taken_late_is_waited_for_and_no_case(azurite: Azurite) -> None:
    late = {"azure-new-credential": {"side": "late", "times": 5}}
    async with Sandbox({**SCENE, "reality": late}) as box:
        environ = settings(box, azurite, {})
        first = await report(environ)
        assert first.unavailable_sources
        assert first.notifications == ()
        done = await report(environ)
        assert (done.status, done.unavailable_sources, done.notifications) == ("done", (), ())


async def test_an_expired_identity_token_is_named(azurite: Azurite) -> None:
    async with Sandbox(SCENE) as box:
        environ = settings(box, azurite, {})
        stale = box.entra.issue_token("api://AzureADTokenExchange", -60)
        box.tenant.set_faults(identity_answer(stale))
        assert_case(await report(environ), "the managed identity's token has expired")


async def test_a_missing_identity_is_notified_when_it_lasts(azurite: Azurite) -> None:
    async with Sandbox(SCENE) as box:
        environ = settings(box, azurite, {"MANAGED_IDENTITY_CLIENT_ID": str(uuid.UUID(int=10))})
        for _ in range(3):
            done = await report(environ)
        assert "is it assigned to this app?" in json.dumps(box.cards)
        assert [case.kind for case in done.notifications] == ["credential"]


async def test_the_case_closes_when_the_chain_works_again(azurite: Azurite) -> None:
    async with Sandbox(SCENE) as box:
        environ = settings(box, azurite, {"CLIENT_ID": str(uuid.UUID(int=8))})
        assert_case(await report(environ), "CLIENT_ID does not exist")
        mended = {**environ, "CLIENT_ID": box.build_settings()["CLIENT_ID"]}
        done = await report(mended)
        assert [(case.kind, case.resolution) for case in done.notifications] == [
            ("credential", "gone")
        ]


def identity_answer(token: str) -> dict[str, Any]:
    """The identity endpoint, giving this token."""
    body = {
        "access_token": token,
        "expires_on": str(int(time.time()) + 3600),
        "resource": "api://AzureADTokenExchange",
        "token_type": "Bearer",
    }
    return {"service": "msi", "kind": "wrongBody", "body": body}


def assert_case(told: RunReport, remedy: str) -> None:
    """Check for one critical case, notified at once with a remedy, and no other conclusion."""
    assert told.delivered
    (case,) = told.notifications
    assert (case.kind, case.severity) == ("credential", Severity.CRITICAL)
    assert remedy in " ".join(format_facts(case.facts))
    assert told.outcomes == ()


# -- doctor ------------------------------------------------------------------------------------


async def examined(environ: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """The exit code and the output of core.doctor, which runs its own event loop."""
    import asyncio

    lines: list[str] = []
    code = await asyncio.to_thread(doctor, list(arguments), environ, lines.append)
    return code, "\n".join(lines)


async def test_doctor_accepts_exactly_the_needed_permissions(
    azurite: Azurite,
) -> None:
    grants: dict[str, list[str]] = {"graph": [], "exchange": []}
    for duty in CATALOG:
        for permission in duty.guard.permissions:
            grants[permission.service].append(permission.name)
    async with Sandbox({**SCENE, "grants": grants}) as box:
        code, said = await examined(settings(box, azurite, {}))
    assert code == 0
    assert "No required permission is missing." in said
    # mailbox-forwarding only alerts by default, so what it would need to write is excess.
    assert "excess    MailboxSettings.ReadWrite" in said


async def test_doctor_names_missing_permissions_and_how_to_grant_them(azurite: Azurite) -> None:
    grants = {"graph": ["User.Read.All"], "exchange": ["Get-Mailbox", "Disable-InboxRule"]}
    async with Sandbox({**SCENE, "grants": grants}) as box:
        code, said = await examined(settings(box, azurite, {}))
    assert code == 1
    assert "MISSING   Domain.Read.All" in said
    assert "optional  Mail.ReadBasic.All" in said
    assert "az ad app permission add" in said
    assert "excess    Disable-InboxRule" in said
    assert "ok        User.Read.All" in said


async def test_doctor_says_why_it_cannot_sign_in(azurite: Azurite) -> None:
    async with Sandbox(SCENE) as box:
        environ = settings(box, azurite, {"TENANT_ID": str(uuid.UUID(int=7))})
        code, said = await examined(environ)
    assert (code, "TENANT_ID names a tenant" in said) == (2, True)


async def test_doctor_probes_the_tenant_saves_its_answers_and_writes_a_report(
    azurite: Azurite, tmp_path: Path
) -> None:
    file = tmp_path / "probe.txt"
    async with Sandbox(SCENE) as box:
        environ = settings(box, azurite, {})
        code, said = await examined(environ, "--probe", "--report", str(file))
        async with open_ledger(Settings.read(environ)) as ledger:
            saved = await ledger.load_probe()
    assert code in (0, 1)
    assert "exchange-role-group: " in said
    assert "no names, addresses or ids" in said
    assert saved
    assert saved.find_answer("exchange-role-group")
    text = file.read_text()
    assert "exchange-role-group" in text
    assert "contoso" not in text


async def test_the_way_that_a_probe_chose_is_gone_from_the_next_start_on(azurite: Azurite) -> None:
    async with Sandbox({**SCENE, "reality": {"graph-registration-page": "refused"}}) as box:
        environ = settings(box, azurite, {})
        ways = []
        for _ in range(2):
            async with connect_world(Settings.read(environ)) as world:
                assert isinstance(world.tenant, M365Tenant)
                ways.append(await world.tenant.accounts.graph.chosen_ways.find(REGISTRATION_PAGE))
            await examined(environ, "--probe")
    assert ways == ["top", "plain"]


async def test_doctor_probes_without_a_state_and_says_so(azurite: Azurite) -> None:
    unreachable = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;TableEndpoint="
    async with Sandbox(SCENE) as box:
        table = {"STATE_CONNECTION_STRING": f"{unreachable}http://127.0.0.1:1/a;"}
        code, said = await examined(settings(box, azurite, table), "--probe")
    assert code in (0, 1)
    assert "unsaved   the state cannot be reached" in said


async def test_doctor_names_every_invalid_setting() -> None:
    code, said = await examined({})
    assert code == 2
    assert "setting   TENANT_ID is missing" in said
    assert "setting   CLIENT_ID is missing" in said


async def test_doctor_lists_the_needed_permissions_before_the_deployment() -> None:
    code, said = await examined({}, "--needs")
    assert code == 0
    assert "User.EnableDisableAccount.All" in said
    assert "MailboxSettings.ReadWrite" not in said
    _, enforcing = await examined({"MAILBOX_FORWARDING_MODE": "enforce"}, "--needs")
    assert "MailboxSettings.ReadWrite" in enforcing
    off = {f"{guard}_MODE": "off" for guard in ("SHARED_MAILBOX_SIGN_IN", "MAILBOX_FORWARDING")}
    _, alone = await examined(off, "--needs")
    assert "User.EnableDisableAccount.All" not in alone
    assert "Set-Mailbox" in alone
