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

from core.errors import Refused, TenantError, Unavailable
from core.guards.mailbox_forwarding.hidden_rules import plain_name
from core.microsoft365.audit_actions import DEFAULTS
from core.microsoft365.configuration_sources import SOURCES, surface_of
from core.tenant.apps import App, AppPermission, DelegatedGrant
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.changes import Applied, Change, SetConfiguration
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
    WELL_KNOWN,
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
from core.tenant.merging import surfaces_of
from core.tenant.port import Grants
from core.tenant.readings import Reading, Unread
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
    OUTBOUND,
    PROTOCOL_USE,
    PROTOCOLS,
    RECIPIENTS,
    REGISTRATIONS,
    ROLE_HOLDERS,
    RULE_FOLDERS,
    SEND_AS,
    SEND_ON_BEHALF,
    SHARED_MAILBOXES,
    SIGN_INS,
    TRANSPORT_RULES,
    UNIFIED_AUDIT_LOG,
    USER_COUNT,
)
from tests.support.fakes.changes import make
from tests.support.fakes.delegation import is_over_mailbox, owner_of, streamed
from tests.support.fakes.roles import HOLDER, KEEPER
from tests.support.fakes.shared_mailboxes import shared_of, sizes_of
from tests.support.fakes.undo import put_back
from tests.support.fakes.world import Journal, Reaper

OPTIONAL = frozenset({GRANTS, SIGN_INS, OUTBOUND, DELETED_GROUPS, USER_COUNT})
POPULATIONS = frozenset({MAILBOXES, MAILBOX_AUDIT, APPS, REGISTRATIONS, MODULE_USERS, PROTOCOLS})
POPULATIONS |= {SHARED_MAILBOXES}
"""Listings without which nothing that is absent may be taken as gone."""


@dataclass(frozen=True)
class Wrote:
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

    granted: Grants = field(default_factory=Grants)
    boxes: list[Mailbox] = field(default_factory=list)
    users: list[Account] = field(default_factory=list)
    signed_in: list[SignIn] = field(default_factory=list)
    rules: list[InboxRule] = field(default_factory=list)
    exchange_rules: list[InboxRule] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    people: list[Recipient] = field(default_factory=list)
    domains: list[AcceptedDomain] = field(default_factory=list)
    remotes: list[RemoteDomain] = field(default_factory=list)
    policies: list[OutboundPolicy] = field(default_factory=list)
    flow: list[TransportRule] = field(default_factory=list)
    audits: list[MailboxAudit] = field(default_factory=list)
    organization: OrganizationAudit = field(
        default_factory=lambda: OrganizationAudit(audit_disabled=False, unified_log=True)
    )
    bypasses: list[AuditBypass] = field(default_factory=list)
    configurations: list[Configuration] = field(default_factory=list)
    delegations: list[Delegation] = field(default_factory=list)
    principals: list[App] = field(default_factory=list)
    consented: list[DelegatedGrant] = field(default_factory=list)
    app_roles: list[AppPermission] = field(default_factory=list)
    registered: list[Registration] = field(default_factory=list)
    deleted: list[Deletion] = field(default_factory=list)
    bin: list[DeletedObject] = field(default_factory=list)
    counted: int | None = None
    holders: list[RoleHolder] = field(default_factory=lambda: [HOLDER])
    holding_now: set[str] = field(default_factory=set)
    module: list[ModuleUser] = field(default_factory=lambda: [KEEPER])
    protocols: list[MailboxProtocols] = field(default_factory=list)
    used: list[ProtocolUse] = field(default_factory=list)
    shared: list[SharedMailbox] = field(default_factory=list)
    sizes: dict[str, int | None] = field(default_factory=dict)
    defaults: Mapping[str, frozenset[str]] = field(default_factory=lambda: DEFAULTS)
    protected: set[str] = field(default_factory=set)
    broken_off: set[str] = field(default_factory=set)
    failures: dict[tuple[str, str], Unread] = field(default_factory=dict)
    refusals: dict[str, TenantError] = field(default_factory=dict)
    writes: list[Change] = field(default_factory=list)
    undone: list[Change] = field(default_factory=list)
    sent: int = 0
    signed_out: list[str] = field(default_factory=list)
    left: int | None = None
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    page: int = 1_000
    reaper: Reaper = field(default_factory=Reaper)
    journal: Journal = field(default_factory=list)

    # ------------------------------------------------------------------------------------------
    # Faults
    # ------------------------------------------------------------------------------------------

    def fail(
        self,
        surface: str,
        object_id: str = "",
        reason: str = "HTTP 503",
        permission: str = "",
        optional: bool = False,
    ) -> None:
        """From now on a surface, or one object of it, cannot be read.

        The objects of `domains` are its sources, of which one is enough.
        """
        spare = surface in OPTIONAL or (surface == DOMAINS and bool(object_id))
        self.failures[surface, object_id] = Unread(
            surface, reason, object_id, "", permission, optional or spare
        )

    def refuse(self, target: str, error: TenantError) -> None:
        """From now on changes raise an error: those of one object, or those of one class.

        For the target SESSIONS it is only that sessions do not end.
        """
        self.refusals[target] = error

    def cut_off(self, writes: int) -> None:
        """So many single writes still take effect; the answer to the last of them is lost."""
        self.left = writes

    def mend(self) -> None:
        """Everything can be read and changed again."""
        self.failures.clear()
        self.refusals.clear()
        self.broken_off.clear()
        self.left = None

    # ------------------------------------------------------------------------------------------
    # Reads
    # ------------------------------------------------------------------------------------------

    def reading[T](
        self,
        surface: str,
        found: Iterable[T],
        owner: Callable[[T], str],
        asked: Iterable[str] | None = None,
        unopened: Iterable[Unread] = (),
    ) -> Reading[T]:
        """What a surface answers: all of it, all but some objects, or nothing.

        Without `asked` it is a listing, which finds out by itself which objects there are.
        `unopened` are objects that are asked for and could never be read.
        """
        names = tuple(asked or ())
        self.asked.append((surface, names))
        items = tuple(found)
        whole = self.failures.get((surface, ""))
        complete = surface not in self.broken_off
        if whole:
            complete = complete and surface not in POPULATIONS
            return Reading((), (whole,), frozenset({surface}), complete=complete)
        missed = tuple(
            miss
            for (place, name), miss in self.failures.items()
            if place == surface and (asked is None or name in names)
        )
        there = {owner(item) for item in items} | set(names)
        there |= {miss.object_id for miss in missed if not miss.optional}
        lost = {miss.object_id for miss in missed}
        return Reading(
            items=tuple(item for item in items if owner(item) not in lost),
            unread=(*missed, *(miss for miss in unopened if miss.object_id not in lost)),
            surfaces=frozenset({surface}),
            population=len(there),
            complete=complete,
        )

    def unopened(self, surface: str, owners: Iterable[Mailbox]) -> list[Unread]:
        """The mailboxes among these that are not in this tenant."""
        known = {box.id for box in self.boxes}
        return [
            Unread(surface, "the mailbox cannot be opened", owner.id, owner.address)
            for owner in owners
            if owner.id not in known
        ]

    async def grants(self) -> Reading[Grants]:
        self.asked.append((GRANTS, ()))
        surfaces = frozenset({GRANTS, CREDENTIAL})
        if shut_out := self.failures.get((CREDENTIAL, "")):
            return Reading(unread=(shut_out,), surfaces=surfaces)
        if untold := self.failures.get((GRANTS, "")):
            return Reading((Grants(),), (untold,), surfaces, population=1)
        return Reading((self.granted,), surfaces=surfaces, population=1)

    async def mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        found = [box for box in self.boxes if not kinds or box.kind in kinds]
        others = {box.id for box in self.boxes} - {box.id for box in found}
        seen = self.reading(MAILBOXES, map(without_forwards, found), lambda box: box.id)
        unread = tuple(miss for miss in seen.unread if miss.object_id not in others)
        for part in self.pages(replace(seen, unread=unread), lambda box: box.id, after):
            yield part

    def pages[T](
        self, seen: Reading[T], owner: Callable[[T], str], after: str
    ) -> Iterator[Reading[T]]:
        """A listing page by page; what breaks off ends with a part that says so.

        What is no place to go on from, any more, is the beginning.
        """
        if not seen.complete and not seen.items:
            yield replace(seen, scope=frozenset())
            return
        start = int(after) if after.isdigit() else 0
        items = tuple({owner(item): item for item in seen.items}.values())
        objects = tuple(miss for miss in seen.unread if miss.object_id)
        for at in range(start, max(len(items), start + 1), self.page):
            page = items[at : at + self.page]
            last = at + self.page >= len(items)
            lost = objects if last else ()
            goes_on = not last or not seen.complete
            ids = frozenset(map(owner, page)) | {miss.object_id for miss in lost}
            yield Reading(
                items=page,
                unread=lost,
                surfaces=seen.surfaces,
                population=len(page) + sum(not miss.optional for miss in lost),
                scope=ids,
                further=str(at + self.page) if goes_on else "",
            )
        if not seen.complete:
            (surface,) = seen.surfaces
            why = Unread(surface, "HTTP 503: the listing broke off")
            yield Reading((), (why,), seen.surfaces, complete=False, scope=frozenset())

    async def forwarding_mailboxes(self) -> Reading[Mailbox]:
        found = [box for box in self.boxes if box.forwarding_address or box.forwarding_smtp_address]
        seen = self.reading(MAILBOX_FORWARDS, found, lambda box: box.id)
        return replace(seen, complete=True)

    async def accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        ids = [box.id for box in owners if box.has_account]
        found = [user for user in self.users if user.id in ids]
        seen = self.reading(ACCOUNTS, found, lambda user: user.id, ids)
        return seen if seen.blind_to(ACCOUNTS) else replace(seen, population=len(owners))

    async def last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        found = [entry for entry in self.signed_in if entry.id in ids]
        return self.reading(SIGN_INS, found, lambda entry: entry.id, ids)

    async def inbox_rules(
        self, owners: Sequence[Mailbox], everything: bool = False
    ) -> Reading[InboxRule]:
        ids = [box.id for box in owners]
        found = [
            rule
            for rule in self.rules
            if rule.mailbox_id in ids and (everything or not harmless(rule))
        ]
        rootless = [
            Unread(INBOX_RULES, "it has no Entra account", box.id, box.address)
            for box in owners
            if not box.has_account
        ]
        unopened = self.unopened(INBOX_RULES, (box for box in owners if box.has_account))
        return self.reading(
            INBOX_RULES, found, lambda rule: rule.mailbox_id, ids, (*rootless, *unopened)
        )

    async def hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        ids = [box.id for box in owners]
        names = {(folder.mailbox_id, folder.id): folder.name for folder in self.folders}

        def printed(rule: InboxRule) -> str:
            return names.get((rule.mailbox_id, rule.move_to), rule.move_to)

        in_full = {(rule.mailbox_id, plain_name(rule)) for rule in self.exchange_rules}
        both = [
            replace(
                rule, id=f"1{rule.id}", source="exchange", read_only=False, move_to=printed(rule)
            )
            for rule in self.rules
            if rule.readable or (rule.mailbox_id, plain_name(rule)) not in in_full
        ]
        found = [rule for rule in (*both, *self.exchange_rules) if rule.mailbox_id in ids]
        unopened = self.unopened(HIDDEN_RULES, owners)
        return self.reading(HIDDEN_RULES, found, lambda rule: rule.mailbox_id, ids, unopened)

    async def rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        """A rule that names a well-known folder itself needs nobody to be asked."""
        wanted = {
            (rule.mailbox_id, rule.move_to)
            for rule in rules
            if rule.source == "graph" and rule.move_to
        }
        named = [
            Folder(box, target, target, target.lower())
            for box, target in sorted(wanted)
            if target.lower() in WELL_KNOWN
        ]
        looked_up = sorted(wanted - {(one.mailbox_id, one.id) for one in named})
        known = {(one.mailbox_id, one.id): one for one in self.folders}
        found = [known.get(pair, Folder(*pair)) for pair in looked_up]
        asked = sorted({box for box, _ in looked_up})
        if not asked:
            return Reading(tuple(named), surfaces=frozenset({RULE_FOLDERS}), population=len(named))
        seen = self.reading(RULE_FOLDERS, found, lambda folder: folder.mailbox_id, asked)
        items = sorted((*named, *seen.items), key=lambda one: (one.mailbox_id, one.id))
        return replace(
            seen, items=tuple(items), population=len({rule.mailbox_id for rule in rules})
        )

    async def recipients(self, names: Collection[str]) -> Reading[Recipient]:
        known = {person.name: person for person in self.people}
        asked = tuple(dict.fromkeys(names))
        found = [known.get(name, Recipient(name, found=False)) for name in asked]
        return self.reading(RECIPIENTS, found, lambda person: person.name, asked)

    async def accepted_domains(self) -> Reading[AcceptedDomain]:
        return self.reading(DOMAINS, self.domains, lambda domain: domain.name)

    async def remote_domains(self) -> Reading[RemoteDomain]:
        return self.reading(OUTBOUND, self.remotes, lambda remote: remote.name)

    async def outbound_policies(self) -> Reading[OutboundPolicy]:
        return self.reading(OUTBOUND, self.policies, lambda policy: policy.name)

    async def transport_rules(self) -> Reading[TransportRule]:
        return self.reading(TRANSPORT_RULES, self.flow, lambda rule: rule.id)

    async def mailbox_audits(self, after: str = "") -> AsyncIterator[Reading[MailboxAudit]]:
        listed = [replace(one, mailbox=without_forwards(one.mailbox)) for one in self.audits]
        seen = self.reading(MAILBOX_AUDIT, listed, lambda audit: audit.mailbox.id)
        for part in self.pages(seen, lambda audit: audit.mailbox.id, after):
            yield part

    async def organization_audit(self) -> Reading[OrganizationAudit]:
        values = {
            ORGANIZATION_AUDIT: self.organization.audit_disabled,
            UNIFIED_AUDIT_LOG: self.organization.unified_log,
        }
        untold = {
            place: self.failures.get((place, ""), Unread(place, "it was not told"))
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
        seen = self.reading(AUDIT_BYPASS, self.bypasses, lambda bypass: bypass.id)
        return replace(seen, items=tuple(one for one in seen.items if one.bypassed))

    async def configuration(self, source: str) -> Reading[Configuration]:
        found = [one for one in self.configurations if one.source == source]
        return self.reading(surface_of(source), found, lambda one: one.id)

    async def full_access(self, owners: Sequence[Mailbox]) -> Reading[Delegation]:
        ids = [box.id for box in owners]
        found = [one for one in self.delegations if is_over_mailbox(one) and owner_of(one) in ids]
        unopened = self.unopened(FULL_ACCESS, owners)
        return self.reading(FULL_ACCESS, found, owner_of, ids, unopened)

    async def send_as(self) -> AsyncIterator[Reading[Delegation]]:
        for part in streamed(self, SEND_AS):
            yield part

    async def send_on_behalf(self) -> AsyncIterator[Reading[Delegation]]:
        for part in streamed(self, SEND_ON_BEHALF):
            yield part

    async def apps(self) -> AsyncIterator[Reading[App]]:
        seen = self.reading(APPS, self.principals, lambda app: app.id)
        for part in self.pages(seen, lambda app: app.id, ""):
            yield replace(part, further="")

    async def apps_by_id(self, ids: Collection[str]) -> Reading[App]:
        found = [
            replace(app, credentials=(), publisher="", replies=())
            for app in self.principals
            if app.id in ids
        ]
        seen = self.reading(APPS, found, lambda app: app.id, ids)
        return replace(seen, complete=True)

    async def delegated_grants(self) -> AsyncIterator[Reading[DelegatedGrant]]:
        for part in self.held(DELEGATED_GRANTS, self.consented, lambda one: one.client_id):
            yield part

    async def app_permissions(self) -> AsyncIterator[Reading[AppPermission]]:
        for part in self.held(APP_PERMISSIONS, self.app_roles, lambda one: one.client_id):
            yield part

    def held[T](
        self, surface: str, found: Sequence[T], owner: Callable[[T], str]
    ) -> Iterator[Reading[T]]:
        """What apps hold, page by page, without a scope."""
        seen = self.reading(surface, found, owner)
        for at in range(0, max(len(seen.items), 1), self.page):
            last = at + self.page >= len(seen.items)
            items = seen.items[at : at + self.page]
            unread = seen.unread if last else ()
            yield replace(seen, items=items, unread=unread, population=len(items))

    async def registrations(self) -> AsyncIterator[Reading[Registration]]:
        seen = self.reading(REGISTRATIONS, self.registered, lambda one: one.id)
        for part in self.pages(seen, lambda one: one.id, ""):
            yield replace(part, further="")

    async def users_named(self, keys: Sequence[str]) -> Reading[Account]:
        wanted = {key.lower(): key for key in keys}
        found = [
            replace(user, plans=frozenset(), licensed=False, synced=False)
            for user in self.users
            if user.id in wanted or user.upn.lower() in wanted
        ]

        def asked_by(user: Account) -> str:
            return wanted.get(user.id) or wanted[user.upn.lower()]

        seen = self.reading(ACCOUNTS, found, asked_by, keys)
        return seen if seen.blind_to(ACCOUNTS) else replace(seen, population=len(keys))

    async def deletions(self, since: datetime) -> Reading[Deletion]:
        found = [one for one in self.deleted if one.at >= since]
        return replace(self.reading(DELETIONS, found, lambda one: one.id), population=len(found))

    async def deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        found = [one for one in self.bin if one.at >= since]
        parts = [
            self.reading(place, [one for one in found if one.kind == kind], lambda one: one.id)
            for kind, place in (("user", DELETED_USERS), ("group", DELETED_GROUPS))
        ]
        items = tuple(one for part in parts for one in part.items)
        unread = tuple(miss for part in parts for miss in part.unread)
        return Reading(items, unread, surfaces_of(parts), population=len(items))

    async def user_count(self) -> Reading[int]:
        number = len(self.users) if self.counted is None else self.counted
        seen = self.reading(USER_COUNT, (number,), str)
        return replace(seen, population=len(seen.items))

    async def role_holders(self) -> Reading[RoleHolder]:
        return self.reading(ROLE_HOLDERS, self.holders, lambda holder: holder.id)

    async def module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        found = [one for one in self.module if one.enabled]
        seen = self.reading(MODULE_USERS, found, lambda one: one.id)
        for part in self.pages(seen, lambda one: one.id, ""):
            yield part

    async def mailbox_protocols(self, after: str = "") -> AsyncIterator[Reading[MailboxProtocols]]:
        seen = self.reading(PROTOCOLS, self.protocols, lambda one: one.mailbox.id)
        for part in self.pages(seen, lambda one: one.mailbox.id, after):
            yield part

    async def protocols_of(self, ids: Sequence[str]) -> Reading[MailboxProtocols]:
        found = [one for one in self.protocols if one.mailbox.id in ids]
        seen = self.reading(PROTOCOLS, found, lambda one: one.mailbox.id, ids)
        return replace(seen, complete=True, population=len(ids))

    async def protocol_use(self, since: datetime) -> Reading[ProtocolUse]:
        """A protocol that fails by itself was read in part: what was found of it is told."""
        whole = self.failures.get((PROTOCOL_USE, ""))
        found = [use for use in self.used if use.last >= since and not whole]
        partly = [miss for (place, _), miss in self.failures.items() if place == PROTOCOL_USE]
        unread = (whole,) if whole else tuple(replace(miss, optional=True) for miss in partly)
        self.asked.append((PROTOCOL_USE, ()))
        return Reading(tuple(found), unread, frozenset({PROTOCOL_USE}), len(found))

    async def shared_mailboxes(self) -> AsyncIterator[Reading[SharedMailbox]]:
        seen = self.reading(
            SHARED_MAILBOXES, shared_of(self, self.boxes), lambda one: one.mailbox.id
        )
        for part in self.pages(seen, lambda one: one.mailbox.id, ""):
            yield part

    async def shared_mailboxes_of(self, owners: Sequence[Mailbox]) -> Reading[SharedMailbox]:
        ids = [box.id for box in owners]
        found = shared_of(self, (box for box in self.boxes if box.id in ids))
        seen = self.reading(SHARED_MAILBOXES, found, lambda one: one.mailbox.id, ids)
        return replace(seen, complete=True)

    async def mailbox_sizes(self, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
        return sizes_of(self, owners)

    # ------------------------------------------------------------------------------------------
    # Writes
    # ------------------------------------------------------------------------------------------

    async def apply(self, change: Change) -> Applied:
        for target in (type(change).__name__, *named_by(change)):
            if target in self.refusals:
                raise self.refusals[target]
        if "" in named_by(change):
            raise Refused("the change names no object")
        return make(self, change)

    async def restore(self, change: Change, before: Mapping[str, object]) -> Applied:
        for target in (type(change).__name__, *named_by(change)):
            if target in self.refusals:
                raise self.refusals[target]
        if "" in named_by(change):
            raise Refused("the change names no object")
        return put_back(self, change, before)

    @contextmanager
    def write(
        self, change: Change, before: Mapping[str, object], first: bool = True
    ) -> Iterator[None]:
        """One single write, the first of a change or a further one.

        Raises Unavailable before it, or after it took effect: nobody can tell from outside.
        """
        if self.left == 0:
            raise Unavailable("HTTP 503", before)
        with self.reaper():
            yield
            self.sent += 1
            self.journal.append(Wrote(change, before))
            if first:
                self.writes.append(change)
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Unavailable("HTTP 503", before)


def without_forwards(box: Mailbox) -> Mailbox:
    """A mailbox as a listing of all of them tells of it."""
    return replace(box, forwarding_address="", forwarding_smtp_address="", keeps_copy=False)


def harmless(rule: InboxRule) -> bool:
    """True for a rule that plainly neither sends mail on nor moves or deletes it."""
    sends = rule.forward_to or rule.redirect_to or rule.forward_as_attachment_to
    plain = rule.readable and not rule.read_only and not rule.in_error
    return plain and not (sends or rule.delete or rule.move_to)


def named_by(change: Change) -> list[str]:
    """The ids a change goes by. What there is only one of has none, and goes by its source."""
    if isinstance(change, SetConfiguration):
        source = SOURCES.get(change.source)
        return [change.identity if source and source.identity else change.source]
    values: list[Any] = [getattr(change, name) for name in type(change).__dataclass_fields__]
    return [value for value in values if isinstance(value, str)]
