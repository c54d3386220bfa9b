"""What the management roles of Exchange are worth to whoever holds one.

Microsoft Learn: Role Based Access Control for Applications; Permissions in Exchange Online.
"""

import re

from core.microsoft365.permission_rules import PermissionRisk

# Roles by which somebody may do everything: impersonate, export, or give itself more roles.
TENANT_WIDE_ROLES = re.compile(
    r"application exchange full access|application (?:mail|ews).*full.*|applicationimpersonation"
    r"|mailbox import export|role management|organization configuration|mail recipients"
    r"|user options|reset password|security admin.*|compliance admin.*|organization management"
)
# Roles and groups that only view, each by its whole name: no other may have it beside Exchange's
# own, and whatever else is called so is what somebody called it.
VIEW_ROLES = re.compile(
    r"view-only (?:audit logs|configuration|recipients|organization management)"
    r"|application (?:calendars|contacts)\.read(?:basic)?|(?:security|global|compliance) reader"
)
# Scopes that leave nothing out.
WHOLE_SCOPES = frozenset(
    {"", "none", "organization", "organizationconfig", "not applicable", "default"}
)


def weigh_exchange_role(role: str) -> PermissionRisk:
    """What a role of Exchange is worth. One that is not known may change much."""
    name = role.casefold().strip()
    if VIEW_ROLES.fullmatch(name):
        return PermissionRisk.BROAD
    if TENANT_WIDE_ROLES.fullmatch(name):
        return PermissionRisk.TENANT_WIDE
    return PermissionRisk.SENSITIVE


def is_whole_scope(scope: str) -> bool:
    """True for a scope that leaves no mailbox out."""
    return scope.casefold().strip() in WHOLE_SCOPES
