"""The settings of the channels besides Teams. A channel is on when its address is set.

Each has the least severity it is told, and the guards it is told of; a critical case goes to all.
"""

import base64
import re
from dataclasses import dataclass
from typing import Any

from core.config.catalog import CATALOG
from core.model.findings import Severity
from core.model.options import (
    Purpose,
    Setting,
    SettingReader,
    any_text,
    matching,
    one_of,
    several_of,
)
from core.model.outbox import SECRET_PREFIX

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
    ),
)
CHANNEL_SETTINGS = tuple(setting for one in CHANNELS for setting in one.all_settings)


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """A channel that is on, with its filters."""

    name: str
    least_severity: Severity
    guards: frozenset[str]


def read_channels(reader: SettingReader) -> tuple[ChannelOptions, ...]:
    """The channels that are on. Notes what is missing of one that is half set."""
    found = []
    for one in CHANNELS:
        values = {setting.name: reader.read(setting) for setting in one.settings}
        severity, guards = reader.read(one.severity), reader.read(one.guards)
        address = one.settings[0].name
        is_unresolved = reader.read_text(one.settings[0]) != values[address]
        if not values[address] or is_unresolved:
            continue
        for name in one.needed:
            if not values[name] and name not in {
                error.partition(":")[0] for error in reader.errors
            }:
                reader.add_error(f"{name} is missing; {address} switches {one.title} on.")
        found.append(ChannelOptions(one.name, SEVERITIES[severity], frozenset(guards)))
    return tuple(found)
