"""Identifies the caller of a request and its permissions. Pure.

The setting SIGN_IN selects one of two methods:

    key      the host verifies the function key before this app sees the request
    entra    App Service Authentication, in front of the app, signs callers in and passes their
             identity in a header that it strips from all other requests; app roles grant access

Source: Microsoft Learn, "Work with user identities in Azure App Service authentication", and
"Work with access keys in Azure Functions".
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.strict_json import parse_strict_json
from core.tenant.quoting import quote_text

RELIES_ON = ("azure-sign-in-headers",)

PRINCIPAL_HEADER = "x-ms-client-principal"
READER_ROLE = "Exoguard.Reader"
OPERATOR_ROLE = "Exoguard.Operator"
KEY_HOLDER = "function key"
# A principal with very many groups takes a few KiB; anything longer is rejected.
MAX_PRINCIPAL_LENGTH = 64_000
NAME_CLAIMS = ("preferred_username", "upn", "name", "appid", "azp")
ROLE_CLAIMS = ("roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")
OBJECT_ID_CLAIMS = ("oid", "http://schemas.microsoft.com/identity/claims/objectidentifier")


class AccessDenied(Exception):
    """The caller may not do this. `status` is the HTTP status; the message says what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller."""

    authenticated_as: str
    """How the caller was identified: the function key, or a name and an object id."""
    name: str = ""
    """The caller's display name; empty if unknown."""
    is_operator: bool = True
    """True when the caller may write, not only read."""


def authenticate_caller(
    sign_in_mode: str, platform_signs_in: bool, headers: Mapping[str, str], query: Mapping[str, str]
) -> Caller:
    """The caller of a request, whose header names are in lower case. Raises AccessDenied.

    `platform_signs_in`: App Service Authentication is on for this app.
    """
    # The host reads names in a query regardless of case.
    if any(name.lower() == "code" for name in query):
        raise AccessDenied(
            400,
            "a key in an address ends up in logs and browser histories: send it in the header "
            "x-functions-key, and replace this key with a new one",
        )
    if sign_in_mode == "key":
        # The host has already verified the key. Identity headers are ignored: callers can set them.
        return Caller(KEY_HOLDER)
    if not platform_signs_in:
        raise AccessDenied(
            503, "SIGN_IN is entra, but App Service Authentication is off for this app"
        )
    return parse_client_principal(headers.get(PRINCIPAL_HEADER, ""))


def parse_client_principal(text: str) -> Caller:
    """The caller in the header of App Service Authentication. Raises AccessDenied."""
    claims = parse_principal_claims(text)
    roles = {value for claim_type, value in claims if claim_type in ROLE_CLAIMS}
    if roles.isdisjoint({READER_ROLE, OPERATOR_ROLE}):
        raise AccessDenied(
            403, f"this account has neither of the app roles {READER_ROLE} and {OPERATOR_ROLE}"
        )
    first_values = dict(reversed(claims))
    object_id = next(
        (first_values[claim] for claim in OBJECT_ID_CLAIMS if claim in first_values), ""
    )
    if not object_id:
        raise AccessDenied(401, "the sign-in has no object id, so the account is unknown")
    name = next(
        (first_values[claim] for claim in NAME_CLAIMS if first_values.get(claim)), object_id
    )
    name = quote_text(name, 120)
    return Caller(f"{name} ({quote_text(object_id, 40)})", name, OPERATOR_ROLE in roles)


def parse_principal_claims(text: str) -> list[tuple[str, str]]:
    """The claims of a principal as (type, value) pairs. Raises AccessDenied if it is malformed."""
    if not text:
        raise AccessDenied(401, "sign in first")
    try:
        if len(text) > MAX_PRINCIPAL_LENGTH:
            raise ValueError("too long")
        document: Any = parse_strict_json(base64.b64decode(text, validate=True))
        return [(str(claim["typ"]), str(claim["val"])) for claim in document["claims"]]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise AccessDenied(401, "the sign-in header is malformed") from None
