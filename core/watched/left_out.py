"""Items that a listing lacks: each is asked for alone before it counts as gone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.model.guards import MAX_SINGLE_LOOKS, describe_gap
from core.tenant.configuration import Configuration
from core.tenant.known_traits import KnownTraits
from core.tenant.port import HasConfiguration
from core.tenant.readings import ReadFailure, Reading
from core.watched.items import MAX_REASON_LENGTH, SourceRows, WatchedCollection
from core.watched.memory import GONE, group_rows, list_tokens, merge_rows
from core.watched.odd_objects import describe_items

type Read = Mapping[str, Reading[Configuration]]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the listings of a collection lack."""

    shown: Mapping[str, tuple[Configuration, ...]] = field(default_factory=dict)
    """The objects that are there, by source."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Why it is not known whether others are there, by id."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What each of them is called."""
    waiting_count: int = 0
    """How many wait for a later look."""

    @property
    def ids(self) -> frozenset[str]:
        """All that are not known to be gone."""
        shown = (one.id for items in self.shown.values() for one in items)
        return frozenset((*self.unread, *shown))

    def build_gap(self, source: str) -> Reading[Any]:
        """What is unread of a collection because of them, as a reading without items."""
        return Reading(
            failures=tuple(self.list_failures(source)),
            sources=frozenset({source}),
            scope=frozenset[str](),
        )

    def list_failures(self, source: str) -> Iterator[ReadFailure]:
        """Why each of them is unread, and the listing that leaves out what is there."""
        if gap := describe_gap(sum(map(len, self.shown.values())), self.waiting_count):
            yield ReadFailure(source, gap)
        for object_id, reason in self.unread.items():
            yield ReadFailure(source, reason, object_id, self.names.get(object_id, ""))


NOTHING_LEFT_OUT = LeftOut()


async def look_at_missing(
    tenant: HasConfiguration,
    collection: WatchedCollection,
    read: Read,
    known: Mapping[str, KnownTraits],
    now: datetime,
) -> LeftOut:
    """Ask for the known items alone that complete listings lack; those first that were missed
    before, since they are gone at the second look.
    """
    sources = [
        name
        for name in collection.object_sources
        if name in CONFIGURATION_SOURCES and CONFIGURATION_SOURCES[name].has_single_objects
    ]
    if not sources or any(read[name].failures or not read[name].complete for name in sources):
        return NOTHING_LEFT_OUT
    remembered = group_rows(collection, known)
    listed, reason = list_whole_items(collection, read, sources, remembered, now)
    if reason:
        # Which of them the listings lack is not known: none of them is missing.
        unknown = [
            rows[0]
            for object_id, rows in remembered.items()
            if object_id not in listed and GONE not in rows[0].lost
        ]
        return LeftOut(
            unread={one.object_id: reason for one in unknown},
            names={one.object_id: one.name for one in unknown},
        )
    missing = [
        rows[0]
        for object_id, rows in remembered.items()
        if object_id not in listed and GONE not in rows[0].lost
    ]
    missing.sort(key=lambda one: (one.absent_since is None, one.absent_since or one.last_seen_at))
    items: dict[str, list[str]] = {}
    for one in missing:
        key = collection.name_object(one.object_id) if collection.name_object else one.object_id
        items.setdefault(key, []).append(one.object_id)
    asked = list(items)[:MAX_SINGLE_LOOKS]
    shown, reasons = await ask_for(tenant, sources, asked, read) if asked else ({}, {})
    waiting = [one for key in list(items)[MAX_SINGLE_LOOKS:] for one in items[key]]
    unread = {one: reason for key, reason in reasons.items() for one in items[key]}
    unread |= dict.fromkeys(waiting, "it waits for a look of its own")
    names = {one.object_id: one.name for one in missing}
    return LeftOut(shown, unread, names, len(waiting))


def list_whole_items(
    collection: WatchedCollection,
    read: Read,
    sources: Sequence[str],
    remembered: Mapping[str, Sequence[KnownTraits]],
    now: datetime,
) -> tuple[frozenset[str], str]:
    """The ids of the items that listings show, and why nobody understands what else they show. An
    item that several objects make up is shown where it has all that is remembered of it. What only
    adds detail tells nothing of them.
    """
    if collection.name_object is None:
        return frozenset(one.id for name in sources for one in read[name].items), ""
    rows = {name: read[name].items if name in sources else None for name in collection.sources}
    described = describe_items(collection, SourceRows(rows, now))
    shown = frozenset(
        one.id
        for one in described.items
        if one.id not in remembered
        or merge_rows(remembered[one.id]).traits.keys() <= set(list_tokens(one))
    )
    odd = next((f"{one.name}: {one.reason}" for one in described.odd), "")
    return shown, described.reason or odd[:MAX_REASON_LENGTH]


async def ask_for(
    tenant: HasConfiguration, sources: Sequence[str], keys: Sequence[str], read: Read
) -> tuple[dict[str, tuple[Configuration, ...]], dict[str, str]]:
    """The objects of some keys, as far as listings lack them, by the source that shows them, and
    why others are unread.
    """
    shown: dict[str, tuple[Configuration, ...]] = {}
    unread: dict[str, str] = {}
    for name in sources:
        alone = await tenant.configuration.read_objects(name, keys)
        listed = {one.id for one in read[name].items}
        shown[name] = tuple(one for one in alone.items if one.id not in listed)
        for failure in alone.failures:
            lost = [failure.object_id] if failure.object_id else keys
            unread |= dict.fromkeys(lost, failure.reason)
    # An object stands in one of the listings; a key finds something in each of them.
    found = {one.id for items in shown.values() for one in items}
    return shown, {key: reason for key, reason in unread.items() if key not in found}


def add_shown(read: Read, left_out: Sequence[LeftOut]) -> dict[str, Reading[Configuration]]:
    """What was read, with the objects that only single looks showed."""
    added = dict(read)
    for one in left_out:
        for name, items in one.shown.items():
            known = {item.id for item in added[name].items}
            more = tuple(item for item in items if item.id not in known)
            added[name] = replace(added[name], items=(*added[name].items, *more))
    return added
