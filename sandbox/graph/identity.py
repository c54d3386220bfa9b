"""Entra ID as an unattended app sees it: the token endpoint and the managed identity.

The chain is that of production: App Service's managed identity endpoint issues a token for
`api://AzureADTokenExchange`, which the token endpoint accepts as the app's client assertion
(Microsoft Learn: "Configure an application to trust a managed identity"). Tokens are JWTs signed
with an HMAC key of this process, so only its own tokens are valid.
"""

import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from secrets import token_bytes, token_urlsafe
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from sandbox.app_identity import APP_PRINCIPAL_ID, CLIENT_ID
from sandbox.http_types import HttpRequest, HttpResponse
from sandbox.state.tenant import SimulatedTenant

IDENTITY_CLIENT_ID = "1de77171-0000-4000-8000-0000000000c1"
IDENTITY_PRINCIPAL_ID = "1de77171-0000-4000-8000-0000000000b2"
TOKEN_EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRAPH_RESOURCES = frozenset(
    {
        "https://graph.microsoft.com",
        "https://graph.microsoft.us",
        "https://dod-graph.microsoft.us",
        "https://microsoftgraph.chinacloudapi.cn",
        "00000003-0000-0000-c000-000000000000",
    }
)
EXCHANGE_RESOURCES = frozenset(
    {
        "https://outlook.office365.com",
        "https://outlook.office365.us",
        "https://outlook-dod.office365.us",
        "https://outlook.office365.cn",
        "00000002-0000-0ff1-ce00-000000000000",
    }
)
MANAGEMENT_RESOURCES = frozenset(
    {
        "https://manage.office.com",
        "https://manage-gcc.office.com",
        "https://manage.office365.us",
        "https://manage.protection.apps.mil",
        "c5393580-f805-4401-95e8-94b7a6ef2fc2",
    }
)
MANAGE_AS_APP = "Exchange.ManageAsApp"
FEED_ROLE = "ActivityFeed.Read"
APP_LIFETIME = 3600
IDENTITY_LIFETIME = 86400


class InvalidToken(Exception):
    """The token is not valid for this use."""


def encode_base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def decode_base64url(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Entra:
    """The token issuer. `base` is the address of the APIs, itself a resource with both roles."""

    name = "entra"

    def __init__(
        self, tenant: SimulatedTenant, graph_roles: frozenset[str], cmdlets: frozenset[str]
    ) -> None:
        self.tenant = tenant
        self.graph_roles = graph_roles
        self.cmdlets = cmdlets
        self.key = token_bytes(32)
        self.secret = token_urlsafe(24)
        self.identity_header = token_urlsafe(24)
        self.base = ""
        self.claims_by_token: dict[str, dict[str, Any]] = {}

    # Tokens ----------------------------------------------------------------------------------

    def issue_token(self, audience: str, lifetime: int, **claims: object) -> str:
        """Issues a token of this tenant. A negative lifetime makes an expired one."""
        now = int(time.time())
        payload = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.tenant.tenant_id}/",
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "tid": self.tenant.tenant_id,
            "idtyp": "app",
            "uti": encode_base64url(uuid4().bytes),
            **claims,
        }
        header = {"typ": "JWT", "alg": "HS256"}
        signed = ".".join(encode_base64url(json.dumps(part).encode()) for part in (header, payload))
        return f"{signed}.{self.sign_token(signed)}"

    def sign_token(self, signing_input: str) -> str:
        return encode_base64url(hmac.digest(self.key, signing_input.encode(), sha256))

    def read_claims(self, token: str) -> dict[str, Any]:
        """Reads the claims of a token. Raises InvalidToken unless it was issued here and has not
        expired.
        """
        claims = self.claims_by_token.get(token)
        if claims is None:
            signed, dot, signature = token.rpartition(".")
            if not dot or not hmac.compare_digest(self.sign_token(signed), signature):
                raise InvalidToken("IDX10511: Signature validation failed.")
            claims = json.loads(decode_base64url(signed.split(".")[1]))
            self.claims_by_token[token] = claims
        if claims["exp"] < time.time():
            raise InvalidToken("Lifetime validation failed, the token is expired.")
        return claims

    def authenticate_caller(
        self, request: HttpRequest, audiences: frozenset[str]
    ) -> frozenset[str]:
        """The roles of a request's sender. Raises InvalidToken."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token:
            raise InvalidToken("Access token is empty.")
        claims = self.read_claims(token)
        if claims["aud"] not in audiences and claims["aud"] != self.base:
            raise InvalidToken("Access token validation failure. Invalid audience.")
        return frozenset(claims.get("roles", ()))

    def list_roles(self, resource: str) -> list[str]:
        """The app roles currently granted on a resource."""
        roles: set[str] = set()
        if resource in GRAPH_RESOURCES or resource == self.base:
            roles |= self.tenant.get_grants("graph", self.graph_roles)
        if resource in EXCHANGE_RESOURCES or resource == self.base:
            roles |= {MANAGE_AS_APP} if self.tenant.get_grants("exchange", self.cmdlets) else set()
        if resource in MANAGEMENT_RESOURCES or resource == self.base:
            roles |= self.tenant.get_grants("management", (FEED_ROLE,))
        return sorted(roles)

    # The token endpoint ----------------------------------------------------------------------

    def get_fault_lines(self, request: HttpRequest) -> tuple[str, str]:
        return f"{request.method} {request.path}", request.line

    async def handle_request(self, request: HttpRequest) -> HttpResponse:
        """`POST /{tenant}/oauth2/v2.0/token`, client credentials only."""
        if request.segments[1:] != ("oauth2", "v2.0", "token"):
            return HttpResponse(404, {"error": "not_found", "error_description": "No such page."})
        if request.method != "POST":
            return build_token_error(
                400, "invalid_request", "AADSTS900561: Only POST requests are taken."
            )
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        trouble = self.check_token_request(request.segments[0], form)
        if trouble is not None:
            return trouble
        resource = form["scope"].removesuffix("/.default").rstrip("/")
        token = self.issue_token(
            resource,
            APP_LIFETIME,
            appid=CLIENT_ID,
            azp=CLIENT_ID,
            oid=APP_PRINCIPAL_ID,
            roles=self.list_roles(resource),
        )
        return HttpResponse(
            200,
            {
                "token_type": "Bearer",
                "expires_in": APP_LIFETIME - 1,
                "ext_expires_in": APP_LIFETIME - 1,
                "access_token": token,
            },
        )

    def check_token_request(self, tenant: str, form: dict[str, str]) -> HttpResponse | None:
        """The error of a token request, checked in Entra's order."""
        if not self.tenant.is_tenant(tenant):
            text = f"AADSTS90002: Tenant '{tenant}' not found. Check the tenant id."
            return build_token_error(400, "invalid_request", text)
        if form.get("grant_type") != "client_credentials":
            text = "AADSTS70003: The app requested an unsupported grant type."
            return build_token_error(400, "unsupported_grant_type", text)
        client = form.get("client_id", "")
        if client.casefold() != CLIENT_ID:
            text = f"AADSTS700016: Application with identifier '{client}' was not found."
            return build_token_error(400, "unauthorized_client", text)
        scope = form.get("scope", "")
        if not scope.endswith("/.default"):
            text = "AADSTS1002012: The scope is not valid, it must end in /.default."
            return build_token_error(400, "invalid_scope", text)
        resource = scope.removesuffix("/.default").rstrip("/")
        known = GRAPH_RESOURCES | EXCHANGE_RESOURCES | MANAGEMENT_RESOURCES
        if resource not in {*known, self.base}:
            text = f"AADSTS500011: The resource principal named {resource} was not found."
            return build_token_error(400, "invalid_resource", text)
        return self.check_client(form)

    def check_client(self, form: dict[str, str]) -> HttpResponse | None:
        """The error of the client's credential: its secret or its assertion."""
        if "client_assertion" not in form:
            if hmac.compare_digest(form.get("client_secret", "").encode(), self.secret.encode()):
                return None
            code = (
                "7000215: Invalid client secret provided."
                if "client_secret" in form
                else ("7000216: 'client_assertion' or 'client_secret' is required.")
            )
            return build_token_error(401, "invalid_client", f"AADSTS{code}")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            text = "AADSTS50027: The client assertion type is not supported."
            return build_token_error(400, "invalid_request", text)
        try:
            claims = self.read_claims(form["client_assertion"])
        except InvalidToken as error:
            return build_token_error(
                401, "invalid_client", f"AADSTS700024: Client assertion: {error}"
            )
        if self.tenant.reality.plays("azure-new-credential", "late") and (
            self.tenant.count_request("azure-new-credential")
            <= self.tenant.reality.get_option("azure-new-credential", "times", 1)
        ):
            text = "AADSTS70021: No matching federated identity record found for the assertion."
            return build_token_error(401, "invalid_client", text)
        if (claims["aud"], claims.get("sub")) != (TOKEN_EXCHANGE_AUDIENCE, IDENTITY_PRINCIPAL_ID):
            text = "AADSTS70021: No matching federated identity record found for the assertion."
            return build_token_error(401, "invalid_client", text)
        return None


def build_token_error(status: int, error: str, description: str) -> HttpResponse:
    """Builds an error of the token endpoint."""
    number = "".join(filter(str.isdigit, description.partition(":")[0]))
    return HttpResponse(
        status,
        {
            "error": error,
            "error_description": f"{description} Trace ID: {uuid4()}",
            "error_codes": [int(number)],
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
            "trace_id": str(uuid4()),
            "correlation_id": str(uuid4()),
        },
    )


class ManagedIdentity:
    """The identity endpoint of App Service, version 2019-08-01 (Microsoft Learn: "How to use
    managed identities for App Service and Azure Functions")."""

    name = "msi"

    def __init__(self, entra: Entra) -> None:
        self.entra = entra

    def get_fault_lines(self, request: HttpRequest) -> tuple[str, str]:
        return f"{request.method} {request.path}", request.line

    async def handle_request(self, request: HttpRequest) -> HttpResponse:
        header = request.headers.get("X-IDENTITY-HEADER", "")
        if not hmac.compare_digest(header.encode(), self.entra.identity_header.encode()):
            return self.build_error(403, "Forbidden", "The identity header is missing or wrong.")
        if request.method != "GET" or request.query.get("api-version") != "2019-08-01":
            return self.build_error(400, "BadRequest", "Unsupported api-version.")
        if request.query.get("client_id", "").casefold() != IDENTITY_CLIENT_ID:
            return self.build_error(400, "BadRequest", "No user-assigned managed identity found.")
        resource = request.query.get("resource", "").removesuffix("/.default")
        if not resource:
            return self.build_error(400, "BadRequest", "The resource is missing.")
        token = self.entra.issue_token(
            resource, IDENTITY_LIFETIME, appid=IDENTITY_CLIENT_ID, sub=IDENTITY_PRINCIPAL_ID
        )
        return HttpResponse(
            200,
            {
                "access_token": token,
                "expires_on": str(int(time.time()) + IDENTITY_LIFETIME),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": IDENTITY_CLIENT_ID,
            },
        )

    def build_error(self, status: int, code: str, message: str) -> HttpResponse:
        return HttpResponse(status, {"statusCode": status, "code": code, "message": message})
