"""A stand-in for Entra's token endpoint, as far as a program signs in to the app with it.

    az account get-access-token ─► TokenIssuer ─► Authorization: Bearer ─► proxy ─► app

It issues a token for a person by the app registration of `infra/signin.bicep`, or refuses with the
code Entra refuses with; and it reads a token as App Service Authentication does: signature, issuer,
tenant, audience, age.

Sources: Microsoft Learn, "Microsoft Entra authentication and authorization error codes", "Access
token claims reference" and "Configure your App Service or Azure Functions app to use Microsoft
Entra sign-in" (what is validated).
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.functions_host.easy_auth import EasyAuthUser

LIFETIME_SECONDS = 3600
EVERY_SCOPE = ".default"


class TokenRefused(Exception):
    """Entra issues no token; the message begins with its code."""


@dataclass(frozen=True, slots=True)
class SignInRegistration:
    """The app registration people sign in with, as Entra keeps it."""

    tenant_id: str
    client_id: str
    identifier_uris: tuple[str, ...] = ()
    scopes: Mapping[str, str] = field(default_factory=dict)
    """The delegated permissions by value, with their ids."""
    preauthorized: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Programs that need no consent, by client id, with the ids of the permissions."""
    token_version: int = 1
    assignment_required: bool = False


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Entra for one registration; `key` signs. `audiences` are those the app's front door takes."""

    registration: SignInRegistration
    audiences: tuple[str, ...]
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def issue_token(
        self, person: EasyAuthUser, *, client_id: str, scope: str, tenant_id: str = ""
    ) -> str:
        """A token of a person for a scope, asked for by a program. Raises TokenRefused."""
        app = self.registration
        resource, _, name = scope.rpartition("/")
        known = (tenant_id or app.tenant_id) == app.tenant_id
        if not known or resource not in (*app.identifier_uris, app.client_id):
            raise TokenRefused(f"AADSTS500011: the resource principal {resource} was not found")
        wanted = tuple(app.scopes) if name == EVERY_SCOPE else (name,)
        if missing := [one for one in wanted if one not in app.scopes]:
            raise TokenRefused(f"AADSTS650053: the resource has no scope {missing[0]}")
        granted = app.preauthorized.get(client_id, ())
        if not wanted or any(app.scopes[one] not in granted for one in wanted):
            raise TokenRefused("AADSTS65001: nobody has consented to use the application")
        if app.assignment_required and not person.roles:
            raise TokenRefused("AADSTS50105: the account is not assigned to a role")
        return self.sign_claims(
            {
                "aud": app.client_id if app.token_version == 2 else resource,
                "iss": self.get_issuer(),
                "tid": app.tenant_id,
                "oid": person.object_id,
                "azp": client_id,
                "preferred_username": person.name,
                "roles": list(person.roles),
                "scp": " ".join(wanted),
                "exp": int(time.time()) + LIFETIME_SECONDS,
            }
        )

    def get_issuer(self) -> str:
        """Who a token says it is from."""
        if self.registration.token_version == 2:
            return f"https://login.microsoftonline.com/{self.registration.tenant_id}/v2.0"
        return f"https://sts.windows.net/{self.registration.tenant_id}/"

    def sign_claims(self, claims: Mapping[str, Any]) -> str:
        """Claims as a signed token (RFC 7519)."""
        parts = [encode_json({"alg": "HS256", "typ": "JWT"}), encode_json(claims)]
        return ".".join([*parts, encode_bytes(self.get_signature(".".join(parts)))])

    def get_signature(self, text: str) -> bytes:
        """The signature of a token's first two parts."""
        return hmac.digest(self.key, text.encode(), hashlib.sha256)

    def read_token(self, token: str) -> EasyAuthUser | None:
        """Whose token it is, for this app; None where the front door would not let it through."""
        text, _, signature = token.rpartition(".")
        expected = encode_bytes(self.get_signature(text))
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            return None
        claims = json.loads(decode_text(text.partition(".")[2]))
        issuer = f"https://login.microsoftonline.com/{self.registration.tenant_id}/v2.0"
        if (
            claims["iss"] != issuer
            or claims["tid"] != self.registration.tenant_id
            or claims["aud"] not in self.audiences
            or claims["exp"] <= time.time()
        ):
            return None
        return EasyAuthUser(claims["preferred_username"], claims["oid"], tuple(claims["roles"]))


def encode_bytes(content: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def encode_json(document: Mapping[str, Any]) -> str:
    """A part of a token."""
    return encode_bytes(json.dumps(document).encode())


def decode_text(text: str) -> bytes:
    """The content of a token's part."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
