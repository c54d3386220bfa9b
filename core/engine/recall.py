"""What a run still needs of what its guard remembers; the rest is archived. Pure.

A run loads what is here and nothing of the archive, so it reads as much after a year as after a
day. The status page shows the same, and days that are over by their numbers.

    open, pending, intended, in force   stay for as long as they are
    ended lately                        stays for as long as a decision looks back
    many of one object                  the older ones are folded into one
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.engine.exemption_audit import UNDO_EXEMPTION_PERIOD
from core.keys import build_object_key
from core.model.cases import UNDONE, Case, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Fact
from core.model.folded import FOLDED
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot
from core.ports import KEEP_CASES, KEEP_CHANGES

# What comes and goes, and how often operators were told, is judged by the last day.
RECALL_ENDED = timedelta(hours=26)
# A change is contested, and shown as recent, for a week.
RECALL_CHANGED = timedelta(days=8)
RECALL_UNDONE = UNDO_EXEMPTION_PERIOD + timedelta(days=1)
RECALL_REQUESTS = timedelta(days=31)
# An exemption ends within a year; a request that ended one is its proof.
RECALL_EXEMPTION_ENDS = timedelta(days=367)
MAX_RECENT_REQUESTS = 500

MAX_CASES_PER_OBJECT = 50
FOLDED_KIND = "older-cases"


def select_settled_cases(snapshot: GuardSnapshot, now: datetime) -> list[Case]:
    """The closed cases that no decision needs any more."""
    exempt = {one.subject for one in snapshot.exemptions.values() if one.until > now}
    return [
        case
        for case in snapshot.cases.values()
        if is_case_settled(case, now)
        # What was exempted together is known by this row alone.
        and not (case.members and exempt & {case.key, case.object_id})
    ]


def is_case_settled(case: Case, now: datetime) -> bool:
    """Whether no decision needs a case: it was closed, and told, long enough ago.

    A case that was exempt holds what an operator accepted, for as long as it is kept at all.
    """
    if case.closed_at is None or case.notification:
        return False
    if case.resolution in ("exempt", FOLDED):
        recalled = KEEP_CASES
    elif case.resolution in ("done", UNDONE) or case.unread_since_first_look:
        recalled = RECALL_CHANGED
    else:
        recalled = RECALL_ENDED
    return now - max(case.closed_at, case.notified_at or case.closed_at) >= recalled


def select_settled_changes(
    snapshot: GuardSnapshot, followed: Collection[str], now: datetime
) -> list[ChangeRecord]:
    """The changes that no decision needs any more; `followed` are the kinds that the guard asks
    for.
    """
    return [one for one in snapshot.changes if is_change_settled(one, followed, now)]


def is_change_settled(record: ChangeRecord, followed: Collection[str], now: datetime) -> bool:
    """Whether no decision needs the record of a change."""
    if record.state is ChangeState.INTENDED:
        return False
    if record.undo_of:
        recalled = RECALL_UNDONE
    elif record.kind in followed and not record.undone_at:
        recalled = KEEP_CHANGES
    else:
        recalled = RECALL_CHANGED
    return now - record.at >= recalled


def select_settled_requests(snapshot: GuardSnapshot, now: datetime) -> list[OperatorRequest]:
    """The requests that were carried out and told, and prove nothing that is in force."""
    ended = [
        one
        for one in snapshot.operator_requests
        if one.state is not RequestState.REQUESTED
        and one.notified
        and not is_proof(one, now)
        and now - (one.ended_at or one.at) >= RECALL_ENDED
    ]
    newest_first = sorted(ended, key=lambda one: one.id)
    return [
        one
        for number, one in enumerate(newest_first)
        if number >= MAX_RECENT_REQUESTS or now - one.at >= RECALL_REQUESTS
    ]


def is_proof(request: OperatorRequest, now: datetime) -> bool:
    """Whether a request proves that an exemption in force was granted, or that one was ended."""
    ended = request.ended_at or request.at
    if request.kind is RequestKind.EXEMPT:
        return request.until is not None and request.until > now
    if request.kind is RequestKind.UNDO:
        return now - ended < RECALL_UNDONE
    return request.kind is RequestKind.END_EXEMPTION and now - ended < RECALL_EXEMPTION_ENDS


@dataclass(frozen=True, slots=True)
class FoldedObject:
    """The older cases of one object, folded into one."""

    case: Case
    """What stands for them, with those folded before."""
    members: tuple[Case, ...]
    """The cases whose rows are deleted."""


def fold_older_cases(
    cases: Mapping[str, Case], present: Collection[str], now: datetime
) -> Iterator[FoldedObject]:
    """The objects with more closed cases than are remembered of one object.

    `present` are the keys of findings that exist now: what an operator accepted of them is needed.
    Of the cases told within a day, one of each card stays: how often operators were told of the
    object is counted by them.
    """
    by_object: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases.values():
        is_kept = case.resolution == FOLDED or case.members
        if case.closed_at and not case.notification and not is_kept:
            by_object[case.object_id].append(case)
    for object_id, found in by_object.items():
        if members := select_older_cases(found, present, now):
            key = build_object_key(object_id, FOLDED)
            yield FoldedObject(fold_cases(cases.get(key), members, key), members)


def select_older_cases(
    cases: Iterable[Case], present: Collection[str], now: datetime
) -> tuple[Case, ...]:
    """The closed cases of one object that are beyond what is remembered of it."""
    newest = sorted(cases, key=lambda case: (case.closed_at or now, case.key), reverse=True)
    by_card: dict[datetime, str] = {}
    for case in newest:
        if case.notified_at and now - case.notified_at < RECALL_ENDED:
            by_card.setdefault(case.notified_at, case.key)
    needed = {*present, *by_card.values()}
    return tuple(case for case in newest[MAX_CASES_PER_OBJECT:] if case.key not in needed)


def fold_cases(folded: Case | None, members: Iterable[Case], key: str) -> Case:
    """One case that stands for older ones of an object, and for those it stood for before."""
    members = tuple(members)
    every = (*members, folded) if folded else members
    gravest = max(every, key=lambda case: (case.severity, case.closed_at or case.opened_at))
    count = sum(max(case.folded_count, 1) for case in every)
    first = min(case.opened_at for case in every)
    last = max(case.closed_at or case.opened_at for case in every)
    kinds = sorted({case.kind for case in members} - {FOLDED_KIND})
    return replace(
        gravest,
        key=key,
        kind=FOLDED_KIND,
        summary=f"{count:,} older cases of this object were closed; they are kept as this one.",
        facts=(
            Fact("", f"the first was opened on {first:%Y-%m-%d %H:%M} UTC"),
            Fact("", f"the last was closed on {last:%Y-%m-%d %H:%M} UTC"),
            Fact("kinds of those folded last", ", ".join(kinds[:10])),
        ),
        advice="",
        steps=(),
        held_account="",
        sources=(),
        opened_at=first,
        closed_at=last,
        resolution=FOLDED,
        notification=Notification.NONE,
        notified_at=None,
        baselined=False,
        unread_since_first_look=False,
        failure_count=0,
        deferred_at=None,
        note="",
        planned_changes=(),
        correlations=(),
        escalated=False,
        acknowledged_at=None,
        acknowledged_by="",
        turn_count=0,
        flapping_since=None,
        absent_since=None,
        held_since=None,
        plan_hash="",
        held_plans=(),
        told_reaches=(),
        accepted_reaches=None,
        widened_at=None,
        folded_count=count,
    )
