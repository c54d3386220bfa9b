"""What containing accounts needs, beside the guards: nothing unless it is switched on.

Each is the least that does the step; what would need more stays for a person. Ids and risks stand
in `core.microsoft365.permissions`.
"""

from collections.abc import Iterator

from core.model.guards import Mode, Permission, Service

CONTAINMENT = "containment"
"""What needs these permissions, as lists of permissions name it beside the guards."""

SWITCH_DEVICES = Permission(
    Service.GRAPH,
    "Device.EnableDisableAccount.All",
    "switch off devices that were registered lately",
    writes=True,
    optional=True,
)
CONTAINMENT_PERMISSIONS: tuple[Permission, ...] = (
    Permission(Service.GRAPH, "User.Read.All", "who the account is, and whether it is blocked"),
    Permission(
        Service.GRAPH, "RoleManagement.Read.Directory", "whether it administers: then never"
    ),
    Permission(Service.GRAPH, "GroupMember.Read.All", "who administers through groups"),
    Permission(
        Service.GRAPH,
        "PrivilegedEligibilitySchedule.Read.AzureADGroup",
        "who may administer through groups",
    ),
    Permission(
        Service.GRAPH,
        "UserAuthenticationMethod.Read.All",
        "its second factors, with their dates",
        optional=True,
    ),
    Permission(
        Service.GRAPH,
        "Directory.Read.All",
        "its devices and apps, and what it allowed apps",
        optional=True,
    ),
    Permission(
        Service.GRAPH,
        "AuditLog.Read.All",
        "its sign-ins, and what was done to it and by it",
        optional=True,
    ),
    Permission(Service.GRAPH, "MailboxSettings.Read", "its inbox rules", optional=True),
    Permission(Service.GRAPH, "Domain.Read.All", "who is outside", optional=True),
    Permission(Service.EXCHANGE, "Get-Mailbox", "its mailbox and forwards"),
    Permission(Service.EXCHANGE, "Get-RoleGroup", "who administers Exchange"),
    Permission(Service.EXCHANGE, "Get-RoleGroupMember", "who administers Exchange"),
    Permission(Service.EXCHANGE, "Get-CASMailbox", "which mail clients may open it", optional=True),
    Permission(
        Service.EXCHANGE, "Get-InboxRule", "its inbox rules, hidden ones too", optional=True
    ),
    Permission(Service.EXCHANGE, "Get-MailboxPermission", "who may open it", optional=True),
    Permission(Service.EXCHANGE, "Get-RecipientPermission", "who may send as it", optional=True),
    Permission(
        Service.EXCHANGE,
        "Get-MailboxFolderPermission",
        "who may read or change its folders",
        optional=True,
    ),
    Permission(
        Service.EXCHANGE,
        "Get-MailboxFolderStatistics",
        "what its Inbox is called, to read who may open it",
        optional=True,
    ),
    Permission(Service.EXCHANGE, "Get-MobileDevice", "its phones", optional=True),
    Permission(
        Service.EXCHANGE, "Get-MessageTraceV2", "whom it wrote to: the impact", optional=True
    ),
    Permission(Service.GRAPH, "User.EnableDisableAccount.All", "block its sign-in", writes=True),
    Permission(Service.GRAPH, "User.RevokeSessions.All", "tell its sessions to end", writes=True),
    Permission(
        Service.GRAPH,
        "MailboxSettings.ReadWrite",
        "switch its dangerous inbox rules off",
        writes=True,
        optional=True,
    ),
    SWITCH_DEVICES,
    *(
        Permission(
            Service.EXCHANGE,
            name,
            reason,
            writes=True,
            optional=True,
            parameters=("Identity", "Mailbox", "AlwaysDeleteOutlookRulesBlob"),
        )
        for name, reason in (
            ("Disable-InboxRule", "switch its hidden inbox rules off, where they are named"),
            ("Enable-InboxRule", "take that back"),
        )
    ),
    Permission(
        Service.EXCHANGE,
        "Set-Mailbox",
        "clear its forwards",
        writes=True,
        optional=True,
        parameters=(
            "Identity",
            "ForwardingAddress",
            "ForwardingSmtpAddress",
            "DeliverToMailboxAndForward",
        ),
    ),
    Permission(
        Service.EXCHANGE,
        "Set-CASMailbox",
        "close it to mail clients",
        writes=True,
        optional=True,
        parameters=(
            "Identity",
            "OWAEnabled",
            "MAPIEnabled",
            "EwsEnabled",
            "ActiveSyncEnabled",
            "OutlookMobileEnabled",
            "ImapEnabled",
            "PopEnabled",
        ),
    ),
)


def list_containment_permissions(mode: Mode) -> Iterator[Permission]:
    """What containment needs in its mode: nothing when it is off, no writes unless it enforces."""
    if mode is Mode.OFF:
        return
    for permission in CONTAINMENT_PERMISSIONS:
        if mode is Mode.ENFORCE or not permission.writes:
            yield permission
