"""Which cases ask for a person, and which of them comes first. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from core.model.cases import Case
from core.model.findings import Severity
from core.status.case_groups import CaseGroup

# For so long an event that is over is on the status page; the ledger holds it a little longer.
EVENT_WINDOW = timedelta(days=1)
# The kinds of cases about Exoguard itself: it misses data or cannot act.
DEGRADED_KINDS = {
    "source-unavailable": "part of the tenant cannot be read",
    "credential": "the app cannot sign in to the tenant",
    "permission-missing": "a permission is missing",
    "listing-shrank": "a listing is a tenth shorter than before",
    "runs-fail": "its runs fail, again and again",
    "scan-stalled": "a scan in shards stalled",
    "shard-failed": "some mailboxes could not be scanned",
    "state-unreadable": "rows of the state cannot be decoded",
    "state-lost": "the memory cannot be right, so nothing is changed",
    "digest-late": "the weekly digest was not sent",
    "channel-unusable": "a channel is out of use",
    "activity-place-lost": "how far audit logs were read was not known",
    "time-impossible": "times in the state cannot be right",
    "assumption-stopped": "Microsoft's services no longer answer as assumed",
}


def needs_attention(case: Case) -> bool:
    """Whether an open case needs an operator: high ones always, medium ones until acknowledged."""
    if case.kind in DEGRADED_KINDS or case.kind == "brake":
        return False
    if case.severity >= Severity.HIGH:
        return True
    return case.severity is Severity.MEDIUM and case.acknowledged_at is None


def is_urgent(case: Case) -> bool:
    """Whether a case is grave, about the tenant, and not acknowledged."""
    return (
        case.severity >= Severity.HIGH
        and case.acknowledged_at is None
        and case.kind not in DEGRADED_KINDS
        and case.kind != "brake"
    )


def list_recent_events(cases: Iterable[Case], now: datetime) -> tuple[Case, ...]:
    """The critical and high events that ended within a day, the most severe and newest first."""
    found = [
        case
        for case in cases
        if case.is_one_off
        and case.severity >= Severity.HIGH
        and case.closed_at
        and now - case.closed_at <= EVENT_WINDOW
    ]
    return tuple(sorted(found, key=rank_event))


def rank_event(case: Case) -> tuple[int, float, str]:
    """A sort key: the most severe first, then the newest."""
    return -case.severity, -case.opened_at.timestamp(), case.key


def rank_urgency(group: CaseGroup) -> tuple[bool, int, float, str]:
    """A sort key: new above what the first look found, the most severe first, then the newest."""
    newest = max(case.opened_at for case in group.cases)
    is_stock = all(case.baselined for case in group.cases)
    return is_stock, -group.severity, -newest.timestamp(), group.lead.key
