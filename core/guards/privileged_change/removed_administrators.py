"""Administrators that are gone: who takes a tenant locks the others out of it. Pure.

Who is new among them: `administrators`. A role that is no longer active and can
still be activated has not gone.
"""

from collections.abc import Collection, Iterator

from core.guards.privileged_change.roles import POWERFUL_ROLES
from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.microsoft365.directory_roles import GLOBAL_ADMINISTRATOR
from core.model.findings import Severity
from core.property_values import get_texts
from core.tenant.quoting import quote_text
from core.watched.items import SourceRows, WatchedCollection, WatchedItem

MAX_NAME_LENGTH = 120
HOLDS = "holds"
FEW = 1
"""So few Global Administrators cannot help each other."""


def describe_administrator(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each powerful role of each administrator; the gravest roles first."""
    for role, title in POWERFUL_ROLES.items():
        for one in rows[ROLE_HOLDER] or ():
            if role in get_texts(one.values, "roles"):
                name = quote_text(one.name or one.id, MAX_NAME_LENGTH)
                yield WatchedItem(
                    id=f"{role} {one.id}",
                    is_object=False,
                    name=f"{name} ({title})",
                    keeps=frozenset({HOLDS}),
                )


def rate_removal(item: str, gone: Collection[str], left: Collection[str]) -> Severity:
    """One who leaves is no news. Several at once, or all but one, are."""
    role = item.partition(" ")[0]
    together, others = (sum(one.startswith(role) for one in ids) for ids in (gone, left))
    if role == GLOBAL_ADMINISTRATOR:
        return Severity.CRITICAL if together > 1 or others <= FEW else Severity.INFO
    return Severity.HIGH if together > 1 and not others else Severity.INFO


ADMINISTRATORS = WatchedCollection(
    name="administrator",
    noun="administrator",
    plural="holders of powerful roles",
    needs=(ROLE_HOLDER,),
    items_of=(),
    describe=describe_administrator,
    advice="Ask whoever removed them, by telephone, and see that somebody you trust can still "
    "administer: an emergency account if need be. Entra admin center > Monitoring > Audit logs, "
    "category RoleManagement, says who did it.",
    techniques=("T1531",),
    reference="Microsoft Graph v1.0: /roleManagement/directory",
    harmless="an activation that ends, and one administrator who leaves while others stay",
    departure=Severity.CRITICAL,
    departure_text="no longer holds the role, and several went at once or one is left",
    departs_with=HOLDS,
    rate_departure=rate_removal,
)
