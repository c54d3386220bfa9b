"""Bodies as servers label them, by either way a request takes, and which way it takes when."""

import base64
import gzip
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken

from core.adapters.credentials import Credential
from core.adapters.http import (
    BufferedResponse,
    ConnectionLost,
    HttpClient,
    create_request_id,
)
from core.errors import Unavailable

ERROR = b'{"error": {"code": "BadRequest"}}'
SCOPE = "https://service.example/.default"
CLAIMS = '{"access_token": {"nbf": {"essential": true}}}'
CHALLENGE = (
    'Bearer error="insufficient_claims", claims="'
    + base64.urlsafe_b64encode(CLAIMS.encode()).decode().rstrip("=")
    + '"'
)


class NumberedTokens:
    """Gives a token that says which claims it was asked for."""

    async def get_token(self, *scopes: str, claims: str | None = None) -> AccessToken:
        return AccessToken("with claims" if claims else "plain", 4_102_444_800)

    async def close(self) -> None: ...


@asynccontextmanager
async def serve(
    body: bytes, status: int, headers: Mapping[str, str], asked: list[Any]
) -> AsyncIterator[str]:
    """Serves one body; a request without the claims is challenged where the headers say so."""

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append((request.method, request.headers.get("Authorization", "")))
        is_met = asked[-1][1].endswith("with claims")
        if "WWW-Authenticate" in headers and not is_met:
            return web.Response(status=401, headers=headers)
        shown = {} if is_met else headers
        return web.Response(status=status, body=body, headers=shown)

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@pytest.fixture(params=["send", "send_directly"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def fetch(
    way: str,
    body: bytes,
    status: int,
    headers: Mapping[str, str] | None = None,
    asked: list[Any] | None = None,
) -> BufferedResponse:
    given = {"Content-Encoding": "gzip"} if headers is None else headers
    client = HttpClient("test", credential=Credential(NumberedTokens), scope=SCOPE)
    try:
        async with serve(body, status, given, [] if asked is None else asked) as url:
            answer: BufferedResponse = await getattr(client, way)(
                "POST", url, headers={"Accept": "*/*"}, body=b"{}", limit=4096
            )
            return answer
    finally:
        await client.close()


@pytest.mark.parametrize("body", [ERROR, gzip.compress(ERROR, mtime=0)])
async def test_an_error_is_read_whether_it_is_compressed_or_only_says_so(
    way: str, body: bytes
) -> None:
    reply = await fetch(way, body, 400)
    assert (reply.status, reply.body) == (400, ERROR)


async def test_a_compressed_error_is_no_larger_than_the_limit(way: str) -> None:
    with pytest.raises(Unavailable, match="more than 4096 bytes"):
        await fetch(way, gzip.compress(b"0" * 10_000_000, mtime=0), 500)


@pytest.mark.parametrize("size", [4_097, 10_000_000])
async def test_a_compressed_answer_is_no_larger_than_the_limit(way: str, size: int) -> None:
    with pytest.raises(Unavailable, match="more than 4096 bytes"):
        await fetch(way, gzip.compress(b"0" * size, mtime=0), 200)


async def test_an_answer_up_to_the_limit_is_read_compressed_or_not(way: str) -> None:
    whole = b"0" * 4_096
    assert (await fetch(way, gzip.compress(whole, mtime=0), 200)).body == whole
    assert (await fetch(way, whole, 200, headers={})).body == whole


async def test_a_compressed_answer_that_breaks_off_is_none() -> None:
    with pytest.raises(ConnectionLost, match=r"^test: error$"):
        await fetch("send_directly", gzip.compress(b"0123456789" * 100, mtime=0)[:-10], 200)


async def test_a_challenge_for_other_claims_is_met(way: str) -> None:
    asked: list[Any] = []
    reply = await fetch(way, b"{}", 200, {"WWW-Authenticate": CHALLENGE}, asked)
    assert (reply.status, reply.body) == (200, b"{}")
    assert asked[0] == ("POST", "Bearer plain")
    assert asked[-1] == ("POST", "Bearer with claims")


async def test_a_refused_token_is_the_callers_business(way: str) -> None:
    asked: list[Any] = []
    reply = await fetch(way, b"", 401, {}, asked)
    assert reply.status == 401
    assert asked == [("POST", "Bearer plain")]


async def test_no_token_goes_to_an_address_that_is_neither_encrypted_nor_this_machine(
    way: str,
) -> None:
    client = HttpClient("test", credential=Credential(NumberedTokens), scope=SCOPE)
    try:
        with pytest.raises(Unavailable, match=r"^test: ServiceRequestError$"):
            await getattr(client, way)("POST", "http://192.0.2.1/", headers={}, limit=10)
    finally:
        await client.close()


async def test_a_closed_port_was_sent_nothing(way: str) -> None:
    client = HttpClient("test", credential=Credential(NumberedTokens), scope=SCOPE)
    async with serve(b"", 200, {}, []) as url:
        pass
    try:
        with pytest.raises(Unavailable, match=r"^test: ") as failure:
            await getattr(client, way)("POST", url, headers={}, limit=10)
    finally:
        await client.close()
    assert not isinstance(failure.value, ConnectionLost)


def test_request_ids_are_random_guids_and_no_two_are_the_same() -> None:
    made = [create_request_id() for _ in range(100)]
    assert len(set(made)) == 100
    for one in made:
        assert (str(uuid.UUID(one)), uuid.UUID(one).version) == (one, 4)
        assert uuid.UUID(one).variant == uuid.RFC_4122
