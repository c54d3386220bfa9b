"""What goes off in the mailbox of an account that is contained, and what stays for a person."""

from copy import replace
from datetime import UTC, datetime

import pytest

from core.guards.mailbox_forwarding.containing import DangerousSetting, list_dangerous_settings
from core.guards.mailbox_forwarding.departure import Departure, ForwardingPolicyResult
from core.guards.mailbox_forwarding.forwards import (
    ForwardRecipient,
    InboxRuleForward,
    MailboxForward,
    MailboxRules,
)
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import DELETE, Hiding
from core.guards.mailbox_forwarding.mailbox_traces import MailboxTraces
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.model.findings import Severity
from core.model.guards import GuardPolicy
from core.tenant.changes import ClearMailboxForward, DisableInboxRule
from core.tenant.mail_flow import InboxRule
from core.tenant.mailboxes import Mailbox, MailboxSurroundings

POLICY = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)
ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
OUTSIDE = ForwardTarget("x@evil.example", RecipientLocation.OUTSIDE, "x@evil.example")
NOBODY = ForwardTarget("Nobody", RecipientLocation.UNRESOLVED)
LEAVES = Departure(ForwardingPolicyResult.ALLOWED, "")
FORWARD = MailboxForward(ANN, "ForwardingSmtpAddress", (OUTSIDE,), departure=LEAVES)
RULE = InboxRule("r1", "m1", "One", "graph")
SENDS = InboxRuleForward(
    ANN,
    RULE,
    RuleVisibility.GRAPH,
    (ForwardRecipient("forwards to", OUTSIDE),),
    departure=LEAVES,
)
HIDES = InboxRuleForward(
    ANN,
    replace(RULE, delete="delete"),
    RuleVisibility.GRAPH,
    hiding=Hiding(DELETE, Severity.HIGH),
)
SENDING = "An inbox rule of ann@contoso.com forwards mail to the outside, and it leaves."
HIDING = "An inbox rule of ann@contoso.com deletes the mail."
OFF = "switch off the inbox rule One:"


def tell(*rules: InboxRuleForward) -> list[DangerousSetting]:
    """What goes off of some rules."""
    return list(list_dangerous_settings(MailboxRules(ANN, rules), POLICY))


def test_a_forward_to_the_outside_is_cleared_and_another_stays() -> None:
    assert list(list_dangerous_settings(FORWARD, POLICY)) == [
        DangerousSetting(
            "clear the forward: Mailbox ann@contoso.com forwards mail to the outside, and it "
            "leaves.",
            ClearMailboxForward("g1"),
        )
    ]
    # Whatever else is set, since the account is not its owner's now.
    both = replace(FORWARD, overruled_address="smtp:y@evil.example")
    (told,) = list_dangerous_settings(both, POLICY)
    assert told.change == ClearMailboxForward("g1")
    assert not [*list_dangerous_settings(replace(FORWARD, targets=(NOBODY,)), POLICY)]


@pytest.mark.parametrize(
    ("item", "title"),
    [
        (SENDS, f"{OFF} {SENDING}"),
        (HIDES, f"{OFF} {HIDING}"),
        (replace(SENDS, hiding=HIDES.hiding), f"{OFF} {SENDING} {HIDING}"),
    ],
)
def test_a_rule_that_sends_mail_out_or_hides_it_gravely_goes_off(
    item: InboxRuleForward, title: str
) -> None:
    assert tell(item) == [DangerousSetting(title, DisableInboxRule("m1", "r1"), item.rule)]


@pytest.mark.parametrize(
    "item",
    [
        replace(SENDS, rule=replace(RULE, enabled=False)),
        replace(SENDS, rule=replace(RULE, readable=False)),
        replace(SENDS, recipients=(ForwardRecipient("forwards to", NOBODY),)),
        replace(HIDES, hiding=Hiding(DELETE, Severity.MEDIUM)),
        replace(HIDES, hiding=None),
    ],
)
def test_what_nobody_can_judge_or_does_nothing_now_stays(item: InboxRuleForward) -> None:
    assert tell(item) == []


def test_each_rule_is_told_by_itself_and_one_that_graph_does_not_show_has_no_change() -> None:
    hidden = replace(SENDS, visibility=RuleVisibility.HIDDEN)
    first, second = tell(hidden, HIDES)
    assert (first.change, first.rule) == (None, RULE)
    assert second.change == DisableInboxRule("m1", "r1")
    long = replace(SENDS, rule=replace(RULE, name="n" * 300))
    assert tell(long)[0].title.startswith(f"switch off the inbox rule {'n' * 100}…")


def test_what_stands_beside_the_rules_is_no_part_of_it() -> None:
    traces = MailboxTraces(
        ANN, MailboxSurroundings("m1", trusts_only_lists=True), OwnDomains(frozenset())
    )
    assert not [*list_dangerous_settings(traces, POLICY)]
