"""An HTTP channel on azure-core's pipeline: bounded answers, no redirects, no own retries."""

import asyncio
import socket
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import aiohttp
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

from core.adapters.clouds import is_loopback_url
from core.adapters.credentials import Credential
from core.adapters.retry import RetryableError
from core.errors import Unavailable

CONNECT_TIMEOUT = 10.0
USER_AGENT = "Exoguard"
AZURE_PLATFORM = IPv4Address("168.63.129.16")
NAT64 = IPv6Network("64:ff9b::/96")
IPV4_COMPATIBLE = IPv6Network("::/96")


class ConnectionLost(RetryableError):
    """The request went out and no whole answer came back: it may have been carried out."""


def is_unsent_request(error: Exception) -> bool:
    """True when there was no connection to send anything on. azure-core's own kinds do not tell."""
    cause = error.inner_exception if isinstance(error, AzureError) else error
    return isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


@dataclass(frozen=True, slots=True)
class BufferedResponse:
    """An answer, read whole. `headers` compare without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@cache
def build_tls_context(ca_path: str) -> ssl.SSLContext:
    """Whom TLS connections trust: public authorities, or those in a file. Made once a process."""
    return ssl.create_default_context(cafile=ca_path or None)


def unwrap_ip_address(address: str) -> IPv4Address | IPv6Address:
    """Where an address leads: an IPv6 one may stand for an IPv4 one, by itself or by a translator.

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
    """True for an address on the internet, which Azure's own platform address only seems to be."""
    found = unwrap_ip_address(address)
    local = isinstance(found, IPv6Address) and found.is_site_local
    return found.is_global and not found.is_multicast and not local and found != AZURE_PLATFORM


class PublicResolver(AbstractResolver):
    """Names to addresses, leaving out those inside a network: no way round through DNS.

    It serves the connection itself, so that the address that was checked is the one that is used.
    `trusted` hosts may be anywhere.
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
    """Requests to one service. The session is made with the first request, in its event loop."""

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
        self.client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None

    def open_pipeline(self) -> AsyncPipelineClient[HttpRequest, AsyncHttpResponse]:
        """The pipeline: user agent, token, transport, and nothing that retries or logs."""
        if self.client is None:
            context = build_tls_context(self.ca_path)
            connector = aiohttp.TCPConnector(
                limit=self.connections,
                ssl=context,
                resolver=self.resolver() if self.resolver else None,
            )
            session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
            transport = AioHttpTransport(
                session=session,
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
        """One request and its answer of at most `limit` bytes, decompressed.

        A longer answer is `cut` there, or else Unavailable. Raises Again when there is no answer:
        Lost when the request may have been carried out all the same. The messages name the service
        and the trouble, never the address.
        """
        request = HttpRequest(method, url, headers=dict(headers or {}), content=body or None)
        # Only the policy that adds tokens knows this option, and takes it off again.
        options = {"enforce_https": not is_loopback_url(url)} if self.credential else {}
        try:
            response = await self.open_pipeline().send_request(request, stream=True, **options)
            async with response:
                content = await self.read_body(response, limit, truncate)
                return BufferedResponse(response.status_code, response.headers, content)
        except (AzureError, aiohttp.ClientError, zlib.error, OSError) as error:
            kind = RetryableError if is_unsent_request(error) else ConnectionLost
            raise kind(f"{self.name}: {type(error).__name__}") from error

    async def read_body(self, response: AsyncHttpResponse, limit: int, truncate: bool) -> bytes:
        """The body, piece by piece, so that a bomb is noticed while it is small."""
        content = bytearray()
        async for piece in response.iter_bytes():
            content += piece
            if len(content) > limit:
                if truncate:
                    break
                raise Unavailable(f"{self.name}: an answer of more than {limit} bytes")
        return bytes(content[:limit])

    async def close(self) -> None:
        """Close the session. The channel can be used again."""
        client, self.client = self.client, None
        if client:
            await client.close()
            await asyncio.sleep(0)
