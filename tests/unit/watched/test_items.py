"""Tokens of watched items, and declarations that read what nobody declared."""

from dataclasses import replace

import pytest

from core.model.findings import Severity
from core.watched.items import (
    MAX_TOKEN_LENGTH,
    VALUE_MARK,
    Trait,
    WatchedCollection,
    WatchedItem,
    bound_text,
    build_token,
    build_value_token,
    check_sources,
    explain_no_loss,
    read_entry,
)

PLAIN = WatchedCollection(
    name="plain-thing",
    noun="thing",
    plural="things",
    needs=("accepted-domain",),
    uses=("remote-domain",),
    describe=lambda rows: [],
    advice="",
    techniques=(),
    reference="",
    harmless="",
)


def test_an_entry_is_known_by_its_kind_and_its_text_without_case() -> None:
    assert build_token("sender", "Ann@Contoso.COM") == "sender ann@contoso.com"
    assert build_value_token("mode", "On") == f"{VALUE_MARK}mode on"


@pytest.mark.parametrize("length", [MAX_TOKEN_LENGTH + 1, 5_000])
def test_a_long_entry_keeps_its_beginning_and_what_tells_it_from_others(length: int) -> None:
    token = build_token("sender", "A" * length)
    assert token == build_token("sender", "a" * length)
    assert token != build_token("sender", "a" * (length + 1))
    assert token.startswith("sender aaaa")
    assert len(token) == MAX_TOKEN_LENGTH - len(VALUE_MARK)
    assert len(build_value_token("sender", "a" * length)) == MAX_TOKEN_LENGTH


def test_a_long_kind_leaves_room_for_an_entry() -> None:
    one, other = build_token("k" * 500, "x" * 500), build_token("k" * 501, "x" * 500)
    assert one != other
    assert len(one) == len(other) == MAX_TOKEN_LENGTH - len(VALUE_MARK)
    assert one.partition(" ")[2].startswith("x")


@pytest.mark.parametrize(("length", "is_cut"), [(40, False), (41, True)])
def test_a_text_that_just_fits_stays_as_it_is(length: int, is_cut: bool) -> None:
    text = "b" * length
    bounded = bound_text(text, 40)
    assert (bounded != text) is is_cut
    assert len(bounded) == 40
    assert bounded.startswith("b" * 16)


def test_a_loss_that_nobody_explains_is_low_and_named() -> None:
    assert explain_no_loss("lock") == Trait("lock", "lacks what it kept before: lock", Severity.LOW)
    assert PLAIN.explain_loss("lock") == explain_no_loss("lock")


def test_a_collection_reads_what_it_needs_and_what_it_uses() -> None:
    assert PLAIN.sources == ("accepted-domain", "remote-domain")
    assert PLAIN.source == "watched-plain-thing"
    check_sources(PLAIN)


UNKNOWN = ("no-such", "accepted-domain", "zz-none")


@pytest.mark.parametrize("broken", [replace(PLAIN, needs=UNKNOWN), replace(PLAIN, uses=UNKNOWN)])
def test_a_source_that_nobody_declared_is_refused_by_name(broken: WatchedCollection) -> None:
    with pytest.raises(ValueError, match="plain-thing reads no-such, which is no declared source"):
        check_sources(broken)


def test_an_item_is_harmless_unless_it_says_otherwise() -> None:
    item = WatchedItem("id", "name")
    assert (item.opens, item.keeps, item.on_sight, item.facts) == ((), frozenset(), (), ())
    assert (item.arrival, item.keeps_all_of, item.advice) == (Severity.INFO, (), "")
    assert (PLAIN.departure, PLAIN.only_protects) == (Severity.INFO, False)


def test_the_entry_of_a_token_is_read_back_unless_only_a_part_of_it_is_there() -> None:
    assert read_entry(build_token("for", "ann and ben")) == "ann and ben"
    room = MAX_TOKEN_LENGTH - len(VALUE_MARK) - len("for ")
    assert read_entry(build_token("for", "a" * (room - 1))) == "a" * (room - 1)
    # One that fills its token may as well be the beginning of a longer one.
    assert read_entry(build_token("for", "a" * room)) == ""
    assert read_entry(build_token("for", "a" * 500)) == ""
