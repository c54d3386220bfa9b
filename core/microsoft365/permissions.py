"""What each permission is, what an attacker could do with it, and how it is granted.

Each guard declares which permissions it needs and why; this module holds what is true of a
permission whichever guard needs it. Ids, and the permissions that include others, are those of
Microsoft Learn: Microsoft Graph permissions reference.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from core.microsoft365.configuration_sources import EXCHANGE_SOURCES
from core.microsoft365.containment_permissions import (
    CONTAINMENT,
    list_containment_permissions,
)
from core.model.guards import GuardConfig, Mode, Permission, Service
from core.tenant.readers import GrantedPermissions

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
MANAGEMENT_APP_ID = "c5393580-f805-4401-95e8-94b7a6ef2fc2"
FEED_PERMISSION = "ActivityFeed.Read"
AUDIT_QUERY_PERMISSION = "AuditLogsQuery-Exchange.Read.All"
ACTIVITY_JOB = "activity"
"""The job that reads audit logs, beside the guards."""
EXCHANGE_REQUIREMENT = "Exchange.ManageAsApp and an Exchange role"


@dataclass(frozen=True, slots=True)
class AppRole:
    """A Graph app role."""

    id: str
    risk: str
    """What an attacker who holds the app's credential could do with it."""
    included_in: frozenset[str] = frozenset()
    """The wider roles that allow the same."""


@dataclass(frozen=True, slots=True)
class Cmdlet:
    """An Exchange cmdlet."""

    risk: str
    """What an attacker who holds the app's credential could do with it."""
    read_parameters: tuple[str, ...] = ()
    """The parameters that the adapters send, for a cmdlet that reads."""


ALL_USERS = frozenset({"User.ReadWrite.All", "Directory.ReadWrite.All"})

APP_ROLES: Mapping[str, AppRole] = {
    "User.Read.All": AppRole(
        "df021288-bdef-4463-88db-98f22de89214",
        "read every user's profile, licences and account state: a map for phishing",
        ALL_USERS | {"Directory.Read.All"},
    ),
    "User.EnableDisableAccount.All": AppRole(
        "3011c876-62b7-4ada-afa2-506cbbecc68c",
        "lock out every user who holds no admin role, or enable accounts that were blocked",
        ALL_USERS,
    ),
    "User.RevokeSessions.All": AppRole(
        "77f3a031-c388-4f99-b373-dc68676a979e",
        "sign any user out again and again",
        ALL_USERS,
    ),
    "AuditLog.Read.All": AppRole(
        "b0afded3-3588-46d8-8b3d-9842eff778da",
        "read who signs in, when and from where",
    ),
    AUDIT_QUERY_PERMISSION: AppRole(
        "6b0d2622-d34e-4470-935b-b96550e5ca8d",
        "search half a year of what everybody does in mail: who reads which message, writes to "
        "whom, when and from where",
        frozenset({"AuditLogsQuery.Read.All"}),
    ),
    "MailboxSettings.Read": AppRole(
        "40f97065-369a-49f4-947c-6a255697ae91",
        "read inbox rules and automatic replies: who forwards what, who is away",
        frozenset({"MailboxSettings.ReadWrite"}),
    ),
    "MailboxSettings.ReadWrite": AppRole(
        "6931bccd-447a-43d1-b442-00a195474933",
        "add a forwarding rule to any mailbox and so receive its mail",
    ),
    "Domain.Read.All": AppRole(
        "dbb9058a-0e50-45d7-ae91-66909b5d4664",
        "read the tenant's domain names",
        frozenset({"Domain.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}),
    ),
    "Group.Read.All": AppRole(
        "5b567255-7703-4780-807c-7be8301ae99b",
        "read every group with its members, conversations, files and calendars",
        frozenset({"Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}),
    ),
    "RoleManagement.Read.Directory": AppRole(
        "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
        "read who administers the tenant: whose account is worth stealing",
        frozenset({"RoleManagement.ReadWrite.Directory"}),
    ),
    "GroupMember.Read.All": AppRole(
        "98830695-27a2-44f7-8c18-0c3ebc9698f6",
        "read who is in which group",
        frozenset({"GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All"})
        | {"Directory.Read.All", "Directory.ReadWrite.All"},
    ),
    "PrivilegedEligibilitySchedule.Read.AzureADGroup": AppRole(
        "edb419d6-7edc-42a3-9345-509bfdf5d87c",
        "read who may activate a membership of a group that holds roles",
        frozenset({"PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup"}),
    ),
    "Mail.ReadBasic.All": AppRole(
        "693c5e45-0940-467d-9b8a-1022fb9d42ef",
        "read senders, recipients and subjects of all mail, without bodies or attachments",
        frozenset({"Mail.Read", "Mail.ReadWrite"}),
    ),
    "Organization.Read.All": AppRole(
        "498476ce-e0fe-48b0-b801-37ba7e2685c6",
        "read the organization's name, domains, contacts and licences",
        frozenset({"Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}),
    ),
    "Application.Read.All": AppRole(
        "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
        "read every app with its permissions: which of them is worth stealing",
        frozenset({"Application.ReadWrite.All", "Directory.Read.All"}),
    ),
    # DelegatedPermissionGrant.Read.All exists, but no page of Microsoft says that it allows to list
    # grants. An app that holds it instead counts as permitted, and the read shows whether it is.
    "Directory.Read.All": AppRole(
        "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
        "read the whole directory: users, groups, roles, devices, apps and their grants",
        frozenset(
            {
                "DelegatedPermissionGrant.Read.All",
                "DelegatedPermissionGrant.ReadWrite.All",
                "Directory.ReadWrite.All",
            }
        ),
    ),
    "Policy.Read.All": AppRole(
        "246dd0d5-5bd0-4def-940b-0421030a5b68",
        "read every policy of the directory, such as who is not asked for a second factor",
    ),
    "Policy.Read.DeviceConfiguration": AppRole(
        "bdba4817-6ba1-4a7c-8a01-be9bc7c242dd",
        "read who may join devices, and whether a second factor is asked first",
        frozenset({"Policy.ReadWrite.DeviceConfiguration"}),
    ),
    "IdentityRiskyUser.Read.All": AppRole(
        "dc5007c0-2d7d-4c42-879c-2dab87571379",
        "see which accounts Microsoft holds for taken over: which break-ins were noticed",
        frozenset({"IdentityRiskyUser.ReadWrite.All"}),
    ),
    "IdentityRiskEvent.Read.All": AppRole(
        "6e472fd1-ad78-48da-a0f0-97ab2c6b769e",
        "see what gave a break-in away, and from which addresses people sign in",
        frozenset({"IdentityRiskEvent.ReadWrite.All"}),
    ),
    "eDiscovery.Read.All": AppRole(
        "50180013-6191-4d1e-a373-e590ff4e66af",
        "read eDiscovery cases and what they collected, with a role in Purview besides",
    ),
    "PublicKeyInfrastructure.Read.All": AppRole(
        "214fda0c-514a-4650-b037-b562b1a66124",
        "read which certificate authorities people may sign in by",
    ),
    "IdentityProvider.Read.All": AppRole(
        "e321f0bb-e7f7-481e-bb28-e3b0b32d4bd0",
        "read which other providers people may sign in through",
    ),
    "UserAuthenticationMethod.Read.All": AppRole(
        "38d9df27-64da-44fd-b7c5-a6fbac20248f",
        "read everybody's second factors with their telephone numbers: whom to call or to swap",
        frozenset({"UserAuthenticationMethod.ReadWrite.All"}),
    ),
    "Device.EnableDisableAccount.All": AppRole(
        "73b12cfb-f4a6-47f6-b7a0-10f514d668ad",
        "lock every computer out of the tenant, or let back in one that was",
        frozenset({"Device.ReadWrite.All"}),
    ),
    "Policy.ReadWrite.Authorization": AppRole(
        "fb221be6-99f2-473f-bd32-01c6a0e9ca3b",
        "let users consent to applications and guests see the directory, or stop both",
    ),
}

MANAGEMENT_ROLES: Mapping[str, AppRole] = {
    FEED_PERMISSION: AppRole(
        "594c1fb6-4f81-4475-ae41-0c394909246c",
        "read what everybody does in mail, files, Teams and the directory: who reads which mail, "
        "when and from where",
    ),
}

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

CMDLETS: Mapping[str, Cmdlet] = {
    **{
        source.read: Cmdlet(source.read_risk, tuple(source.read_parameters))
        for source in EXCHANGE_SOURCES.values()
    },
    "Get-AdminAuditLogConfig": Cmdlet("see whether the unified audit log is on"),
    "Get-App": Cmdlet("see which add-ins people have in Outlook", ("Mailbox", "OrganizationApp")),
    "Get-CASMailbox": Cmdlet(
        "see by which protocols each mailbox can be reached", ("Filter", "Identity", "ResultSize")
    ),
    "Get-DistributionGroupMember": Cmdlet(
        "read who is in which distribution group", ("Identity", "ResultSize")
    ),
    "Get-InboxRule": Cmdlet(
        "read the rules of any mailbox, hidden ones too", ("Mailbox", "IncludeHidden", "ResultSize")
    ),
    "Get-Mailbox": Cmdlet(
        "list every mailbox with its settings",
        (
            *("Filter", "GroupMailbox", "Identity", "IncludeInactiveMailbox"),
            *("RecipientTypeDetails", "ResultSize"),
        ),
    ),
    "Get-MailContact": Cmdlet(
        "list the mail contacts and where they lead", ("Identity", "ResultSize")
    ),
    "Get-MailUser": Cmdlet(
        "list guests and mail users and where they lead", ("Identity", "ResultSize")
    ),
    "Get-MailboxAuditBypassAssociation": Cmdlet(
        "find the accounts whose actions are not recorded", ("Identity", "ResultSize")
    ),
    "Get-MailboxAutoReplyConfiguration": Cmdlet(
        "read what people outside are answered, and who is away", ("Identity",)
    ),
    "Get-MailboxCalendarFolder": Cmdlet(
        "find calendars that anybody can see, with their addresses", ("Identity",)
    ),
    "Get-MailboxFolderPermission": Cmdlet(
        "see who may read whose Inbox: a map of accounts worth taking", ("Identity", "ResultSize")
    ),
    "Get-MailboxFolderStatistics": Cmdlet(
        "see the names and sizes of the folders of each mailbox",
        ("FolderScope", "Identity", "ResultSize"),
    ),
    "Get-MailboxJunkEmailConfiguration": Cmdlet(
        "see whose mail people trust and whose they never see", ("Identity",)
    ),
    "Get-MailboxPermission": Cmdlet(
        "see who may open whose mailbox: a map of accounts worth taking",
        ("Identity", "IncludeUnresolvedPermissions", "ResultSize"),
    ),
    "Get-MailboxStatistics": Cmdlet(
        "see how large each mailbox is, and when it was last opened", ("Identity",)
    ),
    "Get-SweepRule": Cmdlet("see whose mail people clear away unread", ("Mailbox", "ResultSize")),
    "Get-Recipient": Cmdlet(
        "list every recipient and where contacts lead", ("Filter", "Identity", "ResultSize")
    ),
    "Get-MessageTraceV2": Cmdlet(
        "see who writes to whom, when, and under which subject",
        ("EndDate", "ResultSize", "SenderAddress", "StartDate", "StartingRecipientAddress"),
    ),
    "Get-MobileDevice": Cmdlet(
        "see which phones synchronise which mailbox", ("Mailbox", "ResultSize")
    ),
    "Get-RecipientPermission": Cmdlet(
        "see who may send mail in whose name", ("Identity", "ResultSize")
    ),
    # ShowPartnerLinked is not asked for: a built-in role that lacks it must not stop a deployment.
    "Get-RoleGroup": Cmdlet("list the role groups of Exchange", ("ResultSize",)),
    "Get-RoleGroupMember": Cmdlet("read who administers Exchange", ("Identity", "ResultSize")),
    "Get-UnifiedGroupLinks": Cmdlet(
        "read who is in which Microsoft 365 group", ("Identity", "LinkType", "ResultSize")
    ),
    "Get-User": Cmdlet(
        "list every user, and who may use Exchange PowerShell", ("Filter", "Identity", "ResultSize")
    ),
    "Disable-InboxRule": Cmdlet("switch off rules that people rely on, in any mailbox"),
    "Enable-InboxRule": Cmdlet("switch on rules that were switched off, forwards among them"),
    "Set-AdminAuditLogConfig": Cmdlet("switch the unified audit log off"),
    "Set-AuthenticationPolicy": Cmdlet("let accounts send with a bare password again"),
    "Set-CASMailbox": Cmdlet(
        "open or close any mailbox to mail clients: POP, IMAP, Outlook, phones"
    ),
    "Set-CASMailboxPlan": Cmdlet("open or close POP and IMAP for every new mailbox"),
    "Set-HostedOutboundSpamFilterPolicy": Cmdlet(
        "let forwarded mail leave, unlimited and unnoticed"
    ),
    "Set-Mailbox": Cmdlet("remove forwards, and weaken or purge the audit log of any mailbox"),
    "Set-MailboxAuditBypassAssociation": Cmdlet("exempt an account from being recorded"),
    "Set-MobileDeviceMailboxPolicy": Cmdlet("let unlocked and unencrypted devices in"),
    "Set-OrganizationConfig": Cmdlet(
        "switch mailbox auditing or modern authentication off for all"
    ),
    "Set-OwaMailboxPolicy": Cmdlet("weaken Outlook on the web for everybody"),
    "Set-RemoteDomain": Cmdlet("let mail be forwarded to outside domains again"),
    "Set-TransportConfig": Cmdlet(
        "switch SMTP AUTH on for everybody, or off for every device that sends"
    ),
    "Set-User": Cmdlet("take Exchange PowerShell away from administrators, or give it to anybody"),
}


def find_app_role(name: str) -> AppRole:
    """What is known of a Graph app role. Raises LookupError that says where to add it."""
    if name not in APP_ROLES:
        raise LookupError(
            f"core/microsoft365/permissions.py: APP_ROLES has no row for {name}: "
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
            f"core/microsoft365/permissions.py: CMDLETS has no row for {name}: "
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
