"""Who is known to hold a role and is not on the list: each is looked at alone.

A page of assignments that Graph leaves out without a word looks like administrators that are gone.
Microsoft Graph v1.0: both lists of assignments take a filter by `principalId`, and of groups only
role-assignable ones can hold a role (unifiedRoleAssignment resource type).
"""

from collections.abc import Collection, Mapping
from urllib.parse import quote

from core.adapters.graph.client import GraphClient
from core.adapters.m365.accounts import READ_USERS, build_user_path
from core.adapters.m365.roles.holders import RoleHolders
from core.adapters.m365.roles.parse import (
    ACTIVE_PATH,
    ELIGIBLE_PATH,
    GROUP,
    READ_ROLES,
    parse_all,
    parse_principal_kind,
    parse_role_assignment,
)
from core.adapters.parsing import ResponseRow, parse_object_id, parse_optional_bool
from core.errors import NoLicence, NotFound, TenantError
from core.microsoft365.assumptions.graph_traces import SINGLE_FILTERS
from core.model.guards import describe_gap

RELIES_ON = (SINGLE_FILTERS,)

type Roles = Mapping[str, Collection[str]]
"""Ids of role definitions, by the principal that holds them."""


async def check_nobody_is_left_out(
    graph: GraphClient, role_holders: RoleHolders, known: Roles
) -> None:
    """Add a failure where the list lacks a role that one of the known holders still has."""
    if role_holders.failures:
        return
    listed = role_holders.collect_roles(role_holders.direct_roles)
    missing = {
        one: lost for one, roles in known.items() if (lost := set(roles) - listed.get(one, set()))
    }
    try:
        held = await fetch_assigned_roles(graph, missing)
        groups = await fetch_role_groups(graph, missing, role_holders)
        unlisted = {group for some in groups.values() for group in some} - role_holders.groups
        by_group = {**listed, **await fetch_assigned_roles(graph, unlisted)}
    except TenantError as error:
        role_holders.add_failure(error)
        return
    for one, some in groups.items():
        held[one] = held.get(one, set()).union(*(by_group.get(group, ()) for group in some))
    count = sum(not lost.isdisjoint(held.get(one, ())) for one, lost in missing.items())
    if count:
        role_holders.add_failure(describe_gap(count, 0))


async def fetch_assigned_roles(
    graph: GraphClient, principals: Collection[str]
) -> dict[str, set[str]]:
    """The roles that each of these was assigned, active or eligible. Raises TenantError."""
    held: dict[str, set[str]] = {}
    for path in (ACTIVE_PATH, ELIGIBLE_PATH):
        answers: dict[str, list[ResponseRow] | TenantError] = {}
        paths = {
            one: f"{path}?$filter={quote(f"principalId eq '{one}'", safe="'")}"
            for one in sorted(principals)
        }
        await graph.get_collections(paths, READ_ROLES, answers.__setitem__)
        for answer in answers.values():
            if isinstance(answer, NoLicence) and path == ELIGIBLE_PATH:
                continue
            if isinstance(answer, TenantError):
                raise answer
            for found in parse_all(answer, parse_role_assignment):
                held.setdefault(found.id, set()).add(found.role_id)
    return held


async def fetch_role_groups(
    graph: GraphClient, users: Collection[str], role_holders: RoleHolders
) -> dict[str, set[str]]:
    """The groups of each of these users that hold a role, or may. An app has none here. Raises
    TenantError.
    """
    answers: dict[str, list[ResponseRow] | TenantError] = {}
    paths = {
        one: f"{build_user_path(one)}/transitiveMemberOf?$select=id,isAssignableToRole"
        for one in sorted(users)
    }
    await graph.get_collections(paths, READ_USERS, answers.__setitem__)
    groups: dict[str, set[str]] = {}
    for user, answer in answers.items():
        if isinstance(answer, NotFound):
            continue
        if isinstance(answer, TenantError):
            raise answer
        for row in answer:
            group = parse_object_id(row.get("id"))
            may_hold = parse_optional_bool(row.get("isAssignableToRole")) is not False
            is_group = parse_principal_kind(row) == GROUP
            if group in role_holders.groups or (group and may_hold and is_group):
                groups.setdefault(user, set()).add(group)
    return groups
