"""A session that asks a sandbox of this process without a connection between them.

HTTP on both sides takes more CPU than a guard's whole run. That either answers alike is proven by
`tests/sandbox/test_direct_session.py`; what the adapters make of HTTP, by the contracts over it, by
`test_hostile_responses` and by `test_untouched_tenant`.
"""

import asyncio
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ClientSecretCredential
from multidict import CIMultiDict
from yarl import URL

from core.adapters.credentials import LIBRARY_OPTIONS, Credential
from core.adapters.retry import ThrottledService
from sandbox.app_identity import CLIENT_ID
from sandbox.faults.injection import ConnectionDropped
from sandbox.http_types import HttpResponse, make_request
from sandbox.server import Sandbox, build_sent_headers


def open_direct_session(sandbox: Sandbox) -> aiohttp.ClientSession:
    """A session for both ports of a sandbox, as far as the adapters and azure-identity use one."""
    return cast(aiohttp.ClientSession, DirectSession(sandbox))


def build_direct_credential(
    sandbox: Sandbox, service: ThrottledService | None = None
) -> Credential:
    """The app registration's credential by secret, which asks Entra without a connection."""
    secret = sandbox.client_secret

    def build() -> ClientSecretCredential:
        session = open_direct_session(sandbox)
        return ClientSecretCredential(
            sandbox.tenant.tenant_id,
            CLIENT_ID,
            secret,
            authority=sandbox.authority,
            disable_instance_discovery=True,
            transport=AioHttpTransport(session=session),
            **LIBRARY_OPTIONS,
        )

    return Credential(build, service=service)


@dataclass(frozen=True, slots=True)
class DirectAnswer:
    """An answer, as aiohttp shows one. Reading a body that breaks off raises ClientPayloadError."""

    status: int
    headers: CIMultiDict[str]
    content: aiohttp.StreamReader
    reason: str = ""

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers as they came."""
        return tuple((name.encode(), value.encode()) for name, value in self.headers.items())

    async def read(self) -> bytes:
        """The whole body."""
        return await self.content.read()

    def close(self) -> None:
        """There is no connection to close."""


def show_answer(response: HttpResponse, *, breaks_off: bool = False) -> DirectAnswer:
    """Show a response of the sandbox, or the first half of one whose connection ended."""
    content = response.encode_content()
    headers = CIMultiDict(build_sent_headers(response, content))
    loop = asyncio.get_running_loop()
    body = aiohttp.StreamReader(BaseProtocol(loop), len(content), loop=loop)
    body.feed_data(content[: len(content) // 2] if breaks_off else content)
    if breaks_off:
        body.set_exception(aiohttp.ClientPayloadError("the answer breaks off"))
    body.feed_eof()
    return DirectAnswer(response.status, headers, body)


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """A request that is sent when it is awaited or entered, as those of aiohttp are."""

    sandbox: Sandbox
    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes

    async def send(self) -> DirectAnswer:
        """Have the sandbox answer. Raises ServerDisconnectedError where it answers nothing."""
        call = make_request(self.method, self.url, self.headers, self.body)
        is_base = str(self.url.origin()) == self.sandbox.base
        answer = self.sandbox.answer_base if is_base else self.sandbox.answer_authority
        try:
            return show_answer(await answer(call))
        except ConnectionDropped as dropped:
            if dropped.response is None:
                raise aiohttp.ServerDisconnectedError from dropped
            return show_answer(dropped.response, breaks_off=True)

    def __await__(self) -> Generator[Any, Any, DirectAnswer]:
        return self.send().__await__()

    async def __aenter__(self) -> DirectAnswer:
        return await self.send()

    async def __aexit__(self, *error: object) -> None:
        """Nothing is to be given back."""


@dataclass(frozen=True, slots=True)
class DirectSession:
    """A session without connections. Anything but the sandbox is out of reach."""

    sandbox: Sandbox
    auto_decompress: bool = False

    def request(
        self,
        method: str,
        url: URL | str,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        data: bytes | Mapping[str, str] | None = None,
        **options: object,
    ) -> DirectRequest:
        """A request; a mapping is sent as a form. The options are about connections, of which there
        are none.
        """
        where = URL(url) if isinstance(url, str) else url
        if str(where.origin()) not in (self.sandbox.base, self.sandbox.authority):
            raise aiohttp.InvalidURL(where)
        body = urlencode(data).encode() if isinstance(data, Mapping) else data or b""
        return DirectRequest(self.sandbox, method, where, CIMultiDict(headers), body)

    async def __aenter__(self) -> "DirectSession":
        return self

    async def close(self) -> None:
        """There is nothing to close."""
