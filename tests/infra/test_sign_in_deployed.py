"""Signing in with Entra is deployed as core.api.authentication expects it, and keeps no secret."""

import pytest

from core.api.authentication import OPERATOR_ROLE, READER_ROLE
from core.config.settings import SETTINGS, SIGN_IN_BY_KEY
from tests.infra.bicep_values import read_bicep, read_literal
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


@pytest.mark.parametrize("name", ["app", "auth", "main", "signin"])
def test_no_secret_is_made_for_the_sign_in(name: str) -> None:
    texts = [
        node.plain or ""
        for entry in read_bicep(name).declarations
        for node in walk_nodes(entry)
        if isinstance(node, Text)
    ]
    assert not any("PROVIDER_AUTHENTICATION_SECRET" in text for text in texts)
