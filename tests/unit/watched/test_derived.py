"""Sources that follow from other reads: who administers, and who is in a group left out."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.microsoft365.configuration_sources import EXCLUDED_GROUP, LEFT_OUT_NAME, ROLE_HOLDER
from core.model.guards import Permission
from core.tenant.configuration import Configuration
from core.tenant.directory import RoleHolder
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ROLE_HOLDERS
from core.watched.derived import (
    LOCATION,
    POLICY,
    convert_holders,
    is_in_force,
    list_derived_permissions,
    list_excluded_groups,
    read_derived,
)
from tests.support.fakes.tenant import FakeTenant


def policy(state: str, **users: Any) -> Configuration:
    """A Conditional Access policy for some users."""
    return Configuration(POLICY, state, state, {"state": state, "conditions": {"users": users}})


def test_groups_are_those_that_policies_in_force_leave_out_each_once() -> None:
    policies = [
        policy("enabled", excludeGroups=["g2", "g1"]),
        policy("ENABLED", excludeGroups=["g1"]),
        policy("disabled", excludeGroups=["g3"]),
        policy("enabledForReportingButNotEnforced", excludeGroups=["g4"]),
        Configuration(POLICY, "p", "p", {"state": "enabled"}),
    ]
    assert list_excluded_groups(policies) == (("g1", "g2"), ())
    assert [is_in_force(one) for one in policies[:4]] == [True, True, False, False]


def test_a_policy_that_does_not_say_whom_it_leaves_out_is_unread() -> None:
    odd = Configuration(POLICY, "p", "Odd", {"state": "enabled", "conditions": {"users": "All"}})
    ids, lost = list_excluded_groups([policy("enabled", excludeGroups=["g1"]), odd])
    assert ids == ("g1",)
    reason = "conditions.users is no object"
    assert lost == (ReadFailure(f"configuration-{POLICY}", reason, "p", "Odd"),)


def test_holders_are_rows_and_groups_are_left_out() -> None:
    holders = Reading(
        (
            RoleHolder("u1", "entra", frozenset({"b", "a"}), "ann@x"),
            RoleHolder("u2", "eligible"),
            RoleHolder("g1", "entra", is_group=True),
        ),
        (ReadFailure(ROLE_HOLDERS, "HTTP 503", "g2"),),
        frozenset({ROLE_HOLDERS}),
        3,
    )
    read = convert_holders(holders)
    assert read.items == (
        Configuration(ROLE_HOLDER, "u1", "ann@x", {"roles": ["a", "b"], "assignedVia": "entra"}),
        Configuration(ROLE_HOLDER, "u2", "u2", {"roles": [], "assignedVia": "eligible"}),
    )
    assert (read.failures, read.sources, read.population) == (
        holders.failures,
        holders.sources,
        3,
    )


GROUP = Configuration(EXCLUDED_GROUP, "g1", "Board", {"members": []})
REFUSED = ReadFailure("policies", "HTTP 403")


@pytest.mark.parametrize("failures", [(), (REFUSED,)])
async def test_what_was_not_read_of_the_policies_is_unread_of_their_groups(
    failures: tuple[ReadFailure, ...],
) -> None:
    tenant = FakeTenant(configurations=[GROUP, Configuration(EXCLUDED_GROUP, "g9", "Other", {})])
    read: Mapping[str, Reading[Configuration]] = {
        POLICY: Reading((policy("enabled", excludeGroups=["g1"]),), failures)
    }
    found = await read_derived(tenant, (EXCLUDED_GROUP,), read)
    assert found.keys() == {EXCLUDED_GROUP}
    assert found[EXCLUDED_GROUP].items == (GROUP,)
    assert found[EXCLUDED_GROUP].failures == failures


async def test_what_policies_know_by_an_id_has_its_name_and_nothing_is_missing_without() -> None:
    office = Configuration("named-location", "L1", "Office", {})
    tenant = FakeTenant(configurations=[GROUP, Configuration("directory-user", "u1", "ann@x", {})])
    odd = Configuration(POLICY, "p", "Odd", {"state": "enabled", "conditions": {"users": "All"}})
    policies = policy("enabled", excludeUsers=["U1", "gone"], excludeGroups=["g1"]), odd
    read = {POLICY: Reading(policies), LOCATION: Reading((office,))}
    found = await read_derived(tenant, (EXCLUDED_GROUP, LEFT_OUT_NAME), read)
    named = found[LEFT_OUT_NAME]
    assert {one.id: one.name for one in named.items} == {
        "g1": "Board",
        "l1": "Office",
        "u1": "ann@x",
    }
    assert (named.failures, named.complete) == ((), True)


async def test_only_what_is_asked_for_is_read() -> None:
    tenant = FakeTenant()
    assert await read_derived(tenant, (), {}) == {}
    assert tenant.read_log == []
    holders = await read_derived(tenant, (ROLE_HOLDER,), {})
    assert holders.keys() == {ROLE_HOLDER}
    assert len(tenant.read_log) == 1


def describe(permissions: list[Permission]) -> dict[str, bool]:
    """Each permission with whether an app may do without it."""
    assert len({one.name for one in permissions}) == len(permissions)
    return {one.name: one.optional for one in permissions}


def test_a_permission_is_needed_where_one_of_the_sources_is() -> None:
    both = (ROLE_HOLDER, EXCLUDED_GROUP)
    whole = describe([*list_derived_permissions(both, both)])
    assert whole == {
        "GroupMember.Read.All": False,
        "RoleManagement.Read.Directory": False,
        "PrivilegedEligibilitySchedule.Read.AzureADGroup": False,
        "Get-RoleGroup": False,
        "Get-RoleGroupMember": False,
    }
    detail = describe([*list_derived_permissions(both, (EXCLUDED_GROUP,))])
    assert [name for name, optional in detail.items() if not optional] == ["GroupMember.Read.All"]
    assert describe([*list_derived_permissions((EXCLUDED_GROUP,), ())]) == {
        "GroupMember.Read.All": True
    }
