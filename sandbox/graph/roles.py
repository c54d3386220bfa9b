"""The part of Graph that knows who administers: role assignments, PIM, groups.

Groups hold the ids of their direct members; what is transitive is followed here, round cycles too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sandbox.graph.odata import BadFilter, parse_filter
from sandbox.graph.users import GraphError, bad_request, context, not_found, page_size, user_of
from sandbox.http_types import Answer, Call, Row, next_link, shown, truth
from sandbox.state.tenant import Tenant, folded

HIDDEN = "Member.Read.Hidden"
GROUP, USER = "#microsoft.graph.group", "#microsoft.graph.user"
ROLE = "#microsoft.graph.directoryRole"
UNLICENSED = (
    "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license."
)


def paged(tenant: Tenant, call: Call, what: str, rows: Sequence[Row]) -> Answer:
    """A collection in pages. Raises GraphError for a token of another question."""
    size = page_size(call, usual=100, most=999)
    mark = f"{call.path}?{call.query.get('$filter', '')}"
    token = call.query.get("$skiptoken")
    try:
        part, rest = (
            tenant.snapshots.page(rows, size, mark)
            if token is None
            else tenant.snapshots.resume(token, size, mark)
        )
    except KeyError as error:
        raise GraphError(400, "Directory_ExpiredPageToken", "The page token is invalid.") from error
    body: dict[str, Any] = {"@odata.context": context(tenant, what), "value": [*map(shown, part)]}
    if rest:
        body["@odata.nextLink"] = next_link(tenant.base, call, rest)
    return Answer(200, body)


def filtered(call: Call, rows: Iterable[Row]) -> list[Row]:
    """The rows `$filter` lets through. Raises GraphError."""
    try:
        wanted = parse_filter(call.query.get("$filter", ""))
    except BadFilter as trouble:
        raise GraphError(400, "BadRequest", str(trouble)) from trouble
    return [row for row in rows if wanted.test(row)]


def expanded(call: Call, rows: Iterable[Row]) -> list[Row]:
    """The principal of an assignment is told only to whoever expands it."""
    if call.query.get("$expand", "").casefold() == "principal":
        return list(rows)
    return [{name: value for name, value in row.items() if name != "principal"} for row in rows]


def licensed(tenant: Tenant) -> None:
    """Raise GraphError in a tenant without PIM: that it has none is told as a bad request."""
    if tenant.scene.get("@sandbox.entraP2") is False:
        raise GraphError(400, "AadPremiumLicenseRequired", UNLICENSED)


def assignments(tenant: Tenant, call: Call) -> Answer:
    """`GET /roleManagement/directory/roleAssignments`: roles in force."""
    rows = filtered(call, tenant.graph["roleAssignments"])
    what = "roleManagement/directory/roleAssignments"
    return paged(tenant, call, what, expanded(call, rows))


def eligible(tenant: Tenant, call: Call) -> Answer:
    """`GET .../roleEligibilityScheduleInstances`: roles that may be activated. Needs P2."""
    licensed(tenant)
    rows = filtered(call, tenant.graph["roleEligibilityScheduleInstances"])
    what = "roleManagement/directory/roleEligibilityScheduleInstances"
    return paged(tenant, call, what, expanded(call, rows))


def may_join(tenant: Tenant, call: Call) -> Answer:
    """`GET .../group/eligibilityScheduleInstances`: who may activate a membership. Needs P2."""
    licensed(tenant)
    if "$filter" not in call.query:
        raise bad_request("The query must be filtered by groupId or principalId.")
    rows = filtered(call, tenant.graph["groupEligibility"])
    return paged(tenant, call, "identityGovernance/privilegedAccess/group", rows)


# Groups -----------------------------------------------------------------------------------------


def group_of(tenant: Tenant, key: str) -> Row:
    """The group of an id. Raises GraphError."""
    for row in tenant.graph["groups"]:
        if folded(row.get("id")) == folded(key):
            return dict(row)
    raise not_found(key)


def get_group(tenant: Tenant, call: Call, key: str) -> Answer:
    """`GET /groups/{id}`."""
    names = [name.strip() for name in call.query.get("$select", "").split(",") if name.strip()]
    row = {name: value for name, value in group_of(tenant, key).items() if name != "members"}
    body = {name: row.get(name) for name in names} if names else shown(row)
    return Answer(200, {"@odata.context": context(tenant, "groups/$entity"), **body})


def below(groups: Mapping[str, Row], key: str) -> Iterator[str]:
    """The ids of everything in a group, in groups in it, and so on; each once."""
    waiting, seen = [key], {key}
    while waiting:
        for one in map(folded, groups.get(waiting.pop(), {}).get("members") or ()):
            if one not in seen:
                seen.add(one)
                yield one
                waiting.append(one)


def by_id(tenant: Tenant) -> dict[str, Row]:
    return {folded(row.get("id")): row for row in tenant.graph["groups"]}


def transitive_members(tenant: Tenant, call: Call, key: str) -> Answer:
    """`GET /groups/{id}/transitiveMembers`. Hidden ones are left out without a word."""
    group, groups = group_of(tenant, key), by_id(tenant)
    hidden = folded(group.get("visibility")) == "hiddenmembership" and HIDDEN not in call.roles
    members = [] if hidden else [*below(groups, folded(key))]
    rows = [{"@odata.type": GROUP if one in groups else USER, "id": one} for one in members]
    return paged(tenant, call, "directoryObjects", rows)


def transitive_member_of(tenant: Tenant, call: Call, key: str) -> Answer:
    """`GET /users/{id}/transitiveMemberOf`: groups, and the roles they and the user hold.

    A role within a part of the directory, or one the tenant made itself, is not among them.
    """
    _, user = user_of(tenant, key)
    own, groups = folded(user["id"]), by_id(tenant)
    inside = [one for one in groups if own in below(groups, one)]
    roles = {
        str(row.get("roleDefinitionId"))
        for row in tenant.graph["roleAssignments"]
        if folded(row.get("principalId")) in (own, *inside)
        and row.get("directoryScopeId", "/") == "/"
        and not truth(row.get("@sandbox.customRole"))
    }
    rows = [{"@odata.type": GROUP, "id": one} for one in inside]
    rows += [{"@odata.type": ROLE, "id": one} for one in sorted(roles)]
    return paged(tenant, call, "directoryObjects", rows)
