"""The receivers of the channels besides Teams, at /channels/<name>, and the mail that Graph sent.

Each takes what the service it stands for takes, and refuses the rest: the webhook checks the
signature and the time and knows a message by its id; PagerDuty knows its key; ServiceNow keeps
incidents. Faults of the service `channels` make them throttle, fail, hang or answer slowly.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from sandbox.http_types import HttpRequest, HttpResponse, MalformedBody

WEBHOOK_TOLERANCE = 300
MAX_EVENT_BYTES = 512 * 1024
MAX_RECIPIENTS = 500
PAGERDUTY_ACTIONS = frozenset({"trigger", "acknowledge", "resolve"})
PAGERDUTY_SEVERITIES = frozenset({"critical", "error", "warning", "info"})


class ChannelReceivers:
    """The receivers. What each took is a list by its name; of the webhook, each id once."""

    name = "channels"

    def __init__(self) -> None:
        self.secret = token_hex(24)
        self.routing_key = token_hex(16)
        self.password = token_hex(12)
        self.taken: dict[str, list[Any]] = {}
        self.seen_ids: set[str] = set()
        self.incidents: dict[str, dict[str, Any]] = {}
        self.ignores_queries = False
        """Whether ServiceNow leaves out of a query what its user may not ask by."""

    def reset(self) -> None:
        self.taken.clear()
        self.seen_ids.clear()
        self.incidents.clear()

    def list_taken(self, name: str) -> list[Any]:
        """What a receiver took, in order."""
        return self.taken.get(name, [])

    def get_fault_lines(self, request: HttpRequest) -> tuple[str, str]:
        return f"{request.method} {request.path}", request.line

    async def handle_request(self, request: HttpRequest) -> HttpResponse:
        receiver = request.segments[1] if len(request.segments) > 1 else ""
        handlers = {
            "webhook": self.take_event,
            "pagerduty": self.take_alert,
            "slack": self.take_message,
            "servicenow": self.take_incident,
        }
        if receiver not in handlers:
            return HttpResponse(404, {"error": "no such receiver"})
        if len(request.body) > MAX_EVENT_BYTES:
            return HttpResponse(413, {"error": "too large"})
        try:
            return handlers[receiver](request)
        except MalformedBody:
            return HttpResponse(400, {"error": "no JSON"})

    def keep(self, receiver: str, body: Any) -> None:
        self.taken.setdefault(receiver, []).append(body)

    def take_event(self, request: HttpRequest) -> HttpResponse:
        """A signed CloudEvent; a forged or an old one is refused, a repeated one taken once."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        message_id = headers.get("webhook-id", "")
        seconds = headers.get("webhook-timestamp", "")
        signed = b".".join((message_id.encode(), seconds.encode(), request.body))
        digest = hmac.new(self.secret.encode(), signed, hashlib.sha256).digest()
        expected = f"v1,{base64.b64encode(digest).decode()}"
        if not hmac.compare_digest(expected, headers.get("webhook-signature", "")):
            return HttpResponse(401, {"error": "the signature is wrong"})
        if not seconds.isdigit() or abs(time.time() - int(seconds)) > WEBHOOK_TOLERANCE:
            return HttpResponse(401, {"error": "the message is old"})
        event = request.json()
        needed = ("specversion", "id", "source", "type")
        if not isinstance(event, Mapping) or not all(event.get(name) for name in needed):
            return HttpResponse(400, {"error": "no CloudEvent"})
        if message_id not in self.seen_ids:
            self.seen_ids.add(message_id)
            self.keep("webhook", event)
        return HttpResponse(202)

    def take_alert(self, request: HttpRequest) -> HttpResponse:
        """An event of PagerDuty's Events API v2."""
        event = request.json()
        payload = event.get("payload") or {}
        is_valid = (
            request.path.endswith("/v2/enqueue")
            and event.get("routing_key") == self.routing_key
            and event.get("event_action") in PAGERDUTY_ACTIONS
            and 0 < len(event.get("dedup_key", "")) <= 255
            and 0 < len(payload.get("summary", "")) <= 1024
            and payload.get("source")
            and payload.get("severity") in PAGERDUTY_SEVERITIES
        )
        if not is_valid:
            return HttpResponse(400, {"status": "invalid event"})
        self.keep("pagerduty", event)
        return HttpResponse(202, {"status": "success", "dedup_key": event["dedup_key"]})

    def take_message(self, request: HttpRequest) -> HttpResponse:
        """A message of an incoming webhook of Slack."""
        message = request.json()
        texts = [block.get("text", {}).get("text", "") for block in message.get("blocks", ())]
        if not message.get("text") or not all(0 < len(text) <= 3000 for text in texts):
            return HttpResponse(400, raw=b"invalid_blocks")
        self.keep("slack", message)
        return HttpResponse(200, raw=b"ok")

    def take_incident(self, request: HttpRequest) -> HttpResponse:
        """ServiceNow's table of incidents: found by what they correlate to, created, noted."""
        given = request.headers.get("Authorization", "")
        expected = base64.b64encode(f"exoguard:{self.password}".encode()).decode()
        if given != f"Basic {expected}":
            return HttpResponse(401, {"error": {"message": "User Not Authenticated"}})
        if request.method == "GET":
            wanted = request.query.get("sysparm_query", "").partition("^")[0].partition("=")[2]
            fields = request.query.get("sysparm_fields", "sys_id").split(",")
            found = [
                {name: value for name, value in ({"sys_id": key} | row).items() if name in fields}
                for key, row in self.incidents.items()
                if self.ignores_queries or row.get("correlation_id") == wanted
            ]
            return HttpResponse(200, {"result": found[:1]})
        body = request.json()
        if request.method == "PATCH":
            incident = self.incidents.get(request.segments[-1])
            if incident is None:
                return HttpResponse(404, {"error": {"message": "No Record found"}})
            incident.setdefault("notes", []).append(body.get("work_notes", ""))
            return HttpResponse(200, {"result": {"sys_id": request.segments[-1]}})
        if len(body.get("short_description", "")) > 160:
            return HttpResponse(400, {"error": {"message": "too long"}})
        key = token_hex(16)
        self.incidents[key] = body
        return HttpResponse(201, {"result": {"sys_id": key}})
