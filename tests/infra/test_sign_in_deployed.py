"""Signing in with Entra is deployed as core.api.authentication expects it, and keeps no secret."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

from core.api.authentication import OPERATOR_ROLE, READER_ROLE
from core.config.app_settings import SIGN_IN_BY_KEY
from core.config.settings import SETTINGS
from sandbox.functions_host.easy_auth import EasyAuthProxy, EasyAuthUser
from sandbox.functions_host.token_issuer import SignInRegistration, TokenIssuer, TokenRefused
from tests.infra.bicep_values import INFRA, evaluate, read_bicep, read_literal
from tools.bicep_lint.tree import Declaration, Name, Node, Object, Operation, Text, walk_nodes

APP, AUTH, MAIN, REGISTRATION = (
    read_bicep("app"),
    read_bicep("auth"),
    read_bicep("main"),
    read_bicep("signin"),
)


def body(entry: Declaration) -> Object:
    """What is declared."""
    assert entry.body
    return entry.body


def at(node: Node, path: str) -> Node:
    """What stands at a path."""
    for key in path.split("."):
        assert isinstance(node, Object)
        node = node[key]
    return node


AUTHENTICATION = at(body(AUTH.get_declarations("resource")["authentication"]), "properties")
APPLICATION = body(REGISTRATION.get_declarations("resource")["application"])


def test_the_roles_are_those_the_app_knows() -> None:
    value = REGISTRATION.get_declarations("var")["roles"].value
    assert value
    roles = read_literal(value)
    assert isinstance(roles, list)
    assert [role["value"] for role in roles if isinstance(role, dict)] == [
        READER_ROLE,
        OPERATOR_ROLE,
    ]


def test_the_registration_may_do_nothing_and_only_who_has_a_role_signs_in() -> None:
    assert "requiredResourceAccess" not in APPLICATION.values
    assert "passwordCredentials" not in APPLICATION.values
    principal = body(REGISTRATION.get_declarations("resource")["principal"])
    assert read_literal(principal["appRoleAssignmentRequired"]) is True
    # Microsoft Learn: App Service completes the sign-in at this path.
    [uri] = [
        node for node in walk_nodes(at(APPLICATION, "web.redirectUris")) if isinstance(node, Text)
    ]
    assert uri.parts[0] == "https://"
    assert uri.parts[-1] == "/.auth/login/aad/callback"


def test_every_path_is_behind_the_sign_in_where_it_is_switched_on() -> None:
    validation = at(AUTHENTICATION, "globalValidation")
    assert isinstance(validation, Object)
    assert "excludedPaths" not in validation.values
    for path in ("platform.enabled", "globalValidation.requireAuthentication"):
        assert spelled(at(AUTHENTICATION, path)) == "enabled"
    action = at(validation, "unauthenticatedClientAction")
    assert isinstance(action, Operation)
    assert [spelled(part) for part in action.operands] == [
        "enabled", "RedirectToLoginPage", "AllowAnonymous"
    ]  # fmt: skip
    assert read_literal(at(AUTHENTICATION, "login.tokenStore.enabled")) is False


def spelled(node: Node) -> str | None:
    """A name or a plain text."""
    return node.name if isinstance(node, Name) else node.plain if isinstance(node, Text) else None


def test_the_ways_in_are_those_of_the_setting() -> None:
    parameter = MAIN.get_declarations("param")["signIn"]
    [allowed] = [mark for mark in parameter.decorators if mark.name == "allowed"]
    ways = read_literal(allowed.arguments[0])
    assert ways == [SIGN_IN_BY_KEY, "entra"]
    assert parameter.value
    assert read_literal(parameter.value) == SIGN_IN_BY_KEY
    help_text = next(entry.help for entry in SETTINGS if entry.name == "SIGN_IN")
    assert isinstance(ways, list)
    assert all(str(way) in help_text for way in ways)


@pytest.mark.parametrize(
    ("way", "given", "address"),
    [
        ("entra", {}, "https://app.azurewebsites.net"),
        ("entra", {"PUBLIC_ADDRESS": ""}, "https://app.azurewebsites.net"),
        ("entra", {"PUBLIC_ADDRESS": "https://proxy.example"}, "https://proxy.example"),
        ("key", {}, ""),
        ("key", {"PUBLIC_ADDRESS": "https://proxy.example"}, "https://proxy.example"),
    ],
)
def test_cards_link_to_the_app_where_people_sign_in(
    way: str, given: dict[str, str], address: str
) -> None:
    app = APP
    host = {"properties": {"defaultHostName": "app.azurewebsites.net"}}
    names = {"signIn": way, "settings": given, "app": host}
    for name in ("ownAddress", "addressSettings"):
        value = app.get_declarations("var")[name].value
        assert value
        names[name] = evaluate(value, names)
    assert names["addressSettings"] == {"PUBLIC_ADDRESS": address}
    text = (INFRA / "app.bicep").read_text(encoding="utf-8")
    assert "properties: union(appSettings, signInSettings, addressSettings)" in text


@pytest.mark.parametrize("name", ["app", "auth", "main", "signin"])
def test_no_secret_is_made_for_the_sign_in(name: str) -> None:
    texts = [
        node.plain or ""
        for entry in read_bicep(name).declarations
        for node in walk_nodes(entry)
        if isinstance(node, Text)
    ]
    assert not any("PROVIDER_AUTHENTICATION_SECRET" in text for text in texts)


# The whole chain: the registration as it is deployed, a token as the Azure CLI asks for one, the
# front door of the app.
TENANT = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
CLIENT = "11112222-bbbb-3333-cccc-4444dddd5555"
# Microsoft Learn: "Verify first-party Microsoft applications in sign-in reports".
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
GIVEN = {"uniqueName": "exoguard-sign-in-x", "tenant()": TENANT}
OPERATOR = EasyAuthUser(
    "olive@contoso.example", "0e000000-0000-4000-8000-000000000002", (OPERATOR_ROLE,)
)
NOBODY = EasyAuthUser("gus@contoso.example", "0e000000-0000-4000-8000-000000000003")


def names() -> dict[str, Any]:
    """The names in signin.bicep that the registration is made of."""
    file = read_bicep("signin")
    wanted = ("identifierUri", "azureCli", "scopeId")
    found: dict[str, Any] = dict(GIVEN)
    for name in wanted:
        value = file.get_declarations("var")[name].value
        assert value
        found[name] = evaluate(value, found)
    return found


def deployed(**changes: Any) -> SignInRegistration:
    """The registration that signin.bicep makes, with changes."""
    known = names()
    application = {
        key: evaluate(APPLICATION[key], known) for key in ("identifierUris", "api")
    } | changes
    api: Mapping[str, Any] = application["api"]
    principal = body(REGISTRATION.get_declarations("resource")["principal"])
    return SignInRegistration(
        TENANT,
        CLIENT,
        tuple(application["identifierUris"]),
        {one["value"]: one["id"] for one in api.get("oauth2PermissionScopes", [])},
        {
            one["appId"]: tuple(one["delegatedPermissionIds"])
            for one in api.get("preAuthorizedApplications", [])
        },
        int(api.get("requestedAccessTokenVersion", 1)),
        bool(read_literal(principal["appRoleAssignmentRequired"])),
    )


def audiences() -> tuple[str, ...]:
    """The audiences auth.bicep lets through."""
    path = "identityProviders.azureActiveDirectory.validation.allowedAudiences"
    return tuple(evaluate(at(AUTHENTICATION, path), {"clientId": CLIENT}))


def scope() -> str:
    """What the deployment tells to ask a token for."""
    value = REGISTRATION.get_declarations("output")["scope"].value
    assert value
    return str(evaluate(value, names()))


def api_without(name: str) -> dict[str, Any]:
    """The registration's api without one of its parts."""
    api = dict(evaluate(APPLICATION["api"], names()))
    del api[name]
    return api


@pytest_asyncio.fixture
async def app() -> AsyncIterator[str]:
    """An app that says whose request it sees."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["X-MS-CLIENT-PRINCIPAL-NAME"])

    site = web.Application()
    site.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def ask(app: str, issuer: TokenIssuer, token: str) -> tuple[int, str]:
    """One request with a token, through the front door."""
    async with (
        EasyAuthProxy(app, read_token=issuer.read_token) as proxy,
        ClientSession() as session,
        session.get(
            f"{proxy.base}/api/status.json", headers={"Authorization": f"Bearer {token}"}
        ) as answer,
    ):
        return answer.status, await answer.text()


async def test_a_person_signs_in_with_the_azure_cli(app: str) -> None:
    issuer = TokenIssuer(deployed(), audiences())
    token = issuer.issue_token(OPERATOR, client_id=AZURE_CLI, scope=scope())
    assert await ask(app, issuer, token) == (200, OPERATOR.name)


@pytest.mark.parametrize(
    ("registration", "asked", "code"),
    [
        (deployed(identifierUris=[]), {}, "AADSTS500011"),
        (deployed(api=api_without("oauth2PermissionScopes")), {}, "AADSTS65001"),
        (deployed(api=api_without("preAuthorizedApplications")), {}, "AADSTS65001"),
        (deployed(), {"client_id": CLIENT}, "AADSTS65001"),
        (deployed(), {"scope": "api://another/.default"}, "AADSTS500011"),
        (deployed(), {"scope": f"api://{TENANT}/exoguard-sign-in-x/Mail.Read"}, "AADSTS650053"),
        (deployed(), {"tenant_id": "99990000-0000-4000-8000-000000000000"}, "AADSTS500011"),
        (deployed(), {"person": NOBODY}, "AADSTS50105"),
    ],
    ids=["no URI", "no scope", "no pre-authorisation", "another program", "another resource",
         "another scope", "another tenant", "no role"],
)  # fmt: skip
def test_entra_refuses_what_is_asked_in_another_way(
    registration: SignInRegistration, asked: dict[str, Any], code: str
) -> None:
    issuer = TokenIssuer(registration, audiences())
    given: dict[str, Any] = {"person": OPERATOR, "client_id": AZURE_CLI, "scope": scope()} | asked
    with pytest.raises(TokenRefused, match=code):
        issuer.issue_token(given.pop("person"), **given)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://management.azure.com"},
        {"aud": f"api://{TENANT}/exoguard-sign-in-x"},
        {"tid": "99990000-0000-4000-8000-000000000000"},
        {"iss": f"https://sts.windows.net/{TENANT}/"},
        {"exp": int(time.time()) - 1},
    ],
    ids=["another audience", "the URI as audience", "another tenant", "version 1", "old"],
)
async def test_the_front_door_lets_no_other_token_through(
    app: str, changes: dict[str, Any]
) -> None:
    issuer = TokenIssuer(deployed(), audiences())
    claims = {
        "aud": CLIENT,
        "iss": issuer.get_issuer(),
        "tid": TENANT,
        "oid": OPERATOR.object_id,
        "preferred_username": OPERATOR.name,
        "roles": [OPERATOR_ROLE],
        "exp": int(time.time()) + 60,
    }
    assert (await ask(app, issuer, issuer.sign_claims(claims)))[0] == 200
    assert (await ask(app, issuer, issuer.sign_claims(claims | changes)))[0] == 401
    forged = TokenIssuer(deployed(), audiences())
    assert (await ask(app, issuer, forged.sign_claims(claims)))[0] == 401


async def test_a_token_of_version_1_would_not_get_in(app: str) -> None:
    issuer = TokenIssuer(deployed(api=api_without("requestedAccessTokenVersion")), audiences())
    token = issuer.issue_token(OPERATOR, client_id=AZURE_CLI, scope=scope())
    assert (await ask(app, issuer, token))[0] == 401


def test_the_uri_is_one_that_entra_takes() -> None:
    """Microsoft Learn, identifierUris: with the tenant's id, the app's id or a verified domain."""
    assert deployed().identifier_uris == (f"api://{TENANT}/exoguard-sign-in-x",)
    assert scope() == f"api://{TENANT}/exoguard-sign-in-x/.default"
    output = MAIN.get_declarations("output")["EXOGUARD_SIGN_IN_SCOPE"].value
    assert output
