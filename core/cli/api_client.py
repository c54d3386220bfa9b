"""How the command line reaches the data: one small interface, over HTTP or in this process.

    OverHttp     a deployed app, by its address and a key
    InProcess    the state table itself, through the same handlers

Either way the answers are those of core/api/routes.py.
"""

import json
import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.sanitize import sanitize_text
from core.status.case_document import DOCUMENT_VERSION

# An address of the API; whatever else a path may hold is nobody's.
API_PATH = re.compile(r"/api(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")


class CliError(Exception):
    """Something could not be found out or done; `code` is what the command ends with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class ApiUnavailable(CliError):
    """It could not be found out; the message says what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(EXIT_UNAVAILABLE, message)


class RequestRefused(CliError):
    """What was asked for was refused."""

    def __init__(self, message: str) -> None:
        super().__init__(EXIT_REFUSED, message)


class UsageError(CliError):
    """The command was not given what it takes."""

    def __init__(self, message: str) -> None:
        super().__init__(EXIT_USAGE, message)


# What a command ends with; the last is EX_USAGE of sysexits.h.
EXIT_OK, EXIT_PROBLEM, EXIT_UNAVAILABLE, EXIT_REFUSED, EXIT_USAGE = 0, 1, 2, 3, 64


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An answer of the API. Names of headers are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def parse_object(self) -> dict[str, Any]:
        """The JSON object in the body. Raises Unknown for anything else."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ApiUnavailable("the answer is not JSON: is this the address of an Exoguard app?")
        if found.get("version", DOCUMENT_VERSION) != DOCUMENT_VERSION:
            raise ApiUnavailable(
                "the app is of another version: use the command line that belongs to it"
            )
        return found

    def get_error(self) -> str:
        """What the answer says went wrong, where it says so."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        return sanitize_text(str(found.get("error") or ""), 600) if isinstance(found, dict) else ""


class ApiClient(Protocol):
    """A way to the API."""

    @property
    def location(self) -> str:
        """What it leads to, as people know it."""
        ...

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> ApiResponse:
        """Look at something, whatever the status of the answer. Raises Unknown."""
        ...

    async def post(self, path: str, body: Mapping[str, str]) -> ApiResponse:
        """Ask for something, whatever the status of the answer. Raises Unknown."""
        ...

    async def process_pending(self) -> None:
        """Do what was asked for, where nobody else is called to do it. Raises Unknown."""
        ...


type ClientContext = AbstractAsyncContextManager[ApiClient]


async def fetch_response(
    client: ApiClient, path: str, query: Mapping[str, str] | None = None
) -> ApiResponse:
    """An answer that is there. Raises Misused for what the app does not take, Unknown otherwise."""
    reply = await client.get(path, query)
    if reply.status == 400 and reply.get_error():
        raise UsageError(reply.get_error())
    if reply.status != 200:
        raise ApiUnavailable(explain_response(reply))
    return reply


async def submit_request(client: ApiClient, path: str, body: Mapping[str, str]) -> ApiResponse:
    """Ask for something; the answer that it was taken. Raises NotDone, or Unknown."""
    reply = await client.post(path, body)
    if reply.status == 202:
        return reply
    if reply.status in (400, 404, 409, 413, 415, 429) and reply.get_error():
        raise RequestRefused(f"refused: {reply.get_error()}")
    raise ApiUnavailable(explain_response(reply))


REMEDIES = {
    401: "the key is wrong, or there is none: take the function key of the app "
    "(az functionapp keys list) and put it in EXOGUARD_KEY or a file for --key-file",
    403: "not let in: the app may be closed to this network, or the account may not do this",
    404: "not found: is the address that of the app, without a path, and is it up to date?",
    429: "too many requests: wait a minute",
    500: "the app failed: its log tells why",
    502: "the app is not reachable behind its address: it may be starting; try again in a minute",
    503: "the app is not ready: its settings may be wrong, or its state out of reach",
}


def explain_response(response: ApiResponse) -> str:
    """What an answer means that is not the one wanted, and what to do."""
    if 300 <= response.status < 400:
        return f"{response.status}: the app sends elsewhere, which is not followed: check --app"
    known = REMEDIES.get(response.status, "the app answers what was not expected")
    said = response.get_error()
    return f"{response.status}: {said} ({known})" if said else f"{response.status}: {known}"
