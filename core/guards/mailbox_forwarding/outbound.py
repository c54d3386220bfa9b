"""Does forwarded mail actually leave? What the settings of the organization say about it.

Outbound spam policies, remote domains and mail-flow rules can each stop automatic forwarding
(Microsoft Learn: Control automatic external email forwarding). A forward that is stopped today is
still a forward: the answer is a fact beside it, not an excuse.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from core.guards.mailbox_forwarding.stopping_rules import ForwardedMessage, evaluate_flow_rules
from core.microsoft365.addresses import get_address_domain, normalize_address
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.tenant.domain_names import rank_domain_pattern, to_a_label
from core.tenant.mail_flow import OutboundPolicy, RemoteDomain, SenderScope, TransportRule
from core.tenant.quoting import quote_text

RELIES_ON = (
    "exchange-automatic-mode",
    "exchange-remote-domain-star",
    "exchange-outbound-scope",
)

WORST_FIRST = tuple(ForwardingPolicyResult)
MODE_RESULTS = {
    "on": ForwardingPolicyResult.ALLOWED,
    "off": ForwardingPolicyResult.BLOCKED,
    "automatic": ForwardingPolicyResult.AUTOMATIC,
}
POLICIES_UNREAD = "the outbound spam policies were not read in full"
REMOTES_UNREAD = "no remote domain that was read says whether it lets automatic forwards pass"
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
            by_policy,
            target,
            settings,
            evaluate_flow_rules(
                ForwardedMessage(sender, target.address, method), settings.flow_rules, now
            ),
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
    return all_of([named, negate(excepted)])


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
