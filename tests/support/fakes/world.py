"""Small working stand-ins for everything outside the process but the tenant: memory, voice, time.

All of them can die: a `Reaper` counts their operations and strikes before or after one of them, as
a killed process would.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import batched

from core.adapters.table_storage.codec import read, written
from core.errors import AlertError, ClaimLost, LedgerError
from core.keys import END, FIRST, countdown
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.requests import Action
from core.model.run_document import document
from core.model.runs import RunReport
from core.model.state import GuardState, Memory, Shard
from core.ports import Claim, Held, Row

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)


class Death(BaseException):
    """The process was killed: nothing catches this."""


@dataclass
class Clock:
    """A time that moves only when told to."""

    moment: datetime = START

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **span: float) -> None:
        """Let time pass."""
        self.moment += timedelta(**span)


@dataclass
class Reaper:
    """Kills at the n-th operation: before it, or after it took effect. 0 never kills.

    With another error than a `Death` what it watches over is out of reach from there on. `lasting`
    are the numbers of the operations that are no mere reads.
    """

    strike_at: int = 0
    after: bool = False
    count: int = 0
    dead: bool = False
    error: Callable[[], BaseException] = Death
    lasting: list[int] = field(default_factory=list)

    @contextmanager
    def __call__(self, *, reads: bool = False) -> Iterator[None]:
        """One operation: its number is taken before it, and it has an effect even if it fails."""
        if self.dead:
            raise self.error()
        self.count += 1
        number = self.count
        self.lasting += () if reads else (number,)
        if number == self.strike_at and not self.after:
            self.dead = True
            raise self.error()
        try:
            yield
        finally:
            if number == self.strike_at:
                self.dead = True
                raise self.error()


@dataclass(frozen=True)
class Saved:
    """One transaction of the ledger, committed."""

    guard: str
    rows: tuple[Row, ...]
    state: GuardState | Shard | None
    at: datetime


@dataclass(frozen=True)
class Delivered:
    """A message the channel took."""

    payload: Mapping[str, object]


type Journal = list[object]
"""What happened, in order: what was saved and delivered, and what a test adds to it."""


type Kept = Case | ChangeRecord | Exemption | Action


@dataclass
class Lease:
    """A lease row: of the guard, or of one of its shards."""

    owner: str = ""
    until: datetime = START - timedelta(days=1)
    epoch: int = 0
    state: str = ""


@dataclass
class Partition(Lease):
    """One guard's rows. Records are kept as the JSON a table would hold."""

    shards: dict[int, Lease] = field(default_factory=dict)
    rows: dict[str, tuple[type[Kept], str]] = field(default_factory=dict)
    runs: dict[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass
class FakeLedger:
    """Implements the Ledger port in memory. A transaction holds `batch` rows, as a table's does."""

    clock: Clock
    reaper: Reaper = field(default_factory=Reaper)
    journal: Journal = field(default_factory=list)
    batch: int = 99
    partitions: dict[str, Partition] = field(default_factory=dict)
    broken: bool = False
    unreadable: set[str] = field(default_factory=set)
    saves: int = 0

    def partition(self, guard: str) -> Partition:
        """A guard's rows; an empty partition for a new one."""
        return self.partitions.setdefault(guard, Partition())

    def cases(self, guard: str) -> dict[str, Case]:
        """The cases remembered, for assertions."""
        records = (
            read(Case, text) for kind, text in self.partition(guard).rows.values() if kind is Case
        )
        return {case.key: case for case in records}

    @asynccontextmanager
    async def claim(
        self, guard: str, run: str, shard: int | None = None
    ) -> AsyncIterator[Claim | None]:
        """Hold a guard or a shard; None when another run holds it."""
        partition = self.partition(guard)
        lease = partition if shard is None else partition.shards.setdefault(shard, Lease())
        if self.broken:
            raise LedgerError("the state table is out of reach")
        if lease.until > self.clock():
            yield None
            return
        with self.reaper():
            lease.owner, lease.until = run, self.clock() + LEASE
            lease.epoch += 1
        held = FakeClaim(self, guard, lease, lease.epoch)
        try:
            yield held
        finally:
            if not self.reaper.dead and lease.epoch == held.epoch:
                lease.until = self.clock()

    async def state(self, guard: str) -> GuardState:
        """What the guard remembers besides its cases."""
        text = self.partition(guard).state
        return read(GuardState, text) if text else GuardState()

    async def shards(self, guard: str) -> Mapping[int, Held]:
        """The shards of the guard's last rounds."""
        return {
            number: Held(
                read(Shard, lease.state) if lease.state else Shard("", "", "", 0, START),
                lease.until > self.clock(),
            )
            for number, lease in self.partition(guard).shards.items()
        }

    async def note(self, guard: str, run: str, document: Mapping[str, object]) -> None:
        """Write down what became of a requested run."""
        self.partition(guard).runs[run] = document

    async def report(self, guard: str, run: str) -> Mapping[str, object] | None:
        """What is known of a run."""
        return self.partition(guard).runs.get(run)

    async def history(self, guard: str, count: int) -> list[Mapping[str, object]]:
        """The last runs, newest first."""
        runs = self.partition(guard).runs
        return [runs[run] for run in sorted(runs)[:count]]

    async def runs(
        self, guard: str, since: datetime, until: datetime
    ) -> AsyncIterator[Mapping[str, object]]:
        """The runs that began in a time, newest first."""
        runs = self.partition(guard).runs
        for run in sorted(runs):
            if countdown(until) <= run < countdown(since):
                yield runs[run]

    async def recall(self, guard: str) -> Memory:
        """All the guard remembers."""
        if guard in self.unreadable:
            raise LedgerError("the state table answers 503")
        memory = remembered(self.partition(guard), FIRST, END)
        return replace(memory, state=await self.state(guard))

    async def ask(self, guard: str, action: Action) -> None:
        """Write down what a person asks for."""
        with self.reaper():
            self.partition(guard).rows[row_key(action)] = (Action, written(action))

    async def actions(self, guard: str, since: datetime) -> tuple[Action, ...]:
        """What people asked for since then, newest first."""
        if self.broken:
            raise LedgerError("the state table answers 503")
        known = remembered(self.partition(guard), FIRST, END).actions
        return tuple(action for action in known if action.id < f"{countdown(since)}~")

    async def action(self, guard: str, action: str) -> Action | None:
        """What is known of something a person asked for."""
        row = self.partition(guard).rows.get(f"action|{action}")
        return read(Action, row[1]) if row else None

    async def tidy(self, guard: str, now: datetime) -> None:
        """Remove run rows of more than 30 days, cases closed for more than 90."""
        partition = self.partition(guard)
        for key, (kind, text) in list(partition.rows.items()):
            record = read(kind, text)
            if isinstance(record, Case) and record.closed and now - record.closed > 90 * DAY:
                del partition.rows[key]


DAY = timedelta(days=1)


@dataclass
class FakeClaim:
    """A claim on a partition of a FakeLedger."""

    ledger: FakeLedger
    guard: str
    lease: Lease
    epoch: int

    async def check(self) -> None:
        """Raise ClaimLost when the lease ended or another run took over."""
        if self.lease.epoch != self.epoch or self.lease.until <= self.ledger.clock():
            raise ClaimLost("another run took over")

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[None]:
        """While something is done to the tenant."""
        await self.check()
        yield

    async def recall(self, low: str = FIRST, high: str = END) -> Memory:
        """All the guard remembers, or what concerns a stretch of places."""
        partition = self.ledger.partition(self.guard)
        with self.ledger.reaper(reads=True):
            memory = remembered(partition, low, high)
        return replace(memory, state=await self.ledger.state(self.guard))

    async def save(
        self, *rows: Row, state: GuardState | Shard | None = None, forget: tuple[Case, ...] = ()
    ) -> None:
        """Write rows in as many transactions as they need; the state with the last."""
        if not rows and state is None and not forget:
            return
        operations = [(row, True) for row in rows] + [(case, False) for case in forget]
        *groups, last = list(batched(operations, self.ledger.batch, strict=False)) or [()]
        for group in groups:
            await self.commit(group, None)
        await self.commit(last, state)

    async def commit(
        self, operations: Iterable[tuple[Row, bool]], state: GuardState | Shard | None
    ) -> None:
        """One transaction, all or nothing: rows to put and rows to delete, under the fence."""
        operations = list(operations)
        with self.ledger.reaper():
            await self.check()
            self.ledger.saves += 1
            for row, stays in operations:
                self.write(row, stays)
            self.lease.until = self.ledger.clock() + LEASE
            if state is not None:
                self.lease.state = written(state)
            rows = tuple(row for row, stays in operations if stays)
            self.ledger.journal.append(Saved(self.guard, rows, state, self.ledger.clock()))

    def write(self, row: Row, stays: bool) -> None:
        """Put a row into the partition, or take it out."""
        partition = self.ledger.partition(self.guard)
        if isinstance(row, RunReport):
            partition.runs[row.run] = document(row)
        elif stays:
            partition.rows[row_key(row)] = (type(row), written(row))
        else:
            partition.rows.pop(row_key(row), None)


def remembered(partition: Partition, low: str, high: str) -> Memory:
    """What rows of a stretch of places say."""
    records = [read(kind, text) for kind, text in partition.rows.values()]
    changes = [
        record for record in records if isinstance(record, ChangeRecord) and low <= record.id < high
    ]
    actions = [record for record in records if isinstance(record, Action)]
    return Memory(
        cases={
            record.key: record
            for record in records
            if isinstance(record, Case) and low <= record.key < high
        },
        changes=tuple(sorted(changes, key=lambda record: record.at, reverse=True)),
        exemptions={record.subject: record for record in records if isinstance(record, Exemption)},
        actions=tuple(sorted(actions, key=lambda action: action.id)),
    )


def row_key(row: Kept) -> str:
    """The key of a row within its partition."""
    match row:
        case Case():
            return f"case|{row.key}"
        case ChangeRecord():
            return f"change|{row.id}"
        case Exemption():
            return f"exempt|{row.subject}"
        case Action():
            return f"action|{row.id}"


@dataclass
class FakeAlerts:
    """Implements the Alerts port; keeps what it was sent. `takes`: so many, and no more."""

    reaper: Reaper = field(default_factory=Reaper)
    journal: Journal = field(default_factory=list)
    sent: list[Mapping[str, object]] = field(default_factory=list)
    down: bool = False
    takes: int | None = None

    async def send(self, payload: Mapping[str, object]) -> None:
        """Take a message, or refuse it."""
        with self.reaper():
            if self.down or (self.takes is not None and len(self.sent) >= self.takes):
                raise AlertError("the webhook answers 503")
            self.sent.append(payload)
            self.journal.append(Delivered(payload))
