"""Which case follows on which: what came back, what took another's place, and how often."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.engine.assess import FindingAssessment
from core.engine.decision_context import DecisionContext
from core.engine.flapping import (
    MAX_FORM_LENGTH,
    MAX_FORMS,
    MIN_TURNS,
    QUIET_TIME,
    build_flap_fact,
    describe_untold_forms,
    end_silently,
    name_objects,
    note_flapping,
    split_waiting_cases,
    with_turns,
    with_untold_forms,
)
from core.model.cases import UNDONE, Case, Notification
from core.model.findings import Correlation, Fact
from core.model.guards import Mode
from core.model.runs import ReportedFinding
from core.model.state import GuardSnapshot
from tests.support.cases import build_case
from tests.support.decisions import CONFIG, build_finding
from tests.support.fakes.clock import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OLD = START - 9 * DAY


def case(number: int, **values: Any) -> Case:
    """A case of one mailbox, opened long ago."""
    return build_case(number, **{"object_id": "m", "subject": "m@x", "opened_at": OLD, **values})


def flapping(number: int, **values: Any) -> Case:
    return case(number, **{"turn_count": 5, "flapping_since": OLD, **values})


def context(*cases: Case) -> DecisionContext:
    snapshot = GuardSnapshot(cases={one.key: one for one in cases})
    return DecisionContext(CONFIG, Mode.ALERT, "run", snapshot, START)


def views(cases: Iterable[Case], *, is_new: bool = True) -> dict[str, FindingAssessment]:
    """What a look made of the findings of some cases."""
    return {
        one.key: FindingAssessment(
            ReportedFinding(one.key, build_finding(one.object_id), "new", "external"),
            one,
            is_new=is_new,
        )
        for one in cases
    }


def note(new: Case, *before: Case, is_new: bool = True, ended: Iterable[Case] = ()) -> Case:
    """The case of a finding, after those that were there before."""
    known = context(*before)
    found = note_flapping(known, views([new], is_new=is_new), ended)[new.key].case
    assert found
    return found


# How it is said -----------------------------------------------------------------------------------


def test_a_case_that_turned_once_says_nothing_of_it_and_twice_it_does() -> None:
    once = with_turns(case(1, facts=(Fact("rule", "x"),)), MIN_TURNS - 1, OLD, None)
    assert once.facts == (Fact("rule", "x"),)
    twice = with_turns(once, MIN_TURNS, OLD, START)
    assert twice.facts == (build_flap_fact(twice), Fact("rule", "x"))
    assert (twice.turn_count, twice.flapping_since, twice.absent_since) == (2, OLD, START)
    # What was said before is said anew, and not beside it.
    more = with_turns(twice, 3, OLD, None)
    assert more.facts == (build_flap_fact(more), Fact("rule", "x"))
    assert with_turns(more, 1, OLD, None).facts == (Fact("rule", "x"),)


def test_without_a_begin_it_comes_and_goes_since_it_was_opened() -> None:
    text = "it comes and goes, or changes its form: 3 times since 2026-11-{} 06:00 UTC"
    assert build_flap_fact(case(1, turn_count=3)) == Fact("", text.format(11))
    since = flapping(1, turn_count=3, flapping_since=OLD + DAY)
    assert build_flap_fact(since) == Fact("", text.format(12))


@pytest.mark.parametrize(
    ("count", "texts", "said"),
    [
        (0, (), ""),
        (1_200, (), "; 1,200 forms of it had no card of their own"),
        (2, ("a", "b"), "; 2 forms of it had no card of their own: a; b"),
        (1_202, ("a", "b"), "; 1,202 forms of it had no card of their own: a; b; 1,200 more"),
    ],
)
def test_forms_without_a_card_are_counted_and_named(
    count: int, texts: tuple[str, ...], said: str
) -> None:
    assert describe_untold_forms(case(1, untold_count=count, untold_texts=texts)) == said


def test_forms_are_named_by_what_they_share_or_say_once_and_in_few_words() -> None:
    ended = [
        case(2, correlations=(Correlation.of("x", "mail to x"), Correlation.of("y", "mail to y"))),
        case(3, summary="It forwards."),
        case(4, summary="It forwards."),
        case(5, summary="z" * 999, untold_count=2, untold_texts=("before",)),
    ]
    told = with_untold_forms(flapping(1, untold_count=1, untold_texts=("first",)), ended)
    assert told.untold_count == 1 + 4 + 2
    assert told.untold_texts == ("first", "mail to x", "It forwards.", "before", "z" * 80)
    assert len(told.untold_texts) == MAX_FORMS
    assert len(told.untold_texts[-1]) == MAX_FORM_LENGTH
    assert told.facts == (build_flap_fact(told),)
    # What was said before is said anew.
    again = with_untold_forms(replace(told, facts=(*told.facts, Fact("rule", "x"))), [case(6)])
    assert again.facts == (build_flap_fact(again), Fact("rule", "x"))


def test_what_has_one_name_and_is_of_two_kinds_is_two_objects() -> None:
    assert name_objects(case(1))[1] != name_objects(case(1, kind="rule"))[1]
    assert name_objects(case(1)) == name_objects(case(2))


# What follows on what -----------------------------------------------------------------------------

GONE: Mapping[str, Any] = {"closed_at": START - HOUR, "resolution": "gone"}


def test_what_is_back_has_turned_twice_and_another_form_once() -> None:
    assert note(case(1), case(1, **GONE)).turn_count == 2
    other = note(case(2), case(1, **GONE))
    assert (other.turn_count, other.flapping_since) == (1, OLD)
    assert note(case(2), flapping(1, **GONE)).turn_count == 6
    # One that ends in this look counts as well.
    assert note(case(2), ended=[case(1, **GONE)]).turn_count == 1


@pytest.mark.parametrize(
    ("before", "follows"),
    [
        (case(1, **GONE), True),
        (case(1, **{**GONE, "closed_at": START - DAY + HOUR}), True),
        (case(1, **{**GONE, "closed_at": START - DAY}), False),
        (case(1, closed_at=START - HOUR, resolution="done"), False),
        (flapping(1, closed_at=START - HOUR, resolution="done"), True),
        (flapping(1, closed_at=START - HOUR, resolution=UNDONE), True),
        (flapping(1, closed_at=START - HOUR, resolution="exempt"), False),
        (flapping(1, absent_since=START - HOUR), True),
        (flapping(1), False),
        (flapping(1, absent_since=START - HOUR, closed_at=OLD, resolution="gone"), False),
        (case(1, absent_since=START - HOUR), False),
        # Of another kind, or of another object of another name.
        (case(1, kind="rule", **GONE), False),
        (case(1, object_id="n", subject="n@x", **GONE), False),
        # Made anew it has another id, and renamed another name.
        (case(1, object_id="n", **GONE), True),
        (case(1, subject="n@x", **GONE), True),
    ],
)
def test_a_new_case_follows_on_what_went_lately_or_is_away(before: Case, follows: bool) -> None:
    assert bool(note(case(2), before).turn_count) is follows


def test_of_several_before_the_one_that_turned_most_counts() -> None:
    few = flapping(1, turn_count=3, flapping_since=OLD + DAY, **GONE)
    many = flapping(2, turn_count=7, **GONE)
    found = note(case(3), few, many)
    assert (found.turn_count, found.flapping_since) == (8, OLD)
    # Of two that turned as often, the one that went last; one that is only away is there.
    late = flapping(4, turn_count=7, flapping_since=OLD + DAY, closed_at=START, resolution="gone")
    early = replace(many, opened_at=OLD + HOUR)
    assert note(case(3), early, late).flapping_since == OLD + DAY
    away = flapping(5, turn_count=7, flapping_since=OLD + 2 * DAY, absent_since=START)
    assert note(case(3), away, late).flapping_since == OLD + DAY
    # Back among others it has turned twice.
    assert note(case(1), few, many).turn_count == 9


@pytest.mark.parametrize(
    "new", [case(1, closed_at=START), case(1, kind="brake"), case(1, is_one_off=True)]
)
def test_what_is_closed_an_event_or_of_the_engine_itself_does_not_flap(new: Case) -> None:
    gone = replace(new, closed_at=START - HOUR, resolution="gone", is_one_off=False)
    assert note(new, gone) == new


def test_a_known_case_turns_when_it_is_there_again() -> None:
    away = flapping(1, absent_since=START - HOUR)
    back = note(away, away, is_new=False)
    assert (back.turn_count, back.absent_since) == (6, None)
    assert (back.clean_at, back.found_at) == (START - HOUR, context(away).read_at)
    there = flapping(1)
    still = note(there, there, is_new=False)
    assert (still.turn_count, still.clean_at, still.found_at) == (5, None, None)
    calm = case(1)
    assert note(calm, calm, is_new=False) == calm


@pytest.mark.parametrize(
    ("before", "now", "turns"),
    [
        (START - HOUR, START, MIN_TURNS),
        (START - DAY, START, 0),
        (None, START, 0),
        (START - HOUR, START - HOUR, 0),
    ],
)
def test_what_goes_further_again_within_a_day_comes_and_goes(
    before: Any, now: Any, turns: int
) -> None:
    found = note(case(1, widened_at=now), case(1, widened_at=before), is_new=False)
    assert found.turn_count == turns
    assert found.flapping_since == (before if turns else None)
    more = note(flapping(1, widened_at=now), flapping(1, widened_at=before), is_new=False)
    assert more.turn_count == 5 + bool(turns)


def test_only_a_case_that_turned_is_saved_anew() -> None:
    calm, back = case(1, object_id="n", subject="n@x"), case(2)
    known = context(calm, case(2, **GONE))
    found = note_flapping(known, views([calm, back]), ())
    assert (found[calm.key].changed, found[back.key].changed) == (False, True)


# What ends ----------------------------------------------------------------------------------------


def split(
    ended: Iterable[Case], *known: Case, new: Iterable[Case] = ()
) -> tuple[list[Case], list[Case], list[Case]]:
    return split_waiting_cases(context(*known), views(new), ended)


def end(one: Case) -> Case:
    return replace(one, closed_at=START, resolution="gone", notification=Notification.CLOSED)


def test_what_never_flapped_ends_with_a_card() -> None:
    calm = case(1)
    assert split([end(calm)], calm) == ([end(calm)], [], [])


def test_what_flaps_waits_for_a_day_and_ends_then() -> None:
    there = flapping(1)
    assert split([end(there)], there) == ([], [with_turns(there, 6, OLD, START)], [])
    since = flapping(1, flapping_since=OLD + DAY)
    assert split([end(since)], since)[1] == [with_turns(since, 6, OLD + DAY, START)]
    unknown = flapping(1, flapping_since=None)
    assert split([end(unknown)], unknown)[1] == [with_turns(unknown, 6, OLD, START)]
    away = flapping(1, absent_since=START - QUIET_TIME + HOUR)
    assert split([end(away)], away) == ([], [], [])
    gone = flapping(1, absent_since=START - QUIET_TIME)
    assert split([end(gone)], gone) == ([end(gone)], [], [])


def test_what_another_takes_the_place_of_ends_silently_and_is_told_by_it_if_it_never_was() -> None:
    told = case(1, notified_at=OLD, notification=Notification.OPENED)
    successor = flapping(2)
    closing, waiting, telling = split([end(told)], told, successor)
    assert closing == [end_silently(told, START)]
    assert (closing[0].closed_at, closing[0].resolution) == (START, "gone")
    assert closing[0].notification is Notification.NONE
    assert (waiting, telling) == ([], [])
    untold = case(1)
    closing, _, telling = split([end(untold)], untold, successor)
    assert closing == [end_silently(untold, START)]
    assert telling == [with_untold_forms(successor, [untold])]


def test_where_the_tenant_was_changed_and_nobody_was_told_the_end_is_told() -> None:
    changed = case(1, untold_change_at=OLD)
    assert split([end(changed)], changed, flapping(2)) == ([end(changed)], [], [])


@pytest.mark.parametrize(
    "other",
    [
        flapping(2, kind="rule"),
        flapping(2, object_id="n", subject="n@x"),
        flapping(2, closed_at=OLD),
        case(2),
    ],
)
def test_only_an_open_case_of_the_kind_and_object_that_flaps_takes_a_place(other: Case) -> None:
    calm = case(1)
    assert split([end(calm)], calm, other)[0] == [end(calm)]


def test_of_several_successors_the_first_by_key_tells() -> None:
    untold, first, second = case(1), flapping(2), flapping(3)
    telling = split([end(untold)], untold, second, first)[2]
    assert [one.key for one in telling] == [first.key]


def test_what_waited_ends_when_another_form_is_there() -> None:
    away = flapping(1, absent_since=START - HOUR)
    new = flapping(2, object_id="n")
    closing, waiting, telling = split([], away, new=[new])
    assert closing == [end_silently(away, START)]
    assert waiting == []
    assert telling == [with_untold_forms(new, [away])]
    assert split([], replace(away, notified_at=OLD), new=[new])[2] == []
    # Whatever else there is, and by the first of several.
    calm, third = case(9), flapping(3, object_id="n")
    closing, _, telling = split([], calm, away, new=[third, new])
    assert (closing, [one.key for one in telling]) == ([end_silently(away, START)], [new.key])


@pytest.mark.parametrize(
    ("waiting", "new"),
    [
        (flapping(1, absent_since=START - HOUR, untold_change_at=OLD), flapping(2)),
        (flapping(1), flapping(2)),
        (case(1, absent_since=START - HOUR), flapping(2)),
        (flapping(1, absent_since=START - HOUR), case(2)),
        (flapping(1, absent_since=START - HOUR), flapping(2, kind="rule")),
        (flapping(1, absent_since=START - HOUR), flapping(2, closed_at=START)),
    ],
)
def test_nothing_else_that_waits_ends_for_a_new_case(waiting: Case, new: Case) -> None:
    assert split([], waiting, new=[new]) == ([], [], [])


def test_a_case_that_this_look_speaks_of_waits_for_no_other() -> None:
    away = flapping(1, absent_since=START - HOUR)
    new = flapping(2)
    assert split([], away, new=[new, away]) == ([], [], [])
    # One that is absent still is what it was.
    assert split([end(away)], away, new=[]) == ([], [], [])


def test_only_a_new_case_takes_the_place_of_one_that_waits() -> None:
    away = flapping(1, absent_since=START - HOUR)
    known = views([flapping(2)], is_new=False)
    assert split_waiting_cases(context(away), known, []) == ([], [], [])
