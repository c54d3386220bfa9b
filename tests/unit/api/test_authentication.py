"""Who is let in: by the key the host has compared, or by the platform's sign-in."""

import base64
import json
from typing import Any

import pytest

from core.api.authentication import KEY_HOLDER, LONGEST, OPERATOR, PRINCIPAL, READER, Denied, caller

OID = "00000000-0000-4000-8000-0000000000aa"


def signed(*claims: tuple[str, Any]) -> dict[str, str]:
    """The header the platform sets for somebody with these claims."""
    document = {"auth_typ": "aad", "claims": [{"typ": typ, "val": val} for typ, val in claims]}
    return {PRINCIPAL: base64.b64encode(json.dumps(document).encode()).decode()}


DANA = (("oid", OID), ("preferred_username", "dana@contoso.com"), ("roles", OPERATOR))


def test_who_comes_with_the_key_may_look_and_act() -> None:
    found = caller("key", False, {}, {})
    assert (found.signed_in, found.name, found.operator) == (KEY_HOLDER, "", True)


def test_with_keys_nobody_is_believed_who_claims_to_have_signed_in() -> None:
    assert caller("key", True, signed(*DANA), {}).signed_in == KEY_HOLDER


@pytest.mark.parametrize("way", ["key", "entra"])
def test_a_key_in_the_address_is_refused(way: str) -> None:
    with pytest.raises(Denied, match="x-functions-key") as refusal:
        caller(way, True, signed(*DANA), {"code": "the-key"})
    assert refusal.value.status == 400
    assert "the-key" not in str(refusal.value)


def test_an_account_with_the_role_of_an_operator_may_act() -> None:
    found = caller("entra", True, signed(*DANA), {})
    assert (found.name, found.operator) == ("dana@contoso.com", True)
    assert found.signed_in == f"dana@contoso.com ({OID})"


def test_a_reader_may_only_look() -> None:
    claims = [claim for claim in DANA if claim[0] != "roles"]
    assert not caller("entra", True, signed(*claims, ("roles", READER)), {}).operator


def test_the_long_names_of_claims_are_known_as_well() -> None:
    base = "http://schemas.microsoft.com"
    headers = signed(
        (f"{base}/identity/claims/objectidentifier", OID),
        (f"{base}/ws/2008/06/identity/claims/role", READER),
    )
    assert caller("entra", True, headers, {}).name == OID


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({PRINCIPAL: "not base64!"}, 401),
        ({PRINCIPAL: base64.b64encode(b"[]").decode()}, 401),
        ({PRINCIPAL: base64.b64encode(b'{"claims": [{"typ": "oid"}]}').decode()}, 401),
        ({PRINCIPAL: base64.b64encode(b"[" * 9000).decode()}, 401),
        ({PRINCIPAL: "A" * (LONGEST + 4)}, 401),
        (signed(("roles", OPERATOR)), 401),
        (signed(("oid", OID)), 403),
        (signed(("oid", OID), ("roles", "Somebody.Else")), 403),
    ],
)
def test_nobody_else_is_let_in(headers: dict[str, str], status: int) -> None:
    with pytest.raises(Denied) as refusal:
        caller("entra", True, headers, {})
    assert refusal.value.status == status


def test_a_header_is_not_believed_where_the_platform_signs_nobody_in() -> None:
    with pytest.raises(Denied, match="not switched on") as refusal:
        caller("entra", False, signed(*DANA), {})
    assert refusal.value.status == 503


def test_a_deceiving_name_is_shown_as_what_it_is() -> None:
    claims = (("oid", OID), ("preferred_username", "\u202eanad@contoso.com"), ("roles", READER))
    assert "\u202e" not in caller("entra", True, signed(*claims), {}).signed_in
