"""A client of a deployed app: the key in a header, no redirects, bounded times and sizes."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from core.cli.address import parse_origin
from core.cli.api_client import API_PATH, ApiClient, ApiResponse, ApiUnavailable, UsageError
from core.tenant.quoting import quote_text

# A cold start takes seconds, the export of a year takes minutes.
CONNECT_SECONDS = 15.0
TOTAL_SECONDS = 240.0
MAX_RESPONSE_BYTES = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class RemoteClient:
    """Implements ApiClient for a deployed app. Rejects responses of more than `max_bytes`."""

    location: str
    session: aiohttp.ClientSession
    max_bytes: int = MAX_RESPONSE_BYTES

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> ApiResponse:
        """Send a GET request."""
        return await self.send("GET", path, query or {}, None)

    async def post(self, path: str, body: Mapping[str, str]) -> ApiResponse:
        """Send a POST request."""
        return await self.send("POST", path, {}, json.dumps(body).encode())

    async def process_pending(self) -> None:
        """Do nothing: the app's queue triggers the processing."""

    async def send(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None
    ) -> ApiResponse:
        """Send one request. Raises ApiUnavailable if there is no response."""
        if not API_PATH.fullmatch(path):
            raise UsageError(f"{quote_text(path, 80)} is not an address of the API")
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with self.session.request(
                method,
                self.location + path,
                params=query,
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                return ApiResponse(
                    response.status,
                    await read_limited_body(response, self.max_bytes),
                    {name.lower(): value for name, value in response.headers.items()},
                )
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError) as error:
            raise ApiUnavailable(explain_connection_error(self.location, error)) from error


async def read_limited_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body. Raises ApiUnavailable if it is larger than `max_bytes`."""
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(1 << 16):
        size += len(chunk)
        if size > max_bytes:
            raise ApiUnavailable(f"the response exceeds {max_bytes:,} bytes: request less")
        chunks.append(chunk)
    return b"".join(chunks)


def explain_connection_error(location: str, error: BaseException) -> str:
    """Why there is no response, and what to do. Never names the request, which holds the key."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"{location}: the name does not resolve: check --app and the network"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return (
                f"{location}: its certificate is not trusted: check --app; behind a proxy that "
                "decrypts TLS, name the proxy's CA file in SSL_CERT_FILE"
            )
        case TimeoutError():
            return f"{location}: no response in time: it may be starting; try again in a minute"
        case aiohttp.ClientConnectorError():
            reason = quote_text(error.os_error.strerror or type(error.os_error).__name__, 80)
            return f"{location}: cannot be reached ({reason}): check --app and the network"
        case _:
            return f"{location}: the connection failed ({type(error).__name__}): try again"


@asynccontextmanager
async def open_remote_client(address: str, headers: Mapping[str, str]) -> AsyncIterator[ApiClient]:
    """A client of the app at an address, with its authentication headers. Raises UsageError."""
    origin = parse_origin(address)
    # A proxy named in the environment must see encrypted requests only.
    use_proxy = origin.startswith("https://")
    timeout = aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(
        headers={**headers, "Accept": "*/*", "User-Agent": "exoguard-cli"},
        timeout=timeout,
        trust_env=use_proxy,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield RemoteClient(origin, session)
