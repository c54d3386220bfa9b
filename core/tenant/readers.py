"""What can be read of one tenant, a small reader for each resource; and the writer.

A read never raises TenantError: what could not be read is in `Reading.failures`.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.errors import TenantError
from core.tenant.activity import ActivityContent, ActivityLog, ActivityRecord, ChangedAccounts
from core.tenant.apps import App, AppPermission, AppRegistration, DelegatedGrant
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.changes import AppliedChange, Change
from core.tenant.configuration import Configuration
from core.tenant.directory import (
    Account,
    DeletedObject,
    Deletion,
    Enabling,
    MfaRegistration,
    ModuleUser,
    RoleHolder,
    SignIn,
    SignInEvent,
)
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
from core.tenant.probing import ProbeOutcome
from core.tenant.readings import Reading


@dataclass(frozen=True, slots=True)
class GrantedPermissions:
    """What the app may do: the app roles in its Graph token, the cmdlets Exchange lets it run.

    None means that the list could not be read, so nothing may be concluded from it.
    """

    app_roles: frozenset[str] | None = None
    cmdlets: frozenset[str] | None = None
    management_roles: frozenset[str] | None = None
    """The app roles in its token for the Office 365 Management APIs; None also where no run asks.
    """


class PermissionReader(Protocol):
    """Reads which permissions the app holds."""

    async def read_granted_permissions(self) -> Reading[GrantedPermissions]:
        """The granted permissions, in one item. Source `grants`, optional.

        When the app cannot sign in at all, source `credential` failed, and its reason says what to
        do.
        """
        ...


class MailboxReader(Protocol):
    """Reads the mailboxes themselves."""

    def list_mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        """Every mailbox, or those of some kinds (RecipientTypeDetails). Source `mailboxes`.

        Each page has its mailboxes as `scope`; `after` is the `continuation` of an earlier page.
        A listing that breaks off ends with a page that is not complete and holds the reason. The
        listing leaves forwards out; `read_forwarding_mailboxes` returns them.
        """
        ...

    async def read_mailboxes(self, guids: Sequence[str]) -> Reading[Mailbox]:
        """A few mailboxes of any kind, by Guid. Source `mailboxes`; one that is gone is absent.

        A failure names the Guid.
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


type ReadingTest = Callable[[str, Sequence[RuleCondition]], bool]
"""Whether nobody needs to see a rule that marks mail as read, by its name and its conditions."""


class InboxRuleReader(Protocol):
    """Reads inbox rules, and the folders they move mail to."""

    async def read_inbox_rules(
        self,
        owners: Sequence[Mailbox],
        include_harmless: bool = False,
        is_plain_reading: ReadingTest | None = None,
    ) -> Reading[InboxRule]:
        """The inbox rules Graph shows: all but hidden ones. Source `inbox-rules`.

        Rules that plainly leave mail where it is, unread and in sight, and send none on, are left
        out, unless `include_harmless` is set. So is one that marks mail as read and does nothing
        else, if `is_plain_reading` says so of its name and its conditions.
        """
        ...

    async def read_hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        """All rules as Exchange shows them, hidden ones too. Source `hidden-rules`."""
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


class AccountReader(Protocol):
    """Reads user accounts of Entra ID: their state, sign-ins and authentication methods."""

    async def read_accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        """The accounts of mailboxes. Source `accounts`; one unknown to Entra is absent."""
        ...

    async def read_users(self, keys: Sequence[str]) -> Reading[Account]:
        """Users by object id or principal name, without plans. Source `accounts`.

        One unknown to Entra is absent.
        """
        ...

    async def read_last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        """The dates of the last sign-ins. Source `sign-ins`, optional.

        Needs a licence of Entra ID P1 besides the permission. An account that is not listed is a
        failure; one without any date never signed in.
        """
        ...

    async def read_successful_sign_ins(
        self, ids: Sequence[str], since: datetime
    ) -> Reading[SignIn]:
        """The last success of accounts in the log, since a time. Source `sign-in-log`, optional.

        Interactive and non-interactive sign-ins both; `last_success` None: the log shows none. One
        request or more an account, slowly: ask for the few whose dates leave a question.
        """
        ...

    async def read_enablings(self, ids: Sequence[str], since: datetime) -> Reading[Enabling]:
        """Who enabled accounts since a time. Source `enabled-accounts-in-the-audit-log`, optional.

        The log ends where its retention does: what it does not show may have happened.
        """
        ...

    async def read_sign_in_events(self, since: datetime) -> Reading[SignInEvent]:
        """Single sign-ins of the kinds that are worth a look, since a time. Source
        `sign-in-events`, optional: it needs Entra ID P1.
        """
        ...

    async def read_federated_domains(self) -> Reading[str]:
        """The domains whose sign-ins another provider decides. Source `federated-domains`,
        optional.
        """
        ...

    def list_mfa_registrations(self) -> AsyncIterator[Reading[MfaRegistration]]:
        """The authentication methods of every enabled account. Source `sign-in-methods`."""
        ...

    async def read_user_count(self) -> Reading[int]:
        """The number of users, in one item. Source `number-of-users`, optional."""
        ...


class DeletionReader(Protocol):
    """Reads what was deleted from the directory."""

    async def read_deletions(self, since: datetime) -> Reading[Deletion]:
        """Deletions in the audit log since a time. Source `deletions-in-the-audit-log`."""
        ...

    async def read_deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        """Objects deleted since a time that can be restored.

        Sources `deleted-users` and `deleted-groups`, of which the latter is optional.
        """
        ...

    async def read_deleted_users(self, ids: Sequence[str]) -> Reading[DeletedObject]:
        """Users by id who can be restored; the others are absent. Source `deleted-users`."""
        ...


class ActivityReader(Protocol):
    """Reads the audit logs: who did what, and which accounts changed.

    `operations` are the names to look for, as the logs spell them, in any case. A record that
    cannot be understood is a failure whose object is named BROKEN_PREFIX and a hash of it.
    """

    async def read_directory_audits(
        self, since: datetime, operations: Collection[str], until: datetime | None = None
    ) -> Reading[ActivityRecord]:
        """The directory's records since a time that succeeded. Source `directory-audit-log`.

        Of more than one reading holds, these are the newest: `complete` is False then, and
        `continuation` is the time up to which the others are to be read, in ISO 8601.
        """
        ...

    async def list_content(
        self, log: ActivityLog, since: datetime, until: datetime
    ) -> Reading[ActivityContent]:
        """What the feed holds of a log, by when the service made it. Source `activity-feed`.

        A log that is not subscribed to yet is, and has no content then. The window is at most a
        day. A failure names the missing permission, or UNIFIED_AUDIT_LOG_OFF where the tenant
        records nothing.
        """
        ...

    async def read_content(
        self, log: ActivityLog, content: ActivityContent, operations: Collection[str]
    ) -> Reading[ActivityRecord]:
        """The records of one content, in no order. Source `activity-feed`.

        Content that is gone or refused is a failure with the id of the content.
        """
        ...

    async def is_feed_granted(self) -> bool | None:
        """Whether the app may read the feed; None where that could not be found out."""
        ...

    async def read_changed_accounts(self, link: str) -> Reading[ChangedAccounts]:
        """Which accounts were enabled or disabled since a link. Source `changed-accounts`.

        Without a link, or with one that died, nothing changed as far as is known, and the item has
        a new link.
        """
        ...


class AppReader(Protocol):
    """Reads enterprise apps and what they were granted."""

    def list_apps(self) -> AsyncIterator[Reading[App]]:
        """Every app of the tenant, paged as `list_mailboxes`. Source `apps`."""
        ...

    async def read_apps(self, ids: Collection[str]) -> Reading[App]:
        """Some apps, without their credentials. Source `apps`; a missing one is absent."""
        ...

    def list_delegated_grants(self) -> AsyncIterator[Reading[DelegatedGrant]]:
        """Every delegated grant, page by page, without a scope. Source `delegated-grants`.

        A failure names its client.
        """
        ...

    def list_app_permissions(self) -> AsyncIterator[Reading[AppPermission]]:
        """The app roles of all APIs that were granted to apps.

        Source `app-permissions`, paged as `list_delegated_grants`. An API without a service
        principal in this tenant has granted none.
        """
        ...

    def list_app_registrations(self) -> AsyncIterator[Reading[AppRegistration]]:
        """The apps registered in this tenant, page by page, without a scope.

        Sources `app-registrations`, and `federated-credentials` for what of them is read one by
        one. A failure names its registration.
        """
        ...


class RoleReader(Protocol):
    """Reads who holds administrative roles, and who may use Exchange PowerShell."""

    async def read_role_holders(self) -> Reading[RoleHolder]:
        """Everyone who holds, or is eligible for, a role in Entra or Exchange.

        Source `role-holders`. Groups are expanded at any depth. Any gap fails the whole source, and
        so does an impossible answer, such as a tenant without a Global Administrator.
        """
        ...

    def list_module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        """Who may use Exchange PowerShell, paged as `list_mailboxes`. Source `module-users`."""
        ...

    async def read_module_sign_ins(self, since: datetime) -> Reading[str]:
        """The accounts that signed in to Exchange PowerShell. Source `module-sign-ins`."""
        ...


class ConfigurationReader(Protocol):
    """Reads the organization's settings."""

    async def read_configuration(self, source: str) -> Reading[Configuration]:
        """The objects of one configuration source. Source `configuration-<source>`."""
        ...

    async def read_groups(self, ids: Sequence[str]) -> Reading[Configuration]:
        """The name, rule and transitive members of some groups of Entra.

        Source `configuration-excluded-group`; a group that is gone is absent. A failure names its
        group.
        """
        ...


class TenantWriter(Protocol):
    """Makes and undoes changes: everything the app can do to a tenant."""

    async def apply(self, change: Change) -> AppliedChange:
        """Make one change: read the object again, write, read back. Safe to repeat.

        Raises Superseded when the object is no longer as judged, NotFound, Rejected, Forbidden or
        Unavailable.
        """
        ...

    async def apply_jointly(
        self, changes: Sequence[Change]
    ) -> Sequence[AppliedChange | TenantError]:
        """Make the changes of one mailbox, with one command where that is possible.

        The answers are in the order of the changes; an error is what `apply` would have raised.
        """
        ...

    async def undo(self, change: Change, before: Mapping[str, object]) -> AppliedChange:
        """Undo one change: restore what it recorded as `before`. Safe to repeat.

        Reads the object again; `unchanged` is set when it already is as before, and
        `AppliedChange.before` holds what was there until now. Raises Superseded, and writes
        nothing, when the object was changed since, so that an operator decides. Raises Rejected
        where the record holds too little, or where restoring would destroy something (see
        `core.tenant.reversibility`); otherwise as `apply`.
        """
        ...


class AssumptionProber(Protocol):
    """Asks the tenant about the assumptions that code makes of Microsoft's services."""

    async def probe_assumptions(self, max_requests: int, seconds: float) -> ProbeOutcome:
        """Answer every assumption that can be probed, by reads alone, within the limits.

        Never raises TenantError: what could not be asked could not be told.
        """
        ...

    def adopt_ways(self, ways: Mapping[str, str]) -> None:
        """Let every reader and writer of this tenant go these ways, by assumption, from now on."""
        ...


# ----------------------------------------------------------------------------------------------
# What a function asks for
# ----------------------------------------------------------------------------------------------
