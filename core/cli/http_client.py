"""A deployed app, over HTTPS: the key in a header, no redirect followed, all of it bounded."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from core.cli.api_client import PATH, Misused, Reply, Unknown, Way
from core.sanitize import plain

KEY_HEADER = "x-functions-key"
# A cold start takes seconds, an export of a year minutes.
CONNECT_SECONDS = 15.0
WHOLE_SECONDS = 240.0
LARGEST = 256 * 1024**2


def origin(address: str) -> str:
    """The scheme, host and port of an app's address. Raises Misused.

    Plain HTTP is for this machine alone: the key would be readable on the way.
    """
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Misused("--app is the address of the app: https://<name>.azurewebsites.net") from None
    beyond = parts.path.strip("/") or parts.query or parts.fragment
    if not host or parts.username or parts.password or beyond:
        raise Misused("--app is the address of the app alone: https://<name>.azurewebsites.net")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise Misused("--app begins with https://: the key would be readable on the way")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port}" if port else f"{parts.scheme}://{shown}"


def is_loopback(host: str) -> bool:
    """True for this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def header_value(key: str) -> str:
    """A key as it goes into the header. Raises Misused, which never repeats it."""
    found = key.strip()
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise Misused("the key is one word of letters, digits and signs")
    return found


@dataclass(frozen=True, slots=True)
class OverHttp:
    """Implements Way by requests to an app. Answers of more than `largest` bytes are refused."""

    where: str
    session: aiohttp.ClientSession
    largest: int = LARGEST

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Look at something."""
        return await self.send("GET", path, query or {}, None)

    async def post(self, path: str, body: Mapping[str, str]) -> Reply:
        """Ask for something."""
        return await self.send("POST", path, {}, json.dumps(body).encode())

    async def work(self) -> None:
        """The app has been called by its queue."""

    async def send(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None
    ) -> Reply:
        """One request. Raises Unknown for what keeps it from being answered."""
        if not PATH.fullmatch(path):
            raise Misused(f"{plain(path, 80)} is no address of the API")
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with self.session.request(
                method,
                self.where + path,
                params=query,
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as reply:
                return Reply(
                    reply.status,
                    await bounded(reply, self.largest),
                    {name.lower(): value for name, value in reply.headers.items()},
                )
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError) as error:
            raise Unknown(unreachable(self.where, error)) from error


async def bounded(reply: aiohttp.ClientResponse, largest: int) -> bytes:
    """The body, up to a size. Raises Unknown."""
    parts, size = [], 0
    async for part in reply.content.iter_chunked(1 << 16):
        size += len(part)
        if size > largest:
            raise Unknown(f"the answer is larger than {largest:,} bytes: ask for less")
        parts.append(part)
    return b"".join(parts)


def unreachable(where: str, error: BaseException) -> str:
    """Why there is no answer, and what to do. Never the request, which holds the key."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"{where}: no such name: check --app, or this machine's network"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return (
                f"{where}: its certificate is not trusted: check --app; behind a proxy that opens "
                "connections, put the proxy's authority in SSL_CERT_FILE"
            )
        case TimeoutError():
            return f"{where}: no answer in time: it may be starting; try again in a minute"
        case aiohttp.ClientConnectorError():
            reason = error.os_error.strerror or type(error.os_error).__name__
            return f"{where}: cannot be reached ({plain(reason, 80)}): check --app and the network"
        case _:
            return f"{where}: the connection broke ({type(error).__name__}): try again"


@asynccontextmanager
async def over_http(address: str, headers: Mapping[str, str]) -> AsyncIterator[Way]:
    """An app at an address, with the headers that open it. Raises Misused."""
    where = origin(address)
    # A proxy of the environment sees only what is encrypted.
    by_proxy = where.startswith("https://")
    timeout = aiohttp.ClientTimeout(total=WHOLE_SECONDS, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(
        headers={**headers, "Accept": "*/*", "User-Agent": "exoguard-cli"},
        timeout=timeout,
        trust_env=by_proxy,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield OverHttp(where, session)
