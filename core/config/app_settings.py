"""The settings of the app itself, which no guard declares."""

from typing import Any

from core.config.channel_settings import CHANNEL_SETTINGS, TEAMS_WEBHOOK_URL, WEBHOOK_HOSTS
from core.containment.options import CONTAINMENT_SETTINGS
from core.model.options import (
    REQUIRED,
    Purpose,
    Setting,
    any_text,
    matching,
    names,
    number,
    one_of,
    whole_number,
)
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
