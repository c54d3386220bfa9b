"""The Teams channel: cards posted to a Workflows webhook (or the connector it replaced).

The address is a secret, since whoever has it can post; it shows up nowhere but as the start of its
sha256. A workflow answers 202 when it has queued the message, which is all that can be known here;
a page that somebody else shows with 200 is no such answer.
"""

import hashlib
import json
import logging
import re
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from core.adapters.clouds import LOOPBACK
from core.adapters.http import Channel, Lost, PublicResolver, Reply
from core.adapters.retry import Again, Service, trouble
from core.errors import AlertError, SettingsError, Unavailable, Unfit

log = logging.getLogger(__name__)

SUFFIXES = (
    ".logic.azure.com",
    ".environment.api.powerplatform.com",
    ".powerplatform.com",
    ".webhook.office.com",
)
ANSWER_LIMIT = 4 * 1024
# Seconds between messages: a channel takes four a second
# (Microsoft Learn: "Create and send messages with connectors", rate limiting).
APART = 0.3
# A card whose answer was lost is sent once more and no oftener: it may be there already.
LOST_ANSWERS = 2
LEGACY = "/webhookb2/"
# By these a card was taken. Any other success is somebody else's: of a proxy, or of a sign-in page.
OF_WORKFLOWS = frozenset({202})
OF_CONNECTORS = frozenset({200})
LEGACY_TROUBLE = re.compile(r"returned HTTP error (\d{3})", re.IGNORECASE)
UNFIT = frozenset({400, 413})
HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")


class Teams:
    """One channel. Raises SettingsError for an address cards must not go to.

    `hosts` are allowed besides Microsoft's; only they may be on this machine or in a private
    network. `service` limits and repeats calls like those to Graph and Exchange. `answers` are the
    HTTP statuses by which a workflow says that it took a card.
    """

    def __init__(
        self,
        url: str,
        service: Service,
        *,
        hosts: Collection[str] = (),
        ca_path: str = "",
        answers: Collection[int] = OF_WORKFLOWS,
    ) -> None:
        listed = frozenset(host.strip().lower() for host in hosts if host.strip())
        check_address(url, listed)
        self.url = url
        self.legacy = LEGACY in url
        self.answers = OF_CONNECTORS if self.legacy else frozenset(answers)
        self.label = f"webhook {hashlib.sha256(url.encode()).hexdigest()[:8]}"
        self.service = service
        self.channel = Channel(
            self.label,
            ca_path=ca_path,
            connections=2,
            read_timeout=30.0,
            resolver=lambda: PublicResolver(trusted=listed),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.channel.close()

    async def send(self, payload: Mapping[str, object]) -> None:
        """Post one message. Raises AlertError when it was not taken, Unfit when it is why."""
        body = json.dumps(payload, separators=(",", ":")).encode()
        lost = 0

        async def attempt() -> None:
            nonlocal lost
            try:
                reply = await self.post(body)
            except Lost as error:
                lost += 1
                if lost < LOST_ANSWERS:
                    raise
                raise AlertError(f"not taken, as far as is known: {error}") from error
            status = effective_status(reply, self.legacy)
            again = trouble(status, reply.headers.get("Retry-After"), self.label)
            if again:
                raise again
            if status not in self.answers:
                kind = Unfit if status in UNFIT else AlertError
                raise kind(f"{self.label}: {refusal(status, len(body))}")

        try:
            await self.service.call(attempt)
        except Again as error:
            raise AlertError(f"not taken: {error}") from error
        except Unavailable as error:
            raise AlertError(f"{self.label}: {error}") from error
        log.info("%s took a card of %d bytes", self.label, len(body))

    async def post(self, body: bytes) -> Reply:
        """One request. Raises Again, or Lost when the card may be there already."""
        self.service.hold(APART)
        return await self.channel.send(
            "POST",
            self.url,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            body=body,
            limit=ANSWER_LIMIT,
            cut=True,
        )


def effective_status(reply: Reply, legacy: bool = False) -> int:
    """What an answer means. The old connector wraps a failure in a 200, as text.

    It says "1" when it took a card (Microsoft Learn: "Create and send messages with connectors",
    rate limiting); any other words of its are a failure nobody numbered.
    """
    if reply.status != 200:
        return reply.status
    found = LEGACY_TROUBLE.search(reply.body.decode("utf-8", "replace"))
    if found:
        return int(found.group(1))
    return 502 if legacy and reply.body.strip() != b"1" else 200


def refusal(status: int, size: int) -> str:
    """What a person can do about a card that was refused."""
    match status:
        case 400:
            return "HTTP 400, it does not take this message: is the flow one for Teams webhooks?"
        case 401 | 403:
            return f"HTTP {status}, the address is no longer valid: set TEAMS_WEBHOOK_URL again"
        case 404 | 410:
            return f"HTTP {status}, the flow is gone or switched off: set TEAMS_WEBHOOK_URL again"
        case 413:
            return f"HTTP 413, the card of {size} bytes is too large for Teams"
        case _ if 200 <= status < 300:
            return (
                f"HTTP {status}, which does not say that the card was taken: does anything answer"
                " in place of the flow? If the flow itself does, add it to WEBHOOK_ANSWERS"
            )
        case _ if 300 <= status < 400:
            return f"HTTP {status}, it points elsewhere, and cards follow no redirect"
        case _:
            return f"HTTP {status}"


def check_address(url: str, listed: frozenset[str]) -> None:
    """Raise SettingsError unless cards may go to this address. The message does not show it."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError as error:
        raise SettingsError("TEAMS_WEBHOOK_URL is not an address") from error
    if host in listed:
        if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
            raise SettingsError("TEAMS_WEBHOOK_URL must be https (http only for this machine)")
    else:
        check_public(parts, host, port)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise SettingsError("TEAMS_WEBHOOK_URL must hold no user, password or fragment")


def check_public(parts: SplitResult, host: str, port: int | None) -> None:
    """Raise SettingsError unless a host nobody listed is Microsoft's, by https on port 443."""
    if parts.scheme != "https" or port not in (None, 443):
        raise SettingsError("TEAMS_WEBHOOK_URL must be https on port 443")
    if is_address(host) or not HOST.fullmatch(host) or not host.endswith(SUFFIXES):
        allowed = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
        raise SettingsError(
            f"TEAMS_WEBHOOK_URL must be at one of {allowed}, or its host in WEBHOOK_HOSTS"
        )


def is_address(host: str) -> bool:
    """True for an IP literal."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
