"""The status, and a case, as JSON: for status.json, cases.json and whoever else reads by program.

Names are promises: they are added to and never change their meaning. Times are ISO 8601 in UTC,
spans are seconds. Foreign words stand as they are; whoever shows them has to escape them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import Duty
from core.model.requests import Action
from core.status.daily_history import Day
from core.status.guard_status import Coverage, Decision, Pardon, Reason, Timing, Untold
from core.status.overview import GuardStatus, Status
from core.status.run_history import Run

VERSION = 1

type Json = dict[str, object]


def document(status: Status) -> Json:
    """The whole status."""
    return {
        "version": VERSION,
        "at": status.at.isoformat(),
        "health": str(status.health),
        "reasons": [reason(one) for one in status.reasons],
        "open": levels(status.levels),
        "untold": untold(status.untold),
        "guards": [guard(one) for one in status.guards],
        "decisions": [decision(one) for one in status.decisions],
        "changes": [change(record, of.name) for of, record in status.lately],
        "exemptions": [pardon(one) for one in status.pardons],
        "actions": [action(one, of.name) for of, one in status.actions],
        "permissions": permissions(status),
        "history": [day(one) for one in status.history],
    }


def reason(one: Reason) -> Json:
    """Why something is not well."""
    return {"health": str(one.health), "guard": one.guard or None, "text": one.text}


def levels(counts: Mapping[Severity, int]) -> Json:
    """Cases by severity, every severity that can be told, and their sum."""
    told = [severity for severity in reversed(Severity) if severity is not Severity.INFO]
    return {
        "all": sum(counts.values()),
        **{severity.label: counts.get(severity, 0) for severity in told},
    }


def guard(one: GuardStatus) -> Json:
    """One guard."""
    day_old, week_old, month_old, older = one.ages
    return {
        "guard": one.name,
        "title": one.title,
        "health": str(one.health),
        "mode": str(one.duty.mode),
        "reasons": [reason(row) for row in one.reasons],
        **timing(one.timing),
        "coverage": coverage(one.coverage) if one.coverage else None,
        "open": levels(one.levels),
        "ages": {
            "within_a_day": day_old,
            "within_a_week": week_old,
            "within_30_days": month_old,
            "older": older,
        },
        "decisions": len(one.decisions),
        "changes_lately": len(one.lately),
        "exemptions": sum(row.in_force for row in one.pardons),
        "missing_permissions": [case.subject for case in one.lacking],
        "untold": untold(one.untold),
        "rows_not_understood": one.poisoned,
        "unreadable": one.unreadable or None,
    }


def timing(one: Timing) -> Json:
    """When a guard looked and when it has to."""
    going_on = one.progress
    return {
        "schedule": one.schedule,
        "schedule_in_words": one.words,
        "last_run": run(one.last) if one.last else None,
        "last_complete_look": iso(one.looked),
        "never_looked": one.never,
        "next_due": iso(one.due),
        "late": bool(one.late),
        "late_seconds": seconds(one.late),
        "missed": iso(one.missed),
        "run_asked_for": iso(one.asked),
        "going_on": going_on
        and {
            "began": iso(going_on.began),
            "pieces_done": going_on.pieces,
            "pieces": going_on.total,
            "pieces_busy": going_on.busy,
            "times_stalled": going_on.stalled,
        },
    }


def run(one: Run) -> Json:
    """A run in short; GET /api/runs/{guard}/{run} has all of it."""
    return {
        "run": one.run,
        "status": one.status,
        "mode": one.mode,
        "began": iso(one.began),
        "ended": iso(one.ended),
        "error": one.error or None,
    }


def coverage(one: Coverage) -> Json:
    """How much was read."""
    return {
        "at": iso(one.at),
        "of": one.noun,
        "seen": one.seen,
        "population": one.population,
        "unread": one.unread,
        "left": one.left,
        "not_seen_at_all": list(one.blind),
        "share": round(one.share, 4),
    }


def untold(one: Untold) -> Json:
    """What the channel has not heard."""
    return {"cases": one.cases, "actions": one.actions, "oldest": iso(one.oldest)}


def decision(one: Decision) -> Json:
    """What waits for a person."""
    plan: Json = {
        "plan": one.plan,
        "would_change": [{"kind": kind, "subject": subject} for kind, subject in one.would],
        "list_is_exact": one.exact,
    }
    return {
        "guard": one.guard,
        "kind": one.kind,
        "subject": one.subject,
        "summary": one.summary,
        "since": iso(one.since),
        "severity": one.severity.label,
        "case": one.case or None,
        "acknowledged": one.acknowledged,
        **(plan if one.kind == "plan" else {}),
    }


def change(record: ChangeRecord, guard: str) -> Json:
    """A change of the tenant, with what was there before."""
    return {
        "guard": guard,
        "change": record.id,
        "case": record.case,
        "kind": record.kind,
        "subject": record.subject,
        "arguments": dict(record.arguments),
        "before": dict(record.before),
        "outcome": str(record.state),
        "at": iso(record.at),
        "run": record.run,
        "note": record.note,
        "restores": record.restores or None,
        "undone": iso(record.undone),
    }


def pardon(one: Pardon) -> Json:
    """An exemption and what it is about."""
    return {
        "guard": one.guard,
        **exemption(one.exemption),
        "named": one.named or None,
        "case": one.case or None,
        "in_force": one.in_force,
        "ends_soon": one.soon,
    }


def exemption(one: Exemption) -> Json:
    """An exemption as it was decided."""
    return {"subject": one.subject, "who": one.who, "why": one.why, "until": iso(one.until)}


def action(one: Action, guard: str) -> Json:
    """Something a person asked for."""
    return {
        "guard": guard,
        "action": one.id,
        "deed": str(one.deed),
        "subject": one.subject or None,
        "who": one.who,
        "why": one.why,
        "signed_in": one.signed_in or None,
        "at": iso(one.at),
        "until": iso(one.until),
        "status": str(one.state),
        "ended": iso(one.ended),
        "note": one.note or None,
    }


def permissions(status: Status) -> Json:
    """What guards lack, and what the app has beside what they need; null where nobody knows."""
    rights = status.rights
    return {
        "missing": [
            {"guard": of.name, "permission": one.subject, "optional": one.severity is Severity.LOW}
            | {"case": one.key, "since": iso(one.opened), "advice": one.advice}
            for of, one in status.lacking
        ],
        "excess": list(rights.too_much),
        "excess_known_since": iso(rights.at),
        "graph_known": rights.grants.app_roles is not None,
        "exchange_known": rights.grants.cmdlets is not None,
    }


def day(one: Day) -> Json:
    """One day of the history."""
    return {
        "day": one.day.isoformat(),
        "open": levels(one.open),
        "opened": one.opened,
        "closed": one.closed,
        "changes": one.changes,
    }


# ----------------------------------------------------------------------------------------------
# Cases
# ----------------------------------------------------------------------------------------------


def case_row(case: Case, guard: str) -> Json:
    """A case as a list of cases shows it."""
    return {
        "guard": guard,
        "case": case.key,
        "short": case.short,
        "state": "closed" if case.closed else "open",
        "severity": case.severity.label,
        "verdict": str(case.verdict),
        "kind": case.kind,
        "subject": case.subject,
        "summary": case.summary,
        "opened": iso(case.opened),
        "closed": iso(case.closed),
        "closing": case.closing or None,
        "told": iso(case.told),
        "acknowledged": iso(case.acknowledged),
        "acknowledged_by": case.acknowledged_by or None,
    }


def case_document(
    duty: Duty,
    case: Case,
    changes: Iterable[ChangeRecord] = (),
    exemption_of: Exemption | None = None,
    actions: Iterable[Action] = (),
) -> Json:
    """A case with all that is known of it."""
    name = duty.guard.name
    return {
        "version": VERSION,
        **case_row(case, name),
        "title": duty.guard.title,
        "why": duty.guard.why,
        "object": case.object_id,
        "judged": str(case.judged),
        "facts": list(case.facts),
        "advice": case.advice or None,
        "note": case.note or None,
        "news": str(case.news) or None,
        "set_aside": iso(case.set_aside),
        "adopted": case.adopted,
        "event": case.event,
        "shared": list(case.shared),
        "failures": case.failures,
        "changes": [change(record, name) for record in changes],
        "exemption": exemption(exemption_of) if exemption_of else None,
        "actions": [action(one, name) for one in actions],
    }


def cases_document(rows: Sequence[tuple[str, Case]], total: int, page: int, pages: int) -> Json:
    """One page of a list of cases: pairs of a guard's name and a case."""
    return {
        "version": VERSION,
        "total": total,
        "page": page,
        "pages": pages,
        "cases": [case_row(case, guard) for guard, case in rows],
    }


def iso(moment: datetime | None) -> str | None:
    """A time as JSON has it."""
    return moment.isoformat() if moment else None


def seconds(length: timedelta) -> int:
    """A span as JSON has it."""
    return int(length.total_seconds())
