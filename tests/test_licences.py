"""Which service plans decide a verdict."""

import pytest

from core.licences import (
    ADD_ON_PLANS,
    ADVANCED_AUDITING_PLAN,
    MAILBOX_PLANS,
    PLAN_NAMES,
    TEAMS_ROOMS_PLANS,
    has_advanced_auditing,
    has_mailbox_plan,
    has_teams_rooms_plan,
    plan_names,
)

EXCHANGE_PLAN_2 = "efb87545-963c-4e0d-99df-69c6916d9eb0"
FOUNDATION = "113feb6c-3fe4-4440-bddc-54d774bf0318"


@pytest.mark.parametrize("plan", MAILBOX_PLANS)
def test_a_plan_with_a_mailbox_makes_its_holder_licensed(plan: str) -> None:
    assert has_mailbox_plan({plan, FOUNDATION})


@pytest.mark.parametrize("plan", [*ADD_ON_PLANS, *TEAMS_ROOMS_PLANS, ADVANCED_AUDITING_PLAN])
def test_a_plan_that_only_adds_to_something_is_no_mailbox(plan: str) -> None:
    assert not has_mailbox_plan({plan})


@pytest.mark.parametrize("plan", TEAMS_ROOMS_PLANS)
def test_every_teams_rooms_plan_marks_a_device(plan: str) -> None:
    assert has_teams_rooms_plan({plan.upper()})
    assert not has_teams_rooms_plan({EXCHANGE_PLAN_2})


def test_no_plan_is_listed_as_two_things() -> None:
    assert MAILBOX_PLANS.keys().isdisjoint(ADD_ON_PLANS)
    assert TEAMS_ROOMS_PLANS.keys().isdisjoint(MAILBOX_PLANS.keys() | ADD_ON_PLANS.keys())
    assert all(plan == plan.lower() for plan in PLAN_NAMES)


def test_plan_ids_are_the_same_in_either_case() -> None:
    assert has_mailbox_plan({EXCHANGE_PLAN_2.upper()})
    assert has_advanced_auditing({f" {ADVANCED_AUDITING_PLAN.upper()}"})


def test_names_come_in_order_and_unknown_plans_have_none() -> None:
    names = plan_names({FOUNDATION, EXCHANGE_PLAN_2, "00000000-0000-0000-0000-000000000001"})
    assert names == ("Exchange Foundation", "Exchange Online (Plan 2)")
