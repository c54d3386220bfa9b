"""How one guard stands: when it looked and what it saw, what is open, what waits for a person.

Derived from what the ledger remembers and nothing else, so that the page, the JSON, the health
check and the digest can only say the same. Silence is not health: a guard that should have looked
and did not is late, and one that never looked is not well.
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

DEFAULT_RUN_MINUTES = 8.0
# What a run may take besides asking: to begin, to write down, to tell.
RUN_MARGIN = timedelta(minutes=2)
RECENT_REQUEST_WINDOW = timedelta(days=30)
ENDING_SOON_WINDOW = timedelta(days=14)
EXPIRED_WINDOW = timedelta(days=30)


class Health(StrEnum):
    """How well something is, the worst last: of a guard, and of all of them."""

    OFF = "off"
    OK = "ok"
    ATTENTION = "attention"
    FAILING = "failing"

    @property
    def rank(self) -> int:
        """Greater is worse."""
        return list(Health).index(self)


@dataclass(frozen=True, slots=True)
class GuardData:
    """What the ledger knows of one guard, as the caller gathered it.

    `runs` are its newest documents (`Ledger.history`; a day's worth tells of the last complete
    look). `unreadable` says why there is no memory, when the state could not be read.
    """

    config: GuardConfig
    snapshot: GuardSnapshot = field(default_factory=GuardSnapshot)
    runs: Sequence[Mapping[str, object]] = ()
    shards: Mapping[int, ShardStatus] = field(default_factory=dict)
    read_error: str = ""


@dataclass(frozen=True, slots=True)
class HealthReason:
    """Why something is not well, in a sentence. Foreign words in it are not escaped.

    Of reasons that are as bad, those of a higher `grade` come first.
    """

    health: Health
    text: str
    guard: str = ""
    severity: Severity = Severity.MEDIUM

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts the worst first."""
        return -self.health.rank, -self.severity


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """A look at the whole tenant that goes on over several runs, or in the queue.

    `pieces` of `total` shards are done, `busy` are worked on; 0 of 0 when runs follow each other.
    """

    started_at: datetime
    shards_done: int = 0
    shards_total: int = 0
    shards_busy: int = 0
    stalled_count: int = 0


@dataclass(frozen=True, slots=True)
class ScanTiming:
    """When a guard looked and when it has to again.

    `last` is its newest run of any outcome, `looked` the newest that saw all of the tenant, None
    when no run that is still known did. `due` is when it should look next; past by more than the
    grace, it is `late` by so much since `missed`.
    """

    schedule: str
    schedule_text: str
    last_run: RunSummary | None = None
    last_complete_at: datetime | None = None
    next_due_at: datetime | None = None
    missed_due_at: datetime | None = None
    late_by: timedelta = timedelta()
    never_scanned: bool = False
    run_requested_at: datetime | None = None
    progress: ScanProgress | None = None


@dataclass(frozen=True, slots=True)
class ScanCoverage:
    """How much of the tenant the newest look read, as `core.model.run_document.coverage` has it."""

    at: datetime
    noun: str
    read_count: int
    population: int
    unread_count: int = 0
    remaining_count: int = 0
    unavailable_sources: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """From 0 to 1; of nothing, all. Never 1 while anything was not read."""
        share = self.read_count / self.population if self.population else 1.0
        whole = self.read_count >= self.population and not self.unread_count
        return min(share, 1.0) if whole else min(share, 0.9999)


@dataclass(frozen=True, slots=True)
class PendingDecision:
    """Something only a person can decide.

    `kind` is plan, contested, ask, refused, failed or half-made. For a plan, `plan` is the hash
    that releases it and `would` what it would change: pairs of a kind of change and a subject,
    `exact` when these are known to be those of the hash.
    """

    guard: str
    title: str
    kind: str
    subject: str
    summary: str
    since: datetime
    case_key: str = ""
    severity: Severity = Severity.HIGH
    plan: str = ""
    planned_changes: tuple[tuple[str, str], ...] = ()
    is_exact: bool = False
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class ExemptionView:
    """An exemption, with the name of what it is about as far as a case tells it."""

    guard: str
    exemption: Exemption
    subject_name: str = ""
    case_key: str = ""
    in_force: bool = True
    ends_soon: bool = False


# ----------------------------------------------------------------------------------------------
# Time
# ----------------------------------------------------------------------------------------------


def compute_scan_timing(
    data: GuardData,
    runs: Sequence[RunSummary],
    now: datetime,
    since: datetime | None,
    grace: timedelta,
) -> ScanTiming:
    """When a guard looked, when it has to, whether it is late.

    A guard that never ran counts from `since`: the first moment at which any guard is known to
    have run, because then the app was there.
    """
    duty, memory = data.config, data.snapshot
    cron = CronSchedule.parse(duty.schedule)
    looks = [run for run in runs if run.has_scanned]
    state = memory.state
    never = not looks and state.population is None and state.scan_pass is None
    waiting = [run.started_at for run in runs if run.status in PENDING_STATUSES]
    known = ScanTiming(
        schedule=duty.schedule,
        schedule_text=cron.describe_schedule(),
        last_run=next((run for run in runs if run.has_scanned or run.status == "failed"), None),
        last_complete_at=next(
            (run.finished_at or run.started_at for run in runs if run.status == "done"), None
        ),
        never_scanned=never,
        run_requested_at=waiting[0] if waiting else None,
        progress=measure_scan_progress(state.scan_pass, data.shards) if state.scan_pass else None,
    )
    if duty.mode is Mode.OFF:
        return known
    sign = max((run.last_active_at for run in looks), default=since)
    missed = cron.find_next(sign) if sign else None
    late = now - missed if missed and now - missed > grace else timedelta()
    return replace(
        known, next_due_at=cron.find_next(now), missed_due_at=missed if late else None, late_by=late
    )


def measure_scan_progress(scan_pass: ScanPass, shards: Mapping[int, ShardStatus]) -> ScanProgress:
    """How far a look has come that no run has finished."""
    mine = [
        held
        for number, held in shards.items()
        if held.shard.pass_id == scan_pass.id and number < scan_pass.shard_count
    ]
    return ScanProgress(
        started_at=scan_pass.started_at,
        shards_done=sum(held.shard.done for held in mine),
        shards_total=scan_pass.shard_count,
        shards_busy=sum(held.is_claimed and not held.shard.done for held in mine),
        stalled_count=scan_pass.stalled_count,
    )


def find_latest_coverage(config: GuardConfig, runs: Iterable[RunSummary]) -> ScanCoverage | None:
    """What the newest look read; None when no run that is known looked."""
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
    """The gravest first, then the oldest."""
    return tuple(sorted(cases, key=lambda case: (-case.severity, case.opened_at, case.key)))


# ----------------------------------------------------------------------------------------------
# What waits for a person
# ----------------------------------------------------------------------------------------------

DECISION_KINDS = {
    Verdict.CONTESTED: "contested",
    Verdict.ASK: "ask",
    Verdict.REFUSED: "refused",
    Verdict.FAILED: "failed",
}


def list_decisions(data: GuardData, runs: Sequence[RunSummary]) -> Iterator[PendingDecision]:
    """Everything about a guard that a person has to decide, the gravest and oldest first."""
    duty, memory = data.config, data.snapshot
    name, title = duty.guard.name, duty.guard.title
    for case in sort_cases(select_open_cases(memory.cases.values())):
        if case.kind == "brake":
            yield build_plan_decision(duty, memory, case, runs)
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
    for record in memory.changes:
        if is_partially_applied(record):
            known = memory.cases.get(record.case_key)
            yield PendingDecision(
                guard=name,
                title=title,
                kind="half-made",
                subject=record.subject,
                summary=f"{record.kind} was begun and not finished: {record.note or 'no answer'}",
                since=record.at,
                case_key=known.key if known else "",
                severity=known.severity if known else Severity.HIGH,
            )


def is_partially_applied(record: ChangeRecord) -> bool:
    """True for a change whose first step was sent and whose last was not."""
    return record.state is ChangeState.INTENDED and bool(record.before)


def build_plan_decision(
    config: GuardConfig, snapshot: GuardSnapshot, case: Case, runs: Sequence[RunSummary]
) -> PendingDecision:
    """The plan the brake holds. What it would do is told by the cases that ask for changes."""
    wanted = tuple(list_planned_changes(snapshot))
    population = next((run.population for run in runs if run.has_scanned), 0)
    made_of = compute_plan_hash(
        config.guard.name, ((one.key, change) for one, change in wanted), population
    )
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
        is_exact=made_of == case.plan_hash,
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
# What people did
# ----------------------------------------------------------------------------------------------


def list_exemption_views(
    guard: str, snapshot: GuardSnapshot, now: datetime
) -> tuple[ExemptionView, ...]:
    """The exemptions, those that end first in front; expired ones for a while after them."""
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


def list_recent_requests(snapshot: GuardSnapshot, now: datetime) -> tuple[OperatorRequest, ...]:
    """What people asked for lately, and all that still waits for its answer."""
    return tuple(
        action
        for action in snapshot.operator_requests
        if now - action.at <= RECENT_REQUEST_WINDOW or action.state is RequestState.REQUESTED
    )


def list_recent_changes(snapshot: GuardSnapshot, now: datetime) -> tuple[ChangeRecord, ...]:
    """The changes attempted in the last seven days, newest first: failed and undone ones too."""
    recent = (record for record in snapshot.changes if is_recent(record.at, now))
    return tuple(sorted(recent, key=lambda record: record.at, reverse=True))
