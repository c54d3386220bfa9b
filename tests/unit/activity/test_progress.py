"""How far a log is read: windows, overlaps, gaps, refused contents, and the measured lag."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from core.activity.progress import (
    LISTED_FOR,
    MAX_ATTEMPTS,
    MAX_READ_CONTENTS,
    MAX_REFUSED,
    SWEPT,
    drop_hopeless,
    find_search_times,
    get_audit_start,
    is_believable,
    list_windows,
    note_broken,
    note_failure,
    note_gap,
    note_lags,
    note_postponed,
    note_read,
    note_refused,
    note_success,
    note_swept,
    note_unsubscribed,
    restart_cursor,
    select_unread,
    start_cursor,
    start_sweep,
)
from core.adapters.table_storage.codec import decode_stored_record, encode_stored_record
from core.model.activity import ActivityCursor
from core.status.activity_status import compute_lag, count_records, explain_trouble
from core.tenant.activity import ActivityContent, ActivityLog
from tests.support.fakes.clock import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEW = start_cursor(ActivityLog.EXCHANGE, START)


def build_content(name: str, hours_ago: float = 1) -> ActivityContent:
    created = START - hours_ago * HOUR
    return ActivityContent(name, created, created + 20 * DAY)


def test_until_the_first_content_a_new_subscription_is_read_over_a_day() -> None:
    started = note_success(note_read(NEW, (), START), START)
    soon = START + 3 * HOUR
    assert list_windows(started, soon) == [(soon - DAY, soon)]
    first = note_read(started, [build_content("a")], soon)
    assert list_windows(first, soon)[0][0] == soon - HOUR
    assert list_windows(replace(started, through=START + DAY), START + DAY + HOUR)[0][0] > START


def test_a_subscription_that_somebody_ended_leaves_a_gap_and_a_new_one_none() -> None:
    assert note_unsubscribed(NEW, START) == NEW
    read = note_read(NEW, [build_content("a")], START - HOUR)
    ended = note_unsubscribed(read, START)
    assert (ended.gap_from, ended.gap_until) == (START - HOUR, START)
    assert "somebody ended the subscription" in explain_trouble(ended, START)


def test_a_window_is_never_longer_than_a_day_nor_older_than_the_service_lists() -> None:
    behind = replace(NEW, through=START - 30 * DAY)
    windows = list_windows(behind, START)
    assert windows[0][0] == START - LISTED_FOR
    assert windows[-1][1] == START
    assert all(end - start <= DAY for start, end in windows)
    assert all(first[1] == second[0] for first, second in pairwise(windows))
    assert note_gap(behind, START).gap_until == START - LISTED_FOR
    assert note_gap(NEW, START).gap_until is None
    # A place that lies ahead came from a wrong clock.
    assert list_windows(replace(NEW, through=START + DAY), START)


def test_the_directory_is_read_with_an_overlap_and_a_week_of_it_once_a_day() -> None:
    read = replace(NEW, through=START)
    assert get_audit_start(read, START + timedelta(minutes=5)) == START - HOUR
    assert get_audit_start(read, START + 30 * DAY) == START + 23 * DAY
    swept = note_swept(start_sweep(read, START), None, START)
    assert start_sweep(swept, START + DAY - HOUR) == swept
    assert start_sweep(swept, START + DAY).sweep_until == START - HOUR
    # One that was swept at a time to come was so by a wrong clock.
    assert start_sweep(replace(swept, swept_at=START + 9 * DAY), START).sweep_until


def test_a_week_that_no_reading_holds_is_read_in_parts_and_never_stands_still() -> None:
    cursor = start_sweep(replace(NEW, through=START), START)
    for left in (START - 2 * DAY, START - 5 * DAY):
        cursor = note_swept(cursor, left, START)
        assert cursor.sweep_until == left
    stuck = note_swept(cursor, START - 5 * DAY, START)
    assert stuck.sweep_until == stuck.gap_from
    assert stuck.gap_until == START - 5 * DAY
    assert note_swept(stuck, START - 8 * DAY, START).sweep_until is None


def test_what_nobody_read_of_the_directory_for_more_than_a_week_is_a_gap() -> None:
    behind = replace(NEW, through=START - 10 * DAY)
    noted = note_gap(behind, START, SWEPT)
    assert (noted.gap_from, noted.gap_until) == (START - 10 * DAY, START - 7 * DAY)


def test_a_record_that_is_not_understood_counts_once_and_is_told() -> None:
    cursor = note_broken(note_broken(NEW, ["record-a", "record-b"]), ["record-b"])
    assert cursor.broken_count == 2
    assert "2 records could not be understood" in explain_trouble(cursor, START)


def test_a_place_nobody_can_decode_is_a_week_ago_and_told() -> None:
    cursor = restart_cursor(ActivityLog.DIRECTORY, START)
    assert cursor.started_at == START - 7 * DAY
    assert note_gap(cursor, START) == cursor == note_gap(cursor, START, SWEPT)
    assert "its row did not say how far" in explain_trouble(cursor, START)
    assert "its row did not say how far" not in explain_trouble(cursor, START + 15 * DAY)


@pytest.mark.parametrize(("ahead", "is_believed"), [(HOUR, True), (2 * HOUR, False)])
def test_a_place_that_lies_ahead_is_not_believed(ahead: timedelta, is_believed: bool) -> None:
    cursor = replace(NEW, through=START, read_at=START)
    for moved in (
        replace(cursor, through=START + ahead),
        replace(cursor, started_at=START + ahead),
        replace(cursor, read_at=START + ahead),
    ):
        assert is_believable(moved, START) is is_believed


def test_content_is_read_once_oldest_first_and_refused_content_holds_up_nothing() -> None:
    old, new = build_content("a", 3), build_content("b", 1)
    assert select_unread(NEW, [new, old, new]) == [old, new]
    cursor = note_read(NEW, (old,), START)
    assert select_unread(cursor, [old, new]) == [new]
    refused = note_refused(cursor, new)
    assert select_unread(refused, [old, new]) == []
    assert refused.through == START
    assert note_read(refused, (new,), START).refused == ()


def test_a_refused_content_is_lost_once_it_expired_or_was_asked_for_too_often() -> None:
    cursor = NEW
    for _ in range(MAX_ATTEMPTS):
        cursor = note_refused(cursor, build_content("a"))
    assert [one.attempts for one in cursor.refused] == [MAX_ATTEMPTS]
    assert (drop_hopeless(cursor, START).refused, drop_hopeless(cursor, START).lost_count) == (
        (),
        1,
    )
    once = note_refused(NEW, build_content("a"))
    assert drop_hopeless(once, START) == once
    assert drop_hopeless(once, START + 21 * DAY).lost_count == 1


def test_the_lag_is_never_less_than_was_measured() -> None:
    began = replace(NEW, started_at=START - DAY)
    late = [START - timedelta(seconds=one) for one in (30, 59, 61, 250, 4_000, 10**7)]
    cursor = note_lags(began, late, START)
    # What happened before the log was first read says nothing of its lag.
    assert count_records(cursor.lags) == 5
    assert compute_lag(cursor.lags, 0.5) == timedelta(seconds=120)
    assert compute_lag(cursor.lags, 0.95) == timedelta(seconds=5_400)
    assert compute_lag({}, 0.5) is None
    again = note_lags(cursor, late[:1], START + 10 * DAY)
    assert compute_lag(again.lags, 0.2) == timedelta(seconds=60)
    for day in range(20):
        again = note_lags(again, [START + day * DAY], START + day * DAY)
    assert len(again.lags) == 7


def test_a_failure_is_told_once_it_lasts_and_a_gap_stays_told() -> None:
    failed = note_failure(NEW, "HTTP 401", START)
    assert explain_trouble(failed, START + timedelta(minutes=30)) == ""
    lasting = note_failure(failed, "HTTP 401", START + HOUR)
    assert "HTTP 401" in explain_trouble(lasting, START + HOUR)
    assert explain_trouble(note_success(lasting, START + HOUR), START + HOUR) == ""
    gap = note_gap(replace(NEW, through=START - 9 * DAY), START)
    assert "keeps it no longer" in explain_trouble(gap, START)
    assert "1 contents" in explain_trouble(replace(NEW, lost_count=1), START)


def test_a_guard_is_searched_for_by_the_logs_that_tell_of_its_objects() -> None:
    def read(log: ActivityLog, hours_ago: float) -> ActivityCursor:
        at = START - hours_ago * HOUR
        return replace(note_success(start_cursor(log, START), at), through=at)

    directory: dict[str, ActivityCursor] = {ActivityLog.DIRECTORY: read(ActivityLog.DIRECTORY, 1)}
    assert "mailbox-forwarding" not in find_search_times(directory)
    assert find_search_times(directory)["app-consent"] == START - HOUR
    both = {**directory, ActivityLog.EXCHANGE: read(ActivityLog.EXCHANGE, 2)}
    assert find_search_times(both)["mailbox-forwarding"] == START - 2 * HOUR
    assert find_search_times(both)["shared-mailbox-sign-in"] == START - 2 * HOUR
    behind = replace(read(ActivityLog.EXCHANGE, 0), through=START - 5 * HOUR)
    found = find_search_times({**directory, ActivityLog.EXCHANGE: behind})
    assert found["mailbox-forwarding"] == START - 5 * HOUR
    unread: dict[str, ActivityCursor] = {
        ActivityLog.EXCHANGE: start_cursor(ActivityLog.EXCHANGE, START)
    }
    assert find_search_times(unread) == {}


def test_all_that_an_overlap_may_list_is_remembered_in_one_row() -> None:
    contents = [build_content(f"c{number}") for number in range(20_000)]
    read = note_read(NEW, contents, START)
    assert select_unread(read, contents) == []
    assert len(note_read(read, [build_content("one more")], START).read_contents) == 20_000
    for number in range(MAX_REFUSED):
        read = note_refused(read, build_content(f"{number:0200}"))
    assert len(read.read_contents) == MAX_READ_CONTENTS
    assert decode_stored_record(ActivityCursor, encode_stored_record(read)) == read


def test_a_postponed_content_comes_last_without_an_attempt_and_drives_no_other_out() -> None:
    first, second = build_content("a"), build_content("b")
    cursor = note_refused(note_refused(NEW, first), second)
    later = note_postponed(cursor, first)
    assert [(one.id, one.attempts) for one in later.refused] == [("b", 1), ("a", 1)]
    new = note_postponed(NEW, first)
    assert [(one.id, one.attempts) for one in new.refused] == [("a", 0)]
    full = NEW
    for number in range(MAX_REFUSED + 5):
        full = note_postponed(full, build_content(f"c{number}"))
    assert len(full.refused) == MAX_REFUSED
    assert drop_hopeless(full, START).lost_count == 0
