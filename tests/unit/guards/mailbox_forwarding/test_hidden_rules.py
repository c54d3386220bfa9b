"""Which of Exchange's rules Graph shows as well, and which are hidden."""

from dataclasses import replace

from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility, match_visible_rules
from core.tenant.mail_flow import InboxRule

SORTS = InboxRule("r1", "m1", "Newsletters", "graph", mark_as_read=True)
LEFT_OPEN = replace(SORTS, id="17", api="exchange", mark_as_read=False, readable=False)


def nobody(rule: InboxRule) -> frozenset[str]:
    return frozenset()


def test_a_rule_exchange_leaves_open_is_the_harmless_one_graph_shows_under_its_name() -> None:
    assert list(match_visible_rules([SORTS], [LEFT_OPEN], True, nobody)) == [
        (SORTS, RuleVisibility.GRAPH)
    ]


def test_without_graphs_harmless_rules_it_would_look_hidden() -> None:
    assert list(match_visible_rules([], [LEFT_OPEN], True, nobody)) == [
        (LEFT_OPEN, RuleVisibility.HIDDEN)
    ]
