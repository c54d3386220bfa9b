"""The status of every guard and of the whole app, as one value for all surfaces.

    ledger ─► GuardData, one a guard ─► build_status() ─► page, status.json, digest, health check

`failing`: Exoguard misses part of the tenant, or cannot notify. `attention`: it works, and an
operator is needed. `ok`: every guard that is on scanned on time and completely, and nothing waits.
`off`: every guard is off.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import reduce

from core.errors import MISTAKES, explain_error
from core.microsoft365.permissions import ExcessPermissions, find_excess_permissions
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import GuardConfig, Mode
from core.model.outbox import ChannelFault
from core.model.requests import OperatorRequest
from core.model.state import ProbeReport
from core.status.activity_status import LogStatus, build_log_statuses
from core.status.case_groups import CaseGroup, group_cases
from core.status.channel_status import ChannelStatus, build_channel_statuses, is_silent
from core.status.counts import StatusCounts, count_guard, select_open_cases
from core.status.daily_history import DailyCounts, build_daily_history
from core.status.guard_status import (
    DEFAULT_RUN_TIME,
    RUN_MARGIN,
    ExemptionView,
    GuardData,
    Health,
    HealthReason,
    PendingDecision,
    RequestView,
    ScanCoverage,
    ScanTiming,
    compute_scan_timing,
    find_latest_coverage,
    list_decisions,
    list_exemption_views,
    list_recent_changes,
    list_recent_requests,
    sort_cases,
)
from core.status.loading import NOTHING_SHARED, SharedRows
from core.status.run_history import RunSummary, parse_runs
from core.tenant.readers import GrantedPermissions
from core.time_format import format_duration, format_time

# Notifications that wait for longer are not in transit: the channel does not accept them.
DELIVERY_GRACE = timedelta(minutes=30)
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


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """The status of one guard."""

    config: GuardConfig
    health: Health
    reasons: tuple[HealthReason, ...]
    """Why the health is not ok, the worst first."""
    timing: ScanTiming
    coverage: ScanCoverage | None = None
    open_cases: tuple[Case, ...] = ()
    """The open cases, the most severe and oldest first."""
    recent_events: tuple[Case, ...] = ()
    """The critical and high events that ended within a day, the most severe and newest first."""
    counts: StatusCounts = field(default_factory=StatusCounts)
    decisions: tuple[PendingDecision, ...] = ()
    recent_changes: tuple[ChangeRecord, ...] = ()
    """The changes attempted in the last seven days, newest first."""
    known_cases: frozenset[str] = frozenset()
    """The keys of the cases of recent changes that are still on record."""
    exemptions: tuple[ExemptionView, ...] = ()
    missing_permissions: tuple[Case, ...] = ()
    operator_requests: tuple[OperatorRequest, ...] = ()
    unreadable_rows: int = 0
    read_error: str = ""

    @property
    def name(self) -> str:
        """The guard's name."""
        return self.config.guard.name

    @property
    def title(self) -> str:
        """The guard's title."""
        return self.config.guard.title


@dataclass(frozen=True, slots=True)
class PermissionStatus:
    """The permissions the app holds and no enabled guard needs, as of the newest runs.

    Unknown permissions are not excess. A missing permission is a case of the guard that lacks it.
    """

    excess: ExcessPermissions
    grants: GrantedPermissions = field(default_factory=GrantedPermissions)
    known_since: datetime | None = None
    """When a run last read the permissions; None if none did."""

    @property
    def excess_names(self) -> tuple[str, ...]:
        """The names of the permissions that can be revoked."""
        return (*self.excess.app_roles, *self.excess.cmdlets)


@dataclass(frozen=True, slots=True)
class TenantStatus:
    """The status of all guards at one timing. `reasons` are the worst first."""

    at: datetime
    health: Health
    reasons: tuple[HealthReason, ...]
    guards: tuple[GuardStatus, ...]
    permissions: PermissionStatus
    history: tuple[DailyCounts, ...]
    probe: ProbeReport | None = None
    """The last probe of the assumptions; None before the first."""
    logs: tuple[LogStatus, ...] = ()
    """How the audit logs are read."""
    channels: tuple[ChannelStatus, ...] = ()
    """How the channels besides Teams stand, and Teams where it is out of use."""
    shared_requests: tuple[RequestView, ...] = ()
    """The recent requests that concern no guard."""
    unread: tuple[str, ...] = ()
    """What else cannot be read of the state now, in words."""

    @property
    def counts(self) -> StatusCounts:
        """The numbers of all guards together."""
        return reduce(StatusCounts.plus, (guard.counts for guard in self.guards), StatusCounts())

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The names of the guards whose state cannot be read now."""
        return tuple(guard.name for guard in self.guards if guard.read_error)

    @property
    def missing_permissions(self) -> tuple[tuple[GuardStatus, Case], ...]:
        """The permissions that guards lack, the most severe first."""
        every = ((guard, case) for guard in self.guards for case in guard.missing_permissions)
        return tuple(sorted(every, key=lambda pair: (-pair[1].severity, pair[1].subject)))

    @property
    def decisions(self) -> tuple[PendingDecision, ...]:
        """The decisions of all guards: plans first, then the most severe and oldest."""
        every = (one for guard in self.guards for one in guard.decisions)
        return tuple(
            sorted(
                every, key=lambda one: (one.kind != "plan", -one.severity, one.since, one.case_key)
            )
        )

    @property
    def urgent(self) -> tuple[tuple[GuardStatus, CaseGroup], ...]:
        """What to act on first: critical and high cases that nobody acknowledged, one story each.

        What came since the guard's first look is above what was there before; then the most severe
        and the newest come first. Exoguard's own troubles are reasons of its health instead.
        """
        every = [
            (guard, group)
            for guard in self.guards
            for group in group_cases(filter(is_urgent, guard.open_cases), guard.name)
        ]
        return tuple(sorted(every, key=lambda pair: rank_urgency(pair[1])))

    @property
    def recent_events(self) -> tuple[tuple[GuardStatus, Case], ...]:
        """The critical and high events that ended within a day, the most severe and newest first.

        An event is over once it was told, so none of them is an open case.
        """
        every = ((guard, case) for guard in self.guards for case in guard.recent_events)
        return tuple(sorted(every, key=lambda pair: rank_event(pair[1])))

    @property
    def exemptions(self) -> tuple[ExemptionView, ...]:
        """The exemptions of all guards in order of their end, expired ones last."""
        every = (one for guard in self.guards for one in guard.exemptions)
        return tuple(sorted(every, key=lambda one: (not one.in_force, one.exemption.until)))

    @property
    def recent_changes(self) -> tuple[tuple[GuardStatus, ChangeRecord], ...]:
        """The changes attempted in the last seven days, newest first."""
        every = ((guard, record) for guard in self.guards for record in guard.recent_changes)
        return tuple(sorted(every, key=lambda pair: pair[1].at, reverse=True))

    @property
    def operator_requests(self) -> tuple[RequestView, ...]:
        """The recent operator requests of all guards, newest first."""
        of_guards = (
            RequestView(guard.name, guard.title, one)
            for guard in self.guards
            for one in guard.operator_requests
        )
        every = (*of_guards, *self.shared_requests)
        return tuple(sorted(every, key=lambda one: one.request.at, reverse=True))


def build_status(
    all_data: Sequence[GuardData],
    now: datetime,
    run_time: timedelta = DEFAULT_RUN_TIME,
    shared: SharedRows = NOTHING_SHARED,
    containment: Mode = Mode.OFF,
    channels: Sequence[str] = (),
    faults: Sequence[ChannelFault] = (),
    *,
    searches: bool = False,
) -> TenantStatus:
    """The status as of `now`. `run_time` is how long a run may take, from the settings."""
    runs = [parse_runs(data.runs, now) for data in all_data]
    since = min((run.started_at for one in runs for run in one), default=None)
    grace = run_time + RUN_MARGIN
    guards = tuple(
        show_guard(data, of_guard, now, since, grace)
        for data, of_guard in zip(all_data, runs, strict=True)
    )
    logs = build_log_statuses(shared.cursors, now)
    permissions = build_permission_status(
        [data.config for data in all_data], runs, containment, searches=searches
    )
    channel_statuses = build_channel_statuses(
        channels,
        shared.healths,
        [row for data in all_data for row in data.snapshot.outbox.values()],
        now,
        faults,
    )
    reasons = sorted(
        [
            *list_overall_reasons(guards, permissions),
            *(
                HealthReason(Health.ATTENTION, f"{one.title}: {one.trouble}")
                for one in logs
                if one.trouble
            ),
            *(
                HealthReason(Health.ATTENTION, f"{what} cannot be read now")
                for what in shared.unread
            ),
            *(
                HealthReason(
                    Health.FAILING if is_silent(channel_statuses) else Health.ATTENTION,
                    f"channel {one.name}: {one.text}",
                )
                for one in channel_statuses
                if not one.is_well
            ),
            *(one for guard in guards for one in guard.reasons),
        ],
        key=lambda reason: reason.rank,
    )
    return TenantStatus(
        at=now,
        health=get_overall_health(guards, reasons),
        reasons=tuple(reasons),
        guards=guards,
        permissions=permissions,
        history=build_daily_history(
            [case for data in all_data for case in data.snapshot.cases.values()],
            [record for data in all_data for record in data.snapshot.changes],
            [data.snapshot.tally for data in all_data],
            now,
        ),
        probe=shared.probe,
        channels=channel_statuses,
        unread=shared.unread,
        shared_requests=shared.requests,
        logs=logs,
    )


def show_guard(
    data: GuardData,
    runs: Sequence[RunSummary],
    now: datetime,
    since: datetime | None,
    grace: timedelta,
) -> GuardStatus:
    """The status of one guard. A mistake about something in its state keeps nobody from seeing the
    other guards: it counts as state that cannot be read.
    """
    try:
        return build_guard_status(data, runs, now, since, grace)
    except MISTAKES as error:
        unread = GuardData(data.config, runs=data.runs, read_error=explain_error(error))
        return build_guard_status(unread, runs, now, since, grace)


def build_guard_status(
    data: GuardData,
    runs: Sequence[RunSummary],
    now: datetime,
    since: datetime | None,
    grace: timedelta,
) -> GuardStatus:
    """The status of one guard."""
    config, snapshot = data.config, data.snapshot
    open_cases = sort_cases(select_open_cases(snapshot.cases.values()))
    recent = list_recent_changes(snapshot, now)
    decisions = tuple(list_decisions(data, runs))
    status = GuardStatus(
        config=config,
        health=Health.OK,
        reasons=(),
        timing=compute_scan_timing(data, runs, now, since, grace),
        coverage=find_latest_coverage(config, runs),
        open_cases=open_cases,
        recent_events=list_recent_events(snapshot.cases.values(), now),
        counts=count_guard(snapshot, sum(not one.acknowledged for one in decisions), now),
        decisions=decisions,
        recent_changes=recent,
        known_cases=frozenset(one.case_key for one in recent if one.case_key in snapshot.cases),
        exemptions=list_exemption_views(config.guard.name, snapshot, now),
        missing_permissions=tuple(case for case in open_cases if case.kind == "permission-missing"),
        operator_requests=list_recent_requests(snapshot.operator_requests, now),
        unreadable_rows=snapshot.unreadable_rows,
        read_error=data.read_error,
    )
    if config.mode is Mode.OFF:
        return replace(status, health=Health.OFF)
    reasons = tuple(
        sorted(
            [*list_failure_reasons(status, now), *list_attention_reasons(status)],
            key=lambda reason: reason.rank,
        )
    )
    return replace(status, health=get_worst_health(reasons), reasons=reasons)


def get_worst_health(reasons: Iterable[HealthReason]) -> Health:
    """The worst health of all reasons; ok without reasons."""
    return max((reason.health for reason in reasons), key=lambda one: one.rank, default=Health.OK)


def get_overall_health(guards: Sequence[GuardStatus], reasons: Iterable[HealthReason]) -> Health:
    """The health of the whole app. Where every guard is off, nothing runs that could be well."""
    worst = get_worst_health(reasons)
    is_off = bool(guards) and all(guard.health is Health.OFF for guard in guards)
    return Health.OFF if is_off and worst is not Health.FAILING else worst


def build_permission_status(
    configs: Sequence[GuardConfig],
    runs: Sequence[Sequence[RunSummary]],
    containment: Mode = Mode.OFF,
    *,
    searches: bool = False,
) -> PermissionStatus:
    """The permissions that the newest runs read."""
    every = sorted((run for one in runs for run in one), key=lambda run: run.started_at)
    roles = cmdlets = at = None
    for run in every:
        if run.granted_permissions.app_roles is not None:
            roles, at = run.granted_permissions.app_roles, run.started_at
        if run.granted_permissions.cmdlets is not None:
            cmdlets, at = run.granted_permissions.cmdlets, run.started_at
    grants = GrantedPermissions(roles, cmdlets)
    excess = find_excess_permissions(configs, grants, containment, searches=searches)
    return PermissionStatus(excess, grants, at)


# ----------------------------------------------------------------------------------------------
# Reasons
# ----------------------------------------------------------------------------------------------


def list_failure_reasons(guard: GuardStatus, now: datetime) -> Iterator[HealthReason]:
    """Why a guard misses part of the tenant or cannot notify."""
    if guard.read_error:
        text = f"its state cannot be read: {guard.read_error}"
        yield HealthReason(Health.FAILING, text, guard.name)
        return
    yield from list_missed_scan_reasons(guard)
    for kind, text in DEGRADED_KINDS.items():
        cases = [case for case in guard.open_cases if case.kind == kind]
        if cases:
            is_severe = max(case.severity for case in cases) >= Severity.HIGH
            health = Health.FAILING if is_severe else Health.ATTENTION
            yield HealthReason(health, append_count(text, len(cases)), guard.name)
    if guard.unreadable_rows and not any(
        case.kind == "state-unreadable" for case in guard.open_cases
    ):
        rows = pluralize("row", guard.unreadable_rows)
        text = f"{guard.unreadable_rows} {rows} of its state cannot be decoded"
        yield HealthReason(Health.ATTENTION, text, guard.name)
    pending = guard.counts.pending
    if pending.oldest_at and now - pending.oldest_at > DELIVERY_GRACE:
        number = f"{pending.total} {pluralize('notification', pending.total)}"
        text = f"{number} pending for {format_duration(now - pending.oldest_at)}"
        yield HealthReason(Health.FAILING, text, guard.name)


def list_missed_scan_reasons(guard: GuardStatus) -> Iterator[HealthReason]:
    """Scans that a guard missed, or that failed."""
    timing, name = guard.timing, guard.name
    if timing.late_by:
        ran = "never scanned" if timing.never_scanned else "not scanned"
        since = f", due since {format_time(timing.missed_due_at)}" if timing.missed_due_at else ""
        yield HealthReason(
            Health.FAILING, f"late by {format_duration(timing.late_by)}: it has {ran}{since}", name
        )
    elif timing.never_scanned:
        yield HealthReason(Health.ATTENTION, "it has not scanned yet", name)
    if timing.last_run and timing.last_run.status == "failed":
        yield HealthReason(
            Health.FAILING, f"its last run failed: {timing.last_run.error or 'no reason'}", name
        )
    if timing.progress and timing.progress.stalled_count:
        yield HealthReason(Health.FAILING, "its scan stalled and was restarted", name)


def list_attention_reasons(guard: GuardStatus) -> Iterator[HealthReason]:
    """What an operator has to look at."""
    name = guard.name
    plans = [one for one in guard.decisions if one.kind == "plan"]
    if plans:
        yield HealthReason(Health.ATTENTION, "a plan waits for release", name, Severity.HIGH)
    waiting = [one for one in guard.decisions if one.kind != "plan" and not one.acknowledged]
    if waiting:
        number = guard.counts.decisions
        text = f"{number} pending {pluralize('decision', number)}"
        yield HealthReason(Health.ATTENTION, text, name)
    unattended = [case for case in guard.open_cases if needs_attention(case)]
    if unattended:
        text = describe_open_cases(guard.counts)
        yield HealthReason(Health.ATTENTION, text, name, max(case.severity for case in unattended))
    coverage = guard.coverage
    if coverage and coverage.unread_count:
        yield HealthReason(
            Health.ATTENTION, f"{coverage.unread_count:,} of its {coverage.noun} not readable", name
        )


def describe_open_cases(counts: StatusCounts) -> str:
    """All open cases, in total and by severity."""
    number = counts.open_cases
    levels = format_severity_counts(counts.open_by_severity)
    return f"{number:,} open {pluralize('case', number)}: {levels}"


def format_severity_counts(counts: Mapping[Severity, int]) -> str:
    """Numbers of cases by severity, the most severe first."""
    return ", ".join(f"{number:,} {level.label}" for level, number in counts.items()) or "none"


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


def list_overall_reasons(
    guards: Sequence[GuardStatus], permissions: PermissionStatus
) -> Iterator[HealthReason]:
    """Reasons that concern all guards together."""
    if all(guard.health is Health.OFF for guard in guards):
        yield HealthReason(Health.ATTENTION, "every guard is off")
    number = len(permissions.excess_names)
    if number:
        excess = f"{number} {pluralize('permission', number)}"
        yield HealthReason(Health.ATTENTION, f"the app has {excess} that no guard needs")


def pluralize(word: str, number: int) -> str:
    """A noun in singular or plural, for a number."""
    return word if number == 1 else f"{word}s"


def append_count(text: str, number: int) -> str:
    """A text with a number, if that is more than one."""
    return text if number == 1 else f"{text} ({number})"
