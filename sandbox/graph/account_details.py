"""What belongs to one account: sign-in methods, registered devices, grants and apps; and deleted
accounts.

A scene lists `authenticationMethods` and `registeredDevices`, each row with the account as
`"@sandbox.user"`; without them an account has a password and an authenticator that it registered
with it. Phones have no date. A password is reset by a signed-in administrator only (Microsoft
Learn: authenticationMethod resetPassword, application permissions: not supported).
"""

from sandbox.graph.apps import list_owners
from sandbox.graph.users import (
    GraphError,
    build_context_url,
    build_missing_resource_error,
    find_user,
    parse_select,
    project_row,
)
from sandbox.http_types import HttpRequest, HttpResponse, Row, split_words, strip_private_keys
from sandbox.state.tenant import SimulatedTenant, fold_key, to_rows

READ_METHODS = frozenset(
    split_words("UserAuthenticationMethod.Read.All UserAuthenticationMethod.ReadWrite.All")
)
READ_DIRECTORY = frozenset(split_words("Directory.Read.All Directory.ReadWrite.All"))
READ_DELETED = frozenset(
    split_words("User.Read.All User.ReadWrite.All Directory.Read.All Directory.ReadWrite.All")
)
WRITE_DEVICES = frozenset(
    split_words("Device.EnableDisableAccount.All Device.ReadWrite.All Directory.ReadWrite.All")
)
READ_GRANTS = READ_DIRECTORY | {"DelegatedPermissionGrant.ReadWrite.All"}
PASSWORD_METHOD = "28c10230-6103-485e-b985-444c60001490"
TYPES = "#microsoft.graph."
PRINCIPAL = "servicePrincipal"


def list_own_rows(tenant: SimulatedTenant, collection: str, user: Row) -> list[Row]:
    """The rows of a scene that belong to an account."""
    ids = {fold_key(user.get("id")), fold_key(user.get("userPrincipalName"))}
    return [
        strip_private_keys(row)
        for row in to_rows(tenant.graph.get(collection))
        if fold_key(row.get("@sandbox.user")) in ids
    ]


def answer_rows(
    tenant: SimulatedTenant, request: HttpRequest, where: str, rows: list[Row]
) -> HttpResponse:
    """A collection in one page."""
    names = parse_select(request)
    value = [project_row(row, names) for row in rows] if names else rows
    return HttpResponse(200, {"@odata.context": build_context_url(tenant, where), "value": value})


def list_methods(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /users/{id}/authentication/methods`."""
    _, user = find_user(tenant, key)
    rows = list_own_rows(tenant, "authenticationMethods", user) or [
        {
            "@odata.type": f"{TYPES}microsoftAuthenticatorAuthenticationMethod",
            "id": f"aa{str(user.get('id'))[2:]}",
            "displayName": "Phone",
            "createdDateTime": user.get("createdDateTime"),
        }
    ]
    password: Row = {
        "@odata.type": f"{TYPES}passwordAuthenticationMethod",
        "id": PASSWORD_METHOD,
        "createdDateTime": user.get("lastPasswordChangeDateTime"),
    }
    if tenant.reality.plays("graph-method-dates", "undated"):
        rows = [{**row, "createdDateTime": None} for row in rows]
    where = f"users('{key}')/authentication/methods"
    return answer_rows(tenant, request, where, [password, *rows])


def reset_password(tenant: SimulatedTenant, request: HttpRequest, *keys: str) -> HttpResponse:
    """`POST .../authentication/methods/{id}/resetPassword`: for signed-in administrators only."""
    raise GraphError(
        403, "accessDenied", "Request Authorization failed: application access is not supported."
    )


def list_devices(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /users/{id}/registeredDevices/microsoft.graph.device`."""
    _, user = find_user(tenant, key)
    rows = list_own_rows(tenant, "registeredDevices", user)
    return answer_rows(tenant, request, f"users('{key}')/registeredDevices", rows)


def find_device(tenant: SimulatedTenant, key: str) -> Row:
    """A device by its object id. Raises GraphError."""
    for collection in ("registeredDevices", "devices"):
        for row in to_rows(tenant.graph.get(collection)):
            if fold_key(row.get("id")) == fold_key(key):
                return row
    raise build_missing_resource_error(key)


def change_device(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`PATCH /devices/{id}`: accountEnabled, of devices with Windows only."""
    body = request.json()
    if not isinstance(body, dict) or body.keys() != {"accountEnabled"}:
        raise GraphError(400, "Request_BadRequest", "Only accountEnabled can be changed.")
    row = find_device(tenant, key)
    if not str(row.get("operatingSystem")).casefold().startswith("windows"):
        text = "Properties other than ExtensionAttributes can be modified only on windows devices."
        raise GraphError(400, "Request_BadRequest", text)
    hidden = tenant.find_stale_fault("graph", [request.line])
    tenant.update_row(row, dict(body), hidden)
    tenant.record_write("graph", "PATCH", f"/devices/{row.get('id')}", dict(body))
    return HttpResponse(204)


def list_user_grants(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /users/{id}/oauth2PermissionGrants`: what the user allowed apps."""
    _, user = find_user(tenant, key)
    rows = [
        strip_private_keys(row)
        for row in to_rows(tenant.graph.get("oauth2PermissionGrants"))
        if fold_key(row.get("principalId")) == fold_key(user.get("id"))
    ]
    return answer_rows(tenant, request, f"users('{key}')/oauth2PermissionGrants", rows)


def list_owned_objects(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /users/{id}/ownedObjects`: the apps that name the account among their owners, and what
    the scene lists as `ownedObjects`.
    """
    _, user = find_user(tenant, key)
    wanted = fold_key(user.get("id"))
    rows = list_own_rows(tenant, "ownedObjects", user)
    for collection, kind in (("applications", "application"), ("servicePrincipals", PRINCIPAL)):
        for row in to_rows(tenant.graph.get(collection)):
            owners = {fold_key(one.get("id")) for one in list_owners(tenant, row)}
            if wanted in owners:
                shown = {name: value for name, value in row.items() if name != "owners"}
                rows.append({"@odata.type": f"{TYPES}{kind}", **strip_private_keys(shown)})
    return answer_rows(tenant, request, f"users('{key}')/ownedObjects", rows)


def list_user_assignments(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /users/{id}/appRoleAssignments`: the apps that the account was assigned to."""
    _, user = find_user(tenant, key)
    rows = [
        strip_private_keys(row)
        for row in to_rows(tenant.graph.get("appRoleAssignments"))
        if fold_key(row.get("principalId")) == fold_key(user.get("id"))
    ]
    return answer_rows(tenant, request, f"users('{key}')/appRoleAssignments", rows)


def get_deleted_item(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /directory/deletedItems/{id}`."""
    for row in to_rows(tenant.graph.get("deletedItems")):
        if fold_key(row.get("id")) == fold_key(key):
            shown = {"@odata.type": f"{TYPES}user", **strip_private_keys(row)}
            where = build_context_url(tenant, "directoryObjects/$entity")
            return HttpResponse(200, {"@odata.context": where, **shown})
    raise build_missing_resource_error(key)


ROUTES = (
    ("GET", "users/*/authentication/methods", READ_METHODS, list_methods),
    ("POST", "users/*/authentication/methods/*/resetpassword", READ_METHODS, reset_password),
    ("GET", "users/*/registereddevices/microsoft.graph.device", READ_DIRECTORY, list_devices),
    ("PATCH", "devices/*", WRITE_DEVICES, change_device),
    ("GET", "users/*/oauth2permissiongrants", READ_GRANTS, list_user_grants),
    ("GET", "users/*/ownedobjects", READ_DIRECTORY, list_owned_objects),
    ("GET", "users/*/approleassignments", READ_DIRECTORY, list_user_assignments),
    ("GET", "directory/deleteditems/*", READ_DELETED, get_deleted_item),
)
