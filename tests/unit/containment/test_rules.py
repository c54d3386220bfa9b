"""Rules that contain an account by themselves: two signs that agree, of one person, in an hour."""

from copy import replace
from datetime import timedelta
from typing import Any

import pytest

from core.containment.rules import (
    REDIRECT_AND_RISK,
    REDIRECT_AND_SESSION,
    RuleEvidence,
    find_rule_orders,
)
from core.model.activity import Act
from core.model.cases import Case, Exemption
from core.model.containment import Containment, ContainmentState
from core.model.findings import Severity
from core.tenant.activity import ActivityActor, ActorKind
from tests.support.containment_rules import (
    BOTH,
    HOME,
    MIA_ACTS,
    NOW,
    REDIRECT,
    RISK,
    STRANGE,
    act,
    open_stage,
)
from tests.support.containment_stage import MIA


def orders(
    *acts: Act, rules: tuple[str, ...] = BOTH, case: Case = REDIRECT, **cases: Any
) -> list[str]:
    """The rules that want Mia contained."""
    known = {"mailbox-forwarding": (case,), **cases}
    evidence = RuleEvidence({name.replace("_", "-"): rows for name, rows in known.items()}, acts)
    return [one.rule for one in find_rule_orders(evidence, rules, (), {}, NOW)]


def test_a_redirect_from_where_the_person_never_was_is_contained() -> None:
    assert orders(HOME, STRANGE) == [REDIRECT_AND_SESSION]


@pytest.mark.parametrize(
    ("kind", "name", "is_contained"),
    [
        (ActorKind.PERSON, "Mia@example.com", True),
        (ActorKind.PERSON, "admin@example.com", False),
        (ActorKind.PARTNER, "mia@example.com", False),
        (ActorKind.APP, "mia@example.com", False),
    ],
)
def test_records_of_exchange_know_the_person_by_name_alone(
    kind: ActorKind, name: str, is_contained: bool
) -> None:
    actor = ActivityActor(kind, name)
    found = orders(replace(HOME, actor=actor), replace(STRANGE, actor=actor))
    assert found == ([REDIRECT_AND_SESSION] if is_contained else [])
    # A name that is no address may be anybody's.
    nameless = replace(REDIRECT, subject="Mia")
    named = ActivityActor(ActorKind.PERSON, "Mia")
    assert orders(replace(HOME, actor=named), replace(STRANGE, actor=named), case=nameless) == []


@pytest.mark.parametrize(
    "acts",
    [
        (),
        (STRANGE,),
        (HOME,),
        (HOME, act("198.51.100.1", minutes=6)),
        (HOME, act("203.0.113.9", hours=5)),
        (HOME, replace(STRANGE, actor=replace(MIA_ACTS, id="somebody"))),
        (HOME, replace(STRANGE, address="")),
    ],
)
def test_what_is_known_or_not_known_is_no_sign(acts: tuple[Act, ...]) -> None:
    assert orders(*acts) == []


def test_a_redirect_beside_a_sign_that_the_account_was_taken_is_contained() -> None:
    assert orders(mfa_registration=(RISK,)) == [REDIRECT_AND_RISK]


@pytest.mark.parametrize(
    "risk",
    [
        replace(RISK, object_id="somebody"),
        replace(RISK, severity=Severity.MEDIUM),
        replace(RISK, baselined=True),
        replace(RISK, opened_at=NOW - timedelta(hours=3)),
        replace(RISK, closed_at=NOW),
    ],
)
def test_a_sign_is_grave_new_and_about_the_same_person(risk: Case) -> None:
    assert orders(mfa_registration=(risk,)) == []


@pytest.mark.parametrize(
    "case",
    [
        replace(REDIRECT, baselined=True),
        replace(REDIRECT, guard_verdict="hides-mail"),
        replace(REDIRECT, severity=Severity.MEDIUM),
        replace(REDIRECT, opened_at=NOW - timedelta(hours=2)),
        replace(REDIRECT, opened_at=NOW + timedelta(hours=2)),
        replace(REDIRECT, closed_at=NOW),
        replace(REDIRECT, kind="transport-rule"),
        replace(REDIRECT, unread_since_first_look=True),
    ],
)
def test_only_a_new_redirect_that_leaves_counts(case: Case) -> None:
    assert orders(HOME, STRANGE, case=case, mfa_registration=(RISK,)) == []


def test_only_the_rules_that_are_named_are_judged() -> None:
    assert orders(HOME, STRANGE, rules=(REDIRECT_AND_RISK,)) == []
    assert orders(HOME, STRANGE, rules=()) == []


def test_who_was_released_or_answered_is_left_alone() -> None:
    evidence = RuleEvidence({"mailbox-forwarding": (REDIRECT,)}, (HOME, STRANGE))
    released = {MIA: Exemption(MIA, "Ann", "it was her", NOW + timedelta(days=30))}
    assert find_rule_orders(evidence, BOTH, (), released, NOW) == []
    under_way = Containment(
        "1", MIA, "mia", "Ann", "", NOW - timedelta(hours=2), ContainmentState.RUNNING
    )
    assert find_rule_orders(evidence, BOTH, (under_way,), {}, NOW) == []
    past = {MIA: replace(released[MIA], until=NOW)}
    assert len(find_rule_orders(evidence, BOTH, (), past, NOW)) == 1


# Carried out -------------------------------------------------------------------------------------


async def test_the_first_time_a_plan_is_shown_and_then_a_rule_acts_once() -> None:
    stage, evidence = await open_stage()
    await stage.process(evidence)
    shown = await stage.get_latest()
    assert (shown.state, stage.is_enabled) == ("planned", True)
    assert "first plans are shown" in shown.remarks[-1]
    assert "A rule asks" in str(stage.channel.sent)
    later = replace(REDIRECT, opened_at=stage.clock() + timedelta(seconds=1))
    again = replace(evidence, cases={"mailbox-forwarding": (later,)})
    await stage.process(again)
    assert not stage.tenant.users[0].enabled
    done = await stage.get_latest()
    assert (done.state, done.rule) == ("done", REDIRECT_AND_SESSION)
    assert "203.0.113.9" in done.reason
    await stage.process(again)
    assert len((await stage.ledger.load_containments()).containments) == 2


async def test_a_rule_that_is_added_later_is_shown_first_as_well() -> None:
    stage, _ = await open_stage()
    stage.options = replace(stage.options, rules=(REDIRECT_AND_SESSION,))
    await stage.process(RuleEvidence())
    risky = RuleEvidence({"mailbox-forwarding": (REDIRECT,), "mfa-registration": (RISK,)})
    stage.options = replace(stage.options, rules=BOTH)
    await stage.process(risky)
    shown = await stage.get_latest()
    assert (shown.state, shown.rule, stage.is_enabled) == ("planned", REDIRECT_AND_RISK, True)
    # One that was switched off meanwhile is new again.
    stage.options = replace(stage.options, rules=(REDIRECT_AND_SESSION,))
    await stage.process(RuleEvidence())
    later = replace(REDIRECT, opened_at=stage.clock() + timedelta(seconds=1))
    stage.options = replace(stage.options, rules=BOTH)
    await stage.process(replace(risky, cases={**risky.cases, "mailbox-forwarding": (later,)}))
    assert stage.is_enabled is True


async def test_a_rule_stays_under_the_brake() -> None:
    stage, evidence = await open_stage()
    await stage.process(RuleEvidence())
    stage.options = replace(stage.options, per_hour=0)
    await stage.process(evidence)
    held = await stage.get_latest()
    assert (held.state, stage.is_enabled) == ("planned", True)
    assert "the brake holds" in held.remarks[-1]


async def test_a_rule_that_names_an_administrator_only_tells() -> None:
    stage, evidence = await open_stage()
    await stage.process(RuleEvidence())
    stage.tenant.holders[0] = replace(stage.tenant.holders[0], id=MIA)
    await stage.process(evidence)
    assert stage.is_enabled is True
    assert "protected administrator" in (await stage.get_latest()).refusal
    assert "A rule asks" in str(stage.channel.sent)
