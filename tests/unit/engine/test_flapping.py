"""What comes and goes is one lasting case, and nobody can flood the channel with one mailbox."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.engine.attention import select_due_notifications
from core.engine.flapping import (
    MAX_FORMS,
    build_flap_fact,
    is_flapping,
    split_waiting_cases,
    with_turns,
    with_untold_forms,
)
from core.engine.outcomes import MAX_CARD_TIMES, mark_notified, record_outcomes
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Correlation, Severity
from core.model.guards import ChangeLimit, Mode
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
        **{
            "notified_at": START - timedelta(minutes=minutes),
            "card_times": (START - timedelta(minutes=minutes),),
            "card_severity": Severity.HIGH,
            **values,
        },
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


@pytest.mark.parametrize(("hours", "is_due"), [(23, False), (24, True)])
def test_what_flaps_has_a_card_about_that_once_a_day(hours: int, is_due: bool) -> None:
    at = START - timedelta(hours=hours)
    # A later card said something else about it.
    before = told(1, 60, flap_told_at=at, closed_at=START, resolution="done")
    again = build_old_case(2, turn_count=5, flapping_since=at)
    assert bool(select_due_notifications((before, again), START)) is is_due


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
    high = build_old_case(97, object_id="another")
    assert select_due_notifications((*many, high), START) == ()
    assert select_due_notifications((*many, high), later) == (high,)


def test_the_fact_says_since_when_it_is_absent() -> None:
    case = build_old_case(1, turn_count=3, flapping_since=START, absent_since=START + QUARTER)
    assert str(build_flap_fact(case)) == (
        "it comes and goes, or changes its form: 3 times since 2026-11-20 06:00 UTC; "
        "it has not been there since 2026-11-20 06:15 UTC"
    )


def test_each_card_of_an_object_counts_also_where_one_case_had_several() -> None:
    """A case that was told four times is four cards, whatever it is now."""
    times = tuple(START - timedelta(minutes=30 * number) for number in range(4, 0, -1))
    closed = told(1, 30, card_times=times, closed_at=START, resolution="done")
    fresh = build_old_case(2)
    assert select_due_notifications((closed, fresh), START) == ()
    # An earlier case of the same key counts as well: its cards are those of the key.
    reopened = build_old_case(1, card_times=times, card_severity=Severity.HIGH)
    assert select_due_notifications((reopened, fresh), START) == ()
    risen = replace(reopened, severity=Severity.CRITICAL)
    assert select_due_notifications((risen, fresh), START) == (risen,)
    assert select_due_notifications((reopened,), START + timedelta(hours=8)) == (reopened,)
    lately = replace(closed, card_times=times[1:], notified_at=times[-1])
    assert select_due_notifications((lately, fresh), START) == (fresh,)


def test_a_case_keeps_the_times_of_its_last_cards() -> None:
    case = build_old_case(1)
    for number in range(MAX_CARD_TIMES + 2):
        (case,) = mark_notified([case], START + number * QUARTER)
    assert case.card_times == tuple(START + number * QUARTER for number in range(2, 10))
    assert case.notified_at == case.card_times[-1]


async def test_a_rule_that_is_put_right_and_back_within_a_day_has_four_cards_at_most() -> None:
    def change(tenant: SyntheticTenant, step: int) -> None:
        tenant.forwards = {"m1": f"a{step % 2}@evil"}

    stage = EngineHarness(SyntheticTenant(20), replace(CONFIG, mode=Mode.ENFORCE))
    await stage.run_timer()
    await stage.run_timer()
    for step in range(31):
        change(stage.tenant, step)
        await stage.run_timer()
    assert len(stage.notification_channel.sent) <= 4


async def test_what_never_had_a_card_is_named_by_the_case_that_took_its_place() -> None:
    def change(tenant: SyntheticTenant, step: int) -> None:
        tenant.forwards = {"m1": f"a{step}@evil"}

    stage, carded = await play(2 * 96, change)
    cards = stage.notification_channel.sent
    assert len(carded) <= 5
    assert "forms of it had no card of their own: mail to a" in str(cards[-1])
    (newest,) = [case for case in await list_cases(stage) if not case.closed_at]
    told_since = newest.untold_count + sum(f"a{step}@evil" in str(cards) for step in range(192))
    # Those whose case told of others without a name of its own are in its number.
    assert newest.untold_count > 60
    assert told_since >= 96
    assert len(newest.untold_texts) == MAX_FORMS


def test_the_fact_counts_the_forms_without_a_card_and_names_some() -> None:
    case = build_old_case(1, turn_count=9, flapping_since=START)
    ended = [
        build_old_case(number, correlations=(Correlation.of(str(number), f"mail to {number}"),))
        for number in range(20, 60)
    ]
    case = with_untold_forms(case, [replace(ended[0], untold_count=3), *ended[1:]])
    assert case.untold_count == 43
    assert str(case.facts[0]).startswith(
        "it comes and goes, or changes its form: 9 times since 2026-11-20 06:00 UTC; 43 forms of "
        "it had no card of their own: mail to 20; mail to 21; mail to 22; mail to 23; mail to 24; "
        "38 more"
    )
    again = with_turns(case, 10, START, None)
    assert [str(fact).count("comes and goes") for fact in again.facts].count(1) == 1


def test_a_form_that_ends_in_another_part_of_the_look_has_its_successor_in_the_memory() -> None:
    """A listing says what is there in one part, and what is gone in another."""
    flapping = build_old_case(1, turn_count=4, flapping_since=START, notification=Notification.NONE)
    gone = build_old_case(2, notified_at=START)
    scene, _ = build_scene(GuardSnapshot(cases={"1": flapping, "2": gone}, state=STATE))
    ended = replace(gone, key="2", closed_at=START, notification=Notification.CLOSED)
    closing, waiting, telling = split_waiting_cases(scene, {}, [ended])
    assert [case.notification for case in closing] == [Notification.NONE]
    assert waiting == telling == []


async def test_a_brake_that_holds_at_every_second_look_is_told_once_and_once_when_it_ends() -> None:
    config = replace(
        CONFIG, mode=Mode.ENFORCE, limit=ChangeLimit(count=1, percent=0.0, runs_per_day=99)
    )
    stage = EngineHarness(SyntheticTenant(20), config)
    await stage.run_timer()
    await stage.run_timer()
    carded: list[int] = []
    for step in range(24):
        is_there = step % 2 == 0 and step < 12
        stage.tenant.forwards = {"m1": "a@evil", "m2": "b@evil"} if is_there else {}
        before = str(stage.notification_channel.sent).count("The brake holds: 2 objects")
        await stage.run_timer()
        after = str(stage.notification_channel.sent).count("The brake holds: 2 objects")
        carded += [step] * (after > before)
    assert carded == [0, 15]


def test_a_change_is_untold_until_the_next_card_of_its_key() -> None:
    """However long that takes, and though its finding comes back meanwhile."""
    empty = GuardSnapshot(state=STATE)
    plan = make_plan(build_scene(empty, now=START), [build_finding("m1", changes=())])
    memory = apply_plan(plan, empty, deliver=False)
    [case] = memory.cases.values()
    kind = "ClearMailboxForward"
    intent = ChangeRecord("c", case.key, "m1@x", kind, {}, ChangeState.INTENDED, START, "r")
    outcome = Outcome(case.key, "m1@x", kind, ChangeState.APPLIED)
    _, done = record_outcomes(case, [(intent, outcome)], START)
    assert done
    assert done.untold_change_at == START
    later = START + timedelta(days=30)
    snapshot = replace(memory, cases={case.key: done})
    plan = make_plan(build_scene(snapshot, now=later), [build_finding("m1", changes=())])
    [back] = apply_plan(plan, snapshot, deliver=False).cases.values()
    assert (back.notification, back.untold_change_at) == (Notification.OPENED, START)
    assert mark_notified([back], later)[0].untold_change_at is None
