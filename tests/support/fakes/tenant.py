"""A tenant in memory: the whole port, working, on plain lists that a test may change at any time.

tenant = FakeTenant(boxes=[...])              what there is
tenant.fail("inbox-rules", "m1")             what cannot be read, until mend()
tenant.refuse("m1", Forbidden("..."))        what cannot be changed
tenant.cut_off(1)                            so many writes, and then nothing answers any more
tenant.writes                                what was changed, in order
tenant.undone                                what was undone, in order

That it keeps the promises of the port as the real adapters do is shown in `tests/contract`.
"""

from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from core.errors import Rejected, TenantError, Unavailable
from core.guards.mailbox_forwarding.hidden_rules import normalize_rule_name
from core.microsoft365.audit_actions import DEFAULT_ACTIONS
from core.microsoft365.configuration_sources import (
    CONFIGURATION_SOURCES,
    get_configuration_source_name,
)
from core.tenant.apps import App, AppPermission, DelegatedGrant
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.changes import AppliedChange, Change, SetConfiguration
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
    WELL_KNOWN_FOLDERS,
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
from core.tenant.merging import collect_sources
from core.tenant.port import GrantedPermissions
from core.tenant.readings import ReadFailure, Reading
from core.tenant.surfaces import (
    ACCOUNTS,
    APP_PERMISSIONS,
    APPS,
    AUDIT_BYPASS,
    CREDENTIAL,
    DELEGATED_GRANTS,
    DELETED_GROUPS,
    DELETED_USERS,
    DELETIONS,
    DOMAINS,
    FULL_ACCESS,
    GRANTS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_AUDIT,
    MAILBOX_FORWARDS,
    MAILBOXES,
    MODULE_USERS,
    ORGANIZATION_AUDIT,
    OUTBOUND_POLICIES,
    PROTOCOL_USE,
    PROTOCOLS,
    RECIPIENTS,
    ROLE_HOLDERS,
    RULE_FOLDERS,
    SEND_AS,
    SEND_ON_BEHALF,
    SHARED_MAILBOXES,
    SIGN_IN_METHODS,
    SIGN_INS,
    TRANSPORT_RULES,
    UNIFIED_AUDIT_LOG,
    USER_COUNT,
)
from tests.support.fakes.changes import apply_change
from tests.support.fakes.delegation import get_delegation_owner, is_over_mailbox, stream_delegations
from tests.support.fakes.roles import ADMIN_MODULE_USER, ADMIN_ROLE_HOLDER
from tests.support.fakes.shared_mailboxes import find_shared_mailboxes, read_sizes
from tests.support.fakes.undo import undo_change
from tests.support.fakes.world import CrashInjector, Journal

OPTIONAL_SOURCES = frozenset({GRANTS, SIGN_INS, OUTBOUND_POLICIES, DELETED_GROUPS, USER_COUNT})
LISTING_SOURCES = frozenset(
    {MAILBOXES, MAILBOX_AUDIT, APPS, SIGN_IN_METHODS, MODULE_USERS, PROTOCOLS}
)
LISTING_SOURCES |= {SHARED_MAILBOXES}
"""Listings without which nothing that is absent may be taken as gone."""


@dataclass(frozen=True)
class SingleWrite:
    """One single write, of which a change may need several, and what was there before."""

    change: Change
    before: Mapping[str, object]


@dataclass
class FakeTenant:
    """What a tenant holds. `rules` are those Graph shows; `exchange_rules` what only Exchange does.

    A rule of `exchange_rules` with the name of an unreadable Graph rule is that rule, in full.
    `protected` are accounts that only a person may touch, for a role they hold. `sent` counts
    single writes, of which a change may need several; `signed_out` are the accounts whose sessions
    were ended. `holding_now` hold a role that no list of `holders` tells yet.
    """

    granted: GrantedPermissions = field(default_factory=GrantedPermissions)
    boxes: list[Mailbox] = field(default_factory=list)
    users: list[Account] = field(default_factory=list)
    sign_ins: list[SignIn] = field(default_factory=list)
    rules: list[InboxRule] = field(default_factory=list)
    exchange_rules: list[InboxRule] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    known_recipients: list[Recipient] = field(default_factory=list)
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
    delegations: list[Delegation] = field(default_factory=list)
    service_principals: list[App] = field(default_factory=list)
    oauth_grants: list[DelegatedGrant] = field(default_factory=list)
    app_role_assignments: list[AppPermission] = field(default_factory=list)
    mfa_registrations: list[MfaRegistration] = field(default_factory=list)
    deletion_events: list[Deletion] = field(default_factory=list)
    recycle_bin: list[DeletedObject] = field(default_factory=list)
    reported_user_count: int | None = None
    holders: list[RoleHolder] = field(default_factory=lambda: [ADMIN_ROLE_HOLDER])
    unlisted_holders: set[str] = field(default_factory=set)
    powershell_users: list[ModuleUser] = field(default_factory=lambda: [ADMIN_MODULE_USER])
    protocols: list[MailboxProtocols] = field(default_factory=list)
    observed_uses: list[ProtocolUse] = field(default_factory=list)
    shared_settings: list[SharedMailbox] = field(default_factory=list)
    sizes: dict[str, int | None] = field(default_factory=dict)
    default_audit_sets: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: DEFAULT_ACTIONS
    )
    protected_accounts: set[str] = field(default_factory=set)
    interrupted_sources: set[str] = field(default_factory=set)
    failures: dict[tuple[str, str], ReadFailure] = field(default_factory=dict)
    change_errors: dict[str, TenantError] = field(default_factory=dict)
    applied_changes: list[Change] = field(default_factory=list)
    undone_changes: list[Change] = field(default_factory=list)
    write_count: int = 0
    signed_out: list[str] = field(default_factory=list)
    writes_left: int | None = None
    read_log: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    page_size: int = 1_000
    crash_injector: CrashInjector = field(default_factory=CrashInjector)
    journal: Journal = field(default_factory=list)

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
        """From now on a surface, or one object of it, cannot be read.

        The objects of `domains` are its sources, of which one is enough.
        """
        spare = source in OPTIONAL_SOURCES or (source == DOMAINS and bool(object_id))
        self.failures[source, object_id] = ReadFailure(
            source, reason, object_id, "", permission, optional or spare
        )

    def fail_change(self, target: str, error: TenantError) -> None:
        """From now on changes raise an error: those of one object, or those of one class.

        For the target SESSIONS it is only that sessions do not end.
        """
        self.change_errors[target] = error

    def limit_writes(self, writes: int) -> None:
        """So many single writes still take effect; the answer to the last of them is lost."""
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
        """What a surface answers: all of it, all but some objects, or nothing.

        Without `asked` it is a listing, which finds out by itself which objects there are.
        `unopened` are objects that are asked for and could never be read.
        """
        names = tuple(requested_ids or ())
        self.read_log.append((source, names))
        items = tuple(found)
        whole = self.failures.get((source, ""))
        complete = source not in self.interrupted_sources
        if whole:
            complete = complete and source not in LISTING_SOURCES
            return Reading((), (whole,), frozenset({source}), complete=complete)
        missed = tuple(
            miss
            for (place, name), miss in self.failures.items()
            if place == source and (requested_ids is None or name in names)
        )
        there = {get_owner_id(item) for item in items} | set(names)
        there |= {miss.object_id for miss in missed if not miss.optional}
        lost = {miss.object_id for miss in missed}
        return Reading(
            items=tuple(item for item in items if get_owner_id(item) not in lost),
            failures=(*missed, *(miss for miss in unreadable if miss.object_id not in lost)),
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

    async def grants(self) -> Reading[GrantedPermissions]:
        self.read_log.append((GRANTS, ()))
        surfaces = frozenset({GRANTS, CREDENTIAL})
        if shut_out := self.failures.get((CREDENTIAL, "")):
            return Reading(failures=(shut_out,), sources=surfaces)
        if untold := self.failures.get((GRANTS, "")):
            return Reading((GrantedPermissions(),), (untold,), surfaces, population=1)
        return Reading((self.granted,), sources=surfaces, population=1)

    async def mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        found = [box for box in self.boxes if not kinds or box.kind in kinds]
        others = {box.id for box in self.boxes} - {box.id for box in found}
        seen = self.build_reading(MAILBOXES, map(strip_forwards, found), lambda box: box.id)
        unread = tuple(miss for miss in seen.failures if miss.object_id not in others)
        for part in self.paginate(replace(seen, failures=unread), lambda box: box.id, after):
            yield part

    def paginate[T](
        self, reading: Reading[T], get_owner_id: Callable[[T], str], after: str
    ) -> Iterator[Reading[T]]:
        """A listing page by page; what breaks off ends with a part that says so.

        What is no place to go on from, any more, is the beginning.
        """
        if not reading.complete and not reading.items:
            yield replace(reading, scope=frozenset())
            return
        start = int(after) if after.isdigit() else 0
        items = tuple({get_owner_id(item): item for item in reading.items}.values())
        objects = tuple(miss for miss in reading.failures if miss.object_id)
        for at in range(start, max(len(items), start + 1), self.page_size):
            page = items[at : at + self.page_size]
            last = at + self.page_size >= len(items)
            lost = objects if last else ()
            goes_on = not last or not reading.complete
            ids = frozenset(map(get_owner_id, page)) | {miss.object_id for miss in lost}
            yield Reading(
                items=page,
                failures=lost,
                sources=reading.sources,
                population=len(page) + sum(not miss.optional for miss in lost),
                scope=ids,
                continuation=str(at + self.page_size) if goes_on else "",
            )
        if not reading.complete:
            (surface,) = reading.sources
            why = ReadFailure(surface, "HTTP 503: the listing broke off")
            yield Reading((), (why,), reading.sources, complete=False, scope=frozenset())

    async def forwarding_mailboxes(self) -> Reading[Mailbox]:
        found = [box for box in self.boxes if box.forwarding_address or box.forwarding_smtp_address]
        seen = self.build_reading(MAILBOX_FORWARDS, found, lambda box: box.id)
        return replace(seen, complete=True)

    async def accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        ids = [box.id for box in owners if box.has_account]
        found = [user for user in self.users if user.id in ids]
        seen = self.build_reading(ACCOUNTS, found, lambda user: user.id, ids)
        return seen if seen.find_source_failure(ACCOUNTS) else replace(seen, population=len(owners))

    async def last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        found = [entry for entry in self.sign_ins if entry.id in ids]
        return self.build_reading(SIGN_INS, found, lambda entry: entry.id, ids)

    async def inbox_rules(
        self, owners: Sequence[Mailbox], everything: bool = False
    ) -> Reading[InboxRule]:
        ids = [box.id for box in owners]
        found = [
            rule
            for rule in self.rules
            if rule.mailbox_id in ids and (everything or not is_harmless_rule(rule))
        ]
        rootless = [
            ReadFailure(INBOX_RULES, "it has no Entra account", box.id, box.address)
            for box in owners
            if not box.has_account
        ]
        unopened = self.find_unknown_mailboxes(
            INBOX_RULES, (box for box in owners if box.has_account)
        )
        return self.build_reading(
            INBOX_RULES, found, lambda rule: rule.mailbox_id, ids, (*rootless, *unopened)
        )

    async def hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        ids = [box.id for box in owners]
        names = {(folder.mailbox_id, folder.id): folder.name for folder in self.folders}

        def printed(rule: InboxRule) -> str:
            return names.get((rule.mailbox_id, rule.move_to), rule.move_to)

        in_full = {(rule.mailbox_id, normalize_rule_name(rule)) for rule in self.exchange_rules}
        both = [
            replace(rule, id=f"1{rule.id}", api="exchange", read_only=False, move_to=printed(rule))
            for rule in self.rules
            if rule.readable or (rule.mailbox_id, normalize_rule_name(rule)) not in in_full
        ]
        found = [rule for rule in (*both, *self.exchange_rules) if rule.mailbox_id in ids]
        unopened = self.find_unknown_mailboxes(HIDDEN_RULES, owners)
        return self.build_reading(HIDDEN_RULES, found, lambda rule: rule.mailbox_id, ids, unopened)

    async def rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        """A rule that names a well-known folder itself needs nobody to be asked."""
        wanted = {
            (rule.mailbox_id, rule.move_to)
            for rule in rules
            if rule.api == "graph" and rule.move_to
        }
        named = [
            Folder(box, target, target, target.lower())
            for box, target in sorted(wanted)
            if target.lower() in WELL_KNOWN_FOLDERS
        ]
        looked_up = sorted(wanted - {(one.mailbox_id, one.id) for one in named})
        known = {(one.mailbox_id, one.id): one for one in self.folders}
        found = [known.get(pair, Folder(*pair)) for pair in looked_up]
        asked = sorted({box for box, _ in looked_up})
        if not asked:
            return Reading(tuple(named), sources=frozenset({RULE_FOLDERS}), population=len(named))
        seen = self.build_reading(RULE_FOLDERS, found, lambda folder: folder.mailbox_id, asked)
        items = sorted((*named, *seen.items), key=lambda one: (one.mailbox_id, one.id))
        return replace(
            seen, items=tuple(items), population=len({rule.mailbox_id for rule in rules})
        )

    async def recipients(self, names: Collection[str]) -> Reading[Recipient]:
        known = {person.name: person for person in self.known_recipients}
        asked = tuple(dict.fromkeys(names))
        found = [known.get(name, Recipient(name, found=False)) for name in asked]
        return self.build_reading(RECIPIENTS, found, lambda person: person.name, asked)

    async def accepted_domains(self) -> Reading[AcceptedDomain]:
        return self.build_reading(DOMAINS, self.domains, lambda domain: domain.name)

    async def remote_domains(self) -> Reading[RemoteDomain]:
        return self.build_reading(
            OUTBOUND_POLICIES, self.remote_domain_list, lambda remote: remote.name
        )

    async def outbound_policies(self) -> Reading[OutboundPolicy]:
        return self.build_reading(OUTBOUND_POLICIES, self.policies, lambda policy: policy.name)

    async def transport_rules(self) -> Reading[TransportRule]:
        return self.build_reading(TRANSPORT_RULES, self.mail_flow_rules, lambda rule: rule.id)

    async def mailbox_audits(self, after: str = "") -> AsyncIterator[Reading[MailboxAudit]]:
        listed = [replace(one, mailbox=strip_forwards(one.mailbox)) for one in self.audits]
        seen = self.build_reading(MAILBOX_AUDIT, listed, lambda audit: audit.mailbox.id)
        for part in self.paginate(seen, lambda audit: audit.mailbox.id, after):
            yield part

    async def organization_audit(self) -> Reading[OrganizationAudit]:
        values = {
            ORGANIZATION_AUDIT: self.organization.audit_disabled,
            UNIFIED_AUDIT_LOG: self.organization.unified_log,
        }
        untold = {
            place: self.failures.get((place, ""), ReadFailure(place, "it was not told"))
            for place, value in values.items()
            if value is None or (place, "") in self.failures
        }
        disabled, unified = (None if place in untold else values[place] for place in values)
        return Reading(
            (OrganizationAudit(disabled, unified),),
            tuple(untold.values()),
            frozenset(values),
            population=1,
        )

    async def audit_bypasses(self) -> Reading[AuditBypass]:
        seen = self.build_reading(AUDIT_BYPASS, self.bypasses, lambda bypass: bypass.id)
        return replace(seen, items=tuple(one for one in seen.items if one.bypassed))

    async def configuration(self, source: str) -> Reading[Configuration]:
        found = [one for one in self.configurations if one.source == source]
        return self.build_reading(get_configuration_source_name(source), found, lambda one: one.id)

    async def full_access(self, owners: Sequence[Mailbox]) -> Reading[Delegation]:
        ids = [box.id for box in owners]
        found = [
            one
            for one in self.delegations
            if is_over_mailbox(one) and get_delegation_owner(one) in ids
        ]
        unopened = self.find_unknown_mailboxes(FULL_ACCESS, owners)
        return self.build_reading(FULL_ACCESS, found, get_delegation_owner, ids, unopened)

    async def send_as(self) -> AsyncIterator[Reading[Delegation]]:
        for part in stream_delegations(self, SEND_AS):
            yield part

    async def send_on_behalf(self) -> AsyncIterator[Reading[Delegation]]:
        for part in stream_delegations(self, SEND_ON_BEHALF):
            yield part

    async def apps(self) -> AsyncIterator[Reading[App]]:
        seen = self.build_reading(APPS, self.service_principals, lambda app: app.id)
        for part in self.paginate(seen, lambda app: app.id, ""):
            yield replace(part, continuation="")

    async def apps_by_id(self, ids: Collection[str]) -> Reading[App]:
        found = [
            replace(app, credentials=(), publisher="", reply_urls=())
            for app in self.service_principals
            if app.id in ids
        ]
        seen = self.build_reading(APPS, found, lambda app: app.id, ids)
        return replace(seen, complete=True)

    async def delegated_grants(self) -> AsyncIterator[Reading[DelegatedGrant]]:
        for part in self.paginate_grants(
            DELEGATED_GRANTS, self.oauth_grants, lambda one: one.client_id
        ):
            yield part

    async def app_permissions(self) -> AsyncIterator[Reading[AppPermission]]:
        for part in self.paginate_grants(
            APP_PERMISSIONS, self.app_role_assignments, lambda one: one.client_id
        ):
            yield part

    def paginate_grants[T](
        self, source: str, found: Sequence[T], get_owner_id: Callable[[T], str]
    ) -> Iterator[Reading[T]]:
        """What apps hold, page by page, without a scope."""
        seen = self.build_reading(source, found, get_owner_id)
        for at in range(0, max(len(seen.items), 1), self.page_size):
            last = at + self.page_size >= len(seen.items)
            items = seen.items[at : at + self.page_size]
            unread = seen.failures if last else ()
            yield replace(seen, items=items, failures=unread, population=len(items))

    async def registrations(self) -> AsyncIterator[Reading[MfaRegistration]]:
        seen = self.build_reading(SIGN_IN_METHODS, self.mfa_registrations, lambda one: one.id)
        for part in self.paginate(seen, lambda one: one.id, ""):
            yield replace(part, continuation="")

    async def users_named(self, keys: Sequence[str]) -> Reading[Account]:
        wanted = {key.lower(): key for key in keys}
        found = [
            replace(user, plans=frozenset(), licensed=False, synced=False)
            for user in self.users
            if user.id in wanted or user.upn.lower() in wanted
        ]

        def asked_by(user: Account) -> str:
            return wanted.get(user.id) or wanted[user.upn.lower()]

        seen = self.build_reading(ACCOUNTS, found, asked_by, keys)
        return seen if seen.find_source_failure(ACCOUNTS) else replace(seen, population=len(keys))

    async def deletions(self, since: datetime) -> Reading[Deletion]:
        found = [one for one in self.deletion_events if one.at >= since]
        return replace(
            self.build_reading(DELETIONS, found, lambda one: one.id), population=len(found)
        )

    async def deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        found = [one for one in self.recycle_bin if one.at >= since]
        parts = [
            self.build_reading(
                place, [one for one in found if one.kind == kind], lambda one: one.id
            )
            for kind, place in (("user", DELETED_USERS), ("group", DELETED_GROUPS))
        ]
        items = tuple(one for part in parts for one in part.items)
        unread = tuple(miss for part in parts for miss in part.failures)
        return Reading(items, unread, collect_sources(parts), population=len(items))

    async def user_count(self) -> Reading[int]:
        number = len(self.users) if self.reported_user_count is None else self.reported_user_count
        seen = self.build_reading(USER_COUNT, (number,), str)
        return replace(seen, population=len(seen.items))

    async def role_holders(self) -> Reading[RoleHolder]:
        return self.build_reading(ROLE_HOLDERS, self.holders, lambda holder: holder.id)

    async def module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        found = [one for one in self.powershell_users if one.enabled]
        seen = self.build_reading(MODULE_USERS, found, lambda one: one.id)
        for part in self.paginate(seen, lambda one: one.id, ""):
            yield part

    async def mailbox_protocols(self, after: str = "") -> AsyncIterator[Reading[MailboxProtocols]]:
        seen = self.build_reading(PROTOCOLS, self.protocols, lambda one: one.mailbox.id)
        for part in self.paginate(seen, lambda one: one.mailbox.id, after):
            yield part

    async def protocols_of(self, ids: Sequence[str]) -> Reading[MailboxProtocols]:
        found = [one for one in self.protocols if one.mailbox.id in ids]
        seen = self.build_reading(PROTOCOLS, found, lambda one: one.mailbox.id, ids)
        return replace(seen, complete=True, population=len(ids))

    async def protocol_use(self, since: datetime) -> Reading[ProtocolUse]:
        """A protocol that fails by itself was read in part: what was found of it is told."""
        whole = self.failures.get((PROTOCOL_USE, ""))
        found = [use for use in self.observed_uses if use.last_used >= since and not whole]
        partly = [miss for (place, _), miss in self.failures.items() if place == PROTOCOL_USE]
        unread = (whole,) if whole else tuple(replace(miss, optional=True) for miss in partly)
        self.read_log.append((PROTOCOL_USE, ()))
        return Reading(tuple(found), unread, frozenset({PROTOCOL_USE}), len(found))

    async def shared_mailboxes(self) -> AsyncIterator[Reading[SharedMailbox]]:
        seen = self.build_reading(
            SHARED_MAILBOXES, find_shared_mailboxes(self, self.boxes), lambda one: one.mailbox.id
        )
        for part in self.paginate(seen, lambda one: one.mailbox.id, ""):
            yield part

    async def shared_mailboxes_of(self, owners: Sequence[Mailbox]) -> Reading[SharedMailbox]:
        ids = [box.id for box in owners]
        found = find_shared_mailboxes(self, (box for box in self.boxes if box.id in ids))
        seen = self.build_reading(SHARED_MAILBOXES, found, lambda one: one.mailbox.id, ids)
        return replace(seen, complete=True)

    async def mailbox_sizes(self, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
        return read_sizes(self, owners)

    # ------------------------------------------------------------------------------------------
    # Writes
    # ------------------------------------------------------------------------------------------

    async def apply(self, change: Change) -> AppliedChange:
        for target in (type(change).__name__, *get_change_targets(change)):
            if target in self.change_errors:
                raise self.change_errors[target]
        if "" in get_change_targets(change):
            raise Rejected("the change names no object")
        return apply_change(self, change)

    async def undo(self, change: Change, before: Mapping[str, object]) -> AppliedChange:
        for target in (type(change).__name__, *get_change_targets(change)):
            if target in self.change_errors:
                raise self.change_errors[target]
        if "" in get_change_targets(change):
            raise Rejected("the change names no object")
        return undo_change(self, change, before)

    @contextmanager
    def record_write(
        self, change: Change, before: Mapping[str, object], is_first: bool = True
    ) -> Iterator[None]:
        """One single write, the first of a change or a further one.

        Raises Unavailable before it, or after it took effect: nobody can tell from outside.
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


def strip_forwards(box: Mailbox) -> Mailbox:
    """A mailbox as a listing of all of them tells of it."""
    return replace(box, forwarding_address="", forwarding_smtp_address="", keeps_copy=False)


def is_harmless_rule(rule: InboxRule) -> bool:
    """True for a rule that plainly neither sends mail on nor moves or deletes it."""
    sends = rule.forward_to or rule.redirect_to or rule.forward_as_attachment_to
    plain = rule.readable and not rule.read_only and not rule.in_error
    return plain and not (sends or rule.delete or rule.move_to)


def get_change_targets(change: Change) -> list[str]:
    """The ids a change goes by. What there is only one of has none, and goes by its source."""
    if isinstance(change, SetConfiguration):
        source = CONFIGURATION_SOURCES.get(change.source)
        return [change.identity if source and source.identity_property else change.source]
    values: list[Any] = [getattr(change, name) for name in type(change).__dataclass_fields__]
    return [value for value in values if isinstance(value, str)]
