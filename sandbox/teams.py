"""The Teams webhook: the Workflows trigger, and the connector it replaced.

A workflow answers 202 before it posts anything, so a card that the flow cannot post is lost
silently. Therefore posted messages (`cards`) and failed ones (`failed_flows`) are kept apart.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from secrets import token_urlsafe
from typing import Any

from sandbox.http_types import HttpRequest, HttpResponse, MalformedBody

MAX_CARD_BYTES = 28 * 1024
CARD_CONTENT_TYPE = "application/vnd.microsoft.card.adaptive"


class TeamsWebhook:
    """The webhook service. `signature` is the secret part of the webhook's address.

    `card_times` holds, per card, the seconds from the tenant's start to its arrival. `get_growth`
    tells how many times its size a card has when the flow posts it.
    """

    name = "teams"

    def __init__(self, get_growth: Callable[[], float] = lambda: 1.0) -> None:
        self.get_growth = get_growth
        self.signature = token_urlsafe(24)
        self.started_at = time.monotonic()
        self.cards: list[Any] = []
        self.card_times: list[float] = []
        self.failed_flows: list[dict[str, Any]] = []

    def reset(self) -> None:
        self.started_at = time.monotonic()
        self.cards.clear()
        self.card_times.clear()
        self.failed_flows.clear()

    def get_age(self) -> float:
        """Seconds since the tenant started or was reset."""
        return time.monotonic() - self.started_at

    def get_fault_lines(self, request: HttpRequest) -> tuple[str, str]:
        return f"{request.method} {request.path}", request.line

    async def handle_request(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return build_webhook_error(
                405, "MethodNotAllowed", "Only POST requests trigger this flow."
            )
        signed = request.query.get("sig", "")
        if not hmac.compare_digest(signed.encode(), self.signature.encode()):
            text = "The request is not signed by a shared access signature of this trigger."
            return build_webhook_error(401, "DirectApiAuthorizationRequired", text)
        if len(request.body) > MAX_CARD_BYTES:
            return build_webhook_error(413, "RequestEntityTooLarge", "Request Entity too large.")
        if len(request.body) * self.get_growth() > MAX_CARD_BYTES:
            text = request.body.decode("utf-8", "replace")
            self.failed_flows.append({"reason": "Request Entity too large.", "body": text})
            return HttpResponse(202)
        self.run_flow(request)
        return HttpResponse(202)

    def run_flow(self, request: HttpRequest) -> None:
        """Runs the flow after the response: posts the card or records the failure."""
        try:
            body = request.json()
        except MalformedBody:
            body = request.body.decode("utf-8", "replace")
        reason = find_card_error(body)
        if reason:
            self.failed_flows.append({"reason": reason, "body": body})
        else:
            self.cards.append(body)
            self.card_times.append(self.get_age())


def find_card_error(body: Any) -> str:
    """Why the flow fails on a message; empty if it posts the message."""
    attachments = body.get("attachments") if isinstance(body, Mapping) else None
    if not isinstance(attachments, list) or not attachments:
        return "The 'foreach' expression on the message's attachments is of type 'Null'."
    for attachment in attachments:
        card = attachment.get("content") if isinstance(attachment, Mapping) else None
        if not isinstance(card, Mapping) or attachment.get("contentType") != CARD_CONTENT_TYPE:
            return f"An attachment is not of type '{CARD_CONTENT_TYPE}'."
        if card.get("type") != "AdaptiveCard":
            return "Property 'type' must be 'AdaptiveCard'."
        if not isinstance(card.get("version"), str) or not isinstance(card.get("body"), list):
            return "The card has no version or no body."
    return ""


def build_webhook_error(status: int, code: str, message: str) -> HttpResponse:
    return HttpResponse(status, {"error": {"code": code, "message": message}})
