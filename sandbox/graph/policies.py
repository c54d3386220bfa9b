"""Graph's singleton policies and the organization object.

A policy is one row of the scene (`graph.authorizationPolicy`, as Graph prints it). The default is
that of a well-kept tenant.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.graph.users import (
    GraphError,
    build_bad_request,
    build_context_url,
    build_missing_resource_error,
    parse_select,
    project_row,
)
from sandbox.http_types import HttpRequest, HttpResponse, Row, strip_private_keys
from sandbox.state.json_copy import add_missing, copy_json
from sandbox.state.tenant import SimulatedTenant

# Microsoft Learn: Graph authorizationPolicy resource type.
INVITE_SETTINGS = frozenset(
    {"none", "adminsAndGuestInviters", "adminsGuestInvitersAndAllMembers"}
) | {"everyone"}
DEFAULT_GRAPH_POLICIES: Mapping[str, Row] = {
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
            "allowedToReadBitlockerKeysForOwnedDevice": False,
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
    "adminConsentRequestPolicy": {
        "isEnabled": True,
        "notifyReviewers": True,
        "remindersEnabled": True,
        "requestDurationInDays": 30,
        "version": 0,
        "reviewers": [],
    },
    # Microsoft Learn: Graph authenticationFlowsPolicy resource type.
    "authenticationFlowsPolicy": {
        "id": "authenticationFlowsPolicy",
        "displayName": "Authentication flows policy",
        "description": "Authentication flows policy allows modification of settings.",
        "selfServiceSignUp": {"isEnabled": False},
    },
    # Microsoft Learn: Graph authenticationMethodsPolicy resource type.
    "authenticationMethodsPolicy": {
        "id": "authenticationMethodsPolicy",
        "displayName": "Authentication Methods Policy",
        "description": "The tenant-wide policy that controls which methods may be used.",
        "lastModifiedDateTime": "2026-01-14T09:12:31.0000000Z",
        "policyVersion": "1.5",
        "policyMigrationState": "migrationComplete",
        "systemCredentialPreferences": {
            "state": "default",
            "includeTargets": [{"id": "all_users", "targetType": "group"}],
            "excludeTargets": [],
        },
        "authenticationMethodConfigurations": [
            {
                "@odata.type": f"#microsoft.graph.{kind}AuthenticationMethodConfiguration",
                "id": name,
                "state": state,
                "excludeTargets": [],
            }
            for kind, name, state in (
                ("fido2", "Fido2", "enabled"),
                ("microsoftAuthenticator", "MicrosoftAuthenticator", "enabled"),
                ("sms", "Sms", "disabled"),
                ("temporaryAccessPass", "TemporaryAccessPass", "enabled"),
                ("softwareOath", "SoftwareOath", "enabled"),
                ("voice", "Voice", "disabled"),
                ("email", "Email", "disabled"),
                ("x509Certificate", "X509Certificate", "disabled"),
            )
        ],
    },
}
AUTHORIZATION_PROPERTIES = frozenset(DEFAULT_GRAPH_POLICIES["authorizationPolicy"])
DEFAULT_USER_PROPERTY = "defaultUserRolePermissions"
DEFAULT_USER_PROPERTIES = frozenset(
    DEFAULT_GRAPH_POLICIES["authorizationPolicy"][DEFAULT_USER_PROPERTY]
)
# What is left of them where an update replaces the whole object.
EMPTY_USER_PERMISSIONS: Row = {
    name: [] if name == "permissionGrantPoliciesAssigned" else False
    for name in DEFAULT_USER_PROPERTIES
}
TEXT_PROPERTIES = frozenset({"displayName", "description", "allowInvitesFrom", "guestUserRoleId"})
PRIVACY_PROPERTIES = frozenset({"contactEmail", "statementUrl"})
MAIL_PROPERTIES = frozenset(
    {
        "marketingNotificationEmails",
        "securityComplianceNotificationMails",
        "technicalNotificationMails",
    }
)


def get_policy_row(tenant: SimulatedTenant, segment: str) -> Row:
    """The row of a policy: the scene's, or a healthy one that becomes the scene's."""
    name = next(one for one in DEFAULT_GRAPH_POLICIES if one.casefold() == segment.casefold())
    add_missing(tenant.graph, {name: DEFAULT_GRAPH_POLICIES[name]})
    row: Row = tenant.graph[name]
    fill_policy(row, DEFAULT_GRAPH_POLICIES[name])
    return row


def fill_policy(row: Row, defaults: Mapping[str, Any]) -> None:
    """Adds the properties that a scene leaves out, also in nested objects, as Graph prints all."""
    if row.get("@sandbox.bare"):
        return
    for name, value in defaults.items():
        if name not in row:
            row[name] = copy_json(value)
        elif isinstance(value, Mapping) and isinstance(row[name], dict):
            fill_policy(row[name], value)


def get_policy(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /policies/{policy}`: an object, not a collection, in v1.0."""
    row = get_policy_row(tenant, request.segments[-1])
    names = parse_select(request)
    where = build_context_url(tenant, f"policies/{request.segments[-1]}/$entity")
    found = strip_private_keys(tenant.read_row(row))
    return HttpResponse(
        200, {"@odata.context": where} | (project_row(found, names) if names else found)
    )


def parse_changes(request: HttpRequest, known: frozenset[str]) -> dict[str, Any]:
    """Parses the properties to change. Raises GraphError for none or an unknown one."""
    body = request.json()
    given = body.items() if isinstance(body, Mapping) else ()
    changes = {name: value for name, value in given if not name.startswith("@odata.")}
    if not changes:
        raise build_bad_request("Empty Payload. JSON content expected.")
    if unknown := changes.keys() - known:
        raise build_bad_request(f"Property '{min(unknown)[:64]}' does not exist.")
    return changes


def build_invalid_value_error(name: str, resource: str) -> GraphError:
    return build_bad_request(
        f"Invalid value specified for property '{name[:64]}' of resource '{resource}'."
    )


def change_authorization(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`PATCH /policies/authorizationPolicy`. Nested objects are changed property by property."""
    changes = parse_changes(request, AUTHORIZATION_PROPERTIES - {"id"})
    row = get_policy_row(tenant, request.segments[-1])
    for name, value in changes.items():
        if name == DEFAULT_USER_PROPERTY:
            keeps = tenant.reality.plays("write-policy-merge", "merged")
            siblings = row.get(name, {}) if keeps else EMPTY_USER_PERMISSIONS
            changes[name] = {**siblings, **check_default_user(value)}
        elif not isinstance(value, str if name in TEXT_PROPERTIES else bool):
            raise build_invalid_value_error(name, "authorizationPolicy")
    if changes.get("allowInvitesFrom", "none") not in INVITE_SETTINGS:
        raise build_invalid_value_error("allowInvitesFrom", "authorizationPolicy")
    tenant.update_row(row, changes, tenant.find_stale_fault("graph", [request.line]))
    tenant.record_write("graph", "PATCH", "/policies/authorizationPolicy", dict(request.json()))
    return HttpResponse(204)


def check_default_user(value: object) -> Mapping[str, Any]:
    """Checks the given permissions of the default user role. Raises GraphError."""
    if not isinstance(value, Mapping):
        raise build_invalid_value_error(DEFAULT_USER_PROPERTY, "authorizationPolicy")
    for name, inner in value.items():
        if name not in DEFAULT_USER_PROPERTIES:
            raise build_bad_request(f"Property '{name[:64]}' does not exist.")
        if not isinstance(inner, list if name == "permissionGrantPoliciesAssigned" else bool):
            raise build_invalid_value_error(name, "authorizationPolicy")
    return value


# The organization -------------------------------------------------------------------------------


def find_organization(tenant: SimulatedTenant, key: str) -> Row:
    """Finds the organization of a path. Raises GraphError for any other."""
    for row in tenant.graph["organization"]:
        if str(row.get("id")).casefold() == key.casefold():
            found: Row = row
            return found
    raise build_missing_resource_error(key)


def get_organization(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /organization/{id}`."""
    names = parse_select(request)
    row = strip_private_keys(tenant.read_row(find_organization(tenant, key)))
    where = build_context_url(tenant, "organization/$entity")
    return HttpResponse(
        200, {"@odata.context": where} | (project_row(row, names) if names else row)
    )


def change_organization(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`PATCH /organization/{id}`: the notification addresses and the whole privacy profile."""
    changes = parse_changes(request, MAIL_PROPERTIES | {"privacyProfile"})
    for name, value in changes.items():
        if name in MAIL_PROPERTIES:
            fine = isinstance(value, list) and all(isinstance(one, str) for one in value)
        else:
            fine = isinstance(value, Mapping) and value.keys() <= PRIVACY_PROPERTIES
        if not fine:
            raise build_invalid_value_error(name, "Organization")
    row = find_organization(tenant, key)
    tenant.update_row(row, changes, tenant.find_stale_fault("graph", [request.line]))
    tenant.record_write("graph", "PATCH", f"/organization/{row['id']}", dict(request.json()))
    return HttpResponse(204)


READ_POLICIES = frozenset({"Policy.Read.All"})
WRITE_POLICIES = frozenset({"Policy.ReadWrite.Authorization"})
READ_ORGANIZATION = frozenset(
    {
        "Organization.Read.All",
        "Organization.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "User.Read.All",
    }
)
ROUTES: tuple[tuple[str, str, frozenset[str], Callable[..., HttpResponse]], ...] = (
    ("GET", "policies/authorizationpolicy", READ_POLICIES | WRITE_POLICIES, get_policy),
    ("PATCH", "policies/authorizationpolicy", WRITE_POLICIES, change_authorization),
    ("GET", "policies/identitysecuritydefaultsenforcementpolicy", READ_POLICIES, get_policy),
    ("GET", "policies/adminconsentrequestpolicy", READ_POLICIES, get_policy),
    ("GET", "policies/authenticationflowspolicy", READ_POLICIES, get_policy),
    ("GET", "policies/authenticationmethodspolicy", READ_POLICIES, get_policy),
    ("GET", "organization/*", READ_ORGANIZATION, get_organization),
    ("PATCH", "organization/*", frozenset({"Organization.ReadWrite.All"}), change_organization),
)
