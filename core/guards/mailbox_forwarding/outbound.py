"""Does forwarded mail actually leave? What the settings of the organization say about it.

Outbound spam policies, remote domains and mail-flow rules can each stop automatic forwarding
(Microsoft Learn: Control automatic external email forwarding). A forward that is stopped today is
still a forward: the answer is a fact beside it, not an excuse.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from core.microsoft365.addresses import get_address_domain, normalize_address
from core.microsoft365.mail_flow_rules import REJECT_PREFIXES
from core.microsoft365.recipients import (
    ForwardTarget,
    KnownRecipients,
    RecipientLocation,
    find_membership,
)
from core.tenant.domain_names import rank_domain_pattern, to_a_label
from core.tenant.mail_flow import OutboundPolicy, RemoteDomain, SenderScope, TransportRule
from core.tenant.quoting import quote_text

RELIES_ON = (
    "exchange-automatic-mode",
    "exchange-remote-domain-star",
    "exchange-outbound-scope",
    "exchange-auto-forward-type",
)

MAX_NAME_LENGTH = 80
MAX_REASON_LENGTH = 160


class ForwardingPolicyResult(StrEnum):
    """What becomes of mail that is forwarded to the outside."""

    ALLOWED = "leaves"
    UNKNOWN = "unknown"
    AUTOMATIC = "not-pinned"
    BLOCKED = "blocked"


class ForwardMethod(StrEnum):
    """How mail is forwarded, which decides by what it is recognized as a forward."""

    MAILBOX = "mailbox"
    """By a setting of the mailbox."""
    RULE = "rule"
    """By an inbox rule that forwards."""
    REDIRECT = "redirect"
    """By an inbox rule that redirects: the message keeps its sender."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Whether forwarded mail leaves, and by what it is stopped or why that is not known."""

    result: ForwardingPolicyResult = ForwardingPolicyResult.UNKNOWN
    reason: str = "the settings that decide it were not read"

    @property
    def sentence(self) -> str:
        """The answer as a fact."""
        match self.result:
            case ForwardingPolicyResult.ALLOWED:
                return "nothing stops this mail: it leaves the organization"
            case ForwardingPolicyResult.BLOCKED:
                return f"this mail is stopped before it leaves, by {self.reason}"
            case ForwardingPolicyResult.AUTOMATIC:
                return f"{self.reason} is set to Automatic: blocked today, but not pinned"
            case _:
                return f"whether this mail leaves is not known: {self.reason}"

    @property
    def headline(self) -> str:
        """The answer as the end of a sentence that says where mail is forwarded."""
        match self.result:
            case ForwardingPolicyResult.ALLOWED:
                return ", and it leaves"
            case ForwardingPolicyResult.BLOCKED:
                return f", but {self.reason} stops it"
            case ForwardingPolicyResult.AUTOMATIC:
                return f", and {self.reason} stops it for now"
            case _:
                return ", and whether it leaves is not known"


WORST_FIRST = tuple(ForwardingPolicyResult)
MODE_RESULTS = {
    "on": ForwardingPolicyResult.ALLOWED,
    "off": ForwardingPolicyResult.BLOCKED,
    "automatic": ForwardingPolicyResult.AUTOMATIC,
}
LEAVES = Departure(ForwardingPolicyResult.ALLOWED, "")
POLICIES_UNREAD = "the outbound spam policies were not read in full"
REMOTES_UNREAD = "no remote domain that was read says whether it lets automatic forwards pass"
RULES_UNREAD = "the mail-flow rules were not read in full"
THROUGH_GROUP = (
    "the mail goes out through a group, and whether that still counts as automatic forwarding is "
    "not documented"
)


@dataclass(frozen=True, slots=True)
class OutboundSettings:
    """All that decides whether a forward leaves; None stands for what could not be read."""

    policies: Sequence[OutboundPolicy] | None = None
    remote_domains: Sequence[RemoteDomain] | None = None
    flow_rules: Sequence[TransportRule] | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """The mailbox that forwards, as conditions know it."""

    address: str
    id: str = ""
    """Its id in Entra, or the Exchange Guid."""
    known: KnownRecipients = field(default_factory=KnownRecipients)
    """Groups that conditions name, with their members."""

    @property
    def keys(self) -> frozenset[str]:
        """What it is known by among the members of a group."""
        return frozenset({normalize_address(self.address), self.id.casefold()}) - {""}

    def is_member(self, groups: Iterable[str]) -> bool | None:
        """Whether it is a member of one of some groups; None when it is not known."""
        return any_of(find_membership(group, self.keys, self.known)[0] for group in groups)

    def explain_groups(self, groups: Iterable[str]) -> str:
        """Why it is not known whether it is a member, as a clause; empty where it is known."""
        for group in groups:
            answer, reason = find_membership(group, self.keys, self.known)
            if answer is None:
                shown = quote_text(group, MAX_NAME_LENGTH)
                why = quote_text(reason, MAX_REASON_LENGTH)
                return f"it names the group {shown}, and who is in it is not known ({why})"
        return ""


def evaluate_forwarding(
    sender: Sender,
    method: ForwardMethod,
    targets: Iterable[ForwardTarget],
    settings: OutboundSettings,
    now: datetime,
) -> Departure:
    """Whether mail one mailbox forwards to outside addresses leaves; the worst of them decides."""
    by_policy = evaluate_outbound_policies(sender, settings.policies)
    answers = [
        combine_answers(
            by_policy, target, settings, evaluate_flow_rules(sender, method, target, settings, now)
        )
        for target in targets
        if target.location is RecipientLocation.OUTSIDE
    ]
    return find_worst_departure(answers)


def find_worst_departure(answers: Iterable[Departure]) -> Departure:
    """The answer by which most mail leaves."""
    return min(answers, key=lambda one: WORST_FIRST.index(one.result), default=Departure())


def combine_answers(
    by_policy: Departure, target: ForwardTarget, settings: OutboundSettings, by_rule: Departure
) -> Departure:
    """All must let the mail through; each alone can stop it.

    A group sends the mail on once more: what would stop the forward itself may not see that.
    """
    domain = get_address_domain(target.address)
    remote = find_remote_domain(domain, settings.remote_domains)
    by_remote = Departure(ForwardingPolicyResult.UNKNOWN, REMOTES_UNREAD)
    if remote and remote.auto_forward:
        by_remote = LEAVES
    elif remote:
        name = quote_text(remote.name, MAX_NAME_LENGTH)
        by_remote = Departure(ForwardingPolicyResult.BLOCKED, f"the remote domain {name}")
    parts = (by_remote, by_policy, by_rule)
    best = max(parts, key=lambda one: WORST_FIRST.index(one.result))
    if best.result in (ForwardingPolicyResult.BLOCKED, ForwardingPolicyResult.AUTOMATIC):
        through_group = "group" in target.via.partition(" ")[0].casefold()
        return Departure(reason=THROUGH_GROUP) if through_group else best
    unknown = [one for one in parts if one.result is ForwardingPolicyResult.UNKNOWN]
    return unknown[0] if unknown else LEAVES


# ----------------------------------------------------------------------------------------------
# Outbound spam policies
# ----------------------------------------------------------------------------------------------


def evaluate_outbound_policies(
    sender: Sender, policies: Sequence[OutboundPolicy] | None
) -> Departure:
    """What the policy that applies to a sender says.

    Where it is not known whether a policy applies, it may be that one or a later one: only if all
    say the same it is an answer.
    """
    if policies is None:
        return Departure(reason=POLICIES_UNREAD)
    found = list(list_candidates(sender, policies))
    answers = {
        MODE_RESULTS.get(policy.mode.strip().lower(), ForwardingPolicyResult.UNKNOWN)
        for policy, _ in found
    }
    if not found:
        return Departure(reason="no outbound spam policy applies to the sender")
    last = f"outbound spam policy {quote_text(found[-1][0].name, MAX_NAME_LENGTH)}"
    if len(answers) == 1:
        result = answers.pop()
        unclear = f"the mode of {last} is not known"
        return Departure(result, unclear if result is ForwardingPolicyResult.UNKNOWN else last)
    doubtful = quote_text(found[0][0].name, MAX_NAME_LENGTH)
    return Departure(
        reason=f"outbound spam policy {doubtful} may apply to the sender: {found[0][1]}"
    )


def list_candidates(
    sender: Sender, policies: Sequence[OutboundPolicy]
) -> Iterator[tuple[OutboundPolicy, str]]:
    """Every policy that may be the one for this sender, each with why it may not be.

    The first rule that applies decides, by priority; the default policy applies to the rest.
    """
    rules = (policy for policy in policies if policy.enabled and not policy.is_default)
    for policy in sorted(rules, key=lambda rule: rule.priority):
        applies = applies_to_sender(policy, sender)
        if applies is not False:
            yield policy, explain_doubt(policy, sender)
        if applies:
            return
    yield from ((policy, "") for policy in policies if policy.is_default)


def applies_to_sender(policy: OutboundPolicy, sender: Sender) -> bool | None:
    """Whether a policy's rule applies to a sender; None when it is not known.

    Conditions of different kinds must all be met, one value of each; one exception of any kind is
    enough (defender-docs, outbound-spam-policies-configure.md, 2025-02).
    """
    kinds = list(list_matches(policy.scope, sender))
    named = all_of(kinds) if kinds else None
    excepted = any_of(list_matches(policy.exceptions, sender))
    return all_of([named, None if excepted is None else not excepted])


def list_matches(scope: SenderScope, sender: Sender) -> Iterator[bool | None]:
    """For each kind of condition that is set, whether a sender meets it."""
    address = normalize_address(sender.address)
    if scope.addresses:
        known = [normalize_address(name) for name in scope.addresses]
        yield address in known or (False if all(known) else None)
    if scope.domains:
        domain = get_address_domain(address)
        yield any(is_same_or_below(domain, to_a_label(name)) for name in scope.domains)
    if scope.groups:
        yield sender.is_member(scope.groups)
    if scope.others:
        yield None


def explain_doubt(policy: OutboundPolicy, sender: Sender) -> str:
    """Why it is not known whether a policy applies."""
    groups = (*policy.scope.groups, *policy.exceptions.groups)
    return sender.explain_groups(groups) or "its conditions are not all understood"


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """Whether all are met: one that is not decides, then one that is not known."""
    found = set(answers)
    return False if False in found else None if None in found else True


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Whether one is met: one that is decides, then one that is not known."""
    found = set(answers)
    return True if True in found else None if None in found else False


def is_same_or_below(domain: str, parent: str) -> bool:
    """True for a domain and for every name below it."""
    return bool(parent) and (domain == parent or domain.endswith(f".{parent}"))


def find_remote_domain(
    domain: str, remote_domains: Sequence[RemoteDomain] | None
) -> RemoteDomain | None:
    """The most specific remote domain of a domain; None when there is none."""
    matching = [
        (rank, remote.auto_forward, remote)
        for remote in remote_domains or ()
        if (rank := rank_domain_pattern(remote.name, domain)) is not None
    ]
    return max(matching, key=lambda one: one[:2])[2] if matching else None


# ----------------------------------------------------------------------------------------------
# Mail-flow rules that stop automatic forwards
# ----------------------------------------------------------------------------------------------

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
    sender: Sender,
    method: ForwardMethod,
    target: ForwardTarget,
    settings: OutboundSettings,
    now: datetime,
) -> Departure:
    """What the mail-flow rules that stop automatic forwards do to one."""
    if settings.flow_rules is None:
        return Departure(reason=RULES_UNREAD)
    message = ForwardedMessage(sender, target.address, method)
    doubtful = ""
    for rule in settings.flow_rules:
        if not stops_forwards(rule) or not is_rule_active(rule, now):
            continue
        applies = all_of(
            [
                all_of(message.meets(name, values) for name, values in rule.conditions.items()),
                negate(any_of(message.meets(*one) for one in rule.exceptions.items())),
            ]
        )
        name = f"the organization's mail-flow rule {quote_text(rule.name, MAX_NAME_LENGTH)}"
        if applies:
            return Departure(ForwardingPolicyResult.BLOCKED, name)
        doubtful = doubtful or (name if applies is None else "")
    return Departure(reason=f"{doubtful} may stop it") if doubtful else LEAVES


def negate(answer: bool | None) -> bool | None:
    """The contrary of an answer; what is not known stays so."""
    return None if answer is None else not answer


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
