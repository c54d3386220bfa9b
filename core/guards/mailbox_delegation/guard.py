"""The threat: an attacker may open another user's mailbox, or send mail in its owner's name.

An attacker with an hour of administrator rights gives an account FullAccess or SendAs over the
mailboxes of interest. The right needs neither the owner's password nor a second factor, survives
every reset, and shows in no view of Entra (MITRE ATT&CK T1098.002, Additional Email Delegate
Permissions). A right over the Inbox alone is quieter still: whoever makes Default a reviewer of it
lets everybody read along.
"""

from datetime import timedelta

from core.guards.mailbox_delegation.items import read_options
from core.guards.mailbox_delegation.judge import judge
from core.guards.mailbox_delegation.observe import (
    INSPECTED_SOURCES,
    inspect,
    look_at,
    look_up_mailboxes,
    look_up_send_as,
    look_up_send_on_behalf,
    observe,
)
from core.guards.mailbox_delegation.verdicts import VERDICT_TEXTS
from core.model.findings import CorrelationRule, Fact, Severity
from core.model.guards import Guard, PeriodicCheck, Permission, Service, SingleLook
from core.model.options import SettingReader
from core.model.shared_settings import RESOURCE_MAILBOX_KINDS
from core.tenant.sources import (
    FOLDER_RIGHTS,
    FULL_ACCESS,
    MAILBOXES,
    OWN_ADD_INS,
    SEND_AS,
    SEND_ON_BEHALF,
)

EXCHANGE = Service.EXCHANGE
GUARD = Guard(
    name="mailbox-delegation",
    title="Delegated mailboxes",
    looks_for="who may open another person's mailbox, read its Inbox or send in their name: guests,"
    " unknown and new holders, everybody; add-ins from files",
    rationale="A right over somebody's mailbox reads and writes for them, whatever their password.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(EXCHANGE, "Get-Mailbox", "all mailboxes, and who may send on their behalf"),
        Permission(EXCHANGE, "Get-MailboxPermission", "who may open a mailbox"),
        Permission(
            EXCHANGE, "Get-MailboxFolderPermission", "who may read the Inbox of somebody else"
        ),
        Permission(
            EXCHANGE,
            "Get-MailboxFolderStatistics",
            "which folder is the Inbox, in the language of each mailbox",
        ),
        Permission(EXCHANGE, "Get-RecipientPermission", "who may send as somebody else"),
        Permission(EXCHANGE, "Get-Recipient", "who holds a right: a colleague, a guest, nobody"),
        Permission(
            EXCHANGE,
            "Get-DistributionGroupMember",
            "whether a group with a right has members from outside",
            optional=True,
        ),
        Permission(
            EXCHANGE,
            "Get-UnifiedGroupLinks",
            "whether a Microsoft 365 group with a right has guests",
            optional=True,
        ),
        Permission(EXCHANGE, "Get-App", "add-ins from files in single mailboxes", optional=True),
        Permission(
            EXCHANGE,
            "Get-AcceptedDomain",
            "whether a mail user with a right is a colleague or somebody of another tenant",
        ),
        Permission(
            Service.GRAPH,
            "Domain.Read.All",
            "whether a mail user with a right is a colleague or somebody of another tenant",
        ),
    ),
    observe=observe,
    judge=judge,
    settings=(RESOURCE_MAILBOX_KINDS,),
    read_options=read_options,
    options=read_options(SettingReader()),
    inspect=inspect,
    look_at=look_at,
    single_looks=(
        SingleLook(SEND_AS, frozenset({SEND_AS}), look_up_send_as),
        SingleLook(SEND_ON_BEHALF, frozenset({SEND_ON_BEHALF}), look_up_send_on_behalf),
        SingleLook(MAILBOXES, INSPECTED_SOURCES, look_up_mailboxes),
    ),
    noun="mailboxes",
    periodic_checks=(
        PeriodicCheck(FULL_ACCESS, timedelta(days=1)),
        PeriodicCheck(FOLDER_RIGHTS, timedelta(days=1)),
        PeriodicCheck(OWN_ADD_INS, timedelta(days=1)),
    ),
    correlation=CorrelationRule(
        5, Severity.HIGH, Fact("", "the same holder has rights over 5 or more mailboxes")
    ),
)
