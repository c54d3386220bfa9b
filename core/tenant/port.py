"""The port to one Microsoft 365 tenant: small readers by resource, and the writer.

    tenant.mailboxes.list_mailboxes()        list_: a stream of pages
    tenant.inbox_rules.read_inbox_rules()    read_: one answer
    tenant.writer.apply(change)              the only way to change anything

A read never raises TenantError: what could not be read is in `Reading.failures`. A function names
in its type the readers it takes. Python has no intersection types, so it declares a protocol:

    class DelegationPorts(HasMailboxes, HasDelegation, Protocol): ...

An implementation of the port has one class a reader, in a module of its own. `Tenant` joins them.
"""

from typing import Protocol

from core.tenant.audit_queries import AuditQueryReader
from core.tenant.containing import ContainmentReader
from core.tenant.mail_readers import (
    AuditingReader,
    DelegationReader,
    InboxRuleReader,
    MailboxReader,
    MailFlowReader,
    ProtocolReader,
    SharedMailboxReader,
)
from core.tenant.readers import (
    AccountReader,
    ActivityReader,
    AppReader,
    AssumptionProber,
    ConfigurationReader,
    DeletionReader,
    PermissionReader,
    RoleReader,
    TenantWriter,
)


class HasPermissions(Protocol):
    @property
    def permissions(self) -> PermissionReader: ...


class HasMailboxes(Protocol):
    @property
    def mailboxes(self) -> MailboxReader: ...


class HasSharedMailboxes(Protocol):
    @property
    def shared_mailboxes(self) -> SharedMailboxReader: ...


class HasProtocols(Protocol):
    @property
    def protocols(self) -> ProtocolReader: ...


class HasDelegation(Protocol):
    @property
    def delegation(self) -> DelegationReader: ...


class HasInboxRules(Protocol):
    @property
    def inbox_rules(self) -> InboxRuleReader: ...


class HasMailFlow(Protocol):
    @property
    def mail_flow(self) -> MailFlowReader: ...


class HasAuditing(Protocol):
    @property
    def auditing(self) -> AuditingReader: ...


class HasAccounts(Protocol):
    @property
    def accounts(self) -> AccountReader: ...


class HasDeletions(Protocol):
    @property
    def deletions(self) -> DeletionReader: ...


class HasActivity(Protocol):
    @property
    def activity(self) -> ActivityReader: ...


class HasAuditQueries(Protocol):
    @property
    def audit_queries(self) -> AuditQueryReader: ...


class HasApps(Protocol):
    @property
    def apps(self) -> AppReader: ...


class HasRoles(Protocol):
    @property
    def roles(self) -> RoleReader: ...


class HasConfiguration(Protocol):
    @property
    def configuration(self) -> ConfigurationReader: ...


class HasContainment(Protocol):
    @property
    def containment(self) -> ContainmentReader: ...


class HasProber(Protocol):
    @property
    def prober(self) -> AssumptionProber: ...


class HasWriter(Protocol):
    @property
    def writer(self) -> TenantWriter: ...


class Tenant(
    HasPermissions,
    HasMailboxes,
    HasSharedMailboxes,
    HasProtocols,
    HasDelegation,
    HasInboxRules,
    HasMailFlow,
    HasAuditing,
    HasAccounts,
    HasDeletions,
    HasActivity,
    HasAuditQueries,
    HasApps,
    HasRoles,
    HasConfiguration,
    HasContainment,
    HasProber,
    HasWriter,
    Protocol,
):
    """One tenant: every reader, the prober and the writer."""
