"""How the command line reaches the API: one small interface with two implementations.

    RemoteClient    a deployed app, over HTTPS with a key
    LocalClient     the state table, through the same handlers in this process

Both return the responses of the routes in core.api.routes.
"""

import json
import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.cli.words import DOCUMENT_VERSION
from core.tenant.quoting import quote_text

# The only form a path of the API has.
API_PATH = re.compile(r"/api(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")


class CliError(Exception):
    """A command failed. `exit_code` is its exit code; the message says what to do."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ApiUnavailable(CliError):
    """The API, or a part of its data, could not be reached or read."""

    def __init__(self, message: str) -> None:
        super().__init__(EXIT_UNAVAILABLE, message)


class RequestRefused(CliError):
    """The API refused the request."""

    def __init__(self, message: str) -> None:
        super().__init__(EXIT_REFUSED, message)


class UsageError(CliError):
    """An argument or option is not valid."""

    def __init__(self, message: str) -> None:
        super().__init__(EXIT_USAGE, message)


# The last is EX_USAGE of sysexits.h.
EXIT_OK, EXIT_PROBLEM, EXIT_UNAVAILABLE, EXIT_REFUSED, EXIT_USAGE = 0, 1, 2, 3, 64


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response of the API. Header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def parse_object(self) -> dict[str, Any]:
        """The JSON object in the body. Raises ApiUnavailable for anything else."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise ApiUnavailable(
                "the response is not a JSON object: is this the address of an Exoguard app?"
            )
        if document.get("version", DOCUMENT_VERSION) != DOCUMENT_VERSION:
            raise ApiUnavailable(
                "the app has a different version: use the command line of that version"
            )
        return document

    def get_error(self) -> str:
        """The error message in the body; empty if there is none."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        message = document.get("error") if isinstance(document, dict) else None
        return quote_text(str(message or ""), 600)


class ApiClient(Protocol):
    """A connection to the API."""

    @property
    def location(self) -> str:
        """The app or the table, as it is shown to the operator."""
        ...

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> ApiResponse:
        """Read; any status is a response. Raises ApiUnavailable without a response."""
        ...

    async def post(self, path: str, body: Mapping[str, str]) -> ApiResponse:
        """Write; any status is a response. Raises ApiUnavailable without a response."""
        ...

    async def process_pending(self) -> None:
        """Process the requests just submitted, if no app does it. Raises ApiUnavailable."""
        ...


type ClientContext = AbstractAsyncContextManager[ApiClient]


async def fetch_response(
    client: ApiClient, path: str, query: Mapping[str, str] | None = None
) -> ApiResponse:
    """A successful response. Raises UsageError for an invalid query, else ApiUnavailable."""
    response = await client.get(path, query)
    if response.status == 400 and response.get_error():
        raise UsageError(response.get_error())
    if response.status != 200:
        raise ApiUnavailable(explain_response(response))
    return response


async def submit_request(client: ApiClient, path: str, body: Mapping[str, str]) -> ApiResponse:
    """Submit a request; the response that accepts it. Raises RequestRefused or ApiUnavailable."""
    response = await client.post(path, body)
    if response.status == 202:
        return response
    if response.status in (400, 404, 409, 413, 415, 429) and response.get_error():
        raise RequestRefused(f"refused: {response.get_error()}")
    raise ApiUnavailable(explain_response(response))


REMEDIES = {
    401: "the key is missing or wrong: put the app's function key (az functionapp keys list) in "
    "EXOGUARD_KEY, or in a file for --key-file",
    403: "access denied: the app may block this network, or the account lacks an app role",
    404: "not found: --app takes the address without a path; the app may be out of date",
    429: "too many requests: try again in a minute",
    500: "the app failed: see its log",
    502: "the app does not answer behind its address: it may be starting; try again in a minute",
    503: "the app is not ready: its settings may be wrong, or its state unreachable",
}


def explain_response(response: ApiResponse) -> str:
    """What an unsuccessful response means, and what to do."""
    if 300 <= response.status < 400:
        return f"{response.status}: the app redirects, which is not followed: check --app"
    remedy = REMEDIES.get(response.status, "unexpected status")
    error = response.get_error()
    return f"{response.status}: {error} ({remedy})" if error else f"{response.status}: {remedy}"
