"""The state table itself: the handlers of the API, called here, without an app in between.

Whoever can write the table may do all of this anyway; the row says that it came this way.
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

# There is no queue here to hand pieces of a large tenant to: this process looks at all of it.
NEVER_SHARD_ABOVE = 10**9

type LedgerOpener = Callable[[Settings], AbstractAsyncContextManager[Ledger]]
type MessageProcessor = Callable[[RunMessage, Settings], Awaitable[object]]


def match_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of an address, and its parameters; the one that says most about it comes first."""
    by_length = sorted(ROUTES, key=lambda route: -len(re.sub(r"\{\w+\}", "", route.path)))
    for route in by_length:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(f"/api/{route.path}"))
        match = re.fullmatch(pattern, path)
        if match and route.method == method:
            return route, match.groupdict()
    return None


@dataclass(slots=True)
class LocalClient:
    """Implements Way on an open ledger. `waiting` are the tickets nobody has worked off yet."""

    location: str
    settings: Settings
    ledger: Ledger
    caller: Caller
    process_message: MessageProcessor = process_run_message
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    pending_messages: list[RunMessage] = field(default_factory=list)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> ApiResponse:
        """Look at something."""
        return await self.handle("GET", path, HttpRequest(query=query or {}))

    async def post(self, path: str, body: Mapping[str, str]) -> ApiResponse:
        """Ask for something."""
        headers = {"content-type": "application/json"}
        return await self.handle(
            "POST", path, HttpRequest(headers=headers, body=json.dumps(body).encode())
        )

    async def handle(self, method: str, path: str, request: HttpRequest) -> ApiResponse:
        """One request."""
        known = match_route(method, path)
        if known is None:
            return ApiResponse(404, b'{"error": "there is no such address"}')
        route, parameters = known
        answer = await dispatch_request(
            route,
            replace(request, path_parameters=parameters),
            self.settings,
            self.ledger,
            self.caller,
            self.now(),
        )
        if answer.run_message:
            self.pending_messages.append(answer.run_message)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return ApiResponse(
            answer.status,
            answer.body.encode() if isinstance(answer.body, str) else answer.body,
            {"content-type": answer.mimetype, **headers},
        )

    async def process_pending(self) -> None:
        """Do what was asked for. Raises Unknown when it could not be done now."""
        whole = replace(self.settings, shard_above=NEVER_SHARD_ABOVE)
        while self.pending_messages:
            try:
                await self.process_message(self.pending_messages.pop(0), whole)
            except ExoguardError as error:
                raise ApiUnavailable(
                    f"not done yet: {error}; it waits for the guard's next run"
                ) from None


@asynccontextmanager
async def open_local_client(
    environ: Mapping[str, str],
    who: str,
    ledger_opener: LedgerOpener = open_ledger,
    process_message: MessageProcessor = process_run_message,
) -> AsyncIterator[ApiClient]:
    """The table of these settings. Raises Unknown for settings that are wrong."""
    async with AsyncExitStack() as stack:
        try:
            settings = Settings.read(environ)
            ledger = await stack.enter_async_context(ledger_opener(settings))
        except ExoguardError as error:
            raise ApiUnavailable(str(error)) from error
        except ValueError as error:
            raise ApiUnavailable("STATE_CONNECTION_STRING is no connection string") from error
        caller = Caller(f"command line of {who}, on the table", is_operator=True)
        yield LocalClient(
            f"table {settings['STATE_TABLE']}", settings, ledger, caller, process_message
        )
