"""The numbers, by day, of cases and changes that a run no longer recalls.

The status page shows thirty days, and a run reads only what it needs. What leaves its view is
counted here, in the same transaction.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from core.keys import PREFIX_LENGTH
from core.model.cases import Case
from core.model.findings import Severity
from core.model.folded import FOLDED, parse_members

TALLY_DAYS = 32
"""How many days are kept apart."""

type SeverityCounts = Mapping[str, int]
"""A number for each severity, by its label."""


def get_utc_date(at: datetime) -> date:
    """The UTC date of a time."""
    return at.astimezone(UTC).date()


def list_counted(case: Case) -> list[tuple[Severity, datetime]]:
    """The severity of each case that one stands for, and when it was opened; itself for most.

    None for the case of what was folded when it was closed: the tally has counted that.
    """
    if case.resolution == FOLDED:
        return []
    if members := parse_members(case.key[:PREFIX_LENGTH], case.members):
        return [(one.severity, one.opened_at) for one in members]
    return [(case.severity, case.opened_at)] * max(case.folded_count, 1)


@dataclass(frozen=True, slots=True)
class Tally:
    """The numbers of a guard's archived cases and changes, by day in UTC as ISO 8601."""

    opened: Mapping[str, SeverityCounts] = field(default_factory=dict)
    """Cases opened on a day."""
    closed: Mapping[str, SeverityCounts] = field(default_factory=dict)
    """Cases closed on a day."""
    changes: Mapping[str, int] = field(default_factory=dict)
    """Changes made on a day that were in effect when they were archived."""
    open_before: SeverityCounts = field(default_factory=dict)
    """How many of the cases were open when the first of these days began."""

    def add(
        self, closed_cases: Iterable[Case], change_times: Iterable[datetime], now: datetime
    ) -> "Tally":
        """The tally with more cases, and with changes made at these times."""
        opened, closed = copy_counts(self.opened), copy_counts(self.closed)
        changes, open_before = Counter(self.changes), Counter(self.open_before)
        for case in closed_cases:
            closed_on = get_utc_date(case.closed_at or case.opened_at).isoformat()
            for severity, opened_at in list_counted(case):
                opened[get_utc_date(opened_at).isoformat()][severity.label] += 1
                closed[closed_on][severity.label] += 1
        changes.update(get_utc_date(at).isoformat() for at in change_times)
        first = (get_utc_date(now) - timedelta(days=TALLY_DAYS)).isoformat()
        for day in [day for day in opened if day < first]:
            open_before.update(opened.pop(day))
        for day in [day for day in closed if day < first]:
            open_before.subtract(closed.pop(day))
        return Tally(
            {day: dict(counts) for day, counts in sorted(opened.items())},
            {day: dict(counts) for day, counts in sorted(closed.items())},
            {day: count for day, count in sorted(changes.items()) if day >= first},
            {label: count for label, count in sorted(open_before.items()) if count},
        )


def copy_counts(counts: Mapping[str, SeverityCounts]) -> defaultdict[str, Counter[str]]:
    """Counts that can be added to."""
    return defaultdict(Counter, {day: Counter(one) for day, one in counts.items()})
