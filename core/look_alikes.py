"""Text as a reader sees it: hidden signs, styles, accents and look-alike letters taken off. Pure.

Somebody who wants a word overlooked writes it with letters of another alphabet, in mathematical
bold, or with signs between them that nobody sees (Unicode Technical Standard 39).
"""

import re
import unicodedata
from collections.abc import Iterator

from core.confusable_letters import LETTERS

LOOK_ALIKES = {ord(sign): latin for latin, signs in LETTERS.items() for sign in signs}
# Digits and signs that stand for letters where a word is to be overlooked.
DIGITS_AS_LETTERS = str.maketrans("0134579@$!|", "oleastg" + "asil")
# Letters that stand alone, one after the other; the words beside them are none of them.
SPACED_OUT = re.compile(r"(?<![^\W_])[^\W_](?:[\W_][^\W_](?![^\W_])){3,}", re.ASCII)
# Fillers that Unicode counts as letters and that show nothing.
BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def is_visible(sign: str) -> bool:
    """Whether a sign shows anything: neither a control, a format sign nor a blank letter."""
    return unicodedata.category(sign)[0] != "C" and sign not in BLANK_LETTERS


def strip_hidden(text: str) -> str:
    """Text without zero-width signs, soft hyphens, direction marks, variation selectors."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        sign
        for sign in text
        if is_visible(sign) and not 0xFE00 <= ord(sign) <= 0xFE0F and sign != "\u034f"
    )


def fold_accents(text: str) -> str:
    """Text without case, accents and styles; letters of other alphabets stay what they are.

    A Latin letter with a stroke through it has no accent to take off: it becomes the plain one.
    """
    if text.isascii() and text.isprintable():
        return text.lower()
    folded = unicodedata.normalize("NFKD", strip_hidden(text).casefold()).casefold()
    return "".join(
        LOOK_ALIKES.get(ord(sign), sign)
        if sign > "\x7f" and unicodedata.name(sign, "").startswith("LATIN")
        else sign
        for sign in folded
        if not unicodedata.combining(sign)
    )


def list_readings(text: str) -> Iterator[str]:
    """A text in every way a reader may take it, each without case and accents.

    As written; with look-alike letters as Latin ones; with digits as letters ("p4ssword"); with
    strokes that join to a letter ("payrnent"); with letters that stand apart put together.
    """
    plain = fold_accents(text)
    latin = plain.translate(LOOK_ALIKES)
    digits = latin.translate(DIGITS_AS_LETTERS)
    strokes = latin.replace("1", "i").replace("rn", "m").replace("vv", "w")
    together = SPACED_OUT.sub(lambda found: re.sub(r"[\W_]", "", found[0]), latin)
    yield from dict.fromkeys((plain, latin, digits, strokes, together))
