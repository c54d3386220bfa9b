"""The `Tenant` port on Microsoft Graph and Exchange Online: one class a port, joined here."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.accounts import M365AccountReader
from core.adapters.m365.activity.queries import M365AuditQueryReader
from core.adapters.m365.activity.read import M365ActivityReader
from core.adapters.m365.apps import M365AppReader
from core.adapters.m365.auditing.read import M365AuditingReader
from core.adapters.m365.configuration import M365ConfigurationReader
from core.adapters.m365.containment.read import M365ContainmentReader
from core.adapters.m365.delegation import M365DelegationReader
from core.adapters.m365.deletions import M365DeletionReader
from core.adapters.m365.inbox_memory import InboxMemory
from core.adapters.m365.inbox_rules.read import M365InboxRuleReader
from core.adapters.m365.mail_flow.read import M365MailFlowReader
from core.adapters.m365.mailboxes import M365MailboxReader
from core.adapters.m365.permissions import M365PermissionReader
from core.adapters.m365.probe.prober import M365AssumptionProber
from core.adapters.m365.protocols import M365ProtocolReader
from core.adapters.m365.roles.read import M365RoleReader
from core.adapters.m365.shared_mailboxes import M365SharedMailboxReader
from core.adapters.m365.verified_write import Sleep
from core.adapters.m365.writer import M365TenantWriter
from core.adapters.management.client import ManagementClient


@dataclass(frozen=True, slots=True)
class M365Tenant:
    """Implements Tenant for one run: what is the same for the whole tenant is read once."""

    permissions: M365PermissionReader
    mailboxes: M365MailboxReader
    accounts: M365AccountReader
    deletions: M365DeletionReader
    activity: M365ActivityReader
    audit_queries: M365AuditQueryReader
    inbox_rules: M365InboxRuleReader
    mail_flow: M365MailFlowReader
    auditing: M365AuditingReader
    configuration: M365ConfigurationReader
    containment: M365ContainmentReader
    delegation: M365DelegationReader
    apps: M365AppReader
    roles: M365RoleReader
    protocols: M365ProtocolReader
    shared_mailboxes: M365SharedMailboxReader
    prober: M365AssumptionProber
    writer: M365TenantWriter


def connect_tenant(
    graph: GraphClient,
    exchange: ExchangeClient,
    management: ManagementClient | None = None,
    *,
    sleep: Sleep = asyncio.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    inbox_memory: InboxMemory | None = None,
) -> M365Tenant:
    """One tenant, for one run. `sleep` waits between the reads that confirm a change.

    Without `management` no cloud serves the activity feed. Without `inbox_memory`, Inboxes are
    remembered for this run.
    """
    roles = M365RoleReader(graph, exchange)
    return M365Tenant(
        permissions=M365PermissionReader(graph, exchange),
        mailboxes=M365MailboxReader(exchange),
        accounts=M365AccountReader(graph),
        deletions=M365DeletionReader(graph),
        activity=M365ActivityReader(graph, management),
        audit_queries=M365AuditQueryReader(graph),
        inbox_rules=M365InboxRuleReader(graph, exchange),
        mail_flow=M365MailFlowReader(graph, exchange),
        auditing=M365AuditingReader(exchange),
        configuration=M365ConfigurationReader(graph, exchange),
        containment=M365ContainmentReader(graph, exchange, now),
        delegation=M365DelegationReader(exchange, inbox_memory or InboxMemory()),
        apps=M365AppReader(graph),
        roles=roles,
        protocols=M365ProtocolReader(graph, exchange, sleep),
        shared_mailboxes=M365SharedMailboxReader(exchange),
        prober=M365AssumptionProber(graph, exchange),
        writer=M365TenantWriter(graph, exchange, sleep, roles.read_recent_holders),
    )
