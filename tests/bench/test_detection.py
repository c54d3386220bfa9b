"""How late an act is seen, by schedules."""

from datetime import timedelta

import pytest

from bench.costs import SCHEDULES, TICKS
from bench.detection import (
    ACTS,
    SWEEP_INTERVALS,
    Act,
    Detection,
    compare_detection,
    compute_delay,
    compute_sweep_delay,
    find_look_delay,
    iter_gaps,
    list_missed,
    list_tick_rows,
)
from bench.meter import Cost
from bench.prices import DAY
from bench.results import (
    FEED,
    FIRST_RUN,
    NO_CHANGE,
    NO_NEWS,
    THREE_ACTS,
    Measurement,
    Results,
)
from core.activity.operations import EXCHANGE_OPERATIONS

MINUTE = timedelta(minutes=1)
HIDDEN_RULE, FULL_ACCESS, BYPASS = ACTS


def measured(
    client: str, occasion: str, size: int, seconds: float, requests: int = 7
) -> Measurement:
    return Measurement(
        client=client,
        occasion=occasion,
        mailboxes=size,
        read=size,
        cost=Cost(0.0, seconds, 0.1, 50.0, 1.0, 1.0),
        server_cpu_seconds=0.0,
        requests={"graph": requests, "graph/inner": 500},
    )


def build_results(*rows: Measurement) -> Results:
    return Results({}, 80.0, 16, rows)


@pytest.mark.parametrize("schedule", [*SCHEDULES.values(), TICKS])
def test_the_gaps_of_a_schedule_are_a_day(schedule: str) -> None:
    gaps = list(iter_gaps(schedule))
    assert sum(gaps, timedelta()) == DAY
    assert min(gaps) > timedelta()


def test_an_act_waits_for_half_a_gap_on_average_and_a_whole_one_at_worst() -> None:
    delay = compute_delay("0 */10 * * * *", 60)
    assert (delay.mean, delay.worst) == (6 * MINUTE, 11 * MINUTE)


def test_long_gaps_weigh_more_than_short_ones() -> None:
    # At midnight and at one: nearly all acts fall into the 23 hours between.
    delay = compute_delay("0 0 0,1 * * *", 0)
    assert delay.worst == timedelta(hours=23)
    assert delay.mean == timedelta(hours=(1 * 1 + 23 * 23) / 24 / 2)


def test_a_sweep_is_due_before_its_interval_is_over_and_waits_for_a_run() -> None:
    delay = compute_sweep_delay(DAY, "0 */10 * * * *", 60)
    assert delay.worst == DAY + 11 * MINUTE
    # Half of the interval if it were always over; sooner, since 70 % of it may be enough.
    assert 0.35 * DAY + 6 * MINUTE < delay.mean < 0.5 * DAY + 6 * MINUTE
    assert delay.mean == DAY * (2.19 / 5.1) + 6 * MINUTE


def test_each_act_is_seen_by_a_guard_that_records_lead_to_and_its_sweep_is_one() -> None:
    watched = {watch.guard for watches in EXCHANGE_OPERATIONS.values() for watch in watches}
    assert {act.guard for act in ACTS} <= watched
    assert {(act.guard, act.sweep) for act in ACTS if act.sweep} <= SWEEP_INTERVALS.keys()


def test_what_is_swept_is_seen_by_the_sweep_and_not_by_each_run() -> None:
    results = build_results(
        measured(HIDDEN_RULE.guard, FIRST_RUN, 1_000, 60.0),
        measured(HIDDEN_RULE.guard, NO_CHANGE, 1_000, 1.0),
        measured(BYPASS.guard, NO_CHANGE, 1_000, 60.0),
    )
    swept = find_look_delay(HIDDEN_RULE, results, 1_000)
    assert swept
    assert swept.worst == DAY + compute_delay(SCHEDULES[HIDDEN_RULE.guard], 60.0).worst
    seen = find_look_delay(BYPASS, results, 1_000)
    assert seen == compute_delay(SCHEDULES[BYPASS.guard], 60.0)
    assert find_look_delay(FULL_ACCESS, results, 1_000) is None
    assert find_look_delay(BYPASS, results, 10_000) is None


def test_looks_and_ticks_are_compared_where_both_were_measured() -> None:
    tick = measured(FEED, THREE_ACTS, 1_000, 3.0)
    results = build_results(
        tick,
        measured(BYPASS.guard, NO_CHANGE, 1_000, 60.0),
        measured(BYPASS.guard, NO_CHANGE, 10_000, 60.0),
    )
    (found,) = compare_detection(results)
    assert (found.mailboxes, found.act) == (1_000, BYPASS)
    assert found.by_tick == compute_delay(TICKS, 3.0)
    assert found.gained == found.by_look.mean - found.by_tick.mean


def test_what_a_tick_gains_is_what_a_record_may_be_late() -> None:
    by_look, by_tick = compute_delay("0 0 */6 * * *", 0), compute_delay("0 */10 * * * *", 0)
    found = Detection(1, Act("an act", "a guard"), by_look, by_tick)
    assert found.gained == timedelta(hours=3) - 5 * MINUTE


def test_a_tick_that_takes_too_long_or_asks_too_often_is_named() -> None:
    good = measured(FEED, NO_NEWS, 1_000, 1.9, 10)
    assert list_missed(build_results(good)) == []
    slow = measured(FEED, NO_NEWS, 10_000, 2.0, 10)
    busy = measured(FEED, NO_NEWS, 100_000, 0.1, 11)
    with_news = measured(FEED, THREE_ACTS, 1_000, 9.0, 90)
    results = build_results(with_news, busy, good, slow)
    assert list_tick_rows(results) == [good, with_news, slow, busy]
    missed = list_missed(results)
    assert len(missed) == 2
    assert "2.0 s" in missed[0]
    assert "11 requests" in missed[1]
