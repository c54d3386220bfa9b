"""What may have been there at a guard's first look, case by case."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.engine.decision_context import DecisionContext
from core.engine.first_look import (
    is_first_reading,
    is_unread_until_this_scan,
    list_spent_marks,
    mark_unread_object,
    was_preexisting,
)
from core.engine.reconcile import is_worth_keeping
from core.engine.self_findings import UNREADABLE, build_object_finding
from core.engine.widening import was_accepted
from core.model.cases import Case, Exemption, Notification
from core.model.findings import Finding
from core.model.reach import Reach
from core.model.state import GuardSnapshot, GuardState, ScanPass, ScanTotals
from core.tenant.readings import ReadFailure
from tests.support.decisions import (
    DAY,
    KEY,
    STATE,
    SURFACE,
    build_finding,
    build_known_snapshot,
    build_scene,
)
from tests.support.fakes.clock import START

HOUR = timedelta(hours=1)
FOUND = build_finding()
(OPEN_CASE,) = build_known_snapshot().cases.values()
MARKED = replace(
    OPEN_CASE,
    key=build_object_finding(ReadFailure(SURFACE, "", "a")).compute_key("toy"),
    kind=UNREADABLE,
    notified_at=None,
    unread_since_first_look=True,
)
SPENT = replace(MARKED, closed_at=START, resolution="gone")


def build_context(
    *cases: Case, exempt: str = "", state: GuardState = STATE, now: datetime = START
) -> DecisionContext:
    """What decides at this time, with these cases and an exemption of this subject."""
    exemptions = {exempt: Exemption(exempt, "admin", "known", START - DAY)} if exempt else {}
    memory = GuardSnapshot({case.key: case for case in cases}, state=state, exemptions=exemptions)
    return build_scene(memory, now=now)[0]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (OPEN_CASE, False),
        (replace(OPEN_CASE, baselined=True), True),
        # What was accepted is no old stock.
        (replace(OPEN_CASE, accepted_reaches=(Reach.of(["send"]),)), False),
        (replace(OPEN_CASE, closed_at=START, baselined=True), False),
        (None, False),
    ],
    ids=["open", "adopted", "accepted", "closed", "new"],
)
def test_an_open_case_says_whether_its_finding_was_there(case: Case | None, expected: bool) -> None:
    assert was_preexisting(build_context(), case, FOUND) is expected


@pytest.mark.parametrize(
    ("exempt", "expected"), [(KEY, False), ("a", False), ("b", False), (MARKED.key, True)]
)
def test_only_what_was_unread_and_exempt_may_have_been_there(exempt: str, expected: bool) -> None:
    assert was_preexisting(build_context(exempt=exempt), None, FOUND) is expected
    assert was_preexisting(build_context(exempt=exempt), OPEN_CASE, FOUND) is False


@pytest.mark.parametrize(
    ("exempt", "finding", "is_self_check", "expected"),
    [
        (KEY, FOUND, False, True),
        ("a", FOUND, False, True),
        ("b", FOUND, False, False),
        # An exemption of the object never covered these, and is none of theirs when it ends.
        ("a", replace(FOUND, needs_own_exemption=True), False, False),
        (KEY, replace(FOUND, needs_own_exemption=True), False, True),
        ("a", FOUND, True, False),
    ],
)
def test_what_an_exemption_covered_was_accepted(
    exempt: str, finding: Finding, is_self_check: bool, expected: bool
) -> None:
    found = build_context(exempt=exempt).find_exemption(KEY, finding, is_self_check)
    assert was_accepted(None, found) is expected
    assert was_accepted(replace(OPEN_CASE, closed_at=START), found) is expected
    # An open case says so.
    assert was_accepted(OPEN_CASE, found) is False
    assert was_accepted(replace(OPEN_CASE, accepted_reaches=()), None) is True


def test_of_two_exemptions_the_one_that_ends_last_counts() -> None:
    context = build_context(exempt=KEY)
    of_object = Exemption("a", "admin", "known", START + DAY)
    exemptions = {**context.snapshot.exemptions, "a": of_object}
    context = replace(context, snapshot=replace(context.snapshot, exemptions=exemptions))
    assert context.find_exemption(KEY, FOUND, is_self_check=False) == of_object
    assert context.get_exempt_until(KEY, FOUND, is_self_check=False) == START + DAY


@pytest.mark.parametrize("sources", [("other",), (SURFACE, "other")])
def test_a_source_that_is_read_for_the_first_time_shows_what_was_there(
    sources: tuple[str, ...],
) -> None:
    found = replace(FOUND, sources=sources)
    assert was_preexisting(build_context(), None, found)
    known = replace(STATE, baselined_sources=frozenset({SURFACE, "other"}))
    assert not was_preexisting(build_context(state=known), None, found)
    # One of the sources missed this object at its first look.
    assert was_preexisting(build_context(MARKED, state=known), None, found) is (SURFACE in sources)


def test_an_object_is_first_read_where_it_could_not_be_read_before() -> None:
    assert is_first_reading(build_context(MARKED), SURFACE, "a")
    assert is_first_reading(build_context(exempt=MARKED.key), SURFACE, "a")
    for context in (build_context(), build_context(replace(MARKED, unread_since_first_look=False))):
        assert is_first_reading(context, SURFACE, "a") is False
    assert is_first_reading(build_context(MARKED), "other", "a") is False
    assert is_first_reading(build_context(MARKED), SURFACE, "b") is False


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (MARKED, True),
        (replace(SPENT, closed_at=START), True),
        (replace(SPENT, closed_at=START + HOUR), True),
        (replace(SPENT, closed_at=START - HOUR), False),
        (replace(SPENT, closed_at=START - HOUR, resolution="exempt"), True),
        (replace(MARKED, unread_since_first_look=False), False),
    ],
    ids=["open", "at the start", "in this scan", "before", "exempt", "without a mark"],
)
def test_an_object_counts_as_unread_until_the_scan_that_read_it_ends(
    case: Case, expected: bool
) -> None:
    state = replace(STATE, scan_pass=ScanPass("scan", START, ScanTotals()))
    context = build_context(state=state, now=START + 2 * HOUR)
    assert is_unread_until_this_scan(context, case) is expected


@pytest.mark.parametrize("mark", [True, False])
def test_only_a_case_about_an_unread_object_has_a_mark(mark: bool) -> None:
    case = replace(OPEN_CASE, unread_since_first_look=mark)
    assert mark_unread_object(build_context(), case, MARKED) == case


@pytest.mark.parametrize(
    ("sources", "old", "expected"),
    [
        (("other",), None, True),
        ((SURFACE,), None, False),
        ((SURFACE,), MARKED, True),
        ((SURFACE,), replace(MARKED, unread_since_first_look=False), False),
        ((SURFACE,), replace(SPENT, closed_at=START - HOUR), False),
    ],
)
def test_the_mark_of_a_new_case_is_set_at_the_first_look_or_kept(
    sources: tuple[str, ...], old: Case | None, expected: bool
) -> None:
    case = replace(MARKED, sources=sources, unread_since_first_look=not expected)
    assert mark_unread_object(build_context(), case, old) == replace(
        case, unread_since_first_look=expected
    )


@pytest.mark.parametrize(
    "kept",
    [
        MARKED,
        replace(SPENT, unread_since_first_look=False),
        replace(SPENT, resolution="exempt"),
        replace(SPENT, notified_at=START),
        replace(SPENT, notification=Notification.CLOSED),
    ],
    ids=["open", "without a mark", "exempt", "notified", "to be notified"],
)
def test_only_rows_that_held_nothing_but_the_mark_are_spent(kept: Case) -> None:
    kept = replace(kept, key="k" * 32)
    assert list(list_spent_marks(build_context(kept, SPENT))) == [SPENT]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, False),
        ({"notified_at": START}, True),
        ({"notification": Notification.CLOSED}, True),
        ({"turn_count": 1}, False),
        ({"unread_since_first_look": True}, True),
    ],
    ids=["untold", "notified", "to be notified", "came back", "mark"],
)
def test_a_closed_case_is_kept_for_its_cards_and_its_mark(
    values: dict[str, Any], expected: bool
) -> None:
    ended = replace(OPEN_CASE, notified_at=None, closed_at=START, resolution="gone")
    assert is_worth_keeping(replace(ended, **values)) is expected
