"""Every setting of the app, read once per run; an operator sees all mistakes at once.

    declared here                TENANT_ID, TEAMS_WEBHOOK_URL, ...
    declared by a guard          RECENT_SIGN_IN_DAYS, BASELINE_FILE, ...
    derived from the catalog     <GUARD>_SCHEDULE, _MODE, _LIMIT, _LIMIT_PERCENT

Nothing else in the app reads the environment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.activity.options import ActivityOptions
from core.config.catalog import CATALOG
from core.config.channel_settings import (
    CHANNEL_SETTINGS,
    TEAMS_WEBHOOK_URL,
    WEBHOOK_HOSTS,
    ChannelOptions,
    read_channels,
)
from core.containment.options import (
    CONTAINMENT_SETTINGS,
    ContainmentOptions,
    read_containment_options,
)
from core.errors import SettingsError
from core.model.guards import Guard, GuardConfig, Mode
from core.model.options import (
    REQUIRED,
    Purpose,
    Setting,
    SettingReader,
    any_text,
    matching,
    names,
    number,
    one_of,
    whole_number,
)
from core.model.outbox import ChannelFault
from core.ncrontab import CRON_FIELDS, CronError, CronSchedule

SIGN_IN_BY_KEY = "key"
SIGN_IN_BY_ENTRA = "entra"
CREDENTIAL_SETTINGS = ("MANAGED_IDENTITY_CLIENT_ID", "CLIENT_CERTIFICATE_PATH", "CLIENT_SECRET")
"""An operator has to give one of these, so that the app can sign in to the tenant."""


def parse_schedule(value: str) -> str:
    """The parser of an NCRONTAB schedule; the Functions host reads the same text."""
    remedy = "use six fields with seconds first, such as 0 */15 * * * *"
    if len(value.split()) != len(CRON_FIELDS):
        raise ValueError(f"{value[:60]!r} is not a valid schedule; {remedy}.")
    try:
        CronSchedule.parse(value)
    except CronError as error:
        raise ValueError(f"{value[:60]!r} is not a valid schedule ({error}); {remedy}.") from None
    return value


def parse_success_statuses(value: str) -> frozenset[int]:
    """The parser of a list of HTTP statuses that mean success, at least one."""
    remedy = "HTTP statuses from 200 to 299, separated by commas"
    found = names(r"2[0-9]{2}", remedy)(value)
    if not found:
        raise ValueError(f"the list is empty; use {remedy}.")
    return frozenset(map(int, found))


RUN_MINUTES = Setting(
    name="RUN_MINUTES",
    purpose=Purpose.LOAD,
    default="8",
    help="minutes after which a run sends no further request to the tenant",
    parse=number(0.5, 60.0),
)
GRAPH_CONCURRENCY = Setting(
    name="GRAPH_CONCURRENCY",
    purpose=Purpose.LOAD,
    default="16",
    help="most requests to Microsoft Graph in flight at a time",
    parse=whole_number(1, 64),
)
EXCHANGE_CONCURRENCY = Setting(
    name="EXCHANGE_CONCURRENCY",
    purpose=Purpose.LOAD,
    default="6",
    help="most requests to Exchange in flight at a time",
    parse=whole_number(1, 32),
)
SHARD_ABOVE = Setting(
    name="SHARD_ABOVE",
    purpose=Purpose.LOAD,
    default="20000",
    help="number of mailboxes above which a scan is divided into shards, which any instance of "
    "the app processes",
    parse=whole_number(1, 10_000_000),
)
SHARDS_AT_ONCE = Setting(
    name="SHARDS_AT_ONCE",
    purpose=Purpose.LOAD,
    default="4",
    help="most shards processed at a time over all instances, which share the limits of requests "
    "in flight",
    parse=whole_number(1, 64),
)
WEBHOOK_SUCCESS_STATUSES = Setting(
    name="WEBHOOK_ANSWERS",
    purpose=Purpose.NOTIFICATIONS,
    default="202",
    help="HTTP statuses with which the webhook accepts a card, separated by commas",
    parse=parse_success_statuses,
)
REMINDER_DAYS = Setting(
    name="REMIND_DAYS",
    purpose=Purpose.NOTIFICATIONS,
    default="7",
    help="days after which a card reminds of an open case",
    parse=whole_number(1, 365),
)

ACTIVITY_FEED = Setting(
    name="ACTIVITY_FEED",
    purpose=Purpose.ACTIVITY,
    default="auto",
    help="whether records of Exchange are read: on, off, or auto (where the app holds "
    "ActivityFeed.Read)",
    parse=one_of("auto", "on", "off"),
)
ACTIVITY_ACCOUNTS = Setting(
    name="ACTIVITY_ACCOUNTS",
    purpose=Purpose.ACTIVITY,
    default="on",
    help="whether each tick of the audit logs asks Entra which accounts were enabled: on or off",
    parse=one_of("on", "off"),
)
AUDIT_QUERIES = Setting(
    name="AUDIT_QUERIES",
    purpose=Purpose.ACTIVITY,
    default="off",
    help="whether the audit log of Exchange is searched for who caused a case, and for what a "
    "contained account read and sent: on (needs AuditLogsQuery-Exchange.Read.All) or off",
    parse=one_of("on", "off"),
)
FORWARDING_EACH_TICK = Setting(
    name="FORWARDING_EACH_TICK",
    purpose=Purpose.ACTIVITY,
    default="on",
    help="whether mailbox-forwarding also runs at each tick of the audit logs in a tenant of at "
    "most SHARD_ABOVE mailboxes: on or off",
    parse=one_of("on", "off"),
)
ACTIVITY_SCHEDULE = Setting(
    name="ACTIVITY_SCHEDULE",
    purpose=Purpose.ACTIVITY,
    default="30 2/5 * * * *",
    help="when audit logs are read (NCRONTAB, UTC)",
    parse=parse_schedule,
)

APP_SETTINGS: tuple[Setting[Any], ...] = (
    Setting(
        name="TENANT_ID",
        purpose=Purpose.IDENTITY,
        default=REQUIRED,
        sample="00000000-0000-4000-8000-000000000001",
        help="Entra tenant id",
        parse=matching(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", "a tenant id or a domain name"),
    ),
    Setting(
        name="TENANT_NAME",
        purpose=Purpose.IDENTITY,
        help="what pages and cards call the tenant; its id if none is given",
        parse=any_text,
    ),
    Setting(
        name="CLIENT_ID",
        purpose=Purpose.IDENTITY,
        default=REQUIRED,
        sample="00000000-0000-4000-8000-000000000002",
        help="application (client) id of the app registration",
        parse=any_text,
    ),
    Setting(
        name="MANAGED_IDENTITY_CLIENT_ID",
        purpose=Purpose.IDENTITY,
        help="client id of the user-assigned managed identity that the app registration trusts",
        parse=any_text,
    ),
    Setting(
        name="CLIENT_SECRET",
        purpose=Purpose.IDENTITY,
        sample="not-a-secret",
        help="development only: a client secret",
        parse=any_text,
        is_secret=True,
    ),
    Setting(
        name="CLIENT_CERTIFICATE_PATH",
        purpose=Purpose.IDENTITY,
        help="development only: path of a PEM file with certificate and key",
        parse=any_text,
    ),
    Setting(
        name="CLOUD",
        purpose=Purpose.SERVICES,
        default="global",
        help="global, gcc-high, dod or china",
        parse=any_text,
    ),
    Setting(
        name="LOGIN_ENDPOINT",
        purpose=Purpose.SERVICES,
        help="replaces the cloud's sign-in address",
        parse=any_text,
    ),
    Setting(
        name="GRAPH_ENDPOINT",
        purpose=Purpose.SERVICES,
        help="replaces the cloud's Microsoft Graph address",
        parse=any_text,
    ),
    Setting(
        name="EXCHANGE_ENDPOINT",
        purpose=Purpose.SERVICES,
        help="replaces the cloud's Exchange admin address",
        parse=any_text,
    ),
    Setting(
        name="MANAGEMENT_ENDPOINT",
        purpose=Purpose.SERVICES,
        help="replaces the cloud's address of the Office 365 Management Activity API; a GCC tenant "
        "needs https://manage-gcc.office.com",
        parse=any_text,
    ),
    Setting(
        name="CA_BUNDLE",
        purpose=Purpose.SERVICES,
        help="path of a PEM file of certificate authorities to trust in place of the public ones",
        parse=any_text,
    ),
    TEAMS_WEBHOOK_URL,
    WEBHOOK_HOSTS,
    WEBHOOK_SUCCESS_STATUSES,
    Setting(
        name="PUBLIC_ADDRESS",
        purpose=Purpose.ACCESS,
        help="address at which a browser reaches the app (https); with it, cards link to cases",
        parse=matching(
            r"https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:\d{1,5})?/?",
            "https:// and a host, without a path",
        ),
    ),
    Setting(
        name="STATE_TABLE_ENDPOINT",
        purpose=Purpose.STATE,
        help="address of the table service that holds the state",
        parse=matching(r"https://.*", "an address that begins with https://"),
    ),
    Setting(
        name="STATE_CONNECTION_STRING",
        purpose=Purpose.STATE,
        sample="UseDevelopmentStorage=true",
        help="development only: connection string in place of STATE_TABLE_ENDPOINT",
        parse=any_text,
        is_secret=True,
    ),
    Setting(
        name="STATE_TABLE",
        purpose=Purpose.STATE,
        default="exoguard",
        help="name of the table; each tenant has its own",
        parse=matching(r"[A-Za-z][A-Za-z0-9]{2,55}", "3 to 56 letters and digits, a letter first"),
    ),
    RUN_MINUTES,
    GRAPH_CONCURRENCY,
    EXCHANGE_CONCURRENCY,
    SHARD_ABOVE,
    SHARDS_AT_ONCE,
    ACTIVITY_SCHEDULE,
    ACTIVITY_FEED,
    ACTIVITY_ACCOUNTS,
    AUDIT_QUERIES,
    FORWARDING_EACH_TICK,
    *CONTAINMENT_SETTINGS,
    Setting(
        name="SIGN_IN",
        purpose=Purpose.ACCESS,
        default=SIGN_IN_BY_KEY,
        help="who may use the API: key (holders of the function key) or entra (App Service "
        "Authentication)",
        parse=one_of(SIGN_IN_BY_KEY, SIGN_IN_BY_ENTRA),
    ),
    Setting(
        name="DIGEST_SCHEDULE",
        purpose=Purpose.NOTIFICATIONS,
        default="0 0 7 * * 1",
        help="when the weekly digest is due (NCRONTAB, UTC); the app sends it within the hour",
        parse=parse_schedule,
    ),
    REMINDER_DAYS,
    *CHANNEL_SETTINGS,
)


CHANNEL_SETTING_NAMES = frozenset(one.name for one in (TEAMS_WEBHOOK_URL, *CHANNEL_SETTINGS))
"""The settings that concern one channel alone."""


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


def list_settings() -> tuple[Setting[Any], ...]:
    """Every setting there is."""
    return (*SETTINGS, *(one for config in CATALOG for one in build_schedule_settings(config)))


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
        reader = SettingReader(environ, datetime.now(UTC).date())
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
    settings = build_schedule_settings(config)
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
