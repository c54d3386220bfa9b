"""Apps in Graph: service principals, delegated grants, app role assignments.

A scene may contain `servicePrincipals`, `oauth2PermissionGrants`, `appRoleAssignments` and
`applications`, each a list as Graph prints it; an application holds its `owners` (rows, or ids of
users and apps of the scene) and its `federatedIdentityCredentials`. Microsoft's APIs and the app
under test, with the roles that the scene grants it, exist in every tenant, even if the scene does
not list them. Their app roles have the ids that Microsoft publishes; a role that is not published
has an id derived from its name, and a scene may use such an id for any role.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from core.microsoft365.permission_rules import PermissionKind
from core.microsoft365.permission_weights import MICROSOFT_APIS, read_published_permissions
from sandbox.app_identity import CLIENT_ID
from sandbox.graph.odata import InvalidFilter, parse_filter
from sandbox.graph.users import (
    GraphError,
    add_count,
    build_bad_request,
    build_context_url,
    build_missing_resource_error,
    choose_next_token,
    is_advanced,
    parse_page_size,
    parse_select,
    project_row,
)
from sandbox.http_types import (
    HttpRequest,
    HttpResponse,
    Row,
    build_next_link,
    split_words,
    strip_private_keys,
)
from sandbox.state.tenant import SimulatedTenant, to_rows

COUNTED = ("servicePrincipals", "applications")
MICROSOFT_TENANT_ID = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
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
PRINCIPAL_PROPERTIES = frozenset(
    split_words("""
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
APPLICATION_PROPERTIES = frozenset(
    split_words("""
    addIns api appId appRoles applicationTemplateId certification createdDateTime defaultRedirectUri
    deletedDateTime description disabledByMicrosoftStatus displayName groupMembershipClaims id
    identifierUris info isDeviceOnlyAuthSupported isFallbackPublicClient keyCredentials notes
    nativeAuthenticationApisEnabled oauth2RequirePostResponse optionalClaims
    parentalControlSettings passwordCredentials publicClient publisherDomain
    requestSignatureVerification requiredResourceAccess samlMetadataUrl serviceManagementReference
    servicePrincipalLockConfiguration signInAudience spa tags tokenEncryptionKeyId uniqueName
    verifiedPublisher web
    """)
)
RELATIONS = ("owners", "federatedIdentityCredentials")
MAX_EXPANDED = 20
UNVERIFIED_PUBLISHER = {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None}


@lru_cache(maxsize=10_000)
def derive_object_id(*parts: str) -> str:
    """Derives a stable id from a name."""
    return str(uuid5(NAMESPACE_URL, "/".join(parts)))


def derive_api_id(app_id: str) -> str:
    """The id of the service principal of a Microsoft API that the scene does not list."""
    return derive_object_id("api", app_id)


def derive_role_id(app_id: str, value: str) -> str:
    """An id for an app role of such an API, derived from its name."""
    return derive_object_id("role", app_id, value)


@cache
def load_published_roles() -> Mapping[str, Mapping[str, str]]:
    """The ids of the app roles that Microsoft publishes, by API and name."""
    found: dict[str, dict[str, str]] = {}
    for one in read_published_permissions():
        if one.id and one.kind is PermissionKind.ROLE:
            found.setdefault(one.api, {}).setdefault(one.name, one.id)
    return found


def find_role_id(app_id: str, value: str) -> str:
    """The published id of an app role, or else a derived one."""
    return load_published_roles().get(app_id, {}).get(value) or derive_role_id(app_id, value)


APP_OBJECT_ID = derive_object_id("app", CLIENT_ID)


def build_principal(
    object_id: str, app_id: str, name: str, owner: str | None, **more: object
) -> Row:
    """Builds a service principal as Graph prints it; without a verified publisher those fields are
    null.
    """
    return {
        "id": object_id,
        "appId": app_id,
        "displayName": name,
        "appOwnerOrganizationId": owner,
        "accountEnabled": True,
        "appRoleAssignmentRequired": False,
        "servicePrincipalType": "Application",
        "verifiedPublisher": dict(UNVERIFIED_PUBLISHER),
        "replyUrls": [],
        "tags": [],
        "keyCredentials": [],
        "passwordCredentials": [],
        "appRoles": [],
        "oauth2PermissionScopes": [],
        **more,
    }


def build_app_assignment(principal_id: str, app_id: str, value: str, **more: object) -> Row:
    """Builds the assignment of a Microsoft API's role to an app."""
    role = find_role_id(app_id, value)
    return {
        "id": derive_object_id("assignment", principal_id, role),
        "appRoleId": role,
        "principalId": principal_id,
        "principalType": "ServicePrincipal",
        "resourceId": derive_api_id(app_id),
        "resourceDisplayName": APIS.get(app_id) or MICROSOFT_APIS[app_id],
        **more,
    }


def list_own_roles(tenant: SimulatedTenant) -> list[tuple[str, str]]:
    """The roles that the scene grants the app under test."""
    found = [(GRAPH_APP, name) for name in sorted(tenant.get_grants("graph", ()))]
    return found + ([(EXCHANGE_APP, MANAGE_AS_APP)] if tenant.get_grants("exchange", ("",)) else [])


def collect_principals(tenant: SimulatedTenant) -> list[Row]:
    """Collects all service principals: the scene's, Microsoft's APIs and the app itself."""
    rows = to_rows(tenant.graph.get("servicePrincipals"))
    known = {str(row.get("appId")).casefold() for row in rows}
    there = [
        build_principal(derive_api_id(one), one, name, MICROSOFT_TENANT_ID)
        for one, name in APIS.items()
        if one not in known
    ]
    if CLIENT_ID not in known:
        there.append(build_principal(APP_OBJECT_ID, CLIENT_ID, "Exoguard", tenant.tenant_id))
    return [*there, *rows]


def collect_app_assignments(tenant: SimulatedTenant) -> list[Row]:
    """Collects all assignments: the scene's and the app's own."""
    rows = to_rows(tenant.graph.get("appRoleAssignments"))
    return [*(build_app_assignment(APP_OBJECT_ID, *role) for role in list_own_roles(tenant)), *rows]


def list_api_roles(tenant: SimulatedTenant, api: Row) -> list[Row]:
    """Lists the roles of an API: the scene's, the published ones, and those that assignments use by
    derived ids.
    """
    own: list[Row] = list(api.get("appRoles") or ())
    app_id = str(api.get("appId"))
    if app_id not in MICROSOFT_APIS or api["id"] != derive_api_id(app_id):
        return own
    published = {one: name for name, one in load_published_roles().get(app_id, {}).items()}
    names = [name for one, name in list_own_roles(tenant) if one == app_id]
    derived = {
        derive_role_id(app_id, name): name for name in (*names, *KNOWN_ROLES, *published.values())
    }
    used = {str(row.get("appRoleId")) for row in to_rows(tenant.graph.get("appRoleAssignments"))}
    listed = {role.get("id") for role in own}
    ids = published | {one: name for one, name in derived.items() if one in used}
    ids |= {find_role_id(app_id, name): name for name in names}
    return own + [
        {"id": one, "value": name, "displayName": name, "isEnabled": True}
        for one, name in ids.items()
        if one not in listed
    ]


KNOWN_ROLES = split_words("""
    Mail.Read Mail.ReadWrite Mail.Send MailboxSettings.ReadWrite Files.Read.All Files.ReadWrite.All
    Sites.Read.All Sites.Selected Sites.FullControl.All User.Read.All Directory.ReadWrite.All
    RoleManagement.ReadWrite.Directory AppRoleAssignment.ReadWrite.All Application.ReadWrite.All
    full_access_as_app Exchange.ManageAsApp
    """)


# Routes -----------------------------------------------------------------------------------------


def build_apps_page(
    tenant: SimulatedTenant,
    request: HttpRequest,
    what: str,
    rows: Sequence[Row],
    names: Iterable[str] = (),
) -> HttpResponse:
    """Builds a page of a collection."""
    size = parse_page_size(request, default=100, maximum=999)
    mark = "&".join((what, *names, request.query.get("$filter", "")))
    token = request.query.get("$skiptoken")
    try:
        part, rest = (
            tenant.snapshots.cut_page(rows, size, mark)
            if token is None
            else tenant.snapshots.resume_listing(token, size, mark)
        )
    except KeyError as error:
        raise GraphError(
            400, "Directory_ExpiredPageToken", "The page token is invalid or has expired."
        ) from error
    body: dict[str, Any] = {"@odata.context": build_context_url(tenant, what)}
    if what in COUNTED:
        add_count(tenant, request, body, len(rows))
        rest = rest if token else choose_next_token(tenant, rest, size, mark)
    if rest:
        body["@odata.nextLink"] = build_next_link(tenant.base, request, rest)
    current = [strip_private_keys(tenant.read_row(row)) for row in part]
    body["value"] = [project_row(row, names) for row in current] if names else current
    return HttpResponse(200, body)


def parse_principal_select(request: HttpRequest) -> tuple[str, ...]:
    """Parses `$select`. Raises GraphError for an unknown property."""
    names = parse_select(request)
    for name in names:
        if name not in PRINCIPAL_PROPERTIES:
            raise build_bad_request(f"Could not find a property named '{name[:64]}'.")
    return names


def filter_app_rows(request: HttpRequest, rows: Sequence[Row]) -> Sequence[Row]:
    """Applies `$filter`. Raises GraphError for an invalid one."""
    try:
        wanted = parse_filter(request.query.get("$filter", ""))
    except InvalidFilter as trouble:
        raise GraphError(400, "BadRequest", str(trouble)) from trouble
    return [row for row in rows if wanted.matches(row)] if wanted.clause_count else rows


def add_app_roles(tenant: SimulatedTenant, row: Row, names: Iterable[str]) -> Row:
    """Adds a principal's roles, which are looked up only if selected."""
    return {**row, "appRoles": list_api_roles(tenant, row)} if "appRoles" in names else row


def list_principals(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /servicePrincipals`; `$expand=owners` as that of applications."""
    names = parse_principal_select(request)
    expanded = request.query.get("$expand", "")
    if expanded not in ("", "owners"):
        raise build_bad_request(f"Query option '$expand={expanded[:64]}' is not supported.")
    rows = [
        expand_owners(tenant, add_app_roles(tenant, row, names), is_asked=bool(expanded))
        for row in filter_app_rows(request, collect_principals(tenant))
    ]
    wanted = (*names, "owners") if names and expanded else names
    return build_apps_page(tenant, request, "servicePrincipals", rows, wanted)


def expand_owners(tenant: SimulatedTenant, row: Row, *, is_asked: bool) -> Row:
    """A row with its first twenty owners where they are asked for, and without any elsewhere."""
    plain = {key: value for key, value in row.items() if key not in RELATIONS}
    return plain | ({"owners": list_owners(tenant, row)[:MAX_EXPANDED]} if is_asked else {})


def find_principal(tenant: SimulatedTenant, key: str) -> Row:
    """Finds a service principal by object id. Raises GraphError."""
    for row in collect_principals(tenant):
        if str(row.get("id")).casefold() == key.casefold():
            return row
    raise build_missing_resource_error(key)


def get_principal(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /servicePrincipals/{id}`; with its owners where `$expand` asks for them."""
    names, expanded = parse_principal_select(request), request.query.get("$expand", "")
    whole = add_app_roles(tenant, find_principal(tenant, key), names)
    asked = expand_owners(tenant, whole, is_asked=bool(expanded))
    row = strip_private_keys(tenant.read_row(asked))
    wanted = (*names, "owners") if names and expanded else names
    body = {"@odata.context": build_context_url(tenant, "servicePrincipals/$entity")}
    return HttpResponse(200, body | (project_row(row, wanted) if wanted else row))


def list_assigned_to(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /servicePrincipals/{id}/appRoleAssignedTo`: the roles of this API that were granted."""
    api = find_principal(tenant, key)["id"]
    rows = [row for row in collect_app_assignments(tenant) if row.get("resourceId") == api]
    return build_apps_page(tenant, request, f"servicePrincipals('{key}')/appRoleAssignedTo", rows)


def list_assignments(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /servicePrincipals/{id}/appRoleAssignments`: the roles that one app was granted."""
    app = find_principal(tenant, key)["id"]
    rows = [row for row in collect_app_assignments(tenant) if row.get("principalId") == app]
    return build_apps_page(tenant, request, f"servicePrincipals('{key}')/appRoleAssignments", rows)


def list_grants(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /oauth2PermissionGrants`: without an advanced query, pages lose rows."""
    rows = filter_app_rows(request, to_rows(tenant.graph.get("oauth2PermissionGrants")))
    is_counted = request.query.get("$count", "").casefold() == "true"
    if is_counted and tenant.reality.plays("graph-grants-count", "uncounted"):
        raise build_bad_request("$count is not currently supported.")
    answer = build_apps_page(tenant, request, "oauth2PermissionGrants", rows)
    is_whole = tenant.reality.plays("graph-grants-count", "counted") and is_advanced(request)
    if not is_whole and "@odata.nextLink" in answer.body:
        answer.body["value"] = answer.body["value"][:-1]
    if is_counted and is_advanced(request) and "$skiptoken" not in request.query:
        answer.body["@odata.count"] = len(rows)
    return answer


def list_principal_grants(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /servicePrincipals/{id}/oauth2PermissionGrants`: what one app was granted."""
    app = find_principal(tenant, key)["id"]
    rows = [
        row
        for row in to_rows(tenant.graph.get("oauth2PermissionGrants"))
        if str(row.get("clientId")).casefold() == str(app).casefold()
    ]
    what = f"servicePrincipals('{key}')/oauth2PermissionGrants"
    return build_apps_page(tenant, request, what, rows)


# Registrations ----------------------------------------------------------------------------------


def list_applications(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /applications`: `$expand=owners` returns twenty of them and no link to the others."""
    names = parse_select(request)
    for name in names:
        if name not in APPLICATION_PROPERTIES:
            raise build_bad_request(f"Could not find a property named '{name[:64]}'.")
    expanded = request.query.get("$expand", "")
    if expanded not in ("", "owners"):
        raise build_bad_request(f"Query option '$expand={expanded[:64]}' is not supported.")
    rows = [
        expand_owners(tenant, row, is_asked=bool(expanded))
        for row in filter_app_rows(request, to_rows(tenant.graph.get("applications")))
    ]
    wanted = (*names, "owners") if names and expanded else names
    return build_apps_page(tenant, request, "applications", rows, wanted)


def get_application(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /applications/{id}`."""
    names = parse_select(request)
    row = expand_owners(tenant, find_application(tenant, key), is_asked=False)
    shown = strip_private_keys(tenant.read_row(row))
    body = {"@odata.context": build_context_url(tenant, "applications/$entity")}
    return HttpResponse(200, body | (project_row(shown, names) if names else shown))


def list_owners(tenant: SimulatedTenant, row: Row) -> list[Row]:
    """The owners of an application: rows as they are, ids as the users or apps they belong to."""
    known = {
        str(one.get("id")).casefold(): one
        for one in (*to_rows(tenant.graph.get("users")), *collect_principals(tenant))
    }
    found: list[Row] = []
    for owner in row.get("owners") or ():
        if isinstance(owner, dict):
            found.append(owner)
        elif one := known.get(str(owner).casefold()):
            names = ("id", "displayName", "userPrincipalName", "userType")
            found.append({name: one.get(name) for name in names if name in one})
    return found


def find_application(tenant: SimulatedTenant, key: str) -> Row:
    """Finds an application by object id. Raises GraphError."""
    for row in to_rows(tenant.graph.get("applications")):
        if str(row.get("id")).casefold() == key.casefold():
            return row
    raise build_missing_resource_error(key)


def list_application_owners(
    tenant: SimulatedTenant, request: HttpRequest, key: str
) -> HttpResponse:
    """`GET /applications/{id}/owners`: all of them, page by page."""
    rows = list_owners(tenant, find_application(tenant, key))
    return build_apps_page(tenant, request, f"applications('{key}')/owners", rows)


def list_federated_credentials(
    tenant: SimulatedTenant, request: HttpRequest, key: str
) -> HttpResponse:
    """`GET /applications/{id}/federatedIdentityCredentials`."""
    rows = to_rows(find_application(tenant, key).get("federatedIdentityCredentials"))
    what = f"applications('{key}')/federatedIdentityCredentials"
    return build_apps_page(tenant, request, what, rows)


READ_APPS = frozenset(
    split_words("""
    Application.Read.All Application.ReadWrite.All Application.ReadWrite.OwnedBy Directory.Read.All
    """)
)
READ_GRANTS = frozenset(
    split_words("Directory.Read.All Directory.ReadWrite.All DelegatedPermissionGrant.ReadWrite.All")
)
ROUTES: tuple[tuple[str, str, frozenset[str], Callable[..., HttpResponse]], ...] = (
    ("GET", "serviceprincipals", READ_APPS, list_principals),
    ("GET", "serviceprincipals/*", READ_APPS, get_principal),
    ("GET", "serviceprincipals/*/approleassignedto", READ_APPS, list_assigned_to),
    ("GET", "serviceprincipals/*/approleassignments", READ_APPS, list_assignments),
    ("GET", "applications", READ_APPS, list_applications),
    ("GET", "applications/*", READ_APPS, get_application),
    ("GET", "applications/*/owners", READ_APPS, list_application_owners),
    (
        "GET",
        "applications/*/federatedidentitycredentials",
        READ_APPS,
        list_federated_credentials,
    ),
    ("GET", "oauth2permissiongrants", READ_GRANTS, list_grants),
    ("GET", "serviceprincipals/*/oauth2permissiongrants", READ_GRANTS, list_principal_grants),
)
