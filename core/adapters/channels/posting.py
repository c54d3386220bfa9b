"""Posts messages to one address: retries, bounds, and a second copy only where that is harmless.

The address is a secret; messages show only the start of its SHA-256. No channel follows a redirect,
and none reaches into a private network unless the operator lists its host.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.adapters.http import BufferedResponse, ConnectionLost, HttpClient, PublicResolver
from core.adapters.retry import ThrottledService, retryable_status
from core.errors import (
    CardRejected,
    ChannelForbidden,
    NotificationError,
    Unavailable,
)

log = logging.getLogger(__name__)

RESPONSE_LIMIT = 16 * 1024
REJECTED_STATUSES = frozenset({400, 413, 415, 422})
FORBIDDEN_STATUSES = frozenset({401, 403})
# A message whose answer was lost is sent only once more, since it may have arrived.
MAX_LOST_RESPONSES = 2


@dataclass(frozen=True, slots=True)
class Post:
    """One request."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = ""
    """What follows the address."""


def hash_address(*parts: str) -> str:
    """The start of the SHA-256 of where a channel sends, by which logs and rows name it."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


class Poster:
    """Sends requests to one address.

    `is_accepted` says by status and body whether the receiver took a message. One whose answer was
    lost may have arrived: `most_lost` such answers end the attempt, more for a receiver that knows
    a message that comes again by its id.
    """

    def __init__(
        self,
        name: str,
        address: str,
        service: ThrottledService,
        client: HttpClient,
        is_accepted: Callable[[BufferedResponse], bool],
        *,
        most_lost: int = MAX_LOST_RESPONSES,
    ) -> None:
        self.name = name
        self.address = address
        self.service = service
        self.client = client
        self.is_accepted = is_accepted
        self.most_lost = most_lost

    async def send(self, post: Post) -> BufferedResponse:
        """Send one request, and repeat it where that may help. Returns the answer that took it.

        Raises CardRejected for a message that is not taken, ChannelForbidden where nothing is taken
        for want of a right, NotificationError where nothing is taken now.
        """
        lost = 0

        async def attempt() -> BufferedResponse:
            nonlocal lost
            try:
                reply = await self.client.send(
                    post.method,
                    f"{self.address}{post.path}",
                    headers={"Accept": "application/json", **post.headers},
                    body=post.body,
                    limit=RESPONSE_LIMIT,
                    truncate=True,
                )
            except ConnectionLost as error:
                lost += 1
                if lost < self.most_lost:
                    raise
                raise NotificationError(f"not taken, as far as is known: {error}") from error
            if again := retryable_status(reply.status, reply.headers.get("Retry-After"), self.name):
                raise again
            if not self.is_accepted(reply):
                raise build_refusal(self.name, reply.status)
            return reply

        try:
            return await self.service.call(attempt)
        except Unavailable as error:
            raise NotificationError(f"not taken: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()


def build_refusal(name: str, status: int) -> NotificationError:
    """The error of an answer that does not take a message."""
    if status in REJECTED_STATUSES:
        return CardRejected(f"{name}: HTTP {status}, it does not take this message")
    if status in FORBIDDEN_STATUSES:
        return ChannelForbidden(
            f"{name}: HTTP {status}, the key, secret or permission is not taken"
        )
    if status in (404, 410):
        return NotificationError(f"{name}: HTTP {status}, the address leads nowhere any more")
    if 300 <= status < 400:
        return NotificationError(f"{name}: HTTP {status}, it points elsewhere")
    return NotificationError(f"{name}: HTTP {status}, which does not say that it was taken")


def open_client(name: str, listed: frozenset[str], ca_path: str) -> HttpClient:
    """A client that reaches the internet, and listed hosts wherever they are."""
    return HttpClient(
        name,
        ca_path=ca_path,
        connections=2,
        read_timeout=20.0,
        resolver=lambda: PublicResolver(allowed_hosts=listed),
    )
