"""What a guard remembers of the items of a watched collection, and what is new about them. Pure.

Each item has a row with the tokens of what it opens and keeps, each with the time it was first
seen; the collection has one with the time of the first look. What an item opens is new if it was
not there at that look. What it kept and lost stays lost until it keeps it again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.model.findings import Severity
from core.tenant.known_traits import (
    MAX_TRAIT_LENGTH,
    NEWS_PERIOD,
    KnownTraits,
    note_traits,
)
from core.watched.items import VALUE_MARK, Trait, WatchedCollection, WatchedItem, WatchedNews

FIRST_LOOK = "watched-collection"
KEEPS_PREFIX = "keeps "
GONE = "gone"
"""Noted as lost when a second look in a row misses an item: a page may have been left out once."""
MAX_LOST = 500
"""Losses of one item that are remembered, the latest."""
MAX_ITEMS = 2_000
"""Items of one collection that are remembered, a row each."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of comparing a complete listing with what is remembered."""

    noted: tuple[KnownTraits, ...]
    news: tuple[WatchedNews, ...]
    stock: tuple[str, ...]
    """The names of the items that were there at the first look and still are."""
    unremembered: int = 0
    """Items beyond `MAX_ITEMS`, of which only what is grave on sight is told."""


def get_item_kind(collection: WatchedCollection) -> str:
    """The kind of the rows of a collection's items."""
    return f"watched {collection.name}"


def compare_items(
    collection: WatchedCollection,
    items: Sequence[WatchedItem],
    known: Mapping[str, KnownTraits],
    now: datetime,
) -> Comparison:
    """Compare all items of a collection with those of the looks before."""
    kind = get_item_kind(collection)
    items = merge_items(items)
    start = note_traits(known, collection.name, FIRST_LOOK, (), now)
    remembered = {one.object_id: one for one in known.values() if one.kind == kind}
    room = MAX_ITEMS - sum(GONE not in one.lost for one in remembered.values())
    noted, news, stock, unremembered = [start], list[WatchedNews](), list[str](), 0
    for item in items:
        before = remembered.pop(item.id, None)
        if before is None and room <= 0:
            unremembered += 1
            news += find_news(collection, item, None, start.first_looked_at)
            continue
        room -= before is None
        row = note_item(collection, item, before, known, now)
        noted.append(row)
        is_stock = row.first_looked_at == start.first_looked_at
        stock += [item.name] if is_stock and (item.opens or item.keeps) else []
        news += find_news(collection, item, row, start.first_looked_at)
    for row in remembered.values():
        gone = note_absence(row, now)
        noted.append(gone)
        news += find_departures(collection, gone, now)
    return Comparison(tuple(noted), tuple(news), tuple(stock), unremembered)


def merge_items(items: Sequence[WatchedItem]) -> list[WatchedItem]:
    """The items, those of one id as one: two certificates of one key are one authority."""
    merged: dict[str, WatchedItem] = {}
    for one in items:
        first = merged.setdefault(one.id, one)
        if first is not one:
            opens = {trait.token: trait for trait in (*first.opens, *one.opens)}
            merged[one.id] = replace(
                first,
                opens=tuple(opens.values()),
                keeps=first.keeps | one.keeps,
                on_sight=(*first.on_sight, *one.on_sight),
                arrival=max(first.arrival, one.arrival),
            )
    return list(merged.values())


def note_item(
    collection: WatchedCollection,
    item: WatchedItem,
    before: KnownTraits | None,
    known: Mapping[str, KnownTraits],
    now: datetime,
) -> KnownTraits:
    """The row of an item after a look at it. One that was gone and is back is a new one."""
    is_back = before is not None and GONE in before.lost
    tokens = [
        *(one.token for one in item.opens),
        *(f"{KEEPS_PREFIX}{one}" for one in item.keeps),
    ]
    earlier = {} if before is None or is_back else known
    row = note_traits(earlier, item.id, get_item_kind(collection), tokens, now)
    if not earlier or before is None:
        return replace(row, name=item.name, lost={}, absent_since=None)
    # A value of the first look stays known, also when another one replaced it meanwhile.
    back = {one: before.first_looked_at for one in row.traits if one in before.lost}
    lost = dict(before.lost) | {
        one: now
        for one, at in before.traits.items()
        if one not in row.traits
        and (
            one.startswith(KEEPS_PREFIX)
            or (one.startswith(VALUE_MARK) and at == before.first_looked_at)
        )
    }
    if item.keeps_everything:
        lost = {one: at for one, at in lost.items() if not names_entry(one)}
    latest = sorted(lost.items(), key=lambda one: one[1], reverse=True)[:MAX_LOST]
    return replace(
        row,
        name=item.name,
        traits={**row.traits, **back},
        lost={one: at for one, at in sorted(latest) if one not in row.traits},
        absent_since=None,
    )


def names_entry(token: str) -> bool:
    """Whether a token of what was kept names one entry of a list, which everything includes."""
    return token.startswith(KEEPS_PREFIX) and " " in token.removeprefix(KEEPS_PREFIX)


def note_absence(row: KnownTraits, now: datetime) -> KnownTraits:
    """The row of an item that a complete listing lacks."""
    if row.absent_since is None:
        return replace(row, absent_since=now)
    return row if GONE in row.lost else replace(row, lost={**row.lost, GONE: now})


def find_news(
    collection: WatchedCollection,
    item: WatchedItem,
    row: KnownTraits | None,
    first_look: datetime,
) -> Iterator[WatchedNews]:
    """What is worth telling about an item that is there, if anything is."""
    is_new = row is not None and row.first_looked_at != first_look
    is_new = is_new and not collection.only_protects
    added = [
        one
        for one in item.opens
        if row is not None and (is_new or is_later(row, row.traits, one.token))
    ]
    lost = [
        collection.explain_loss(token.removeprefix(KEEPS_PREFIX))
        for token in (row.lost if row else ())
        if token.startswith(KEEPS_PREFIX)
    ]
    told = [*added, *(one for one in item.on_sight if one not in added)]
    weights = [one.severity for one in (*told, *lost)] + [item.arrival] * is_new
    if max(weights, default=Severity.INFO) is Severity.INFO:
        return
    since = dict(list_times(row, (*told, *lost))) if row else {}
    yield WatchedNews(collection, item.id, item.name, item, is_new, tuple(told), tuple(lost), since)


def is_later(row: KnownTraits, times: Mapping[str, datetime], token: str) -> bool:
    """Whether a token of a known item came after the first look at it."""
    return times.get(token[:MAX_TRAIT_LENGTH], row.first_looked_at) != row.first_looked_at


def list_times(row: KnownTraits, traits: Iterable[Trait]) -> Iterator[tuple[str, str]]:
    """When each trait was first seen, or seen to be lost; with that of the item itself."""
    yield "", format_time(row.first_looked_at)
    for one in traits:
        at = row.lost.get(f"{KEEPS_PREFIX}{one.token}"[:MAX_TRAIT_LENGTH])
        at = at or row.traits.get(one.token[:MAX_TRAIT_LENGTH])
        if at:
            yield one.token, format_time(at)


def format_time(at: datetime) -> str:
    """A time as facts write it: to the minute, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def find_departures(
    collection: WatchedCollection, row: KnownTraits, now: datetime
) -> Iterator[WatchedNews]:
    """An item that is gone, told for a month where that matters."""
    if collection.departure is Severity.INFO or row.absent_since is None or GONE not in row.lost:
        return
    needed = f"{KEEPS_PREFIX}{collection.departs_with}"
    if collection.departs_with and needed not in row.traits:
        return
    if now - row.absent_since < NEWS_PERIOD:
        since = {"": format_time(row.absent_since)}
        yield WatchedNews(collection, row.object_id, row.name, None, since=since)
