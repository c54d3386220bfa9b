"""Archives what no run needs any more, folds what is too much of one object, deletes what is old.

    after each complete scan   fold ─► archive, a bounded number of rows
    once a day                 delete what is over by days or by number

It comes last in a run: whatever there was to tell has been told. Each transaction carries the tally
that counts what it moves, so that a run that dies in between counts nothing twice.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched, islice

from core.engine.fold_saving import save_open_folds
from core.engine.open_folds import index_folded
from core.engine.outbox import list_rows_to_forget, list_silent_ends
from core.engine.recall import (
    MAX_CASES_PER_OBJECT,
    fold_cases,
    fold_older_cases,
    select_settled_cases,
    select_settled_changes,
    select_settled_requests,
)
from core.engine.scan_progress import Scan
from core.keys import PREFIX_LENGTH, build_object_key
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.folded import FOLDED
from core.model.state import GuardSnapshot, GuardState
from core.model.tally import Tally
from core.ports import (
    KEEP_CASES,
    KEEP_CHANGES,
    KEEP_REQUESTS,
    KEEP_TRAITS,
    MAX_PAST_CASES,
    MAX_PAST_CHANGES,
    MAX_PAST_REQUESTS,
    ArchivedRecord,
    PastKind,
    PastRow,
)
from core.status.counts import is_change_made

HOUSEKEEPING_KEY = "housekeeping"
# Records that are moved in one transaction, which takes two operations for each, and 4 MiB.
ARCHIVE_GROUP = 30
FOLD_GROUP = 90
# The most that one run moves or deletes of a kind: the next run goes on.
MAX_MOVED, MAX_DELETED = 900, 9_000
MAX_FOLDED_OBJECTS = 50

KEPT_FOR = {
    PastKind.CASE: KEEP_CASES,
    PastKind.CHANGE: KEEP_CHANGES,
    PastKind.REQUEST: KEEP_REQUESTS,
}
MAX_KEPT = {
    PastKind.CASE: MAX_PAST_CASES,
    PastKind.CHANGE: MAX_PAST_CHANGES,
    PastKind.REQUEST: MAX_PAST_REQUESTS,
}


async def tidy_up(scan: Scan, state: GuardState) -> None:
    """Archive and fold what a complete scan leaves, and once a day delete what is over."""
    now = scan.world.now()
    await fold_open_objects(scan, now)
    await tidy_outbox(scan, now)
    tally = await fold_objects(scan, scan.snapshot.tally, now)
    snapshot = scan.snapshot
    settled: list[ArchivedRecord] = [
        *select_settled_cases(snapshot, now),
        *select_settled_changes(snapshot, scan.config.guard.followed_changes, now),
        *select_settled_requests(snapshot, now),
    ]
    for group in batched(islice(settled, MAX_MOVED), ARCHIVE_GROUP, strict=False):
        tally = count_archived(tally, group, now)
        await scan.claim.archive(group, tally)
    last = state.checks_finished_at.get(HOUSEKEEPING_KEY)
    if last and abs(now - last) < timedelta(days=1):
        return
    if last:
        await delete_expired(scan, now)
    finished = {**state.checks_finished_at, HOUSEKEEPING_KEY: now}
    await scan.claim.save(state=replace(state, checks_finished_at=finished))


async def tidy_outbox(scan: Scan, now: datetime) -> None:
    """Forget what channels need no more, and note the ends that no report tells: the next run sends
    them.
    """
    rows, channels = scan.outbox.rows, [one.name for one in scan.world.channels]
    told = list_rows_to_forget(rows.values(), channels, scan.cases, now)
    for row in told:
        del rows[row.key]
    folded = index_folded(scan.cases.values())
    is_whole = is_memory_whole(scan.snapshot)
    ends = list_silent_ends(rows.values(), scan.cases, folded, now) if is_whole else ()
    if told or ends:
        await scan.claim.save(*ends, forget=told)
        scan.outbox.put(ends)


def is_memory_whole(snapshot: GuardSnapshot) -> bool:
    """Whether a case that is not there is over: its row is neither lost nor of another version."""
    return not (snapshot.unreadable_rows or snapshot.rows_differ or snapshot.state.distrust_reason)


def count_archived(tally: Tally, rows: Iterable[ArchivedRecord], now: datetime) -> Tally:
    """The tally with these rows. What was folded before is in it already."""
    rows = tuple(rows)
    return tally.add(
        [row for row in rows if isinstance(row, Case)],
        [row.at for row in rows if isinstance(row, ChangeRecord) and is_change_made(row)],
        now,
    )


async def fold_open_objects(scan: Scan, now: datetime) -> None:
    """Fold the open cases of objects that have too many, by the findings of this scan.

    The findings of a pass in shards are known to its workers, which fold for themselves.
    """
    if scan.scan_pass.shard_count:
        return
    findings = {row.key: row.finding for row in scan.reported_findings}
    await save_open_folds(scan.claim, scan.cases, findings, scan.recalled_keys, now)


async def fold_objects(scan: Scan, tally: Tally, now: datetime) -> Tally:
    """Fold the older cases of objects that have too many; returns the tally with them.

    After a pass in shards it is not known which findings exist: then nothing that was exempt is
    folded.
    """
    present = scan.seen_keys | {
        case.key
        for case in scan.cases.values()
        if scan.scan_pass.shard_count and case.resolution == "exempt"
    }
    for folded in list(islice(fold_older_cases(scan.cases, present, now), MAX_FOLDED_OBJECTS)):
        stands = scan.cases.get(folded.case.key)
        for members in batched(folded.members[:MAX_MOVED], FOLD_GROUP, strict=False):
            stands = fold_cases(stands, members, folded.case.key)
            tally = tally.add(members, (), now)
            await scan.claim.save(stands, tally, forget=members)
            for case in members:
                del scan.cases[case.key]
            scan.cases[stands.key] = stands
    return tally


async def delete_expired(scan: Scan, now: datetime) -> None:
    """Delete what is older than it is kept, and what is more than is kept."""
    await scan.world.ledger.purge_runs(scan.report.guard, now)
    unseen = tuple(
        one for one in scan.snapshot.known_traits.values() if now - one.last_seen_at >= KEEP_TRAITS
    )
    if unseen:
        await scan.claim.save(forget=unseen)
    for kind in PastKind:
        rows = await scan.claim.list_past_rows(kind)
        if kind is PastKind.CASE:
            rows = await fold_past_cases(scan, rows)
        over = select_rows_to_delete(rows, KEPT_FOR[kind], MAX_KEPT[kind], now)
        if over:
            await scan.claim.delete_past_rows(kind, over)


def select_rows_to_delete(
    rows: Iterable[PastRow], kept_for: timedelta, max_count: int, now: datetime
) -> list[str]:
    """The keys of archived rows that are too old, and of the oldest that are too many."""
    cut = (now - kept_for).isoformat()
    oldest_first = sorted(rows, key=lambda row: row.ended_at)
    excess = len(oldest_first) - max_count
    return [
        row.key for number, row in enumerate(oldest_first) if number < excess or row.ended_at < cut
    ][:MAX_DELETED]


def find_crowded_prefixes(rows: Iterable[PastRow]) -> list[str]:
    """The hash prefixes of objects with more archived cases than are kept of one object."""
    counts = Counter(row.key[:PREFIX_LENGTH] for row in rows)
    return [prefix for prefix, count in counts.most_common() if count > MAX_CASES_PER_OBJECT]


async def fold_past_cases(scan: Scan, rows: Sequence[PastRow]) -> list[PastRow]:
    """Fold the older archived cases of objects that have too many; returns the other rows."""
    deleted: set[str] = set()
    for prefix in find_crowded_prefixes(rows)[:MAX_FOLDED_OBJECTS]:
        cases = await scan.claim.load_past_cases(prefix)
        newest = sorted(cases, key=lambda case: case.closed_at or case.opened_at, reverse=True)
        for members in batched(
            newest[MAX_CASES_PER_OBJECT : MAX_CASES_PER_OBJECT + MAX_MOVED],
            FOLD_GROUP,
            strict=False,
        ):
            key = build_object_key(members[0].object_id, FOLDED)
            stands = fold_cases(scan.cases.get(key), members, key)
            keys = [case.key for case in members]
            await scan.claim.delete_past_rows(PastKind.CASE, keys, stands)
            scan.cases[key] = stands
            deleted.update(keys)
    return [row for row in rows if row.key not in deleted]
