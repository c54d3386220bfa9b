"""Small working stand-ins for everything outside the process but the tenant: memory, voice, time.

All of them can die: a `Reaper` counts their operations and strikes before or after one of them, as
a killed process would.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from core.errors import AlertError, ClaimLost, LedgerError
from core.model import Case, ChangeRecord, Exemption, GuardState, Memory, RunReport
from core.ports import Claim, Row
from core.records import read, written
from core.report import document

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
    """Kills at the n-th operation: before it, or after it took effect. 0 never kills."""

    strike_at: int = 0
    after: bool = False
    count: int = 0
    dead: bool = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """One operation: its number is taken before it, and it has an effect even if it fails."""
        if self.dead:
            raise Death
        self.count += 1
        number = self.count
        if number == self.strike_at and not self.after:
            self.dead = True
            raise Death
        try:
            yield
        finally:
            if number == self.strike_at:
                self.dead = True
                raise Death


@dataclass
class Partition:
    """One guard's rows. Records are kept as the JSON a table would hold."""

    owner: str = ""
    until: datetime = START - timedelta(days=1)
    epoch: int = 0
    state: str = ""
    rows: dict[str, tuple[type[Case] | type[ChangeRecord] | type[Exemption], str]] = field(
        default_factory=dict
    )
    runs: dict[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass
class FakeLedger:
    """Implements the Ledger port in memory."""

    clock: Clock
    reaper: Reaper = field(default_factory=Reaper)
    partitions: dict[str, Partition] = field(default_factory=dict)
    broken: bool = False
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
    async def claim(self, guard: str, run: str) -> AsyncIterator[Claim | None]:
        """Hold a guard; None when another run holds it."""
        partition = self.partition(guard)
        if self.broken:
            raise LedgerError("the state table is out of reach")
        if partition.until > self.clock():
            yield None
            return
        with self.reaper():
            partition.owner, partition.until = run, self.clock() + LEASE
            partition.epoch += 1
        held = FakeClaim(self, guard, partition.epoch)
        try:
            yield held
        finally:
            if not self.reaper.dead and partition.epoch == held.epoch:
                partition.until = self.clock()

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

    async def exempt(self, guard: str, exemption: Exemption) -> None:
        """Remember an exemption."""
        self.partition(guard).rows[row_key(exemption)] = (Exemption, written(exemption))

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
    epoch: int

    async def check(self) -> None:
        """Raise ClaimLost when the lease ended or another run took over."""
        partition = self.ledger.partition(self.guard)
        if partition.epoch != self.epoch or partition.until <= self.ledger.clock():
            raise ClaimLost("another run took over")

    async def recall(self) -> Memory:
        """All the guard remembers."""
        partition = self.ledger.partition(self.guard)
        with self.ledger.reaper():
            records = [read(kind, text) for kind, text in partition.rows.values()]
        changes = [record for record in records if isinstance(record, ChangeRecord)]
        return Memory(
            cases={record.key: record for record in records if isinstance(record, Case)},
            changes=tuple(sorted(changes, key=lambda record: record.at, reverse=True)),
            exemptions={
                record.subject: record for record in records if isinstance(record, Exemption)
            },
            state=read(GuardState, partition.state) if partition.state else GuardState(),
        )

    async def save(
        self, *rows: Row, state: GuardState | None = None, forget: tuple[Case, ...] = ()
    ) -> None:
        """Write rows, all or none."""
        if not rows and state is None and not forget:
            return
        with self.ledger.reaper():
            await self.check()
            self.ledger.saves += 1
            self.write(rows, state, forget)

    def write(self, rows: Iterable[Row], state: GuardState | None, forget: Iterable[Case]) -> None:
        """Put rows into the partition."""
        partition = self.ledger.partition(self.guard)
        for row in rows:
            if isinstance(row, RunReport):
                partition.runs[row.run] = document(row)
            else:
                partition.rows[row_key(row)] = (type(row), written(row))
        for case in forget:
            partition.rows.pop(f"case|{case.key}", None)
        if state is not None:
            partition.state = written(state)


def row_key(row: Case | ChangeRecord | Exemption) -> str:
    """The key of a row within its partition."""
    match row:
        case Case():
            return f"case|{row.key}"
        case ChangeRecord():
            return f"change|{row.id}"
        case Exemption():
            return f"exempt|{row.subject}"


@dataclass
class FakeAlerts:
    """Implements the Alerts port; keeps what it was sent."""

    reaper: Reaper = field(default_factory=Reaper)
    sent: list[Mapping[str, object]] = field(default_factory=list)
    down: bool = False

    async def send(self, payload: Mapping[str, object]) -> None:
        """Take a message, or refuse it."""
        with self.reaper():
            if self.down:
                raise AlertError("the webhook answers 503")
            self.sent.append(payload)
