"""Foreign text: bounded, without characters that deceive, and without markdown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.notifications.adaptive_card import escape_markdown
from core.sanitize import DECEPTIVE_CATEGORIES, sanitize_text

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MARKDOWN_PARTS = (
    *"*_[]()`#<>~|\\!&;:/=-+.) \t19ax", "&lt;", "&rlm;", "&#8238;", "://", "www.", "1. ", "> ",
    "    ", "```", "===", "|-|", "\n", "\u00a0",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("two\r\nlines", "two\\u000d\\u000alines"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("lone \ud800 surrogate", "lone \\ud800 surrogate"),
        ("separator\u2028", "separator\\u2028"),
        ("Zu\u0308rich", "Zürich"),
    ],
)
def test_every_character_is_what_it_seems_to_be(text: str, shown: str) -> None:
    assert sanitize_text(text) == shown


def test_a_very_long_name_is_cut_and_says_how_long_it_was() -> None:
    shown = sanitize_text("x" * 1_000_000, 20)
    assert shown == "x" * 20 + "… (1,000,000 characters)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[click](https://evil.example)", "\\[click\\]\\(https\\[:\\]//evil.example\\)"),
        ("**bold** _it_ `code`", "\\*\\*bold\\*\\* \\_it\\_ \\`code\\`"),
        ("# heading", "\\# heading"),
        ("lena_quarry-lane.example#EXT#", "lena_quarry-lane.example\\#EXT\\#"),
        ("__init__ a_ _b é_é", "\\_\\_init\\_\\_ a\\_ \\_b é\\_é"),
        ("- list", "\\- list"),
        ("1. first", "1\\. first"),
        ("1.", "1\\."),
        ("2) second", "2\\) second"),
        ("203.0.113.9", "203.0.113.9"),
        ("12.5 GB", "12.5 GB"),
        ("    + more", "\\+ more"),
        ("<at>everyone</at>", "\\<at\\>everyone\\</at\\>"),
        ("a-b+c", "a-b+c"),
    ],
)
def test_markdown_in_a_name_does_nothing(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown


@given(st.text(max_size=400))
def test_whatever_the_name_no_sign_of_markdown_is_left_unescaped(text: str) -> None:
    shown = escape_markdown(text)
    # An underscore within a word is no sign.
    bare = re.sub(r"(?<=[A-Za-z0-9])_(?=[A-Za-z0-9])", "", shown.replace("\\\\", ""))
    for sign in "*_[]()`#<>~|":
        assert bare.count(sign) == bare.count(f"\\{sign}")
    assert "://" not in shown


@given(st.lists(st.sampled_from(MARKDOWN_PARTS) | st.text(max_size=3), max_size=12).map("".join))
def test_whatever_the_name_a_reader_of_markdown_shows_it_as_it_is(text: str) -> None:
    shown = ""
    for token in MARKDOWN.parse(escape_markdown(text)):
        assert token.type in ("paragraph_open", "inline", "paragraph_close")
        for part in token.children or ():
            assert part.type in ("text", "text_special")
            shown += part.content
    assert shown.strip() == sanitize_text(text).replace("://", "[:]//").strip()


@given(st.text(max_size=400))
def test_whatever_the_name_nothing_deceiving_is_left(text: str) -> None:
    import unicodedata

    assert not [
        sign for sign in sanitize_text(text) if unicodedata.category(sign) in DECEPTIVE_CATEGORIES
    ]
