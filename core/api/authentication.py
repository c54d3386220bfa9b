"""Who a request comes from, and what they may do: pure.

Two ways in, by the setting SIGN_IN:

    key      the host asks for the function key before this app sees the request
    entra    App Service Authentication in front signs people in and says who they are, in a header
             it takes away from everybody else's requests; app roles say what they may do

Source: Microsoft Learn, "Work with user identities in Azure App Service authentication", and
"Work with access keys in Azure Functions".
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.sanitize import sanitize_text
from core.strict_json import parse_strict_json

PRINCIPAL_HEADER = "x-ms-client-principal"
READER_ROLE = "Exoguard.Reader"
OPERATOR_ROLE = "Exoguard.Operator"
KEY_HOLDER = "function key"
# A principal with very many groups is a few KiB; more is nobody's.
MAX_PRINCIPAL_LENGTH = 64_000
NAME_CLAIMS = ("preferred_username", "upn", "name", "appid", "azp")
ROLE_CLAIMS = ("roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")
OBJECT_ID_CLAIMS = ("oid", "http://schemas.microsoft.com/identity/claims/objectidentifier")


class AccessDenied(Exception):
    """The request is not let in. `status` is the HTTP status, the message says what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was let in. `signed_in` is what is known of them, `name` what people call them, if it is
    known; `operator`: they may act, not only look.
    """

    authenticated_as: str
    name: str = ""
    is_operator: bool = True


def authenticate_caller(
    sign_in_mode: str, platform_signs_in: bool, headers: Mapping[str, str], query: Mapping[str, str]
) -> Caller:
    """Who this is. `headers` have lower-case names.

    `enabled`: the platform says that it signs people in. Raises Denied.
    """
    # The host knows names in a query whatever their case.
    if any(name.lower() == "code" for name in query):
        raise AccessDenied(
            400,
            "a key in an address ends up in logs and histories: send it in the header "
            "x-functions-key, and make a new one in place of this",
        )
    if sign_in_mode == "key":
        # The host has compared the key already; who else claims to be somebody is not believed.
        return Caller(KEY_HOLDER)
    if not platform_signs_in:
        raise AccessDenied(
            503, "SIGN_IN is entra, but App Service Authentication is not switched on for this app"
        )
    return parse_client_principal(headers.get(PRINCIPAL_HEADER, ""))


def parse_client_principal(text: str) -> Caller:
    """Who the platform's sign-in says this is. Raises Denied."""
    claims = parse_principal_claims(text)
    roles = {value for kind, value in claims if kind in ROLE_CLAIMS}
    if roles.isdisjoint({READER_ROLE, OPERATOR_ROLE}):
        raise AccessDenied(
            403, f"this account has neither of the app roles {READER_ROLE} and {OPERATOR_ROLE}"
        )
    known = dict(reversed(claims))
    oid = next((known[kind] for kind in OBJECT_ID_CLAIMS if kind in known), "")
    if not oid:
        raise AccessDenied(401, "the sign-in does not say which account this is")
    name = next((known[kind] for kind in NAME_CLAIMS if known.get(kind)), oid)
    shown = sanitize_text(name, 120)
    return Caller(f"{shown} ({sanitize_text(oid, 40)})", shown, OPERATOR_ROLE in roles)


def parse_principal_claims(text: str) -> list[tuple[str, str]]:
    """The claims of a principal as pairs. Raises Denied for anything that is none."""
    if not text:
        raise AccessDenied(401, "sign in first")
    try:
        if len(text) > MAX_PRINCIPAL_LENGTH:
            raise ValueError("too long")
        document: Any = parse_strict_json(base64.b64decode(text, validate=True))
        return [(str(claim["typ"]), str(claim["val"])) for claim in document["claims"]]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise AccessDenied(401, "the sign-in is not understood") from None
