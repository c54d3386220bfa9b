"""Which authorities connections trust: public ones, or those in a file."""

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpResponse, HttpRequest


@cache
def build_tls_context(ca_path: str) -> ssl.SSLContext:
    """Build a TLS context that trusts public authorities, or those in a file. Cached."""
    return ssl.create_default_context(cafile=ca_path or None)


class FileTrustingTransport:
    """The libraries' transport, over connections that trust the authorities in a file.

    By itself it reads the file for each request, and uses no connection twice. It is opened by the
    first request, in its event loop.
    """

    def __init__(self, ca_path: str, options: Mapping[str, Any]) -> None:
        self.ca_path = ca_path
        self.options = options
        self.inner: AioHttpTransport | None = None

    async def send(self, request: HttpRequest, **config: Any) -> AsyncHttpResponse:
        """Send a request."""
        if self.inner is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=build_tls_context(self.ca_path)),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=True,
                auto_decompress=False,
            )
            self.inner = AioHttpTransport(session=session, **self.options)
        response: AsyncHttpResponse = await self.inner.send(request, **config)
        return response

    async def sleep(self, duration: float) -> None:
        """Wait, as the libraries' retries ask for."""
        await asyncio.sleep(duration)

    async def close(self) -> None:
        """Close the connections."""
        if self.inner:
            await self.inner.close()

    async def __aenter__(self) -> "FileTrustingTransport":
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.close()
