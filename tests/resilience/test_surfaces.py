"""Untrusted data decides neither where requests go nor who is authenticated.

No token goes to a host that a service only named: next pages, further pages of earlier runs and
redirects of Graph, Exchange, Entra and the webhook. Cards go to no address inside a network,
however it is written. Keys are taken from headers alone.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from core.adapters.clouds import resolve_cloud
from core.adapters.credentials import build_credential
from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.http import is_public_address
from core.adapters.teams import TeamsChannel
from core.api.authentication import AccessDenied, authenticate_caller
from core.errors import NotificationError, TenantError
from sandbox.app_identity import CLIENT_ID
from sandbox.certificate import make_certificate
from tests.support.fakes.clock import SleepClock
from tests.support.http_recorder import build_scene, build_service, connect_sandbox


@dataclass
class RecordingServer:
    """A server outside the tenant: the requests it received, and its response."""

    address: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.seen.append((request.path, dict(request.headers), await request.read()))
        return web.json_response(self.body, status=self.status, headers=self.headers)


@asynccontextmanager
async def start_recording_server(
    *, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[RecordingServer]:
    """Start a server on this machine that is not part of the tenant."""
    server = RecordingServer(**options)
    runner = web.ServerRunner(web.Server(server.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    server.address = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


async def send_request(api: str, to: Any, at: str) -> None:
    """Send one request to Graph or Exchange at an address."""
    cloud = replace(to.cloud, graph=at, exchange=at)
    if api == "graph":
        graph = GraphClient(cloud, to.credential, build_service(to.clock))
        try:
            _ = [page async for page in graph.read_pages("/domains")]
        finally:
            await graph.close()
        return
    exchange = ExchangeClient(
        cloud, to.sandbox.tenant.tenant_id, to.credential, build_service(to.clock)
    )
    try:
        await exchange.invoke("Get-Mailbox", {"ResultSize": "Unlimited"})
    finally:
        await exchange.close()


@pytest.mark.parametrize("api", ["graph", "exchange"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_token_follows_a_redirect_to_another_host(api: str, status: int) -> None:
    async with connect_sandbox(build_scene()) as to, start_recording_server() as attacker:
        headers = {"Location": f"{attacker.address}/v1.0/domains"}
        async with start_recording_server(status=status, headers=headers) as service:
            with pytest.raises(TenantError):
                await send_request(api, to, service.address)
        assert "Authorization" in service.seen[0][1]
        assert attacker.seen == []


@pytest.mark.parametrize("api", ["graph", "exchange"])
@pytest.mark.parametrize("name", ["@odata.nextLink", "@odata.deltaLink", "contentUri"])
async def test_no_token_follows_a_link_in_a_response(api: str, name: str) -> None:
    async with connect_sandbox(build_scene()) as to, start_recording_server() as attacker:
        body = {"value": [], name: f"{attacker.address}/v1.0/domains?$skiptoken=1"}
        async with start_recording_server(
            body=body, headers={"Content-Location": attacker.address}
        ) as service:
            if name == "@odata.nextLink":
                with pytest.raises(TenantError, match="outside"):
                    await send_request(api, to, service.address)
            else:
                await send_request(api, to, service.address)
        assert attacker.seen == []


@pytest.mark.parametrize("status", [302, 307, 308])
async def test_no_secret_follows_a_redirect_of_the_sign_in(status: int, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with start_recording_server(tls=tls) as attacker:
        headers = {"Location": f"{attacker.address}/tenant/oauth2/v2.0/token"}
        async with start_recording_server(status=status, headers=headers, tls=tls) as service:
            cloud = resolve_cloud("global", login=service.address)
            async with build_credential(
                "tenant", CLIENT_ID, cloud, secret="canary-secret", ca_path=str(certificate)
            ) as credential:
                with pytest.raises(TenantError) as caught:
                    await credential.get_token(cloud.graph_scope)
    assert "canary-secret" not in str(caught.value)
    assert any(b"canary-secret" in body for _, _, body in service.seen)
    assert attacker.seen == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_card_follows_a_redirect(status: int) -> None:
    async with start_recording_server() as attacker:
        headers = {"Location": f"{attacker.address}/workflows/x"}
        async with start_recording_server(status=status, headers=headers) as service:
            voice = TeamsChannel(
                f"{service.address}/x", build_service(SleepClock(), "teams"), hosts=["127.0.0.1"]
            )
            with pytest.raises(NotificationError, match="follow no redirect"):
                await voice.send({"type": "message"})
            await voice.close()
        assert len(service.seen) == 1
        assert attacker.seen == []


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "0.0.0.0",  # noqa: S104  # an address that is refused
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:168.63.129.16",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b::a83f:8110",
        "64:ff9b:1::1",
        "2002:a9fe:a9fe::",
        "2001:0:a9fe::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_an_internal_address_is_refused_for_cards_in_any_form(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address", ["20.50.1.2", "2603:1030::1", "::ffff:20.50.1.2", "64:ff9b::1432:102"]
)
def test_a_public_address_is_accepted_for_cards(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize("name", ["code", "Code", "CODE", "cOdE"])
@pytest.mark.parametrize("way", ["key", "entra"])
def test_a_key_in_an_address_is_refused_in_any_case(name: str, way: str) -> None:
    with pytest.raises(AccessDenied, match="header") as caught:
        authenticate_caller(way, True, {}, {name: "the-key-itself"})
    assert caught.value.status == 400
    assert "the-key-itself" not in str(caught.value)
