"""What is known of every guard and of the whole app at one time. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce

from core.microsoft365.permissions import ExcessPermissions
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest
from core.model.state import ProbeReport
from core.status.activity_status import LogStatus
from core.status.case_groups import CaseGroup, group_cases
from core.status.channel_status import ChannelStatus
from core.status.counts import StatusCounts
from core.status.daily_history import DailyCounts
from core.status.guard_status import (
    ExemptionView,
    Health,
    HealthReason,
    PendingDecision,
    RequestView,
    ScanCoverage,
    ScanTiming,
)
from core.status.urgency import is_urgent, rank_event, rank_urgency
from core.tenant.readers import GrantedPermissions


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
