"""What becomes of records and cases once a change was attempted or a message delivered. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from core.engine.case_lifecycle import defer_case, with_notification
from core.engine.flapping import is_flapping
from core.engine.truncation import truncate_record
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Severity, Verdict

MAX_CHANGE_ATTEMPTS = 3


def record_outcomes(
    case: Case | None, attempts: Sequence[tuple[ChangeRecord, Outcome]], now: datetime
) -> tuple[tuple[ChangeRecord, ...], Case | None]:
    """The records and the case after the changes of the case were attempted.

    The case is done when all of its changes are in effect. A refusal, or a change that failed too
    often, defers it to an operator. A change that failed after its first write stays intended: half
    of it may be in effect, and its other half must not be lost with the finding.
    """
    records = tuple(
        truncate_record(
            replace(
                record,
                state=ChangeState.INTENDED if outcome.is_partially_applied else outcome.state,
                at=now,
                note=outcome.note,
                before=record.before or outcome.before,
            )
        )
        for record, outcome in attempts
    )
    outcomes = [outcome for _, outcome in attempts if outcome.state is not ChangeState.SUPERSEDED]
    if case is None or not outcomes:
        return records, case
    before, case = (
        case,
        replace(case, note=next(o.note for o in sorted(outcomes, key=rank_outcome))),
    )
    if any(outcome.state is ChangeState.APPLIED for outcome in outcomes):
        case = replace(case, untold_change_at=now)
    if all(outcome.state is ChangeState.APPLIED for outcome in outcomes):
        return records, replace(
            case, closed_at=now, resolution="done", notification=Notification.DONE
        )
    refused = [outcome for outcome in outcomes if outcome.state is ChangeState.REFUSED]
    for outcome in refused:
        if outcome.verdict not in (None, Verdict.REFUSED):
            return records, defer_case(case, outcome.verdict, now)
    if any(outcome.lacks_permission for outcome in outcomes):
        return records, with_notification(
            case, Notification.CHANGED
        ) if case.note != before.note else case
    # A refusal without a known reason may be temporary; the verdict in the end says which it was.
    case = replace(case, failure_count=case.failure_count + 1)
    verdict = Verdict.REFUSED if refused else Verdict.FAILED
    return records, defer_case(
        case, verdict, now
    ) if case.failure_count >= MAX_CHANGE_ATTEMPTS else case


def is_recent_card(case: Case, now: datetime) -> bool:
    """Whether the last card about a case or its key is less than a day old."""
    return bool(case.card_times) and abs(now - case.card_times[-1]) < timedelta(days=1)


# More than an object is told of within a day.
MAX_CARD_TIMES = 8


def rank_outcome(outcome: Outcome) -> int:
    """Sort key: the outcome that an operator must see comes first."""
    message = (ChangeState.REFUSED, ChangeState.FAILED, ChangeState.APPLIED)
    return message.index(outcome.state)


def mark_notified(cases: Iterable[Case], now: datetime) -> tuple[Case, ...]:
    """The cases without a pending notification, notified at this time."""
    return tuple(
        replace(
            case,
            notification=Notification.NONE,
            notified_at=now,
            untold_change_at=None,
            flap_told_at=now if is_flapping(case) else case.flap_told_at,
            card_times=(*case.card_times, now)[-MAX_CARD_TIMES:],
            card_severity=max(
                case.severity,
                case.card_severity if is_recent_card(case, now) else Severity.INFO,
            ),
        )
        for case in cases
    )
