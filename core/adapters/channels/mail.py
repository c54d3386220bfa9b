"""Mail by Microsoft Graph, from one mailbox.

The app may send as that mailbox alone: Exchange's role "Application Mail.Send" with a scope (RBAC
for Applications, Microsoft Learn), and not the app role Mail.Send, which would be that of the whole
tenant. So the token names no role, and only a message that is taken shows that the app may send.
"""

import logging
from collections.abc import Sequence
from urllib.parse import quote

from core.adapters.channels.posting import (
    FORBIDDEN_STATUSES,
    MAX_LOST_RESPONSES,
    REJECTED_STATUSES,
    hash_address,
)
from core.adapters.graph.client import GraphClient
from core.adapters.http import BufferedResponse, ConnectionLost
from core.adapters.retry import ThrottledService, retryable_status
from core.errors import CardRejected, ChannelForbidden, NotificationError, TenantError
from core.model.findings import Severity
from core.model.outbox import OutboxRow
from core.notifications.mail_message import build_mail

RELIES_ON = ("exchange-mail-send-rbac",)

log = logging.getLogger(__name__)


class MailChannel:
    """One mailbox that sends to some addresses."""

    name = "mail"
    batch_size = 20
    patience = 90.0

    def __init__(
        self,
        graph: GraphClient,
        service: ThrottledService,
        sender: str,
        recipients: Sequence[str],
        *,
        least_severity: Severity,
        guards: frozenset[str],
        base_url: str = "",
    ) -> None:
        self.graph = graph
        self.service = service
        self.sender = sender
        self.recipients = tuple(recipients)
        self.least_severity = least_severity
        self.guards = guards
        self.base_url = base_url
        self.setup = hash_address(sender, *self.recipients)

    async def send(self, rows: Sequence[OutboxRow], *, is_plain: bool = False) -> None:
        """Send one mail. Raises NotificationError, or a kind of it."""
        path = f"/users/{quote(self.sender, safe='')}/sendMail"
        body = dict(build_mail(rows, self.recipients, self.base_url, is_plain=is_plain))
        lost = 0

        async def attempt() -> None:
            nonlocal lost
            try:
                reply = await self.graph.send("POST", path, body)
            except ConnectionLost as error:
                lost += 1
                if lost < MAX_LOST_RESPONSES:
                    raise
                raise NotificationError(f"not taken, as far as is known: {error}") from error
            self.judge_reply(reply)

        try:
            await self.service.call(attempt)
        except TenantError as error:
            raise NotificationError(f"mail was not taken: {error}") from error
        log.info("mail %s took a message of %d cases", self.setup, len(rows))

    def judge_reply(self, reply: BufferedResponse) -> None:
        """Raise unless Graph took the mail, which is all that 202 says."""
        status = reply.status
        if status == 202:
            return
        if again := retryable_status(status, reply.headers.get("Retry-After"), "mail"):
            raise again
        if status in FORBIDDEN_STATUSES:
            raise ChannelForbidden(
                f"HTTP {status}, the app may not send as this mailbox: give it the role"
                " Application Mail.Send for it; Exchange takes up to two hours to know"
            )
        if status == 404:
            raise NotificationError("HTTP 404, MAIL_SENDER names no mailbox")
        if status in REJECTED_STATUSES:
            raise CardRejected(f"HTTP {status}, Graph does not take this mail")
        raise NotificationError(f"HTTP {status}, which does not say that the mail was taken")
