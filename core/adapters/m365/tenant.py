"""The `Tenant` port on Microsoft Graph and Exchange Online: which call answers which question.

The work is done in `graph_reads`, `exchange_reads`, `changes` and their like; this page joins them.
An instance lives for one run, so that what is the same for the whole tenant is read once.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365 import changes, exchange_queries, graph_queries
from core.adapters.m365 import undo as restores
from core.adapters.m365.apps import read as app_reads
from core.adapters.m365.configuration import fetch_configuration
from core.adapters.m365.delegation import read as delegation_reads
from core.adapters.m365.directory import deletions as deletion_reads
from core.adapters.m365.directory import registrations as registration_reads
from core.adapters.m365.protocols import read as protocol_reads
from core.adapters.m365.roles import read as role_reads
from core.adapters.m365.roles.write import RoleHoldersReader
from core.adapters.m365.shared_mailboxes import read as shared_mailbox_reads
from core.adapters.m365.verified_write import Sleep
from core.adapters.read_errors import build_read_failure
from core.errors import Forbidden, TenantError
from core.tenant.apps import App, AppPermission, DelegatedGrant
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.changes import AppliedChange, Change
from core.tenant.configuration import Configuration
from core.tenant.directory import (
    Account,
    DeletedObject,
    Deletion,
    MfaRegistration,
    ModuleUser,
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
from core.tenant.port import GrantedPermissions
from core.tenant.readings import ReadFailure, Reading
from core.tenant.surfaces import CREDENTIAL, GRANTS

# So many recipients are remembered within a run.
MAX_CACHED_RECIPIENTS = 4_096
# Who holds roles is read anew when changes go on for longer than this many seconds.
ROLE_HOLDERS_TTL = 300.0


def build_credential_failure(error: TenantError) -> ReadFailure:
    """The app got no token; a refusal is for a person to mend, anything else passes."""
    permission = "a credential the tenant accepts" if isinstance(error, Forbidden) else ""
    return ReadFailure(CREDENTIAL, str(error)[:300], permission=permission)


class AsyncCached[T]:
    """What is the same for the whole tenant, read when somebody asks first and never again.

    Whoever asks meanwhile waits; when the first gives up, the next one reads.
    """

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self.read = read
        self.lock = asyncio.Lock()
        self.value: T | None = None

    async def __call__(self) -> T:
        async with self.lock:
            if self.value is None:
                self.value = await self.read()
            return self.value


@dataclass(frozen=True, slots=True)
class M365PermissionReader:
    """Implements PermissionReader."""

    graph: GraphClient
    exchange: ExchangeClient

    async def read_granted_permissions(self) -> Reading[GrantedPermissions]:
        surfaces = frozenset({GRANTS, CREDENTIAL})
        try:
            roles = await self.graph.read_token_roles()
        except TenantError as error:
            return Reading(failures=(build_credential_failure(error),), sources=surfaces)
        try:
            cmdlets = await self.exchange.read_allowed_cmdlets()
        except Forbidden as error:
            if not error.permission:
                return Reading(failures=(build_credential_failure(error),), sources=surfaces)
            return Reading(
                (GrantedPermissions(roles, frozenset()),), sources=surfaces, population=1
            )
        except TenantError as error:
            miss = build_read_failure(GRANTS, error, optional=True)
            return Reading((GrantedPermissions(roles),), (miss,), surfaces, population=1)
        return Reading((GrantedPermissions(roles, cmdlets),), sources=surfaces, population=1)


@dataclass(frozen=True, slots=True)
class M365MailboxReader:
    """Implements MailboxReader."""

    exchange: ExchangeClient

    def list_mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        return exchange_queries.fetch_mailboxes(self.exchange, kinds, after)

    async def read_forwarding_mailboxes(self) -> Reading[Mailbox]:
        return await exchange_queries.fetch_forwarding_mailboxes(self.exchange)


@dataclass(frozen=True, slots=True)
class M365AccountReader:
    """Implements AccountReader."""

    graph: GraphClient

    async def read_accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        return await graph_queries.fetch_accounts(self.graph, owners)

    async def read_users(self, keys: Sequence[str]) -> Reading[Account]:
        return await registration_reads.fetch_users_by_key(self.graph, keys)

    async def read_last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        return await graph_queries.fetch_last_sign_ins(self.graph, ids)

    def list_mfa_registrations(self) -> AsyncIterator[Reading[MfaRegistration]]:
        return registration_reads.fetch_registrations(self.graph)

    async def read_user_count(self) -> Reading[int]:
        return await deletion_reads.fetch_user_count(self.graph)


@dataclass(frozen=True, slots=True)
class M365DeletionReader:
    """Implements DeletionReader."""

    graph: GraphClient

    async def read_deletions(self, since: datetime) -> Reading[Deletion]:
        return await deletion_reads.fetch_deletions(self.graph, since)

    async def read_deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        return await deletion_reads.fetch_deleted_objects(self.graph, since)


@dataclass(frozen=True, slots=True)
class M365InboxRuleReader:
    """Implements InboxRuleReader."""

    graph: GraphClient
    exchange: ExchangeClient

    async def read_inbox_rules(
        self, owners: Sequence[Mailbox], include_harmless: bool = False
    ) -> Reading[InboxRule]:
        return await graph_queries.fetch_inbox_rules(self.graph, owners, include_harmless)

    async def read_hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        return await exchange_queries.fetch_hidden_rules(self.exchange, owners)

    async def read_rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        return await graph_queries.fetch_rule_folders(self.graph, rules)


class M365MailFlowReader:
    """Implements MailFlowReader."""

    def __init__(self, graph: GraphClient, exchange: ExchangeClient) -> None:
        self.graph = graph
        self.exchange = exchange
        self.domains = AsyncCached(self.read_domains)
        self.remotes = AsyncCached(partial(exchange_queries.fetch_remote_domains, exchange))
        self.policies = AsyncCached(partial(exchange_queries.fetch_outbound_policies, exchange))
        self.flow = AsyncCached(partial(exchange_queries.fetch_transport_rules, exchange))
        self.people: OrderedDict[str, Recipient] = OrderedDict()
        self.looking_up = asyncio.Lock()

    async def read_recipients(self, names: Collection[str]) -> Reading[Recipient]:
        # Most forwards go to the same few people, and one slice of mailboxes follows the other.
        async with self.looking_up:
            known = {name: self.people[name] for name in names if name in self.people}
            asked = [name for name in names if name not in known]
            found = await exchange_queries.fetch_recipients(self.exchange, asked)
            self.people |= {person.name: person for person in found.items}
            while len(self.people) > MAX_CACHED_RECIPIENTS:
                self.people.popitem(last=False)
        population = found.population + len(known)
        return replace(found, items=(*known.values(), *found.items), population=population)

    async def read_accepted_domains(self) -> Reading[AcceptedDomain]:
        return await self.domains()

    async def read_remote_domains(self) -> Reading[RemoteDomain]:
        return await self.remotes()

    async def read_outbound_policies(self) -> Reading[OutboundPolicy]:
        return await self.policies()

    async def read_transport_rules(self) -> Reading[TransportRule]:
        return await self.flow()

    async def read_domains(self) -> Reading[AcceptedDomain]:
        """The domains of Exchange and Entra."""
        accepted = await exchange_queries.fetch_accepted_domains(self.exchange)
        verified = await graph_queries.fetch_verified_domains(self.graph)
        return exchange_queries.merge_domains(accepted, verified)


@dataclass(frozen=True, slots=True)
class M365AuditingReader:
    """Implements AuditingReader."""

    exchange: ExchangeClient

    def list_mailbox_audits(self, after: str = "") -> AsyncIterator[Reading[MailboxAudit]]:
        return exchange_queries.fetch_mailbox_audits(self.exchange, after)

    async def read_organization_audit(self) -> Reading[OrganizationAudit]:
        return await exchange_queries.fetch_organization_audit(self.exchange)

    async def read_audit_bypasses(self) -> Reading[AuditBypass]:
        return await exchange_queries.fetch_audit_bypasses(self.exchange)


@dataclass(frozen=True, slots=True)
class M365ConfigurationReader:
    """Implements ConfigurationReader."""

    graph: GraphClient
    exchange: ExchangeClient

    async def read_configuration(self, source: str) -> Reading[Configuration]:
        return await fetch_configuration(self.graph, self.exchange, source)


@dataclass(frozen=True, slots=True)
class M365DelegationReader:
    """Implements DelegationReader."""

    exchange: ExchangeClient

    async def read_full_access(self, owners: Sequence[Mailbox]) -> Reading[Delegation]:
        return await delegation_reads.fetch_full_access(self.exchange, owners)

    def list_send_as(self) -> AsyncIterator[Reading[Delegation]]:
        return delegation_reads.fetch_send_as(self.exchange)

    def list_send_on_behalf(self) -> AsyncIterator[Reading[Delegation]]:
        return delegation_reads.fetch_send_on_behalf(self.exchange)


@dataclass(frozen=True, slots=True)
class M365AppReader:
    """Implements AppReader."""

    graph: GraphClient

    def list_apps(self) -> AsyncIterator[Reading[App]]:
        return app_reads.fetch_apps(self.graph)

    async def read_apps(self, ids: Collection[str]) -> Reading[App]:
        return await app_reads.fetch_apps_by_id(self.graph, ids)

    def list_delegated_grants(self) -> AsyncIterator[Reading[DelegatedGrant]]:
        return app_reads.fetch_delegated_grants(self.graph)

    def list_app_permissions(self) -> AsyncIterator[Reading[AppPermission]]:
        return app_reads.fetch_app_permissions(self.graph)


class M365RoleReader:
    """Implements RoleReader."""

    def __init__(self, graph: GraphClient, exchange: ExchangeClient) -> None:
        self.graph = graph
        self.exchange = exchange
        self.roster = AsyncCached(partial(role_reads.fetch_role_holders, graph, exchange))
        self.rostered = 0.0

    async def read_role_holders(self) -> Reading[RoleHolder]:
        return (await self.current_roster()).to_reading()

    def list_module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        return role_reads.fetch_module_users(self.exchange)

    async def current_roster(self) -> role_reads.RoleHolders:
        """Who holds roles, as a look of this run a short while ago told."""
        if self.roster.value is None or time.monotonic() - self.rostered > ROLE_HOLDERS_TTL:
            self.roster = AsyncCached(
                partial(role_reads.fetch_role_holders, self.graph, self.exchange)
            )
            self.rostered = time.monotonic()
        return await self.roster()


@dataclass(frozen=True, slots=True)
class M365ProtocolReader:
    """Implements ProtocolReader."""

    graph: GraphClient
    exchange: ExchangeClient
    sleep: Sleep

    def list_mailbox_protocols(self, after: str = "") -> AsyncIterator[Reading[MailboxProtocols]]:
        return protocol_reads.fetch_mailbox_protocols(self.exchange, after)

    async def read_mailbox_protocols(self, ids: Sequence[str]) -> Reading[MailboxProtocols]:
        return await protocol_reads.fetch_protocols_by_id(self.exchange, ids)

    async def read_protocol_use(self, since: datetime) -> Reading[ProtocolUse]:
        return await protocol_reads.fetch_protocol_use(self.graph, since, self.sleep)


@dataclass(frozen=True, slots=True)
class M365SharedMailboxReader:
    """Implements SharedMailboxReader."""

    exchange: ExchangeClient

    def list_shared_mailboxes(self) -> AsyncIterator[Reading[SharedMailbox]]:
        return shared_mailbox_reads.fetch_shared_mailboxes(self.exchange)

    async def read_shared_mailboxes(self, owners: Sequence[Mailbox]) -> Reading[SharedMailbox]:
        return await shared_mailbox_reads.fetch_shared_mailboxes_by_id(self.exchange, owners)

    async def read_mailbox_sizes(self, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
        return await shared_mailbox_reads.fetch_mailbox_sizes(self.exchange, owners)


@dataclass(frozen=True, slots=True)
class M365TenantWriter:
    """Implements TenantWriter."""

    graph: GraphClient
    exchange: ExchangeClient
    sleep: Sleep
    read_role_holders: RoleHoldersReader

    async def apply(self, change: Change) -> AppliedChange:
        return await changes.apply_change(
            self.graph, self.exchange, change, self.sleep, self.read_role_holders
        )

    async def undo(self, change: Change, before: Mapping[str, object]) -> AppliedChange:
        return await restores.undo_change(self.graph, self.exchange, change, before, self.sleep)


@dataclass(frozen=True, slots=True)
class M365Tenant:
    """Implements Tenant for one run: what is the same for the whole tenant is read once."""

    permissions: M365PermissionReader
    mailboxes: M365MailboxReader
    accounts: M365AccountReader
    deletions: M365DeletionReader
    inbox_rules: M365InboxRuleReader
    mail_flow: M365MailFlowReader
    auditing: M365AuditingReader
    configuration: M365ConfigurationReader
    delegation: M365DelegationReader
    apps: M365AppReader
    roles: M365RoleReader
    protocols: M365ProtocolReader
    shared_mailboxes: M365SharedMailboxReader
    writer: M365TenantWriter


def connect_tenant(
    graph: GraphClient, exchange: ExchangeClient, *, sleep: Sleep = asyncio.sleep
) -> M365Tenant:
    """One tenant, for one run. `sleep` waits between the reads that confirm a change."""
    roles = M365RoleReader(graph, exchange)
    return M365Tenant(
        permissions=M365PermissionReader(graph, exchange),
        mailboxes=M365MailboxReader(exchange),
        accounts=M365AccountReader(graph),
        deletions=M365DeletionReader(graph),
        inbox_rules=M365InboxRuleReader(graph, exchange),
        mail_flow=M365MailFlowReader(graph, exchange),
        auditing=M365AuditingReader(exchange),
        configuration=M365ConfigurationReader(graph, exchange),
        delegation=M365DelegationReader(exchange),
        apps=M365AppReader(graph),
        roles=roles,
        protocols=M365ProtocolReader(graph, exchange, sleep),
        shared_mailboxes=M365SharedMailboxReader(exchange),
        writer=M365TenantWriter(graph, exchange, sleep, roles.current_roster),
    )
