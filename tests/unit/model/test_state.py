"""What the parts of a scan come to together, and what a probe found."""

import pytest

from core.model.state import ProbeReport, ScanTotals
from core.tenant.probing import AnswerStatus, ProbeAnswer
from core.tenant.readings import ReadFailure
from tests.support.fakes.clock import START

FAILURE, OTHER = ReadFailure("rules", "HTTP 503"), ReadFailure("accounts", "HTTP 403")
FIRST = ScanTotals(
    population=10,
    unread_count=3,
    sources=frozenset({"rules"}),
    source_failures=(FAILURE,),
    doubtful_sources=frozenset({"folders"}),
    ready_case_keys=("a", "b"),
    unfinished_case_keys=("u",),
    abandoned_shards=("00 to 7f: no answer",),
    untracked_count=2,
    listed_counts={"rules": 5, "boxes": 1},
    shrunk_counts={"rules": 4},
)
SECOND = ScanTotals(
    population=7,
    unread_count=1,
    sources=frozenset({"accounts"}),
    source_failures=(OTHER, FAILURE),
    ready_case_keys=("c", "b"),
    unfinished_case_keys=("u", "v"),
    abandoned_shards=("80 to ff: no answer",),
    untracked_count=1,
    listed_counts={"boxes": 2},
    shrunk_counts={"boxes": 1},
)


def test_parts_of_a_scan_are_added_up_and_nothing_counts_twice() -> None:
    assert FIRST.add_totals(SECOND) == ScanTotals(
        population=17,
        unread_count=4,
        sources=frozenset({"rules", "accounts"}),
        source_failures=(FAILURE, OTHER),
        doubtful_sources=frozenset({"folders"}),
        ready_case_keys=("a", "b", "c"),
        unfinished_case_keys=("u", "v"),
        abandoned_shards=("00 to 7f: no answer", "80 to ff: no answer"),
        untracked_count=3,
        listed_counts={"rules": 5, "boxes": 2},
        shrunk_counts={"rules": 4, "boxes": 1},
    )


@pytest.mark.parametrize(
    ("first", "second", "is_complete"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_a_scan_is_complete_if_all_of_its_parts_are(
    first: bool, second: bool, is_complete: bool
) -> None:
    whole = ScanTotals(complete=first).add_totals(ScanTotals(complete=second))
    assert whole.complete is is_complete


def test_what_was_read_is_all_but_the_unread_and_never_less_than_nothing() -> None:
    assert FIRST.read_count == 7
    assert ScanTotals(population=1, unread_count=2).read_count == 0


def test_the_answer_about_an_assumption_is_found_by_its_name() -> None:
    answers = tuple(ProbeAnswer(name, AnswerStatus.HOLDS) for name in ("first", "second"))
    report = ProbeReport(START, answers)
    assert report.find_answer("second") == answers[1]
    assert report.find_answer("third") is None
