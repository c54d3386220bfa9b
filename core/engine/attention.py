"""Limits how often operators are told of one object or by one guard, without losing anything. Pure.

A notification beyond a ceiling stays pending, and goes out with all others of its object when the
next card is due. What is graver than all that was told of its object lately never waits.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from core.engine.flapping import is_flapping, name_objects
from core.engine.self_findings import SELF_CHECK_KINDS
from core.model.cases import Case, Notification
from core.model.findings import Severity
from core.model.state import MAX_TIME_AHEAD

DAY = timedelta(days=1)
CARDS_PER_OBJECT, OBJECT_PAUSE = 4, timedelta(hours=8)
CARDS_PER_GUARD, GUARD_PAUSE = 24, timedelta(hours=1)
# What went soon after it came may be back at the next look.
CLOSING_PATIENCE = timedelta(minutes=10)


def select_due_notifications(cases: Iterable[Case], now: datetime) -> tuple[Case, ...]:
    """The cases with a pending notification that may be sent now."""
    cases = tuple(cases)
    pending = [case for case in cases if case.notification and not may_come_back(case, now)]
    if not pending:
        return ()
    recent = [case for case in cases if was_told_lately(case, now)]
    told: defaultdict[str, list[Case]] = defaultdict(list)
    for case in recent:
        for name in name_objects(case):
            told[name].append(case)
    sent = {case.notified_at for case in recent if case.notified_at}
    is_guard_quiet = len(sent) < CARDS_PER_GUARD or now - max(sent) >= GUARD_PAUSE
    due = []
    for case in pending:
        before = [one for name in name_objects(case) for one in told[name]]
        if is_graver(case, before) or (is_guard_quiet and is_object_due(case, before, now)):
            due.append(case)
    return tuple(due)


def was_told_lately(case: Case, now: datetime) -> bool:
    """Whether a card reported a case within a day. One dated in the future holds nothing back."""
    return case.notified_at is not None and -MAX_TIME_AHEAD <= now - case.notified_at < DAY


def may_come_back(case: Case, now: datetime) -> bool:
    """Whether another look has to confirm the end of a case before it is told."""
    return (
        case.notification is Notification.CLOSED
        and case.resolution == "gone"
        and case.kind not in SELF_CHECK_KINDS
        and case.closed_at is not None
        and case.closed_at - case.opened_at < DAY
        and abs(now - case.closed_at) < CLOSING_PATIENCE
    )


def is_graver(case: Case, told: Iterable[Case]) -> bool:
    """Whether a case is at least high, and graver than all that was told of its object lately."""
    return case.severity >= Severity.HIGH and all(case.severity > one.severity for one in told)


def is_object_due(case: Case, told: Iterable[Case], now: datetime) -> bool:
    """Whether another card about the object of a case may be sent."""
    times = {one.notified_at for one in told if one.notified_at}
    if len(times) >= CARDS_PER_OBJECT and now - max(times) < OBJECT_PAUSE:
        return False
    return not is_flapping(case) or not any(
        is_flapping(one) and one.kind == case.kind for one in told
    )
