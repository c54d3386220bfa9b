"""What a guard remembers of the items of a watched collection, and what is new about them. Pure.

Each item has a row, or several, with the tokens of what it opens and keeps, each with the time it
was first seen; the collection has one with the time of the first look. What an item opens is new if
it was not there at that look. What it kept and lost stays lost until it keeps it again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import islice

from core.model.findings import Severity
from core.tenant.known_traits import MAX_TRAITS, NEWS_PERIOD, KnownTraits, note_traits
from core.tenant.quoting import quote_text
from core.watched.items import (
    KEEPS_PREFIX,
    MAX_NAME_LENGTH,
    MAX_TOKEN_LENGTH,
    VALUE_MARK,
    Trait,
    WatchedCollection,
    WatchedItem,
    WatchedNews,
    bound_text,
)

FIRST_LOOK = "watched-collection"
GONE = "gone"
"""Noted as lost when a second look in a row misses an item: a page may have been left out once."""
UNREAD = "unread"
"""Noted as lost of an item that nobody understood at the first look: what it is once it is
understood was there before.
"""
TOGETHER = timedelta(hours=1)
"""Items that are first missed within this time went together."""
MADE_WITH = timedelta(days=2)
"""What an object opens when it is first seen came with it, if it was made no longer before."""
MAX_LOST = 500
"""Losses of one item that are remembered, the latest."""
MAX_ITEMS = 2_000
"""Items of one collection that are remembered."""
MAX_PARTS = 10
"""Rows of one item, of `MAX_TRAITS` tokens each."""


@dataclass(frozen=True, slots=True)
class ItemMemory:
    """What is remembered of one item."""

    rows: tuple[KnownTraits, ...]
    whole: KnownTraits
    """All of its rows as one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of comparing a complete listing with what is remembered."""

    noted: tuple[KnownTraits, ...]
    news: tuple[WatchedNews, ...]
    stock: tuple[str, ...]
    """The names of the items that were there at the first look and still are."""
    unremembered: int = 0
    """Items beyond `MAX_ITEMS`, of which only what is grave on sight is told."""
    missed_once: frozenset[str] = frozenset()
    """The ids of items that are missing for the first time, or lack something that they opened:
    it may still be there.
    """


def get_item_kind(collection: str, number: int = 0) -> str:
    """The kind of the rows of a collection's items; an item of many tokens has several."""
    return f"watched {collection}{f' part {number + 1}' if number else ''}"


@cache
def number_item_kinds(collection: str) -> Mapping[str, int]:
    """Which row of an item is of which kind. Each look at a collection asks for it twice."""
    return {get_item_kind(collection, number): number for number in range(MAX_PARTS)}


def compare_items(
    collection: WatchedCollection,
    items: Sequence[WatchedItem],
    known: Mapping[str, KnownTraits],
    now: datetime,
    unread: Collection[str] = (),
    may_lack: tuple[str, ...] = (),
) -> Comparison:
    """Compare all items of a collection with those of the looks before.

    Of the `unread` ones nothing is known now: they are neither missing nor looked at. Tokens that
    begin like those that items `may_lack` stay as they are remembered; where that is all of an
    item, none is missing.
    """
    items = merge_items(items)
    start = note_traits(known, collection.name, FIRST_LOOK, (), now)
    remembered = group_rows(collection, known)
    room = MAX_ITEMS - sum(GONE not in one[0].lost for one in remembered.values())
    noted, news, stock, unremembered = [start], list[WatchedNews](), list[str](), 0
    missed_once = set[str]()
    if start.key not in known and not collection.only_protects:
        noted += (note_unread(collection, one, now) for one in sorted(unread)[:room])
    for one in unread:
        remembered.pop(one, None)
    for item in items:
        if item.id in unread:
            continue
        before = remembered.pop(item.id, [])
        if not before and room <= 0:
            unremembered += 1
            news += find_news(collection, item, None, start.first_looked_at)
            continue
        room -= not before
        memory = note_item(collection, item, before, now, may_lack)
        noted += memory.rows
        row = memory.whole
        missed_once |= {item.id} if any(map(is_plain, row.lost)) else set()
        is_stock = row.first_looked_at == start.first_looked_at
        stock += [item.name] if is_stock and (item.opens or item.keeps) else []
        news += find_news(collection, item, row, start.first_looked_at)
    if any(not beginning for beginning in may_lack):
        remembered.clear()
    missed = [(note_absence(rows[0], now), *rows[1:]) for rows in remembered.values()]
    noted += [rows[0] for rows in missed]
    absent = [*map(merge_rows, missed)]
    left = frozenset((*(one.id for one in items), *unread))
    for row in absent:
        news += find_departures(collection, row, absent, left, now)
    missed_once |= {row.object_id for row in absent if GONE not in row.lost}
    return Comparison(tuple(noted), tuple(news), tuple(stock), unremembered, frozenset(missed_once))


def group_rows(
    collection: WatchedCollection, known: Mapping[str, KnownTraits]
) -> dict[str, list[KnownTraits]]:
    """The rows of each item of a collection, in order; the first holds what concerns the item."""
    kinds = number_item_kinds(collection.name)
    found: dict[str, dict[int, KnownTraits]] = {}
    for one in known.values():
        if one.kind in kinds:
            found.setdefault(one.object_id, {})[kinds[one.kind]] = one
    return {
        object_id: [rows[number] for number in range(len(rows)) if number in rows]
        for object_id, rows in found.items()
        if 0 in rows
    }


def bound_tokens(item: WatchedItem) -> WatchedItem:
    """An item whose tokens fit into a row; long ones that begin alike stay apart."""
    return replace(
        item,
        opens=tuple(map(bound_trait, item.opens)),
        on_sight=tuple(map(bound_trait, item.on_sight)),
        keeps=frozenset(bound_text(one, MAX_TOKEN_LENGTH) for one in item.keeps),
    )


def bound_trait(trait: Trait) -> Trait:
    """A trait whose token fits into a row."""
    if len(trait.token) <= MAX_TOKEN_LENGTH:
        return trait
    return replace(trait, token=bound_text(trait.token, MAX_TOKEN_LENGTH))


def merge_items(items: Sequence[WatchedItem]) -> list[WatchedItem]:
    """The items, those of one id as one: two certificates of one key are one authority."""
    merged: dict[str, WatchedItem] = {}
    for one in map(bound_tokens, items):
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


def list_tokens(item: WatchedItem) -> list[str]:
    """The tokens of all that an item opens and keeps."""
    return [
        *(one.token for one in item.opens),
        *(f"{KEEPS_PREFIX}{one}" for one in item.keeps),
    ]


def note_item(
    collection: WatchedCollection,
    item: WatchedItem,
    before: Sequence[KnownTraits],
    now: datetime,
    may_lack: tuple[str, ...] = (),
) -> ItemMemory:
    """What is remembered of an item after a look at it. One that was gone and is back is new; one
    that was not understood at the first look is as it was then.
    """
    is_back = bool(before) and GONE in before[0].lost
    was_unread = bool(before) and UNREAD in before[0].lost and not is_back
    known = [] if is_back or was_unread else list(before)
    kept = (token for one in known for token in one.traits if token.startswith(may_lack))
    parts = split_tokens([*list_tokens(item), *kept], known)
    rows = [
        note_part(collection, item, number, part, known, now) for number, part in enumerate(parts)
    ]
    if was_unread:
        rows = [date_back(one, before[0].first_looked_at) for one in rows]
    # Parts of an item that was gone say nothing of the one that came.
    stale = [empty_row(one, now) for one in before[len(rows) :]]
    return ItemMemory((*rows, *stale), merge_rows(rows))


def split_tokens(tokens: Sequence[str], known: Sequence[KnownTraits]) -> list[list[str]]:
    """Tokens by the row that remembers them: where they are known, and new ones where there is
    room. Rows that are full are followed by more, up to `MAX_PARTS`.
    """
    parts: list[list[str]] = [[] for _ in known] or [[]]
    homes = {name: place for place, one in enumerate(known) for name in (*one.traits, *one.lost)}
    for token in sorted(set(tokens), key=lambda one: (one not in homes, one)):
        place = homes.get(token)
        if place is None or len(parts[place]) >= MAX_TRAITS:
            place = next(
                (at for at, part in enumerate(parts) if len(part) < MAX_TRAITS), len(parts)
            )
        if place == MAX_PARTS:
            break
        if place == len(parts):
            parts.append([])
        parts[place].append(token)
    return parts


def note_part(
    collection: WatchedCollection,
    item: WatchedItem,
    number: int,
    tokens: Sequence[str],
    known: Sequence[KnownTraits],
    now: datetime,
) -> KnownTraits:
    """One row of an item, with what it lost since the looks before."""
    kind = get_item_kind(collection.name, number)
    before = known[number] if number < len(known) else None
    row = note_traits({before.key: before} if before else {}, item.id, kind, tokens, now)
    if known:
        inherited = list_inherited_times(item, row, known, now)
        # A row that was added later holds what came later.
        row = replace(
            row,
            first_looked_at=known[0].first_looked_at,
            traits={**row.traits, **inherited},
        )
    if before is None:
        return replace(row, name=item.name, lost={}, absent_since=None)
    # A value of the first look stays known, also when another one replaced it meanwhile.
    back = {
        one: before.first_looked_at
        for one in row.traits
        if one in before.lost and not is_plain(one)
    }
    # What a list lacks once may have been left out of it: it is not new when it is there again.
    missing = {
        one: at
        for one, at in before.traits.items()
        if is_plain(one) and one not in row.traits and one not in before.lost
    }
    missed = dict(islice(missing.items(), MAX_TRAITS - len(row.traits)))
    lost = {one: at for one, at in before.lost.items() if not is_plain(one)}
    lost |= {
        one: now
        for one, at in before.traits.items()
        if one not in row.traits
        and (
            one.startswith(KEEPS_PREFIX)
            or (one.startswith(VALUE_MARK) and at == before.first_looked_at)
        )
    }
    included = tuple(f"{KEEPS_PREFIX}{one}" for one in item.keeps_all_of)
    lost = {one: at for one, at in lost.items() if not one.startswith(included)}
    lost |= dict.fromkeys(missed, now)
    latest = sorted(lost.items(), key=lambda one: one[1], reverse=True)[:MAX_LOST]
    return replace(
        row,
        name=item.name,
        traits={**row.traits, **back, **missed},
        lost={one: at for one, at in sorted(latest) if one not in row.traits},
        absent_since=None,
    )


def is_plain(token: str) -> bool:
    """Whether a token is that of a thing that is opened, beside others, and not of a value."""
    return token != GONE and not token.startswith((KEEPS_PREFIX, VALUE_MARK))


def list_inherited_times(
    item: WatchedItem, row: KnownTraits, known: Sequence[KnownTraits], now: datetime
) -> dict[str, datetime]:
    """When what the item opened before began to include what it opens now, for what is new."""
    earlier = merge_rows(known).traits
    return {
        one.token: min(earlier[wider] for wider in one.within if wider in earlier)
        for one in item.opens
        if row.traits.get(one.token) == now
        and one.token not in earlier
        and any(wider in earlier for wider in one.within)
    }


def merge_rows(rows: Sequence[KnownTraits]) -> KnownTraits:
    """The rows of one item as one, however long. What moved to another row is not lost."""
    first, *others = rows
    if not others:
        return first
    traits = {name: at for one in rows for name, at in one.traits.items()}
    lost = {name: at for one in rows for name, at in one.lost.items() if name not in traits}
    return replace(first, traits=traits, lost=lost)


def note_unread(collection: WatchedCollection, object_id: str, now: datetime) -> KnownTraits:
    """The row of an item that nobody understood at the first look."""
    row = note_traits({}, object_id, get_item_kind(collection.name), (), now)
    return replace(row, name=quote_text(object_id, MAX_NAME_LENGTH), lost={UNREAD: now})


def date_back(row: KnownTraits, at: datetime) -> KnownTraits:
    """A row as if all that it remembers had been seen at this time."""
    return replace(row, first_looked_at=at, traits=dict.fromkeys(row.traits, at))


def empty_row(row: KnownTraits, now: datetime) -> KnownTraits:
    """A row that remembers nothing."""
    return replace(row, first_looked_at=now, last_seen_at=now, traits={}, lost={})


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
    is_new = is_new and not came_with_object(item, row)
    is_new = is_new and not (collection.only_protects and item.arrival is Severity.INFO)
    added = [
        one
        for one in item.opens
        if row is not None
        and (is_new or is_later(row, row.traits, one.token))
        and was_kept_before(row, one)
    ]
    losses = (
        collection.explain_loss(token.removeprefix(KEEPS_PREFIX))
        for token in (row.lost if row else ())
        if token.startswith(KEEPS_PREFIX)
    )
    lost = [one for one in losses if one.severity is not Severity.INFO]
    told = [*added, *(one for one in item.on_sight if one not in added)]
    weights = [one.severity for one in (*told, *lost)] + [item.arrival] * is_new
    if max(weights, default=Severity.INFO) is Severity.INFO:
        return
    since = dict(list_times(row, (*told, *lost))) if row else {}
    yield WatchedNews(collection, item.id, item.name, item, is_new, tuple(told), tuple(lost), since)


def came_with_object(item: WatchedItem, row: KnownTraits | None) -> bool:
    """Whether a new item is as it was when its object was made."""
    made = item.made_at
    return row is not None and made is not None and row.first_looked_at - made <= MADE_WITH


def is_later(row: KnownTraits, times: Mapping[str, datetime], token: str) -> bool:
    """Whether a token of a known item came after the first look at it."""
    return times.get(token, row.first_looked_at) != row.first_looked_at


def was_kept_before(row: KnownTraits, trait: Trait) -> bool:
    """Whether an item kept, before a trait came, what alone makes the trait matter."""
    if not trait.after_kept:
        return True
    token = f"{KEEPS_PREFIX}{trait.after_kept}"
    kept, lost, came = row.traits.get(token), row.lost.get(token), row.traits.get(trait.token)
    if came is None:
        return False
    return kept < came if kept is not None else lost is not None and lost >= came


def list_times(row: KnownTraits, traits: Iterable[Trait]) -> Iterator[tuple[str, str]]:
    """When each trait was first seen, or seen to be lost; with that of the item itself."""
    yield "", format_time(row.first_looked_at)
    for one in traits:
        at = row.lost.get(f"{KEEPS_PREFIX}{one.token}") or row.traits.get(one.token)
        if at:
            yield one.token, format_time(at)


def format_time(at: datetime) -> str:
    """A time as facts write it: to the minute, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def find_departures(
    collection: WatchedCollection,
    row: KnownTraits,
    absent: Sequence[KnownTraits],
    left: Collection[str],
    now: datetime,
) -> Iterator[WatchedNews]:
    """An item that is gone, told for a month where that matters."""
    departure = rate_departure(collection, row, absent, left)
    if departure is Severity.INFO or row.absent_since is None or GONE not in row.lost:
        return
    needed = f"{KEEPS_PREFIX}{collection.departs_with}"
    if collection.departs_with and needed not in row.traits:
        return
    if now - row.absent_since < NEWS_PERIOD:
        since = {"": format_time(row.absent_since)}
        yield WatchedNews(
            collection, row.object_id, row.name, None, since=since, departure=departure
        )


def rate_departure(
    collection: WatchedCollection,
    row: KnownTraits,
    absent: Sequence[KnownTraits],
    left: Collection[str],
) -> Severity:
    """How grave it is that an item is gone, by what went with it and what is left."""
    if collection.rate_departure is None or row.absent_since is None:
        return collection.departure
    with_it = [
        one.object_id
        for one in absent
        if one.absent_since and abs(one.absent_since - row.absent_since) <= TOGETHER
    ]
    return min(collection.departure, collection.rate_departure(row.object_id, with_it, left))
