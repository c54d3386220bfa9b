"""Reads a whole tenant in batches, so that its size does not matter.

    observe ─► batch ─► judge ─► reconcile ─► save ─► (a first card)     what can be listed
          └─► page ─► key range ─► inspect ─► batch ─► ...               what is read per mailbox

A batch is judged as it arrives and then released: only its findings stay. Mailboxes are inspected
as they are listed. If a scan takes several runs, or a periodic check is due, they are inspected by
hash prefix: the cursor is saved in the same transaction as the results that it has passed, and the
next run continues from there. Only the first look reads everything as it is listed, so that what is
critical leaves early.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Self

from core.engine.judgement import inspect_mailboxes, judge_and_reconcile, look_alone
from core.engine.periodic_checks import find_due_checks, is_check_complete, is_check_due_at
from core.engine.population import is_absence_trusted
from core.engine.reconcile import BatchResult, select_changed_traits
from core.engine.scan_progress import Scan, truncate_totals
from core.engine.single_looks import build_gap_batch, choose_turn, note_turn
from core.errors import MISTAKES, explain_error
from core.keys import RANGE_END, RANGE_START
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.guards import ObserveContext
from core.model.state import ScanTotals
from core.tenant.known_traits import KnownTraits
from core.tenant.mailbox_index import MailboxIndex, MailboxPage, MailboxRange
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import AllExcept, ReadFailure, Reading
from core.tenant.sources import ALL_LISTED, CREDENTIAL, JUDGEMENT

log = logging.getLogger("exoguard.run")

# Progress is saved at least this often, so that a killed run loses little of it.
CHECKPOINT_INTERVAL = timedelta(seconds=30)
# So many whole key ranges are read at once, so that the services are busy while one batch is judged
# and saved; of small ones more.
PREFETCH_COUNT = 3
# So many mailboxes are in the first key range of a first look.
FIRST_LOOK_RANGE = 60
# The share of a run's time that periodic checks may take.
MAX_CHECK_TIME_SHARE = 0.5


type AfterBatch = Callable[[Scan], Awaitable[None]]


async def scan_tenant(scan: Scan, after_batch: AfterBatch) -> MailboxIndex | None:
    """Read everything there is time for; call `after_batch` after each saved batch.

    Returns the mailbox index if it is too long for one run, for the queue to process.
    """
    scan.apply_saved_rows((), ())
    await pause_before_check(scan)
    await add_batch(scan, build_grants_batch(scan.grants_reading))
    if scan.grants_reading.find_source_failure(CREDENTIAL):
        scan.other_totals = replace(scan.other_totals, complete=False)
        scan.finished = True
        return None
    observe_context, listed_count = scan.build_observe_context(), 0
    index: MailboxIndex | None = None
    async with Prefetcher(scan) as prefetcher:
        async for batch in observe_all(scan, observe_context):
            if isinstance(batch, MailboxPage):
                index = index or MailboxIndex(observe_context.open_case_ids, batch.sources)
                index.add_page(batch)
                if can_stream_mailboxes(scan, index):
                    await scan_as_listed(scan, index, prefetcher, after_batch)
                continue
            listed_count += batch.population
            absent = isinstance(batch.scope, AllExcept)
            trusted = not absent or is_absence_trusted(
                with_listed_count(batch, listed_count), scan.snapshot.state
            )
            # A check of what is listed as a whole goes through no mailboxes: it is done at once.
            names = {check.name for check in scan.config.guard.periodic_checks}
            scan.completed_checks |= {name for name in names if is_check_complete(batch, name)}
            await add_batch(scan, batch, trusted=trusted)
            await after_batch(scan)
            if batch.continuation and scan.world.budget_used() >= 1:
                return None
        if index is None:
            scan.finished = True
            return None
        index.complete = index.complete and ALL_LISTED not in list_refused(scan)
        return await scan_after_listing(scan, index, prefetcher, after_batch)


async def observe_all(
    scan: Scan, context: ObserveContext[Any]
) -> AsyncIterator[Reading[Any] | MailboxPage]:
    """What the guard lists. After a mistake all that it did not come to is unread: no case ends by
    that, and what was listed is looked into.
    """
    guard = scan.config.guard
    try:
        async for batch in guard.observe(scan.world.tenant, context):
            yield batch
    except MISTAKES as error:
        log.exception("%s: not all was listed", guard.name)
        failure = ReadFailure(ALL_LISTED, explain_error(error))
        yield Reading(failures=(failure,), complete=False, scope=frozenset[str]())
    known = scan.other_totals
    scan.other_totals = replace(known, sources=known.sources | {ALL_LISTED})


async def pause_before_check(scan: Scan) -> None:
    """Wait for a random time before a periodic check begins.

    A run starts on the minute that its schedule names: whoever took something away for that minute
    would hide it from every check. What is part way, or an operator waits for, begins at once.
    """
    state, world = scan.snapshot.state, scan.world
    due = list_due_checks(scan)
    begun = due & scan.check_progress.keys()
    if not state.check_seed or not due or begun or scan.decision_context.run_options.at:
        return
    await world.sleep(world.sweep_pause * secrets.randbelow(1_000) / 1_000)


async def scan_after_listing(
    scan: Scan, index: MailboxIndex, prefetcher: "Prefetcher", after_batch: AfterBatch
) -> MailboxIndex | None:
    """Inspect the mailboxes once all of them are listed."""
    scan.expected_population = index.population
    scan.scan_pass = replace(scan.scan_pass, population=index.population)
    rest = index.build_listing_reading(
        case.object_id
        for case in scan.cases.values()
        if case.closed_at is None and index.shared_sources.issuperset(case.sources)
    )
    # What is gone need not be judged any more.
    rest = replace(rest, sources=rest.sources | {JUDGEMENT})
    trusted = is_absence_trusted(with_listed_count(rest, index.population), scan.snapshot.state)
    await add_batch(scan, rest, trusted=trusted)
    if needs_shards(scan, index):
        # The shards read again what was inspected as it was listed.
        scan.streamed_totals = ScanTotals()
        return index
    if can_stream_mailboxes(scan, index):
        await scan_as_listed(scan, index, prefetcher, after_batch, last=True)
    else:
        await scan_by_key_range(scan, index, prefetcher, after_batch)
    return None


def build_grants_batch(grants_reading: Reading[GrantedPermissions]) -> Reading[Any]:
    """The reading of the app's permissions as a batch without items to judge."""
    return replace(grants_reading, items=(), population=0)


def with_listed_count(batch: Reading[Any], listed_count: int) -> Reading[Any]:
    """The batch with the number of all listed objects as its population."""
    return replace(batch, population=listed_count)


async def add_batch(
    scan: Scan,
    batch: Reading[Any],
    *,
    trusted: bool = True,
    cursor: str = "",
    streamed: bool = False,
    alone: bool = False,
) -> None:
    """Judge and reconcile a batch, and save the result together with the cursor.

    Of objects that were looked at `alone`, no listing says how many there are.
    """
    result, batch = judge_and_reconcile(
        replace(scan.decision_context, batch_read_at=scan.world.now()),
        batch,
        seen_keys=scan.seen_keys,
        unconfirmed_sources=frozenset() if alone else scan.unconfirmed_sources,
        trusted=trusted,
    )
    scan.unconfirmed_sources |= result.unconfirmed_sources
    totals = result.totals
    # More than one batch may have failed to read the same mailbox.
    if again := batch.unread_object_ids & scan.unread_ids:
        totals = replace(totals, unread_count=totals.unread_count - len(again))
    scan.unread_ids |= batch.unread_object_ids
    if batch.restarted:
        scan.cursor_totals = ScanTotals()
        scan.scan_pass = replace(scan.scan_pass, totals=ScanTotals(), continuation="")
    if after := cursor or batch.continuation:
        scan.cursor_totals = truncate_totals(scan.cursor_totals.add_totals(totals))
        scan.scan_pass = replace(scan.scan_pass, totals=scan.cursor_totals, continuation=after)
    elif streamed:
        scan.streamed_totals = truncate_totals(scan.streamed_totals.add_totals(totals))
    else:
        scan.other_totals = truncate_totals(scan.other_totals.add_totals(totals))
    scan.reported_findings += result.reported_findings
    scan.seen_keys.update(row.key for row in result.reported_findings)
    scan.baselined = scan.baselined or result.baselined
    noted = select_changed_traits(scan.snapshot, batch)
    await save_batch(scan, result, noted, batch.forgotten_traits)
    if result.unlisted:
        await look_at_unlisted(scan, result.unlisted)


async def look_at_unlisted(scan: Scan, cases: Sequence[Case]) -> None:
    """Look at the objects alone whose findings a listing no longer shows, and name a listing that
    leaves out what is there: whatever else stood on the page that is missing is unread too.
    """
    guard = scan.config.guard
    checks = frozenset(check.name for check in guard.periodic_checks)
    context = replace(scan.build_observe_context(), due_checks=checks, continuation="")
    for look in guard.single_looks:
        ids = {one.object_id for one in cases if guard.find_single_look(one.sources) is look}
        if not ids:
            continue
        state = scan.snapshot.state
        turn = choose_turn(ids, state.single_look_places.get(look.listing, ""))
        scan.snapshot = replace(scan.snapshot, state=note_turn(state, look.listing, turn))
        read = await look_alone(look, scan.world.tenant, context, turn.ids)
        alone = replace(read, population=0, continuation="", restarted=False, listed_counts={})
        await add_batch(scan, alone, alone=True)
        found = {one.object_id for one in cases if one.key in scan.seen_keys}
        gap = build_gap_batch(look, read, turn, found & set(turn.ids))
        if gap.failures:
            await add_batch(scan, gap)


async def save_batch(
    scan: Scan,
    result: BatchResult,
    noted: Sequence[KnownTraits] = (),
    forgotten: Sequence[KnownTraits] = (),
) -> None:
    """Save the result of a batch with the cursor, unless there is nothing to save yet.

    What the guard remembers comes last: if the run dies before it is saved, the next run finds the
    same news again.
    """
    rows: tuple[Case | ChangeRecord | KnownTraits, ...] = (*result.cases, *result.records, *noted)
    overdue = scan.world.now() - scan.saved_at >= CHECKPOINT_INTERVAL
    needless: tuple[Case | KnownTraits, ...] = (*result.cases_to_delete, *forgotten)
    if rows or needless or overdue:
        await scan.claim.save(*rows, state=scan.build_state(), forget=needless)
        scan.saved_at = scan.world.now()
    for case in result.cases_to_delete:
        scan.cases.pop(case.key, None)
    scan.apply_saved_traits(noted, forgotten)
    scan.hold_recalled(result.recalled)
    scan.apply_saved_rows(result.cases, result.records)


# ----------------------------------------------------------------------------------------------
# Mailbox by mailbox
# ----------------------------------------------------------------------------------------------


def needs_shards(scan: Scan, index: MailboxIndex) -> bool:
    """Whether the index is long enough to be split into shards."""
    max_mailboxes = scan.world.shard_above
    return max_mailboxes is not None and len(index.rows) > max_mailboxes


def can_stream_mailboxes(scan: Scan, index: MailboxIndex) -> bool:
    """Whether mailboxes can be inspected as they are listed.

    Not if an earlier run was interrupted, because the scan then needs a cursor to continue from,
    nor if a periodic check is due, because it advances by hash prefix. A first look has nothing to
    continue from: its checks are done when it ends.
    """
    size = max(len(index.rows), scan.snapshot.state.population or 0)
    max_mailboxes = scan.world.shard_above
    return (
        scan.snapshot.state.scan_pass is None
        and (is_first_look(scan) or not list_due_checks(scan))
        and (max_mailboxes is None or size <= max_mailboxes)
    )


def is_first_look(scan: Scan) -> bool:
    """Whether nothing of the tenant was ever read to its end."""
    return scan.snapshot.state.population is None and not scan.snapshot.state.check_progress


def choose_range_size(scan: Scan, index: MailboxIndex) -> int:
    """How many mailboxes to read next in listing order: of a first look few, then ever more.

    Later there is little to tell of any, so they come in twice as many: whatever is asked for once
    a range is asked for half as often.
    """
    size = scan.world.range_size
    if is_first_look(scan):
        return min(size, max(FIRST_LOOK_RANGE, index.next_position))
    return 2 * size


async def scan_as_listed(
    scan: Scan,
    index: MailboxIndex,
    prefetcher: "Prefetcher",
    after_batch: AfterBatch,
    *,
    last: bool = False,
) -> None:
    """Inspect mailboxes in listing order; all of them once the listing is complete (`last`)."""
    before = scan.world.budget_used()
    while True:
        while prefetcher.has_capacity and scan.world.budget_used() < 1:
            key_range = index.take_listed_range(choose_range_size(scan, index), last=last)
            if key_range is None:
                break
            prefetcher.start_read(key_range, select_listed_checks(scan))
        if not prefetcher.tasks or not (last or prefetcher.is_next_ready):
            break
        _, due, batch = await prefetcher.await_next()
        scan.missed_checks |= {name for name in due if not is_check_complete(batch, name)}
        await add_batch(scan, batch, streamed=True)
        await after_batch(scan)
        now = scan.world.budget_used()
        scan.check_time_used += now - before if due else 0.0
        before = now
    scan.finished = last and index.next_position >= len(index.rows)
    if scan.finished:
        scan.completed_checks |= list_due_checks(scan) - scan.missed_checks


def select_listed_checks(scan: Scan) -> frozenset[str]:
    """The periodic checks that include the next mailboxes in listing order.

    One that leaves out any of them is not done, and begins anew in the next run.
    """
    due = list_due_checks(scan)
    selected = frozenset[str]() if has_no_time_for_checks(scan) else due - list_refused(scan)
    scan.missed_checks |= due - selected
    return selected


async def scan_by_key_range(
    scan: Scan, index: MailboxIndex, prefetcher: "Prefetcher", after_batch: AfterBatch
) -> None:
    """Inspect the mailboxes of the index, one key range after another, from the cursor on.

    No range is started after the time budget is used, except for the first: every run makes
    progress. The first look begins with few mailboxes, so that what is critical leaves early.
    """
    first_size = FIRST_LOOK_RANGE if scan.snapshot.state.population is None else 0
    key_ranges = index.iter_ranges(scan.scan_pass.continuation, scan.world.range_size, first_size)
    before, begun = scan.world.budget_used(), False
    while True:
        while prefetcher.has_capacity and (not begun or scan.world.budget_used() < 1):
            key_range = next(key_ranges, None)
            if key_range is None:
                break
            prefetcher.start_read(key_range, select_due_checks(scan, key_range))
            begun = True
        if not prefetcher.tasks:
            return
        key_range, due, batch = await prefetcher.await_next()
        advance_checks(scan, key_range, due, batch)
        await add_batch(scan, batch, cursor=key_range.high)
        await after_batch(scan)
        now = scan.world.budget_used()
        scan.check_time_used += now - before if due else 0.0
        before = now
        scan.finished = key_range.high == RANGE_END


type ReadTask = tuple[MailboxRange, frozenset[str], asyncio.Task[Reading[Any]]]
type ReadResult = tuple[MailboxRange, frozenset[str], Reading[Any]]


@dataclass(slots=True)
class Prefetcher:
    """Reads key ranges ahead of their turn. Tasks that are still open at the end are cancelled."""

    scan: Scan
    tasks: deque[ReadTask] = field(default_factory=deque)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for _, _, task in self.tasks:
            task.cancel()
        await asyncio.gather(*(task for _, _, task in self.tasks), return_exceptions=True)

    @property
    def has_capacity(self) -> bool:
        """Whether another key range may be read ahead.

        What counts is the mailboxes, half a range more or less: the first ranges of a first look
        are small, and three of them would leave the services without work.
        """
        under_way = sum(len(one.mailboxes) for one, _, _ in self.tasks)
        return not self.tasks or under_way < (PREFETCH_COUNT - 0.5) * self.scan.world.range_size

    @property
    def is_next_ready(self) -> bool:
        """Whether the next batch has arrived."""
        return bool(self.tasks) and self.tasks[0][2].done()

    def start_read(
        self, mailbox_range: MailboxRange, due_checks: frozenset[str] = frozenset()
    ) -> None:
        """Start to read a key range."""
        self.tasks.append(
            (
                mailbox_range,
                due_checks,
                asyncio.create_task(read_mailbox_range(self.scan, mailbox_range, due_checks)),
            )
        )

    async def await_next(self) -> ReadResult:
        """The next batch, in the order the ranges were started."""
        key_range, due, task = self.tasks[0]
        batch = await task
        self.tasks.popleft()
        return key_range, due, batch


async def read_mailbox_range(
    scan: Scan, mailbox_range: MailboxRange, due_checks: frozenset[str]
) -> Reading[Any]:
    """One key range, as the guard inspects it."""
    observe_context = replace(
        scan.build_observe_context(), due_checks=due_checks, is_first_range=mailbox_range.is_first
    )
    return await inspect_mailboxes(
        scan.config.guard, scan.world.tenant, observe_context, mailbox_range.mailboxes
    )


def select_due_checks(scan: Scan, mailbox_range: MailboxRange) -> frozenset[str]:
    """The periodic checks that include a key range: those that are due and have come up to it.

    A source that is refused for one range is refused for all, so its check is not continued.
    """
    if has_no_time_for_checks(scan):
        return frozenset()
    selected = {
        name
        for name in list_due_checks(scan) - list_refused(scan)
        if is_check_due_at(scan.requested_progress.get(name, RANGE_START), mailbox_range)
    }
    scan.requested_progress |= dict.fromkeys(selected, mailbox_range.high)
    return frozenset(selected)


def list_due_checks(scan: Scan) -> frozenset[str]:
    """The periodic checks that are due in this scan."""
    return find_due_checks(scan.config, scan.snapshot.state, scan.decision_context.now)


def list_refused(scan: Scan) -> frozenset[str]:
    """The sources that were refused as a whole."""
    return frozenset(failure.source for failure in scan.totals.source_failures)


def has_no_time_for_checks(scan: Scan) -> bool:
    """Whether periodic checks have taken their share of the run's time, or it is nearly over."""
    return scan.world.budget_used() >= 0.9 or scan.check_time_used >= MAX_CHECK_TIME_SHARE


def advance_checks(
    scan: Scan, mailbox_range: MailboxRange, due_checks: frozenset[str], batch: Reading[Any]
) -> None:
    """Advance the periodic checks past a key range that they have read."""
    for name in due_checks:
        if is_check_complete(batch, name) and is_check_due_at(
            scan.check_progress.get(name, RANGE_START), mailbox_range
        ):
            scan.check_progress[name] = mailbox_range.high
            scan.completed_checks |= {name} if mailbox_range.high == RANGE_END else set()
