"""A domain that a listing lacks once still is one by which others are judged."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.tenant.configuration import Configuration
from core.tenant.readings import ReadFailure, Reading
from core.watched.own_domains import add_missing_domains
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
