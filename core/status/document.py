"""The status as a JSON document, as status.json has it.

Names are added and never change their meaning. Times are in UTC, durations in seconds. Text from
the tenant is not escaped here; every renderer has to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from core.json_document import INLINE, CaseKey, Count
from core.model.findings import Severity
from core.model.guards import Mode
from core.status.activity_status import LogStatus
from core.status.case_document import (
    DOCUMENT_VERSION,
    ChangeRecordDocument,
    ExemptionDocument,
    OperatorRequestDocument,
    SeverityLabel,
    build_change_record,
    build_exemption,
    build_operator_request,
)
from core.status.channel_status import ChannelDocument, build_channel
from core.status.counts import PendingNotifications
from core.status.daily_history import DailyCounts
from core.status.guard_status import (
    ExemptionView,
    Health,
    HealthReason,
    PendingDecision,
    ScanCoverage,
    ScanProgress,
    ScanTiming,
)
from core.status.probe_document import ProbeDocument, build_probe
from core.status.run_history import RunSummary
from core.status.tenant_status import GuardStatus, TenantStatus

DecisionKind = Annotated[
    str, {"enum": ["plan", "contested", "ask", "refused", "failed", "half-made"]}
]
Share = Annotated[float, {"minimum": 0, "maximum": 1}]


@dataclass(frozen=True, slots=True)
class SeverityCountsDocument:
    """Cases by severity, and their sum."""

    all: Count
    critical: Count
    high: Count
    medium: Count
    low: Count


def build_severity_counts(counts: Mapping[Severity, int]) -> SeverityCountsDocument:
    """The document of cases counted by severity."""
    return SeverityCountsDocument(
        all=sum(counts.values()),
        critical=counts.get(Severity.CRITICAL, 0),
        high=counts.get(Severity.HIGH, 0),
        medium=counts.get(Severity.MEDIUM, 0),
        low=counts.get(Severity.LOW, 0),
    )


@dataclass(frozen=True, slots=True)
class ReasonDocument:
    """A reason why the health is not ok."""

    health: Health
    guard: str | None
    text: str


def build_reason(reason: HealthReason) -> ReasonDocument:
    """The document of one reason."""
    return ReasonDocument(reason.health, reason.guard or None, reason.text)


@dataclass(frozen=True, slots=True)
class PendingNotificationsDocument:
    """Notifications that have not reached the Teams channel yet."""

    cases: Count
    requests: Count
    oldest: datetime | None


def build_pending_notifications(pending: PendingNotifications) -> PendingNotificationsDocument:
    """The document of pending notifications."""
    return PendingNotificationsDocument(
        pending.case_count, pending.request_count, pending.oldest_at
    )


@dataclass(frozen=True, slots=True)
class LastRunDocument:
    """A summary of a run; GET /api/runs/{guard}/{run} has its report."""

    run: str
    status: str
    mode: str
    began: datetime
    ended: datetime | None
    error: str | None


def build_last_run(run: RunSummary) -> LastRunDocument:
    """The document of a guard's last run."""
    return LastRunDocument(
        run.run, run.status, run.mode, run.started_at, run.finished_at, run.error or None
    )


@dataclass(frozen=True, slots=True)
class ProgressDocument:
    """A scan of a large tenant in progress, in pieces."""

    began: datetime
    pieces_done: Count
    pieces: Count
    pieces_busy: Count
    times_stalled: Count


def build_progress(progress: ScanProgress) -> ProgressDocument:
    """The document of a scan in progress."""
    return ProgressDocument(
        began=progress.started_at,
        pieces_done=progress.shards_done,
        pieces=progress.shards_total,
        pieces_busy=progress.shards_busy,
        times_stalled=progress.stalled_count,
    )


@dataclass(frozen=True, slots=True)
class TimingDocument:
    """When a guard scanned, and when it is due."""

    schedule: str
    schedule_text: str
    last_run: LastRunDocument | None
    last_complete_scan: datetime | None
    never_scanned: bool
    next_due: datetime | None
    late: bool
    late_seconds: Count
    missed: datetime | None
    run_requested: datetime | None
    progress: ProgressDocument | None


def build_timing(timing: ScanTiming) -> TimingDocument:
    """The document of a guard's timing."""
    return TimingDocument(
        schedule=timing.schedule,
        schedule_text=timing.schedule_text,
        last_run=build_last_run(timing.last_run) if timing.last_run else None,
        last_complete_scan=timing.last_complete_at,
        never_scanned=timing.never_scanned,
        next_due=timing.next_due_at,
        late=bool(timing.late_by),
        late_seconds=int(timing.late_by.total_seconds()),
        missed=timing.missed_due_at,
        run_requested=timing.run_requested_at,
        progress=build_progress(timing.progress) if timing.progress else None,
    )


@dataclass(frozen=True, slots=True)
class CoverageDocument:
    """How much of the tenant the last scan read."""

    at: datetime
    of: str
    seen: Count
    population: Count
    unread: Count
    left: Count
    unavailable_sources: tuple[str, ...]
    share: Share


def build_coverage(coverage: ScanCoverage) -> CoverageDocument:
    """The document of a scan's coverage."""
    return CoverageDocument(
        at=coverage.at,
        of=coverage.noun,
        seen=coverage.read_count,
        population=coverage.population,
        unread=coverage.unread_count,
        left=coverage.remaining_count,
        unavailable_sources=coverage.unavailable_sources,
        share=round(coverage.share, 4),
    )


@dataclass(frozen=True, slots=True)
class AgesDocument:
    """Open cases by age."""

    within_a_day: Count
    within_a_week: Count
    within_30_days: Count
    older: Count


@dataclass(frozen=True, slots=True)
class GuardDocument:
    """The status of one guard."""

    guard: str
    title: str
    health: Health
    mode: Mode
    reasons: tuple[ReasonDocument, ...]
    timing: TimingDocument = field(metadata=INLINE)
    coverage: CoverageDocument | None
    open: SeverityCountsDocument
    ages: AgesDocument
    decisions: Count
    recent_changes: Count
    exemptions: Count
    missing_permissions: tuple[str, ...]
    pending_notifications: PendingNotificationsDocument
    unreadable_rows: Count
    unreadable: str | None


def build_guard(status: GuardStatus) -> GuardDocument:
    """The document of one guard."""
    return GuardDocument(
        guard=status.name,
        title=status.title,
        health=status.health,
        mode=status.config.mode,
        reasons=tuple(map(build_reason, status.reasons)),
        timing=build_timing(status.timing),
        coverage=build_coverage(status.coverage) if status.coverage else None,
        open=build_severity_counts(status.counts.open_by_severity),
        ages=AgesDocument(*status.counts.open_by_age),
        decisions=status.counts.decisions,
        recent_changes=status.counts.changes_made,
        exemptions=status.counts.exemptions,
        missing_permissions=tuple(case.subject for case in status.missing_permissions),
        pending_notifications=build_pending_notifications(status.counts.pending),
        unreadable_rows=status.unreadable_rows,
        unreadable=status.read_error or None,
    )


@dataclass(frozen=True, slots=True)
class PlannedChangeDocument:
    """A change that a plan would make."""

    kind: str
    subject: str


@dataclass(frozen=True, slots=True)
class DecisionDocument:
    """A decision that only an operator can make; of kind plan, it is the plan to release."""

    guard: str
    kind: DecisionKind
    subject: str
    summary: str
    since: datetime
    severity: SeverityLabel
    case: CaseKey | None
    acknowledged: bool
    plan: str | None = None
    would_change: tuple[PlannedChangeDocument, ...] | None = None
    list_is_exact: bool | None = None


def build_decision(decision: PendingDecision) -> DecisionDocument:
    """The document of one pending decision."""
    is_plan = decision.kind == "plan"
    planned = tuple(PlannedChangeDocument(*pair) for pair in decision.planned_changes)
    return DecisionDocument(
        guard=decision.guard,
        kind=decision.kind,
        subject=decision.subject,
        summary=decision.summary,
        since=decision.since,
        severity=decision.severity.label,
        case=decision.case_key or None,
        acknowledged=decision.acknowledged,
        plan=decision.plan if is_plan else None,
        would_change=planned if is_plan else None,
        list_is_exact=decision.is_exact if is_plan else None,
    )


@dataclass(frozen=True, slots=True)
class ExemptionViewDocument:
    """An exemption, and the case or object it is about."""

    guard: str
    exemption: ExemptionDocument = field(metadata=INLINE)
    named: str | None
    case: CaseKey | None
    in_force: bool
    ends_soon: bool


def build_exemption_view(view: ExemptionView) -> ExemptionViewDocument:
    """The document of one exemption in the status."""
    return ExemptionViewDocument(
        guard=view.guard,
        exemption=build_exemption(view.exemption),
        named=view.subject_name or None,
        case=view.case_key or None,
        in_force=view.in_force,
        ends_soon=view.ends_soon,
    )


@dataclass(frozen=True, slots=True)
class MissingPermissionDocument:
    """A permission that a guard needs and the app does not have."""

    guard: str
    permission: str
    optional: bool
    case: CaseKey
    since: datetime
    advice: str


@dataclass(frozen=True, slots=True)
class PermissionsDocument:
    """Permissions the app lacks, and those it holds beyond what its guards need, where known."""

    missing: tuple[MissingPermissionDocument, ...]
    excess: tuple[str, ...]
    excess_known_since: datetime | None
    graph_known: bool
    exchange_known: bool


def build_permissions(status: TenantStatus) -> PermissionsDocument:
    """The document of the app's permissions."""
    return PermissionsDocument(
        missing=tuple(
            MissingPermissionDocument(
                guard=guard.name,
                permission=case.subject,
                optional=case.severity is Severity.LOW,
                case=case.key,
                since=case.opened_at,
                advice=case.advice,
            )
            for guard, case in status.missing_permissions
        ),
        excess=status.permissions.excess_names,
        excess_known_since=status.permissions.known_since,
        graph_known=status.permissions.grants.app_roles is not None,
        exchange_known=status.permissions.grants.cmdlets is not None,
    )


@dataclass(frozen=True, slots=True)
class DayDocument:
    """One day of the history, in UTC."""

    day: date
    open: SeverityCountsDocument
    opened: Count
    closed: Count
    changes: Count


def build_day(day: DailyCounts) -> DayDocument:
    """The document of one day."""
    return DayDocument(
        day=day.day,
        open=build_severity_counts(day.open_by_severity),
        opened=day.opened_count,
        closed=day.closed_count,
        changes=day.change_count,
    )


@dataclass(frozen=True, slots=True)
class LogDocument:
    """How an audit log is read, and how late its records come, in seconds."""

    log: str
    title: str
    read: datetime | None
    records: Count
    median_lag: Count | None
    late_lag: Count | None
    lag: str
    trouble: str | None


def build_log(log: LogStatus) -> LogDocument:
    """The document of one log. A lag beyond the last bound is none; the text says so."""
    seconds = [
        None if lag is None or lag == timedelta.max else int(lag.total_seconds())
        for lag in (log.median_lag, log.late_lag)
    ]
    return LogDocument(
        log=log.name,
        title=log.title,
        read=log.read_at,
        records=log.record_count,
        median_lag=seconds[0],
        late_lag=seconds[1],
        lag=log.describe_lag(),
        trouble=log.trouble or None,
    )


@dataclass(frozen=True, slots=True)
class StatusDocument:
    """The status of the tenant and of every guard."""

    version: Literal[1]
    at: datetime
    health: Health
    reasons: tuple[ReasonDocument, ...]
    open: SeverityCountsDocument
    pending_notifications: PendingNotificationsDocument
    guards: tuple[GuardDocument, ...]
    decisions: tuple[DecisionDocument, ...]
    changes: tuple[ChangeRecordDocument, ...]
    exemptions: tuple[ExemptionViewDocument, ...]
    requests: tuple[OperatorRequestDocument, ...]
    permissions: PermissionsDocument
    probe: ProbeDocument | None
    logs: tuple[LogDocument, ...]
    channels: tuple[ChannelDocument, ...]
    history: tuple[DayDocument, ...]


def build_status_document(status: TenantStatus) -> StatusDocument:
    """The document of the whole status."""
    return StatusDocument(
        version=DOCUMENT_VERSION,
        at=status.at,
        health=status.health,
        reasons=tuple(map(build_reason, status.reasons)),
        open=build_severity_counts(status.counts.open_by_severity),
        pending_notifications=build_pending_notifications(status.counts.pending),
        guards=tuple(map(build_guard, status.guards)),
        decisions=tuple(map(build_decision, status.decisions)),
        changes=tuple(
            build_change_record(record, guard.name) for guard, record in status.recent_changes
        ),
        exemptions=tuple(map(build_exemption_view, status.exemptions)),
        requests=tuple(
            build_operator_request(one.request, one.guard) for one in status.operator_requests
        ),
        permissions=build_permissions(status),
        probe=build_probe(status.probe) if status.probe else None,
        logs=tuple(map(build_log, status.logs)),
        channels=tuple(map(build_channel, status.channels)),
        history=tuple(map(build_day, status.history)),
    )
