"""What each role, group and limit of Exchange gives, and what is said of it, word for word."""

from collections.abc import Mapping

import pytest

from core.guards.exchange_roles import COLLECTIONS
from core.guards.exchange_roles.groups import MEMBERS
from core.guards.exchange_roles.parents import find_root_role
from core.tenant.configuration import Configuration
from tests.support.sentences import check_text
from tests.support.watched_sentences import Cases, Describer, render_collection

LONG = "n" * 300
describe = Describer(COLLECTIONS).describe


def own_role(name: str, parent: str, day: str = "") -> Configuration:
    """A role as Exchange lists it; without a parent it is one of Microsoft's."""
    return Configuration("management-role", name, name, {"Parent": parent, "WhenCreatedUTC": day})


ROLES = (
    own_role("Helpers", r"\Mailbox Import Export"),
    own_role("Small helpers", "Helpers"),
    own_role("Viewers", "View-Only Recipients"),
    own_role("Brand New", "", "2026-11-05T03:00:00.0000000Z"),
)
SCOPES = (
    Configuration("management-scope", "s1", "Branch", {"RecipientFilter": "City -eq 'Ulm'"}),
    Configuration("management-scope", "s2", "Other", {}),
)
GIVEN: Mapping[str, object] = {
    "Role": "Message Tracking",
    "RoleAssigneeName": "ann",
    "RoleAssigneeType": "User",
    "RoleAssignmentDelegationType": "Regular",
    "RecipientWriteScope": "Organization",
}
TO_GROUP = {**GIVEN, "RoleAssigneeType": "RoleGroup", "RoleAssigneeName": "Help Desk"}
TO_MANAGERS = {**TO_GROUP, "RoleAssigneeName": "Organization Management"}
ASSIGNMENTS: Cases = {
    "to a person*": [GIVEN],
    "of every kind of holder": [
        {**GIVEN, "RoleAssigneeType": kind}
        for kind in ("RoleGroup", "LinkedRoleGroup", "RoleAssignmentPolicy", "Computer", "")
    ],
    "to an app, and then to a person": [{**GIVEN, "RoleAssigneeType": "ServicePrincipal"}, GIVEN],
    "of every kind of role": [
        {**TO_GROUP, "Role": role}
        for role in (
            "Mailbox Import Export",
            "View-Only Recipients",
            "MyBaseOptions",
            "My Custom Apps",
            "Viewers",
            "Small helpers",
            "",
        )
    ],
    "of a role over oneself, to one person": [{**GIVEN, "Role": "MyVoiceMail"}],
    "of a role that only views, to one person": [{**GIVEN, "Role": "View-Only Recipients"}],
    "with long names, and without": [
        {**GIVEN, "Role": LONG, "RoleAssigneeName": LONG, "RoleAssignee": "x"},
        {**GIVEN, "RoleAssigneeName": "", "RoleAssignee": "b055"},
    ],
    "switched off": [{**GIVEN, "Enabled": False}],
    "to give it away": [
        {**holder, "RoleAssignmentDelegationType": "DelegatingOrgWide", "Role": role}
        for holder in (GIVEN, TO_GROUP, TO_MANAGERS, {**TO_MANAGERS, "RoleAssigneeType": "User"})
        for role in ("View-Only Recipients", "Mailbox Import Export")
    ],
    "within scopes": [
        {**GIVEN, **scope}
        for scope in (
            {"CustomRecipientWriteScope": "Branch"},
            {"CustomRecipientWriteScope": "OTHER"},
            {"CustomRecipientWriteScope": "Nobody knows it"},
            {"CustomRecipientWriteScope": "Default", "CustomResourceScope": "Branch"},
            {"CustomRecipientWriteScope": LONG},
        )
    ],
    "within what Exchange names": [
        {**GIVEN, "RecipientWriteScope": within}
        for within in ("", "organization", "Self", "None", "NotApplicable", "MyGAL", LONG)
    ],
    "made with its role": [
        {**TO_MANAGERS, "Role": role, "WhenCreatedUTC": day}
        for role, day in (
            ("Brand New", "2026-11-05T23:59:59Z"),
            ("BRAND NEW", "2026-11-05T23:59:59Z"),
            ("Brand New", "2026-11-06T00:00:00Z"),
            ("Brand New", ""),
            ("Unknown", ""),
        )
    ],
    "made with its role, for others": [
        {**TO_MANAGERS, "Role": "Brand New", "WhenCreatedUTC": "2026-11-05", **other}
        for other in ({"RoleAssigneeName": "Help Desk"}, {"RoleAssigneeType": "User"})
    ],
}
POLICIES: Cases = {
    "nothing": [{}],
    "what new tenants allow": [{"AssignedRoles": ["MyBaseOptions", "MyVoiceMail"]}],
    "add-ins": [{"AssignedRoles": ["My Custom Apps", "My ReadWriteMailbox Apps"]}],
    "a role nobody knows": [{"AssignedRoles": [LONG], "Called": LONG}],
}
GROUPS: Cases = {
    "rated by its name": [
        {"Called": name}
        for name in ("Organization Management", "HYGIENE MANAGEMENT", "TenantAdmins_c41b7", LONG)
    ],
    "rated by its roles": [
        {"Roles": roles, "ManagedBy": ["chief"]}
        for roles in (
            ["View-Only Recipients"],
            ["View-Only Recipients", "Message Tracking"],
            ["Message Tracking", "Role Management"],
        )
    ],
    "members by what they are known by": [
        {
            "Roles": ["Message Tracking"],
            MEMBERS: [
                {"Guid": "G1", "ExternalDirectoryObjectId": "e1", "Name": "Ann"},
                {"ExternalDirectoryObjectId": "e2", "Name": "Ben", "PrimarySmtpAddress": "b@x"},
                {"Name": LONG},
                {"Name": "Eve", "PrimarySmtpAddress": "eve@x"},
                {"PrimarySmtpAddress": "only@x"},
                {"Guid": "g5"},
            ],
        }
    ],
    "one member, without its list": [{MEMBERS: {"Guid": "g1"}}],
    "many members": [{MEMBERS: [{"Guid": f"g{number}"} for number in range(9)]}],
    "managers": [{"ManagedBy": ["chief", LONG], "Roles": ["Role Management"]}],
    "a partner": [{"LinkedPartnerOrganizationId": LONG, "Called": LONG}],
}
PARTNERS: Cases = {
    "no partner, and one": [
        {"Roles": ["Role Management"]},
        {"LinkedPartnerOrganizationId": "p1"},
    ],
    "a partner": [
        {
            "LinkedPartnerOrganizationId": "p1",
            "Roles": ["Role Management", "Message Tracking", "View-Only Recipients"],
        }
    ],
    "a partner with long names": [
        {"LinkedPartnerOrganizationId": LONG, "Called": LONG, "Roles": [LONG]}
    ],
}
LIMITS: Cases = {
    "limits": [
        {"AppId": "app-1", "AccessRight": right, "Description": "Invoices", "ScopeName": "Group"}
        for right in ("RestrictAccess", "restrictaccess", "DenyAccess", "")
    ],
    "names": [
        {"AppId": LONG, "AccessRight": LONG, "ScopeName": "Group"},
        {"AccessRight": "DenyAccess", "Description": LONG},
    ],
}
EXCLUSIVE: Cases = {
    "of some mailboxes, and long": [
        {"Exclusive": value, "RecipientFilter": named}
        for value, named in ((True, "Department -eq 'Board'"), ("True", ""), (True, LONG))
    ],
    "not exclusive": [{"Exclusive": "False", "RecipientFilter": "x"}, {}],
}


def test_sentences_about_roles_of_exchange() -> None:
    own = {"Roles": ["Small helpers", "Viewers"], MEMBERS: [{"Guid": "g1", "Name": "Ann"}]}
    check_text(
        "exchange_roles",
        [
            *describe(
                "role-assignment", ASSIGNMENTS, management_role=ROLES, management_scope=SCOPES
            ),
            *describe("role-assignment", {"with nothing known of roles": [GIVEN, TO_MANAGERS]}),
            *describe(
                "management-role",
                {
                    "of one's own, and built in": [
                        {"Called": one.name, **one.values} for one in ROLES
                    ],
                    "long": [{"Called": LONG, "Parent": "p" * 300}],
                },
            ),
            *describe("role-assignment-policy", POLICIES),
            *describe("role-group", GROUPS),
            *describe("role-group", {"with a role of one's own": [own]}, management_role=ROLES),
            *describe("partner-role-group", PARTNERS),
            *describe(
                "partner-role-group",
                {"with a role of one's own": [{**own, "LinkedPartnerOrganizationId": "p1"}]},
                management_role=ROLES,
            ),
            *describe("application-access-policy", LIMITS),
            *describe("exclusive-scope", EXCLUSIVE),
            *(line for one in COLLECTIONS for line in render_collection(one)),
        ],
    )


@pytest.mark.parametrize(("depth", "root"), [(0, "r0"), (1, "r0"), (99, "r0")])
def test_the_root_of_a_role_is_found_through_all_its_parents(depth: int, root: str) -> None:
    parents = {f"r{number}": f"R{number - 1}" for number in range(1, depth + 1)}
    assert find_root_role(f"R{depth}", parents).casefold() == root


def test_roles_that_are_each_other_s_parents_end_where_they_began() -> None:
    parents = {"r1": "R2", "r2": "R3", "r3": "r1"}
    assert find_root_role("R2", parents).casefold() == "r2"
