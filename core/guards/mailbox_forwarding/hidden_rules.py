"""Which of the rules Exchange shows are rules Graph shows too. Pure.

The two number rules differently, so they are told alike by name and by what they do. What is left
over once every rule of Graph has found its twin is hidden from Outlook.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial

from core.guards.mailbox_forwarding.hiding import printed_folder
from core.tenant.mail_flow import InboxRule

type Recipients = Callable[[InboxRule], frozenset[str]]


class Sight(StrEnum):
    """Who shows an inbox rule."""

    GRAPH = "graph"
    READ_ONLY = "read-only"  # Graph shows that it is there, Exchange what it does.
    EXCHANGE = "exchange"  # Graph could not be asked.
    HIDDEN = "hidden"  # Graph was asked and does not show it; nor does Outlook.


def sighted(
    graph: Sequence[InboxRule],
    exchange: Sequence[InboxRule],
    graph_read: bool,
    recipients: Recipients,
) -> Iterator[tuple[InboxRule, Sight]]:
    """Every rule of one mailbox once, and who shows it.

    `recipients` says whom a rule sends to, in a form that does not depend on who shows it. A rule
    that only bears the name of a visible one is not that rule. A visible rule has one twin: another
    like it, switched on behind one that is off, say, is hidden.
    """
    left = list(exchange)
    for one in graph:
        alike = [rule for rule in left if twins(rule, one, recipients)]
        if alike:
            left.remove(min(alike, key=partial(unlikeness, one)))
    for rule in graph:
        twin = None if rule.readable else namesake(rule, left)
        if twin:
            left.remove(twin)
        if twin and twin.readable:
            yield replace(twin, read_only=True), Sight.READ_ONLY
        else:
            yield rule, Sight.GRAPH
    for rule in left:
        if not any(sends_alike(rule, one, recipients) for one in graph):
            yield rule, Sight.HIDDEN if graph_read else Sight.EXCHANGE


def twins(rule: InboxRule, other: InboxRule, recipients: Recipients) -> bool:
    """True for two views of one rule: the same name, and the same things done."""
    return (
        other.readable
        and plain_name(rule) == plain_name(other)
        and recipients(rule) == recipients(other)
        and bool(rule.delete or rule.move_to) == bool(other.delete or other.move_to)
    )


def unlikeness(rule: InboxRule, other: InboxRule) -> tuple[bool, bool, bool]:
    """How far a twin differs. Graph's folders cannot be compared: the harmless one is the twin."""
    return (
        bool(rule.delete) != bool(other.delete),
        rule.enabled != other.enabled,
        bool(printed_folder(other.move_to)),
    )


def namesake(rule: InboxRule, candidates: Sequence[InboxRule]) -> InboxRule | None:
    """The Exchange view of a rule Graph shows without actions: by name, then by its place."""
    same = [other for other in candidates if plain_name(other) == plain_name(rule)]
    return min(same, key=lambda other: other.sequence != rule.sequence, default=None)


def sends_alike(rule: InboxRule, other: InboxRule, recipients: Recipients) -> bool:
    """True when both send to the same people, under whatever name."""
    sent = recipients(rule)
    return bool(sent) and sent == recipients(other) and rule.enabled == other.enabled


def plain_name(rule: InboxRule) -> str:
    """A rule's name as far as names compare."""
    return " ".join(rule.name.casefold().split())
