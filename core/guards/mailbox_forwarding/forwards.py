"""Every way a mailbox or the organization passes mail on: what was read, and where it goes. Pure.

Recipients find their place here, and what could not be understood becomes a `ReadFailure`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.guards.mailbox_forwarding.connectors import OutboundConnector
from core.guards.mailbox_forwarding.departure import Departure, ForwardMethod, Sender
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import Hiding
from core.guards.mailbox_forwarding.outbound import OutboundSettings, evaluate_forwarding
from core.guards.mailbox_forwarding.stopping_rules import is_rule_active
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import (
    ForwardTarget,
    KnownRecipients,
    RecipientLocation,
    locate_forwarding_object,
    locate_recipient,
)
from core.tenant.mail_flow import (
    Folder,
    InboxRule,
    Recipient,
    TransportRule,
)
from core.tenant.mailboxes import Mailbox, MailboxSurroundings, format_mailbox_name
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

REDIRECTS = "redirects to"
COLLEAGUES = (RecipientLocation.INSIDE, RecipientLocation.UNSEEN)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
    departure: Departure = field(default_factory=Departure)
    beside: MailboxSurroundings | None = None
    """What else stands in the mailbox; None: not asked."""


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
    departure: Departure = field(default_factory=Departure)


@dataclass(frozen=True, slots=True)
class MailboxRules:
    """The inbox rules of a mailbox that are worth judging, together: several may be one case."""

    mailbox: Mailbox
    rules: tuple[InboxRuleForward, ...]
    beside: MailboxSurroundings | None = None
    """What else stands in the mailbox; None: not asked."""


@dataclass(frozen=True, slots=True)
class TransportRuleForward:
    """A mail-flow rule of the organization, and whom it shows mail to."""

    rule: TransportRule
    recipients: tuple[ForwardRecipient, ...]
    """Those outside, and those who cannot be identified."""
    connectors: tuple[OutboundConnector, ...] | None = None
    """The outbound connectors, to which it may lead mail; None: not readable."""
    own_domains: OwnDomains | None = None
    colleagues: tuple[ForwardRecipient, ...] = ()
    """Those inside, and groups of the tenant whose members are not all known."""


type Forward = MailboxForward | MailboxRules | TransportRuleForward


@dataclass(frozen=True, slots=True)
class ForwardingInputs:
    """All that was read.

    `own_domains` None: the tenant's own domains are not known. `exchange_rules` are those of some
    of the mailboxes, on most runs of a few. `connectors` None: not readable.
    """

    mailboxes: Sequence[Mailbox] = ()
    own_domains: OwnDomains | None = None
    graph_rules: Reading[InboxRule] = field(default_factory=Reading[InboxRule])
    exchange_rules: Reading[InboxRule] = field(default_factory=Reading[InboxRule])
    folders: Mapping[tuple[str, str], Folder] = field(default_factory=dict)
    unread_folder_mailbox_ids: frozenset[str] = frozenset()
    """The mailboxes whose folders could not be read this time, but for those in `folders`."""
    transport_rules: Sequence[TransportRule] = ()
    known_recipients: KnownRecipients = field(default_factory=KnownRecipients)
    recipient_reading: Reading[Recipient] = field(default_factory=Reading[Recipient])
    settings: OutboundSettings = field(default_factory=OutboundSettings)
    connectors: tuple[OutboundConnector, ...] | None = None
    now: datetime = EPOCH

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
        self,
        mailbox: Mailbox,
        targets: Iterable[ForwardTarget],
        method: ForwardMethod = ForwardMethod.MAILBOX,
    ) -> Departure:
        """Whether mail from a mailbox to the outside ones of these targets leaves."""
        sender = Sender(mailbox.address, mailbox.id, self.known_recipients)
        return evaluate_forwarding(sender, method, targets, self.settings, self.now)

    def evaluate_rule_departure(
        self, mailbox: Mailbox, sendings: Sequence[ForwardRecipient]
    ) -> Departure:
        """The same of an inbox rule: what it forwards is found easier than what it redirects."""
        redirected = any(one.action == REDIRECTS for one in sendings)
        method = ForwardMethod.REDIRECT if redirected else ForwardMethod.RULE
        return self.evaluate_departure(mailbox, [one.target for one in sendings], method)

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
            failure.reason
            for failure in self.recipient_reading.failures
            if failure.source == RECIPIENTS
        ]
        return f"a recipient could not be looked up: {reasons[0] if reasons else 'no answer'}"


def list_rule_recipients(rule: InboxRule) -> Iterator[tuple[str, str]]:
    """Every recipient of a rule with what is done; redirecting alone counts like forwarding."""
    for name in rule.forward_to:
        yield "forwards to", name
    for name in rule.forward_as_attachment_to:
        yield "forwards as attachment to", name
    for name in rule.redirect_to:
        yield REDIRECTS, name


def list_flow_recipients(rule: TransportRule) -> Iterator[tuple[str, str]]:
    """Everybody a mail-flow rule shows mail to, with how."""
    report = "reports with the whole mail to" if rule.reports_mail else "reports to"
    yield from ((REDIRECTS, name) for name in rule.redirect_to)
    yield from ((report, name) for name in rule.report_to)
    yield from (("asks for approval of", name) for name in rule.moderators)
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
                departure=inputs.evaluate_departure(mailbox, targets),
            )
    if by_address:
        targets = locate_recipient(by_address, own, known) if own else None
        if targets is not None:
            yield MailboxForward(
                mailbox,
                "ForwardingSmtpAddress",
                targets,
                is_overruled=bool(by_object),
                departure=inputs.evaluate_departure(mailbox, targets),
            )
        elif not by_object:
            yield inputs.build_location_failure(MAILBOX_FORWARDS, mailbox)


def assemble_flow_forwards(inputs: ForwardingInputs) -> Iterator[Forward | ReadFailure]:
    """The mail-flow rules, each with those it shows mail to."""
    for rule in inputs.transport_rules:
        placed = inputs.locate_recipients(list_flow_recipients(rule))
        if placed is None and is_rule_active(rule, inputs.now):
            reason = inputs.explain_location_failure()
            name = quote_text(rule.name or rule.id, MAX_TEXT_LENGTH)
            yield ReadFailure(TRANSPORT_RULES, reason, rule.id, f"mail-flow rule {name}")
        sendings = tuple(
            one for one in placed or () if one.target.location is not RecipientLocation.INSIDE
        )
        colleagues = tuple(one for one in placed or () if one.target.location in COLLEAGUES)
        yield TransportRuleForward(
            rule, sendings, inputs.connectors, inputs.own_domains, colleagues
        )
