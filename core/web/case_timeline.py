"""The history of one case, from its row, its changes and its operator requests. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from core.model.cases import Case
from core.model.changes import ChangeState
from core.model.requests import OperatorRequest, RequestState
from core.status.case_query import CaseDetail
from core.status.case_texts import describe_case_end
from core.status.change_texts import describe_change
from core.web.glossary import (
    CHANGE_STATE_TEXTS,
    REQUEST_KIND_TEXTS,
    REQUEST_STATE_TEXTS,
)


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event: what happened, who did it, and a note. Untrusted text is not escaped yet."""

    at: datetime
    text: str
    actor: str = ""
    note: str = ""
    is_severe: bool = False


def build_case_timeline(detail: CaseDetail) -> tuple[TimelineEvent, ...]:
    """The events of a case, oldest first."""
    events = [
        *list_case_events(detail.case),
        *list_change_events(detail),
        *map(build_request_event, detail.operator_requests),
    ]
    return tuple(sorted(events, key=lambda event: event.at))


def list_case_events(case: Case) -> Iterator[TimelineEvent]:
    """The events of the case itself."""
    found = "Found by the initial scan: pre-existing" if case.baselined else "Found"
    yield TimelineEvent(case.opened_at, found)
    if case.notified_at:
        yield TimelineEvent(case.notified_at, "Last notified")
    if case.acknowledged_at:
        yield TimelineEvent(case.acknowledged_at, "Acknowledged", case.acknowledged_by)
    if case.deferred_at:
        yield TimelineEvent(
            case.deferred_at, "Left to an operator for a week", note=case.note, is_severe=True
        )
    if case.closed_at:
        yield TimelineEvent(case.closed_at, f"Closed. {describe_case_end(case)}", note=case.note)


def list_change_events(detail: CaseDetail) -> Iterator[TimelineEvent]:
    """The changes made for a case, and their undos."""
    for record in detail.changes:
        change = describe_change(record.kind)
        verb = "Undo" if record.undo_of else "Change"
        yield TimelineEvent(
            record.at,
            f"{verb}: {change}: {CHANGE_STATE_TEXTS[record.state]}",
            note=record.note,
            is_severe=record.state in (ChangeState.FAILED, ChangeState.REFUSED),
        )
        if record.undone_at:
            yield TimelineEvent(record.undone_at, f"Undone: {change}")


def build_request_event(request: OperatorRequest) -> TimelineEvent:
    """An operator request and its result."""
    result = REQUEST_STATE_TEXTS[request.state] + (f": {request.note}" if request.note else "")
    return TimelineEvent(
        request.at,
        f"{request.requested_by} {REQUEST_KIND_TEXTS[request.kind]}: {result}",
        note=request.reason,
        is_severe=request.state is RequestState.REFUSED,
    )
