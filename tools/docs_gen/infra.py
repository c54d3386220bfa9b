"""The parts of `infra/` that list guards, as the catalog says; `tools.docs_gen.documents` puts them
there.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from core.config.catalog import CATALOG
from core.config.settings import SUFFIXES, prefix
from core.model.guards import Duty, Service
from core.ncrontab import Cron

# Silence of three times the longest gap is an alarm.
LATE = 3
FIELDS = {"SCHEDULE": "schedule", "MODE": "mode", "LIMIT": "limit", "LIMIT_PERCENT": "limitPercent"}


def longest_gap(duty: Duty) -> timedelta:
    """The longest time between two runs in a week."""
    schedule = Cron.parse(duty.schedule)
    moment = schedule.next(datetime(2026, 1, 1, tzinfo=UTC))
    end, longest = moment + timedelta(days=8), timedelta()
    while moment < end:
        following = schedule.next(moment)
        longest, moment = max(longest, following - moment), following
    return longest


def max_age_minutes(duty: Duty) -> int:
    """After how many minutes without a completed run somebody is told."""
    return -(-LATE * longest_gap(duty) // timedelta(minutes=1))


def chosen(duty: Duty, suffix: str, default: str) -> str:
    """A setting chosen for the deployment, or its default."""
    return f"chosen(settings, '{prefix(duty.guard.name)}_{suffix}', '{default}')"


def guards() -> str:
    """The object `guards` of main.bicep."""
    lines = ["var guards = {"]
    for duty in CATALOG:
        lines += [
            f"  '{duty.guard.name}': {{",
            f"    mode: toLower({chosen(duty, 'MODE', duty.mode)})",
            f"    schedule: {chosen(duty, 'SCHEDULE', duty.schedule)}",
            f"    limit: {chosen(duty, 'LIMIT', str(duty.limit.count))}",
            f"    limitPercent: {chosen(duty, 'LIMIT_PERCENT', str(duty.limit.percent))}",
            f"    maxAgeMinutes: {chosen(duty, 'MAX_AGE_MINUTES', str(max_age_minutes(duty)))}",
            "  }",
        ]
    return "\n".join([*lines, "}"])


def guard_settings() -> str:
    """The settings of guards in app.bicep."""
    return "\n".join(
        f"  {prefix(duty.guard.name)}_{suffix}: guards['{duty.guard.name}'].{FIELDS[suffix]}"
        for duty in CATALOG
        for suffix in SUFFIXES
    )


def names(duty: Duty, *, writes: bool, optional: bool) -> str:
    """A Bicep list of app roles."""
    found = [
        f"'{entry.name}'"
        for entry in duty.guard.permissions
        if entry.service is Service.GRAPH and (entry.writes, entry.optional) == (writes, optional)
    ]
    return f"[{', '.join(found)}]"


def permissions() -> str:
    """The object `permissions` of entra.bicep."""
    lines = ["var permissions = {"]
    for duty in CATALOG:
        exchange = any(one.service is Service.EXCHANGE for one in duty.guard.permissions)
        lines += [
            f"  '{duty.guard.name}': {{",
            f"    exchange: {str(exchange).lower()}",
            f"    reads: {names(duty, writes=False, optional=False)}",
            f"    optionalReads: {names(duty, writes=False, optional=True)}",
            f"    writes: {names(duty, writes=True, optional=False)}",
            f"    optionalWrites: {names(duty, writes=True, optional=True)}",
            "  }",
        ]
    return "\n".join([*lines, "}"])


def parameters() -> Iterator[str]:
    """The settings of guards that azd passes on, as main.parameters.json names them."""
    for duty in CATALOG:
        for suffix in (*SUFFIXES, "MAX_AGE_MINUTES"):
            yield f"{prefix(duty.guard.name)}_{suffix}"
