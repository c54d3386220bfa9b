"""What is said of inbox rules, one or several: which they are, what they do, to what mail. Pure.

Facts stay the same from run to run as long as the rules do. Foreign text in them is bounded.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from core.guards.mailbox_forwarding.conditions import (
    SENDER_KINDS,
    WORD_KINDS,
    describe_conditions,
)
from core.guards.mailbox_forwarding.forwards import MAX_TEXT_LENGTH, InboxRuleForward
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import PLACE_TEXTS, READ, Hiding
from core.guards.mailbox_forwarding.names import measure_name
from core.guards.mailbox_forwarding.texts import MAX_SHOWN, format_word_list
from core.model.findings import Fact
from core.tenant.mail_flow import InboxRule, RuleCondition
from core.tenant.quoting import quote_text
from core.tenant.sources import HIDDEN_RULES, INBOX_RULES, MAILBOXES, RULE_FOLDERS

VISIBILITY_TEXTS = {
    RuleVisibility.GRAPH: (),
    RuleVisibility.READ_ONLY: ("read-only: what it does is seen through Exchange",),
    RuleVisibility.EXCHANGE: ("seen through Exchange",),
    RuleVisibility.HIDDEN: ("hidden from Outlook: only Exchange shows it",),
}
CLIENT_RULES_WARNING = "Any such command deletes the client-side rules of the mailbox."
NO_CONDITION = "without any condition"
UNNAMED = "a rule without a readable name"
MAX_VALUE_LENGTH = 60
"""Characters of a word, a sender or a name that stands beside others."""
MAX_LINE_LENGTH = 600


def list_rule_sources(items: Iterable[InboxRuleForward], *extra_sources: str) -> tuple[str, ...]:
    """What must be read before the absence of the rules may be believed."""
    found: list[str] = []
    for item in items:
        if item.visibility in (RuleVisibility.HIDDEN, RuleVisibility.EXCHANGE):
            found += [HIDDEN_RULES, MAILBOXES, INBOX_RULES]
        else:
            found += [MAILBOXES, INBOX_RULES]
        if item.hiding and item.rule.move_to and not item.rule.delete:
            found += [RULE_FOLDERS] if item.rule.api == "graph" else []
    return tuple(dict.fromkeys((*found, *extra_sources)))


def format_rule_name(rule: InboxRule, limit: int = MAX_VALUE_LENGTH) -> str:
    """A rule's name within a sentence."""
    return quote_text(rule.name, limit) if measure_name(rule.name) else UNNAMED


def format_rule_names(items: Sequence[InboxRuleForward]) -> str:
    """The names of rules, each with how many bear it."""
    names = Counter(format_rule_name(item.rule) for item in items)
    shown = [name if count == 1 else f"{name} ({count} times)" for name, count in names.items()]
    return format_word_list(shown)


def list_rules_facts(items: Sequence[InboxRuleForward], with_hiding: bool) -> Iterator[Fact]:
    """The rules themselves, who shows them, what they do and to what mail.

    One rule has a fact for everything; of several each has one line.
    """
    if len(items) == 1:
        rule = items[0].rule
        name = format_rule_name(rule, MAX_TEXT_LENGTH)
        yield Fact("" if name == UNNAMED else "rule", name)
        yield from list_rule_facts(items[0], with_hiding)
        return
    yield Fact("rules", f"{len(items)}: {format_rule_names(items)}")
    lines = [
        (format_rule_name(item.rule), "; ".join(map(str, list_rule_facts(item, with_hiding))))
        for item in items
    ]
    known = list(dict.fromkeys(lines))
    for name, said in known[:MAX_SHOWN]:
        yield Fact("rule", quote_text(f"{name}: {said}" if said else name, MAX_LINE_LENGTH))
    if len(known) > MAX_SHOWN:
        yield Fact("", f"and {len(known) - MAX_SHOWN} more rules")


def list_rule_facts(item: InboxRuleForward, with_hiding: bool) -> Iterator[Fact]:
    """What is to be said of one rule besides its name."""
    yield from (Fact("", text) for text in VISIBILITY_TEXTS[item.visibility])
    if item.rule.in_error:
        yield Fact("", "Exchange marks the rule as broken: it may not run")
    if item.hiding and with_hiding:
        yield from list_hiding_facts(item.rule, item.hiding)
    if item.rule.readable:
        yield from list_selection_facts(item)


def list_hiding_facts(rule: InboxRule, hiding: Hiding) -> Iterator[Fact]:
    """How a rule keeps mail from its reader."""
    yield Fact("", PLACE_TEXTS[hiding.place])
    if hiding.folder_name:
        yield Fact("folder", quote_text(hiding.folder_name, MAX_VALUE_LENGTH))
    if rule.mark_as_read and hiding.place != READ:
        yield Fact("", "marks it as read")


def list_selection_facts(item: InboxRuleForward) -> Iterator[Fact]:
    """What mail a rule takes."""
    rule, hiding = item.rule, item.hiding
    taken = "every message but its exceptions" if rule.exceptions else "every message"
    if hiding and hiding.takes_everything:
        start = "its conditions leave no message alone" if rule.conditions else NO_CONDITION
        yield Fact("", f"{start}: it takes {taken}")
    elif not rule.conditions:
        yield Fact("", f"{NO_CONDITION}: it takes {taken}")
    words = hiding.words if hiding else ()
    if words:
        yield Fact("looks for", format_values(words))
    if hiding and hiding.senders.warning:
        yield Fact("senders who warn", format_values(hiding.senders.warning))
    if hiding and hiding.senders.own:
        yield Fact("colleagues", format_values(hiding.senders.own))
    said = frozenset((*words, *(hiding.senders.warning + hiding.senders.own if hiding else ())))
    rest = tuple(describe_rest(rule.conditions, said))
    if rest:
        yield Fact("takes mail", "; ".join(rest))
    if rule.exceptions:
        yield Fact("but no mail", "; ".join(describe_rest(rule.exceptions, frozenset())))


def describe_rest(conditions: Sequence[RuleCondition], said: frozenset[str]) -> Iterator[str]:
    """Conditions in words, without the words and senders that were said already."""
    open_conditions = [
        one
        for one in conditions
        if one.kind not in WORD_KINDS | SENDER_KINDS or not said.issuperset(one.values)
    ]
    for label, values in describe_conditions(open_conditions):
        shown = format_values(value for value in values if value not in said)
        yield f"{quote_text(label, MAX_VALUE_LENGTH)} {shown}".strip()


def format_values(values: Iterable[str]) -> str:
    """Foreign words in a row, each bounded, the others counted."""
    return format_word_list([quote_text(value, MAX_VALUE_LENGTH) for value in values])


def can_disable_rule(item: InboxRuleForward) -> bool:
    """True for a rule in effect that Graph shows in full, and so can change without harm."""
    return item.rule.enabled and item.visibility is RuleVisibility.GRAPH and not item.rule.read_only


def build_rules_advice(items: Sequence[InboxRuleForward]) -> str:
    """What a person can do; Graph cannot change a rule it does not show in full."""
    active = [item for item in items if item.rule.enabled]
    if not active:
        return "It does nothing now. Ask the owner who made it; delete it unless they did."
    plain = [item for item in active if can_disable_rule(item)]
    others = [item for item in active if not can_disable_rule(item)]
    parts = []
    if plain:
        which = "the rule" if len(items) == 1 else f"these rules: {format_rule_names(plain)}"
        made = "it" if len(items) == 1 else "them"
        start = f"Ask the owner; disable {which}"
        parts.append(f"{start}{',' if len(items) > 1 else ''} unless they made {made}.")
        parts.append("If they did not, reset access.")
    if others:
        if not plain:
            made = "it" if len(items) == 1 else "them"
            parts.append(f"Ask the owner; unless they made {made}, reset access.")
        subject = "It" if len(items) == 1 else f"Of the rules, {format_rule_names(others)}"
        parts.append(f"{subject} can be changed through Exchange only. {CLIENT_RULES_WARNING}")
    return " ".join(parts)
