"""The `Tenant` port on Microsoft Graph and Exchange Online: which call answers which question.

The work is done in `graph_reads`, `exchange_reads` and `changes`; this page joins them. An instance
lives for one run, so that a listing asked for twice is read once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from core.adapters import changes, exchange_reads, graph_reads
from core.adapters.exchange import Exchange
from core.adapters.graph import Graph
from core.adapters.unread import unread
from core.errors import Forbidden, TenantError
from core.tenant import (
    CREDENTIAL,
    GRANTS,
    AcceptedDomain,
    Account,
    Applied,
    AuditBypass,
    Change,
    Folder,
    Grants,
    InboxRule,
    Mailbox,
    MailboxAudit,
    OrganizationAudit,
    OutboundPolicy,
    Reading,
    Recipient,
    RemoteDomain,
    SignIn,
    TransportRule,
    Unread,
)


def shut_out(error: TenantError) -> Unread:
    """The app got no token; a refusal is for a person to mend, anything else passes."""
    permission = "a credential the tenant accepts" if isinstance(error, Forbidden) else ""
    return Unread(CREDENTIAL, str(error)[:300], permission=permission)


class M365:
    """One tenant, for one run. `sleep` waits between the looks that confirm a change."""

    def __init__(
        self,
        graph: Graph,
        exchange: Exchange,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.graph = graph
        self.exchange = exchange
        self.sleep = sleep
        self.listings: dict[frozenset[str], Reading[Mailbox]] = {}
        self.listing = asyncio.Lock()

    async def grants(self) -> Reading[Grants]:
        surfaces = frozenset({GRANTS, CREDENTIAL})
        try:
            roles = await self.graph.roles()
        except TenantError as error:
            return Reading(unread=(shut_out(error),), surfaces=surfaces)
        try:
            cmdlets = await self.exchange.cmdlets()
        except Forbidden as error:
            if not error.permission:
                return Reading(unread=(shut_out(error),), surfaces=surfaces)
            return Reading((Grants(roles, frozenset()),), surfaces=surfaces, population=1)
        except TenantError as error:
            miss = unread(GRANTS, error, optional=True)
            return Reading((Grants(roles),), (miss,), surfaces, population=1)
        return Reading((Grants(roles, cmdlets),), surfaces=surfaces, population=1)

    async def mailboxes(self, kinds: Collection[str] = ()) -> Reading[Mailbox]:
        async with self.listing:
            key = frozenset(kinds)
            if key not in self.listings:
                self.listings[key] = await exchange_reads.mailboxes(self.exchange, key)
            return self.listings[key]

    async def accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        return await graph_reads.accounts(self.graph, owners)

    async def last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        return await graph_reads.last_sign_ins(self.graph, ids)

    async def inbox_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        return await graph_reads.inbox_rules(self.graph, owners)

    async def hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        return await exchange_reads.hidden_rules(self.exchange, owners)

    async def rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        return await graph_reads.rule_folders(self.graph, rules)

    async def recipients(self, names: Collection[str]) -> Reading[Recipient]:
        return await exchange_reads.recipients(self.exchange, names)

    async def accepted_domains(self) -> Reading[AcceptedDomain]:
        accepted = await exchange_reads.accepted_domains(self.exchange)
        verified = await graph_reads.verified_domains(self.graph)
        return exchange_reads.united_domains(accepted, verified)

    async def remote_domains(self) -> Reading[RemoteDomain]:
        return await exchange_reads.remote_domains(self.exchange)

    async def outbound_policies(self) -> Reading[OutboundPolicy]:
        return await exchange_reads.outbound_policies(self.exchange)

    async def transport_rules(self) -> Reading[TransportRule]:
        return await exchange_reads.transport_rules(self.exchange)

    async def mailbox_audits(self) -> Reading[MailboxAudit]:
        return await exchange_reads.mailbox_audits(self.exchange)

    async def organization_audit(self) -> Reading[OrganizationAudit]:
        return await exchange_reads.organization_audit(self.exchange)

    async def audit_bypasses(self) -> Reading[AuditBypass]:
        return await exchange_reads.audit_bypasses(self.exchange)

    async def apply(self, change: Change) -> Applied:
        return await changes.apply(self.graph, self.exchange, change, self.sleep)
