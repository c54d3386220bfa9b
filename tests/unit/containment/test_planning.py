"""What a plan says of each kind of account, and what stays for a person with which command."""

from copy import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.containment.account_picture import AccountPicture, HiddenRule, JudgedChange
from core.containment.options import ContainmentOptions
from core.containment.planning import plan_containment
from core.model.containment import MAX_STEPS, StepState
from core.model.guards import Mode
from core.tenant.changes import ClearMailboxForward, DisableInboxRule
from core.tenant.containing import AccountDetail, DetailKind, TargetAccount
from core.tenant.directory import RoleHolder
from tests.support.containment_stage import BOX, MIA

OPTIONS = ContainmentOptions(mode=Mode.ENFORCE)
NOW = datetime(2026, 11, 30, tzinfo=UTC)
MIA_ACCOUNT = TargetAccount(MIA, "mia@example.com", "Mia", enabled=True)
PICTURE = AccountPicture(MIA_ACCOUNT, (), BOX, since=NOW - timedelta(days=7))
METHOD = AccountDetail("m-1", "softwareoath", "softwareoath", NOW)


def commands(picture: AccountPicture) -> dict[str, str]:
    """The commands of a plan by the step that they belong to."""
    return {step.name: step.command for step in plan_containment(picture, OPTIONS, ()).steps}


def test_a_cloud_account_gets_a_new_password_by_a_person() -> None:
    password = commands(PICTURE)["password"]
    assert "Update-MgUser" in password
    assert "Read-Host" in password


def test_a_synchronised_account_is_also_handled_on_premises() -> None:
    found = commands(replace(PICTURE, account=replace(MIA_ACCOUNT, synced=True)))
    assert "Disable-ADAccount" in found["block-sign-in"]
    assert "Set-ADAccountPassword" in found["password"]


def test_a_guest_keeps_its_sessions_and_password_elsewhere() -> None:
    plan = plan_containment(
        replace(PICTURE, account=replace(MIA_ACCOUNT, is_guest=True), mailbox=None), OPTIONS, ()
    )
    sessions = next(step for step in plan.steps if step.name == "end-sessions")
    assert sessions.state is StepState.FOR_A_PERSON
    assert not sessions.change
    assert "password" not in {step.name for step in plan.steps}
    assert any("guest" in remark for remark in plan.remarks)


def test_a_mailbox_that_could_not_be_read_is_not_said_to_be_absent() -> None:
    without = replace(PICTURE, mailbox=None)
    assert "No mailbox belongs to it." in plan_containment(without, OPTIONS, ()).remarks
    unread = plan_containment(replace(without, is_mailbox_unread=True), OPTIONS, ()).remarks
    assert "No mailbox belongs to it." not in unread
    assert any("could not be read" in one for one in unread)


def test_a_shared_mailbox_and_a_blocked_account_are_remarked() -> None:
    shared = replace(
        PICTURE,
        mailbox=replace(BOX, kind="SharedMailbox"),
        account=replace(MIA_ACCOUNT, enabled=False),
    )
    remarks = " ".join(plan_containment(shared, OPTIONS, ()).remarks)
    assert "shared mailbox" in remarks
    assert "blocked already" in remarks


@pytest.mark.parametrize("way", ["entra", "eligible", "exchange"])
def test_whoever_administers_is_refused_with_how(way: str) -> None:
    holder = RoleHolder(BOX.guid if way == "exchange" else MIA, way)
    plan = plan_containment(replace(PICTURE, role_holders=(holder,)), OPTIONS, ())
    assert "protected administrator" in plan.refusal
    assert {step.state for step in plan.steps} == {StepState.FOR_A_PERSON}
    assert not any(step.change for step in plan.steps)
    assert all(step.command for step in plan.steps)


def test_of_who_is_refused_a_person_gets_every_command() -> None:
    judged = (
        JudgedChange("clear the forward", ClearMailboxForward(BOX.guid)),
        JudgedChange("switch off the rule", DisableInboxRule(MIA, "r1")),
    )
    picture = replace(
        PICTURE,
        account=replace(MIA_ACCOUNT, synced=True),
        role_holders=(RoleHolder(MIA, "eligible"),),
        judged=judged,
        details={DetailKind.SIGN_IN_METHODS: (METHOD,)},
    )
    found = commands(picture)
    assert list(found)[:5] == [
        "block-sign-in",
        "block-on-premises",
        "end-sessions",
        "switch-off-1",
        "switch-off-2",
    ]
    assert "Disable-ADAccount" in found["block-on-premises"]
    assert "-ForwardingSmtpAddress $null" in found["switch-off-1"]
    assert "-MessageRuleId 'r1' -IsEnabled:$false" in found["switch-off-2"]
    assert "Set-ADAccountPassword" in found["password"]
    assert "method-1" in found


def test_who_may_send_on_behalf_is_asked_about() -> None:
    details = {DetailKind.SEND_ON_BEHALF: (AccountDetail("Eve", "Eve"),)}
    assert commands(replace(PICTURE, details=details))["send-on-behalf-1"] == (
        f"Set-Mailbox -Identity '{BOX.guid}' -GrantSendOnBehalfTo @{{Remove='Eve'}}"
    )


@pytest.mark.parametrize("name", [MIA.upper(), "Mia@Example.com"])
def test_a_break_glass_account_goes_by_its_id_or_name_in_any_case(name: str) -> None:
    options = replace(OPTIONS, break_glass=frozenset({name.lower()}))
    assert "break-glass" in plan_containment(PICTURE, options, ()).refusal


def test_methods_come_the_latest_first_then_those_without_a_date() -> None:
    old = replace(METHOD, id="m-2", kind="fido2", at=NOW - timedelta(days=400))
    undated = replace(METHOD, id="m-3", kind="phone", at=None)
    password = replace(METHOD, id="m-4", kind="password")
    details = {DetailKind.SIGN_IN_METHODS: (old, undated, METHOD, password)}
    plan = plan_containment(replace(PICTURE, details=details), OPTIONS, ())
    found = [step for step in plan.steps if step.name.startswith("method-")]
    assert [step.command.rpartition(" ")[2] for step in found] == ["'m-1'", "'m-3'", "'m-2'"]
    assert "date unknown" in found[1].title


def test_a_hidden_rule_stays_for_a_person() -> None:
    hidden = replace(PICTURE, hidden_rules=(HiddenRule("a hidden rule", "123"),))
    assert commands(hidden)["hidden-rule-1"] == (
        f"Disable-InboxRule -Mailbox '{BOX.guid}' -Identity '123'"
    )


@pytest.mark.parametrize("name", ["x'; Remove-Mailbox *", "a\u2019b", "a\nb", "x" * 300])
def test_foreign_text_in_a_command_is_quoted_or_there_is_none(name: str) -> None:
    details = {
        DetailKind.FULL_ACCESS: (AccountDetail(name, name),),
        DetailKind.PHONES: (AccountDetail("p", name, values=(("device", name),)),),
        DetailKind.GRANTS: (AccountDetail(name, name),),
    }
    account = replace(MIA_ACCOUNT, upn=name, synced=True)
    plan = plan_containment(replace(PICTURE, account=account, details=details), OPTIONS, ())
    for step in plan.steps:
        assert "\n" not in step.command + step.title
        text = step.command.replace("''", "").replace("\u2019\u2019", "")
        assert text.count("'") % 2 == 0
        assert len(step.title) < 700


def test_a_plan_says_of_what_there_is_more_than_it_lists() -> None:
    many = tuple(replace(METHOD, id=f"m-{number}") for number in range(9))
    details = {DetailKind.SIGN_IN_METHODS: many, DetailKind.GRANTS: many[:8]}
    hidden = tuple(HiddenRule("a hidden rule", f"{number}") for number in range(12))
    picture = replace(PICTURE, details=details, hidden_rules=hidden)
    told = (
        "12 hidden rules were found, and 8 of them are listed.",
        "9 sign-in methods were found, and 8 of them are listed.",
    )
    assert plan_containment(picture, OPTIONS, ()).remarks[-2:] == told
    refused = plan_containment(replace(picture, role_holders=None), OPTIONS, ())
    assert refused.refusal
    assert refused.remarks == told


def test_rules_that_do_not_fit_into_a_plan_are_not_said_to_be_a_person_s() -> None:
    judged = tuple(
        JudgedChange("a rule", DisableInboxRule(BOX.id, f"r{number}"))
        for number in range(MAX_STEPS)
    )
    plan = plan_containment(replace(PICTURE, judged=judged), OPTIONS, ())
    assert len(plan.steps) == MAX_STEPS
    made = sum(not step.name.startswith("rule-") for step in plan.steps)
    assert made
    assert any(
        one.startswith(f"{made} steps that Exoguard makes do not fit") for one in plan.remarks
    )


def test_a_plan_is_bounded_and_says_what_it_leaves_out() -> None:
    many = tuple(replace(METHOD, id=f"m-{number}", title="x" * 900) for number in range(500))
    details = dict.fromkeys(DetailKind, many)
    plan = plan_containment(replace(PICTURE, details=details), OPTIONS, ())
    assert len(plan.steps) <= MAX_STEPS
    assert sum(len(step.title) for step in plan.steps) < 40_000
