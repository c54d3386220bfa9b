"""A tenant in memory: the whole port, working, on plain lists that a test may change at any time.

tenant = FakeTenant(boxes=[...])                  what there is
tenant.fail_read("inbox-rules", "m1")             what cannot be read, until clear_faults()
tenant.fail_change("m1", Forbidden("..."))        what cannot be changed
tenant.limit_writes(1)                            so many writes, and then nothing answers any more
tenant.applied_changes                            what was changed, in order
tenant.undone_changes                             what was undone, in order

That it keeps the promises of the port as the real adapters do is shown in `tests/contract`.
"""

from tests.support.fakes.accounts import FakeAccountReader
from tests.support.fakes.activity import FakeActivityReader
from tests.support.fakes.apps import FakeAppReader
from tests.support.fakes.audit_queries import FakeAuditQueryReader
from tests.support.fakes.auditing import FakeAuditingReader
from tests.support.fakes.configuration import FakeConfigurationReader
from tests.support.fakes.containment import FakeContainmentReader
from tests.support.fakes.delegation import FakeDelegationReader
from tests.support.fakes.deletions import FakeDeletionReader
from tests.support.fakes.inbox_rules import FakeInboxRuleReader
from tests.support.fakes.mail_flow import FakeMailFlowReader
from tests.support.fakes.mailboxes import FakeMailboxReader
from tests.support.fakes.permissions import FakePermissionReader
from tests.support.fakes.prober import FakeAssumptionProber
from tests.support.fakes.protocols import FakeProtocolReader
from tests.support.fakes.roles import FakeRoleReader
from tests.support.fakes.shared_mailboxes import FakeSharedMailboxReader
from tests.support.fakes.state import FakeTenantState
from tests.support.fakes.writer import FakeTenantWriter


class FakeTenant(FakeTenantState):
    """Implements Tenant on its own state: one property a port."""

    @property
    def permissions(self) -> FakePermissionReader:
        return FakePermissionReader(self)

    @property
    def mailboxes(self) -> FakeMailboxReader:
        return FakeMailboxReader(self)

    @property
    def accounts(self) -> FakeAccountReader:
        return FakeAccountReader(self)

    @property
    def deletions(self) -> FakeDeletionReader:
        return FakeDeletionReader(self)

    @property
    def activity(self) -> FakeActivityReader:
        return FakeActivityReader(self)

    @property
    def audit_queries(self) -> FakeAuditQueryReader:
        return FakeAuditQueryReader(self)

    @property
    def inbox_rules(self) -> FakeInboxRuleReader:
        return FakeInboxRuleReader(self)

    @property
    def mail_flow(self) -> FakeMailFlowReader:
        return FakeMailFlowReader(self)

    @property
    def auditing(self) -> FakeAuditingReader:
        return FakeAuditingReader(self)

    @property
    def configuration(self) -> FakeConfigurationReader:
        return FakeConfigurationReader(self)

    @property
    def delegation(self) -> FakeDelegationReader:
        return FakeDelegationReader(self)

    @property
    def apps(self) -> FakeAppReader:
        return FakeAppReader(self)

    @property
    def roles(self) -> FakeRoleReader:
        return FakeRoleReader(self)

    @property
    def protocols(self) -> FakeProtocolReader:
        return FakeProtocolReader(self)

    @property
    def shared_mailboxes(self) -> FakeSharedMailboxReader:
        return FakeSharedMailboxReader(self)

    @property
    def containment(self) -> FakeContainmentReader:
        return FakeContainmentReader(self)

    @property
    def prober(self) -> FakeAssumptionProber:
        return FakeAssumptionProber(self)

    @property
    def writer(self) -> FakeTenantWriter:
        return FakeTenantWriter(self)
