"""Readings of listings: part by part, and of a tenant that moves meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.id_set import IdSet
from core.adapters.exchange.listed_rows import ID_PROPERTIES
from core.adapters.exchange.listings import list_objects, list_rows
from core.adapters.parsing import ResponseRow, parse_each_row, parse_identifier, parse_object_id
from core.adapters.read_errors import build_row_failures, build_unavailable_reading
from core.errors import TenantError, Unavailable
from core.tenant.readings import Reading


def collect_row_ids(
    rows: Iterable[tuple[ResponseRow, str]], parse: Callable[[object], str] = parse_identifier
) -> list[str]:
    """The best id each broken row still has, "" for none."""
    return [
        next((known for key in ID_PROPERTIES if (known := parse(row.get(key)))), "")
        for row, _ in rows
    ]


async def fetch_listing[T](
    exchange: ExchangeClient,
    source: str,
    command: Command,
    parse: Callable[[ResponseRow], T],
    *,
    optional: bool = False,
) -> Reading[T]:
    """A Get-* that lists all there is."""
    try:
        rows = await list_rows(exchange, command)
    except TenantError as error:
        return build_unavailable_reading(source, error, optional=optional)
    items, broken = parse_each_row(rows, parse)
    return Reading(
        items=tuple(items),
        failures=build_row_failures(source, broken, collect_row_ids(broken)),
        sources=frozenset({source}),
        population=len(rows),
    )


def list_twins(
    rows: list[ResponseRow],
    broken: list[tuple[ResponseRow, str]],
    item_ids: Sequence[str],
    known: Collection[int],
) -> list[tuple[ResponseRow, str]]:
    """The rows of a page whose items have an id that another object has, and why they are unread.

    `known` are their places among the rows that are not broken.
    """
    wrong = {id(row) for row, _ in broken}
    whole = [row for row in rows if id(row) not in wrong]
    return [
        (
            whole[place],
            f"another object of the list has the same id, {item_ids[place]}; the Guid of this one "
            f"is {parse_object_id(whole[place].get('Guid'))}",
        )
        for place in sorted(known)
    ]


async def fetch_paged_listing[T](
    exchange: ExchangeClient,
    source: str,
    command: Command,
    parse: Callable[[ResponseRow], T],
    get_id: Callable[[T], str],
    after: str,
    *,
    never_empty: bool = False,
    parse_usual_page: Callable[[list[ResponseRow]], list[T] | None] | None = None,
) -> AsyncIterator[Reading[T]]:
    """A listing without which nothing absent is gone, part by part.

    An object that moved from page to page while it was read counts once, where it was seen first;
    later parts do not speak of it. Another object with the same id is unread, by its Guid: of two
    that are known by one id, one would answer for the other. A listing that breaks off ends with a
    part that says why.
    Exchange need not know a link of an earlier run any more: then the listing begins anew.
    `never_empty`: every tenant has some of these, so an empty list is an answer gone wrong.
    `parse_usual_page` tells a page in which all is as usual together, as row by row it would be.
    """
    is_empty = not after
    nameless = 0
    given = IdSet()
    try:
        async for part in list_objects(exchange, command, after, each_once=True):
            rows, further = part.rows, part.continuation
            if part.restarted:
                is_empty, nameless, given = True, 0, IdSet()
            is_empty = is_empty and not rows
            if never_empty and is_empty and not further:
                raise Unavailable(f"{command.cmdlet} listed nobody at all")
            usual = parse_usual_page(rows) if parse_usual_page else None
            items, broken = parse_each_row(rows, parse) if usual is None else (usual, [])
            # A page is a thousand rows: others have their turn before it is judged.
            await asyncio.sleep(0)
            item_ids = list(map(get_id, items))
            if known := set(given.add_each(item_ids)):
                broken += list_twins(rows, broken, item_ids, known)
                items = [item for place, item in enumerate(items) if place not in known]
                item_ids = [found for place, found in enumerate(item_ids) if place not in known]
            ids = [
                found if found and given.add(found) else parse_object_id(row.get("Guid"))
                for (row, _), found in zip(
                    broken, collect_row_ids(broken, parse_object_id), strict=True
                )
            ]
            unread = build_row_failures(source, broken, ids, nameless)
            nameless += len(unread)
            yield Reading(
                items=tuple(items),
                failures=unread,
                sources=frozenset({source}),
                population=len(items) + len(unread),
                scope=frozenset(item_ids) | {failure.object_id for failure in unread},
                continuation=further,
                restarted=part.restarted,
            )
    except TenantError as error:
        yield Reading(
            failures=build_unavailable_reading(source, error).failures,
            sources=frozenset({source}),
            complete=False,
            scope=frozenset(),
        )
