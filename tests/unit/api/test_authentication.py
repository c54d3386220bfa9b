"""Authentication of callers: by the key the host has verified, or by the platform's sign-in."""

import base64
import json
from typing import Any

import pytest

from core.api.authentication import (
    KEY_HOLDER,
    MAX_PRINCIPAL_LENGTH,
    OPERATOR_ROLE,
    PRINCIPAL_HEADER,
    READER_ROLE,
    AccessDenied,
    authenticate_caller,
)

OID = "00000000-0000-4000-8000-0000000000aa"


def signed(*claims: tuple[str, Any]) -> dict[str, str]:
    """The header that the platform sets for an account with these claims."""
    document = {"auth_typ": "aad", "claims": [{"typ": typ, "val": val} for typ, val in claims]}
    return {PRINCIPAL_HEADER: base64.b64encode(json.dumps(document).encode()).decode()}


DANA = (("oid", OID), ("preferred_username", "dana@contoso.com"), ("roles", OPERATOR_ROLE))


def test_a_key_holder_may_read_and_write() -> None:
    found = authenticate_caller("key", False, {}, {})
    assert (found.authenticated_as, found.name, found.is_operator) == (KEY_HOLDER, "", True)


def test_with_keys_a_client_principal_header_is_ignored() -> None:
    assert authenticate_caller("key", True, signed(*DANA), {}).authenticated_as == KEY_HOLDER


@pytest.mark.parametrize("way", ["key", "entra"])
def test_a_key_in_the_address_is_refused(way: str) -> None:
    with pytest.raises(AccessDenied, match="x-functions-key") as refusal:
        authenticate_caller(way, True, signed(*DANA), {"code": "the-key"})
    assert refusal.value.status == 400
    assert "the-key" not in str(refusal.value)


def test_an_operator_may_write() -> None:
    found = authenticate_caller("entra", True, signed(*DANA), {})
    assert (found.name, found.is_operator) == ("dana@contoso.com", True)
    assert found.authenticated_as == f"dana@contoso.com ({OID})"


def test_a_reader_may_only_read() -> None:
    claims = [claim for claim in DANA if claim[0] != "roles"]
    assert not authenticate_caller(
        "entra", True, signed(*claims, ("roles", READER_ROLE)), {}
    ).is_operator


def test_the_long_names_of_claims_are_accepted() -> None:
    base = "http://schemas.microsoft.com"
    headers = signed(
        (f"{base}/identity/claims/objectidentifier", OID),
        (f"{base}/ws/2008/06/identity/claims/role", READER_ROLE),
    )
    assert authenticate_caller("entra", True, headers, {}).name == OID


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({PRINCIPAL_HEADER: "not base64!"}, 401),
        ({PRINCIPAL_HEADER: base64.b64encode(b"[]").decode()}, 401),
        ({PRINCIPAL_HEADER: base64.b64encode(b'{"claims": [{"typ": "oid"}]}').decode()}, 401),
        ({PRINCIPAL_HEADER: base64.b64encode(b"[" * 9000).decode()}, 401),
        ({PRINCIPAL_HEADER: "A" * (MAX_PRINCIPAL_LENGTH + 4)}, 401),
        (signed(("roles", OPERATOR_ROLE)), 401),
        (signed(("oid", OID)), 403),
        (signed(("oid", OID), ("roles", "Somebody.Else")), 403),
    ],
)
def test_other_callers_are_denied(headers: dict[str, str], status: int) -> None:
    with pytest.raises(AccessDenied) as refusal:
        authenticate_caller("entra", True, headers, {})
    assert refusal.value.status == status


def test_a_principal_header_is_ignored_without_platform_sign_in() -> None:
    with pytest.raises(AccessDenied, match="is off for this app") as refusal:
        authenticate_caller("entra", False, signed(*DANA), {})
    assert refusal.value.status == 503


def test_a_deceptive_name_is_sanitized() -> None:
    claims = (
        ("oid", OID),
        ("preferred_username", "\u202eanad@contoso.com"),
        ("roles", READER_ROLE),
    )
    assert "\u202e" not in authenticate_caller("entra", True, signed(*claims), {}).authenticated_as
