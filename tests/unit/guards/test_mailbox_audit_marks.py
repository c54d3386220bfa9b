"""What is kept of each mark while a scan is under way is what a dict of texts would keep."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.guards.mailbox_audit.marks import LETTERS, MARK_LENGTH, MarkBook
from core.guards.mailbox_audit.memory import build_mark

MARK = "abc0abc0" + "0" * 16

marks = st.sampled_from([MARK, *(build_mark(f"m{number}") for number in range(9))])
some_letters = st.sets(st.sampled_from(LETTERS)).map(lambda few: "".join(sorted(few)))


def list_all(book: MarkBook) -> list[tuple[str, str, bool]]:
    return [one for first in sorted(book.list_first_digits()) for one in book.list_alike(first)]


@given(st.lists(st.tuples(marks, some_letters)), st.lists(st.tuples(marks, some_letters)))
def test_marks_have_the_letters_they_were_given_last(
    saved: list[tuple[str, str]], seen: list[tuple[str, str]]
) -> None:
    book, known = MarkBook(), dict[str, str]()
    for mark, letters in saved:
        book.put(mark, letters)
        known[mark] = letters
    for mark, letters in seen:
        assert book.get_letters(mark) == known.get(mark, "")
        assert book.note(mark, letters) is (known.get(mark, "") != letters)
        known[mark] = letters
    assert list_all(book) == [
        (mark, letters, mark in dict(seen)) for mark, letters in sorted(known.items())
    ]


def test_marks_of_a_small_tenant_are_few() -> None:
    book = MarkBook()
    assert (list_all(book), book.get_letters(MARK)) == ([], "")
    book.put(MARK, "AO")
    assert list_all(book) == [(MARK, "AO", False)]
    assert book.list_first_digits() == {"a"}


def test_the_end_of_a_mark_and_the_beginning_of_the_next_are_no_mark() -> None:
    book = MarkBook()
    book.put(MARK, "A")
    book.put("abc1" + "2" * 20, "D")
    across = MARK[4:] + "01" + "ab"
    assert len(across) == MARK_LENGTH
    assert book.get_letters(across) == ""
    assert book.note(across, "O")
    book.put(MARK[4:8] + "7" * 16 + "abc1", "P")
    assert book.get_letters(across) == "O"
    assert [mark for mark, _, _ in list_all(book)] == sorted(
        [MARK, "abc1" + "2" * 20, across, MARK[4:8] + "7" * 16 + "abc1"]
    )


@pytest.mark.parametrize("mark", ["", "abc", MARK[2:], f"{MARK}00", f"{MARK[:-2]}xy", "a mark"])
def test_what_is_no_mark_is_nobodys(mark: str) -> None:
    book = MarkBook()
    book.put(mark, "A")
    assert list_all(book) == []


def test_a_letter_of_another_version_says_nothing() -> None:
    book = MarkBook()
    book.put(MARK, "AXO")
    assert book.get_letters(MARK) == "AO"


def test_twenty_thousand_marks_take_a_megabyte_and_a_half() -> None:
    every = [build_mark(f"m{number}") for number in range(20_000)]
    tracemalloc.start()
    try:
        book = MarkBook()
        for mark in every:
            book.note(mark, "ADO")
        assert tracemalloc.get_traced_memory()[0] < 1_500_000
    finally:
        tracemalloc.stop()
