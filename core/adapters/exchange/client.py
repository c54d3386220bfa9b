"""Exchange Online through its admin API: one cmdlet a request (InvokeCommand), or ten in a batch.

The Exchange Online PowerShell module uses it. Microsoft does not document it; CISA's ScubaGear and
CIPP rely on it in public source. Only this package and `api_errors` depend on its details, so that
a successor can replace it.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import batched
from urllib.parse import urlsplit, urlunsplit

from core.adapters.api_errors import (
    EXCHANGE_ROLE,
    MANAGE_AS_APP,
    NO_REASON,
    MisroutedError,
    get_api_error,
    is_role_refusal,
    map_exchange_error,
    sanitize_message,
)
from core.adapters.chosen_ways import ChosenWays
from core.adapters.clouds import Cloud
from core.adapters.credentials import Credential
from core.adapters.exchange.batch import (
    MAX_PAGES,
    PAGE_SIZE,
    BatchProgress,
    TakeRows,
    encode_batch,
    parse_exchange_reply,
    sort_exchange_replies,
)
from core.adapters.exchange.command import Command
from core.adapters.exchange.limits import READ_TIMEOUT
from core.adapters.exchange.responses import (
    IncompleteAnswer,
    map_failed_reply,
    parse_command_response,
    parse_exchange_error_body,
    warns_of_more,
)
from core.adapters.exchange.routing import (
    build_system_anchor,
    is_regional_host,
    list_anchors,
    strip_back_end_port,
)
from core.adapters.exchange.shared_batches import SharedBatches, WaitingCommand
from core.adapters.exchange.way_memory import WayMemory
from core.adapters.http import BufferedResponse, HttpClient, create_request_id
from core.adapters.parsing import (
    ResponseRow,
    is_set,
    parse_json_object,
    parse_name_set,
    parse_response_rows,
    parse_value_list,
    strip_each_row,
)
from core.adapters.retry import RetryableError, ThrottledService
from core.errors import Forbidden, Rejected, TenantError, Unavailable
from core.microsoft365.assumptions.exchange_api import BATCH_ROUTING
from core.microsoft365.assumptions.exchange_writes import ANCHOR_FORM

RELIES_ON = (ANCHOR_FORM, BATCH_ROUTING, "exchange-cmdlet-list", "exchange-errors-in-success")

log = logging.getLogger(__name__)

BATCH_SIZE = 10
TOGETHER = BATCH_ROUTING.default_way
RESPONSE_LIMIT = 32 * 1024 * 1024
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
        way_memory: WayMemory | None = None,
    ) -> None:
        self.origin = cloud.exchange
        self.own_host = urlsplit(cloud.exchange).netloc
        self.tenant_id = tenant_id
        self.credential = credential
        self.max_pages = MAX_PAGES
        self.page_size = PAGE_SIZE
        self.way_memory = way_memory or WayMemory()
        self.chosen_ways = ChosenWays()
        self.scope = cloud.exchange_scope
        self.service = service
        self.shared_batches = SharedBatches(service, BATCH_SIZE, self.send_batch)
        self.warnings: deque[tuple[str, str]] = deque(maxlen=100)
        self.renewal_is_vain = False
        self.allowed_cmdlets: frozenset[str] | None = None
        self.http_client = HttpClient(
            service.name,
            credential=credential,
            scope=cloud.exchange_scope,
            ca_path=ca_path,
            read_timeout=READ_TIMEOUT,
        )

    async def close(self) -> None:
        """Close the connections, but not the credential, which is shared."""
        await self.shared_batches.close()
        await self.http_client.close()

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
        try:
            post = partial(self.post_command, path, command)
            return await self.service.call(lambda: self.try_anchors(command, post), goes_first=True)
        except Forbidden as error:
            raise await self.explain_refusal(error, command) from error

    async def try_anchors[T](self, command: Command, attempt: Callable[[str], Awaitable[T]]) -> T:
        """One attempt: by the best anchor, then by each other one if it was misrouted."""
        form = await self.chosen_ways.find(ANCHOR_FORM)
        *better, last = list_anchors(command, self.tenant_id, form)
        for anchor in better:
            try:
                return await attempt(anchor)
            except MisroutedError as error:
                log.info("%s is sent again by another anchor: %s", command.cmdlet, error)
        try:
            return await attempt(last)
        except MisroutedError as error:
            raise Unavailable(str(error)) if error.in_other_forest else error from error

    async def post_command(self, path: str, command: Command, anchor: str) -> ResponseRow:
        """Send a command once. Raises RetryableError or a TenantError."""
        body = json.dumps(command.body).encode()
        reply = await self.send("POST", path, self.build_headers(command, anchor), body)
        if 200 <= reply.status < 300:
            return parse_command_response(reply, command)
        raise map_failed_reply(reply, command.cmdlet, command.parameters)

    def collect_page(self, command: Command, answer: ResponseRow, rows: list[ResponseRow]) -> str:
        """Take the rows and warnings of an answer; the path of the next page, "" at the end.

        Raises IncompleteAnswer, with `rows` filled, where more rows exist and no link leads there.
        """
        if get_api_error(answer):
            raise map_exchange_error(400, answer, command.cmdlet, command.parameters)
        if is_set(errors := answer.get("@adminapi.errors")):
            shown = sanitize_message(str(next(iter(parse_value_list(errors)))))
            raise Unavailable(f"{command.cmdlet}: an answer with errors: {shown}")
        warnings = answer.get("@adminapi.warnings")
        for warning in warnings[:20] if isinstance(warnings, list) else ():
            self.warnings.append((command.cmdlet, sanitize_message(warning)))
        try:
            found = parse_response_rows(answer, command.select)
        except ValueError as error:
            if command.is_read:
                raise Unavailable(f"{command.cmdlet}: {error}") from error
            found = []
        rows += strip_each_row(found)
        path = self.get_next_path(answer)
        # Of more rows than were wanted Exchange warns as well.
        is_enough = 0 < command.row_limit <= len(rows)
        is_cut = warns_of_more(warnings, len(found), self.page_size) and not is_enough
        if not path and command.is_read and is_cut:
            raise IncompleteAnswer(f"{command.cmdlet}: the answer is cut and has no next link")
        return path

    async def explain_refusal(self, error: Forbidden, command: Command) -> Forbidden:
        """A refusal without a reason, explained by the list of the cmdlets that the app may run.

        Exchange answers a cmdlet that the role lacks like an app without any role.
        """
        if error.permission == MANAGE_AS_APP or not str(error).endswith(NO_REASON):
            return error
        try:
            if self.allowed_cmdlets is None:
                self.allowed_cmdlets = await self.read_allowed_cmdlets()
        except Forbidden as whole:
            return Forbidden(f"{error}; Exchange knows no role of this app", whole.permission)
        except TenantError:
            return error
        if command.cmdlet in self.allowed_cmdlets:
            return Forbidden(f"{error}; the app's role lists the cmdlet", error.permission)
        return Forbidden(f"{error}; the app's role lacks the cmdlet", error.permission)

    def build_headers(self, command: Command, anchor: str = "") -> dict[str, str]:
        """The headers of a command, alone or inside a batch. The default is its best anchor."""
        form = self.chosen_ways.get(ANCHOR_FORM)
        return {
            "Accept": "application/json",
            "Content-Type": "application/json; charset=utf-8",
            "Prefer": f"odata.maxpagesize={self.page_size}",
            "X-CmdletName": command.cmdlet,
            "X-ResponseFormat": "json",
            "X-AnchorMailbox": anchor or list_anchors(command, self.tenant_id, form)[0],
            "parameter-based-routing": "true",
            "client-request-id": create_request_id(),
        }

    def build_command_path(self, command: Command) -> str:
        query = f"?$select={','.join(command.select)}" if command.select else ""
        return f"/adminapi/beta/{self.tenant_id}/InvokeCommand{query}"

    def is_exchange_host(self, scheme: str, netloc: str) -> bool:
        """True for the configured address and for regional hosts of Exchange, by https only."""
        host = strip_back_end_port(netloc)
        if host == self.own_host:
            return scheme == urlsplit(self.origin).scheme
        return scheme == "https" and is_regional_host(host)

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
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, origin: str = ""
    ) -> BufferedResponse:
        """One request; sent once more to the tenant's region, or with a new token, if need be.

        `origin` is the host of Exchange to send it to, if not the usual one.
        """
        reply = await self.send_once(method, path, headers, body, origin)
        if reply.status in REDIRECT_STATUSES:
            self.switch_host(reply.headers.get("Location", ""))
            reply = await self.send_once(method, path, headers, body)
        if reply.status == 401 and not self.renewal_is_vain:
            if is_role_refusal(parse_exchange_error_body(reply)):
                return reply
            await self.credential.renew()
            reply = await self.send_once(method, path, headers, body, origin)
        # A token that is refused right after its renewal is not the reason: the app role is.
        self.renewal_is_vain = reply.status == 401
        return reply

    async def send_once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, origin: str = ""
    ) -> BufferedResponse:
        url = (origin or self.origin) + path
        return await self.http_client.send_directly(
            method, url, headers=headers, body=body, limit=RESPONSE_LIMIT
        )

    async def stream[T](
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        receive: Callable[[int, Mapping[str, str], AsyncIterator[bytes]], Awaitable[T]],
    ) -> T:
        """Post one request and pass its response to `receive` as it arrives."""
        return await self.http_client.stream(
            "POST", self.origin + path, headers=headers, body=body, receive=receive
        )

    def switch_host(self, location: str) -> None:
        """Talk to the regional host from now on. Raises Unavailable for one that is none."""
        parts = urlsplit(location)
        if not self.is_exchange_host(parts.scheme, parts.netloc):
            raise Unavailable("Exchange sent the request on to a host that is not its own")
        self.origin = f"{parts.scheme}://{strip_back_end_port(parts.netloc)}"

    async def invoke_batch(
        self, commands: Sequence[Command], take: TakeRows | None = None
    ) -> list[list[ResponseRow] | TenantError]:
        """Many commands, ten in a request: for each its rows or its error, in the same order.

        Requests are shared with whoever else waits for Exchange. With `take`, rows are passed on as
        they arrive, and are no outcome. WayFailed stands for a command that was answered in part;
        `listings.list_each` lists that again.
        """
        run = BatchProgress(commands, self.build_command_path, self.max_pages, self.page_size, take)
        if run.pending and await self.chosen_ways.find(BATCH_ROUTING) == TOGETHER:
            await self.complete_together(run)
        alone = sorted(run.misrouted | run.pending.keys())
        async with asyncio.TaskGroup() as group:
            for numbers in batched(alone, BATCH_SIZE, strict=False):
                group.create_task(self.complete_each_alone(run, numbers))
        return [
            await self.explain_refusal(outcome, command)
            if isinstance(outcome, Forbidden)
            else outcome
            for command, outcome in zip(commands, run.outcomes, strict=True)
        ]

    async def complete_together(self, progress: BatchProgress) -> None:
        """Get commands answered in batches, except for those that these misroute."""
        await self.shared_batches.complete(progress)

    async def complete_each_alone(self, progress: BatchProgress, numbers: Sequence[int]) -> None:
        """Run commands one after the other, each by its own anchor."""
        for number in numbers:
            await self.complete_alone(progress, number)

    async def complete_alone(self, progress: BatchProgress, number: int) -> None:
        """Run a command outside of its batch, which is routed as a whole, by its own anchor."""
        command = progress.commands[number]
        rows = progress.restart(number)
        try:
            async for page, path in self.read_pages(command):
                rows += page
                progress.record_page(number, path)
                if number not in progress.pending:
                    break
        except RetryableError as error:
            progress.record_error(number, error)
        except TenantError as error:
            progress.record_refusal(number, error)

    def record_reply(
        self, progress: BatchProgress, number: int, replies: Sequence[ResponseRow]
    ) -> RetryableError | None:
        """Note what became of one command; what is passing trouble is returned."""
        command, rows = progress.commands[number], progress.rows[number]
        try:
            path = self.collect_page(command, parse_exchange_reply(replies, command), rows)
            progress.record_page(number, path)
        except MisroutedError as error:
            progress.record_misrouted(number, error)
        except RetryableError as again:
            return again
        except TenantError as error:
            progress.record_refusal(number, error)
        return None

    async def send_batch(
        self, batch: Sequence[WaitingCommand]
    ) -> dict[WaitingCommand, RetryableError]:
        """Send the commands of a batch once and record what it answered to each.

        Returns those to send again: their trouble is passing. Raises like `send`.
        """
        # The inner requests carry the token themselves, as those of the PowerShell module do.
        token = await self.credential.get_token(self.scope)
        requests = [
            {
                "id": str(number),
                "method": "POST",
                "url": self.origin + one.path,
                "headers": {
                    **self.build_headers(one.command),
                    "Authorization": f"Bearer {token.token}",
                    "Prefer": f"odata.maxpagesize={self.page_size};odata.continue-on-error",
                },
                "body": one.command.body,
            }
            for number, one in enumerate(batch)
        ]
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json; charset=utf-8",
            # The whole batch is routed by this; the anchors inside are hints for its server.
            "X-AnchorMailbox": build_system_anchor(self.tenant_id),
        }
        path = f"/adminapi/beta/{self.tenant_id}/$batch"
        reply = await self.send("POST", path, headers, encode_batch(requests))
        late: dict[WaitingCommand, RetryableError] = {}
        if reply.status != 200:
            for one in batch:
                error = map_failed_reply(reply, one.command.cmdlet, one.command.parameters)
                if isinstance(error, RetryableError):
                    late[one] = error
                else:
                    one.record_error(error)
            return late
        replies = sort_exchange_replies(reply, range(len(batch)))
        for number, one in enumerate(batch):
            if again := self.record_reply(one.asking.progress, one.number, replies[number]):
                late[one] = again
        return late

    async def read_allowed_cmdlets(self) -> frozenset[str]:
        """The cmdlets the app's Exchange roles let it run. Raises like `invoke`."""
        path = f"/adminapi/v1.0/{self.tenant_id}/EXOModuleFile?Version=3.9.2"

        async def attempt() -> frozenset[str]:
            headers = {"Accept": "application/json", "CommandName": "*"}
            reply = await self.send("GET", path, headers, b"")
            if reply.status == 403:
                raise Forbidden("EXOModuleFile: HTTP 403", EXCHANGE_ROLE)
            if reply.status != 200:
                raise map_failed_reply(reply, "EXOModuleFile")
            try:
                rows = parse_response_rows(parse_json_object(reply.body))
                named = [parse_name_set(row.get("exportedCmdlets")) for row in rows]
            except ValueError as error:
                raise RetryableError(f"EXOModuleFile: {error}") from error
            return frozenset[str]().union(*named)

        return await self.service.call(attempt)
