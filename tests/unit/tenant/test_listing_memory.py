"""A list of settings that lacks something for the first time is no whole list."""

from datetime import UTC, datetime, timedelta

import pytest

from core.tenant.known_traits import MAX_TRAITS, KnownTraits
from core.tenant.listing_memory import DOUBT_PERIOD, list_missing, note_listing

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICIES = "outbound-policies"


def look(known: dict[str, KnownTraits], at: datetime, *names: str) -> dict[str, KnownTraits]:
    row = note_listing(POLICIES, names, known, at)
    return known | {row.key: row}


def test_nothing_is_missing_at_the_first_look_and_nothing_of_what_is_there() -> None:
    assert list_missing(POLICIES, ["a"], {}, START) == []
    known = look({}, START, "a", "b")
    assert list_missing(POLICIES, ["b", "c", "a"], known, START + MINUTE) == []
    assert list_missing("remote-domains", [], known, START + MINUTE) == []


def test_what_goes_is_missing_for_an_hour_and_then_gone() -> None:
    known = look({}, START, "a", "b")
    went = START + timedelta(days=3)
    assert len(list_missing(POLICIES, ["a"], known, went)) == 1
    known = look(known, went, "a")
    last = went + DOUBT_PERIOD - MINUTE
    assert len(list_missing(POLICIES, ["a"], known, last)) == 1
    known = look(known, last, "a")
    assert list_missing(POLICIES, ["a"], known, went + DOUBT_PERIOD) == []
    known = look(known, went + DOUBT_PERIOD, "a")
    assert list_missing(POLICIES, ["a"], known, went + DOUBT_PERIOD) == []
    assert list_missing(POLICIES, [], known, went + DOUBT_PERIOD) != []


def test_a_look_that_comes_late_believes_what_it_sees_a_second_time() -> None:
    known = look(look({}, START, "a", "b"), START + MINUTE, "a")
    assert list_missing(POLICIES, ["a"], known, START + timedelta(days=1)) == []


def test_what_is_back_may_be_missing_again() -> None:
    known = look(look({}, START, "a", "b"), START + MINUTE, "a")
    known = look(known, START + 2 * MINUTE, "a", "b")
    later = START + timedelta(days=1)
    assert list_missing(POLICIES, ["a", "b"], known, later) == []
    assert len(list_missing(POLICIES, ["a"], known, later)) == 1


@pytest.mark.parametrize("name", ["-a", "x" * 500, "", "\u202e"])
def test_any_name_is_remembered(name: str) -> None:
    known = look({}, START, name)
    assert list_missing(POLICIES, [name], known, START + MINUTE) == []
    assert len(list_missing(POLICIES, ["a"], known, START + MINUTE)) == 1
    assert len(list_missing(POLICIES, [], look(known, START + MINUTE), START + MINUTE)) == 1


def test_of_a_long_list_what_is_remembered_has_to_be_there() -> None:
    names = [str(number) for number in range(2 * MAX_TRAITS)]
    known = look({}, START, *names)
    assert list_missing(POLICIES, names, known, START + MINUTE) == []
    assert len(list_missing(POLICIES, [], known, START + MINUTE)) == MAX_TRAITS


def test_a_list_that_is_doubted_for_longer_is_remembered_for_longer() -> None:
    known, week = look({}, START, "a", "b"), timedelta(days=7)
    went = START + timedelta(days=1)
    row = note_listing(POLICIES, ["a"], known, went, week)
    known = {row.key: row}
    row = note_listing(POLICIES, ["a"], known, went + timedelta(days=6), week)
    known = {row.key: row}
    at = went + week - MINUTE
    assert len(list_missing(POLICIES, ["a"], known, at, week)) == 1
    assert list_missing(POLICIES, ["a"], known, went + week, week) == []


@pytest.mark.parametrize(
    "left", [(1, 400), (0, 399), (200, 400), (0, 0), (400, 401)], ids=lambda one: f"{one}"
)
def test_what_goes_from_a_long_list_is_believed_to_be_gone_too(left: tuple[int, int]) -> None:
    names = [str(number) for number in range(401)]
    known = look({}, START, *names[:400])
    for hours in (1, 2, 3):
        known = look(known, START + hours * DOUBT_PERIOD, *names[slice(*left)])
    assert list_missing(POLICIES, names[slice(*left)], known, START + 4 * DOUBT_PERIOD) == []


def test_many_that_go_from_a_long_list_at_once_are_in_doubt_for_an_hour() -> None:
    names = [str(number) for number in range(MAX_TRAITS)]
    known = look({}, START, *names)
    known = look(known, START + MINUTE)
    assert list_missing(POLICIES, [], known, START + DOUBT_PERIOD) != []
    assert list_missing(POLICIES, [], known, START + MINUTE + DOUBT_PERIOD) == []
