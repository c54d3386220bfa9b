"""Which of Exchange's rules Graph shows as well, and which are hidden."""

from dataclasses import replace

import pytest

from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility, match_visible_rules
from core.tenant.mail_flow import InboxRule, RuleCondition

SORTS = InboxRule("r1", "m1", "Newsletters", "graph", mark_as_read=True)
LEFT_OPEN = replace(SORTS, id="17", api="exchange", mark_as_read=False, readable=False)
XYZZY = (RuleCondition("subjectContains", ("xyzzy",)),)
SENDS = InboxRule("r1", "m1", "boss", "graph", forward_to=("boss@x",), conditions=XYZZY)
TWIN = replace(SENDS, id="17", api="exchange")


def nobody(rule: InboxRule) -> frozenset[str]:
    return frozenset()


def sends_to(rule: InboxRule) -> frozenset[str]:
    return frozenset(rule.forward_to)


def hidden(*exchange: InboxRule) -> list[InboxRule]:
    """Those of Exchange's rules that are hidden beside the one that Graph shows."""
    return [
        rule
        for rule, seen in match_visible_rules([SENDS], exchange, True, sends_to)
        if seen is RuleVisibility.HIDDEN
    ]


def test_a_rule_exchange_leaves_open_is_the_harmless_one_graph_shows_under_its_name() -> None:
    assert list(match_visible_rules([SORTS], [LEFT_OPEN], True, nobody)) == [
        (SORTS, RuleVisibility.GRAPH)
    ]


def test_without_graphs_harmless_rules_it_would_look_hidden() -> None:
    assert list(match_visible_rules([], [LEFT_OPEN], True, nobody)) == [
        (LEFT_OPEN, RuleVisibility.HIDDEN)
    ]


def test_the_same_rule_under_another_name_is_the_same_rule() -> None:
    assert hidden(replace(TWIN, name="boss (1)")) == []
    from_boss = (RuleCondition("fromAddresses", ("boss@x",)),)
    printed = (RuleCondition("fromAddresses", ('"Boss" [SMTP:Boss@x]',)),)
    one = replace(SENDS, conditions=from_boss)
    twin = replace(TWIN, name="other", conditions=printed)
    assert len(list(match_visible_rules([one], [twin], True, sends_to))) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(TWIN, name="x", conditions=()),
        replace(TWIN, name="x", delete="delete"),
        replace(TWIN, name="x", move_to="RSS Feeds"),
        replace(TWIN, name="x", mark_as_read=True),
        replace(TWIN, name="x", exceptions=XYZZY),
        replace(TWIN, name="x", enabled=False),
        replace(TWIN, conditions=()),
        replace(TWIN, delete="permanent"),
        replace(TWIN, forward_to=("boss@x", "thief@y")),
        TWIN,
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_nothing_visible_takes_the_place_of_a_hidden_rule(other: InboxRule, reverse: bool) -> None:
    other = replace(other, id="18")
    pair = (other, TWIN) if reverse else (TWIN, other)
    assert len(hidden(*pair)) == 1
    if other != replace(TWIN, id="18"):
        assert hidden(*pair) == [other]
