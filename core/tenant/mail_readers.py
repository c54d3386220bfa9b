"""What can be read of one tenant's mail: a small reader for each resource.

A read never raises TenantError: what could not be read is in `Reading.failures`.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.mail_flow import (
    AcceptedDomain,
    Folder,
    GroupMembers,
    InboxRule,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    RuleCondition,
    TransportRule,
)
from core.tenant.mailboxes import (
    Delegation,
    FolderRight,
    FoundMailbox,
    Mailbox,
    MailboxProtocols,
    MailboxSize,
    MailboxSurroundings,
    OwnAddIn,
    ProtocolUse,
    SharedMailbox,
)
from core.tenant.readings import Reading


class MailboxReader(Protocol):
    """Reads the mailboxes themselves."""

    def list_mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        """Every mailbox, or those of some kinds (RecipientTypeDetails). Source `mailboxes`.

        Each page has its mailboxes as `scope`; `after` is the `continuation` of an earlier page.
        A listing that breaks off ends with a page that is not complete and holds the reason. The
        listing leaves forwards out; `read_forwarding_mailboxes` returns them. Of every mailbox it
        has ids, address and kind alone; of those of some kinds the name too, and whether the
        directory on premises is their source.
        """
        ...

    async def read_mailboxes(self, ids: Sequence[str]) -> Reading[Mailbox]:
        """A few mailboxes of any kind, by id or Guid. Source `mailboxes`; one that is gone is
        absent. A failure names the id as it was asked for.
        """
        ...

    async def find_mailboxes(self, names: Sequence[str]) -> Reading[FoundMailbox]:
        """The mailboxes that names mean: ids, addresses, aliases, canonical names.

        Source `mailboxes`. A name that means none is absent; a failure names the name, such as one
        that means more than one.
        """
        ...

    async def read_forwarding_mailboxes(self) -> Reading[Mailbox]:
        """The mailboxes that forward, as Exchange filters them. Source `mailbox-forwards`."""
        ...

    async def read_forwards_of(self, ids: Sequence[str]) -> Reading[Mailbox]:
        """A few mailboxes with their forwards, if any. Source `mailbox-forwards`.

        One that is gone is absent; a failure names the id.
        """
        ...


class SharedMailboxReader(Protocol):
    """Reads what shared mailboxes need a licence for, and how large mailboxes are."""

    def list_shared_mailboxes(self) -> AsyncIterator[Reading[SharedMailbox]]:
        """Every shared mailbox, paged as `list_mailboxes`. Source `shared-mailboxes`."""
        ...

    async def read_shared_mailboxes(self, owners: Sequence[Mailbox]) -> Reading[SharedMailbox]:
        """A few shared mailboxes. Source `shared-mailboxes`; one of another kind is absent."""
        ...

    async def read_mailbox_sizes(self, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
        """The size of each mailbox. Source `mailbox-sizes`.

        A mailbox that was never used has no statistics in Exchange: an optional failure.
        """
        ...


class ProtocolReader(Protocol):
    """Reads which mail protocols mailboxes allow, and who signs in by them."""

    def list_mailbox_protocols(self, after: str = "") -> AsyncIterator[Reading[MailboxProtocols]]:
        """Every mailbox's protocols, paged as `list_mailboxes`. Source `mailbox-protocols`."""
        ...

    async def read_mailbox_protocols(self, ids: Sequence[str]) -> Reading[MailboxProtocols]:
        """The protocols of a few mailboxes, by account. Source `mailbox-protocols`.

        An account without a mailbox is absent. The population is the number of accounts asked for.
        """
        ...

    async def read_protocol_use(self, since: datetime) -> Reading[ProtocolUse]:
        """The accounts that signed in by a mail protocol since a time. Source `protocol-use`.

        Successful sign-ins only, one item an account and protocol. `ReadFailure.permission` names a
        missing permission or licence; a protocol in `ReadFailure.object_id` was read in part.
        """
        ...

    async def read_policy_users(self, policy: str) -> Reading[str]:
        """The names of the first users of an authentication policy, by its distinguished name.

        Source `authentication-policy-users`; one more than `MAX_POLICY_USERS` if there are more.
        """
        ...


class DelegationReader(Protocol):
    """Reads who holds rights over other people's mailboxes.

    Denied and inherited rights, a mailbox's right over itself and Exchange's own are no
    delegations.
    """

    async def read_full_access(self, owners: Sequence[Mailbox]) -> Reading[Delegation]:
        """Who may open mailboxes, or grant that right to others. Source `full-access`."""
        ...

    async def read_folder_rights(self, owners: Sequence[Mailbox]) -> Reading[FolderRight]:
        """Who may do what in the root and the Inbox of mailboxes. Source `folder-rights`.

        Rights that let nobody read, change or delete what lies there are left out.
        """
        ...

    async def read_own_add_ins(self, owners: Sequence[Mailbox]) -> Reading[OwnAddIn]:
        """The add-ins from files that only the owners have. Source `own-add-ins`, optional."""
        ...

    def list_send_as(self) -> AsyncIterator[Reading[Delegation]]:
        """Who may send as a mailbox, page by page. Source `send-as`.

        Each page has an empty `scope` but the last, which covers every mailbox and holds all
        failures: the rights over one mailbox may stand on several pages.
        """
        ...

    def list_send_on_behalf(self) -> AsyncIterator[Reading[Delegation]]:
        """Who may send on behalf of a mailbox, paged as `list_send_as`. Source `send-on-behalf`.

        Exchange filters the mailboxes that have a delegate.
        """
        ...

    async def read_send_as_of(self, ids: Sequence[str]) -> Reading[Delegation]:
        """Who may send as a few recipients, by id or name. Source `send-as`.

        A recipient that is gone has no rights; a failure names the id.
        """
        ...

    async def read_send_on_behalf_of(self, ids: Sequence[str]) -> Reading[Delegation]:
        """Who may send on behalf of a few mailboxes, as `read_send_as_of`. Source
        `send-on-behalf`.
        """
        ...


type ReadingTest = Callable[[str, Sequence[RuleCondition]], bool]
"""Whether nobody needs to see a rule that marks mail as read, by its name and its conditions."""


class InboxRuleReader(Protocol):
    """Reads inbox rules, and the folders they move mail to."""

    async def read_inbox_rules(
        self,
        owners: Sequence[Mailbox],
        harmless_of: Collection[str] = (),
        is_plain_reading: ReadingTest | None = None,
    ) -> Reading[InboxRule]:
        """The inbox rules Graph shows: all but hidden ones. Source `inbox-rules`.

        Rules that plainly leave mail where it is, unread and in sight, and send none on, are left
        out, but for those of the mailboxes `harmless_of`. So is one that marks mail as read and
        does nothing else, if `is_plain_reading` says so of its name and its conditions.
        """
        ...

    async def read_hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        """All rules as Exchange shows them, hidden ones too. Source `hidden-rules`."""
        ...

    async def read_both_views(
        self, owners: Sequence[Mailbox], is_plain_reading: ReadingTest | None = None
    ) -> tuple[Reading[InboxRule], Reading[InboxRule]]:
        """Both at once, to be compared. Where Graph shows only rules that `read_inbox_rules` leaves
        out, and Exchange shows each of them under a name of its own, neither reading has these.
        """
        ...

    async def read_surroundings(self, owners: Sequence[Mailbox]) -> Reading[MailboxSurroundings]:
        """What stands in a few mailboxes beside their rules. Source `mailbox-surroundings`,
        optional: an item says what could not be read of it.
        """
        ...

    async def read_rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        """The folders rules move mail to, each with those it lies in; one that is gone says so.

        Source `rule-folders`; a failure names a mailbox.
        """
        ...


class MailFlowReader(Protocol):
    """Reads the organization's mail flow: domains, policies, rules, and whom a name stands for."""

    async def read_recipients(self, names: Collection[str]) -> Reading[Recipient]:
        """What recipient strings stand for. Source `recipients`; a failure names the string."""
        ...

    async def read_displayed(self, names: Collection[str]) -> Reading[Recipient]:
        """Whom display names stand for, and no other name. Source `recipients`.

        A failure names the display name. Of a name that several bear, no one is found.
        """
        ...

    async def read_group_members(self, groups: Sequence[Recipient]) -> Reading[GroupMembers]:
        """The direct members of distribution, security and Microsoft 365 groups.

        Source `group-members`, optional; a failure names the group's key. A group that is gone, or
        has more members than are listed, is not `complete`.
        """
        ...

    async def read_accepted_domains(self) -> Reading[AcceptedDomain]:
        """Every domain of the tenant, from Exchange and Entra. Source `domains`."""
        ...

    async def read_remote_domains(self) -> Reading[RemoteDomain]:
        """Remote domain settings. Source `outbound-policies`, optional."""
        ...

    async def read_outbound_policies(self) -> Reading[OutboundPolicy]:
        """Outbound spam policies with their rules. Source `outbound-policies`, optional."""
        ...

    async def read_transport_rules(self) -> Reading[TransportRule]:
        """Mail-flow rules. Source `transport-rules`."""
        ...

    async def read_transport_rules_of(self, ids: Sequence[str]) -> Reading[TransportRule]:
        """A few mail-flow rules. Source `transport-rules`.

        One that is gone is absent; a failure names the id.
        """
        ...


class AuditingReader(Protocol):
    """Reads what mailbox auditing and the unified audit log record."""

    def list_mailbox_audits(self, after: str = "") -> AsyncIterator[Reading[MailboxAudit]]:
        """Every mailbox's audit settings, paged as `list_mailboxes`. Source `mailbox-audit`."""
        ...

    async def read_organization_audit(self) -> Reading[OrganizationAudit]:
        """The organization's switches, in one item.

        Sources `organization-audit` and `unified-audit-log`.
        """
        ...

    async def read_audit_bypasses_of(self, guids: Sequence[str]) -> Reading[AuditBypass]:
        """Those of a few accounts, by Exchange's Guid. Source `audit-bypass`; one that is gone is
        absent. A failure names the Guid.
        """
        ...

    async def read_audit_bypasses(self) -> Reading[AuditBypass]:
        """The accounts whose actions no mailbox audit log records. Source `audit-bypass`."""
        ...
