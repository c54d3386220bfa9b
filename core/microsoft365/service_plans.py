"""The service plans that verdicts depend on: mailboxes, devices, holds and auditing.

They are listed in `service_plans.json`, each with its use, with the source and date of the list.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

RELIES_ON = (
    "graph-service-plans",
    "graph-plan-states",
)

LISTED_PLANS: tuple[Mapping[str, str], ...] = tuple(
    json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))["plans"]
)


def select_plans(use: str) -> dict[str, str]:
    """The names of the listed plans of one use, by id."""
    return {plan["id"]: plan["name"] for plan in LISTED_PLANS if plan["use"] == use}


MAILBOX_PLANS = select_plans("mailbox")
"""Plans that include a mailbox. An account that has one may belong to a person."""
ADD_ON_PLANS = select_plans("add-on")
"""Plans that nearly every product includes, or that only add to a mailbox."""
MEETING_ROOM_PLANS = select_plans("meeting-room")
"""Plans of meeting rooms, Teams Rooms in all its editions: the room's device signs in with them."""
DEVICE_PLANS = MEETING_ROOM_PLANS | select_plans("shared-device")
"""Plans whose device signs in with the account: those, and shared devices (panels, phones)."""
(ADVANCED_AUDITING_PLAN,) = select_plans("advanced-auditing")
PLAN_NAMES = {plan["id"]: plan["name"] for plan in LISTED_PLANS}

# Plan 2 alone allows a shared mailbox 100 GB, a hold and an archive; Plan 1 with Archiving allows
# only a hold and an archive (Microsoft Learn: About shared mailboxes).
PLAN_2 = frozenset({"efb87545-963c-4e0d-99df-69c6916d9eb0", "8c3069c0-ccdb-44be-ab77-986203a67df2"})
PLAN_1 = frozenset({"9aaf7827-d63c-4b61-89c3-182f06f82e5c", "e9b4930a-925f-45e2-ac2a-3f7788ca6fdd"})
ARCHIVING_PLAN = "176a09a6-7ec5-4039-ac02-b2791c6ba793"


def normalize_plan_ids(plans: Collection[str]) -> frozenset[str]:
    """Plan ids in lower case; Graph has been seen to write GUIDs in either case."""
    return frozenset(plan.strip().lower() for plan in plans)


def has_mailbox_plan(plans: Collection[str]) -> bool:
    """True if one of the plans includes a mailbox."""
    return not normalize_plan_ids(plans).isdisjoint(MAILBOX_PLANS)


def filter_mailbox_plans(plans: Collection[str]) -> tuple[str, ...]:
    """The plans that include a mailbox, in order."""
    return tuple(sorted(normalize_plan_ids(plans) & MAILBOX_PLANS.keys()))


def allows_large_mailbox(plans: Collection[str]) -> bool:
    """True if the plans allow a shared mailbox more than 50 GB."""
    return not normalize_plan_ids(plans).isdisjoint(PLAN_2)


def allows_hold_and_archive(plans: Collection[str]) -> bool:
    """True if the plans allow a shared mailbox a litigation hold and an archive."""
    found = normalize_plan_ids(plans)
    return allows_large_mailbox(found) or (ARCHIVING_PLAN in found and not found.isdisjoint(PLAN_1))


def has_meeting_room_plan(plans: Collection[str]) -> bool:
    """True if the device of a meeting room signs in with the account."""
    return not normalize_plan_ids(plans).isdisjoint(MEETING_ROOM_PLANS)


def has_device_plan(plans: Collection[str]) -> bool:
    """True if a device for meeting rooms or a shared device may sign in with the account."""
    return not normalize_plan_ids(plans).isdisjoint(DEVICE_PLANS)


def has_advanced_auditing(plans: Collection[str]) -> bool:
    """True if the plans include Audit (Premium)."""
    return ADVANCED_AUDITING_PLAN in normalize_plan_ids(plans)


def list_plan_names(plans: Collection[str]) -> tuple[str, ...]:
    """The names of the plans that this module knows, in alphabetical order."""
    return tuple(
        sorted(PLAN_NAMES[plan] for plan in normalize_plan_ids(plans) if plan in PLAN_NAMES)
    )
