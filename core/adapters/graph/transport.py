"""The connections to Graph: aiohttp's, and answers of bounded size.

The SDK's own transport (httpcore) spends four times as much CPU on a request, and more with every
connection it holds; aiohttp is here anyway, under the clients of Exchange and Table Storage.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping

import aiohttp
from yarl import URL

from core.adapters.http import CONNECT_TIMEOUT, BufferedResponse, decompress
from core.adapters.tls import build_tls_context
from core.errors import Unavailable

RESPONSE_LIMIT = 16 * 1024 * 1024
TRANSPORT_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, zlib.error)


class GraphTransport:
    """Sends a request and reads its answer whole, up to a limit.

    The limit counts decompressed bytes. The session is made with the first request, in its event
    loop. Redirects are answers like any other.
    """

    def __init__(
        self, ca_path: str = "", *, connections: int = 16, limit: int = RESPONSE_LIMIT
    ) -> None:
        self.ca_path = ca_path
        self.connections = connections
        self.limit = limit
        self.session: aiohttp.ClientSession | None = None

    def open_session(self) -> aiohttp.ClientSession:
        """The connections, with no memory of anything an answer said."""
        if self.session is None:
            self.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self.connections, ssl=build_tls_context(self.ca_path)
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                # `ThrottledService` bounds the whole of an attempt; a timer for each piece of an
                # answer would take as much CPU as parsing it.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
                auto_decompress=False,
            )
        return self.session

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes = b""
    ) -> BufferedResponse:
        """One exchange of request and answer. Raises one of TRANSPORT_ERRORS, or Unavailable."""
        async with self.open_session().request(
            method, url, headers=headers, data=body or None, allow_redirects=False
        ) as answer:
            return BufferedResponse(answer.status, answer.headers, await self.read_body(answer))

    async def read_body(self, answer: aiohttp.ClientResponse) -> bytes:
        """The body, piece by piece, so that a bomb is noticed while it is small."""
        pieces: AsyncIterator[bytes] = answer.content.iter_any()
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            pieces = decompress(pieces, self.limit)
        content = bytearray()
        async for piece in pieces:
            content += piece
            if len(content) > self.limit:
                raise Unavailable(f"Graph: an answer of more than {self.limit} bytes")
        return bytes(content)

    async def close(self) -> None:
        """Close the connections. The transport can be used again."""
        session, self.session = self.session, None
        if session:
            await session.close()
            await asyncio.sleep(0)
