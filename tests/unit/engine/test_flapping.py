"""What comes and goes is one lasting case, and nobody can flood the channel with one mailbox."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.engine.attention import select_due_notifications
from core.engine.flapping import build_flap_fact, is_flapping
from core.engine.outcomes import mark_notified
from core.model.cases import Case, Notification
from core.model.findings import Severity
from core.model.state import GuardSnapshot
from tests.support.cases import build_case
from tests.support.decisions import STATE, apply_plan, build_finding, build_scene, make_plan
from tests.support.fakes.clock import START
from tests.support.synthetic_guard import ALERT_CONFIG, EngineHarness, SyntheticTenant

QUARTER = timedelta(minutes=15)
CONFIG = replace(ALERT_CONFIG, guard=replace(ALERT_CONFIG.guard, correlation=None))


async def play(
    steps: int, change: Callable[[SyntheticTenant, int], None]
) -> tuple[EngineHarness[SyntheticTenant], list[int]]:
    """Run every quarter of an hour after the first look; also which runs sent cards."""
    stage = EngineHarness(SyntheticTenant(20), CONFIG)
    await stage.run_timer()
    carded: list[int] = []
    for step in range(steps):
        change(stage.tenant, step)
        before = len(stage.notification_channel.sent)
        await stage.run_timer()
        carded += [step] * (len(stage.notification_channel.sent) > before)
    return stage, carded


def toggle(tenant: SyntheticTenant, step: int) -> None:
    """A rule that is there at every second look."""
    tenant.forwards = {"m1": "a@evil"} if step % 2 == 0 else {}


async def list_cases(stage: EngineHarness[SyntheticTenant]) -> list[Case]:
    snapshot = await stage.ledger.load("toy")
    return sorted(snapshot.cases.values(), key=lambda case: case.opened_at)


async def test_a_rule_that_is_there_and_gone_is_one_case_and_two_cards() -> None:
    stage, carded = await play(96, toggle)
    assert carded == [0, 2]
    (case,) = await list_cases(stage)
    assert (case.closed_at, case.turn_count) == (None, 95)
    assert "it comes and goes, or changes its form: 95 times since" in str(case.facts[0])


async def test_what_flapped_and_is_quiet_for_a_day_ends_with_one_card() -> None:
    stage, _ = await play(20, toggle)
    stage.tenant.forwards = {}
    sent = len(stage.notification_channel.sent)
    for _ in range(96):
        await stage.run_timer()
    (case,) = await list_cases(stage)
    assert (case.resolution, case.notification) == ("gone", Notification.NONE)
    assert len(stage.notification_channel.sent) == sent + 1


async def test_another_target_at_each_look_is_told_when_it_begins_and_once_a_day() -> None:
    def change(tenant: SyntheticTenant, step: int) -> None:
        tenant.forwards = {"m1": f"a{step}@evil"}

    stage, carded = await play(2 * 96, change)
    assert len(carded) <= 5
    assert carded[0] == 0
    cases = await list_cases(stage)
    assert len(cases) <= 6
    (newest,) = [case for case in cases if not case.closed_at]
    assert is_flapping(newest)
    assert newest.flapping_since == START + QUARTER


def test_an_object_that_is_made_anew_with_another_id_at_each_look_is_one_story() -> None:
    memory, carded = GuardSnapshot(state=STATE), []
    for step in range(96):
        now = START + step * QUARTER
        finding = build_finding(f"id-{step}", subject="Move to the new host", changes=())
        plan = make_plan(build_scene(memory, now=now), [finding])
        memory = apply_plan(plan, memory, deliver=False)
        due = select_due_notifications(memory.cases.values(), now)
        told = {case.key: case for case in mark_notified(due, now)}
        memory = replace(memory, cases={**memory.cases, **told})
        carded += [step] * bool(told)
    assert len(carded) <= 4
    assert carded[:2] == [0, 1]
    open_cases = [case for case in memory.cases.values() if not case.closed_at]
    assert [(case.object_id, is_flapping(case)) for case in open_cases] == [("id-95", True)]


async def test_two_targets_in_a_day_are_both_told() -> None:
    def change(tenant: SyntheticTenant, step: int) -> None:
        tenant.forwards = {"m1": "a@evil" if step < 4 else "b@evil"}

    _, carded = await play(8, change)
    assert carded[0] == 0
    assert 4 in carded


async def test_one_mailbox_that_flaps_does_not_hush_another() -> None:
    def change(tenant: SyntheticTenant, step: int) -> None:
        toggle(tenant, step)
        if step >= 20:
            tenant.forwards["m2"] = "z@thief"

    stage, carded = await play(30, change)
    assert carded == [0, 2, 20]
    assert "m2" in str(stage.notification_channel.sent[-1])


async def test_an_end_is_told_once_another_look_has_confirmed_it() -> None:
    def change(tenant: SyntheticTenant, step: int) -> None:
        tenant.forwards = {"m1": "a@evil"} if step == 0 else {}

    stage, carded = await play(5, change)
    assert carded == [0, 2]
    (case,) = await list_cases(stage)
    assert case.resolution == "gone"


def build_old_case(number: int, object_id: str = "m1", **values: Any) -> Case:
    base = build_case(
        number,
        object_id=object_id,
        subject=f"{object_id}@x",
        opened_at=START - timedelta(days=9),
        notification=Notification.OPENED,
    )
    return replace(base, **values)


def told(number: int, minutes: int, **values: Any) -> Case:
    return build_old_case(
        number,
        notification=Notification.NONE,
        notified_at=START - timedelta(minutes=minutes),
        **values,
    )


FOUR_TOLD = tuple(told(number, 30 * number) for number in range(1, 5))


@pytest.mark.parametrize(
    ("case", "is_due"),
    [
        (build_old_case(9), False),
        (build_old_case(9, severity=Severity.CRITICAL), True),
        (build_old_case(9, object_id="m2"), True),
    ],
    ids=["one more of the object", "graver than all of it", "of another object"],
)
def test_a_fifth_card_of_an_object_waits_unless_it_is_graver(case: Case, is_due: bool) -> None:
    assert bool(select_due_notifications((*FOUR_TOLD, case), START)) is is_due


def test_what_waited_goes_out_together() -> None:
    waiting = tuple(build_old_case(number) for number in range(10, 40))
    assert select_due_notifications((*FOUR_TOLD, *waiting), START) == ()
    later = START + timedelta(hours=8)
    assert select_due_notifications((*FOUR_TOLD, *waiting), later) == waiting


def test_a_guard_that_sent_many_cards_sends_one_an_hour() -> None:
    many = tuple(told(number, 20 + 15 * number, object_id=f"o{number}") for number in range(24))
    usual = build_old_case(99, severity=Severity.MEDIUM)
    assert select_due_notifications((*many, usual), START) == ()
    assert select_due_notifications((*many[:-1], usual), START) == (usual,)
    later = START + timedelta(minutes=40)
    assert select_due_notifications((*many, usual), later) == (usual,)
    grave = build_old_case(98, severity=Severity.CRITICAL)
    assert select_due_notifications((*many, grave, usual), START) == (grave,)


def test_the_fact_says_since_when_it_is_absent() -> None:
    case = build_old_case(1, turn_count=3, flapping_since=START, absent_since=START + QUARTER)
    assert str(build_flap_fact(case)) == (
        "it comes and goes, or changes its form: 3 times since 2026-11-20 06:00 UTC; "
        "it has not been there since 2026-11-20 06:15 UTC"
    )
