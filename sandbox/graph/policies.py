"""Graph's policies of which there is one each, and the organization's own object.

A policy is one row of the scene (`graph.authorizationPolicy`, as Graph shows it); a scene that says
nothing of it has that of a tenant somebody has looked after.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from sandbox.graph.users import GraphError, bad_request, context, not_found, projected, selection
from sandbox.http_types import Answer, Call, Row, shown
from sandbox.state.tenant import Tenant

# Microsoft Learn: Graph authorizationPolicy resource type.
INVITERS = frozenset({"none", "adminsAndGuestInviters", "adminsGuestInvitersAndAllMembers"}) | {
    "everyone"
}
KEPT: Mapping[str, Row] = {
    "authorizationPolicy": {
        "id": "authorizationPolicy",
        "displayName": "Authorization Policy",
        "description": "Used to manage authorization related settings across the company.",
        "allowInvitesFrom": "adminsAndGuestInviters",
        "allowEmailVerifiedUsersToJoinOrganization": False,
        "allowUserConsentForRiskyApps": None,
        "allowedToSignUpEmailBasedSubscriptions": False,
        "allowedToUseSSPR": True,
        "blockMsolPowerShell": True,
        "guestUserRoleId": "2af84b1e-32c8-42b7-82bc-daa82404023b",
        "defaultUserRolePermissions": {
            "allowedToCreateApps": False,
            "allowedToCreateSecurityGroups": False,
            "allowedToCreateTenants": False,
            "allowedToReadBitlockerKeysForOwnedDevice": True,
            "allowedToReadOtherUsers": True,
            "permissionGrantPoliciesAssigned": [],
        },
    },
    "identitySecurityDefaultsEnforcementPolicy": {
        "id": "00000000-0000-0000-0000-000000000005",
        "displayName": "Security Defaults",
        "description": "Security defaults is a set of basic identity security mechanisms.",
        "isEnabled": True,
    },
}
PROPERTIES = frozenset(KEPT["authorizationPolicy"])
DEFAULT_USER = "defaultUserRolePermissions"
DEFAULT_USER_PROPERTIES = frozenset(KEPT["authorizationPolicy"][DEFAULT_USER])
TEXTS = frozenset({"displayName", "description", "allowInvitesFrom", "guestUserRoleId"})
PRIVACY = frozenset({"contactEmail", "statementUrl"})
MAILS = frozenset(
    {
        "marketingNotificationEmails",
        "securityComplianceNotificationMails",
        "technicalNotificationMails",
    }
)


def policy(tenant: Tenant, segment: str) -> Row:
    """The one row of a policy: the scene's, or a healthy one that is the scene's from now on."""
    name = next(one for one in KEPT if one.casefold() == segment.casefold())
    row: Row = tenant.graph.setdefault(name, deepcopy(KEPT[name]))
    return row


def get_policy(tenant: Tenant, call: Call) -> Answer:
    """`GET /policies/{policy}`: an object, never a collection, in v1.0."""
    row = policy(tenant, call.segments[-1])
    names = selection(call)
    where = context(tenant, f"policies/{call.segments[-1]}/$entity")
    found = shown(tenant.current(row))
    return Answer(200, {"@odata.context": where} | (projected(found, names) if names else found))


def payload(call: Call, known: frozenset[str]) -> dict[str, Any]:
    """The properties to change. Raises GraphError for none, or one that does not exist."""
    body = call.json()
    given = body.items() if isinstance(body, Mapping) else ()
    changes = {name: value for name, value in given if not name.startswith("@odata.")}
    if not changes:
        raise bad_request("Empty Payload. JSON content expected.")
    if unknown := changes.keys() - known:
        raise bad_request(f"Property '{min(unknown)[:64]}' does not exist.")
    return changes


def invalid(name: str, resource: str) -> GraphError:
    return bad_request(
        f"Invalid value specified for property '{name[:64]}' of resource '{resource}'."
    )


def change_authorization(tenant: Tenant, call: Call) -> Answer:
    """`PATCH /policies/authorizationPolicy`. What is inside of an object is changed one by one."""
    changes = payload(call, PROPERTIES - {"id"})
    row = policy(tenant, call.segments[-1])
    for name, value in changes.items():
        if name == DEFAULT_USER:
            changes[name] = {**row.get(name, {}), **default_user(value)}
        elif not isinstance(value, str if name in TEXTS else bool):
            raise invalid(name, "authorizationPolicy")
    if changes.get("allowInvitesFrom", "none") not in INVITERS:
        raise invalid("allowInvitesFrom", "authorizationPolicy")
    tenant.change(row, changes, tenant.faults.stale("graph", [call.line]))
    tenant.record("graph", "PATCH", "/policies/authorizationPolicy", dict(call.json()))
    return Answer(204)


def default_user(value: object) -> Mapping[str, Any]:
    """Permissions of the default user role, as far as they are given. Raises GraphError."""
    if not isinstance(value, Mapping):
        raise invalid(DEFAULT_USER, "authorizationPolicy")
    for name, inner in value.items():
        if name not in DEFAULT_USER_PROPERTIES:
            raise bad_request(f"Property '{name[:64]}' does not exist.")
        if not isinstance(inner, list if name == "permissionGrantPoliciesAssigned" else bool):
            raise invalid(name, "authorizationPolicy")
    return value


# The organization -------------------------------------------------------------------------------


def organization(tenant: Tenant, key: str) -> Row:
    """The organization a path names. Raises GraphError for any other."""
    for row in tenant.graph["organization"]:
        if str(row.get("id")).casefold() == key.casefold():
            found: Row = row
            return found
    raise not_found(key)


def get_organization(tenant: Tenant, call: Call, key: str) -> Answer:
    """`GET /organization/{id}`."""
    names = selection(call)
    row = shown(tenant.current(organization(tenant, key)))
    where = context(tenant, "organization/$entity")
    return Answer(200, {"@odata.context": where} | (projected(row, names) if names else row))


def change_organization(tenant: Tenant, call: Call, key: str) -> Answer:
    """`PATCH /organization/{id}`: the addresses for notices, and the privacy profile as a whole."""
    changes = payload(call, MAILS | {"privacyProfile"})
    for name, value in changes.items():
        if name in MAILS:
            fine = isinstance(value, list) and all(isinstance(one, str) for one in value)
        else:
            fine = isinstance(value, Mapping) and value.keys() <= PRIVACY
        if not fine:
            raise invalid(name, "Organization")
    row = organization(tenant, key)
    tenant.change(row, changes, tenant.faults.stale("graph", [call.line]))
    tenant.record("graph", "PATCH", f"/organization/{row['id']}", dict(call.json()))
    return Answer(204)


READ = frozenset({"Policy.Read.All"})
WRITE = frozenset({"Policy.ReadWrite.Authorization"})
READ_ORGANIZATION = frozenset(
    {
        "Organization.Read.All",
        "Organization.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "User.Read.All",
    }
)
ROUTES: tuple[tuple[str, str, frozenset[str], Callable[..., Answer]], ...] = (
    ("GET", "policies/authorizationpolicy", READ | WRITE, get_policy),
    ("PATCH", "policies/authorizationpolicy", WRITE, change_authorization),
    ("GET", "policies/identitysecuritydefaultsenforcementpolicy", READ, get_policy),
    ("GET", "organization/*", READ_ORGANIZATION, get_organization),
    ("PATCH", "organization/*", frozenset({"Organization.ReadWrite.All"}), change_organization),
)
