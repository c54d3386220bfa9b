"""The parts of one guard's status: timing, coverage, pending decisions, exemptions, requests.

They are derived from the ledger alone, so that the page, the JSON, the health check and the digest
agree. Silence is not health: a guard that missed its schedule is late, and one that never scanned
needs attention. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord, ChangeState, compute_plan_hash
from core.model.findings import Severity, Verdict
from core.model.guards import GuardConfig, Mode
from core.model.requests import OperatorRequest, RequestState
from core.model.state import GuardSnapshot, ScanPass
from core.ncrontab import CronSchedule
from core.ports import ShardStatus
from core.status.counts import is_recent, select_open_cases
from core.status.run_history import PENDING_STATUSES, RunSummary
from core.tenant.changes import Change, parse_change

DEFAULT_RUN_TIME = timedelta(minutes=8)
# Time a run needs besides reading the tenant: to start, to save its state, to notify.
RUN_MARGIN = timedelta(minutes=2)
RECENT_REQUEST_WINDOW = timedelta(days=30)
ENDING_SOON_WINDOW = timedelta(days=14)
EXPIRED_WINDOW = timedelta(days=30)


class Health(StrEnum):
    """The health of a guard or of the whole app, in order of badness."""

    OFF = "off"
    OK = "ok"
    ATTENTION = "attention"
    FAILING = "failing"

    @property
    def rank(self) -> int:
        """The order of badness; greater is worse."""
        return list(Health).index(self)


@dataclass(frozen=True, slots=True)
class GuardData:
    """What the ledger holds of one guard."""

    config: GuardConfig
    snapshot: GuardSnapshot = field(default_factory=GuardSnapshot)
    runs: Sequence[Mapping[str, object]] = ()
    """The newest run documents; a day of them includes the last complete scan."""
    shards: Mapping[int, ShardStatus] = field(default_factory=dict)
    read_error: str = ""
    """Why the state could not be read; empty if it was."""


@dataclass(frozen=True, slots=True)
class HealthReason:
    """A reason why the health is not ok, as a sentence. Its text is not escaped."""

    health: Health
    text: str
    guard: str = ""
    severity: Severity = Severity.MEDIUM
    """Orders reasons of the same health."""

    @property
    def rank(self) -> tuple[int, int]:
        """A sort key that puts the worst first."""
        return -self.health.rank, -self.severity


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """A scan of the whole tenant that takes several runs, or shards in the queue."""

    started_at: datetime
    shards_done: int = 0
    shards_total: int = 0
    """0 when consecutive runs continue the scan without shards."""
    shards_busy: int = 0
    """Shards that a worker holds now."""
    stalled_count: int = 0
    """How many earlier passes stalled and were restarted."""


@dataclass(frozen=True, slots=True)
class ScanClock:
    """What the scans of all guards are measured by."""

    now: datetime
    first_run_at: datetime | None
    """When the first run on record of any guard began: the app was deployed by then, so a guard
    that never ran is measured from it. None if no guard ran.
    """
    grace: timedelta
    """How long a run may take."""


@dataclass(frozen=True, slots=True)
class ScanTiming:
    """When a guard scanned the tenant, and when it is due."""

    schedule: str
    schedule_text: str
    last_run: RunSummary | None = None
    """The newest run that scanned or failed."""
    last_complete_at: datetime | None = None
    """When the newest complete scan finished; None if no run on record completed one."""
    next_due_at: datetime | None = None
    missed_due_at: datetime | None = None
    """The due time that the guard missed; None unless it is late."""
    late_by: timedelta = timedelta()
    """How late the guard is beyond its grace; zero if it is on time."""
    never_scanned: bool = False
    run_requested_at: datetime | None = None
    """When an operator requested a run that is still pending."""
    progress: ScanProgress | None = None


@dataclass(frozen=True, slots=True)
class ScanCoverage:
    """How much of the tenant the newest scan read."""

    at: datetime
    noun: str
    """What the guard counts, such as "mailboxes"."""
    read_count: int
    population: int
    unread_count: int = 0
    remaining_count: int = 0
    unavailable_sources: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Fraction read, 0 to 1; 1 if there were no objects, below 1 if anything was not read."""
        share = self.read_count / self.population if self.population else 1.0
        is_complete = self.read_count >= self.population and not self.unread_count
        return min(share, 1.0) if is_complete else min(share, 0.9999)


@dataclass(frozen=True, slots=True)
class PendingDecision:
    """A decision that only an operator can make."""

    guard: str
    title: str
    kind: str
    """plan, contested, ask, refused, failed or half-made."""
    subject: str
    summary: str
    since: datetime
    case_key: str = ""
    severity: Severity = Severity.HIGH
    plan: str = ""
    """For a plan, the hash that releases it."""
    planned_changes: tuple[tuple[str, str], ...] = ()
    """For a plan, what it would change: pairs of a kind of change and a subject."""
    is_exact: bool = False
    """Whether `planned_changes` are exactly those of the hash."""
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class ExemptionView:
    """An exemption, with the name and the case of its subject where a case is known."""

    guard: str
    exemption: Exemption
    subject_name: str = ""
    case_key: str = ""
    in_force: bool = True
    ends_soon: bool = False


@dataclass(frozen=True, slots=True)
class RequestView:
    """An operator's request, and of whom it was requested."""

    guard: str
    """The guard's name, or the partition of what concerns no guard."""
    title: str
    request: OperatorRequest


# ----------------------------------------------------------------------------------------------
# Timing and coverage
# ----------------------------------------------------------------------------------------------


def compute_scan_timing(
    data: GuardData, runs: Sequence[RunSummary], clock: ScanClock
) -> ScanTiming:
    """When a guard scanned, when it is due, and whether it is late."""
    config, state, now = data.config, data.snapshot.state, clock.now
    cron = CronSchedule.parse(config.schedule)
    scans = [run for run in runs if run.has_scanned]
    requested = [run.started_at for run in runs if run.status in PENDING_STATUSES]
    timing = ScanTiming(
        schedule=config.schedule,
        schedule_text=cron.describe_schedule(),
        last_run=next((run for run in runs if run.has_scanned or run.status == "failed"), None),
        last_complete_at=next(
            (run.finished_at or run.started_at for run in runs if run.status == "done"), None
        ),
        never_scanned=not scans and state.population is None and state.scan_pass is None,
        run_requested_at=requested[0] if requested else None,
        progress=measure_scan_progress(state.scan_pass, data.shards) if state.scan_pass else None,
    )
    if config.mode is Mode.OFF:
        return timing
    last_active = max((run.last_active_at for run in scans), default=clock.first_run_at)
    due = cron.find_next(last_active) if last_active else None
    late = now - due if due and now - due > clock.grace else timedelta()
    return replace(
        timing, next_due_at=cron.find_next(now), missed_due_at=due if late else None, late_by=late
    )


def measure_scan_progress(scan_pass: ScanPass, shards: Mapping[int, ShardStatus]) -> ScanProgress:
    """How far an unfinished scan has come."""
    current = [
        status
        for number, status in shards.items()
        if status.shard.pass_id == scan_pass.id and number < scan_pass.shard_count
    ]
    return ScanProgress(
        started_at=scan_pass.started_at,
        shards_done=sum(status.shard.done for status in current),
        shards_total=scan_pass.shard_count,
        shards_busy=sum(status.is_claimed and not status.shard.done for status in current),
        stalled_count=scan_pass.stalled_count,
    )


def find_latest_coverage(config: GuardConfig, runs: Iterable[RunSummary]) -> ScanCoverage | None:
    """What the newest scan read; None if no run on record scanned."""
    run = next((run for run in runs if run.has_scanned), None)
    if run is None:
        return None
    return ScanCoverage(
        run.started_at,
        config.guard.noun,
        run.read_count,
        run.population,
        run.unread_count,
        run.remaining_count,
        run.unavailable_sources,
    )


# ----------------------------------------------------------------------------------------------
# Cases
# ----------------------------------------------------------------------------------------------


def sort_cases(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Cases in order: the most severe first, then the oldest."""
    return tuple(sorted(cases, key=lambda case: (-case.severity, case.opened_at, case.key)))


# ----------------------------------------------------------------------------------------------
# Decisions
# ----------------------------------------------------------------------------------------------

DECISION_KINDS: Mapping[str, str] = {
    Verdict.CONTESTED: "contested",
    Verdict.ASK: "ask",
    Verdict.REFUSED: "refused",
    Verdict.FAILED: "failed",
}


def list_decisions(data: GuardData, runs: Sequence[RunSummary]) -> Iterator[PendingDecision]:
    """The decisions of a guard that wait for an operator, the most severe and oldest first."""
    config, snapshot = data.config, data.snapshot
    name, title = config.guard.name, config.guard.title
    for case in sort_cases(select_open_cases(snapshot.cases.values())):
        if case.kind == "brake":
            yield build_plan_decision(config, snapshot, case, runs)
        elif case.verdict in DECISION_KINDS:
            yield PendingDecision(
                guard=name,
                title=title,
                kind=DECISION_KINDS[case.verdict],
                subject=case.subject,
                summary=case.summary,
                since=case.deferred_at or case.opened_at,
                case_key=case.key,
                severity=case.severity,
                acknowledged=case.acknowledged_at is not None,
            )
    for record in snapshot.changes:
        if is_partially_applied(record):
            affected_case = snapshot.cases.get(record.case_key)
            yield PendingDecision(
                guard=name,
                title=title,
                kind="half-made",
                subject=record.subject,
                summary=f"{record.kind} was applied in part: {record.note or 'no response'}",
                since=record.at,
                case_key=affected_case.key if affected_case else "",
                severity=affected_case.severity if affected_case else Severity.HIGH,
            )


def is_partially_applied(record: ChangeRecord) -> bool:
    """Whether the first step of a change was sent and its last was not."""
    return record.state is ChangeState.INTENDED and bool(record.before)


def build_plan_decision(
    config: GuardConfig, snapshot: GuardSnapshot, case: Case, runs: Sequence[RunSummary]
) -> PendingDecision:
    """The plan that the brake holds, with the changes of it that are still wanted."""
    plan = next((one for one in case.held_plans if one.hash == case.plan_hash), None)
    wanted = tuple(
        (one, change)
        for one, change in list_planned_changes(snapshot)
        if plan and one.held_since and one.held_since <= plan.at
    )
    pairs = ((one.key, change) for one, change in wanted)
    population = plan.population if plan else None
    is_exact = compute_plan_hash(config.guard.name, pairs, population) == case.plan_hash
    return PendingDecision(
        guard=config.guard.name,
        title=config.guard.title,
        kind="plan",
        subject=case.subject,
        summary=case.summary,
        since=case.opened_at,
        case_key=case.key,
        severity=case.severity,
        plan=case.plan_hash,
        planned_changes=tuple((type(change).__name__, one.subject) for one, change in wanted),
        is_exact=is_exact,
        acknowledged=case.acknowledged_at is not None,
    )


def list_planned_changes(snapshot: GuardSnapshot) -> Iterator[tuple[Case, Change]]:
    """The changes that open cases ask for and that would be made, were it not for the brake."""
    for case in sort_cases(snapshot.cases.values()):
        adopted = snapshot.state.baselined_sources.issuperset(case.sources)
        if case.closed_at or case.deferred_at or not adopted:
            continue
        for text in case.planned_changes:
            try:
                yield case, parse_change(text)
            except ValueError:
                # Another version wrote it; the hash will then not be that of the plan.
                continue


# ----------------------------------------------------------------------------------------------
# Exemptions, requests, changes
# ----------------------------------------------------------------------------------------------


def list_exemption_views(
    guard: str, snapshot: GuardSnapshot, now: datetime
) -> tuple[ExemptionView, ...]:
    """The exemptions in order of their end; those that expired lately come last."""
    by_object = {case.object_id: case for case in snapshot.cases.values()}
    found = []
    for subject, exemption in snapshot.exemptions.items():
        left = exemption.until - now
        if left < -EXPIRED_WINDOW:
            continue
        case = snapshot.cases.get(subject)
        about = case or by_object.get(subject)
        found.append(
            ExemptionView(
                guard,
                exemption,
                subject_name=about.subject if about else "",
                case_key=case.key if case else "",
                in_force=left > timedelta(),
                ends_soon=timedelta() < left <= ENDING_SOON_WINDOW,
            )
        )
    return tuple(sorted(found, key=lambda one: (not one.in_force, one.exemption.until)))


def list_recent_requests(
    requests: Iterable[OperatorRequest], now: datetime
) -> tuple[OperatorRequest, ...]:
    """The requests of the last 30 days, and all that are not processed yet."""
    return tuple(
        request
        for request in requests
        if now - request.at <= RECENT_REQUEST_WINDOW or request.state is RequestState.REQUESTED
    )


def list_recent_changes(snapshot: GuardSnapshot, now: datetime) -> tuple[ChangeRecord, ...]:
    """The changes attempted in the last seven days, newest first: failed and undone ones too."""
    recent = (record for record in snapshot.changes if is_recent(record.at, now))
    return tuple(sorted(recent, key=lambda record: record.at, reverse=True))
