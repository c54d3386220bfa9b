"""The channels that take JSON over HTTP: a signed webhook, PagerDuty, Slack, ServiceNow, Sentinel.

The webhook is signed as Standard Webhooks have it (standardwebhooks.com): HMAC-SHA256 over the id,
the time and the body, so that a receiver can tell a forged or an old message, and knows one that
comes again by its id.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from core.adapters.channels.posting import Post, Poster
from core.adapters.http import BufferedResponse, is_page
from core.errors import NotificationError
from core.model.findings import Severity
from core.model.outbox import ENDS, SECRET_PREFIX, OutboxRow
from core.notifications.event_messages import (
    build_cloud_event,
    build_correlation_id,
    build_incident,
    build_incident_note,
    build_log_records,
    build_pagerduty_event,
    build_slack_message,
)

RELIES_ON = ("channel-receivers",)

JSON_HEADERS = {"Content-Type": "application/json"}

type SendRows = Callable[[Sequence[OutboxRow], bool], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class EventChannel:
    """A channel by what it is called, whom it tells of what, and how it sends."""

    name: str
    setup: str
    least_severity: Severity
    guards: frozenset[str]
    send_rows: SendRows
    batch_size: int = 1
    patience: float = 60.0

    async def send(self, rows: Sequence[OutboxRow], *, is_plain: bool = False) -> None:
        """Send one message. Raises NotificationError, or a kind of it."""
        await self.send_rows(rows, is_plain)


def encode_json(value: object) -> bytes:
    """A document as the body of a request. Lone surrogates are escaped."""
    return json.dumps(value, separators=(",", ":")).encode()


def is_success(reply: BufferedResponse) -> bool:
    """Whether an answer is any success of the receiver itself."""
    return 200 <= reply.status < 300 and not is_page(reply)


def is_accepted_by_pagerduty(reply: BufferedResponse) -> bool:
    """Whether PagerDuty queued an event."""
    return reply.status == 202


def is_accepted_by_slack(reply: BufferedResponse) -> bool:
    """Whether Slack posted a message: anything but "ok" comes from something else."""
    return reply.status == 200 and reply.body.strip() == b"ok"


def is_accepted_by_sentinel(reply: BufferedResponse) -> bool:
    """Whether the endpoint took the records."""
    return reply.status == 204


def decode_signing_key(secret: str) -> bytes:
    """The key in a secret: base64 after `whsec_`, as settings demand it, or the text itself."""
    if secret.startswith(SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    return secret.encode()


def sign_message(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers that prove who sent a message, and when."""
    seconds = str(int(at.timestamp()))
    signed = b".".join((message_id.encode(), seconds.encode(), body))
    digest = hmac.new(decode_signing_key(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "Idempotency-Key": message_id,
    }


def send_webhook(
    poster: Poster, secret: str, tenant: str, base_url: str, now: Callable[[], datetime]
) -> SendRows:
    """Sends each case as a signed CloudEvent."""

    async def send(rows: Sequence[OutboxRow], is_plain: bool) -> None:
        for row in rows:
            body = encode_json(build_cloud_event(row, tenant, base_url, is_plain=is_plain))
            headers = sign_message(secret, row.message_id, now(), body)
            headers["Content-Type"] = "application/cloudevents+json"
            await poster.send(Post(body, headers))

    return send


def send_pagerduty(poster: Poster, routing_key: str, base_url: str) -> SendRows:
    """Sends each case as an event."""

    async def send(rows: Sequence[OutboxRow], is_plain: bool) -> None:
        for row in rows:
            event = build_pagerduty_event(row, routing_key, base_url, is_plain=is_plain)
            await poster.send(Post(encode_json(event), JSON_HEADERS, path="/v2/enqueue"))

    return send


def send_slack(poster: Poster, base_url: str) -> SendRows:
    """Sends each case as a message. Slack takes one a second."""

    async def send(rows: Sequence[OutboxRow], is_plain: bool) -> None:
        for row in rows:
            poster.service.pause_for(1.0)
            message = build_slack_message(row, base_url, is_plain=is_plain)
            await poster.send(Post(encode_json(message), JSON_HEADERS))

    return send


def send_servicenow(poster: Poster, user: str, password: str, base_url: str) -> SendRows:
    """Opens one incident a case, and notes in it what comes later."""
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {**JSON_HEADERS, "Authorization": f"Basic {basic}"}
    table = "/api/now/table/incident"

    async def find_incident(row: OutboxRow) -> str:
        wanted = build_correlation_id(row)
        query = quote(f"correlation_id={wanted}^active=true", safe="")
        path = f"{table}?sysparm_query={query}&sysparm_fields=sys_id,correlation_id&sysparm_limit=1"
        reply = await poster.send(Post(b"", headers, "GET", path))
        return parse_incident_id(reply.body, wanted)

    async def send(rows: Sequence[OutboxRow], is_plain: bool) -> None:
        for row in rows:
            if known := await find_incident(row):
                note = build_incident_note(row, base_url, is_plain=is_plain)
                await poster.send(Post(encode_json(note), headers, "PATCH", f"{table}/{known}"))
            elif row.notice.event not in ENDS:
                incident = build_incident(row, base_url, is_plain=is_plain)
                await poster.send(Post(encode_json(incident), headers, path=table))

    return send


def parse_incident_id(body: bytes, correlation_id: str) -> str:
    """The id of the incident in an answer; empty for none. Raises NotificationError.

    ServiceNow leaves out a part of a query that it does not understand, or that the user may not
    ask by, and answers with somebody else's incident (FXinnovation/alertmanager-webhook-servicenow
    #31). Such a one is never written to.
    """
    try:
        rows = json.loads(body)["result"]
        found = rows[0]["sys_id"] if rows else ""
        told = rows[0].get("correlation_id") if rows else correlation_id
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise NotificationError("ServiceNow answered no list of incidents") from error
    if not isinstance(found, str) or (found and not (len(found) <= 32 and found.isalnum())):
        raise NotificationError("ServiceNow answered no id of an incident")
    if told != correlation_id:
        raise NotificationError(
            "ServiceNow answered with another incident than was asked for: the user must be able "
            "to read correlation_id and to search by it"
        )
    return found


def send_sentinel(poster: Poster, rule: str, tenant: str, base_url: str) -> SendRows:
    """Sends cases as rows of a table, up to a hundred a request."""
    path = f"/dataCollectionRules/{rule}/streams/Custom-Exoguard_CL?api-version=2023-01-01"

    async def send(rows: Sequence[OutboxRow], is_plain: bool) -> None:
        records = build_log_records(rows, tenant, base_url, is_plain=is_plain)
        await poster.send(Post(encode_json(records), JSON_HEADERS, path=path))

    return send
