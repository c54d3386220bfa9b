"""Thirty days, day by day, from the rows of cases and changes: no state of its own.

A case that ended and came back has one row, which tells of its last life only. Closed cases are
kept for longer than is looked back, so what is shown here is whole otherwise. Days are UTC's.
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
    """One day: cases open at its end by severity, opened and closed in it, changes made in it.

    `opened` and `closed` count also what was over within the day.
    """

    day: date
    open_by_severity: Mapping[Severity, int] = field(default_factory=dict)
    opened_count: int = 0
    closed_count: int = 0
    change_count: int = 0

    @property
    def open_count(self) -> int:
        """Cases of any severity open at the day's end."""
        return sum(self.open_by_severity.values())


def build_daily_history(
    cases: Iterable[Case], changes: Iterable[ChangeRecord], now: datetime
) -> tuple[DailyCounts, ...]:
    """The last thirty days, oldest first; the last one is today up to now."""
    first = get_utc_date(now) - timedelta(days=HISTORY_DAYS - 1)
    opened: Counter[date] = Counter()
    closed: Counter[date] = Counter()
    moved: Counter[tuple[date, Severity]] = Counter()
    for case in cases:
        begin, end = (
            get_utc_date(case.opened_at),
            get_utc_date(case.closed_at) if case.closed_at else None,
        )
        opened[begin] += 1
        # What was open before the first day shown is open on it, unless it ended before as well.
        moved[max(begin, first), case.severity] += 1
        if end:
            closed[end] += 1
            moved[max(end, first), case.severity] -= 1
    made = Counter(get_utc_date(record.at) for record in changes if is_change_made(record))
    return tuple(
        DailyCounts(day, levels, opened[day], closed[day], made[day])
        for day, levels in accumulate_open_counts(moved, first)
    )


def get_utc_date(moment: datetime) -> date:
    """The day a moment belongs to."""
    return moment.astimezone(UTC).date()


def accumulate_open_counts(
    deltas: Mapping[tuple[date, Severity], int], first: date
) -> Iterable[tuple[date, dict[Severity, int]]]:
    """What has come together by the end of each day."""
    levels = dict.fromkeys(Severity, 0)
    for number in range(HISTORY_DAYS):
        day = first + timedelta(days=number)
        for severity in Severity:
            levels[severity] += deltas.get((day, severity), 0)
        yield day, {severity: level for severity, level in levels.items() if level}
