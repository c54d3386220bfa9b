"""The token endpoint and the managed identity, asked as the real libraries ask them."""

import asyncio
import base64
import json
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential
from azure.identity.aio import ClientAssertionCredential

from tests.sandbox.conftest import StartTenant
from tests.sandbox.tenant_client import MIA, TENANT, TenantClient

GRAPH = "https://graph.microsoft.com/.default"
EXCHANGE = "https://outlook.office365.com/.default"


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    result: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return result


async def test_the_chain_of_production_ends_in_a_token_graph_takes(
    client: TenantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = client.sandbox.build_settings()
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.setenv(name, settings[name])

    def assertion() -> str:
        with ManagedIdentityCredential(
            client_id=settings["MANAGED_IDENTITY_CLIENT_ID"]
        ) as identity:
            return str(identity.get_token("api://AzureADTokenExchange/.default").token)

    ready = await asyncio.to_thread(assertion)
    async with ClientAssertionCredential(
        settings["TENANT_ID"],
        settings["CLIENT_ID"],
        func=lambda: ready,
        authority=settings["LOGIN_ENDPOINT"],
        disable_instance_discovery=True,
        connection_verify=settings["CA_BUNDLE"],
    ) as credential:
        client.token = (await credential.get_token(GRAPH)).token
    assert (await client.get(f"/users/{MIA}")).status == 200


async def test_a_token_says_whom_it_is_for_and_what_was_granted(start: StartTenant) -> None:
    async with start(grants={"graph": ["User.Read.All"], "exchange": ["Get-Mailbox"]}) as client:
        await client.sign_in(GRAPH)
        graph = claims(client.token)
        await client.sign_in(EXCHANGE)
        exchange = claims(client.token)
    assert (graph["aud"], graph["roles"]) == ("https://graph.microsoft.com", ["User.Read.All"])
    assert (exchange["aud"], exchange["roles"]) == (
        "https://outlook.office365.com",
        ["Exchange.ManageAsApp"],
    )
    assert graph["tid"] == TENANT
    assert graph["exp"] > graph["iat"]
    assert graph["appid"] == client.sandbox.build_settings()["CLIENT_ID"]


async def test_an_empty_exchange_grant_leaves_the_token_without_its_role(
    start: StartTenant,
) -> None:
    async with start(grants={"exchange": []}) as client:
        await client.sign_in(EXCHANGE)
        assert claims(client.token)["roles"] == []


async def test_a_token_for_one_service_is_refused_by_the_other(client: TenantClient) -> None:
    await client.sign_in(EXCHANGE)
    graph = await client.get("/users")
    await client.sign_in(GRAPH)
    exchange = await client.run_cmdlet("Get-OrganizationConfig")
    assert [graph.status, exchange.status] == [401, 401]
    assert [graph.code, exchange.code] == ["InvalidAuthenticationToken"] * 2


async def test_expired_forged_and_missing_tokens_are_refused(client: TenantClient) -> None:
    good = client.token
    body, _, signature = good.rpartition(".")
    entra = client.sandbox.entra
    for bad in (
        "",
        "nonsense",
        f"{body}.{signature[::-1]}",
        entra.issue_token(entra.base, -10, roles=[]),
    ):
        client.token = bad
        assert (await client.get("/users")).status == 401, bad
    client.token = good
    assert (await client.get("/users")).status == 200


@pytest.mark.parametrize(
    ("form", "status", "error", "code"),
    [
        ({"tenant": MIA}, 400, "invalid_request", 90002),
        ({"client_id": MIA}, 400, "unauthorized_client", 700016),
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": ""}, 401, "invalid_client", 7000216),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": "https://graph.microsoft.com/User.Read"}, 400, "invalid_scope", 1002012),
        ({"scope": "https://evil.example/.default"}, 400, "invalid_resource", 500011),
    ],
)
async def test_a_wrong_request_is_told_apart_by_its_code(
    client: TenantClient, form: dict[str, str], status: int, error: str, code: int
) -> None:
    reply = await client.request_token(**form)
    assert (reply.status, reply.body["error"], reply.body["error_codes"]) == (status, error, [code])
    assert reply.body["error_description"].startswith(f"AADSTS{code}:")


async def test_a_domain_names_the_tenant_as_well_as_its_id(client: TenantClient) -> None:
    assert (await client.request_token("contoso.example")).status == 200


async def identity_token(client: TenantClient, resource: str, **changes: str) -> tuple[int, Any]:
    settings = client.sandbox.build_settings() | changes
    query = {
        "api-version": "2019-08-01",
        "resource": resource,
        "client_id": settings["MANAGED_IDENTITY_CLIENT_ID"],
    }
    header = {"X-IDENTITY-HEADER": settings["IDENTITY_HEADER"]}
    async with (
        aiohttp.ClientSession() as session,
        session.get(settings["IDENTITY_ENDPOINT"], params=query, headers=header) as answer,
    ):
        return answer.status, await answer.json()


async def test_only_an_assertion_for_the_exchange_of_tokens_is_taken(client: TenantClient) -> None:
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    _, other = await identity_token(client, "https://storage.azure.com")
    wrong = await client.request_token(
        client_secret="", client_assertion=other["access_token"], client_assertion_type=kind
    )
    own = await client.request_token(
        client_secret="", client_assertion=client.token, client_assertion_type=kind
    )
    forged = await client.request_token(
        client_secret="", client_assertion="a.b.c", client_assertion_type=kind
    )
    _, right = await identity_token(client, "api://AzureADTokenExchange")
    good = await client.request_token(
        client_secret="", client_assertion=right["access_token"], client_assertion_type=kind
    )
    codes = [reply.body["error_codes"] for reply in (wrong, own, forged)]
    assert codes == [[70021], [70021], [700024]]
    assert good.status == 200


async def test_the_managed_identity_endpoint_knows_its_header_and_its_client(
    client: TenantClient,
) -> None:
    resource = "api://AzureADTokenExchange"
    assert (await identity_token(client, resource))[0] == 200
    assert (await identity_token(client, resource, IDENTITY_HEADER="guess"))[0] == 403
    assert (await identity_token(client, resource, MANAGED_IDENTITY_CLIENT_ID=MIA))[0] == 400
    assert (await identity_token(client, ""))[0] == 400


async def test_the_real_library_reports_a_wrong_secret_as_its_own_error(
    client: TenantClient,
) -> None:
    settings = client.sandbox.build_settings()
    async with ClientAssertionCredential(
        settings["TENANT_ID"],
        settings["CLIENT_ID"],
        func=lambda: "not.a.token",
        authority=settings["LOGIN_ENDPOINT"],
        disable_instance_discovery=True,
        connection_verify=settings["CA_BUNDLE"],
    ) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS700024"):
            await credential.get_token(GRAPH)


async def test_a_new_grant_shows_in_the_next_token_only(client: TenantClient) -> None:
    patch = {"grants": {"graph": ["Domain.Read.All"]}}
    assert (await client.request("POST", "/sandbox/scene", patch)).status == 200
    assert (await client.get("/users")).status == 200
    await client.sign_in()
    assert (await client.get("/users")).status == 403
    assert (await client.get("/domains")).status == 200
