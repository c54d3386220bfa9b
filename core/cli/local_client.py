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
from core.api.request import Call, Route
from core.api.routes import ROUTES, answered
from core.bootstrap import open_ledger
from core.cli.api_client import Reply, Unknown, Way
from core.config.settings import Settings
from core.errors import ExoguardError
from core.jobs.run_requests import Ticket, work_off
from core.ports import Ledger

# There is no queue here to hand pieces of a large tenant to: this process looks at all of it.
NO_SHARDS = 10**9

type Open = Callable[[Settings], AbstractAsyncContextManager[Ledger]]
type Work = Callable[[Ticket, Settings], Awaitable[object]]


def found(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of an address, and its parameters; the one that says most about it comes first."""
    by_length = sorted(ROUTES, key=lambda route: -len(re.sub(r"\{\w+\}", "", route.path)))
    for route in by_length:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(f"/api/{route.path}"))
        match = re.fullmatch(pattern, path)
        if match and route.method == method:
            return route, match.groupdict()
    return None


@dataclass(slots=True)
class InProcess:
    """Implements Way on an open ledger. `waiting` are the tickets nobody has worked off yet."""

    where: str
    settings: Settings
    ledger: Ledger
    caller: Caller
    works: Work = work_off
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    waiting: list[Ticket] = field(default_factory=list)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Look at something."""
        return await self.send("GET", path, Call(query=query or {}))

    async def post(self, path: str, body: Mapping[str, str]) -> Reply:
        """Ask for something."""
        headers = {"content-type": "application/json"}
        return await self.send("POST", path, Call(headers=headers, body=json.dumps(body).encode()))

    async def send(self, method: str, path: str, call: Call) -> Reply:
        """One request."""
        known = found(method, path)
        if known is None:
            return Reply(404, b'{"error": "there is no such address"}')
        route, parameters = known
        answer = await answered(
            route,
            replace(call, path=parameters),
            self.settings,
            self.ledger,
            self.caller,
            self.now(),
        )
        if answer.ticket:
            self.waiting.append(answer.ticket)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(
            answer.status,
            answer.body.encode() if isinstance(answer.body, str) else answer.body,
            {"content-type": answer.mimetype, **headers},
        )

    async def work(self) -> None:
        """Do what was asked for. Raises Unknown when it could not be done now."""
        whole = replace(self.settings, shard_above=NO_SHARDS)
        while self.waiting:
            try:
                await self.works(self.waiting.pop(0), whole)
            except ExoguardError as error:
                raise Unknown(f"not done yet: {error}; it waits for the guard's next run") from None


@asynccontextmanager
async def in_process(
    environ: Mapping[str, str], who: str, opens: Open = open_ledger, works: Work = work_off
) -> AsyncIterator[Way]:
    """The table of these settings. Raises Unknown for settings that are wrong."""
    async with AsyncExitStack() as stack:
        try:
            settings = Settings.read(environ)
            ledger = await stack.enter_async_context(opens(settings))
        except ExoguardError as error:
            raise Unknown(str(error)) from error
        except ValueError as error:
            raise Unknown("STATE_CONNECTION_STRING is no connection string") from error
        caller = Caller(f"command line of {who}, on the table", operator=True)
        yield InProcess(f"table {settings['STATE_TABLE']}", settings, ledger, caller, works)
