"""The parts of `infra/` that list guards; `tools.docs_gen.documents` writes them there."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.config.catalog import CATALOG
from core.config.settings import GUARD_SETTING_SUFFIXES, get_setting_prefix
from core.microsoft365.containment_permissions import CONTAINMENT_PERMISSIONS
from core.model.guards import GuardConfig, Service
from core.ncrontab import CronSchedule

MAX_MISSED_INTERVALS = 3
"""An alert fires when a guard has not completed a run for this many of its longest gaps."""
INFRA = Path(__file__).resolve().parent.parent.parent / "infra"
NOT_HANDED_ON = frozenset(
    {"ALERT_WEBHOOK_URL", "AZURE_ENV_NAME", "AZURE_LOCATION", "RECOVER_KEY_VAULT"}
    | {"TEAMS_WEBHOOK_URL"}
)
MAX_COLUMNS = 120
"""What `bicep format` puts into one line."""
BICEP_FIELDS = {
    "SCHEDULE": "schedule",
    "MODE": "mode",
    "LIMIT": "limit",
    "LIMIT_PERCENT": "limitPercent",
}


def find_longest_gap(config: GuardConfig) -> timedelta:
    """The longest time between two runs in a week."""
    schedule = CronSchedule.parse(config.schedule)
    moment = schedule.find_next(datetime(2026, 1, 1, tzinfo=UTC))
    end, longest = moment + timedelta(days=8), timedelta()
    while moment < end:
        following = schedule.find_next(moment)
        longest, moment = max(longest, following - moment), following
    return longest


def get_max_age_minutes(config: GuardConfig) -> int:
    """Minutes without a completed run after which an alert fires."""
    return -(-MAX_MISSED_INTERVALS * find_longest_gap(config) // timedelta(minutes=1))


def format_chosen_setting(config: GuardConfig, suffix: str, default: str) -> str:
    """The Bicep expression of a setting that the deployer may choose."""
    return f"chosen(settings, '{get_setting_prefix(config.guard.name)}_{suffix}', '{default}')"


def build_guards_object() -> str:
    """The object `guards` of main.bicep."""
    lines = ["var guards = {"]
    for config in CATALOG:
        percent, minutes = str(config.limit.percent), str(get_max_age_minutes(config))
        lines += [
            f"  '{config.guard.name}': {{",
            f"    mode: toLower({format_chosen_setting(config, 'MODE', config.mode)})",
            f"    schedule: {format_chosen_setting(config, 'SCHEDULE', config.schedule)}",
            f"    limit: {format_chosen_setting(config, 'LIMIT', str(config.limit.count))}",
            f"    limitPercent: {format_chosen_setting(config, 'LIMIT_PERCENT', percent)}",
            f"    maxAgeMinutes: {format_chosen_setting(config, 'MAX_AGE_MINUTES', minutes)}",
            "  }",
        ]
    return "\n".join([*lines, "}"])


def build_guard_settings() -> str:
    """The settings of guards in app.bicep."""
    return "\n".join(
        f"  {get_setting_prefix(name)}_{suffix}: guards['{name}'].{BICEP_FIELDS[suffix]}"
        for name in (config.guard.name for config in CATALOG)
        for suffix in GUARD_SETTING_SUFFIXES
    )


def format_role_names(config: GuardConfig, *, writes: bool, optional: bool) -> str:
    """A Bicep list of app roles."""
    found = [
        f"'{entry.name}'"
        for entry in config.guard.permissions
        if entry.service is Service.GRAPH and (entry.writes, entry.optional) == (writes, optional)
    ]
    return f"[{', '.join(found)}]"


def format_list(name: str, items: str) -> str:
    """A property of an object in an object; items that make it too long have lines of their own."""
    line = f"    {name}: {items}"
    if len(line) <= MAX_COLUMNS:
        return line
    inner = "\n".join(f"      {item}" for item in items.strip("[]").split(", "))
    return f"    {name}: [\n{inner}\n    ]"


def format_flag(value: bool) -> str:
    """A boolean of Bicep."""
    return str(value).lower()


def build_permissions_object() -> str:
    """The object `permissions` of entra.bicep."""
    lines = ["var permissions = {"]
    for config in CATALOG:
        exchange = [one for one in config.guard.permissions if one.service is Service.EXCHANGE]
        lines += [
            f"  '{config.guard.name}': {{",
            f"    exchange: {format_flag(not all(one.optional for one in exchange))}",
            f"    optionalExchange: {format_flag(any(one.optional for one in exchange))}",
            format_list("reads", format_role_names(config, writes=False, optional=False)),
            format_list("optionalReads", format_role_names(config, writes=False, optional=True)),
            format_list("writes", format_role_names(config, writes=True, optional=False)),
            format_list("optionalWrites", format_role_names(config, writes=True, optional=True)),
            "  }",
        ]
    return "\n".join([*lines, "}"])


def build_containment_object() -> str:
    """The object `containing` of entra.bicep: the app roles that containing an account needs."""
    lines = ["var containing = {"]
    for name, writes, optional in (
        ("reads", False, False),
        ("optionalReads", False, True),
        ("writes", True, False),
        ("optionalWrites", True, True),
    ):
        roles = [
            f"'{one.name}'"
            for one in CONTAINMENT_PERMISSIONS
            if one.service is Service.GRAPH and (one.writes, one.optional) == (writes, optional)
        ]
        lines.append(format_list(name, f"[{', '.join(roles)}]").replace("\n  ", "\n")[2:])
    return "\n".join([*lines, "}"])


def list_pipeline_variables() -> list[str]:
    """The variables of azd that a workflow must hand on: what main.parameters.json asks for.

    Without what azd itself hands on, what only serves one deployment, and secrets.
    """
    text = (INFRA / "main.parameters.json").read_text(encoding="utf-8")
    found = dict.fromkeys(re.findall(r"\$\{([A-Z0-9_]+)", text))
    return [name for name in found if name not in NOT_HANDED_ON]


def build_pipeline_list() -> str:
    """The variables in azure.yaml."""
    return "\n".join(f"    - {name}" for name in list_pipeline_variables())


def build_pipeline_environment() -> str:
    """The variables in .github/workflows/azure-dev.yml."""
    lines = (f"      {name}: ${{{{ vars.{name} }}}}" for name in list_pipeline_variables())
    return "\n".join(lines)


def list_parameters() -> Iterator[str]:
    """The names of the guards' settings that azd passes on in main.parameters.json."""
    for config in CATALOG:
        for suffix in (*GUARD_SETTING_SUFFIXES, "MAX_AGE_MINUTES"):
            yield f"{get_setting_prefix(config.guard.name)}_{suffix}"
