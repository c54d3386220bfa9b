"""A client of the state table: calls the handlers of the API in this process, without an app.

An operator who can write to the table needs no further permission. Each row records that its
request came this way.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from core.api.authentication import Caller
from core.api.request import HttpRequest, Route
from core.api.routes import ROUTES
from core.api.server import dispatch_request
from core.bootstrap import open_ledger
from core.cli.api_client import ApiClient, ApiResponse, ApiUnavailable
from core.config.settings import Settings
from core.errors import ExoguardError
from core.jobs.run_requests import RunMessage, process_run_message
from core.ports import Ledger

# Without a queue for shards, this process scans even a large tenant on its own.
NEVER_SHARD_ABOVE = 10**9

type LedgerOpener = Callable[[Settings], AbstractAsyncContextManager[Ledger]]
type MessageProcessor = Callable[[RunMessage, Settings], Awaitable[object]]


def match_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The most specific route that matches an address, and its path parameters."""
    by_length = sorted(ROUTES, key=lambda route: -len(re.sub(r"\{\w+\}", "", route.path)))
    for route in by_length:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(f"/api/{route.path}"))
        match = re.fullmatch(pattern, path)
        if match and route.method == method:
            return route, match.groupdict()
    return None


@dataclass(slots=True)
class LocalClient:
    """Implements ApiClient on an open ledger."""

    location: str
    settings: Settings
    ledger: Ledger
    caller: Caller
    process_message: MessageProcessor = process_run_message
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    pending_messages: list[RunMessage] = field(default_factory=list)
    """Run messages of accepted requests that `process_pending` has not processed yet."""

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> ApiResponse:
        """Call the handler of a GET route."""
        return await self.handle("GET", path, HttpRequest(query=query or {}))

    async def post(self, path: str, body: Mapping[str, str]) -> ApiResponse:
        """Call the handler of a POST route."""
        headers = {"content-type": "application/json"}
        return await self.handle(
            "POST", path, HttpRequest(headers=headers, body=json.dumps(body).encode())
        )

    async def handle(self, method: str, path: str, request: HttpRequest) -> ApiResponse:
        """Call the handler of the route that matches."""
        match = match_route(method, path)
        if match is None:
            return ApiResponse(404, b'{"error": "there is no such address"}')
        route, parameters = match
        response = await dispatch_request(
            route,
            replace(request, path_parameters=parameters),
            self.settings,
            self.ledger,
            self.caller,
            self.now(),
        )
        self.pending_messages += response.run_messages
        headers = {name.lower(): value for name, value in response.headers.items()}
        return ApiResponse(
            response.status,
            response.body.encode() if isinstance(response.body, str) else response.body,
            {"content-type": response.mimetype, **headers},
        )

    async def process_pending(self) -> None:
        """Process the pending run messages. Raises ApiUnavailable if one fails."""
        settings = replace(self.settings, shard_above=NEVER_SHARD_ABOVE)
        while self.pending_messages:
            try:
                await self.process_message(self.pending_messages.pop(0), settings)
            except ExoguardError as error:
                raise ApiUnavailable(
                    f"not done yet: {error}; the guard's next run will process it"
                ) from None


@asynccontextmanager
async def open_local_client(
    environ: Mapping[str, str],
    who: str,
    ledger_opener: LedgerOpener = open_ledger,
    process_message: MessageProcessor = process_run_message,
) -> AsyncIterator[ApiClient]:
    """A client of the table that these settings name. Raises ApiUnavailable."""
    async with AsyncExitStack() as stack:
        try:
            settings = Settings.read(environ)
            ledger = await stack.enter_async_context(ledger_opener(settings))
        except ExoguardError as error:
            raise ApiUnavailable(str(error)) from error
        except ValueError as error:
            raise ApiUnavailable("STATE_CONNECTION_STRING is not valid") from error
        caller = Caller(f"command line of {who}, on the table", is_operator=True)
        yield LocalClient(
            f"table {settings['STATE_TABLE']}", settings, ledger, caller, process_message
        )
