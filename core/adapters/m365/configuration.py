"""Objects of the organization's configuration, as `core.microsoft365.configuration_sources` lays
down.
"""

from collections.abc import Mapping
from urllib.parse import quote

from core.adapters.exchange.client import Exchange
from core.adapters.graph.client import Graph
from core.adapters.m365.parsing import Row, each, identifier, listed, stripped, text
from core.adapters.m365.verified_write import Sleep, Undo, begun, confirm, put_back
from core.adapters.read_errors import blind, broken_rows
from core.errors import Gone, Refused, TenantError, Unavailable
from core.microsoft365.configuration_sources import SOURCES, Source, surface_of
from core.model.guards import Service
from core.property_values import number, property_of, same, texts, truth
from core.tenant.changes import Applied, SetConfiguration
from core.tenant.configuration import Configuration
from core.tenant.readings import Reading
from core.tenant.reversibility import NOTHING_KNOWN

NAME_LIMIT = 200
TEXT_LIMIT = 2_000
LIST_LIMIT = 1_000
DEPTH = 6


async def read_configuration(graph: Graph, exchange: Exchange, name: str) -> Reading[Configuration]:
    """Every object of a source. A source of which there is nothing at all was not read."""
    source, surface = SOURCES[name], surface_of(name)
    try:
        rows = await rows_behind(graph, exchange, source)
        if not rows and not source.identity:
            raise Unavailable(f"{source.read} answered with nothing")
    except TenantError as error:
        return blind(surface, error)
    items, broken = each(rows, lambda row: entry(name, source, row))
    unread = broken_rows(surface, broken, [""] * len(broken))
    return Reading(tuple(items), unread, frozenset({surface}), population=len(rows))


async def rows_behind(graph: Graph, exchange: Exchange, source: Source) -> list[Row]:
    """What a cmdlet or a path of Graph answers. Raises TenantError."""
    if source.service is Service.EXCHANGE:
        return await exchange.invoke(source.read, {})
    if not source.identity:
        return [await graph.get(source.read, source.permission)]
    return [row async for page in graph.pages(source.read, source.permission) for row in page]


def entry(name: str, source: Source, row: Row) -> Configuration:
    """A row as an object of its source. Raises ValueError when it could not be named again."""
    plain = stripped(row)
    found = identifier(plain.get(source.identity), NAME_LIMIT) if source.identity else ""
    if source.identity and not found:
        found = text(plain.get(source.identity), NAME_LIMIT).strip()
    if source.identity and not found:
        raise ValueError(f"{source.read}: an object without {source.identity}")
    title = text(plain.get("Name") or plain.get("displayName"), NAME_LIMIT) or found
    values = {
        text(key, NAME_LIMIT): bounded(value)
        for key, value in plain.items()
        if not key.startswith("@odata.")
    }
    return Configuration(name, found, title, values)


def bounded(value: object, depth: int = DEPTH) -> object:
    """A JSON value of a size that can be kept."""
    if isinstance(value, str):
        return text(value, TEXT_LIMIT)
    if isinstance(value, Mapping):
        if not depth:
            return {}
        inner = list(stripped(value).items())[:LIST_LIMIT]
        return {text(key, NAME_LIMIT): bounded(part, depth - 1) for key, part in inner}
    if isinstance(value, list):
        return [bounded(part, depth - 1) for part in value[:LIST_LIMIT]] if depth else []
    return value


async def set_configuration(
    graph: Graph, exchange: Exchange, change: SetConfiguration, sleep: Sleep
) -> Applied:
    """Set one property that its source lets be changed, on exactly one object."""
    source = writable_source(change)
    wanted = list(change.value) if isinstance(change.value, tuple) else change.value

    async def look() -> object:
        return await read_property(graph, exchange, source, change)

    now = await look()
    before = {change.name: now}
    if same(now, change.value):
        return Applied(before, already=True)
    with begun(before):
        await write(graph, exchange, source, change, wanted)
        await confirm(look, lambda value: same(value, change.value) is True, sleep)
    return Applied(before)


async def restore_configuration(
    graph: Graph,
    exchange: Exchange,
    change: SetConfiguration,
    before: Mapping[str, object],
    sleep: Sleep,
) -> Applied:
    """Set the property to what it was, if it is still what the change set it to."""
    source = writable_source(change)
    if change.name not in before:
        raise Refused(NOTHING_KNOWN)
    was = before[change.name]
    undo = Undo[object](
        look=lambda: read_property(graph, exchange, source, change),
        told=lambda now: {change.name: now},
        as_before=lambda now: alike(now, was),
        as_left=lambda now: same(now, change.value) is True,
        write=lambda _: write(graph, exchange, source, change, sent_as(was, change.value)),
    )
    return await put_back(undo, sleep)


def alike(found: object, was: object) -> bool:
    """True when two values say the same, as they are printed: a list of one may be its element."""
    if isinstance(found, list | tuple) or isinstance(was, list | tuple):
        entries = texts(found)
        return entries is not None and entries == texts(was)
    plain = bool | int | str | None
    if not isinstance(found, plain) or not isinstance(was, plain):
        return False
    return same(found, was) is True or same(was, found) is True


def sent_as(was: object, like: object) -> object:
    """A value as it was read, in the type in which the property is written."""
    if isinstance(like, tuple):
        return list(listed(was))
    known = truth(was) if isinstance(like, bool) else number(was) if isinstance(like, int) else None
    return was if known is None else known


def writable_source(change: SetConfiguration) -> Source:
    """The source of a property that may be changed. Raises Refused for any other."""
    source = SOURCES.get(change.source)
    if source is None or change.name not in source.writable:
        raise Refused(f"{change.name} of {change.source} is not among what may be changed")
    return source


async def read_property(
    graph: Graph, exchange: Exchange, source: Source, change: SetConfiguration
) -> object:
    """The property of exactly the object that is meant.

    Raises Gone, or Unavailable when it is not shown: nobody could say later what it was.
    """
    rows = await rows_behind(graph, exchange, source)
    found = [one for one in rows if is_named(source, one, change.identity)]
    if len(found) != 1:
        raise Gone(f"{source.read}: {len(found)} objects are called like that now")
    told, value = property_of(stripped(found[0]), change.name)
    if not told:
        raise Unavailable(f"{source.read} did not tell {change.name}")
    return value


def is_named(source: Source, row: Row, identity: str) -> bool:
    """True for the object a change names."""
    return not source.identity or (
        text(row.get(source.identity), NAME_LIMIT).strip().casefold() == identity.casefold()
    )


async def write(
    graph: Graph, exchange: Exchange, source: Source, change: SetConfiguration, wanted: object
) -> None:
    """The write itself, of this property and no other."""
    if source.service is Service.EXCHANGE:
        named = {"Identity": change.identity} if source.identity else {}
        await exchange.invoke(source.write, {**named, change.name: wanted})
        return
    *above, last = change.name.split(".")
    body: dict[str, object] = {last: wanted}
    for step in reversed(above):
        body = {step: body}
    path = source.write + (f"/{quote(change.identity, safe='')}" if source.identity else "")
    await graph.patch(path, body, source.write_permission)
