"""Every watched collection, asked with a known, a new, a wider, a narrower and a missing item."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.model.findings import Severity
from core.model.guards import MAX_SINGLE_LOOKS, GuardPolicy, ObserveContext
from core.tenant.configuration import Configuration
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import ReadFailure, Reading
from core.watched.guard import compare_collection
from core.watched.items import SourceRows
from core.watched.judge import WatchedVerdict
from tests.support.watched_examples import EXAMPLES, WatchedExample
from tests.support.watched_looks import COLLECTIONS, NOW, Looks

KNOWN, OTHER = "id-known", "id-other"


def test_every_collection_has_an_example() -> None:
    assert EXAMPLES.keys() == COLLECTIONS.keys()


def list_examples() -> Iterator[tuple[str, Looks, WatchedExample]]:
    """Each collection by name, before anybody looked at it."""
    for name, example in EXAMPLES.items():
        yield name, Looks(COLLECTIONS[name]), example


def list_plural_examples() -> Iterator[tuple[str, Looks, WatchedExample]]:
    """The same of those that may have several items."""
    return (one for one in list_examples() if not one[2].is_single)


async def test_what_was_there_at_the_first_look_is_stock() -> None:
    for name, looks, example in list_examples():
        rows = [*example.others, example.build(KNOWN)]
        for _ in range(3):
            assert await looks.look(rows) == [], name


async def test_an_item_that_opens_more_is_told_for_as_long_as_it_does() -> None:
    for name, looks, example in list_examples():
        await looks.look([*example.others, example.build(KNOWN)])
        rows = [*example.others, example.build(KNOWN, example.wider)]
        for _ in range(3):
            found = await looks.look(rows)
            assert len(found) == bool(example.wider), name
            for one in found:
                assert one.severity >= Severity.MEDIUM, name
                assert one.verdict in set(WatchedVerdict) - {WatchedVerdict.STOCK}, name
                assert one.reaches, name
        assert await looks.look([*example.others, example.build(KNOWN)]) == [], name


def print_switches(value: Any) -> Any:
    """A value with every switch as a word, as some interfaces print it."""
    match value:
        case bool():
            return str(value)
        case Mapping():
            return {name: print_switches(part) for name, part in value.items()}
        case list():
            return [print_switches(part) for part in value]
    return value


async def test_switches_that_are_printed_as_words_count_alike() -> None:
    def build(example: WatchedExample, *changes: Mapping[str, Any]) -> list[Configuration]:
        found = example.build(KNOWN, *changes)
        return [*example.others, replace(found, values=print_switches(found.values))]

    for name, looks, example in list_examples():
        assert await looks.look(build(example)) == [], name
        assert len(await looks.look(build(example, example.wider))) == bool(example.wider), name
        assert await looks.look(build(example, example.narrower)) == [], name


async def test_an_item_that_opens_less_is_no_news() -> None:
    for name, looks, example in list_examples():
        await looks.look([*example.others, example.build(KNOWN)])
        rows = [*example.others, example.build(KNOWN, example.narrower)]
        assert await looks.look(rows) == [], name


async def test_what_does_not_count_may_change() -> None:
    for name, looks, example in list_examples():
        await looks.look([*example.others, example.build(KNOWN)])
        rows = [*example.others, example.build(KNOWN, example.harmless)]
        assert await looks.look(rows) == [], name


async def test_an_item_that_is_new_and_open_is_told() -> None:
    for name, looks, example in list_plural_examples():
        rows = [*example.others, example.build(KNOWN)]
        await looks.look(rows)
        found = await looks.look([*rows, example.build(OTHER, example.wider)])
        assert [one.object_id for one in found] == ([OTHER] if example.is_new_told else []), name
        assert all(one.verdict == WatchedVerdict.NEW for one in found), name


async def test_an_item_that_a_listing_leaves_out_once_is_neither_gone_nor_new() -> None:
    for name, looks, example in list_plural_examples():
        rows = [*example.others, example.build(KNOWN), example.build(OTHER)]
        await looks.look(rows)
        assert await looks.look(rows[:-1]) == [], name
        assert await looks.look(rows) == [], name


async def test_an_item_that_is_gone_is_told_where_it_kept_something_closed() -> None:
    for name, looks, example in list_plural_examples():
        rows = [*example.others, example.build(KNOWN), example.build(OTHER)]
        await looks.look(rows)
        await looks.look(rows[:-1])
        found = await looks.look(rows[:-1])
        expected = [example.prefix + OTHER] if looks.collection.departure > Severity.INFO else []
        assert [one.object_id for one in found] == expected, name


async def test_what_cannot_be_read_is_unread_and_nothing_is_forgotten() -> None:
    for name, looks, example in list_examples():
        rows = [*example.others, example.build(KNOWN)]
        await looks.look(rows)
        before = dict(looks.known)
        assert await looks.look([], unread=example.source) == [], name
        gaps = [one.source for one in looks.failures if not one.optional]
        assert gaps == [looks.collection.source], name
        assert looks.known == before, name
        assert await looks.look(rows) == [], name


async def test_a_name_that_deceives_is_shown_as_what_it_is() -> None:
    for name, looks, example in list_examples():
        await looks.look([*example.others, example.build(KNOWN)])
        # An item that never changes is only told when it is new; of some only that they are gone.
        wide = example.build(KNOWN if example.wider else OTHER, example.wider)
        hostile = Configuration(wide.source, wide.id, "a\u202eb" + "x" * 500, wide.values)
        found = await looks.look([*example.others, hostile])
        assert len(found) == bool(example.wider or example.is_new_told), name
        for one in found:
            assert "\u202e" not in one.summary, name
            assert len(one.summary) < 900, name


@pytest.mark.parametrize(("was_read", "is_gap"), [(False, False), (True, True)])
async def test_a_source_that_is_refused_after_it_was_read_is_unread_and_not_absent(
    was_read: bool, is_gap: bool
) -> None:
    collection, name = COLLECTIONS["named-location"], "named-location"
    whole = {one: Reading[Configuration](sources=frozenset({one})) for one in collection.sources}
    failure = ReadFailure(name, "refused", optional=True)
    refused = {**whole, name: Reading[Configuration](failures=(failure,))}
    known: dict[str, KnownTraits] = {}
    if was_read:
        reading, _ = compare_collection(collection, whole, ObserveContext(GuardPolicy(NOW)))
        known = {one.key: one for one in reading.known_traits}
    context = ObserveContext(GuardPolicy(NOW), known_traits=known)
    reading, _ = compare_collection(collection, refused, context)
    gaps = [one for one in reading.failures if not one.optional]
    assert bool(gaps) is is_gap
    assert reading.complete is not is_gap


async def test_a_reading_speaks_of_a_missing_item_at_the_second_look() -> None:
    for name, looks, example in list_plural_examples():
        rows = [*example.others, example.build(KNOWN), example.build(OTHER, example.wider)]
        await looks.look(rows)
        for is_over in (False, True):
            await looks.look(rows[:-1])
            assert looks.covers(example.prefix + OTHER) is is_over, name
            assert looks.covers(example.prefix + KNOWN), name


def shows_single_items(name: str) -> bool:
    """Whether each item of a collection is an object that can be asked for alone."""
    sources = [CONFIGURATION_SOURCES.get(one) for one in COLLECTIONS[name].object_sources]
    return any(one is not None and one.has_single_objects for one in sources)


async def test_an_item_that_listings_leave_out_is_looked_at_alone() -> None:
    for name, looks, example in list_plural_examples():
        if not shows_single_items(name):
            continue
        rows = [*example.others, example.build(KNOWN), example.build(OTHER)]
        await looks.look(rows)
        rows[-1] = example.build(OTHER, example.wider)
        told = await looks.look(rows)
        for _ in range(4):
            assert await looks.look(rows, unlisted={OTHER}) == told, name
            gaps = [one.reason for one in looks.failures if not one.optional]
            assert gaps == ["it leaves out objects that are there: 1"], name
        await looks.look(rows[:-1])
        assert [one for one in looks.failures if not one.optional] == [], name
        await looks.look(rows[:-1])
        assert looks.covers(OTHER), name


async def test_an_item_that_is_not_listed_and_cannot_be_looked_at_is_unread() -> None:
    for name, looks, example in list_plural_examples():
        if not shows_single_items(name):
            continue
        rows = [*example.others, example.build(KNOWN), example.build(OTHER, example.wider)]
        await looks.look(rows)
        for _ in range(3):
            assert await looks.look(rows[:-1], refused=OTHER) == [], name
            unread = [(one.source, one.object_id) for one in looks.failures if not one.optional]
            assert unread == [(looks.collection.source, OTHER)], name
            assert not looks.covers(OTHER), name
            assert looks.covers(KNOWN), name


@pytest.mark.parametrize("waiting", [1, 150])
async def test_more_items_than_a_look_takes_wait_and_each_has_its_turn(waiting: int) -> None:
    looks, example = Looks(COLLECTIONS["named-location"]), EXAMPLES["named-location"]
    known = example.build(KNOWN)
    rows = [example.build(f"id-{number}") for number in range(MAX_SINGLE_LOOKS + waiting)]
    await looks.look([*example.others, known, *rows])
    turns = 2 * (1 + len(rows) // MAX_SINGLE_LOOKS)
    believed = list[int]()
    for _ in range(turns):
        await looks.look([*example.others, known])
        believed.append(sum(looks.covers(one.id) for one in rows))
    assert believed[:2] == [0, MAX_SINGLE_LOOKS]
    assert believed[-1] == len(rows)


def test_items_that_are_asked_for_alone_are_known_by_the_id_of_their_object() -> None:
    for name, example in EXAMPLES.items():
        collection = COLLECTIONS[name]
        if example.is_single or not shows_single_items(name):
            continue
        objects = [*example.others, example.build(KNOWN, example.wider), example.build(OTHER)]
        rows = SourceRows(
            {one: tuple(row for row in objects if row.source == one) for one in collection.sources},
            NOW,
        )
        items = {one.id for one in collection.describe(rows)}
        asked = collection.object_sources
        assert items <= {row.id for row in objects if row.source in asked}, name


async def test_what_an_item_lacks_once_is_neither_over_nor_new_when_it_is_there_again() -> None:
    tried = list[str]()
    for name, looks, example in list_examples():
        wide, narrow = example.build(KNOWN, example.wider), example.build(KNOWN)
        on_sight = await looks.look([*example.others, wide])
        told = await looks.look([*example.others, narrow])
        if on_sight or told or not looks.lacks_once(KNOWN):
            # What is wider about it is no further thing that it opens.
            continue
        tried.append(name)
        assert not looks.covers(example.prefix + KNOWN), name
        assert await looks.look([*example.others, wide]) == [], name
        for is_over in (False, True):
            await looks.look([*example.others, narrow])
            assert looks.covers(example.prefix + KNOWN) is is_over, name
        assert await looks.look([*example.others, wide]), name
    assert tried
