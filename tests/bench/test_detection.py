"""How late an act is seen, by schedules."""

from datetime import timedelta

import pytest

from bench.activity import GUARDS, TickFigures, list_missed
from bench.costs import SCHEDULES, TICKS
from bench.detection import compare_detection, compute_delay, iter_gaps
from bench.prices import DAY
from core.activity.operations import EXCHANGE_OPERATIONS

MINUTE = timedelta(minutes=1)


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


def test_what_a_tick_gains_is_what_a_record_may_be_late() -> None:
    found = compare_detection("g", "0 0 */6 * * *", 0, "0 */10 * * * *", 0)
    assert found.gained == timedelta(hours=3) - 5 * MINUTE


def test_the_guards_of_the_bench_are_those_that_records_lead_to() -> None:
    watched = {watch.guard for watches in EXCHANGE_OPERATIONS.values() for watch in watches}
    assert set(GUARDS) <= watched


def test_a_tick_that_takes_too_long_or_asks_too_often_is_named() -> None:
    good = TickFigures(1_000, 1.9, 10)
    assert list_missed([good]) == []
    slow, busy = TickFigures(1_000, 2.0, 10), TickFigures(100_000, 0.1, 11)
    missed = list_missed([good, slow, busy])
    assert len(missed) == 2
    assert "2.0 s" in missed[0]
    assert "11 requests" in missed[1]
