"""The status of every guard and of the whole app, as one value for all surfaces.

    ledger ─► GuardData, one a guard ─► build_status() ─► page, status.json, digest, health check

`failing`: Exoguard misses part of the tenant, or cannot notify. `attention`: it works, and an
operator is needed. `ok`: every guard that is on scanned on time and completely, and nothing waits.
`off`: every guard is off.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from core.errors import MISTAKES, explain_error
from core.microsoft365.permissions import find_excess_permissions
from core.model.guards import GuardConfig, Mode
from core.model.outbox import ChannelFault
from core.status.activity_status import build_log_statuses
from core.status.channel_status import build_channel_statuses
from core.status.counts import count_guard, select_open_cases
from core.status.daily_history import build_daily_history
from core.status.guard_status import (
    DEFAULT_RUN_TIME,
    RUN_MARGIN,
    GuardData,
    Health,
    ScanClock,
    compute_scan_timing,
    find_latest_coverage,
    list_decisions,
    list_exemption_views,
    list_recent_changes,
    list_recent_requests,
    sort_cases,
)
from core.status.health_reasons import (
    get_overall_health,
    get_worst_health,
    list_attention_reasons,
    list_failure_reasons,
    list_overall_reasons,
    list_reasons_beside_guards,
)
from core.status.loading import NOTHING_SHARED, SharedRows
from core.status.run_history import RunSummary, parse_runs
from core.status.tenant_status import GuardStatus, PermissionStatus, TenantStatus
from core.status.urgency import list_recent_events
from core.tenant.readers import GrantedPermissions


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
    first_run_at = min((run.started_at for one in runs for run in one), default=None)
    clock = ScanClock(now, first_run_at, run_time + RUN_MARGIN)
    guards = tuple(
        show_guard(data, of_guard, clock) for data, of_guard in zip(all_data, runs, strict=True)
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
            *list_reasons_beside_guards(logs, shared.unread, channel_statuses),
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


def show_guard(data: GuardData, runs: Sequence[RunSummary], clock: ScanClock) -> GuardStatus:
    """The status of one guard. A mistake about something in its state keeps nobody from seeing the
    other guards: it counts as state that cannot be read.
    """
    try:
        return build_guard_status(data, runs, clock)
    except MISTAKES as error:
        unread = GuardData(data.config, runs=data.runs, read_error=explain_error(error))
        return build_guard_status(unread, runs, clock)


def build_guard_status(
    data: GuardData, runs: Sequence[RunSummary], clock: ScanClock
) -> GuardStatus:
    """The status of one guard."""
    config, snapshot, now = data.config, data.snapshot, clock.now
    open_cases = sort_cases(select_open_cases(snapshot.cases.values()))
    recent = list_recent_changes(snapshot, now)
    decisions = tuple(list_decisions(data, runs))
    status = GuardStatus(
        config=config,
        health=Health.OK,
        reasons=(),
        timing=compute_scan_timing(data, runs, clock),
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
