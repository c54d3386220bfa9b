"""Apps in Graph: service principals, delegated grants, app role assignments.

A scene may hold `servicePrincipals`, `oauth2PermissionGrants` and `appRoleAssignments`, each a list
as Graph shows it. A tenant always has Microsoft's APIs and the app under test, which holds the
roles the scene grants it; where the scene does not list those, they are there all the same.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sandbox.graph.identity import CLIENT_ID
from sandbox.graph.odata import BadFilter, parse_filter
from sandbox.graph.users import (
    GraphError,
    bad_request,
    context,
    not_found,
    page_size,
    projected,
    selection,
)
from sandbox.http_types import Answer, Call, Row, next_link, shown, words
from sandbox.state.tenant import Tenant, rows_in

MICROSOFT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
GRAPH_APP, EXCHANGE_APP, SHAREPOINT_APP = (
    "00000003-0000-0000-c000-000000000000",
    "00000002-0000-0ff1-ce00-000000000000",
    "00000003-0000-0ff1-ce00-000000000000",
)
APIS = {
    GRAPH_APP: "Microsoft Graph",
    EXCHANGE_APP: "Office 365 Exchange Online",
    SHAREPOINT_APP: "Office 365 SharePoint Online",
}
MANAGE_AS_APP = "Exchange.ManageAsApp"
PROPERTIES = frozenset(
    words("""
    accountEnabled addIns alternativeNames appDescription appDisplayName appId
    appOwnerOrganizationId appRoleAssignmentRequired appRoles applicationTemplateId createdByAppId
    customSecurityAttributes deletedDateTime description disabledByMicrosoftStatus displayName
    homepage id info isDisabled keyCredentials loginUrl logoutUrl notes notificationEmailAddresses
    oauth2PermissionScopes passwordCredentials preferredSingleSignOnMode
    preferredTokenSigningKeyThumbprint replyUrls resourceSpecificApplicationPermissions
    samlSingleSignOnSettings servicePrincipalNames servicePrincipalType signInAudience tags
    tokenEncryptionKeyId verifiedPublisher
    """)
)
NOBODY = {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None}


def made_id(*parts: str) -> str:
    """An id that is the same every time for the same thing."""
    return str(uuid5(NAMESPACE_URL, "/".join(parts)))


def api_id(app_id: str) -> str:
    """The service principal of one of Microsoft's APIs where a scene does not list it."""
    return made_id("api", app_id)


def role_id(app_id: str, value: str) -> str:
    """The id of an app role of such an API."""
    return made_id("role", app_id, value)


SELF = made_id("app", CLIENT_ID)


def principal(object_id: str, app_id: str, name: str, owner: str | None, **more: object) -> Row:
    """A service principal as Graph shows it; without a verified publisher all of that is null."""
    return {
        "id": object_id,
        "appId": app_id,
        "displayName": name,
        "appOwnerOrganizationId": owner,
        "accountEnabled": True,
        "servicePrincipalType": "Application",
        "verifiedPublisher": dict(NOBODY),
        "replyUrls": [],
        "tags": [],
        "keyCredentials": [],
        "passwordCredentials": [],
        "appRoles": [],
        "oauth2PermissionScopes": [],
        **more,
    }


def assignment(principal_id: str, app_id: str, value: str, **more: object) -> Row:
    """A role of one of Microsoft's APIs, given to an app."""
    role = role_id(app_id, value)
    return {
        "id": made_id("assignment", principal_id, role),
        "appRoleId": role,
        "principalId": principal_id,
        "principalType": "ServicePrincipal",
        "resourceId": api_id(app_id),
        "resourceDisplayName": APIS[app_id],
        **more,
    }


def own_roles(tenant: Tenant) -> list[tuple[str, str]]:
    """The roles the app under test was given, as far as the scene says."""
    found = [(GRAPH_APP, name) for name in sorted(tenant.granted("graph", ()))]
    return found + ([(EXCHANGE_APP, MANAGE_AS_APP)] if tenant.granted("exchange", ("",)) else [])


def principals(tenant: Tenant) -> list[Row]:
    """Every service principal: the scene's, Microsoft's APIs and the app itself."""
    rows = rows_in(tenant.graph.get("servicePrincipals"))
    known = {str(row.get("appId")).casefold() for row in rows}
    there = [
        principal(api_id(one), one, name, MICROSOFT)
        for one, name in APIS.items()
        if one not in known
    ]
    if CLIENT_ID not in known:
        there.append(principal(SELF, CLIENT_ID, "Exoguard", tenant.tenant_id))
    return [*there, *rows]


def assignments(tenant: Tenant) -> list[Row]:
    """Every assignment: the scene's, and those of the app itself."""
    rows = rows_in(tenant.graph.get("appRoleAssignments"))
    return [*(assignment(SELF, *role) for role in own_roles(tenant)), *rows]


def roles_of(tenant: Tenant, api: Row) -> list[Row]:
    """The roles an API lists: the scene's, and those the assignments need by their made-up ids."""
    own: list[Row] = list(api.get("appRoles") or ())
    app_id = str(api.get("appId"))
    if app_id not in APIS or api["id"] != api_id(app_id):
        return own
    names = [name for one, name in own_roles(tenant) if one == app_id]
    names += KNOWN_ROLES
    listed = {role.get("id") for role in own}
    ids = {role_id(app_id, name): name for name in dict.fromkeys(names)}
    return own + [
        {"id": one, "value": name, "displayName": name, "isEnabled": True}
        for one, name in ids.items()
        if one not in listed
    ]


KNOWN_ROLES = words("""
    Mail.Read Mail.ReadWrite Mail.Send MailboxSettings.ReadWrite Files.Read.All Files.ReadWrite.All
    Sites.Read.All Sites.Selected Sites.FullControl.All User.Read.All Directory.ReadWrite.All
    RoleManagement.ReadWrite.Directory AppRoleAssignment.ReadWrite.All Application.ReadWrite.All
    full_access_as_app Exchange.ManageAsApp
    """)


# Routes -----------------------------------------------------------------------------------------


def listing(
    tenant: Tenant, call: Call, what: str, rows: Sequence[Row], names: Iterable[str] = ()
) -> Answer:
    """A page of a collection."""
    size = page_size(call, usual=100, most=999)
    mark = "&".join((what, *names, call.query.get("$filter", "")))
    token = call.query.get("$skiptoken")
    try:
        part, rest = (
            tenant.snapshots.page(rows, size, mark)
            if token is None
            else tenant.snapshots.resume(token, size, mark)
        )
    except KeyError as error:
        raise GraphError(
            400, "Directory_ExpiredPageToken", "The page token is invalid or has expired."
        ) from error
    body: dict[str, Any] = {"@odata.context": context(tenant, what)}
    if rest:
        body["@odata.nextLink"] = next_link(tenant.base, call, rest)
    current = [shown(tenant.current(row)) for row in part]
    body["value"] = [projected(row, names) for row in current] if names else current
    return Answer(200, body)


def chosen(call: Call) -> tuple[str, ...]:
    """The properties of `$select`. Raises GraphError for one that does not exist."""
    names = selection(call)
    for name in names:
        if name not in PROPERTIES:
            raise bad_request(f"Could not find a property named '{name[:64]}'.")
    return names


def matching(call: Call, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows a `$filter` leaves. Raises GraphError for one that cannot be understood."""
    try:
        wanted = parse_filter(call.query.get("$filter", ""))
    except BadFilter as trouble:
        raise GraphError(400, "BadRequest", str(trouble)) from trouble
    return [row for row in rows if wanted.test(row)] if wanted.clauses else rows


def with_roles(tenant: Tenant, row: Row, names: Iterable[str]) -> Row:
    """A service principal as it is shown; its roles are looked up only when they are asked for."""
    return {**row, "appRoles": roles_of(tenant, row)} if "appRoles" in names else row


def list_principals(tenant: Tenant, call: Call) -> Answer:
    """`GET /servicePrincipals`."""
    names = chosen(call)
    rows = [with_roles(tenant, row, names) for row in matching(call, principals(tenant))]
    return listing(tenant, call, "servicePrincipals", rows, names)


def find(tenant: Tenant, key: str) -> Row:
    """The service principal a path names by its object id. Raises GraphError when it is not one."""
    for row in principals(tenant):
        if str(row.get("id")).casefold() == key.casefold():
            return row
    raise not_found(key)


def get_principal(tenant: Tenant, call: Call, key: str) -> Answer:
    """`GET /servicePrincipals/{id}`."""
    names = chosen(call)
    row = shown(tenant.current(with_roles(tenant, find(tenant, key), names)))
    body = {"@odata.context": context(tenant, "servicePrincipals/$entity")}
    return Answer(200, body | (projected(row, names) if names else row))


def assigned_to(tenant: Tenant, call: Call, key: str) -> Answer:
    """`GET /servicePrincipals/{id}/appRoleAssignedTo`: who was given roles of this API."""
    api = find(tenant, key)["id"]
    rows = [row for row in assignments(tenant) if row.get("resourceId") == api]
    return listing(tenant, call, f"servicePrincipals('{key}')/appRoleAssignedTo", rows)


def list_grants(tenant: Tenant, call: Call) -> Answer:
    """`GET /oauth2PermissionGrants`."""
    rows = rows_in(tenant.graph.get("oauth2PermissionGrants"))
    return listing(tenant, call, "oauth2PermissionGrants", matching(call, rows))


READ_APPS = frozenset(
    words("""
    Application.Read.All Application.ReadWrite.All Application.ReadWrite.OwnedBy Directory.Read.All
    """)
)
READ_GRANTS = frozenset(
    words("Directory.Read.All Directory.ReadWrite.All DelegatedPermissionGrant.ReadWrite.All")
)
ROUTES: tuple[tuple[str, str, frozenset[str], Callable[..., Answer]], ...] = (
    ("GET", "serviceprincipals", READ_APPS, list_principals),
    ("GET", "serviceprincipals/*", READ_APPS, get_principal),
    ("GET", "serviceprincipals/*/approleassignedto", READ_APPS, assigned_to),
    ("GET", "oauth2permissiongrants", READ_GRANTS, list_grants),
)
