"""Which operations speak of which guard and of which object: data, and nothing else.

Names are those of the Management Activity API's schema and of Entra's list of audit activities
(Microsoft Learn: "Microsoft Entra audit log categories and activities"); what is watched of each is
read from the parameters that the cmdlet's reference has.
"""

from collections.abc import Mapping

from core.activity.watched_operations import (
    REGISTRATION,
    VERBS,
    WATCHED_ENTRA,
    WATCHED_EXCHANGE,
    list_cmdlets,
)
from core.activity.watches import About as About
from core.activity.watches import Watch as Watch
from core.microsoft365.activity_operations import normalize_operation

FORWARDS = frozenset({"ForwardingSmtpAddress", "ForwardingAddress", "DeliverToMailboxAndForward"})
AUDITS = frozenset({"Audit*", "DefaultAuditSet"})
RULE_KINDS = (
    "inbox-rule-forward",
    "inbox-rule-hides",
    "inbox-rule-hidden",
    "inbox-rule-unreadable",
)
FLOW_KINDS = ("transport-rule", "transport-rule-manager", "transport-rule-unknown")
FORWARDING, DELEGATION, AUDIT = "mailbox-forwarding", "mailbox-delegation", "mailbox-audit"
SIGN_IN, CONSENT, BASELINE = "shared-mailbox-sign-in", "app-consent", "tenant-baseline"
PROTOCOLS, MODULE, DELETION = "legacy-protocols", "exchange-module-access", "mass-deletion"
PRIVILEGED = "privileged-change"
HEALTH, RISKY = "shared-mailbox-health", "risky-accounts"

RULE = Watch(FORWARDING, About.MAILBOX, kinds=RULE_KINDS)
TRACE = Watch(
    FORWARDING,
    About.MAILBOX,
    kinds=("sweep-rule", "junk-list", "automatic-reply", "published-calendar"),
)
FLOW_RULE = Watch(FORWARDING, About.WHOLE, kinds=FLOW_KINDS)
# A rule may also carry mail past the filters.
SKIP_RULE = Watch("mail-protection", About.WHOLE, kinds=("mail-flow-skip",))
MAILBOX_CHANGES = (
    Watch(FORWARDING, About.MAILBOX, FORWARDS, ("mailbox-forward",)),
    # A mailbox's set of actions is judged by what other mailboxes record.
    Watch(AUDIT, About.WHOLE, AUDITS),
    Watch(DELEGATION, About.WHOLE, frozenset({"GrantSendOnBehalfTo"}), ("send-on-behalf",)),
    Watch(SIGN_IN, About.MAILBOX, frozenset({"Type", "AccountDisabled"})),
    Watch(HEALTH, About.WHOLE, frozenset({"Type"})),
    Watch(
        "mail-protection",
        About.WHOLE,
        frozenset(
            {
                *("Moderat*", "RejectMessages*", "AcceptMessagesOnly*"),
                *("LitigationHold*", "SingleItemRecoveryEnabled"),
            }
        ),
        ("mailbox-moderation", "mailbox-rejection", "mailbox-hold", "mailbox-recovery"),
    ),
)
FULL_ACCESS = Watch(
    DELEGATION, About.MAILBOX, kinds=("full-access", "change-permission", "change-owner")
)
FOLDER_RIGHT = Watch(DELEGATION, About.MAILBOX, kinds=("folder-right",))
SEND_AS = Watch(DELEGATION, About.WHOLE, kinds=("send-as",))
NEW_MAILBOX = Watch(SIGN_IN, About.MAILBOX, by_service=True)
BASELINE_CHANGE = Watch(BASELINE, About.WHOLE)
PROTOCOL_CHANGE = Watch(PROTOCOLS, About.WHOLE)
PROTOCOL_SETTING = Watch(PROTOCOLS, About.WHOLE)
MODULE_CHANGE = Watch(
    MODULE, About.WHOLE, frozenset({"EXOModuleEnabled", "RemotePowerShellEnabled"})
)
ROLE_CHANGE = (
    Watch(MODULE, About.WHOLE),
    Watch(REGISTRATION, About.WHOLE),
    Watch(PRIVILEGED, About.WHOLE, kinds=("administrator-added",)),
)
CONSENT_CHANGE = Watch(CONSENT, About.WHOLE)
CONNECTOR = Watch(FORWARDING, About.WHOLE, kinds=("outbound-connector", "inbound-connector"))
JOURNAL = Watch(FORWARDING, About.WHOLE, kinds=("journal-rule",))

OWN_EXCHANGE: Mapping[str, tuple[Watch, ...]] = {
    **dict.fromkeys(
        ("New-InboxRule", "Set-InboxRule", "Enable-InboxRule", "UpdateInboxRules"), (RULE,)
    ),
    **dict.fromkeys(("Disable-InboxRule", "Remove-InboxRule"), (RULE,)),
    "Set-Mailbox": MAILBOX_CHANGES,
    **dict.fromkeys(("New-Mailbox", "Enable-Mailbox"), (NEW_MAILBOX,)),
    **dict.fromkeys(("Add-MailboxPermission", "Remove-MailboxPermission"), (FULL_ACCESS,)),
    **dict.fromkeys(
        (
            "Add-MailboxFolderPermission",
            "Set-MailboxFolderPermission",
            "Remove-MailboxFolderPermission",
            # What a mail client leaves in the mailbox's own audit.
            "AddFolderPermissions",
            "ModifyFolderPermissions",
            "RemoveFolderPermissions",
            "UpdateFolderPermissions",
        ),
        (FOLDER_RIGHT,),
    ),
    **dict.fromkeys(
        (
            "New-SweepRule",
            "Set-SweepRule",
            "Enable-SweepRule",
            "Remove-SweepRule",
            "Set-MailboxJunkEmailConfiguration",
            "Set-MailboxAutoReplyConfiguration",
            "Set-MailboxCalendarFolder",
        ),
        (TRACE,),
    ),
    **dict.fromkeys(("Add-RecipientPermission", "Remove-RecipientPermission"), (SEND_AS,)),
    **dict.fromkeys(
        (
            "New-TransportRule",
            "Set-TransportRule",
            "Enable-TransportRule",
            "Disable-TransportRule",
            "Remove-TransportRule",
        ),
        (FLOW_RULE, SKIP_RULE),
    ),
    **dict.fromkeys(
        (
            "New-OutboundConnector",
            "Set-OutboundConnector",
            "New-InboundConnector",
            "Set-InboundConnector",
            "Remove-OutboundConnector",
            "Remove-InboundConnector",
        ),
        (CONNECTOR,),
    ),
    **dict.fromkeys(
        ("New-JournalRule", "Set-JournalRule", "Enable-JournalRule", "Remove-JournalRule"),
        (JOURNAL,),
    ),
    "Set-MailboxAuditBypassAssociation": (
        Watch(AUDIT, About.MAILBOX, frozenset({"AuditBypassEnabled"}), ("audit-bypass",)),
    ),
    "Set-OrganizationConfig": (
        Watch(AUDIT, About.WHOLE, frozenset({"AuditDisabled"}), ("organization-audit-disabled",)),
        BASELINE_CHANGE,
    ),
    "Set-AdminAuditLogConfig": (
        Watch(
            AUDIT,
            About.WHOLE,
            frozenset({"UnifiedAuditLogIngestionEnabled"}),
            ("unified-audit-log-off",),
        ),
    ),
    **dict.fromkeys(
        (
            "Set-RemoteDomain",
            "New-RemoteDomain",
            "New-HostedOutboundSpamFilterPolicy",
            "Set-HostedOutboundSpamFilterPolicy",
            "Remove-HostedOutboundSpamFilterPolicy",
            *list_cmdlets(VERBS, ("HostedOutboundSpamFilterRule",)),
            "Set-OwaMailboxPolicy",
            "Set-MobileDeviceMailboxPolicy",
            "Set-SharingPolicy",
        ),
        (BASELINE_CHANGE,),
    ),
    "Set-CASMailbox": (PROTOCOL_CHANGE,),
    **dict.fromkeys(
        ("Set-CASMailboxPlan", "New-AuthenticationPolicy", "Set-AuthenticationPolicy"),
        (PROTOCOL_SETTING,),
    ),
    "Set-TransportConfig": (PROTOCOL_SETTING, BASELINE_CHANGE),
    "Set-User": (
        MODULE_CHANGE,
        Watch(PROTOCOLS, About.WHOLE, frozenset({"AuthenticationPolicy"})),
    ),
    **dict.fromkeys(
        ("New-ManagementRoleAssignment", "Add-RoleGroupMember", "Update-RoleGroupMember"),
        ROLE_CHANGE[:1],
    ),
}
OWN_ENTRA: Mapping[str, tuple[Watch, ...]] = {
    "Enable account": (Watch(SIGN_IN, About.ACCOUNT),),
    "Disable account": (Watch(SIGN_IN, About.ACCOUNT), Watch(DELETION, About.WHOLE)),
    "Add user": (Watch(SIGN_IN, About.ACCOUNT),),
    **dict.fromkeys(
        (
            "Delete user",
            "Hard Delete user",
            "Delete group",
            "Delete device",
            "Delete application",
            "Delete conditional access policy",
        ),
        (Watch(DELETION, About.WHOLE),),
    ),
    **dict.fromkeys(
        (
            "Consent to application",
            "Add delegated permission grant",
            "Add app role assignment to service principal",
            "Add service principal credentials",
            "Update application*",
            "Add owner to service principal",
            "Add owner to application",
        ),
        (CONSENT_CHANGE,),
    ),
    "Update authorization policy": (CONSENT_CHANGE, BASELINE_CHANGE),
    **dict.fromkeys(("Add member to role", "Add eligible member to role"), ROLE_CHANGE),
}


def join_tables(*tables: Mapping[str, tuple[Watch, ...]]) -> dict[str, tuple[Watch, ...]]:
    """Several tables as one; an operation may mean something to guards of each."""
    joined: dict[str, tuple[Watch, ...]] = {}
    for table in tables:
        for name, watches in table.items():
            joined[name] = (*joined.get(name, ()), *watches)
    return joined


EXCHANGE_OPERATIONS = join_tables(OWN_EXCHANGE, WATCHED_EXCHANGE)
ENTRA_OPERATIONS = join_tables(OWN_ENTRA, WATCHED_ENTRA)


def index_operations(
    *tables: Mapping[str, tuple[Watch, ...]],
) -> tuple[dict[str, tuple[Watch, ...]], dict[str, tuple[Watch, ...]]]:
    """The watches by an operation's normal name, and those by its beginning."""
    whole: dict[str, tuple[Watch, ...]] = {}
    beginnings: dict[str, tuple[Watch, ...]] = {}
    for table in tables:
        for name, watches in table.items():
            known = beginnings if name.endswith("*") else whole
            known[normalize_operation(name.removesuffix("*"))] = watches
    return whole, beginnings


SPELLED_NAMES: Mapping[str, str] = {
    normalize_operation(name): name
    for name in (*EXCHANGE_OPERATIONS, *ENTRA_OPERATIONS)
    if not name.endswith("*")
}
"""How logs spell an operation, by its normal name: for people to read."""
WHOLE_NAMES, BEGINNINGS = index_operations(EXCHANGE_OPERATIONS, ENTRA_OPERATIONS)


def find_watches(operation: str) -> tuple[Watch, ...]:
    """What an operation, by its normal name, means to guards."""
    if operation in WHOLE_NAMES:
        return WHOLE_NAMES[operation]
    return next((BEGINNINGS[name] for name in BEGINNINGS if operation.startswith(name)), ())
