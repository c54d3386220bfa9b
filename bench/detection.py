"""How late an act is seen: by runs at a guard's schedule, and by ticks of the audit logs. Pure.

An act comes at any time of the day alike. A run sees it if it begins afterwards, and so does a tick
once the record of the act is there; how late records are is the tenant's own, and is not added.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from bench.prices import DAY, list_times


@dataclass(frozen=True, slots=True)
class Delay:
    """The time from an act until it is seen, on average and at worst."""

    mean: timedelta
    worst: timedelta


@dataclass(frozen=True, slots=True)
class Detection:
    """What sees the acts of one kind, how late."""

    guard: str
    by_run: Delay
    by_tick: Delay

    @property
    def gained(self) -> timedelta:
        """How late a record may be so that a tick is still as soon as a run, on average."""
        return self.by_run.mean - self.by_tick.mean


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


def compare_detection(
    guard: str, schedule: str, run_seconds: float, ticks: str, tick_seconds: float
) -> Detection:
    """How late a guard sees an act by its own runs, and by ticks that lead to a look."""
    return Detection(
        guard, compute_delay(schedule, run_seconds), compute_delay(ticks, tick_seconds)
    )
