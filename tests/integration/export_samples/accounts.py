"""Accounts of all kinds of mailboxes, each with the verdict it should get."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.export_samples.export import ABSENT, Case, Row, Said, guid

NOW = datetime.now(UTC)


def ago(days: float) -> str:
    """A moment before now as Graph prints sign-ins, with its seven digits of a second."""
    return f"{NOW - timedelta(days=days):%Y-%m-%dT%H:%M:%S}.1234567Z"


PLAN_2 = "efb87545-963c-4e0d-99df-69c6916d9eb0"
PLAN_1 = "9aaf7827-d63c-4b61-89c3-182f06f82e5c"
PLAN_1_GOV = "e9b4930a-925f-45e2-ac2a-3f7788ca6fdd"
KIOSK = "4a82b400-a79f-41a4-b4e2-e94f5787b113"
ESSENTIALS = "1126bef5-da20-4f07-b45e-ad25d2581aa8"
MIDMARKET = "fc52cc4b-ed7d-472d-bbe7-b081c23ecc56"
FOUNDATION = "113feb6c-3fe4-4440-bddc-54d774bf0318"
FOUNDATION_GOV = "922ba911-5694-4e99-a794-73aed9bfeec8"
ARCHIVE_ADDON = "176a09a6-7ec5-4039-ac02-b2791c6ba793"
ARCHIVE = "da040e0a-b393-4bea-bb76-928b3fa1cf5a"
MULTI_GEO = "897d51f1-2cfa-4848-9b30-469149f5e68e"
ENTRA_P1 = "41781fb2-bc02-4b7c-bd55-b576c07bb09d"
ROOMS_BASIC = "c8529366-cffd-4415-ab8f-be0144a33ab1"
ROOMS_PRO = "0374d34c-6be4-4dbb-b3f0-26105db0b28a"
ROOMS_MANAGED = "ecc74eae-eeb7-4ad5-9c88-e8b2bfca75b8"
ROOMS_STANDARD = "92c6b761-01de-457a-9dd9-793a975238f7"
SKU = {"skuId": "05e9a617-0261-4cee-bb44-138d3ef5d965", "disabledPlans": []}


def enabled(verdict: str) -> Said:
    return {("sign-in-enabled", verdict)}


def account(
    alias: str,
    verdict: str | None,
    kind: str = "SharedMailbox",
    mailbox: Row | None = None,
    **user: Any,
) -> Case:
    said = enabled(verdict) if verdict else set()
    return Case(alias, said, {"RecipientTypeDetails": kind} | (mailbox or {}), user)


def plans(*ids: str, status: str = "Enabled") -> Row:
    rows = [{"servicePlanId": one, "capabilityStatus": status, "service": "x"} for one in ids]
    return {"assignedLicenses": [SKU], "assignedPlans": rows}


def seen(**moments: str | None) -> Row:
    return {"signInActivity": moments}


ROOM = "RoomMailbox"
ACCOUNTS = (
    account("plain", "block"),
    account("off", None, accountEnabled=False),
    account(
        "off-but-exchange-says-on", None, mailbox={"AccountDisabled": "False"}, accountEnabled=False
    ),
    account("room", "block", ROOM),
    account("equipment", "block", "EquipmentMailbox"),
    account("scheduling", "block", "SchedulingMailbox"),
    account("linked-room", None, "LinkedRoomMailbox"),
    account("person", None, "UserMailbox"),
    account("discovery", None, "DiscoveryMailbox"),
    account("team", None, "TeamMailbox"),
    # Directory synchronisation.
    account("synced", "on-premises", onPremisesSyncEnabled=True),
    account("synced-licensed", "on-premises", onPremisesSyncEnabled=True, **plans(PLAN_2)),
    account("synced-off", None, onPremisesSyncEnabled=True, accountEnabled=False),
    account(
        "synced-room-with-device", "never", ROOM, onPremisesSyncEnabled=True, **plans(ROOMS_PRO)
    ),
    account("synced-once", "block", onPremisesSyncEnabled=False),
    account("synced-unsaid", "block", onPremisesSyncEnabled=ABSENT),
    # Licences.
    account("plan-2", "ask", **plans(FOUNDATION, PLAN_2)),
    account("plan-2-upper", "ask", **plans(PLAN_2.upper())),
    account("plan-1-gov", "ask", **plans(PLAN_1_GOV)),
    account("kiosk", "ask", **plans(KIOSK)),
    account("essentials", "ask", **plans(ESSENTIALS)),
    account("midmarket", "ask", **plans(MIDMARKET)),
    account("plan-warning", "ask", **plans(PLAN_2, status="Warning")),
    account("plan-suspended", "ask", **plans(PLAN_2, status="Suspended")),
    account("plan-locked-out", "ask", **plans(PLAN_2, status="LockedOut")),
    account("plan-deleted", "block", **plans(PLAN_2, status="Deleted")),
    account("foundation", "block", **plans(FOUNDATION)),
    account("foundation-gov", "block", **plans(FOUNDATION_GOV, ENTRA_P1)),
    account("archive-add-on", "block", **plans(ARCHIVE_ADDON)),
    account("archive-only", "block", **plans(ARCHIVE, MULTI_GEO)),
    account("licences-without-plans", "ask", assignedLicenses=[SKU], assignedPlans=ABSENT),
    account("licences-null-plans", "ask", assignedLicenses=[SKU], assignedPlans=None),
    account("nothing-said-of-plans", "block", assignedPlans=ABSENT),
    account("licences-empty-plans", "ask", assignedLicenses=[SKU], assignedPlans=[]),
    account("plan-deleted-lower", "block", **plans(PLAN_2, status="deleted")),
    account("plan-with-holes", "ask", assignedPlans=[None, {"servicePlanId": PLAN_1}, {}]),
    # Meeting rooms.
    account("room-pro", "never", ROOM, **plans(ROOMS_PRO, PLAN_1)),
    account("room-basic", "never", ROOM, **plans(ROOMS_BASIC)),
    account("room-standard", "never", ROOM, **plans(ROOMS_STANDARD.upper(), FOUNDATION)),
    account("room-managed", "never", ROOM, **plans(ROOMS_MANAGED)),
    account("room-licence-gone", "block", ROOM, **plans(ROOMS_PRO, status="Deleted")),
    account("room-plan-1", "ask", ROOM, **plans(PLAN_1)),
    account("shared-with-rooms-licence", "never", **plans(ROOMS_PRO)),
    # What Graph does not say.
    account("enabled-absent", "could-not-tell", accountEnabled=ABSENT),
    account("enabled-null", "could-not-tell", accountEnabled=None),
    account("enabled-text", "block", accountEnabled="True"),
    account("disabled-text", None, accountEnabled="False"),
    account("no-id", "could-not-tell", mailbox={"ExternalDirectoryObjectId": None}),
    account("empty-id", "could-not-tell", mailbox={"ExternalDirectoryObjectId": ""}),
    account("absent-id", "could-not-tell", mailbox={"ExternalDirectoryObjectId": ABSENT}),
    account(
        "upper-id", "block", mailbox={"ExternalDirectoryObjectId": guid("user", "upper-id").upper()}
    ),
    account(
        "guest",
        "block",
        userType="Guest",
        userPrincipalName="g_x.example#EXT#@contoso.onmicrosoft.com",
    ),
    account("dollar", "block", userPrincipalName="$dollar@contoso.com"),
    Case(
        "gone", enabled("could-not-tell"), {"RecipientTypeDetails": "SharedMailbox"}, missing=True
    ),
    # Sign-ins.
    account("signed-in", "ask", **seen(lastSuccessfulSignInDateTime=ago(2))),
    account("signed-in-long-ago", "block", **seen(lastSuccessfulSignInDateTime=ago(100))),
    account(
        "sprayed", "block", **seen(lastSignInDateTime=ago(1), lastSuccessfulSignInDateTime=ago(400))
    ),
    account(
        "only-sprayed",
        "block",
        **seen(lastSignInDateTime=ago(1), lastSuccessfulSignInDateTime=None),
    ),
    account(
        "never-signed-in", "block", **seen(lastSuccessfulSignInDateTime="0001-01-01T00:00:00Z")
    ),
    account("signs-in-tomorrow", "ask", **seen(lastSuccessfulSignInDateTime=ago(-1))),
    account("device-only", "block", **seen(lastNonInteractiveSignInDateTime=ago(1))),
    account("inactive", None, mailbox={"IsInactiveMailbox": True}),
    account("activity-null", "block", signInActivity=None),
    account(
        "synced-signed-in",
        "on-premises",
        onPremisesSyncEnabled=True,
        **seen(lastSuccessfulSignInDateTime=ago(1)),
    ),
    Case(
        "admin",
        enabled("block"),
        {"RecipientTypeDetails": "SharedMailbox"},
        {"@sandbox.protected": True},
    ),
)
