"""How two views of a mailbox's rules become one, and what is concluded where one is missing."""

from copy import replace

import pytest

from core.guards.mailbox_forwarding.assemble import (
    acts_unseen,
    assemble_rule_forwards,
    find_folder,
    find_folder_name,
    find_hiding,
    is_folder_unread,
    list_secret_colleagues,
)
from core.guards.mailbox_forwarding.forwards import (
    ForwardingInputs,
    ForwardRecipient,
    InboxRuleForward,
    TransportRuleForward,
    assemble_flow_forwards,
)
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import ForwardTarget, KnownRecipients, RecipientLocation
from core.tenant.mail_flow import Folder, InboxRule, Recipient, RuleCondition, TransportRule
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import INBOX_RULES

ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
INPUTS = ForwardingInputs(own_domains=OwnDomains(frozenset({"contoso.com"})))
NARROW = (RuleCondition("subjectContains", ("weekly report",)),)
MEETINGS = (RuleCondition("isMeetingRequest", ("true",)),)
RULE = InboxRule("r1", "m1", "Reports", "graph", conditions=NARROW)
MOVES = replace(RULE, move_to="F1")
SEEN = replace(RULE, api="exchange", id="17")
INSIDE, OUTSIDE, UNSEEN = (
    ForwardRecipient("forwards to", ForwardTarget(place, place))
    for place in (RecipientLocation.INSIDE, RecipientLocation.OUTSIDE, RecipientLocation.UNSEEN)
)


def assemble(
    graph: InboxRule, exchange: InboxRule | None = None, inputs: ForwardingInputs = INPUTS
) -> list[InboxRuleForward]:
    """What is worth judging of the rules of Ann."""
    listed = [exchange] if exchange else []
    found = assemble_rule_forwards(ANN, [graph], listed, inputs)
    return [one for one in found if isinstance(one, InboxRuleForward)]


def test_a_rule_that_sends_to_somebody_else_is_not_the_visible_one_of_its_name() -> None:
    shown = replace(RULE, forward_to=("bob@contoso.com",))
    (found,) = assemble(shown, replace(SEEN, forward_to=("x@evil.example",)))
    assert found.visibility is RuleVisibility.HIDDEN
    assert [one.target.address for one in found.recipients] == ["x@evil.example"]
    assert not assemble(shown, replace(SEEN, forward_to=('"Bob" [SMTP:Bob@contoso.com]',)))


def test_what_graph_shows_is_judged_also_where_the_rest_of_its_answer_is_missing() -> None:
    unread = Reading[InboxRule](failures=(ReadFailure(INBOX_RULES, "HTTP 503", "m1"),))
    inputs = replace(INPUTS, graph_rules=unread)
    (found,) = assemble(replace(RULE, delete="delete"), inputs=inputs)
    assert (found.visibility, bool(found.hiding)) == (RuleVisibility.GRAPH, True)


def test_marking_as_read_is_judged_alone_where_it_is_known_to_whom_a_rule_sends() -> None:
    reads = replace(RULE, name=".", mark_as_read=True)
    for is_placed in (True, False):
        hiding = find_hiding(ANN, reads, RuleVisibility.GRAPH, INPUTS, is_placed)
        assert bool(hiding) is is_placed
        deletes = replace(reads, delete="delete")
        assert find_hiding(ANN, deletes, RuleVisibility.GRAPH, INPUTS, is_placed)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (MOVES, True),
        (replace(MOVES, api="exchange"), False),
        (replace(MOVES, move_to=""), False),
        (replace(MOVES, delete="delete"), False),
        (replace(MOVES, mailbox_id="m2"), False),
        (replace(MOVES, move_to="F2"), False),
    ],
)
def test_a_folder_is_unread_where_graph_alone_could_tell_it(
    rule: InboxRule, expected: bool
) -> None:
    inputs = replace(
        INPUTS,
        unread_folder_mailbox_ids=frozenset({"m1"}),
        folders={("m1", "F2"): Folder("m1", "F2", "Reports")},
    )
    assert is_folder_unread(rule, inputs) is expected
    hiding = find_hiding(
        ANN, replace(rule, conditions=()), RuleVisibility.GRAPH, inputs, is_placed=True
    )
    assert (hiding is None) is (expected or not (rule.move_to or rule.delete))


@pytest.mark.parametrize(
    ("rule", "visibility", "expected"),
    [
        (RULE, RuleVisibility.HIDDEN, (INSIDE,)),
        (RULE, RuleVisibility.GRAPH, ()),
        (RULE, RuleVisibility.EXCHANGE, ()),
        (replace(RULE, enabled=False), RuleVisibility.HIDDEN, ()),
        (replace(RULE, conditions=MEETINGS), RuleVisibility.HIDDEN, ()),
    ],
)
def test_whom_inside_a_rule_sends_to_counts_where_it_is_hidden_and_passes_no_meetings(
    rule: InboxRule, visibility: RuleVisibility, expected: tuple[ForwardRecipient, ...]
) -> None:
    placed = (OUTSIDE, INSIDE, UNSEEN)
    assert list_secret_colleagues(rule, visibility, placed) == expected


@pytest.mark.parametrize(
    ("rule", "visibility", "expected"),
    [
        (RULE, RuleVisibility.HIDDEN, True),
        (RULE, RuleVisibility.GRAPH, False),
        (replace(RULE, enabled=False), RuleVisibility.HIDDEN, False),
        (replace(RULE, mark_as_read=True), RuleVisibility.HIDDEN, False),
        (replace(RULE, conditions=MEETINGS), RuleVisibility.HIDDEN, False),
    ],
)
def test_a_hidden_rule_that_does_something_harmless_acts_unseen(
    rule: InboxRule, visibility: RuleVisibility, expected: bool
) -> None:
    assert acts_unseen(rule, visibility) is expected


def test_a_folder_is_known_by_its_path_to_exchange_and_by_its_id_to_graph() -> None:
    folders = {("m1", "F1"): Folder("m1", "F1", "Alte Feeds", well_known="rssfeeds")}
    inputs = replace(INPUTS, folders=folders)
    printed = replace(MOVES, api="exchange", move_to="ann:\\RSS Feeds")
    assert find_folder(printed, inputs) == find_folder(MOVES, inputs) == "rssfeeds"
    assert find_folder(replace(MOVES, move_to="F9"), inputs) == ""
    assert find_folder_name(printed, inputs) == "ann:\\RSS Feeds"
    assert find_folder_name(MOVES, inputs) == "Alte Feeds"
    assert find_folder_name(replace(MOVES, delete="delete"), inputs) == ""


def test_whom_a_mail_flow_rule_shows_mail_to_is_outside_or_inside_and_never_both() -> None:
    bob = Recipient("bob@contoso.com", True, "UserMailbox", "bob@contoso.com")
    inputs = replace(
        INPUTS,
        transport_rules=[TransportRule("t1", "Copies", copy_to=(bob.name, "x@evil.example"))],
        known_recipients=KnownRecipients({bob.name: bob}),
    )
    (found,) = assemble_flow_forwards(inputs)
    assert isinstance(found, TransportRuleForward)
    assert [one.target.address for one in found.recipients] == ["x@evil.example"]
    assert [one.target.address for one in found.colleagues] == ["bob@contoso.com"]
