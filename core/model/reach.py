"""How far something in the tenant goes, so that going further is noticed. Pure.

A forward to a known address is one finding, whatever mail it takes: its identity is the address.
Somebody may have accepted it while it took newsletters, and it may take everything tomorrow. So a
finding may say what it does and to what: its reaches. The engine compares them with those that were
told or accepted, and what none of these covers is told again.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.keys import hash_parts

MAX_REACHES = 60
"""So many reaches of one finding are compared one by one; of more, only that they are the same."""
MAX_REACHES_SIZE = 6_000
"""Characters of JSON that the reaches of one finding may take in its case."""
HASH_LENGTH = 12
UNCOUNTED = "as a whole"


@dataclass(frozen=True, slots=True)
class Selection:
    """A condition or an exception: any one of its values is enough."""

    kind: str
    values: tuple[str, ...]
    """Hashes of the values, sorted: what they say is the tenant's text."""

    @classmethod
    def of(cls, kind: str, values: Iterable[str]) -> "Selection":
        """Build one from values as the tenant has them; case does not count."""
        hashes = {hash_parts(value.casefold())[:HASH_LENGTH] for value in values}
        return cls(kind[:60], tuple(sorted(hashes)))


@dataclass(frozen=True, slots=True)
class Reach:
    """What one thing does, and to what part: to what meets every condition and no exception."""

    does: tuple[str, ...]
    """Words of the guard, sorted; doing more goes further."""
    only: tuple[Selection, ...] = ()
    """The conditions; fewer of them, or more values of one, go further."""
    unless: tuple[Selection, ...] = ()
    """The exceptions; fewer of them go further."""

    @classmethod
    def of(
        cls,
        does: Iterable[str],
        only: Iterable[Selection] = (),
        unless: Iterable[Selection] = (),
    ) -> "Reach":
        """Build one in an order that does not depend on how the tenant lists its parts."""
        return cls(
            tuple(sorted(set(does))),
            tuple(sorted(only, key=lambda one: one.kind)),
            tuple(sorted(unless, key=lambda one: one.kind)),
        )

    def covers(self, other: "Reach") -> bool:
        """Whether everything that `other` does is within what this does."""
        theirs, kept = map_selections(other.only), map_selections(other.unless)
        return (
            set(other.does) <= set(self.does)
            and all(
                one.kind in theirs and theirs[one.kind] <= frozenset(one.values)
                for one in self.only
            )
            and all(frozenset(one.values) <= kept.get(one.kind, frozenset()) for one in self.unless)
        )


def map_selections(selections: Iterable[Selection]) -> Mapping[str, frozenset[str]]:
    """The values of each kind."""
    return {one.kind: frozenset(one.values) for one in selections}


def goes_further(reaches: Iterable[Reach], known: Iterable[Reach]) -> bool:
    """Whether any of the reaches is not covered by one that is known."""
    before = tuple(known)
    return any(not any(one.covers(reach) for one in before) for reach in reaches)


def add_reaches(known: Iterable[Reach], reaches: Iterable[Reach]) -> tuple[Reach, ...]:
    """Both together, without those that another one covers, as far as a row can hold them."""
    merged: list[Reach] = []
    for reach in dict.fromkeys((*known, *reaches)):
        if not any(one.covers(reach) for one in merged):
            merged = [one for one in merged if not reach.covers(one)] + [reach]
    return limit_reaches(merged)


def limit_reaches(reaches: Iterable[Reach]) -> tuple[Reach, ...]:
    """Reaches that fit into a row. Too many become one, which covers itself and nothing else."""
    found = tuple(sorted(dict.fromkeys(reaches), key=repr))
    size = sum(len(json.dumps([one.does, list_parts(one)])) for one in found)
    if len(found) <= MAX_REACHES and size <= MAX_REACHES_SIZE:
        return found
    return (Reach.of([f"{UNCOUNTED} {hash_parts(*map(repr, found))}"]),)


def list_parts(reach: Reach) -> list[tuple[str, str, tuple[str, ...]]]:
    """The conditions and exceptions of a reach, as its size is measured."""
    return [
        (name, one.kind, one.values)
        for name, selections in (("only", reach.only), ("unless", reach.unless))
        for one in selections
    ]
