"""Every way a mailbox or the organization passes mail on, put together from what was read. Pure.

Graph leaves out hidden rules and shows some without their actions; Exchange shows all of them, one
slow call a mailbox. Here both views become one, recipients find their place, and what could not be
understood becomes `Unread` instead of a rule that looks harmless.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.guards.mailbox_forwarding.hidden_rules import Sight, sighted
from core.guards.mailbox_forwarding.hiding import (
    hiding_place,
    kept_by_exchange,
    known_folder,
    printed_folder,
)
from core.guards.mailbox_forwarding.outbound import Departure, departure
from core.guards.mailbox_forwarding.recipients import (
    OwnDomains,
    Place,
    Target,
    locate,
    locate_object,
)
from core.sanitize import plain
from core.tenant.mail_flow import (
    Folder,
    InboxRule,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    TransportRule,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.merging import miss_of
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import (
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_FORWARDS,
    RECIPIENTS,
    TRANSPORT_RULES,
)

ORGANIZATION = "organization"
# Foreign names are cut here before they are said.
CUT = 200


@dataclass(frozen=True, slots=True)
class Sending:
    """One recipient of one action: "redirects to" somebody."""

    action: str
    target: Target


@dataclass(frozen=True, slots=True)
class MailboxForward:
    """A forward set on the mailbox itself, by one of its two settings.

    `overruled`: ForwardingAddress is set too and wins. `overrules`: what this one wins over.
    """

    mailbox: Mailbox
    setting: str
    target: Target
    overruled: bool = False
    overrules: str = ""
    departure: Departure = Departure.UNKNOWN


@dataclass(frozen=True, slots=True)
class RuleForward:
    """An inbox rule: whom it sends to, and the `place` where it puts mail out of sight, if any."""

    mailbox: Mailbox
    rule: InboxRule
    sight: Sight
    sendings: tuple[Sending, ...] = ()
    place: str = ""
    departure: Departure = Departure.UNKNOWN


@dataclass(frozen=True, slots=True)
class FlowForward:
    """A mail-flow rule of the organization that adds or replaces recipients."""

    rule: TransportRule
    sendings: tuple[Sending, ...]


type Forward = MailboxForward | RuleForward | FlowForward


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was read.

    `own` None: the tenant's own domains are not known. `exchange` covers the mailboxes in `asked`,
    on most runs a few. `policies` and `remotes` None: not readable.
    """

    mailboxes: Sequence[Mailbox] = ()
    own: OwnDomains | None = None
    graph: Reading[InboxRule] = field(default_factory=Reading[InboxRule])
    exchange: Reading[InboxRule] = field(default_factory=Reading[InboxRule])
    asked: frozenset[str] = frozenset()
    folders: Mapping[tuple[str, str], Folder] = field(default_factory=dict)
    flow: Sequence[TransportRule] = ()
    known: Mapping[str, Recipient] = field(default_factory=dict)
    looked_up: Reading[Recipient] = field(default_factory=Reading[Recipient])
    policies: Sequence[OutboundPolicy] | None = None
    remotes: Sequence[RemoteDomain] | None = None

    def placed(self, pairs: Iterable[tuple[str, str]]) -> tuple[Sending, ...] | None:
        """Recipients in their place; None when it is not known of every one of them."""
        sendings = []
        for action, raw in pairs:
            target = locate(raw, self.own, self.known) if self.own else None
            if target is None:
                return None
            sendings.append(Sending(action, target))
        return tuple(sendings)

    def leaves(self, mailbox: Mailbox, targets: Iterable[Target]) -> Departure:
        """Whether mail from a mailbox to the outside ones of these targets leaves."""
        addresses = [target.address for target in targets if target.place is Place.OUTSIDE]
        return departure(mailbox.address, addresses, self.policies, self.remotes)

    def unplaced(self, surface: str, mailbox: Mailbox) -> Unread:
        """A forward nothing can be concluded about."""
        return Unread(surface, self.why_unplaced(), mailbox.id, subject_of(mailbox))

    def why_unplaced(self) -> str:
        """Why recipients have no place."""
        if self.own is None:
            return "the accepted domains were not read, so nothing can be called outside"
        reasons = [miss.reason for miss in self.looked_up.unread if miss.surface == RECIPIENTS]
        return f"a recipient could not be looked up: {reasons[0] if reasons else 'no answer'}"


def subject_of(mailbox: Mailbox) -> str:
    """The mailbox as people know it."""
    return plain(mailbox.address or mailbox.name or mailbox.id, CUT)


def rule_recipients(rule: InboxRule) -> Iterator[tuple[str, str]]:
    """Every recipient of a rule with what is done; redirecting alone counts like forwarding."""
    yield from (("forwards to", name) for name in rule.forward_to)
    yield from (("forwards as attachment to", name) for name in rule.forward_as_attachment_to)
    yield from (("redirects to", name) for name in rule.redirect_to)


def flow_recipients(rule: TransportRule) -> Iterator[tuple[str, str]]:
    """Every recipient a mail-flow rule adds, with how."""
    yield from (("redirects to", name) for name in rule.redirect_to)
    yield from (("blind copies to", name) for name in rule.blind_copy_to)
    yield from (("copies to", name) for name in rule.copy_to)
    yield from (("adds", name) for name in rule.add_to)


def assemble(evidence: Evidence) -> tuple[tuple[Forward, ...], tuple[Unread, ...]]:
    """All forwards, and what could not be judged."""
    graph, exchange = by_mailbox(evidence.graph.items), by_mailbox(evidence.exchange.items)
    entries: list[Forward | Unread] = list(flow_forwards(evidence))
    for mailbox in evidence.mailboxes:
        entries += mailbox_forwards(mailbox, evidence)
        entries += rule_forwards(mailbox, graph[mailbox.id], exchange[mailbox.id], evidence)
    forwards = tuple(entry for entry in entries if not isinstance(entry, Unread))
    unread = tuple(entry for entry in entries if isinstance(entry, Unread))
    return forwards, unread


def by_mailbox(rules: Iterable[InboxRule]) -> defaultdict[str, list[InboxRule]]:
    """Rules by the mailbox they belong to."""
    found: defaultdict[str, list[InboxRule]] = defaultdict(list)
    for rule in rules:
        found[rule.mailbox_id].append(rule)
    return found


def mailbox_forwards(mailbox: Mailbox, evidence: Evidence) -> Iterator[Forward | Unread]:
    """The forwards set on a mailbox. With both set, Exchange heeds ForwardingAddress alone.

    Microsoft Learn: Set-Mailbox, ForwardingSmtpAddress.
    """
    own, known = evidence.own, evidence.known
    by_object, by_address = mailbox.forwarding_address, mailbox.forwarding_smtp_address
    if by_object:
        target = locate_object(by_object, own, known) if own else None
        if target is None:
            yield evidence.unplaced(MAILBOX_FORWARDS, mailbox)
        else:
            yield MailboxForward(
                mailbox,
                "ForwardingAddress",
                target,
                overrules=by_address,
                departure=evidence.leaves(mailbox, [target]),
            )
    if by_address:
        target = locate(by_address, own, known) if own else None
        if target is not None:
            yield MailboxForward(
                mailbox,
                "ForwardingSmtpAddress",
                target,
                overruled=bool(by_object),
                departure=evidence.leaves(mailbox, [target]),
            )
        elif not by_object:
            yield evidence.unplaced(MAILBOX_FORWARDS, mailbox)


def rule_forwards(
    mailbox: Mailbox,
    graph: Sequence[InboxRule],
    exchange: Sequence[InboxRule],
    evidence: Evidence,
) -> Iterator[Forward | Unread]:
    """The inbox rules of a mailbox that send mail on, hide it, or do not say what they do.

    Where Graph will show a rule again, it says in words of its own how it hides mail: to conclude
    that from Exchange's would make a second case of the same rule.
    """

    def sends_to(rule: InboxRule) -> frozenset[str]:
        placed = evidence.placed(rule_recipients(rule))
        if placed is None:
            raw = [Target(name, Place.UNRESOLVED) for _, name in rule_recipients(rule)]
            return frozenset(target.essence for target in raw)
        return frozenset(sending.target.essence for sending in placed)

    miss = miss_of(evidence.graph, INBOX_RULES, mailbox.id)
    for rule, sight in sighted(graph, exchange, miss is None, sends_to):
        if not rule.readable:
            yield from unreadable(mailbox, rule, sight, evidence)
            continue
        placed = evidence.placed(rule_recipients(rule))
        if placed is None and rule.enabled:
            shown = sight in (Sight.GRAPH, Sight.READ_ONLY)
            yield evidence.unplaced(INBOX_RULES if shown else HIDDEN_RULES, mailbox)
        sendings = tuple(one for one in placed or () if one.target.place is not Place.INSIDE)
        second_hand = sight is Sight.EXCHANGE and miss is not None and bool(miss.object_id)
        place = "" if second_hand else out_of_sight(rule, evidence)
        if sendings or place:
            leaves = evidence.leaves(mailbox, [sending.target for sending in sendings])
            yield RuleForward(mailbox, rule, sight, sendings, place, leaves)


def out_of_sight(rule: InboxRule, evidence: Evidence) -> str:
    """Where an enabled rule puts mail that its owner will not see; "" for nowhere."""
    place = hiding_place(rule, folder_of(rule, evidence))
    if not rule.enabled or (place == "junkemail" and kept_by_exchange(rule)):
        return ""
    return place


def unreadable(
    mailbox: Mailbox, rule: InboxRule, sight: Sight, evidence: Evidence
) -> Iterator[Forward | Unread]:
    """An enabled rule of which nobody shows what it does.

    Where Exchange was asked and did not answer, an earlier conclusion about this rule stays: the
    mailbox is unread. It is a finding when Exchange answered, or cannot be asked at all.
    """
    if not rule.enabled or kept_by_exchange(rule):
        return
    miss = miss_of(evidence.exchange, HIDDEN_RULES, mailbox.id)
    if miss:
        yield Unread(INBOX_RULES, miss.reason, mailbox.id, subject_of(mailbox))
    if not (miss and miss.object_id):
        yield RuleForward(mailbox, rule, sight)


def folder_of(rule: InboxRule, evidence: Evidence) -> str:
    """The folder a rule moves mail to, if it is one nobody looks into."""
    if rule.source == "exchange":
        return printed_folder(rule.move_to)
    folder = evidence.folders.get((rule.mailbox_id, rule.move_to))
    return known_folder(folder.well_known, folder.name) if folder else ""


def flow_forwards(evidence: Evidence) -> Iterator[Forward | Unread]:
    """The mail-flow rules that send mail to others."""
    for rule in evidence.flow:
        placed = evidence.placed(flow_recipients(rule))
        if placed is None:
            if rule.enabled and rule.enforced:
                reason = evidence.why_unplaced()
                name = plain(rule.name or rule.id, CUT)
                yield Unread(TRANSPORT_RULES, reason, ORGANIZATION, f"mail-flow rule {name}")
            continue
        sendings = tuple(one for one in placed if one.target.place is not Place.INSIDE)
        if sendings:
            yield FlowForward(rule, sendings)
