"""What an attacker could do with each permission, and the parameters that cmdlets are read with.

Ids, and the permissions that include others, are those of Microsoft Learn: Microsoft Graph
permissions reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.microsoft365.configuration_sources import EXCHANGE_SOURCES

FEED_PERMISSION = "ActivityFeed.Read"
AUDIT_QUERY_PERMISSION = "AuditLogsQuery-Exchange.Read.All"


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
