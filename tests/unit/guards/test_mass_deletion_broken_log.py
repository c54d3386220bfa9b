"""An audit log that breaks off: what it lacks makes nobody an actor, and nothing is told twice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from core.guards.mass_deletion.guard import GUARD
from core.guards.mass_deletion.items import DeletionBurst
from core.guards.mass_deletion.observe import observe
from core.model.findings import Finding, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.directory import Actor, DeletedObject, Deletion
from core.tenant.readers import AccountReader, DeletionReader
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DELETED_USERS, DELETIONS
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import NOW, OTHER_ACTOR, build_deletions, build_recycle_bin

TERMS = GuardPolicy(NOW, GUARD.options)
LIMIT = 10


@dataclass(frozen=True)
class BrokenOffLog:
    """A reader whose audit log ends with an error after so many records."""

    reader: DeletionReader
    length: int
    permission: str = ""

    async def read_deletions(self, since: datetime) -> Reading[Deletion]:
        whole = await self.reader.read_deletions(since)
        failure = ReadFailure(DELETIONS, "HTTP 503", permission=self.permission)
        return replace(whole, items=whole.items[: self.length], failures=(failure,))

    async def read_deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        return await self.reader.read_deleted_objects(since)

    async def read_deleted_users(self, ids: Sequence[str]) -> Reading[DeletedObject]:
        return await self.reader.read_deleted_users(ids)


@dataclass(frozen=True)
class BrokenOffTenant:
    accounts: AccountReader
    deletions: DeletionReader


def build_context(*seen: Reading[DeletionBurst]) -> ObserveContext:
    known = {row.key: row for reading in seen for row in reading.known_traits}
    return ObserveContext(TERMS, known_traits=known)


async def look(
    rows: list[Deletion], read: int | None = None, context: ObserveContext | None = None
) -> tuple[list[Finding], Reading[DeletionBurst]]:
    """What is told of deletions of which the log names so many; None: all of them."""
    whole = FakeTenant(
        deletion_events=rows, recycle_bin=build_recycle_bin(rows), reported_user_count=50
    )
    cut = BrokenOffLog(whole.deletions, len(rows) if read is None else read)
    tenant = whole if read is None else BrokenOffTenant(whole.accounts, cut)
    (reading,) = [part async for part in observe(tenant, context or build_context())]
    return [one for item in reading.items for one in GUARD.judge(item, TERMS)], reading


@pytest.mark.parametrize("read", [0, 5, LIMIT])
async def test_whoever_a_part_of_the_log_names_did_nothing_together_with_others(read: int) -> None:
    (finding,), reading = await look(build_deletions(14), read)
    assert finding.object_id == "unknown"
    assert finding.summary == "14 users were deleted by somebody unknown."
    assert (finding.sources, finding.confirmations_needed) == ((DELETED_USERS,), 2)
    who = format_facts(finding.facts)[1]
    if read:
        assert who == (
            f"who did {14 - read} of it is not known: the audit log does not show it; "
            f"what it shows is by admin@contoso.com from 203.0.113.9 ({read})"
        )
    else:
        assert who.startswith("who did it is not known: the audit log does not show it, only")
    assert not reading.covers((DELETIONS,), "a1")


async def test_an_actor_of_whom_enough_is_read_did_at_least_that() -> None:
    (finding,), _ = await look(build_deletions(14), LIMIT + 1)
    assert finding.object_id == "a1"
    assert finding.summary == "At least 11 users were deleted by admin@contoso.com."


async def test_several_accounts_of_whom_all_is_read_are_several() -> None:
    rows = [*build_deletions(6), *build_deletions(6, OTHER_ACTOR, first=20)]
    (finding,), _ = await look(rows, len(rows))
    assert finding.summary == "At least 12 users were deleted by several accounts together."


@pytest.mark.parametrize("read", [0, 5])
async def test_what_was_told_with_its_actor_is_not_told_again_without_one(read: int) -> None:
    rows = build_deletions(14)
    (told,), seen = await look(rows)
    assert told.object_id == "a1"
    assert (await look(rows, read, build_context(seen)))[0] == []


@pytest.mark.parametrize(("more", "count"), [(LIMIT, 0), (LIMIT + 1, 1)])
async def test_what_is_more_than_was_told_is_news(more: int, count: int) -> None:
    rows = build_deletions(14)
    _, seen = await look(rows)
    later = [*rows, *build_deletions(more, OTHER_ACTOR, hours=0.1, first=50)]
    found, _ = await look(later, 0, build_context(seen))
    assert len(found) == count


async def test_what_was_told_of_nobody_excuses_nothing() -> None:
    rows = build_deletions(14)
    _, seen = await look(rows, 0)
    assert len((await look(rows, 0, build_context(seen)))[0]) == 1


async def test_of_what_was_told_at_several_sizes_the_largest_counts() -> None:
    rows = build_deletions(16)
    _, seen = await look(rows)
    (row,) = seen.known_traits
    grown = replace(row, traits={"5": NOW - timedelta(hours=1), "16": NOW})
    assert (await look(rows, 0, build_context(replace(seen, known_traits=(grown,)))))[0] == []


async def test_a_case_whose_actor_can_still_be_read_goes_on() -> None:
    rows = build_deletions(14)
    _, seen = await look(rows)
    (finding,), _ = await look(rows, len(rows), build_context(seen))
    assert finding.object_id == "a1"


async def test_one_burst_that_was_told_already_hides_no_other() -> None:
    users, policies = build_deletions(14), build_deletions(14, OTHER_ACTOR, kind="policy")
    _, seen = await look(users)
    whole = FakeTenant(
        deletion_events=[*policies, *users],
        recycle_bin=build_recycle_bin(users),
        reported_user_count=50,
    )
    cut = BrokenOffTenant(whole.accounts, BrokenOffLog(whole.deletions, len(policies)))
    (reading,) = [part async for part in observe(cut, build_context(seen))]
    assert [burst.act_class.kind for burst in reading.items] == ["mass-deletion-of-policies"]


async def test_what_the_log_itself_names_nobody_for_is_attributed_to_nobody() -> None:
    apps = build_deletions(14, Actor("", ""), kind="application")
    (finding,), reading = await look(apps, len(apps))
    assert finding.object_id == "unknown"
    assert [burst.is_attributed for burst in reading.items] == [False]


async def test_what_was_told_long_ago_excuses_nothing() -> None:
    rows = build_deletions(LIMIT + 1)
    _, seen = await look(rows)
    old = [
        replace(row, traits={size: at - timedelta(days=3) for size, at in row.traits.items()})
        for row in seen.known_traits
    ]
    found, _ = await look(rows, 0, build_context(replace(seen, known_traits=tuple(old))))
    assert len(found) == 1


async def test_acts_of_another_class_excuse_nothing() -> None:
    apps = build_deletions(14, Actor("a1", "admin@contoso.com"), kind="application")
    _, seen = await look(apps)
    found, _ = await look(build_deletions(14), 0, build_context(seen))
    assert len(found) == 1


@dataclass(frozen=True)
class SilentlyCutReader:
    """A reader whose listings end after so many rows, as if that were all."""

    reader: DeletionReader
    log_length: int = 1_000
    bin_length: int = 1_000

    async def read_deletions(self, since: datetime) -> Reading[Deletion]:
        whole = await self.reader.read_deletions(since)
        return replace(whole, items=whole.items[: self.log_length])

    async def read_deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        whole = await self.reader.read_deleted_objects(since)
        return replace(whole, items=whole.items[: self.bin_length])

    async def read_deleted_users(self, ids: Sequence[str]) -> Reading[DeletedObject]:
        return await self.reader.read_deleted_users(ids)


async def look_at_cut_listings(
    rows: list[Deletion],
    in_bin: list[Deletion] | None = None,
    log_length: int = 1_000,
    bin_length: int = 1_000,
) -> list[Finding]:
    """What is told of deletions where listings end without a word."""
    whole = FakeTenant(
        deletion_events=rows,
        recycle_bin=build_recycle_bin(rows if in_bin is None else in_bin),
        reported_user_count=50,
    )
    cut = SilentlyCutReader(whole.deletions, log_length, bin_length)
    tenant = BrokenOffTenant(whole.accounts, cut)
    (reading,) = [part async for part in observe(tenant, build_context())]
    return [one for item in reading.items for one in GUARD.judge(item, TERMS)]


@pytest.mark.parametrize("bin_length", [0, 3])
async def test_a_recycle_bin_that_lists_too_little_makes_nobody_gone_for_good(
    bin_length: int,
) -> None:
    (finding,) = await look_at_cut_listings(build_deletions(14), bin_length=bin_length)
    assert finding.verdict == "mass-deletion"
    assert "14 users, the first of them until" in " ".join(format_facts(finding.facts))


async def test_who_is_in_no_recycle_bin_is_gone_for_good() -> None:
    rows = build_deletions(14)
    (finding,) = await look_at_cut_listings(rows, in_bin=rows[:13])
    assert finding.verdict == "deleted-for-good"
    assert "1 user (deleted for good" in " ".join(format_facts(finding.facts))


@pytest.mark.parametrize(("log_length", "hours"), [(0, 3.0), (2, 3.0)])
async def test_a_log_that_shows_too_little_without_a_word_hides_no_burst(
    log_length: int, hours: float
) -> None:
    rows = build_deletions(14, hours=hours)
    (finding,) = await look_at_cut_listings(rows, log_length=log_length)
    assert finding.object_id == "unknown"
    assert (finding.sources, finding.confirmations_needed) == ((DELETED_USERS,), 2)


@pytest.mark.parametrize(("hours", "is_told"), [(0.5, False), (2.0, False), (2.001, True)])
async def test_a_log_that_is_late_is_waited_for(hours: float, is_told: bool) -> None:
    at = NOW - timedelta(hours=hours)
    rows = [replace(one, at=at) for one in build_deletions(14)]
    assert bool(await look_at_cut_listings(rows, log_length=0)) is is_told


async def test_a_few_deletions_that_the_log_lacks_take_nobody_s_name() -> None:
    rows = build_deletions(14, hours=3.0)
    extra = build_deletions(2, hours=3.0, first=60)
    (finding,) = await look_at_cut_listings(rows, in_bin=[*rows, *extra])
    assert finding.object_id == "a1"
    assert finding.summary == "14 users were deleted by admin@contoso.com."
