"""What each permission is, what an attacker could do with it, and how it is granted.

Which permission a guard needs stands in its `GUARD`; here is what is true of a permission for all.
Ids and the permissions that include others are those of Microsoft's permissions reference
(Microsoft Learn: Microsoft Graph permissions reference).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from core.model.guards import GuardConfig, Mode, Permission, Service
from core.tenant.port import GrantedPermissions

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
EXCHANGE_REQUIREMENT = "Exchange.ManageAsApp and an Exchange role"


@dataclass(frozen=True, slots=True)
class AppRole:
    """A Graph app role: its id, its worth to a thief, and the wider roles that include it."""

    id: str
    risk: str
    included_in: frozenset[str] = frozenset()


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
        "sign users out again and again",
        ALL_USERS,
    ),
    "AuditLog.Read.All": AppRole(
        "b0afded3-3588-46d8-8b3d-9842eff778da",
        "read who signs in, when and from where",
    ),
    "MailboxSettings.Read": AppRole(
        "40f97065-369a-49f4-947c-6a255697ae91",
        "read inbox rules and automatic replies: who forwards what, who is away",
        frozenset({"MailboxSettings.ReadWrite"}),
    ),
    "MailboxSettings.ReadWrite": AppRole(
        "6931bccd-447a-43d1-b442-00a195474933",
        "add a forwarding rule to any mailbox: the very attack this guard looks for",
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
        frozenset({"RoleManagement.ReadWrite.Directory", "RoleManagement.Read.All"}),
    ),
    "GroupMember.Read.All": AppRole(
        "98830695-27a2-44f7-8c18-0c3ebc9698f6",
        "read who is in which group",
        frozenset({"GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All"})
        | {"Directory.Read.All", "Directory.ReadWrite.All"},
    ),
    "PrivilegedEligibilitySchedule.Read.AzureADGroup": AppRole(
        "edb419d6-7edc-42a3-9345-509bfdf5d87c",
        "read who may let themselves into groups that hold roles",
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
    # DelegatedPermissionGrant.Read.All exists, but no page of Microsoft says that it opens the list
    # of grants; whoever gives the app that one instead is taken by their word, and the read tells.
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
        "read every policy of the directory: what is not asked for a second factor, say",
    ),
    "Policy.ReadWrite.Authorization": AppRole(
        "fb221be6-99f2-473f-bd32-01c6a0e9ca3b",
        "let users consent to applications and guests see the directory, or stop both",
    ),
}

CMDLET_RISKS: Mapping[str, str] = {
    "Get-Mailbox": "list every mailbox with its settings",
    "Get-MailboxPermission": "see who may open whose mailbox: a map of accounts worth taking",
    "Get-RecipientPermission": "see who may send mail in whose name",
    "Get-InboxRule": "read the rules of any mailbox, hidden ones too",
    "Get-Recipient": "list every recipient and where contacts lead",
    "Get-AcceptedDomain": "read the tenant's domains",
    "Get-RemoteDomain": "see to which domains mail may be forwarded",
    "Get-TransportRule": "read all mail-flow rules: how mail is filtered and who gets copies",
    "Get-HostedOutboundSpamFilterPolicy": "see whether forwarding is blocked",
    "Get-HostedOutboundSpamFilterRule": "see for whom forwarding is not blocked",
    "Get-OrganizationConfig": "read the settings of the organization",
    "Get-AdminAuditLogConfig": "see whether the unified audit log is on",
    "Get-OwaMailboxPolicy": "see what Outlook on the web allows",
    "Get-MobileDeviceMailboxPolicy": "see what phones must have before they get mail",
    "Get-SharingPolicy": "see what of calendars is shown to whom outside",
    "Get-MailboxAuditBypassAssociation": "find the accounts whose actions are not recorded",
    "Get-User": "list every user, and who may use Exchange PowerShell",
    "Get-RoleGroup": "list the role groups of Exchange",
    "Get-RoleGroupMember": "read who administers Exchange",
    "Set-User": "take Exchange PowerShell away from administrators, or give it to anybody",
    "Get-MailboxStatistics": "see how large each mailbox is, and when it was last opened",
    "Get-CASMailbox": "see by which protocols each mailbox can be reached",
    "Get-CASMailboxPlan": "see by which protocols new mailboxes can be reached",
    "Get-TransportConfig": "see whether SMTP AUTH is on",
    "Get-AuthenticationPolicy": "find the policies that still allow a bare password",
    "Set-CASMailbox": "open or close POP, IMAP and SMTP AUTH of any mailbox",
    "Set-CASMailboxPlan": "open or close POP and IMAP for every new mailbox",
    "Set-TransportConfig": "switch SMTP AUTH on for everybody, or off for every device that sends",
    "Set-AuthenticationPolicy": "let accounts send with a bare password again",
    "Set-Mailbox": "remove forwards, and weaken or purge the audit log of any mailbox",
    "Set-OrganizationConfig": "switch mailbox auditing or modern authentication off for all",
    "Set-AdminAuditLogConfig": "switch the unified audit log off",
    "Set-RemoteDomain": "let mail be forwarded to outside domains again",
    "Set-HostedOutboundSpamFilterPolicy": "let forwarded mail leave, unlimited and unnoticed",
    "Set-OwaMailboxPolicy": "weaken Outlook on the web for everybody",
    "Set-MobileDeviceMailboxPolicy": "let unlocked and unencrypted devices in",
    "Set-MailboxAuditBypassAssociation": "exempt an account from being recorded",
}


def describe_risk(permission: Permission) -> str:
    """What somebody who stole the app's credential could do with a permission."""
    if permission.service is Service.GRAPH:
        return APP_ROLES[permission.name].risk
    return CMDLET_RISKS[permission.name]


def build_grant_command(permission: Permission) -> str:
    """The command an administrator runs to grant a permission."""
    if permission.service is Service.EXCHANGE:
        return (
            "pwsh infra/exchange-role.ps1 -AppId <CLIENT_ID> "
            "-ServicePrincipalObjectId <object id of the enterprise application>"
        )
    role = APP_ROLES[permission.name].id
    return (
        f"az ad app permission add --id <CLIENT_ID> --api {GRAPH_APP_ID} "
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
        role = APP_ROLES[permission.name]
        return not grants.app_roles.isdisjoint({permission.name, *role.included_in})
    return grants.cmdlets is None or permission.name in grants.cmdlets


def missing_permissions(config: GuardConfig, grants: GrantedPermissions) -> tuple[Permission, ...]:
    """What a guard needs and the app does not have."""
    return tuple(
        permission
        for permission in list_needed_permissions(config)
        if not is_granted(permission, grants)
    )


@dataclass(frozen=True, slots=True)
class ExcessPermissions:
    """What the app has and no guard needs: app roles, and cmdlets that change something."""

    app_roles: tuple[str, ...]
    cmdlets: tuple[str, ...]


# Verbs of cmdlets that only look.
READ_ONLY_VERBS = ("Get-", "Test-", "Search-", "Find-", "Resolve-", "Measure-", "Export-")


def find_excess_permissions(
    configs: Iterable[GuardConfig], grants: GrantedPermissions
) -> ExcessPermissions:
    """What could be taken away from the app without any guard noticing."""
    wanted = {permission.name for duty in configs for permission in list_needed_permissions(duty)}
    roles = grants.app_roles or frozenset()
    cmdlets = grants.cmdlets or frozenset()
    return ExcessPermissions(
        tuple(sorted(roles - wanted)),
        tuple(sorted(name for name in cmdlets - wanted if not name.startswith(READ_ONLY_VERBS))),
    )


def collect_needed_permissions(
    configs: Iterable[GuardConfig],
) -> dict[str, tuple[Permission, list[str]]]:
    """Each permission that is needed, with the guards that need it; required beats optional."""
    found: dict[str, tuple[Permission, list[str]]] = {}
    for duty in configs:
        for permission in list_needed_permissions(duty):
            known, guards = found.get(permission.name, (permission, []))
            wanted = known if permission.optional else permission
            found[permission.name] = (wanted, [*guards, duty.guard.name])
    return dict(sorted(found.items(), key=lambda item: (item[1][0].service, item[0])))


@dataclass(frozen=True, slots=True)
class PermissionComparison:
    """What all guards need beside what the app has: each need with its guards, and the excess."""

    granted: tuple[tuple[Permission, tuple[str, ...]], ...]
    missing: tuple[tuple[Permission, tuple[str, ...]], ...]
    excess: ExcessPermissions

    @property
    def is_complete(self) -> bool:
        """True when everything required is there."""
        return all(permission.optional for permission, _ in self.missing)


def compare_permissions(
    configs: Iterable[GuardConfig], grants: GrantedPermissions
) -> PermissionComparison:
    """What is there, what is missing, what is too much."""
    configs = tuple(configs)
    rows = [
        (permission, tuple(guards))
        for permission, guards in collect_needed_permissions(configs).values()
    ]
    return PermissionComparison(
        granted=tuple(row for row in rows if is_granted(row[0], grants)),
        missing=tuple(row for row in rows if not is_granted(row[0], grants)),
        excess=find_excess_permissions(configs, grants),
    )
