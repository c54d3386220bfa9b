"""Does forwarded mail actually leave? What outbound spam policies and remote domains say about it.

Either can stop automatic forwarding (Microsoft Learn: Control automatic external email forwarding).
A forward that is stopped today is still a forward: the answer is a fact beside it, not an excuse.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from core.microsoft365.addresses import get_address_domain, normalize_address
from core.tenant.domain_names import rank_domain_pattern, to_a_label
from core.tenant.mail_flow import OutboundPolicy, RemoteDomain

RELIES_ON = (
    "exchange-automatic-mode",
    "exchange-remote-domain-star",
)


class ForwardingPolicyResult(StrEnum):
    """What becomes of mail that is forwarded to the outside."""

    ALLOWED = "leaves"
    UNKNOWN = "unknown"
    AUTOMATIC = "not-pinned"
    BLOCKED = "blocked"


MODE_RESULTS = {
    "on": ForwardingPolicyResult.ALLOWED,
    "off": ForwardingPolicyResult.BLOCKED,
    "automatic": ForwardingPolicyResult.AUTOMATIC,
}
WORST_FIRST = tuple(ForwardingPolicyResult)
RESULT_TEXTS = {
    ForwardingPolicyResult.ALLOWED: "nothing stops this mail: it leaves the organization",
    ForwardingPolicyResult.UNKNOWN: "whether this mail leaves is not known",
    ForwardingPolicyResult.AUTOMATIC: (
        "automatic forwarding is set to Automatic: blocked today, but not pinned"
    ),
    ForwardingPolicyResult.BLOCKED: "this mail is stopped before it leaves",
}


def evaluate_forwarding(
    sender: str,
    targets: Iterable[str],
    policies: Sequence[OutboundPolicy] | None,
    remote_domains: Sequence[RemoteDomain] | None,
) -> ForwardingPolicyResult:
    """Whether mail one mailbox forwards to outside addresses leaves; the worst of them decides.

    None stands for settings that could not be read.
    """
    by_policy = (
        ForwardingPolicyResult.UNKNOWN
        if policies is None
        else evaluate_outbound_policies(sender, policies)
    )
    answers = {
        combine_policy_results(
            by_policy, allows_auto_forward(get_address_domain(target), remote_domains)
        )
        for target in targets
    }
    return min(answers, key=WORST_FIRST.index, default=ForwardingPolicyResult.UNKNOWN)


def combine_policy_results(
    by_policy: ForwardingPolicyResult, remote_allows: bool | None
) -> ForwardingPolicyResult:
    """Both must let the mail through; either alone can stop it."""
    if remote_allows is False or by_policy is ForwardingPolicyResult.BLOCKED:
        return ForwardingPolicyResult.BLOCKED
    if by_policy is ForwardingPolicyResult.ALLOWED and remote_allows is None:
        return ForwardingPolicyResult.UNKNOWN
    return by_policy


def evaluate_outbound_policies(
    sender: str, policies: Sequence[OutboundPolicy]
) -> ForwardingPolicyResult:
    """What the policy that applies to a sender says.

    Where a rule names groups it may be that one or a later one: only if all say the same it is
    an answer.
    """
    answers = {
        MODE_RESULTS.get(mode.strip().lower(), ForwardingPolicyResult.UNKNOWN)
        for mode in list_policy_modes(sender, policies)
    }
    return answers.pop() if len(answers) == 1 else ForwardingPolicyResult.UNKNOWN


def list_policy_modes(sender: str, policies: Sequence[OutboundPolicy]) -> Iterator[str]:
    """The modes of every policy that may be the one for this sender."""
    address = normalize_address(sender)
    rules = (policy for policy in policies if policy.enabled and not policy.is_default)
    for policy in sorted(rules, key=lambda rule: rule.priority):
        named = address in {
            normalize_address(name) for name in policy.senders
        } or get_address_domain(address) in {to_a_label(name) for name in policy.sender_domains}
        if policy.names_groups or named:
            yield policy.mode
        if named and not policy.names_groups:
            return
    yield from (policy.mode for policy in policies if policy.is_default)


def allows_auto_forward(domain: str, remote_domains: Sequence[RemoteDomain] | None) -> bool | None:
    """What the most specific remote domain says about a domain; None when nothing does."""
    matching = [
        (rank, remote.auto_forward)
        for remote in remote_domains or ()
        if (rank := rank_domain_pattern(remote.name, domain)) is not None
    ]
    return max(matching)[1] if matching else None
