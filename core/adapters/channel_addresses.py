"""Where channels may send to: told before anything is sent, so that nobody leads messages astray.

An address is a secret of its own, so no message shows it. Only hosts that an operator lists
(WEBHOOK_HOSTS) may be on this machine or in a private network.
"""

import re
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from core.adapters.clouds import LOOPBACK
from core.errors import SettingsError
from core.model.outbox import TEAMS

ALLOWED_SUFFIXES = (".environment.api.powerplatform.com", ".powerplatform.com")
# Where webhooks used to be, and why an address there no longer works.
RETIRED_SUFFIXES = {
    ".logic.azure.com": (
        "Workflows left this host in November 2025: copy the flow's present address, which is at"
        " *.api.powerplatform.com; a Logic App of your own goes into WEBHOOK_HOSTS"
    ),
    ".webhook.office.com": (
        "Office connectors are retired: make a flow from the template 'Send webhook alerts to a"
        " channel' and set its address"
    ),
}
HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")
SENTINEL_HOSTS = (
    "ingest.monitor.azure.com",
    "ingest.monitor.azure.us",
    "ingest.monitor.azure.cn",
)
ADDRESS_RULES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "webhook": ("EVENT_WEBHOOK_URL", ()),
    "pagerduty": ("PAGERDUTY_ENDPOINT", ("pagerduty.com",)),
    "slack": ("SLACK_WEBHOOK_URL", ("slack.com", "slack-gov.com")),
    "servicenow": ("SERVICENOW_INSTANCE", ("service-now.com", "servicenowservices.com")),
    "sentinel": ("SENTINEL_ENDPOINT", SENTINEL_HOSTS),
}
"""The setting that holds the address of each channel, and what its host has to end with."""


def list_own_hosts(text: str) -> frozenset[str]:
    """The hosts of the operator's own, as WEBHOOK_HOSTS has them."""
    return frozenset(host.strip().lower() for host in text.split(",") if host.strip())


def check_channel_address(name: str, values: Mapping[str, str], listed: frozenset[str]) -> None:
    """Raise SettingsError unless a channel may send to the address in its settings.

    `values` are all settings by name. Mail has no address of its own.
    """
    if name == TEAMS:
        check_webhook_address(values["TEAMS_WEBHOOK_URL"], listed)
    elif name in ADDRESS_RULES:
        setting, suffixes = ADDRESS_RULES[name]
        check_address(setting, values[setting], listed, suffixes)


def check_address(
    setting: str, url: str, listed: Collection[str], suffixes: tuple[str, ...] = ()
) -> None:
    """Raise SettingsError unless messages may go to this address. The message does not show it.

    `suffixes` are what its host has to end with, where only one company serves the channel;
    `listed` are hosts of the operator's own, which may be in a private network.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError as error:
        raise SettingsError(f"{setting} is not an address") from error
    if parts.username is not None or parts.password is not None or parts.fragment or not host:
        raise SettingsError(f"{setting} must hold a host, and no user, password or fragment")
    if host in listed:
        if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
            raise SettingsError(f"{setting} must be https (http only for this machine)")
        return
    if is_numeric_host(host):
        # No resolver is asked about a number, so nobody would notice where it leads.
        raise SettingsError(f"{setting} must name a host, or its address in WEBHOOK_HOSTS")
    if parts.scheme != "https" or port not in (None, 443):
        raise SettingsError(f"{setting} must be https on port 443, or its host in WEBHOOK_HOSTS")
    if suffixes and not any(host == one or host.endswith(f".{one}") for one in suffixes):
        allowed = ", ".join(suffixes)
        raise SettingsError(f"{setting} must be at {allowed}, or its host in WEBHOOK_HOSTS")


def is_numeric_host(host: str) -> bool:
    """Whether a host is an address in any of the forms that connections take for one."""
    return ":" in host or host.replace(".", "").isdigit()


def check_webhook_address(url: str, allowed_hosts: frozenset[str]) -> None:
    """Raise SettingsError unless cards may go to this address. The message does not show it."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError as error:
        raise SettingsError("TEAMS_WEBHOOK_URL is not an address") from error
    if host in allowed_hosts:
        if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
            raise SettingsError("TEAMS_WEBHOOK_URL must be https (http only for this machine)")
    else:
        check_microsoft_host(parts, host, port)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise SettingsError("TEAMS_WEBHOOK_URL must hold no user, password or fragment")


def check_microsoft_host(parts: SplitResult, host: str, port: int | None) -> None:
    """Raise SettingsError unless a host nobody listed is Microsoft's, by https on port 443."""
    if parts.scheme != "https" or port not in (None, 443):
        raise SettingsError("TEAMS_WEBHOOK_URL must be https on port 443")
    retired = next((why for suffix, why in RETIRED_SUFFIXES.items() if host.endswith(suffix)), "")
    if retired and HOST.fullmatch(host):
        raise SettingsError(f"TEAMS_WEBHOOK_URL: {retired}")
    if is_ip_address(host) or not HOST.fullmatch(host) or not host.endswith(ALLOWED_SUFFIXES):
        allowed = ", ".join(f"*{suffix}" for suffix in ALLOWED_SUFFIXES)
        raise SettingsError(
            f"TEAMS_WEBHOOK_URL must be at one of {allowed}, or its host in WEBHOOK_HOSTS"
        )


def is_ip_address(host: str) -> bool:
    """Return whether a host is an IP literal."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
