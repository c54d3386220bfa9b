"""core.tenant.port."""

from collections.abc import (
    AsyncIterator,
    Collection,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

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
from core.tenant.readings import Reading


@dataclass(frozen=True, slots=True)
class GrantedPermissions:
    """What the app may do: the app roles in its Graph token, the cmdlets Exchange lets it run.

    None: that could not be read, so nothing may be concluded from it.
    """

    app_roles: frozenset[str] | None = None
    cmdlets: frozenset[str] | None = None


class Tenant(Protocol):
    """The door to one tenant. Reads never raise TenantError: what fails is in `Reading.unread`."""

    async def grants(self) -> Reading[GrantedPermissions]:
        """What the app may do, in one item. Surface `grants`, optional.

        When the app cannot sign in at all, surface `credential` is unread, with what to do.
        """
        ...

    def mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        """Every mailbox, or those of some kinds (RecipientTypeDetails). Surface `mailboxes`.

        Page by page, each part with its mailboxes as `scope`; `after` is an earlier part's
        `further`. A listing that breaks off ends with a part that is not complete and says why.
        Nothing in it tells of forwards: `forwarding_mailboxes` does.
        """
        ...

    async def forwarding_mailboxes(self) -> Reading[Mailbox]:
        """The mailboxes that have a forward set, found by Exchange itself. Surface `mailboxes`."""
        ...

    async def accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        """The accounts of mailboxes. Surface `accounts`; one that Entra does not know is absent."""
        ...

    async def last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        """Last successful sign-ins. Surface `sign-ins`, optional: needs a licence and a right."""
        ...

    async def inbox_rules(
        self, owners: Sequence[Mailbox], everything: bool = False
    ) -> Reading[InboxRule]:
        """The inbox rules Graph shows: all but hidden ones. Surface `inbox-rules`.

        Rules that plainly neither send mail on nor move or delete it are left out, unless
        `everything` is asked for.
        """
        ...

    async def hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        """All rules as Exchange shows them, hidden ones too. Surface `hidden-rules`."""
        ...

    async def rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        """The folders rules move mail to. Surface `rule-folders`; unread ones name a mailbox."""
        ...

    async def recipients(self, names: Collection[str]) -> Reading[Recipient]:
        """What recipient strings stand for. Surface `recipients`; unread ones by their name."""
        ...

    async def accepted_domains(self) -> Reading[AcceptedDomain]:
        """Every domain that is the tenant's own, from Exchange and Entra. Surface `domains`."""
        ...

    async def remote_domains(self) -> Reading[RemoteDomain]:
        """Remote domain settings. Surface `outbound-policies`, optional."""
        ...

    async def outbound_policies(self) -> Reading[OutboundPolicy]:
        """Outbound spam policies with their rules. Surface `outbound-policies`, optional."""
        ...

    async def transport_rules(self) -> Reading[TransportRule]:
        """Mail-flow rules. Surface `transport-rules`."""
        ...

    def mailbox_audits(self, after: str = "") -> AsyncIterator[Reading[MailboxAudit]]:
        """Every mailbox's audit settings, page by page as `mailboxes`. Surface `mailbox-audit`."""
        ...

    async def organization_audit(self) -> Reading[OrganizationAudit]:
        """One item. Surfaces `organization-audit` and `unified-audit-log`."""
        ...

    async def audit_bypasses(self) -> Reading[AuditBypass]:
        """The accounts whose actions are recorded nowhere. Surface `audit-bypass`."""
        ...

    async def configuration(self, source: str) -> Reading[Configuration]:
        """The objects of a source of the configuration. Surface `configuration-<source>`."""
        ...

    async def full_access(self, owners: Sequence[Mailbox]) -> Reading[Delegation]:
        """Who may open mailboxes, or give that right to others. Surface `full-access`.

        Of no delegation are told: denied and inherited rights, a mailbox's own, and Exchange's.
        """
        ...

    def send_as(self) -> AsyncIterator[Reading[Delegation]]:
        """Who may send as somebody else, page by page. Surface `send-as`.

        No part speaks of objects (`scope` is empty) but the last, which speaks of all and holds
        what could not be read: the rights over one mailbox may stand on several pages.
        """
        ...

    def send_on_behalf(self) -> AsyncIterator[Reading[Delegation]]:
        """Who may send on behalf of mailboxes, page by page as `send_as`. Surface `send-on-behalf`.

        Exchange finds the mailboxes by itself.
        """
        ...

    def apps(self) -> AsyncIterator[Reading[App]]:
        """Every app of the tenant, page by page as `mailboxes`. Surface `apps`."""
        ...

    async def apps_by_id(self, ids: Collection[str]) -> Reading[App]:
        """Some apps, without their credentials. Surface `apps`; one that is not there is absent."""
        ...

    def delegated_grants(self) -> AsyncIterator[Reading[DelegatedGrant]]:
        """Every delegated grant, page by page, without a scope. Surface `delegated-grants`.

        An unread one names its client.
        """
        ...

    def app_permissions(self) -> AsyncIterator[Reading[AppPermission]]:
        """Who was given app roles of Graph, Exchange and SharePoint. Surface `app-permissions`.

        Page by page as `delegated_grants`; an API that this tenant does not have has given none.
        """
        ...

    def registrations(self) -> AsyncIterator[Reading[MfaRegistration]]:
        """Every enabled account's sign-in methods, page by page. Surface `sign-in-methods`."""
        ...

    async def users_named(self, keys: Sequence[str]) -> Reading[Account]:
        """Users by object id or principal name, without plans. Surface `accounts`, as above."""
        ...

    async def deletions(self, since: datetime) -> Reading[Deletion]:
        """What was deleted since, as the audit log has it. Surface `deletions-in-the-audit-log`."""
        ...

    async def deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        """What was deleted since and can be restored. Surfaces `deleted-users`, `deleted-groups`;
        the latter is optional."""
        ...

    async def user_count(self) -> Reading[int]:
        """How many users there are, in one item. Surface `number-of-users`, optional."""
        ...

    async def role_holders(self) -> Reading[RoleHolder]:
        """Everybody who holds a role in Entra or Exchange, or may. Surface `role-holders`.

        Directly or through groups, however deep. What is missing of it leaves all of it unread, and
        so does an answer that cannot be: a tenant without a Global Administrator, say.
        """
        ...

    def module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        """Who may use Exchange PowerShell, page by page as `mailboxes`. Surface `module-users`."""
        ...

    def mailbox_protocols(self, after: str = "") -> AsyncIterator[Reading[MailboxProtocols]]:
        """Every mailbox's protocols, page by page as `mailboxes`. Surface `mailbox-protocols`."""
        ...

    async def protocols_of(self, ids: Sequence[str]) -> Reading[MailboxProtocols]:
        """The protocols of a few mailboxes, by account. Surface `mailbox-protocols`; absent: none.

        The population is what was asked for.
        """
        ...

    async def protocol_use(self, since: datetime) -> Reading[ProtocolUse]:
        """Who signed in by a mail protocol since a moment. Surface `protocol-use`.

        Successes only, one item an account and protocol. A missing permission or licence is named
        in `Unread.permission`; a protocol in `Unread.object_id` was read in part.
        """
        ...

    def shared_mailboxes(self) -> AsyncIterator[Reading[SharedMailbox]]:
        """Every shared mailbox, page by page as `mailboxes`. Surface `shared-mailboxes`."""
        ...

    async def shared_mailboxes_of(self, owners: Sequence[Mailbox]) -> Reading[SharedMailbox]:
        """The same of a few mailboxes. Surface `shared-mailboxes`; absent: there is none (now)."""
        ...

    async def mailbox_sizes(self, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
        """How large mailboxes are. Surface `mailbox-sizes`.

        One of which Exchange has no figures, since nobody used it yet, is unread and optional.
        """
        ...

    async def apply(self, change: Change) -> AppliedChange:
        """Make one change: read the object again, write, read back. Safe to repeat.

        Raises Moot (no longer as judged), Gone, Refused, Forbidden or Unavailable.
        """
        ...

    async def undo(self, change: Change, before: Mapping[str, object]) -> AppliedChange:
        """Undo one change: put back what it recorded as `before`. Safe to repeat.

        The object is read again; `already` when it is as before. `Applied.before` is what was there
        until now. Raises Moot, and writes nothing, when somebody changed the object since, so that
        a person has to decide; Refused where the record does not tell enough, or where restoring
        would destroy something (see `core.tenant.reversibility`); else as `apply`.
        """
        ...
