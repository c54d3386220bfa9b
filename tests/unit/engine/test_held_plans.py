"""Which plans the case of the brake remembers, and which of them waits."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.engine.brake import PlannedChange
from core.engine.held_plans import PLAN_MEMORY, follow_plan
from core.model.cases import Case, HeldPlan
from core.model.state import GuardSnapshot
from core.tenant.changes import ClearMailboxForward
from tests.support.decisions import KEY, STATE, build_finding, build_known_snapshot, build_scene
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
    known = HeldPlan("p", named_at, 1)
    assert follow(known).held_plans == (known,)


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
