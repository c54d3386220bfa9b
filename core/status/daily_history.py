"""The last thirty days, day by day, derived from cases and changes. Pure.

A case that was reopened has one row, which covers its last opening only. Closed cases are kept for
longer than thirty days, so the history is complete otherwise. Days are in UTC.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.status.counts import is_change_made

HISTORY_DAYS = 30


@dataclass(frozen=True, slots=True)
class DailyCounts:
    """The numbers of one day."""

    day: date
    open_by_severity: Mapping[Severity, int] = field(default_factory=dict)
    """Cases open at the end of the day."""
    opened_count: int = 0
    """Cases opened on the day, including those closed on the same day."""
    closed_count: int = 0
    change_count: int = 0
    """Changes made on the day that still are in effect."""

    @property
    def open_count(self) -> int:
        """Open cases of any severity at the end of the day."""
        return sum(self.open_by_severity.values())


def build_daily_history(
    cases: Iterable[Case], changes: Iterable[ChangeRecord], now: datetime
) -> tuple[DailyCounts, ...]:
    """The last thirty days, oldest first; the last one is today so far."""
    first = get_utc_date(now) - timedelta(days=HISTORY_DAYS - 1)
    opened: Counter[date] = Counter()
    closed: Counter[date] = Counter()
    deltas: Counter[tuple[date, Severity]] = Counter()
    for case in cases:
        begin, end = (
            get_utc_date(case.opened_at),
            get_utc_date(case.closed_at) if case.closed_at else None,
        )
        opened[begin] += 1
        # A case opened before the first day counts from that day on, unless it was closed before.
        deltas[max(begin, first), case.severity] += 1
        if end:
            closed[end] += 1
            deltas[max(end, first), case.severity] -= 1
    made = Counter(get_utc_date(record.at) for record in changes if is_change_made(record))
    return tuple(
        DailyCounts(day, levels, opened[day], closed[day], made[day])
        for day, levels in accumulate_open_counts(deltas, first)
    )


def get_utc_date(moment: datetime) -> date:
    """The UTC date of a time."""
    return moment.astimezone(UTC).date()


def accumulate_open_counts(
    deltas: Mapping[tuple[date, Severity], int], first: date
) -> Iterable[tuple[date, dict[Severity, int]]]:
    """The numbers of open cases at the end of each day, from their daily differences."""
    levels = dict.fromkeys(Severity, 0)
    for number in range(HISTORY_DAYS):
        day = first + timedelta(days=number)
        for severity in Severity:
            levels[severity] += deltas.get((day, severity), 0)
        yield day, {severity: level for severity, level in levels.items() if level}
