"""Limits how often operators are told of one object or by one guard, without losing anything. Pure.

A notification beyond a ceiling stays pending, and goes out with all others of its object when the
next card is due. What is critical, and graver than all that was told of its object lately, never
waits; what is high waits for no more than the ceiling of its guard. What comes and goes has a card
a day, and one more when the tenant was changed for what that card told as open.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from core.engine.flapping import is_flapping, name_objects
from core.engine.self_findings import RECURRING_PATIENCE, SELF_CHECK_KINDS
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
    told: defaultdict[str, list[Case]] = defaultdict(list)
    sent: set[datetime] = set()
    for case in cases:
        if times := list_recent_cards(case, now):
            sent |= times
            for name in name_objects(case):
                told[name].append(case)
    is_guard_quiet = len(sent) < CARDS_PER_GUARD or now - max(sent) >= GUARD_PAUSE
    due = []
    for case in pending:
        before = [one for name in name_objects(case) for one in told[name]]
        passes = is_graver(case, before) and (is_guard_quiet or case.severity is Severity.CRITICAL)
        if passes or (is_guard_quiet and is_object_due(case, before, now)):
            due.append(case)
    return tuple(due)


def list_recent_cards(case: Case, now: datetime) -> set[datetime]:
    """When cards reported a case, or an earlier one of its key, within a day."""
    return {at for at in case.card_times if is_within_day(at, now)}


def was_flap_told(case: Case, now: datetime) -> bool:
    """Whether a card said within a day that a case, or an earlier one of its key, comes and goes.

    A form that was there before is a case anew each time, and no news.
    """
    return case.flap_told_at is not None and is_within_day(case.flap_told_at, now)


def is_within_day(at: datetime, now: datetime) -> bool:
    """Whether a time lies within the last day. One in the future holds nothing back."""
    return -MAX_TIME_AHEAD <= now - at < DAY


def may_come_back(case: Case, now: datetime) -> bool:
    """Whether another look has to confirm the end of a case before it is told."""
    if case.notification is not Notification.CLOSED or case.resolution != "gone":
        return False
    patience = (
        CLOSING_PATIENCE if case.kind not in SELF_CHECK_KINDS else RECURRING_PATIENCE.get(case.kind)
    )
    return (
        patience is not None
        and case.closed_at is not None
        and case.closed_at - case.opened_at < DAY
        and abs(now - case.closed_at) < patience
    )


def is_graver(case: Case, told: Iterable[Case]) -> bool:
    """Whether a case is at least high, and graver than all that was told of its object lately."""
    return case.severity >= Severity.HIGH and all(case.severity > one.card_severity for one in told)


def is_object_due(case: Case, told: Iterable[Case], now: datetime) -> bool:
    """Whether another card about the object of a case may be sent."""
    times = {at for one in told for at in list_recent_cards(one, now)}
    if len(times) >= CARDS_PER_OBJECT and now - max(times) < OBJECT_PAUSE:
        return False
    if not is_flapping(case) or answers_card(case):
        return True
    return not any(one.kind == case.kind and was_flap_told(one, now) for one in told)


def answers_card(case: Case) -> bool:
    """Whether the tenant was changed for what a card told as open: nobody is to do it once more.

    What comes back after that is a case anew, and its card is a day away: so there is one of these
    for each card.
    """
    return case.notification is Notification.DONE and case.notified_at is not None
