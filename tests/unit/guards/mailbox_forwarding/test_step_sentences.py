"""What an operator does about mail that is sent on, hidden or led elsewhere, word for word."""

from copy import replace
from typing import Any

from core.guards.mailbox_forwarding.forwards import InboxRuleForward
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.remedies import (
    build_connector_remedy,
    build_domain_remedy,
    build_flow_remedy,
    build_forward_remedy,
    build_journal_remedy,
    build_rules_remedy,
    build_trace_remedy,
)
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.tenant.domain_memory import DomainChange
from core.tenant.mail_flow import InboxRule
from core.tenant.mailboxes import Mailbox
from tests.support.sentences import check_steps

ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann", has_account=True)
SHARED = replace(ANN, id="m2", address="", has_account=False)
RULE = InboxRuleForward(ANN, InboxRule("r1", "m1", "Copies", "graph"), RuleVisibility.GRAPH)
SEEN = replace(RULE, rule=replace(RULE.rule, id="17", api="exchange"))
BOB = ForwardTarget("bob@contoso.com", RecipientLocation.INSIDE, "bob@contoso.com")
OUTSIDE = [
    ForwardTarget(one, RecipientLocation.OUTSIDE, one)
    for one in ("z@evil.example", "x@evil.example", "y@evil.example")
]


def name(item: InboxRuleForward, called: str, **more: Any) -> InboxRuleForward:
    """The rule under another name, with something else about it."""
    return replace(item, rule=replace(item.rule, name=called, **more))


def test_sentences_about_what_to_do() -> None:
    check_steps(
        "mailbox_forwarding_steps",
        {
            "A rule sends mail outside": build_rules_remedy(
                "inbox-rule-forward", [RULE], [*OUTSIDE, BOB]
            ),
            "Rules of a mailbox without an account or an address": build_rules_remedy(
                "inbox-rule-hides", [replace(RULE, mailbox=SHARED)]
            ),
            "Rules that Graph does not show in full": build_rules_remedy(
                "inbox-rule-hides",
                [
                    replace(SEEN, visibility=RuleVisibility.HIDDEN),
                    replace(SEEN, visibility=RuleVisibility.EXCHANGE),
                    replace(name(RULE, " Padded "), visibility=RuleVisibility.READ_ONLY),
                    name(RULE, "Read only", read_only=True),
                    name(RULE, "..."),
                    replace(name(SEEN, ""), visibility=RuleVisibility.EXCHANGE),
                    name(RULE, "Off", enabled=False),
                ],
            ),
            "More rules than a person works through": build_rules_remedy(
                "inbox-rule-hides", [name(RULE, f"Rule {number}") for number in range(10)]
            ),
            "A mailbox forwards": build_forward_remedy(ANN, OUTSIDE),
            "A mailbox forwards inside": build_forward_remedy(ANN, [BOB]),
            "A mail-flow rule": build_flow_remedy("transport-rule", "t1", "Copies", OUTSIDE),
            "A mail-flow rule that sends nothing": build_flow_remedy("transport-rule", "t1", "Tag"),
            "A mail-flow rule whose id no command can hold": build_flow_remedy(
                "transport-rule", "t\n1", "Copies"
            ),
            "A connector leads mail out": build_connector_remedy(
                "outbound-connector", "c1", "To the relay"
            ),
            "A connector takes mail in": build_connector_remedy(
                "inbound-connector", "c2", "From the relay"
            ),
            "A journal": build_journal_remedy("j1", "Archive", OUTSIDE),
            **{
                f"What stands in a mailbox: {kind}": build_trace_remedy(ANN, kind, "The advice.")
                for kind in ("sweep-rule", "junk-list", "automatic-reply", "published-calendar")
            },
            **{
                f"A domain: {change}": build_domain_remedy("contoso.example", change)
                for change in DomainChange
            },
            "All below a domain is new": build_domain_remedy("*.contoso.example", DomainChange.NEW),
        },
    )
