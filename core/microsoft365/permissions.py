"""What each permission is, what an attacker could do with it, and how it is granted.

Each guard declares which permissions it needs and why; here is what is true of a permission
whichever guard needs it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.microsoft365.containment_permissions import (
    CONTAINMENT,
    list_containment_permissions,
)
from core.microsoft365.permission_risks import (
    APP_ROLES,
    AUDIT_QUERY_PERMISSION,
    CMDLETS,
    FEED_PERMISSION,
    MANAGEMENT_ROLES,
    AppRole,
    Cmdlet,
)
from core.model.guards import GuardConfig, Mode, Permission, Service
from core.tenant.readers import GrantedPermissions

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
MANAGEMENT_APP_ID = "c5393580-f805-4401-95e8-94b7a6ef2fc2"
ACTIVITY_JOB = "activity"
"""The job that reads audit logs, beside the guards."""
EXCHANGE_REQUIREMENT = "Exchange.ManageAsApp and an Exchange role"


# What the job that reads audit logs needs. Without it every guard still sees everything, later.
ACTIVITY_PERMISSIONS: tuple[Permission, ...] = (
    Permission(
        Service.GRAPH,
        "AuditLog.Read.All",
        "who changed what in Entra, within minutes",
        optional=True,
    ),
    Permission(
        Service.GRAPH, "User.Read.All", "which accounts were enabled, within minutes", optional=True
    ),
    Permission(
        Service.MANAGEMENT,
        FEED_PERMISSION,
        "who changed what in Exchange, within minutes to 90 minutes",
        optional=True,
    ),
)

# What searches of the audit log need, and only where AUDIT_QUERIES is on.
AUDIT_QUERY_PERMISSIONS: tuple[Permission, ...] = (
    Permission(
        Service.GRAPH,
        AUDIT_QUERY_PERMISSION,
        "who changed what a case is about, and what a contained account read and sent",
        optional=True,
    ),
)


def find_app_role(name: str) -> AppRole:
    """What is known of a Graph app role. Raises LookupError that says where to add it."""
    if name not in APP_ROLES:
        raise LookupError(
            f"core/microsoft365/permission_risks.py: APP_ROLES has no row for {name}: "
            "add its id, and what an attacker could do with it"
        )
    return APP_ROLES[name]


def find_management_role(name: str) -> AppRole:
    """What is known of an app role of the Office 365 Management APIs. Raises LookupError."""
    return MANAGEMENT_ROLES[name]


def find_cmdlet(name: str) -> Cmdlet:
    """What is known of an Exchange cmdlet. Raises LookupError that says where to add it."""
    if name not in CMDLETS:
        raise LookupError(
            f"core/microsoft365/permission_risks.py: CMDLETS has no row for {name}: "
            "add what an attacker could do with it, and the parameters the adapters send; "
            "or add the row that reads it to core/microsoft365/configuration_sources.py"
        )
    return CMDLETS[name]


def describe_risk(permission: Permission) -> str:
    """What an attacker who holds the app's credential could do with a permission."""
    match permission.service:
        case Service.GRAPH:
            return find_app_role(permission.name).risk
        case Service.MANAGEMENT:
            return find_management_role(permission.name).risk
        case Service.EXCHANGE:
            return find_cmdlet(permission.name).risk


def build_grant_command(permission: Permission) -> str:
    """The command an administrator runs to grant a permission."""
    if permission.service is Service.EXCHANGE:
        return (
            "pwsh infra/exchange-role.ps1 -AppId <CLIENT_ID> -ServicePrincipalObjectId <OBJECT_ID>"
        )
    is_graph = permission.service is Service.GRAPH
    role = (find_app_role if is_graph else find_management_role)(permission.name).id
    api = GRAPH_APP_ID if is_graph else MANAGEMENT_APP_ID
    return (
        f"az ad app permission add --id <CLIENT_ID> --api {api} "
        f"--api-permissions {role}=Role && az ad app permission admin-consent --id <CLIENT_ID>"
    )


def list_needed_permissions(config: GuardConfig) -> Iterator[Permission]:
    """What a guard needs in its mode: nothing when it is off, no writes unless it enforces."""
    if config.mode is Mode.OFF:
        return
    for permission in config.guard.permissions:
        if config.mode is Mode.ENFORCE or not permission.writes:
            yield permission


def is_granted(permission: Permission, grants: GrantedPermissions) -> bool:
    """True unless the permission is known to be missing."""
    if permission.service is Service.GRAPH:
        if grants.app_roles is None:
            return True
        role = find_app_role(permission.name)
        return not grants.app_roles.isdisjoint({permission.name, *role.included_in})
    if permission.service is Service.MANAGEMENT:
        return grants.management_roles is None or permission.name in grants.management_roles
    return grants.cmdlets is None or permission.name in grants.cmdlets


def missing_permissions(config: GuardConfig, grants: GrantedPermissions) -> tuple[Permission, ...]:
    """What a guard needs and the app does not hold."""
    return tuple(
        permission
        for permission in list_needed_permissions(config)
        if not is_granted(permission, grants)
    )


def note_granted_permissions(
    config: GuardConfig, grants: GrantedPermissions, noted: frozenset[str]
) -> frozenset[str]:
    """What a guard needs and the app is known to hold, or to have held: `noted` so far.

    A list that could not be read grants nothing, since it might hold anything.
    """
    held = {
        permission.name
        for permission in list_needed_permissions(config)
        if is_granted(permission, grants) and is_list_known(permission, grants)
    }
    return (noted & {permission.name for permission in config.guard.permissions}) | held


def is_list_known(permission: Permission, grants: GrantedPermissions) -> bool:
    """Whether the list that a permission would be in could be read."""
    lists = {
        Service.GRAPH: grants.app_roles,
        Service.EXCHANGE: grants.cmdlets,
        Service.MANAGEMENT: grants.management_roles,
    }
    return lists[permission.service] is not None


@dataclass(frozen=True, slots=True)
class ExcessPermissions:
    """What the app holds and no guard needs: app roles, and cmdlets that change something."""

    app_roles: tuple[str, ...]
    cmdlets: tuple[str, ...]


# Verbs of cmdlets that change nothing.
READ_ONLY_VERBS = ("Get-", "Test-", "Search-", "Find-", "Resolve-", "Measure-", "Export-")


def find_excess_permissions(
    configs: Iterable[GuardConfig],
    grants: GrantedPermissions,
    containment: Mode = Mode.OFF,
    *,
    searches: bool = False,
) -> ExcessPermissions:
    """What an administrator could take away from the app without affecting a guard, containment in
    its mode, or searches of the audit log, if they are on.
    """
    wanted = {
        permission.name for config in configs for permission in list_needed_permissions(config)
    }
    wanted |= {permission.name for permission in list_containment_permissions(containment)}
    wanted |= {permission.name for permission in AUDIT_QUERY_PERMISSIONS if searches}
    roles = grants.app_roles or frozenset()
    cmdlets = grants.cmdlets or frozenset()
    return ExcessPermissions(
        tuple(sorted(roles - wanted)),
        tuple(sorted(name for name in cmdlets - wanted if not name.startswith(READ_ONLY_VERBS))),
    )


def collect_needed_permissions(
    configs: Iterable[GuardConfig], containment: Mode = Mode.OFF, *, searches: bool = False
) -> dict[str, tuple[Permission, list[str]]]:
    """Each permission that is needed, with the guards that need it; required beats optional.

    Where any guard is on, the job that reads audit logs is among those that need one; so are its
    searches, if they are on, and containment, in its mode.
    """
    found: dict[str, tuple[Permission, list[str]]] = {}
    needs = [
        (config.guard.name, permission)
        for config in configs
        for permission in list_needed_permissions(config)
    ]
    if needs:
        needs += [(ACTIVITY_JOB, permission) for permission in ACTIVITY_PERMISSIONS]
    if searches:
        needs += [(ACTIVITY_JOB, permission) for permission in AUDIT_QUERY_PERMISSIONS]
    needs += [(CONTAINMENT, permission) for permission in list_containment_permissions(containment)]
    for name, permission in needs:
        known, guards = found.get(permission.name, (permission, []))
        wanted = known if permission.optional else permission
        found[permission.name] = (wanted, [*guards, name])
    return dict(sorted(found.items(), key=lambda item: (item[1][0].service, item[0])))


@dataclass(frozen=True, slots=True)
class PermissionComparison:
    """What all guards need compared with what the app holds."""

    granted: tuple[tuple[Permission, tuple[str, ...]], ...]
    missing: tuple[tuple[Permission, tuple[str, ...]], ...]
    excess: ExcessPermissions

    @property
    def is_complete(self) -> bool:
        """True if no required permission is missing."""
        return all(permission.optional for permission, _ in self.missing)


def compare_permissions(
    configs: Iterable[GuardConfig],
    grants: GrantedPermissions,
    containment: Mode = Mode.OFF,
    *,
    searches: bool = False,
) -> PermissionComparison:
    """Which needed permissions are granted and missing, with the guards, and what is in excess."""
    configs = tuple(configs)
    rows = [
        (permission, tuple(guards))
        for permission, guards in collect_needed_permissions(
            configs, containment, searches=searches
        ).values()
    ]
    return PermissionComparison(
        granted=tuple(row for row in rows if is_granted(row[0], grants)),
        missing=tuple(row for row in rows if not is_granted(row[0], grants)),
        excess=find_excess_permissions(configs, grants, containment, searches=searches),
    )
