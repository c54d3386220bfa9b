"""Service principals, delegated grants and app role assignments of Graph into nouns. Pure.

Shapes: Microsoft Learn, Graph v1.0 resource types servicePrincipal, oAuth2PermissionGrant and
appRoleAssignment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.adapters.m365.parsing import Row, flag, moment, object_id, text
from core.tenant.apps import App, AppCredential, AppPermission, DelegatedGrant

NAME_LIMIT = 256
SCOPES_LIMIT = 32 * 1024
SCOPE_LIMIT = 256
ROLES_LIMIT = 10_000
REPLIES = 256
KEYS = 500
CONSENTS = {"AllPrincipals": True, "Principal": False}


@dataclass(frozen=True, slots=True)
class Self:
    """Who reads: the app's client id and the tenant its token is for; "" where a token is mute."""

    app_id: str = ""
    tenant_id: str = ""


def app(row: Row, reader: Self) -> App:
    """A service principal. Raises ValueError for one without an id."""
    found = object_id(row.get("id"))
    if not found:
        raise ValueError("an app without a usable id")
    app_id, owner = object_id(row.get("appId")), object_id(row.get("appOwnerOrganizationId"))
    kind = text(row.get("servicePrincipalType"), 64) or "Application"
    urls = row.get("replyUrls")
    replies = [text(one, NAME_LIMIT).strip() for one in urls] if isinstance(urls, list) else []
    return App(
        id=found,
        app_id=app_id,
        name=text(row.get("displayName"), NAME_LIMIT),
        owner=owner,
        home=kind.casefold() == "managedidentity" or (bool(owner) and owner == reader.tenant_id),
        itself=bool(app_id) and app_id == reader.app_id,
        kind=kind,
        enabled=flag(row, "accountEnabled", absent=True),
        publisher=publisher(row.get("verifiedPublisher")),
        credentials=tuple(credentials(row)),
        replies=tuple(sorted({one for one in replies if one}))[:REPLIES],
    )


def publisher(value: object) -> str:
    """The verified publisher. Graph shows an object full of nulls where there is none."""
    if not isinstance(value, Mapping) or not object_id(value.get("verifiedPublisherId")):
        return ""
    return text(value.get("displayName"), NAME_LIMIT) or object_id(value.get("verifiedPublisherId"))


def credentials(row: Row) -> Iterator[AppCredential]:
    """The secrets and certificates. Raises ValueError for one that has no id, or too many.

    A certificate for SAML comes as two keys, to sign and to verify, of one customKeyIdentifier, and
    a password under the id of the first: that opens its file and signs nobody in.
    """
    keys = rows(row, "keyCredentials")
    signing = [key for key in keys if text(key.get("usage"), 16).casefold() == "sign"]
    marks = {text(key.get("customKeyIdentifier"), NAME_LIMIT) for key in signing} - {""}
    ids = {object_id(key.get("keyId")) for key in signing}
    for key in keys:
        mark = text(key.get("customKeyIdentifier"), NAME_LIMIT)
        one = object_id(key.get("keyId"))
        yield credential(key, "certificate", signs=one in ids or mark in marks)
    for secret in rows(row, "passwordCredentials"):
        yield credential(secret, "secret", signs=object_id(secret.get("keyId")) in ids)


def rows(row: Row, name: str) -> list[Row]:
    """A list of objects in a row. Raises ValueError where it is none, or too long."""
    found = row.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ValueError(f"{name} is not a list of objects")
    if len(found) > KEYS:
        raise ValueError(f"{name} has {len(found)} elements")
    return found


def credential(row: Row, kind: str, *, signs: bool) -> AppCredential:
    """One secret or certificate."""
    found = object_id(row.get("keyId"))
    if not found:
        raise ValueError(f"a {kind} without a usable id")
    return AppCredential(found, kind, moment(row.get("endDateTime")), signs)


def delegated_grant(row: Row) -> DelegatedGrant:
    """An oAuth2PermissionGrant. Raises ValueError for what is cut short nowhere: its scopes."""
    client, resource = object_id(row.get("clientId")), object_id(row.get("resourceId"))
    if not client or not resource:
        raise ValueError("a grant that does not say whose it is, or to what")
    everyone = CONSENTS.get(text(row.get("consentType"), 64))
    if everyone is None:
        raise ValueError("a grant that does not say for whom")
    scope = row.get("scope")
    if (scope is not None and not isinstance(scope, str)) or len(scope or "") > SCOPES_LIMIT:
        raise ValueError("scopes that are no text, or too long")
    scopes = frozenset((scope or "").split())
    if any(len(one) > SCOPE_LIMIT for one in scopes):
        raise ValueError("a scope with too long a name")
    return DelegatedGrant(client, resource, everyone, frozenset(text(one) for one in scopes))


def role_names(row: Row) -> dict[str, str]:
    """The names of an API's app roles by id. Raises ValueError when they cannot be understood."""
    found = row.get("appRoles") or []
    if not isinstance(found, list) or len(found) > ROLES_LIMIT:
        raise ValueError("appRoles is no list, or too long")
    roles = [role for role in found if isinstance(role, Mapping)]
    return {object_id(role.get("id")): text(role.get("value"), SCOPE_LIMIT) for role in roles}


def app_permission(row: Row, names: Mapping[str, str]) -> AppPermission | None:
    """An appRoleAssignment; None for a person's or a group's, and for mere access to the API."""
    if text(row.get("principalType"), 64).casefold() in ("user", "group"):
        return None
    client, resource = object_id(row.get("principalId")), object_id(row.get("resourceId"))
    if not client or not resource:
        raise ValueError("an assignment that does not say whose it is, or of what")
    role = object_id(row.get("appRoleId"))
    if not role:
        if role_is_default(row):
            return None
        raise ValueError("an assignment without a usable role")
    return AppPermission(
        text(row.get("id"), NAME_LIMIT), client, resource, role, names.get(role, "")
    )


def role_is_default(row: Row) -> bool:
    """True for the role of nothing but zeros: the app may be signed in to, and no more."""
    return row.get("appRoleId") == "00000000-0000-0000-0000-000000000000"
