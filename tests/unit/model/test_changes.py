"""Which plans are the same, and which attempts left something behind."""

import pytest

from core.model.changes import ChangeState, Outcome, compute_plan_hash
from core.tenant.changes import ClearMailboxForward, DisableInboxRule

PLAN = (("c1", ClearMailboxForward("m1")), ("c2", DisableInboxRule("m1", "r1")))


def test_a_plan_is_the_same_in_any_order() -> None:
    assert compute_plan_hash("g", PLAN[::-1], 9) == compute_plan_hash("g", PLAN, 9)


@pytest.mark.parametrize(
    ("guard", "plan", "population"),
    [
        ("another", PLAN, 9),
        ("g", PLAN, 8),
        ("g", PLAN, None),
        ("g", PLAN[:1], 9),
        ("g", (*PLAN[:1], ("c3", PLAN[1][1])), 9),
        ("g", (*PLAN[:1], ("c2", DisableInboxRule("m1", "r2"))), 9),
        ("g", (("c1", DisableInboxRule("m1", "r1")), PLAN[1]), 9),
    ],
    ids=["guard", "count", "no count", "fewer", "case", "argument", "kind"],
)
def test_what_was_released_covers_no_other_plan(
    guard: str, plan: tuple[tuple[str, DisableInboxRule]], population: int | None
) -> None:
    assert compute_plan_hash(guard, plan, population) != compute_plan_hash("g", PLAN, 9)


@pytest.mark.parametrize(
    ("state", "before", "is_partial"),
    [
        (ChangeState.FAILED, {"accountEnabled": True}, True),
        (ChangeState.FAILED, {}, False),
        (ChangeState.APPLIED, {"accountEnabled": True}, False),
    ],
)
def test_an_attempt_that_failed_after_it_began_may_have_changed_something(
    state: ChangeState, before: dict[str, object], is_partial: bool
) -> None:
    outcome = Outcome("c1", "Ann", "BlockSignIn", state, before=before)
    assert outcome.is_partially_applied is is_partial
