"""The steps of a remedy: hostile text stays text, and every command is one that there is."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.containment.commands import (
    FLOW_RULES_COMMAND,
    METHOD_CMDLETS,
    build_device_command,
    build_grant_command,
    build_held_rights_command,
    build_held_sending_command,
    build_method_command,
    build_phone_command,
    build_remove_right_command,
    build_switch_off_command,
    build_unblock_sender_command,
)
from core.containment.manual_steps import RIGHTS
from core.engine.self_remedies import (
    STEPS,
    build_exemptions_remedy,
    build_fold_remedy,
    build_loss_remedy,
    build_permission_remedy,
    build_release_remedy,
    build_self_remedy,
)
from core.guards.tenant_baseline.baseline import ExpectedValue
from core.guards.tenant_baseline.remedies import build_row_remedy
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS, build_full_baseline
from core.microsoft365.bulk_commands import build_bulk_commands
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.powershell import build_enable_on_premises_command, can_be_quoted
from core.microsoft365.remedies import (
    MAX_STOPPED,
    NO_COMMAND,
    build_command,
    build_each_command,
    build_graph_request,
    build_password_command,
    contain,
    find_actor,
    lock_out,
    look_around,
    make_exchange_step,
    read_directory_log,
    read_sign_ins,
    save_from_exchange,
    save_from_graph,
    stop_app,
    stop_each,
    trace_received,
    trace_sent,
)
from core.microsoft365.source_commands import build_read_command, split_read_path
from core.model.findings import Finding, Severity, Shell, Step
from core.model.guards import Permission, Service
from core.tenant.changes import (
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableExchangeModule,
    DisableInboxRule,
    DisableMailboxProtocols,
    EnableMailboxAudit,
    EndSessions,
    RaiseAuditAge,
)
from core.tenant.configuration import Configuration
from tests.support.powershell_commands import parse_commands
from tests.support.remedy_checks import (
    check_remedies,
    list_language_problems,
    list_step_problems,
    load_cmdlets,
)

PERSON = "0b0e2d5a-7a53-4d0f-9d55-4f27a0a3f0aa"
HOSTILE = (
    "'; Remove-Mailbox 'x",
    "' | Disable-Mailbox -Identity '",
    '"$(calc)"',
    "`n; calc",
    "it's",
    "''",
    "<id>",
    "a b;c|d&e",
    "-Confirm:$false",
    "../../users/x?$top=1#",
)
REFUSED = (
    "",
    "a\nb",
    "a\u202eb",
    "\u2019; calc; \u2018",
    "\u201d",
    "x" * 201,
    "a\x00b",
    "a\u2028b",
)


def check(*steps: Step) -> None:
    """Fail for a step that cannot be done so."""
    assert [problem for step in steps for problem in list_step_problems(step)] == []


@given(st.text(max_size=220) | st.sampled_from((*HOSTILE, *REFUSED)))
def test_a_foreign_value_stays_one_value_or_gives_no_command(text: str) -> None:
    command = build_command("Set-Mailbox", "-LitigationHoldEnabled $true", Identity=text)
    assert bool(command) is can_be_quoted(text)
    if command:
        [parsed] = parse_commands(command)
        assert parsed.literals == [text]
        assert parsed.parameters == ["Identity", "LitigationHoldEnabled"]
        assert parsed.bare_words == []


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_quoted_is_told_without_a_command(text: str) -> None:
    step = make_exchange_step("Disable it.", build_command("Disable-TransportRule", Identity=text))
    assert step == Step(f"Disable it. {NO_COMMAND}")


@given(st.text(max_size=60) | st.sampled_from((*HOSTILE, *REFUSED)))
def test_every_helper_takes_any_text(text: str) -> None:
    steps: Iterator[Step] = iter(
        (
            *lock_out(text),
            contain(text),
            stop_app(text),
            look_around("x", text),
            read_sign_ins("x", text),
            read_directory_log("x", text),
            trace_sent(text),
            trace_received(text),
            save_from_graph("x", "kind", text, "users", text, "licenseDetails"),
            save_from_exchange("x", "kind", text, build_command("Get-Mailbox", Identity=text)),
            Step("It.", build_graph_request("DELETE", "", "users", text), Shell.GRAPH),
            Step("It.", build_each_command([text, "b"], "Get-Date"), Shell.GRAPH),
        )
    )
    spoken = [step for step in steps if step.command]
    assert [one for step in spoken for one in list_language_problems(step)] == []


def test_a_part_of_a_path_never_leaves_its_place() -> None:
    command = build_graph_request("GET", "", "users", "../x?$top=1#'", "")
    assert command == "", "a path without a part is another one"
    command = build_graph_request("GET", "", "users", "../x?a=1#'")
    assert command == "Invoke-MgGraphRequest -Method GET -Uri 'v1.0/users/..%2Fx%3Fa%3D1%23%27'"


def test_every_source_can_be_saved() -> None:
    for name, source in CONFIGURATION_SOURCES.items():
        for identity in ("", "id-1"):
            if source.service is Service.EXCHANGE:
                check(save_from_exchange("x", name, "x", build_read_command(source, identity)))
            else:
                check(save_from_graph("x", name, "x", *split_read_path(source, identity)))


def test_every_row_of_the_baseline_has_its_steps() -> None:
    for row in build_full_baseline().rows:
        found = Configuration(row.source, "t1", "Name", {})
        steps = build_row_remedy(row, found, "the setting")
        finding = Finding(row.id, "t1", "x", Severity.HIGH, "drift", "x", steps=steps)
        check_remedies([finding])


@pytest.mark.parametrize(
    ("source", "name", "wanted", "command"),
    [
        (
            "owa-mailbox-policy",
            "RulesEnabled",
            ExpectedValue("is", (False,)),
            "Set-OwaMailboxPolicy -Identity 't1' -RulesEnabled $false",
        ),
        (
            "owa-mailbox-policy",
            "AllowOfflineOn",
            ExpectedValue("one_of", ("NoComputers", "PrivateComputersOnly")),
            "Set-OwaMailboxPolicy -Identity 't1' -AllowOfflineOn 'NoComputers'",
        ),
        (
            "mobile-device-policy",
            "MinPasswordLength",
            ExpectedValue("at_least", (8,)),
            "Set-MobileDeviceMailboxPolicy -Identity 't1' -MinPasswordLength 8",
        ),
        (
            "authorization-policy",
            "allowInvitesFrom",
            ExpectedValue("is", ("none",)),
            "Invoke-MgGraphRequest -Method PATCH -Uri 'v1.0/policies/authorizationPolicy' "
            "-Body (@{ allowInvitesFrom = 'none' } | ConvertTo-Json -Depth 5)",
        ),
        # What stands beside a part of an object would have to be sent too.
        (
            "authorization-policy",
            "defaultUserRolePermissions.allowedToCreateApps",
            ExpectedValue("is", (False,)),
            "",
        ),
        # No property that may be set, and no value that is the one.
        ("owa-mailbox-policy", "ChangePasswordEnabled", ExpectedValue("is", (True,)), ""),
        ("owa-mailbox-policy", "RulesEnabled", ExpectedValue("present"), ""),
    ],
)
def test_a_row_of_ones_own_whose_remedy_is_words_has_its_command(
    source: str, name: str, wanted: ExpectedValue, command: str
) -> None:
    row = replace(
        SHIPPED_ROWS[0],
        id="own-row",
        source=source,
        property_name=name,
        expected=wanted,
        remedy="Exchange admin center, as the handbook says",
    )
    steps = build_row_remedy(row, Configuration(source, "t1", "Name", {}), "the policy")
    (put_right,) = [step for step in steps if step.text.startswith("Set it: ")]
    assert put_right.text == "Set it: Exchange admin center, as the handbook says."
    assert put_right.command == command
    check(*steps)


def test_what_is_said_of_exoguard_itself_can_be_done() -> None:
    told = [build_self_remedy(kind, "mailbox-audit") for kind in STEPS]
    told += [
        build_release_remedy("mailbox-audit", "0" * 32),
        build_exemptions_remedy("mailbox-audit"),
        build_loss_remedy("mailbox-audit", "0123abcd"),
        build_fold_remedy("44444444-0000-4000-8000-00000000000e"),
        build_fold_remedy("a rule; with 'signs'"),
    ]
    needed = (
        Permission(Service.GRAPH, "User.Read.All", "x"),
        Permission(Service.EXCHANGE, "Get-Mailbox", "x"),
    )
    told += [
        build_permission_remedy(one, "mailbox-audit", is_withdrawn=withdrawn)
        for one in needed
        for withdrawn in (False, True)
    ]
    for steps in told:
        check_remedies([Finding("x", "o", "x", Severity.CRITICAL, "ask", "x", steps=steps)])


def test_the_commands_of_a_containment_are_ones_that_there_are() -> None:
    texts = [
        *(build_method_command(PERSON, kind, "m1") for kind in METHOD_CMDLETS),
        build_password_command(PERSON, "", synced=False),
        build_device_command(PERSON),
        build_grant_command("g1"),
        build_switch_off_command(DisableInboxRule(PERSON, "r1")),
        FLOW_RULES_COMMAND,
    ]
    check(*(Step("It.", text, Shell.GRAPH) for text in texts))
    of_exchange = [
        build_phone_command("g1", "d1"),
        *(build_remove_right_command("g1", "ann@contoso.com", kind) for kind in RIGHTS),
        build_unblock_sender_command("ann@contoso.com"),
        build_held_rights_command("ann@contoso.com"),
        build_held_sending_command("ann@contoso.com"),
        build_switch_off_command(ClearMailboxForward("g1")),
    ]
    check(*(Step("It.", text, Shell.EXCHANGE) for text in of_exchange))
    on_premises = build_password_command("", "o'hara@contoso.com", synced=True)
    enable = build_enable_on_premises_command("o'hara@contoso.com")
    check(*(Step("It.", text, Shell.DIRECTORY) for text in (on_premises, enable)))


BULK: tuple[Change, ...] = (
    ClearMailboxForward("g1"),
    EndSessions("a"),
    EnableMailboxAudit("g1"),
    ClearAuditBypass("b1"),
    DisableExchangeModule("u", "u1"),
    BlockSignIn("a", "g", (), ends_sessions=True),
    DisableInboxRule("u1", "AQ=="),
    RaiseAuditAge("g1", 90),
    DisableMailboxProtocols("g1", ("imap", "pop", "smtp")),
)


def test_the_commands_for_many_are_ones_that_there_are() -> None:
    made = build_bulk_commands(BULK, 3_000)
    assert len(made) == len(BULK)
    check(*(Step("It.", one.text, Shell.EXCHANGE) for one in made))


def test_more_than_can_be_worked_through_is_counted() -> None:
    steps = [Step(f"{number}.") for number in range(MAX_STOPPED + 3)]
    shown = list(stop_each(steps, "rules"))
    assert shown[:-1] == steps[:MAX_STOPPED]
    assert shown[-1].text.startswith("And 3 more rules")
    assert list(stop_each(steps[:2], "rules")) == steps[:2]


def test_who_did_it_is_sought_by_the_names_of_acts() -> None:
    step = find_actor("made it", "New-TransportRule", "Add app role assignment to o'hara.")
    check(step)
    [search, *_] = parse_commands(step.command)
    assert search.literals == ["New-TransportRule", "Add app role assignment to o'hara."]


@pytest.mark.parametrize(
    "step",
    [
        Step("It.", "Set-Nothing -Identity 'x'", Shell.EXCHANGE),
        Step("It.", "Set-Mailbox -Identity 'x' -Nothing $true", Shell.EXCHANGE),
        Step("It.", "Set-Mailbox -Identity foreign", Shell.EXCHANGE),
        Step("It.", "Set-Mailbox -Identity 'x", Shell.EXCHANGE),
        Step("It.", "Set-Mailbox -Identity '<mailbox>'", Shell.EXCHANGE),
        Step("It.", "Set-Mailbox -Identity 'x\u2019; calc'", Shell.EXCHANGE),
        Step("It.", 'Set-Mailbox -Identity "$x"', Shell.EXCHANGE),
        Step("It.", "Set-Mailbox -Identity 'x'"),
        Step("It.", "exo nothing", Shell.EXO),
        Step("It.", "exo cases --nothing 'x'", Shell.EXO),
        Step("It.", "rm -rf /", Shell.SHELL),
        Step(
            "It.",
            "Get-MgDirectoryDeletedItemAsUser -All | Where-Object { $_.DeletedDateTime -ge 'x' } | "
            "ForEach-Object { Restore-MgDirectoryDeletedItem -DirectoryObjectId $_.Id }",
            Shell.GRAPH,
        ),
    ],
    ids=lambda step: str(step.command)[:30],
)
def test_the_check_finds_what_it_is_for(step: Step) -> None:
    assert list(list_step_problems(step))


def test_the_check_wants_what_is_grave_to_be_saved_before_it_is_changed() -> None:
    save = save_from_exchange("it", "kind", "x", "Get-TransportConfig")
    change = Step(
        "It.", "Set-TransportConfig -SmtpClientAuthenticationDisabled $true", Shell.EXCHANGE
    )
    around = look_around("x", "x")

    def find(*steps: Step) -> Finding:
        return Finding("x", "o", "x", Severity.HIGH, "ask", "x", steps=steps)

    check_remedies([find(save, change, around)])
    for wrong in ((), (change, save, around), (save, around, change), (save, change)):
        with pytest.raises(AssertionError):
            check_remedies([find(*wrong)])


def test_the_parameters_are_known_by_cmdlet() -> None:
    assert "identity" in load_cmdlets()["get-mailbox"]
    assert all(re.fullmatch(r"[a-z]+-[a-z0-9]+", name) for name in load_cmdlets())
