"""What the tenants of the sentences about what protects have in common."""

from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.tenant.configuration import Configuration

LONG = "n" * 300
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
ADMIN = Configuration(ROLE_HOLDER, "admin", "adm@contoso.com", {"roles": [GLOBAL_ADMINISTRATOR]})
ON, REPORTS = "enabled", "enabledForReportingButNotEnforced"


def policy(state: str, name: str = "Policy", **conditions: object) -> Configuration:
    """A Conditional Access policy under these conditions."""
    values = {"state": state, "conditions": conditions}
    return Configuration("conditional-access-policy", f"id of {name}", name, values)
