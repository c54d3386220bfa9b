"""How far a rule goes: what it does, to what mail, and what makes no difference."""

from copy import replace
from typing import Any

import pytest

from core.guards.mailbox_forwarding.forwards import InboxRuleForward
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import Hiding
from core.guards.mailbox_forwarding.rule_reach import measure_rule_reach
from core.model.findings import Severity
from core.tenant.mail_flow import InboxRule, RuleCondition
from core.tenant.mailboxes import Mailbox

ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
RULE = InboxRuleForward(ANN, InboxRule("r1", "m1", "One", "graph"), RuleVisibility.GRAPH)
BOSS = RuleCondition("fromAddresses", ("boss@contoso.com",))


def change(**values: Any) -> InboxRuleForward:
    """The rule with something else about it."""
    return replace(RULE, rule=replace(RULE.rule, **values))


def move(place: str) -> InboxRuleForward:
    """A rule that moves mail to this place."""
    return replace(change(move_to="F1"), hiding=Hiding(place, Severity.LOW))


@pytest.mark.parametrize(
    ("item", "does"),
    [
        (RULE, ()),
        (replace(RULE, visibility=RuleVisibility.HIDDEN), ("hide from Outlook",)),
        (change(delete="delete"), ("delete",)),
        (change(delete="permanent", move_to="F1"), ("delete", "permanent")),
        (change(mark_as_read=True), ("mark as read",)),
        (move("rssfeeds"), ("move to rssfeeds",)),
        # Where nobody looked, mail goes to a folder like any other.
        (move("unread"), ("move to ordinary",)),
        (change(move_to="F1"), ()),
        (replace(RULE, hiding=Hiding("rssfeeds", Severity.LOW)), ()),
    ],
)
def test_what_a_rule_does(item: InboxRuleForward, does: tuple[str, ...]) -> None:
    assert measure_rule_reach(item, sends=False).does == does
    assert measure_rule_reach(item, sends=True).does == tuple(sorted((*does, "send")))


@pytest.mark.parametrize(
    ("conditions", "counts"),
    [
        ((), False),
        ((BOSS,), True),
        ((RuleCondition("sentToMe", ("true",)),), False),
        ((RuleCondition("sentToAddresses", ("ann@contoso.com",)),), False),
        ((RuleCondition("sentToAddresses", ("@contoso.com",)),), False),
        # Others in one's own domain may be a list that somebody files by.
        ((RuleCondition("sentToAddresses", ("sales@contoso.com",)),), True),
        ((RuleCondition("sentToAddresses", ("@shop.example",)),), True),
    ],
)
def test_what_every_message_meets_is_no_condition(
    conditions: tuple[RuleCondition, ...], counts: bool
) -> None:
    reach = measure_rule_reach(change(conditions=conditions), sends=True)
    assert bool(reach.only) is counts


def test_senders_are_the_same_however_they_are_written_and_exceptions_count() -> None:
    shown = RuleCondition("fromAddresses", ('"Boss" [SMTP:Boss@contoso.com]',))
    one, other = (
        measure_rule_reach(change(conditions=(given,), exceptions=(given,)), sends=True)
        for given in (BOSS, shown)
    )
    assert one == other
    assert one.unless
    assert measure_rule_reach(change(conditions=(BOSS,)), sends=True).covers(one)
    assert not one.covers(measure_rule_reach(RULE, sends=True))
