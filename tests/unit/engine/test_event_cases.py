"""What happened is over some day: a case about an event ends without a word, if it was told."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.adapters.table_storage.codec import decode_stored_record, encode_stored_record
from core.engine.decision_context import DecisionContext
from core.engine.reconcile import reconcile_batch
from core.model.cases import Case, Notification
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Mode
from core.model.state import GuardSnapshot
from core.status.case_texts import describe_case_end
from core.tenant.readings import Reading
from tests.support.builders import FORWARDING_CONFIG

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
EVENT = Finding(
    "k", "o", "s", Severity.HIGH, Verdict.ASK, "It happened.", sources=("place",), is_one_off=True
)
SEEN = Reading[object](sources=frozenset({"place"}), population=1)


def situation(*cases: Case) -> DecisionContext:
    return DecisionContext(
        FORWARDING_CONFIG, Mode.ALERT, "run", GuardSnapshot({case.key: case for case in cases}), NOW
    )


def opened(finding: Finding = EVENT) -> Case:
    (case,) = reconcile_batch(situation(), SEEN, [finding]).cases
    return case


@pytest.mark.parametrize(
    ("event", "news"), [(True, Notification.NONE), (False, Notification.CLOSED)]
)
def test_that_an_event_is_over_is_no_news(event: bool, news: Notification) -> None:
    told = replace(
        opened(replace(EVENT, is_one_off=event)), notification=Notification.NONE, notified_at=NOW
    )
    (case,) = reconcile_batch(situation(told), SEEN, []).cases
    assert (case.closed_at, case.notification) == (NOW, news)


def test_an_event_that_was_over_before_it_could_be_told_is_told_all_the_same() -> None:
    (case,) = reconcile_batch(situation(opened()), SEEN, []).cases
    assert (case.closed_at, case.notification) == (NOW, Notification.OPENED)
    assert describe_case_end(case) == "The event is over; its effects remain."


def test_the_same_again_after_its_end_is_a_new_case() -> None:
    over = replace(opened(), notification=Notification.NONE, notified_at=NOW, closed_at=NOW)
    (case,) = reconcile_batch(situation(over), SEEN, [EVENT]).cases
    assert (case.closed_at, case.notified_at, case.notification) == (
        None,
        None,
        Notification.OPENED,
    )


def test_that_a_case_is_about_an_event_is_remembered() -> None:
    assert decode_stored_record(Case, encode_stored_record(opened())).is_one_off


@pytest.mark.parametrize("is_said_once", [True, False])
def test_what_is_said_once_gets_no_reminder(is_said_once: bool) -> None:
    finding = replace(EVENT, is_one_off=False, is_said_once=is_said_once)
    notified_at = NOW - FORWARDING_CONFIG.reminder_interval
    told = replace(opened(finding), notification=Notification.NONE, notified_at=notified_at)
    result = reconcile_batch(situation(told), SEEN, [finding])
    assert [case.notification for case in result.cases] == (
        [] if is_said_once else [Notification.REMINDER]
    )
