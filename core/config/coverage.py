"""Which guard tells of what intruders do, how late at worst, and what it needs. Pure.

Put together from the list of behaviours, the catalog, the schedules and the techniques that each
collection and verdict names: the documents, the command line and the pages show the same rows.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

from core.config.catalog import CATALOG, WATCHED_COLLECTIONS
from core.guards.app_consent.openings import OPENINGS
from core.guards.mailbox_forwarding.colleague_rules import COLLEAGUE_RULES
from core.microsoft365.attack_techniques import VERDICT_TECHNIQUES
from core.microsoft365.behaviours import Behaviour, Sight, load_behaviours
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.model.guards import GuardConfig
from core.ncrontab import CronSchedule
from core.status.coverage import CoverageRow
from core.watched.items import WatchedCollection
from core.watched.judge import WATCHED_VERDICT_TEXTS

COLLECTIONS: Mapping[str, Mapping[str, WatchedCollection]] = {
    guard: {one.name: one for one in collections}
    for guard, collections in {
        **WATCHED_COLLECTIONS,
        "app-consent": (*WATCHED_COLLECTIONS.get("app-consent", ()), OPENINGS),
        "mailbox-forwarding": (COLLEAGUE_RULES,),
    }.items()
}
CONFIGS: Mapping[str, GuardConfig] = {one.guard.name: one for one in CATALOG}


def list_techniques(guard: str, kind: str, verdict: str) -> tuple[str, ...]:
    """The techniques of a finding, by its collection or else by its verdict."""
    collections = COLLECTIONS.get(guard, {})
    found = collections.get(kind) or collections.get(kind.removesuffix("-gone"))
    if found:
        return found.techniques
    return VERDICT_TECHNIQUES.get(guard, {}).get(verdict, ())


def list_verdicts_without_techniques() -> Iterator[str]:
    """Verdicts of guards that name no techniques, not even none."""
    for config in CATALOG:
        guard = config.guard
        named = VERDICT_TECHNIQUES.get(guard.name, {}).keys() | WATCHED_VERDICT_TEXTS.keys()
        yield from (f"{guard.name}: {one}" for one in guard.verdicts if one not in named)


def build_rows(technique: str = "") -> tuple[CoverageRow, ...]:
    """All behaviours, or those of one technique and its sub-techniques."""
    return tuple(
        CoverageRow(one, find_delay(one), tuple(list_needs(one.seen_by)))
        for one in load_behaviours()
        if not technique or one.has_technique(technique)
    )


def find_delay(behaviour: Behaviour) -> timedelta | None:
    """The longest time between two looks of the guard that looks most often, or of its sweep."""
    if behaviour.sweep_hours:
        return timedelta(hours=behaviour.sweep_hours)
    delays = [measure_delay(CONFIGS[one.guard].schedule) for one in behaviour.seen_by]
    return min(delays, default=None)


@cache
def measure_delay(schedule: str) -> timedelta:
    """The longest time between two runs of a schedule, over a week."""
    plan = CronSchedule.parse(schedule)
    at = start = datetime(2026, 1, 5, tzinfo=UTC)
    longest = timedelta()
    while at - start < timedelta(days=7):
        following = plan.find_next(at)
        longest = max(longest, following - at)
        at = following
    return longest


def list_needs(sights: Iterable[Sight]) -> Iterator[str]:
    """What reading takes: of a collection its sources, of anything else the guard's needs."""
    found: dict[str, None] = {}
    for one in sights:
        collection = COLLECTIONS.get(one.guard, {}).get(one.target)
        if collection:
            names = (name for name in collection.needs if name in CONFIGURATION_SOURCES)
            found |= {CONFIGURATION_SOURCES[name].permission: None for name in names}
        else:
            found[f"what {one.guard} needs"] = None
    yield from found
