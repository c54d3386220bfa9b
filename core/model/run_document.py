"""A run's report as a JSON document: what the HTTP API, the run row and the sandbox show."""

import json
from collections.abc import Mapping

from core.model.changes import ChangeState, Outcome
from core.model.runs import Reported, RunReport

# A string property of Table Storage holds 32,768 characters (Microsoft Learn: Table data model).
ROW_LIMIT = 30_000


def coverage(report: RunReport) -> str:
    """The honest line: how much was seen, and what was not."""
    line = f"{report.seen:,} of {report.population:,} {report.noun} read"
    if report.left:
        line += f"; {report.left:,} still to come"
    if report.unread:
        line += f"; {report.unread:,} unreadable"
    if report.blind:
        line += f"; not seen at all: {', '.join(report.blind)}"
    return line


def finding(row: Reported) -> dict[str, object]:
    """One finding as the document shows it."""
    document: dict[str, object] = {
        "key": row.key,
        "subject": row.finding.subject,
        "object": row.finding.object_id,
        "kind": row.finding.kind,
        "severity": row.finding.severity.label,
        "verdict": str(row.verdict),
        "state": row.state,
        "summary": row.finding.summary,
        "facts": list(row.finding.facts),
    }
    if row.finding.advice:
        document["advice"] = row.finding.advice
    if row.until:
        document["exempt_until"] = row.until.isoformat()
    return document


def change(outcome: Outcome) -> dict[str, object]:
    """One change as the document shows it."""
    return {
        "case": outcome.case,
        "kind": outcome.kind,
        "subject": outcome.subject,
        "outcome": str(outcome.state),
        "note": outcome.note,
    }


def document(report: RunReport) -> dict[str, object]:
    """The whole report."""
    return {
        "guard": report.guard,
        "run": report.run,
        "status": report.status,
        "mode": str(report.mode),
        "started": report.started.isoformat(),
        "finished": report.finished.isoformat() if report.finished else None,
        "seen": report.seen,
        "population": report.population,
        "unread": report.unread,
        "left": report.left,
        "coverage": coverage(report),
        "blind": list(report.blind),
        "adopted": report.adopted,
        "findings": [finding(row) for row in report.findings],
        "changes": [change(outcome) for outcome in report.outcomes],
        "preview": [change(outcome) | {"outcome": "next run"} for outcome in report.preview],
        "held": report.held,
        "plan": report.plan,
        "news": len(report.news),
        "told": report.told,
        "cards": report.cards,
        "exemptions": report.exemptions,
        "error": report.error,
        "open": report.open,
        "critical": report.critical,
        "requests": dict(report.requests),
        "granted": {
            name: None if held is None else list(held) for name, held in report.granted.items()
        },
    }


def share(report: RunReport) -> float:
    """How much of the population was read, from 0 to 1; of nothing, all."""
    return round(report.seen / report.population, 4) if report.population else 1.0


def trace(report: RunReport) -> str:
    """A run as one line of JSON for the log, with its figures and nothing from the tenant.

    The alert rules and the workbook in `infra/` are built on these names.
    """
    finished = report.finished or report.started
    failed = sum(outcome.state is ChangeState.FAILED for outcome in report.outcomes)
    return json.dumps(
        {
            "guard": report.guard,
            "run": report.run,
            "status": report.status,
            "mode": str(report.mode),
            "seen": report.seen,
            "population": report.population,
            "unread": report.unread,
            "left": report.left,
            "coverage": share(report),
            "blind": list(report.blind),
            "findings": len(report.findings),
            "open": report.open,
            "critical": report.critical,
            "changes": len(report.outcomes),
            "failed_changes": failed,
            "news": len(report.news),
            "told": report.told,
            "held": bool(report.held),
            "oldest_untold_minutes": round(report.waiting.total_seconds() / 60, 1),
            "seconds": max(round((finished - report.started).total_seconds(), 2), 0.0),
            "graph_requests": report.requests.get("graph", 0),
            "exchange_requests": report.requests.get("exchange", 0),
            "adopted": report.adopted,
        }
    )


def bounded(whole: Mapping[str, object], limit: int = ROW_LIMIT) -> str:
    """A document as JSON of at most `limit` characters; what had to be left out is counted."""
    text = json.dumps(whole, separators=(",", ":"))
    kept = dict(whole)
    for name in ("findings", "preview", "changes"):
        rows = kept.get(name)
        while len(text) > limit and isinstance(rows, list) and rows:
            rows = rows[: len(rows) // 2]
            kept[name] = rows
            full = whole[name]
            kept[f"{name}_omitted"] = (len(full) if isinstance(full, list) else 0) - len(rows)
            text = json.dumps(kept, separators=(",", ":"))
    return text
