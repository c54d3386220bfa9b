"""Whether a listing is as long as the last one, and what a shorter one says about the absent. Pure.

A page that Exchange leaves out must not look like a smaller tenant.
"""

from core.model.state import GuardState
from core.tenant.readings import Reading

# Fewer missing objects than this are a clean-up, not a broken listing.
MIN_MISSING = 2
MAX_POPULATION_DROP = 0.30
# A tenant that shrank by this share, and by this many objects, is looked at twice.
SHRUNK_SHARE = 0.10
MIN_SHRUNK = 5


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


def count_known_objects(population: int, unread_count: int, state: GuardState) -> int:
    """The population that the next listing is compared with.

    An unread object may be one that the guard leaves out once it is read. So unread objects do not
    make the population larger than at the last complete reading.
    """
    if state.population is None:
        return population
    return max(min(population, state.population), population - unread_count)
