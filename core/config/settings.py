"""Every setting: its name, its default, what it is for. Read once a run, all mistakes at once.

    from the table below      TENANT_ID, TEAMS_WEBHOOK_URL, ...
    from the catalog, a guard <GUARD>_SCHEDULE, <GUARD>_MODE, <GUARD>_LIMIT, <GUARD>_LIMIT_PERCENT

Nothing else in the app reads the environment.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from core.config.catalog import CATALOG
from core.errors import SettingsError
from core.guards.tenant_baseline import guard as tenant_baseline
from core.guards.tenant_baseline.rule_file import build_baseline
from core.model.baseline import Baseline
from core.model.guards import ChangeLimit, GuardConfig, GuardPolicy, Mode
from core.ncrontab import CRON_FIELDS, CronError, CronSchedule

REQUIRED = None
SIGN_IN_BY_KEY = "key"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `default` None: it must be given. `sample` is a harmless value that works."""

    name: str
    default: str | None
    help: str
    sample: str = ""
    secret: bool = False


SETTINGS = (
    Setting("TENANT_ID", REQUIRED, "Entra tenant id", "00000000-0000-4000-8000-000000000001"),
    Setting(
        "CLIENT_ID",
        REQUIRED,
        "application (client) id of the app registration",
        "00000000-0000-4000-8000-000000000002",
    ),
    Setting(
        "MANAGED_IDENTITY_CLIENT_ID",
        "",
        "client id of the user-assigned managed identity the app registration trusts",
    ),
    Setting("CLIENT_SECRET", "", "development only: a client secret", "not-a-secret", True),
    Setting("CLIENT_CERTIFICATE_PATH", "", "development only: a PEM file with key"),
    Setting("CLOUD", "global", "global, gcc-high, dod or china", "global"),
    Setting("LOGIN_ENDPOINT", "", "overrides the cloud's login address"),
    Setting("GRAPH_ENDPOINT", "", "overrides the cloud's Microsoft Graph address"),
    Setting("EXCHANGE_ENDPOINT", "", "overrides the cloud's Exchange admin address"),
    Setting("CA_BUNDLE", "", "a PEM file of authorities to trust instead of the public ones"),
    Setting(
        "TEAMS_WEBHOOK_URL",
        REQUIRED,
        "address of the Workflows webhook; keep it in Key Vault",
        "https://example.environment.api.powerplatform.com/workflows/sample",
        True,
    ),
    Setting("WEBHOOK_HOSTS", "", "further hosts a webhook may have, comma separated"),
    Setting(
        "WEBHOOK_ANSWERS",
        "202",
        "HTTP statuses by which the webhook says that it took a card, comma separated",
        "202",
    ),
    Setting(
        "PUBLIC_ADDRESS",
        "",
        "where people open the app in a browser (https); with it, cards link to their cases",
    ),
    Setting("STATE_TABLE_ENDPOINT", "", "address of the table service that holds the state"),
    Setting(
        "STATE_CONNECTION_STRING",
        "",
        "development only: connection string instead of STATE_TABLE_ENDPOINT",
        "UseDevelopmentStorage=true",
        True,
    ),
    Setting("STATE_TABLE", "exoguard", "name of the table, one for each tenant", "exoguard"),
    Setting(
        "RESOURCE_MAILBOX_KINDS",
        "SharedMailbox,RoomMailbox,EquipmentMailbox,SchedulingMailbox",
        "RecipientTypeDetails whose accounts nobody should sign in with",
        "SharedMailbox,RoomMailbox,EquipmentMailbox,SchedulingMailbox",
    ),
    Setting("LICENSED_MAILBOXES", "alert", "licensed ones: alert, block or ignore", "alert"),
    Setting("RECENT_SIGN_IN_DAYS", "30", "a sign-in this recent asks before blocking", "30"),
    Setting("AUDIT_LOG_AGE_DAYS", "180", "the least AuditLogAgeLimit, in days", "180"),
    Setting(
        "MAIL_ITEMS_ACCESSED",
        "licensed",
        "MailItemsAccessed is expected: licensed, required or ignore",
        "licensed",
    ),
    Setting("ALLOWED_FORWARD_DOMAINS", "", "outside domains mail may be forwarded to"),
    Setting(
        "BASELINE_FILE",
        "",
        "a JSON file of the package that adds rows to the baseline, changes or switches off some",
    ),
    Setting(
        "BASELINE_ENFORCE",
        "",
        "rows of the baseline that may be put right in enforce mode; all others only alert",
    ),
    Setting("MASS_DELETION_COUNT", "10", "so many deletions in the window are not told", "10"),
    Setting(
        "MASS_DELETION_PERCENT",
        "5",
        "or so many, as a percentage of all users, whichever is more; above 500 always",
        "5",
    ),
    Setting("MASS_DELETION_HOURS", "24", "the window in which deletions are counted", "24"),
    Setting(
        "LEGACY_PROTOCOLS_WITHOUT_SIGN_INS",
        "ask",
        "where sign-in logs cannot be read, protocols are left on (ask) or switched off (enforce)",
        "ask",
    ),
    Setting("RUN_MINUTES", "8", "a run asks the services nothing more after this time", "8"),
    Setting("GRAPH_CONCURRENCY", "16", "the most requests to Graph in flight at once", "16"),
    Setting("EXCHANGE_CONCURRENCY", "6", "the most requests to Exchange in flight at once", "6"),
    Setting(
        "SHARD_ABOVE",
        "20000",
        "a tenant of more mailboxes is looked at in shards, by as many instances as there are",
        "20000",
    ),
    Setting(
        "SHARDS_AT_ONCE",
        "4",
        "shards worked on together, over all instances; they share the two limits above",
        "4",
    ),
    Setting(
        "SIGN_IN",
        SIGN_IN_BY_KEY,
        "who may use the API: key (the function key), or entra (App Service Authentication)",
        SIGN_IN_BY_KEY,
    ),
    Setting(
        "DIGEST_SCHEDULE",
        "0 0 7 * * 1",
        "when the week's card is due, which is sent within the hour (NCRONTAB, UTC)",
        "0 0 7 * * 1",
    ),
    Setting("REMIND_DAYS", "7", "an open case is told again after this many days", "7"),
)

GUARD_SETTING_SUFFIXES = ("SCHEDULE", "MODE", "LIMIT", "LIMIT_PERCENT")
TABLE_NAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
SUCCESS_STATUS_PATTERN = re.compile(r"2[0-9]{2}")
MAILBOX_KIND_PATTERN = re.compile(r"[A-Za-z]{1,40}")
BASELINE_ROW_PATTERN = re.compile(r"[a-z0-9-]{1,60}")
DOMAIN_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
PUBLIC_URL_PATTERN = re.compile(r"https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:\d{1,5})?/?")
TENANT_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")


def get_setting_prefix(guard: str) -> str:
    """The beginning of a guard's settings: `mailbox-audit` has `MAILBOX_AUDIT_MODE`, ..."""
    return guard.replace("-", "_").upper()


def get_sign_in_method(values: Mapping[str, str]) -> str:
    """How people are let in: by the function key, unless the setting says otherwise."""
    return values.get("SIGN_IN", "").strip().lower() or SIGN_IN_BY_KEY


def list_guard_settings(config: GuardConfig) -> Iterator[Setting]:
    """The settings of one row of the catalog, with what the catalog says as defaults."""
    name, guard = get_setting_prefix(config.guard.name), config.guard.name
    yield Setting(
        f"{name}_SCHEDULE", config.schedule, f"when {guard} runs (NCRONTAB, UTC)", config.schedule
    )
    yield Setting(
        f"{name}_MODE", str(config.mode), f"{guard}: off, alert or enforce", str(config.mode)
    )
    count, percent = str(config.limit.count), str(config.limit.percent)
    yield Setting(f"{name}_LIMIT", count, f"{guard}: changes a run may make in any case", count)
    yield Setting(
        f"{name}_LIMIT_PERCENT",
        percent,
        f"{guard}: or this percentage of the objects, whichever is more",
        percent,
    )


def list_settings() -> tuple[Setting, ...]:
    """Every setting there is."""
    return (*SETTINGS, *(entry for duty in CATALOG for entry in list_guard_settings(duty)))


def with_needed_permissions(config: GuardConfig, policy: GuardPolicy) -> GuardConfig:
    """A duty with the permissions that these settings leave it: those of the rows in force."""
    if config.guard is not tenant_baseline.GUARD:
        return config
    permissions = tenant_baseline.build_baseline_permissions(policy.baseline)
    return replace(config, guard=replace(config.guard, permissions=permissions))


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings as read. `values` are the texts by name; the rest is what they mean.

    `run_seconds` is how long a run may ask; the two limits are requests in flight at once.
    `shard_above` is the number of mailboxes beyond which there are shards, `webhook_answers` are
    the HTTP statuses by which a card was taken.
    """

    values: Mapping[str, str]
    policy: GuardPolicy
    guard_configs: tuple[GuardConfig, ...]
    run_seconds: float
    graph_limit: int
    exchange_limit: int
    shard_above: int
    shards_at_once: int
    webhook_success_statuses: frozenset[int]

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def find_guard_config(self, guard: str) -> GuardConfig | None:
        """The duty of that name, with schedule, mode and limit as set."""
        return next((duty for duty in self.guard_configs if duty.guard.name == guard), None)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """All settings from the environment. Raises SettingsError naming everything wrong."""
        wrong: list[str] = []
        values = {
            entry.name: environ.get(entry.name, "").strip() or (entry.default or "")
            for entry in list_settings()
        }
        for entry in list_settings():
            if entry.default is REQUIRED and not values[entry.name]:
                wrong.append(f"{entry.name} is missing ({entry.help})")
        check = SettingsParser(values, wrong)
        terms = check.parse_policy()
        duties = tuple(
            with_needed_permissions(check.parse_guard_config(duty), terms) for duty in CATALOG
        )
        check.check_connections()
        check.parse_schedule("DIGEST_SCHEDULE")
        check.parse_choice("SIGN_IN", (SIGN_IN_BY_KEY, "entra"))
        seconds = 60.0 * check.parse_number("RUN_MINUTES", float, 0.5, 60.0)
        graph_limit = check.parse_number("GRAPH_CONCURRENCY", int, 1, 64)
        exchange_limit = check.parse_number("EXCHANGE_CONCURRENCY", int, 1, 32)
        above = check.parse_number("SHARD_ABOVE", int, 1, 10_000_000)
        at_once = check.parse_number("SHARDS_AT_ONCE", int, 1, 64)
        answers = check.parse_statuses("WEBHOOK_ANSWERS")
        if wrong:
            raise SettingsError("\n".join(wrong))
        return cls(
            values, terms, duties, seconds, graph_limit, exchange_limit, above, at_once, answers
        )


@dataclass(frozen=True, slots=True)
class SettingsParser:
    """Reads texts as what they should be, and collects what they are not in `wrong`."""

    values: Mapping[str, str]
    errors: list[str]

    def parse_choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """A word from a list."""
        value = self.values[name].lower()
        if value not in allowed:
            self.errors.append(f"{name} must be one of {', '.join(allowed)}")
            return allowed[0]
        return value

    def parse_number[N: (int, float)](
        self, name: str, kind: Callable[[str], N], low: N, high: N
    ) -> N:
        """A number within bounds."""
        try:
            value = kind(self.values[name])
        except ValueError:
            value = high + high
        if not low <= value <= high:
            self.errors.append(f"{name} must be a number from {low} to {high}")
            return low
        return value

    def parse_names(self, name: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
        """A list of names, separated by commas."""
        parts = [part.strip() for part in self.values[name].split(",") if part.strip()]
        for part in parts:
            if not pattern.fullmatch(part):
                self.errors.append(
                    f"{name} has an entry that is no name of its kind: {part[:60]!r}"
                )
        return tuple(parts)

    def parse_statuses(self, name: str) -> frozenset[int]:
        """A list of HTTP statuses, at least one."""
        known = self.parse_names(name, SUCCESS_STATUS_PATTERN)
        if not known:
            self.errors.append(f"{name} must hold at least one HTTP status from 200 to 299")
        return frozenset(
            int(status) for status in known if SUCCESS_STATUS_PATTERN.fullmatch(status)
        )

    def parse_policy(self) -> GuardPolicy:
        """What guards judge by."""
        domains = {name: text.lower() for name, text in self.values.items()}
        lowered = replace(self, values=domains)
        return GuardPolicy(
            now=datetime.fromtimestamp(0, UTC),
            resource_kinds=self.parse_names("RESOURCE_MAILBOX_KINDS", MAILBOX_KIND_PATTERN),
            licensed_accounts=self.parse_choice("LICENSED_MAILBOXES", ("alert", "block", "ignore")),
            recent_days=self.parse_number("RECENT_SIGN_IN_DAYS", int, 1, 365),
            audit_age_days=self.parse_number("AUDIT_LOG_AGE_DAYS", int, 1, 3650),
            mail_items_accessed=self.parse_choice(
                "MAIL_ITEMS_ACCESSED", ("licensed", "required", "ignore")
            ),
            allowed_domains=frozenset(
                lowered.parse_names("ALLOWED_FORWARD_DOMAINS", DOMAIN_PATTERN)
            ),
            baseline=self.load_baseline(),
            mass_deletion_count=self.parse_number("MASS_DELETION_COUNT", int, 1, 500),
            mass_deletion_percent=self.parse_number("MASS_DELETION_PERCENT", float, 0.0, 100.0),
            mass_deletion_hours=self.parse_number("MASS_DELETION_HOURS", int, 1, 72),
            without_sign_ins=self.parse_choice(
                "LEGACY_PROTOCOLS_WITHOUT_SIGN_INS", ("ask", "enforce")
            ),
        )

    def load_baseline(self) -> Baseline:
        """What settings of the organization should be, with the customer's own rows."""
        enforced = self.parse_names("BASELINE_ENFORCE", BASELINE_ROW_PATTERN)
        try:
            return build_baseline(self.values["BASELINE_FILE"], enforced, datetime.now(UTC).date())
        except SettingsError as error:
            self.errors.append(str(error))
            return Baseline()

    def parse_schedule(self, name: str) -> str:
        """A schedule as the host reads it."""
        schedule = self.values[name]
        try:
            if len(schedule.split()) != len(CRON_FIELDS):
                raise CronError("must have six fields, seconds first")
            CronSchedule.parse(schedule)
        except CronError as error:
            self.errors.append(f"{name} {error}")
        return schedule

    def parse_guard_config(self, config: GuardConfig) -> GuardConfig:
        """One row of the catalog as the settings want it."""
        name = get_setting_prefix(config.guard.name)
        return replace(
            config,
            schedule=self.parse_schedule(f"{name}_SCHEDULE"),
            mode=Mode(self.parse_choice(f"{name}_MODE", tuple(Mode))),
            limit=replace(
                ChangeLimit(),
                count=self.parse_number(f"{name}_LIMIT", int, 0, 500),
                percent=self.parse_number(f"{name}_LIMIT_PERCENT", float, 0.0, 100.0),
            ),
            reminder_interval=timedelta(days=self.parse_number("REMIND_DAYS", int, 1, 365)),
        )

    def check_connections(self) -> None:
        """Whether there is a way to the tenant and to the state."""
        if self.values["TENANT_ID"] and not TENANT_PATTERN.fullmatch(self.values["TENANT_ID"]):
            self.errors.append("TENANT_ID must be a tenant id or a domain name")
        ways = ("MANAGED_IDENTITY_CLIENT_ID", "CLIENT_CERTIFICATE_PATH", "CLIENT_SECRET")
        if not any(self.values[way] for way in ways):
            self.errors.append(f"one of {', '.join(ways)} is needed to sign in")
        if not self.values["STATE_TABLE_ENDPOINT"] and not self.values["STATE_CONNECTION_STRING"]:
            self.errors.append("STATE_TABLE_ENDPOINT is missing (where the state is kept)")
        endpoint = self.values["STATE_TABLE_ENDPOINT"]
        if endpoint and not endpoint.startswith("https://"):
            self.errors.append("STATE_TABLE_ENDPOINT must begin with https://")
        address = self.values["PUBLIC_ADDRESS"]
        if address and not PUBLIC_URL_PATTERN.fullmatch(address):
            self.errors.append("PUBLIC_ADDRESS must be https:// and a host, without a path")
        if not TABLE_NAME_PATTERN.fullmatch(self.values["STATE_TABLE"]):
            self.errors.append("STATE_TABLE must be 3 to 63 letters and digits, a letter first")
