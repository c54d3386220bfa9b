"""The Exchange role script, played against an Exchange in memory: what it leaves behind.

PowerShell is not needed and not proven by this: `tests.infra.exchange_script_emulator` plays the
part of the language the script keeps to.
"""

from collections.abc import Sequence
from copy import deepcopy
from functools import cache, partial

import pytest

from core.config.catalog import CATALOG
from core.model.guards import Mode, Service
from tests.infra.exchange_script_emulator import PsObject, ScriptEmulator, TerminatingError
from tests.infra.fake_exchange import FakeExchange
from tools.docs_gen.documents import ROOT

SOURCE = (ROOT / "infra" / "exchange-role.ps1").read_text(encoding="utf-8")
APP = "0b0a4f3e-5d0c-4a57-9d53-0d5f3f7a1a01"
PRINCIPAL = "6c1e2d77-3e55-4a8e-8f3b-1b7a9c2d4e02"
GROUP = "Exoguard guards"
ALL = [duty.guard.name for duty in CATALOG]
ENFORCING = [duty.guard.name for duty in CATALOG if duty.mode is Mode.ENFORCE]


def grant(exchange: FakeExchange, *, what_if: bool = False, **arguments: object) -> list[str]:
    """Run the script; the writes it made."""
    exchange.writes.clear()
    given = {"AppId": APP, "ServicePrincipalObjectId": PRINCIPAL} | arguments
    ScriptEmulator(SOURCE, exchange.build_cmdlets()).run_script(what_if=what_if, **given)
    return exchange.writes


@cache
def run_first() -> FakeExchange:
    """A tenant after the first run."""
    exchange = FakeExchange()
    grant(exchange)
    return exchange


def build_granted() -> FakeExchange:
    """A tenant after the first run, for one test alone."""
    return deepcopy(run_first())


def remove(exchange: FakeExchange, *, what_if: bool = False) -> list[str]:
    """Run it with -Remove; the writes it made."""
    exchange.writes.clear()
    ScriptEmulator(SOURCE, exchange.build_cmdlets()).run_script(
        what_if=what_if, AppId=APP, Remove=True
    )
    return exchange.writes


def needed(guards: Sequence[str], enforcing: Sequence[str]) -> tuple[set[str], dict[str, set[str]]]:
    """The cmdlets that read, and those that write with their parameters, by the catalog."""
    reads: set[str] = set()
    writes: dict[str, set[str]] = {}
    for duty in CATALOG:
        for entry in duty.guard.permissions:
            if entry.service is not Service.EXCHANGE or duty.guard.name not in guards:
                continue
            if not entry.writes:
                reads.add(entry.name)
            elif duty.guard.name in enforcing:
                writes.setdefault(entry.name, set()).update(entry.parameters)
    return reads, writes


def assert_allowed(exchange: FakeExchange, guards: Sequence[str], enforcing: Sequence[str]) -> None:
    """The group may run exactly what these guards need."""
    reads, writes = needed(guards, enforcing)
    allowed = exchange.get_allowed_cmdlets(GROUP)
    assert {name for name in allowed if name.startswith("Get-")} == reads
    assert {name: held for name, held in allowed.items() if name not in reads} == writes


def test_the_first_run_gives_the_app_exactly_what_its_guards_need() -> None:
    exchange = build_granted()
    assert_allowed(exchange, ALL, ENFORCING)
    assert [one["name"] for one in exchange.groups[GROUP]] == [PRINCIPAL]
    assert [(one["appid"], one["objectid"]) for one in exchange.principals] == [(APP, PRINCIPAL)]


def test_the_second_run_changes_nothing() -> None:
    exchange = build_granted()
    # What the document says.
    text = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert f"there are {exchange.writes.count('New-ManagementRole')} roles:" in text
    assert grant(exchange) == []


@pytest.mark.parametrize(
    ("guards", "enforce", "may_look", "may_write"),
    [
        ("mailbox-audit", "none", ["mailbox-audit"], []),
        ("", "mailbox-audit,mailbox-forwarding", ALL, ["mailbox-audit", "mailbox-forwarding"]),
        ("", ["mailbox-forwarding"], ALL, ["mailbox-forwarding"]),
        (["mailbox-forwarding", "mailbox-audit"], "", ALL[1:3], ENFORCING),
        (
            ["mailbox-forwarding", "mailbox-audit"],
            "",
            ["mailbox-forwarding", "mailbox-audit"],
            ENFORCING,
        ),
        ("shared-mailbox-sign-in", "", ALL[:1], []),
    ],
)
def test_a_run_with_other_guards_takes_away_and_adds(
    guards: object, enforce: object, may_look: list[str], may_write: list[str]
) -> None:
    exchange = build_granted()
    grant(exchange, Guards=guards, Enforce=enforce)
    assert_allowed(exchange, may_look, may_write)
    assert grant(exchange, Guards=guards, Enforce=enforce) == []
    grant(exchange)
    assert_allowed(exchange, ALL, ENFORCING)


def test_the_parent_is_the_smallest_built_in_role_that_manages_everybody() -> None:
    exchange = FakeExchange()
    grant(exchange, Enforce="mailbox-audit,mailbox-forwarding")
    parents = {name: role["parent"] for name, role in exchange.roles.items()}
    assert parents["Exoguard Get-Mailbox"] == "View-Only Recipients"
    assert parents["Exoguard Get-InboxRule"] == "Mail Recipients"
    assert parents["Exoguard Set-Mailbox mailbox-audit"] == "Audit Logs"
    assert parents["Exoguard Set-Mailbox mailbox-forwarding"] == "Mail Recipients"


def test_a_dry_run_changes_nothing_and_asks_about_every_role() -> None:
    exchange = FakeExchange()
    player = ScriptEmulator(SOURCE, exchange.build_cmdlets())
    player.run_script(what_if=True, AppId=APP, ServicePrincipalObjectId=PRINCIPAL)
    assert exchange.writes == []
    reads, writes = needed(ALL, ENFORCING)
    assert len([one for one in player.confirmations if "Create from" in one[1]]) == len(
        reads
    ) + len(writes)
    assert (GROUP, "Create role group") in player.confirmations


def test_a_role_that_somebody_widened_is_made_anew() -> None:
    exchange = build_granted()
    exchange.entries["Exoguard Set-Mailbox mailbox-audit"]["Set-Mailbox"] += ("Type",)
    exchange.entries["Exoguard Get-Mailbox"]["New-Mailbox"] = ("Name",)
    assert grant(exchange)
    assert_allowed(exchange, ALL, ENFORCING)


def test_a_role_that_somebody_gave_the_group_is_taken_from_it() -> None:
    exchange = build_granted()
    exchange.assignments.append(
        PsObject(Identity="by hand", Role="Mail Recipients", RoleAssigneeName=GROUP)
    )
    assert grant(exchange) == ["Remove-ManagementRoleAssignment"]
    assert_allowed(exchange, ALL, ENFORCING)
    assert "Mail Recipients" in exchange.roles


def test_common_parameters_that_exchange_adds_are_no_reason_to_make_a_role_anew() -> None:
    exchange = build_granted()
    exchange.entries["Exoguard Set-Mailbox mailbox-audit"]["Set-Mailbox"] += ("WhatIf", "Verbose")
    assert grant(exchange) == []


def test_a_stranger_in_the_group_is_named() -> None:
    exchange = build_granted()
    exchange.groups[GROUP].append(PsObject(Name="mallory"))
    with pytest.raises(TerminatingError, match="'mallory' is a member of the group too"):
        grant(exchange)


@pytest.mark.parametrize(
    ("principal", "entra", "words"),
    [
        (APP, "", "The object id is the application id"),
        (PRINCIPAL, "another", "Entra knows the app's enterprise application as another"),
    ],
)
def test_a_wrong_object_id_is_refused_before_anything_is_made(
    principal: str, entra: str, words: str
) -> None:
    exchange = FakeExchange()
    exchange.entra_object_id = entra
    with pytest.raises(TerminatingError, match=words):
        grant(exchange, ServicePrincipalObjectId=principal)
    assert exchange.writes == []


def test_an_app_known_with_another_object_id_is_left_to_a_person() -> None:
    exchange = FakeExchange()
    exchange.principals.append(PsObject(AppId=APP, ObjectId="older", Identity="older"))
    with pytest.raises(TerminatingError, match="Remove-ServicePrincipal -Identity older"):
        grant(exchange)
    assert exchange.writes == []


def test_an_organization_without_customization_gets_the_remedy() -> None:
    exchange = FakeExchange()
    exchange.dehydrated = True
    with pytest.raises(TerminatingError, match="Enable-OrganizationCustomization"):
        grant(exchange)
    assert exchange.writes == []


def test_an_unknown_guard_is_named() -> None:
    with pytest.raises(TerminatingError, match="There is no guard 'mailbox-audits'"):
        grant(FakeExchange(), Enforce="mailbox-audits")


def test_a_cmdlet_no_role_holds_stops_the_script_unless_it_is_optional() -> None:
    exchange = FakeExchange()
    del exchange.entries["View-Only Configuration"]["Get-RemoteDomain"]
    grant(exchange, Guards="mailbox-forwarding")
    assert "Exoguard Get-RemoteDomain" not in exchange.roles
    assert grant(exchange, Guards="mailbox-forwarding") == []


def test_all_that_no_role_holds_is_named_before_anything_is_written() -> None:
    exchange = FakeExchange()
    exchange.entries["Audit Logs"]["Set-Mailbox"] = ("Identity", "AuditEnabled")
    del exchange.entries["View-Only Configuration"]["Get-TransportRule"]
    words = "holds Get-TransportRule -ResultSize; Set-Mailbox -Identity"
    with pytest.raises(TerminatingError, match=words):
        grant(exchange)
    assert exchange.writes == []


def test_a_guard_that_is_to_write_without_looking_is_refused() -> None:
    exchange = FakeExchange()
    words = "-Enforce names mailbox-audit, tenant-baseline, and -Guards does not"
    with pytest.raises(TerminatingError, match=words):
        grant(exchange, Guards="app-consent", Enforce="mailbox-audit,tenant-baseline")
    assert exchange.writes == []


@pytest.mark.parametrize(
    ("installed", "powershell", "loaded"),
    [
        (["3.9.2"], (7, 4), "3.9.2"),
        (["3.10.0", "3.9.2", "3.2.0"], (7, 4), "3.9.2"),
        (["3.9.2", "3.10.0"], (7, 6), "3.10.0"),
        (["3.9.2", "4.1.0"], (8, 0), "4.1.0"),
        (["3.10.0"], (7, 5), ""),
        (["3.4.0"], (7, 6), ""),
        ([], (7, 6), ""),
    ],
)
def test_the_newest_module_this_powershell_can_load_is_taken(
    installed: list[str], powershell: tuple[int, int], loaded: str
) -> None:
    exchange = FakeExchange()
    exchange.module_versions = installed
    player = ScriptEmulator(SOURCE, exchange.build_cmdlets())
    major, minor = powershell
    player.powershell = PsObject(PSVersion=PsObject(Major=major, Minor=minor))
    run = partial(
        player.run_script, AppId=APP, ServicePrincipalObjectId=PRINCIPAL, Guards="app-consent"
    )
    if loaded:
        run()
        assert exchange.imported == [loaded]
        return
    words = "does not run in PowerShell" if installed else "is not installed"
    with pytest.raises(TerminatingError, match=words):
        run()
    assert exchange.writes == []


@pytest.mark.parametrize(
    ("recipients", "configuration", "taken"),
    [
        ("Organization", "OrganizationConfig", True),
        ("Organization", "None", True),
        ("None", "OrganizationConfig", True),
        ("", "", True),
        ("None", "None", False),
        ("Self", "", False),
    ],
)
def test_what_writes_is_derived_from_a_role_that_writes_everywhere(
    recipients: str, configuration: str, taken: bool
) -> None:
    exchange = FakeExchange()
    exchange.roles["Audit Logs"] |= PsObject(
        ImplicitRecipientWriteScope=recipients, ImplicitConfigWriteScope=configuration
    )
    if taken:
        grant(exchange, Guards="mailbox-audit")
        assert exchange.roles["Exoguard Set-Mailbox mailbox-audit"]["parent"] == "Audit Logs"
        return
    with pytest.raises(TerminatingError, match="No built-in role of this tenant holds Set-Mailbox"):
        grant(exchange, Guards="mailbox-audit")


def test_an_assignment_that_somebody_narrowed_is_made_anew() -> None:
    exchange = FakeExchange()
    grant(exchange, Guards="mailbox-audit")
    [narrowed] = [
        one
        for one in exchange.assignments
        if one["role"] == "Exoguard Get-User" and not one.get("delegating")
    ]
    narrowed["customrecipientwritescope"] = "Berlin only"
    again = ["Remove-ManagementRoleAssignment", "New-ManagementRoleAssignment"]
    assert grant(exchange, Guards="mailbox-audit") == again
    assert grant(exchange, Guards="mailbox-audit") == []


def test_what_the_app_may_do_is_a_list_that_no_width_shortens() -> None:
    exchange = FakeExchange()
    grant(exchange, Guards="mailbox-audit")
    said = "\n".join(exchange.said)
    assert (
        "  Set-AdminAuditLogConfig: -UnifiedAuditLogIngestionEnabled\n"
        "    by the role Exoguard Set-AdminAuditLogConfig mailbox-audit, derived from Audit Logs"
    ) in said
    assert "  Get-Mailbox: all parameters\n    by the role Exoguard Get-Mailbox, derived" in said


@pytest.mark.parametrize(
    "cmdlet",
    [
        "Set-ManagementRoleEntry",
        "New-ManagementRoleAssignment",
        "Add-RoleGroupMember",
        "Remove-ManagementRole",
    ],
)
def test_what_exchange_does_not_know_yet_is_tried_again(cmdlet: str) -> None:
    exchange = FakeExchange()
    if cmdlet.startswith("Remove"):
        grant(exchange, Guards="mailbox-audit,mailbox-forwarding")
    exchange.failures_left[cmdlet] = 3
    grant(exchange, Guards="mailbox-audit")
    assert exchange.failures_left[cmdlet] == 0
    assert_allowed(exchange, ["mailbox-audit"], ["mailbox-audit"])


def test_a_role_that_could_not_be_trimmed_is_never_given_to_the_app() -> None:
    exchange = FakeExchange()
    exchange.failures_left["Set-ManagementRoleEntry"] = 1_000
    with pytest.raises(TerminatingError, match="could not be found"):
        grant(exchange, Guards="mailbox-audit")
    assert exchange.get_allowed_cmdlets(GROUP) == {}
    exchange.failures_left.clear()
    grant(exchange, Guards="mailbox-audit")
    assert_allowed(exchange, ["mailbox-audit"], ["mailbox-audit"])


def test_removing_leaves_what_others_made_and_twice_is_no_more() -> None:
    exchange, before = FakeExchange(), FakeExchange()
    for name, parent in (("Exoguard auditors", "Audit Logs"), ("Exoguard Get-Insight", "")):
        for one in (exchange, before):
            one.roles[name] = PsObject(Name=name, Parent=parent)
            one.entries[name] = {}
    stranger = PsObject(AppId="another app", ObjectId="another", Identity="another")
    exchange.principals.append(stranger)
    grant(exchange)
    assert remove(exchange, what_if=True) == []
    assert remove(exchange)
    assert exchange.roles.keys() == before.roles.keys()
    assert (exchange.groups, exchange.assignments) == ({}, [])
    assert exchange.principals == [stranger]
    assert remove(exchange) == []
