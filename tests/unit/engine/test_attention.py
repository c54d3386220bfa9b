"""When a case may be told: one that may be told at once, then one thing varied a case."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.engine.attention import select_due_notifications
from core.engine.self_findings import SELF_CHECK_KINDS
from core.model.cases import Case, Notification
from core.model.findings import Severity
from tests.support.cases import build_case
from tests.support.fakes.clock import START

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NEWS = build_case(9, object_id="m1", subject="m1@x", notification=Notification.OPENED)
ENDED = replace(
    NEWS,
    notification=Notification.CLOSED,
    resolution="gone",
    opened_at=START - HOUR,
    closed_at=START - 5 * MINUTE,
)
SELF_CHECK = min(SELF_CHECK_KINDS)


def is_due(case: Case, *told: Case) -> bool:
    return case in select_due_notifications((*told, case), START)


def told(number: int, minutes: float, **values: Any) -> Case:
    """A case of the same mailbox that a card reported so many minutes ago."""
    at = START - minutes * MINUTE
    case = build_case(
        number, object_id="m1", subject="m1@x", notified_at=at, card_times=(at,), **values
    )
    return replace(case, card_severity=case.severity)


def test_news_is_told_at_once_and_what_is_no_news_is_not() -> None:
    assert is_due(NEWS)
    assert not is_due(replace(NEWS, notification=Notification.NONE))


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({}, False),
        ({"closed_at": START - 10 * MINUTE}, True),
        ({"closed_at": START - 9.9 * MINUTE}, False),
        ({"closed_at": START + 9.9 * MINUTE}, False),
        ({"closed_at": START + 10 * MINUTE}, True),
        ({"opened_at": START - 5 * MINUTE - 24 * HOUR}, True),
        ({"opened_at": START - 4 * MINUTE - 24 * HOUR}, False),
        ({"resolution": "remediated"}, True),
        ({"kind": SELF_CHECK}, True),
        ({"notification": Notification.REMINDER}, True),
    ],
    ids=repr,
)
def test_the_end_of_what_came_today_is_told_one_look_later(
    changes: dict[str, Any], due: bool
) -> None:
    assert is_due(replace(ENDED, **changes)) is due


@pytest.mark.parametrize(
    ("severity", "before", "due"),
    [
        (Severity.HIGH, Severity.MEDIUM, True),
        (Severity.HIGH, Severity.HIGH, False),
        (Severity.MEDIUM, Severity.LOW, False),
        (Severity.CRITICAL, Severity.HIGH, True),
    ],
)
def test_what_is_graver_never_waits(severity: Severity, before: Severity, due: bool) -> None:
    cards = [told(number, 30 * number, severity=before) for number in range(1, 5)]
    assert is_due(replace(NEWS, severity=severity), *cards) is due


@pytest.mark.parametrize(
    ("minutes", "due"),
    [
        ((1, 2, 3, 4), False),
        ((1, 2, 3), True),
        ((1, 1, 2, 3), True),
        ((479, 500, 600, 700), False),
        ((480, 500, 600, 700), True),
        ((1, 2, 3, 1439), False),
        ((1, 2, 3, 1440), True),
        ((1, 2, 3, -60), False),
        ((1, 2, 3, -61), True),
    ],
    ids=str,
)
def test_the_fifth_card_of_a_day_waits_for_eight_hours(
    minutes: tuple[float, ...], due: bool
) -> None:
    cards = [told(number, ago) for number, ago in enumerate(minutes, 1)]
    assert is_due(NEWS, *cards) is due


@pytest.mark.parametrize(
    ("turns", "told_turns", "kind", "due"),
    [
        (2, 2, "forward", False),
        (2, 2, "other", True),
        (2, 0, "forward", True),
        (0, 2, "forward", True),
    ],
)
def test_of_what_comes_and_goes_one_card_a_day_is_enough(
    turns: int, told_turns: int, kind: str, due: bool
) -> None:
    at = START - timedelta(minutes=600)
    before = told(1, 600, kind=kind, flap_told_at=at if told_turns else None)
    assert is_due(replace(NEWS, turn_count=turns), before) is due


@pytest.mark.parametrize(
    ("notification", "told_as_open", "due"),
    [
        (Notification.DONE, True, True),
        (Notification.DONE, False, False),
        (Notification.CHANGED, True, False),
        (Notification.CLOSED, True, False),
        (Notification.REMINDER, True, False),
    ],
)
def test_a_change_for_what_a_card_told_as_open_is_told_although_it_comes_and_goes(
    notification: Notification, told_as_open: bool, due: bool
) -> None:
    at = START - timedelta(minutes=15)
    values: dict[str, Any] = {
        "turn_count": 4,
        "flap_told_at": at,
        "card_times": (at,),
        "card_severity": Severity.HIGH,
    }
    case = replace(
        NEWS, notification=notification, notified_at=at if told_as_open else None, **values
    )
    assert is_due(case) is due
    # The ceiling of its object holds all the same.
    assert not is_due(case, *(told(number, 20 * number) for number in (2, 3, 4)))
