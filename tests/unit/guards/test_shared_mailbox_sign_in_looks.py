"""What is read of accounts of shared mailboxes, when, and what a read that fails leaves unread."""

from collections.abc import Sequence
from copy import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.shared_mailbox_sign_in import GUARD
from core.guards.shared_mailbox_sign_in.accounts import ResourceAccount, SignInRecord
from core.guards.shared_mailbox_sign_in.observe import (
    LOG_RETENTION,
    MAX_LOG_LOOKUPS,
    look_at,
    look_up_mailboxes,
    observe,
)
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.changes import BlockSignIn, Change, EndSessions
from core.tenant.directory import Account, Actor, Enabling, RoleHolder, SignIn
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import AllExcept, ReadFailure, Reading
from core.tenant.sources import (
    ACCOUNTS,
    ENABLINGS,
    MAILBOXES,
    ROLE_HOLDERS,
    SIGN_IN_LOG,
    SIGN_INS,
)
from tests.support.fakes.tenant import FakeTenant

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TERMS = GuardPolicy(NOW, GUARD.options)
KINDS = GUARD.options.resource_kinds
BOX = Mailbox("m1", "g1", "info@contoso.com", "Info", "SharedMailbox")
PERSON = Mailbox("m9", "g9", "ann@contoso.com", "Ann")
OPEN = Account("m1", "info@contoso.com", enabled=True)
BLOCKED = replace(OPEN, enabled=False)
UNREAD = ReadFailure(ACCOUNTS, "HTTP 503", "m1", "info@contoso.com")


def box(number: int, kind: str = "SharedMailbox") -> Mailbox:
    return replace(BOX, id=f"m{number}", guid=f"g{number}", kind=kind)


def account(number: int) -> Account:
    return replace(OPEN, id=f"m{number}")


def block(number: int, days: float) -> tuple[BlockSignIn, datetime]:
    """What Exoguard blocked so many days ago."""
    return BlockSignIn(f"m{number}", f"g{number}", KINDS), NOW - days * DAY


def context(*changes: tuple[Change, datetime], recent_days: int = 30) -> ObserveContext:
    options = replace(GUARD.options, recent_days=recent_days)
    return ObserveContext(replace(TERMS, options=options), applied_changes=changes)


async def look(
    tenant: FakeTenant, given: ObserveContext | None = None
) -> list[Reading[ResourceAccount]]:
    return [part async for part in observe(tenant, given or context())]


async def read(tenant: FakeTenant, given: ObserveContext | None = None) -> Reading[ResourceAccount]:
    """The one page of a look."""
    return (await look(tenant, given))[0]


def list_asked(tenant: FakeTenant, source: str) -> list[tuple[str, ...]]:
    """What was asked of a source, request by request."""
    return [ids for place, ids in tenant.read_log if place == source]


# What is listed -----------------------------------------------------------------------------------


async def test_a_page_says_what_it_covered_and_the_last_part_that_all_others_are_gone() -> None:
    tenant = FakeTenant(boxes=[BOX, PERSON], users=[OPEN], page_size=1)
    page, absent = await look(tenant, replace(context(), open_case_ids=frozenset({"m1", "old"})))
    assert [one.mailbox for one in page.items] == [BOX]
    assert page.sources == {MAILBOXES, ACCOUNTS, ROLE_HOLDERS, SIGN_INS}
    assert (page.population, page.failures, page.scope) == (1, (), frozenset({"m1"}))
    assert absent == Reading(
        sources=frozenset({MAILBOXES, ACCOUNTS}), scope=AllExcept(frozenset({"m1"}))
    )


async def test_a_listing_that_broke_off_or_was_continued_says_nothing_of_what_it_lacks() -> None:
    tenant = FakeTenant(boxes=[box(1), box(2), box(3)], users=[account(n) for n in (1, 2, 3)])
    tenant.page_size = 1
    past = context(block(7, 2))
    continued = await look(tenant, replace(past, continuation="1"))
    assert [one.mailbox.id for part in continued for one in part.items] == ["m2", "m3"]
    assert all(isinstance(part.scope, frozenset) for part in continued)
    tenant.interrupted_sources.add(MAILBOXES)
    broken = await look(tenant, past)
    assert not broken[-1].complete
    assert all(isinstance(part.scope, frozenset) for part in broken)
    assert ("g7",) not in list_asked(tenant, MAILBOXES)


async def test_the_kinds_that_are_looked_at_are_a_setting() -> None:
    tenant = FakeTenant(boxes=[BOX, box(2, "RoomMailbox")], users=[OPEN, account(2)])
    rooms = replace(TERMS, options=replace(GUARD.options, resource_kinds=("RoomMailbox",)))
    assert [one.mailbox.id for one in (await read(tenant, ObserveContext(rooms))).items] == ["m2"]


# A look at single mailboxes -----------------------------------------------------------------------


async def list_looked_at(
    tenant: FakeTenant, given: ObserveContext, mailboxes: Sequence[Mailbox]
) -> list[Reading[ResourceAccount]]:
    return [part async for part in look_at(tenant, given, mailboxes)]


async def test_of_some_mailboxes_those_of_a_looked_at_kind_are_read_whatever_its_letters() -> None:
    room = box(2, "roommailbox")
    tenant = FakeTenant(boxes=[room, BOX, PERSON], users=[account(2), BLOCKED, account(9)])
    given = context((EndSessions("m1"), NOW), block(1, 3))
    (part,) = await list_looked_at(tenant, given, [room, PERSON, BOX])
    assert list_asked(tenant, MAILBOXES) == [("m1", "m2")]
    shared, other = sorted(part.items, key=lambda one: one.mailbox.id)
    assert (shared.mailbox, shared.account, shared.blocked_at) == (BOX, BLOCKED, NOW - 3 * DAY)
    assert shared.sessions_ended
    assert (other.mailbox, other.account) == (room, account(2))
    assert (part.population, part.scope) == (2, frozenset({"m1", "m2"}))
    assert part.covers((MAILBOXES, ACCOUNTS), "m1")
    assert await list_looked_at(tenant, given, [PERSON]) == []
    assert len(list_asked(tenant, MAILBOXES)) == 1


async def test_a_mailbox_that_became_a_persons_or_is_gone_is_covered_and_is_no_item() -> None:
    tenant = FakeTenant(boxes=[replace(BOX, kind="UserMailbox")], users=[OPEN])
    part = await look_up_mailboxes(tenant, context(), ["m1", "m2"])
    assert (part.items, part.population, part.scope) == ((), 0, frozenset({"m1", "m2"}))
    assert part.covers((MAILBOXES, ACCOUNTS), "m1")
    assert part.covers((MAILBOXES, ACCOUNTS), "m2")


# Accounts -----------------------------------------------------------------------------------------


async def test_an_account_that_could_not_be_read_leaves_its_mailbox_alone_unread() -> None:
    tenant = FakeTenant(boxes=[BOX, box(2)], users=[OPEN])
    tenant.fail_read(ACCOUNTS, "m1")
    page = await read(tenant)
    assert [(one.mailbox.id, one.account) for one in page.items] == [("m2", None)]
    assert page.failures == (ReadFailure(ACCOUNTS, "HTTP 503", "m1"),)


# Roles --------------------------------------------------------------------------------------------


async def test_who_holds_roles_is_read_once_and_only_for_accounts_that_may_be_changed() -> None:
    boxes = [box(number) for number in range(1, 5)]
    users = [account(1), replace(account(2), synced=True), account(4)]
    tenant = FakeTenant(boxes=boxes, users=users, page_size=1)
    await look(tenant)
    assert len(list_asked(tenant, ROLE_HOLDERS)) == 1
    tenant = FakeTenant(boxes=boxes[1:3], users=users[1:2])
    assert ROLE_HOLDERS not in (await read(tenant)).sources
    assert list_asked(tenant, ROLE_HOLDERS) == []


async def test_where_roles_are_unread_for_a_moment_only_known_holders_are_judged() -> None:
    tenant = FakeTenant(boxes=[BOX, box(2)], users=[OPEN, account(2)])
    tenant.holders = [RoleHolder("g2", "entra")]
    tenant.fail_read(ROLE_HOLDERS, "somebody")
    page = await read(tenant)
    assert [(one.mailbox.id, one.holds_role) for one in page.items] == [("m2", True)]
    gap = ReadFailure(ROLE_HOLDERS, "HTTP 503", "somebody", optional=True)
    assert page.failures == (gap, replace(UNREAD, reason=f"{ROLE_HOLDERS}: HTTP 503"))


@pytest.mark.parametrize("more", [False, True])
async def test_a_role_that_may_not_be_read_is_not_known_but_for_holders_that_are(
    more: bool,
) -> None:
    tenant = FakeTenant(boxes=[BOX, box(2)], users=[OPEN, account(2)])
    tenant.holders = [RoleHolder("m2", "entra")]
    tenant.fail_read(ROLE_HOLDERS, "a", permission="RoleManagement.Read.Directory")
    if more:
        # A refusal stays one beside what fails for the moment: waiting does not help.
        tenant.fail_read(ROLE_HOLDERS, "b")
    page = await read(tenant)
    assert [(one.mailbox.id, one.holds_role) for one in page.items] == [("m1", None), ("m2", True)]
    assert all(gap.optional for gap in page.failures)
    assert list_asked(tenant, SIGN_INS) == [("m1",)]


# Blocks, and who undid them -----------------------------------------------------------------------


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_the_latest_block_and_the_latest_end_of_sessions_count(is_reversed: bool) -> None:
    tenant = FakeTenant(boxes=[BOX], users=[BLOCKED])
    changes: list[tuple[Change, datetime]] = [
        (EndSessions("m1"), NOW - 2 * DAY),
        block(1, 3),
        (EndSessions("m1"), NOW - 8 * DAY),
        block(1, 9),
    ]
    if is_reversed:
        changes.reverse()
    (item,) = (await read(tenant, context(*changes))).items
    assert (item.blocked_at, item.sessions_ended) == (NOW - 3 * DAY, True)


@pytest.mark.parametrize(("days", "is_ended"), [(2.9, True), (3, True), (3.1, False)])
async def test_sessions_are_ended_by_what_came_with_the_block_or_after_it(
    days: float, is_ended: bool
) -> None:
    tenant = FakeTenant(boxes=[BOX], users=[BLOCKED])
    changes = (block(1, 3), (EndSessions("m1"), NOW - days * DAY))
    (item,) = (await read(tenant, context(*changes))).items
    assert item.sessions_ended is is_ended


async def test_a_block_of_which_nothing_is_known_any_more_changes_nothing() -> None:
    tenant = FakeTenant(boxes=[BOX, box(2), box(3)], users=[replace(OPEN, enabled=None)])
    page = await read(tenant, context(block(1, 1), block(2, 1), block(4, 1)))
    assert {one.mailbox.id: one.blocked_at for one in page.items} == dict.fromkeys(
        ("m1", "m2", "m3")
    )
    assert list_asked(tenant, ENABLINGS) == []


async def test_who_enabled_it_last_since_the_block_is_told_and_of_one_moment_the_first() -> None:
    tenant = FakeTenant(boxes=[BOX, box(2), box(3)], users=[OPEN, account(2), account(3)])
    last, other = Actor("a1", "last@contoso.com"), Actor("a2", "other@contoso.com")
    tenant.enablings = [
        Enabling("m1", NOW - 5 * DAY, other),
        Enabling("m1", NOW - DAY, last),
        Enabling("m1", NOW - DAY, other),
        Enabling("m1", NOW - 2 * DAY, other),
        Enabling("m2", NOW - 4 * DAY, last),
        # The same as those of another account are read from, and before its own block.
        Enabling("m3", NOW - 4 * DAY, other),
    ]
    given = context(block(1, 3), block(2, 4), block(3, 2))
    page = await read(tenant, given)
    assert [one.enabling and one.enabling.actor for one in page.items] == [last, last, None]
    assert [one.blocked_at for one in page.items] == [NOW - days * DAY for days in (3, 4, 2)]
    assert list_asked(tenant, ENABLINGS) == [("m1", "m2", "m3")]
    assert ENABLINGS in page.sources
    assert list_asked(tenant, SIGN_INS) == [], "somebody undid the block: an operator decides"


async def test_that_nobody_can_read_who_enabled_it_is_a_detail() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN])
    tenant.fail_read(ENABLINGS)
    page = await read(tenant, context(block(1, 3)))
    assert page.failures == (ReadFailure(ENABLINGS, "HTTP 503", optional=True),)
    assert [one.blocked_at for one in page.items] == [NOW - 3 * DAY]


# Sign-ins -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("permission", ["", "AuditLog.Read.All"])
async def test_one_account_whose_sign_ins_failed_is_unread_whatever_the_reason(
    permission: str,
) -> None:
    tenant = FakeTenant(boxes=[BOX, box(2)], users=[OPEN, account(2)])
    tenant.fail_read(SIGN_INS, "m1", permission=permission)
    page = await read(tenant)
    assert [(one.mailbox.id, one.sign_ins) for one in page.items] == [("m2", SignInRecord.READ)]
    assert UNREAD in page.failures
    assert replace(UNREAD, source=SIGN_INS, subject="", permission=permission, optional=True) in (
        page.failures
    )


async def test_a_success_is_kept_beside_later_attempts_and_needs_no_log() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN])
    tenant.sign_ins = [SignIn("m1", NOW - 50 * DAY, NOW)]
    (item,) = (await read(tenant)).items
    assert (item.last_sign_in, item.sign_ins) == (NOW - 50 * DAY, SignInRecord.READ)
    assert list_asked(tenant, SIGN_IN_LOG) == []


@pytest.mark.parametrize(("days", "is_asked"), [(29, True), (30, True), (31, False)])
async def test_the_log_is_asked_where_it_goes_back_as_far_as_the_days_that_count(
    days: int, is_asked: bool
) -> None:
    assert timedelta(days=30) == LOG_RETENTION
    tenant = FakeTenant(boxes=[BOX], users=[OPEN], sign_ins=[SignIn("m1", None, NOW - DAY)])
    tenant.logged_sign_ins = [SignIn("m1", NOW - 28 * DAY)]
    page = await read(tenant, context(recent_days=days))
    (item,) = page.items
    assert (SIGN_IN_LOG in page.sources) is is_asked
    assert item.last_sign_in == (NOW - 28 * DAY if is_asked else None)
    assert item.sign_ins is (SignInRecord.READ if is_asked else SignInRecord.UNCLEAR)


async def test_a_success_from_before_the_days_that_count_is_none() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN], sign_ins=[SignIn("m1", None, NOW - DAY)])
    tenant.logged_sign_ins = [SignIn("m1", NOW - 8 * DAY)]
    (item,) = (await read(tenant, context(recent_days=7))).items
    assert (item.last_sign_in, item.sign_ins) == (None, SignInRecord.READ)


async def test_of_many_unclear_accounts_the_log_is_asked_about_some() -> None:
    numbers = [f"{number:03}" for number in range(MAX_LOG_LOOKUPS + 3)]
    boxes = [replace(BOX, id=one, guid=f"g{one}") for one in numbers]
    users = [replace(OPEN, id=one) for one in numbers]
    tenant = FakeTenant(boxes=boxes, users=users)
    tenant.sign_ins = [SignIn(one, None, NOW) for one in numbers]
    page = await read(tenant)
    assert list_asked(tenant, SIGN_IN_LOG) == [tuple(numbers[:MAX_LOG_LOOKUPS])]
    unclear = [one.mailbox.id for one in page.items if one.sign_ins is SignInRecord.UNCLEAR]
    assert unclear == numbers[MAX_LOG_LOOKUPS:]


async def test_a_log_that_failed_for_a_moment_leaves_the_account_unread() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN], sign_ins=[SignIn("m1", None, NOW)])
    tenant.fail_read(SIGN_IN_LOG)
    page = await read(tenant)
    assert page.items == ()
    assert page.failures == (ReadFailure(SIGN_IN_LOG, "HTTP 503", optional=True), UNREAD)


# Mailboxes that were made a person's --------------------------------------------------------------


async def test_what_was_blocked_and_is_listed_is_not_looked_for_again() -> None:
    tenant = FakeTenant(boxes=[BOX, box(2, "UserMailbox")], users=[BLOCKED, account(2)])
    await look(tenant, context(block(1, 3), block(2, 2)))
    assert list_asked(tenant, MAILBOXES) == [(), ("g2",)]
    tenant.read_log.clear()
    await look(tenant, context(block(1, 3)))
    assert list_asked(tenant, MAILBOXES) == [()]


async def test_a_converted_mailbox_comes_with_its_account_and_its_block() -> None:
    tenant = FakeTenant(boxes=[box(1, "UserMailbox")], users=[BLOCKED])
    _, converted, absent = await look(
        tenant, replace(context(block(1, 3)), open_case_ids=frozenset({"m1", "old"}))
    )
    assert converted == Reading(
        items=(ResourceAccount(box(1, "UserMailbox"), BLOCKED, blocked_at=NOW - 3 * DAY),),
        sources=frozenset({MAILBOXES, ACCOUNTS}),
        scope=frozenset({"m1"}),
    )
    assert absent.scope == AllExcept(frozenset({"m1"}))


async def test_a_blocked_account_that_cannot_be_looked_for_keeps_its_case_and_is_a_detail() -> None:
    boxes = [box(1, "UserMailbox"), box(2, "UserMailbox")]
    tenant = FakeTenant(boxes=boxes, users=[BLOCKED, account(2)])
    given = replace(context(block(1, 3), block(2, 2)), open_case_ids=frozenset({"m1", "m2", "old"}))
    tenant.fail_read(MAILBOXES, "g1")
    tenant.fail_read(ACCOUNTS, "m2")
    *_, converted, absent = await look(tenant, given)
    assert converted.items == ()
    assert converted.failures == (
        ReadFailure(MAILBOXES, "HTTP 503", "m1", optional=True),
        ReadFailure(ACCOUNTS, "HTTP 503", "m2", optional=True),
    )
    assert converted.scope == frozenset({"m2"})
    assert absent.scope == AllExcept(frozenset({"m1", "m2"}))


async def test_an_account_that_is_gone_with_its_mailbox_there_is_no_item() -> None:
    tenant = FakeTenant(boxes=[box(1, "UserMailbox")])
    parts = await look(tenant, context(block(1, 3)))
    assert [part.items for part in parts] == [(), ()]
    assert isinstance(parts[-1].scope, AllExcept)
