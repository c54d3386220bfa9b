"""What of a containment is still to be made, and which plans are the same."""

from dataclasses import replace

import pytest

from core.model.containment import (
    Containment,
    ContainmentState,
    ContainmentStep,
    StepState,
    compute_containment_hash,
)
from tests.support.fakes.clock import START

BLOCK = ContainmentStep("block-sign-in", "block it", change='["BlockAccount", {}]')
CALL = ContainmentStep("call", "call the person", command="tel")
STEPS = (BLOCK, CALL)
PLAN = Containment("r1", "a1", "ann@x", "ben", "stolen", START, steps=STEPS)


@pytest.mark.parametrize("state", StepState)
def test_a_step_is_open_until_it_is_known_what_became_of_it(state: StepState) -> None:
    is_open = state in {StepState.PLANNED, StepState.STARTED}
    assert replace(BLOCK, state=state).is_open is is_open
    assert not replace(CALL, state=state).is_open, "a person's step is not Exoguard's to make"


@pytest.mark.parametrize("state", ContainmentState)
def test_a_containment_is_under_way_while_it_is_carried_out_or_taken_back(
    state: ContainmentState,
) -> None:
    is_under_way = state in {ContainmentState.RUNNING, ContainmentState.UNDOING}
    assert replace(PLAN, state=state).is_under_way is is_under_way


def test_a_step_is_found_by_its_name() -> None:
    assert PLAN.find_step("call") == CALL
    assert PLAN.find_step("other") is None


def test_what_a_person_approved_covers_no_other_plan() -> None:
    approved = compute_containment_hash("a1", STEPS)
    assert compute_containment_hash("a1", (replace(BLOCK, result="done"), CALL)) == approved
    for account, steps in (
        ("a2", STEPS),
        ("a1", STEPS[::-1]),
        ("a1", STEPS[:1]),
        ("a1", (replace(BLOCK, change='["RevokeSessions", {}]'), CALL)),
        ("a1", (replace(BLOCK, name="other"), CALL)),
        ("a1", (BLOCK, replace(CALL, command="mail"))),
    ):
        assert compute_containment_hash(account, steps) != approved
