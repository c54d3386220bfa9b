"""The settings of the channels. One besides Teams is on when its address is set.

Each has the least severity it is told, and the guards it is told of; a critical case goes to all.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.adapters.channel_addresses import check_channel_address, list_own_hosts
from core.config.catalog import CATALOG
from core.errors import SettingsError
from core.model.findings import Severity
from core.model.options import (
    REQUIRED,
    Purpose,
    Setting,
    SettingReader,
    any_text,
    matching,
    one_of,
    several_of,
)
from core.model.outbox import SECRET_PREFIX, TEAMS, ChannelFault

SEVERITIES = {one.label: one for one in Severity if one is not Severity.INFO}
GUARD_NAMES = frozenset(config.guard.name for config in CATALOG)
MIN_SECRET_LENGTH = 16
MAX_RECIPIENTS = 20
HTTP_ADDRESS = r"https?://[^\s]{1,2000}"
MAIL_ADDRESS = r"[^\s@,<>\"]{1,64}@[A-Za-z0-9.-]{1,250}"
OBJECT_ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def parse_signing_secret(value: str) -> str:
    """The parser of the secret of a signed webhook."""
    if value and len(value) < MIN_SECRET_LENGTH:
        raise ValueError(f"it is too short; use at least {MIN_SECRET_LENGTH} characters.")
    if value.startswith(SECRET_PREFIX) and not is_base64(value.removeprefix(SECRET_PREFIX)):
        # Its receiver decodes it, and would take no message that is signed with the text.
        raise ValueError(f"what follows {SECRET_PREFIX} is not base64; copy all of it.")
    return value


def is_base64(text: str) -> bool:
    """Whether a text is base64 with its padding."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def parse_secret_address(value: str) -> str:
    """The parser of an address that is a secret, which no error shows."""
    if value and not re.fullmatch(HTTP_ADDRESS, value):
        raise ValueError("it is not an address; use one that begins with https://.")
    return value


def declare(name: str, help_text: str, parse: Any = any_text, **options: Any) -> Setting[Any]:
    """A setting of a channel."""
    return Setting(name=name, purpose=Purpose.NOTIFICATIONS, help=help_text, parse=parse, **options)


TEAMS_WEBHOOK_URL = declare(
    "TEAMS_WEBHOOK_URL",
    "address of the Workflows webhook; keep it in Key Vault",
    default=REQUIRED,
    sample="https://example.environment.api.powerplatform.com/workflows/sample",
    is_secret=True,
)
WEBHOOK_HOSTS = declare(
    "WEBHOOK_HOSTS", "further hosts that a webhook may have, separated by commas"
)


@dataclass(frozen=True, slots=True)
class ChannelDeclaration:
    """A channel as settings describe it."""

    name: str
    """As pages, rows and commands have it."""
    title: str
    prefix: str
    """What its settings begin with."""
    settings: tuple[Setting[Any], ...]
    """Without those that every channel has. It is on when the first is set; then it needs all that
    are `needed`.
    """
    needed: tuple[str, ...]
    least_severity: str
    remedy: str
    """What to look at where it does not take a test."""

    @property
    def severity(self) -> Setting[str]:
        """The least severity it is told."""
        return declare(
            f"{self.prefix}_SEVERITY",
            f"{self.title}: the least severity it is told; critical cases go to every channel",
            one_of(*SEVERITIES),
            default=self.least_severity,
        )

    @property
    def guards(self) -> Setting[tuple[str, ...]]:
        """The guards it is told of."""
        return declare(
            f"{self.prefix}_GUARDS",
            f"{self.title}: the guards it is told of, separated by commas; none: all",
            several_of(GUARD_NAMES),
        )

    @property
    def all_settings(self) -> tuple[Setting[Any], ...]:
        """Its own, and those that every channel has."""
        return (*self.settings, self.severity, self.guards)


CHANNELS = (
    ChannelDeclaration(
        "mail",
        "Mail",
        "MAIL",
        (
            declare(
                "MAIL_SENDER",
                "mail: the mailbox that sends, by its object id or address; empty: no mail",
                matching(f"{OBJECT_ID}|{MAIL_ADDRESS}", "an object id or an address"),
            ),
            declare(
                "MAIL_TO",
                "mail: who is told, addresses separated by commas; better outside this tenant,"
                " where an intruder does not read it",
                matching(
                    rf"\s*{MAIL_ADDRESS}(\s*,\s*{MAIL_ADDRESS}){{0,{MAX_RECIPIENTS - 1}}}\s*",
                    f"up to {MAX_RECIPIENTS} addresses separated by commas",
                ),
            ),
        ),
        ("MAIL_TO",),
        "high",
        "check MAIL_SENDER and MAIL_TO, and that the app holds Application Mail.Send for that "
        "mailbox (exo doctor has the commands; Exchange takes up to two hours to know)",
    ),
    ChannelDeclaration(
        "webhook",
        "Signed webhook",
        "EVENT_WEBHOOK",
        (
            declare(
                "EVENT_WEBHOOK_URL",
                "signed webhook: its address, which takes CloudEvents; empty: none",
                parse_secret_address,
                is_secret=True,
            ),
            declare(
                "EVENT_WEBHOOK_SECRET",
                "signed webhook: the secret that signs each message, by HMAC-SHA256",
                parse_signing_secret,
                is_secret=True,
            ),
        ),
        ("EVENT_WEBHOOK_SECRET",),
        "low",
        "check EVENT_WEBHOOK_URL, that the receiver has the same EVENT_WEBHOOK_SECRET, and its log",
    ),
    ChannelDeclaration(
        "pagerduty",
        "PagerDuty",
        "PAGERDUTY",
        (
            declare(
                "PAGERDUTY_ROUTING_KEY",
                "PagerDuty: the integration key of an Events API v2 service; empty: none",
                is_secret=True,
            ),
            declare(
                "PAGERDUTY_ENDPOINT",
                "PagerDuty: its address; https://events.eu.pagerduty.com in its European region",
                matching(HTTP_ADDRESS, "an address that begins with https://"),
                default="https://events.pagerduty.com",
            ),
        ),
        ("PAGERDUTY_ENDPOINT",),
        "critical",
        "check PAGERDUTY_ROUTING_KEY against the integration of the service, and "
        "PAGERDUTY_ENDPOINT against its region",
    ),
    ChannelDeclaration(
        "slack",
        "Slack",
        "SLACK",
        (
            declare(
                "SLACK_WEBHOOK_URL",
                "Slack: the address of an incoming webhook; empty: none",
                parse_secret_address,
                is_secret=True,
            ),
        ),
        (),
        "high",
        "make a new incoming webhook in Slack, and put its address into SLACK_WEBHOOK_URL",
    ),
    ChannelDeclaration(
        "servicenow",
        "ServiceNow",
        "SERVICENOW",
        (
            declare(
                "SERVICENOW_INSTANCE",
                "ServiceNow: the address of the instance; empty: none",
                matching(HTTP_ADDRESS, "an address that begins with https://"),
            ),
            declare(
                "SERVICENOW_USER",
                "ServiceNow: a user that may read, create and note incidents, and nothing else",
            ),
            declare("SERVICENOW_PASSWORD", "ServiceNow: the password of the user", is_secret=True),
        ),
        ("SERVICENOW_USER", "SERVICENOW_PASSWORD"),
        "high",
        "check SERVICENOW_INSTANCE, and that SERVICENOW_USER may read, create and note incidents",
    ),
    ChannelDeclaration(
        "sentinel",
        "Sentinel",
        "SENTINEL",
        (
            declare(
                "SENTINEL_ENDPOINT",
                "Sentinel: the logs ingestion endpoint of the data collection rule; empty: none",
                matching(HTTP_ADDRESS, "an address that begins with https://"),
            ),
            declare(
                "SENTINEL_RULE",
                "Sentinel: the immutable id of the data collection rule, dcr-...",
                matching(r"dcr-[0-9a-f]{32}", "dcr- and 32 hex digits"),
            ),
        ),
        ("SENTINEL_RULE",),
        "low",
        "check SENTINEL_ENDPOINT and SENTINEL_RULE, and that the app holds Monitoring Metrics "
        "Publisher on that data collection rule",
    ),
)
CHANNEL_REMEDIES: Mapping[str, str] = {
    TEAMS: "check that the flow is on, and put its present address into TEAMS_WEBHOOK_URL",
    **{one.name: one.remedy for one in CHANNELS},
}
"""What to look at where a channel does not take a test, by its name."""
CHANNEL_SETTINGS = tuple(setting for one in CHANNELS for setting in one.all_settings)


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """A channel that is on, with its filters."""

    name: str
    least_severity: Severity
    guards: frozenset[str]


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What the settings say of all channels."""

    channels: tuple[ChannelOptions, ...]
    """Those besides Teams that are on."""
    faults: tuple[ChannelFault, ...]
    """Those that are wanted and out of use."""


def read_channels(reader: SettingReader) -> ChannelSettings:
    """The channels that are on, and those that are out of use, Teams among them.

    A mistake about one channel is that channel's alone: guards go on, and the others are told.
    """
    found, faults = [], []
    if why := explain_teams_fault(reader):
        faults.append(ChannelFault(TEAMS, why))
    for one in CHANNELS:
        if not reader.read_text(one.settings[0]):
            continue
        own = SettingReader(reader.texts, reader.today)
        options = read_channel(one, own)
        if own.errors:
            faults.append(ChannelFault(one.name, " ".join(own.errors)))
        else:
            found.append(options)
    return ChannelSettings(tuple(found), tuple(faults))


def explain_teams_fault(reader: SettingReader) -> str:
    """Why no card can be sent to Teams; empty if that is not known."""
    own = SettingReader(reader.texts, reader.today)
    address = own.read(TEAMS_WEBHOOK_URL)
    if not own.errors:
        note_address_fault(TEAMS, {TEAMS_WEBHOOK_URL.name: address}, own)
    return " ".join(own.errors)


def read_channel(one: ChannelDeclaration, own: SettingReader) -> ChannelOptions:
    """A channel whose address is set. Notes every mistake about it."""
    values = {setting.name: own.read(setting) for setting in one.settings}
    severity, guards = own.read(one.severity), own.read(one.guards)
    wrong = {error.partition(":")[0] for error in own.errors}
    for name in one.needed:
        if not values[name] and name not in wrong:
            own.add_error(f"{name} is missing; {one.settings[0].name} switches {one.title} on.")
    if not own.errors:
        note_address_fault(one.name, values, own)
    return ChannelOptions(one.name, SEVERITIES[severity], frozenset(guards))


def note_address_fault(name: str, values: Mapping[str, str], own: SettingReader) -> None:
    """Note why a channel must not send to its address, if so."""
    try:
        check_channel_address(name, values, list_own_hosts(own.read(WEBHOOK_HOSTS)))
    except SettingsError as error:
        own.add_error(f"{error}.")
