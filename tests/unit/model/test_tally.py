"""The numbers of what is archived add up, day by day, however long ago it was."""

from dataclasses import replace
from datetime import timedelta

from core.keys import PREFIX_LENGTH
from core.model.cases import Case
from core.model.findings import Severity
from core.model.folded import FOLDED, TAIL_LENGTH, FoldedMember, format_members
from core.model.tally import TALLY_DAYS, Tally
from tests.support.fakes.clock import START
from tests.support.ledgers import build_stored_case

DAY = timedelta(days=1)


def build_closed(opened: int, closed: int, severity: Severity = Severity.HIGH) -> Case:
    """A case that was opened and closed so many days ago."""
    return replace(
        build_stored_case(),
        opened_at=START - opened * DAY,
        closed_at=START - closed * DAY,
        severity=severity,
    )


def test_cases_count_on_the_days_they_were_opened_and_closed_by_severity() -> None:
    tally = Tally().add(
        [build_closed(3, 2), build_closed(3, 2), build_closed(3, 3, Severity.LOW)], [], START
    )
    days = [(START - age * DAY).date().isoformat() for age in (3, 2)]
    assert tally.opened == {days[0]: {"high": 2, "low": 1}}
    assert tally.closed == {days[0]: {"low": 1}, days[1]: {"high": 2}}
    assert tally.open_before == {}


def test_changes_count_on_the_day_they_were_made() -> None:
    tally = Tally().add([], [START, START - DAY, START], START)
    assert list(tally.changes.values()) == [1, 2]


def test_what_was_opened_before_the_days_that_are_kept_was_open_when_they_began() -> None:
    tally = Tally().add([build_closed(TALLY_DAYS + 9, 1), build_closed(70, 60)], [], START)
    assert tally.opened == {}
    assert tally.open_before == {"high": 1}


def test_days_that_grow_too_old_are_put_together_and_nothing_is_left_open_in_the_end() -> None:
    tally = Tally().add([build_closed(5, 1)], [START - DAY], START)
    later = tally.add([], [], START + (TALLY_DAYS - 3) * DAY)
    assert (later.opened, later.open_before) == ({}, {"high": 1})
    assert later.changes == tally.changes
    assert tally.add([], [], START + 90 * DAY) == Tally()


def test_a_tally_is_bounded_whatever_was_archived() -> None:
    every = [build_closed(age, age // 2) for age in range(200)]
    tally = Tally().add(every, [case.opened_at for case in every], START)
    assert max(len(days) for days in (tally.opened, tally.closed, tally.changes)) <= TALLY_DAYS + 1


def test_a_case_that_stands_for_others_counts_as_these() -> None:
    case = replace(build_closed(1, 1), key="0" * 32)
    prefix = case.key[:PREFIX_LENGTH]
    members = [
        FoldedMember(prefix + mark * TAIL_LENGTH, severity, opened_at, "e" * 16, "f" * 16)
        for mark, severity, opened_at in (
            ("a", Severity.LOW, START - 3 * DAY),
            ("b", Severity.CRITICAL, START - 2 * DAY),
        )
    ]
    named = replace(case, folded_count=9, members=format_members(members))
    tally = Tally().add([named], [], START)
    days = [(START - age * DAY).date().isoformat() for age in (3, 2, 1)]
    assert tally.opened == {days[0]: {"low": 1}, days[1]: {"critical": 1}}
    assert tally.closed == {days[2]: {"low": 1, "critical": 1}}
    # Of those without a name only the number is known.
    counted = Tally().add([replace(case, folded_count=9)], [], START)
    assert counted.opened == {days[2]: {"high": 9}}


def test_what_was_folded_when_it_was_closed_has_been_counted() -> None:
    case = replace(build_closed(3, 2), resolution=FOLDED, folded_count=9)
    assert Tally().add([case], [], START) == Tally()


def test_a_case_that_has_no_end_ended_when_it_began_and_the_last_day_is_kept() -> None:
    case = replace(build_closed(TALLY_DAYS, 1), closed_at=None)
    day = (START - TALLY_DAYS * DAY).date().isoformat()
    tally = Tally().add([case], [START - TALLY_DAYS * DAY, START - (TALLY_DAYS + 1) * DAY], START)
    assert (tally.opened, tally.closed) == ({day: {"high": 1}}, {day: {"high": 1}})
    assert (tally.changes, tally.open_before) == ({day: 1}, {})


def test_what_was_archived_before_stays_in_the_tally() -> None:
    first = Tally().add([build_closed(TALLY_DAYS + 9, 1)], [START - DAY], START)
    both = first.add([build_closed(TALLY_DAYS + 9, 1), build_closed(3, 1)], [START - DAY], START)
    day = (START - DAY).date().isoformat()
    assert both.closed == {day: {"high": 3}}
    assert (both.changes, both.open_before) == ({day: 2}, {"high": 2})
