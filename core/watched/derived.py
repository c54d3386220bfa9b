"""Sources of watched collections that are no listing of their own: they follow from other reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from core.microsoft365.configuration_sources import (
    EXCLUDED_GROUP,
    LEFT_OUT_NAME,
    ROLE_HOLDER,
    get_configuration_source_name,
)
from core.model.guards import Permission, Service
from core.property_values import get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.directory import RoleHolder
from core.tenant.port import HasConfiguration, HasRoles
from core.tenant.readings import ReadFailure, Reading

POLICY, LOCATION = "conditional-access-policy", "named-location"
"""The sources that name the groups of `EXCLUDED_GROUP`, and locations."""
DERIVED_READS: Mapping[str, str] = {
    ROLE_HOLDER: "/roleManagement/directory, Get-RoleGroup",
    EXCLUDED_GROUP: "/groups/{id}/transitiveMembers, /groups/{id}/owners",
    LEFT_OUT_NAME: "/users/{id}",
}
"""What is read for each, as the documents say it."""
READ_MEMBERS = Permission(
    Service.GRAPH, "GroupMember.Read.All", "who is exempt, or administers, through a group"
)
DERIVED_PERMISSIONS: Mapping[str, tuple[Permission, ...]] = {
    ROLE_HOLDER: (
        Permission(
            Service.GRAPH,
            "RoleManagement.Read.Directory",
            "who administers the tenant",
        ),
        READ_MEMBERS,
        Permission(
            Service.GRAPH,
            "PrivilegedEligibilitySchedule.Read.AzureADGroup",
            "who may let themselves into a group that holds a role",
        ),
        Permission(Service.EXCHANGE, "Get-RoleGroup", "which role groups there are"),
        Permission(Service.EXCHANGE, "Get-RoleGroupMember", "who is in them"),
    ),
    EXCLUDED_GROUP: (READ_MEMBERS,),
    LEFT_OUT_NAME: (Permission(Service.GRAPH, "User.Read.All", "which accounts these are"),),
}


class WatchedPorts(HasConfiguration, HasRoles, Protocol):
    """What watched collections read."""


def list_derived_permissions(names: Iterable[str], required: Iterable[str]) -> Iterator[Permission]:
    """What the derived sources of these names read, each permission once."""
    needed = {one.name for name in required for one in DERIVED_PERMISSIONS[name]}
    found = {one.name: one for name in sorted(names) for one in DERIVED_PERMISSIONS[name]}
    yield from (replace(one, optional=one.name not in needed) for one in found.values())


async def read_derived(
    tenant: WatchedPorts, names: Sequence[str], read: Mapping[str, Reading[Configuration]]
) -> Mapping[str, Reading[Configuration]]:
    """The derived sources of these names, after the plain ones were read."""
    found = dict[str, Reading[Configuration]]()
    if ROLE_HOLDER in names:
        found[ROLE_HOLDER] = convert_holders(await tenant.roles.read_role_holders())
    if EXCLUDED_GROUP in names:
        policies = read[POLICY]
        ids, lost = list_excluded_groups(policies.items)
        groups = await tenant.configuration.read_groups(ids)
        # A policy that was not read may leave out groups that nobody knows of.
        failures = (*policies.failures, *lost, *groups.failures)
        found[EXCLUDED_GROUP] = groups.with_items(
            groups.items, failures, groups.sources, groups.population
        )
    if LEFT_OUT_NAME in names:
        found[LEFT_OUT_NAME] = await name_left_out(tenant, {**read, **found})
    return found


async def name_left_out(
    tenant: WatchedPorts, read: Mapping[str, Reading[Configuration]]
) -> Reading[Configuration]:
    """What the accounts, groups and locations are called that policies know by their ids. Nothing
    is missing where a name is: the id stands in its place.
    """
    known = [*(read[name].items for name in (EXCLUDED_GROUP, LOCATION) if name in read)]
    named = {one.id.lower(): one.name for items in known for one in items}
    ids = {
        entry.lower() for policy in read[POLICY].items for entry in list_account_exclusions(policy)
    }
    named |= await tenant.configuration.read_account_names(sorted(ids))
    rows = (Configuration(LEFT_OUT_NAME, one, name, {}) for one, name in named.items())
    return Reading(tuple(rows))


def list_account_exclusions(policy: Configuration) -> tuple[str, ...]:
    """The accounts that a policy leaves out, by their ids; none of one that does not say."""
    try:
        return get_texts(policy.values, "conditions.users.excludeUsers")
    except ValueError:
        return ()


def list_excluded_groups(
    policies: Iterable[Configuration],
) -> tuple[tuple[str, ...], tuple[ReadFailure, ...]]:
    """The ids of all groups that a policy in force leaves out, and the policies that do not say
    whom they leave out.
    """
    ids, lost = set[str](), list[ReadFailure]()
    for one in policies:
        try:
            ids.update(list_group_exclusions(one) if is_in_force(one) else ())
        except ValueError as error:
            name = get_configuration_source_name(POLICY)
            lost.append(ReadFailure(name, str(error), one.id, one.name))
    return tuple(sorted(ids)), tuple(lost)


def is_in_force(policy: Configuration) -> bool:
    """Whether a policy is more than a report."""
    return get_text(policy.values, "state").casefold() == "enabled"


def list_group_exclusions(policy: Configuration) -> tuple[str, ...]:
    """The ids of the groups that a policy leaves out."""
    return get_texts(policy.values, "conditions.users.excludeGroups")


def convert_holders(holders: Reading[RoleHolder]) -> Reading[Configuration]:
    """Who administers the tenant, as rows; groups are left out, since their members are there."""
    rows = tuple(
        Configuration(
            ROLE_HOLDER,
            one.id,
            one.name or one.id,
            {"roles": sorted(one.roles), "assignedVia": one.assigned_via},
        )
        for one in holders.items
        if not one.is_group
    )
    return holders.with_items(rows, holders.failures, holders.sources, holders.population)
