"""What is found of one forward that is set on a mailbox, and which kind of thing is judged how."""

from copy import replace
from datetime import UTC, datetime

import pytest

from core.guards.mailbox_forwarding.connector_findings import ConnectorItem, JournalItem
from core.guards.mailbox_forwarding.connectors import (
    JournalRule,
    OutboundConnector,
)
from core.guards.mailbox_forwarding.departure import Departure, ForwardingPolicyResult
from core.guards.mailbox_forwarding.forwards import (
    ForwardRecipient,
    InboxRuleForward,
    MailboxForward,
    MailboxRules,
    TransportRuleForward,
)
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.judge import ForwardingItem, judge
from core.guards.mailbox_forwarding.mailbox_traces import MailboxTraces
from core.guards.mailbox_forwarding.standing_copies import StandingCopy, StandingCopyItem
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy
from core.model.reach import Reach
from core.tenant.changes import ClearMailboxForward
from core.tenant.domain_memory import DomainChange, DomainNews
from core.tenant.mail_flow import InboxRule, TransportRule
from core.tenant.mailboxes import Mailbox, MailboxSurroundings
from core.tenant.sources import DOMAINS, MAILBOX_FORWARDS

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
POLICY = GuardPolicy(NOW, replace(GUARD.options, allowed_domains=frozenset({"archive.example"})))
ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann", has_account=True)
OUTSIDE, KEPT = (
    ForwardTarget(one, RecipientLocation.OUTSIDE, one)
    for one in ("x@evil.example", "j@archive.example")
)
INSIDE = ForwardTarget("bob@contoso.com", RecipientLocation.INSIDE, "bob@contoso.com")
NOBODY = ForwardTarget("Nobody", RecipientLocation.UNRESOLVED)
LEAVES = Departure(ForwardingPolicyResult.ALLOWED, "")
SENDS = MailboxForward(ANN, "ForwardingSmtpAddress", (OUTSIDE,), departure=LEAVES)
COPYING = replace(SENDS, mailbox=replace(ANN, keeps_copy=True))


def tell(item: ForwardingItem) -> list[Finding]:
    """What is found."""
    return list(judge(item, POLICY))


def test_a_forward_of_a_mailbox_in_full() -> None:
    (found,) = tell(SENDS)
    assert (found.kind, found.object_id, found.subject) == (
        "mailbox-forward",
        "m1",
        "ann@contoso.com",
    )
    assert (found.severity, found.verdict) == (Severity.HIGH, ForwardingVerdict.EXTERNAL)
    assert found.summary == ("Mailbox ann@contoso.com forwards mail to the outside, and it leaves.")
    assert format_facts(found.facts) == (
        "ForwardingSmtpAddress: x@evil.example",
        "the mailbox keeps no copy",
        "nothing stops this mail: it leaves the organization",
        "once cleared: mail lies in this mailbox, which has received none so far: somebody has to "
        "open it, or it piles up unseen",
    )
    assert found.sources == (MAILBOX_FORWARDS, DOMAINS)
    assert found.fingerprint == '["x@evil.example"]'
    assert found.reaches == (Reach.of(["send", "keep no copy"]),)
    assert found.changes == (ClearMailboxForward("g1"),)
    assert found.advice == (
        "Ask the owner who set the forward; clear it unless somebody answers for it."
    )
    assert found.steps[0].text.startswith("Save the forwards of ann@contoso.com")
    assert found.held_account == "m1"
    assert [one.text for one in found.correlations] == [
        "mail to x@evil.example",
        "mail to addresses of evil.example",
    ]
    assert found.asks_if_preexisting
    assert found.preexisting_verdict == ForwardingVerdict.EXTERNAL


def test_a_mailbox_that_keeps_a_copy_shows_less() -> None:
    (found,) = tell(COPYING)
    assert found.reaches == (Reach.of(["send"]),)
    facts = format_facts(found.facts)
    assert facts[1] == "the mailbox keeps a copy"
    assert facts[3] == ("once cleared: mail stays in this mailbox, where a copy arrives already")


@pytest.mark.parametrize(
    ("target", "verdict", "severity"),
    [
        (KEPT, ForwardingVerdict.KEEP, Severity.INFO),
        (NOBODY, ForwardingVerdict.UNRESOLVED, Severity.MEDIUM),
        (ForwardTarget("g", RecipientLocation.UNSEEN), Verdict.COULD_NOT_TELL, Severity.LOW),
    ],
)
def test_a_forward_that_is_allowed_or_unclear_changes_nothing_and_puts_no_account_in_doubt(
    target: ForwardTarget, verdict: str, severity: Severity
) -> None:
    (found,) = tell(replace(SENDS, targets=(target,)))
    assert (found.verdict, found.severity) == (verdict, severity)
    assert (found.changes, found.held_account, found.correlations) == ((), "", ())
    assert found.preexisting_verdict == verdict
    assert not [line for line in format_facts(found.facts) if line.startswith("once cleared")]


def test_a_forward_to_a_colleague_is_nothing() -> None:
    assert tell(replace(SENDS, targets=(INSIDE,))) == []


def test_of_two_forwards_the_one_that_is_heeded_names_the_other_and_is_left_to_a_person() -> None:
    (winner,) = tell(replace(SENDS, overruled_address="smtp:y@other.example"))
    assert winner.changes == ()
    facts = format_facts(winner.facts)
    assert "ForwardingSmtpAddress, without effect: smtp:y@other.example" in facts
    assert facts[-1] == (
        "once cleared: both forwards end, so an operator decides; mail stays in this mailbox"
    )
    (loser,) = tell(replace(SENDS, is_overruled=True))
    assert (loser.verdict, loser.severity) == (ForwardingVerdict.DORMANT, Severity.INFO)
    assert loser.summary == (
        "Mailbox ann@contoso.com has a forward to the outside that is not in effect."
    )
    assert format_facts(loser.facts) == (
        "ForwardingSmtpAddress: x@evil.example",
        "without effect: ForwardingAddress is set too and wins",
    )
    assert (loser.changes, loser.held_account) == ((), "")
    # What would not go outside anyway is not told.
    assert not tell(replace(SENDS, is_overruled=True, targets=(NOBODY,)))


def test_a_stopped_forward_is_said_to_be_stopped() -> None:
    stopped = Departure(ForwardingPolicyResult.BLOCKED, "the remote domain Default")
    (found,) = tell(replace(SENDS, departure=stopped))
    assert found.severity is Severity.MEDIUM
    assert found.summary.endswith("to the outside, but the remote domain Default stops it.")


BESIDE = MailboxSurroundings("m1", trusts_only_lists=True)
RULES = MailboxRules(
    ANN,
    (
        InboxRuleForward(
            ANN,
            InboxRule("r1", "m1", "One", "graph"),
            RuleVisibility.GRAPH,
            (ForwardRecipient("forwards to", OUTSIDE),),
        ),
    ),
)


@pytest.mark.parametrize(
    ("item", "beside"),
    [(SENDS, replace(SENDS, beside=BESIDE)), (RULES, replace(RULES, beside=BESIDE))],
    ids=["mailbox", "rules"],
)
def test_what_stands_beside_a_case_is_added_to_it(
    item: ForwardingItem, beside: ForwardingItem
) -> None:
    (plain,), (told,) = tell(item), tell(beside)
    assert len(told.facts) == len(plain.facts) + 1
    assert replace(told, facts=plain.facts) == plain


OWN = OwnDomains(frozenset({"contoso.com"}))


@pytest.mark.parametrize(
    ("item", "kinds"),
    [
        (SENDS, ["mailbox-forward"]),
        (RULES, ["inbox-rule-forward"]),
        (
            TransportRuleForward(
                TransportRule("t1", "Copies"), (ForwardRecipient("redirects to", OUTSIDE),)
            ),
            ["transport-rule"],
        ),
        (
            ConnectorItem(OutboundConnector("c1", "Out", True, ("mx.evil.example",), ("*",)), OWN),
            ["outbound-connector"],
        ),
        (JournalItem(JournalRule("j1", "All", True, "x"), (OUTSIDE,)), ["journal-rule"]),
        (
            StandingCopyItem(
                StandingCopy("journal-reports", "transport-config", "o", "It", "sends", "S", ()),
                (OUTSIDE,),
            ),
            ["journal-reports"],
        ),
        (DomainNews("contoso.example", NOW, DomainChange.NEW), ["accepted-domain-new"]),
        (MailboxTraces(ANN, BESIDE, OWN), ["junk-list"]),
    ],
    ids=lambda one: type(one).__name__,
)
def test_each_kind_of_thing_is_judged_as_what_it_is(item: ForwardingItem, kinds: list[str]) -> None:
    assert [one.kind for one in tell(item)] == kinds
