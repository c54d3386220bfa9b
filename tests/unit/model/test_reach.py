"""What goes further than what, and what fits into a row."""

import json
from dataclasses import replace

import pytest

from core.model.reach import (
    MAX_REACHES,
    MAX_REACHES_SIZE,
    Reach,
    Selection,
    add_reaches,
    goes_further,
    limit_reaches,
)


def words(*values: str) -> Selection:
    return Selection.of("subjectContains", values)


NEWS = Reach.of(["send"], [words("news", "offers")], [Selection.of("from", ["boss"])])
ALL = Reach.of(["send"])


@pytest.mark.parametrize(
    "wider",
    [
        ALL,
        replace(NEWS, only=()),
        replace(NEWS, only=(words("news", "offers", "invoice"),)),
        replace(NEWS, only=(Selection.of("bodyContains", ["news", "offers"]),)),
        replace(NEWS, unless=()),
        replace(NEWS, unless=(Selection.of("from", ["cfo"]),)),
        replace(NEWS, does=("delete", "send")),
    ],
    ids=["all", "no condition", "a word", "other place", "no exception", "other exception", "more"],
)
def test_more_mail_or_more_done_to_it_goes_further(wider: Reach) -> None:
    assert goes_further([NEWS, wider], [NEWS])


@pytest.mark.parametrize(
    "narrower",
    [
        NEWS,
        replace(NEWS, only=(words("news"),)),
        replace(NEWS, only=(words("OFFERS", "News"),)),
        replace(NEWS, only=(words("news"), Selection.of("from", ["shop"]))),
        replace(NEWS, unless=(Selection.of("from", ["boss", "cfo"]),)),
        replace(NEWS, unless=(Selection.of("from", ["boss"]), words("x"))),
        replace(NEWS, does=()),
    ],
    ids=["same", "fewer words", "order and case", "a condition", "values", "an exception", "less"],
)
def test_less_mail_goes_no_further(narrower: Reach) -> None:
    assert not goes_further([narrower], [NEWS])
    assert not goes_further([narrower], [ALL, NEWS])


def test_two_that_each_cover_a_part_do_not_cover_the_whole() -> None:
    both = Reach.of(["send"], [words("a", "b")])
    assert goes_further([both], [Reach.of(["send"], [words(one)]) for one in "ab"])


def test_nothing_goes_no_further_than_nothing() -> None:
    assert not goes_further([], [])
    assert goes_further([ALL], [])


def test_what_was_told_is_kept_without_what_it_covers() -> None:
    assert add_reaches([NEWS], [ALL]) == (ALL,)
    assert add_reaches([ALL], [NEWS]) == (ALL,)
    other = Reach.of(["delete"], [words("x")])
    assert set(add_reaches([NEWS], [other])) == {NEWS, other}


def test_no_text_of_the_tenant_is_kept() -> None:
    assert "invoice" not in repr(Reach.of(["send"], [words("invoice")]))


def test_too_many_are_the_same_only_as_a_whole() -> None:
    many = [Reach.of(["send"], [words(str(n))]) for n in range(MAX_REACHES + 1)]
    limited = limit_reaches(many)
    assert len(limited) == 1
    assert limited == limit_reaches(many[::-1])
    assert goes_further(limit_reaches([*many, ALL]), limited)
    assert not goes_further(limit_reaches(many), limited)
    large = Reach.of(["send"], [words(*(str(n) for n in range(1_000)))])
    assert len(json.dumps([one.does for one in limit_reaches([large])])) < MAX_REACHES_SIZE
    assert limit_reaches([large]) != (large,)


def test_as_many_as_fit_into_a_row_stay_apart() -> None:
    many = [Reach.of(["send"], [words(str(n))]) for n in range(MAX_REACHES)]
    assert set(limit_reaches(many)) == set(many)
    only, unless = Selection.of("from", ["boss"]), Selection.of("to", ["ann"])
    parts = [["only", only.kind, only.values], ["unless", unless.kind, unless.values]]
    room = MAX_REACHES_SIZE - len(json.dumps([[""], parts]))
    largest = Reach.of(["x" * room], [only], [unless])
    assert limit_reaches([largest]) == (largest,)
    larger = Reach.of(["x" * (room + 1)], [only], [unless])
    assert limit_reaches([larger]) != (larger,)


def test_a_condition_is_known_by_letters_and_the_start_of_its_kind() -> None:
    assert words("Straße") == words("STRASSE")
    assert words("\u0131") != words("i")
    assert Selection.of("k" * 99, ["a"]).kind == "k" * 60
