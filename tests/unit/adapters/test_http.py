"""Bodies as servers label them: compressed, not compressed although they say so, too large."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from core.adapters.http import BufferedResponse, HttpClient
from core.errors import Unavailable

ERROR = b'{"error": {"code": "BadRequest"}}'


@asynccontextmanager
async def serve(body: bytes, status: int) -> AsyncIterator[str]:
    """Serves one body, labelled as compressed."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, body=body, headers={"Content-Encoding": "gzip"})

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def fetch(body: bytes, status: int, limit: int = 4096) -> BufferedResponse:
    client = HttpClient("test")
    try:
        async with serve(body, status) as url:
            return await client.send("GET", url, limit=limit)
    finally:
        await client.close()


@pytest.mark.parametrize("body", [ERROR, gzip.compress(ERROR, mtime=0)])
async def test_an_error_is_read_whether_it_is_compressed_or_only_says_so(body: bytes) -> None:
    reply = await fetch(body, 400)
    assert (reply.status, reply.body) == (400, ERROR)


async def test_a_compressed_error_is_no_larger_than_the_limit() -> None:
    with pytest.raises(Unavailable, match="more than 4096 bytes"):
        await fetch(gzip.compress(b"0" * 10_000_000, mtime=0), 500)
