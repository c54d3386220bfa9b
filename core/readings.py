"""Several readings made one: what was missed stays missed, whichever part missed it."""

from collections.abc import Iterable
from typing import Any

from core.tenant import Reading, Unread

BROKE_OFF = "the listing broke off before its end"


def surfaces_of(readings: Iterable[Reading[Any]]) -> frozenset[str]:
    """Every place that was looked at."""
    return frozenset().union(*(reading.surfaces for reading in readings))


def missed(readings: Iterable[Reading[Any]], optional: bool = False) -> tuple[Unread, ...]:
    """All that was not read, without repetition.

    A listing that broke off and gave no reason leaves its whole surface unread: what it did not
    name may still be there. `optional` is for readings that only add detail.
    """
    found: dict[Unread, None] = {}
    for reading in readings:
        found |= dict.fromkeys(reading.unread)
        if not reading.complete:
            for surface in sorted(reading.surfaces):
                if not reading.blind_to(surface):
                    found[Unread(surface, BROKE_OFF, optional=optional)] = None
    return tuple(found)


def miss_of(reading: Reading[Any], surface: str, object_id: str) -> Unread | None:
    """Why one object was not read; a reason that holds for the whole surface comes first."""
    whole = reading.blind_to(surface)
    if whole:
        return whole
    for miss in reading.unread:
        if miss.surface == surface and miss.object_id == object_id:
            return miss
    return Unread(surface, BROKE_OFF) if not reading.complete else None
