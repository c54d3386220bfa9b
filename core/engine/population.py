"""Whether a listing is as long as the last one, and what a shorter one says about the absent. Pure.

A page that Exchange leaves out must not look like a smaller tenant. That goes for the objects a
guard counts, which a guard lists once, and for each list of its configuration.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from core.keys import hash_parts
from core.model.state import GuardState, ScanTotals
from core.tenant.readings import ListedCount, Reading

# Fewer missing objects than this are a clean-up, not a broken listing.
MIN_MISSING = 2
MAX_POPULATION_DROP = 0.30
# A tenant that shrank by this share, and by this many objects, is looked at twice.
SHRUNK_SHARE = 0.10
MIN_SHRUNK = 5
# Characters of the name of a listing that its batch does not name.
NAME_LENGTH = 12


def population_dropped(reading: Reading[object], state: GuardState) -> bool:
    """Whether the listing contains far fewer objects than the last complete one."""
    if state.population is None or not reading.complete:
        return False
    missing = state.population - reading.population
    return missing >= MIN_MISSING and missing > MAX_POPULATION_DROP * state.population


def population_shrank(reading: Reading[object], state: GuardState) -> bool:
    """Whether the listing contains a tenth fewer objects than the last complete one."""
    if state.population is None or not reading.complete:
        return False
    missing = state.population - reading.population
    return missing >= MIN_SHRUNK and missing >= SHRUNK_SHARE * state.population


def is_absence_trusted(reading: Reading[object], state: GuardState) -> bool:
    """Whether an object that a listing lacks counts as gone.

    A listing that lost a third is released by an operator; one that lost a tenth has to be as short
    at the next look.
    """
    if population_dropped(reading, state):
        return False
    if not population_shrank(reading, state):
        return True
    seen = state.shrunk_population
    return seen is not None and reading.population >= (1 - SHRUNK_SHARE) * seen


def find_least_trusted_count(state: GuardState) -> int:
    """The fewest objects of which a listing is taken for all that there are.

    What is counted over fewer says nothing of the tenant, for the reasons of `is_absence_trusted`.
    """
    if state.population is None:
        return 0
    lost = max(MIN_SHRUNK, math.ceil(SHRUNK_SHARE * state.population))
    least = state.population - lost + 1
    if state.shrunk_population is not None:
        least = min(least, math.ceil((1 - SHRUNK_SHARE) * state.shrunk_population))
    droppable = max(MIN_MISSING - 1, math.floor(MAX_POPULATION_DROP * state.population))
    return max(least, state.population - droppable, 0)


def count_known_objects(population: int, unread_count: int, state: GuardState) -> int:
    """The population that the next listing is compared with.

    An unread object may be one that the guard leaves out once it is read. So unread objects do not
    make the population larger than at the last complete reading, and do not count in the first.
    """
    read_count = max(population - unread_count, 0)
    return max(min(population, state.population or 0), read_count)


@lru_cache(maxsize=4_096)
def name_listing(sources: frozenset[str]) -> str:
    """The name of a listing that its batch does not name: it is the same at each look."""
    return hash_parts(sorted(sources))[:NAME_LENGTH]


def find_listed_counts(batch: Reading[object]) -> Mapping[str, ListedCount]:
    """The listings that a batch about all objects stands for; none where one broke off.

    A batch about no object may name the lists that others are judged by.
    """
    names_lists = batch.scope == frozenset() and bool(batch.listed_counts)
    if not (batch.scope is None or names_lists) or not batch.complete or not batch.sources:
        return {}
    counts = batch.listed_counts or {
        name_listing(batch.sources): ListedCount(batch.population, batch.sources)
    }
    if not batch.failures:
        return counts
    unread = {failure.source for failure in batch.failures if not failure.object_id}
    return {name: one for name, one in counts.items() if unread.isdisjoint(one.sources)}


def is_count_trusted(name: str, listed: ListedCount, state: GuardState) -> bool:
    """Whether an object that a listing lacks counts as gone: at once in one that is about as long
    as before, at the second look in one that is as short again.
    """
    missing = state.listed_counts.get(name, 0) - listed.count
    if missing < listed.min_missing or missing < SHRUNK_SHARE * state.listed_counts[name]:
        return True
    seen = state.shrunk_counts.get(name)
    return seen is not None and abs(listed.count - seen) <= SHRUNK_SHARE * seen


@dataclass(frozen=True, slots=True)
class ListingCounts:
    """How many objects each listing of a batch contains."""

    trusted: Mapping[str, int]
    """Those of which an absent object counts as gone."""
    shrunk: Mapping[str, int]
    """Those that are shorter than before, for the first time."""
    unconfirmed_sources: frozenset[str]
    """The data sources that are read from these."""


def count_listings(batch: Reading[object], state: GuardState) -> ListingCounts:
    """The lengths of a batch's listings, compared with those of the last look."""
    trusted, shrunk, sources = dict[str, int](), dict[str, int](), frozenset[str]()
    for name, listed in find_listed_counts(batch).items():
        if is_count_trusted(name, listed, state):
            trusted[name] = listed.count
        else:
            shrunk[name] = listed.count
            sources |= listed.sources
    return ListingCounts(trusted, shrunk, sources)


def remember_listings(state: GuardState, totals: ScanTotals) -> GuardState:
    """The state with the lengths of the listings that a scan read, whatever else it missed.

    A scan that missed nothing read all the listings that there still are.
    """
    missed = not totals.complete or bool(totals.source_failures)
    kept = {
        name: count
        for name, count in state.listed_counts.items()
        if missed or name in totals.shrunk_counts
    }
    waiting = {
        name: count
        for name, count in state.shrunk_counts.items()
        if missed and name not in totals.listed_counts
    }
    return replace(
        state,
        listed_counts={**kept, **totals.listed_counts},
        shrunk_counts={**waiting, **totals.shrunk_counts},
    )
