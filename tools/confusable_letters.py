# /// script
# requires-python = ">=3.13"
# dependencies = ["confusable-homoglyphs==3.3.1"]
# ///
"""Writes core/confusable_letters.py: which letters of other alphabets look like a Latin one.

The pairs are those of Unicode's confusables.txt (Unicode Technical Standard 39), as the package
confusable-homoglyphs carries them. The app needs 450 of its 9,600 entries and none of its code, so
they are taken over once instead of read at every cold start:

    uv run --script tools/confusable_letters.py > core/confusable_letters.py
"""

import importlib.resources
import json
import sys
import unicodedata
from collections.abc import Iterator

HEADER = '''"""Letters that look like a Latin one, by what they look like. Generated: do not edit.

Unicode Technical Standard 39, confusables.txt, through confusable-homoglyphs 3.3.1: see
tools/confusable_letters.py.
"""

LETTERS = {
'''
# Where one letter looks like several, the one it is used for in names and words.
PREFERRED = {"\u03c3": "o", "\u03b7": "n", "\u03bd": "v", "\u03c5": "u"}


def reduce_letter(text: str) -> str:
    """A letter as it is left once case, accents and styles are taken off."""
    for _ in range(2):
        text = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in text if not unicodedata.combining(sign))


def list_pairs() -> Iterator[tuple[str, str]]:
    """Every sign beyond ASCII with a Latin letter that it looks like."""
    source = importlib.resources.files("confusable_homoglyphs") / "confusables.json"
    for sign, others in json.loads(source.read_text(encoding="utf-8")).items():
        plain = reduce_letter(sign)
        if len(sign) == 1 and len(plain) == 1 and not plain.isascii():
            for other in others:
                letter = reduce_letter(other["c"])
                if len(letter) == 1 and letter.isascii() and letter.isalpha():
                    yield plain, letter


def main() -> None:
    """Print the module."""
    letters: dict[str, str] = {}
    for sign, letter in sorted(list_pairs()):
        letters.setdefault(sign, PREFERRED.get(sign, letter))
    sys.stdout.write(HEADER)
    for latin in "abcdefghijklmnopqrstuvwxyz":
        signs = [sign for sign, letter in letters.items() if letter == latin]
        escaped = [ascii(sign)[1:-1] for sign in signs]
        lines, line = list[str](), ""
        for part in escaped:
            if len(line) + len(part) > 84:
                lines.append(line)
                line = ""
            line += part
        text = "".join(f'\n    "{one}"' for one in (*lines, line))
        sys.stdout.write(f'    "{latin}": ({text}\n    ),\n')
    sys.stdout.write("}\n")


if __name__ == "__main__":
    main()
