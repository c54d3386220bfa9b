"""core.tenant.readings."""

from collections.abc import (
    Collection,
    Container,
    Mapping,
)
from dataclasses import dataclass, field

# What a row is known by that has no usable id: this, and its place in the listing.
UNIDENTIFIED_PREFIX = "unidentified-"


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """Something that was to be read and was not: a fact, and never the same as "nothing wrong".

    `object_id` empty means the whole surface. `permission` is set when a person has to grant
    something; empty means passing trouble. `optional` marks a surface that only adds detail.
    """

    source: str
    reason: str
    object_id: str = ""
    subject: str = ""
    permission: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class AllExcept:
    """All objects but the `present` ones: those a complete listing did not name, say."""

    excluded: frozenset[str]

    def __contains__(self, object_id: object) -> bool:
        return object_id not in self.excluded


@dataclass(frozen=True, slots=True)
class Reading[T]:
    """What one look brought: the items, what could not be read, and how much there was to read.

    A look comes in parts, so that no part needs all of the tenant in memory. `scope` are the
    objects a part speaks of, None for all; `partly` names surfaces of which even fewer were looked
    at. `surfaces` are the places looked at. `population` counts the objects this part's listing
    named (the base of coverage, of the brake and of the shrinking check). `complete` is False when
    the listing itself broke off: then nothing that is absent may be taken as gone. `further` is
    where a later look can go on behind this part, "" where it cannot. `anew`: the listing could not
    go on where it was asked to, and began again with this part.
    """

    items: tuple[T, ...] = ()
    failures: tuple[ReadFailure, ...] = ()
    sources: frozenset[str] = frozenset()
    population: int = 0
    complete: bool = True
    scope: Container[str] | None = None
    partial_scopes: Mapping[str, Container[str]] = field(default_factory=dict)
    continuation: str = ""
    restarted: bool = False

    def covers(self, sources: Collection[str], object_id: str) -> bool:
        """True when every surface was looked at and neither it nor this object was left unread.

        A row without an id may be any object, so while there is one, nothing absent is gone.
        """
        if not self.complete or not self.sources.issuperset(sources):
            return False
        if self.scope is not None and object_id not in self.scope:
            return False
        if any(
            object_id not in self.partial_scopes[name]
            for name in sources
            if name in self.partial_scopes
        ):
            return False
        return not any(
            miss.object_id in ("", object_id) or miss.object_id.startswith(UNIDENTIFIED_PREFIX)
            for miss in self.failures
            if miss.source in sources
        )

    def with_items[U](
        self,
        items: tuple[U, ...],
        failures: tuple[ReadFailure, ...],
        sources: frozenset[str],
        population: int,
    ) -> "Reading[U]":
        """Other items read of the same objects, with all that is known by now."""
        return Reading(
            items=items,
            failures=failures,
            sources=sources,
            population=population,
            complete=self.complete,
            scope=self.scope,
            continuation=self.continuation,
            restarted=self.restarted,
        )

    def find_source_failure(self, source: str) -> ReadFailure | None:
        """The reason why nothing of a surface could be read, if so."""
        for miss in self.failures:
            if miss.source == source and not miss.object_id:
                return miss
        return None

    @property
    def unread_object_ids(self) -> frozenset[str]:
        """The objects that could not be read in full."""
        return frozenset(
            miss.object_id for miss in self.failures if miss.object_id and not miss.optional
        )
