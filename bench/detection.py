"""How late an act is seen: by full looks at their schedule, and by ticks of the audit logs. Pure.

An act comes at any time of the day alike. A look sees it if it begins afterwards, and so does a
tick once the record of the act is there; how late records are is the tenant's own, and is not
added. What is read mailbox by mailbox is looked at in sweeps, each due after a share of its
interval that nobody can foresee.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from bench.costs import SCHEDULES, TICKS
from bench.prices import DAY, list_times
from bench.results import FEED, FIRST_RUN, NO_CHANGE, NO_NEWS, THREE_ACTS, Measurement, Results
from core.config.catalog import CATALOG
from core.engine.periodic_checks import EARLIEST_SHARE
from core.tenant.sources import FULL_ACCESS, HIDDEN_RULES

SWEEP_INTERVALS = {
    (duty.guard.name, check.name): check.interval
    for duty in CATALOG
    for check in duty.guard.periodic_checks
}
# What a tick without news is to stay below, in a tenant of any size.
QUIET_SECONDS = 2.0
QUIET_REQUESTS = 10


@dataclass(frozen=True, slots=True)
class Act:
    """One of the acts that a tick is to see."""

    name: str
    guard: str
    sweep: str = ""
    """The periodic check of the guard that sees it; empty: each run does."""


ACTS = (
    Act("a new hidden rule", "mailbox-forwarding", HIDDEN_RULES),
    Act("a FullAccess grant", "mailbox-delegation", FULL_ACCESS),
    Act("an audit bypass", "mailbox-audit"),
)


@dataclass(frozen=True, slots=True)
class Delay:
    """The time from an act until it is seen, on average and at worst."""

    mean: timedelta
    worst: timedelta


@dataclass(frozen=True, slots=True)
class Detection:
    """How late one act is seen in a tenant of a size."""

    mailboxes: int
    act: Act
    by_look: Delay
    by_tick: Delay

    @property
    def gained(self) -> timedelta:
        """How late a record may be so that a tick is still as soon as a look, on average."""
        return self.by_look.mean - self.by_tick.mean


def iter_gaps(schedule: str) -> Iterator[timedelta]:
    """The times between the runs of a day, that over midnight included."""
    times = list_times(schedule)
    for at, following in zip(times, (*times[1:], times[0] + DAY), strict=True):
        yield following - at


def compute_delay(schedule: str, seconds: float) -> Delay:
    """The delay of what happens between runs that take so many seconds."""
    gaps = [gap.total_seconds() for gap in iter_gaps(schedule)]
    # An act falls into a gap in proportion to its length, and waits for half of it on average.
    mean = sum(gap * gap for gap in gaps) / sum(gaps) / 2
    return Delay(timedelta(seconds=mean + seconds), timedelta(seconds=max(gaps) + seconds))


def compute_sweep_delay(interval: timedelta, schedule: str, seconds: float) -> Delay:
    """The delay of what happens between sweeps, each due after a share of the interval that is
    drawn evenly, and begun by the next run of the schedule.
    """
    share = EARLIEST_SHARE
    # Of gaps spread evenly between share and 1: the mean of their squares over twice their mean.
    mean = (1 + share + share * share) / 3 / (1 + share)
    waits = compute_delay(schedule, seconds)
    return Delay(interval * mean + waits.mean, interval + waits.worst)


def find_look_delay(act: Act, results: Results, size: int) -> Delay | None:
    """How late full looks see an act; None if they were not measured in such a tenant."""
    # In a first run every sweep is due.
    row = results.find(act.guard, FIRST_RUN if act.sweep else NO_CHANGE, size)
    if row is None:
        return None
    schedule, seconds = SCHEDULES[act.guard], row.cost.seconds
    if not act.sweep:
        return compute_delay(schedule, seconds)
    return compute_sweep_delay(SWEEP_INTERVALS[act.guard, act.sweep], schedule, seconds)


def compare_detection(results: Results) -> Iterator[Detection]:
    """How late each act is seen, size by size, where both was measured."""
    for size in results.sizes:
        tick = results.find(FEED, THREE_ACTS, size)
        for act in ACTS if tick else ():
            by_look = find_look_delay(act, results, size)
            if tick and by_look:
                yield Detection(size, act, by_look, compute_delay(TICKS, tick.cost.seconds))


def list_tick_rows(results: Results) -> list[Measurement]:
    """The measured ticks, size by size: that without news, then that of the three acts."""
    rows = (
        results.find(FEED, occasion, size)
        for size in results.sizes
        for occasion in (NO_NEWS, THREE_ACTS)
    )
    return [row for row in rows if row]


def count_requests(row: Measurement) -> int:
    """The requests over HTTP, those for tokens included."""
    return sum(count for name, count in row.requests.items() if "/" not in name)


def list_missed(results: Results) -> list[str]:
    """The ticks without news that took too long or asked too often, each as a sentence."""
    return [
        f"{tick.mailboxes:,} mailboxes: a tick without news took {tick.cost.seconds:.1f} s and "
        f"{count_requests(tick)} requests"
        for tick in list_tick_rows(results)
        if tick.occasion == NO_NEWS
        and (tick.cost.seconds >= QUIET_SECONDS or count_requests(tick) > QUIET_REQUESTS)
    ]
