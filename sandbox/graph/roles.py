"""Administrators in Graph: role assignments, PIM and groups.

Groups list the ids of their direct members; transitive members are resolved here, through cycles
too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sandbox.graph.odata import InvalidFilter, parse_filter
from sandbox.graph.users import (
    GraphError,
    build_bad_request,
    build_context_url,
    build_missing_resource_error,
    find_user,
    parse_page_size,
)
from sandbox.http_types import (
    HttpRequest,
    HttpResponse,
    Row,
    build_next_link,
    is_true,
    strip_private_keys,
)
from sandbox.state.tenant import SimulatedTenant, fold_key

READ_HIDDEN_MEMBERS = "Member.Read.Hidden"
GROUP_TYPE, USER_TYPE = "#microsoft.graph.group", "#microsoft.graph.user"
ROLE_TYPE = "#microsoft.graph.directoryRole"
UNLICENSED_MESSAGE = (
    "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license."
)


def build_roles_page(
    tenant: SimulatedTenant, request: HttpRequest, what: str, rows: Sequence[Row]
) -> HttpResponse:
    """Builds a page of a collection. Raises GraphError for a token of another query."""
    size = parse_page_size(request, default=100, maximum=999)
    mark = f"{request.path}?{request.query.get('$filter', '')}"
    token = request.query.get("$skiptoken")
    try:
        part, rest = (
            tenant.snapshots.cut_page(rows, size, mark)
            if token is None
            else tenant.snapshots.resume_listing(token, size, mark)
        )
    except KeyError as error:
        raise GraphError(400, "Directory_ExpiredPageToken", "The page token is invalid.") from error
    body: dict[str, Any] = {
        "@odata.context": build_context_url(tenant, what),
        "value": [*map(strip_private_keys, part)],
    }
    if rest:
        body["@odata.nextLink"] = build_next_link(tenant.base, request, rest)
    return HttpResponse(200, body)


def filter_role_rows(request: HttpRequest, rows: Iterable[Row]) -> list[Row]:
    """Applies `$filter`. Raises GraphError."""
    try:
        wanted = parse_filter(request.query.get("$filter", ""))
    except InvalidFilter as trouble:
        raise GraphError(400, "BadRequest", str(trouble)) from trouble
    return [row for row in rows if wanted.matches(row)]


def read_member_names(tenant: SimulatedTenant, ids: Iterable[object]) -> dict[str, Row]:
    """The names of users and groups, as Graph prints them of any directory object it may show."""
    wanted, names = set(map(fold_key, ids)), ("displayName", "userPrincipalName")
    return {
        key: {name: row[name] for name in names if row.get(name)}
        for row in (*tenant.graph["users"], *tenant.graph["groups"])
        if (key := fold_key(row.get("id"))) in wanted
    }


def strip_principals(
    tenant: SimulatedTenant, request: HttpRequest, rows: Iterable[Row]
) -> list[Row]:
    """Removes the principal of an assignment unless it is expanded: then a user is told by name."""
    if request.query.get("$expand", "").casefold() == "principal":
        rows = list(rows)
        known = read_member_names(tenant, (row.get("principalId") for row in rows))
        return [
            {**row, "principal": {**known.get(fold_key(row.get("principalId")), {}), **principal}}
            if isinstance(principal := row.get("principal"), Mapping)
            else row
            for row in rows
        ]
    return [{name: value for name, value in row.items() if name != "principal"} for row in rows]


def require_pim(tenant: SimulatedTenant) -> None:
    """Raises GraphError in a tenant without PIM, which Graph reports as a bad request."""
    if tenant.scene.get("@sandbox.entraP2") is False:
        raise GraphError(400, "AadPremiumLicenseRequired", UNLICENSED_MESSAGE)


def list_role_assignments(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /roleManagement/directory/roleAssignments`: active roles."""
    rows = filter_role_rows(request, tenant.graph["roleAssignments"])
    what = "roleManagement/directory/roleAssignments"
    return build_roles_page(tenant, request, what, strip_principals(tenant, request, rows))


def list_eligible_roles(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET .../roleEligibilityScheduleInstances`: roles that can be activated. Needs P2."""
    require_pim(tenant)
    rows = filter_role_rows(request, tenant.graph["roleEligibilityScheduleInstances"])
    what = "roleManagement/directory/roleEligibilityScheduleInstances"
    return build_roles_page(tenant, request, what, strip_principals(tenant, request, rows))


def list_group_eligibility(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET .../group/eligibilityScheduleInstances`: group memberships that can be activated. Needs
    P2.
    """
    require_pim(tenant)
    if "$filter" not in request.query:
        raise build_bad_request("The query must be filtered by groupId or principalId.")
    rows = filter_role_rows(request, tenant.graph["groupEligibility"])
    return build_roles_page(tenant, request, "identityGovernance/privilegedAccess/group", rows)


# Groups -----------------------------------------------------------------------------------------


def find_group(tenant: SimulatedTenant, key: str) -> Row:
    """Finds a group by id. Raises GraphError."""
    for row in tenant.graph["groups"]:
        if fold_key(row.get("id")) == fold_key(key):
            return dict(row)
    raise build_missing_resource_error(key)


def get_group(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /groups/{id}`."""
    names = [name.strip() for name in request.query.get("$select", "").split(",") if name.strip()]
    relations = ("members", "owners")
    row = {name: value for name, value in find_group(tenant, key).items() if name not in relations}
    body = {name: row.get(name) for name in names} if names else strip_private_keys(row)
    return HttpResponse(
        200, {"@odata.context": build_context_url(tenant, "groups/$entity"), **body}
    )


def iter_members(groups: Mapping[str, Row], key: str) -> Iterator[str]:
    """The ids of all transitive members of a group, each once."""
    waiting, seen = [key], {key}
    while waiting:
        for one in map(fold_key, groups.get(waiting.pop(), {}).get("members") or ()):
            if one not in seen:
                seen.add(one)
                yield one
                waiting.append(one)


def index_groups(tenant: SimulatedTenant) -> dict[str, Row]:
    return {fold_key(row.get("id")): row for row in tenant.graph["groups"]}


def list_transitive_members(
    tenant: SimulatedTenant, request: HttpRequest, key: str
) -> HttpResponse:
    """`GET /groups/{id}/transitiveMembers`. Hidden members are omitted silently."""
    group, groups = find_group(tenant, key), index_groups(tenant)
    hidden = (
        fold_key(group.get("visibility")) == "hiddenmembership"
        and READ_HIDDEN_MEMBERS not in request.roles
    )
    members = [] if hidden else [*iter_members(groups, fold_key(key))]
    known = read_member_names(tenant, members)
    rows = [
        {
            "@odata.type": GROUP_TYPE if one in groups else USER_TYPE,
            "id": one,
            **known.get(one, {}),
        }
        for one in members
    ]
    return build_roles_page(tenant, request, "directoryObjects", rows)


def list_group_owners(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /groups/{id}/owners`: the ids of a scene as people."""
    owners = [fold_key(one) for one in find_group(tenant, key).get("owners") or ()]
    known = read_member_names(tenant, owners)
    rows = [{"@odata.type": USER_TYPE, "id": one, **known.get(one, {})} for one in owners]
    return build_roles_page(tenant, request, "directoryObjects", rows)


def list_transitive_memberships(
    tenant: SimulatedTenant, request: HttpRequest, key: str
) -> HttpResponse:
    """`GET /users/{id}/transitiveMemberOf`: groups, and the roles that they and the user hold.

    Roles scoped to a part of the directory and custom roles are omitted.
    """
    _, user = find_user(tenant, key)
    own, groups = fold_key(user["id"]), index_groups(tenant)
    inside = [one for one in groups if own in iter_members(groups, one)]
    roles = {
        str(row.get("roleDefinitionId"))
        for row in tenant.graph["roleAssignments"]
        if fold_key(row.get("principalId")) in (own, *inside)
        and row.get("directoryScopeId", "/") == "/"
        and not is_true(row.get("@sandbox.customRole"))
    }
    rows = [
        {
            "@odata.type": GROUP_TYPE,
            "id": one,
            "isAssignableToRole": groups[one].get("isAssignableToRole"),
        }
        for one in inside
    ]
    rows += [{"@odata.type": ROLE_TYPE, "id": one} for one in sorted(roles)]
    return build_roles_page(tenant, request, "directoryObjects", rows)
