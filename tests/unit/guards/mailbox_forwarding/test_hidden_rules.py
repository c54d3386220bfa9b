"""Which of Exchange's rules Graph shows as well, and which are hidden."""

from copy import replace
from typing import Any

import pytest

from core.guards.mailbox_forwarding.hidden_rules import (
    RuleVisibility,
    have_same_name,
    match_visible_rules,
)
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


@pytest.mark.parametrize(
    "other",
    [
        replace(TWIN, conditions=()),
        replace(TWIN, delete="delete"),
        replace(TWIN, move_to="RSS Feeds"),
        replace(TWIN, mark_as_read=True),
        replace(TWIN, exceptions=XYZZY),
        replace(TWIN, enabled=False),
        replace(TWIN, forward_to=("thief@y",)),
        replace(TWIN, readable=False),
    ],
)
def test_under_another_name_only_a_rule_that_does_the_same_is_the_visible_one(
    other: InboxRule,
) -> None:
    other = replace(other, name="x")
    assert hidden(other) == [other]
    assert hidden(other, replace(TWIN, name="x")) == [other]


@pytest.mark.parametrize(
    ("visible", "shown", "is_same"),
    [
        ({}, {"name": "  BOSS "}, True),
        ({"name": "my  boss"}, {"name": "My Boss"}, True),
        ({"name": "my boss"}, {"name": "myboss", "conditions": ()}, False),
        ({}, {"conditions": ()}, True),
        ({}, {"forward_to": ("thief@y",)}, False),
        ({}, {"delete": "delete"}, False),
        ({}, {"move_to": "RSS Feeds"}, False),
        ({"delete": "delete"}, {}, False),
        ({"move_to": "F1"}, {}, False),
        ({"move_to": "F1"}, {"move_to": "Deleted Items"}, True),
        ({"move_to": "F1"}, {"delete": "delete"}, True),
        ({"delete": "delete"}, {"move_to": "Deleted Items"}, True),
    ],
    ids=repr,
)
def test_the_visible_rule_sends_to_the_same_people_and_takes_mail_away_or_not(
    visible: dict[str, Any], shown: dict[str, Any], is_same: bool
) -> None:
    one, other = replace(SENDS, **visible), replace(TWIN, **shown)
    seen = [sight for _, sight in match_visible_rules([one], [other], True, sends_to)]
    assert (RuleVisibility.HIDDEN in seen) is not is_same


def test_of_two_alike_the_one_that_moves_mail_out_of_sight_is_hidden() -> None:
    visible = replace(SENDS, move_to="F1")
    open_one = replace(TWIN, move_to="user:\\Inbox\\Customers")
    unseen = replace(TWIN, id="18", move_to="user:\\Calendar")
    for pair in ([open_one, unseen], [unseen, open_one]):
        found = list(match_visible_rules([visible], pair, True, sends_to))
        assert found == [(visible, RuleVisibility.GRAPH), (unseen, RuleVisibility.HIDDEN)]


UNREADABLE = replace(SENDS, readable=False, forward_to=(), sequence=3)


def test_what_graph_leaves_open_is_filled_in_by_the_namesake_at_its_place() -> None:
    elsewhere, there = replace(TWIN, sequence=1), replace(TWIN, id="18", sequence=3)
    for pair in ([elsewhere, there], [there, elsewhere]):
        assert list(match_visible_rules([UNREADABLE], pair, True, sends_to)) == [
            (replace(there, read_only=True), RuleVisibility.READ_ONLY),
            (elsewhere, RuleVisibility.HIDDEN),
        ]


def test_a_rule_of_another_name_fills_in_nothing() -> None:
    other = replace(TWIN, name="other")
    assert list(match_visible_rules([UNREADABLE], [other], True, sends_to)) == [
        (UNREADABLE, RuleVisibility.GRAPH),
        (other, RuleVisibility.HIDDEN),
    ]


def test_where_graph_was_not_read_nobody_knows_what_is_hidden() -> None:
    assert list(match_visible_rules([], [TWIN], False, sends_to)) == [
        (TWIN, RuleVisibility.EXCHANGE)
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("boss", True),
        (" Boss ", True),
        ("BOSS", True),
        ("the boss", False),
        ("bo ss", False),
        ("", False),
    ],
)
def test_names_of_rules_are_the_same_whatever_their_case_and_spaces(
    name: str, expected: bool
) -> None:
    assert have_same_name(SENDS, replace(TWIN, name=name)) is expected
    two = replace(SENDS, name="the boss")
    assert have_same_name(two, replace(TWIN, name="The  Boss"))


def test_a_rule_graph_does_not_show_in_full_is_the_one_of_its_name_and_no_other() -> None:
    unclear = replace(SORTS, readable=False, mark_as_read=False)
    marks = replace(SORTS, id="17", api="exchange")
    assert list(match_visible_rules([unclear], [marks], True, nobody)) == [
        (replace(marks, read_only=True), RuleVisibility.READ_ONLY)
    ]
    other = replace(marks, name="Other", mark_as_read=False)
    assert list(match_visible_rules([unclear], [other], True, nobody)) == [
        (unclear, RuleVisibility.GRAPH),
        (other, RuleVisibility.HIDDEN),
    ]
