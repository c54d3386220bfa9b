"""What is said of a forward: its facts, its surfaces, and what a person can do. Pure.

Facts stay the same from run to run as long as the forward does. Foreign text in them is bounded.
"""

from collections.abc import Iterator, Sequence

from core.guards.mailbox_forwarding.forwards import CUT, RuleForward, Sending
from core.guards.mailbox_forwarding.hidden_rules import Sight
from core.guards.mailbox_forwarding.hiding import nameless
from core.guards.mailbox_forwarding.outbound import WORDS, Departure
from core.guards.mailbox_forwarding.recipients import Place, Target
from core.microsoft365.powershell import disable_inbox_rule, list_inbox_rules
from core.model.findings import Verdict
from core.sanitize import plain
from core.tenant.surfaces import HIDDEN_RULES, INBOX_RULES, MAILBOXES

SHOWN = 20
"""So many recipients or words are shown of one rule; the others are counted."""

SEEN = {
    Sight.GRAPH: (),
    Sight.READ_ONLY: ("read-only: what it does is seen through Exchange",),
    Sight.EXCHANGE: ("seen through Exchange",),
    Sight.HIDDEN: ("hidden from Outlook: only Exchange shows it",),
}
FORWARDS = {
    Verdict.EXTERNAL: "forwards mail to the outside",
    Verdict.KEEP: "forwards mail to an allowed domain outside",
    Verdict.DORMANT: "has a forward to the outside that is not in effect",
    Verdict.UNRESOLVED: "forwards mail to somebody who cannot be identified",
}
FLOWS = {
    Verdict.EXTERNAL: "sends mail of the organization to the outside",
    Verdict.KEEP: "sends mail of the organization to an allowed domain outside",
    Verdict.DORMANT: "would send mail of the organization to the outside, but is not in effect",
    Verdict.UNRESOLVED: "sends mail of the organization to somebody who cannot be identified",
}
DELETES_RULES = "Any such command deletes the client-side rules of the mailbox."


def surfaces_behind(item: RuleForward, *further: str) -> tuple[str, ...]:
    """What must be read before the rule's absence may be believed."""
    if item.sight in (Sight.HIDDEN, Sight.EXCHANGE):
        return (HIDDEN_RULES, MAILBOXES, INBOX_RULES, *further)
    return (MAILBOXES, INBOX_RULES, *further)


def about(item: RuleForward) -> Iterator[str]:
    """The rule itself, and who shows it."""
    rule = item.rule
    yield (
        "rule without a readable name" if nameless(rule.name) else f"rule: {plain(rule.name, CUT)}"
    )
    yield from SEEN[item.sight]
    if rule.in_error:
        yield "Exchange marks the rule as broken: it may not run"


def recipients_of(sendings: Sequence[Sending]) -> Iterator[str]:
    """Whom it sends to, in an order that stays the same."""
    lines = sorted({f"{sending.action} {shown(sending.target)}" for sending in sendings})
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"and {len(lines) - SHOWN} more"


def shown(target: Target) -> str:
    """A recipient as a person reads it."""
    via = f" (through {plain(target.via, CUT)})" if target.via else ""
    if target.place is Place.UNRESOLVED:
        return f"{plain(target.raw, CUT)}, who cannot be identified{via}"
    return f"{plain(target.address, CUT)}{via}"


def outlook(verdict: Verdict, leaves: Departure) -> Iterator[str]:
    """What becomes of the mail."""
    if verdict in (Verdict.EXTERNAL, Verdict.KEEP):
        yield WORDS[leaves]


def can_be_disabled(item: RuleForward) -> bool:
    """True for a rule in effect that Graph shows in full, and so can change without harm."""
    return item.rule.enabled and item.sight is Sight.GRAPH and not item.rule.read_only


def advice(item: RuleForward) -> str:
    """What a person can do; Graph cannot change a rule it does not show in full."""
    if not item.rule.enabled:
        return "It does nothing now. Ask the owner who made it; delete it unless they did."
    if can_be_disabled(item):
        return "Ask the owner; disable the rule unless they made it. If they did not, reset access."
    identity = item.rule.name if item.rule.source == "graph" else item.rule.id
    command = disable_inbox_rule(item.mailbox.guid, identity.strip())
    if not command:
        command = list_inbox_rules(item.mailbox.guid) or "Get-InboxRule with -IncludeHidden"
        return f"It can be changed through Exchange only; find it with: {command}"
    return f"It can be changed through Exchange only: {command} ({DELETES_RULES})"


def listing(words: Sequence[str]) -> str:
    """Some words, the others counted."""
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
