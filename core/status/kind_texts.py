"""What cases of a kind are called after a number: "6 accounts that can sign in". Pure.

The file beside this module has a line a kind: its name, one of it, several of it. What it does not
know, such as a row of an operator's own baseline, is called by its name.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_suffix(".txt")


@cache
def load_kind_texts() -> Mapping[str, tuple[str, str]]:
    """By kind: what one case is called, and what several are."""
    found: dict[str, tuple[str, str]] = {}
    for line in FILE.read_text("utf-8").splitlines():
        kind, _, texts = line.partition(": ")
        one, _, several = texts.partition(" | ")
        found[kind] = (one, several)
    return found


def describe_kind(kind: str) -> str:
    """One case of a kind, in words that anybody knows."""
    known = load_kind_texts().get(kind)
    return known[0] if known else kind.replace("-", " ")


def count_kind(kind: str, number: int) -> str:
    """How many cases of a kind there are, in words that anybody knows."""
    known = load_kind_texts().get(kind)
    if known is None:
        return f"{number:,} x {kind.replace('-', ' ')}"
    return f"{number:,} {known[number != 1]}"
