"""Times and durations as every page, card, command and message writes them. Pure."""

from datetime import UTC, datetime, timedelta

UNITS = ((86400, "day", "d"), (3600, "hour", "h"), (60, "minute", "min"))


def format_time(at: datetime) -> str:
    """A time in UTC, to the minute: 2026-11-20 09:42 UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def format_date(at: datetime) -> str:
    """The UTC date of a time: 2026-11-20."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def format_duration(duration: timedelta, *, compact: bool = False) -> str:
    """A duration in the largest unit of which it has two: 90 minutes, 5 hours, 3 days.

    A duration below a minute counts as one. `compact` abbreviates the units for narrow columns.
    """
    seconds = max(duration.total_seconds(), 60)
    for size, unit, abbreviation in UNITS:
        if seconds >= 2 * size:
            number = int(seconds // size)
            return f"{number} {abbreviation if compact else f'{unit}s'}"
    return "1 min" if compact else "1 minute"


def format_relative_time(at: datetime, now: datetime, *, compact: bool = False) -> str:
    """How long ago a time was, or how soon it comes."""
    gap = at - now
    if abs(gap) < timedelta(minutes=1):
        return "just now" if gap <= timedelta() else "in a moment"
    length = format_duration(abs(gap), compact=compact)
    return f"in {length}" if gap > timedelta() else f"{length} ago"
