"""Which plans the case of the brake remembers, and which of them waits."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.engine.brake import PlannedChange
from core.engine.held_plans import (
    PLAN_MEMORY,
    find_released_plan,
    follow_plan,
    is_listing_released,
)
from core.model.cases import Case, HeldPlan
from core.model.changes import compute_plan_hash
from core.model.guards import Mode
from core.model.requests import RunOptions
from core.model.state import GuardSnapshot
from core.tenant.changes import ClearMailboxForward
from tests.support.decisions import (
    KEY,
    MANY,
    STATE,
    RunDecision,
    apply_plan,
    build_finding,
    build_known_snapshot,
    build_reading,
    build_scene,
    make_plan,
)
from tests.support.fakes.clock import START

HOUR = timedelta(hours=1)
LATER = START + 2 * HOUR
(OPEN_CASE,) = build_known_snapshot().cases.values()
CHANGE: PlannedChange = (KEY, "a", ClearMailboxForward("a"))


def follow(
    *plans: HeldPlan, held_since: datetime | None = START, held: bool = True, at: datetime = LATER
) -> Case:
    """The case of the brake after a run that holds a plan named p."""
    case = replace(OPEN_CASE, held_since=held_since)
    context, _ = build_scene(GuardSnapshot(cases={KEY: case}, state=STATE), now=at)
    brake = replace(OPEN_CASE, key="b", held_plans=plans, plan_hash="before", notified_at=None)
    found = build_finding(plan_hash="p")
    followed = follow_plan(context, brake, found, [CHANGE] if held else [], None)
    assert followed.plan_hash == "p"
    return followed


@pytest.mark.parametrize("named_at", [START, START + HOUR])
def test_a_plan_that_was_named_when_all_of_it_waited_is_that_plan_still(named_at: datetime) -> None:
    known, other = HeldPlan("p", named_at, 1), HeldPlan("q", START + HOUR, 1)
    assert follow(known, other).held_plans == (known, other)


def test_a_plan_is_named_anew_when_something_in_it_waits_for_less_time() -> None:
    assert follow(HeldPlan("p", START - HOUR, 1)).held_plans == (HeldPlan("p", START, 1),)


def test_a_plan_of_nothing_but_a_short_listing_is_known_by_its_name() -> None:
    known = HeldPlan("p", START - HOUR, 0, 3)
    assert follow(known, held=False).held_plans == (known,)


def test_another_plan_stands_beside_those_that_can_still_be_released() -> None:
    other = HeldPlan("q", START + HOUR, 1)
    assert follow(other).held_plans == (other, HeldPlan("p", START, 1))


def test_what_waits_from_now_on_waits_since_now() -> None:
    assert follow(held_since=None).held_plans == (HeldPlan("p", LATER, 1),)


def test_a_plan_is_forgotten_after_its_time() -> None:
    old = HeldPlan("p", START, 1)
    at = START + PLAN_MEMORY
    assert follow(old, held=False, at=at).held_plans == (HeldPlan("p", at, 0),)
    before = at - timedelta(seconds=1)
    assert follow(old, held=False, at=before).held_plans == (old,)


@pytest.mark.parametrize(
    ("mode", "population", "is_released"),
    [
        (Mode.ENFORCE, None, True),
        (Mode.ENFORCE, 4, True),
        (Mode.ALERT, None, False),
        (Mode.ALERT, 4, True),
    ],
)
def test_a_run_that_may_not_change_anything_can_only_believe_a_listing(
    mode: Mode, population: int | None, is_released: bool
) -> None:
    plan = HeldPlan("p", START, 1, population)
    brake = replace(OPEN_CASE, key="b", held_plans=(plan,))
    context, _ = build_scene(
        GuardSnapshot(cases={"b": brake}, state=STATE),
        mode=mode,
        run_options=RunOptions(plan="p", at=START),
    )
    assert find_released_plan(context, "b") == (plan if is_released else None)


@pytest.mark.parametrize(("population", "is_released"), [(10, True), (9, True), (8, False)])
def test_an_accepted_listing_may_be_a_tenth_shorter(population: int, is_released: bool) -> None:
    released = HeldPlan("p", START, 0, 10)
    assert is_listing_released(released, build_reading(population)) is is_released


def get_held_plan(plan: RunDecision) -> HeldPlan:
    """The only plan that the case of the brake remembers."""
    (brake,) = (case for case in plan.cases if case.kind == "brake")
    (held,) = brake.held_plans
    assert held.hash == plan.hash == brake.plan_hash
    return held


@pytest.mark.parametrize("population", [20, 15])
def test_a_plan_of_changes_does_not_name_how_long_a_believable_listing_is(population: int) -> None:
    plan = make_plan(build_scene(reading=build_reading(population)), MANY)
    planned = [(one.compute_key("toy"), one.changes[0]) for one in MANY]
    assert get_held_plan(plan) == HeldPlan(
        compute_plan_hash("toy", planned, None), START, len(MANY), None
    )


def test_a_plan_of_a_short_listing_names_how_short_it_is() -> None:
    plan = make_plan(build_scene(reading=build_reading(4)), [])
    assert get_held_plan(plan) == HeldPlan(compute_plan_hash("toy", (), 4), START, 0, 4)


def test_a_plan_that_is_named_anew_is_saved_though_it_reads_as_before() -> None:
    short, memory = build_reading(4), GuardSnapshot(state=STATE)
    memory = apply_plan(make_plan(build_scene(memory, reading=short), []), memory)
    for at in (START + timedelta(hours=1), START + PLAN_MEMORY):
        plan = make_plan(build_scene(memory, reading=short, now=at), [])
        renewed = [case for case in plan.cases if case.kind == "brake"]
        assert [one.at for case in renewed for one in case.held_plans] == (
            [at] if at == START + PLAN_MEMORY else []
        )
