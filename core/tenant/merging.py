"""Merges several readings: what one of them failed to read stays unread."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.tenant.readings import UNIDENTIFIED_PREFIX, AllExcept, ListedCount, ReadFailure, Reading

LISTING_INCOMPLETE = "the listing broke off before its end"


def collect_sources(readings: Iterable[Reading[Any]]) -> frozenset[str]:
    """The data sources of all readings."""
    return frozenset().union(*(reading.sources for reading in readings))


def collect_failures(
    readings: Iterable[Reading[Any]], optional: bool = False
) -> tuple[ReadFailure, ...]:
    """The failures of all readings, without duplicates.

    An incomplete listing without a reason leaves its whole source unread: what it did not list may
    still exist. `optional` is for readings that only add detail.
    """
    found: dict[ReadFailure, None] = {}
    for reading in readings:
        found |= dict.fromkeys(reading.failures)
        if not reading.complete:
            for source in sorted(reading.sources):
                if not reading.find_source_failure(source):
                    found[ReadFailure(source, LISTING_INCOMPLETE, optional=optional)] = None
    return tuple(found)


def join_readings[T](parts: Sequence[tuple[frozenset[str], Reading[T]]]) -> Reading[T]:
    """One reading of objects that were read in parts; each part has the ids of its objects.

    A source that one part did not read of its objects is read of the others alone.
    """
    sources = collect_sources(reading for _, reading in parts)
    every = frozenset[str]().union(*(ids for ids, _ in parts))
    read_of = {
        name: frozenset(
            one
            for ids, reading in parts
            if name in reading.sources
            for one in ids
            if one in reading.partial_scopes.get(name, ids)
        )
        for name in sources
    }
    return Reading(
        items=tuple(item for _, reading in parts for item in reading.items),
        failures=tuple(dict.fromkeys(one for _, reading in parts for one in reading.failures)),
        sources=sources,
        population=sum(reading.population for _, reading in parts),
        complete=all(reading.complete for _, reading in parts),
        scope=every,
        partial_scopes={name: ids for name, ids in read_of.items() if ids != every},
        listed_counts={
            name: one for _, reading in parts for name, one in reading.listed_counts.items()
        },
        known_traits=tuple(one for _, reading in parts for one in reading.known_traits),
        forgotten_traits=tuple(one for _, reading in parts for one in reading.forgotten_traits),
    )


def count_listing(
    name: str, reading: Reading[Any], *, min_missing: int = 1
) -> dict[str, ListedCount]:
    """The length of a listing of one data source, whose absent objects count as gone."""
    count = len(reading.items) + len({one.object_id for one in reading.failures if one.object_id})
    return {name: ListedCount(count, frozenset({name}), min_missing)} if reading.complete else {}


def find_object_failure(reading: Reading[Any], source: str, object_id: str) -> ReadFailure | None:
    """Why one object was not read; a failure of the whole source comes first."""
    whole = reading.find_source_failure(source)
    if whole:
        return whole
    for failure in reading.failures:
        if failure.source == source and failure.object_id == object_id:
            return failure
    return ReadFailure(source, LISTING_INCOMPLETE) if not reading.complete else None


def select_answered(ids: Iterable[str], reading: Reading[Any]) -> frozenset[str]:
    """Those of some objects of which a reading by id tells: they are in it, or they are gone."""
    unread = {failure.object_id for failure in reading.failures}
    return frozenset[str]() if "" in unread else frozenset(ids) - unread


@dataclass(slots=True)
class PresenceTracker:
    """Tracks which objects with an open case a listing contains, page by page.

    An object with a read failure exists; a row without an id may be any of them.
    """

    open_case_ids: frozenset[str]
    present_ids: set[str] = field(default_factory=set)
    complete: bool = True

    def add_page(self, page: Reading[Any]) -> None:
        """Take in a page."""
        self.complete = self.complete and page.complete
        for failure in page.failures:
            if failure.object_id.startswith(UNIDENTIFIED_PREFIX):
                self.complete = False
        broken = {failure.object_id for failure in page.failures}
        scope = page.scope
        self.present_ids |= {
            one
            for one in self.open_case_ids
            if one in broken or (scope is not None and one in scope)
        }

    def build_absence_readings(self, sources: Collection[str]) -> tuple[Reading[Any], ...]:
        """The reading that all other objects are gone; none if the listing was incomplete."""
        if not self.complete:
            return ()
        return (Reading(sources=frozenset(sources), scope=AllExcept(frozenset(self.present_ids))),)
