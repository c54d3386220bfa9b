"""The status, and a case, as JSON: for status.json, cases.json and whoever else reads by program.

Names are promises: they are added to and never change their meaning. Times are ISO 8601 in UTC,
spans are seconds. Foreign words stand as they are; whoever shows them has to escape them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest
from core.status.daily_history import DailyCounts
from core.status.guard_status import (
    ExemptionView,
    HealthReason,
    PendingDecision,
    PendingNotifications,
    ScanCoverage,
    ScanTiming,
)
from core.status.overview import GuardStatus, TenantStatus
from core.status.run_history import RunSummary

DOCUMENT_VERSION = 1

type JsonObject = dict[str, object]


def status_to_json(status: TenantStatus) -> JsonObject:
    """The whole status."""
    return {
        "version": DOCUMENT_VERSION,
        "at": status.at.isoformat(),
        "health": str(status.health),
        "reasons": [reason_to_json(one) for one in status.reasons],
        "open": severity_counts_to_json(status.open_by_severity),
        "pending_notifications": pending_to_json(status.pending),
        "guards": [guard_status_to_json(one) for one in status.guards],
        "decisions": [decision_to_json(one) for one in status.decisions],
        "changes": [change_record_to_json(record, of.name) for of, record in status.recent_changes],
        "exemptions": [exemption_view_to_json(one) for one in status.exemptions],
        "actions": [operator_request_to_json(one, of.name) for of, one in status.operator_requests],
        "permissions": permissions_to_json(status),
        "history": [daily_counts_to_json(one) for one in status.history],
    }


def reason_to_json(one: HealthReason) -> JsonObject:
    """Why something is not well."""
    return {"health": str(one.health), "guard": one.guard or None, "text": one.text}


def severity_counts_to_json(counts: Mapping[Severity, int]) -> JsonObject:
    """Cases by severity, every severity that can be told, and their sum."""
    told = [severity for severity in reversed(Severity) if severity is not Severity.INFO]
    return {
        "all": sum(counts.values()),
        **{severity.label: counts.get(severity, 0) for severity in told},
    }


def guard_status_to_json(one: GuardStatus) -> JsonObject:
    """One guard."""
    day_old, week_old, month_old, older = one.open_by_age
    return {
        "guard": one.name,
        "title": one.title,
        "health": str(one.health),
        "mode": str(one.config.mode),
        "reasons": [reason_to_json(row) for row in one.reasons],
        **timing_to_json(one.timing),
        "coverage": coverage_to_json(one.coverage) if one.coverage else None,
        "open": severity_counts_to_json(one.open_by_severity),
        "ages": {
            "within_a_day": day_old,
            "within_a_week": week_old,
            "within_30_days": month_old,
            "older": older,
        },
        "decisions": len(one.decisions),
        "recent_changes": len(one.recent_changes),
        "exemptions": sum(row.in_force for row in one.exemptions),
        "missing_permissions": [case.subject for case in one.missing_permissions],
        "pending_notifications": pending_to_json(one.pending),
        "rows_not_understood": one.unreadable_rows,
        "unreadable": one.read_error or None,
    }


def timing_to_json(one: ScanTiming) -> JsonObject:
    """When a guard looked and when it has to."""
    going_on = one.progress
    return {
        "schedule": one.schedule,
        "schedule_in_words": one.schedule_text,
        "last_run": run_summary_to_json(one.last_run) if one.last_run else None,
        "last_complete_look": time_to_json(one.last_complete_at),
        "never_looked": one.never_scanned,
        "next_due": time_to_json(one.next_due_at),
        "late": bool(one.late_by),
        "late_seconds": duration_to_json(one.late_by),
        "missed": time_to_json(one.missed_due_at),
        "run_asked_for": time_to_json(one.run_requested_at),
        "going_on": going_on
        and {
            "began": time_to_json(going_on.started_at),
            "pieces_done": going_on.shards_done,
            "pieces": going_on.shards_total,
            "pieces_busy": going_on.shards_busy,
            "times_stalled": going_on.stalled_count,
        },
    }


def run_summary_to_json(one: RunSummary) -> JsonObject:
    """A run in short; GET /api/runs/{guard}/{run} has all of it."""
    return {
        "run": one.run,
        "status": one.status,
        "mode": one.mode,
        "began": time_to_json(one.started_at),
        "ended": time_to_json(one.finished_at),
        "error": one.error or None,
    }


def coverage_to_json(one: ScanCoverage) -> JsonObject:
    """How much was read."""
    return {
        "at": time_to_json(one.at),
        "of": one.noun,
        "seen": one.read_count,
        "population": one.population,
        "unread": one.unread_count,
        "left": one.remaining_count,
        "not_seen_at_all": list(one.unavailable_sources),
        "share": round(one.share, 4),
    }


def pending_to_json(one: PendingNotifications) -> JsonObject:
    """What the channel has not heard."""
    return {
        "cases": one.case_count,
        "actions": one.request_count,
        "oldest": time_to_json(one.oldest_at),
    }


def decision_to_json(one: PendingDecision) -> JsonObject:
    """What waits for a person."""
    plan: JsonObject = {
        "plan": one.plan,
        "would_change": [
            {"kind": kind, "subject": subject} for kind, subject in one.planned_changes
        ],
        "list_is_exact": one.is_exact,
    }
    return {
        "guard": one.guard,
        "kind": one.kind,
        "subject": one.subject,
        "summary": one.summary,
        "since": time_to_json(one.since),
        "severity": one.severity.label,
        "case": one.case_key or None,
        "acknowledged": one.acknowledged,
        **(plan if one.kind == "plan" else {}),
    }


def change_record_to_json(record: ChangeRecord, guard: str) -> JsonObject:
    """A change of the tenant, with what was there before."""
    return {
        "guard": guard,
        "change": record.id,
        "case": record.case_key,
        "kind": record.kind,
        "subject": record.subject,
        "arguments": dict(record.arguments),
        "before": dict(record.before),
        "outcome": str(record.state),
        "at": time_to_json(record.at),
        "run": record.run,
        "note": record.note,
        "restores": record.undo_of or None,
        "undone": time_to_json(record.undone_at),
    }


def exemption_view_to_json(one: ExemptionView) -> JsonObject:
    """An exemption and what it is about."""
    return {
        "guard": one.guard,
        **exemption_to_json(one.exemption),
        "named": one.subject_name or None,
        "case": one.case_key or None,
        "in_force": one.in_force,
        "ends_soon": one.ends_soon,
    }


def exemption_to_json(one: Exemption) -> JsonObject:
    """An exemption as it was decided."""
    return {
        "subject": one.subject,
        "who": one.granted_by,
        "why": one.reason,
        "until": time_to_json(one.until),
    }


def operator_request_to_json(one: OperatorRequest, guard: str) -> JsonObject:
    """Something a person asked for."""
    return {
        "guard": guard,
        "action": one.id,
        "kind": str(one.kind),
        "subject": one.subject or None,
        "who": one.requested_by,
        "why": one.reason,
        "signed_in": one.authenticated_as or None,
        "at": time_to_json(one.at),
        "until": time_to_json(one.until),
        "status": str(one.state),
        "ended": time_to_json(one.ended_at),
        "note": one.note or None,
    }


def permissions_to_json(status: TenantStatus) -> JsonObject:
    """What guards lack, and what the app has beside what they need; null where nobody knows."""
    rights = status.permissions
    return {
        "missing": [
            {"guard": of.name, "permission": one.subject, "optional": one.severity is Severity.LOW}
            | {"case": one.key, "since": time_to_json(one.opened_at), "advice": one.advice}
            for of, one in status.missing_permissions
        ],
        "excess": list(rights.excess_names),
        "excess_known_since": time_to_json(rights.known_since),
        "graph_known": rights.grants.app_roles is not None,
        "exchange_known": rights.grants.cmdlets is not None,
    }


def daily_counts_to_json(one: DailyCounts) -> JsonObject:
    """One day of the history."""
    return {
        "day": one.day.isoformat(),
        "open": severity_counts_to_json(one.open_by_severity),
        "opened": one.opened_count,
        "closed": one.closed_count,
        "changes": one.change_count,
    }


# ----------------------------------------------------------------------------------------------
# Cases
# ----------------------------------------------------------------------------------------------


def case_summary_to_json(case: Case, guard: str) -> JsonObject:
    """A case as a list of cases shows it."""
    return {
        "guard": guard,
        "case": case.key,
        "short": case.short_key,
        "state": "closed" if case.closed_at else "open",
        "severity": case.severity.label,
        "verdict": str(case.verdict),
        "kind": case.kind,
        "subject": case.subject,
        "summary": case.summary,
        "opened": time_to_json(case.opened_at),
        "closed": time_to_json(case.closed_at),
        "closing": case.resolution or None,
        "told": time_to_json(case.notified_at),
        "acknowledged": time_to_json(case.acknowledged_at),
        "acknowledged_by": case.acknowledged_by or None,
    }


def case_detail_to_json(
    config: GuardConfig,
    case: Case,
    changes: Iterable[ChangeRecord] = (),
    exemption_of: Exemption | None = None,
    requests: Iterable[OperatorRequest] = (),
) -> JsonObject:
    """A case with all that is known of it."""
    name = config.guard.name
    return {
        "version": DOCUMENT_VERSION,
        **case_summary_to_json(case, name),
        "title": config.guard.title,
        "why": config.guard.rationale,
        "object": case.object_id,
        "judged": str(case.guard_verdict),
        "facts": list(case.facts),
        "advice": case.advice or None,
        "note": case.note or None,
        "news": str(case.notification) or None,
        "set_aside": time_to_json(case.deferred_at),
        "adopted": case.baselined,
        "event": case.is_one_off,
        "shared": list(case.correlation_keys),
        "failures": case.failure_count,
        "changes": [change_record_to_json(record, name) for record in changes],
        "exemption": exemption_to_json(exemption_of) if exemption_of else None,
        "actions": [operator_request_to_json(one, name) for one in requests],
    }


def case_page_to_json(
    rows: Sequence[tuple[str, Case]], total: int, page: int, page_count: int
) -> JsonObject:
    """One page of a list of cases: pairs of a guard's name and a case."""
    return {
        "version": DOCUMENT_VERSION,
        "total": total,
        "page": page,
        "pages": page_count,
        "cases": [case_summary_to_json(case, guard) for guard, case in rows],
    }


def time_to_json(moment: datetime | None) -> str | None:
    """A time as JSON has it."""
    return moment.isoformat() if moment else None


def duration_to_json(length: timedelta) -> int:
    """A span as JSON has it."""
    return int(length.total_seconds())
