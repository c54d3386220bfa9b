"""The last thirty days, day by day, from cases and changes and the tallies of archived ones. Pure.

A case that was reopened soon has one row, which covers its last opening only. Days are in UTC.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.tally import SeverityCounts, Tally, get_utc_date, list_counted
from core.status.counts import is_change_made

HISTORY_DAYS = 30
BY_LABEL = {severity.label: severity for severity in Severity}


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
    cases: Iterable[Case],
    changes: Iterable[ChangeRecord],
    tallies: Iterable[Tally],
    now: datetime,
) -> tuple[DailyCounts, ...]:
    """The last thirty days, oldest first; the last one is today so far."""
    first = get_utc_date(now) - timedelta(days=HISTORY_DAYS - 1)
    opened: Counter[date] = Counter()
    closed: Counter[date] = Counter()
    deltas: Counter[tuple[date, Severity]] = Counter()
    for case in cases:
        count_case(case, opened, closed, deltas, first)
    made = Counter(get_utc_date(record.at) for record in changes if is_change_made(record))
    for tally in tallies:
        for label, count in tally.open_before.items():
            deltas[first, BY_LABEL[label]] += count
        for day, severity, count in list_day_counts(tally.opened):
            opened[day] += count
            deltas[max(day, first), severity] += count
        for day, severity, count in list_day_counts(tally.closed):
            closed[day] += count
            deltas[max(day, first), severity] -= count
        made.update({date.fromisoformat(name): count for name, count in tally.changes.items()})
    return tuple(
        DailyCounts(day, levels, opened[day], closed[day], made[day])
        for day, levels in accumulate_open_counts(deltas, first)
    )


def count_case(
    case: Case,
    opened: Counter[date],
    closed: Counter[date],
    deltas: Counter[tuple[date, Severity]],
    first: date,
) -> None:
    """Count what a case stands for. One opened before the first day counts from that day on, unless
    it was closed before.
    """
    for severity, opened_at in list_counted(case):
        begin = get_utc_date(opened_at)
        opened[begin] += 1
        deltas[max(begin, first), severity] += 1
        if case.closed_at:
            end = get_utc_date(case.closed_at)
            closed[end] += 1
            deltas[max(end, first), severity] -= 1


def list_day_counts(days: Mapping[str, SeverityCounts]) -> Iterator[tuple[date, Severity, int]]:
    """The numbers of a tally, one by one."""
    for name, counts in days.items():
        for label, count in counts.items():
            yield date.fromisoformat(name), BY_LABEL[label], count


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
