"""Days of a tenant with an attacker in it, look by look, with a clock of its own.

    at each look: ordinary life ─► the attacker acts ─► each guard that is due runs

On the days that are reported a look comes every 15 minutes, as the guards are scheduled; on those
between them every six hours, so that 90 days take minutes. The attacker does something before each.

The guards, the engine, the brake and the cards are the app's own; tenant and ledger are those of
the tests, in memory (`tests/contract` holds them to what the real ones do). Nothing goes over HTTP,
so the times are those of the app's own work. The guards may change what they can.
"""

import gc
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from bench.days_attacker import TACTICS, Attacker, hit_victim
from bench.days_tenant import LivingTenant
from core.config.catalog import CATALOG
from core.engine.run import run
from core.model.guards import GuardConfig, Mode
from core.model.runs import RunReport
from core.model.state import GuardSnapshot
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES
from core.notifications.run_cards import build_cards
from core.ports import Ledger, World
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Tenant
from tests.support.fakes.clock import Clock
from tests.support.fakes.ledger import FakeLedger

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
TICK = timedelta(minutes=15)
TICKS_A_DAY, TICKS_AN_HOUR = 96, 4
REPORTED_DAYS = (1, 30, 90)
TICKS_BETWEEN_LOOKS = 24
"""On a day that is not reported."""
# What the attacker can do something about; each every so many ticks, as its schedule says.
GUARD_TICKS = {"mailbox-forwarding": 1, "shared-mailbox-sign-in": 1, "mailbox-delegation": 2}
MEASURED_GUARD = "mailbox-forwarding"
VICTIM_EVERY_TICKS = 2 * TICKS_A_DAY + 29
"""Not a whole number of days, so that victims fall under each tactic."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What one day cost. Rows are those at its end, but for the reports of runs."""

    day: int
    cards: int
    """All cards of the day."""
    attacker_cards: int
    """Those that name the attacker's mailbox."""
    largest_card: int
    """Its size in bytes."""
    rows: int
    new_rows: int
    recalled: float
    """How many rows a run of the forwarding guard loads, on average."""
    cpu_ms: float
    """Processor time of such a run, on average."""
    peak_mib: float
    """What the last such run of a reported day allocates at most."""
    writes: int
    """Changes of the tenant."""
    ordinary: int
    """Ordinary events that somebody has to be told of, by what happened in the tenant."""
    held: int
    """Runs at whose end the brake held something."""


@dataclass
class PassingTime:
    """A clock that goes on by a millisecond whenever somebody looks at it."""

    current: datetime = BEGIN

    def __call__(self) -> datetime:
        self.current += timedelta(milliseconds=1)
        return self.current


@dataclass
class VictimStory:
    """What became of a rule in somebody else's mailbox."""

    mailbox: Mailbox
    at_tick: int
    told_after: int | None = None
    """Ticks until a card named the mailbox."""
    disabled_after: int | None = None
    """Ticks until the rule was disabled."""


@dataclass
class CountingChannel:
    """Takes every card, and keeps its text until the end of a tick."""

    texts: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    async def send(self, payload: Mapping[str, object]) -> None:
        """Accept a message."""
        text = json.dumps(payload)
        self.texts.append(text)
        self.sizes.append(len(text.encode()))


@dataclass
class CountingLedger:
    """A ledger that counts the rows its claims load."""

    inner: FakeLedger
    loaded: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @asynccontextmanager
    async def claim(self, guard: str, owner: str, shard: int | None = None) -> AsyncIterator[Any]:
        """A claim of the ledger whose loads are counted."""
        async with self.inner.claim(guard, owner, shard) as claim:
            yield claim and CountingClaim(claim, self.loaded)


@dataclass
class CountingClaim:
    """A claim that counts the rows it loads."""

    inner: Any
    loaded: list[int]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def load(self, *key_range: str) -> GuardSnapshot:
        """What the guard has stored, or a part of it."""
        snapshot: GuardSnapshot = await self.inner.load(*key_range)
        self.loaded.append(count_snapshot_rows(snapshot))
        return snapshot


def count_snapshot_rows(snapshot: GuardSnapshot) -> int:
    """How many rows a snapshot was made of."""
    return (
        len(snapshot.cases)
        + len(snapshot.changes)
        + len(snapshot.exemptions)
        + len(snapshot.operator_requests)
        + len(snapshot.known_traits)
    )


@dataclass
class Simulation:
    """A tenant, its attacker, the guards, and what was counted so far."""

    size: int
    days: int
    seed: int = 1
    reported: tuple[int, ...] = REPORTED_DAYS
    victims: list[VictimStory] = field(default_factory=list)
    figures: list[DayFigures] = field(default_factory=list)
    reports: list[RunReport] = field(default_factory=list)
    """Of the present day."""

    def __post_init__(self) -> None:
        self.home = LivingTenant(self.size, self.seed)
        self.attacker = Attacker(self.home, self.home.tenant.boxes[0].id)
        self.clock = PassingTime()
        self.ledger = CountingLedger(FakeLedger(cast(Clock, self.clock)))
        self.channel = CountingChannel()
        configs = {config.guard.name: config for config in CATALOG}
        self.configs = [replace(configs[name], mode=Mode.ENFORCE) for name in GUARD_TICKS]
        self.tick = 0
        self.looks = self.hours = 0
        self.rows_before = 0
        self.largest_card = 0

    @property
    def world(self) -> World:
        return World(
            cast(Tenant, self.home.tenant),
            cast(Ledger, self.ledger),
            self.channel,
            self.clock,
            build_cards,
        )

    async def play(self, on_day: Callable[[DayFigures], None] | None = None) -> None:
        """All days, after a first look at the tenant as it was before the attacker came."""
        for config in self.configs:
            await run(config, self.world)
        self.channel.texts.clear()
        self.clock.current += TICK
        for day in range(1, self.days + 1):
            self.figures.append(await self.play_day(day))
            if on_day:
                on_day(self.figures[-1])

    async def play_day(self, day: int) -> DayFigures:
        """One day, and what it cost."""
        self.reports.clear()
        self.channel.sizes.clear()
        events = Counts.of(self)
        cards = attacker_cards = 0
        recalled: list[int] = []
        cpu: list[float] = []
        peak = 0.0
        is_reported = day in self.reported
        step = 1 if is_reported else TICKS_BETWEEN_LOOKS
        for number in range(0, TICKS_A_DAY, step):
            for hour in range(self.hours, self.tick // TICKS_AN_HOUR + 1):
                self.home.live_hour(hour)
                self.hours = hour + 1
            if self.tick // VICTIM_EVERY_TICKS >= len(self.victims):
                victim = hit_victim(self.home, len(self.victims))
                self.victims.append(VictimStory(victim, self.tick))
            self.attacker.act(self.looks)
            for config in self.configs:
                if self.tick % GUARD_TICKS[config.guard.name]:
                    continue
                is_last = (
                    is_reported
                    and number == TICKS_A_DAY - step
                    and config.guard.name == MEASURED_GUARD
                )
                self.ledger.loaded.clear()
                seconds, mib = await self.run_guard(config, is_last)
                peak = max(peak, mib)
                if config.guard.name == MEASURED_GUARD:
                    recalled += self.ledger.loaded
                    if not is_last:
                        cpu.append(seconds)
            cards += len(self.channel.texts)
            attacker_cards += sum(
                self.attacker.mailbox.address in text for text in self.channel.texts
            )
            self.follow_victims()
            self.forget_tick(step)
        rows = self.count_rows()
        figures = DayFigures(
            day=day,
            cards=cards,
            attacker_cards=attacker_cards,
            largest_card=max(self.channel.sizes, default=0),
            rows=rows,
            new_rows=rows - self.rows_before,
            recalled=sum(recalled) / len(recalled),
            cpu_ms=1000 * sum(cpu) / len(cpu),
            peak_mib=peak,
            writes=self.home.tenant.write_count - events.writes,
            ordinary=events.count_told(self),
            held=sum(bool(report.block_reason) for report in self.reports),
        )
        self.rows_before = rows
        return figures

    async def run_guard(self, config: GuardConfig, is_measured: bool) -> tuple[float, float]:
        """One run; its processor time, and what it allocated at most where that is measured."""
        if is_measured:
            gc.collect()
            tracemalloc.start()
        began = time.process_time()
        report = await run(config, self.world)
        seconds = time.process_time() - began
        peak = 0.0
        if is_measured:
            peak = tracemalloc.get_traced_memory()[1] / 2**20
            tracemalloc.stop()
        self.reports.append(report)
        return seconds, peak

    def follow_victims(self) -> None:
        """Who was told of by now, and whose rule is disabled."""
        enabled = {rule.mailbox_id for rule in self.home.tenant.rules if rule.enabled}
        for story in self.victims:
            if story.told_after is None and any(
                story.mailbox.address in text for text in self.channel.texts
            ):
                story.told_after = self.tick - story.at_tick
            if story.disabled_after is None and story.mailbox.id not in enabled:
                story.disabled_after = self.tick - story.at_tick

    def forget_tick(self, step: int) -> None:
        """The next look comes so many ticks later; what only tests look at is dropped."""
        tenant = self.home.tenant
        for log in (tenant.read_log, tenant.journal, self.ledger.inner.journal, self.channel.texts):
            log.clear()
        tenant.applied_changes.clear()
        self.tick += step
        self.looks += 1
        self.clock.current = BEGIN + (self.tick + 1) * TICK

    def count_rows(self) -> int:
        """The rows of all guards, without the reports of runs."""
        return sum(len(partition.rows) for partition in self.ledger.inner.partitions.values())


@dataclass(frozen=True, slots=True)
class Counts:
    """The counters at the beginning of a day."""

    writes: int
    told: int

    @classmethod
    def of(cls, simulation: Simulation) -> "Counts":
        """The counters as they stand."""
        return cls(simulation.home.tenant.write_count, count_told_events(simulation))

    def count_told(self, simulation: Simulation) -> int:
        """How many events since then somebody has to be told of."""
        return count_told_events(simulation) - self.told


def count_told_events(simulation: Simulation) -> int:
    """Everything so far that a person wants to know, without the attacker's deeds."""
    events = simulation.home.events
    kinds = ("own forward", "converted", "right given")
    return sum(events[kind] for kind in kinds) + len(simulation.victims)


def check_bounds(simulation: Simulation) -> list[str]:
    """What in a simulation goes against what docs/reliability.md promises."""
    complaints = [
        f"day {day.day}: a card of {day.largest_card} bytes"
        for day in simulation.figures
        if day.largest_card > MAX_MESSAGE_BYTES
    ]
    # The last victims may have been hit in an hour in which nothing can be read.
    for story in simulation.victims[:-1]:
        if story.told_after is None or story.told_after > TICKS_A_DAY:
            complaints.append(f"{story.mailbox.address}: told after {story.told_after} ticks")
        if story.disabled_after is None or story.disabled_after > TICKS_A_DAY:
            complaints.append(f"{story.mailbox.address}: left for {story.disabled_after} ticks")
    return complaints


def describe_tactics() -> str:
    """What the attacker does, in the order of a day."""
    return ", ".join(TACTICS)
