"""What documents of runs come to for a day, whoever wrote them."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evidence.daily_coverage import (
    MAX_SOURCES,
    CoveragePeriod,
    DailyCoverage,
    compute_read_share,
    count_due_runs,
    parse_run_coverage,
    parse_run_start,
)
from core.ncrontab import CronSchedule
from tests.support.audit_builders import (
    DAY,
    EXPORTED_AT,
    SINCE,
    UNTIL,
    WITHIN_PERIOD,
    build_run_document,
)


def one_day(*documents: Mapping[str, object]) -> DailyCoverage:
    """The day of runs that were all on one."""
    days = CoveragePeriod(SINCE, UNTIL)
    for document in documents:
        days.add_document(document)
    (day,) = days.days.values()
    return day


def test_a_day_shows_its_lowest_and_highest_share() -> None:
    day = one_day(
        build_run_document(WITHIN_PERIOD),
        build_run_document(WITHIN_PERIOD, seen=50, unread=50),
        build_run_document(WITHIN_PERIOD, seen=99, unread=1),
    )
    assert (day.run_count, day.finished_count, day.complete_count) == (3, 3, 1)
    assert (day.lowest_share, day.highest_share) == (0.5, 1.0)


@pytest.mark.parametrize(
    "lacking",
    [{"unread": 1}, {"left": 1}, {"blind": ["inbox rules"]}, {"seen": 99}],
    ids=str,
)
def test_a_run_that_could_not_read_everything_is_not_complete(lacking: dict[str, object]) -> None:
    day = one_day(build_run_document(WITHIN_PERIOD, **lacking))
    assert (day.finished_count, day.complete_count) == (1, 0)


def test_only_a_complete_scan_has_share_one() -> None:
    assert compute_read_share(999_999, 1_000_000) == 0.9999
    assert compute_read_share(3, 3) == 1.0
    assert compute_read_share(0, 0) == 1.0
    assert compute_read_share(7, 3) == 1.0


def test_an_unfinished_scan_has_no_share_yet() -> None:
    day = one_day(build_run_document(WITHIN_PERIOD, status="in-progress", seen=10, left=90))
    assert (
        day.run_count,
        day.unfinished_count,
        day.finished_count,
        day.lowest_share,
        day.highest_share,
    ) == (1, 1, 0, None, None)


def test_failed_and_idle_runs_are_counted_separately() -> None:
    bare = {"run": build_run_document(WITHIN_PERIOD)["run"]}
    day = one_day(
        bare | {"status": "failed", "error": "no"},
        bare | {"status": "busy"},
        bare | {"status": "queued"},
        build_run_document(WITHIN_PERIOD),
    )
    assert (day.run_count, day.failed_count, day.idle_count, day.finished_count) == (4, 1, 2, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": None},
        {"status": "splendid"},
        {"seen": "100"},
        {"seen": True},
        {"seen": -1},
        {"population": 10**400},
        {"left": None},
        {"unread": 0.5},
        {"blind": "inbox rules"},
        {"blind": [7]},
    ],
    ids=lambda wrong: str(wrong)[:30],
)
def test_a_document_without_a_needed_field_is_unreadable(
    wrong: dict[str, object],
) -> None:
    day = one_day(build_run_document(WITHIN_PERIOD, **wrong), build_run_document(WITHIN_PERIOD))
    assert (day.run_count, day.unreadable_count, day.complete_count, day.lowest_share) == (
        2,
        1,
        1,
        1.0,
    )


@pytest.mark.parametrize("name", ["status", "seen", "population", "unread", "left", "blind"])
def test_a_missing_field_does_not_count_as_zero(name: str) -> None:
    document = build_run_document(WITHIN_PERIOD)
    del document[name]
    assert parse_run_coverage(document) is None


def test_the_id_of_a_run_determines_its_day() -> None:
    midnight = SINCE + DAY
    late = build_run_document(
        midnight - timedelta(milliseconds=1), started=(midnight + DAY).isoformat()
    )
    days = CoveragePeriod(SINCE, UNTIL)
    days.add_document(late)
    assert list(days.days) == [SINCE.date()]


def test_without_a_usable_id_the_document_determines_the_day() -> None:
    assert parse_run_start({"started": "2026-11-04T07:00:00+02:00"}) == WITHIN_PERIOD
    assert parse_run_start({"at": WITHIN_PERIOD.isoformat(), "run": "by hand"}) == WITHIN_PERIOD


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"started": "yesterday"},
        {"started": "2026-11-04T05:00:00"},
        {"started": 7},
        {"started": "0001-01-01T00:00:00+23:59"},
        {"run": "9" * 14 + "-00000000"},
    ],
    ids=str,
)
def test_a_document_without_a_time_is_undated(document: dict[str, object]) -> None:
    days = CoveragePeriod(SINCE, UNTIL)
    days.add_document(document)
    assert (days.undated_count, days.days) == (1, {})


def test_a_run_outside_the_period_is_undated() -> None:
    days = CoveragePeriod(SINCE, UNTIL)
    days.add_document(build_run_document(UNTIL))
    days.add_document(build_run_document(SINCE - timedelta(milliseconds=1)))
    assert (days.undated_count, days.days) == (2, {})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["run", "status", "started", "at", "seen", "population", "left", "blind"]),
        VALUES | st.sampled_from(["done", "in-progress", "failed", WITHIN_PERIOD.isoformat()]),
    )
)
def test_no_document_breaks_the_count(document: dict[str, object]) -> None:
    days = CoveragePeriod(SINCE, UNTIL)
    days.add_document(document)
    assert days.undated_count + sum(day.run_count for day in days.days.values()) == 1


def test_unavailable_sources_are_named_once_and_bounded() -> None:
    names = [f"surface {number:03}" for number in range(MAX_SOURCES + 7)]
    day = one_day(
        build_run_document(WITHIN_PERIOD, blind=names),
        build_run_document(WITHIN_PERIOD, blind=["a\u202eb", *names]),
    )
    assert day.list_unavailable_sources()[0] == "a\\u202eb"
    assert len(day.list_unavailable_sources()) == MAX_SOURCES + 1
    assert day.list_unavailable_sources()[-1] == "and 8 more"


def test_a_day_without_runs_is_recorded_within_the_retention() -> None:
    days = CoveragePeriod(SINCE, UNTIL)
    days.add_document(build_run_document(SINCE))
    kept, made = SINCE + 5 * DAY, SINCE + timedelta(days=7, hours=1)
    told_of = [((start - SINCE).days, day.run_count) for start, day in days.iter_days(kept, made)]
    assert told_of == [(0, 1), (5, 0), (6, 0), (7, 0)]


@pytest.mark.parametrize(
    ("schedule", "made", "times"),
    [
        ("0 */15 * * * *", EXPORTED_AT, 96),
        ("0 10 */6 * * *", EXPORTED_AT, 4),
        ("0 */15 * * * *", SINCE + timedelta(hours=1), 4),
        ("0 */15 * * * *", SINCE + timedelta(hours=1, seconds=1), 5),
        ("0 0 3 * * 1", EXPORTED_AT, 0),
        ("0 0 3 * * 0", EXPORTED_AT, 1),
        ("* * * * * *", EXPORTED_AT, 86_400),
    ],
)
def test_due_runs_of_a_day_follow_the_schedule(schedule: str, made: datetime, times: int) -> None:
    assert SINCE.isoweekday() == 7
    assert count_due_runs(CronSchedule.parse(schedule), SINCE, made) == times
