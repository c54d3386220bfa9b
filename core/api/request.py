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
from core.jobs.run_requests import RunMessage
from core.keys import KEY_PATTERN
from core.model.guards import GuardConfig
from core.ports import Ledger

RESPONSE_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class BadRequest(ValueError):
    """The request is not what the route takes; `status` and the message say what is wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request as it came. Names of headers are in lower case, `path` are its parameters."""

    path_parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What is answered, and what is to be put on the queue of requests."""

    status: int
    body: str | bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    mimetype: str = "application/json"
    run_message: RunMessage | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One text of a request's body or query: what it may be, in words and as a pattern."""

    name: str
    help: str
    pattern: str
    max_length: int
    required: bool = True
    format: str = ""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a handler works with: the settings, the memory, the moment, who asks, and for what.

    `wish` are the typed values of the body, or of the query, by name.
    """

    settings: Settings
    ledger: Ledger
    now: datetime
    caller: Caller
    request: HttpRequest
    parameters: Mapping[str, str]

    def get_guard_config(self) -> GuardConfig:
        """The guard the address names. Raises BadRequest."""
        guard = self.request.path_parameters.get("guard", "")
        duty = self.settings.find_guard_config(guard)
        if duty is None:
            known = ", ".join(row.guard.name for row in self.settings.guard_configs)
            raise BadRequest(404, f"there is no such guard; there are: {known}")
        return duty


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `fields` are those of the body of a POST, or of the query of a GET."""

    name: str
    method: str
    path: str
    summary: str
    handle: Callable[[RequestContext], Awaitable[HttpResponse]]
    parameters: tuple[Parameter, ...] = ()
    media_types: tuple[str, ...] = ("application/json",)

    @property
    def is_write(self) -> bool:
        """True when using it has an effect."""
        return self.method == "POST"


def json_response(status: int, body: Mapping[str, object], **headers: str) -> HttpResponse:
    """A JSON answer that nobody keeps."""
    return HttpResponse(
        status, json.dumps(body, ensure_ascii=False), {**RESPONSE_HEADERS, **headers}
    )


def path_parameter(context: RequestContext, name: str, pattern: str = KEY_PATTERN) -> str:
    """A key or an id in the address. Raises BadRequest for anything that cannot be one."""
    value = context.request.path_parameters.get(name, "")
    if not re.fullmatch(pattern, value):
        raise BadRequest(404, f"there is no such {name}")
    return value
