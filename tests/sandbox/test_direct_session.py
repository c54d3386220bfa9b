"""What is asked without a connection is answered as over HTTP, whatever befalls the request."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDictProxy

from core.adapters.credentials import parse_token_roles
from core.errors import Forbidden
from sandbox.faults.injection import FAULT_KINDS, OUTSIDE_KINDS
from sandbox.graph.identity import APP_LIFETIME
from sandbox.server import Sandbox
from tests.sandbox.tenant_client import CLIENT_SCENE, MIA
from tests.support.direct_session import build_direct_credential, open_direct_session

MORE: Mapping[str, Mapping[str, Any]] = {
    "huge": {"bytes": 300_000},
    "bomb": {"bytes": 300_000},
    "hang": {"seconds": 0},
    "slow": {"seconds": 0},
    "replies": {"how": "missing"},
}
"""What some kinds of faults need, so that tests take no time."""
OF_THE_CONNECTION = frozenset({"Content-Length", "Date", "Server"})

type Outcome = tuple[object, ...]


async def ask(session: aiohttp.ClientSession, sandbox: Sandbox) -> Outcome:
    """What comes of a request: the answer, or the kind of the error and where it was raised."""
    token = sandbox.entra.issue_token(sandbox.base, APP_LIFETIME, roles=["User.Read.All"])
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}
    status = 0
    try:
        async with session.request(
            "GET", f"{sandbox.base}/v1.0/users/{MIA}?$select=id", headers=headers
        ) as answer:
            status = answer.status
            content = b"".join([piece async for piece in answer.content.iter_any()])
            return status, content, describe_headers(answer.headers)
    except aiohttp.ClientError as error:
        return status, type(error)


def describe_headers(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """The headers of an answer but those of its connection; an id is different each time."""
    return {
        name: "" if "id" in name else value
        for name, value in headers.items()
        if name not in OF_THE_CONNECTION
    }


@pytest.mark.parametrize("kind", ["", *sorted(FAULT_KINDS - OUTSIDE_KINDS)])
async def test_a_request_without_a_connection_is_answered_as_one_over_http(kind: str) -> None:
    async with (
        Sandbox(CLIENT_SCENE) as sandbox,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        if kind:
            sandbox.tenant.set_faults([{"kind": kind, **MORE.get(kind, {})}])
        over_http = await ask(session, sandbox)
        assert await ask(open_direct_session(sandbox), sandbox) == over_http


async def test_a_token_is_given_or_refused_without_a_connection_too() -> None:
    async with Sandbox(CLIENT_SCENE) as sandbox, build_direct_credential(sandbox) as credential:
        token = await credential.get_token(f"{sandbox.base}/.default")
        assert "User.Read.All" in (parse_token_roles(token.token) or ())
        sandbox.entra.secret = "another"
        await credential.renew()
        with pytest.raises(Forbidden, match="CLIENT_SECRET is wrong"):
            await credential.get_token("https://graph.microsoft.com/.default")


async def test_nothing_but_the_sandbox_is_within_reach() -> None:
    async with Sandbox(CLIENT_SCENE) as sandbox:
        with pytest.raises(aiohttp.InvalidURL):
            open_direct_session(sandbox).request("GET", "https://evil.example/v1.0/users")
