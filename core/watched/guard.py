"""Builds a guard from watched collections."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from core.errors import MISTAKES, explain_error
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES, DERIVED_SOURCES
from core.model.guards import Guard, ObserveContext, Permission, Service
from core.tenant.configuration import Configuration
from core.tenant.known_traits import MAX_TRAITS, KnownTraits, build_traits_key
from core.tenant.readings import AllExcept, ReadFailure, Reading
from core.watched.derived import WatchedPorts, list_derived_permissions, read_derived
from core.watched.items import (
    MAX_REASON_LENGTH,
    SourceRows,
    Stock,
    StockPart,
    WatchedCollection,
    WatchedResult,
    check_sources,
)
from core.watched.judge import WATCHED_VERDICT_TEXTS, judge
from core.watched.left_out import add_shown, look_at_missing
from core.watched.memory import FIRST_LOOK, MAX_ITEMS, MAX_PARTS, compare_items
from core.watched.odd_objects import Description, describe_items, list_unread_objects
from core.watched.own_domains import DOMAIN_SOURCES, add_missing_domains

MAX_TOKENS = MAX_TRAITS * MAX_PARTS
"""So many things that one item opens or keeps are remembered."""


class WatchedObserver(Protocol):
    """Reads and compares the collections of a guard."""

    def __call__(
        self, tenant: WatchedPorts, context: ObserveContext, skipped: Collection[str] = ()
    ) -> AsyncIterator[Reading[WatchedResult]]:
        """Every collection but those that read a skipped source."""
        ...


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
    plain = list(list_source_permissions(collections))
    yield from plain
    derived = {name for one in collections for name in one.sources} & DERIVED_SOURCES
    needed = {name for one in collections for name in one.needs} & DERIVED_SOURCES
    named = {one.name for one in plain}
    yield from (one for one in list_derived_permissions(derived, needed) if one.name not in named)


def list_source_permissions(collections: Sequence[WatchedCollection]) -> Iterator[Permission]:
    """What the sources need that are a listing of their own."""
    plurals = dict[tuple[Service, str], list[str]]()
    required = set[str]()
    for one in collections:
        for name in one.sources:
            for permission in list_asked(name):
                service = CONFIGURATION_SOURCES[name].service
                listed = plurals.setdefault((service, permission), [])
                listed += [one.plural] if one.plural not in listed else []
                if name in one.needs and not CONFIGURATION_SOURCES[name].optional_because:
                    required.add(permission)
    for (service, permission), listed in plurals.items():
        yield Permission(
            service,
            permission,
            f"what changes about {', '.join(listed)}",
            optional=permission not in required,
        )


def list_asked(name: str) -> Iterator[str]:
    """The permissions that reading one source takes, or the cmdlets."""
    if name in DERIVED_SOURCES:
        return
    source = CONFIGURATION_SOURCES[name]
    yield source.permission
    if source.relation and source.service is Service.EXCHANGE:
        yield source.relation


def make_observer(guard: str, collections: Sequence[WatchedCollection]) -> WatchedObserver:
    """The `observe` of a guard over these collections."""

    async def observe(
        tenant: WatchedPorts, context: ObserveContext, skipped: Collection[str] = ()
    ) -> AsyncIterator[Reading[WatchedResult]]:
        """Every collection, compared with the looks before. All sources are read at once.

        What reads a skipped source is left for another look: its cases stay as they are.
        """
        wanted = [one for one in collections if not set(one.sources) & set(skipped)]
        names = tuple(dict.fromkeys(name for one in wanted for name in one.sources))
        plain = [one for one in names if one not in DERIVED_SOURCES]
        answers = await asyncio.gather(*map(tenant.configuration.read_configuration, plain))
        read = dict(zip(plain, answers, strict=True))
        left_out = [
            await look_at_missing(tenant, one, read, context.known_traits, context.policy.now)
            for one in wanted
        ]
        read = add_shown(read, left_out)
        read |= await read_derived(tenant, [one for one in names if one in DERIVED_SOURCES], read)
        stock = list[StockPart]()
        helped, noted = keep_missing_domains(wanted, read, context)
        if noted:
            yield Reading(known_traits=noted, scope=frozenset[str]())
        for collection, missing in zip(wanted, left_out, strict=True):
            is_helped = len(collection.sources) > 1
            reading, part = compare_if_possible(
                collection, helped if is_helped else read, context, missing.unread
            )
            yield reading
            if missing.ids:
                yield missing.build_gap(collection.source)
            stock += [part] if part else []
        if len(wanted) == len(collections):
            yield Reading(items=(Stock(guard, tuple(stock)),), scope=frozenset({guard}))

    return observe


def keep_missing_domains(
    collections: Sequence[WatchedCollection],
    read: Mapping[str, Reading[Configuration]],
    context: ObserveContext,
) -> tuple[dict[str, Reading[Configuration]], tuple[KnownTraits, ...]]:
    """What was read, with the domains by which collections judge others although a listing lacks
    them, and what is to be remembered of the domains.
    """
    helped, noted = dict(read), tuple[KnownTraits, ...]()
    judging = {name for one in collections if len(one.sources) > 1 for name in one.sources}
    for name in sorted(judging & DOMAIN_SOURCES):
        helped[name], rows = add_missing_domains(
            name, read[name], context.known_traits, context.policy.now
        )
        noted += rows
    return helped, noted


def compare_if_possible(
    collection: WatchedCollection,
    read: dict[str, Reading[Configuration]],
    context: ObserveContext,
    unread: Collection[str],
) -> tuple[Reading[WatchedResult], StockPart | None]:
    """The same as `compare_collection`: after a mistake a collection is unread, and those beside it
    are compared all the same.
    """
    try:
        return compare_collection(collection, read, context, unread)
    except MISTAKES as error:
        return build_gap([ReadFailure(collection.source, explain_error(error))], ()), None


def build_gap(
    gaps: Sequence[ReadFailure], details: Sequence[ReadFailure]
) -> Reading[WatchedResult]:
    """The reading of a collection that could not be read."""
    return Reading(
        failures=(*gaps[:1], *details),
        sources=frozenset(one.source for one in gaps[:1]),
        complete=False,
    )


def compare_collection(
    collection: WatchedCollection,
    read: dict[str, Reading[Configuration]],
    context: ObserveContext,
    unread: Collection[str] = (),
) -> tuple[Reading[WatchedResult], StockPart | None]:
    """One collection as a reading, with its part of the stock.

    What could not be read as a whole is compared with nothing, and has no stock. The reading does
    not speak of the `unread` items, nor of those that are missing for the first time: a page may
    have been left out.
    """
    lost = list_unread_objects(collection, read)
    partly = {one.source for one in lost}
    gaps = [
        replace(failure, source=collection.source, object_id="")
        for name in collection.needs
        if name not in partly
        for failure in read[name].failures
        if not failure.optional
    ]
    details = [
        replace(failure, optional=True)
        for name in collection.sources
        for failure in read[name].failures
        if failure.optional or name in collection.uses
    ]
    rows = SourceRows(
        {
            name: None if has_gap(read[name]) and name not in partly else read[name].items
            for name in collection.sources
        },
        context.policy.now,
    )
    if not gaps and any(rows[name] is None for name in collection.needs):
        if is_first_look(collection, context):
            # The tenant has no such feature: nothing to compare, and nothing that could be over.
            return Reading(failures=tuple(details)), None
        gaps = [
            replace(one, source=collection.source, optional=False, reason=say_it_was_read(one))
            for name in collection.needs
            for one in read[name].failures
        ] or [ReadFailure(collection.source, "a list was not read to its end")]
    described = describe_items(collection, rows, lost) if not gaps else Description()
    if described.reason:
        gaps = [ReadFailure(collection.source, described.reason)]
    elif described.may_lack and is_first_look(collection, context):
        # All that it lacks would be new at the next look.
        odd = next(one for one in described.odd if one.may_lack)
        gaps = [ReadFailure(collection.source, f"{odd.name}: {odd.reason}"[:MAX_REASON_LENGTH])]
    if gaps:
        return build_gap(gaps, details), None
    details += dict.fromkeys(one.build_failure(collection.source) for one in described.odd)
    return compare_described(collection, described, context, unread, details)


def is_first_look(collection: WatchedCollection, context: ObserveContext) -> bool:
    """Whether a collection was never compared with anything."""
    return build_traits_key(collection.name, FIRST_LOOK) not in context.known_traits


def compare_described(
    collection: WatchedCollection,
    described: Description,
    context: ObserveContext,
    unread: Collection[str],
    details: list[ReadFailure],
) -> tuple[Reading[WatchedResult], StockPart | None]:
    """What is understood of one collection, compared, with what was not read beside it."""
    items, unread = described.items, frozenset(unread) | described.unread
    found = compare_items(
        collection, items, context.known_traits, context.policy.now, unread, described.may_lack
    )
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
    silent = found.missed_once | unread
    reading: Reading[WatchedResult] = Reading(
        items=found.news,
        failures=tuple(details),
        sources=frozenset({collection.source}),
        population=1,
        scope=AllExcept(silent) if silent else None,
        known_traits=found.noted,
    )
    return reading, StockPart(collection, found.stock)


def say_it_was_read(failure: ReadFailure) -> str:
    """The reason of a refusal, where the source answered before: then it is no missing feature."""
    return f"it was read before and no longer is: {failure.reason}"[:MAX_REASON_LENGTH]


def has_gap(reading: Reading[Configuration]) -> bool:
    """Whether something of a source is missing that was to be read."""
    return bool(reading.failures) or not reading.complete
