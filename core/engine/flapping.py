"""Notices what comes and goes, and makes one lasting case of it instead of a card each time. Pure.

    gone, and back within a day                 ─┐
    replaced by another of its kind, and again  ─┴► it flaps ─► absent for a day ─► closed

A case that flaps stays open while its finding is absent. Closing takes patience as opening does.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from core.engine.assess import FindingAssessment
from core.engine.decision_context import DecisionContext
from core.engine.self_findings import SELF_CHECK_KINDS
from core.keys import hash_parts
from core.model.cases import Case, Notification
from core.model.findings import Fact

FLAP_WINDOW = timedelta(days=1)
QUIET_TIME = timedelta(days=1)
# A finding that went and is back has changed twice, one that replaces another once.
MIN_TURNS = 2

type Group = tuple[str, str]  # the object, the kind of the finding


def is_flapping(case: Case) -> bool:
    """Whether a case, or those it follows on, came and went often enough to be one story."""
    return case.turn_count >= MIN_TURNS


def name_objects(case: Case) -> tuple[str, str]:
    """The object of a case, by its id and by its name: one that is made anew has another id."""
    return case.object_id, hash_parts(case.kind, case.subject)


def build_flap_fact(case: Case) -> Fact:
    """How often and since when a finding came and went, and whether it is there now."""
    since = case.flapping_since or case.opened_at
    absent = (
        f"; it has not been there since {case.absent_since:%Y-%m-%d %H:%M} UTC"
        if case.absent_since
        else ""
    )
    return Fact(
        "",
        f"it comes and goes, or changes its form: {case.turn_count} times since "
        f"{since:%Y-%m-%d %H:%M} UTC{absent}",
    )


def with_turns(case: Case, turn_count: int, since: datetime, absent_since: datetime | None) -> Case:
    """The case with these turns, as its facts say them."""
    others = tuple(fact for fact in case.facts if fact != build_flap_fact(case))
    case = replace(
        case, turn_count=turn_count, flapping_since=since, absent_since=absent_since, facts=others
    )
    return replace(case, facts=(build_flap_fact(case), *others)) if is_flapping(case) else case


def note_flapping(
    context: DecisionContext,
    assessments: Mapping[str, FindingAssessment],
    ended: Iterable[Case],
) -> dict[str, FindingAssessment]:
    """The assessments of a batch, those of cases that come and go with how often they did."""
    recent: defaultdict[Group, list[Case]] = defaultdict(list)
    for case in (*context.snapshot.cases.values(), *ended):
        if (
            case.closed_at
            and case.resolution == "gone"
            and not context.has_elapsed(case.closed_at, FLAP_WINDOW)
        ):
            for name in name_objects(case):
                recent[name, case.kind].append(case)
    return {
        key: replace(view, case=case, changed=case != context.snapshot.cases.get(key))
        if view.case and (case := note_turn(context, view, view.case, recent)) is not view.case
        else view
        for key, view in assessments.items()
    }


def note_turn(
    context: DecisionContext,
    view: FindingAssessment,
    case: Case,
    recent: Mapping[Group, list[Case]],
) -> Case:
    """The case, if it came back, or follows on one that went."""
    if case.closed_at or case.kind in SELF_CHECK_KINDS or case.is_one_off:
        return case
    if not view.is_new:
        return note_known_turn(case)
    before = [one for name in name_objects(case) for one in recent.get((name, case.kind), ())]
    if not before:
        return case
    last = max(before, key=lambda one: (one.turn_count, one.closed_at or one.opened_at))
    is_same = any(one.key == case.key for one in before)
    turns = last.turn_count + (2 if is_same else 1)
    return with_turns(case, turns, last.flapping_since or last.opened_at, None)


def note_known_turn(case: Case) -> Case:
    """An open case, one turn further if it was absent."""
    if not case.turn_count or not case.flapping_since:
        return case
    turns = case.turn_count + bool(case.absent_since)
    return with_turns(case, turns, case.flapping_since, None)


def split_waiting_cases(
    context: DecisionContext,
    assessments: Mapping[str, FindingAssessment],
    ended: Iterable[Case],
) -> tuple[list[Case], list[Case]]:
    """The cases that end now, and those that flap and have not been absent for a day, to save.

    A case ends without a card where one that flaps has taken its place.
    """
    flapping = {
        (name, view.case.kind)
        for view in assessments.values()
        if view.case and not view.case.closed_at and is_flapping(view.case)
        for name in name_objects(view.case)
    }
    closing: list[Case] = []
    waiting: list[Case] = []
    for case in ended:
        known = context.snapshot.cases[case.key]
        absent = known.absent_since
        if any((name, case.kind) in flapping for name in name_objects(case)):
            closing.append(replace(case, notification=Notification.NONE))
        elif not is_flapping(known) or (absent and context.has_elapsed(absent, QUIET_TIME)):
            closing.append(case)
        elif absent is None:
            since = known.flapping_since or known.opened_at
            waiting.append(with_turns(known, known.turn_count + 1, since, context.now))
    return closing, waiting
