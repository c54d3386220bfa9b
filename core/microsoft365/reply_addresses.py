"""The addresses to which sign-ins to an app are sent, and who else may receive them.

An address that somebody else can take receives the sign-ins of everybody who follows a link. The
domains below which names go to whoever asks first are the lines of `free_hosts.txt`.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from core.tenant.apps import App

FREE_HOSTS_FILE = Path(__file__).with_name("free_hosts.txt")
# Azure gives such a name to one tenant and to no other (Microsoft Learn: Secure unique default
# hostnames of App Service, 2024-05).
RESERVED_HOST = re.compile(r"[a-z0-9-]+-[a-z0-9]{16}\.[a-z]+-\d{2}\.azurewebsites\.net")
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", ""})


class ReplyWeakness(StrEnum):
    """Why others may receive a sign-in; the values complete "sign-ins to it are sent"."""

    WILDCARD = "to an address with a wildcard"
    BARE_ADDRESS = "to a bare network address"
    UNENCRYPTED = "without encryption"
    FREE_HOST = "to a host whose name anybody can take once it is given up"


@cache
def load_free_hosts() -> frozenset[str]:
    """The lines of the file."""
    lines = FREE_HOSTS_FILE.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class WeakReply:
    """A host that sign-ins are sent to, and why somebody else may receive them."""

    host: str
    weakness: ReplyWeakness


def list_weak_replies(app: App) -> tuple[WeakReply, ...]:
    """The weak addresses of an app: of each host the worst."""
    found: dict[str, ReplyWeakness] = {}
    order = list(ReplyWeakness)
    for url in app.reply_urls:
        host, weakness = classify_reply(url)
        if weakness and (host not in found or order.index(weakness) < order.index(found[host])):
            found[host] = weakness
    return tuple(WeakReply(host, found[host]) for host in sorted(found))


def classify_reply(url: str) -> tuple[str, ReplyWeakness | None]:
    """The host of an address, and what is weak about it."""
    scheme, host = split_reply_url(url)
    if scheme not in ("http", "https"):
        return host, None
    if "*" in url:
        return host or url, ReplyWeakness.WILDCARD
    if is_loopback(host):
        return host, None
    if is_network_address(host):
        return host, ReplyWeakness.BARE_ADDRESS
    if scheme == "http":
        return host, ReplyWeakness.UNENCRYPTED
    return host, ReplyWeakness.FREE_HOST if is_free_host(host) else None


def is_loopback(host: str) -> bool:
    """True for the device itself, and for no host at all."""
    if host in LOOPBACK_HOSTS:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_network_address(host: str) -> bool:
    """True for an IP address in place of a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_free_host(host: str) -> bool:
    """True for a name below a domain where names go to whoever asks first."""
    name = host.rstrip(".")
    if RESERVED_HOST.fullmatch(name):
        return False
    return any(parent in load_free_hosts() for parent in list_parent_domains(name))


def list_parent_domains(name: str) -> Iterator[str]:
    """The domains above a name, and not the name itself."""
    labels = name.split(".")
    yield from (".".join(labels[number:]) for number in range(1, len(labels) - 1))


def list_unsafe_reply_hosts(app: App) -> tuple[str, ...]:
    """The hosts that others receive sign-ins of: in the clear, by a wildcard or a bare address."""
    return tuple(
        one.host for one in list_weak_replies(app) if one.weakness is not ReplyWeakness.FREE_HOST
    )


def list_reply_hosts(app: App) -> tuple[str, ...]:
    """The hosts to which sign-ins are sent."""
    found = {
        host for scheme, host in map(split_reply_url, app.reply_urls) if scheme in ("http", "https")
    }
    return tuple(sorted(found - {""}))


def split_reply_url(url: str) -> tuple[str, str]:
    """Scheme and host of an address; empty if it is not a valid one."""
    try:
        parts = urlsplit(url)
        return parts.scheme.casefold(), (parts.hostname or "").casefold()
    except ValueError:
        return "", ""
