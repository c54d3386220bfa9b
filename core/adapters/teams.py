"""The Teams channel: cards posted to a Workflows webhook.

The URL is a secret, since anyone who has it can post; messages show only the start of its SHA-256.
A workflow answers 202 when it has queued the message; a 200 comes from something else, such as a
proxy's page.
"""

import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from core.adapters.channel_addresses import check_webhook_address
from core.adapters.http import (
    BufferedResponse,
    ConnectionLost,
    HttpClient,
    PublicResolver,
    is_page,
)
from core.adapters.retry import RetryableError, ThrottledService, retryable_status
from core.errors import CardRejected, NotificationError, Unavailable
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES

RELIES_ON = (
    "teams-accepted",
    "teams-hosts",
)

log = logging.getLogger(__name__)

RESPONSE_LIMIT = 4 * 1024
# Seconds between messages: a channel takes four a second
# (Microsoft Learn: "Create and send messages with connectors", rate limiting).
SEND_INTERVAL = 0.3
# A card whose response was lost is sent only once more, since it may have been posted.
MAX_LOST_RESPONSES = 2
# The status that confirms a card. Any other success comes from a proxy or a sign-in page.
WORKFLOW_STATUSES = frozenset({202})
REJECTED_STATUSES = frozenset({400, 413})


class TeamsChannel:
    """One channel. Raises SettingsError for an address cards must not go to.

    `hosts` are allowed besides Microsoft's; only they may be on this machine or in a private
    network. `service` limits and repeats calls like those to Graph and Exchange. `answers` are the
    HTTP statuses by which a workflow says that it took a card.
    """

    def __init__(
        self,
        url: str,
        service: ThrottledService,
        *,
        hosts: Collection[str] = (),
        ca_path: str = "",
        accepted_statuses: Collection[int] = WORKFLOW_STATUSES,
    ) -> None:
        listed = frozenset(host.strip().lower() for host in hosts if host.strip())
        check_webhook_address(url, listed)
        self.url = url
        self.accepted_statuses = frozenset(accepted_statuses)
        self.label = f"webhook {hashlib.sha256(url.encode()).hexdigest()[:8]}"
        self.service = service
        self.http_client = HttpClient(
            self.label,
            ca_path=ca_path,
            connections=2,
            read_timeout=30.0,
            resolver=lambda: PublicResolver(allowed_hosts=listed),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.http_client.close()

    async def send(self, payload: Mapping[str, object]) -> None:
        """Post one message. Raises NotificationError, or CardRejected if the card is the reason."""
        body = encode_card(payload)
        lost = 0

        async def attempt() -> None:
            nonlocal lost
            try:
                reply = await self.post_card(body)
            except ConnectionLost as error:
                lost += 1
                if lost < MAX_LOST_RESPONSES:
                    raise
                raise NotificationError(f"not taken, as far as is known: {error}") from error
            again = retryable_status(reply.status, reply.headers.get("Retry-After"), self.label)
            if again:
                raise again
            if reply.status not in self.accepted_statuses or is_page(reply):
                kind = CardRejected if reply.status in REJECTED_STATUSES else NotificationError
                raise kind(f"{self.label}: {describe_card_refusal(reply.status, len(body))}")

        try:
            await self.service.call(attempt)
        except RetryableError as error:
            raise NotificationError(f"not taken: {error}") from error
        except Unavailable as error:
            raise NotificationError(f"{self.label}: {error}") from error
        log.info("%s took a card of %d bytes", self.label, len(body))

    async def post_card(self, body: bytes) -> BufferedResponse:
        """Send one request. Raises RetryableError, or ConnectionLost if the card may be posted."""
        self.service.pause_for(SEND_INTERVAL)
        return await self.http_client.send(
            "POST",
            self.url,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            body=body,
            limit=RESPONSE_LIMIT,
            truncate=True,
        )


@dataclass(frozen=True, slots=True)
class UnusableChannel:
    """Stands in for a channel whose settings are wrong: what it is to be told stays pending."""

    reason: str

    async def send(self, payload: Mapping[str, object]) -> None:
        """Raise NotificationError with the reason."""
        raise NotificationError(self.reason)


def encode_card(payload: Mapping[str, object]) -> bytes:
    """A message as the body of a request. Raises CardRejected for one that Teams would not show: a
    flow answers 202 to it, and drops it.
    """
    body = json.dumps(payload, separators=(",", ":")).encode()
    if len(body) > MAX_MESSAGE_BYTES:
        raise CardRejected(f"the card of {len(body)} bytes is too large for Teams")
    return body


def describe_card_refusal(status: int, size: int) -> str:
    """Describe why a card was refused, and what an operator can do."""
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
