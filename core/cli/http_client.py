"""A deployed app, over HTTPS: the key in a header, no redirect followed, all of it bounded."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from core.cli.api_client import API_PATH, ApiClient, ApiResponse, ApiUnavailable, UsageError
from core.sanitize import sanitize_text

KEY_HEADER = "x-functions-key"
# A cold start takes seconds, an export of a year minutes.
CONNECT_SECONDS = 15.0
TOTAL_SECONDS = 240.0
MAX_RESPONSE_BYTES = 256 * 1024**2


def parse_origin(address: str) -> str:
    """The scheme, host and port of an app's address. Raises Misused.

    Plain HTTP is for this machine alone: the key would be readable on the way.
    """
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError(
            "--app is the address of the app: https://<name>.azurewebsites.net"
        ) from None
    beyond = parts.path.strip("/") or parts.query or parts.fragment
    if not host or parts.username or parts.password or beyond:
        raise UsageError("--app is the address of the app alone: https://<name>.azurewebsites.net")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(host)):
        raise UsageError("--app begins with https://: the key would be readable on the way")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port}" if port else f"{parts.scheme}://{shown}"


def is_this_machine(host: str) -> bool:
    """True for this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def parse_key(key: str) -> str:
    """A key as it goes into the header. Raises Misused, which never repeats it."""
    found = key.strip()
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise UsageError("the key is one word of letters, digits and signs")
    return found


@dataclass(frozen=True, slots=True)
class RemoteClient:
    """Implements Way by requests to an app. Answers of more than `largest` bytes are refused."""

    location: str
    session: aiohttp.ClientSession
    max_bytes: int = MAX_RESPONSE_BYTES

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> ApiResponse:
        """Look at something."""
        return await self.send("GET", path, query or {}, None)

    async def post(self, path: str, body: Mapping[str, str]) -> ApiResponse:
        """Ask for something."""
        return await self.send("POST", path, {}, json.dumps(body).encode())

    async def process_pending(self) -> None:
        """The app has been called by its queue."""

    async def send(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None
    ) -> ApiResponse:
        """One request. Raises Unknown for what keeps it from being answered."""
        if not API_PATH.fullmatch(path):
            raise UsageError(f"{sanitize_text(path, 80)} is no address of the API")
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with self.session.request(
                method,
                self.location + path,
                params=query,
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as reply:
                return ApiResponse(
                    reply.status,
                    await read_limited_body(reply, self.max_bytes),
                    {name.lower(): value for name, value in reply.headers.items()},
                )
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError) as error:
            raise ApiUnavailable(explain_connection_error(self.location, error)) from error


async def read_limited_body(reply: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body, up to a size. Raises Unknown."""
    parts, size = [], 0
    async for part in reply.content.iter_chunked(1 << 16):
        size += len(part)
        if size > max_bytes:
            raise ApiUnavailable(f"the answer is larger than {max_bytes:,} bytes: ask for less")
        parts.append(part)
    return b"".join(parts)


def explain_connection_error(location: str, error: BaseException) -> str:
    """Why there is no answer, and what to do. Never the request, which holds the key."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"{location}: no such name: check --app, or this machine's network"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return (
                f"{location}: its certificate is not trusted: check --app; behind a proxy that "
                "decrypts TLS, name the proxy's CA file in SSL_CERT_FILE"
            )
        case TimeoutError():
            return f"{location}: no answer in time: it may be starting; try again in a minute"
        case aiohttp.ClientConnectorError():
            reason = sanitize_text(error.os_error.strerror or type(error.os_error).__name__, 80)
            return f"{location}: cannot be reached ({reason}): check --app and the network"
        case _:
            return f"{location}: the connection broke ({type(error).__name__}): try again"


@asynccontextmanager
async def open_remote_client(address: str, headers: Mapping[str, str]) -> AsyncIterator[ApiClient]:
    """An app at an address, with the headers that open it. Raises Misused."""
    where = parse_origin(address)
    # A proxy of the environment sees only what is encrypted.
    by_proxy = where.startswith("https://")
    timeout = aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(
        headers={**headers, "Accept": "*/*", "User-Agent": "exoguard-cli"},
        timeout=timeout,
        trust_env=by_proxy,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield RemoteClient(where, session)
