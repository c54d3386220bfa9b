"""Which service plans decide a verdict."""

import json
import re
from pathlib import Path

import pytest

from core.microsoft365.service_plans import (
    ADD_ON_PLANS,
    ADVANCED_AUDITING_PLAN,
    DEVICE_PLANS,
    MAILBOX_PLANS,
    PLAN_NAMES,
    allows_hold_and_archive,
    allows_large_mailbox,
    filter_mailbox_plans,
    has_advanced_auditing,
    has_device_plan,
    has_mailbox_plan,
    has_meeting_room_plan,
    list_plan_names,
)

EXCHANGE_PLAN_2 = "efb87545-963c-4e0d-99df-69c6916d9eb0"
FOUNDATION = "113feb6c-3fe4-4440-bddc-54d774bf0318"


@pytest.mark.parametrize("plan", MAILBOX_PLANS)
def test_a_plan_with_a_mailbox_makes_its_holder_licensed(plan: str) -> None:
    assert has_mailbox_plan({plan, FOUNDATION})


@pytest.mark.parametrize("plan", [*ADD_ON_PLANS, *DEVICE_PLANS, ADVANCED_AUDITING_PLAN])
def test_a_plan_that_only_adds_to_something_is_no_mailbox(plan: str) -> None:
    assert not has_mailbox_plan({plan})


@pytest.mark.parametrize("plan", DEVICE_PLANS)
def test_every_teams_rooms_plan_marks_a_device(plan: str) -> None:
    assert has_device_plan({plan.upper()})
    assert not has_device_plan({EXCHANGE_PLAN_2})


def test_no_plan_is_listed_as_two_things() -> None:
    assert MAILBOX_PLANS.keys().isdisjoint(ADD_ON_PLANS)
    assert DEVICE_PLANS.keys().isdisjoint(MAILBOX_PLANS.keys() | ADD_ON_PLANS.keys())
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


def test_the_list_of_plans_says_where_it_comes_from_and_of_when_it_is() -> None:
    listed = json.loads(Path("core/microsoft365/service_plans.json").read_text(encoding="utf-8"))
    assert "learn.microsoft.com" in listed["source"]
    assert re.fullmatch(r"20\d\d-\d\d", listed["dated"])
    ids = [plan["id"] for plan in listed["plans"]]
    assert len(ids) == len(set(ids))
    assert {plan["use"] for plan in listed["plans"]} == {
        *("mailbox", "add-on", "meeting-room", "shared-device", "advanced-auditing"),
        "entra-premium",
    }


@pytest.mark.parametrize(
    ("plan", "is_room"),
    [
        ("bdaa59a3-74fd-4137-981a-31d4f84eb8a0", True),
        ("92c6b761-01de-457a-9dd9-793a975238f7", True),
        ("0374d34c-6be4-4dbb-b3f0-26105db0b28a", True),
        ("cfce7ae3-4b41-4438-999c-c0e91f3b7fb9", False),
    ],
)
def test_devices_are_licensed_under_all_their_names(plan: str, is_room: bool) -> None:
    assert has_device_plan({plan})
    assert has_meeting_room_plan({plan}) is is_room
