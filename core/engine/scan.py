"""Looking at a whole tenant, part by part, so that its size does not matter.

    observe ─► part ─► judge ─► note ─► save ─► (a first card)      what can be listed
          └─► page ─► slice ─► inspect ─► part ─► ...               what is asked mailbox by mailbox

A part is judged as it arrives and then let go: what stays is what was found. Mailboxes are looked
into as they are listed. Only where a look did not get through in one run, or where a sweep is due,
are they taken by their place: then the cursor moves on in the same transaction that saves what it
passed, and the next run goes on from there.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Self

from core.engine.periodic_checks import find_due_checks, is_check_complete, is_check_due_at
from core.engine.reconcile import BatchResult, reconcile_batch
from core.engine.scan_progress import Scan, truncate_totals
from core.engine.self_findings import population_dropped
from core.keys import RANGE_END, RANGE_START
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.state import ScanTotals
from core.tenant.mailbox_index import MailboxIndex, MailboxPage, MailboxRange
from core.tenant.port import GrantedPermissions
from core.tenant.readings import AllExcept, Reading
from core.tenant.surfaces import CREDENTIAL

# What a run knows is saved at least this often: the less of it a killed run loses.
CHECKPOINT_INTERVAL = timedelta(seconds=30)
# Slices asked for at once, so that the services are kept busy while one is judged and saved.
PREFETCH_COUNT = 3
# How much of a run's time its sweeps may take.
MAX_CHECK_TIME_SHARE = 0.5


type AfterBatch = Callable[[Scan], Awaitable[None]]


async def scan_tenant(scan: Scan, after_batch: AfterBatch) -> MailboxIndex | None:
    """Look at everything there is time for. `told` is called after each part that was saved.

    Returns the roll that is too long for one run, for the queue to take.
    """
    scan.apply_saved_rows((), ())
    await add_batch(scan, build_grants_batch(scan.grants_reading))
    if scan.grants_reading.find_source_failure(CREDENTIAL):
        scan.other_totals = replace(scan.other_totals, complete=False)
        scan.finished = True
        return None
    asked, listed = scan.build_observe_context(), 0
    roll: MailboxIndex | None = None
    async with Prefetcher(scan) as ahead:
        async for part in scan.config.guard.observe(scan.world.tenant, asked):
            if isinstance(part, MailboxPage):
                roll = roll or MailboxIndex(asked.open_case_ids, part.sources)
                roll.add_page(part)
                if can_stream_mailboxes(scan, roll):
                    await scan_as_listed(scan, roll, ahead, after_batch)
                continue
            listed += part.population
            absent = isinstance(part.scope, AllExcept)
            trusted = not (
                absent and population_dropped(with_listed_count(part, listed), scan.snapshot.state)
            )
            await add_batch(scan, part, trusted=trusted)
            await after_batch(scan)
            if part.continuation and scan.world.budget_used() >= 1:
                return None
        if roll is None:
            scan.finished = True
            return None
        return await scan_after_listing(scan, roll, ahead, after_batch)


async def scan_after_listing(
    scan: Scan, index: MailboxIndex, prefetcher: "Prefetcher", after_batch: AfterBatch
) -> MailboxIndex | None:
    """What is to be done once all mailboxes were named."""
    scan.expected_population = index.population
    scan.scan_pass = replace(scan.scan_pass, population=index.population)
    rest = index.build_listing_reading()
    trusted = not population_dropped(with_listed_count(rest, index.population), scan.snapshot.state)
    await add_batch(scan, rest, trusted=trusted)
    if needs_shards(scan, index):
        # The shards look at everything again that was looked into as it was listed.
        scan.streamed_totals = ScanTotals()
        return index
    if can_stream_mailboxes(scan, index):
        await scan_as_listed(scan, index, prefetcher, after_batch, last=True)
    else:
        await scan_by_key_range(scan, index, prefetcher, after_batch)
    return None


def build_grants_batch(grants_reading: Reading[GrantedPermissions]) -> Reading[Any]:
    """What is known of the app's permissions, as a part in which there is nothing to judge."""
    return replace(grants_reading, items=(), population=0)


def with_listed_count(batch: Reading[Any], listed_count: int) -> Reading[Any]:
    """The part as the end of a listing of so many objects."""
    return replace(batch, population=listed_count)


async def add_batch(
    scan: Scan,
    batch: Reading[Any],
    *,
    trusted: bool = True,
    cursor: str = "",
    streamed: bool = False,
) -> None:
    """Judge a part, note what it shows, and save it together with how far that is."""
    judge, terms = scan.config.guard.judge, scan.policy
    noted = reconcile_batch(
        scan.decision_context,
        batch,
        [finding for item in batch.items for finding in judge(item, terms)],
        seen_keys=scan.seen_keys,
        trusted=trusted,
    )
    # A mailbox may have been left unread by more than one part.
    unread = batch.unread_object_ids - scan.unread_ids
    scan.unread_ids |= unread
    tally = replace(noted.totals, unread_count=len(unread))
    if batch.restarted:
        scan.cursor_totals = ScanTotals()
    if after := cursor or batch.continuation:
        scan.cursor_totals = truncate_totals(scan.cursor_totals.add_totals(tally))
        scan.scan_pass = replace(scan.scan_pass, totals=scan.cursor_totals, continuation=after)
    elif streamed:
        scan.streamed_totals = truncate_totals(scan.streamed_totals.add_totals(tally))
    else:
        scan.other_totals = truncate_totals(scan.other_totals.add_totals(tally))
    scan.reported_findings += noted.reported_findings
    scan.seen_keys.update(row.key for row in noted.reported_findings)
    scan.baselined = scan.baselined or noted.baselined
    await save_batch(scan, noted)


async def save_batch(scan: Scan, result: BatchResult) -> None:
    """Write what was noted, with the cursor; nothing while there is nothing new to write."""
    rows: tuple[Case | ChangeRecord, ...] = (*result.cases, *result.records)
    overdue = scan.world.now() - scan.saved_at >= CHECKPOINT_INTERVAL
    if rows or result.cases_to_delete or overdue:
        await scan.claim.save(*rows, state=scan.build_state(), forget=result.cases_to_delete)
        scan.saved_at = scan.world.now()
    for case in result.cases_to_delete:
        scan.cases.pop(case.key, None)
    scan.apply_saved_rows(result.cases, result.records)


# ----------------------------------------------------------------------------------------------
# Mailbox by mailbox
# ----------------------------------------------------------------------------------------------


def needs_shards(scan: Scan, index: MailboxIndex) -> bool:
    """True for a roll that is better looked into by many at once."""
    most = scan.world.shard_above
    return most is not None and len(index.rows) > most


def can_stream_mailboxes(scan: Scan, index: MailboxIndex) -> bool:
    """True when mailboxes can be taken as they are listed.

    Not when an earlier run did not get through, for then there must be a place to go on from, nor
    when a sweep is due, which moves from place to place.
    """
    size = max(len(index.rows), scan.snapshot.state.population or 0)
    most = scan.world.shard_above
    due = find_due_checks(scan.config, scan.snapshot.state, scan.decision_context.now)
    return scan.snapshot.state.scan_pass is None and not due and (most is None or size <= most)


async def scan_as_listed(
    scan: Scan,
    index: MailboxIndex,
    prefetcher: "Prefetcher",
    after_batch: AfterBatch,
    *,
    last: bool = False,
) -> None:
    """Look into mailboxes in the order of the listing; all of them once the `last` was named."""
    while True:
        while prefetcher.has_capacity and scan.world.budget_used() < 1:
            piece = index.take_listed_range(scan.world.range_size, last=last)
            if piece is None:
                break
            prefetcher.start_read(piece)
        if not prefetcher.tasks or not (last or prefetcher.is_next_ready):
            break
        _, _, part = await prefetcher.await_next()
        await add_batch(scan, part, streamed=True)
        await after_batch(scan)
    scan.finished = last and index.next_position >= len(index.rows)


async def scan_by_key_range(
    scan: Scan, index: MailboxIndex, prefetcher: "Prefetcher", after_batch: AfterBatch
) -> None:
    """Look into the mailboxes of the roll, slice after slice, from the cursor on.

    None is begun once the time is up, but one in any case: there has to be some progress.
    """
    pieces = index.iter_ranges(scan.scan_pass.continuation, scan.world.range_size)
    before, begun = scan.world.budget_used(), False
    while True:
        while prefetcher.has_capacity and (not begun or scan.world.budget_used() < 1):
            piece = next(pieces, None)
            if piece is None:
                break
            prefetcher.start_read(piece, select_due_checks(scan, piece))
            begun = True
        if not prefetcher.tasks:
            return
        piece, due, part = await prefetcher.await_next()
        advance_checks(scan, piece, due, part)
        await add_batch(scan, part, cursor=piece.high)
        await after_batch(scan)
        now = scan.world.budget_used()
        scan.check_time_used += now - before if due else 0.0
        before = now
        scan.finished = piece.high == RANGE_END


type ReadTask = tuple[MailboxRange, frozenset[str], asyncio.Task[Reading[Any]]]
type ReadResult = tuple[MailboxRange, frozenset[str], Reading[Any]]


@dataclass(slots=True)
class Prefetcher:
    """Slices that are asked for ahead of their turn; what is open at the end is broken off."""

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
        """True while another slice may be asked for."""
        return len(self.tasks) < PREFETCH_COUNT

    @property
    def is_next_ready(self) -> bool:
        """True when the next answer is there."""
        return bool(self.tasks) and self.tasks[0][2].done()

    def start_read(
        self, mailbox_range: MailboxRange, due_checks: frozenset[str] = frozenset()
    ) -> None:
        """Begin to look into a slice."""
        self.tasks.append(
            (
                mailbox_range,
                due_checks,
                asyncio.create_task(read_mailbox_range(self.scan, mailbox_range, due_checks)),
            )
        )

    async def await_next(self) -> ReadResult:
        """The next answer, in the order of the questions."""
        piece, due, task = self.tasks[0]
        part = await task
        self.tasks.popleft()
        return piece, due, part


async def read_mailbox_range(
    scan: Scan, mailbox_range: MailboxRange, due_checks: frozenset[str]
) -> Reading[Any]:
    """One slice, as the guard looks into it."""
    inspecting = scan.config.guard.inspect
    if inspecting is None:
        raise TypeError(f"{scan.config.guard.name} lists mailboxes and does not look into them")
    asked = replace(scan.build_observe_context(), due_checks=due_checks)
    return await inspecting(scan.world.tenant, asked, mailbox_range.mailboxes)


def select_due_checks(scan: Scan, mailbox_range: MailboxRange) -> frozenset[str]:
    """The sweeps that a slice is part of: those that are due and have come up to it.

    What is refused to one slice is refused to all, so a blind sweep is not asked on.
    """
    if scan.world.budget_used() >= 0.9 or scan.check_time_used >= MAX_CHECK_TIME_SHARE:
        return frozenset()
    due = find_due_checks(scan.config, scan.snapshot.state, scan.decision_context.now)
    blind = {miss.source for miss in scan.totals.source_failures}
    wanted = {
        name
        for name in due - blind
        if is_check_due_at(scan.requested_progress.get(name, RANGE_START), mailbox_range)
    }
    scan.requested_progress |= dict.fromkeys(wanted, mailbox_range.high)
    return frozenset(wanted)


def advance_checks(
    scan: Scan, mailbox_range: MailboxRange, due_checks: frozenset[str], batch: Reading[Any]
) -> None:
    """Move the sweeps on over a slice they have looked into."""
    for name in due_checks:
        if is_check_complete(batch, name) and is_check_due_at(
            scan.check_progress.get(name, RANGE_START), mailbox_range
        ):
            scan.check_progress[name] = mailbox_range.high
            scan.completed_checks |= {name} if mailbox_range.high == RANGE_END else set()
