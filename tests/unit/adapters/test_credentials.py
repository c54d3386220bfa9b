"""Tokens: the managed identity's chain end to end, and errors that say what to do."""

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.clouds import CLOUDS, resolve_cloud
from core.adapters.credentials import (
    NEW_CREDENTIAL_SECONDS,
    Credential,
    build_credential,
    map_credential_error,
    parse_token_ids,
    parse_token_roles,
)
from core.errors import Forbidden, SettingsError, TenantError, Unavailable
from sandbox.app_identity import CLIENT_ID
from sandbox.graph.identity import IDENTITY_CLIENT_ID
from sandbox.server import Sandbox
from tests.support.fakes.clock import SleepClock
from tests.support.http_recorder import build_scene, build_service

GRAPH = "https://graph.microsoft.com/.default"


def jwt(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


class Source:
    """A source of tokens that counts how often it is asked over the network."""

    def __init__(self, made: list["Source"]) -> None:
        self.cached = False
        self.requests = 0
        self.closed = False
        made.append(self)

    async def get_token(self, *scopes: str, claims: str | None = None) -> AccessToken:
        if not self.cached or claims:
            self.requests += 1
            await asyncio.sleep(0)
            self.cached = True
        return AccessToken(f"token for {scopes[0]}", 4_000_000_000)

    async def close(self) -> None:
        self.closed = True


class UnknownCredential(Source):
    """A source whose federated credential the tenant does not know."""

    async def get_token(self, *scopes: str, claims: str | None = None) -> AccessToken:
        self.requests += 1
        raise ClientAuthenticationError("AADSTS70021: No matching federated identity record found")


async def test_a_federated_credential_that_may_be_new_is_waited_for_and_then_refused() -> None:
    clock = SleepClock()
    made: list[Source] = []
    credential = Credential(
        lambda: UnknownCredential(made), service=build_service(clock, attempts=2), clock=clock
    )
    with pytest.raises(Unavailable, match="wait"):
        await credential.get_token(GRAPH)
    assert made[0].requests == 2
    clock.now += NEW_CREDENTIAL_SECONDS
    with pytest.raises(Forbidden, match="no federated credential"):
        await credential.get_token(GRAPH)
    credential.token_source = Source(made)
    await credential.get_token(GRAPH)
    await credential.renew()
    with pytest.raises(Unavailable, match="wait"):
        await credential.get_token(GRAPH)


async def test_a_managed_identity_vouches_for_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox(build_scene()) as sandbox:
        for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
            monkeypatch.setenv(name, sandbox.build_settings()[name])
        async with build_credential(
            sandbox.tenant.tenant_id,
            CLIENT_ID,
            resolve_cloud("global", login=sandbox.authority),
            managed_identity=IDENTITY_CLIENT_ID,
            ca_path=sandbox.ca_path,
        ) as credential:
            first = await credential.get_token(GRAPH)
            await credential.get_token("https://outlook.office365.com/.default")
            again = await credential.get_token_info(GRAPH)
    assert again.token == first.token
    assert "User.Read.All" in (parse_token_roles(first.token) or ())
    assert [seen.service for seen in sandbox.requests].count("msi") == 1


async def test_a_secret_will_do_for_development() -> None:
    async with Sandbox(build_scene()) as sandbox:
        cloud = resolve_cloud("global", login=sandbox.authority)
        tenant = sandbox.tenant.tenant_id
        options: dict[str, Any] = {"ca_path": sandbox.ca_path}
        async with build_credential(
            tenant, CLIENT_ID, cloud, secret=sandbox.entra.secret, **options
        ) as right:
            assert parse_token_roles((await right.get_token(GRAPH)).token)
        async with build_credential(tenant, CLIENT_ID, cloud, secret="wrong", **options) as wrong:
            with pytest.raises(Forbidden, match=r"CLIENT_SECRET is wrong .*AADSTS7000215"):
                await wrong.get_token(GRAPH)
        async with build_credential("elsewhere", CLIENT_ID, cloud, secret="x", **options) as lost:
            with pytest.raises(Forbidden, match="TENANT_ID names a tenant"):
                await lost.get_token(GRAPH)


async def test_the_authorities_that_are_trusted_are_read_once(tmp_path: Path) -> None:
    authorities = tmp_path / "authorities.pem"
    async with Sandbox(build_scene()) as sandbox:
        authorities.write_bytes(Path(sandbox.ca_path).read_bytes())
        async with build_credential(
            sandbox.tenant.tenant_id,
            CLIENT_ID,
            resolve_cloud("global", login=sandbox.authority),
            secret=sandbox.client_secret,
            ca_path=str(authorities),
        ) as credential:
            await credential.get_token(GRAPH)
            authorities.unlink()
            assert (await credential.get_token("https://outlook.office365.com/.default")).token


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "wrongBody", "body": {"access_token": "x", "expires_in": None}},
        {"kind": "wrongBody", "body": {"access_token": "x", "expires_in": "soon"}},
        {"kind": "wrongBody", "body": {"expires_in": 3600}},
        {"kind": "wrongBody", "body": {"access_token": {}, "expires_in": 3600, "refresh_in": []}},
        {"kind": "wrongBody", "body": ["x"]},
        {"kind": "wrongBody", "body": None},
        {"kind": "numbers"},
        {"kind": "numbers", "number": "1e999"},
        {"kind": "deep", "depth": 200_000},
        {"kind": "empty"},
        {"kind": "html", "status": 200},
    ],
    ids=lambda fault: json.dumps(fault)[9:60],
)
async def test_an_answer_that_is_no_token_is_passing_trouble(fault: dict[str, Any]) -> None:
    async with Sandbox(build_scene()) as box:
        cloud = resolve_cloud("global", login=box.authority)
        options: dict[str, Any] = {"secret": box.client_secret, "ca_path": box.ca_path}
        async with build_credential(
            box.tenant.tenant_id, CLIENT_ID, cloud, **options
        ) as credential:
            box.tenant.set_faults([{"service": "entra", "match": "token", **fault}])
            with pytest.raises(Unavailable, match="no token"):
                await credential.get_token(cloud.graph_scope)
            box.tenant.set_faults([])
            assert (await credential.get_token(cloud.graph_scope)).token


def test_an_app_without_any_credential_is_a_setting_that_is_missing() -> None:
    with pytest.raises(SettingsError, match="MANAGED_IDENTITY_CLIENT_ID"):
        build_credential("tenant", "client", CLOUDS["global"])
    with pytest.raises(SettingsError, match="CLIENT_CERTIFICATE_PATH"):
        build_credential("tenant", "client", CLOUDS["global"], certificate="/nowhere.pem")


async def test_callers_at_the_same_time_cause_one_request() -> None:
    made: list[Source] = []
    credential = Credential(lambda: Source(made))
    await asyncio.gather(*(credential.get_token(GRAPH) for _ in range(20)))
    assert made[0].requests == 1


class ShortLived(Source):
    """A source whose tokens are good for so many seconds, and each another one."""

    def __init__(self, made: list[Source], seconds: float) -> None:
        super().__init__(made)
        self.seconds = seconds

    async def get_token(self, *scopes: str, claims: str | None = None) -> AccessToken:
        self.requests += 1
        name = f"{scopes[0]} {claims or ''} {self.requests}"
        return AccessToken(name, int(time.time() + self.seconds))


async def test_a_token_is_kept_until_shortly_before_it_ends() -> None:
    made: list[Source] = []
    credential = Credential(lambda: ShortLived(made, 3_600))
    first = await credential.get_token(GRAPH)
    assert await credential.get_token(GRAPH) == first
    assert (await credential.get_token("other")).token != first.token
    assert made[0].requests == 2
    challenged = await credential.get_token(GRAPH, claims="news")
    assert challenged.token != first.token
    assert await credential.get_token(GRAPH) == challenged
    await credential.renew()
    await credential.get_token(GRAPH)
    assert [source.requests for source in made] == [3, 1]
    brief: list[Source] = []
    credential = Credential(lambda: ShortLived(brief, 290))
    await credential.get_token(GRAPH)
    await credential.get_token(GRAPH)
    assert brief[0].requests == 2


async def test_tokens_are_forgotten_at_most_once_a_minute() -> None:
    made: list[Source] = []
    now = 0.0
    credential = Credential(lambda: Source(made), clock=lambda: now)
    await credential.renew()
    await credential.renew()
    assert len(made) == 2
    assert made[0].closed
    now = 61.0
    await credential.renew()
    assert len(made) == 3


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (ClientAuthenticationError("AADSTS700213: no match"), Forbidden, "subject"),
        (ClientAuthenticationError("AADSTS7000222: keys are expired"), Forbidden, "expired"),
        (ClientAuthenticationError("AADSTS70021: none"), Forbidden, "no federated credential"),
        (ClientAuthenticationError("AADSTS99999: news"), Forbidden, "AADSTS99999"),
        (CredentialUnavailableError("no endpoint"), Unavailable, "managed identity"),
        (ServiceRequestError("https://secret.example?sig=1"), Unavailable, "ServiceRequestError"),
    ],
)
def test_errors_name_the_remedy_and_never_the_response(
    error: Any, kind: type[TenantError], said: str
) -> None:
    mapped = map_credential_error(error)
    assert isinstance(mapped, kind)
    assert said in str(mapped)
    assert "sig=" not in str(mapped)


def test_roles_are_read_from_a_token() -> None:
    assert parse_token_roles(jwt({"roles": ["User.Read.All"]})) == frozenset({"User.Read.All"})
    assert parse_token_roles(jwt({"aud": "graph"})) == frozenset()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b",
        "a.%%%.c",
        jwt([]),
        jwt({"roles": "User.Read.All"}),
        "é.é.é",
        f"e30.{'A' * 70_000}.x",
    ],
)
def test_a_token_that_cannot_be_read_tells_nothing(token: str) -> None:
    assert parse_token_roles(token) is None


@given(st.text(max_size=200))
def test_no_token_breaks_the_reading_of_roles(token: str) -> None:
    parse_token_roles(f"a.{token}.c")


def test_every_cloud_asks_for_tokens_of_its_own_hosts() -> None:
    for cloud in CLOUDS.values():
        assert cloud.graph_scope == f"{cloud.graph}/.default"
        assert cloud.exchange_scope == f"{cloud.exchange}/.default"
        assert cloud.assertion_scope.startswith("api://AzureADTokenExchange")
    assert CLOUDS["gcc-high"].assertion_scope == "api://AzureADTokenExchangeUSGov/.default"
    assert CLOUDS["china"].assertion_scope == "api://AzureADTokenExchangeChina/.default"


def test_an_overridden_address_keeps_the_scope() -> None:
    cloud = resolve_cloud("dod", graph="http://127.0.0.1:7000/")
    assert cloud.graph == "http://127.0.0.1:7000"
    assert cloud.graph_scope == "https://dod-graph.microsoft.us/.default"


@pytest.mark.parametrize(
    "address",
    [
        "http://graph.example",
        "ftp://graph.example",
        "https://",
        "https://u:p@graph.example",
        "https://graph.example?x=1",
    ],
)
def test_tokens_go_nowhere_but_to_https_or_this_machine(address: str) -> None:
    with pytest.raises(SettingsError, match="GRAPH_ENDPOINT"):
        resolve_cloud("global", graph=address)


def test_an_unknown_cloud_is_named_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="global, gcc-high, dod, china"):
        resolve_cloud("moon")


@pytest.mark.parametrize(
    ("claims", "ids"),
    [
        ({"oid": "A-1", "sub": "a-1", "appid": "B-2"}, {"a-1", "b-2"}),
        ({"appid": "b-2", "oid": 7, "sub": ""}, {"b-2"}),
        ({}, set[str]()),
        (["oid"], set[str]()),
    ],
)
def test_the_ids_of_a_token_are_those_the_audit_log_knows_the_app_by(
    claims: object, ids: set[str]
) -> None:
    assert parse_token_ids(jwt(claims)) == ids
    assert parse_token_ids("no token") == frozenset()
