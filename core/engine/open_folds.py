"""Folds open cases of an object beyond a bound into one, and finds them there again. Pure.

    more than 50 open cases of an object ─► the least grave, and of these the oldest ─► one case
    a finding of one of them at a later look ─► known; told again if it goes further
    gone at a later look ─► one less; the case that holds them ends with the last of them

What is kept of each is exact (`core.model.folded`): nothing new passes for something known.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched

from core.engine.recall import MAX_CASES_PER_OBJECT
from core.engine.self_findings import SELF_CHECK_KINDS, UNREADABLE
from core.engine.self_remedies import build_fold_remedy
from core.keys import PREFIX_LENGTH, build_object_key
from core.model.cases import Case, Notification
from core.model.findings import Fact, Finding
from core.model.folded import (
    MAX_MEMBERS,
    FoldedMember,
    format_members,
    hash_extent,
    hash_plan,
    parse_members,
)

OPEN_FOLD_KIND = "more-cases"
# Settings of the organization and rows of the state: cases there are of no one's making.
SHARED_PLACES = frozenset({"organization", "authorization-policy", "state"})
# Rows that one transaction deletes.
FOLD_GROUP = 90
MAX_CARD_TIMES = 8
MAX_QUOTED = 200


@dataclass(frozen=True, slots=True)
class FoldedPlace:
    """Where a case is kept that has no row of its own."""

    fold_key: str
    is_open: bool
    """False where it was exempted together with the others."""
    member: FoldedMember


@dataclass(frozen=True, slots=True)
class OpenFold:
    """A case as it stands for more, and the cases whose rows are deleted for it."""

    case: Case
    members: tuple[Case, ...] = ()


def list_members(fold: Case) -> tuple[FoldedMember, ...]:
    """The cases that one holds."""
    return parse_members(fold.key[:PREFIX_LENGTH], fold.members)


def index_folded(cases: Iterable[Case]) -> dict[str, FoldedPlace]:
    """Where each folded case is kept, by its key."""
    holding = [case for case in cases if case.members]
    return {
        member.key: FoldedPlace(fold.key, fold.closed_at is None, member)
        for fold in sorted(holding, key=lambda case: (case.closed_at is None, case.key))
        for member in list_members(fold)
    }


def fold_open_cases(
    cases: Mapping[str, Case],
    findings: Mapping[str, Finding],
    recalled: Collection[str],
    now: datetime,
) -> Iterator[OpenFold]:
    """The objects with more open cases than are kept apart, in steps of one transaction each.

    `findings` are those of this scan, by key: what was not seen in it is not folded. `recalled` are
    the cases that have no row of their own already.
    """
    by_object: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases.values():
        if case.closed_at is None and not case.members and case.key not in recalled:
            by_object[case.object_id].append(case)
    for object_id, found in by_object.items():
        excess = len(found) - MAX_CASES_PER_OBJECT
        if excess <= 0 or object_id in SHARED_PLACES:
            continue
        folding = [case for case in found if case.key in findings and is_foldable(case)]
        ranked = sorted(folding, key=lambda case: (case.severity, case.opened_at, case.key))
        folds = [
            case
            for case in cases.values()
            if case.members and case.closed_at is None and case.object_id == object_id
        ]
        yield from fold_object(ranked[:excess], folds, findings, now)


def fold_object(
    folding: Iterable[Case], folds: Iterable[Case], findings: Mapping[str, Finding], now: datetime
) -> Iterator[OpenFold]:
    """Cases of one object in the cases that hold them: those of other sources in another one."""
    by_sources: defaultdict[tuple[str, ...], list[Case]] = defaultdict(list)
    for case in folding:
        by_sources[case.sources].append(case)
    known = {fold.sources: fold for fold in folds if len(list_members(fold)) < MAX_MEMBERS}
    for sources, group in by_sources.items():
        for part in batched(group, FOLD_GROUP, strict=False):
            fold = known.get(sources)
            if fold and len(list_members(fold)) + len(part) > MAX_MEMBERS:
                fold = None
            fold = add_members(fold, part, findings, now)
            known[sources] = fold
            yield OpenFold(fold, part)


def is_foldable(case: Case) -> bool:
    """Whether all that matters of an open case is in its finding, and it was told.

    What comes and goes, failed, is contested, was acknowledged or goes beyond an exemption stays a
    case of its own; so does an event, which ends by itself.
    """
    return not (
        case.notification
        or case.notified_at is None
        or case.kind in (*SELF_CHECK_KINDS, UNREADABLE)
        or case.is_one_off
        or case.deferred_at
        or case.failure_count
        or case.acknowledged_at
        or case.turn_count
        or case.absent_since
        or case.accepted_reaches
        or case.unread_since_first_look
    )


def build_member(case: Case, finding: Finding) -> FoldedMember:
    """What is kept of a case, by its finding at the last look."""
    return FoldedMember(
        key=case.key,
        severity=case.severity,
        opened_at=case.opened_at,
        extent=hash_extent(finding),
        plan=hash_plan(finding),
        held_since=case.held_since,
        baselined=case.baselined or case.accepted_reaches is not None,
        escalated=case.escalated,
    )


def add_members(
    fold: Case | None, cases: tuple[Case, ...], findings: Mapping[str, Finding], now: datetime
) -> Case:
    """The case that holds these and those it held before; a new one if there is none."""
    gravest = max(cases, key=lambda case: (case.severity, case.opened_at))
    times = {at for case in (*cases, *([fold] if fold else [])) for at in case.card_times}
    told = [case.notified_at for case in (*cases, *([fold] if fold else [])) if case.notified_at]
    base = fold or Case(
        key=build_object_key(gravest.object_id, OPEN_FOLD_KIND, gravest.sources, now.isoformat()),
        kind=OPEN_FOLD_KIND,
        object_id=gravest.object_id,
        subject=gravest.subject,
        severity=gravest.severity,
        guard_verdict=gravest.guard_verdict,
        verdict=gravest.verdict,
        summary="",
        opened_at=gravest.opened_at,
        sources=gravest.sources,
    )
    members = {one.key: one for one in list_members(base)}
    members |= {case.key: build_member(case, findings[case.key]) for case in cases}
    base = replace(
        base,
        notified_at=max(told, default=now),
        card_times=tuple(sorted(times))[-MAX_CARD_TIMES:],
        card_severity=max(case.card_severity for case in (*cases, base)),
        # An acknowledgement was about fewer.
        acknowledged_at=None,
        acknowledged_by="",
        folded_count=base.folded_count + len(members) - len(list_members(base)),
    )
    if gravest.severity >= base.severity:
        quoted = Fact("", f"one of the gravest: {gravest.summary[:MAX_QUOTED]}")
        base = replace(base, verdict=gravest.verdict, guard_verdict=gravest.guard_verdict)
        base = replace(
            base,
            subject=gravest.subject,
            facts=(quoted,),
            held_account=gravest.held_account,
        )
    return describe_fold(base, members.values())


def describe_fold(fold: Case, members: Iterable[FoldedMember]) -> Case:
    """The case with these members, as its texts tell of them."""
    members = tuple(members)
    quoted = [fact for fact in fold.facts if fact.text.startswith("one of the gravest: ")]
    grades = [one.severity for one in members]
    counts = [
        f"{grades.count(grade):,} {grade.label}" for grade in sorted(set(grades), reverse=True)
    ]
    ended = fold.folded_count - len(members)
    first = min(one.opened_at for one in members)
    return replace(
        fold,
        members=format_members(members),
        severity=max(grades),
        opened_at=first,
        summary=f"{len(members):,} more cases of this object are open; they are kept as this one.",
        facts=(
            Fact("", ", ".join(counts)),
            Fact("", f"the first was opened on {first:%Y-%m-%d %H:%M} UTC"),
            *([Fact("", f"{ended:,} more were among them and are over")] if ended else []),
            *quoted[:1],
        ),
        steps=build_fold_remedy(fold.object_id),
        advice="Each was told when it was found. Deal with the object as a whole: so many findings "
        "of one object are seldom an accident. To accept them as they are now, exempt this case.",
    )


def drop_members(fold: Case, gone: Collection[str], moved: Collection[str], now: datetime) -> Case:
    """The case without members that are over, and without those that are cases of their own again.

    It ends with the last of them.
    """
    members = list_members(fold)
    left = [one for one in members if one.key not in gone and one.key not in moved]
    if len(left) == len(members) and left:
        return fold
    moved_count = sum(one.key in moved for one in members)
    fold = replace(fold, folded_count=max(fold.folded_count - moved_count, 1))
    if left:
        return describe_fold(fold, left)
    is_over = moved_count < len(members)
    return replace(
        fold,
        members="",
        closed_at=now,
        resolution="gone",
        notification=Notification.CLOSED if is_over else Notification.NONE,
        summary=f"All {fold.folded_count:,} cases that were kept as this one are over."
        if is_over
        else "The cases that were kept as this one are cases of their own again.",
    )


def list_stale_folds(
    cases: Mapping[str, Case], recalled: Collection[str], now: datetime
) -> Iterator[Case]:
    """The cases that hold members which have a row of their own, without these: a row is newer."""
    for fold in cases.values():
        if fold.members and fold.closed_at is None:
            own = {
                one.key
                for one in list_members(fold)
                if one.key in cases and one.key not in recalled
            }
            if own:
                yield drop_members(fold, (), own, now)
