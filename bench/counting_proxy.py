"""A proxy between a measured client and its storage and webhook that counts requests.

Table requests are forwarded to the storage emulator unchanged. Rows inside a transaction are
counted too, because Table Storage's limits apply to rows. Cards are accepted as by a workflow, with
their time.
"""

import re
import time
from collections import Counter
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

HOST = "127.0.0.1"
CARDS_PATH = "/cards"
# One operation in the body of an entity group transaction (Microsoft Learn: "Performing entity
# group transactions").
OPERATION = re.compile(rb"^(GET|POST|PUT|MERGE|PATCH|DELETE) \S+ HTTP/1\.1\r?$", re.MULTILINE)
# Headers of one connection (RFC 9110, 7.6.1), and those that aiohttp sets itself.
CONNECTION_HEADERS = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date"}
)
READ_METHODS = frozenset({"GET", "HEAD"})


def count_operations(method: str, path: str, body: bytes) -> tuple[int, int]:
    """Counts the rows that one table request reads by key or query, and writes."""
    methods = [method]
    if path.endswith("/$batch"):
        methods = [found.decode() for found in OPERATION.findall(body)]
    reads = sum(each in READ_METHODS for each in methods)
    return reads, len(methods) - reads


class CountingProxy:
    """The table and webhook endpoints, as an async context manager. `storage` is the emulator's
    table address.
    """

    def __init__(self, storage: str) -> None:
        self.storage = storage
        self.counts: Counter[str] = Counter()
        self.card_times: list[float] = []

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(auto_decompress=False)
        self.runner = web.ServerRunner(web.Server(self.handle_request, access_log=None))
        await self.runner.setup()
        await web.TCPSite(self.runner, HOST, 0).start()
        self.base = f"http://{HOST}:{self.runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.runner.cleanup()
        await self.session.close()

    def reset_counts(self) -> None:
        """Resets the counts."""
        self.counts.clear()
        self.card_times.clear()

    async def handle_request(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == CARDS_PATH:
            await request.read()
            self.card_times.append(time.monotonic())
            return web.Response(status=202)
        return await self.forward_request(request)

    async def forward_request(self, request: web.BaseRequest) -> web.StreamResponse:
        """Forwards a table request to the emulator and returns its response."""
        body = await request.content.read()
        reads, writes = count_operations(request.method, request.path, body)
        self.counts.update(requests=1, reads=reads, writes=writes)
        headers = {
            name: value for name, value in request.headers.items() if is_forwarded_header(name)
        }
        # The signature covers the address as written, so it must not be re-encoded.
        address = URL(self.storage + request.raw_path, encoded=True)
        async with self.session.request(
            request.method, address, headers=headers, data=body or None
        ) as response:
            answer = await response.read()
            shown = {
                name: value for name, value in response.headers.items() if is_forwarded_header(name)
            }
            return web.Response(status=response.status, headers=shown, body=answer)


def is_forwarded_header(header: str) -> bool:
    return header.lower() not in CONNECTION_HEADERS
