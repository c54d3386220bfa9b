"""A listing in one answer, read as a stream: nothing asks Exchange to cut it into pages."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from core.adapters.exchange.answer_stream import AnswerParser
from core.adapters.exchange.client import REDIRECT_STATUSES, RESPONSE_LIMIT, ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.page_requests import check_count
from core.adapters.exchange.responses import (
    FullEnd,
    WayFailed,
    fills_pages,
    map_failed_reply,
    warns_of_more,
)
from core.adapters.http import BufferedResponse
from core.adapters.parsing import (
    ResponseRow,
    parse_total_count,
    restore_names,
    strip_each_row,
)
from core.adapters.retry import RetryableError
from core.errors import Unavailable

RELIES_ON = ("exchange-one-answer", "exchange-result-size", "exchange-time-limit")
BLOCK_SIZE = 1_000
MAX_ROWS = 5_000_000
BLOCKS_AHEAD = 2


async def read_whole(
    exchange: ExchangeClient, command: Command
) -> AsyncGenerator[list[ResponseRow]]:
    """The rows of one answer, in blocks. An attempt that broke off begins anew, with its rows; only
    those of the last one count.

    Raises WayFailed where the answer did not hold everything, or TenantError.
    """
    answer = WholeAnswer(exchange, command)
    reading = asyncio.create_task(answer.read())
    try:
        while True:
            try:
                block = await answer.blocks.get()
            except asyncio.QueueShutDown:
                break
            yield block
        beside = await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    count = answer.row_count
    is_cut = warns_of_more(beside.get("@adminapi.warnings"), count, exchange.page_size)
    if exchange.collect_page(command, {**beside, "value": []}, []) or is_cut:
        raise WayFailed("one answer does not hold everything")
    expected = parse_total_count(beside)
    if not expected and fills_pages(count, exchange.page_size):
        raise FullEnd(count)
    check_count(count, expected)


class WholeAnswer:
    """One answer on its way, at most a few blocks ahead of what takes its rows."""

    def __init__(self, exchange: ExchangeClient, command: Command) -> None:
        self.exchange = exchange
        self.command = command
        self.blocks: asyncio.Queue[list[ResponseRow]] = asyncio.Queue(BLOCKS_AHEAD)
        self.row_count = 0
        """How many rows the last attempt brought."""

    async def read(self) -> Mapping[str, object]:
        """Read the answer into the queue; what stood beside the rows. Raises TenantError."""
        try:
            return await self.exchange.service.call(self.request)
        finally:
            self.blocks.shutdown()

    async def request(self) -> Mapping[str, object]:
        """One attempt, by the anchor that reaches the server."""
        return await self.exchange.try_anchors(self.command, self.request_by)

    async def request_by(self, anchor: str) -> Mapping[str, object]:
        """Ask by an anchor; once more in the tenant's region, or with a new token, if need be."""
        for last in (False, False, True):
            answer = await self.request_once(anchor)
            if not isinstance(answer, BufferedResponse):
                return answer
            if answer.status in REDIRECT_STATUSES and not last:
                self.exchange.switch_host(answer.headers.get("Location", ""))
            elif answer.status == 401 and not last:
                await self.exchange.credential.renew()
            else:
                raise map_failed_reply(answer, self.command.cmdlet, self.command.parameters)
        raise Unavailable(f"{self.command.cmdlet}: Exchange only sends the request on")

    async def request_once(self, anchor: str) -> Mapping[str, object] | BufferedResponse:
        headers = self.exchange.build_headers(self.command, anchor)
        del headers["Prefer"]
        path = self.exchange.build_command_path(self.command)
        body = json.dumps(self.command.body).encode()
        return await self.exchange.stream(path, headers, body, self.receive)

    async def receive(
        self, status: int, headers: Mapping[str, str], chunks: AsyncIterator[bytes]
    ) -> Mapping[str, object] | BufferedResponse:
        """Take a response as it arrives. Raises RetryableError where it makes no sense."""
        if not 200 <= status < 300:
            content = bytearray()
            async for chunk in chunks:
                content += chunk
                if len(content) > RESPONSE_LIMIT:
                    raise Unavailable(f"{self.command.cmdlet}: too long an error")
            return BufferedResponse(status, headers, bytes(content))
        try:
            return await self.receive_rows(chunks)
        except ValueError as error:
            raise RetryableError(f"{self.command.cmdlet}: {error}") from error

    async def receive_rows(self, chunks: AsyncIterator[bytes]) -> Mapping[str, object]:
        """Queue the rows of an answer; what stands beside them. Raises ValueError."""
        parser, block, count = AnswerParser(), list[ResponseRow](), 0
        names = frozenset(self.command.select)
        async for chunk in chunks:
            rows = parser.feed(chunk)
            count += len(rows)
            block += strip_each_row(restore_names(row, names) for row in rows)
            if count > MAX_ROWS:
                raise Unavailable(f"{self.command.cmdlet}: more than {MAX_ROWS} rows")
            while len(block) >= BLOCK_SIZE:
                await self.blocks.put(block[:BLOCK_SIZE])
                block = block[BLOCK_SIZE:]
        beside = parser.finish()
        self.row_count = count
        if block:
            await self.blocks.put(block)
        return beside
