"""tenant-baseline: how what a setting should be is said, and what an entry that shares shows."""

import pytest

from core.guards.tenant_baseline.baseline import (
    ExpectedValue,
    describe_sharing_entry,
    parse_sharing_entry,
)
from core.property_values import Value


@pytest.mark.parametrize(
    ("test", "values", "in_a_sentence", "in_a_table"),
    [
        ("is", (False,), "be False", "False"),
        ("is", (None,), "be not set", "not set"),
        ("is", (("a", "b"),), "be [a, b]", "[a, b]"),
        ("is", ((),), "be empty", "empty"),
        ("one_of", ("On", "Off", "Auto"), "be On, Off or Auto", "one of On, Off, Auto"),
        ("one_of", ("On",), "be On", "one of On"),
        ("at_least", (6,), "be at least 6", "at least 6"),
        ("at_most", (10,), "be at most 10", "at most 10"),
        ("present", (), "not be empty", "present"),
        ("within", ("a", "b"), "have no entry but a, b", "within a, b"),
        ("within", (), "have no entry but none", "within"),
        (
            "shares_at_most",
            ("*:x", "a:y"),
            "share no more than *:x, a:y",
            "shares at most *:x, a:y",
        ),
        ("shares_at_most", (), "share no more than nothing", "shares at most"),
    ],
)
def test_what_a_setting_should_be_is_said_in_a_sentence_and_in_a_table(
    test: str, values: tuple[Value, ...], in_a_sentence: str, in_a_table: str
) -> None:
    expected = ExpectedValue(test, values)
    assert (expected.requirement, str(expected)) == (in_a_sentence, in_a_table)


def test_of_several_levels_of_a_calendar_the_widest_counts() -> None:
    entry = "A.example: CalendarSharingFreeBusyReviewer, CalendarSharingFreeBusySimple, 0"
    assert parse_sharing_entry(entry) == ("a.example", 3, frozenset())
    assert describe_sharing_entry(entry) == "that domain sees calendars in full"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("a.example:0", "that domain sees nothing"),
        (
            "*:ContactsSharing,New",
            "everybody in any organization sees contacts and what this version does not know",
        ),
    ],
)
def test_an_entry_shows_what_it_says_and_no_more(entry: str, told: str) -> None:
    assert describe_sharing_entry(entry) == told
