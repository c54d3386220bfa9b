"""What the runs of a guard say about each day: how often it looked, and how much it saw. Pure.

Documents of runs are read as something strange: an older version may have written them, or a run
that had no more to say. One that lacks what is needed is counted as unreadable, and nothing is
concluded from it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from core.keys import FAR
from core.ncrontab import Cron
from core.sanitize import plain

RUN = re.compile(r"(\d{14})-[0-9a-f]{8}")
# "queued", "busy" and "off" are known of a run that somebody asked for and that did not look.
IDLE = frozenset({"busy", "off", "queued", "running"})
LOOKED = frozenset({"done", "going on"})
MOST = 10**9
SURFACES = 50
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Told:
    """What one document says. `share` is how much was read, from 0 to 1."""

    status: str
    share: float = 0.0
    whole: bool = False
    blind: frozenset[str] = frozenset()


def count(document: Mapping[str, object], name: str) -> int | None:
    """A whole number that can be one."""
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        return None
    return value


def told(document: Mapping[str, object]) -> Told | None:
    """A document understood; None when it says too little."""
    status = document.get("status")
    if not isinstance(status, str):
        return None
    if status == "failed" or status in IDLE:
        return Told(status)
    seen, population = count(document, "seen"), count(document, "population")
    unread, left = count(document, "unread"), count(document, "left")
    blind = document.get("blind")
    if status not in LOOKED or None in (seen, population, unread, left):
        return None
    if not isinstance(blind, list) or not all(isinstance(name, str) for name in blind):
        return None
    whole = not (unread or left or blind) and (seen or 0) >= (population or 0)
    return Told(status, share(seen or 0, population or 0), whole, frozenset(blind))


def share(seen: int, population: int) -> float:
    """How much was read, rounded down: only all of it is 1. Of nothing, all."""
    return min(seen * 10_000 // population, 10_000) / 10_000 if population else 1.0


def began(document: Mapping[str, object]) -> datetime | None:
    """When a run began, or was asked for: its id says it, or else its document."""
    run = document.get("run")
    number = RUN.fullmatch(run) if isinstance(run, str) else None
    try:
        if number:
            return datetime.fromtimestamp((FAR - int(number[1])) / 1000, UTC)
        said = document.get("started") or document.get("at")
        moment = datetime.fromisoformat(said) if isinstance(said, str) else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (OverflowError, OSError, ValueError):
        return None


@dataclass(slots=True)
class Day:
    """The runs of one day, as far as they have been taken in."""

    runs: int = 0
    finished: int = 0
    complete: int = 0
    unfinished: int = 0
    failed: int = 0
    idle: int = 0
    unreadable: int = 0
    worst: float | None = None
    best: float | None = None
    blind: set[str] = field(default_factory=set)

    def take(self, run: Told | None) -> None:
        """One more run."""
        self.runs += 1
        if run is None:
            self.unreadable += 1
        elif run.status == "failed":
            self.failed += 1
        elif run.status in IDLE:
            self.idle += 1
        else:
            self.look(run)

    def look(self, run: Told) -> None:
        """One more run that looked at the tenant; of a look that goes on, no share is known yet."""
        self.blind |= run.blind
        if run.status != "done":
            self.unfinished += 1
            return
        self.finished += 1
        self.complete += run.whole
        self.worst = run.share if self.worst is None else min(self.worst, run.share)
        self.best = run.share if self.best is None else max(self.best, run.share)

    def surfaces(self) -> list[str]:
        """What could not be read at all in some run of the day."""
        names = sorted({plain(name) for name in self.blind})
        more = len(names) - SURFACES
        return [*names[:SURFACES], *([f"and {more} more"] if more > 0 else [])]


@dataclass(slots=True)
class Days:
    """The days of a period. `strays` are documents that cannot be put on any of them."""

    since: datetime
    until: datetime
    days: dict[date, Day] = field(default_factory=dict)
    strays: int = 0

    def take(self, document: Mapping[str, object]) -> None:
        """One more document."""
        moment = began(document)
        if moment is None or not self.since <= moment < self.until:
            self.strays += 1
            return
        self.days.setdefault(moment.date(), Day()).take(told(document))

    def each(self, kept: datetime, made: datetime) -> Iterator[tuple[datetime, Day]]:
        """Every day there is something to say of: with runs, or with none where there should be.

        What began before `kept` may have been removed, so there a day without runs says nothing;
        nor does one that has not begun when the export is `made`.
        """
        start = self.since
        while start < self.until:
            found = self.days.get(start.date())
            if found or (kept <= start < made):
                yield start, found or Day()
            start += DAY


def scheduled(cron: Cron, start: datetime, made: datetime) -> int:
    """How often a schedule comes due on a day, up to a moment."""
    if not cron.allows(start):
        return 0
    if made >= start + DAY:
        return len(cron.hours) * len(cron.minutes) * len(cron.seconds)
    limit = (made - start).total_seconds()
    return sum(
        3600 * hour + 60 * minute + second < limit
        for hour in cron.hours
        for minute in cron.minutes
        for second in cron.seconds
    )
