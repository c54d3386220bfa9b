"""What handlers of the HTTP API work with: a request, who asks, the memory, the answer.

Nothing here knows Azure, or a route: the same handlers serve the function app, the command line and
the loopback viewer.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.api.authentication import Caller
from core.config.settings import Settings
from core.jobs.run_requests import Ticket
from core.keys import KEY
from core.model.guards import Duty
from core.ports import Ledger

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class BadRequest(ValueError):
    """The request is not what the route takes; `status` and the message say what is wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came. Names of headers are in lower case, `path` are its parameters."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and what is to be put on the queue of requests."""

    status: int
    body: str | bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    mimetype: str = "application/json"
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One text of a request's body or query: what it may be, in words and as a pattern."""

    name: str
    help: str
    pattern: str
    longest: int
    required: bool = True
    format: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a handler works with: the settings, the memory, the moment, who asks, and for what.

    `wish` are the typed values of the body, or of the query, by name.
    """

    settings: Settings
    ledger: Ledger
    now: datetime
    caller: Caller
    call: Call
    wish: Mapping[str, str]

    def duty(self) -> Duty:
        """The guard the address names. Raises BadRequest."""
        guard = self.call.path.get("guard", "")
        duty = self.settings.duty(guard)
        if duty is None:
            known = ", ".join(row.guard.name for row in self.settings.duties)
            raise BadRequest(404, f"there is no such guard; there are: {known}")
        return duty


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `fields` are those of the body of a POST, or of the query of a GET."""

    name: str
    method: str
    path: str
    summary: str
    handle: Callable[[Desk], Awaitable[Answer]]
    fields: tuple[Field, ...] = ()
    answers: tuple[str, ...] = ("application/json",)

    @property
    def acts(self) -> bool:
        """True when using it has an effect."""
        return self.method == "POST"


def said(status: int, body: Mapping[str, object], **headers: str) -> Answer:
    """A JSON answer that nobody keeps."""
    return Answer(status, json.dumps(body, ensure_ascii=False), {**HEADERS, **headers})


def named(desk: Desk, name: str, pattern: str = KEY) -> str:
    """A key or an id in the address. Raises BadRequest for anything that cannot be one."""
    value = desk.call.path.get(name, "")
    if not re.fullmatch(pattern, value):
        raise BadRequest(404, f"there is no such {name}")
    return value
