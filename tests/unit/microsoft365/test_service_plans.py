"""Which service plans decide a verdict."""

import pytest

from core.microsoft365.service_plans import (
    ADD_ON_PLANS,
    ADVANCED_AUDITING_PLAN,
    MAILBOX_PLANS,
    PLAN_NAMES,
    TEAMS_ROOMS_PLANS,
    allows_hold_and_archive,
    allows_large_mailbox,
    filter_mailbox_plans,
    has_advanced_auditing,
    has_mailbox_plan,
    has_teams_rooms_plan,
    list_plan_names,
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
    names = list_plan_names({FOUNDATION, EXCHANGE_PLAN_2, "00000000-0000-0000-0000-000000000001"})
    assert names == ("Exchange Foundation", "Exchange Online (Plan 2)")


PLAN_1 = "9aaf7827-d63c-4b61-89c3-182f06f82e5c"
ARCHIVING = "176a09a6-7ec5-4039-ac02-b2791c6ba793"
ARCHIVING_ON_PREMISES = "da040e0a-b393-4bea-bb76-928b3fa1cf5a"


@pytest.mark.parametrize(
    ("plans", "large", "may_hold"),
    [
        ({EXCHANGE_PLAN_2.upper()}, True, True),
        ({PLAN_1}, False, False),
        ({PLAN_1, ARCHIVING}, False, True),
        ({PLAN_1, ARCHIVING_ON_PREMISES}, False, False),
        ({ARCHIVING, FOUNDATION}, False, False),
        (set(), False, False),
    ],
)
def test_what_a_shared_mailbox_may_have_is_a_matter_of_its_plans(
    plans: set[str], large: bool, may_hold: bool
) -> None:
    assert (allows_large_mailbox(plans), allows_hold_and_archive(plans)) == (large, may_hold)


def test_the_plans_that_are_a_mailbox_come_in_order() -> None:
    assert filter_mailbox_plans({PLAN_1.upper(), EXCHANGE_PLAN_2, FOUNDATION}) == (
        PLAN_1,
        EXCHANGE_PLAN_2,
    )
