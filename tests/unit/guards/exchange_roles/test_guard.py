"""What a person expects to hear about roles of Exchange, and what stays quiet."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.guards.exchange_roles import GUARD
from core.guards.exchange_roles.groups import MEMBERS
from core.tenant.configuration import Configuration
from tests.support.watched_looks import COLLECTIONS, Looks

GIVEN = {
    "Role": "Mail Recipients",
    "RoleAssigneeName": "ann",
    "RoleAssigneeType": "User",
    "RoleAssignmentDelegationType": "Regular",
    "RecipientWriteScope": "Organization",
}
OWN_ROLE = Configuration("management-role", "r1", "Helpers", {"Parent": "Mailbox Import Export"})


def assign(**values: object) -> Configuration:
    return Configuration("management-role-assignment", "a1", "assignment", {**GIVEN, **values})


def group(
    name: str, *members: str, roles: tuple[str, ...] = ("Message Tracking",)
) -> Configuration:
    rows = [{"Guid": f"guid-{one}", "Name": one} for one in members]
    return Configuration("role-group", "g1", name, {"Roles": [*roles], MEMBERS: rows})


async def tell(
    name: str, *later: Configuration, first: tuple[Configuration, ...] = (), looks: int = 1
) -> str:
    """What is said after these objects came, as severity and summary; empty if nothing is."""
    seen = Looks(COLLECTIONS[name])
    await seen.look(first)
    for _ in range(looks - 1):
        await seen.look(later)
    found = await seen.look(later)
    return "; ".join(f"{one.severity.label}: {one.summary}" for one in found)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "high"),
        ({"Role": "Mailbox Import Export"}, "high"),
        ({"Role": "A role nobody knows"}, "high"),
        ({"Role": "Helpers"}, "high"),
        ({"Role": "View-Only Recipients"}, "low"),
        ({"RoleAssigneeType": "RoleGroup", "Role": "Message Tracking"}, "medium"),
        ({"RoleAssigneeType": "RoleAssignmentPolicy", "Role": "MyBaseOptions"}, "low"),
        ({"RoleAssigneeType": "RoleAssignmentPolicy", "Role": "My Custom Apps"}, "medium"),
        ({"RoleAssigneeType": "ServicePrincipal"}, ""),
        ({"Enabled": False}, ""),
        ({"RoleAssignmentDelegationType": "DelegatingOrgWide"}, "high"),
        (
            {
                "RoleAssignmentDelegationType": "DelegatingOrgWide",
                "RoleAssigneeName": "Organization Management",
                "RoleAssigneeType": "RoleGroup",
            },
            "",
        ),
    ],
)
async def test_a_new_assignment_is_as_grave_as_its_role_and_its_holder(
    values: Mapping[str, Any], expected: str
) -> None:
    said = await tell("role-assignment", assign(**values), OWN_ROLE, first=(OWN_ROLE,))
    assert said.partition(":")[0] == expected


@pytest.mark.parametrize(
    ("role", "values", "expected"),
    [
        # Microsoft makes a role and gives it away on one day.
        ({"WhenCreatedUTC": "2026-11-05T03:00:00.0000000Z"}, {}, ""),
        ({"WhenCreatedUTC": "2021-01-05T03:00:00.0000000Z"}, {}, "medium"),
        ({}, {}, "medium"),
        ({}, {"WhenCreatedUTC": ""}, "medium"),
        ({"WhenCreatedUTC": "2026-11-05T03:00:00Z", "Parent": "Mail Recipients"}, {}, "high"),
        (
            {"WhenCreatedUTC": "2026-11-05T03:00:00Z"},
            {"RoleAssigneeName": "Help Desk"},
            "medium",
        ),
        (
            {"WhenCreatedUTC": "2026-11-05T03:00:00Z"},
            {"RoleAssigneeName": "Organization Management", "RoleAssigneeType": "User"},
            "high",
        ),
    ],
)
async def test_a_new_role_that_comes_with_its_assignment_is_microsofts(
    role: Mapping[str, Any], values: Mapping[str, Any], expected: str
) -> None:
    made = Configuration("management-role", "r2", "Brand New", role)
    given = {
        "Role": "Brand New",
        "RoleAssigneeName": "Organization Management",
        "RoleAssigneeType": "RoleGroup",
        "WhenCreatedUTC": "2026-11-05T04:10:00.0000000Z",
        **values,
    }
    said = await tell("role-assignment", assign(**given), made)
    assert said.partition(":")[0] == expected


async def test_a_new_role_that_may_do_everything_is_told_whoever_made_it() -> None:
    day = {"WhenCreatedUTC": "2026-11-05T03:00:00Z"}
    made = Configuration("management-role", "r2", "Mailbox Import Export", day)
    given = {
        "Role": "Mailbox Import Export",
        "RoleAssigneeName": "Organization Management",
        "RoleAssigneeType": "RoleGroup",
        **day,
    }
    assert (await tell("role-assignment", assign(**given), made)).startswith("high")


async def test_an_assignment_that_is_narrowed_is_no_news_until_it_is_wide_again() -> None:
    scope = Configuration("management-scope", "s1", "Branch", {"RecipientFilter": "a"})
    wide, narrow = assign(), assign(CustomRecipientWriteScope="Branch")
    looks = Looks(COLLECTIONS["role-assignment"])
    await looks.look([wide, scope])
    assert await looks.look([narrow, scope]) == []
    assert await looks.look([narrow, scope]) == []
    (found,) = await looks.look([wide, scope])
    assert "counts for every mailbox" in found.summary


async def test_a_scope_that_is_taken_off_or_made_larger_is_told() -> None:
    scope = Configuration("management-scope", "s1", "Branch", {"RecipientFilter": "a"})
    larger = Configuration("management-scope", "s1", "Branch", {"RecipientFilter": "b"})
    known = assign(CustomRecipientWriteScope="Branch")
    assert "counts for every mailbox" in await tell(
        "role-assignment", assign(), scope, first=(known, scope)
    )
    assert "scope Branch as it is now" in await tell(
        "role-assignment", known, larger, first=(known, scope)
    )
    assert await tell("role-assignment", known, scope, first=(assign(), scope)) == ""


@pytest.mark.parametrize(
    ("name", "roles", "expected"),
    [
        ("Organization Management", (), "high"),
        ("Discovery Management", ("Mailbox Search",), "high"),
        ("Help Desk", ("Message Tracking",), "medium"),
        ("View-Only Organization Management", ("View-Only Recipients",), "low"),
        ("Exporters", ("Mailbox Import Export",), "high"),
        ("TenantAdmins_c41b7", (), ""),
    ],
)
async def test_a_new_member_is_as_grave_as_the_group(
    name: str, roles: tuple[str, ...], expected: str
) -> None:
    before, after = group(name, "chief", roles=roles), group(name, "chief", "new", roles=roles)
    said = await tell("role-group", after, first=(before,))
    assert said.partition(":")[0] == expected
    assert not said or "has the new member new" in said


async def test_who_leaves_a_group_and_comes_back_is_new_again() -> None:
    full, small = group("Help Desk", "ann", "ben"), group("Help Desk", "ann")
    seen = Looks(COLLECTIONS["role-group"])
    await seen.look([full])
    # A list of members that is cut once makes nobody new.
    assert await seen.look([small]) == []
    assert await seen.look([full]) == []
    for _ in range(2):
        assert await seen.look([small]) == []
    (found,) = await seen.look([full])
    assert "has the new member ben" in found.summary


@pytest.mark.parametrize("right", ["RestrictAccess", "DenyAccess"])
async def test_an_access_policy_is_told_when_two_looks_miss_it(right: str) -> None:
    values = {"AppId": "app-1", "AccessRight": right, "Description": "Invoices only"}
    policy = Configuration("application-access-policy", "p1", "p1", values)
    assert await tell("application-access-policy", first=(policy,)) == ""
    said = await tell("application-access-policy", first=(policy,), looks=2)
    assert said.startswith(
        "medium: The application access policy Invoices only (app app-1) is gone"
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"Exclusive": "True", "RecipientFilter": "Alias -eq 'helper'"}, "high"),
        ({"Exclusive": False, "RecipientFilter": "Alias -eq 'helper'"}, ""),
        ({"RecipientFilter": "Alias -eq 'helper'"}, ""),
    ],
)
async def test_a_scope_that_keeps_administrators_from_mailboxes_is_told(
    values: dict[str, object], expected: str
) -> None:
    scope = Configuration("management-scope", "s1", "Executives", values)
    said = await tell("exclusive-scope", scope)
    assert said.partition(":")[0] == expected
    assert not said or "lets only administrators who are given it change the mailboxes" in said


def limit(right: str, scope: str, app: object = "app-1") -> Configuration:
    values = {"AppId": app, "AccessRight": right, "ScopeName": scope}
    return Configuration("application-access-policy", f"{right} {scope}", scope, values)


INVOICES, STAFF = limit("RestrictAccess", "Invoices"), limit("RestrictAccess", "All staff")
BOARD = limit("DenyAccess", "Board")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        # Two policies add up, and a policy cannot be changed: another takes its place.
        ([INVOICES], [INVOICES, STAFF], "lets the app into the mailboxes of All staff"),
        ([INVOICES], [STAFF], "lets the app into the mailboxes of All staff"),
        ([INVOICES], [BOARD], "keeps the app out of some mailboxes only"),
        ([INVOICES, BOARD], [INVOICES], "no longer keeps the app out of the mailboxes of board"),
        ([INVOICES], [INVOICES, limit("Allow", "x")], "has a right that nobody knows (Allow)"),
        ([INVOICES, STAFF], [INVOICES], ""),
        ([INVOICES], [INVOICES, BOARD], ""),
        ([], [INVOICES, BOARD], ""),
        ([], [BOARD], ""),
        ([BOARD], [BOARD, INVOICES], ""),
        ([INVOICES], [INVOICES, limit("RestrictAccess", "Sales", ["app-2"])], ""),
        ([INVOICES], [limit("RestrictAccess", "Invoices", ["APP-1"])], ""),
    ],
)
async def test_an_app_that_reaches_more_mailboxes_than_before_is_told(
    before: list[Configuration], after: list[Configuration], says: str
) -> None:
    said = await tell("application-access-policy", *after, first=(*before,), looks=2)
    assert says in said
    assert bool(said) is bool(says)


async def test_a_role_made_from_a_role_is_traced_to_its_root_and_not_for_ever() -> None:
    child = Configuration("management-role", "r2", "Small helpers", {"Parent": "Helpers"})
    loop = Configuration("management-role", "r3", "Loop", {"Parent": "Loop"})
    said = await tell("management-role", OWN_ROLE, child, loop, first=(OWN_ROLE,))
    assert "Small helpers is new: it is made from Mailbox Import Export" in said
    assert "Loop is new" in said


def test_the_guard_only_reads_and_needs_every_cmdlet() -> None:
    assert not any(one.writes or one.optional for one in GUARD.permissions)
    assert "Get-RoleGroupMember" in {one.name for one in GUARD.permissions}
