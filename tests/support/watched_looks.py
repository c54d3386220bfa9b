"""Plays a watched collection: looks again and again, remembering as the engine does."""

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.adapters.m365.configuration_rows import clip_configuration_value
from core.config.catalog import WATCHED_COLLECTIONS
from core.microsoft365.configuration_sources import ROLE_HOLDER, get_configuration_source_name
from core.model.findings import Finding
from core.model.guards import GuardPolicy, ObserveContext
from core.property_values import get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.directory import RoleHolder
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ROLE_HOLDERS
from core.watched.guard import build_watched_guard
from core.watched.items import KEEPS_PREFIX, WatchedCollection, WatchedResult
from core.watched.judge import WatchedVerdict
from tests.resilience.generators.mutated_rows import Path, set_property
from tests.support.fakes.tenant import FakeTenant
from tests.support.remedy_checks import check_remedies

COLLECTIONS = {one.name: one for group in WATCHED_COLLECTIONS.values() for one in group}
NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=6)


def print_oddly(row: Configuration, path: Path, value: object) -> Configuration:
    """The row with a property set to this, as a reader keeps it."""
    values: dict[str, Any] = deepcopy(dict(row.values))
    assert set_property(values, path, value)
    clipped = {name: clip_configuration_value(one) for name, one in values.items()}
    return replace(row, values=clipped)


def build_holder(row: Configuration) -> RoleHolder:
    """The holder of roles that a row of the derived source stands for."""
    roles = frozenset(get_texts(row.values, "roles"))
    return RoleHolder(row.id, get_text(row.values, "assignedVia") or "entra", roles, row.name)


class Looks:
    """A guard over one collection that looks again and again, and remembers as the engine does."""

    def __init__(self, collection: WatchedCollection) -> None:
        self.play(collection)
        self.known: dict[str, KnownTraits] = {}
        self.count = 0
        self.failures: list[ReadFailure] = []
        self.readings: list[Reading[WatchedResult]] = []

    def play(self, collection: WatchedCollection) -> None:
        """Go on with this collection, as another version of the guard would."""
        self.collection = collection
        self.guard = build_watched_guard(
            "watched", "Watched", looks_for="", rationale="", collections=[collection]
        )

    async def look(
        self,
        rows: Sequence[Configuration],
        unread: str = "",
        unlisted: Collection[str] = (),
        refused: str = "",
    ) -> list[Finding]:
        """What is told of these objects, the stock left out.

        Listings lack the `unlisted` ones, and the `refused` one is not shown alone.
        """
        plain = [one for one in rows if one.source != ROLE_HOLDER]
        holders = [one for one in rows if one.source == ROLE_HOLDER]
        tenant = FakeTenant(
            configurations=plain,
            holders=[*map(build_holder, holders)],
            unlisted=set(unlisted),
        )
        if unread:
            name = get_configuration_source_name(unread)
            name = ROLE_HOLDERS if unread == ROLE_HOLDER else name
            tenant.failures[name, ""] = ReadFailure(name, "not now")
        for name in self.collection.object_sources if refused else ():
            source = get_configuration_source_name(name)
            tenant.refused_objects[source, refused] = ReadFailure(source, "not this one", refused)
        policy = GuardPolicy(NOW + HOUR * self.count)
        self.count += 1
        context = ObserveContext(policy, known_traits=dict(self.known))
        self.failures, self.readings = [], []
        found: list[Finding] = []
        async for reading in self.guard.observe(tenant, context):
            assert isinstance(reading, Reading)
            self.readings.append(reading)
            self.known |= {one.key: one for one in reading.known_traits}
            self.failures += reading.failures
            for item in reading.items:
                found += self.guard.judge(item, policy)
        check_remedies(found)
        return [one for one in found if one.verdict != WatchedVerdict.STOCK]

    def covers(self, object_id: str) -> bool:
        """Whether the last look speaks of an item, so that its absence is its end."""
        return any(one.covers((self.collection.source,), object_id) for one in self.readings)

    def lacks_once(self, item: str) -> bool:
        """Whether an item is remembered with a thing that the last look did not find on it, and
        keeps nothing closed that it did not keep before.
        """
        rows = [one for one in self.known.values() if one.object_id.endswith(item)]
        keeps_more = any(
            token.startswith(KEEPS_PREFIX) and at != one.first_looked_at
            for one in rows
            for token, at in one.traits.items()
        )
        return not keeps_more and any(set(one.lost) & set(one.traits) for one in rows)
