"""The default administrator of a tenant: one person, who may use PowerShell.

A scene sets `graph.roleAssignments`, `roleEligibilityScheduleInstances`, `groups` (with `members`,
the ids of their direct members) and `groupEligibility`; in `exchange` the rows of Get-User and
Get-RoleGroup, and those of Get-RoleGroupMember by the name of the role group.
"""

from typing import Any

from sandbox.state.json_copy import add_missing

ADMIN_ID = "0c4ef000-0000-4000-8000-000000000001"
ADMIN_GUID = "0c4ef000-0000-4000-8000-000000000002"
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
TENANT_ADMINS = "0c4ef000-0000-4000-8000-000000000003"
ORGANIZATION_MANAGEMENT = "0c4ef000-0000-4000-8000-000000000004"

USER_TYPE = "#microsoft.graph.user"
EMPTY_COLLECTIONS = ("roleEligibilityScheduleInstances", "groups", "groupEligibility")
DEFAULT_ASSIGNMENTS = [
    {
        "id": "assignment-1",
        "principalId": ADMIN_ID,
        "roleDefinitionId": GLOBAL_ADMINISTRATOR,
        "directoryScopeId": "/",
        "principal": {"@odata.type": USER_TYPE, "id": ADMIN_ID},
    }
]
DEFAULT_USERS = [
    {
        "Guid": ADMIN_GUID,
        "ExternalDirectoryObjectId": ADMIN_ID,
        "Identity": "chief",
        "UserPrincipalName": "chief@sandbox.example",
        "RecipientTypeDetails": "User",
        "EXOModuleEnabled": True,
        "RemotePowerShellEnabled": True,
    }
]
DEFAULT_ROLE_GROUPS = [
    {"Guid": ORGANIZATION_MANAGEMENT, "Name": "Organization Management"},
    {"Guid": TENANT_ADMINS, "Name": "TenantAdmins_5a4d0"},
]
DEFAULT_MEMBERS = {
    "Organization Management": [
        {
            "Guid": TENANT_ADMINS,
            "Name": "TenantAdmins_5a4d0",
            "ExternalDirectoryObjectId": "",
            "RecipientTypeDetails": "RoleGroup",
        }
    ],
}


def add_default_roles(graph: dict[str, Any], exchange: dict[str, Any]) -> None:
    """Adds the administrators that a scene leaves out."""
    for name in EMPTY_COLLECTIONS:
        graph.setdefault(name, [])
    add_missing(graph, {"roleAssignments": DEFAULT_ASSIGNMENTS})
    add_missing(exchange, {"Get-User": DEFAULT_USERS})
    if "Get-RoleGroup" not in exchange:
        groups = {"Get-RoleGroup": DEFAULT_ROLE_GROUPS, "Get-RoleGroupMember": DEFAULT_MEMBERS}
        add_missing(exchange, groups)
    exchange.setdefault("Get-RoleGroupMember", {})
