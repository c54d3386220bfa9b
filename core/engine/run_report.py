"""The report of a run: what it has read and decided so far, and the line it writes to the log."""

import logging
from dataclasses import replace

from core.engine.plan import Plan
from core.engine.scan_progress import Scan
from core.microsoft365.permissions import READ_ONLY_VERBS
from core.model.cases import Case
from core.model.changes import ChangeState, Outcome
from core.model.findings import Severity
from core.model.run_document import run_report_to_log_line
from core.model.runs import ReportedFinding, RunReport
from core.status.counts import count_by_severity, select_open_cases
from core.tenant.readers import GrantedPermissions

log = logging.getLogger("exoguard.run")

MAX_GRANTS_LISTED = 200


def log_run(report: RunReport) -> None:
    """Log one line per run, whatever its result: monitoring reads nothing else."""
    log.info("exoguard.run %s", run_report_to_log_line(report))


def build_run_report(scan: Scan, plan: Plan | None = None) -> RunReport:
    """The report of what was read and decided so far."""
    plan = plan or Plan()
    totals, cases = scan.totals, scan.cases
    own = [case for key, case in cases.items() if key not in scan.recalled_keys]
    open_by_severity = count_by_severity(select_open_cases(own))
    rows = [*scan.reported_findings, *plan.result.reported_findings]
    return replace(
        scan.report,
        status="done" if scan.finished else "in-progress",
        read_count=totals.read_count,
        population=max(scan.expected_population or 0, totals.population),
        remaining_count=scan.remaining_count,
        unread_count=totals.unread_count,
        unavailable_sources=tuple(
            sorted({failure.source for failure in totals.source_failures if not failure.optional})
        ),
        baselined=scan.baselined,
        granted_permissions=summarize_grants(scan.decision_context.grants),
        findings=tuple(
            sorted(
                (apply_escalation(row, cases.get(row.key)) for row in rows),
                key=lambda row: (-row.finding.severity, row.finding.subject),
            )
        ),
        exemption_count=sum(
            exempt.until > scan.report.started_at for exempt in scan.snapshot.exemptions.values()
        ),
        open_count=sum(open_by_severity.values()),
        critical_count=open_by_severity.get(Severity.CRITICAL, 0),
        preview=tuple(
            Outcome(case, subject, type(change).__name__, ChangeState.INTENDED)
            for case, subject, change in plan.preview
        ),
        block_reason=plan.block_reason,
        plan=plan.hash,
    )


def summarize_grants(grants: GrantedPermissions) -> dict[str, tuple[str, ...] | None]:
    """What the app may do, as far as a run row can hold it. Reading cmdlets are left out."""
    roles, cmdlets = grants.app_roles, grants.cmdlets
    return {
        "graph": None if roles is None else tuple(sorted(roles))[:MAX_GRANTS_LISTED],
        "exchange": None
        if cmdlets is None
        else tuple(sorted(name for name in cmdlets if not name.startswith(READ_ONLY_VERBS)))[
            :MAX_GRANTS_LISTED
        ],
    }


def apply_escalation(row: ReportedFinding, case: Case | None) -> ReportedFinding:
    """A finding with the severity and facts of its escalated case."""
    if case is None or not case.escalated or case.severity <= row.finding.severity:
        return row
    return replace(row, finding=replace(row.finding, severity=case.severity, facts=case.facts))
