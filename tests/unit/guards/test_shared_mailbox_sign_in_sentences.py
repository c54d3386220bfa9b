"""What the guard of shared mailboxes' sign-in says of one account and another."""

from copy import replace
from datetime import datetime, timedelta
from typing import Any

from core.guards.shared_mailbox_sign_in import GUARD
from core.guards.shared_mailbox_sign_in.accounts import QUIET_PERIOD, ResourceAccount, SignInRecord
from core.guards.shared_mailbox_sign_in.judge import judge
from core.microsoft365.service_plans import (
    DEVICE_PLANS,
    MAILBOX_PLANS,
    MEETING_ROOM_PLANS,
)
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.tenant.changes import BlockSignIn
from core.tenant.directory import Account, Actor, Enabling, RoleHolder, SignIn
from core.tenant.mailboxes import Mailbox
from tests.support.fakes.tenant import FakeTenant
from tests.support.sentences import NOW, check_looks, check_sentences

TERMS = GuardPolicy(NOW, GUARD.options)
BOX = Mailbox("m1", "g1", "info@contoso.com", "Info", "SharedMailbox")
ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OPEN = Account(ID, "info@contoso.com", enabled=True)
DAY = timedelta(days=1)
PLAN = next(plan for plan, name in MAILBOX_PLANS.items() if name == "Exchange Online (Plan 2)")
ROOM_SYSTEM = min(MEETING_ROOM_PLANS)
SHARED_DEVICE = min(set(DEVICE_PLANS) - set(MEETING_ROOM_PLANS))
DANA = Actor("a1", "dana@contoso.com")


def say(
    kind: str = "SharedMailbox",
    terms: GuardPolicy = TERMS,
    item: ResourceAccount | None = None,
    **account: Any,
) -> list[Finding]:
    """What is said of a mailbox whose account differs in some properties."""
    base = item or ResourceAccount(BOX, OPEN, sign_ins=SignInRecord.READ)
    changed = replace(base.account, **account) if base.account else None
    return list(
        judge(replace(base, mailbox=replace(base.mailbox, kind=kind), account=changed), terms)
    )


def known(**more: Any) -> ResourceAccount:
    """An enabled account of which something more is known."""
    return replace(ResourceAccount(BOX, OPEN, sign_ins=SignInRecord.READ), **more)


def terms(**options: Any) -> GuardPolicy:
    return replace(TERMS, options=replace(GUARD.options, **options))


def test_sentences_about_accounts() -> None:
    licensed: dict[str, Any] = {"plans": frozenset({PLAN}), "licensed": True}
    made = NOW - 400 * DAY
    untouched: dict[str, Any] = {
        "created_at": made,
        "password_changed_at": made + timedelta(minutes=5),
    }
    check_sentences(
        "shared_mailbox_sign_in",
        {
            "Nobody uses it": say(),
            "Nobody uses it, and what was there before is asked about": say(
                terms=terms(at_first_look="ask")
            ),
            "Entra does not know its account": say(item=known(account=None)),
            "Nobody knows whether it is enabled": say(enabled=None),
            "It is blocked": say(enabled=False),
            "It is one for emergencies": say(
                terms=terms(break_glass_accounts=("info@contoso.com",)), upn=" Info@Contoso.com "
            ),
            "It is one for emergencies by its id": say(
                terms=terms(break_glass_accounts=(ID,)), id=ID.upper()
            ),
            "A room with a room system": say("RoomMailbox", plans=frozenset({ROOM_SYSTEM})),
            "A room with a shared device": say("RoomMailbox", plans=frozenset({SHARED_DEVICE})),
            "Equipment with any licence": say("EquipmentMailbox", licence_ids=frozenset({"x"})),
            "A shared mailbox with a device's licence": say(plans=frozenset({SHARED_DEVICE})),
            "It is synced": say(synced=True),
            "It is synced and licensed": say(synced=True, **licensed),
            "It is synced under a name that no command can hold": say(synced=True, upn="a\nb"),
            "It is synced and nameless": say(synced=True, upn=""),
            "Only administrators of a unit may change it": say(is_management_restricted=True),
            "It holds a role": say(item=known(holds_role=True)),
            "It is licensed": say(**licensed),
            "It is licensed, and that is left alone": say(
                terms=terms(licensed_accounts="ignore"), **licensed
            ),
            "It is licensed, and is blocked all the same": say(
                terms=terms(licensed_accounts="block"), **licensed
            ),
            "Its licence has plans that nobody knows": say(licensed=True, plans=None),
            "Its licence has plans without a mailbox": say(plans=frozenset({"other"})),
            "Nobody knows whether it is licensed": say(plans=None),
            "Somebody signed in lately": say(item=known(last_sign_in=NOW - 30 * DAY)),
            "Somebody signed in long ago": say(item=known(last_sign_in=NOW - 31 * DAY)),
            "Somebody will sign in": say(item=known(last_sign_in=NOW + DAY)),
            "Nobody knows who holds roles": say(item=known(holds_role=None)),
            "Sign-ins cannot be read": say(item=known(sign_ins=SignInRecord.UNREAD)),
            "Attempts are not clear": say(item=known(sign_ins=SignInRecord.UNCLEAR)),
            "Sign-ins cannot be read, but nobody ever set its password": say(
                item=known(sign_ins=SignInRecord.UNREAD), **untouched
            ),
            "Sign-ins cannot be read, and its password was set": say(
                item=known(sign_ins=SignInRecord.UNREAD),
                created_at=made,
                password_changed_at=made + timedelta(minutes=6),
            ),
            "Its password is older than the account": say(
                created_at=made, password_changed_at=made - timedelta(minutes=6)
            ),
            "Its password was set lately": say(
                created_at=made, password_changed_at=NOW - 2 * DAY, licence_ids=frozenset()
            ),
            "Its password is as old as the account, which is new": say(
                created_at=NOW - DAY, password_changed_at=NOW - DAY
            ),
            "Its block stands": say(item=known(blocked_at=NOW - 400 * DAY), enabled=False),
            "Its block stands, and no command can name it": say(
                item=known(blocked_at=NOW - 400 * DAY), enabled=False, id="a\nb"
            ),
            "Its block is new": say(item=known(blocked_at=NOW - DAY), enabled=False),
            "Its block stands as long as it takes": say(
                item=known(blocked_at=NOW - QUIET_PERIOD), enabled=False
            ),
            "Its block stands, and its sessions were ended": say(
                item=known(blocked_at=NOW - 400 * DAY, sessions_ended=True), enabled=False
            ),
            "Nobody uses it, and what is licensed is left alone": say(
                terms=terms(licensed_accounts="ignore")
            ),
            "Nobody knows whether it is licensed, and what is licensed is blocked": say(
                terms=terms(licensed_accounts="block"), plans=None
            ),
            "Entra does not know the account of a mailbox of a long kind": say(
                "K" * 300, item=known(account=None)
            ),
            "Nobody knows when it was made": say(password_changed_at=made),
            "A room nobody uses": say("RoomMailbox"),
            "A room whose password was set": say(
                "RoomMailbox", created_at=made, password_changed_at=made + DAY
            ),
            "A room that was signed in to long ago": say(
                "RoomMailbox", item=known(last_sign_in=NOW - 300 * DAY)
            ),
            "A room whose sign-ins cannot be read": say(
                "RoomMailbox", item=known(sign_ins=SignInRecord.UNREAD)
            ),
            "A mailbox for bookings": say("SchedulingMailbox"),
            "Somebody enabled it again": say(
                item=known(
                    blocked_at=NOW - 2 * DAY,
                    enabling=Enabling(ID, NOW - DAY, replace(DANA, name="d" * 300)),
                )
            ),
            "An app enabled it again": say(
                item=known(
                    blocked_at=NOW - 2 * DAY,
                    enabling=Enabling(ID, NOW - DAY, Actor("a1", "", is_app=True)),
                )
            ),
            "Nobody with a name enabled it again": say(
                item=known(blocked_at=NOW, enabling=Enabling(ID, NOW, Actor("", "")))
            ),
            "Nobody knows who enabled it again": say(item=known(blocked_at=NOW)),
            "It was enabled again, and no command can name it": say(
                item=known(blocked_at=NOW), id="a\nb"
            ),
            "The mailbox is a person's again": say(
                "UserMailbox", item=known(blocked_at=NOW), enabled=False
            ),
            "The mailbox is a person's again, and no command can name it": say(
                "UserMailbox", item=known(blocked_at=NOW), enabled=False, id="a\nb"
            ),
            "The mailbox is a person's again, who can sign in": say(
                "UserMailbox", item=known(blocked_at=NOW)
            ),
            "A mailbox of an unlisted kind": say("TeamMailbox"),
            "Its names are long": say("K" * 300, upn="u" * 300),
        },
    )


def build_account_tenant() -> FakeTenant:
    """Shared mailboxes of which some were blocked, enabled again, converted, tried and used."""
    boxes = [replace(BOX, id=f"m{one:02}", guid=f"g{one:02}") for one in range(16)]
    boxes[12] = replace(boxes[12], kind="UserMailbox")
    boxes[13] = replace(boxes[13], kind="UserMailbox")
    boxes[14] = replace(boxes[14], has_account=False)
    users = [replace(OPEN, id=box.id, upn=f"{box.id}@contoso.com") for box in boxes[:14]]
    users[2] = replace(users[2], enabled=False)
    users[5] = replace(users[5], synced=True)
    users[6] = replace(users[6], plans=frozenset({PLAN}), licensed=True)
    users[12] = replace(users[12], enabled=False)
    return FakeTenant(
        boxes=boxes,
        users=users,
        holders=[RoleHolder("m03", "entra"), RoleHolder("g04", "eligible"), RoleHolder("m05", "")],
        sign_ins=[
            SignIn("m07", NOW - DAY),
            SignIn("m08", None, NOW - DAY),
            SignIn("m09", None, NOW - DAY),
            SignIn("m10", None, NOW - 40 * DAY),
            SignIn("m11", NOW - 90 * DAY, NOW - DAY),
        ],
        logged_sign_ins=[SignIn("m09", NOW - 2 * DAY)],
        enablings=[
            Enabling("m00", NOW - 3 * DAY, Actor("a0", "before@contoso.com")),
            Enabling("m00", NOW - 2 * DAY, Actor("a1", "at@contoso.com")),
            Enabling("m01", NOW - 3.5 * DAY, Actor("a3", "first@contoso.com")),
            Enabling("m01", NOW - 3 * DAY, DANA),
            Enabling("m01", NOW - 3 * DAY, Actor("a2", "second@contoso.com")),
            Enabling("m10", NOW - 3 * DAY, Actor("a4", "earlier@contoso.com")),
            Enabling("m02", NOW - DAY, DANA),
        ],
        page_size=6,
    )


def block(number: int, days: float) -> tuple[BlockSignIn, datetime]:
    """What Exoguard blocked so many days ago."""
    kinds = TERMS.options.resource_kinds
    return BlockSignIn(f"m{number:02}", f"g{number:02}", kinds), NOW - days * DAY


async def test_sentences_about_a_tenant_with_accounts_of_all_kinds() -> None:
    blocks = (block(0, 2), block(1, 4), block(10, 2), block(2, 2), block(12, 1), block(13, 3))
    gone = block(99, 5)
    await check_looks(
        "shared_mailbox_sign_in_accounts_looks",
        GUARD,
        build_account_tenant,
        applied_changes=(*blocks, gone, block(0, 2.5), block(12, 1)),
    )


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("shared_mailbox_sign_in_looks", GUARD)
