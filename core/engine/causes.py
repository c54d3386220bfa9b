"""Puts cases down to acts on record: who, when, from where, and what else they did. Pure.

    last look that was clean, or our own change ─► acts that may be the cause ─► look that saw it

A case gets the last act of that time that fits it: an act on its object, or on an object of its
name, of an operation that leads to such a case. Our own acts explain nothing. What came before a
clean look led to nothing that is seen now: it is an earlier change, and blames nobody. Where no
clean look is known, as at a first look, a week is searched. A record proves that somebody did
something to the object, not more: it never opens or ends a case, and a case without one says until
when nothing was found.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.activity.searches import is_search_due as is_query_due
from core.activity.twins import merge_twins
from core.engine.decision_context import IN_EFFECT_STATES
from core.engine.open_folds import OPEN_FOLD_KIND
from core.engine.self_findings import SELF_CHECK_KINDS, UNREADABLE
from core.microsoft365.activity_operations import normalize_operation
from core.microsoft365.method_operations import GIVEN_METHODS, PASSWORD_ACTS, WEAKENED_SIGN_INS
from core.model.activity import Act, ActTarget, Cause, get_hand
from core.model.audit_queries import WishedCase
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord
from core.model.findings import Severity

# What is about no act: Exoguard itself, and a case that holds others.
WITHOUT_CAUSE = frozenset({*SELF_CHECK_KINDS, UNREADABLE, OPEN_FOLD_KIND})
# Clocks of services differ by so much.
CLOCK_TOLERANCE = timedelta(minutes=5)
# So soon what an act changed shows, and after that comes its record.
RECORDED_AFTER = timedelta(minutes=10)
# How long before a case was seen an act may lie where no clean look is known, and an earlier one.
LOOK_BACK = timedelta(days=7)
# The cause of a case is searched for in each run for a day, and then at these ages.
EAGER_FOR = timedelta(days=1)
LATER_LOOKS = (timedelta(hours=48), timedelta(days=7))
# The time of the last search is saved to this step.
SOUGHT_STEP = timedelta(hours=1)
SESSION_WINDOW = timedelta(hours=1)
MAX_BESIDE = 6
MAX_ADDRESSES, MAX_METHODS = 4, 3
METHOD_WINDOW = timedelta(days=1)
PASSWORD_OPERATIONS = frozenset(map(normalize_operation, PASSWORD_ACTS))
METHOD_OPERATIONS = PASSWORD_OPERATIONS.union(
    map(normalize_operation, (*GIVEN_METHODS, *WEAKENED_SIGN_INS))
)
"""What gives an account a way to sign in, or asks less of it."""
# A cause is a part of its case's row.
MAX_NAME, MAX_CLIENT, MAX_DETAIL = 128, 80, 160


@dataclass(frozen=True, slots=True)
class ActIndex:
    """The acts on record that concern one guard, by what they were done to; and all by who."""

    by_name: Mapping[str, Sequence[tuple[Act, ActTarget]]]
    """By every id and name of an object."""
    of_kinds: Sequence[tuple[Act, ActTarget]]
    """Those about the organization, whose kinds of cases say which."""
    by_hand: Mapping[str, Sequence[Act]]
    """By session, or else by actor and address."""
    methods_by_name: Mapping[str, Sequence[Act]]
    """Those that gave an account a sign-in method, by every id and name of the account."""

    @classmethod
    def build(cls, acts: Iterable[Act], guard: str) -> "ActIndex":
        """The index of one guard."""
        by_name: defaultdict[str, list[tuple[Act, ActTarget]]] = defaultdict(list)
        of_kinds: list[tuple[Act, ActTarget]] = []
        by_hand: defaultdict[str, list[Act]] = defaultdict(list)
        methods: defaultdict[str, list[Act]] = defaultdict(list)
        for act in merge_twins(acts):
            by_hand[get_hand(act)].append(act)
            if normalize_operation(act.operation) in METHOD_OPERATIONS:
                for name in {one for target in act.targets for one in target.names}:
                    methods[name].append(act)
            for target in act.targets:
                if target.guard == guard and not act.actor.is_this_app:
                    for name in {target.object_id.casefold(), *target.names} - {""}:
                        by_name[name].append((act, target))
                    if target.kinds and not target.object_id:
                        of_kinds.append((act, target))
        return cls(by_name, of_kinds, by_hand, methods)


def is_search_due(case: Case, now: datetime) -> bool:
    """Whether the cause of a case is to be searched for in this run.

    One that was found is searched for as well: what its session did next, and a nearer act whose
    record comes late.
    """
    if case.closed_at or case.kind in WITHOUT_CAUSE or case.is_one_off:
        return False
    seen_at, sought_at = case.seen_since, case.cause_sought_at
    if sought_at is None or now - seen_at < EAGER_FOR or seen_at > sought_at:
        return True
    return any(sought_at < seen_at + age <= now for age in LATER_LOOKS)


def list_wished(
    cases: Iterable[Case], now: datetime, settling_time: timedelta
) -> Iterator[WishedCase]:
    """The cases without a cause for which the audit log is to be searched. `settling_time` is how
    long a change may take to show.
    """
    for case in cases:
        if case.closed_at or case.kind in WITHOUT_CAUSE or case.is_one_off:
            continue
        seen_at = case.seen_since
        is_explained = case.cause is not None and seen_at <= (case.cause_sought_at or seen_at)
        if not is_explained and is_query_due(seen_at, case.cause_asked_at, now):
            yield WishedCase(case.key, case.kind, get_window(case, settling_time).start)


def get_search_start(cases: Iterable[Case]) -> datetime | None:
    """From when on acts are needed for some cases; None without any."""
    return min((case.seen_since - LOOK_BACK for case in cases), default=None)


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which what a case is about was done; acts at its ends count."""

    start: datetime
    """The last clean look or our own change, less the time that a change may take to show."""
    clean_from: datetime
    """What was on record by then was to be seen by that look: it led to nothing."""
    end: datetime

    def includes(self, act: Act) -> bool:
        """Whether an act may be the cause."""
        is_open = act.at >= self.clean_from or act.seen_at > self.clean_from
        return is_open and self.start <= act.at and act.began_at <= self.end


def get_window(case: Case, settling_time: timedelta, changed_at: datetime | None = None) -> Window:
    """The time in which what a case is about was done: after the last clean look or our own change
    of it, and before the look that saw it.

    A look may be shown for a while what was before a change; our own was read back. A record comes
    later than what it tells shows, unless that takes more than some minutes.
    """
    seen_at = case.seen_since
    start = case.clean_at - settling_time if case.clean_at else seen_at - LOOK_BACK
    start = max(start, changed_at or start)
    is_quick = case.clean_at and settling_time <= RECORDED_AFTER
    clean_from = max(case.clean_at, start) if case.clean_at and is_quick else start
    return Window(start, clean_from, seen_at + CLOCK_TOLERANCE)


def add_cause(
    case: Case,
    index: ActIndex,
    read_at: datetime,
    changes: Iterable[ChangeRecord],
    settling_time: timedelta,
) -> Case:
    """The case with the cause that the acts on record give it, as of when their log was read.
    `settling_time` is how long a change may take to show.

    A cause once found stays unless a later act fits, or what the case says now came after it. A
    case that somebody else changed back is put down to what came after our last change.
    """
    window = get_window(case, settling_time, get_last_change(case, changes))
    # Of one moment, what is on record now may tell more than what was.
    act = find_act(case, index, window.includes)
    causes = [build_cause(date_act(act, window))] if act else []
    causes += [case.cause] if case.cause and case.cause.at >= window.start else []
    cause = max(causes, key=lambda one: one.at, default=None)
    if cause:
        cause = refresh_beside(cause, index)
    earlier = None if cause else find_earlier_change(case, index, window)
    sought_at = case.cause_sought_at
    is_same = (cause, earlier) == (case.cause, case.earlier_change)
    if is_same and sought_at and read_at - sought_at < SOUGHT_STEP:
        return case
    return replace(case, cause=cause, earlier_change=earlier, cause_sought_at=read_at)


def date_act(act: Act, window: Window) -> Act:
    """An act as it is told: of several, which went on after the look, the first."""
    return replace(act, at=act.began_at) if act.at > window.end else act


def find_earlier_change(case: Case, index: ActIndex, window: Window) -> Cause | None:
    """The last act that fits a case and came before its time."""
    since = case.seen_since - LOOK_BACK
    before = [one for one in (case.cause, case.earlier_change) if one]
    act = find_act(
        case,
        index,
        lambda act: since <= act.at < window.clean_from and not window.includes(act),
    )
    if act:
        before.append(build_cause(act))
    return max(before, key=lambda one: one.at, default=None)


def get_last_change(case: Case, changes: Iterable[ChangeRecord]) -> datetime | None:
    """When we last changed what a case is about, before it was seen."""
    made = [
        one.at
        for one in changes
        if one.case_key == case.key
        and one.state in IN_EFFECT_STATES
        and not one.undo_of
        and one.at <= case.seen_since
    ]
    return max(made, default=None)


def find_act(case: Case, index: ActIndex, is_in_time: Callable[[Act], bool]) -> Act | None:
    """The last act of a time that fits a case; one about its very object before one about its
    name.
    """
    wanted = case.object_id.casefold()
    ranked = (
        index.by_name.get(wanted, ()),
        index.by_name.get(case.subject.casefold(), ()),
        index.of_kinds if wanted in ORGANIZATION_IDS else (),
    )
    for pairs in ranked:
        found = [
            act
            for act, target in pairs
            if is_in_time(act) and (not target.kinds or case.kind in target.kinds)
        ]
        if found:
            return max(found, key=lambda act: (act.at, act.key))
    return None


ORGANIZATION_IDS = frozenset({"organization", ""})
"""The object ids of cases about switches of the whole organization."""


def build_cause(act: Act) -> Cause:
    """An act as the cause of a case."""
    return Cause(
        operation=act.operation,
        at=act.at,
        actor=replace(act.actor, name=act.actor.name[:MAX_NAME]),
        log=act.log,
        address=act.address,
        client=act.client[:MAX_CLIENT],
        session=act.session,
        detail=act.detail[:MAX_DETAIL],
        count=act.count,
    )


def refresh_beside(cause: Cause, index: ActIndex) -> Cause:
    """The cause with what else its session did within an hour, as far as that is on record."""
    beside: Counter[str] = Counter()
    addresses = set[str]()
    for act in index.by_hand.get(get_hand(cause), ()):
        is_itself = act.began_at <= cause.at <= act.at and act.operation == cause.operation
        if not is_itself and abs(act.at - cause.at) <= SESSION_WINDOW:
            beside[act.operation] += act.count
            addresses.add(act.address)
    named = tuple(
        f"{name} x {count}" if count > 1 else name for name, count in beside.most_common(MAX_BESIDE)
    )
    return replace(
        cause,
        beside=named,
        beside_count=beside.total(),
        is_same_session=bool(cause.session and beside),
        other_addresses=tuple(sorted(addresses - {"", cause.address}))[:MAX_ADDRESSES]
        if cause.session and cause.address
        else (),
    )


def is_method_due(case: Case, now: datetime) -> bool:
    """Whether the records are to be searched for sign-in methods that the person of a case was
    given: within a day of it, and while such records still come.
    """
    if case.closed_at or case.kind in WITHOUT_CAUSE or case.is_one_off:
        return False
    return now - case.seen_since <= METHOD_WINDOW + EAGER_FOR


def get_method_start(cases: Iterable[Case]) -> datetime | None:
    """From when on acts are needed for the methods of some cases; None without any."""
    return min((case.seen_since - METHOD_WINDOW for case in cases), default=None)


def list_people(case: Case) -> frozenset[str]:
    """The ids and names, in lower case, of whom a case is about, and of who acted."""
    actor = case.cause.actor if case.cause else None
    names = {case.object_id, case.subject, case.held_account}
    names |= {actor.id, actor.name} if actor else set()
    return frozenset(one.casefold() for one in names if one)


def add_methods(case: Case, index: ActIndex) -> Case:
    """The case with the ways to sign in that its person, or who acted, was given within a day.

    It is told again with the first of them: whoever gives themselves a way in means to come back.
    """
    people = list_people(case)
    moments = (case.seen_since, case.cause.at) if case.cause else (case.seen_since,)
    acts = {
        act.key: act
        for name in people
        for act in index.methods_by_name.get(name, ())
        if any(abs(act.at - moment) <= METHOD_WINDOW for moment in moments)
    }
    latest = sorted(acts.values(), key=lambda act: (act.at, act.key), reverse=True)[:MAX_METHODS]
    phrases = tuple(map(describe_method, latest))
    if not phrases or phrases == case.new_methods:
        return case
    ways_in = {describe_method(act) for act in latest if not is_answer(act, case, people)}
    is_first = ways_in and ways_in.isdisjoint(case.new_methods)
    is_told = case.notified_at and not case.notification and case.severity >= Severity.MEDIUM
    told = Notification.CHANGED if is_first and is_told else case.notification
    return replace(case, new_methods=phrases, notification=told)


def describe_method(act: Act) -> str:
    """What was given by whom and when, as a phrase."""
    who = act.actor.name or act.actor.id or "nobody on record"
    return f"{act.operation} by {who[:MAX_NAME]}, {act.at:%Y-%m-%d %H:%M} UTC"


def is_answer(act: Act, case: Case, people: Collection[str]) -> bool:
    """Whether somebody else set a password once the case was told: that is how it is answered."""
    who = {act.actor.id.casefold(), act.actor.name.casefold()} - {""}
    return (
        normalize_operation(act.operation) in PASSWORD_OPERATIONS
        and case.notified_at is not None
        and act.at >= case.notified_at
        and bool(who)
        and who.isdisjoint(people)
    )


def list_changed(before: Iterable[Case], after: Iterable[Case]) -> list[Case]:
    """The cases that have changed."""
    return [new for old, new in zip(before, after, strict=True) if new != old]
