"""Exchange Online through its admin API: one cmdlet a request (InvokeCommand), or ten in a batch.

The Exchange Online PowerShell module uses it. Microsoft does not document it; CISA's ScubaGear and
CIPP rely on it in public source. Only this package and `api_errors` depend on its details, so that
a successor can replace it.
"""

import asyncio
import json
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from itertools import batched
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from core.adapters.api_errors import get_api_error, map_exchange_error, sanitize_message
from core.adapters.clouds import REGIONAL_EXCHANGE, Cloud
from core.adapters.credentials import Credential
from core.adapters.exchange.batch import (
    MAX_PAGES,
    BatchProgress,
    parse_exchange_reply,
    sort_exchange_replies,
)
from core.adapters.exchange.command import Command
from core.adapters.http import BufferedResponse, HttpClient
from core.adapters.parsing import (
    ResponseRow,
    parse_json_object,
    parse_name_set,
    parse_response_rows,
    strip_annotations,
)
from core.adapters.retry import (
    RetryableError,
    ThrottledService,
    longest_wait,
    retryable_status,
)
from core.errors import Rejected, TenantError, Unavailable

log = logging.getLogger(__name__)

BATCH_SIZE = 10
RESPONSE_LIMIT = 32 * 1024 * 1024
READ_TIMEOUT = 300.0
SYSTEM_MAILBOX = "SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}"
ANCHOR = re.compile(r"[\w.+'#&=@{}-]{1,320}", re.ASCII)
HOST = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}")
REDIRECT_STATUSES = frozenset({301, 302, 307, 308})


class ExchangeClient:
    """A connection to Exchange for as long as the app lives.

    `warnings` holds the last of what cmdlets warned of, as (cmdlet, text).
    """

    def __init__(
        self,
        cloud: Cloud,
        tenant_id: str,
        credential: Credential,
        service: ThrottledService,
        *,
        ca_path: str = "",
    ) -> None:
        self.origin = cloud.exchange
        self.own_host = urlsplit(cloud.exchange).netloc
        self.tenant_id = tenant_id
        self.credential = credential
        self.max_pages = MAX_PAGES
        self.scope = cloud.exchange_scope
        self.service = service
        self.warnings: deque[tuple[str, str]] = deque(maxlen=100)
        self.http_client = HttpClient(
            service.name,
            credential=credential,
            scope=cloud.exchange_scope,
            ca_path=ca_path,
            read_timeout=READ_TIMEOUT,
        )

    async def close(self) -> None:
        """Close the connections, but not the credential, which is shared."""
        await self.http_client.close()

    # One command -----------------------------------------------------------------------------

    async def invoke(
        self,
        cmdlet: str,
        parameters: Mapping[str, object],
        *,
        select: Collection[str] = (),
        anchor: str = "",
    ) -> list[ResponseRow]:
        """Run a cmdlet and return the rows of all its pages. Raises TenantError."""
        rows: list[ResponseRow] = []
        async for page, _ in self.read_pages(Command(cmdlet, parameters, select, anchor)):
            rows += page
        return rows

    async def read_pages(
        self, command: Command, after: str = ""
    ) -> AsyncIterator[tuple[list[ResponseRow], str]]:
        """The rows a cmdlet brings, page by page, each with the path of the next one.

        `after` is such a path, perhaps of an earlier run: where to go on. A page is parsed once and
        let go. Raises like `invoke`, also half way; Refused for an `after` that is no such path.
        """
        command.check_target()
        if after and not self.is_tenant_path(after):
            raise Rejected(f"{command.cmdlet}: that is no path to go on from")
        seen: set[str] = set()
        path = after or self.build_command_path(command)
        while path:
            if path in seen or len(seen) >= self.max_pages:
                raise Unavailable(f"{command.cmdlet}: the pages do not end")
            seen.add(path)
            rows: list[ResponseRow] = []
            path = self.collect_page(command, await self.request_page(path, command), rows)
            yield rows, path

    async def request_page(self, path: str, command: Command) -> ResponseRow:
        """One page of a command: the same body goes to every page's address."""
        body = json.dumps(command.body).encode()

        async def attempt() -> ResponseRow:
            reply = await self.send("POST", path, self.build_headers(command), body)
            if 200 <= reply.status < 300:
                return self.parse_command_response(reply, command)
            again = retryable_status(reply.status, reply.headers.get("Retry-After"), command.cmdlet)
            raise again or map_exchange_error(
                reply.status, parse_exchange_error_body(reply), command.cmdlet
            )

        return await self.service.call(attempt)

    def parse_command_response(self, reply: BufferedResponse, command: Command) -> ResponseRow:
        """The object in a success. Only a command that changes something may say nothing."""
        if not reply.body.strip() and not command.is_read:
            return {"value": []}
        try:
            return parse_json_object(reply.body)
        except ValueError as error:
            raise RetryableError(f"{command.cmdlet}: {error}") from error

    def collect_page(self, command: Command, answer: ResponseRow, rows: list[ResponseRow]) -> str:
        """Take the rows and warnings of an answer; the path of the next page, "" at the end."""
        if get_api_error(answer):
            raise map_exchange_error(400, answer, command.cmdlet)
        warnings = answer.get("@adminapi.warnings")
        for warning in warnings[:20] if isinstance(warnings, list) else ():
            self.warnings.append((command.cmdlet, sanitize_message(warning)))
        try:
            found = parse_response_rows(answer, command.select)
        except ValueError as error:
            if command.is_read:
                raise Unavailable(f"{command.cmdlet}: {error}") from error
            found = []
        rows += map(strip_annotations, found)
        return self.get_next_path(answer)

    def build_headers(self, command: Command) -> dict[str, str]:
        """The headers of a command, alone or inside a batch."""
        anchored = ANCHOR.fullmatch(command.anchor) and "@" in command.anchor
        system = f"APP:{SYSTEM_MAILBOX}@{self.tenant_id}"
        return {
            "Accept": "application/json",
            "Content-Type": "application/json; charset=utf-8",
            "Prefer": "odata.maxpagesize=1000",
            "X-CmdletName": command.cmdlet,
            "X-ResponseFormat": "json",
            "X-AnchorMailbox": f"UPN:{command.anchor}" if anchored else system,
            "client-request-id": str(uuid4()),
        }

    # Addresses -------------------------------------------------------------------------------

    def build_command_path(self, command: Command) -> str:
        query = f"?$select={','.join(command.select)}" if command.select else ""
        return f"/adminapi/beta/{self.tenant_id}/InvokeCommand{query}"

    def is_exchange_host(self, scheme: str, netloc: str) -> bool:
        """True for the configured address and for regional hosts of Exchange, by https only."""
        if netloc == self.own_host:
            return scheme == urlsplit(self.origin).scheme
        regional = HOST.fullmatch(netloc) is not None and netloc.endswith(REGIONAL_EXCHANGE)
        return scheme == "https" and regional

    def get_next_path(self, answer: ResponseRow) -> str:
        """The path of the next page. Raises Unavailable where the token must not go."""
        link = answer.get("@odata.nextLink")
        if link is None:
            return ""
        parts = urlsplit(link) if isinstance(link, str) else urlsplit("")
        path = urlunsplit(("", "", parts.path, parts.query, ""))
        if not self.is_tenant_path(path) or not self.is_exchange_host(parts.scheme, parts.netloc):
            raise Unavailable("Exchange named a next page outside of its own address")
        return path

    def is_tenant_path(self, path: str) -> bool:
        """True for a path of this tenant's part of the API; put behind the host, it stays there."""
        place = path.partition("?")[0]
        inside = place.lower().startswith(f"/adminapi/beta/{self.tenant_id}/".lower())
        return inside and "/.." not in place

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> BufferedResponse:
        """One request; sent once more to the tenant's region, or with a new token, if need be."""
        reply = await self.send_once(method, path, headers, body)
        if reply.status in REDIRECT_STATUSES:
            self.switch_host(reply.headers.get("Location", ""))
            reply = await self.send_once(method, path, headers, body)
        if reply.status == 401:
            await self.credential.renew()
            reply = await self.send_once(method, path, headers, body)
        return reply

    async def send_once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> BufferedResponse:
        url = self.origin + path
        return await self.http_client.send(
            method, url, headers=headers, body=body, limit=RESPONSE_LIMIT
        )

    def switch_host(self, location: str) -> None:
        """Talk to the regional host from now on. Raises Unavailable for one that is none."""
        parts = urlsplit(location)
        if not self.is_exchange_host(parts.scheme, parts.netloc):
            raise Unavailable("Exchange sent the request on to a host that is not its own")
        self.origin = f"{parts.scheme}://{parts.netloc}"

    # Batches ---------------------------------------------------------------------------------

    async def invoke_batch(
        self, commands: Sequence[Command]
    ) -> list[list[ResponseRow] | TenantError]:
        """Many commands, ten in a request: for each its rows or its error, in the same order."""
        run = BatchProgress(commands, self.build_command_path, self.max_pages)
        async with asyncio.TaskGroup() as group:
            for numbers in batched(run.pending.copy(), BATCH_SIZE, strict=False):
                group.create_task(self.complete_batch(run, numbers))
        return run.outcomes

    async def complete_batch(self, progress: BatchProgress, numbers: Sequence[int]) -> None:
        """Get one batch answered, page after page, asking again for what is passing trouble."""

        async def attempt() -> None:
            asked = {
                n: (progress.commands[n], progress.pending[n])
                for n in numbers
                if n in progress.pending
            }
            replies = await self.send_batch(asked)
            troubles = [self.record_reply(progress, number, replies[number]) for number in asked]
            if late := [again for again in troubles if again]:
                raise longest_wait(late)

        try:
            while any(number in progress.pending for number in numbers):
                await self.service.call(attempt)
        except TenantError as error:
            for number in numbers:
                if number in progress.pending:
                    progress.record_error(number, error)

    def record_reply(
        self, progress: BatchProgress, number: int, replies: Sequence[ResponseRow]
    ) -> RetryableError | None:
        """Note what became of one command; what is passing trouble is returned."""
        command = progress.commands[number]
        try:
            progress.record_page(
                number,
                self.collect_page(
                    command, parse_exchange_reply(replies, command), progress.rows[number]
                ),
            )
        except RetryableError as again:
            return again
        except TenantError as error:
            progress.record_error(number, error)
        return None

    async def send_batch(
        self, requested: Mapping[int, tuple[Command, str]]
    ) -> dict[int, list[ResponseRow]]:
        """What a batch answered to each command: one reply if all is well."""
        # The inner requests carry the token themselves, as those of the PowerShell module do.
        token = await self.credential.get_token(self.scope)
        requests = [
            {
                "id": str(number),
                "method": "POST",
                "url": self.origin + path,
                "headers": {
                    **self.build_headers(command),
                    "Authorization": f"Bearer {token.token}",
                    "Prefer": "odata.maxpagesize=1000;odata.continue-on-error",
                    "parameter-based-routing": "true",
                },
                "body": command.body,
            }
            for number, (command, path) in requested.items()
        ]
        headers = {"Accept": "application/json", "Content-Type": "application/json; charset=utf-8"}
        path = f"/adminapi/beta/{self.tenant_id}/$batch"
        body = json.dumps({"requests": requests}).encode()
        reply = await self.send("POST", path, headers, body)
        if reply.status != 200:
            what = next(iter(requested.values()))[0].cmdlet
            again = retryable_status(reply.status, reply.headers.get("Retry-After"), what)
            raise again or map_exchange_error(reply.status, parse_exchange_error_body(reply), what)
        return sort_exchange_replies(reply, requested)

    # What the app may do -----------------------------------------------------------------------

    async def read_allowed_cmdlets(self) -> frozenset[str]:
        """The cmdlets the app's Exchange roles let it run. Raises like `invoke`."""
        path = f"/adminapi/v1.0/{self.tenant_id}/EXOModuleFile?Version=3.9.2"

        async def attempt() -> frozenset[str]:
            headers = {"Accept": "application/json", "CommandName": "*"}
            reply = await self.send("GET", path, headers, b"")
            again = retryable_status(
                reply.status, reply.headers.get("Retry-After"), "EXOModuleFile"
            )
            if again or reply.status != 200:
                raise again or map_exchange_error(
                    reply.status, parse_exchange_error_body(reply), "EXOModuleFile"
                )
            try:
                rows = parse_response_rows(parse_json_object(reply.body))
            except ValueError as error:
                raise RetryableError(f"EXOModuleFile: {error}") from error
            return frozenset[str]().union(
                *(parse_name_set(row.get("exportedCmdlets")) for row in rows)
            )

        return await self.service.call(attempt)


def parse_exchange_error_body(reply: BufferedResponse) -> ResponseRow | None:
    """The JSON of a refusal; None when it is NUL bytes, a page of HTML, or nothing."""
    try:
        return parse_json_object(reply.body)
    except ValueError:
        return None
