"""Service principals, delegated grants and app role assignments of Graph into nouns. Pure.

Shapes: Microsoft Learn, Graph v1.0 resource types servicePrincipal, oAuth2PermissionGrant and
appRoleAssignment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.adapters.m365.parsing import (
    ResponseRow,
    parse_object_id,
    parse_row_flag,
    parse_text,
    parse_timestamp,
)
from core.tenant.apps import App, AppCredential, AppPermission, DelegatedGrant

NAME_LIMIT = 256
SCOPES_LIMIT = 32 * 1024
SCOPE_LIMIT = 256
ROLES_LIMIT = 10_000
REPLY_URL_LIMIT = 256
CREDENTIAL_LIMIT = 500
CONSENT_TYPES = {"AllPrincipals": True, "Principal": False}


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """Who reads: the app's client id and the tenant its token is for; "" where a token is mute."""

    app_id: str = ""
    tenant_id: str = ""


def parse_app(row: ResponseRow, caller: CallerIdentity) -> App:
    """A service principal. Raises ValueError for one without an id."""
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("an app without a usable id")
    app_id, owner = (
        parse_object_id(row.get("appId")),
        parse_object_id(row.get("appOwnerOrganizationId")),
    )
    kind = parse_text(row.get("servicePrincipalType"), 64) or "Application"
    urls = row.get("replyUrls")
    replies = (
        [parse_text(one, NAME_LIMIT).strip() for one in urls] if isinstance(urls, list) else []
    )
    return App(
        id=found,
        app_id=app_id,
        name=parse_text(row.get("displayName"), NAME_LIMIT),
        owner_tenant_id=owner,
        is_home_tenant=kind.casefold() == "managedidentity"
        or (bool(owner) and owner == caller.tenant_id),
        is_self=bool(app_id) and app_id == caller.app_id,
        kind=kind,
        enabled=parse_row_flag(row, "accountEnabled", default=True),
        publisher=parse_publisher(row.get("verifiedPublisher")),
        credentials=tuple(parse_app_credentials(row)),
        reply_urls=tuple(sorted({one for one in replies if one}))[:REPLY_URL_LIMIT],
    )


def parse_publisher(value: object) -> str:
    """The verified publisher. Graph shows an object full of nulls where there is none."""
    if not isinstance(value, Mapping) or not parse_object_id(value.get("verifiedPublisherId")):
        return ""
    return parse_text(value.get("displayName"), NAME_LIMIT) or parse_object_id(
        value.get("verifiedPublisherId")
    )


def parse_app_credentials(row: ResponseRow) -> Iterator[AppCredential]:
    """The secrets and certificates. Raises ValueError for one that has no id, or too many.

    A certificate for SAML comes as two keys, to sign and to verify, of one customKeyIdentifier, and
    a password under the id of the first: that opens its file and signs nobody in.
    """
    keys = parse_object_list(row, "keyCredentials")
    signing = [key for key in keys if parse_text(key.get("usage"), 16).casefold() == "sign"]
    marks = {parse_text(key.get("customKeyIdentifier"), NAME_LIMIT) for key in signing} - {""}
    ids = {parse_object_id(key.get("keyId")) for key in signing}
    for key in keys:
        mark = parse_text(key.get("customKeyIdentifier"), NAME_LIMIT)
        one = parse_object_id(key.get("keyId"))
        yield parse_app_credential(key, "certificate", saml_signing=one in ids or mark in marks)
    for secret in parse_object_list(row, "passwordCredentials"):
        yield parse_app_credential(
            secret, "secret", saml_signing=parse_object_id(secret.get("keyId")) in ids
        )


def parse_object_list(row: ResponseRow, name: str) -> list[ResponseRow]:
    """A list of objects in a row. Raises ValueError where it is none, or too long."""
    found = row.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ValueError(f"{name} is not a list of objects")
    if len(found) > CREDENTIAL_LIMIT:
        raise ValueError(f"{name} has {len(found)} elements")
    return found


def parse_app_credential(row: ResponseRow, kind: str, *, saml_signing: bool) -> AppCredential:
    """One secret or certificate."""
    found = parse_object_id(row.get("keyId"))
    if not found:
        raise ValueError(f"a {kind} without a usable id")
    return AppCredential(found, kind, parse_timestamp(row.get("endDateTime")), saml_signing)


def parse_delegated_grant(row: ResponseRow) -> DelegatedGrant:
    """An oAuth2PermissionGrant. Raises ValueError for what is cut short nowhere: its scopes."""
    client, resource = parse_object_id(row.get("clientId")), parse_object_id(row.get("resourceId"))
    if not client or not resource:
        raise ValueError("a grant that does not say whose it is, or to what")
    everyone = CONSENT_TYPES.get(parse_text(row.get("consentType"), 64))
    if everyone is None:
        raise ValueError("a grant that does not say for whom")
    scope = row.get("scope")
    if (scope is not None and not isinstance(scope, str)) or len(scope or "") > SCOPES_LIMIT:
        raise ValueError("scopes that are no text, or too long")
    scopes = frozenset((scope or "").split())
    if any(len(one) > SCOPE_LIMIT for one in scopes):
        raise ValueError("a scope with too long a name")
    return DelegatedGrant(client, resource, everyone, frozenset(parse_text(one) for one in scopes))


def parse_role_names(row: ResponseRow) -> dict[str, str]:
    """The names of an API's app roles by id. Raises ValueError when they cannot be understood."""
    found = row.get("appRoles") or []
    if not isinstance(found, list) or len(found) > ROLES_LIMIT:
        raise ValueError("appRoles is no list, or too long")
    roles = [role for role in found if isinstance(role, Mapping)]
    return {
        parse_object_id(role.get("id")): parse_text(role.get("value"), SCOPE_LIMIT)
        for role in roles
    }


def parse_app_permission(row: ResponseRow, names: Mapping[str, str]) -> AppPermission | None:
    """An appRoleAssignment; None for a person's or a group's, and for mere access to the API."""
    if parse_text(row.get("principalType"), 64).casefold() in ("user", "group"):
        return None
    client, resource = (
        parse_object_id(row.get("principalId")),
        parse_object_id(row.get("resourceId")),
    )
    if not client or not resource:
        raise ValueError("an assignment that does not say whose it is, or of what")
    role = parse_object_id(row.get("appRoleId"))
    if not role:
        if is_default_role(row):
            return None
        raise ValueError("an assignment without a usable role")
    return AppPermission(
        parse_text(row.get("id"), NAME_LIMIT), client, resource, role, names.get(role, "")
    )


def is_default_role(row: ResponseRow) -> bool:
    """True for the role of nothing but zeros: the app may be signed in to, and no more."""
    return row.get("appRoleId") == "00000000-0000-0000-0000-000000000000"
