"""A run's report as a JSON document: in the HTTP API, in the run row and in the sandbox."""

import json
from collections.abc import Iterable, Mapping

from core.model.changes import ChangeState, Outcome
from core.model.findings import Step, format_facts
from core.model.runs import ReportedFinding, RunReport

# A string property of Table Storage holds 32,768 characters (Microsoft Learn: Table data model).
RUN_ROW_LIMIT = 30_000


def format_run_coverage(report: RunReport) -> str:
    """How much the run read and what it could not read, in one line."""
    line = f"{report.read_count:,} of {report.population:,} {report.noun} read"
    if report.remaining_count:
        line += f"; {report.remaining_count:,} still to come"
    if report.unread_count:
        line += f"; {report.unread_count:,} unreadable"
    if report.unavailable_sources:
        line += f"; not seen at all: {', '.join(report.unavailable_sources)}"
    return line


def run_finding_to_json(
    reported: ReportedFinding, *, with_steps: bool = False
) -> dict[str, object]:
    """One finding as the document shows it, its advice with the steps if it is to hold them."""
    document: dict[str, object] = {
        "key": reported.key,
        "subject": reported.finding.subject,
        "object": reported.finding.object_id,
        "kind": reported.finding.kind,
        "severity": reported.finding.severity.label,
        "verdict": str(reported.verdict),
        "state": reported.state,
        "summary": reported.finding.summary,
        "facts": list(format_facts(reported.finding.facts)),
    }
    steps = format_steps(reported.finding.steps) if with_steps else ()
    if advice := " ".join(filter(None, (reported.finding.advice, *steps))):
        document["advice"] = advice
    if reported.until:
        document["exempt_until"] = reported.until.isoformat()
    return document


def format_steps(steps: Iterable[Step]) -> tuple[str, ...]:
    """The steps as numbered sentences, each with what to type."""
    return tuple(
        f"{number}. {step.text}{f' {step.command}' if step.command else ''}"
        for number, step in enumerate(steps, 1)
    )


def run_change_to_json(outcome: Outcome) -> dict[str, object]:
    """One change as the document shows it."""
    return {
        "case": outcome.case_key,
        "kind": outcome.kind,
        "subject": outcome.subject,
        "outcome": str(outcome.state),
        "note": outcome.note,
    }


def run_report_to_json(report: RunReport, *, with_steps: bool = False) -> dict[str, object]:
    """The whole report; `with_steps` for whoever has no page of each case beside it."""
    return {
        "guard": report.guard,
        "run": report.run,
        "status": report.status,
        "mode": str(report.mode),
        "started": report.started_at.isoformat(),
        "finished": report.finished_at.isoformat() if report.finished_at else None,
        "seen": report.read_count,
        "population": report.population,
        "unread": report.unread_count,
        "left": report.remaining_count,
        "coverage": format_run_coverage(report),
        "blind": list(report.unavailable_sources),
        "adopted": report.baselined,
        "findings": [run_finding_to_json(row, with_steps=with_steps) for row in report.findings],
        "changes": [run_change_to_json(outcome) for outcome in report.outcomes],
        "preview": [
            run_change_to_json(outcome) | {"outcome": "next run"} for outcome in report.preview
        ],
        "held": report.block_reason,
        "plan": report.plan,
        "news": report.early_count + len(report.notifications),
        "told": report.delivered,
        "cards": report.card_count,
        "exemptions": report.exemption_count,
        "error": report.error,
        "open": report.open_count,
        "critical": report.critical_count,
        "requests": dict(report.call_counts),
        "granted": {
            name: None if held is None else list(held)
            for name, held in report.granted_permissions.items()
        },
    }


def compute_run_coverage(report: RunReport) -> float:
    """Fraction of the population read, 0 to 1; 1 if there were no objects."""
    return round(report.read_count / report.population, 4) if report.population else 1.0


def run_report_to_log_line(report: RunReport) -> str:
    """A run as one line of JSON for the log: its figures, and nothing from the tenant.

    The alert rules and the workbook in `infra/` query these names.
    """
    finished = report.finished_at or report.started_at
    failed = sum(outcome.state is ChangeState.FAILED for outcome in report.outcomes)
    return json.dumps(
        {
            "guard": report.guard,
            "run": report.run,
            "status": report.status,
            "mode": str(report.mode),
            "seen": report.read_count,
            "population": report.population,
            "unread": report.unread_count,
            "left": report.remaining_count,
            "coverage": compute_run_coverage(report),
            "blind": list(report.unavailable_sources),
            "findings": len(report.findings),
            "open": report.open_count,
            "critical": report.critical_count,
            "changes": len(report.outcomes),
            "failed_changes": failed,
            "news": report.early_count + len(report.notifications),
            "told": report.delivered,
            "held": bool(report.block_reason),
            "oldest_untold_minutes": round(report.oldest_pending_age.total_seconds() / 60, 1),
            "seconds": max(round((finished - report.started_at).total_seconds(), 2), 0.0),
            "graph_requests": report.call_counts.get("graph", 0),
            "exchange_requests": report.call_counts.get("exchange", 0),
            "adopted": report.baselined,
        }
    )


def truncate_run_json(document: Mapping[str, object], limit: int = RUN_ROW_LIMIT) -> str:
    """A document as JSON of at most `limit` characters; what is left out is counted."""
    text = json.dumps(document, separators=(",", ":"))
    kept = dict(document)
    for name in ("findings", "preview", "changes"):
        rows = kept.get(name)
        while len(text) > limit and isinstance(rows, list) and rows:
            rows = rows[: len(rows) // 2]
            kept[name] = rows
            full = document[name]
            kept[f"{name}_omitted"] = (len(full) if isinstance(full, list) else 0) - len(rows)
            text = json.dumps(kept, separators=(",", ":"))
    return text
