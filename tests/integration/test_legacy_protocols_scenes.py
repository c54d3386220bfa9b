"""Legacy protocols over the wire: a healthy tenant, a neglected, an attacked, an unreadable one."""

from collections.abc import Mapping
from typing import Any

import pytest_asyncio

from core.config.catalog import CATALOG
from tests.support.http_recorder import build_mailbox_row, build_user_row
from tests.support.run_scene import SceneResult, list_declared_permissions, run_scene

GUARD = "legacy-protocols"
ENFORCED = {duty.guard.name: "off" for duty in CATALOG} | {GUARD: "enforce"}
ALERTING = ENFORCED | {GUARD: "alert"}
PEOPLE = ("ann", "ben", "cleo", "printer")
PERMISSION = "AuditLog.Read.All"


def ids(name: str) -> tuple[str, str]:
    """The account and the Guid of a mailbox."""
    number = PEOPLE.index(name) + 1
    return f"11111111-0000-4000-8000-{number:012}", f"33333333-0000-4000-8000-{number:012}"


def cas(name: str, **more: object) -> dict[str, object]:
    """A row of Get-CASMailbox."""
    account, guid = ids(name)
    return {
        "ExternalDirectoryObjectId": account,
        "Guid": guid,
        "PrimarySmtpAddress": f"{name}@contoso.example",
        "ImapEnabled": False,
        "PopEnabled": False,
        "SmtpClientAuthenticationDisabled": None,
        **more,
    }


def sign_in(name: str, client: str, days: int = 2, code: int = 0) -> dict[str, object]:
    """A row of the sign-in log."""
    return {
        "id": f"{name}-{client}-{days}-{code}",
        "userId": ids(name)[0],
        "userPrincipalName": f"{name}@contoso.example",
        "createdDateTime": {"@sandbox.daysAgo": days},
        "clientAppUsed": client,
        "ipAddress": "203.0.113.7",
        "status": {"errorCode": code},
    }


def scene(
    *log: object, rows: Mapping[str, object] | None = None, premium: bool = True
) -> dict[str, Any]:
    """Four mailboxes and a search mailbox in a tenant with a sign-in log."""
    search = build_mailbox_row(
        "",
        "33333333-0000-4000-8000-0000000000ff",
        "search",
        RecipientTypeDetails="DiscoveryMailbox",
    )
    return {
        "grants": list_declared_permissions(),
        "graph": {
            "users": [build_user_row(ids(name)[0], name) for name in PEOPLE],
            "domains": [{"id": "contoso.example", "isVerified": True, "isDefault": True}],
            "signIns": list(log),
            "@sandbox.premium": premium,
        },
        "exchange": {
            "Get-Mailbox": [*(build_mailbox_row(*ids(name), name) for name in PEOPLE), search],
            **(rows or {}),
        },
    }


def searching() -> dict[str, object]:
    """The search mailbox, as Microsoft makes it: POP and IMAP on."""
    guid = "33333333-0000-4000-8000-0000000000ff"
    return {**cas("ann"), "ExternalDirectoryObjectId": "", "Guid": guid} | {
        "PrimarySmtpAddress": "search@contoso.example",
        "ImapEnabled": True,
        "PopEnabled": True,
    }


NEGLECTED = {
    "Get-TransportConfig": [
        {"Identity": "Transport Settings", "SmtpClientAuthenticationDisabled": False}
    ],
    "Get-CASMailboxPlan": [
        {"Identity": "Enterprise", "Name": "Enterprise", "ImapEnabled": True, "PopEnabled": True},
        {"Identity": "Deskless", "Name": "Deskless", "ImapEnabled": False, "PopEnabled": True},
    ],
    "Get-AuthenticationPolicy": [
        {"Identity": "Old devices", "Name": "Old devices", "AllowBasicAuthSmtp": True}
    ],
    "Get-CASMailbox": [
        cas("ann", ImapEnabled=True, PopEnabled=True),
        cas("ben", ImapEnabled=True),
        cas("cleo", SmtpClientAuthenticationDisabled=False),
        cas("printer", SmtpClientAuthenticationDisabled=False),
        searching(),
    ],
}
LOG = (
    sign_in("ben", "IMAP4"),
    sign_in("printer", "Authenticated SMTP"),
    # Somebody tries passwords on her: that is no use.
    sign_in("cleo", "Authenticated SMTP", code=50126),
    sign_in("ann", "Browser"),
)


def cmdlets(journey: SceneResult) -> list[tuple[str, str]]:
    """What was written to what."""
    names = {guid: name for name in PEOPLE for guid in ids(name)}
    parts = (write["target"].partition(" ") for write in journey.writes)
    return sorted((cmdlet, names.get(target, target)) for cmdlet, _, target in parts)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def neglected() -> SceneResult:
    wire = scene(*LOG, rows=NEGLECTED)
    return SceneResult(wire, await run_scene(wire, ticks=4, modes=ENFORCED))


def test_the_neglected_tenant_is_seen_as_it_is(neglected: SceneResult) -> None:
    assert neglected.tabulate_findings(1, GUARD) == {
        "organization": {("smtp-auth-organization", "repair")},
        "Enterprise": {("plan-protocols", "repair")},
        "Deskless": {("plan-protocols", "repair")},
        "Old devices": {("policy-basic-smtp", "ask")},
        "ann": {("mailbox-protocols", "repair")},
        "ben": {("mailbox-protocols", "ask")},
        "cleo": {("smtp-auth-override", "repair")},
        "printer": {("smtp-auth-override", "ask")},
    }
    severities = {
        (row["kind"], row["severity"]) for row in neglected.find_run(1, GUARD)["findings"]
    }
    assert severities == {
        ("smtp-auth-organization", "high"),
        ("plan-protocols", "medium"),
        ("policy-basic-smtp", "medium"),
        ("smtp-auth-override", "medium"),
        ("mailbox-protocols", "low"),
        ("mailbox-protocols", "medium"),
    }
    assert (neglected.find_run(1, GUARD)["seen"], neglected.find_run(1, GUARD)["unread"]) == (5, 0)


def test_what_nobody_uses_is_switched_off_and_nothing_else(neglected: SceneResult) -> None:
    outcomes = [
        {one["outcome"] for one in neglected.find_run(tick, GUARD)["changes"]} for tick in (1, 2)
    ]
    assert outcomes == [set(), {"applied"}]
    assert len(neglected.find_run(1, GUARD)["preview"]) == len(neglected.writes)
    assert cmdlets(neglected) == [
        ("Set-CASMailbox", "ann"),
        ("Set-CASMailbox", "cleo"),
        ("Set-CASMailboxPlan", "Deskless"),
        ("Set-CASMailboxPlan", "Enterprise"),
        ("Set-CASMailboxPlan", "Enterprise"),
        ("Set-TransportConfig", ""),
    ]
    sent = [write["body"]["CmdletInput"]["Parameters"] for write in neglected.writes]
    allowed = [
        {"ImapEnabled": False, "PopEnabled": False},
        {"SmtpClientAuthenticationDisabled": True},
        {"ImapEnabled": False},
        {"PopEnabled": False},
    ]
    assert all(
        {key: value for key, value in one.items() if key != "Identity"} in allowed for one in sent
    )


def test_who_uses_what_stays_on_is_told_and_then_there_is_silence(neglected: SceneResult) -> None:
    shown = {"Old devices", "ben", "printer"}
    for tick in (3, 4):
        assert neglected.tabulate_findings(tick, GUARD).keys() == shown
        assert neglected.find_run(tick, GUARD)["news"] == 0
    assert "printer@contoso.example used SMTP AUTH from 203.0.113.7" in str(
        neglected.find_run(1, GUARD)["findings"]
    )
    assert [bool(neglected.find_run(tick, GUARD)["told"]) for tick in (1, 2, 3, 4)] == [
        *(True, True, False, False)
    ]


async def test_a_healthy_tenant_is_quiet_and_needs_no_sign_in_log() -> None:
    wire = scene(premium=False)
    journey = SceneResult(wire, await run_scene(wire, ticks=3, modes=ENFORCED))
    for tick in (1, 2, 3):
        run = journey.find_run(tick, GUARD)
        assert (run["findings"], run["news"], run["blind"]) == ([], 0, [])
        assert (run["seen"], run["population"]) == (5, 5)
    assert (journey.cards, journey.writes) == ([], [])


async def test_an_attacker_who_opens_doors_is_told_in_the_tick_it_happens() -> None:
    opened = {
        "Get-TransportConfig": NEGLECTED["Get-TransportConfig"],
        "Get-CASMailbox": [
            cas("ann", SmtpClientAuthenticationDisabled=False, ImapEnabled=True),
        ],
    }
    used = [sign_in("ann", "Authenticated SMTP", 0)]
    wire = scene() | {"ticks": [{}, {"exchange": opened, "graph": {"signIns": used}}]}
    journey = SceneResult(wire, await run_scene(wire, ticks=3, modes=ALERTING))
    assert journey.tabulate_findings(1, GUARD) == {}
    assert journey.tabulate_findings(2, GUARD) == {
        "organization": {("smtp-auth-organization", "repair")},
        "ann": {("smtp-auth-override", "ask"), ("mailbox-protocols", "repair")},
    }
    assert [row["state"] for row in journey.find_run(2, GUARD)["findings"]] == ["new"] * 3
    assert [bool(journey.find_run(tick, GUARD)["told"]) for tick in (1, 2, 3)] == [
        False,
        True,
        False,
    ]
    assert "from 203.0.113.7" in str(journey.cards)
    assert journey.writes == []


async def test_without_a_licence_for_the_log_everything_is_asked_and_nothing_written() -> None:
    wire = scene(*LOG, rows=NEGLECTED, premium=False)
    journey = SceneResult(wire, await run_scene(wire, ticks=3, modes=ENFORCED))
    found = journey.tabulate_findings(1, GUARD)
    assert found["ann"] == {("mailbox-protocols", "ask")}
    assert found["organization"] == {("smtp-auth-organization", "ask")}
    assert found["sign-ins"] == {("source-unavailable", "could-not-tell")}
    # Nobody uses a plan: what future mailboxes get is put right all the same.
    assert {cmdlet for cmdlet, _ in cmdlets(journey)} == {"Set-CASMailboxPlan"}
    assert "Entra ID P1" in str(journey.find_run(1, GUARD)["findings"])
    assert journey.find_run(3, GUARD)["news"] == 0


async def test_an_empty_log_of_interactive_sign_ins_alone_switches_nothing_off() -> None:
    fault = {"match": "/beta/auditLogs", "kind": "error", "status": 400}
    wire = {**scene(rows=NEGLECTED), "faults": [fault]}
    journey = SceneResult(wire, await run_scene(wire, ticks=2, modes=ENFORCED))
    found = journey.tabulate_findings(2, GUARD)
    assert found["ann"] == {("mailbox-protocols", "ask")}
    assert found["cleo"] == {("smtp-auth-override", "ask")}
    assert {cmdlet for cmdlet, _ in cmdlets(journey)} == {"Set-CASMailboxPlan"}
    assert "only interactive sign-ins could be read" in str(journey.find_run(1, GUARD)["findings"])


async def test_what_cannot_be_read_is_told_with_the_permission_and_nothing_is_clean() -> None:
    wire = scene(*LOG, rows=NEGLECTED)
    wire["grants"] = {
        "graph": [],
        "exchange": ["Get-CASMailboxPlan", "Get-OrganizationConfig", "Get-Mailbox"],
    }
    journey = SceneResult(wire, await run_scene(wire, ticks=3, modes=ALERTING))
    run = journey.find_run(1, GUARD)
    assert {"mailbox-protocols", "configuration-transport-config"} <= set(run["blind"])
    lacks = {
        row["subject"]: row["severity"]
        for row in run["findings"]
        if row["kind"] == "permission-missing"
    }
    assert lacks == {
        "Get-TransportConfig": "critical",
        "Get-CASMailbox": "critical",
        "Get-AuthenticationPolicy": "critical",
        **dict.fromkeys(
            (
                PERMISSION,
                "Application.Read.All",
                "Directory.Read.All",
                "User.Read.All",
                "Get-User",
            ),
            "low",
        ),
    }
    assert {row["verdict"] for row in run["findings"] if row["kind"] == "plan-protocols"} == {
        "repair"
    }
    assert journey.writes == []
    assert journey.find_run(3, GUARD)["news"] == 0
