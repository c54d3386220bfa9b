"""Tokens of the app registration, for which a managed identity vouches, so no secret exists.

The managed identity's token is the assertion with which the app registration asks Entra for its own
(Microsoft Learn: "Configure an application to trust a managed identity"). A client secret or a
certificate can stand in for it during development.
"""

import asyncio
import base64
import binascii
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential
from azure.identity.aio import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
)

from core.adapters.clouds import Cloud
from core.adapters.retry import (
    THROTTLED_STATUSES,
    TRANSIENT_STATUSES,
    RetryableError,
    ThrottledService,
    parse_retry_after,
)
from core.adapters.tls import FileTrustingTransport
from core.errors import Forbidden, SettingsError, TenantError, Unavailable
from core.microsoft365.assumptions.platform import NEW_CREDENTIAL
from core.strict_json import parse_strict_json

log = logging.getLogger(__name__)

RELIES_ON = (NEW_CREDENTIAL,)
RENEWAL_PAUSE = 60.0
# A federated credential is not known everywhere in Entra for minutes after it was made
# (Azure/azure-workload-identity#273). It is believed to be missing only after this time.
NEW_CREDENTIAL_SECONDS = 900.0
NO_FEDERATED_CREDENTIAL = "70021"
# `ThrottledService` retries, so the libraries try once, with short timeouts.
LIBRARY_OPTIONS: dict[str, Any] = {"retry_total": 0, "connection_timeout": 10, "read_timeout": 30}
RENEW_EARLY_SECONDS = 300.0
TOKEN_LIMIT = 64 * 1024
# What azure-identity raises on a malformed token response, which it does not validate.
MALFORMED_TOKEN_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
)
ERROR_CODE = re.compile(r"\bAADSTS(\d{4,9})\b")

REMEDIES = {
    "90002": "TENANT_ID names a tenant that does not exist",
    "900023": "TENANT_ID is not a tenant id",
    "700024": "the managed identity's token has expired: restart the app, and check its clock",
    "700016": "the app registration CLIENT_ID does not exist in the tenant TENANT_ID",
    "70021": "the app registration has no federated credential for this managed identity",
    "700211": "the federated credential's issuer is not this tenant's",
    "700212": "the federated credential's audience is not the one of this cloud",
    "700213": "the federated credential's subject is not this managed identity's object id",
    "7000215": "CLIENT_SECRET is wrong (perhaps its id was given instead of its value)",
    "7000222": "CLIENT_SECRET has expired",
    "700027": "the certificate is not registered with the app registration",
    "7000112": "the app registration is disabled in this tenant",
    "500011": "the tenant does not know the resource: no service plan, or the wrong CLOUD",
    "53003": "a Conditional Access policy blocks the app",
}


class TokenSource(Protocol):
    """What azure-identity's asynchronous credentials have in common, as far as it is used here."""

    async def get_token(self, *scopes: str, claims: str | None = None) -> AccessToken: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class CredentialHistory:
    """Since when the tenant knows no federated credential; None: it does, as far as is known.

    Runs of a process share it, since each has a credential of its own.
    """

    unknown_since: float | None = None


@cache
def get_credential_history(tenant_id: str, client_id: str) -> CredentialHistory:
    """Return the history of an app's credential. Each process has one per app."""
    return CredentialHistory()


class Credential:
    """Gets the app's tokens, one at a time, with errors that name the remedy.

    It is an `AsyncTokenCredential`, so that both SDKs take it. Callers that find no token in the
    cache wait for one request instead of each making their own. `service` is what gives tokens,
    with its gate and its tries.
    """

    def __init__(
        self,
        build: Callable[[], TokenSource],
        *,
        assertion: "Assertion | None" = None,
        service: ThrottledService | None = None,
        clock: Callable[[], float] = time.monotonic,
        history: CredentialHistory | None = None,
    ) -> None:
        self.build = build
        self.history = history or CredentialHistory()
        self.service = service or build_token_service()
        self.assertion = assertion
        self.clock = clock
        self.token_source = build()
        self.lock = asyncio.Lock()
        self.tokens: dict[tuple[str, ...], AccessToken] = {}
        self.renewed_at = -RENEWAL_PAUSE
        self.answered_challenges: dict[tuple[str, ...], float] = {}

    async def get_token(
        self, *scopes: str, claims: str | None = None, **options: Any
    ) -> AccessToken:
        """Get a token for the scopes. Raises Forbidden or Unavailable.

        `options` (tenant_id, enable_cae) are part of the SDKs' protocol and not needed here. The
        library has a cache of its own, which it reads anew for each call.
        """
        if not claims and (kept := self.find_kept_token(scopes)):
            return kept
        async with self.lock:
            if not claims and (kept := self.find_kept_token(scopes)):
                return kept
            asked = claims if claims and self.is_new_challenge(*scopes, claims) else None
            try:
                token = await self.service.call(lambda: self.fetch_token(scopes, asked))
            except RetryableError as error:
                # The caller has retries of its own; those for the token are exhausted.
                raise Unavailable(str(error)) from error
            if isinstance(token.expires_on, int):
                self.tokens[scopes] = token
            return token

    def find_kept_token(self, scopes: tuple[str, ...]) -> AccessToken | None:
        """The token given last for these scopes, unless it expires within five minutes."""
        kept = self.tokens.get(scopes)
        is_fresh = kept is not None and kept.expires_on - RENEW_EARLY_SECONDS > time.time()
        return kept if is_fresh else None

    async def fetch_token(self, scopes: Sequence[str], claims: str | None) -> AccessToken:
        """Get a token from the cache or the network. Raises RetryableError if transient."""
        try:
            if self.assertion and self.assertion.is_expiring:
                await asyncio.to_thread(self.assertion.fetch_token)
            token = await self.token_source.get_token(*scopes, claims=claims)
        except AzureError as error:
            raise self.judge_refusal(map_credential_error(error)) from error
        except MALFORMED_TOKEN_ERRORS as error:
            why = f"no token: the response is malformed ({type(error).__name__})"
            raise RetryableError(why) from error
        self.history.unknown_since = None
        return token

    def judge_refusal(self, error: TenantError) -> TenantError:
        """Return the error, or one that passes where the federated credential may be new."""
        if not str(error).endswith(f"(AADSTS{NO_FEDERATED_CREDENTIAL})"):
            return error
        if self.history.unknown_since is None:
            self.history.unknown_since = self.clock()
        if self.clock() - self.history.unknown_since >= NEW_CREDENTIAL_SECONDS:
            return error
        return RetryableError(
            "no token: the tenant does not know the federated credential. One that was just made "
            "takes up to 15 minutes: wait. If it lasts, check that there is one for this managed "
            f"identity (AADSTS{NO_FEDERATED_CREDENTIAL})"
        )

    def is_new_challenge(self, *challenge: str) -> bool:
        """Return whether a challenge was not answered within the last minute.

        All calls in flight are challenged together (Microsoft Learn: "Claims challenges"), and one
        new token serves them all.
        """
        answered = self.answered_challenges.get(challenge, -RENEWAL_PAUSE)
        if self.clock() - answered < RENEWAL_PAUSE:
            return False
        self.answered_challenges = {challenge: self.clock()}
        return True

    async def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """Get a token in azure-core's newer form."""
        token = await self.get_token(*scopes, claims=(options or {}).get("claims"))
        return AccessTokenInfo(token.token, token.expires_on)

    async def renew(self) -> None:
        """Discard all tokens after a service rejected one. At most once a minute."""
        async with self.lock:
            if self.clock() - self.renewed_at < RENEWAL_PAUSE:
                return
            self.renewed_at = self.clock()
            self.tokens.clear()
            old, self.token_source = self.token_source, self.build()
            await old.close()

    async def close(self) -> None:
        """Close the connections to Entra and to the identity endpoint."""
        await self.token_source.close()
        if self.assertion:
            await asyncio.to_thread(self.assertion.identity.close)

    async def __aenter__(self) -> "Credential":
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.close()


class Assertion:
    """The managed identity's token, kept until shortly before it expires.

    `ClientAssertionCredential` calls for it synchronously, on the event loop. So it is fetched
    beforehand, in a thread, and the call finds it here.
    """

    def __init__(self, client_id: str, scope: str) -> None:
        self.scope = scope
        self.identity = ManagedIdentityCredential(client_id=client_id, **LIBRARY_OPTIONS)
        self.token = AccessToken("", 0)

    @property
    def is_expiring(self) -> bool:
        """Return whether the token expires within five minutes."""
        return self.token.expires_on - RENEW_EARLY_SECONDS <= time.time()

    def fetch_token(self) -> None:
        """Ask the identity endpoint of the host. Blocks."""
        self.token = self.identity.get_token(self.scope)

    def __call__(self) -> str:
        return self.token.token


def build_credential(
    tenant_id: str,
    client_id: str,
    cloud: Cloud,
    *,
    managed_identity: str = "",
    secret: str = "",
    certificate: str = "",
    ca_path: str = "",
    service: ThrottledService | None = None,
) -> Credential:
    """The app registration's credential, by managed identity, certificate or secret, in that order.

    Raises SettingsError when there is none of them, or the certificate cannot be used.
    """
    common: dict[str, Any] = {"authority": cloud.login, **LIBRARY_OPTIONS}

    def trust() -> dict[str, Any]:
        # Each credential closes its own.
        return {"transport": FileTrustingTransport(ca_path, LIBRARY_OPTIONS)} if ca_path else {}

    if not cloud.login.startswith("https://login."):
        common["disable_instance_discovery"] = True
    if managed_identity:
        assertion = Assertion(managed_identity, cloud.assertion_scope)
        return Credential(
            lambda: ClientAssertionCredential(tenant_id, client_id, assertion, **trust(), **common),
            assertion=assertion,
            service=service,
            history=get_credential_history(tenant_id, client_id),
        )
    if certificate:
        try:
            return Credential(
                lambda: CertificateCredential(
                    tenant_id, client_id, certificate, **trust(), **common
                ),
                service=service,
            )
        except (OSError, ValueError) as error:
            raise SettingsError("CLIENT_CERTIFICATE_PATH has no usable certificate") from error
    if secret:
        return Credential(
            lambda: ClientSecretCredential(tenant_id, client_id, secret, **trust(), **common),
            service=service,
        )
    raise SettingsError(
        "one of MANAGED_IDENTITY_CLIENT_ID, CLIENT_CERTIFICATE_PATH, CLIENT_SECRET must be set"
    )


def build_token_service(**options: Any) -> ThrottledService:
    """Build the service that issues tokens: few and short attempts."""
    return ThrottledService(
        "the token endpoint", attempts=3, cap=1, initial_limit=1, call_timeout=60.0, **options
    )


def map_credential_error(error: AzureError) -> TenantError:
    """Map an error of azure-identity, without its message, which may quote whole responses.

    Only the tenant's own answer is a refusal: an error code, or a status that blames the request.
    """
    response = error.response if isinstance(error, HttpResponseError) else None
    status = (error.status_code if isinstance(error, HttpResponseError) else None) or 0
    found = ERROR_CODE.search(str(error.message)[:4000])
    refused = isinstance(error, ClientAuthenticationError) and status not in TRANSIENT_STATUSES
    if refused and (found or 400 <= status < 500):
        code = found.group(1) if found else ""
        remedy = REMEDIES.get(code, "the tenant refused the app's credential")
        return Forbidden(f"no token: {remedy}" + (f" (AADSTS{code})" if code else ""))
    busy = status in THROTTLED_STATUSES
    headers: Mapping[str, str] = getattr(response, "headers", None) or {}
    after = parse_retry_after(headers.get("Retry-After"))
    if isinstance(error, CredentialUnavailableError):
        why = "the managed identity gave no token: is it assigned to this app?"
        return RetryableError(why, wait_seconds=after, is_throttled=busy)
    shown = f"HTTP {status}" if status >= 400 else type(error).__name__
    return RetryableError(f"no token: {shown}", wait_seconds=after, is_throttled=busy)


def parse_token_claims(token: str) -> dict[str, object] | None:
    """Parse the claims of a token; return None if it is malformed.

    The signature is not checked, since the claims grant nothing.
    """
    parts = token.split(".") if len(token) <= TOKEN_LIMIT else []
    if len(parts) != 3:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = parse_strict_json(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def parse_token_roles(token: str) -> frozenset[str] | None:
    """Return the app roles in a token, or None if it is malformed.

    They only distinguish a missing permission from a protected object.
    """
    claims = parse_token_claims(token)
    roles = claims.get("roles", []) if claims is not None else None
    if not isinstance(roles, list):
        return None
    return frozenset(role for role in roles[:500] if isinstance(role, str))


def parse_token_ids(token: str) -> frozenset[str]:
    """Return the ids by which the audit log knows the app of a token; none if it is malformed.

    They are those of its service principal (`oid`, `sub`) and of its application (`appid`).
    """
    claims = parse_token_claims(token) or {}
    found = (claims.get(name) for name in ("oid", "sub", "appid"))
    return frozenset(value.lower() for value in found if isinstance(value, str) and value)
