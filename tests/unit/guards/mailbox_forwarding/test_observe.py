"""Which mailboxes are asked again, and which folders are looked up at every run."""

from dataclasses import replace

import pytest

from core.guards.mailbox_forwarding.observe import (
    find_unclear_mailboxes,
    needs_folder_lookup,
    reread_ambiguous_rules,
)
from core.tenant.mail_flow import InboxRule, RuleCondition
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import INBOX_RULES
from tests.support.fakes.tenant import FakeTenant

ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
BEN = Mailbox("m2", "g2", "ben@contoso.com", "Ben")
NEWS = (RuleCondition("senderContains", ("news@shop.example",)),)
SORTS = InboxRule("r1", "m1", "Newsletters", "graph", move_to="F1", conditions=NEWS)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (SORTS, False),
        (replace(SORTS, mailbox_id="m9"), True),
        (replace(SORTS, forward_to=("x@evil.example",)), True),
        (replace(SORTS, mark_as_read=True), True),
        (replace(SORTS, conditions=()), True),
        (
            replace(
                SORTS, conditions=(RuleCondition("recipientContains", ("ann@contoso.com",)), *NEWS)
            ),
            False,
        ),
        (
            replace(SORTS, conditions=(RuleCondition("sentToAddresses", ("ann@contoso.com",)),)),
            False,
        ),
        (replace(SORTS, name="..."), True),
        (
            replace(SORTS, conditions=(RuleCondition("subjectContains", ("wire transfer",)),)),
            True,
        ),
        (
            replace(SORTS, conditions=(RuleCondition("senderContains", ("helpdesk@x.example",)),)),
            True,
        ),
        # Known nowhere is at home nowhere: an office that counts only at home does not.
        (
            replace(SORTS, conditions=(RuleCondition("senderContains", ("hr@x.example",)),)),
            False,
        ),
        (replace(SORTS, move_to="Archive"), True),
    ],
)
def test_a_folder_is_looked_up_at_once_where_a_rule_may_hide_mail(
    rule: InboxRule, expected: bool
) -> None:
    assert needs_folder_lookup(rule, frozenset({"m9"})) is expected


def test_only_an_enabled_rule_that_graph_does_not_show_in_full_makes_a_mailbox_unclear() -> None:
    unclear = replace(SORTS, readable=False)
    assert find_unclear_mailboxes([ANN, BEN], [unclear]) == [ANN]
    assert find_unclear_mailboxes([ANN, BEN], [replace(unclear, enabled=False)]) == []
    assert find_unclear_mailboxes([ANN, BEN], [SORTS]) == []


async def test_a_mailbox_with_a_rule_left_open_is_asked_for_all_its_rules() -> None:
    tenant = FakeTenant(boxes=[ANN, BEN], rules=[SORTS, replace(SORTS, id="r9", move_to="")])
    of_ben = replace(SORTS, id="r2", mailbox_id="m2")
    graph = Reading((SORTS, of_ben))
    left_open = Reading((replace(SORTS, readable=False),))
    same = await reread_ambiguous_rules(tenant, [ANN, BEN], graph, Reading((SORTS,)))
    assert same is graph
    again = await reread_ambiguous_rules(tenant, [ANN, BEN], graph, left_open)
    assert [rule.id for rule in again.items] == ["r2", "r1", "r9"]
    tenant.fail_read(INBOX_RULES, "m1", "HTTP 503")
    unread = await reread_ambiguous_rules(tenant, [ANN, BEN], graph, left_open)
    assert [failure.object_id for failure in unread.failures] == ["m1"]
    assert [rule.id for rule in unread.items] == ["r2"]
