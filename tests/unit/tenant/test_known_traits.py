"""What a guard remembers of an object: what was there at the first look is never news."""

from datetime import datetime, timedelta

from core.keys import build_object_key, compute_hash_prefix
from core.tenant.known_traits import (
    MAX_TRAITS,
    NEWS_PERIOD,
    REFRESH_INTERVAL,
    KnownTraits,
    build_traits_key,
    note_traits,
)
from tests.support.fakes.clock import START

HOUR = timedelta(hours=1)


def look(
    known: KnownTraits | None, traits: set[str], at: datetime, object_id: str = "o"
) -> KnownTraits:
    return note_traits({known.key: known} if known else {}, object_id, "method", traits, at)


def test_nothing_of_the_first_look_is_news() -> None:
    known = look(None, {"a", "b"}, START)
    assert list(known.list_new_traits(START)) == []
    assert list(look(known, {"a", "b"}, START + HOUR).list_new_traits(START + HOUR)) == []


def test_what_appears_later_is_news_for_a_month() -> None:
    known = look(look(None, {"a"}, START), {"a", "b"}, START + HOUR)
    assert list(known.list_new_traits(START + HOUR)) == [("b", START + HOUR)]
    later = look(known, {"a", "b"}, START + NEWS_PERIOD)
    assert list(later.list_new_traits(START + NEWS_PERIOD)) == [("b", START + HOUR)]
    assert list(later.list_new_traits(START + HOUR + NEWS_PERIOD)) == []


def test_what_went_and_came_back_is_news_again() -> None:
    without = look(look(None, {"a", "b"}, START), {"a"}, START + HOUR)
    again = look(without, {"a", "b"}, START + 2 * HOUR)
    assert list(again.list_new_traits(START + 2 * HOUR)) == [("b", START + 2 * HOUR)]


def test_an_object_with_nothing_at_first_has_news_later() -> None:
    known = look(look(None, set(), START), {"a"}, START + HOUR)
    assert list(known.list_new_traits(START + HOUR)) == [("a", START + HOUR)]


def test_two_objects_and_two_kinds_are_remembered_apart() -> None:
    keys = {look(None, set(), START, name).key for name in ("o", "p")}
    keys.add(note_traits({}, "o", "role", (), START).key)
    assert len(keys) == 3


def test_of_too_many_traits_the_known_ones_stay() -> None:
    known = look(None, {f"m{n:04}" for n in range(MAX_TRAITS)}, START)
    more = look(known, {*known.traits, *(f"a{n:04}" for n in range(MAX_TRAITS))}, START + HOUR)
    assert more.traits == known.traits


def test_a_look_without_news_changes_the_row_once_a_week() -> None:
    known = look(None, {"a"}, START)
    assert look(known, {"a"}, START + REFRESH_INTERVAL - HOUR) == known
    at = START + REFRESH_INTERVAL
    assert look(known, {"a"}, at).last_seen_at == at


def test_what_is_known_of_an_object_lies_beside_it_under_a_key_of_its_own() -> None:
    key = build_traits_key("o", "method")
    assert key.startswith(compute_hash_prefix("o"))
    assert key != build_object_key("o", "method")


def test_a_second_look_at_the_same_is_the_same_memory_until_its_time_is_saved_again() -> None:
    known = look(None, {"a", "b"}, START)
    assert look(known, {"b", "a"}, START + HOUR) is known
    later = look(known, {"a", "b"}, START + REFRESH_INTERVAL)
    assert (later.traits, later.last_seen_at) == (known.traits, START + REFRESH_INTERVAL)
