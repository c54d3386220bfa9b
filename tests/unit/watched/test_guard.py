"""Every watched collection, asked with a known, a new, a wider, a narrower and a missing item."""

from collections.abc import Mapping
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


@pytest.fixture(params=EXAMPLES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[one for one, example in EXAMPLES.items() if not example.is_single])
def plural_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def example(name: str) -> WatchedExample:
    return EXAMPLES[name]


@pytest.fixture
def looks(name: str) -> Looks:
    return Looks(COLLECTIONS[name])


async def test_what_was_there_at_the_first_look_is_stock(
    looks: Looks, example: WatchedExample
) -> None:
    rows = [*example.others, example.build(KNOWN)]
    for _ in range(3):
        assert await looks.look(rows) == []


async def test_an_item_that_opens_more_is_told_for_as_long_as_it_does(
    looks: Looks, example: WatchedExample
) -> None:
    await looks.look([*example.others, example.build(KNOWN)])
    rows = [*example.others, example.build(KNOWN, example.wider)]
    if not example.wider:
        assert await looks.look(rows) == []
        return
    for _ in range(3):
        (found,) = await looks.look(rows)
        assert found.severity >= Severity.MEDIUM
        assert found.verdict in set(WatchedVerdict) - {WatchedVerdict.STOCK}
        assert found.reaches
    assert await looks.look([*example.others, example.build(KNOWN)]) == []


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


async def test_switches_that_are_printed_as_words_count_alike(
    looks: Looks, example: WatchedExample
) -> None:
    def build(*changes: Mapping[str, Any]) -> list[Configuration]:
        found = example.build(KNOWN, *changes)
        return [*example.others, replace(found, values=print_switches(found.values))]

    assert await looks.look(build()) == []
    assert len(await looks.look(build(example.wider))) == bool(example.wider)
    assert await looks.look(build(example.narrower)) == []


async def test_an_item_that_opens_less_is_no_news(looks: Looks, example: WatchedExample) -> None:
    await looks.look([*example.others, example.build(KNOWN)])
    assert await looks.look([*example.others, example.build(KNOWN, example.narrower)]) == []


async def test_what_does_not_count_may_change(looks: Looks, example: WatchedExample) -> None:
    await looks.look([*example.others, example.build(KNOWN)])
    assert await looks.look([*example.others, example.build(KNOWN, example.harmless)]) == []


async def test_an_item_that_is_new_and_open_is_told(plural_name: str) -> None:
    looks, example = Looks(COLLECTIONS[plural_name]), EXAMPLES[plural_name]
    rows = [*example.others, example.build(KNOWN)]
    await looks.look(rows)
    found = await looks.look([*rows, example.build(OTHER, example.wider)])
    assert [one.object_id for one in found] == ([OTHER] if example.is_new_told else [])
    assert all(one.verdict == WatchedVerdict.NEW for one in found)


async def test_an_item_that_a_listing_leaves_out_once_is_neither_gone_nor_new(
    plural_name: str,
) -> None:
    looks, example = Looks(COLLECTIONS[plural_name]), EXAMPLES[plural_name]
    rows = [*example.others, example.build(KNOWN), example.build(OTHER)]
    await looks.look(rows)
    assert await looks.look(rows[:-1]) == []
    assert await looks.look(rows) == []


async def test_an_item_that_is_gone_is_told_where_it_kept_something_closed(
    plural_name: str,
) -> None:
    looks, example = Looks(COLLECTIONS[plural_name]), EXAMPLES[plural_name]
    rows = [*example.others, example.build(KNOWN), example.build(OTHER)]
    await looks.look(rows)
    await looks.look(rows[:-1])
    found = await looks.look(rows[:-1])
    expected = [example.prefix + OTHER] if looks.collection.departure > Severity.INFO else []
    assert [one.object_id for one in found] == expected


async def test_what_cannot_be_read_is_unread_and_nothing_is_forgotten(
    looks: Looks, example: WatchedExample
) -> None:
    rows = [*example.others, example.build(KNOWN)]
    await looks.look(rows)
    before = dict(looks.known)
    assert await looks.look([], unread=example.source) == []
    assert [one.source for one in looks.failures if not one.optional] == [looks.collection.source]
    assert looks.known == before
    assert await looks.look(rows) == []


async def test_a_name_that_deceives_is_shown_as_what_it_is(
    looks: Looks, example: WatchedExample
) -> None:
    if not example.wider and not example.is_new_told:
        pytest.skip("an item of this collection is told only when it is gone")
    await looks.look([*example.others, example.build(KNOWN)])
    # An item that never changes is only told when it is new.
    wide = example.build(KNOWN if example.wider else OTHER, example.wider)
    hostile = Configuration(wide.source, wide.id, "a\u202eb" + "x" * 500, wide.values)
    (found,) = await looks.look([*example.others, hostile])
    assert "\u202e" not in found.summary
    assert len(found.summary) < 900


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


async def test_a_reading_speaks_of_a_missing_item_at_the_second_look(plural_name: str) -> None:
    collection, example = COLLECTIONS[plural_name], EXAMPLES[plural_name]
    looks = Looks(collection)
    rows = [*example.others, example.build(KNOWN), example.build(OTHER)]
    rows = [*rows[:-1], example.build(OTHER, example.wider)]
    await looks.look(rows)
    for is_over in (False, True):
        await looks.look(rows[:-1])
        assert looks.covers(example.prefix + OTHER) is is_over
        assert looks.covers(example.prefix + KNOWN)


def shows_single_items(name: str) -> bool:
    """Whether each item of a collection is an object that can be asked for alone."""
    sources = [CONFIGURATION_SOURCES.get(one) for one in COLLECTIONS[name].object_sources]
    return any(one is not None and one.has_single_objects for one in sources)


async def test_an_item_that_listings_leave_out_is_looked_at_alone(plural_name: str) -> None:
    looks, example = Looks(COLLECTIONS[plural_name]), EXAMPLES[plural_name]
    rows = [*example.others, example.build(KNOWN), example.build(OTHER)]
    await looks.look(rows)
    rows[-1] = example.build(OTHER, example.wider)
    told = await looks.look(rows)
    if not shows_single_items(plural_name):
        pytest.skip("the service shows no single object of these")
    for _ in range(4):
        assert await looks.look(rows, unlisted={OTHER}) == told
        gaps = [one.reason for one in looks.failures if not one.optional]
        assert gaps == ["it leaves out objects that are there: 1"]
    await looks.look(rows[:-1])
    assert [one for one in looks.failures if not one.optional] == []
    await looks.look(rows[:-1])
    assert looks.covers(OTHER)


async def test_an_item_that_is_not_listed_and_cannot_be_looked_at_is_unread(
    plural_name: str,
) -> None:
    collection, example = COLLECTIONS[plural_name], EXAMPLES[plural_name]
    if not shows_single_items(plural_name):
        pytest.skip("the service shows no single object of these")
    looks = Looks(collection)
    rows = [*example.others, example.build(KNOWN), example.build(OTHER, example.wider)]
    await looks.look(rows)
    for _ in range(3):
        assert await looks.look(rows[:-1], refused=OTHER) == []
        unread = [(one.source, one.object_id) for one in looks.failures if not one.optional]
        assert unread == [(collection.source, OTHER)]
        assert not looks.covers(OTHER)
        assert looks.covers(KNOWN)


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


async def test_what_an_item_lacks_once_is_neither_over_nor_new_when_it_is_there_again(
    looks: Looks, example: WatchedExample
) -> None:
    wide, narrow = example.build(KNOWN, example.wider), example.build(KNOWN)
    on_sight = await looks.look([*example.others, wide])
    told = await looks.look([*example.others, narrow])
    if on_sight or told or not looks.lacks_once(KNOWN):
        pytest.skip("what is wider about it is no further thing that it opens")
    assert not looks.covers(example.prefix + KNOWN)
    assert await looks.look([*example.others, wide]) == []
    for is_over in (False, True):
        await looks.look([*example.others, narrow])
        assert looks.covers(example.prefix + KNOWN) is is_over
    assert await looks.look([*example.others, wide])
