"""How mailbox auditing looks at a tenant: page by page, at single objects, and what it keeps."""

import asyncio
from collections.abc import Iterable
from copy import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.mailbox_audit.guard import (
    GUARD,
    MAX_PLAN_CHECKS,
    PAGES_PER_SAVE,
    look_at,
    look_up_bypasses,
    look_up_mailboxes,
    select_plan_checks,
)
from core.guards.mailbox_audit.items import LicensedAudit, Posture
from core.guards.mailbox_audit.judge import MAX_CACHED_NAMES, is_in_order, remember_usual
from core.guards.mailbox_audit.memory import MISSED_LETTER, Recorded, RecordingMemory, build_mark
from core.guards.mailbox_audit.options import Policy
from core.guards.mailbox_audit.tenant_defaults import TenantDefaults
from core.microsoft365.audit_actions import (
    DEFAULT_ACTIONS,
    UNLICENSED_ACTIONS,
    AuditLicence,
)
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.auditing import AuditBypass, MailboxAudit
from core.tenant.directory import Account
from core.tenant.known_traits import KnownTraits
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, AUDIT_BYPASS, MAILBOX_AUDIT, MAILBOXES
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TERMS = GuardPolicy(NOW, GUARD.options)
LOOK = ObserveContext(TERMS)
ALL = frozenset(DEFAULT_ACTIONS)
RECORDS = Recorded(ALL)


def box(number: int, kind: str = "UserMailbox") -> Mailbox:
    return Mailbox(f"m{number}", f"g{number}", f"user{number}@contoso.com", kind=kind)


def audit(number: int = 1, *capabilities: str) -> MailboxAudit:
    """A mailbox that records everything."""
    lists = dict(DEFAULT_ACTIONS)
    return MailboxAudit(box(number), True, ALL, lists, 90.0, frozenset(capabilities))


# Pages -------------------------------------------------------------------------------------------


async def test_while_pages_are_judged_others_have_their_turn() -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count_turns())
    await observe_all(GUARD, FakeTenant(audits=[audit(1), audit(2), audit(3)], page_size=1), LOOK)
    other.cancel()
    assert turns >= 3


async def test_no_more_accounts_are_asked_for_than_a_run_has_time_for_whatever_the_pages() -> None:
    count = MAX_PLAN_CHECKS + 10
    audits = [audit(number) for number in range(count)]
    tenant = FakeTenant(audits=audits, page_size=count - 100)
    await observe_all(GUARD, tenant, LOOK)
    asked = [len(names) for source, names in tenant.read_log if source == ACCOUNTS]
    assert asked == [count - 100, 90]


async def test_what_mailboxes_record_is_saved_every_few_pages_and_at_the_end() -> None:
    audits = [audit(number) for number in range(2 * PAGES_PER_SAVE + 1)]
    tenant = FakeTenant(audits=audits, page_size=1)
    parts = [part async for part in GUARD.observe(tenant, LOOK) if isinstance(part, Reading)]
    pages = [len(part.known_traits) > 0 for part in parts[1 : len(audits) + 1]]
    saves = [number for number, is_saved in enumerate(pages, 1) if is_saved]
    assert saves == [PAGES_PER_SAVE, 2 * PAGES_PER_SAVE]
    last = parts[len(audits) + 1]
    marks = {name for row in last.known_traits for name in row.traits}
    assert len(marks) == len(audits)


# What is remembered after a listing ------------------------------------------------------------


def remember(*numbers: int, at: datetime = NOW - DAY) -> dict[str, KnownTraits]:
    """The rows of mailboxes that recorded everything."""
    memory = RecordingMemory({}, at)
    for number in numbers:
        memory.note(f"m{number}", RECORDS)
    return {row.key: row for row in memory.build_rows()}


def list_missed(rows: Iterable[KnownTraits], *numbers: int) -> list[int]:
    """Which of some mailboxes are noted as missed."""
    names = {name for row in rows for name in row.traits}
    return [one for one in numbers if f"{build_mark(f'm{one}')}:ADO{MISSED_LETTER}" in names]


async def list_missed_after(tenant: FakeTenant, context: ObserveContext) -> list[int]:
    known = remember(1, 2, 3)
    reading = await observe_all(GUARD, tenant, replace(context, known_traits=known))
    return list_missed(reading.known_traits, 1, 2, 3)


async def test_a_mailbox_is_missed_once_a_whole_listing_does_not_show_it() -> None:
    assert await list_missed_after(FakeTenant(audits=[audit(1), audit(2)]), LOOK) == [3]


async def test_a_listing_that_broke_off_misses_nobody() -> None:
    tenant = FakeTenant(audits=[audit(1), audit(2)])
    tenant.interrupted_sources.add(MAILBOX_AUDIT)
    assert await list_missed_after(tenant, LOOK) == []


async def test_a_listing_that_began_where_the_last_one_stopped_misses_nobody() -> None:
    tenant = FakeTenant(audits=[audit(1), audit(2), audit(3)], page_size=1)
    assert await list_missed_after(tenant, replace(LOOK, continuation="2")) == []


# Single objects ----------------------------------------------------------------------------------


async def test_a_look_at_some_mailboxes_tells_whether_their_accounts_are_recorded() -> None:
    tenant = FakeTenant(bypasses=[AuditBypass("g1", "Ann"), AuditBypass("g3", "Cid")])
    (reading,) = [one async for one in look_at(tenant, LOOK, [box(2), box(1)])]
    assert [one.id for one in reading.items if isinstance(one, AuditBypass)] == ["g1"]
    for guid, is_covered in (("g1", True), ("g2", True), ("g3", False)):
        assert reading.covers((AUDIT_BYPASS,), guid) is is_covered


async def test_an_account_that_the_list_of_bypasses_no_longer_shows_is_asked_about_alone() -> None:
    tenant = FakeTenant(bypasses=[AuditBypass("b1", "Ann"), AuditBypass("b2", "Ben", False)])
    tenant.fail_read(AUDIT_BYPASS, "b3")
    reading = await look_up_bypasses(tenant, LOOK, ["b1", "b2", "b3"])
    assert [one.id for one in reading.items if isinstance(one, AuditBypass)] == ["b1"]
    for guid, is_covered in (("b1", True), ("b2", True), ("b3", False), ("b4", False)):
        assert reading.covers((AUDIT_BYPASS,), guid) is is_covered


async def test_a_case_ends_where_the_mailbox_is_gone_or_has_become_a_kind_that_audits_nothing() -> (
    None
):
    tenant = FakeTenant(boxes=[box(1), box(2, kind="RoomMailbox"), box(4)])
    tenant.fail_read(MAILBOXES, "m4", "HTTP 503")
    reading = await look_up_mailboxes(tenant, LOOK, ["m1", "m2", "m3", "m4"])
    ended = {one for one in ("m1", "m2", "m3", "m4") if reading.covers((MAILBOX_AUDIT,), one)}
    assert ended == {"m2", "m3"}
    assert reading.covers((MAILBOX_AUDIT, ACCOUNTS), "m3")
    assert reading.failures == (ReadFailure(MAILBOX_AUDIT, "HTTP 503", "m4"),)
    assert reading.items == ()


# Licences ----------------------------------------------------------------------------------------


def test_a_mailbox_without_an_account_has_no_licence_to_ask_for() -> None:
    items = [LicensedAudit(audit(number), AuditLicence.STANDARD) for number in (1, 2)]
    alone = replace(items[0].audit, mailbox=replace(items[0].audit.mailbox, has_account=False))
    items[0] = replace(items[0], audit=alone)
    assert select_plan_checks(items, (), 9) == {"m2"}


@pytest.mark.parametrize(("capabilities", "is_kept"), [((), True), (("M365Auditing",), False)])
async def test_a_licence_that_exchange_vouches_for_is_known_though_its_account_was_not_read(
    capabilities: tuple[str, ...], is_kept: bool
) -> None:
    shown = replace(audit(1, *capabilities), actions=dict(UNLICENSED_ACTIONS))
    tenant = FakeTenant(audits=[shown], users=[Account("m1")])
    tenant.fail_read(ACCOUNTS, "m1", "HTTP 503")
    reading = await observe_all(GUARD, tenant, LOOK)
    lost = [one for one in reading.failures if one.source == MAILBOX_AUDIT]
    known = ReadFailure(
        MAILBOX_AUDIT, "licence not known: HTTP 503", "m1", "user1@contoso.com", optional=True
    )
    assert lost == ([known] if is_kept else [])


# Judged once for all alike -----------------------------------------------------------------------


def test_a_posture_counts_every_name_that_somebody_chose() -> None:
    item = LicensedAudit(
        MailboxAudit(
            box(1),
            True,
            frozenset({"Admin", "Owner"}),
            {"Admin": frozenset({"Update"}), "Delegate": frozenset({"Copy", "Move", "Send"})},
            90.0,
            frozenset({"M365Auditing"}),
        ),
        AuditLicence.PREMIUM,
    )
    assert item.posture.count_names() == 2 + 1 + 1 + 3


def test_what_mailboxes_share_is_judged_once_and_what_holds_very_many_names_each_time() -> None:
    judged: list[Posture] = []

    def note(posture: Posture, policy: Policy) -> bool:
        judged.append(posture)
        return True

    recall = remember_usual(note)
    for count, times in ((MAX_CACHED_NAMES, 1), (MAX_CACHED_NAMES + 1, 2)):
        names = frozenset(f"Action{number}" for number in range(count))
        seen = MailboxAudit(box(1), True, frozenset(), {"Owner": names}, 90.0)
        posture = LicensedAudit(seen, AuditLicence.PREMIUM).posture
        judged.clear()
        assert [recall(posture, TERMS), recall(posture, TERMS)] == [True, True]
        assert judged == [posture] * times


def test_a_posture_is_in_order_where_nothing_is_to_be_said() -> None:
    healthy = LicensedAudit(audit(), AuditLicence.PREMIUM)
    assert is_in_order(healthy.posture, TERMS)
    off = replace(healthy, audit=replace(healthy.audit, enabled=False))
    assert not is_in_order(off.posture, TERMS)


def test_lists_that_were_set_by_hand_say_nothing_about_microsofts_default() -> None:
    defaults = TenantDefaults()
    by_hand = replace(audit(), default_set=frozenset({"delegate"}))
    defaults.add_audits([by_hand] * 9)
    assert defaults.get_default(audit()).keys() == {"Delegate"}


# The memory --------------------------------------------------------------------------------------


def find_alike() -> list[int]:
    """Two mailboxes whose marks share a row."""
    first = build_mark("m0")[:2]
    return [0, next(one for one in range(1, 9_999) if build_mark(f"m{one}")[:2] == first)]


def recall(rows: Iterable[KnownTraits], number: int) -> Recorded:
    return RecordingMemory({row.key: row for row in rows}, NOW).recall(f"m{number}")


def test_rows_of_another_kind_are_left_alone() -> None:
    other = KnownTraits("k", "m1", "other", NOW, NOW, {f"{build_mark('m1')}:A": NOW})
    memory = RecordingMemory({"k": other}, NOW)
    assert memory.recall("m1") == Recorded()
    assert not list(memory.build_rows(is_whole=True))


def test_a_row_that_holds_nothing_is_emptied_once_and_not_at_every_run() -> None:
    rows = remember(1)
    memory = RecordingMemory(rows, NOW)
    memory.note("m1", Recorded())
    (emptied,) = memory.build_changed_rows()
    assert (emptied.traits, emptied.last_seen_at) == ({}, NOW)
    later = RecordingMemory({emptied.key: emptied}, NOW + DAY)
    later.note("m1", Recorded())
    assert not list(later.build_rows(is_whole=True))


def test_before_the_end_of_a_listing_nobody_is_missed() -> None:
    first, second = find_alike()
    memory = RecordingMemory(remember(first, second), NOW)
    memory.note(f"m{first}", Recorded(ALL, had_premium=True))
    rows = list(memory.build_changed_rows())
    assert list_missed(rows, first, second) == []
    assert list_missed(memory.build_rows(), first, second) == []
    assert list_missed(memory.build_rows(is_whole=True), first, second) == [second]


def test_who_is_missed_stays_so_while_a_listing_only_begins_and_is_none_once_it_is_seen() -> None:
    missed = {row.key: row for row in RecordingMemory(remember(1), NOW).build_rows(is_whole=True)}
    assert list_missed(missed.values(), 1) == [1]
    partly = RecordingMemory(missed, NOW + DAY)
    assert list_missed(partly.build_rows(), 1) == [1]
    seen = RecordingMemory(missed, NOW + 40 * DAY)
    seen.note("m1", seen.recall("m1"))
    rows = list(seen.build_rows(is_whole=True))
    assert list_missed(rows, 1) == []
    assert recall(rows, 1) == RECORDS
