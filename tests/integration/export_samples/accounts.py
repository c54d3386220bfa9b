"""Accounts of all kinds of mailboxes, each with the verdict it should get."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.export_samples.export import (
    ABSENT,
    ExpectedFindings,
    ExportedMailbox,
    Row,
    build_guid,
)

NOW = datetime.now(UTC)


def format_time_ago(days: float) -> str:
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


def expect_sign_in(verdict: str) -> ExpectedFindings:
    return {("sign-in-enabled", verdict)}


def build_account_sample(
    alias: str,
    verdict: str | None,
    kind: str = "SharedMailbox",
    mailbox: Row | None = None,
    **user: Any,
) -> ExportedMailbox:
    said = expect_sign_in(verdict) if verdict else set()
    return ExportedMailbox(alias, said, {"RecipientTypeDetails": kind} | (mailbox or {}), user)


def build_plans(*ids: str, status: str = "Enabled") -> Row:
    rows = [{"servicePlanId": one, "capabilityStatus": status, "service": "x"} for one in ids]
    licences = [SKU] if status.lower() != "deleted" else []
    return {"assignedLicenses": licences, "assignedPlans": rows}


def build_sign_in_activity(**times: str | None) -> Row:
    return {"signInActivity": times}


ROOM = "RoomMailbox"
ACCOUNTS = (
    build_account_sample("plain", "block"),
    build_account_sample("off", None, accountEnabled=False),
    build_account_sample(
        "off-but-exchange-says-on", None, mailbox={"AccountDisabled": "False"}, accountEnabled=False
    ),
    build_account_sample("room", "block", ROOM),
    build_account_sample("equipment", "block", "EquipmentMailbox"),
    build_account_sample("scheduling", "block", "SchedulingMailbox"),
    build_account_sample("linked-room", None, "LinkedRoomMailbox"),
    build_account_sample("person", None, "UserMailbox"),
    build_account_sample("discovery", None, "DiscoveryMailbox"),
    build_account_sample("team", None, "TeamMailbox"),
    # Directory synchronisation.
    build_account_sample("synced", "on-premises", onPremisesSyncEnabled=True),
    build_account_sample(
        "synced-licensed", "on-premises", onPremisesSyncEnabled=True, **build_plans(PLAN_2)
    ),
    build_account_sample("synced-off", None, onPremisesSyncEnabled=True, accountEnabled=False),
    build_account_sample(
        "synced-room-with-device",
        "never",
        ROOM,
        onPremisesSyncEnabled=True,
        **build_plans(ROOMS_PRO),
    ),
    build_account_sample("synced-once", "block", onPremisesSyncEnabled=False),
    build_account_sample("synced-unsaid", "block", onPremisesSyncEnabled=ABSENT),
    # Licences.
    build_account_sample("plan-2", "ask", **build_plans(FOUNDATION, PLAN_2)),
    build_account_sample("plan-2-upper", "ask", **build_plans(PLAN_2.upper())),
    build_account_sample("plan-1-gov", "ask", **build_plans(PLAN_1_GOV)),
    build_account_sample("kiosk", "ask", **build_plans(KIOSK)),
    build_account_sample("essentials", "ask", **build_plans(ESSENTIALS)),
    build_account_sample("midmarket", "ask", **build_plans(MIDMARKET)),
    build_account_sample("plan-warning", "ask", **build_plans(PLAN_2, status="Warning")),
    build_account_sample("plan-suspended", "ask", **build_plans(PLAN_2, status="Suspended")),
    build_account_sample("plan-locked-out", "ask", **build_plans(PLAN_2, status="LockedOut")),
    build_account_sample("plan-deleted", "block", **build_plans(PLAN_2, status="Deleted")),
    build_account_sample("foundation", "ask", **build_plans(FOUNDATION)),
    build_account_sample("foundation-gov", "ask", **build_plans(FOUNDATION_GOV, ENTRA_P1)),
    build_account_sample("archive-add-on", "ask", **build_plans(ARCHIVE_ADDON)),
    build_account_sample("archive-only", "ask", **build_plans(ARCHIVE, MULTI_GEO)),
    build_account_sample(
        "licences-without-plans", "ask", assignedLicenses=[SKU], assignedPlans=ABSENT
    ),
    build_account_sample("licences-null-plans", "ask", assignedLicenses=[SKU], assignedPlans=None),
    build_account_sample("nothing-said-of-plans", "block", assignedPlans=ABSENT),
    build_account_sample("licences-empty-plans", "ask", assignedLicenses=[SKU], assignedPlans=[]),
    build_account_sample("plan-deleted-lower", "block", **build_plans(PLAN_2, status="deleted")),
    build_account_sample(
        "plan-with-holes", "ask", assignedPlans=[None, {"servicePlanId": PLAN_1}, {}]
    ),
    # Meeting rooms.
    build_account_sample("room-pro", "never", ROOM, **build_plans(ROOMS_PRO, PLAN_1)),
    build_account_sample("room-basic", "never", ROOM, **build_plans(ROOMS_BASIC)),
    build_account_sample(
        "room-standard", "never", ROOM, **build_plans(ROOMS_STANDARD.upper(), FOUNDATION)
    ),
    build_account_sample("room-managed", "never", ROOM, **build_plans(ROOMS_MANAGED)),
    build_account_sample(
        "room-licence-gone", "block", ROOM, **build_plans(ROOMS_PRO, status="Deleted")
    ),
    build_account_sample("room-plan-1", "never", ROOM, **build_plans(PLAN_1)),
    build_account_sample("shared-with-rooms-licence", "ask", **build_plans(ROOMS_PRO)),
    # What Graph does not say.
    build_account_sample("enabled-absent", "could-not-tell", accountEnabled=ABSENT),
    build_account_sample("enabled-null", "could-not-tell", accountEnabled=None),
    build_account_sample("enabled-text", "block", accountEnabled="True"),
    build_account_sample("disabled-text", None, accountEnabled="False"),
    build_account_sample("no-id", "could-not-tell", mailbox={"ExternalDirectoryObjectId": None}),
    build_account_sample("empty-id", "could-not-tell", mailbox={"ExternalDirectoryObjectId": ""}),
    build_account_sample(
        "absent-id", "could-not-tell", mailbox={"ExternalDirectoryObjectId": ABSENT}
    ),
    build_account_sample(
        "upper-id",
        "block",
        mailbox={"ExternalDirectoryObjectId": build_guid("user", "upper-id").upper()},
    ),
    build_account_sample(
        "guest",
        "block",
        userType="Guest",
        userPrincipalName="g_x.example#EXT#@contoso.onmicrosoft.com",
    ),
    build_account_sample("dollar", "block", userPrincipalName="$dollar@contoso.com"),
    ExportedMailbox(
        "gone",
        expect_sign_in("could-not-tell"),
        {"RecipientTypeDetails": "SharedMailbox"},
        account_missing=True,
    ),
    # Sign-ins.
    build_account_sample(
        "signed-in",
        "ask",
        **build_sign_in_activity(lastSuccessfulSignInDateTime=format_time_ago(2)),
    ),
    build_account_sample(
        "signed-in-long-ago",
        "block",
        **build_sign_in_activity(lastSuccessfulSignInDateTime=format_time_ago(100)),
    ),
    build_account_sample(
        "sprayed",
        "block",
        **build_sign_in_activity(
            lastSignInDateTime=format_time_ago(1), lastSuccessfulSignInDateTime=format_time_ago(400)
        ),
    ),
    build_account_sample(
        "only-sprayed",
        "block",
        **build_sign_in_activity(
            lastSignInDateTime=format_time_ago(1), lastSuccessfulSignInDateTime=None
        ),
    ),
    build_account_sample(
        "never-signed-in",
        "block",
        **build_sign_in_activity(lastSuccessfulSignInDateTime="0001-01-01T00:00:00Z"),
    ),
    build_account_sample(
        "signs-in-tomorrow",
        "ask",
        **build_sign_in_activity(lastSuccessfulSignInDateTime=format_time_ago(-1)),
    ),
    build_account_sample(
        "device-only",
        "block",
        **build_sign_in_activity(lastNonInteractiveSignInDateTime=format_time_ago(1)),
    ),
    build_account_sample("inactive", None, mailbox={"IsInactiveMailbox": True}),
    build_account_sample("activity-null", "block", signInActivity=None),
    build_account_sample(
        "synced-signed-in",
        "on-premises",
        onPremisesSyncEnabled=True,
        **build_sign_in_activity(lastSuccessfulSignInDateTime=format_time_ago(1)),
    ),
    ExportedMailbox(
        "admin",
        expect_sign_in("block"),
        {"RecipientTypeDetails": "SharedMailbox"},
        {"@sandbox.protected": True},
    ),
)
