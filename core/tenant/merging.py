"""Several readings made one: what was missed stays missed, whichever part missed it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from core.tenant.readings import UNIDENTIFIED, Others, Reading, Unread

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


@dataclass(slots=True)
class Listed:
    """Which of the watched objects the pages of a listing have named.

    What is broken is there all the same; a row without an id may be any of them.
    """

    watched: frozenset[str]
    present: set[str] = field(default_factory=set)
    complete: bool = True

    def note(self, page: Reading[Any]) -> None:
        """Take a page."""
        self.complete = self.complete and page.complete
        for miss in page.unread:
            if miss.object_id.startswith(UNIDENTIFIED):
                self.complete = False
        broken = {miss.object_id for miss in page.unread}
        scope = page.scope
        self.present |= {
            one for one in self.watched if one in broken or (scope is not None and one in scope)
        }

    def rest(self, surfaces: Collection[str]) -> tuple[Reading[Any], ...]:
        """What is known of all others: they are gone. Nothing, while that cannot be known."""
        if not self.complete:
            return ()
        return (Reading(surfaces=frozenset(surfaces), scope=Others(frozenset(self.present))),)
