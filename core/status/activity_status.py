"""How the audit logs are read: how far, how late their records come, and what is wrong. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.model.activity import LAG_BOUNDS, ActivityCursor
from core.tenant.activity import ActivityLog
from core.tenant.sources import CHANGED_ACCOUNTS
from core.time_format import format_duration, format_time

# A log that has not been read for so long is behind, and told as such.
BEHIND_AFTER = timedelta(hours=1)
GAP_TOLD_FOR = timedelta(days=14)
LOG_TITLES: Mapping[str, str] = {
    ActivityLog.DIRECTORY: "Entra: directory audit",
    ActivityLog.EXCHANGE: "Exchange: unified audit log",
    ActivityLog.ENTRA_FEED: "Entra: unified audit log",
    CHANGED_ACCOUNTS: "Entra: changed accounts",
}


@dataclass(frozen=True, slots=True)
class LogStatus:
    """One log as it is read."""

    name: str
    title: str
    read_at: datetime | None
    """When it was last read without a failure."""
    record_count: int
    """How many records of a week the lags were measured by."""
    median_lag: timedelta | None
    """Within which time half of them came; None without any."""
    late_lag: timedelta | None
    """Within which time 95 % of them came."""
    trouble: str = ""
    """What is wrong with its reading; empty if nothing is."""

    def describe_lag(self) -> str:
        """How late records come, never less than was measured."""
        if self.median_lag is None or self.late_lag is None:
            return "no record measured yet"
        return (
            f"half within {format_lag(self.median_lag)}, 95 % within {format_lag(self.late_lag)} "
            f"({self.record_count:,} records of a week)"
        )


def format_lag(lag: timedelta) -> str:
    """A bound of lags in words."""
    if lag == timedelta.max:
        return f"more than {format_duration(timedelta(seconds=LAG_BOUNDS[-1]))}"
    return format_duration(lag)


def build_log_statuses(
    cursors: Mapping[str, ActivityCursor], now: datetime
) -> tuple[LogStatus, ...]:
    """The logs that are read, in a fixed order."""
    return tuple(
        LogStatus(
            name,
            title,
            cursor.read_at,
            count_records(cursor.lags),
            compute_lag(cursor.lags, 0.5),
            compute_lag(cursor.lags, 0.95),
            explain_trouble(cursor, now),
        )
        for name, title in LOG_TITLES.items()
        if (cursor := cursors.get(name))
    )


def compute_lag(lags: Mapping[str, Sequence[int]], share: float) -> timedelta | None:
    """Within which time a share of the records of a week came; None without any record.

    It is the bound below which they lie, so that it never promises less than was measured; the
    maximum for those beyond the last bound.
    """
    sums = [0] * (len(LAG_BOUNDS) + 1)
    for counts in lags.values():
        for number, count in enumerate(counts[: len(sums)]):
            sums[number] += max(count, 0)
    total, so_far = sum(sums), 0
    if not total:
        return None
    for bound, count in zip(LAG_BOUNDS, sums, strict=False):
        so_far += count
        if so_far >= share * total:
            return timedelta(seconds=bound)
    return timedelta.max


def count_records(lags: Mapping[str, Sequence[int]]) -> int:
    """How many records the lags were measured by."""
    return sum(max(count, 0) for counts in lags.values() for count in counts)


def explain_trouble(cursor: ActivityCursor, now: datetime) -> str:
    """What is wrong with the reading of a log, in words; empty if nothing is."""
    parts = []
    if cursor.failed_since and abs(now - cursor.failed_since) >= BEHIND_AFTER:
        parts.append(f"not read since {format_time(cursor.failed_since)}: {cursor.error}")
    elif not cursor.failed_since and now - (cursor.read_at or cursor.started_at) >= BEHIND_AFTER:
        parts.append(f"not read since {format_time(cursor.read_at or cursor.started_at)}")
    if cursor.gap_from and cursor.gap_until and now - cursor.gap_until < GAP_TOLD_FOR:
        parts.append(
            f"nothing was read of {format_time(cursor.gap_from)} to "
            f"{format_time(cursor.gap_until)}: the service keeps it no longer, it was too much at "
            "once, or somebody ended the subscription"
        )
    if cursor.restarted_at and now - cursor.restarted_at < GAP_TOLD_FOR:
        parts.append(
            f"on {format_time(cursor.restarted_at)} its row did not say how far it was read, "
            "after a change of version perhaps, or it named a time to come: all of a week was read "
            "again"
        )
    if cursor.broken_count:
        parts.append(f"{cursor.broken_count:,} records could not be understood, and led to nothing")
    if cursor.lost_count:
        parts.append(f"{cursor.lost_count:,} contents could not be read before they expired")
    return "; ".join(parts)
