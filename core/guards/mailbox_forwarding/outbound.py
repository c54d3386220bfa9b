"""Does forwarded mail actually leave? What outbound spam policies and remote domains say about it.

Either can stop automatic forwarding (Microsoft Learn: Control automatic external email forwarding).
A forward that is stopped today is still a forward: the answer is a fact beside it, not an excuse.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from core.guards.mailbox_forwarding.recipients import a_label, domain_of, normal_address
from core.tenant.mail_flow import OutboundPolicy, RemoteDomain


class Departure(StrEnum):
    """What becomes of mail that is forwarded to the outside."""

    LEAVES = "leaves"
    UNKNOWN = "unknown"
    NOT_PINNED = "not-pinned"
    BLOCKED = "blocked"


MODES = {
    "on": Departure.LEAVES,
    "off": Departure.BLOCKED,
    "automatic": Departure.NOT_PINNED,
}
GRAVEST_FIRST = tuple(Departure)
WORDS = {
    Departure.LEAVES: "nothing stops this mail: it leaves the organization",
    Departure.UNKNOWN: "whether this mail leaves is not known",
    Departure.NOT_PINNED: (
        "automatic forwarding is set to Automatic: blocked today, but not pinned"
    ),
    Departure.BLOCKED: "this mail is stopped before it leaves",
}


def departure(
    sender: str,
    targets: Iterable[str],
    policies: Sequence[OutboundPolicy] | None,
    remotes: Sequence[RemoteDomain] | None,
) -> Departure:
    """Whether mail one mailbox forwards to outside addresses leaves; the worst of them decides.

    None stands for settings that could not be read.
    """
    by_policy = Departure.UNKNOWN if policies is None else allowed_by(sender, policies)
    answers = {combined(by_policy, passes(domain_of(target), remotes)) for target in targets}
    return min(answers, key=GRAVEST_FIRST.index, default=Departure.UNKNOWN)


def combined(by_policy: Departure, remote_passes: bool | None) -> Departure:
    """Both must let the mail through; either alone can stop it."""
    if remote_passes is False or by_policy is Departure.BLOCKED:
        return Departure.BLOCKED
    if by_policy is Departure.LEAVES and remote_passes is None:
        return Departure.UNKNOWN
    return by_policy


def allowed_by(sender: str, policies: Sequence[OutboundPolicy]) -> Departure:
    """What the policy that applies to a sender says.

    Where a rule names groups it may be that one or a later one: only if all say the same it is
    an answer.
    """
    answers = {
        MODES.get(mode.strip().lower(), Departure.UNKNOWN) for mode in modes(sender, policies)
    }
    return answers.pop() if len(answers) == 1 else Departure.UNKNOWN


def modes(sender: str, policies: Sequence[OutboundPolicy]) -> Iterator[str]:
    """The modes of every policy that may be the one for this sender."""
    address = normal_address(sender)
    rules = (policy for policy in policies if policy.enabled and not policy.default)
    for policy in sorted(rules, key=lambda rule: rule.priority):
        named = address in {normal_address(name) for name in policy.senders} or domain_of(
            address
        ) in {a_label(name) for name in policy.sender_domains}
        if policy.groups or named:
            yield policy.mode
        if named and not policy.groups:
            return
    yield from (policy.mode for policy in policies if policy.default)


def passes(domain: str, remotes: Sequence[RemoteDomain] | None) -> bool | None:
    """What the most specific remote domain says about a domain; None when nothing does."""
    matching = [
        (rank, remote.auto_forward)
        for remote in remotes or ()
        if (rank := specificity(remote.name, domain)) is not None
    ]
    return max(matching)[1] if matching else None


def specificity(pattern: str, domain: str) -> tuple[int, int] | None:
    """How closely a remote domain's name fits; None when it does not fit at all.

    `*.example.org` stands for example.org and everything below it (Microsoft Learn: Remote
    domains in Exchange Online).
    """
    pattern = pattern.strip()
    if pattern == "*":
        return (0, 0)
    parent = a_label(pattern.removeprefix("*."))
    if pattern.startswith("*."):
        fits = domain == parent or domain.endswith(f".{parent}")
        return (1, parent.count(".")) if fits else None
    return (2, 0) if domain == parent else None
