"""Conditions of mail-flow rules: which leave no message alone, and which ask for a form."""

import pytest

from core.guards.mailbox_forwarding.flow_conditions import (
    has_technical_condition,
    is_met_by_every_message,
    list_telling_texts,
    names_read_header,
    parse_bytes,
    takes_every_message,
)
from core.tenant.mail_flow import TransportRule

RULE = TransportRule("t1", "Rule")


def when(**conditions: tuple[str, ...]) -> TransportRule:
    """A rule under these conditions."""
    return TransportRule("t1", "Rule", conditions=conditions)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1 KB (1,024 bytes)", 1_024),
        ("4 KB (4 096 bytes)", 4_096),
        ("2048", 2_048),
        ("9" * 15, 10**15 - 1),
        ("9" * 16, -1),
        ("Unlimited", -1),
        ("1.5", -1),
        ("", -1),
    ],
)
def test_a_size_is_read_as_exchange_prints_it(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("MessageSizeOver", ("4 KB (4,096 bytes)",), True),
        ("MessageSizeOver", ("4 KB (4,097 bytes)",), False),
        ("MessageSizeOver", (" 0 ",), True),
        ("MessageSizeOver", ("Unlimited",), False),
        ("SCLOver", ("-1",), True),
        ("SCLOver", ("0",), True),
        ("SCLOver", ("5",), False),
        ("WithImportance", ("Normal",), True),
        ("WithImportance", ("High",), False),
        ("SubjectMatchesPatterns", (".*",), True),
        ("SubjectMatchesPatterns", (r"\w+[a-z]{2,}",), True),
        ("SubjectMatchesPatterns", (r"\d",), False),
        ("SubjectMatchesPatterns", ("invoice.*",), False),
        # Most mail has no attachment.
        ("AttachmentNameMatchesPatterns", (".*",), False),
        ("SubjectContainsWords", ("a",), True),
        ("SubjectContainsWords", ("ab",), False),
        ("SubjectContainsWords", ("lunch", "."), True),
        ("FromAddressContainsWords", ("@",), True),
        ("From", ("a",), False),
        ("HasNoClassification", ("True",), True),
        # Which header is meant says nothing: what is asked of it does.
        ("HeaderContainsMessageHeader", ("X-Spam",), True),
        ("HeaderContainsWords", ("yes",), False),
    ],
)
def test_a_condition_that_every_message_meets_says_nothing(
    name: str, values: tuple[str, ...], expected: bool
) -> None:
    assert is_met_by_every_message(name, values) is expected
    assert takes_every_message(when(**{name: values})) is expected


def test_a_rule_takes_every_message_where_none_of_its_conditions_says_anything() -> None:
    assert takes_every_message(RULE)
    assert takes_every_message(when(SCLOver=("-1",), SubjectContainsWords=("@",)))
    assert not takes_every_message(when(SCLOver=("-1",), SubjectContainsWords=("lunch",)))


@pytest.mark.parametrize(
    ("header", "is_read"),
    [("Subject", True), (" subject: ", True), ("REPLY-TO", True), ("X-Spam-Flag", False)],
)
def test_words_in_a_header_that_people_see_are_told_and_no_form(header: str, is_read: bool) -> None:
    rule = when(HeaderContainsMessageHeader=(header,), HeaderContainsWords=("invoice",))
    assert names_read_header(rule, "HeaderContainsMessageHeader") is is_read
    assert list_telling_texts(rule) == (["invoice"] if is_read else [])
    assert has_technical_condition(rule) is not is_read


def test_what_every_message_meets_is_no_form() -> None:
    assert has_technical_condition(when(MessageSizeOver=("10 MB (10,485,760 bytes)",)))
    assert not has_technical_condition(when(MessageSizeOver=("0",)))
    assert not has_technical_condition(when(From=("ann@contoso.com",)))
