"""Signing in with Entra is deployed as core.api.authentication expects it, and keeps no secret."""

import pytest

from core.api.authentication import OPERATOR, READER
from core.config.settings import BY_KEY, SETTINGS
from tests.infra.bicep_values import bicep, plain
from tools.bicep_lint.tree import Declaration, Name, Node, Object, Operation, Text, walk

APP, AUTH, MAIN, REGISTRATION = bicep("app"), bicep("auth"), bicep("main"), bicep("signin")


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


AUTHENTICATION = at(body(AUTH.of("resource")["authentication"]), "properties")
APPLICATION = body(REGISTRATION.of("resource")["application"])


def test_the_roles_are_those_the_app_knows() -> None:
    value = REGISTRATION.of("var")["roles"].value
    assert value
    roles = plain(value)
    assert isinstance(roles, list)
    assert [role["value"] for role in roles if isinstance(role, dict)] == [READER, OPERATOR]


def test_the_registration_may_do_nothing_and_only_who_has_a_role_signs_in() -> None:
    assert "requiredResourceAccess" not in APPLICATION.values
    assert "passwordCredentials" not in APPLICATION.values
    principal = body(REGISTRATION.of("resource")["principal"])
    assert plain(principal["appRoleAssignmentRequired"]) is True
    # Microsoft Learn: App Service completes the sign-in at this path.
    [uri] = [node for node in walk(at(APPLICATION, "web.redirectUris")) if isinstance(node, Text)]
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
    assert plain(at(AUTHENTICATION, "login.tokenStore.enabled")) is False


def spelled(node: Node) -> str | None:
    """A name or a plain text."""
    return node.name if isinstance(node, Name) else node.plain if isinstance(node, Text) else None


def test_the_ways_in_are_those_of_the_setting() -> None:
    parameter = MAIN.of("param")["signIn"]
    [allowed] = [mark for mark in parameter.decorators if mark.name == "allowed"]
    ways = plain(allowed.arguments[0])
    assert ways == [BY_KEY, "entra"]
    assert parameter.value
    assert plain(parameter.value) == BY_KEY
    help_text = next(entry.help for entry in SETTINGS if entry.name == "SIGN_IN")
    assert isinstance(ways, list)
    assert all(str(way) in help_text for way in ways)


@pytest.mark.parametrize("name", ["app", "auth", "main", "signin"])
def test_no_secret_is_made_for_the_sign_in(name: str) -> None:
    texts = [node.plain or "" for entry in bicep(name).declarations for node in walk(entry)
             if isinstance(node, Text)]  # fmt: skip
    assert not any("PROVIDER_AUTHENTICATION_SECRET" in text for text in texts)
