"""Which of the rules Exchange shows are rules Graph shows too. Pure.

The two number rules differently, so they are told alike by name and by what they do. What is left
over once every rule of Graph has found its twin is hidden from Outlook.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import replace
from enum import StrEnum
from functools import partial

from core.guards.mailbox_forwarding.folders import Sight, classify_folder_path, judge_sight
from core.microsoft365.addresses import parse_recipient_string
from core.tenant.mail_flow import InboxRule, RuleCondition, fold_rule_name

type RecipientExtractor = Callable[[InboxRule], frozenset[str]]


class RuleVisibility(StrEnum):
    """Who shows an inbox rule."""

    GRAPH = "graph"
    READ_ONLY = "read-only"  # Graph shows that it is there, Exchange what it does.
    EXCHANGE = "exchange"  # Graph could not be asked.
    HIDDEN = "hidden"  # Graph was asked and does not show it; nor does Outlook.


def match_visible_rules(
    graph_rules: Sequence[InboxRule],
    exchange_rules: Sequence[InboxRule],
    is_graph_read: bool,
    get_recipients: RecipientExtractor,
) -> Iterator[tuple[InboxRule, RuleVisibility]]:
    """Every rule of one mailbox once, and who shows it.

    `get_recipients` says whom a rule sends to, in a form that does not depend on who shows it. A
    rule that only bears the name of a visible one, or only sends to the same people, is not that
    rule. A visible rule has one twin: another like it, switched on behind one that is off, say, is
    hidden.
    """
    if not exchange_rules:
        yield from ((rule, RuleVisibility.GRAPH) for rule in graph_rules)
        return
    left = list(exchange_rules)
    lonely = [one for one in graph_rules if not take_twin(one, left, are_same_rule, get_recipients)]
    for one in lonely:
        take_twin(one, left, do_the_same, get_recipients)
    for rule in graph_rules:
        twin = None if rule.readable else find_namesake_rule(rule, left)
        if twin:
            left.remove(twin)
        if twin and twin.readable:
            yield replace(twin, read_only=True), RuleVisibility.READ_ONLY
        else:
            yield rule, RuleVisibility.GRAPH
    for rule in left:
        yield rule, RuleVisibility.HIDDEN if is_graph_read else RuleVisibility.EXCHANGE


def take_twin(
    rule: InboxRule,
    left: list[InboxRule],
    is_same: Callable[[InboxRule, InboxRule, RecipientExtractor], bool],
    get_recipients: RecipientExtractor,
) -> bool:
    """Take what Exchange shows of a visible rule out of what is left, if it is there."""
    alike = [other for other in left if is_same(rule, other, get_recipients)]
    if len(alike) > 1:
        alike.sort(key=partial(rank_rule_difference, rule))
    if alike:
        left.remove(alike[0])
    return bool(alike)


def are_same_rule(rule: InboxRule, other: InboxRule, get_recipients: RecipientExtractor) -> bool:
    """True for two views of one rule: the same name, and the same things done.

    `rule` is Graph's view. Exchange may leave open what a rule does that Graph shows.
    """
    return (
        rule.readable
        and bool(rule.delete or rule.move_to) == bool(other.delete or other.move_to)
        and have_same_name(rule, other)
        and get_recipients(rule) == get_recipients(other)
    )


def do_the_same(rule: InboxRule, other: InboxRule, get_recipients: RecipientExtractor) -> bool:
    """True for two views of one rule under different names: all that they do is the same."""
    return (
        rule.readable
        and other.readable
        and get_recipients(rule) == get_recipients(other)
        and not any(rank_rule_difference(rule, other)[:-1])
        and bool(rule.move_to) == bool(other.move_to)
    )


def rank_rule_difference(rule: InboxRule, other: InboxRule) -> tuple[bool, ...]:
    """How far a twin differs. Graph's folders cannot be compared: the harmless one is the twin."""
    return (
        bool(rule.delete) != bool(other.delete),
        rule.enabled != other.enabled,
        rule.mark_as_read != other.mark_as_read,
        list_condition_keys(rule.conditions) != list_condition_keys(other.conditions),
        list_condition_keys(rule.exceptions) != list_condition_keys(other.exceptions),
        judge_sight(classify_folder_path(other.move_to)) is not Sight.OPEN,
    )


def list_condition_keys(
    conditions: Sequence[RuleCondition],
) -> frozenset[tuple[str, frozenset[str]]]:
    """Conditions as far as they compare: recipients by address, texts without case."""
    return frozenset(
        (one.kind, frozenset(parse_recipient_string(value)[1].casefold() for value in one.values))
        for one in conditions
    )


def find_namesake_rule(rule: InboxRule, candidates: Sequence[InboxRule]) -> InboxRule | None:
    """The Exchange view of a rule Graph shows without actions: by name, then by its place."""
    same = [other for other in candidates if have_same_name(rule, other)]
    return min(same, key=lambda other: other.sequence != rule.sequence, default=None)


def have_same_name(rule: InboxRule, other: InboxRule) -> bool:
    """True for two rules whose names are the same as far as names compare."""
    return rule.name == other.name or normalize_rule_name(rule) == normalize_rule_name(other)


def normalize_rule_name(rule: InboxRule) -> str:
    """A rule's name as far as names compare."""
    return fold_rule_name(rule.name)
