"""What is said of a containment is so: of an old plan, of a block that failed, of a part."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.model.containment import (
    BLOCK,
    PLAN_WINDOW,
    Containment,
    ContainmentState,
    ContainmentStep,
    StepState,
)
from core.notifications.containment_card import build_containment_card
from core.status.containment_texts import describe_news, describe_state
from core.web.action_pages import render_containment_page
from tests.support.fakes.clock import START

STEP = ContainmentStep(BLOCK, "block the account's sign-in", '["BlockAccount", {}]')
PLAN = Containment("c1", "u1", "mia@example.com", "Ann", "why", START, steps=(STEP,))
DONE, UNDONE = ContainmentState.DONE, ContainmentState.UNDONE


def conclude(state: StepState, of: ContainmentState = DONE) -> Containment:
    """A containment whose block came to this."""
    return replace(PLAN, state=of, steps=(replace(STEP, state=state),), undo_steps=(BLOCK,))


@pytest.mark.parametrize(
    ("containment", "said"),
    [
        (PLAN, "It is valid for an hour."),
        (replace(PLAN, planned_at=START - PLAN_WINDOW - timedelta(seconds=1)), "no longer valid"),
        (replace(PLAN, planned_at=START + timedelta(days=1)), "no longer valid"),
        (conclude(StepState.DONE), "It is contained."),
        (conclude(StepState.FAILED), "its sign-in is not blocked"),
        (conclude(StepState.REFUSED), "its sign-in is not blocked"),
        (replace(PLAN, state=DONE, steps=()), "no part of it"),
        (conclude(StepState.UNDONE, UNDONE), "was taken back."),
        (conclude(StepState.DONE, UNDONE), "but not all of it"),
        (replace(PLAN, state=ContainmentState.REFUSED), "It is not contained."),
    ],
)
def test_a_state_is_told_as_it_is(containment: Containment, said: str) -> None:
    assert said in describe_state(containment, START)
    assert said in render_containment_page(containment, START)


def test_the_page_of_an_old_plan_offers_no_command() -> None:
    assert "exo contain u1" in render_containment_page(PLAN, START)
    assert "exo contain u1" not in render_containment_page(PLAN, START + timedelta(hours=2))


@pytest.mark.parametrize(
    ("containment", "headline"),
    [
        (conclude(StepState.DONE), "An account was contained"),
        (conclude(StepState.FAILED), "An account is not blocked"),
        (replace(PLAN, state=DONE, steps=()), "Steps of a containment were made"),
    ],
)
def test_the_card_says_contained_of_an_account_that_is_blocked_alone(
    containment: Containment, headline: str
) -> None:
    told = replace(containment, untold="done")
    assert describe_news(told).startswith(headline)
    assert headline in str(build_containment_card(told, "summary", ""))
