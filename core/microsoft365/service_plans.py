"""The service plans that verdicts depend on: mailboxes, meeting rooms, holds and auditing.

The ids are those of Microsoft Learn: Product names and service plan identifiers for licensing.
"""

from collections.abc import Collection

RELIES_ON = (
    "graph-service-plans",
    "graph-plan-states",
)

# Plans that include a mailbox. An account that has one may belong to a person.
MAILBOX_PLANS = {
    "90927877-dcff-4af6-b346-2332c0b15bb7": "Exchange Online POP",
    "d42bdbd6-c335-4231-ab3d-c8f348d5aff5": "Exchange Online (P1)",
    "4a82b400-a79f-41a4-b4e2-e94f5787b113": "Exchange Online Kiosk",
    "88f4d7ef-a73b-4246-8047-516022144c9f": "Exchange Online (Kiosk) for Government",
    "efb87545-963c-4e0d-99df-69c6916d9eb0": "Exchange Online (Plan 2)",
    "8c3069c0-ccdb-44be-ab77-986203a67df2": "Exchange Online (Plan 2) for Government",
    "1126bef5-da20-4f07-b45e-ad25d2581aa8": "Exchange Essentials",
    "9aaf7827-d63c-4b61-89c3-182f06f82e5c": "Exchange Online (Plan 1)",
    "e9b4930a-925f-45e2-ac2a-3f7788ca6fdd": "Exchange Online (Plan 1) for Government",
    "fc52cc4b-ed7d-472d-bbe7-b081c23ecc56": "Exchange Online Plan (midsize business)",
}

# Plans that nearly every product includes, or that only add to a mailbox.
ADD_ON_PLANS = {
    "113feb6c-3fe4-4440-bddc-54d774bf0318": "Exchange Foundation",
    "922ba911-5694-4e99-a794-73aed9bfeec8": "Exchange Foundation for Government",
    "da040e0a-b393-4bea-bb76-928b3fa1cf5a": "Exchange Online Archiving for Exchange Server",
    "176a09a6-7ec5-4039-ac02-b2791c6ba793": "Exchange Online Archiving for Exchange Online",
    "34c0d7a0-a70f-4668-9238-47f9fc208882": "Microsoft MyAnalytics (Full)",
    "208120d1-9adb-4daf-8c22-816bd5d237e7": "Microsoft MyAnalytics for Government (Full)",
    "897d51f1-2cfa-4848-9b30-469149f5e68e": "Exchange Online Multi-Geo",
}

# Plans of meeting rooms whose device signs in with the room's own account.
TEAMS_ROOMS_PLANS = {
    "ecc74eae-eeb7-4ad5-9c88-e8b2bfca75b8": "Teams Rooms Pro Management",
    "8081ca9c-188c-4b49-a8e5-c23b5e9463a8": "Teams Rooms (Basic, room)",
    "ec17f317-f4bc-451e-b2da-0167e5c260f9": "Teams Rooms (Pro, room)",
    "92c6b761-01de-457a-9dd9-793a975238f7": "Teams Room Standard",
    "c8529366-cffd-4415-ab8f-be0144a33ab1": "Teams Rooms Basic",
    "0374d34c-6be4-4dbb-b3f0-26105db0b28a": "Teams Rooms Pro",
}

# Plan 2 alone allows a shared mailbox 100 GB, a hold and an archive; Plan 1 with Archiving allows
# only a hold and an archive (Microsoft Learn: About shared mailboxes).
PLAN_2 = frozenset({"efb87545-963c-4e0d-99df-69c6916d9eb0", "8c3069c0-ccdb-44be-ab77-986203a67df2"})
PLAN_1 = frozenset({"9aaf7827-d63c-4b61-89c3-182f06f82e5c", "e9b4930a-925f-45e2-ac2a-3f7788ca6fdd"})
ARCHIVING_PLAN = "176a09a6-7ec5-4039-ac02-b2791c6ba793"

ADVANCED_AUDITING_PLAN = "2f442157-a11c-46b9-ae5b-6e39ff4e5849"
ENTRA_PREMIUM_PLANS = {
    "41781fb2-bc02-4b7c-bd55-b576c07bb09d": "Microsoft Entra ID P1",
    "eec0eb4f-6444-4f95-aba0-50c24d67f998": "Microsoft Entra ID P2",
}
PLAN_NAMES = (
    MAILBOX_PLANS
    | ADD_ON_PLANS
    | TEAMS_ROOMS_PLANS
    | ENTRA_PREMIUM_PLANS
    | {ADVANCED_AUDITING_PLAN: "Microsoft 365 Advanced Auditing"}
)


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


def has_teams_rooms_plan(plans: Collection[str]) -> bool:
    """True if a Teams Rooms device may sign in with the account."""
    return not normalize_plan_ids(plans).isdisjoint(TEAMS_ROOMS_PLANS)


def has_advanced_auditing(plans: Collection[str]) -> bool:
    """True if Microsoft audits MailItemsAccessed and Send under these plans."""
    return ADVANCED_AUDITING_PLAN in normalize_plan_ids(plans)


def list_plan_names(plans: Collection[str]) -> tuple[str, ...]:
    """The names of the plans that this module knows, in alphabetical order."""
    return tuple(
        sorted(PLAN_NAMES[plan] for plan in normalize_plan_ids(plans) if plan in PLAN_NAMES)
    )
