"""A ledger in memory, which keeps its records as the JSON that a table would hold."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import batched
from typing import Any, cast

from core.adapters.table_storage.census import RowCensus, hash_row
from core.adapters.table_storage.codec import decode_stored_record, encode_stored_record
from core.adapters.table_storage.entities import (
    PAST_PREFIX,
    get_activity_key,
    get_containment_key,
    get_search_key,
)
from core.errors import ClaimLost, LedgerError
from core.keys import RANGE_END, RANGE_START, format_act_hour, format_descending_time
from core.model.activity import Act, ActivityCursor, PendingLook
from core.model.audit_queries import AuditSearch, CauseWish
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.containment import (
    AccountBundle,
    Containment,
    StoredBundles,
    StoredContainments,
)
from core.model.outbox import ChannelHealth, OutboxRow
from core.model.requests import OperatorRequest
from core.model.run_document import run_report_to_json
from core.model.runs import RunReport
from core.model.state import (
    MAX_LEASE_AHEAD,
    GuardSnapshot,
    GuardState,
    InboxGroup,
    ProbeReport,
    Shard,
    StateMark,
    Way,
)
from core.model.tally import Tally
from core.ports import (
    ACTIVITY_PARTITION,
    CHANNEL_PARTITION,
    CONTAINMENT_PARTITION,
    KEEP_CONTAINMENTS,
    KEEP_REQUESTS,
    MAX_ACTS,
    ActivityRow,
    ActivityState,
    ArchivedRecord,
    Claim,
    ContainmentRow,
    LedgerRow,
    PastKind,
    PastRow,
    ShardStatus,
)
from core.tenant.known_traits import KnownTraits
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.crash import CrashInjector
from tests.support.fakes.journal import Journal

# Most of what a run loads is as the last one left it.
decode_once: Callable[[Any, str], Any] = lru_cache(maxsize=4_096)(decode_stored_record)


def decode_row[R](kind: type[R], text: str) -> R:
    """A stored record."""
    record: R = decode_once(kind, text)
    return record


@dataclass(frozen=True)
class SavedTransaction:
    """One committed transaction of the ledger."""

    guard: str
    rows: tuple[LedgerRow, ...]
    state: GuardState | Shard | None
    at: datetime


LEASE_DURATION = timedelta(seconds=60)


type StoredRecord = (
    Case | ChangeRecord | Exemption | OperatorRequest | KnownTraits | OutboxRow | Tally
)


@dataclass
class Lease:
    """A lease row: of the guard, or of one of its shards."""

    owner: str = ""
    until: datetime = START - timedelta(days=1)
    epoch: int = 0
    state: str = ""
    census: str = ""


@dataclass
class Partition(Lease):
    """One guard's rows. Records are kept as the JSON a table would hold."""

    shards: dict[int, Lease] = field(default_factory=dict)
    rows: dict[str, tuple[type[StoredRecord], str]] = field(default_factory=dict)
    runs: dict[str, Mapping[str, object]] = field(default_factory=dict)
    activity_rows: dict[str, tuple[type[ActivityRow], str]] = field(default_factory=dict)
    containment_rows: dict[str, tuple[type[ContainmentRow], str]] = field(default_factory=dict)
    search_rows: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeLedger:
    """Implements the Ledger port in memory. A transaction holds `batch_size` rows, as a table's."""

    clock: Clock
    crash_injector: CrashInjector = field(default_factory=CrashInjector)
    journal: Journal = field(default_factory=list)
    batch_size: int = 99
    partitions: dict[str, Partition] = field(default_factory=dict)
    is_down: bool = False
    unreadable_guards: set[str] = field(default_factory=set)
    hides_runs: bool = False
    """Whether what is stored of runs cannot be decoded."""
    has_odd_act: bool = False
    """Whether an act is on record that meets a mistake of whoever searches the acts."""
    save_count: int = 0
    ways: dict[str, str] = field(default_factory=dict)
    inboxes: dict[str, str] = field(default_factory=dict)
    probe: str = ""
    channel_healths: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    request_log: dict[tuple[str, str], str] = field(default_factory=dict)

    def get_partition(self, guard: str) -> Partition:
        """A guard's rows; an empty partition for a new one."""
        if guard not in self.partitions:
            self.partitions[guard] = Partition()
        return self.partitions[guard]

    def list_cases(self, guard: str) -> dict[str, Case]:
        """The stored cases, for assertions."""
        records = (
            decode_row(Case, text)
            for key, (kind, text) in self.get_partition(guard).rows.items()
            if kind is Case and not key.startswith(PAST_PREFIX)
        )
        return {case.key: case for case in records}

    @asynccontextmanager
    async def claim(
        self, guard: str, run: str, shard: int | None = None
    ) -> AsyncIterator[Claim | None]:
        """Claim a guard or a shard; None while another run holds it."""
        partition = self.get_partition(guard)
        lease = partition if shard is None else partition.shards.setdefault(shard, Lease())
        if self.is_down:
            raise LedgerError("the state table is out of reach")
        is_odd = lease.until - self.clock() > MAX_LEASE_AHEAD
        if lease.until > self.clock() and not is_odd:
            yield None
            return
        with self.crash_injector():
            lease.owner, lease.until = run, self.clock() + LEASE_DURATION
            lease.epoch += 1
        held = FakeClaim(self, guard, lease, lease.epoch, is_odd)
        try:
            yield held
        finally:
            if not self.crash_injector.crashed and lease.epoch == held.epoch:
                lease.until = self.clock()

    async def load_state(self, guard: str) -> GuardState:
        """The guard's state row."""
        text = self.get_partition(guard).state
        try:
            return decode_row(GuardState, text) if text else GuardState()
        except ValueError as error:
            raise LedgerError(f"the state of {guard} cannot be decoded: {error}") from error

    async def load_shards(self, guard: str) -> Mapping[int, ShardStatus]:
        """The shards of the guard's last scan passes."""
        return {
            number: ShardStatus(
                decode_row(Shard, lease.state) if lease.state else Shard("", "", "", 0, START),
                timedelta() < lease.until - self.clock() <= MAX_LEASE_AHEAD,
            )
            for number, lease in self.get_partition(guard).shards.items()
        }

    async def load_shard(self, guard: str, number: int) -> ShardStatus | None:
        """One shard of the guard's last scan passes."""
        return (await self.load_shards(guard)).get(number)

    async def list_claimed_shards(self, guard: str) -> frozenset[int]:
        """The shards that a worker holds now."""
        shards = await self.load_shards(guard)
        return frozenset(number for number, held in shards.items() if held.is_claimed)

    async def count_done_shards(self, guard: str, pass_id: str) -> int:
        """The number of shards of a pass that are done."""
        shards = [held.shard for held in (await self.load_shards(guard)).values()]
        return sum(shard.done and shard.pass_id == pass_id for shard in shards)

    async def save_run_status(self, guard: str, run: str, document: Mapping[str, object]) -> None:
        """Record the status of a run."""
        self.get_partition(guard).runs[run] = document

    async def get_run(self, guard: str, run: str) -> Mapping[str, object] | None:
        """The document of a run, if there is one."""
        if self.hides_runs:
            raise LedgerError(f"the report of run {run} cannot be decoded")
        return self.get_partition(guard).runs.get(run)

    async def list_recent_runs(self, guard: str, count: int) -> list[Mapping[str, object]]:
        """The last runs, newest first."""
        runs = self.get_partition(guard).runs
        return [runs[run] for run in sorted(runs)[:count]]

    async def iter_runs(
        self, guard: str, since: datetime, until: datetime
    ) -> AsyncIterator[Mapping[str, object]]:
        """The runs that started within a period, newest first."""
        runs = self.get_partition(guard).runs
        for run in sorted(runs):
            if format_descending_time(until) <= run < format_descending_time(since):
                yield runs[run]

    async def load(self, guard: str) -> GuardSnapshot:
        """Everything the guard has stored."""
        if guard in self.unreadable_guards:
            raise LedgerError("the state table answers 503")
        state = await self.load_state(guard)
        return load_snapshot(self.get_partition(guard), RANGE_START, RANGE_END, state)

    async def add_request(self, guard: str, operator_request: OperatorRequest) -> None:
        """Store an operator's request."""
        with self.crash_injector():
            self.get_partition(guard).rows[get_row_key(operator_request)] = (
                OperatorRequest,
                encode_stored_record(operator_request),
            )
        await self.log_requests(guard, [operator_request])

    async def list_requests(self, guard: str, since: datetime) -> tuple[OperatorRequest, ...]:
        """The requests since a time, newest first."""
        if self.is_down:
            raise LedgerError("the state table answers 503")
        known = load_snapshot(self.get_partition(guard), RANGE_START, RANGE_END).operator_requests
        return tuple(action for action in known if action.id < f"{format_descending_time(since)}~")

    async def get_request(self, guard: str, request_id: str) -> OperatorRequest | None:
        """One request by its id."""
        rows = self.get_partition(guard).rows
        key = f"request|{request_id}"
        row = rows.get(key) or rows.get(f"{PAST_PREFIX}{key}")
        return decode_row(OperatorRequest, row[1]) if row else None

    async def load_ways(self) -> Mapping[str, Way]:
        """How each cmdlet's objects are listed."""
        if self.is_down:
            raise LedgerError("the state table answers 503")
        return {name: decode_row(Way, text) for name, text in self.ways.items()}

    async def save_way(self, way: Way) -> None:
        """Record how a cmdlet's objects are listed."""
        self.ways[way.cmdlet] = encode_stored_record(way)

    async def load_inboxes(self, first: str, last: str) -> Sequence[InboxGroup]:
        """Which folders are Inboxes, of the groups from one to another."""
        if self.is_down:
            raise LedgerError("the state table answers 503")
        names = sorted(name for name in self.inboxes if first <= name <= last)
        return [decode_row(InboxGroup, self.inboxes[name]) for name in names]

    async def save_inboxes(self, groups: Sequence[InboxGroup]) -> None:
        """Record which folders are Inboxes."""
        if self.is_down:
            raise LedgerError("the state table answers 503")
        self.inboxes |= {one.name: encode_stored_record(one) for one in groups}

    async def load_probe(self) -> ProbeReport | None:
        """The last probe, if there was one."""
        if self.is_down:
            raise LedgerError("the state table answers 503")
        return decode_row(ProbeReport, self.probe) if self.probe else None

    async def save_probe(self, report: ProbeReport) -> None:
        """Record a probe."""
        self.probe = encode_stored_record(report)

    async def load_channel_healths(self) -> Mapping[str, ChannelHealth]:
        """How each further channel answered lately."""
        return {
            name: decode_row(ChannelHealth, text) for name, text in self.channel_healths.items()
        }

    async def save_channel_health(self, health: ChannelHealth) -> None:
        """Record how a channel answered."""
        self.channel_healths[health.channel] = encode_stored_record(health)

    async def load_activity(self) -> ActivityState:
        """How far the logs have been read."""
        if self.is_down:
            raise LedgerError("the state table answers 503")
        rows = self.get_partition(ACTIVITY_PARTITION).activity_rows
        found, unreadable = list[ActivityRow](), set[str]()
        for key, (kind, text) in rows.items():
            try:
                found.append(decode_row(kind, text))
            except ValueError:
                unreadable.add(key)
        return ActivityState(
            {one.name: one for one in found if isinstance(one, ActivityCursor)},
            {one.guard: one for one in found if isinstance(one, PendingLook)},
            frozenset(unreadable),
            self.load_searches(ACTIVITY_PARTITION),
            {one.guard: one for one in found if isinstance(one, CauseWish)},
        )

    def load_searches(self, partition: str) -> dict[str, AuditSearch]:
        """The searches of the audit log in a partition."""
        rows = self.get_partition(partition).search_rows.values()
        found = [decode_row(AuditSearch, text) for text in rows]
        return {one.key: one for one in found}

    async def save_wish(self, wish: CauseWish) -> None:
        """Record which cases wait for a search."""
        rows = self.get_partition(ACTIVITY_PARTITION).activity_rows
        with self.crash_injector():
            rows[get_activity_key(wish)] = (CauseWish, encode_stored_record(wish))

    async def load_account_searches(self) -> Mapping[str, AuditSearch]:
        """The searches for accounts."""
        return self.load_searches(CONTAINMENT_PARTITION)

    async def load_acts(self, since: datetime, until: datetime) -> tuple[Act, ...]:
        """The acts of some hours, oldest first."""
        rows = self.get_partition(ACTIVITY_PARTITION).activity_rows
        found = [decode_row(kind, text) for kind, text in rows.values() if kind is Act]
        first, last = format_act_hour(since), f"{format_act_hour(until)}~"
        acts = [one for one in found if isinstance(one, Act) and first <= one.key < last]
        odd = [cast(Act, "an odd act")] if self.has_odd_act else []
        return (*sorted(acts, key=lambda act: act.key)[-MAX_ACTS:], *odd)

    async def purge_acts(self, now: datetime) -> None:
        """Remove acts of more than eight days."""
        rows = self.get_partition(ACTIVITY_PARTITION).activity_rows
        for key, (kind, text) in list(rows.items()):
            record = decode_row(kind, text)
            if isinstance(record, Act) and now - record.at > 8 * DAY:
                del rows[key]
        searches = self.get_partition(ACTIVITY_PARTITION).search_rows
        for key, text in list(searches.items()):
            ended = decode_row(AuditSearch, text).ended_at
            if ended and now - ended > 8 * DAY:
                del searches[key]

    async def load_containments(self) -> StoredContainments:
        """Every containment, and the ids of those that cannot be decoded."""
        if self.is_down:
            raise LedgerError("the state table answers 503")
        rows = self.get_partition(CONTAINMENT_PARTITION).containment_rows
        found, unreadable = list[Containment](), list[str]()
        for key in sorted(rows):
            if not key.startswith("contain|"):
                continue
            try:
                found.append(decode_row(Containment, rows[key][1]))
            except ValueError:
                unreadable.append(key.removeprefix("contain|"))
        return StoredContainments(tuple(found), tuple(unreadable))

    def list_bundles(self) -> list[AccountBundle]:
        """Every edition of what was kept of accounts."""
        rows = self.get_partition(CONTAINMENT_PARTITION).containment_rows.values()
        return [decode_row(AccountBundle, text) for kind, text in rows if kind is AccountBundle]

    async def load_bundle(self, bundle_id: str, edition: int = 0) -> AccountBundle | None:
        """An edition of what was kept of an account."""
        found = [
            one
            for one in self.list_bundles()
            if one.id == bundle_id and edition in (0, one.edition)
        ]
        return max(found, key=lambda one: one.edition, default=None)

    async def load_bundles(self, since: datetime, until: datetime) -> StoredBundles:
        """Every edition of a period."""
        found = [one for one in self.list_bundles() if since <= one.at < until]
        return StoredBundles(tuple(sorted(found, key=lambda one: (one.at, one.id, one.edition))))

    async def purge_containments(self, now: datetime) -> None:
        """Remove what is of more than 400 days."""
        rows = self.get_partition(CONTAINMENT_PARTITION).containment_rows
        for key, (kind, text) in list(rows.items()):
            record = decode_row(kind, text)
            at = record.planned_at if isinstance(record, Containment) else record.at
            if now - at > KEEP_CONTAINMENTS:
                del rows[key]

    async def purge_channel_tests(self, now: datetime) -> None:
        """Remove tests of more than 400 days, and results of more than 30."""
        rows = self.get_partition(CHANNEL_PARTITION).rows
        for key, (kind, text) in list(rows.items()):
            record = decode_row(kind, text)
            ended_at = record.ended_at if isinstance(record, OperatorRequest) else None
            if ended_at and now - ended_at > KEEP_REQUESTS:
                del rows[key]
        await self.purge_runs(CHANNEL_PARTITION, now)

    async def load_history(self, guard: str) -> GuardSnapshot:
        """The same with the archive."""
        every = with_past(self.get_partition(guard))
        return load_snapshot(every, RANGE_START, RANGE_END, await self.load_state(guard))

    async def load_object(self, guard: str, prefix: str) -> GuardSnapshot:
        """The cases and changes of one object, all exemptions and requests, with the archive."""
        known = load_snapshot(with_past(self.get_partition(guard)), prefix, f"{prefix}~")
        return GuardSnapshot(
            cases=known.cases,
            changes=known.changes,
            exemptions=known.exemptions,
            operator_requests=known.operator_requests,
        )

    async def load_mark(self, guard: str) -> StateMark | None:
        """How far the guard's state had come, as the journal knows it."""
        text = self.marks.get(guard)
        return decode_row(StateMark, text) if text else None

    async def save_mark(self, guard: str, mark: StateMark) -> None:
        """Record how far the guard's state has come."""
        with self.crash_injector():
            self.marks[guard] = encode_stored_record(mark)

    async def log_requests(self, guard: str, requests: Sequence[OperatorRequest]) -> None:
        """Record requests in the journal."""
        for one in requests:
            with self.crash_injector():
                self.request_log[guard, one.id] = encode_stored_record(one)

    async def load_request_log(self, guard: str) -> tuple[OperatorRequest, ...]:
        """The requests that the journal knows."""
        return tuple(
            decode_row(OperatorRequest, text)
            for (partition, _), text in sorted(self.request_log.items())
            if partition == guard
        )

    async def purge_runs(self, guard: str, now: datetime) -> None:
        """Remove the reports of runs of more than 30 days."""
        runs = self.get_partition(guard).runs
        for run in [one for one in runs if one > format_descending_time(now - 30 * DAY)]:
            del runs[run]


DAY = timedelta(days=1)


@dataclass
class FakeClaim:
    """A claim on a partition of a FakeLedger."""

    ledger: FakeLedger
    guard: str
    lease: Lease
    epoch: int
    took_over_odd_lease: bool = False
    census: RowCensus | None = None

    async def ensure_held(self) -> None:
        """Raise ClaimLost when the lease ended or another run took over."""
        if self.lease.epoch != self.epoch or self.lease.until <= self.ledger.clock():
            raise ClaimLost("another run took over")

    @asynccontextmanager
    async def protect_writes(self) -> AsyncIterator[None]:
        """Guard a write to the tenant."""
        await self.ensure_held()
        yield

    async def load(self, low: str = RANGE_START, high: str = RANGE_END) -> GuardSnapshot:
        """Everything the guard has stored, or the part within a key range, but all traits."""
        partition = self.ledger.get_partition(self.guard)
        is_whole = (low, high) == (RANGE_START, RANGE_END)
        with self.ledger.crash_injector(reads=True):
            every = load_snapshot(partition, RANGE_START, RANGE_END)
            memory = every if is_whole else load_snapshot(partition, low, high)
        rows_differ = ""
        if self.lease is partition and is_whole:
            census = count_rows(partition)
            rows_differ = "" if self.census else compare_census(partition, census)
            self.census = census
        return replace(
            memory,
            known_traits=every.known_traits,
            state=await self.ledger.load_state(self.guard),
            lease_disbelieved=self.took_over_odd_lease,
            rows_differ=rows_differ,
        )

    def note_row(self, key: str, text: str | None) -> None:
        """Count a row that is written, or deleted: then it has no text."""
        if self.census:
            stored = {"RowKey": key, "body": text}
            self.census.note({key: None if text is None else hash_row(stored)})

    def stage_census(self) -> None:
        """Keep the census with the lease, unless workers of a pass in shards write rows."""
        partition = self.ledger.get_partition(self.guard)
        if self.census is None and self.lease is partition:
            self.census = count_rows(partition)
        if self.census:
            state = decode_row(GuardState, self.lease.state) if self.lease.state else None
            is_shared = bool(state and state.scan_pass and state.scan_pass.shard_count)
            self.lease.census = "" if is_shared else self.census.to_text()

    async def save(
        self,
        *rows: LedgerRow,
        state: GuardState | Shard | None = None,
        forget: tuple[Case | KnownTraits | OutboxRow, ...] = (),
    ) -> None:
        """Write rows in as many transactions as they need; the state with the last."""
        if not rows and state is None and not forget:
            return
        operations = [(row, True) for row in rows] + [(case, False) for case in forget]
        *groups, last = list(batched(operations, self.ledger.batch_size, strict=False)) or [()]
        for group in groups:
            await self.commit(group, None)
        await self.commit(last, state)

    async def archive(self, rows: Sequence[ArchivedRecord], tally: Tally) -> None:
        """Move records to the archive, with the tally that counts them."""
        partition = self.ledger.get_partition(self.guard)
        with self.ledger.crash_injector():
            await self.ensure_held()
            self.write_row(tally, keep=True)
            for row in rows:
                key = get_row_key(row)
                partition.rows.pop(key)
                self.note_row(key, None)
                partition.rows[f"{PAST_PREFIX}{key}"] = (type(row), encode_stored_record(row))
            self.stage_census()

    async def find_past_change(self, change_id: str) -> ChangeRecord | None:
        """An archived change by its id."""
        row = self.ledger.get_partition(self.guard).rows.get(f"{PAST_PREFIX}change|{change_id}")
        return decode_row(ChangeRecord, row[1]) if row else None

    async def list_past_rows(self, kind: PastKind) -> list[PastRow]:
        """The archived rows of a kind."""
        prefix = f"{PAST_PREFIX}{kind}|"
        rows = self.ledger.get_partition(self.guard).rows
        return [
            PastRow(key.removeprefix(prefix), get_end(decode_row(*rows[key])))
            for key in sorted(rows)
            if key.startswith(prefix)
        ]

    async def load_past_cases(self, prefix: str) -> tuple[Case, ...]:
        """The archived cases of the objects with a hash prefix."""
        rows = self.ledger.get_partition(self.guard).rows
        first = f"{PAST_PREFIX}case|{prefix}"
        return tuple(
            decode_row(Case, text)
            for key, (_, text) in sorted(rows.items())
            if key.startswith(first)
        )

    async def delete_past_rows(self, kind: PastKind, keys: Sequence[str], *rows: LedgerRow) -> None:
        """Delete archived rows, and then save rows."""
        partition = self.ledger.get_partition(self.guard)
        for group in batched(keys, self.ledger.batch_size, strict=False):
            with self.ledger.crash_injector():
                await self.ensure_held()
                for key in group:
                    partition.rows.pop(f"{PAST_PREFIX}{kind}|{key}", None)
        await self.save(*rows)

    async def commit(
        self, operations: Iterable[tuple[LedgerRow, bool]], state: GuardState | Shard | None
    ) -> None:
        """One transaction, all or nothing: rows to put and rows to delete, under the fence."""
        operations = list(operations)
        with self.ledger.crash_injector():
            await self.ensure_held()
            self.ledger.save_count += 1
            for row, stays in operations:
                self.write_row(row, stays)
            self.lease.until = self.ledger.clock() + LEASE_DURATION
            if state is not None:
                self.lease.state = encode_stored_record(state)
            self.stage_census()
            rows = tuple(row for row, stays in operations if stays)
            self.ledger.journal.append(
                SavedTransaction(self.guard, rows, state, self.ledger.clock())
            )

    def write_row(self, row: LedgerRow, keep: bool) -> None:
        """Store a row in the partition, or delete it."""
        partition = self.ledger.get_partition(self.guard)
        if isinstance(row, AuditSearch):
            partition.search_rows[get_search_key(row)] = encode_stored_record(row)
            return
        if isinstance(row, Act | ActivityCursor | PendingLook | CauseWish):
            partition.activity_rows[get_activity_key(row)] = (type(row), encode_stored_record(row))
            return
        if isinstance(row, Containment | AccountBundle):
            key = get_containment_key(row)
            partition.containment_rows[key] = (type(row), encode_stored_record(row))
            return
        if isinstance(row, RunReport):
            partition.runs[row.run] = run_report_to_json(row)
            return
        key, text = get_row_key(row), encode_stored_record(row) if keep else None
        self.note_row(key, text)
        if text is None:
            partition.rows.pop(key, None)
        else:
            partition.rows[key] = (type(row), text)


def count_rows(partition: Partition) -> RowCensus:
    """The census of the rows as they are."""
    return RowCensus.count_rows(
        {"RowKey": key, "body": text} for key, (_, text) in partition.rows.items()
    )


def compare_census(partition: Partition, census: RowCensus) -> str:
    """How the rows differ from those that the last claim counted."""
    if partition.census:
        return census.explain_difference(partition.census)
    return "the row of the guard's state is gone" if census.hashes and not partition.state else ""


def with_past(partition: Partition) -> Partition:
    """The partition with what is archived among its other rows; a row that is both is as it is
    now.
    """
    past = {
        key.removeprefix(PAST_PREFIX): row
        for key, row in partition.rows.items()
        if key.startswith(PAST_PREFIX)
    }
    return replace(partition, rows={**past, **partition.rows})


def load_snapshot(
    partition: Partition, low: str, high: str, state: GuardState | None = None
) -> GuardSnapshot:
    """The stored rows within a key range, with the guard's state where somebody asks for it."""
    found = defaultdict[type[StoredRecord], list[Any]](list)
    for key, (kind, text) in partition.rows.items():
        if not key.startswith(PAST_PREFIX):
            found[kind].append(decode_row(kind, text))
    changes = [record for record in found[ChangeRecord] if low <= record.id < high]
    return GuardSnapshot(
        cases=select_range(found[Case], low, high),
        changes=tuple(sorted(changes, key=lambda record: record.at, reverse=True)),
        exemptions={record.subject: record for record in found[Exemption]},
        operator_requests=tuple(sorted(found[OperatorRequest], key=lambda action: action.id)),
        known_traits=select_range(found[KnownTraits], low, high),
        outbox=select_range(found[OutboxRow], low, high),
        tally=next(iter(found[Tally]), Tally()),
        state=state or GuardState(),
    )


def select_range(records: Iterable[Any], low: str, high: str) -> dict[str, Any]:
    """The records within a key range, by their keys."""
    return {record.key: record for record in records if low <= record.key < high}


def get_row_key(row: StoredRecord) -> str:
    """The key of a row within its partition."""
    match row:
        case Case():
            return f"case|{row.key}"
        case ChangeRecord():
            return f"change|{row.id}"
        case Exemption():
            return f"exempt|{row.subject}"
        case OperatorRequest():
            return f"request|{row.id}"
        case KnownTraits():
            return f"known|{row.key}"
        case OutboxRow():
            return f"out|{row.key}"
        case Tally():
            return "days|tally"


def get_end(record: StoredRecord) -> str:
    """When the retention period of an archived record began."""
    match record:
        case Case():
            at = record.closed_at
        case ChangeRecord():
            at = record.at
        case OperatorRequest():
            at = record.ended_at
        case _:
            at = None
    return at.isoformat() if at else ""
