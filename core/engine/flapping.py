"""Notices what comes and goes, and makes one lasting case of it instead of a card each time. Pure.

    gone, and back within a day                 ─┐
    replaced by another of its kind, and again  ─┴► it flaps ─► absent for a day ─► closed

A case that flaps stays open while its finding is absent. Closing takes patience as opening does.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from core.engine.assess import FindingAssessment
from core.engine.decision_context import DecisionContext
from core.engine.self_findings import SELF_CHECK_KINDS
from core.keys import hash_parts
from core.model.cases import UNDONE, Case, Notification
from core.model.findings import Fact

FLAP_WINDOW = timedelta(days=1)
QUIET_TIME = timedelta(days=1)
# A finding that went and is back has changed twice, one that replaces another once.
MIN_TURNS = 2
MAX_FORMS, MAX_FORM_LENGTH = 5, 80

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
        f"{since:%Y-%m-%d %H:%M} UTC{describe_untold_forms(case)}{absent}",
    )


def describe_untold_forms(case: Case) -> str:
    """What came and went since a card told of it, by number and some by name."""
    if not case.untold_count:
        return ""
    named = "; ".join(case.untold_texts)
    more = case.untold_count - len(case.untold_texts)
    texts = [*filter(None, [named]), *([f"{more:,} more"] if more and named else [])]
    return f"; {case.untold_count:,} forms of it had no card of their own" + (
        f": {'; '.join(texts)}" if texts else ""
    )


def with_turns(case: Case, turn_count: int, since: datetime, absent_since: datetime | None) -> Case:
    """The case with these turns, as its facts say them."""
    others = tuple(fact for fact in case.facts if fact != build_flap_fact(case))
    case = replace(
        case, turn_count=turn_count, flapping_since=since, absent_since=absent_since, facts=others
    )
    return replace(case, facts=(build_flap_fact(case), *others)) if is_flapping(case) else case


def with_untold_forms(case: Case, ended: Iterable[Case]) -> Case:
    """A case that flaps, which also tells of others that ended before a card told of them."""
    texts = list(case.untold_texts)
    count = case.untold_count
    for one in ended:
        count += 1 + one.untold_count
        texts += [*one.untold_texts, one.correlations[0].text if one.correlations else one.summary]
    others = tuple(fact for fact in case.facts if fact != build_flap_fact(case))
    case = replace(
        case,
        untold_count=count,
        untold_texts=tuple(dict.fromkeys(text[:MAX_FORM_LENGTH] for text in texts))[:MAX_FORMS],
    )
    return replace(case, facts=(build_flap_fact(case), *others))


def note_flapping(
    context: DecisionContext,
    assessments: Mapping[str, FindingAssessment],
    ended: Iterable[Case],
) -> dict[str, FindingAssessment]:
    """The assessments of a batch, those of cases that come and go with how often they did."""
    recent: defaultdict[Group, list[Case]] = defaultdict(list)
    for case in (*context.snapshot.cases.values(), *ended):
        if is_recent_end(context, case) or is_waiting(case):
            for name in name_objects(case):
                recent[name, case.kind].append(case)
    return {
        key: replace(view, case=case, changed=case != context.snapshot.cases.get(key))
        if view.case and (case := note_turn(context, view, view.case, recent)) is not view.case
        else view
        for key, view in assessments.items()
    }


def is_recent_end(context: DecisionContext, case: Case) -> bool:
    """Whether a case ended within a day, by itself or each time it was put right."""
    return (
        case.closed_at is not None
        and (
            case.resolution == "gone" or (case.resolution in ("done", UNDONE) and is_flapping(case))
        )
        and not context.has_elapsed(case.closed_at, FLAP_WINDOW)
    )


def is_waiting(case: Case) -> bool:
    """Whether a case that flaps is open, and its finding absent."""
    return case.closed_at is None and case.absent_since is not None and is_flapping(case)


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
        return note_known_turn(context, case)
    before = [one for name in name_objects(case) for one in recent.get((name, case.kind), ())]
    if not before:
        return case
    last = max(before, key=lambda one: (one.turn_count, one.closed_at or one.opened_at))
    is_same = any(one.key == case.key for one in before)
    turns = last.turn_count + (2 if is_same else 1)
    return with_turns(case, turns, last.flapping_since or last.opened_at, None)


def note_known_turn(context: DecisionContext, case: Case) -> Case:
    """An open case, one turn further if it was absent, or goes further again within a day.

    What takes other mail at each look changes its form no less than what has another target.
    """
    known = context.snapshot.cases.get(case.key)
    before = known.widened_at if known else None
    is_further = (
        case.widened_at == context.now
        and before is not None
        and not context.has_elapsed(before, FLAP_WINDOW)
    )
    if is_further and before and not case.flapping_since:
        return with_turns(case, MIN_TURNS, before, None)
    since = case.flapping_since
    if not case.turn_count or not since:
        return case
    turns = case.turn_count + (bool(case.absent_since) or is_further)
    if case.absent_since:
        case = replace(case, clean_at=case.absent_since, found_at=context.read_at)
    return with_turns(case, turns, since, None)


def split_waiting_cases(
    context: DecisionContext,
    assessments: Mapping[str, FindingAssessment],
    ended: Iterable[Case],
) -> tuple[list[Case], list[Case], list[Case]]:
    """The cases that end now, those that flap and have not been absent for a day, and those that
    tell of others; all to save.

    A case ends without a card where one that flaps has taken its place, unless the tenant was
    changed for it and nobody was told; if no card told of it, the other one does.
    """
    ended = list(ended)
    ended_keys = {case.key for case in ended}
    replaced = find_replaced_cases(context, assessments, ended_keys)
    if not ended and not replaced:
        return [], [], []
    successors = find_successors(context, assessments, {*replaced, *ended_keys})
    closing: list[Case] = []
    waiting: list[Case] = []
    untold: defaultdict[str, list[Case]] = defaultdict(list)
    for case in ended:
        known = context.snapshot.cases[case.key]
        absent = known.absent_since
        names = [(name, case.kind) for name in name_objects(case)]
        successor = next((successors[name] for name in names if name in successors), None)
        if successor and case.untold_change_at is None:
            replaced[case.key] = successor
        elif not is_flapping(known) or (absent and context.has_elapsed(absent, QUIET_TIME)):
            closing.append(case)
        elif absent is None:
            since = known.flapping_since or known.opened_at
            waiting.append(with_turns(known, known.turn_count + 1, since, context.now))
    for key, successor in replaced.items():
        case = context.snapshot.cases[key]
        closing.append(end_silently(case, context.now))
        if not case.notified_at:
            untold[successor.key].append(case)
    by_key = {case.key: case for case in (*successors.values(), *replaced.values())}
    telling = [with_untold_forms(by_key[key], cases) for key, cases in untold.items()]
    return closing, waiting, telling


def end_silently(case: Case, now: datetime) -> Case:
    """A case that another one tells of from now on."""
    return replace(case, closed_at=now, resolution="gone", notification=Notification.NONE)


def find_replaced_cases(
    context: DecisionContext,
    assessments: Mapping[str, FindingAssessment],
    ended_keys: Collection[str],
) -> dict[str, Case]:
    """The cases that waited for their finding, by key, each with the new one that took its place.

    An object that is made anew ends before the new one is read: then its case waits already.
    """
    new = {
        (name, view.case.kind): view.case
        for _, view in sorted(assessments.items(), reverse=True)
        if view.is_new and view.case and is_flapping(view.case) and not view.case.closed_at
        for name in name_objects(view.case)
    }
    if not new:
        return {}
    found: dict[str, Case] = {}
    for key, case in context.snapshot.cases.items():
        is_known = key in assessments or key in ended_keys
        if is_known or not is_waiting(case) or case.untold_change_at:
            continue
        names = [(name, case.kind) for name in name_objects(case) if (name, case.kind) in new]
        if names:
            found[key] = new[names[0]]
    return found


def find_successors(
    context: DecisionContext,
    assessments: Mapping[str, FindingAssessment],
    ended_keys: Collection[str],
) -> dict[Group, Case]:
    """The open cases that flap, by what they are known by: of several the first by key."""
    assessed = {key: view.case for key, view in assessments.items() if view.case}
    cases = {
        **{key: case for key, case in context.snapshot.cases.items() if key not in ended_keys},
        **assessed,
    }
    found: dict[Group, Case] = {}
    for _, case in sorted(cases.items()):
        if not case.closed_at and is_flapping(case):
            for name in name_objects(case):
                found.setdefault((name, case.kind), case)
    return found
