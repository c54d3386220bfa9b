"""Words that a thief does not want a mailbox's owner to read, and where in a text they count."""

import pytest

from core.guards.mailbox_forwarding.words import (
    MAX_WORD_LENGTH,
    contains_word,
    has_spaces_before,
    index_words,
    is_telling,
    list_words,
    split_names,
)


@pytest.mark.parametrize(
    "text",
    [
        *("invoic", "Invoices of May", "your invoice", "(invoice)", "re-invoice"),
        *("iban", "our iban", "iban-nr", "iban: x", "ibanez iban"),
        *("past due", "do not click this", "p4ssword", "Pass\u0430w0rd password"),
        *("請求", "ご請求書", "비밀번호 변경", "Überweisung", "ÜBERWEISUNG"),
        *("Alert", "!Security alerts!", "RE:", " Re : ", "Wg:"),
        # Letters with signs of their own, and a script without spaces.
        *("Hóa đơn tháng 5", "HOÁ ĐƠN", "Tagihan Mei", "Uplata računa", "Рачун 5"),
        *("मासिक चालान", "فاکتور فروش", "Sąskaita faktūra", "Rēķins", "Arve nr 5"),
        *("โปรดดูใบแจ้งหนี้", "เปลี่ยนรหัสผ่าน"),
    ],
)
def test_a_word_tells_at_its_beginning_and_some_texts_as_a_whole(text: str) -> None:
    assert is_telling(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "hello", "preinvoice", "_invoice", "invoi"),
        *("ibanez", "iban_x", "iban2", "past  overview"),
        *("job alerts", "Re: holidays", "Re", "日本"),
        *("สวัสดี", "Računalnik", "Arvestus", "Gajian", "ऑफ़िस", "bản tin", "buletin"),
    ],
)
def test_what_only_holds_the_letters_of_a_word_does_not_tell(text: str) -> None:
    assert not is_telling(text)


def test_a_long_text_is_compared_as_far_as_its_bound() -> None:
    word = "password"
    room = MAX_WORD_LENGTH - len(word)
    assert is_telling("-" * room + word)
    assert not is_telling("-" * (room + 1) + word)


def test_words_without_spaces_count_anywhere_in_a_text() -> None:
    assert not has_spaces_before("請求")
    assert not has_spaces_before("ธนาคาร")
    assert has_spaces_before("invoic")
    assert contains_word("x請求x")
    assert not contains_word("xinvoicx")


def test_every_word_is_listed_once_as_people_write_it() -> None:
    words = list_words()
    assert len(words) == len(set(words)) > 300
    assert all(word and word == " ".join(word.split()) for word in words)
    assert {"do not click", "past due", "iban.", "請求"} <= set(words)


def test_words_are_found_by_their_first_letters_with_whether_they_end_there() -> None:
    found = index_words()
    assert ("invoic", False) in found["in"]
    assert ("iban", True) in found["ib"]
    assert all(word[:2] == start for start, words in found.items() for word, _ in words)
    assert sum(map(len, found.values())) == sum(map(has_spaces_before, list_words()))


def test_names_are_split_at_any_space() -> None:
    assert split_names(" a  b\nc ") == {"a", "b", "c"}
