"""What is said of inbox rules: their names, what they do, what mail they take, what helps."""

from copy import replace
from typing import Any

import pytest

from core.guards.mailbox_forwarding.forwards import MAX_TEXT_LENGTH, InboxRuleForward
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import DELETE, READ, Hiding
from core.guards.mailbox_forwarding.rule_texts import (
    MAX_LINE_LENGTH,
    MAX_VALUE_LENGTH,
    UNNAMED,
    build_rules_advice,
    can_disable_rule,
    format_rule_names,
    list_rule_sources,
    list_rules_facts,
)
from core.guards.mailbox_forwarding.senders import Senders
from core.guards.mailbox_forwarding.texts import MAX_SHOWN
from core.model.findings import Severity, format_facts
from core.tenant.mail_flow import InboxRule, RuleCondition
from core.tenant.mailboxes import Mailbox
from core.tenant.quoting import quote_text
from core.tenant.sources import DOMAINS, HIDDEN_RULES, INBOX_RULES, MAILBOXES, RULE_FOLDERS

ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
LONG = "n" * 900
GRAPH, HIDDEN = RuleVisibility.GRAPH, RuleVisibility.HIDDEN
EXCHANGE, READ_ONLY = RuleVisibility.EXCHANGE, RuleVisibility.READ_ONLY
RULE = InboxRuleForward(ANN, InboxRule("r1", "m1", "One", "graph"), GRAPH)
WORDS = RuleCondition("subjectContains", ("invoice", "lunch"))
FROM = RuleCondition("fromAddresses", ("it@contoso.com", "bob@contoso.com", "news@shop.example"))
FOLDER = Hiding("rssfeeds", Severity.MEDIUM, folder_name="Alte Feeds")


def change(**values: Any) -> InboxRuleForward:
    """The rule with something else about it."""
    return replace(RULE, rule=replace(RULE.rule, **values))


def tell(*items: InboxRuleForward, hiding: bool = True) -> tuple[str, ...]:
    """The facts of some rules."""
    return format_facts(tuple(list_rules_facts(items, hiding)))


@pytest.mark.parametrize(
    ("item", "facts"),
    [
        (RULE, ("rule: One", "without any condition: it takes every message")),
        (change(name="..."), (UNNAMED, "without any condition: it takes every message")),
        (
            change(exceptions=(WORDS,)),
            (
                "rule: One",
                "without any condition: it takes every message but its exceptions",
                "but no mail: with the words invoice, lunch",
            ),
        ),
        (change(conditions=(WORDS,)), ("rule: One", "takes mail: with the words invoice, lunch")),
        (
            replace(change(in_error=True, readable=False), visibility=HIDDEN),
            (
                "rule: One",
                "hidden from Outlook: only Exchange shows it",
                "Exchange marks the rule as broken: it may not run",
            ),
        ),
        (
            replace(RULE, visibility=READ_ONLY),
            (
                "rule: One",
                "read-only: what it does is seen through Exchange",
                "without any condition: it takes every message",
            ),
        ),
        (
            replace(
                change(conditions=(RuleCondition("sentToMe", ("true",)),), mark_as_read=True),
                visibility=EXCHANGE,
                hiding=Hiding(DELETE, Severity.HIGH, takes_everything=True),
            ),
            (
                "rule: One",
                "seen through Exchange",
                "deletes the mail",
                "marks it as read",
                "its conditions leave no message alone: it takes every message",
                "takes mail: sent to the owner",
            ),
        ),
        (
            replace(
                change(conditions=(FROM, WORDS), mark_as_read=True),
                hiding=Hiding(
                    READ,
                    Severity.LOW,
                    words=("invoice",),
                    senders=Senders(("it@contoso.com",), ("bob@contoso.com",)),
                ),
            ),
            (
                "rule: One",
                "marks the mail as read",
                "looks for: invoice",
                "senders who warn: it@contoso.com",
                "colleagues: bob@contoso.com",
                "takes mail: from news@shop.example; with the words lunch",
            ),
        ),
        (
            replace(change(move_to="F1"), hiding=FOLDER),
            (
                "rule: One",
                "moves the mail to RSS Feeds",
                "folder: Alte Feeds",
                "without any condition: it takes every message",
            ),
        ),
    ],
)
def test_what_one_rule_does_to_what_mail(item: InboxRuleForward, facts: tuple[str, ...]) -> None:
    assert tell(item) == facts


def test_how_a_rule_hides_mail_is_left_out_where_it_is_told_elsewhere() -> None:
    hides = replace(RULE, hiding=Hiding(DELETE, Severity.HIGH, takes_everything=True))
    assert tell(hides, hiding=False) == (
        "rule: One",
        "without any condition: it takes every message",
    )
    said = Hiding(DELETE, Severity.HIGH, words=WORDS.values)
    all_said = replace(change(conditions=(WORDS,)), hiding=said)
    assert tell(all_said)[-1] == "looks for: invoice, lunch"


def test_several_rules_have_a_line_each_and_those_alike_have_one() -> None:
    off = change(name="Two", enabled=False, conditions=(WORDS,))
    assert tell(RULE, off, RULE) == (
        "rules: 3: One (2 times), Two",
        "rule: One: without any condition: it takes every message",
        "rule: Two: takes mail: with the words invoice, lunch",
    )
    unread = change(name="Three", readable=False)
    assert tell(RULE, unread)[-1] == "rule: Three"
    many = [change(name=f"Rule {number}") for number in range(MAX_SHOWN + 1)]
    assert tell(*many)[-1] == "and 1 more rules"
    assert len(tell(*many)) == MAX_SHOWN + 2
    assert not [line for line in tell(*many[:-1]) if "more rules" in line]


def test_long_texts_of_rules_are_cut() -> None:
    long = change(name=LONG, conditions=(RuleCondition("subjectContains", (LONG,)),))
    assert tell(long) == (
        f"rule: {quote_text(LONG, MAX_TEXT_LENGTH)}",
        f"takes mail: with the words {quote_text(LONG, MAX_VALUE_LENGTH)}",
    )
    short = quote_text(LONG, MAX_VALUE_LENGTH)
    assert tell(long, RULE)[0] == f"rules: 2: {short}, One"
    folder = replace(change(move_to="F1"), hiding=replace(FOLDER, folder_name=LONG))
    assert tell(folder)[2] == f"folder: {short}"
    kind = change(conditions=(RuleCondition(LONG, ("x",)),))
    assert tell(kind)[-1] == f"takes mail: {short} x"
    wordy = change(conditions=tuple(RuleCondition(f"kind{n}", (LONG,)) for n in range(20)))
    assert tell(wordy, RULE)[1] == f"rule: {quote_text(f'One: {tell(wordy)[-1]}', MAX_LINE_LENGTH)}"


def test_the_names_of_rules_are_counted_where_they_are_the_same() -> None:
    nameless = change(name="\u200b")
    assert format_rule_names([nameless, RULE, nameless]) == f"{UNNAMED} (2 times), One"


@pytest.mark.parametrize(
    ("item", "sources"),
    [
        (RULE, (MAILBOXES, INBOX_RULES, DOMAINS)),
        (replace(RULE, visibility=READ_ONLY), (MAILBOXES, INBOX_RULES, DOMAINS)),
        (replace(RULE, visibility=HIDDEN), (HIDDEN_RULES, MAILBOXES, INBOX_RULES, DOMAINS)),
        (replace(RULE, visibility=EXCHANGE), (HIDDEN_RULES, MAILBOXES, INBOX_RULES, DOMAINS)),
        (
            replace(change(move_to="F1"), hiding=FOLDER),
            (MAILBOXES, INBOX_RULES, RULE_FOLDERS, DOMAINS),
        ),
        (change(move_to="F1"), (MAILBOXES, INBOX_RULES, DOMAINS)),
        (
            replace(change(move_to="F1", delete="delete"), hiding=FOLDER),
            (MAILBOXES, INBOX_RULES, DOMAINS),
        ),
        (
            replace(change(move_to="Feeds", api="exchange"), hiding=FOLDER),
            (MAILBOXES, INBOX_RULES, DOMAINS),
        ),
        (replace(RULE, hiding=FOLDER), (MAILBOXES, INBOX_RULES, DOMAINS)),
    ],
)
def test_what_has_to_be_read_before_a_rule_may_be_believed_to_be_gone(
    item: InboxRuleForward, sources: tuple[str, ...]
) -> None:
    assert list_rule_sources([item], DOMAINS) == sources


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (RULE, True),
        (change(enabled=False), False),
        (change(read_only=True), False),
        (replace(RULE, visibility=READ_ONLY), False),
        (replace(RULE, visibility=HIDDEN), False),
    ],
)
def test_a_rule_can_be_disabled_where_graph_shows_all_of_it(
    item: InboxRuleForward, expected: bool
) -> None:
    assert can_disable_rule(item) is expected


WARNING = "Any such command deletes the client-side rules of the mailbox."
OFF, UNSEEN = change(enabled=False), replace(change(name="Two"), visibility=HIDDEN)


@pytest.mark.parametrize(
    ("items", "advice"),
    [
        (
            (OFF,),
            "It does nothing now. Ask the owner who made it; delete it unless they did.",
        ),
        (
            (RULE,),
            "Ask the owner; disable the rule unless they made it. If they did not, reset access.",
        ),
        (
            (UNSEEN,),
            "Ask the owner; unless they made it, reset access. It can be changed through Exchange "
            f"only. {WARNING}",
        ),
        (
            (RULE, OFF),
            "Ask the owner; disable these rules: One, unless they made them. If they did not, "
            "reset access.",
        ),
        (
            (RULE, UNSEEN),
            "Ask the owner; disable these rules: One, unless they made them. If they did not, "
            f"reset access. Of the rules, Two can be changed through Exchange only. {WARNING}",
        ),
    ],
)
def test_what_a_person_can_do_about_rules(items: tuple[InboxRuleForward, ...], advice: str) -> None:
    assert build_rules_advice(items) == advice
