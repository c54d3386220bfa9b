"""Graph's plain collections and single objects of configuration, with their relations.

A scene carries each under a key of its own, in wire form; a relation is a list of ids in the row. A
key that is absent is the default of a fresh tenant.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sandbox.graph.roles import (
    build_roles_page,
    filter_role_rows,
    read_member_names,
    require_pim,
)
from sandbox.graph.users import (
    build_context_url,
    build_missing_resource_error,
    parse_select,
    project_row,
)
from sandbox.http_types import HttpRequest, HttpResponse, Row, split_words, strip_private_keys
from sandbox.state.json_copy import add_missing
from sandbox.state.tenant import SimulatedTenant, fold_key, to_rows

ALLOWED_TO_ALL, BLOCKED_FOR_ALL = (
    {
        "usersAndGroups": {
            "accessType": access,
            "targets": [{"target": "AllUsers", "targetType": "user"}],
        },
        "applications": {
            "accessType": access,
            "targets": [{"target": "AllApplications", "targetType": "application"}],
        },
    }
    for access in ("allowed", "blocked")
)
# Microsoft Graph: crossTenantAccessPolicyConfigurationDefault, as Microsoft sets it.
FRESH_CROSS_TENANT_DEFAULT: Row = {
    "id": "fresh-default",
    "isServiceDefault": True,
    "inboundTrust": {
        "isMfaAccepted": False,
        "isCompliantDeviceAccepted": False,
        "isHybridAzureADJoinedDeviceAccepted": False,
    },
    "b2bCollaborationInbound": ALLOWED_TO_ALL,
    "b2bCollaborationOutbound": ALLOWED_TO_ALL,
    "b2bDirectConnectInbound": BLOCKED_FOR_ALL,
    "b2bDirectConnectOutbound": BLOCKED_FOR_ALL,
    "automaticUserConsentSettings": {"inboundAllowed": False, "outboundAllowed": False},
    "tenantRestrictions": {"devices": None, **BLOCKED_FOR_ALL},
}
FRESH_PROVIDERS: list[Row] = [
    {
        "@odata.type": "#microsoft.graph.builtInIdentityProvider",
        "id": f"{kind}-OAUTH",
        "identityProviderType": name,
        "displayName": shown,
        "state": None,
    }
    for kind, name, shown in (
        ("AADSignup", "AADSignup", "Directory Sign up"),
        ("MSASignup", "MicrosoftAccount", "Microsoft Account"),
        ("EmailOtpSignup", "EmailOTP", "Email One Time Passcode"),
    )
]


EVERYBODY: Row = {"@odata.type": "#microsoft.graph.allDeviceRegistrationMembership"}
# Microsoft Graph v1.0: Get deviceRegistrationPolicy.
FRESH_DEVICE_POLICY: Row = {
    "id": "deviceRegistrationPolicy",
    "displayName": "Device Registration Policy",
    "description": "Tenant-wide policy that manages intial provisioning controls.",
    "userDeviceQuota": 50,
    "multiFactorAuthConfiguration": "notRequired",
    "azureADRegistration": {"isAdminConfigurable": False, "allowedToRegister": EVERYBODY},
    "azureADJoin": {
        "isAdminConfigurable": True,
        "allowedToJoin": EVERYBODY,
        "localAdmins": {"enableGlobalAdmins": True, "registeringUsers": EVERYBODY},
    },
    "localAdminPassword": {"isEnabled": False},
}


@dataclass(frozen=True, slots=True)
class GraphCollection:
    """A collection of Graph: its path below the version, its key in a scene, who may read it."""

    path: str
    key: str
    roles: frozenset[str]
    fresh: list[Row] = field(default_factory=list)
    """Its rows in a new tenant; of a single object, one."""
    relation: str = ""
    """A relation of each object: a property with a list of ids, or of whole objects."""
    expanded: str = ""
    """A property that is shown only where it is expanded."""
    expands_users: bool = False
    """Whether that is a list of ids of users, shown as users."""
    identity: str = "id"
    also: str = ""
    """Another key of a scene, whose rows are of this collection and shown by id alone."""
    unsaid: Row = field(default_factory=dict)
    """What a row of a scene leaves out, and Graph shows of a single object."""
    is_single: bool = False
    needs_pim: bool = False
    """Whether a tenant without Privileged Identity Management is refused."""
    joined: tuple[str, str, str] | None = None
    """A property that is shown where it is expanded: its name, the property with the id of what it
    shows, and the key of a scene under which that is.
    """


def parse_roles(text: str) -> frozenset[str]:
    return frozenset(split_words(text))


READ_POLICIES = parse_roles("Policy.Read.All")
READ_ROLE_MANAGEMENT = parse_roles(
    "RoleManagement.Read.Directory RoleManagement.Read.All RoleManagement.ReadWrite.Directory"
)
CERTIFICATES = "certificateBasedAuthConfiguration"
FEDERATION = "federationConfiguration"
COLLECTIONS = (
    GraphCollection(
        "policies/crossTenantAccessPolicy/default",
        "crossTenantAccessPolicyDefault",
        READ_POLICIES,
        [FRESH_CROSS_TENANT_DEFAULT],
        is_single=True,
    ),
    GraphCollection(
        "policies/crossTenantAccessPolicy/partners",
        "crossTenantAccessPolicyPartners",
        READ_POLICIES,
        relation="m365Capabilities",
        expanded="identitySynchronization",
        identity="tenantId",
    ),
    GraphCollection(
        "identity/identityProviders",
        "identityProviders",
        parse_roles("IdentityProvider.Read.All IdentityProvider.ReadWrite.All"),
        FRESH_PROVIDERS,
    ),
    GraphCollection(
        "identity/conditionalAccess/policies", "conditionalAccessPolicies", READ_POLICIES
    ),
    GraphCollection("identity/conditionalAccess/namedLocations", "namedLocations", READ_POLICIES),
    GraphCollection(
        "roleManagement/directory/roleDefinitions", "roleDefinitions", READ_ROLE_MANAGEMENT
    ),
    GraphCollection(
        "policies/roleManagementPolicyAssignments",
        "roleManagementPolicyAssignments",
        READ_ROLE_MANAGEMENT,
        identity="roleDefinitionId",
        joined=("policy", "policyId", "roleManagementPolicies"),
    ),
    GraphCollection(
        "policies/deviceRegistrationPolicy",
        "deviceRegistrationPolicy",
        parse_roles("Policy.Read.DeviceConfiguration Policy.ReadWrite.DeviceConfiguration"),
        [FRESH_DEVICE_POLICY],
        is_single=True,
    ),
    GraphCollection(
        "roleManagement/directory/roleAssignmentScheduleInstances",
        "roleAssignmentScheduleInstances",
        READ_ROLE_MANAGEMENT,
        needs_pim=True,
    ),
    GraphCollection(
        "directory/administrativeUnits",
        "administrativeUnits",
        parse_roles("AdministrativeUnit.Read.All Directory.Read.All Directory.ReadWrite.All"),
        relation="members",
    ),
    GraphCollection(
        "directory/federationConfigurations/graph.samlOrWsFedExternalDomainFederation",
        "externalDomainFederations",
        parse_roles("IdentityProvider.Read.All"),
    ),
    GraphCollection(
        "devices",
        "devices",
        parse_roles(
            "Device.Read.All Device.ReadWrite.All Directory.Read.All Directory.ReadWrite.All"
        ),
        expanded="registeredOwners",
        expands_users=True,
        also="registeredDevices",
        unsaid={"accountEnabled": True},
    ),
    GraphCollection(
        "directory/publicKeyInfrastructure/certificateBasedAuthConfigurations",
        "publicKeyInfrastructures",
        parse_roles("PublicKeyInfrastructure.Read.All"),
        relation="certificateAuthorities",
    ),
    *(
        GraphCollection(f"identityProtection/{key}", key, parse_roles(roles))
        for key, roles in (
            ("riskyUsers", "IdentityRiskyUser.Read.All IdentityRiskyUser.ReadWrite.All"),
            ("riskDetections", "IdentityRiskEvent.Read.All IdentityRiskEvent.ReadWrite.All"),
        )
    ),
    GraphCollection(
        "security/cases/ediscoveryCases",
        "ediscoveryCases",
        parse_roles("eDiscovery.Read.All eDiscovery.ReadWrite.All"),
    ),
    *(
        GraphCollection(f"policies/{key}", key, READ_POLICIES, relation="appliesTo")
        for key in (
            "claimsMappingPolicies",
            "tokenLifetimePolicies",
            "tokenIssuancePolicies",
            "homeRealmDiscoveryPolicies",
        )
    ),
)
BY_PATH: Mapping[str, GraphCollection] = {one.path.casefold(): one for one in COLLECTIONS}


def find_rows(tenant: SimulatedTenant, collection: GraphCollection) -> list[Row]:
    """The rows of the scene, or those of a fresh tenant, which then become the scene's."""
    fresh: Any = collection.fresh[0] if collection.is_single else collection.fresh
    add_missing(tenant.graph, {collection.key: fresh})
    found = tenant.graph[collection.key]
    rows: list[Row] = [found] if collection.is_single else found
    return rows


def hide_relations(
    collection: GraphCollection, row: Row, expanded: frozenset[str] = frozenset()
) -> Row:
    """A row without what Graph shows elsewhere."""
    hidden = {collection.relation, collection.expanded} - expanded
    return {name: value for name, value in strip_private_keys(row).items() if name not in hidden}


def join_row(
    collection: GraphCollection, tenant: SimulatedTenant, row: Row, expanded: frozenset[str]
) -> Row:
    """A row with the object that one of its properties names, where that is asked for."""
    if collection.expands_users and collection.expanded in expanded:
        return {**row, collection.expanded: show_users(tenant, row.get(collection.expanded) or ())}
    if collection.joined is None or collection.joined[0] not in expanded:
        return row
    name, identity, key = collection.joined
    found = [one for one in tenant.graph.get(key, ()) if one.get("id") == row.get(identity)]
    return {**row, name: strip_private_keys(found[0]) if found else None}


def show_users(tenant: SimulatedTenant, ids: Iterable[object]) -> list[Row]:
    """Users by id, as Graph shows them at the end of a relation; what is gone is not there."""
    known = {fold_key(one.get("id")): one for one in tenant.graph["users"]}
    names = ("id", "displayName", "userPrincipalName")
    return [
        {"@odata.type": "#microsoft.graph.user", **project_row(known[key], names)}
        for key in map(fold_key, ids)
        if key in known
    ]


def list_certificates(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /organization/{id}/certificateBasedAuthConfiguration`."""
    rows = tenant.graph.setdefault(CERTIFICATES, [])
    return build_roles_page(tenant, request, CERTIFICATES, rows)


def list_federation(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /domains/{id}/federationConfiguration`: the providers of a federated domain."""
    for row in tenant.graph["domains"]:
        if fold_key(row.get("id")) == fold_key(key) and row.get(FEDERATION) is not None:
            return build_roles_page(tenant, request, FEDERATION, row[FEDERATION])
    raise build_missing_resource_error(key)


def parse_expand(request: HttpRequest) -> frozenset[str]:
    """The names in `$expand`, without what is asked of each."""
    names = request.query.get("$expand", "").split(",")
    return frozenset(name.partition("(")[0].strip() for name in names)


def show_row(
    collection: GraphCollection, tenant: SimulatedTenant, request: HttpRequest, row: Row
) -> Row:
    """A row with what is asked of it, and without what Graph shows elsewhere."""
    shown, names = parse_expand(request), parse_select(request)
    whole = {**collection.unsaid, **tenant.read_row(row)}
    plain = hide_relations(collection, whole, shown)
    found = join_row(collection, tenant, plain, shown)
    return project_row(found, (*names, *sorted(shown))) if names else found


def get_row(
    collection: GraphCollection, tenant: SimulatedTenant, request: HttpRequest, key: str
) -> HttpResponse:
    """`GET` of one object of a collection, by its identity."""
    rows = (*find_rows(tenant, collection), *to_rows(tenant.graph.get(collection.also)))
    for row in rows:
        if fold_key(row.get(collection.identity)) == fold_key(key):
            where = build_context_url(tenant, f"{collection.path}/$entity")
            found = show_row(collection, tenant, request, row)
            return HttpResponse(200, {"@odata.context": where} | found)
    raise build_missing_resource_error(key)


def get_domain(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /domains/{id}`."""
    for row in tenant.graph["domains"]:
        if fold_key(row.get("id")) == fold_key(key):
            found = strip_private_keys(tenant.read_row(row))
            found = {name: value for name, value in found.items() if name != FEDERATION}
            where = build_context_url(tenant, "domains/$entity")
            return HttpResponse(200, {"@odata.context": where} | found)
    raise build_missing_resource_error(key)


def list_rows(
    collection: GraphCollection, tenant: SimulatedTenant, request: HttpRequest
) -> HttpResponse:
    """`GET` of a collection, filtered and page by page; or of a single object."""
    if collection.needs_pim:
        require_pim(tenant)
    shown, names = parse_expand(request), parse_select(request)
    rows = [
        join_row(collection, tenant, hide_relations(collection, tenant.read_row(one), shown), shown)
        for one in find_rows(tenant, collection)
    ]
    if collection.is_single:
        where = build_context_url(tenant, f"{collection.path}/$entity")
        row = project_row(rows[0], names) if names else rows[0]
        return HttpResponse(200, {"@odata.context": where} | row)
    rows = filter_role_rows(request, rows)
    rows = [project_row(row, (*names, *sorted(shown))) for row in rows] if names else rows
    return build_roles_page(tenant, request, collection.path, rows)


def list_related_rows(tenant: SimulatedTenant, related: Iterable[Any]) -> list[Row]:
    """The objects at the end of a relation: rows as they are, ids with whose they are."""
    listed = list(related)
    names = read_member_names(tenant, (one for one in listed if not isinstance(one, Mapping)))
    return [
        strip_private_keys(one)
        if isinstance(one, Mapping)
        else {"id": one, **names.get(fold_key(one), {})}
        for one in listed
    ]


def list_related(
    collection: GraphCollection, tenant: SimulatedTenant, request: HttpRequest, key: str
) -> HttpResponse:
    """`GET` of the objects that one is related to, by id."""
    for row in find_rows(tenant, collection):
        if fold_key(row.get(collection.identity)) == fold_key(key):
            if row.get(collection.relation, ()) is None:
                # What Microsoft has not given to this tenant yet.
                raise build_missing_resource_error(collection.relation)
            related = list_related_rows(tenant, row.get(collection.relation) or ())
            if names := parse_select(request):
                related = [{name: one[name] for name in names if name in one} for one in related]
            return build_roles_page(tenant, request, "directoryObjects", related)
    raise build_missing_resource_error(key)


def list_routes() -> list[tuple[str, str, frozenset[str], Callable[..., HttpResponse]]]:
    """The routes of all collections and their relations."""
    routes: list[tuple[str, str, frozenset[str], Callable[..., HttpResponse]]] = [
        (
            "GET",
            f"organization/*/{CERTIFICATES.casefold()}",
            parse_roles("Organization.Read.All Directory.Read.All"),
            list_certificates,
        ),
        (
            "GET",
            f"domains/*/{FEDERATION.casefold()}",
            parse_roles("Domain.Read.All Domain.ReadWrite.All Directory.Read.All"),
            list_federation,
        ),
        (
            "GET",
            "domains/*",
            parse_roles("Domain.Read.All Domain.ReadWrite.All Directory.Read.All"),
            get_domain,
        ),
    ]
    for one in COLLECTIONS:
        path = one.path.casefold()
        routes.append(("GET", path, one.roles, partial(list_rows, one)))
        if not one.is_single:
            routes.append(("GET", f"{path}/*", one.roles, partial(get_row, one)))
        if one.relation:
            related = f"{path}/*/{one.relation.casefold()}"
            routes.append(("GET", related, one.roles, partial(list_related, one)))
    return routes
