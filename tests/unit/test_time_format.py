"""Times and durations read the same on every surface."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from core.time_format import format_date, format_duration, format_relative_time, format_time

NOW = datetime(2026, 11, 20, 9, 42, 30, tzinfo=UTC)


def test_a_time_is_shown_in_utc_to_the_minute() -> None:
    at = datetime(2026, 11, 20, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert (format_time(at), format_date(at)) == ("2026-11-19 22:30 UTC", "2026-11-19")


@pytest.mark.parametrize(
    ("duration", "text", "compact"),
    [
        (timedelta(), "1 minute", "1 min"),
        (timedelta(minutes=1, seconds=59), "1 minute", "1 min"),
        (timedelta(minutes=119, seconds=59), "119 minutes", "119 min"),
        (timedelta(hours=2), "2 hours", "2 h"),
        (timedelta(hours=47, minutes=59), "47 hours", "47 h"),
        (timedelta(days=2), "2 days", "2 d"),
    ],
)
def test_a_duration_is_shown_in_the_largest_unit_of_which_it_has_two(
    duration: timedelta, text: str, compact: str
) -> None:
    assert (format_duration(duration), format_duration(duration, compact=True)) == (text, compact)


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (timedelta(), "just now"),
        (timedelta(seconds=-59), "just now"),
        (timedelta(seconds=59), "in a moment"),
        (timedelta(minutes=-1), "1 minute ago"),
        (timedelta(hours=3), "in 3 hours"),
    ],
)
def test_a_relative_time_says_past_or_future(gap: timedelta, text: str) -> None:
    assert format_relative_time(NOW + gap, NOW) == text
