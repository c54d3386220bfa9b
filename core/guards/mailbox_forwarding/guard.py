"""The threat: mail is forwarded outside, or hidden from its reader.

Whoever got into a mailbox once sets a forward or an inbox rule and keeps reading after the password
was changed; another rule takes warnings and replies out of sight while invoices are redirected. A
mail-flow rule does the same for the whole organization.
"""

from datetime import timedelta

from core.guards.mailbox_forwarding.judge import judge
from core.guards.mailbox_forwarding.observe import inspect, look_at, observe
from core.guards.mailbox_forwarding.options import read_options
from core.guards.mailbox_forwarding.single_looks import SINGLE_LOOKS
from core.guards.mailbox_forwarding.verdicts import VERDICT_TEXTS
from core.model.findings import CorrelationRule, Fact, Severity
from core.model.guards import Guard, PeriodicCheck, Permission, Service
from core.model.options import SettingReader
from core.model.shared_settings import ALLOWED_FORWARD_DOMAINS
from core.tenant.sources import HIDDEN_RULES, RULE_FOLDERS
from core.watched.judge import WATCHED_VERDICT_TEXTS

GRAPH, EXCHANGE = Service.GRAPH, Service.EXCHANGE
GUARD = Guard(
    name="mailbox-forwarding",
    title="Forwarding and hiding of mail",
    looks_for="mail leaving by mailbox forwarding, inbox rules (hidden ones too), mail-flow rules; "
    "rules that hide mail",
    rationale="A forward or an inbox rule keeps an intruder reading after the password was "
    "changed.",
    verdicts={**WATCHED_VERDICT_TEXTS, **VERDICT_TEXTS},
    permissions=(
        Permission(EXCHANGE, "Get-Mailbox", "forwards set on mailboxes"),
        Permission(GRAPH, "MailboxSettings.Read", "inbox rules"),
        Permission(EXCHANGE, "Get-InboxRule", "hidden rules, and rules Graph shows in part"),
        Permission(EXCHANGE, "Get-Recipient", "what recipients stand for"),
        Permission(EXCHANGE, "Get-MailContact", "which contact a legacy name means", optional=True),
        Permission(EXCHANGE, "Get-MailUser", "which guest a legacy name means", optional=True),
        Permission(
            EXCHANGE,
            "Get-DistributionGroupMember",
            "whether a group that mail is sent to has members outside",
            optional=True,
        ),
        Permission(
            EXCHANGE,
            "Get-UnifiedGroupLinks",
            "whether a Microsoft 365 group that mail is sent to has guests",
            optional=True,
        ),
        Permission(EXCHANGE, "Get-AcceptedDomain", "which domains are the tenant's own"),
        Permission(GRAPH, "Domain.Read.All", "which domains are the tenant's own"),
        Permission(EXCHANGE, "Get-TransportRule", "mail-flow rules"),
        Permission(EXCHANGE, "Get-OutboundConnector", "servers that mail is led through"),
        Permission(EXCHANGE, "Get-InboundConnector", "servers that deliver mail as one's own"),
        Permission(EXCHANGE, "Get-JournalRule", "copies of mail for an archive"),
        Permission(
            GRAPH,
            "Mail.ReadBasic.All",
            "to tell hidden corners from ordinary folders",
            optional=True,
        ),
        Permission(
            EXCHANGE, "Get-RemoteDomain", "whether forwarded mail really leaves", optional=True
        ),
        Permission(
            EXCHANGE,
            "Get-HostedOutboundSpamFilterPolicy",
            "whether forwarded mail really leaves, and who gets copies of suspicious mail",
            optional=True,
        ),
        Permission(
            EXCHANGE,
            "Get-TransportConfig",
            "who gets journal reports that cannot be delivered",
            optional=True,
        ),
        Permission(
            EXCHANGE,
            "Get-HostedOutboundSpamFilterRule",
            "to whom an outbound policy applies",
            optional=True,
        ),
        *(
            Permission(EXCHANGE, cmdlet, f"{what} of mailboxes, each once a week", optional=True)
            for cmdlet, what in (
                ("Get-SweepRule", "sweep rules"),
                ("Get-MailboxJunkEmailConfiguration", "blocked senders"),
                ("Get-MailboxAutoReplyConfiguration", "automatic replies"),
                ("Get-MobileDevice", "phones"),
                ("Get-App", "add-ins"),
                ("Get-MailboxFolderStatistics", "the name of the calendar"),
                ("Get-MailboxCalendarFolder", "whether the calendar is published,"),
            )
        ),
        Permission(GRAPH, "MailboxSettings.ReadWrite", "to disable an inbox rule", writes=True),
        Permission(
            EXCHANGE,
            "Set-Mailbox",
            "to clear a forward",
            writes=True,
            parameters=(
                "Identity",
                "ForwardingAddress",
                "ForwardingSmtpAddress",
                "DeliverToMailboxAndForward",
            ),
        ),
    ),
    observe=observe,
    judge=judge,
    settings=(ALLOWED_FORWARD_DOMAINS,),
    read_options=read_options,
    options=read_options(SettingReader()),
    inspect=inspect,
    look_at=look_at,
    single_looks=SINGLE_LOOKS,
    noun="mailboxes",
    periodic_checks=(
        PeriodicCheck(HIDDEN_RULES, timedelta(days=1)),
        PeriodicCheck(RULE_FOLDERS, timedelta(days=1)),
    ),
    correlation=CorrelationRule(
        3, Severity.CRITICAL, Fact("", "3 or more mailboxes send to the same outside address")
    ),
)
