"""Mail-flow rules that stop automatic forwards, and those that let one past them. Pure.

Rules act in their order, and one of them may end it for the messages that it takes (Microsoft
Learn: Mail flow rules in Exchange Online, priority and StopProcessingRules).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.guards.mailbox_forwarding.departure import (
    LEAVES,
    MAX_NAME_LENGTH,
    Departure,
    ForwardingPolicyResult,
    ForwardMethod,
    Sender,
    all_of,
    any_of,
    is_same_or_below,
    negate,
)
from core.microsoft365.addresses import get_address_domain, normalize_address
from core.microsoft365.mail_flow_rules import REJECT_PREFIXES
from core.tenant.domain_names import to_a_label
from core.tenant.mail_flow import TransportRule
from core.tenant.quoting import quote_text

RELIES_ON = ("exchange-auto-forward-type",)

RULES_UNREAD = "the mail-flow rules were not read in full"
ENDS_RULES = "StopProcessingRules"
"""The action after which no later rule acts on the message."""
AUTO_FORWARD = "autoforward"
STOPPING_ACTIONS = frozenset(
    {
        *("DeleteMessage", "Quarantine", "Disconnect", "RedirectMessageTo"),
        *("ModerateMessageByUser", "ModerateMessageByManager"),
    }
)
GROUP_CONDITIONS = ("FromMemberOf", "SentToMemberOf")
"""Conditions of rules that name groups and are followed into them."""
FORWARD_HEADERS = ("inbox-rules-loop", "auto-submitted", "autoforwarded")
"""Parts of the headers by which rules recognize a forwarded message."""


def evaluate_flow_rules(
    message: "ForwardedMessage", rules: Sequence[TransportRule] | None, now: datetime
) -> Departure:
    """What the mail-flow rules do to a forwarded message, in their order."""
    if rules is None:
        return Departure(reason=RULES_UNREAD)
    doubtful, passing = "", ""
    for rule in sorted(rules, key=lambda one: one.priority):
        if not decides_forwards(rule) or not is_rule_active(rule, now):
            continue
        applies = message.is_taken_by(rule)
        name = f"the organization's mail-flow rule {quote_text(rule.name, MAX_NAME_LENGTH)}"
        if applies:
            return describe_end(name, passing) if stops_forwards(rule) else describe_doubt(doubtful)
        if applies is None and stops_forwards(rule):
            doubtful = doubtful or name
        elif applies is None:
            passing = passing or name
    return describe_doubt(doubtful)


def describe_end(name: str, passing: str) -> Departure:
    """The answer of a rule that stops the message, if no earlier one lets it past."""
    if passing:
        return Departure(reason=f"{name} stops it unless {passing} ends the rules before it")
    return Departure(ForwardingPolicyResult.BLOCKED, name)


def describe_doubt(doubtful: str) -> Departure:
    """The answer where no rule is known to stop the message, and one may."""
    return Departure(reason=f"{doubtful} may stop it") if doubtful else LEAVES


def is_rule_active(rule: TransportRule, now: datetime) -> bool:
    """Whether a mail-flow rule acts at a moment."""
    begun = rule.activates_at is None or rule.activates_at <= now
    ended = rule.expires_at is not None and rule.expires_at <= now
    return rule.enabled and rule.enforced and begun and not ended


def stops_forwards(rule: TransportRule) -> bool:
    """True for a rule that keeps a message it finds to be forwarded from its recipient."""
    stops = any(
        name in STOPPING_ACTIONS or name.startswith(REJECT_PREFIXES) for name in rule.actions
    )
    return stops and (names_auto_forward(rule) or names_forward_header(rule.conditions))


def decides_forwards(rule: TransportRule) -> bool:
    """True for a rule that may stop a forwarded message, or let it past the rules that would."""
    return stops_forwards(rule) or ENDS_RULES in rule.actions


def names_auto_forward(rule: TransportRule) -> bool:
    """True for a rule on messages of the type of automatic forwards."""
    return AUTO_FORWARD in {one.casefold() for one in rule.conditions.get("MessageTypeMatches", ())}


def names_forward_header(conditions: Mapping[str, tuple[str, ...]]) -> bool:
    """True for conditions on a header that forwarded messages have."""
    values = (
        value.casefold()
        for name, texts in conditions.items()
        if name.startswith("Header")
        for value in texts
    )
    return any(part in value for value in values for part in FORWARD_HEADERS)


@dataclass(frozen=True, slots=True)
class ForwardedMessage:
    """A message that a mailbox forwards, as far as the conditions of rules concern it."""

    sender: Sender
    recipient: str
    method: ForwardMethod

    def is_taken_by(self, rule: TransportRule) -> bool | None:
        """Whether a rule takes the message; None when it is not known."""
        excepted = any_of(self.meets(*one) for one in rule.exceptions.items())
        return all_of([*(self.meets(*one) for one in rule.conditions.items()), negate(excepted)])

    def meets(self, name: str, values: tuple[str, ...]) -> bool | None:
        """Whether the message meets a condition; None when it is not known.

        A forward by a setting of the mailbox is not of the type AutoForward
        (MicrosoftDocs/microsoft-365-docs#1377, #2044). A redirected message keeps its sender.
        """
        texts = {value.casefold() for value in values}
        if name == "MessageTypeMatches":
            return self.is_of_type(texts)
        if name.startswith(("Sent", "Recipient")):
            return self.goes_to(name, texts)
        # A redirected message keeps its sender, who may be anybody.
        return None if self.method is ForwardMethod.REDIRECT else self.comes_from(name, texts)

    def comes_from(self, name: str, texts: set[str]) -> bool | None:
        """Whether the mailbox meets a condition on the sender; None when it is not known."""
        address = normalize_address(self.sender.address)
        match name:
            case "FromScope":
                return "inorganization" in texts
            case "SenderDomainIs":
                return matches_domain(address, texts)
            case "From":
                return matches_address(address, texts)
            case "FromMemberOf":
                return self.sender.is_member(texts)
            case _:
                return None

    def goes_to(self, name: str, texts: set[str]) -> bool | None:
        """Whether the recipient meets a condition; None when it is not known."""
        match name:
            case "SentToScope":
                partner = any("external" in text for text in texts)
                return "notinorganization" in texts or (None if partner else False)
            case "RecipientDomainIs":
                return matches_domain(self.recipient, texts)
            case "SentTo":
                return matches_address(self.recipient, texts)
            case "SentToMemberOf":
                return replace(self.sender, address=self.recipient, id="").is_member(texts)
            case _:
                return None

    def is_of_type(self, texts: set[str]) -> bool | None:
        """Whether the message is of one of these types."""
        if AUTO_FORWARD not in texts or self.method is ForwardMethod.MAILBOX:
            return False
        return True if self.method is ForwardMethod.RULE else None


def matches_domain(address: str, domains: set[str]) -> bool:
    """Whether an address is in one of these domains, or below."""
    domain = get_address_domain(address)
    return any(is_same_or_below(domain, to_a_label(name)) for name in domains)


def matches_address(address: str, names: set[str]) -> bool | None:
    """Whether an address is one of these; None where a name that is no address may stand for it."""
    known = [normalize_address(name) for name in names]
    return address in known or (False if all(known) else None)
