"""What is said of a forward: its facts, its surfaces, and what a person can do. Pure.

Facts stay the same from run to run as long as the forward does. Foreign text in them is bounded.
"""

from collections.abc import Iterator, Mapping, Sequence

from core.guards.mailbox_forwarding.forwards import (
    MAX_TEXT_LENGTH,
    ForwardRecipient,
    InboxRuleForward,
    MailboxForward,
)
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import is_nameless
from core.guards.mailbox_forwarding.outbound import RESULT_TEXTS, ForwardingPolicyResult
from core.guards.mailbox_forwarding.recipients import ForwardTarget, RecipientLocation
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.powershell import build_disable_rule_command, build_list_rules_command
from core.model.findings import Fact, Verdict
from core.tenant.quoting import quote_text
from core.tenant.sources import HIDDEN_RULES, INBOX_RULES, MAILBOXES

MAX_SHOWN = 20
"""So many recipients or words are shown of one rule; the others are counted."""

VISIBILITY_TEXTS = {
    RuleVisibility.GRAPH: (),
    RuleVisibility.READ_ONLY: ("read-only: what it does is seen through Exchange",),
    RuleVisibility.EXCHANGE: ("seen through Exchange",),
    RuleVisibility.HIDDEN: ("hidden from Outlook: only Exchange shows it",),
}
FORWARD_TEXTS: Mapping[str, str] = {
    ForwardingVerdict.EXTERNAL: "forwards mail to the outside",
    ForwardingVerdict.KEEP: "forwards mail to an allowed domain outside",
    ForwardingVerdict.DORMANT: "has a forward to the outside that is not in effect",
    ForwardingVerdict.UNRESOLVED: "forwards mail to somebody who cannot be identified",
    Verdict.COULD_NOT_TELL: "forwards mail to a group whose members are not all known",
}
TRANSPORT_RULE_TEXTS: Mapping[str, str] = {
    ForwardingVerdict.EXTERNAL: "sends mail of the organization to the outside",
    ForwardingVerdict.KEEP: "sends mail of the organization to an allowed domain outside",
    ForwardingVerdict.DORMANT: "would send mail of the organization to the outside, but is not in "
    "effect",
    ForwardingVerdict.UNRESOLVED: "sends mail of the organization to somebody who cannot be "
    "identified",
    Verdict.COULD_NOT_TELL: "sends mail of the organization to a group whose members are not all "
    "known",
}
CLIENT_RULES_WARNING = "Any such command deletes the client-side rules of the mailbox."


def describe_after_clearing(item: MailboxForward) -> str:
    """Where mail lies once the forward of a mailbox is cleared."""
    if item.overruled_address:
        return "both forwards end, so an operator decides; mail stays in this mailbox"
    if item.mailbox.keeps_copy:
        return "mail stays in this mailbox, where a copy arrives already"
    return (
        "mail lies in this mailbox, which has received none so far: somebody has to open it, "
        "or it piles up unseen"
    )


def list_rule_sources(item: InboxRuleForward, *extra_sources: str) -> tuple[str, ...]:
    """What must be read before the rule's absence may be believed."""
    if item.visibility in (RuleVisibility.HIDDEN, RuleVisibility.EXCHANGE):
        return (HIDDEN_RULES, MAILBOXES, INBOX_RULES, *extra_sources)
    return (MAILBOXES, INBOX_RULES, *extra_sources)


def list_rule_facts(item: InboxRuleForward) -> Iterator[Fact]:
    """The rule itself, and who shows it."""
    rule = item.rule
    yield (
        Fact("", "rule without a readable name")
        if is_nameless(rule.name)
        else Fact("rule", quote_text(rule.name, MAX_TEXT_LENGTH))
    )
    yield from (Fact("", text) for text in VISIBILITY_TEXTS[item.visibility])
    if rule.in_error:
        yield Fact("", "Exchange marks the rule as broken: it may not run")


def list_target_facts(label: str, targets: Sequence[ForwardTarget]) -> Iterator[Fact]:
    """Whom a forward of a mailbox sends to: one recipient, or the members of a group."""
    lines = sorted({format_forward_target(target) for target in targets})
    yield from (Fact(label, line) for line in lines[:MAX_SHOWN])
    if len(lines) > MAX_SHOWN:
        yield Fact("", f"and {len(lines) - MAX_SHOWN} more")


def list_recipient_facts(recipients: Sequence[ForwardRecipient]) -> Iterator[Fact]:
    """Whom it sends to, in an order that stays the same."""
    lines = sorted(
        {f"{sending.action} {format_forward_target(sending.target)}" for sending in recipients}
    )
    yield from (Fact("", line) for line in lines[:MAX_SHOWN])
    if len(lines) > MAX_SHOWN:
        yield Fact("", f"and {len(lines) - MAX_SHOWN} more")


def format_forward_target(target: ForwardTarget) -> str:
    """A recipient as a person reads it."""
    via = f" (through {quote_text(target.via, MAX_TEXT_LENGTH)})" if target.via else ""
    reason = f": {quote_text(target.reason, MAX_TEXT_LENGTH)}" if target.reason else ""
    if target.location is RecipientLocation.UNSEEN:
        return f"a group of which not every member is known{reason}"
    if target.location is RecipientLocation.UNRESOLVED:
        shown = target.address or target.raw
        return f"{quote_text(shown, MAX_TEXT_LENGTH)}, who cannot be identified{via}{reason}"
    return f"{quote_text(target.address, MAX_TEXT_LENGTH)}{via}"


def list_policy_facts(verdict: str, policy_result: ForwardingPolicyResult) -> Iterator[Fact]:
    """What becomes of the mail."""
    if verdict in (ForwardingVerdict.EXTERNAL, ForwardingVerdict.KEEP):
        yield Fact("", RESULT_TEXTS[policy_result])


def can_disable_rule(item: InboxRuleForward) -> bool:
    """True for a rule in effect that Graph shows in full, and so can change without harm."""
    return item.rule.enabled and item.visibility is RuleVisibility.GRAPH and not item.rule.read_only


def build_rule_advice(item: InboxRuleForward) -> str:
    """What a person can do; Graph cannot change a rule it does not show in full."""
    if not item.rule.enabled:
        return "It does nothing now. Ask the owner who made it; delete it unless they did."
    if can_disable_rule(item):
        return "Ask the owner; disable the rule unless they made it. If they did not, reset access."
    identity = item.rule.name if item.rule.api == "graph" else item.rule.id
    command = build_disable_rule_command(item.mailbox.guid, identity.strip())
    if not command:
        command = build_list_rules_command(item.mailbox.guid) or "Get-InboxRule with -IncludeHidden"
        return f"It can be changed through Exchange only; find it with: {command}"
    return f"It can be changed through Exchange only: {command} ({CLIENT_RULES_WARNING})"


def format_word_list(words: Sequence[str]) -> str:
    """Some words, the others counted."""
    more = f" and {len(words) - MAX_SHOWN} more" if len(words) > MAX_SHOWN else ""
    return ", ".join(words[:MAX_SHOWN]) + more
