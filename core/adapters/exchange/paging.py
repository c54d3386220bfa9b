"""Lists of all there is, as Exchange gives them: page by page, and one that moves meanwhile."""

import logging
from array import array
from collections.abc import AsyncIterator, Callable, Iterable

from core.adapters.exchange.client import Command, Exchange
from core.adapters.m365.parsing import Row, each, identifier, object_id
from core.adapters.read_errors import blind, broken_rows
from core.adapters.retry import Again
from core.errors import TenantError, Unavailable
from core.tenant.readings import Reading

log = logging.getLogger(__name__)

IDS = ("ExternalDirectoryObjectId", "Guid", "ImmutableId")


def ids_of(
    rows: Iterable[tuple[Row, str]], read: Callable[[object], str] = identifier
) -> list[str]:
    """The best id each broken row still has, "" for none."""
    return [next((known for key in IDS if (known := read(row.get(key)))), "") for row, _ in rows]


async def listing[T](
    exchange: Exchange,
    surface: str,
    command: Command,
    parse: Callable[[Row], T],
    *,
    optional: bool = False,
) -> Reading[T]:
    """A Get-* that lists all there is."""
    try:
        rows = await exchange.invoke(command.cmdlet, command.parameters, select=command.select)
    except TenantError as error:
        return blind(surface, error, optional=optional)
    items, broken = each(rows, parse)
    return Reading(
        items=tuple(items),
        unread=broken_rows(surface, broken, ids_of(broken)),
        surfaces=frozenset({surface}),
        population=len(rows),
    )


async def paged[T](
    exchange: Exchange,
    surface: str,
    command: Command,
    parse: Callable[[Row], T],
    owner: Callable[[T], str],
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
    seen = Seen()
    nobody = not after
    nameless = 0
    try:
        async for rows, further, anew in pages_from(exchange, command, after):
            nobody = nobody and not rows
            if never_empty and nobody and not further:
                raise Unavailable(f"{command.cmdlet} listed nobody at all")
            items, broken = each(rows, parse)
            new = {owner(item): item for item in items if seen.first(owner(item))}
            ids = ids_of(broken, object_id)
            lost = [
                pair for pair in zip(broken, ids, strict=True) if not pair[1] or seen.first(pair[1])
            ]
            misses = broken_rows(
                surface, [row for row, _ in lost], [one for _, one in lost], nameless
            )
            nameless += len(lost)
            yield Reading(
                items=tuple(new.values()),
                unread=misses,
                surfaces=frozenset({surface}),
                population=len(new) + len(misses),
                scope=frozenset(new) | {miss.object_id for miss in misses},
                further=further,
                anew=anew,
            )
    except TenantError as error:
        yield Reading(
            unread=blind(surface, error).unread,
            surfaces=frozenset({surface}),
            complete=False,
            scope=frozenset(),
        )


async def pages_from(
    exchange: Exchange, command: Command, after: str
) -> AsyncIterator[tuple[list[Row], str, bool]]:
    """The pages of a command from where an earlier run stopped, or all of them.

    The first of a listing that had to begin anew says so.
    """
    anew = bool(after)
    if after:
        try:
            async for rows, further in exchange.pages(command, after):
                yield rows, further, False
                after = ""
            return
        except TenantError as error:
            # Passing trouble passes; a refusal without a reason is not told from a stale link.
            if not after or isinstance(error, Again):
                raise
            log.info("%s goes on from its beginning: %s", command.cmdlet, error)
    async for rows, further in exchange.pages(command):
        yield rows, further, anew
        anew = False


class Seen:
    """Which objects a listing has named so far, in 16 to 32 bytes each.

    Only 64 bits of each name are kept. Python mixes a secret of the process into them, so nobody
    can choose names that look the same; by chance any two of a million do once in 40 million
    listings. A set of the names themselves would take 120 bytes each.
    """

    def __init__(self) -> None:
        self.slots = array("q", [0]) * 2_048
        self.count = 0

    def first(self, name: str) -> bool:
        """Note a name; True when it was not noted before."""
        if not self.note(hash(name) or 1):
            return False
        self.count += 1
        if self.count * 2 > len(self.slots):
            known, self.slots = self.slots, array("q", [0]) * (2 * len(self.slots))
            for mark in known:
                if mark:
                    self.note(mark)
        return True

    def note(self, mark: int) -> bool:
        """Put a mark into its slot, or the next that is free; False when it is there already."""
        slots, last = self.slots, len(self.slots) - 1
        at = mark & last
        while found := slots[at]:
            if found == mark:
                return False
            at = (at + 1) & last
        slots[at] = mark
        return True
