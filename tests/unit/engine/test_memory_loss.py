"""What kind of memory cannot be right, and what operators decided that is known all the same."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.engine.exemption_audit import UNDO_EXEMPTION_PERIOD, find_unauthorized_exemptions
from core.engine.memory_loss import (
    build_loss_finding,
    distrust,
    explain_loss,
    find_lost_rows,
    trust_again,
)
from core.model.cases import Exemption
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot, GuardState, StateMark
from tests.support.fakes.clock import START
from tests.support.ledgers import build_stored_case, build_stored_request
from tests.support.remedy_checks import tell_remedy

DAY = timedelta(days=1)
EXEMPT, UNDO, END = RequestKind.EXEMPT, RequestKind.UNDO, RequestKind.END_EXEMPTION


@pytest.mark.parametrize(
    ("revision", "mark", "rows_differ", "unreadable", "expected"),
    [
        (0, None, "", 0, ""),
        (7, 7, "", 0, ""),
        (8, 7, "", 0, ""),
        (7, 8, "", 0, "was restored from an older day: it has revision 7, and had 8"),
        (0, 8, "", 0, "the state is missing: it has revision 0, and had 8"),
        (0, 8, "", 1, ""),
        (7, 8, "", 1, "was restored from an older day"),
        (7, None, "", 0, "the mark beside the table is gone"),
        (7, 7, "2 cases vanished", 0, "2 cases vanished"),
        (7, 8, "2 cases vanished", 0, "2 cases vanished; the state was restored"),
    ],
)
def test_a_memory_that_cannot_be_right_says_why(
    revision: int, mark: int | None, rows_differ: str, unreadable: int, expected: str
) -> None:
    snapshot = GuardSnapshot(
        state=GuardState(revision=revision), rows_differ=rows_differ, unreadable_rows=unreadable
    )
    reason = explain_loss(snapshot, None if mark is None else StateMark(mark, START))
    assert expected in reason
    assert bool(reason) is bool(expected)


def test_a_state_that_is_not_trusted_is_ahead_of_the_mark_and_is_told_with_the_command() -> None:
    state = distrust(GuardState(revision=3), "2 cases vanished", StateMark(40, START), START)
    assert state.revision == 41
    finding = build_loss_finding("toy", "Toy", state)
    assert finding
    assert "2 cases vanished" in str(finding.facts[0])
    key = finding.compute_key("toy")
    assert f"acknowledge {key[-8:]}" in tell_remedy(finding)
    assert build_loss_finding("toy", "Toy", GuardState()) is None


def test_only_the_acknowledged_case_of_this_loss_makes_it_trusted_again() -> None:
    state = distrust(GuardState(), "2 cases vanished", None, START)
    finding = build_loss_finding("toy", "Toy", state)
    assert finding
    key = finding.compute_key("toy")
    case = replace(build_stored_case(key), acknowledged_at=None)
    told = GuardSnapshot(cases={key: case}, state=state)
    assert trust_again(told, "toy") == told
    known = replace(case, acknowledged_at=START, acknowledged_by="Dana")
    trusted = trust_again(replace(told, cases={key: known}), "toy").state
    assert (trusted.distrust_reason, trusted.distrusted_since) == ("", None)
    assert trusted.revision == state.revision
    later = distrust(state, "1 changes vanished", None, START + DAY)
    again = GuardSnapshot(cases={key: known}, state=later)
    assert trust_again(again, "toy") == again


# -- what operators decided ------------------------------------------------------------------------


def ask(kind: RequestKind, days_ago: float, number: int, **values: Any) -> OperatorRequest:
    at = START - days_ago * DAY
    base = build_stored_request(
        id=f"{number:014}-00000000",
        kind=kind,
        subject="m1",
        at=at,
        ended_at=at,
        state=RequestState.DONE,
        notified=True,
    )
    return replace(base, **values)


def exemption_of(request: OperatorRequest, until: datetime | None = None) -> Exemption:
    return Exemption("m1", request.requested_by, request.reason, until or request.until or START)


GRANTED = ask(EXEMPT, 5, 1, until=START + 20 * DAY)
UNDONE = ask(UNDO, 5, 2, subject="c1", case_key="k1")
ENDED = ask(END, 2, 3)


def test_an_exemption_whose_row_vanished_is_granted_again() -> None:
    snapshot = GuardSnapshot(operator_requests=(GRANTED,))
    assert find_lost_rows(snapshot, (), START) == (exemption_of(GRANTED),)
    kept = replace(snapshot, exemptions={"m1": exemption_of(GRANTED)})
    assert find_lost_rows(kept, (), START) == ()


def test_an_exemption_that_only_the_journal_knows_comes_back_with_its_request() -> None:
    assert set(find_lost_rows(GuardSnapshot(), (GRANTED,), START)) == {
        GRANTED,
        exemption_of(GRANTED),
    }


def test_one_that_was_extended_is_extended_again() -> None:
    longer = ask(EXEMPT, 1, 4, until=START + 90 * DAY)
    snapshot = GuardSnapshot(operator_requests=(GRANTED,), exemptions={"m1": exemption_of(GRANTED)})
    assert exemption_of(longer) in find_lost_rows(snapshot, (longer,), START)


def test_one_that_was_ended_ends_again_and_is_not_granted_again() -> None:
    snapshot = GuardSnapshot(operator_requests=(GRANTED,), exemptions={"m1": exemption_of(GRANTED)})
    assert exemption_of(GRANTED, START) in find_lost_rows(snapshot, (ENDED,), START)
    gone = GuardSnapshot(operator_requests=(GRANTED, ENDED))
    assert find_lost_rows(gone, (), START) == ()


def test_one_that_was_granted_anew_after_its_end_is_in_force() -> None:
    anew = ask(EXEMPT, 1, 5, until=START + 9 * DAY)
    rows = find_lost_rows(GuardSnapshot(operator_requests=(GRANTED, ENDED, anew)), (), START)
    assert rows == (exemption_of(anew),)


def test_an_undo_protects_its_case_again_and_nobody_calls_that_unauthorized() -> None:
    rows = find_lost_rows(GuardSnapshot(), (UNDONE,), START)
    (granted,) = [row for row in rows if isinstance(row, Exemption)]
    assert (granted.subject, granted.until) == ("k1", START + UNDO_EXEMPTION_PERIOD - 5 * DAY)
    after = GuardSnapshot(operator_requests=(UNDONE,), exemptions={"k1": granted})
    assert find_unauthorized_exemptions(after, START) == ()


@pytest.mark.parametrize(
    "request_row",
    [
        ask(EXEMPT, 50, 6, until=START - DAY),
        ask(UNDO, 40, 7, subject="c1", case_key="k1"),
        ask(EXEMPT, 5, 8, until=START + DAY, state=RequestState.REFUSED),
        ask(RequestKind.RUN, 1, 9),
        ask(UNDO, 5, 10, state=RequestState.REQUESTED, ended_at=None, at=START - 30 * DAY),
    ],
    ids=["over", "long undone", "refused", "a run that was", "open for too long"],
)
def test_what_decides_nothing_any_more_stays_where_it_is(request_row: OperatorRequest) -> None:
    exemptions = [
        row
        for row in find_lost_rows(GuardSnapshot(), (request_row,), START)
        if isinstance(row, Exemption)
    ]
    assert exemptions == []


def test_an_open_request_that_the_table_lost_is_asked_again_and_one_it_knows_as_open_is_not() -> (
    None
):
    waits = ask(UNDO, 0.1, 11, state=RequestState.REQUESTED, ended_at=None, notified=False)
    assert find_lost_rows(GuardSnapshot(), (waits,), START) == (waits,)
    known = GuardSnapshot(operator_requests=(replace(UNDONE, state=RequestState.REQUESTED),))
    rows = find_lost_rows(known, (UNDONE,), START)
    assert UNDONE in rows
