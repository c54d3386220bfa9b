"""Everything people look at, as one value: how each guard stands, and how all of it does.

    the ledger ─► Standing, one a guard ─► status() ─► the page, status.json, the digest, health

`failing`: Exoguard does not see, or does not speak. `attention`: it does, and somebody is needed.
`ok` has to be earned: every guard that is on has looked in time and seen all, nothing waits.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import reduce

from core.errors import LedgerError
from core.microsoft365.permissions import ExcessPermissions, find_excess_permissions
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import GuardConfig, Mode
from core.model.requests import OperatorRequest
from core.ports import Ledger
from core.status.counts import StatusCounts, count_guard, select_open_cases
from core.status.daily_history import DailyCounts, build_daily_history
from core.status.guard_status import (
    DEFAULT_RUN_MINUTES,
    RUN_MARGIN,
    ExemptionView,
    GuardData,
    Health,
    HealthReason,
    PendingDecision,
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
from core.status.run_history import RunSummary, parse_runs
from core.tenant.port import GrantedPermissions
from core.time_format import format_duration, format_time

# Enough runs to include the last complete scan of a guard that runs every quarter of an hour.
MAX_RUNS = 120
# News that wait for longer are not on their way: the channel does not take them.
DELIVERY_GRACE = timedelta(minutes=30)
# The kinds of cases that say Exoguard itself is hindered.
DEGRADED_KINDS = {
    "blind": "cannot see part of the tenant",
    "credential": "the app cannot sign in to the tenant",
    "permission-missing": "a permission is missing",
    "scan-stalled": "the look in shards stood still",
    "shard-failed": "some mailboxes could not be looked at",
    "state-unreadable": "rows of the state are not understood",
}


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """How one guard stands. `open` are its open cases, the gravest and oldest first.

    `remembered` are the keys of those cases of the changes `lately` made that are still known.
    """

    config: GuardConfig
    health: Health
    reasons: tuple[HealthReason, ...]
    timing: ScanTiming
    coverage: ScanCoverage | None = None
    open_cases: tuple[Case, ...] = ()
    counts: StatusCounts = field(default_factory=StatusCounts)
    decisions: tuple[PendingDecision, ...] = ()
    recent_changes: tuple[ChangeRecord, ...] = ()
    known_cases: frozenset[str] = frozenset()
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
    """What the app may do and no enabled guard needs, as the newest runs found it.

    `at` is when, None where no run told. What is not known is not too much. What is missing is a
    case of the guard that lacks it: the runs that look are the ones to say so.
    """

    excess: ExcessPermissions
    grants: GrantedPermissions = field(default_factory=GrantedPermissions)
    known_since: datetime | None = None

    @property
    def excess_names(self) -> tuple[str, ...]:
        """The names of what could be taken away."""
        return (*self.excess.app_roles, *self.excess.cmdlets)


@dataclass(frozen=True, slots=True)
class TenantStatus:
    """All of it, at one moment. `reasons` say why it is not ok, the worst first."""

    at: datetime
    health: Health
    reasons: tuple[HealthReason, ...]
    guards: tuple[GuardStatus, ...]
    permissions: PermissionStatus
    history: tuple[DailyCounts, ...]

    @property
    def counts(self) -> StatusCounts:
        """The numbers of all guards together."""
        return reduce(StatusCounts.plus, (guard.counts for guard in self.guards), StatusCounts())

    @property
    def missing_permissions(self) -> tuple[tuple[GuardStatus, Case], ...]:
        """The permissions guards lack: the gravest first."""
        every = ((guard, case) for guard in self.guards for case in guard.missing_permissions)
        return tuple(sorted(every, key=lambda pair: (-pair[1].severity, pair[1].subject)))

    @property
    def decisions(self) -> tuple[PendingDecision, ...]:
        """What waits for a person, of all guards: plans first, then the gravest and oldest."""
        every = (one for guard in self.guards for one in guard.decisions)
        return tuple(
            sorted(
                every, key=lambda one: (one.kind != "plan", -one.severity, one.since, one.case_key)
            )
        )

    @property
    def exemptions(self) -> tuple[ExemptionView, ...]:
        """The exemptions of all guards, those that end first in front, expired ones last."""
        every = (one for guard in self.guards for one in guard.exemptions)
        return tuple(sorted(every, key=lambda one: (not one.in_force, one.exemption.until)))

    @property
    def recent_changes(self) -> tuple[tuple[GuardStatus, ChangeRecord], ...]:
        """What was changed in the last week, newest first."""
        every = ((guard, record) for guard in self.guards for record in guard.recent_changes)
        return tuple(sorted(every, key=lambda pair: pair[1].at, reverse=True))

    @property
    def operator_requests(self) -> tuple[tuple[GuardStatus, OperatorRequest], ...]:
        """What people asked for lately, newest first."""
        every = ((guard, action) for guard in self.guards for action in guard.operator_requests)
        return tuple(sorted(every, key=lambda pair: pair[1].at, reverse=True))


async def load_all_guard_data(ledger: Ledger, configs: Iterable[GuardConfig]) -> list[GuardData]:
    """Load what the ledger holds of every guard; of one that cannot be read, the reason."""
    return await asyncio.gather(*(load_guard_data(ledger, config) for config in configs))


async def load_guard_data(ledger: Ledger, config: GuardConfig) -> GuardData:
    """Load what the ledger holds of one guard."""
    guard = config.guard.name
    try:
        return GuardData(
            config,
            await ledger.load(guard),
            await ledger.list_recent_runs(guard, MAX_RUNS),
            await ledger.load_shards(guard),
        )
    except LedgerError as error:
        return GuardData(config, read_error=str(error))


def build_status(
    all_data: Sequence[GuardData], now: datetime, run_minutes: float = DEFAULT_RUN_MINUTES
) -> TenantStatus:
    """How everything stands now. `run_minutes` is the setting of that name: the grace of a run."""
    runs = [parse_runs(standing.runs, now) for standing in all_data]
    since = min((run.started_at for known in runs for run in known), default=None)
    grace = timedelta(minutes=run_minutes) + RUN_MARGIN
    guards = tuple(
        build_guard_status(standing, known, now, since, grace)
        for standing, known in zip(all_data, runs, strict=True)
    )
    rights = build_permission_status([standing.config for standing in all_data], runs)
    reasons = sorted(
        [
            *list_overall_reasons(guards, rights),
            *(one for guard in guards for one in guard.reasons),
        ],
        key=lambda reason: reason.rank,
    )
    return TenantStatus(
        at=now,
        health=get_worst_health(reasons),
        reasons=tuple(reasons),
        guards=guards,
        permissions=rights,
        history=build_daily_history(
            [case for standing in all_data for case in standing.snapshot.cases.values()],
            [record for standing in all_data for record in standing.snapshot.changes],
            now,
        ),
    )


def build_guard_status(
    data: GuardData,
    runs: Sequence[RunSummary],
    now: datetime,
    since: datetime | None,
    grace: timedelta,
) -> GuardStatus:
    """How one guard stands."""
    duty, memory = data.config, data.snapshot
    open_cases = sort_cases(select_open_cases(memory.cases.values()))
    recent = list_recent_changes(memory, now)
    decisions = tuple(list_decisions(data, runs))
    found = GuardStatus(
        config=duty,
        health=Health.OK,
        reasons=(),
        timing=compute_scan_timing(data, runs, now, since, grace),
        coverage=find_latest_coverage(duty, runs),
        open_cases=open_cases,
        counts=count_guard(memory, sum(not one.acknowledged for one in decisions), now),
        decisions=decisions,
        recent_changes=recent,
        known_cases=frozenset(one.case_key for one in recent if one.case_key in memory.cases),
        exemptions=list_exemption_views(duty.guard.name, memory, now),
        missing_permissions=tuple(case for case in open_cases if case.kind == "permission-missing"),
        operator_requests=list_recent_requests(memory, now),
        unreadable_rows=memory.unreadable_rows,
        read_error=data.read_error,
    )
    if duty.mode is Mode.OFF:
        return replace(found, health=Health.OFF)
    reasons = tuple(
        sorted(
            [*list_failure_reasons(found, now), *list_attention_reasons(found)],
            key=lambda reason: reason.rank,
        )
    )
    return replace(found, health=get_worst_health(reasons), reasons=reasons)


def get_worst_health(reasons: Iterable[HealthReason]) -> Health:
    """The worst of all, ok when there is no reason for anything else."""
    return max((reason.health for reason in reasons), key=lambda one: one.rank, default=Health.OK)


def build_permission_status(
    configs: Sequence[GuardConfig], runs: Sequence[Sequence[RunSummary]]
) -> PermissionStatus:
    """What the newest runs that could tell found the app to be allowed."""
    every = sorted((run for known in runs for run in known), key=lambda run: run.started_at)
    roles = cmdlets = at = None
    for run in every:
        if run.granted_permissions.app_roles is not None:
            roles, at = run.granted_permissions.app_roles, run.started_at
        if run.granted_permissions.cmdlets is not None:
            cmdlets, at = run.granted_permissions.cmdlets, run.started_at
    grants = GrantedPermissions(roles, cmdlets)
    return PermissionStatus(find_excess_permissions(configs, grants), grants, at)


# ----------------------------------------------------------------------------------------------
# Reasons, in words
# ----------------------------------------------------------------------------------------------


def list_failure_reasons(guard: GuardStatus, now: datetime) -> Iterator[HealthReason]:
    """What keeps a guard from seeing or speaking."""
    if guard.read_error:
        why = f"its state cannot be read: {guard.read_error}"
        yield HealthReason(Health.FAILING, why, guard.name)
        return
    yield from list_missed_scan_reasons(guard)
    for kind, words in DEGRADED_KINDS.items():
        cases = [case for case in guard.open_cases if case.kind == kind]
        if cases:
            grave = max(case.severity for case in cases) >= Severity.HIGH
            level = Health.FAILING if grave else Health.ATTENTION
            yield HealthReason(level, append_count(words, len(cases)), guard.name)
    if guard.unreadable_rows and not any(
        case.kind == "state-unreadable" for case in guard.open_cases
    ):
        rows = pluralize("row", guard.unreadable_rows)
        why = f"{guard.unreadable_rows} {rows} of its state not understood"
        yield HealthReason(Health.ATTENTION, why, guard.name)
    waiting = guard.counts.pending
    if waiting.oldest_at and now - waiting.oldest_at > DELIVERY_GRACE:
        alerts = f"{waiting.total} {pluralize('alert', waiting.total)}"
        why = f"{alerts} not taken by the channel for {format_duration(now - waiting.oldest_at)}"
        yield HealthReason(Health.FAILING, why, guard.name)


def list_missed_scan_reasons(guard: GuardStatus) -> Iterator[HealthReason]:
    """What its runs, or their absence, say against a guard."""
    time, name = guard.timing, guard.name
    if time.late_by:
        ran = "never looked" if time.never_scanned else "not looked"
        since = f", due since {format_time(time.missed_due_at)}" if time.missed_due_at else ""
        yield HealthReason(
            Health.FAILING, f"late by {format_duration(time.late_by)}: it has {ran}{since}", name
        )
    elif time.never_scanned:
        yield HealthReason(Health.ATTENTION, "it has not looked yet", name)
    if time.last_run and time.last_run.status == "failed":
        yield HealthReason(
            Health.FAILING, f"its last run failed: {time.last_run.error or 'no reason'}", name
        )
    if time.progress and time.progress.stalled_count:
        yield HealthReason(
            Health.FAILING, "its look at the tenant stood still and was begun anew", name
        )


def list_attention_reasons(guard: GuardStatus) -> Iterator[HealthReason]:
    """What a person has to look at."""
    name = guard.name
    plans = [one for one in guard.decisions if one.kind == "plan"]
    if plans:
        yield HealthReason(Health.ATTENTION, "a plan waits for release", name, Severity.HIGH)
    asked = [one for one in guard.decisions if one.kind != "plan" and not one.acknowledged]
    if asked:
        verb = "needs" if len(asked) == 1 else "need"
        yield HealthReason(Health.ATTENTION, f"{len(asked)} {verb} a decision", name)
    grave = [case for case in guard.open_cases if needs_attention(case)]
    if grave:
        text = describe_open_cases(guard.counts)
        yield HealthReason(Health.ATTENTION, text, name, max(case.severity for case in grave))
    seen = guard.coverage
    if seen and seen.unread_count:
        yield HealthReason(
            Health.ATTENTION, f"{seen.unread_count:,} of its {seen.noun} not readable", name
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
    """Whether an open case is a reason to look: high ones always, medium ones until known."""
    if case.kind in DEGRADED_KINDS or case.kind == "brake":
        return False
    if case.severity >= Severity.HIGH:
        return True
    return case.severity is Severity.MEDIUM and case.acknowledged_at is None


def list_overall_reasons(
    guards: Sequence[GuardStatus], permissions: PermissionStatus
) -> Iterator[HealthReason]:
    """What concerns all of them together."""
    if all(guard.health is Health.OFF for guard in guards):
        yield HealthReason(Health.ATTENTION, "every guard is off: nobody watches")
    more = len(permissions.excess_names)
    if more:
        yield HealthReason(
            Health.ATTENTION, f"the app has {more} {pluralize('permission', more)} no guard needs"
        )


def pluralize(word: str, number: int) -> str:
    """A word for one or several."""
    return word if number == 1 else f"{word}s"


def append_count(text: str, number: int) -> str:
    """Words with their number, when it is more than one."""
    return text if number == 1 else f"{text} ({number})"
