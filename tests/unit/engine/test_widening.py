"""What goes further than was told or accepted is told again, and nothing else is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.adapters.table_storage.codec import decode_stored_record, encode_stored_record
from core.engine.reconcile import reconcile_batch
from core.engine.request_decisions import decide_request
from core.engine.widening import (
    BEYOND_EXEMPTION_FACT,
    REFRESH_AFTER,
    close_as_exempt,
    list_widening_facts,
    mark_beyond_exemption,
)
from core.model.cases import Case, Exemption, Notification
from core.model.findings import Fact, Finding
from core.model.reach import Reach, Selection
from core.model.requests import OperatorRequest, RequestKind
from core.model.state import GuardSnapshot
from tests.support.decisions import DAY, KEY, STATE, build_finding, build_scene
from tests.support.fakes.clock import START

HOUR = timedelta(hours=1)
NEWS = Reach.of(["send"], [Selection.of("subjectContains", ["news"])])
BANK = Reach.of(["send"], [Selection.of("subjectContains", ["bank"])])
ALL = Reach.of(["send"])


def finding(*reaches: Reach) -> Finding:
    return replace(build_finding(), reaches=reaches)


def run(
    found: Finding, case: Case | None, hours: int, exemption: Exemption | None = None
) -> tuple[Case, ...]:
    memory = GuardSnapshot(
        cases={case.key: case} if case else {},
        exemptions={exemption.subject: exemption} if exemption else {},
        state=STATE,
    )
    scene, part = build_scene(memory, now=START + hours * HOUR)
    return reconcile_batch(scene, part, [found]).cases


def told(case: Case, hours: int) -> Case:
    """The case after its card was delivered."""
    return replace(case, notification=Notification.NONE, notified_at=START + hours * HOUR)


def open_told(*reaches: Reach) -> Case:
    (case,) = run(finding(*reaches), None, 0)
    return told(case, 0)


def accepted(case: Case) -> Case:
    """The case after an operator exempted it."""
    request = OperatorRequest(
        "q1", RequestKind.EXEMPT, KEY, "me", "known", START, until=START + 90 * DAY
    )
    memory = GuardSnapshot(cases={KEY: case}, state=STATE)
    rows = decide_request(request, memory, START + HOUR, "r1").rows
    return next(row for row in rows if isinstance(row, Case))


EXEMPTION = Exemption(KEY, "me", "known", START + 90 * DAY)
OF_OBJECT = Exemption("a", "me", "known", START + 90 * DAY)


@pytest.mark.parametrize("wider", [(ALL,), (NEWS, BANK)], ids=["condition gone", "second rule"])
def test_an_open_case_that_goes_further_is_told_again_and_only_once(
    wider: tuple[Reach, ...],
) -> None:
    case = open_told(NEWS)
    assert run(finding(NEWS), case, 1) == ()
    (again,) = run(finding(*wider), case, 1)
    assert again.notification is Notification.CHANGED
    assert any("goes further" in str(fact) for fact in again.facts)
    assert run(finding(*wider), told(again, 1), 2) == ()
    (narrowed,) = run(finding(NEWS), told(again, 1), 2) or (told(again, 1),)
    assert narrowed.notification is Notification.NONE
    assert all(one.notification is Notification.NONE for one in run(finding(*wider), narrowed, 3))


def test_an_acknowledgement_ends_when_the_case_goes_further() -> None:
    known = replace(open_told(NEWS), acknowledged_at=START, acknowledged_by="me")
    assert run(finding(NEWS), known, 1) == ()
    (again,) = run(finding(ALL), known, 1)
    assert (again.notification, again.acknowledged_at) == (Notification.CHANGED, None)


@pytest.mark.parametrize("exemption", [EXEMPTION, OF_OBJECT], ids=["case", "object"])
def test_an_exemption_covers_what_it_accepted_and_nothing_that_goes_further(
    exemption: Exemption,
) -> None:
    ended = accepted(open_told(NEWS))
    assert ended.resolution == "exempt"
    assert run(finding(NEWS), ended, 2, exemption) == ()
    (wider,) = run(finding(ALL), ended, 2, exemption)
    assert (wider.closed_at, wider.notification) == (None, Notification.OPENED)
    assert BEYOND_EXEMPTION_FACT in wider.facts
    # It stays open in the next run, although the exemption is in force.
    assert run(finding(ALL), told(wider, 2), 3, exemption) == ()
    (back,) = run(finding(NEWS), told(wider, 2), 3, exemption)
    assert (back.resolution, back.notification) == ("exempt", Notification.NONE)
    (once_more,) = run(finding(ALL), back, 4, exemption)
    assert once_more.notification is Notification.OPENED


def test_a_second_exemption_accepts_what_the_first_did_not() -> None:
    (wider,) = run(finding(ALL), accepted(open_told(NEWS)), 2, EXEMPTION)
    assert run(finding(ALL), accepted(told(wider, 2)), 3, EXEMPTION) == ()


@pytest.mark.parametrize("exemption", [EXEMPTION, OF_OBJECT], ids=["case", "object"])
def test_an_exemption_older_than_any_case_accepts_what_is_there_first(
    exemption: Exemption,
) -> None:
    (noted,) = run(finding(NEWS), None, 0, exemption)
    assert (noted.resolution, noted.notification) == ("exempt", Notification.NONE)
    assert run(finding(NEWS), noted, 1, exemption) == ()
    (wider,) = run(finding(NEWS, BANK), noted, 2, exemption)
    assert wider.notification is Notification.OPENED


def test_an_exemption_that_was_granted_by_hand_accepts_what_was_told() -> None:
    (ended,) = run(finding(NEWS), open_told(NEWS), 1, EXEMPTION)
    assert ended.resolution == "exempt"
    (wider,) = run(finding(ALL), open_told(NEWS), 1, EXEMPTION)
    assert wider.notification is Notification.CHANGED


def test_the_row_that_remembers_what_was_accepted_is_renewed_before_it_is_deleted() -> None:
    ended = accepted(open_told(NEWS))
    days = REFRESH_AFTER // HOUR + 2
    (renewed,) = run(finding(NEWS), ended, days, EXEMPTION)
    assert renewed == replace(ended, closed_at=START + days * HOUR)


def test_an_exemption_of_the_object_does_not_cover_what_needs_one_of_its_own() -> None:
    hidden = replace(finding(NEWS), needs_own_exemption=True)
    (case,) = run(hidden, None, 0, OF_OBJECT)
    assert case.notification is Notification.OPENED
    (ended,) = run(hidden, None, 0, EXEMPTION)
    assert ended.resolution == "exempt"


def test_a_case_keeps_how_far_it_went_when_it_is_stored() -> None:
    case = accepted(open_told(NEWS, BANK))
    assert decode_stored_record(Case, encode_stored_record(case)) == case


# -- what an exemption leaves behind --------------------------------------------------------------


def test_an_exempt_finding_without_a_case_leaves_a_closed_one_to_compare_with() -> None:
    found = replace(finding(NEWS), facts=(Fact("", "to x@evil.example"),))
    assert close_as_exempt(START, KEY, found, None) == Case(
        key=KEY,
        kind=found.kind,
        object_id=found.object_id,
        subject=found.subject,
        severity=found.severity,
        guard_verdict=found.verdict,
        verdict=found.verdict,
        summary=found.summary,
        opened_at=START,
        facts=found.facts,
        sources=found.sources,
        closed_at=START,
        resolution="exempt",
        told_reaches=(NEWS,),
        accepted_reaches=(NEWS,),
    )


@pytest.mark.parametrize(("told_reaches", "expected"), [((NEWS,), (NEWS,)), ((), (BANK,))])
def test_a_closed_case_accepts_what_was_told_or_else_what_is_there(
    told_reaches: tuple[Reach, ...], expected: tuple[Reach, ...]
) -> None:
    old = replace(open_told(NEWS), closed_at=START, told_reaches=told_reaches)
    assert close_as_exempt(START + HOUR, KEY, finding(BANK), old) == replace(
        old, accepted_reaches=expected, closed_at=START + HOUR
    )


def test_a_closed_case_is_renewed_when_its_time_has_come_and_not_before() -> None:
    old = replace(open_told(NEWS), closed_at=START, accepted_reaches=(NEWS,))
    due = START + REFRESH_AFTER
    assert close_as_exempt(due - HOUR, KEY, finding(NEWS), old) is None
    assert close_as_exempt(due, KEY, finding(NEWS), old) == replace(old, closed_at=due)


@pytest.mark.parametrize(("accepted_reaches", "expected"), [(None, (NEWS,)), ((BANK,), (BANK,))])
def test_what_goes_beyond_an_exemption_is_news_and_keeps_what_was_accepted(
    accepted_reaches: tuple[Reach, ...] | None, expected: tuple[Reach, ...]
) -> None:
    old = replace(open_told(NEWS), accepted_reaches=accepted_reaches)
    case = replace(open_told(ALL), baselined=True)
    assert mark_beyond_exemption(case, old) == replace(
        case, accepted_reaches=expected, baselined=False
    )


def test_a_case_that_goes_further_says_since_when() -> None:
    case = open_told(NEWS)
    assert list(list_widening_facts(case)) == []
    since = replace(case, widened_at=START)
    assert list(list_widening_facts(since)) == [
        Fact("", f"it goes further than was told before {START:%Y-%m-%d %H:%M} UTC")
    ]
