"""The `Tenant` port on Microsoft Graph and Exchange Online: which call answers which question.

The work is done in `graph_reads`, `exchange_reads`, `changes` and their like; this page joins them.
An instance lives for one run, so that what is the same for the whole tenant is read once.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from core.adapters.exchange.client import Exchange
from core.adapters.graph.client import Graph
from core.adapters.m365 import changes, exchange_queries, graph_queries
from core.adapters.m365 import undo as restores
from core.adapters.m365.apps import read as app_reads
from core.adapters.m365.configuration import read_configuration
from core.adapters.m365.delegation import read as delegation_reads
from core.adapters.m365.directory import deletions as deletion_reads
from core.adapters.m365.directory import registrations as registration_reads
from core.adapters.m365.protocols import read as protocol_reads
from core.adapters.m365.roles import read as role_reads
from core.adapters.m365.shared_mailboxes import read as shared_mailbox_reads
from core.adapters.read_errors import unread
from core.errors import Forbidden, TenantError
from core.tenant.apps import App, AppPermission, DelegatedGrant
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.changes import Applied, Change
from core.tenant.configuration import Configuration
from core.tenant.directory import (
    Account,
    DeletedObject,
    Deletion,
    ModuleUser,
    Registration,
    RoleHolder,
    SignIn,
)
from core.tenant.mail_flow import (
    AcceptedDomain,
    Folder,
    InboxRule,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    TransportRule,
)
from core.tenant.mailboxes import (
    Delegation,
    Mailbox,
    MailboxProtocols,
    MailboxSize,
    ProtocolUse,
    SharedMailbox,
)
from core.tenant.port import Grants
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import CREDENTIAL, GRANTS

# So many recipients are remembered within a run.
PEOPLE = 4_096
# Who holds roles is read anew when changes go on for longer than this many seconds.
ROSTER_LASTS = 300.0


def shut_out(error: TenantError) -> Unread:
    """The app got no token; a refusal is for a person to mend, anything else passes."""
    permission = "a credential the tenant accepts" if isinstance(error, Forbidden) else ""
    return Unread(CREDENTIAL, str(error)[:300], permission=permission)


class Once[T]:
    """What is the same for the whole tenant, read when somebody asks first and never again.

    Whoever asks meanwhile waits; when the first gives up, the next one reads.
    """

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self.read = read
        self.reading = asyncio.Lock()
        self.found: T | None = None

    async def __call__(self) -> T:
        async with self.reading:
            if self.found is None:
                self.found = await self.read()
            return self.found


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
        self.domains = Once(self.read_domains)
        self.remotes = Once(partial(exchange_queries.remote_domains, exchange))
        self.policies = Once(partial(exchange_queries.outbound_policies, exchange))
        self.flow = Once(partial(exchange_queries.transport_rules, exchange))
        self.roster = Once(partial(role_reads.roster_of, graph, exchange))
        self.rostered = 0.0
        self.people: OrderedDict[str, Recipient] = OrderedDict()
        self.looking_up = asyncio.Lock()

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

    def mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        return exchange_queries.mailboxes(self.exchange, kinds, after)

    async def forwarding_mailboxes(self) -> Reading[Mailbox]:
        return await exchange_queries.forwarding_mailboxes(self.exchange)

    async def accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        return await graph_queries.accounts(self.graph, owners)

    async def last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        return await graph_queries.last_sign_ins(self.graph, ids)

    async def inbox_rules(
        self, owners: Sequence[Mailbox], everything: bool = False
    ) -> Reading[InboxRule]:
        return await graph_queries.inbox_rules(self.graph, owners, everything)

    async def hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        return await exchange_queries.hidden_rules(self.exchange, owners)

    async def rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        return await graph_queries.rule_folders(self.graph, rules)

    async def recipients(self, names: Collection[str]) -> Reading[Recipient]:
        # Most forwards go to the same few people, and one slice of mailboxes follows the other.
        async with self.looking_up:
            known = {name: self.people[name] for name in names if name in self.people}
            asked = [name for name in names if name not in known]
            found = await exchange_queries.recipients(self.exchange, asked)
            self.people |= {person.name: person for person in found.items}
            while len(self.people) > PEOPLE:
                self.people.popitem(last=False)
        population = found.population + len(known)
        return replace(found, items=(*known.values(), *found.items), population=population)

    async def accepted_domains(self) -> Reading[AcceptedDomain]:
        return await self.domains()

    async def read_domains(self) -> Reading[AcceptedDomain]:
        """The domains of Exchange and Entra."""
        accepted = await exchange_queries.accepted_domains(self.exchange)
        verified = await graph_queries.verified_domains(self.graph)
        return exchange_queries.united_domains(accepted, verified)

    async def remote_domains(self) -> Reading[RemoteDomain]:
        return await self.remotes()

    async def outbound_policies(self) -> Reading[OutboundPolicy]:
        return await self.policies()

    async def transport_rules(self) -> Reading[TransportRule]:
        return await self.flow()

    def mailbox_audits(self, after: str = "") -> AsyncIterator[Reading[MailboxAudit]]:
        return exchange_queries.mailbox_audits(self.exchange, after)

    async def organization_audit(self) -> Reading[OrganizationAudit]:
        return await exchange_queries.organization_audit(self.exchange)

    async def audit_bypasses(self) -> Reading[AuditBypass]:
        return await exchange_queries.audit_bypasses(self.exchange)

    async def configuration(self, source: str) -> Reading[Configuration]:
        return await read_configuration(self.graph, self.exchange, source)

    async def full_access(self, owners: Sequence[Mailbox]) -> Reading[Delegation]:
        return await delegation_reads.full_access(self.exchange, owners)

    def send_as(self) -> AsyncIterator[Reading[Delegation]]:
        return delegation_reads.send_as(self.exchange)

    def send_on_behalf(self) -> AsyncIterator[Reading[Delegation]]:
        return delegation_reads.send_on_behalf(self.exchange)

    def apps(self) -> AsyncIterator[Reading[App]]:
        return app_reads.apps(self.graph)

    async def apps_by_id(self, ids: Collection[str]) -> Reading[App]:
        return await app_reads.apps_by_id(self.graph, ids)

    def delegated_grants(self) -> AsyncIterator[Reading[DelegatedGrant]]:
        return app_reads.delegated_grants(self.graph)

    def app_permissions(self) -> AsyncIterator[Reading[AppPermission]]:
        return app_reads.app_permissions(self.graph)

    def registrations(self) -> AsyncIterator[Reading[Registration]]:
        return registration_reads.registrations(self.graph)

    async def users_named(self, keys: Sequence[str]) -> Reading[Account]:
        return await registration_reads.users_named(self.graph, keys)

    async def deletions(self, since: datetime) -> Reading[Deletion]:
        return await deletion_reads.deletions(self.graph, since)

    async def deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        return await deletion_reads.deleted_objects(self.graph, since)

    async def user_count(self) -> Reading[int]:
        return await deletion_reads.user_count(self.graph)

    def mailbox_protocols(self, after: str = "") -> AsyncIterator[Reading[MailboxProtocols]]:
        return protocol_reads.read_protocols(self.exchange, after)

    async def protocols_of(self, ids: Sequence[str]) -> Reading[MailboxProtocols]:
        return await protocol_reads.protocols_of(self.exchange, ids)

    async def protocol_use(self, since: datetime) -> Reading[ProtocolUse]:
        return await protocol_reads.read_use(self.graph, since, self.sleep)

    def shared_mailboxes(self) -> AsyncIterator[Reading[SharedMailbox]]:
        return shared_mailbox_reads.shared_mailboxes(self.exchange)

    async def shared_mailboxes_of(self, owners: Sequence[Mailbox]) -> Reading[SharedMailbox]:
        return await shared_mailbox_reads.shared_mailboxes_of(self.exchange, owners)

    async def mailbox_sizes(self, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
        return await shared_mailbox_reads.mailbox_sizes(self.exchange, owners)

    async def apply(self, change: Change) -> Applied:
        return await changes.apply(
            self.graph, self.exchange, change, self.sleep, self.current_roster
        )

    async def restore(self, change: Change, before: Mapping[str, object]) -> Applied:
        return await restores.restore(self.graph, self.exchange, change, before, self.sleep)

    async def role_holders(self) -> Reading[RoleHolder]:
        return (await self.current_roster()).reading()

    async def current_roster(self) -> role_reads.Roster:
        """Who holds roles, as a look of this run a short while ago told."""
        if self.roster.found is None or time.monotonic() - self.rostered > ROSTER_LASTS:
            self.roster = Once(partial(role_reads.roster_of, self.graph, self.exchange))
            self.rostered = time.monotonic()
        return await self.roster()

    def module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        return role_reads.module_users(self.exchange)
