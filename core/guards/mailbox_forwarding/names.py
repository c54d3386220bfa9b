"""Names that are made to be overlooked. Pure."""

import unicodedata
from functools import lru_cache

from core.look_alikes import strip_hidden

MIN_NAME_LENGTH = 3
"""Real rules of break-ins are named ".", "..", "a", "dd": a shorter name says nothing."""
CACHE_SIZE = 1_024
"""The people of one organization give many rules the same names."""
PART_LENGTH = 256
WIDE = frozenset({"W", "F"})


def measure_name(name: str) -> int:
    """How many letters and digits a name shows. An ideograph says as much as three letters.

    Of a long name no more is looked at than shows that it says something.
    """
    length = 0
    for begin in range(0, len(name), PART_LENGTH):
        length += measure_part(name[begin : begin + PART_LENGTH])
        if length >= MIN_NAME_LENGTH:
            break
    return length


def measure_part(text: str) -> int:
    """How many letters and digits a part of a name shows."""
    if text.isascii():
        return sum(map(str.isalnum, text))
    shown = unicodedata.normalize("NFKC", strip_hidden(text))
    return sum(
        3 if unicodedata.east_asian_width(sign) in WIDE else 1 for sign in shown if sign.isalnum()
    )


@lru_cache(CACHE_SIZE)
def is_unreadable_name(name: str) -> bool:
    """True for the name of a rule that says nothing: none, signs, invisible, one or two letters."""
    return measure_name(name) < MIN_NAME_LENGTH


def is_unreadable_folder_name(name: str) -> bool:
    """True for a folder that nobody would notice among others. "HR" and "IT" are folders.

    A folder without any name was not read, and says nothing.
    """
    return bool(name) and measure_name(name) < MIN_NAME_LENGTH - 1
