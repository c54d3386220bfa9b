"""What a fake tenant holds, its faults, and how its readers answer from both."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.errors import TenantError, Unavailable
from core.microsoft365.audit_actions import DEFAULT_ACTIONS
from core.tenant.activity import ActivityLog, ActivityRecord
from core.tenant.apps import App, AppPermission, AppRegistration, DelegatedGrant
from core.tenant.audit_queries import AuditQuestion, MailPart, QueryState
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.changes import Change
from core.tenant.configuration import Configuration
from core.tenant.containing import AccountDetail, DetailKind, TargetAccount
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
    TransportRule,
)
from core.tenant.mailboxes import (
    Delegation,
    FolderRight,
    Mailbox,
    MailboxProtocols,
    MailboxSurroundings,
    OwnAddIn,
    ProtocolUse,
    SharedMailbox,
)
from core.tenant.probing import ProbeAnswer
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    ACTIVITY_FEED,
    APPS,
    AUDIT_QUERIES,
    CHANGED_ACCOUNTS,
    DELETED_GROUPS,
    DIRECTORY_AUDITS,
    DOMAINS,
    ENABLINGS,
    GRANTS,
    GROUP_MEMBERS,
    MAILBOX_AUDIT,
    MAILBOX_SURROUNDINGS,
    MAILBOXES,
    MODULE_USERS,
    OUTBOUND_POLICIES,
    OWN_ADD_INS,
    PROTOCOLS,
    SHARED_MAILBOXES,
    SIGN_IN_LOG,
    SIGN_IN_METHODS,
    SIGN_INS,
    USER_COUNT,
)
from sandbox.scenes.default_roles import ADMIN_GUID, ADMIN_ID
from tests.support.fakes.crash import CrashInjector
from tests.support.fakes.journal import Journal

ADMIN_ROLE_HOLDER = RoleHolder(ADMIN_ID, "entra")
ADMIN_MODULE_USER = ModuleUser(ADMIN_ID, ADMIN_GUID, "chief@sandbox.example", "User")

OPTIONAL_SOURCES = frozenset(
    {
        GRANTS,
        SIGN_INS,
        SIGN_IN_LOG,
        ENABLINGS,
        OUTBOUND_POLICIES,
        GROUP_MEMBERS,
        MAILBOX_SURROUNDINGS,
        OWN_ADD_INS,
        DELETED_GROUPS,
        USER_COUNT,
        ACTIVITY_FEED,
        AUDIT_QUERIES,
        CHANGED_ACCOUNTS,
        DIRECTORY_AUDITS,
    }
)
LISTING_SOURCES = frozenset(
    {MAILBOXES, MAILBOX_AUDIT, APPS, SIGN_IN_METHODS, MODULE_USERS, PROTOCOLS}
)
LISTING_SOURCES |= {SHARED_MAILBOXES}
"""Listings whose failure means that no absent object may be taken as deleted."""


@dataclass
class FakeQuery:
    """A search of the audit log, and how often it was read."""

    id: str
    name: str
    question: AuditQuestion
    readings: int = 0


@dataclass(frozen=True)
class SingleWrite:
    """One write, of which a change may need several, and the state before it."""

    change: Change
    before: Mapping[str, object]


@dataclass
class FakeTenantState:
    """What a fake tenant holds, what cannot be read or changed in it, and what was done to it."""

    granted: GrantedPermissions = field(default_factory=GrantedPermissions)
    boxes: list[Mailbox] = field(default_factory=list)
    users: list[Account] = field(default_factory=list)
    sign_ins: list[SignIn] = field(default_factory=list)
    sign_in_events: list[SignInEvent] = field(default_factory=list)
    logged_sign_ins: list[SignIn] = field(default_factory=list)
    """Successes in the sign-in log, which may know of more than `sign_ins`."""
    enablings: list[Enabling] = field(default_factory=list)
    probe_answers: list[ProbeAnswer] = field(default_factory=list)
    chosen_ways: dict[str, str] = field(default_factory=dict)
    """The ways that a probe let the adapters go, by assumption."""
    rules: list[InboxRule] = field(default_factory=list)
    """Rules that Graph shows."""
    exchange_rules: list[InboxRule] = field(default_factory=list)
    """Rules that only Exchange shows; one named as an unreadable Graph rule completes it."""
    folders: list[Folder] = field(default_factory=list)
    known_recipients: list[Recipient] = field(default_factory=list)
    displayed_recipients: list[Recipient] = field(default_factory=list)
    """Each by its display name, which others may bear too."""
    group_members: list[GroupMembers] = field(default_factory=list)
    domains: list[AcceptedDomain] = field(default_factory=list)
    remote_domain_list: list[RemoteDomain] = field(default_factory=list)
    policies: list[OutboundPolicy] = field(default_factory=list)
    mail_flow_rules: list[TransportRule] = field(default_factory=list)
    audits: list[MailboxAudit] = field(default_factory=list)
    organization: OrganizationAudit = field(
        default_factory=lambda: OrganizationAudit(audit_disabled=False, unified_log=True)
    )
    bypasses: list[AuditBypass] = field(default_factory=list)
    configurations: list[Configuration] = field(default_factory=list)
    unlisted: set[str] = field(default_factory=set)
    """The ids of settings and mail-flow rules that are there and that no listing shows."""
    refused_objects: dict[tuple[str, str], ReadFailure] = field(default_factory=dict)
    """Why an object is not shown that is asked for alone, by its source and id."""
    activity_records: list[ActivityRecord] = field(default_factory=list)
    served_at: dict[str, datetime] = field(default_factory=dict)
    max_audit_rows: int = 20_000
    """How many records of the directory one reading holds."""
    """When the feed made the content of a record, by its id; without one, when it happened."""
    unserved: set[str] = field(default_factory=set)
    """The ids of records that no log shows yet."""
    subscriptions: set[ActivityLog] = field(default_factory=lambda: set(ActivityLog))
    feed_granted: bool | None = True
    queries: list[FakeQuery] = field(default_factory=list)
    """The searches of the audit log that were begun, oldest first."""
    query_state: QueryState = QueryState.SUCCEEDED
    """How far every search has come."""
    queries_granted: bool | None = True
    query_limit: int = 10
    """How many searches run at a time."""
    note_query: Callable[[AuditQuestion], object] = lambda question: None
    """Is told of each search of the audit log before it begins."""
    devices: dict[str, bool] = field(default_factory=dict)
    """Which devices are enabled, by object id; all have Windows but those of `other_devices`."""
    other_devices: set[str] = field(default_factory=set)
    mail_parts: dict[str, MailPart] = field(default_factory=dict)
    """What records say of mail, by their ids."""
    overlooked: set[str] = field(default_factory=set)
    """The ids of records that the first reading of a search leaves out."""
    changed_accounts: list[str] = field(default_factory=list)
    """The ids of accounts that were enabled or disabled, in order."""
    delegations: list[Delegation] = field(default_factory=list)
    folder_rights: list[FolderRight] = field(default_factory=list)
    own_add_ins: list[OwnAddIn] = field(default_factory=list)
    surroundings: list[MailboxSurroundings] = field(default_factory=list)
    """What stands in mailboxes beside their rules; one that is not named has nothing."""
    service_principals: list[App] = field(default_factory=list)
    oauth_grants: list[DelegatedGrant] = field(default_factory=list)
    app_role_assignments: list[AppPermission] = field(default_factory=list)
    app_registrations: list[AppRegistration] = field(default_factory=list)
    mfa_registrations: list[MfaRegistration] = field(default_factory=list)
    federated_domains: list[str] = field(default_factory=list)
    deletion_events: list[Deletion] = field(default_factory=list)
    recycle_bin: list[DeletedObject] = field(default_factory=list)
    reported_user_count: int | None = None
    holders: list[RoleHolder] = field(default_factory=lambda: [ADMIN_ROLE_HOLDER])
    unlisted_holders: set[str] = field(default_factory=set)
    """Ids that hold a role which `holders` does not list yet."""
    powershell_users: list[ModuleUser] = field(default_factory=lambda: [ADMIN_MODULE_USER])
    module_sign_ins: list[str] = field(default_factory=list)
    protocol_settings: list[MailboxProtocols] = field(default_factory=list)
    observed_uses: list[ProtocolUse] = field(default_factory=list)
    policy_users: dict[str, list[str]] = field(default_factory=dict)
    """The names of the users of an authentication policy, by its distinguished name."""
    shared_settings: list[SharedMailbox] = field(default_factory=list)
    targets: list[TargetAccount] = field(default_factory=list)
    """Accounts as containing them shows them; whether one is enabled stands in `users`."""
    account_details: dict[tuple[str, DetailKind], tuple[AccountDetail, ...]] = field(
        default_factory=dict
    )
    client_switches: dict[str, dict[str, bool | None]] = field(default_factory=dict)
    """The ways of mail clients by the Guid of a mailbox."""
    sizes: dict[str, int | None] = field(default_factory=dict)
    """Bytes by mailbox id; None: never used."""
    default_audit_sets: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: DEFAULT_ACTIONS
    )
    protected_accounts: set[str] = field(default_factory=set)
    """Accounts that only an operator may change, because of a role they hold."""
    interrupted_sources: set[str] = field(default_factory=set)
    """Listings that break off after their first pages."""
    failures: dict[tuple[str, str], ReadFailure] = field(default_factory=dict)
    change_errors: dict[str, TenantError] = field(default_factory=dict)
    applied_changes: list[Change] = field(default_factory=list)
    undone_changes: list[Change] = field(default_factory=list)
    write_count: int = 0
    """Single writes that took effect; a change may need several."""
    signed_out: list[str] = field(default_factory=list)
    """Accounts whose sessions were revoked, in order."""
    writes_left: int | None = None
    """Writes that still take effect before nothing responds any more; None: no limit."""
    named_ids: list[str] = field(default_factory=list)
    """The accounts whose names were asked for."""
    read_log: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    page_size: int = 1_000
    crash_injector: CrashInjector = field(default_factory=CrashInjector)
    journal: Journal = field(default_factory=list)

    def is_served(self, record_id: str) -> bool:
        """Whether a log shows a record."""
        return record_id not in self.unserved

    # ------------------------------------------------------------------------------------------
    # Faults
    # ------------------------------------------------------------------------------------------

    def fail_read(
        self,
        source: str,
        object_id: str = "",
        reason: str = "HTTP 503",
        permission: str = "",
        optional: bool = False,
    ) -> None:
        """From now on a source, or one object of it, cannot be read.

        The objects of `domains` are the two places it is read from, of which one is enough.
        """
        spare = source in OPTIONAL_SOURCES or (source == DOMAINS and bool(object_id))
        self.failures[source, object_id] = ReadFailure(
            source, reason, object_id, "", permission, optional or spare
        )

    def fail_change(self, target: str, error: TenantError) -> None:
        """From now on changes of one object, or of one class, raise an error.

        With the target SESSIONS_TARGET only revoking sessions fails.
        """
        self.change_errors[target] = error

    def limit_writes(self, writes: int) -> None:
        """Let so many single writes take effect; the response to the last of them is lost."""
        self.writes_left = writes

    def clear_faults(self) -> None:
        """Everything can be read and changed again."""
        self.failures.clear()
        self.change_errors.clear()
        self.interrupted_sources.clear()
        self.writes_left = None

    # ------------------------------------------------------------------------------------------
    # Reads
    # ------------------------------------------------------------------------------------------

    def build_reading[T](
        self,
        source: str,
        found: Iterable[T],
        get_owner_id: Callable[[T], str],
        requested_ids: Iterable[str] | None = None,
        unreadable: Iterable[ReadFailure] = (),
    ) -> Reading[T]:
        """The response of a source: all of it, all but some objects, or nothing.

        Without `requested_ids` it is a listing of whatever exists. `unreadable` are failures of
        requested objects that can never be read.
        """
        names = tuple(requested_ids or ())
        requested = set(names)
        self.read_log.append((source, names))
        items = tuple(found)
        whole = self.failures.get((source, ""))
        complete = source not in self.interrupted_sources
        if whole:
            complete = complete and source not in LISTING_SOURCES
            return Reading((), (whole,), frozenset({source}), complete=complete)
        missed = tuple(
            failure
            for (place, name), failure in self.failures.items()
            if place == source and (requested_ids is None or name in requested)
        )
        there = {get_owner_id(item) for item in items} | set(names)
        there |= {failure.object_id for failure in missed if not failure.optional}
        lost = {failure.object_id for failure in missed}
        return Reading(
            items=tuple(item for item in items if get_owner_id(item) not in lost),
            failures=(
                *missed,
                *(failure for failure in unreadable if failure.object_id not in lost),
            ),
            sources=frozenset({source}),
            population=len(there),
            complete=complete,
        )

    def find_unknown_mailboxes(self, source: str, owners: Iterable[Mailbox]) -> list[ReadFailure]:
        """The mailboxes among these that are not in this tenant."""
        known = {box.id for box in self.boxes}
        return [
            ReadFailure(source, "the mailbox cannot be opened", owner.id, owner.address)
            for owner in owners
            if owner.id not in known
        ]

    def paginate[T](
        self, reading: Reading[T], get_owner_id: Callable[[T], str], after: str
    ) -> Iterator[Reading[T]]:
        """A listing page by page; one that breaks off ends with a page that says so.

        An unknown continuation starts from the beginning.
        """
        if not reading.complete and not reading.items:
            yield replace(reading, scope=frozenset())
            return
        start = int(after) if after.isdigit() else 0
        items = tuple({get_owner_id(item): item for item in reading.items}.values())
        objects = tuple(failure for failure in reading.failures if failure.object_id)
        for at in range(start, max(len(items), start + 1), self.page_size):
            page = items[at : at + self.page_size]
            last = at + self.page_size >= len(items)
            lost = objects if last else ()
            goes_on = not last or not reading.complete
            ids = frozenset(map(get_owner_id, page)) | {failure.object_id for failure in lost}
            yield Reading(
                items=page,
                failures=lost,
                sources=reading.sources,
                population=len(page) + sum(not failure.optional for failure in lost),
                scope=ids,
                continuation=str(at + self.page_size) if goes_on else "",
            )
        if not reading.complete:
            (source,) = reading.sources
            why = ReadFailure(source, "HTTP 503: the listing broke off")
            yield Reading((), (why,), reading.sources, complete=False, scope=frozenset())

    @contextmanager
    def record_write(
        self, change: Change, before: Mapping[str, object], is_first: bool = True
    ) -> Iterator[None]:
        """Record one write, the first of a change or a further one.

        Raises Unavailable before or after it took effect; the caller cannot tell which.
        """
        if self.writes_left == 0:
            raise Unavailable("HTTP 503", before)
        with self.crash_injector():
            yield
            self.write_count += 1
            self.journal.append(SingleWrite(change, before))
            if is_first:
                self.applied_changes.append(change)
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left == 0:
                raise Unavailable("HTTP 503", before)
