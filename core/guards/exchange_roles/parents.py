"""What a role of Exchange is worth: one of the tenant's own, as what it is made from. Pure."""

from collections.abc import Mapping

from core.microsoft365.exchange_roles import weigh_exchange_role
from core.microsoft365.permission_rules import PermissionRisk
from core.model.findings import Severity
from core.property_values import get_text
from core.watched.items import SourceRows

ROLE = "management-role"
RISK_SEVERITY: Mapping[PermissionRisk, Severity] = {
    PermissionRisk.TENANT_WIDE: Severity.HIGH,
    PermissionRisk.SENSITIVE: Severity.MEDIUM,
    PermissionRisk.BROAD: Severity.LOW,
}


def find_root_role(name: str, parents: Mapping[str, str]) -> str:
    """The built-in role that a role was made from; the role itself where there is none."""
    seen = set[str]()
    while (parent := parents.get(name.casefold())) and name.casefold() not in seen:
        seen.add(name.casefold())
        name = parent
    return name


def check_ancestors(rows: SourceRows, name: str, parents: Mapping[str, str]) -> None:
    """Raise ValueError if a role, or one that it was made from, is not understood."""
    rows.check_reference(ROLE, find_root_role(name, parents))


def read_parents(rows: SourceRows) -> Mapping[str, str]:
    """The parent of each role of one's own."""
    return {
        one.name.casefold(): get_text(one.values, "Parent").rpartition("\\")[2]
        for one in rows[ROLE] or ()
    }


def rate_exchange_role(name: str, parents: Mapping[str, str]) -> Severity:
    """How grave it is to hold a role over others."""
    return RISK_SEVERITY[weigh_exchange_role(find_root_role(name, parents))]
