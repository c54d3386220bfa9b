"""Conditions that leave no message alone, and what has to be known for that."""

from copy import replace

import pytest

from core.guards.mailbox_forwarding.conditions import (
    Owner,
    is_every_sender,
    is_in_every_message,
    is_met_by_every_message,
    is_own_recipient,
    list_words,
    needs_own_domains,
)
from core.tenant.mail_flow import InboxRule, RuleCondition

SENDERS = (RuleCondition("senderContains", ("news@shop.example",)),)
PLAIN = InboxRule("r1", "m1", "Newsletters", "graph", conditions=SENDERS)
ANN = Owner("ann@contoso.com", {"contoso.com"}.__contains__)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (PLAIN, False),
        (replace(PLAIN, mark_as_read=True), False),
        (replace(PLAIN, move_to="F1"), True),
        (replace(PLAIN, delete="delete"), True),
        (replace(PLAIN, move_to="F1", conditions=()), False),
        (
            replace(
                PLAIN,
                move_to="F1",
                conditions=(RuleCondition("sentToAddresses", ("ann@contoso.com",)),),
            ),
            True,
        ),
    ],
)
def test_domains_are_needed_where_mail_of_somebody_goes_away(
    rule: InboxRule, expected: bool
) -> None:
    assert needs_own_domains(rule) is expected


def test_an_empty_word_is_none() -> None:
    assert list(list_words((RuleCondition("subjectContains", ("", "lunch")),))) == ["lunch"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", True), ("ann", False), ("a-b", False), ("@", True), (".com", True), ("", True)],
)
def test_one_letter_is_in_every_address(text: str, expected: bool) -> None:
    assert is_every_sender(text) is expected


@pytest.mark.parametrize(
    ("text", "ignores", "expected"),
    [
        ("ann@contoso.com", False, True),
        ('"Ann" [SMTP:Ann@contoso.com]', False, True),
        ("sales@contoso.com", False, False),
        ("sales@contoso.com", True, True),
        ("@contoso.com", False, True),
        ("sales@shop.example", True, False),
        ("sales", True, False),
    ],
)
def test_ones_own_address_and_domain_are_in_all_mail(
    text: str, ignores: bool, expected: bool
) -> None:
    assert is_own_recipient(text, ANN, ignores) is expected


OTHER = "20000-30000"
"""What says something, whatever kind of value it is."""


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("sentToAddresses", "@", True),
        ("sentToAddresses", "ann", False),
        ("recipientContains", "ann", True),
        ("recipientContains", "ben", False),
        ("fromAddresses", "ann@contoso.com", False),
        ("withinSizeRange", "-", True),
        ("withinSizeRange", "4-", True),
        ("withinSizeRange", "5-", False),
        ("withinSizeRange", "-10240", True),
        ("withinSizeRange", "0-10239", False),
        # Whoever writes a rule may write sizes that no message has.
        ("withinSizeRange", "-1-10239", False),
        ("withinSizeRange", "-1-", True),
        ("withinSizeRange", "--1", False),
        ("withinSizeRange", "5--1", False),
        ("withinSizeRange", "small", True),
        ("sensitivity", "Normal", True),
        ("importance", "high", False),
        ("sentToMe", "true", True),
        ("receivedAfter", "2026-11-01", True),
        ("categories", "Red", False),
    ],
)
def test_a_condition_that_every_message_to_ann_meets_says_nothing(
    kind: str, value: str, expected: bool
) -> None:
    assert is_met_by_every_message(RuleCondition(kind, (value,)), ANN, False) is expected
    assert is_met_by_every_message(RuleCondition(kind, (OTHER, value)), ANN, False) is expected


@pytest.mark.parametrize(
    ("word", "kinds"),
    [
        ("x", {"bodyContains", "subjectContains", "headerContains", "bodyOrSubjectContains"}),
        ("re", {"bodyContains", "headerContains"}),
        # Two ideographs are a word.
        ("\u8bf7\u5047", set()),
        (" Nicht ", {"bodyContains", "bodyOrSubjectContains"}),
        ("Message-ID:", {"headerContains"}),
        ("lunch", set()),
    ],
)
def test_what_a_text_has_to_be_in_decides_whether_every_message_has_it(
    word: str, kinds: set[str]
) -> None:
    every = ("bodyContains", "subjectContains", "headerContains", "bodyOrSubjectContains")
    assert {kind for kind in every if is_in_every_message(word, kind)} == kinds


def test_who_has_no_address_is_not_everybody_without_one() -> None:
    assert not is_own_recipient("Sales", Owner("", {"contoso.com"}.__contains__), True)
    assert not is_own_recipient("Sales", Owner("", lambda _domain: True), True)
