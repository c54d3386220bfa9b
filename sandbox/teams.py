"""The Teams webhook: Workflows as of today, and the connector it replaced.

A workflow answers 202 before anything is posted: a card the flow cannot post is lost without a
word, so what was accepted (`cards`) and what the flow choked on (`failed_flows`) are kept apart.
"""

import hmac
import time
from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Any

from sandbox.http_types import Answer, Call, Malformed

SIZE_LIMIT = 28 * 1024
CARD = "application/vnd.microsoft.card.adaptive"


class Teams:
    """The service. `signature` is the secret part of the webhook's address.

    `card_times` says for each card how old the tenant was when it came, in seconds.
    """

    name = "teams"

    def __init__(self) -> None:
        self.signature = token_urlsafe(24)
        self.began = time.monotonic()
        self.cards: list[Any] = []
        self.card_times: list[float] = []
        self.failed_flows: list[dict[str, Any]] = []

    def reset(self) -> None:
        self.began = time.monotonic()
        self.cards.clear()
        self.card_times.clear()
        self.failed_flows.clear()

    def age(self) -> float:
        """Seconds since the tenant was made, or reset."""
        return time.monotonic() - self.began

    def lines(self, call: Call) -> tuple[str, str]:
        return f"{call.method} {call.path}", call.line

    async def answer(self, call: Call) -> Answer:
        if call.method != "POST":
            return refusal(405, "MethodNotAllowed", "Only POST requests trigger this flow.")
        legacy = call.segments[0] == "webhookb2"
        signed = call.query.get("sig", "")
        if not legacy and not hmac.compare_digest(signed.encode(), self.signature.encode()):
            text = "The request is not signed by a shared access signature of this trigger."
            return refusal(401, "DirectApiAuthorizationRequired", text)
        if len(call.body) > SIZE_LIMIT:
            return refusal(413, "RequestEntityTooLarge", "Request Entity too large.")
        self.run_flow(call)
        if legacy:
            return Answer(200, raw=b"1", headers={"Content-Type": "text/plain"})
        return Answer(202)

    def run_flow(self, call: Call) -> None:
        """What happens behind the answer."""
        try:
            body = call.json()
        except Malformed:
            body = call.body.decode("utf-8", "replace")
        reason = trouble(body)
        if reason:
            self.failed_flows.append({"reason": reason, "body": body})
        else:
            self.cards.append(body)
            self.card_times.append(self.age())


def trouble(body: Any) -> str:
    """Why the flow fails on a message; nothing when it posts it."""
    attachments = body.get("attachments") if isinstance(body, Mapping) else None
    if not isinstance(attachments, list) or not attachments:
        return "The 'foreach' expression on the message's attachments is of type 'Null'."
    for attachment in attachments:
        card = attachment.get("content") if isinstance(attachment, Mapping) else None
        if not isinstance(card, Mapping) or attachment.get("contentType") != CARD:
            return f"An attachment is not of type '{CARD}'."
        if card.get("type") != "AdaptiveCard":
            return "Property 'type' must be 'AdaptiveCard'."
        if not isinstance(card.get("version"), str) or not isinstance(card.get("body"), list):
            return "The card has no version or no body."
    return ""


def refusal(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}})
