"""What can be read of one tenant besides its mail, a small reader for each resource; and the
writer.

A read never raises TenantError: what could not be read is in `Reading.failures`.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.errors import TenantError
from core.tenant.activity import ActivityContent, ActivityLog, ActivityRecord, ChangedAccounts
from core.tenant.apps import App, AppPermission, AppRegistration, DelegatedGrant
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
from core.tenant.mailboxes import Mailbox
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

        A log that is not subscribed to yet is, and has no content then: that reading is not
        complete. The window is at most a day. A failure names the missing permission, or
        UNIFIED_AUDIT_LOG_OFF where the tenant records nothing.
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

    async def read_role_holders(
        self, known: Mapping[str, Collection[str]] | None = None
    ) -> Reading[RoleHolder]:
        """Everyone who holds, or is eligible for, a role in Entra or Exchange.

        Source `role-holders`. Groups are expanded at any depth. Any gap fails the whole source, and
        so does an impossible answer, such as a tenant without a Global Administrator. `known` are
        the roles that principals held before: one that the list lacks is looked at alone, and a
        role that it still holds is such a gap.
        """
        ...

    def list_module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        """Who may use Exchange PowerShell, paged as `list_mailboxes`. Source `module-users`."""
        ...

    async def read_module_users(self, ids: Sequence[str]) -> Reading[ModuleUser]:
        """A few users, also those who may not use it. Source `module-users`.

        One that is gone is absent; a failure names the id.
        """
        ...

    async def read_module_sign_ins(self, since: datetime) -> Reading[str]:
        """The accounts that signed in to Exchange PowerShell. Source `module-sign-ins`."""
        ...


class ConfigurationReader(Protocol):
    """Reads the organization's settings."""

    async def read_configuration(self, source: str) -> Reading[Configuration]:
        """The objects of one configuration source. Source `configuration-<source>`."""
        ...

    async def read_objects(self, source: str, ids: Sequence[str]) -> Reading[Configuration]:
        """Some objects of a source that has single ones, by their identity or Guid. Source as
        `read_configuration`.

        One that is gone, or that the listing would not show, is absent; a failure names the id.
        """
        ...

    async def read_groups(self, ids: Sequence[str]) -> Reading[Configuration]:
        """The name, rule and transitive members of some groups of Entra.

        Source `configuration-excluded-group`; a group that is gone is absent. A failure names its
        group.
        """
        ...

    async def read_account_names(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The principal names of some accounts, by id.

        One that is gone or cannot be read has none: a name only says who an id is.
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
