"""A tenant in memory: the whole port, working, on plain lists that a test may change at any time.

tenant = FakeTenant(boxes=[...])              what there is
tenant.fail("inbox-rules", "m1")             what cannot be read, until mend()
tenant.refuse("m1", Forbidden("..."))        what cannot be changed
tenant.writes                                what was written, in order
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.audit_sets import DEFAULTS
from core.errors import Gone, Moot, Refused, TenantError
from core.forwarding.rule_sight import plain_name
from core.tenant import (
    ACCOUNTS,
    AUDIT_BYPASS,
    DOMAINS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_AUDIT,
    MAILBOXES,
    ORGANIZATION_AUDIT,
    OUTBOUND,
    RECIPIENTS,
    RULE_FOLDERS,
    SIGN_INS,
    TRANSPORT_RULES,
    UNIFIED_AUDIT_LOG,
    AcceptedDomain,
    Account,
    Applied,
    AuditBypass,
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableInboxRule,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    Folder,
    InboxRule,
    Mailbox,
    MailboxAudit,
    OrganizationAudit,
    OutboundPolicy,
    RaiseAuditAge,
    Reading,
    Recipient,
    RemoteDomain,
    ResetAuditSet,
    SignIn,
    TransportRule,
    Unread,
)

OPTIONAL = frozenset({SIGN_INS, OUTBOUND})


@dataclass
class FakeTenant:
    """What a tenant holds. `rules` are those Graph shows; `exchange_rules` what only Exchange does.

    A rule of `exchange_rules` with the name of an unreadable Graph rule is that rule, in full.
    """

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
    defaults: Mapping[str, frozenset[str]] = field(default_factory=lambda: DEFAULTS)
    broken_off: set[str] = field(default_factory=set)
    failures: dict[tuple[str, str], Unread] = field(default_factory=dict)
    refusals: dict[str, TenantError] = field(default_factory=dict)
    writes: list[Change] = field(default_factory=list)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

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
        """From now on a surface, or one object of it, cannot be read."""
        self.failures[surface, object_id] = Unread(
            surface, reason, object_id, "", permission, optional or surface in OPTIONAL
        )

    def mend(self) -> None:
        """Everything can be read and changed again."""
        self.failures.clear()
        self.refusals.clear()
        self.broken_off.clear()

    def refuse(self, target: str, error: TenantError) -> None:
        """From now on changes of one object (or the class name of a change) raise an error."""
        self.refusals[target] = error

    # ------------------------------------------------------------------------------------------
    # Reads
    # ------------------------------------------------------------------------------------------

    def reading[T](
        self, surface: str, found: Iterable[T], owner: Callable[[T], str], asked: Iterable[str] = ()
    ) -> Reading[T]:
        """What a surface answers: all of it, all but some objects, or nothing."""
        names = tuple(asked)
        self.asked.append((surface, names))
        items = tuple(found)
        whole = self.failures.get((surface, ""))
        complete = surface not in self.broken_off
        if whole:
            return Reading((), (whole,), frozenset({surface}), complete=complete)
        there = set(names) | {owner(item) for item in items}
        missed = tuple(
            miss
            for (place, name), miss in self.failures.items()
            if place == surface and name in there
        )
        lost = {miss.object_id for miss in missed}
        return Reading(
            items=tuple(item for item in items if owner(item) not in lost),
            unread=missed,
            surfaces=frozenset({surface}),
            population=len(there),
            complete=complete,
        )

    async def mailboxes(self, kinds: Collection[str] = ()) -> Reading[Mailbox]:
        found = [box for box in self.boxes if not kinds or box.kind in kinds]
        return self.reading(MAILBOXES, found, lambda box: box.id)

    async def accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        ids = [box.id for box in owners if box.has_account]
        found = [user for user in self.users if user.id in ids]
        return self.reading(ACCOUNTS, found, lambda user: user.id, ids)

    async def last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        found = [entry for entry in self.signed_in if entry.id in ids]
        return self.reading(SIGN_INS, found, lambda entry: entry.id, ids)

    async def inbox_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        ids = [box.id for box in owners]
        found = [rule for rule in self.rules if rule.mailbox_id in ids]
        return self.reading(INBOX_RULES, found, lambda rule: rule.mailbox_id, ids)

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
        return self.reading(HIDDEN_RULES, found, lambda rule: rule.mailbox_id, ids)

    async def rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        wanted = {(rule.mailbox_id, rule.move_to) for rule in rules}
        found = [one for one in self.folders if (one.mailbox_id, one.id) in wanted]
        ids = sorted({rule.mailbox_id for rule in rules})
        return self.reading(RULE_FOLDERS, found, lambda folder: folder.mailbox_id, ids)

    async def recipients(self, names: Collection[str]) -> Reading[Recipient]:
        known = {person.name: person for person in self.people}
        found = [known.get(name, Recipient(name, found=False)) for name in names]
        return self.reading(RECIPIENTS, found, lambda person: person.name, names)

    async def accepted_domains(self) -> Reading[AcceptedDomain]:
        return self.reading(DOMAINS, self.domains, lambda domain: domain.name)

    async def remote_domains(self) -> Reading[RemoteDomain]:
        return self.reading(OUTBOUND, self.remotes, lambda remote: remote.name)

    async def outbound_policies(self) -> Reading[OutboundPolicy]:
        return self.reading(OUTBOUND, self.policies, lambda policy: policy.name)

    async def transport_rules(self) -> Reading[TransportRule]:
        return self.reading(TRANSPORT_RULES, self.flow, lambda rule: rule.id)

    async def mailbox_audits(self) -> Reading[MailboxAudit]:
        return self.reading(MAILBOX_AUDIT, self.audits, lambda audit: audit.mailbox.id)

    async def organization_audit(self) -> Reading[OrganizationAudit]:
        unread = tuple(
            self.failures[place, ""]
            for place in (ORGANIZATION_AUDIT, UNIFIED_AUDIT_LOG)
            if (place, "") in self.failures
        )
        blind = {miss.surface for miss in unread}
        seen = OrganizationAudit(
            None if ORGANIZATION_AUDIT in blind else self.organization.audit_disabled,
            None if UNIFIED_AUDIT_LOG in blind else self.organization.unified_log,
        )
        surfaces = frozenset({ORGANIZATION_AUDIT, UNIFIED_AUDIT_LOG})
        return Reading((seen,), unread, surfaces, population=1)

    async def audit_bypasses(self) -> Reading[AuditBypass]:
        return self.reading(AUDIT_BYPASS, self.bypasses, lambda bypass: bypass.id)

    # ------------------------------------------------------------------------------------------
    # Writes
    # ------------------------------------------------------------------------------------------

    async def apply(self, change: Change) -> Applied:
        self.raise_refusal(change)
        match change:
            case BlockSignIn():
                return self.block_sign_in(change)
            case DisableInboxRule():
                return self.disable_inbox_rule(change)
            case ClearMailboxForward():
                return self.clear_forward(change)
            case ClearAuditBypass():
                return self.clear_bypass(change)
            case EnableOrganizationAudit() | EnableUnifiedAuditLog():
                return self.switch_organization(change)
            case EnableMailboxAudit() | ResetAuditSet() | RaiseAuditAge():
                return self.change_audit(change)

    def raise_refusal(self, change: Change) -> None:
        """Raise what a test wants this change to run into."""
        for target in (type(change).__name__, *vars_of(change)):
            if target in self.refusals:
                raise self.refusals[target]

    def written(self, change: Change, **before: object) -> Applied:
        """A write that took effect."""
        self.writes.append(change)
        return Applied(before)

    def block_sign_in(self, change: BlockSignIn) -> Applied:
        box = one(box for box in self.boxes if box.guid == change.mailbox_guid)
        if box.kind not in change.kinds:
            raise Moot(f"the mailbox is now a {box.kind}")
        if box.id != change.account_id:
            raise Moot("the mailbox belongs to another account now")
        user = one(user for user in self.users if user.id == change.account_id)
        if user.synced:
            raise Refused("the account is mastered on-premises", verdict="on-premises")
        if not user.enabled:
            return Applied({"accountEnabled": False}, already=True)
        self.users[self.users.index(user)] = replace(user, enabled=False)
        return self.written(change, accountEnabled=True)

    def disable_inbox_rule(self, change: DisableInboxRule) -> Applied:
        rule = one(
            rule
            for rule in self.rules
            if rule.mailbox_id == change.mailbox_id and rule.id == change.rule_id
        )
        if rule.read_only:
            raise Refused("the rule is read-only")
        if not rule.enabled:
            return Applied({"isEnabled": False}, already=True)
        self.rules[self.rules.index(rule)] = replace(rule, enabled=False)
        return self.written(change, isEnabled=True)

    def clear_forward(self, change: ClearMailboxForward) -> Applied:
        box = one(box for box in self.boxes if box.guid == change.mailbox_guid)
        before = {
            "ForwardingAddress": box.forwarding_address,
            "ForwardingSmtpAddress": box.forwarding_smtp_address,
            "DeliverToMailboxAndForward": box.keeps_copy,
        }
        if not box.forwarding_address and not box.forwarding_smtp_address:
            return Applied(before, already=True)
        self.boxes[self.boxes.index(box)] = replace(
            box, forwarding_address="", forwarding_smtp_address="", keeps_copy=False
        )
        return self.written(change, **before)

    def clear_bypass(self, change: ClearAuditBypass) -> Applied:
        bypass = one(entry for entry in self.bypasses if entry.id == change.account_guid)
        if not bypass.bypassed:
            return Applied({"AuditBypassEnabled": False}, already=True)
        self.bypasses[self.bypasses.index(bypass)] = replace(bypass, bypassed=False)
        return self.written(change, AuditBypassEnabled=True)

    def switch_organization(
        self, change: EnableOrganizationAudit | EnableUnifiedAuditLog
    ) -> Applied:
        before = self.organization
        if isinstance(change, EnableOrganizationAudit):
            self.organization = replace(before, audit_disabled=False)
            name, value = "AuditDisabled", before.audit_disabled
        else:
            self.organization = replace(before, unified_log=True)
            name, value = "UnifiedAuditLogIngestionEnabled", before.unified_log
        if self.organization == before:
            return Applied({name: value}, already=True)
        return self.written(change, **{name: value})

    def change_audit(self, change: EnableMailboxAudit | ResetAuditSet | RaiseAuditAge) -> Applied:
        audit = one(entry for entry in self.audits if entry.mailbox.guid == change.mailbox_guid)
        before: dict[str, object]
        match change:
            case EnableMailboxAudit():
                after, before = replace(audit, enabled=True), {"AuditEnabled": audit.enabled}
            case RaiseAuditAge():
                if audit.age_days is None:
                    raise Moot("how long records are kept is not known")
                days = max(audit.age_days, change.days)
                after, before = replace(audit, age_days=days), {"AuditLogAgeLimit": audit.age_days}
            case ResetAuditSet():
                after = reset(audit, change, self.defaults)
                before = {
                    f"Audit{name}": sorted(audit.actions[name]) for name in change.logon_types
                }
        lacking = not_brought(after, change) if isinstance(change, ResetAuditSet) else []
        if after == audit and not lacking:
            return Applied(before, already=True)
        self.audits[self.audits.index(audit)] = after
        applied = self.written(change, **before)
        if lacking:
            raise Refused(f"the default set does not bring {', '.join(lacking)}")
        return applied


def one[T](found: Iterable[T]) -> T:
    """The object that is meant. Raises Gone."""
    for item in found:
        return item
    raise Gone("the object is not there")


def vars_of(change: Change) -> list[str]:
    """The ids a change names."""
    values: list[Any] = [getattr(change, name) for name in type(change).__dataclass_fields__]
    return [value for value in values if isinstance(value, str)]


def reset(
    audit: MailboxAudit, change: ResetAuditSet, defaults: Mapping[str, frozenset[str]]
) -> MailboxAudit:
    """As Exchange does it: back to the default list, and out of its hands where more is added."""
    extras = dict(change.extras)
    actions = dict(audit.actions)
    managed = set(audit.default_set)
    for name in change.logon_types:
        actions[name] = defaults[name] | set(extras.get(name, ()))
        managed.discard(name) if extras.get(name) else managed.add(name)
    return replace(audit, actions=actions, default_set=frozenset(managed))


def not_brought(audit: MailboxAudit, change: ResetAuditSet) -> list[str]:
    """The actions a change expects and some logon type does not audit all the same."""
    lists = [audit.actions[name] for name in change.logon_types]
    return [action for action in change.expects if any(action not in held for held in lists)]
