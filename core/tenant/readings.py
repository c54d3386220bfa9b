"""What a read of the tenant covered: its items, its failures and its scope."""

from collections.abc import (
    Collection,
    Container,
    Mapping,
)
from dataclasses import dataclass, field

from core.tenant.known_traits import KnownTraits
from core.tenant.sources import JUDGEMENT

# The id given to a row without a usable id: this prefix and its number in the listing.
UNIDENTIFIED_PREFIX = "unidentified-"


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """Something could not be read. It never counts as "nothing wrong"."""

    source: str
    """The data source."""
    reason: str
    object_id: str = ""
    """The object that could not be read; empty for the whole source."""
    subject: str = ""
    permission: str = ""
    """The permission that an administrator must grant; empty for a temporary failure."""
    optional: bool = False
    """Whether the source only adds detail."""


@dataclass(frozen=True, slots=True)
class AllExcept:
    """All objects but some: those that a complete listing does not contain, for instance."""

    excluded: frozenset[str]

    def __contains__(self, object_id: object) -> bool:
        return object_id not in self.excluded


@dataclass(frozen=True, slots=True)
class ListedCount:
    """How many objects a listing contained whose absent objects count as gone."""

    count: int
    sources: frozenset[str]
    """The data sources that are read from it."""
    min_missing: int = 1
    """Fewer missing objects than this are a clean-up."""


@dataclass(frozen=True, slots=True)
class Reading[T]:
    """One batch of what a guard reads: the items, the failures, and what it covers.

    A scan consists of many batches, so that none needs the whole tenant in memory.
    """

    items: tuple[T, ...] = ()
    failures: tuple[ReadFailure, ...] = ()
    sources: frozenset[str] = frozenset()
    """The data sources that were read."""
    population: int = 0
    """How many objects the listing of this batch contains: the base of coverage and of the
    brake.
    """
    complete: bool = True
    """Whether the listing reached its end; if not, no absent object counts as gone."""
    scope: Container[str] | None = None
    """The objects that the batch covers; None for all."""
    partial_scopes: Mapping[str, Container[str]] = field(default_factory=dict)
    """The sources of which even fewer objects were read, with those objects."""
    continuation: str = ""
    """Where a later scan can continue after this batch; empty where it cannot."""
    restarted: bool = False
    """Whether the listing could not continue where it was asked to, and started again here."""
    listed_counts: Mapping[str, ListedCount] = field(default_factory=dict)
    """By the name of the listing. A batch about all objects that gives none is one listing of its
    `population`.
    """
    known_traits: tuple[KnownTraits, ...] = ()
    """What the guard is to remember of its objects from now on."""
    forgotten_traits: tuple[KnownTraits, ...] = ()
    """What it remembered and need not any longer."""

    def covers(self, sources: Collection[str], object_id: str) -> bool:
        """Whether every source was read, and read for this object too.

        A row without an id may be any object, so with one in the batch, no absent object counts as
        gone. What a guard could not judge was read of no source.
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
            failure.object_id in ("", object_id)
            or failure.object_id.startswith(UNIDENTIFIED_PREFIX)
            for failure in self.failures
            if failure.source in sources or failure.source == JUDGEMENT
        )

    def with_items[U](
        self,
        items: tuple[U, ...],
        failures: tuple[ReadFailure, ...],
        sources: frozenset[str],
        population: int,
    ) -> "Reading[U]":
        """Other items that were read of the same objects."""
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

    @property
    def lacks_any(self) -> bool:
        """Whether something was not judged that may be any object: nothing counts as clean then."""
        return any(
            failure.source == JUDGEMENT and failure.object_id.startswith(UNIDENTIFIED_PREFIX)
            for failure in self.failures
        )

    def find_source_failure(self, source: str) -> ReadFailure | None:
        """The failure to read a whole source, if there was one."""
        for failure in self.failures:
            if failure.source == source and not failure.object_id:
                return failure
        return None

    @property
    def unread_object_ids(self) -> frozenset[str]:
        """The objects that could not be read in full."""
        return frozenset(
            failure.object_id
            for failure in self.failures
            if failure.object_id and not failure.optional
        )
