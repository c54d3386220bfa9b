"""A run recalls what it may need, and nothing else, however much there was."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.engine.recall import (
    FOLDED_KIND,
    MAX_CASES_PER_OBJECT,
    MAX_RECENT_REQUESTS,
    fold_cases,
    fold_older_cases,
    is_case_settled,
    is_change_settled,
    select_settled_requests,
)
from core.keys import build_object_key
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot
from tests.support.fakes.clock import START
from tests.support.ledgers import build_stored_case, build_stored_record, build_stored_request

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def build_closed(age: timedelta = 30 * DAY, **values: Any) -> Case:
    at = START - age
    base = replace(
        build_stored_case(),
        opened_at=at - HOUR,
        closed_at=at,
        notified_at=at,
        notification=Notification.NONE,
        resolution="gone",
    )
    return replace(base, **values)


@pytest.mark.parametrize(
    ("case", "settled"),
    [
        (build_closed(), True),
        (build_closed(27 * HOUR), True),
        (build_closed(25 * HOUR), False),
        (build_closed(closed_at=None), False),
        (build_closed(notification=Notification.CLOSED), False),
        (build_closed(notified_at=START - HOUR), False),
        (build_closed(notified_at=START + 900 * DAY), False),
        (build_closed(7 * DAY, resolution="done"), False),
        (build_closed(9 * DAY, resolution="done"), True),
        (build_closed(89 * DAY, resolution="exempt"), False),
        (build_closed(91 * DAY, resolution="exempt"), True),
        (build_closed(2 * DAY, unread_since_first_look=True), False),
        (build_closed(89 * DAY, folded_count=3, resolution="folded"), False),
        (build_closed(27 * HOUR, folded_count=3), True),
    ],
)
def test_a_case_is_recalled_while_something_may_look_back_at_it(case: Case, settled: bool) -> None:
    assert is_case_settled(case, START) is settled


def build_change(days: float, **values: Any) -> ChangeRecord:
    base = replace(build_stored_record(), state=ChangeState.APPLIED, at=START - days * DAY)
    return replace(base, **values)


@pytest.mark.parametrize(
    ("record", "settled"),
    [
        (build_change(9), True),
        (build_change(7), False),
        (build_change(300, state=ChangeState.INTENDED), False),
        (build_change(9, state=ChangeState.FAILED), True),
        (build_change(30, undo_of="c1"), False),
        (build_change(32, undo_of="c1"), True),
        (build_change(300, kind="BlockSignIn"), False),
        (build_change(401, kind="BlockSignIn"), True),
        (build_change(9, kind="BlockSignIn", undone_at=START), True),
    ],
)
def test_a_change_is_recalled_while_it_may_be_contested_resumed_or_looked_up(
    record: ChangeRecord, settled: bool
) -> None:
    assert is_change_settled(record, {"BlockSignIn"}, START) is settled


def build_request(days: float, number: int = 0, **values: Any) -> OperatorRequest:
    at = START - days * DAY
    base = build_stored_request(
        id=f"{number:014}-00000000", at=at, ended_at=at, state=RequestState.DONE, notified=True
    )
    return replace(base, **values)


EXEMPT, UNDO, END = RequestKind.EXEMPT, RequestKind.UNDO, RequestKind.END_EXEMPTION


@pytest.mark.parametrize(
    ("request_row", "settled"),
    [
        (build_request(32), True),
        (build_request(30), False),
        (build_request(300, state=RequestState.REQUESTED), False),
        (build_request(300, notified=False), False),
        (build_request(300, kind=EXEMPT, until=START + DAY), False),
        (build_request(300, kind=EXEMPT, until=START - DAY), True),
        (build_request(30.5, kind=UNDO), False),
        (build_request(40, kind=UNDO), True),
        (build_request(300, kind=END), False),
        (build_request(368, kind=END), True),
    ],
)
def test_a_request_is_recalled_while_it_is_open_or_proves_something_in_force(
    request_row: OperatorRequest, settled: bool
) -> None:
    snapshot = GuardSnapshot(operator_requests=(request_row,))
    assert bool(select_settled_requests(snapshot, START)) is settled


def test_of_ten_thousand_requests_of_a_month_the_newest_are_recalled() -> None:
    rows = tuple(build_request(3, number) for number in range(2_000))
    settled = select_settled_requests(GuardSnapshot(operator_requests=rows), START)
    assert settled == list(rows[MAX_RECENT_REQUESTS:])
    young = tuple(build_request(0.5, number) for number in range(2_000))
    assert select_settled_requests(GuardSnapshot(operator_requests=young), START) == []


# -- one object ------------------------------------------------------------------------------------


def build_many(count: int, **values: Any) -> dict[str, Case]:
    """Closed cases of one object, the oldest first, a minute apart, each told by its own card."""
    found = {}
    for number in range(count):
        at = START - 3 * DAY + number * timedelta(minutes=1)
        key = build_object_key("m1", number)
        found[key] = build_closed(
            key=key, object_id="m1", opened_at=at, closed_at=at, notified_at=at
        )
        found[key] = replace(found[key], **values)
    return found


def test_an_object_with_no_more_than_is_remembered_stays_as_it_is() -> None:
    assert list(fold_older_cases(build_many(MAX_CASES_PER_OBJECT), (), START)) == []


def test_the_older_cases_of_an_object_become_one_with_their_number_and_times() -> None:
    cases = build_many(80)
    grave = next(iter(cases))
    cases[grave] = replace(cases[grave], severity=Severity.CRITICAL)
    (folded,) = fold_older_cases(cases, (), START)
    assert [case.key for case in folded.members] == list(cases)[:30][::-1]
    stands = folded.case
    assert (stands.kind, stands.resolution, stands.folded_count) == (FOLDED_KIND, "folded", 30)
    assert (stands.severity, stands.object_id) == (Severity.CRITICAL, "m1")
    assert stands.opened_at == cases[grave].opened_at
    assert stands.closed_at == folded.members[0].closed_at
    assert "30 older cases" in stands.summary
    assert (stands.notification, stands.planned_changes) == (Notification.NONE, ())


def test_what_was_folded_before_is_added_to() -> None:
    (first,) = fold_older_cases(build_many(60), (), START)
    more = {**build_many(70), first.case.key: first.case}
    for case in first.members:
        del more[case.key]
    (second,) = fold_older_cases(more, (), START)
    assert (first.case.folded_count, second.case.folded_count) == (10, 20)
    assert second.case.key == first.case.key
    assert second.case.opened_at == first.case.opened_at


def test_what_stands_for_others_counts_as_many_where_it_is_folded_itself() -> None:
    (first,) = fold_older_cases(build_many(60), (), START)
    again = fold_cases(None, (build_closed(), first.case), first.case.key)
    assert again.folded_count == 11
    assert again.summary.startswith("11 older cases")


@pytest.mark.parametrize(
    "values",
    [
        {"closed_at": None},
        {"notification": Notification.OPENED},
        {"notified_at": START - HOUR},
    ],
    ids=["open", "pending", "told by one card within a day"],
)
def test_what_is_open_pending_or_told_lately_by_a_card_is_not_folded(
    values: dict[str, Any],
) -> None:
    found = list(fold_older_cases(build_many(80, **values), (), START))
    if "notified_at" in values:
        # One card told them all: one of its cases is enough to count it.
        assert [len(one.members) for one in found] == [30]
    else:
        assert found == []


def test_each_card_of_the_last_day_is_still_counted() -> None:
    cases = {}
    for number, (key, case) in enumerate(build_many(80).items()):
        told: datetime = START - HOUR * (number % 7)
        cases[key] = replace(case, notified_at=told)
    (folded,) = fold_older_cases(cases, (), START)
    left = cases.keys() - {case.key for case in folded.members}
    assert {cases[key].notified_at for key in left} == {case.notified_at for case in cases.values()}


def test_what_is_there_now_is_not_folded_and_nobody_else_pays_for_it() -> None:
    cases = build_many(80, resolution="exempt")
    other = build_closed(object_id="m2", key=build_object_key("m2", 0))
    present = set(list(cases)[:10])
    (folded,) = fold_older_cases({**cases, other.key: other}, present, START)
    assert len(folded.members) == 20
    assert present.isdisjoint(case.key for case in folded.members)
