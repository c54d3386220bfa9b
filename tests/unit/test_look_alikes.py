"""Text as a reader sees it: what is hidden or styled is taken off, and letters look like others."""

import pytest

from core.look_alikes import fold_accents, list_readings, strip_hidden


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain text", "plain text"),
        ("in\u00advoice", "invoice"),
        ("in\u200bvo\u200dice\u2060", "invoice"),
        ("\u202einvoice\u202c", "invoice"),
        ("a\ufe00b\ufe0fc\u034fd", "abcd"),
        ("\u3164\u115f\u1160\uffa0\u2800", ""),
        ("a\tb\x00c", "abc"),
        ("\ufe10 and \ufdff stay", "\ufe10 and \ufdff stay"),
        ("bücher", "bücher"),
    ],
)
def test_what_shows_nothing_is_taken_off(text: str, seen: str) -> None:
    assert strip_hidden(text) == seen


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("INVOICE", "invoice"),
        ("INVO\x07ICE", "invoice"),
        ("Überweisung", "uberweisung"),
        ("Straße", "strasse"),
        ("\U0001d408\U0001d427\U0001d42f\U0001d428\U0001d422\U0001d41c\U0001d41e", "invoice"),
        ("ﬁnance", "finance"),
        ("Płatność", "platnosc"),
        ("İstanbul", "istanbul"),
        # Letters of other alphabets stay what they are.
        ("оплата", "оплата"),
        ("ОПЛАТА", "оплата"),
        # Unicode has no names for the letters of some scripts.
        ("\U00017000", "\U00017000"),
    ],
)
def test_case_accents_and_styles_say_nothing(text: str, folded: str) -> None:
    assert fold_accents(text) == folded


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("Invoice", "invoice"),
        ("\u0456nv\u043e\u0456\u0441\u0435", "invoice"),
        ("p4ssw0rd", "password"),
        ("1nv01ce", "lnvolce"),
        ("$3cur!7y", "security"),
        ("b|@ck m@i|", "black mail"),
        ("5t4te9", "stateg"),
        ("payrnent", "payment"),
        ("vvire", "wire"),
        ("1nvoice", "invoice"),
        ("i-n-v-o-i-c-e", "invoice"),
        ("Your i n v o i c e now", "your invoice now"),
        ("a_b_c_d", "abcd"),
    ],
)
def test_a_word_is_read_in_every_way_a_reader_may_take_it(text: str, reading: str) -> None:
    assert reading in set(list_readings(text))


def test_three_letters_that_stand_apart_are_no_word_and_a_plain_word_has_one_reading() -> None:
    assert "abc" not in set(list_readings("a b c"))
    assert list(list_readings("hello")) == ["hello"]
    assert next(iter(list_readings("1nvoice"))) == "1nvoice"
