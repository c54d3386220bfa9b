"""Which exemptions somebody asked for: pure.

An exemption keeps a guard from telling and from changing, so whoever can write the state table
could blind a guard with a row. Every exemption there rightly is has an action beside it, in the
same partition, that says who asked for it and when it was granted; one that has none is told.
"""

from datetime import datetime, timedelta

from core.model.cases import Exemption
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot

# A change that a person took back is left alone for so long.
UNDO_EXEMPTION_PERIOD = timedelta(days=30)


def build_undo_reason(request: OperatorRequest) -> str:
    """Why the exemption is there that protects what was taken back."""
    return f"a change was taken back: {request.reason}"[:500]


def find_unauthorized_exemptions(snapshot: GuardSnapshot, now: datetime) -> tuple[Exemption, ...]:
    """The exemptions in force that nobody asked for, or not so, by their subjects."""
    restored = {(record.undo_of, record.case_key) for record in snapshot.changes if record.undo_of}
    return tuple(
        exemption
        for _, exemption in sorted(snapshot.exemptions.items())
        if exemption.until > now
        and not any(
            is_exemption_granted_by(action, exemption)
            or is_exemption_from_undo(action, exemption, now, restored)
            for action in snapshot.operator_requests
        )
    )


def is_exemption_granted_by(request: OperatorRequest, exemption: Exemption) -> bool:
    """Whether somebody asked for exactly this, and got it."""
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
    """Whether it keeps a guard from what somebody takes back, or took back.

    `restored` are the changes that were to be taken back, each with its case: a change's own record
    may have grown too old to be kept.
    """
    return (
        request.kind is RequestKind.UNDO
        and request.state is not RequestState.REFUSED
        and (request.subject, exemption.subject) in undone_changes
        and (exemption.granted_by, exemption.reason)
        == (request.requested_by, build_undo_reason(request))
        and exemption.until <= (request.ended_at or now) + UNDO_EXEMPTION_PERIOD
    )
