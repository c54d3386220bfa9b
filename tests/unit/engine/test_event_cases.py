"""What happened is over some day: a case about an event ends without a word, if it was told."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.adapters.table_storage.codec import read, written
from core.engine.decide import Situation, note
from core.model.cases import Case, News
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Mode
from core.model.state import Memory
from core.notifications.case_blocks import ending
from core.tenant.readings import Reading
from tests.support.builders import FORWARDING

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
EVENT = Finding(
    "k", "o", "s", Severity.HIGH, Verdict.ASK, "It happened.", surfaces=("place",), event=True
)
SEEN = Reading[object](surfaces=frozenset({"place"}), population=1)


def situation(*cases: Case) -> Situation:
    return Situation(FORWARDING, Mode.ALERT, "run", Memory({case.key: case for case in cases}), NOW)


def opened(finding: Finding = EVENT) -> Case:
    (case,) = note(situation(), SEEN, [finding]).cases
    return case


@pytest.mark.parametrize(("event", "news"), [(True, News.NONE), (False, News.CLOSED)])
def test_that_an_event_is_over_is_no_news(event: bool, news: News) -> None:
    told = replace(opened(replace(EVENT, event=event)), news=News.NONE, told=NOW)
    (case,) = note(situation(told), SEEN, []).cases
    assert (case.closed, case.news) == (NOW, news)


def test_an_event_that_was_over_before_it_could_be_told_is_told_all_the_same() -> None:
    (case,) = note(situation(opened()), SEEN, []).cases
    assert (case.closed, case.news) == (NOW, News.OPENED)
    assert ending(case) == "It is over; what it did is still done."


def test_the_same_again_after_its_end_is_a_new_case() -> None:
    over = replace(opened(), news=News.NONE, told=NOW, closed=NOW)
    (case,) = note(situation(over), SEEN, [EVENT]).cases
    assert (case.closed, case.told, case.news) == (None, None, News.OPENED)


def test_that_a_case_is_about_an_event_is_remembered() -> None:
    assert read(Case, written(opened())).event
