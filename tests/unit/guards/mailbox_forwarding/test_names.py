"""How much a name says, in any script."""

import pytest

from core.guards.mailbox_forwarding.names import (
    MIN_NAME_LENGTH,
    is_unreadable_folder_name,
    is_unreadable_name,
    measure_name,
)


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("", 0),
        ("...", 0),
        ("R&D 1", 3),
        ("a\tb", 2),
        ("\u00fcnl\u00fc", 4),
        ("\u2026 \u00e9!", 1),
        # Hidden signs say nothing, and letters of full width are letters.
        ("\u200ba\u200b", 1),
        ("\uff21\uff22", 2),
        # An ideograph says as much as three letters.
        ("\u8acb", 3),
        ("\u8acba\u3002", 4),
        # However much that shows nothing comes first.
        ("\u200b" * 1_000 + "\u00fcnl", 3),
    ],
)
def test_a_name_is_as_long_as_what_it_shows(name: str, length: int) -> None:
    assert measure_name(name) == length
    assert is_unreadable_name(name) is (length < MIN_NAME_LENGTH)
    # Folders have names of two letters.
    assert is_unreadable_folder_name(name) is (bool(name) and length < 2)


def test_of_a_long_name_only_so_much_is_read_as_shows_that_it_says_something() -> None:
    assert MIN_NAME_LENGTH <= measure_name("\u00fc" * 100_000) < 1_000
