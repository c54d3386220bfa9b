"""The coverage of each day, from a guard's run documents: how many scans, how complete. Pure.

Another version may have written a document, or a run that ended early. A document that lacks a
needed field counts as unreadable.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from core.keys import DESCENDING_ORIGIN_MS
from core.ncrontab import CronSchedule
from core.tenant.quoting import quote_text

RUN_ID = re.compile(r"(\d{14})-[0-9a-f]{8}")
# A run that did not scan: a requested one, or a look at single objects.
IDLE_STATUSES = frozenset({"busy", "off", "queued", "running", "looked"})
SCAN_STATUSES = frozenset({"done", "in-progress"})
MAX_COUNT = 10**9
MAX_SOURCES = 50
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RunCoverage:
    """The coverage of one run. `share` is the fraction read, 0 to 1."""

    status: str
    share: float = 0.0
    is_complete: bool = False
    unavailable_sources: frozenset[str] = frozenset()


def read_document_count(document: Mapping[str, object], name: str) -> int | None:
    """A count of a document; None if it is not a valid one."""
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        return None
    return value


def parse_run_coverage(document: Mapping[str, object]) -> RunCoverage | None:
    """The coverage that a document describes; None if it lacks a needed field."""
    status = document.get("status")
    if not isinstance(status, str):
        return None
    if status == "failed" or status in IDLE_STATUSES:
        return RunCoverage(status)
    seen, population = (
        read_document_count(document, "seen"),
        read_document_count(document, "population"),
    )
    unread, left = read_document_count(document, "unread"), read_document_count(document, "left")
    blind = document.get("blind")
    if status not in SCAN_STATUSES or None in (seen, population, unread, left):
        return None
    if not isinstance(blind, list) or not all(isinstance(name, str) for name in blind):
        return None
    whole = not (unread or left or blind) and (seen or 0) >= (population or 0)
    return RunCoverage(
        status, compute_read_share(seen or 0, population or 0), whole, frozenset(blind)
    )


def compute_read_share(seen: int, population: int) -> float:
    """Fraction read, rounded down so that only a complete scan is 1; 1 if there were no objects."""
    return min(seen * 10_000 // population, 10_000) / 10_000 if population else 1.0


def parse_run_start(document: Mapping[str, object]) -> datetime | None:
    """When a run started or was requested, from its id or else from its document."""
    run = document.get("run")
    number = RUN_ID.fullmatch(run) if isinstance(run, str) else None
    try:
        if number:
            return datetime.fromtimestamp((DESCENDING_ORIGIN_MS - int(number[1])) / 1000, UTC)
        said = document.get("started") or document.get("at")
        moment = datetime.fromisoformat(said) if isinstance(said, str) else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (OverflowError, OSError, ValueError):
        return None


@dataclass(slots=True)
class DailyCoverage:
    """The runs of one day."""

    run_count: int = 0
    finished_count: int = 0
    complete_count: int = 0
    unfinished_count: int = 0
    failed_count: int = 0
    idle_count: int = 0
    unreadable_count: int = 0
    lowest_share: float | None = None
    highest_share: float | None = None
    unavailable_sources: set[str] = field(default_factory=set)

    def add_run(self, run: RunCoverage | None) -> None:
        """Count a run."""
        self.run_count += 1
        if run is None:
            self.unreadable_count += 1
        elif run.status == "failed":
            self.failed_count += 1
        elif run.status in IDLE_STATUSES:
            self.idle_count += 1
        else:
            self.add_scan(run)

    def add_scan(self, run: RunCoverage) -> None:
        """Count a run that scanned the tenant. An unfinished scan has no share yet."""
        self.unavailable_sources |= run.unavailable_sources
        if run.status != "done":
            self.unfinished_count += 1
            return
        self.finished_count += 1
        self.complete_count += run.is_complete
        self.lowest_share = (
            run.share if self.lowest_share is None else min(self.lowest_share, run.share)
        )
        self.highest_share = (
            run.share if self.highest_share is None else max(self.highest_share, run.share)
        )

    def list_unavailable_sources(self) -> list[str]:
        """The sources that some run of the day could not read at all."""
        names = sorted({quote_text(name) for name in self.unavailable_sources})
        more = len(names) - MAX_SOURCES
        return [*names[:MAX_SOURCES], *([f"and {more} more"] if more > 0 else [])]


@dataclass(slots=True)
class CoveragePeriod:
    """The days of a period. `undated_count` counts documents without a usable time."""

    since: datetime
    until: datetime
    days: dict[date, DailyCoverage] = field(default_factory=dict)
    undated_count: int = 0

    def add_document(self, document: Mapping[str, object]) -> None:
        """Count a run document."""
        moment = parse_run_start(document)
        if moment is None or not self.since <= moment < self.until:
            self.undated_count += 1
            return
        self.days.setdefault(moment.date(), DailyCoverage()).add_run(parse_run_coverage(document))

    def iter_days(
        self, retained_since: datetime, created_at: datetime
    ) -> Iterator[tuple[datetime, DailyCoverage]]:
        """The days with runs, and those without that should have had some.

        A day before `retained_since` or after `created_at` without runs proves nothing and is left
        out.
        """
        start = self.since
        while start < self.until:
            found = self.days.get(start.date())
            if found or (retained_since <= start < created_at):
                yield start, found or DailyCoverage()
            start += ONE_DAY


def count_due_runs(cron: CronSchedule, start: datetime, created_at: datetime) -> int:
    """How often a schedule is due on a day, up to `created_at`."""
    if not cron.allows_day(start):
        return 0
    if created_at >= start + ONE_DAY:
        return len(cron.hours) * len(cron.minutes) * len(cron.seconds)
    limit = (created_at - start).total_seconds()
    return sum(
        3600 * hour + 60 * minute + second < limit
        for hour in cron.hours
        for minute in cron.minutes
        for second in cron.seconds
    )
