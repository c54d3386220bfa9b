"""Every setting of the app, read once per run; an operator sees all mistakes at once.

    declared in app_settings     TENANT_ID, TEAMS_WEBHOOK_URL, ...
    declared by a guard          RECENT_SIGN_IN_DAYS, BASELINE_FILE, ...
    derived from the catalog     <GUARD>_SCHEDULE, _MODE, _LIMIT, _LIMIT_PERCENT

Nothing else in the app reads the environment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from core.activity.options import ActivityOptions
from core.config.app_settings import (
    ACTIVITY_ACCOUNTS,
    ACTIVITY_FEED,
    APP_SETTINGS,
    AUDIT_QUERIES,
    CHANNEL_SETTING_NAMES,
    CREDENTIAL_SETTINGS,
    EXCHANGE_CONCURRENCY,
    FORWARDING_EACH_TICK,
    GRAPH_CONCURRENCY,
    REMINDER_DAYS,
    RUN_MINUTES,
    SHARD_ABOVE,
    SHARDS_AT_ONCE,
    SIGN_IN_BY_KEY,
    WEBHOOK_SUCCESS_STATUSES,
    parse_schedule,
)
from core.config.catalog import CATALOG
from core.config.channel_settings import (
    ChannelOptions,
    read_channels,
)
from core.containment.options import (
    ContainmentOptions,
    read_containment_options,
)
from core.errors import SettingsError
from core.model.guards import Guard, GuardConfig, Mode
from core.model.options import (
    Purpose,
    Setting,
    SettingReader,
    number,
    one_of,
    whole_number,
)
from core.model.outbox import ChannelFault


def list_option_settings() -> Iterator[Setting[Any]]:
    """The settings that guards declare, each once: two guards may read the same one."""
    yield from {one.name: one for config in CATALOG for one in config.guard.settings}.values()


SETTINGS: tuple[Setting[Any], ...] = (*APP_SETTINGS, *list_option_settings())
"""Every setting but schedule, mode and change limit of each guard."""

GUARD_SETTING_SUFFIXES = ("SCHEDULE", "MODE", "LIMIT", "LIMIT_PERCENT")


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """The four settings that every guard has, with the catalog's values as defaults."""

    schedule: Setting[str]
    mode: Setting[str]
    limit: Setting[int]
    limit_percent: Setting[float]

    def __iter__(self) -> Iterator[Setting[Any]]:
        return iter((self.schedule, self.mode, self.limit, self.limit_percent))


def get_setting_prefix(guard: str) -> str:
    """The beginning of a guard's settings: `mailbox-audit` has `MAILBOX_AUDIT_MODE`, ..."""
    return guard.replace("-", "_").upper()


def get_sign_in_method(values: Mapping[str, str]) -> str:
    """How people sign in: with the function key, unless SIGN_IN says otherwise."""
    return values.get("SIGN_IN", "").strip().lower() or SIGN_IN_BY_KEY


def build_schedule_settings(config: GuardConfig) -> ScheduleSettings:
    """The settings of one row of the catalog."""
    prefix, guard = get_setting_prefix(config.guard.name), config.guard.name
    return ScheduleSettings(
        schedule=Setting(
            name=f"{prefix}_SCHEDULE",
            purpose=Purpose.GUARDS,
            default=config.schedule,
            help=f"when {guard} runs (NCRONTAB, UTC)",
            parse=parse_schedule,
        ),
        mode=Setting(
            name=f"{prefix}_MODE",
            purpose=Purpose.GUARDS,
            default=str(config.mode),
            help=f"{guard}: off, alert or enforce",
            parse=one_of(*Mode),
        ),
        limit=Setting(
            name=f"{prefix}_LIMIT",
            purpose=Purpose.GUARDS,
            default=str(config.limit.count),
            help=f"{guard}: changes that a run may always make",
            parse=whole_number(0, 500),
        ),
        limit_percent=Setting(
            name=f"{prefix}_LIMIT_PERCENT",
            purpose=Purpose.GUARDS,
            default=str(config.limit.percent),
            help=f"{guard}: or changes to this percentage of the objects, whichever is more",
            parse=number(0.0, 100.0),
        ),
    )


SCHEDULE_SETTINGS: Mapping[str, ScheduleSettings] = {
    config.guard.name: build_schedule_settings(config) for config in CATALOG
}
"""The four settings of each guard, by its name."""


def list_settings() -> tuple[Setting[Any], ...]:
    """Every setting there is."""
    return (*SETTINGS, *chain.from_iterable(SCHEDULE_SETTINGS.values()))


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings as read."""

    values: Mapping[str, str]
    """The text of each setting by name, defaults included."""
    guard_configs: tuple[GuardConfig, ...]
    """The catalog under these settings."""
    run_time: timedelta
    """How long a run may send requests."""
    graph_limit: int
    """Most requests to Graph in flight."""
    exchange_limit: int
    """Most requests to Exchange in flight."""
    shard_above: int
    """Number of mailboxes above which a scan has shards."""
    shards_at_once: int
    activity: ActivityOptions
    containment: ContainmentOptions
    webhook_success_statuses: frozenset[int]
    channels: tuple[ChannelOptions, ...]
    """The channels besides Teams that are on."""
    channel_faults: tuple[ChannelFault, ...]
    """The channels that are wanted and out of use, Teams among them."""

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def tenant_name(self) -> str:
        """What people call the tenant."""
        return self.values["TENANT_NAME"] or self.values["TENANT_ID"]

    def find_guard_config(self, guard: str) -> GuardConfig | None:
        """The guard of this name with its schedule, mode, limit and options as set."""
        return next((one for one in self.guard_configs if one.guard.name == guard), None)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """All settings from the environment. Raises SettingsError with every mistake.

        One about a channel is a fault of that channel: no guard stands still for it.
        """
        # Each look into os.environ encodes the name and decodes the value.
        reader = SettingReader(dict(environ), datetime.now(UTC).date())
        for setting in APP_SETTINGS:
            if setting.name not in CHANNEL_SETTING_NAMES:
                reader.read(setting)
        check_connections(reader)
        channels = read_channels(reader)
        settings = cls(
            values={one.name: reader.read_text(one) for one in list_settings()},
            guard_configs=tuple(configure_guard(config, reader) for config in CATALOG),
            run_time=timedelta(minutes=reader.read(RUN_MINUTES)),
            graph_limit=reader.read(GRAPH_CONCURRENCY),
            exchange_limit=reader.read(EXCHANGE_CONCURRENCY),
            shard_above=reader.read(SHARD_ABOVE),
            shards_at_once=reader.read(SHARDS_AT_ONCE),
            activity=ActivityOptions(
                feed=reader.read(ACTIVITY_FEED),
                reads_accounts=reader.read(ACTIVITY_ACCOUNTS) == "on",
                searches=reader.read(AUDIT_QUERIES) == "on",
                runs_forwarding=reader.read(FORWARDING_EACH_TICK) == "on",
                shard_above=reader.read(SHARD_ABOVE),
            ),
            containment=read_containment_options(reader),
            webhook_success_statuses=reader.read(WEBHOOK_SUCCESS_STATUSES),
            channels=channels.channels,
            channel_faults=channels.faults,
        )
        if reader.errors:
            faults = (one.reason for one in channels.faults)
            raise SettingsError("\n".join((*reader.errors, *faults)))
        return settings


def configure_guard(config: GuardConfig, reader: SettingReader) -> GuardConfig:
    """One row of the catalog under the settings."""
    settings = SCHEDULE_SETTINGS[config.guard.name]
    return replace(
        config,
        guard=configure_options(config.guard, reader),
        schedule=reader.read(settings.schedule),
        mode=Mode(reader.read(settings.mode)),
        limit=replace(
            config.limit,
            count=reader.read(settings.limit),
            percent=reader.read(settings.limit_percent),
        ),
        reminder_interval=timedelta(days=reader.read(REMINDER_DAYS)),
    )


def configure_options[T, O](guard: Guard[T, O], reader: SettingReader) -> Guard[T, O]:
    """A guard with its options as set, and the permissions it then needs."""
    return guard.with_options(guard.read_options(reader)) if guard.read_options else guard


def check_connections(reader: SettingReader) -> None:
    """Note what is missing to reach the tenant and the state."""
    given = {one.name for one in APP_SETTINGS if reader.read_text(one)}
    if given.isdisjoint(CREDENTIAL_SETTINGS):
        reader.add_error(f"No credential is set; set one of {', '.join(CREDENTIAL_SETTINGS)}.")
    if given.isdisjoint({"STATE_TABLE_ENDPOINT", "STATE_CONNECTION_STRING"}):
        reader.add_error(
            "STATE_TABLE_ENDPOINT is missing; set it to the address of the table service that "
            "holds the state."
        )
