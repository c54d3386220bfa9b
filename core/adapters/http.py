"""An HTTP client on azure-core's pipeline: bounded responses, no redirects, no retries.

What is sent many times goes past the pipeline, over the same connections with the same bounds.
"""

import asyncio
import os
import re
import socket
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    SansIOHTTPPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from yarl import URL

from core.adapters.clouds import is_loopback_url
from core.adapters.credentials import Credential
from core.adapters.retry import RetryableError
from core.adapters.tls import build_tls_context
from core.errors import Unavailable

RELIES_ON = ("exchange-mislabelled-bodies",)

CONNECT_TIMEOUT = 10.0
USER_AGENT = "Exoguard"
AZURE_PLATFORM = IPv4Address("168.63.129.16")
NAT64 = IPv6Network("64:ff9b::/96")
IPV4_COMPATIBLE = IPv6Network("::/96")
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
TRANSPORT_ERRORS = (AzureError, aiohttp.ClientError, zlib.error, OSError)


class ConnectionLost(RetryableError):
    """The request was sent and no complete response came back: it may have taken effect."""


def is_unsent_request(error: Exception) -> bool:
    """Return whether the request was never sent, which azure-core's own errors do not say."""
    cause = error.inner_exception if isinstance(error, AzureError) else error
    return isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


class BufferedResponse(msgspec.Struct, frozen=True):
    """A complete response. The names of `headers` are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


PAGE_START = re.compile(rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype\s+html|html)\b")


def is_page(reply: BufferedResponse) -> bool:
    """Whether an answer is a web page: a sign-in page, or that of an instance that sleeps, answers
    200 in place of a receiver.
    """
    return PAGE_START.match(reply.body) is not None


def create_request_id() -> str:
    """A new GUID by which Microsoft finds a request again (RFC 9562, version 4).

    Written out, since `uuid` takes four times as long and every command has one.
    """
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def unwrap_ip_address(address: str) -> IPv4Address | IPv6Address:
    """Parse an IP address, and return the IPv4 address that an IPv6 one embeds.

    RFC 4291, 2.5.5 (mapped and compatible addresses), RFC 6052, 2.1 (NAT64's own prefix).
    """
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return found.ipv4_mapped
        if found in NAT64 or found in IPV4_COMPATIBLE:
            return IPv4Address(int(found) & 0xFFFF_FFFF)
    return found


def is_public_address(address: str) -> bool:
    """Return whether an address is on the internet. Azure's platform address is not."""
    found = unwrap_ip_address(address)
    local = isinstance(found, IPv6Address) and found.is_site_local
    return found.is_global and not found.is_multicast and not local and found != AZURE_PLATFORM


async def decompress(pieces: AsyncIterable[bytes], limit: int) -> AsyncIterator[bytes]:
    """Decompress a body piece by piece, never more of one than the limit. Raises zlib.error."""
    inflate = zlib.decompressobj(GZIP_OR_ZLIB)
    async for piece in pieces:
        yield inflate.decompress(piece, limit + 1)
    if not inflate.eof:
        raise zlib.error("the answer breaks off")


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only, so that DNS cannot lead into a private network.

    The connection uses the addresses it returns, so the address checked is the one connected to.
    `allowed_hosts` may resolve to any address.
    """

    def __init__(
        self, allowed_hosts: frozenset[str] = frozenset(), inner: AbstractResolver | None = None
    ) -> None:
        self.allowed_hosts = allowed_hosts
        self.inner = inner or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self.inner.resolve(host, port, family)
        if host in self.allowed_hosts:
            return found
        public = [entry for entry in found if is_public_address(entry["host"])]
        if not public:
            raise OSError(None, "the name leads into a private network")
        return public

    async def close(self) -> None:
        await self.inner.close()


class HttpClient:
    """Sends requests to one service. The first request opens the session, in its event loop."""

    def __init__(
        self,
        name: str,
        *,
        credential: Credential | None = None,
        scope: str = "",
        ca_path: str = "",
        connections: int = 16,
        read_timeout: float = 60.0,
        resolver: Callable[[], AbstractResolver] | None = None,
    ) -> None:
        self.name = name
        self.credential = credential
        self.scope = scope
        self.ca_path = ca_path
        self.connections = connections
        self.read_timeout = read_timeout
        self.resolver = resolver
        self.session: aiohttp.ClientSession | None = None
        self.client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None

    def open_session(self) -> aiohttp.ClientSession:
        """Open the connections, which the pipeline and what goes past it share."""
        if self.session is None:
            self.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self.connections,
                    ssl=build_tls_context(self.ca_path),
                    resolver=self.resolver() if self.resolver else None,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_TIMEOUT, sock_read=self.read_timeout
                ),
                auto_decompress=False,
            )
        return self.session

    def open_pipeline(self) -> AsyncPipelineClient[HttpRequest, AsyncHttpResponse]:
        """Open the pipeline: user agent, token and transport, without retries or logging."""
        if self.client is None:
            transport = AioHttpTransport(
                session=self.open_session(),
                connection_timeout=CONNECT_TIMEOUT,
                read_timeout=self.read_timeout,
            )
            policies: list[SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse] | object]
            policies = [UserAgentPolicy(base_user_agent=USER_AGENT)]
            if self.credential:
                policies.append(AsyncBearerTokenCredentialPolicy(self.credential, self.scope))
            self.client = AsyncPipelineClient("", policies=policies, transport=transport)
        return self.client

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        limit: int,
        truncate: bool = False,
    ) -> BufferedResponse:
        """Send a request and return its response of at most `limit` bytes, decompressed.

        With `truncate`, a longer response is cut there; otherwise Unavailable is raised. Raises
        RetryableError if there is no response, and its kind ConnectionLost if the request may have
        taken effect. The messages name the service and the error, never the URL.
        """
        request = HttpRequest(method, url, headers=dict(headers or {}), content=body or None)
        # Only the policy that adds tokens knows this option, and removes it.
        options = {"enforce_https": not is_loopback_url(url)} if self.credential else {}
        try:
            response = await self.open_pipeline().send_request(request, stream=True, **options)
            async with response:
                content = await self.read_body(response, limit, truncate)
                return BufferedResponse(response.status_code, response.headers, content)
        except TRANSPORT_ERRORS as error:
            raise self.build_transport_error(error) from error

    async def send_directly(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", limit: int
    ) -> BufferedResponse:
        """Send a request with the token, past azure-core's pipeline. Raises like `send`.

        The pipeline takes more CPU than the answer to ten commands does. It keeps what it is good
        for: it refuses to send a token in the clear, and meets a challenge for other claims.
        """
        if self.credential is None or not (url.startswith("https://") or is_loopback_url(url)):
            return await self.send(method, url, headers=headers, body=body, limit=limit)
        token = await self.credential.get_token(self.scope)
        own = {
            "Accept-Encoding": "gzip",
            "Authorization": f"Bearer {token.token}",
            "User-Agent": USER_AGENT,
        }
        try:
            async with self.open_session().request(
                method,
                URL(url, encoded=True),
                headers={**headers, **own},
                data=body or None,
                allow_redirects=False,
                skip_auto_headers=() if body else ("Content-Type",),
            ) as answer:
                content = await self.read_answer(answer, limit)
        except TRANSPORT_ERRORS as error:
            raise self.build_transport_error(error) from error
        if answer.status == 401 and "claims" in answer.headers.get("WWW-Authenticate", ""):
            return await self.send(method, url, headers=headers, body=body, limit=limit)
        return BufferedResponse(answer.status, answer.headers, content)

    async def read_answer(self, answer: aiohttp.ClientResponse, limit: int) -> bytes:
        """Read a body that no pipeline has touched. Raises Unavailable for too many bytes."""
        pieces: AsyncIterator[bytes] = answer.content.iter_any()
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if answer.status >= 400 and encoding == "gzip":
            raw = await self.collect(pieces, limit, truncate=False)
            return self.decompress_error(raw, limit, truncate=False)
        if encoding != "identity":
            pieces = decompress(pieces, limit)
        return await self.collect(pieces, limit, truncate=False)

    def build_transport_error(self, error: Exception) -> RetryableError:
        """The error for a request without a complete response, which names no URL."""
        kind = RetryableError if is_unsent_request(error) else ConnectionLost
        return kind(f"{self.name}: {type(error).__name__}")

    async def stream[T](
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        receive: Callable[[int, Mapping[str, str], AsyncIterator[bytes]], Awaitable[T]],
    ) -> T:
        """Send a request and pass its response to `receive` as it arrives, decompressed.

        Raises like `send`, also half way through the response.
        """
        request = HttpRequest(method, url, headers=dict(headers), content=body or None)
        options = {"enforce_https": not is_loopback_url(url)} if self.credential else {}
        try:
            response = await self.open_pipeline().send_request(request, stream=True, **options)
            async with response:
                return await receive(response.status_code, response.headers, response.iter_bytes())
        except TRANSPORT_ERRORS as error:
            raise self.build_transport_error(error) from error

    async def read_body(self, response: AsyncHttpResponse, limit: int, truncate: bool) -> bytes:
        """Read the body in chunks, so that a decompression bomb is noticed while it is small."""
        encoding = str(response.headers.get("Content-Encoding", "")).strip().lower()
        if response.status_code >= 400 and encoding == "gzip":
            raw = await self.collect(response.iter_raw(), limit, truncate)
            return self.decompress_error(raw, limit, truncate)
        return await self.collect(response.iter_bytes(), limit, truncate)

    async def collect(self, pieces: AsyncIterator[bytes], limit: int, truncate: bool) -> bytes:
        """Join the pieces of a body. Raises Unavailable for too many bytes."""
        content = bytearray()
        async for piece in pieces:
            content += piece
            if len(content) > limit:
                if truncate:
                    break
                raise self.build_oversize_error(limit)
        return bytes(content[:limit])

    def decompress_error(self, raw: bytes, limit: int, truncate: bool) -> bytes:
        """Decompress the body of an error.

        Exchange labels bodies of errors as compressed that are not (go-exoscc): those are read as
        they are.
        """
        decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            content = decompressor.decompress(raw, limit)
        except zlib.error:
            return raw
        if decompressor.unconsumed_tail and not truncate:
            raise self.build_oversize_error(limit)
        return content

    def build_oversize_error(self, limit: int) -> Unavailable:
        return Unavailable(f"{self.name}: a response of more than {limit} bytes")

    async def close(self) -> None:
        """Close the session. The next request opens a new one."""
        client, self.client = self.client, None
        session, self.session = self.session, None
        if client:
            await client.close()
        if session:
            await session.close()
            await asyncio.sleep(0)
