"""Builds a guard from watched collections."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace

from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.model.guards import Guard, ObserveContext, Permission, Service
from core.tenant.configuration import Configuration
from core.tenant.known_traits import MAX_TRAITS
from core.tenant.port import HasConfiguration
from core.tenant.readings import ReadFailure, Reading
from core.watched.items import (
    SourceRows,
    Stock,
    StockPart,
    WatchedCollection,
    WatchedItem,
    WatchedResult,
    check_sources,
)
from core.watched.judge import WATCHED_VERDICT_TEXTS, judge
from core.watched.memory import MAX_ITEMS, MAX_PARTS, compare_items

MAX_REASON_LENGTH = 300
MAX_TOKENS = MAX_TRAITS * MAX_PARTS
"""So many things that one item opens or keeps are remembered."""


def build_watched_guard(
    name: str,
    title: str,
    *,
    looks_for: str,
    rationale: str,
    collections: Sequence[WatchedCollection],
) -> Guard[WatchedResult]:
    """A guard that tells what changes in some collections. It changes nothing.

    Raises ValueError for a collection that reads an undeclared source.
    """
    for one in collections:
        check_sources(one)
    return Guard(
        name=name,
        title=title,
        looks_for=looks_for,
        rationale=rationale,
        verdicts=WATCHED_VERDICT_TEXTS,
        permissions=tuple(list_permissions(collections)),
        observe=make_observer(name, collections),
        judge=judge,
        noun="collections",
    )


def list_permissions(collections: Sequence[WatchedCollection]) -> Iterator[Permission]:
    """What the collections read, each permission once."""
    plurals = dict[tuple[Service, str], list[str]]()
    required = set[str]()
    for one in collections:
        for name in one.sources:
            source = CONFIGURATION_SOURCES[name]
            asked = [source.permission]
            if source.relation and source.service is Service.EXCHANGE:
                asked.append(source.relation)
            for permission in asked:
                listed = plurals.setdefault((source.service, permission), [])
                listed += [one.plural] if one.plural not in listed else []
                if name in one.needs and not source.optional_because:
                    required.add(permission)
    for (service, permission), listed in plurals.items():
        yield Permission(
            service,
            permission,
            f"what changes about {', '.join(listed)}",
            optional=permission not in required,
        )


def make_observer(
    guard: str, collections: Sequence[WatchedCollection]
) -> Callable[[HasConfiguration, ObserveContext], AsyncIterator[Reading[WatchedResult]]]:
    """The `observe` of a guard over these collections."""

    async def observe(
        tenant: HasConfiguration, context: ObserveContext
    ) -> AsyncIterator[Reading[WatchedResult]]:
        """Every collection, compared with the looks before. All sources are read at once."""
        names = tuple(dict.fromkeys(name for one in collections for name in one.sources))
        answers = await asyncio.gather(*map(tenant.configuration.read_configuration, names))
        read = dict(zip(names, answers, strict=True))
        stock = list[StockPart]()
        for collection in collections:
            reading, part = compare_collection(collection, read, context)
            yield reading
            stock += [part] if part else []
        yield Reading(items=(Stock(guard, tuple(stock)),), scope=frozenset({guard}))

    return observe


def compare_collection(
    collection: WatchedCollection,
    read: dict[str, Reading[Configuration]],
    context: ObserveContext,
) -> tuple[Reading[WatchedResult], StockPart | None]:
    """One collection as a reading, with its part of the stock.

    What could not be read as a whole is compared with nothing, and has no stock.
    """
    gaps = [
        replace(failure, source=collection.source, object_id="")
        for name in collection.needs
        for failure in read[name].failures
        if not failure.optional
    ]
    details = [
        replace(failure, optional=True)
        for name in collection.sources
        for failure in read[name].failures
        if failure.optional or name in collection.uses
    ]
    rows: SourceRows = {
        name: None if has_gap(read[name]) else read[name].items for name in collection.sources
    }
    if not gaps and any(rows[name] is None for name in collection.needs):
        # The tenant has no such feature: nothing to compare, and nothing that could be over.
        return Reading(failures=tuple(details)), None
    items: list[WatchedItem] = []
    if not gaps:
        try:
            items = list(collection.describe(rows))
        except (ValueError, TypeError, AttributeError) as error:
            gaps = [ReadFailure(collection.source, str(error)[:MAX_REASON_LENGTH])]
    if gaps:
        unread = Reading[WatchedResult](
            failures=(*gaps[:1], *details),
            sources=frozenset({collection.source}),
            complete=False,
        )
        return unread, None
    found = compare_items(collection, items, context.known_traits, context.policy.now)
    details += [
        ReadFailure(
            collection.source,
            f"{len(one.opens) + len(one.keeps):,} entries are more than the {MAX_TOKENS:,} that "
            "are remembered: which of them are new is not known",
            object_id=one.id,
            subject=one.name,
        )
        for one in items
        if len(one.opens) + len(one.keeps) > MAX_TOKENS
    ]
    if found.unremembered:
        details.append(
            ReadFailure(
                collection.source,
                f"{found.unremembered:,} of {len(items):,} {collection.plural} are beyond the "
                f"{MAX_ITEMS:,} that are remembered: whether they are new is not known",
                object_id=collection.name,
                subject=collection.plural,
            )
        )
    reading = Reading[WatchedResult](
        items=found.news,
        failures=tuple(details),
        sources=frozenset({collection.source}),
        population=1,
        known_traits=found.noted,
    )
    return reading, StockPart(collection, found.stock)


def has_gap(reading: Reading[Configuration]) -> bool:
    """Whether something of a source is missing that was to be read."""
    return bool(reading.failures) or not reading.complete
