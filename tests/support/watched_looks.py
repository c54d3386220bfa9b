"""Plays a watched collection: looks again and again, remembering as the engine does."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from core.config.catalog import WATCHED_COLLECTIONS
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.model.findings import Finding
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.configuration import Configuration
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import ReadFailure, Reading
from core.watched.guard import build_watched_guard
from core.watched.items import WatchedCollection
from core.watched.judge import WatchedVerdict
from tests.support.fakes.tenant import FakeTenant

COLLECTIONS = {one.name: one for group in WATCHED_COLLECTIONS.values() for one in group}
NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=6)


class Looks:
    """A guard over one collection that looks again and again, and remembers as the engine does."""

    def __init__(self, collection: WatchedCollection) -> None:
        self.collection = collection
        self.guard = build_watched_guard(
            "watched", "Watched", looks_for="", rationale="", collections=[collection]
        )
        self.known: dict[str, KnownTraits] = {}
        self.count = 0
        self.failures: list[ReadFailure] = []

    async def look(self, rows: Sequence[Configuration], unread: str = "") -> list[Finding]:
        """What is told of these objects, the stock left out."""
        tenant = FakeTenant(configurations=list(rows))
        if unread:
            name = get_configuration_source_name(unread)
            tenant.failures[name, ""] = ReadFailure(name, "not now")
        policy = GuardPolicy(NOW + HOUR * self.count)
        self.count += 1
        context = ObserveContext(policy, known_traits=dict(self.known))
        self.failures = []
        found: list[Finding] = []
        async for reading in self.guard.observe(tenant, context):
            assert isinstance(reading, Reading)
            self.known |= {one.key: one for one in reading.known_traits}
            self.failures += reading.failures
            for item in reading.items:
                found += self.guard.judge(item, policy)
        return [one for one in found if one.verdict != WatchedVerdict.STOCK]
