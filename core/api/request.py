"""The types of the HTTP API: a route, its parameters, a request, its context and its response.

Nothing here depends on Azure or on a single route: the function app, the command line and its
viewer on the loopback interface all use the same handlers.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.api.authentication import Caller
from core.config.settings import Settings
from core.jobs.run_requests import RunMessage
from core.keys import KEY_PATTERN
from core.model.guards import GuardConfig
from core.ports import Ledger
from core.tenant.quoting import quote_text

HTML_ONLY = ("text/html",)
RESPONSE_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class BadRequest(ValueError):
    """The request is not valid for the route. `status` is the HTTP status of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, not validated yet."""

    path_parameters: Mapping[str, str] = field(default_factory=dict)
    """The values of the route's {placeholders}, by name."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One HTTP response, and the messages to enqueue with it."""

    status: int
    body: str | bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    mimetype: str = "application/json"
    run_messages: tuple[RunMessage, ...] = ()
    """Go onto the queue of run messages once the handler has returned."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One text in the body of a POST or the query of a GET."""

    name: str
    help: str
    """What the value is, as error messages and the OpenAPI document say it."""
    pattern: str
    """A regular expression that the whole value must match."""
    max_length: int
    required: bool = True
    format: str = ""
    """A format name of JSON Schema, such as date-time; empty for plain text."""
    is_list: bool = False
    """Whether it holds several values, separated by commas; a form names each by itself."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a handler works with."""

    settings: Settings
    ledger: Ledger
    now: datetime
    caller: Caller
    request: HttpRequest
    parameters: Mapping[str, str]
    """The validated values of the body or the query, by name."""
    batch: str = ""
    """What the requests of one form have in common; empty for a request by itself."""

    def get_guard_config(self) -> GuardConfig:
        """The guard that the address names. Raises BadRequest."""
        config = self.settings.find_guard_config(self.request.path_parameters.get("guard", ""))
        if config is None:
            known = ", ".join(config.guard.name for config in self.settings.guard_configs)
            raise BadRequest(404, f"there is no such guard; the guards are: {known}")
        return config


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the API."""

    name: str
    method: str
    path: str
    """The address below /api/, with {placeholders}."""
    summary: str
    handle: Callable[[RequestContext], Awaitable[HttpResponse]]
    parameters: tuple[Parameter, ...] = ()
    """The fields of the body of a POST, or of the query of a GET."""
    media_types: tuple[str, ...] = ("application/json",)
    takes_forms: bool = False
    """Whether a page of this app may send the body as a form."""
    is_preview: bool = False
    """Whether a POST only shows what another one would do: it records nothing."""

    @property
    def is_write(self) -> bool:
        """True when a request of this route has an effect."""
        return self.method == "POST"


def json_response(status: int, body: Mapping[str, object], **headers: str) -> HttpResponse:
    """A JSON response that no client or proxy may store."""
    return HttpResponse(
        status, json.dumps(body, ensure_ascii=False), {**RESPONSE_HEADERS, **headers}
    )


def path_parameter(context: RequestContext, name: str, pattern: str = KEY_PATTERN) -> str:
    """A key or an id in the address. Raises BadRequest when its form is wrong."""
    value = context.request.path_parameters.get(name, "")
    if not re.fullmatch(pattern, value):
        raise BadRequest(404, f"there is no such {name}")
    return value


def validate_parameters(
    parameters: tuple[Parameter, ...], raw: Mapping[str, Any]
) -> dict[str, str]:
    """The values by name, each checked against its parameter.

    Rejects unknown names, so that a typo is not silently ignored. Raises BadRequest, which names
    the parameter at fault.
    """
    known = {parameter.name for parameter in parameters}
    if unknown := [name for name in raw if name not in known]:
        names = ", ".join(f'"{parameter.name}"' for parameter in parameters)
        raise BadRequest(
            400, f"{quote_text(unknown[0], 40)} is not a known parameter; known are: {names}"
        )
    values: dict[str, str] = {}
    for parameter in parameters:
        if parameter.name not in raw:
            if parameter.required:
                raise BadRequest(400, f'"{parameter.name}" is missing: {parameter.help}')
            continue
        value = raw[parameter.name]
        fits = isinstance(value, str) and len(value) <= parameter.max_length
        if not fits or not re.fullmatch(parameter.pattern, value):
            raise BadRequest(
                400,
                f'"{parameter.name}" is not valid. It is {parameter.help}; '
                f"at most {parameter.max_length} characters",
            )
        values[parameter.name] = value
    return values
