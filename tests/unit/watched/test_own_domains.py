"""A domain that a listing lacks once still is one by which others are judged."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.tenant.configuration import Configuration
from core.tenant.known_traits import NEWS_PERIOD
from core.tenant.readings import ReadFailure, Reading
from core.watched.own_domains import (
    add_missing_domains,
    list_own_names,
    list_settled_names,
)
from tests.support.fakes.clock import START

SOURCE = "accepted-domain"


def domain(name: str) -> Configuration:
    return Configuration(SOURCE, name, name, {})


WHOLE = Reading((domain("a.example"), domain("b.example")))


def test_what_is_missing_is_added_by_its_name_after_what_was_read() -> None:
    first, noted = add_missing_domains(SOURCE, WHOLE, {}, START)
    assert first == WHOLE
    known = {row.key: row for row in noted}
    later = START + timedelta(minutes=5)
    cut = replace(WHOLE, items=WHOLE.items[1:])
    helped, again = add_missing_domains(SOURCE, cut, known, later)
    assert helped.items == (domain("b.example"), domain("a.example"))
    assert again


@pytest.mark.parametrize(
    "reading",
    [
        replace(WHOLE, failures=(ReadFailure(SOURCE, "HTTP 503"),)),
        replace(WHOLE, complete=False),
        replace(WHOLE, items=()),
    ],
)
def test_what_is_no_whole_listing_is_neither_added_to_nor_remembered(
    reading: Reading[Configuration],
) -> None:
    known = {row.key: row for row in add_missing_domains(SOURCE, WHOLE, {}, START)[1]}
    assert add_missing_domains(SOURCE, reading, known, START) == (reading, ())


@pytest.mark.parametrize("name", ["new.example", "Ω.example", f"{'n' * 70}.example"])
def test_a_domain_that_came_after_the_first_look_is_settled_after_a_month(name: str) -> None:
    known = {row.key: row for row in add_missing_domains(SOURCE, WHOLE, {}, START)[1]}
    later = START + timedelta(days=1)
    more = replace(WHOLE, items=(*WHOLE.items, domain(name)))
    for now, settled in ((later, 2), (later + NEWS_PERIOD / 2, 2), (later + NEWS_PERIOD, 3)):
        helped, noted = add_missing_domains(SOURCE, more, known, now)
        known |= {row.key: row for row in noted}
        assert len(list(list_own_names(helped.items))) == 3
        assert len(list(list_settled_names(helped.items))) == settled
        assert [one.id for one in helped.items] == [one.id for one in more.items]


def test_all_domains_of_the_first_look_are_settled_and_nobody_has_those_of_none() -> None:
    first, _ = add_missing_domains(SOURCE, WHOLE, {}, START)
    assert list(list_settled_names(first.items)) == ["a.example", "b.example"]
    given = Configuration(SOURCE, "guid", "x", {"DomainName": "Münster.example"})
    assert list(list_settled_names((given,))) == ["xn--mnster-3ya.example"]
    assert list(list_settled_names(None)) == list(list_own_names(None)) == []
