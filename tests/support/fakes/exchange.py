"""An Exchange client whose answers are given beforehand."""

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import cast

from core.adapters.clouds import resolve_cloud
from core.adapters.credentials import Credential
from core.adapters.exchange.batch import TakeRows
from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.http import BufferedResponse
from core.adapters.parsing import ResponseRow
from core.adapters.retry import ThrottledService
from core.errors import TenantError, Unavailable

TENANT_ID = "5a4d0b0c-7e1a-4a6f-9c55-0d7e5a11ce00"


class ScriptedExchange(ExchangeClient):
    """Answers commands with pages, one after another, and batches with rows.

    A page may be an error. Once the pages are used up, each command brings nothing. `sent` holds
    the commands, one for each listing.
    """

    def __init__(
        self,
        pages: Sequence[list[ResponseRow] | TenantError] = (),
        batches: Sequence[list[ResponseRow] | TenantError] | None = None,
    ) -> None:
        super().__init__(
            resolve_cloud("global"), TENANT_ID, cast(Credential, None), ThrottledService("exchange")
        )
        self.pages = deque(pages)
        self.batches = batches
        self.sent: list[Command] = []

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, origin: str = ""
    ) -> BufferedResponse:
        query = path.partition("?")[2]
        if body and "skiptoken" not in query:
            given = json.loads(body)["CmdletInput"]
            select = tuple(query.removeprefix("$select=").split(",")) if query else ()
            self.sent.append(Command(given["CmdletName"], given["Parameters"], select))
        page = self.pages.popleft() if self.pages else []
        if isinstance(page, TenantError):
            raise page
        answer: dict[str, object] = {"value": page}
        if self.pages:
            token = f"$skiptoken={len(self.pages)}"
            answer["@odata.nextLink"] = f"{self.origin}{path.partition('?')[0]}?{token}"
        return BufferedResponse(200, {}, json.dumps(answer).encode())

    async def stream[T](
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        receive: Callable[[int, Mapping[str, str], AsyncIterator[bytes]], Awaitable[T]],
    ) -> T:
        raise Unavailable("this Exchange answers in pages only")

    async def invoke_batch(
        self, commands: Sequence[Command], take: TakeRows | None = None
    ) -> list[list[ResponseRow] | TenantError]:
        self.sent += commands
        is_scripted = self.batches is not None and commands
        outcomes: list[list[ResponseRow] | TenantError] = (
            [*(self.batches or ())] if is_scripted else [[] for _ in commands]
        )
        for number, rows in enumerate(outcomes) if take else ():
            if take and not isinstance(rows, TenantError):
                take(number, rows)
                outcomes[number] = []
        return outcomes
