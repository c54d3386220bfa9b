"""Every way a mailbox or the organization passes mail on: what was read, and where it goes. Pure.

Recipients find their place here, and what could not be understood becomes a `ReadFailure`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import Hiding
from core.guards.mailbox_forwarding.outbound import ForwardingPolicyResult, evaluate_forwarding
from core.guards.mailbox_forwarding.recipients import (
    ForwardTarget,
    KnownRecipients,
    RecipientLocation,
    list_outside_addresses,
    locate_forwarding_object,
    locate_recipient,
)
from core.microsoft365.addresses import OwnDomains
from core.tenant.mail_flow import (
    Folder,
    InboxRule,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    TransportRule,
)
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    MAILBOX_FORWARDS,
    RECIPIENTS,
    TRANSPORT_RULES,
)

RELIES_ON = (
    "exchange-forward-precedence",
    "write-ticket-forwards",
)

ORGANIZATION = "organization"
# Foreign names are cut here before they are said.
MAX_TEXT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class ForwardRecipient:
    """One recipient of one action: "redirects to" somebody."""

    action: str
    target: ForwardTarget


@dataclass(frozen=True, slots=True)
class MailboxForward:
    """A forward set on the mailbox itself, by one of its two settings.

    `overruled`: ForwardingAddress is set too and wins. `overrules`: what this one wins over.
    """

    mailbox: Mailbox
    setting: str
    targets: tuple[ForwardTarget, ...]
    """The recipient; of a group, each member that counts."""
    is_overruled: bool = False
    overruled_address: str = ""
    policy_result: ForwardingPolicyResult = ForwardingPolicyResult.UNKNOWN


@dataclass(frozen=True, slots=True)
class InboxRuleForward:
    """An inbox rule: whom it sends to, and how it keeps mail from its reader, if it does."""

    mailbox: Mailbox
    rule: InboxRule
    visibility: RuleVisibility
    recipients: tuple[ForwardRecipient, ...] = ()
    """Those outside, and those who cannot be identified."""
    hiding: Hiding | None = None
    colleagues: tuple[ForwardRecipient, ...] = ()
    """Those inside, of a rule that Outlook does not show."""
    policy_result: ForwardingPolicyResult = ForwardingPolicyResult.UNKNOWN


@dataclass(frozen=True, slots=True)
class MailboxRules:
    """The inbox rules of a mailbox that are worth judging, together: several may be one case."""

    mailbox: Mailbox
    rules: tuple[InboxRuleForward, ...]


@dataclass(frozen=True, slots=True)
class TransportRuleForward:
    """A mail-flow rule of the organization that adds or replaces recipients."""

    rule: TransportRule
    recipients: tuple[ForwardRecipient, ...]


type Forward = MailboxForward | MailboxRules | TransportRuleForward


@dataclass(frozen=True, slots=True)
class ForwardingInputs:
    """All that was read.

    `own` None: the tenant's own domains are not known. `exchange` covers the mailboxes in `asked`,
    on most runs a few. `policies` and `remotes` None: not readable.
    """

    mailboxes: Sequence[Mailbox] = ()
    own_domains: OwnDomains | None = None
    graph_rules: Reading[InboxRule] = field(default_factory=Reading[InboxRule])
    exchange_rules: Reading[InboxRule] = field(default_factory=Reading[InboxRule])
    exchange_mailbox_ids: frozenset[str] = frozenset()
    folders: Mapping[tuple[str, str], Folder] = field(default_factory=dict)
    unread_folder_mailbox_ids: frozenset[str] = frozenset()
    """The mailboxes whose folders could not be read this time, but for those in `folders`."""
    transport_rules: Sequence[TransportRule] = ()
    known_recipients: KnownRecipients = field(default_factory=KnownRecipients)
    recipient_reading: Reading[Recipient] = field(default_factory=Reading[Recipient])
    outbound_policies: Sequence[OutboundPolicy] | None = None
    remote_domains: Sequence[RemoteDomain] | None = None

    def locate_recipients(
        self, pairs: Iterable[tuple[str, str]]
    ) -> tuple[ForwardRecipient, ...] | None:
        """Recipients in their place; None when it is not known of every one of them."""
        sendings = []
        for action, raw in pairs:
            targets = (
                locate_recipient(raw, self.own_domains, self.known_recipients)
                if self.own_domains
                else None
            )
            if targets is None:
                return None
            sendings += [ForwardRecipient(action, target) for target in targets]
        return tuple(sendings)

    def evaluate_departure(
        self, mailbox: Mailbox, targets: Iterable[ForwardTarget]
    ) -> ForwardingPolicyResult:
        """Whether mail from a mailbox to the outside ones of these targets leaves."""
        return evaluate_forwarding(
            mailbox.address,
            list_outside_addresses(targets),
            self.outbound_policies,
            self.remote_domains,
        )

    def build_location_failure(self, source: str, mailbox: Mailbox) -> ReadFailure:
        """A forward nothing can be concluded about."""
        return ReadFailure(
            source, self.explain_location_failure(), mailbox.id, format_mailbox_name(mailbox)
        )

    def explain_location_failure(self) -> str:
        """Why recipients have no place."""
        if self.own_domains is None:
            return "the accepted domains were not read, so nothing can be called outside"
        reasons = [
            miss.reason for miss in self.recipient_reading.failures if miss.source == RECIPIENTS
        ]
        return f"a recipient could not be looked up: {reasons[0] if reasons else 'no answer'}"


def list_rule_recipients(rule: InboxRule) -> Iterator[tuple[str, str]]:
    """Every recipient of a rule with what is done; redirecting alone counts like forwarding."""
    yield from (("forwards to", name) for name in rule.forward_to)
    yield from (("forwards as attachment to", name) for name in rule.forward_as_attachment_to)
    yield from (("redirects to", name) for name in rule.redirect_to)


def list_flow_recipients(rule: TransportRule) -> Iterator[tuple[str, str]]:
    """Every recipient a mail-flow rule adds, with how."""
    yield from (("redirects to", name) for name in rule.redirect_to)
    yield from (("blind copies to", name) for name in rule.blind_copy_to)
    yield from (("copies to", name) for name in rule.copy_to)
    yield from (("adds", name) for name in rule.add_to)


def assemble_mailbox_forwards(
    mailbox: Mailbox, inputs: ForwardingInputs
) -> Iterator[Forward | ReadFailure]:
    """The forwards set on a mailbox. With both set, Exchange heeds ForwardingAddress alone.

    Microsoft Learn: Set-Mailbox, ForwardingSmtpAddress.
    """
    own, known = inputs.own_domains, inputs.known_recipients
    by_object, by_address = mailbox.forwarding_address, mailbox.forwarding_smtp_address
    if by_object:
        targets = locate_forwarding_object(by_object, own, known) if own else None
        if targets is None:
            yield inputs.build_location_failure(MAILBOX_FORWARDS, mailbox)
        else:
            yield MailboxForward(
                mailbox,
                "ForwardingAddress",
                targets,
                overruled_address=by_address,
                policy_result=inputs.evaluate_departure(mailbox, targets),
            )
    if by_address:
        targets = locate_recipient(by_address, own, known) if own else None
        if targets is not None:
            yield MailboxForward(
                mailbox,
                "ForwardingSmtpAddress",
                targets,
                is_overruled=bool(by_object),
                policy_result=inputs.evaluate_departure(mailbox, targets),
            )
        elif not by_object:
            yield inputs.build_location_failure(MAILBOX_FORWARDS, mailbox)


def assemble_flow_forwards(inputs: ForwardingInputs) -> Iterator[Forward | ReadFailure]:
    """The mail-flow rules that send mail to others."""
    for rule in inputs.transport_rules:
        placed = inputs.locate_recipients(list_flow_recipients(rule))
        if placed is None:
            if rule.enabled and rule.enforced:
                reason = inputs.explain_location_failure()
                name = quote_text(rule.name or rule.id, MAX_TEXT_LENGTH)
                yield ReadFailure(TRANSPORT_RULES, reason, ORGANIZATION, f"mail-flow rule {name}")
            continue
        sendings = tuple(
            one for one in placed if one.target.location is not RecipientLocation.INSIDE
        )
        if sendings:
            yield TransportRuleForward(rule, sendings)
