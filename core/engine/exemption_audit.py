"""Finds exemptions that no operator asked for. Pure.

An exemption keeps a guard from notifying and remediating, so whoever can write the state table
could disable a guard with one row. Every legitimate exemption has a request beside it, in the same
partition, that says who asked for it and when it was granted; one without a request is reported.
"""

from datetime import datetime, timedelta

from core.model.cases import Exemption
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot

# An undone change is not repeated for this long.
UNDO_EXEMPTION_PERIOD = timedelta(days=30)


def build_undo_reason(request: OperatorRequest) -> str:
    """The reason of the exemption that protects an undone change."""
    return f"a change was taken back: {request.reason}"[:500]


def find_unauthorized_exemptions(snapshot: GuardSnapshot, now: datetime) -> tuple[Exemption, ...]:
    """The exemptions in force without a matching request, by subject."""
    restored = {(record.undo_of, record.case_key) for record in snapshot.changes if record.undo_of}
    return tuple(
        exemption
        for _, exemption in sorted(snapshot.exemptions.items())
        if exemption.until > now
        and not any(
            is_exemption_granted_by(operator_request, exemption)
            or is_exemption_from_undo(operator_request, exemption, now, restored)
            for operator_request in snapshot.operator_requests
        )
    )


def is_exemption_granted_by(request: OperatorRequest, exemption: Exemption) -> bool:
    """Whether the request asked for exactly this exemption and was granted."""
    if request.kind is not RequestKind.EXEMPT or request.state is not RequestState.DONE:
        return False
    asked = (
        request.subject.strip(),
        request.requested_by.strip()[:200],
        request.reason.strip()[:500],
    )
    return (*asked, request.until) == (
        exemption.subject,
        exemption.granted_by,
        exemption.reason,
        exemption.until,
    )


def is_exemption_from_undo(
    request: OperatorRequest,
    exemption: Exemption,
    now: datetime,
    undone_changes: set[tuple[str, str]],
) -> bool:
    """Whether the exemption belongs to an undo that an operator requested.

    `undone_changes` are the undone changes, each with its case. The record of a change may have
    expired, or be lost with a table: then the request names the case.
    """
    return (
        request.kind is RequestKind.UNDO
        and request.state is not RequestState.REFUSED
        and (
            (request.subject, exemption.subject) in undone_changes
            or request.case_key == exemption.subject
        )
        and (exemption.granted_by, exemption.reason)
        == (request.requested_by, build_undo_reason(request))
        and exemption.until <= (request.ended_at or now) + UNDO_EXEMPTION_PERIOD
    )
