"""NCRONTAB: what the local host fires when, against times worked out by hand and by brute force."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ncrontab import CRON_FIELDS, CronError, CronSchedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("* * * * * *", "2026-11-21T10:00:00", "2026-11-21T10:00:01"),
        ("*/20 * * * * *", "2026-11-21T10:00:59", "2026-11-21T10:01:00"),
        ("0 */15 * * * *", "2026-11-21T10:14:59", "2026-11-21T10:15:00"),
        ("0 */15 * * * *", "2026-11-21T10:15:00", "2026-11-21T10:30:00"),
        ("0 0 */6 * * *", "2026-11-21T18:00:00", "2026-11-22T00:00:00"),
        ("30 5 9-17/4 * * *", "2026-11-21T09:05:30", "2026-11-21T13:05:30"),
        ("0 0 9 * * mon-fri", "2026-11-20T09:00:00", "2026-11-23T09:00:00"),
        ("0 0 9 * * FRI-MON", "2026-11-20T09:00:00", "2026-11-23T09:00:00"),
        ("0 0 0 * * Sunday", "2026-11-21T00:00:00", "2026-11-22T00:00:00"),
        ("0 0 0 1 JAN *", "2026-11-21T00:00:00", "2027-01-01T00:00:00"),
        ("0 0 0 31 * *", "2026-11-21T00:00:00", "2026-12-31T00:00:00"),
        ("0 0 0 29 2 *", "2026-11-21T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 29 2 *", "2096-02-29T00:00:00", "2104-02-29T00:00:00"),
        ("0 0 0 29 feb sun", "2088-02-29T00:00:00", "2128-02-29T00:00:00"),
        ("5,10 0 0 * * *", "2026-11-21T00:00:05", "2026-11-21T00:00:10"),
        ("0 30-10/10 * * * *", "2026-11-21T00:00:00", "2026-11-21T00:10:00"),
        ("50/4 * * * * *", "2026-11-21T00:00:50", "2026-11-21T00:00:54"),
        ("15 10 * * *", "2026-11-21T00:00:00", "2026-11-21T10:15:00"),
        ("0 0 0 31 12 *", "2026-12-31T23:59:59", "2027-12-31T00:00:00"),
    ],
)
def test_the_next_occurrence_is_the_first_later_time_that_fits(
    schedule: str, after: str, expected: str
) -> None:
    assert CronSchedule.parse(schedule).find_next(at(after)) == at(expected)


def test_day_of_month_and_day_of_week_must_both_fit() -> None:
    # The next Friday the 13th after November 2026, not the next Friday and not the next 13th.
    assert CronSchedule.parse("0 0 0 13 * fri").find_next(at("2026-11-13T00:00:00")) == at(
        "2027-08-13T00:00:00"
    )


def test_a_fraction_of_a_second_is_left_behind() -> None:
    after = datetime(2026, 11, 21, 10, 0, 0, 999_999, UTC)
    assert CronSchedule.parse("* * * * * *").find_next(after) == datetime(
        2026, 11, 21, 10, 0, 1, 0, UTC
    )


@pytest.mark.parametrize(
    ("schedule", "culprit"),
    [
        ("60 * * * * *", "second"),
        ("* 60 * * * *", "minute"),
        ("* * 24 * * *", "hour"),
        ("* * * 0 * *", "day"),
        ("* * * 32 * *", "day"),
        ("* * * * 13 *", "month"),
        ("* * * * smarch *", "month"),
        ("* * * * * 7", "day-of-week"),
        ("* * * * * L", "day-of-week"),
        ("*/0 * * * * *", "second"),
        ("*/x * * * * *", "second"),
        ("1- * * * * *", "second"),
        ("1,,2 * * * * *", "second"),
        ("-5 * * * * *", "second"),
        ("٣ * * * * *", "second"),
        ("? * * * * *", "second"),
    ],
)
def test_a_bad_field_is_named(schedule: str, culprit: str) -> None:
    with pytest.raises(CronError, match=f"^{culprit} field "):
        CronSchedule.parse(schedule)


@pytest.mark.parametrize("schedule", ["", "* * * *", "* * * * * * *", "00:05:00", "@daily"])
def test_a_wrong_number_of_fields_is_refused(schedule: str) -> None:
    with pytest.raises(CronError, match="fields"):
        CronSchedule.parse(schedule)


@pytest.mark.parametrize("schedule", ["0 0 0 30 2 *", "0 0 0 31 4,6,9,11 *"])
def test_a_schedule_that_never_comes_due_says_so(schedule: str) -> None:
    with pytest.raises(CronError, match="never"):
        CronSchedule.parse(schedule).find_next(at("2026-11-21T00:00:00"))


def items(lowest: int, highest: int) -> st.SearchStrategy[str]:
    """Field texts: a star, numbers, ranges, each with or without a step, and lists of them."""
    number = st.integers(lowest, highest)
    span = st.one_of(
        st.just("*"),
        number.map(str),
        st.tuples(number, number).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    )
    stepped = st.one_of(
        span, st.tuples(span, st.integers(1, highest)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    )
    return st.lists(stepped, min_size=1, max_size=3).map(",".join)


def by_brute_force(cron: CronSchedule, after: datetime, within: timedelta) -> datetime | None:
    """Steps second by second: too slow to use, too plain to be wrong."""
    moment = after.replace(microsecond=0)
    while (moment := moment + timedelta(seconds=1)) <= after + within:
        if (
            moment.second in cron.seconds
            and moment.minute in cron.minutes
            and moment.hour in cron.hours
            and moment.day in cron.days
            and moment.month in cron.months
            and moment.isoweekday() % 7 in cron.weekdays
        ):
            return moment
    return None


@given(
    second=items(0, 59),
    minute=items(0, 59),
    hour=items(0, 23),
    weekday=items(0, 6),
    after=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis takes bounds without a zone only
)
def test_nothing_is_skipped_and_nothing_is_early(
    second: str, minute: str, hour: str, weekday: str, after: datetime
) -> None:
    cron = CronSchedule.parse(f"{second} {minute} {hour} * * {weekday}")
    within = timedelta(minutes=10)
    expected = by_brute_force(cron, after, within)
    found = cron.find_next(after)
    assert found == expected if expected else found > after + within


@given(st.text(alphabet="0123456789*/,-abc ", max_size=30))
def test_any_text_is_a_schedule_or_a_cron_error(text: str) -> None:
    try:
        cron = CronSchedule.parse(text)
    except CronError:
        return
    assert all(
        field.lowest <= min(values) and max(values) <= field.highest
        for field, values in zip(
            CRON_FIELDS,
            (cron.seconds, cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays),
            strict=True,
        )
    )
