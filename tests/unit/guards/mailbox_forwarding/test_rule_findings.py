"""What is found of a mailbox's inbox rules: which of them are one case, and what is said of it."""

from copy import replace
from datetime import UTC, datetime

import pytest

from core.guards.mailbox_forwarding.departure import Departure, ForwardingPolicyResult
from core.guards.mailbox_forwarding.forwards import (
    ForwardRecipient,
    InboxRuleForward,
    MailboxRules,
)
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import DELETE, PERMANENT, READ, Hiding
from core.guards.mailbox_forwarding.rule_findings import (
    describe_places,
    is_half_known,
    is_secret_alone,
    judge_inbox_rules,
)
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy
from core.tenant.changes import DisableInboxRule
from core.tenant.mail_flow import InboxRule
from core.tenant.mailboxes import Mailbox
from core.tenant.sources import DOMAINS, HIDDEN_RULES, INBOX_RULES, MAILBOXES

POLICY = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)
ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann", has_account=True)
RULE = InboxRule("r1", "m1", "One", "graph")
OUTSIDE, INSIDE, NOBODY, GROUP = (
    ForwardRecipient("forwards to", target)
    for target in (
        ForwardTarget("x@evil.example", RecipientLocation.OUTSIDE, "x@evil.example"),
        ForwardTarget("bob@contoso.com", RecipientLocation.INSIDE, "bob@contoso.com"),
        ForwardTarget("Nobody", RecipientLocation.UNRESOLVED),
        ForwardTarget("Board", RecipientLocation.UNSEEN),
    )
)
LEAVES = Departure(ForwardingPolicyResult.ALLOWED, "")
SENDS = InboxRuleForward(ANN, RULE, RuleVisibility.GRAPH, (OUTSIDE,), departure=LEAVES)
GRAVE, SLIGHT = Hiding(DELETE, Severity.HIGH), Hiding(DELETE, Severity.LOW)
HIDES = InboxRuleForward(ANN, replace(RULE, delete="delete"), RuleVisibility.GRAPH, hiding=GRAVE)
SECRET = InboxRuleForward(ANN, RULE, RuleVisibility.HIDDEN, colleagues=(INSIDE,))
OFF = replace(RULE, enabled=False)
HIDDEN = RuleVisibility.HIDDEN


def tell(*rules: InboxRuleForward) -> list[Finding]:
    """What is found of the rules of Ann."""
    return list(judge_inbox_rules(MailboxRules(ANN, rules), POLICY))


def call(one: InboxRuleForward, name: str) -> InboxRuleForward:
    """The rule under another name."""
    return replace(one, rule=replace(one.rule, id=name, name=name))


# -- which rules are told -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (SECRET, True),
        (replace(SECRET, colleagues=()), True),
        (replace(SECRET, colleagues=(), rule=replace(RULE, mark_as_read=True)), False),
        (replace(SECRET, recipients=(OUTSIDE,)), False),
        (replace(SECRET, hiding=GRAVE), False),
        (replace(SECRET, colleagues=(), visibility=RuleVisibility.GRAPH), False),
    ],
)
def test_a_hidden_rule_is_told_as_that_where_nothing_else_is_told_of_it(
    item: InboxRuleForward, expected: bool
) -> None:
    assert is_secret_alone(item) is expected


UNKNOWN = InboxRuleForward(ANN, replace(RULE, has_unknown_action=True), RuleVisibility.GRAPH)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (UNKNOWN, True),
        (replace(UNKNOWN, rule=RULE), False),
        (replace(UNKNOWN, rule=replace(UNKNOWN.rule, readable=False)), False),
        (replace(UNKNOWN, recipients=(OUTSIDE,)), False),
        (replace(UNKNOWN, hiding=GRAVE), False),
        (replace(UNKNOWN, visibility=HIDDEN), False),
    ],
)
def test_an_action_nobody_knows_is_told_where_nothing_else_is_told_of_the_rule(
    item: InboxRuleForward, expected: bool
) -> None:
    assert is_half_known(item) is expected
    kinds = [one.kind for one in tell(item)]
    assert ("inbox-rule-unreadable" in kinds) is (expected or not item.rule.readable)


def test_each_kind_of_rule_is_a_case_of_its_own() -> None:
    found = tell(
        replace(SENDS, rule=replace(RULE, readable=False)),
        SENDS,
        HIDES,
        UNKNOWN,
        SECRET,
        replace(SECRET, colleagues=()),
    )
    assert [(one.kind, one.fingerprint) for one in found] == [
        ("inbox-rule-unreadable", "r1"),
        ("inbox-rule-forward", '["x@evil.example"]'),
        ("inbox-rule-hides", "grave"),
        ("inbox-rule-unreadable", "r1"),
        ("inbox-rule-hidden", "[]"),
        ("inbox-rule-hidden", "unseen"),
    ]
    assert found[1].summary.startswith("An inbox rule of"), "the unreadable one sends nothing"
    assert found[-1].reaches[0].does == ("hide from Outlook",)
    # What is saved before anything is changed is named after the kind of the case.
    for one in found:
        assert f"-Path 'evidence-{one.kind}-" in one.steps[0].command


def test_rules_are_one_case_by_whom_they_send_to_and_by_how_gravely_they_hide() -> None:
    other = replace(SENDS, recipients=(NOBODY,))
    summaries = [one.summary for one in tell(call(SENDS, "a"), other, call(SENDS, "b"))]
    assert summaries == [
        "Each of 2 inbox rules of ann@contoso.com forwards mail to the outside, to the same "
        "addresses, and it leaves.",
        "An inbox rule of ann@contoso.com forwards mail to somebody who cannot be identified.",
    ]
    unclear = replace(HIDES, hiding=Hiding("unread", Severity.LOW, is_certain=False))
    found = tell(
        HIDES, replace(HIDES, hiding=SLIGHT), unclear, replace(HIDES, visibility=HIDDEN), HIDES
    )
    assert [(one.fingerprint, one.severity, len(one.reaches)) for one in found] == [
        ("grave", Severity.HIGH, 2),
        ("slight", Severity.LOW, 1),
        ("unknown", Severity.LOW, 1),
        ('["hidden","grave"]', Severity.HIGH, 1),
    ]
    assert [one.held_account for one in found] == ["m1", "", "", "m1"]
    assert [one.needs_own_exemption for one in found] == [False, False, False, True]
    assert [one.verdict for one in found] == [
        ForwardingVerdict.HIDES_MAIL,
        ForwardingVerdict.HIDES_MAIL,
        Verdict.COULD_NOT_TELL,
        ForwardingVerdict.HIDES_MAIL,
    ]


def test_marking_as_read_is_a_part_of_a_forward_and_otherwise_a_case() -> None:
    reads = Hiding(READ, Severity.LOW)
    assert [one.kind for one in tell(replace(SENDS, hiding=reads))] == ["inbox-rule-forward"]
    alone = replace(SENDS, recipients=(), hiding=reads)
    assert [one.kind for one in tell(alone)] == ["inbox-rule-hides"]
    both = [one.kind for one in tell(replace(SENDS, hiding=GRAVE))]
    assert both == ["inbox-rule-forward", "inbox-rule-hides"]


# -- forwards -----------------------------------------------------------------------------------


def test_a_forward_by_a_rule_in_full() -> None:
    (found,) = tell(SENDS)
    assert (found.kind, found.object_id, found.subject) == (
        "inbox-rule-forward",
        "m1",
        "ann@contoso.com",
    )
    assert (found.severity, found.verdict) == (Severity.HIGH, ForwardingVerdict.EXTERNAL)
    assert found.summary == (
        "An inbox rule of ann@contoso.com forwards mail to the outside, and it leaves."
    )
    assert format_facts(found.facts) == (
        "rule: One",
        "without any condition: it takes every message",
        "forwards to x@evil.example",
        "nothing stops this mail: it leaves the organization",
    )
    assert found.sources == (MAILBOXES, INBOX_RULES, DOMAINS)
    assert found.changes == (DisableInboxRule("m1", "r1"),)
    assert found.advice == (
        "Ask the owner; disable the rule unless they made it. If they did not, reset access."
    )
    assert found.held_account == "m1"
    assert [one.text for one in found.correlations] == [
        "mail to x@evil.example",
        "mail to addresses of evil.example",
    ]
    assert found.asks_if_preexisting
    assert found.preexisting_verdict == ForwardingVerdict.EXTERNAL
    assert not found.needs_own_exemption
    (reach,) = found.reaches
    assert reach.does == ("send",)
    assert "-RecipientAddress 'x@evil.example'" in found.steps[-1].command


def test_a_hidden_forward_needs_an_exemption_of_its_own_and_is_left_to_a_person() -> None:
    (found,) = tell(replace(SENDS, visibility=HIDDEN))
    assert (found.severity, found.changes) == (Severity.CRITICAL, ())
    assert found.needs_own_exemption
    assert found.summary.startswith("A hidden inbox rule of ann@contoso.com forwards")
    assert found.sources == (HIDDEN_RULES, MAILBOXES, INBOX_RULES, DOMAINS)
    _, one = found, tell(SENDS)[0]
    assert one.compute_key("g") == found.compute_key("g")


def test_a_hidden_forward_that_is_off_does_not_make_the_visible_one_hidden() -> None:
    off = replace(SENDS, rule=OFF, visibility=HIDDEN)
    (found,) = tell(SENDS, off)
    assert found.severity is Severity.HIGH
    assert found.summary.startswith("An inbox rule of")
    assert "switched off: One" in format_facts(found.facts)
    assert len(found.reaches) == len(found.changes) == 1
    (alone,) = tell(off)
    assert (alone.verdict, alone.severity) == (ForwardingVerdict.DORMANT, Severity.INFO)
    assert alone.needs_own_exemption
    assert alone.summary.startswith("A hidden inbox rule of")


def test_of_forwards_that_are_all_off_it_is_said_that_they_do_nothing_now() -> None:
    off = replace(SENDS, rule=OFF)
    (found,) = tell(off)
    assert (found.verdict, found.severity) == (ForwardingVerdict.DORMANT, Severity.INFO)
    assert found.summary == (
        "An inbox rule of ann@contoso.com has a forward to the outside that is not in effect."
    )
    assert "the rule is disabled" in format_facts(found.facts)
    assert (found.changes, found.reaches, found.held_account) == ((), (), "")
    assert found.correlations == ()
    (both,) = tell(call(off, "a"), call(off, "b"))
    assert "all of them are disabled" in format_facts(both.facts)
    for unclear in (NOBODY, GROUP):
        assert not tell(replace(off, recipients=(unclear,)))
        assert tell(replace(SENDS, recipients=(unclear,)))


def test_only_mail_that_goes_outside_puts_an_account_in_doubt() -> None:
    (found,) = tell(replace(SENDS, recipients=(NOBODY,)))
    assert (found.held_account, found.changes) == ("", ())
    assert found.severity is Severity.MEDIUM
    assert not [one for one in format_facts(found.facts) if "leaves" in one]


def test_the_worst_of_several_forwards_decides_whether_mail_leaves() -> None:
    stopped = Departure(ForwardingPolicyResult.BLOCKED, "the remote domain Default")
    blocked = call(replace(SENDS, departure=stopped), "a")
    (found,) = tell(blocked)
    assert found.severity is Severity.MEDIUM
    assert found.summary.endswith(", but the remote domain Default stops it.")
    (found,) = tell(blocked, call(SENDS, "b"))
    assert found.severity is Severity.HIGH
    assert found.summary.endswith(", to the same addresses, and it leaves.")


def test_how_many_of_several_rules_are_hidden_is_said() -> None:
    (found,) = tell(SENDS, call(replace(SENDS, visibility=HIDDEN), "b"), call(SENDS, "c"))
    assert found.summary.startswith("Each of 3 inbox rules (1 hidden) of")
    both = [replace(SENDS, visibility=HIDDEN), call(replace(SENDS, visibility=HIDDEN), "b")]
    assert tell(*both)[0].summary.startswith("Each of 2 hidden inbox rules of")


def test_colleagues_are_named_beside_those_outside() -> None:
    (found,) = tell(replace(SENDS, visibility=HIDDEN, colleagues=(INSIDE,)))
    facts = format_facts(found.facts)
    assert "forwards to bob@contoso.com" in facts
    assert found.fingerprint == '["x@evil.example"]'


# -- hiding -------------------------------------------------------------------------------------


def test_a_rule_that_hides_mail_in_full() -> None:
    (found,) = tell(replace(HIDES, colleagues=(INSIDE,)))
    assert (found.kind, found.object_id, found.subject) == (
        "inbox-rule-hides",
        "m1",
        "ann@contoso.com",
    )
    assert found.summary == "An inbox rule of ann@contoso.com deletes the mail."
    assert format_facts(found.facts) == (
        "rule: One",
        "deletes the mail",
        "without any condition: it takes every message",
        "forwards to bob@contoso.com",
    )
    assert found.sources == (MAILBOXES, INBOX_RULES)
    assert found.changes == ()
    assert found.advice.startswith("Ask the owner; disable the rule unless they made it.")
    assert found.asks_if_preexisting
    assert found.preexisting_verdict == ForwardingVerdict.HIDES_MAIL
    assert [one.does for one in found.reaches] == [("delete",)]
    assert found.steps[0].text.startswith("Save ")


def test_rules_that_are_all_disabled_for_what_they_send_are_put_right_as_ones_that_hide() -> None:
    sends = call(replace(SENDS, hiding=GRAVE), "a")
    change = DisableInboxRule("m1", "a")
    _, hides = tell(sends)
    assert hides.changes == (change,)
    forward, hides = tell(sends, call(HIDES, "b"))
    assert forward.changes == (change,)
    assert hides.changes == (), "one of them goes on hiding mail"


@pytest.mark.parametrize(
    ("places", "text"),
    [
        ((DELETE, DELETE), "deletes the mail"),
        ((PERMANENT,), "deletes the mail for good"),
        ((DELETE, PERMANENT), "deletes the mail"),
        ((DELETE, READ), "deletes mail, moves it out of sight or marks it as read"),
    ],
)
def test_what_rules_do_together_is_said_in_general(places: tuple[str, ...], text: str) -> None:
    rules = [replace(HIDES, hiding=Hiding(place, Severity.HIGH)) for place in places]
    assert describe_places(rules) == text


def test_one_rule_of_which_it_is_not_certain_makes_none_of_its_case_certain() -> None:
    unclear = replace(HIDES, hiding=Hiding("unread", Severity.LOW, is_certain=False))
    (found,) = tell(unclear, call(unclear, "b"))
    assert (found.verdict, found.fingerprint) == (Verdict.COULD_NOT_TELL, "unknown")
    assert found.preexisting_verdict == ForwardingVerdict.HIDES_MAIL


# -- rules that nobody sees ---------------------------------------------------------------------


def test_a_hidden_rule_that_sends_to_a_colleague_in_full() -> None:
    (found,) = tell(SECRET)
    assert (found.kind, found.object_id, found.subject) == (
        "inbox-rule-hidden",
        "m1",
        "ann@contoso.com",
    )
    assert (found.severity, found.verdict) == (Severity.MEDIUM, Verdict.COULD_NOT_TELL)
    assert found.summary == (
        "A hidden inbox rule of ann@contoso.com sends mail to somebody of the organization."
    )
    assert format_facts(found.facts) == (
        "rule: One",
        "hidden from Outlook: only Exchange shows it",
        "without any condition: it takes every message",
        "forwards to bob@contoso.com",
        "whether the owner knows of it cannot be seen",
    )
    assert found.sources == (HIDDEN_RULES, MAILBOXES, INBOX_RULES)
    assert found.advice.startswith(
        "Ask the owner; unless they made it, reset access. It can be changed "
    )
    assert found.needs_own_exemption
    assert found.asks_if_preexisting
    assert found.preexisting_verdict == Verdict.COULD_NOT_TELL
    assert [one.does for one in found.reaches] == [("hide from Outlook", "send")]
    assert found.steps
    (both,) = tell(SECRET, call(SECRET, "b"))
    assert both.summary.startswith("Each of 2 hidden inbox rules of")


# -- rules of which nobody shows what they do -----------------------------------------------------


@pytest.mark.parametrize(
    ("item", "summary"),
    [
        (
            replace(UNKNOWN, rule=replace(RULE, readable=False)),
            "What an enabled inbox rule of ann@contoso.com does cannot be seen.",
        ),
        (
            UNKNOWN,
            "An enabled inbox rule of ann@contoso.com does something that Exoguard does not know.",
        ),
    ],
)
def test_a_rule_that_does_something_unknown_in_full(item: InboxRuleForward, summary: str) -> None:
    (found,) = tell(item)
    assert (found.kind, found.object_id, found.subject) == (
        "inbox-rule-unreadable",
        "m1",
        "ann@contoso.com",
    )
    assert (found.severity, found.verdict) == (Severity.MEDIUM, Verdict.COULD_NOT_TELL)
    assert found.summary == summary
    assert format_facts(found.facts)[0] == "rule: One"
    assert found.sources == (MAILBOXES, INBOX_RULES)
    assert found.fingerprint == "r1"
    assert found.advice == "Look at the rule in Outlook or in Exchange."
    assert found.steps
    assert not found.needs_own_exemption


def test_of_a_rule_nobody_shows_the_actions_of_it_is_said_who_shows_it() -> None:
    unseen = replace(RULE, readable=False, in_error=True, has_unknown_action=True)
    found = tell(replace(UNKNOWN, rule=unseen, visibility=HIDDEN))[0]
    assert format_facts(found.facts) == (
        "rule: One",
        "hidden from Outlook: only Exchange shows it",
        "Exchange marks the rule as broken: it may not run",
    )
    assert found.needs_own_exemption
