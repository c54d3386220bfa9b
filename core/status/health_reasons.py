"""Why a guard or the whole app is not well, in words. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from core.model.findings import Severity
from core.status.activity_status import LogStatus
from core.status.channel_status import ChannelStatus, is_silent
from core.status.counts import StatusCounts
from core.status.guard_status import (
    Health,
    HealthReason,
)
from core.status.tenant_status import GuardStatus, PermissionStatus
from core.status.urgency import DEGRADED_KINDS, needs_attention
from core.time_format import format_duration, format_time

# Notifications that wait for longer are not in transit: the channel does not accept them.
DELIVERY_GRACE = timedelta(minutes=30)


def get_worst_health(reasons: Iterable[HealthReason]) -> Health:
    """The worst health of all reasons; ok without reasons."""
    return max((reason.health for reason in reasons), key=lambda one: one.rank, default=Health.OK)


def get_overall_health(guards: Sequence[GuardStatus], reasons: Iterable[HealthReason]) -> Health:
    """The health of the whole app. Where every guard is off, nothing runs that could be well."""
    worst = get_worst_health(reasons)
    is_off = bool(guards) and all(guard.health is Health.OFF for guard in guards)
    return Health.OFF if is_off and worst is not Health.FAILING else worst


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


def list_reasons_beside_guards(
    logs: Iterable[LogStatus], unread: Iterable[str], channels: Sequence[ChannelStatus]
) -> Iterator[HealthReason]:
    """Reasons that concern what all guards use: audit logs, shared rows and channels."""
    for log in logs:
        if log.trouble:
            yield HealthReason(Health.ATTENTION, f"{log.title}: {log.trouble}")
    for what in unread:
        yield HealthReason(Health.ATTENTION, f"{what} cannot be read now")
    health = Health.FAILING if is_silent(channels) else Health.ATTENTION
    for channel in channels:
        if not channel.is_well:
            yield HealthReason(health, f"channel {channel.name}: {channel.text}")


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


def pluralize(word: str, number: int) -> str:
    """A noun in singular or plural, for a number."""
    return word if number == 1 else f"{word}s"


def append_count(text: str, number: int) -> str:
    """A text with a number, if that is more than one."""
    return text if number == 1 else f"{text} ({number})"
