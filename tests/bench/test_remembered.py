"""The bench fills a table as ninety days leave it, and compares each size with the smallest."""

from datetime import timedelta

from bench.remembered import (
    CASES_PER_OBJECT,
    PERIOD,
    Figures,
    build_past_cases,
    format_figures,
)
from core.engine.recall import RECALL_ENDED, is_case_settled
from tests.support.fakes.clock import START


def test_past_cases_lie_evenly_in_the_period_and_are_closed_and_told() -> None:
    cases = list(build_past_cases(900, START))
    ages = [START - case.closed_at for case in cases if case.closed_at]
    assert len({case.key for case in cases}) == len(ages) == 900
    assert timedelta() < min(ages) < max(ages) < PERIOD
    assert all(case.notified_at and not case.notification for case in cases)
    assert len({case.object_id for case in cases}) == 900 // CASES_PER_OBJECT
    recalled = [case for case in cases if not is_case_settled(case, START)]
    assert recalled == cases[: len(recalled)]
    assert len(recalled) == round(900 * (RECALL_ENDED / PERIOD))


def test_each_size_is_compared_with_the_smallest_of_its_work() -> None:
    text = format_figures(
        [
            Figures("run", 10, 2.0, 1.0, 80.0),
            Figures("status page", 10, 1.0, 0.5, 60.0),
            Figures("run", 1_000, 2.2, 1.5, 84.0),
            Figures("status page", 1_000, 1.0, 0.5, 60.0),
        ]
    )
    lines = text.splitlines()
    assert "| run | 1,000 | 2.20 s | 1.10 | 1.50 s | 1.50 | 84 | 1.05 |" in lines
    assert "| status page | 10 | 1.00 s | 1.00 | 0.50 s | 1.00 | 60 | 1.00 |" in lines
