"""Lists of all there is, as Exchange gives them: page by page, and one that moves meanwhile."""

import logging
from array import array
from collections.abc import AsyncIterator, Callable, Iterable

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.parsing import ResponseRow, parse_each_row, parse_identifier, parse_object_id
from core.adapters.read_errors import build_row_failures, build_unavailable_reading
from core.adapters.retry import RetryableError
from core.errors import TenantError, Unavailable
from core.tenant.readings import Reading

log = logging.getLogger(__name__)

ID_PROPERTIES = ("ExternalDirectoryObjectId", "Guid", "ImmutableId")


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
        rows = await exchange.invoke(command.cmdlet, command.parameters, select=command.select)
    except TenantError as error:
        return build_unavailable_reading(source, error, optional=optional)
    items, broken = parse_each_row(rows, parse)
    return Reading(
        items=tuple(items),
        failures=build_row_failures(source, broken, collect_row_ids(broken)),
        sources=frozenset({source}),
        population=len(rows),
    )


async def fetch_paged_listing[T](
    exchange: ExchangeClient,
    source: str,
    command: Command,
    parse: Callable[[ResponseRow], T],
    get_id: Callable[[T], str],
    after: str,
    *,
    never_empty: bool = False,
) -> AsyncIterator[Reading[T]]:
    """A listing without which nothing absent is gone, page by page.

    An object that moved from page to page while it was read counts once, where it was seen first;
    later parts do not speak of it. A listing that breaks off ends with a part that says why.
    Exchange need not know a link of an earlier run any more: then the listing begins anew.
    `never_empty`: every tenant has some of these, so an empty list is an answer gone wrong.
    """
    seen = IdSet()
    nobody = not after
    nameless = 0
    try:
        async for rows, further, anew in resume_pages(exchange, command, after):
            nobody = nobody and not rows
            if never_empty and nobody and not further:
                raise Unavailable(f"{command.cmdlet} listed nobody at all")
            items, broken = parse_each_row(rows, parse)
            new = {get_id(item): item for item in items if seen.add(get_id(item))}
            ids = collect_row_ids(broken, parse_object_id)
            lost = [
                pair for pair in zip(broken, ids, strict=True) if not pair[1] or seen.add(pair[1])
            ]
            misses = build_row_failures(
                source, [row for row, _ in lost], [one for _, one in lost], nameless
            )
            nameless += len(lost)
            yield Reading(
                items=tuple(new.values()),
                failures=misses,
                sources=frozenset({source}),
                population=len(new) + len(misses),
                scope=frozenset(new) | {miss.object_id for miss in misses},
                continuation=further,
                restarted=anew,
            )
    except TenantError as error:
        yield Reading(
            failures=build_unavailable_reading(source, error).failures,
            sources=frozenset({source}),
            complete=False,
            scope=frozenset(),
        )


async def resume_pages(
    exchange: ExchangeClient, command: Command, after: str
) -> AsyncIterator[tuple[list[ResponseRow], str, bool]]:
    """The pages of a command from where an earlier run stopped, or all of them.

    The first of a listing that had to begin anew says so.
    """
    anew = bool(after)
    if after:
        try:
            async for rows, further in exchange.read_pages(command, after):
                yield rows, further, False
                after = ""
            return
        except TenantError as error:
            # Passing trouble passes; a refusal without a reason is not told from a stale link.
            if not after or isinstance(error, RetryableError):
                raise
            log.info("%s goes on from its beginning: %s", command.cmdlet, error)
    async for rows, further in exchange.read_pages(command):
        yield rows, further, anew
        anew = False


class IdSet:
    """Which objects a listing has named so far, in 16 to 32 bytes each.

    Only 64 bits of each name are kept. Python mixes a secret of the process into them, so nobody
    can choose names that look the same; by chance any two of a million do once in 40 million
    listings. A set of the names themselves would take 120 bytes each.
    """

    def __init__(self) -> None:
        self.slots = array("q", [0]) * 2_048
        self.count = 0

    def add(self, name: str) -> bool:
        """Note a name; True when it was not noted before."""
        if not self.insert_hash(hash(name) or 1):
            return False
        self.count += 1
        if self.count * 2 > len(self.slots):
            known, self.slots = self.slots, array("q", [0]) * (2 * len(self.slots))
            for mark in known:
                if mark:
                    self.insert_hash(mark)
        return True

    def insert_hash(self, hash_value: int) -> bool:
        """Put a mark into its slot, or the next that is free; False when it is there already."""
        slots, last = self.slots, len(self.slots) - 1
        at = hash_value & last
        while found := slots[at]:
            if found == hash_value:
                return False
            at = (at + 1) & last
        slots[at] = hash_value
        return True
