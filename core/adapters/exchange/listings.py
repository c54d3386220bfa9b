"""Lists what Exchange holds: several ways, and one answer.

    pages ─► entity endpoint ─► one answer ─► slices or one command per object

A listing is complete when there is no next link, no warning of more, and no number of Exchange's
own that is higher. A way that breaks off or leaves something out is followed by the next one, which
begins anew; what was read before is kept, and is not passed on twice. Which way worked is
remembered for a week. A listing that no way completes is unread: it is never a smaller tenant.

An end on a full page may be one that came too soon. So the last page is asked for in another size;
where that shows anything else, or comes to such an end too, the same is listed in pages of another
size, and in other ways. Where all of those are refused, and none says that there is more, it is the
end.
The size in which the last page was not full is remembered, and asked for after the first page.

Pages, entities and slices go on in a later run where this one stopped, once they are known to be
the way; so each is remembered as soon as it works. One answer cannot, and takes its turn before the
slices only as long as it fits into a run. One command per object takes at most half of the time
that a run has left.
"""

import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from core.adapters.exchange.batch import TakeRows
from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.each_owner import list_guids, read_each
from core.adapters.exchange.listed_rows import ListedRows, identify_rows
from core.adapters.exchange.page_requests import (
    PageRequester,
    choose_other_size,
    is_command_path,
    read_entities,
    try_page_form,
)
from core.adapters.exchange.responses import FullEnd, RepeatedPage, WayFailed
from core.adapters.exchange.shown_objects import ShownObjects
from core.adapters.exchange.slice_reader import SliceReader
from core.adapters.exchange.slices import SlicePlace
from core.adapters.exchange.whole_answer import read_whole
from core.adapters.parsing import ResponseRow
from core.adapters.retry import RetryableError
from core.errors import Rejected, TenantError, Unavailable
from core.microsoft365.exchange_listings import (
    DEFAULT_PAGE_FORM,
    PAGE_FORMS,
    ListingWay,
    PageForm,
    find_cmdlet_listing,
)
from core.model.state import EVERY_CMDLET

log = logging.getLogger(__name__)

RELIES_ON = ("exchange-paging",)
# Forms that are tried when the first continuation is refused and no probe has spoken.
TRIED_FORMS = tuple(
    form
    for form in PAGE_FORMS[1:]
    if (form.keeps_cookies or form.method == "POST")
    and form.uses_link_host is (form.method == "GET")
)
RESUMABLE_WAYS = frozenset({ListingWay.PAGES, ListingWay.ENTITIES, ListingWay.SLICES})
# Ways that a command about one object has not: it has no filter, and no further objects.
WAYS_OF_ALL_OBJECTS = frozenset({ListingWay.SLICES, ListingWay.EACH})
FULL_PAGES = "the last of the usual pages is full"

type Way = tuple[ListingWay, PageForm]
type Block = tuple[list[ResponseRow], str]
"""Rows, and the path of the page after them; empty where the listing cannot go on from there."""


async def list_objects(
    exchange: ExchangeClient, command: Command, after: str = "", *, each_once: bool = False
) -> AsyncGenerator[ListedRows]:
    """All objects of a cmdlet, part by part. With `each_once` each row tells of another object;
    otherwise the rows of pages are passed on as they come.

    `after` is the continuation of an earlier run; the listing begins anew where Exchange does not
    go on from it. Raises TenantError, also half way: Unavailable where no way completes it.
    """
    command.check_target()

    def begin() -> Listing:
        return Listing(exchange, command, ShownObjects(passes_repeats=not each_once))

    listing = begin()
    if after:
        try:
            async with aclosing(listing.resume(after)) as blocks:
                async for rows, path in blocks:
                    yield ListedRows(rows, path)
            return
        except FullEnd as error:
            log.info("%s begins anew: %s", command.cmdlet, error)
            await listing.doubt_end(after, error)
            listing = begin()
        except TenantError as error:
            # Passing trouble passes; any other refusal means that the link has gone stale.
            if isinstance(error, RetryableError):
                raise
            log.info("%s goes on from its beginning: %s", command.cmdlet, error)
            listing = begin()
            await listing.give_up_links(after)
    restarted = bool(after)
    async with aclosing(listing.read()) as blocks:
        async for rows, path in blocks:
            yield ListedRows(rows, path, restarted)
            restarted = False


async def list_rows(exchange: ExchangeClient, command: Command) -> list[ResponseRow]:
    """All objects of a cmdlet at once. Raises like `list_objects`."""
    return [row async for part in list_objects(exchange, command) for row in part.rows]


async def list_each(
    exchange: ExchangeClient, commands: Sequence[Command], take: TakeRows | None = None
) -> list[list[ResponseRow] | TenantError]:
    """Many commands in batches: for each its rows or its error, in the same order.

    With `take`, rows are passed on as they arrive, and are no outcome. One whose later pages
    Exchange refuses is listed by itself, in the ways that its cmdlet has.
    """
    outcomes = await exchange.invoke_batch(commands, take)
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, WayFailed):
            log.info("%s is listed alone: %s", commands[number].cmdlet, outcome)
            try:
                rows = await list_rows(exchange, commands[number])
            except TenantError as error:
                outcomes[number] = error
                continue
            if take:
                take(number, rows)
            outcomes[number] = [] if take else rows
    return outcomes


@dataclass(slots=True)
class Listing:
    """One listing on its way through the ways of its cmdlet."""

    exchange: ExchangeClient
    command: Command
    shown: ShownObjects = field(default_factory=ShownObjects)
    reasons: list[str] = field(default_factory=list)
    """Why each way failed."""
    page_count: int = 0
    """How many pages were read in the usual form."""
    has_more: bool = False
    """Whether Exchange named a page after the last one that was read."""
    page_size: int = 0
    """How many rows to ask for at a time; 0 for as many as usual."""
    has_chosen_size: bool = False
    """Whether this is no size that was remembered, but another one after an end on a full page."""
    last_path: str = ""
    """The path of the last of the usual pages; empty where that is the first."""
    last_rows: Sequence[ResponseRow] = ()
    """What that page shows."""

    @property
    def is_about_one(self) -> bool:
        """Whether it lists what belongs to one object."""
        return "Identity" in self.command.parameters

    @property
    def cmdlet(self) -> str:
        return self.command.cmdlet

    async def resume(self, after: str) -> AsyncGenerator[Block]:
        """The rest of a listing from a path. Raises TenantError where it breaks off."""
        if place := SlicePlace.parse(after):
            kinds = find_cmdlet_listing(self.cmdlet).kinds
            blocks = SliceReader(self.exchange, self.command, kinds, place.now).read(place)
            async with aclosing(blocks):
                async for rows, path in blocks:
                    if new := self.shown.take_new_rows(rows):
                        yield new, path
            return
        if not self.exchange.is_tenant_path(after):
            raise Rejected(f"{self.cmdlet}: that is no path to go on from")
        self.page_size = await self.find_known_size()
        if is_command_path(after):
            blocks = self.read_all_pages(await self.find_form(), after)
        else:
            blocks = self.read_entities(after)
        async with aclosing(blocks):
            async for rows, path in blocks:
                yield self.shown.take_first_rows(rows), path

    async def doubt_end(self, after: str, error: FullEnd) -> None:
        """Choose how to list anew where a later run came to an end on a full page: in pages of
        another size, and if those end so too, in slices.
        """
        memory = self.exchange.way_memory
        if not self.page_size:
            way = ListingWay.PAGES if is_command_path(after) else ListingWay.ENTITIES
            size = choose_other_size(self.exchange.page_size, error.row_count)
            await memory.remember(self.cmdlet, way, FULL_PAGES, size)
        elif ListingWay.SLICES in find_cmdlet_listing(self.cmdlet).ways:
            await memory.remember(self.cmdlet, ListingWay.SLICES, FULL_PAGES)

    async def give_up_links(self, after: str) -> None:
        """Choose slices for a while if links of an earlier run lead nowhere.

        Whoever begins by pages again and again, and is stopped before their end, never sees it.
        """
        ways = find_cmdlet_listing(self.cmdlet).ways
        if SlicePlace.parse(after) is None and ListingWay.SLICES in ways:
            reason = "a later run could not go on by a link"
            await self.exchange.way_memory.remember(self.cmdlet, ListingWay.SLICES, reason)

    async def find_form(self) -> PageForm:
        forms = await self.exchange.way_memory.find_page_forms()
        return forms[0] if forms else DEFAULT_PAGE_FORM

    async def read(self) -> AsyncGenerator[Block]:
        """The whole listing, by the way that works. Raises TenantError."""
        listed = False
        async with aclosing(self.read_first_pages()) as blocks:
            async for block in blocks:
                listed = True
                yield block
        if not self.reasons or await self.ends_so_again():
            return
        for way, form in self.repeat_ways(await self.choose_ways()):
            self.shown.begin_way()
            try:
                # A later run would leave out what other ways passed on before.
                async with aclosing(self.read_new(way, form, resumable=not listed)) as blocks:
                    async for block in blocks:
                        listed = True
                        yield block
                self.check_found_again(way)
            except TenantError as error:
                self.shown.note_failure(is_full_end=isinstance(error, FullEnd))
                self.note_failure(way, error)
                continue
            await self.remember(way, form)
            if not listed:
                yield [], ""
            return
        if self.shown.is_full_end_believed():
            return
        raise Unavailable(
            f"{self.cmdlet}: the listing is incomplete ({'; '.join(self.reasons)[:400]})"
        )

    async def read_new(
        self, way: ListingWay, form: PageForm, *, resumable: bool
    ) -> AsyncGenerator[Block]:
        """What one way shows that none before it did. Raises TenantError.

        After other ways a block may be without news: whoever reads on about what was listed does
        not wait for the next.
        """
        remembered = way not in RESUMABLE_WAYS
        async with aclosing(self.read_way(way, form)) as blocks:
            async for rows, path in blocks:
                if path and not remembered:
                    remembered = True
                    await self.remember(way, form)
                new = self.shown.take_new_rows(rows)
                if new or not resumable:
                    yield new, path if resumable else ""

    def note_failure(self, way: ListingWay, error: TenantError) -> None:
        """Note why a way failed; after an end on a full page, the next pages are of another size.

        If it was the end, the last of those is not full.
        """
        log.info("%s by %s: %s", self.cmdlet, way, error)
        self.reasons.append(f"{way}: {error}")
        if isinstance(error, FullEnd) and way is not ListingWay.WHOLE and not self.has_chosen_size:
            self.page_size = choose_other_size(self.exchange.page_size, error.row_count)
            self.has_chosen_size = True

    # Pages ------------------------------------------------------------------------------------

    async def read_first_pages(self) -> AsyncGenerator[Block]:
        """The listing by pages; it ends early, with a reason, where another way has to be tried.

        Whatever is known of the tenant matters only once there is a second page.
        """
        requester = PageRequester(self.exchange, self.command)
        held: list[ResponseRow] | None = None
        next_path = ""
        async with aclosing(requester.read_pages()) as pages:
            try:
                async for rows, path in pages:
                    self.page_count += 1
                    self.last_path, self.last_rows, next_path = next_path, rows, path
                    self.has_more = bool(path)
                    if self.page_count == 1 and (not path or await self.note_known_way()):
                        held = rows
                        if path:
                            break
                        continue
                    requester.page_size = await self.find_known_size()
                    yield self.shown.take_first_rows(rows), path
                requester.check_end()
            except WayFailed as error:
                self.has_more = self.has_more and not isinstance(error, RepeatedPage)
                self.note_failure(ListingWay.PAGES, error)
        # A way that a later run goes on with shows these objects in their place.
        if held is not None and not (self.reasons and await self.knows_resumable_way()):
            yield self.shown.take_first_rows(held), ""
        if self.reasons:
            self.shown.note_failure(is_full_end=self.has_chosen_size)
        if self.page_count > 1 and not self.reasons:
            await self.remember_pages()

    async def ends_so_again(self) -> bool:
        """Whether the last of the usual pages, which is full, is the end when it is asked for in
        another size. That shows the same objects and no others, on a page that is not full.

        The pages before were followed by it, so none of them need be asked for again.
        """
        if not (self.has_chosen_size and self.last_path):
            return False
        requester = PageRequester(self.exchange, self.command, page_size=self.page_size)
        expected, found = set(identify_rows(self.last_rows)), set[str]()
        try:
            async with aclosing(requester.read_pages(self.last_path, resumed=True)) as pages:
                async for rows, _ in pages:
                    found.update(identify_rows(rows))
                    if not found <= expected:
                        return False
            requester.check_end()
        except TenantError as error:
            log.info("%s does not end so again: %s", self.cmdlet, error)
            return False
        if found != expected:
            return False
        await self.remember(ListingWay.PAGES, DEFAULT_PAGE_FORM)
        return True

    async def note_known_way(self) -> bool:
        """Whether a second page is not even tried in the usual form; the reason is noted."""
        if known := await self.find_known_way():
            self.reasons.append(known)
        return bool(known)

    async def knows_resumable_way(self) -> bool:
        """Whether the way to try first is known, and one that a later run goes on with."""
        known = await self.find_known_way()
        return bool(known) and (await self.choose_ways())[0][0] in RESUMABLE_WAYS

    async def find_known_way(self) -> str:
        """Why a second page is not even tried in the usual form; empty if it is to be tried."""
        memory = self.exchange.way_memory
        way = await memory.find_way(self.cmdlet)
        if way and way is not ListingWay.PAGES:
            return "pages did not work lately"
        forms = await memory.find_page_forms()
        if forms is not None and DEFAULT_PAGE_FORM not in forms:
            return "another form of pages works" if forms else "no form of pages works"
        return ""

    async def find_known_size(self) -> int:
        """The page size in which this listing ended last, or 0. What belongs to one object ends
        where it does, and says nothing of others.
        """
        return (
            0 if self.is_about_one else await self.exchange.way_memory.find_page_size(self.cmdlet)
        )

    async def remember_pages(self) -> None:
        """Note that pages work again, where another way was noted before."""
        row = await self.exchange.way_memory.find_row(self.cmdlet)
        if row and row.way != ListingWay.PAGES:
            await self.exchange.way_memory.remember(self.cmdlet, ListingWay.PAGES, "")

    # Other ways --------------------------------------------------------------------------------

    def repeat_ways(self, ways: Sequence[Way]) -> Iterator[Way]:
        """The ways to try, one once more after it led to another page size."""
        for way in ways:
            page_size = self.page_size
            yield way
            if self.page_size != page_size:
                yield way

    async def choose_ways(self) -> list[Way]:
        """The ways to try, the one that last worked first."""
        memory = self.exchange.way_memory
        known = await memory.find_way(self.cmdlet)
        if not self.has_chosen_size:
            self.page_size = await self.find_known_size()
        ways = [
            (way, DEFAULT_PAGE_FORM)
            for way in find_cmdlet_listing(self.cmdlet).ways[1:]
            if not (self.is_about_one and way in WAYS_OF_ALL_OBJECTS)
        ]
        if known and known is not ListingWay.PAGES:
            known_first = sorted(ways, key=lambda pair: pair[0] is not known)
            return [*known_first, (ListingWay.PAGES, DEFAULT_PAGE_FORM)]
        forms = await memory.find_page_forms()
        if self.page_size:
            return [*((ListingWay.PAGES, form) for form in forms or (DEFAULT_PAGE_FORM,)), *ways]
        if forms is None:
            # Where some pages were served, the form of asking is not what was wrong.
            forms = await self.find_working_form() if self.page_count == 1 else ()
        return [(ListingWay.PAGES, form) for form in forms if form != DEFAULT_PAGE_FORM] + ways

    async def find_working_form(self) -> tuple[PageForm, ...]:
        """The first form in which Exchange serves a second page of this listing, if any."""
        if "ResultSize" not in self.command.parameters:
            return ()
        for form in TRIED_FORMS:
            try:
                if await try_page_form(self.exchange, self.command, form):
                    return (form,)
            except TenantError as error:
                log.info("%s as %s: %s", self.cmdlet, form.name, error)
        return ()

    def check_found_again(self, way: ListingWay) -> None:
        """Raise WayFailed for a way that leaves out what another way showed a moment ago.

        One answer that ends where Exchange said that more follows leaves that out.
        What was asked of owners who were all listed is complete, without their system objects.
        """
        if way is ListingWay.EACH:
            return
        if way is ListingWay.WHOLE and self.has_more and self.shown.shows_no_more:
            raise WayFailed("it ends where the pages did that are followed by others")
        if lost := self.shown.count_lost():
            raise WayFailed(f"{lost} objects that were listed before are missing")

    def read_way(self, way: ListingWay, form: PageForm) -> AsyncGenerator[Block]:
        """The listing by one way. Raises TenantError."""
        match way:
            case ListingWay.PAGES:
                return self.read_all_pages(form)
            case ListingWay.ENTITIES:
                return self.read_entities()
            case ListingWay.WHOLE:
                return end_blocks(read_whole(self.exchange, self.command))
            case ListingWay.SLICES:
                kinds, now = find_cmdlet_listing(self.cmdlet).kinds, self.exchange.way_memory.now()
                return SliceReader(self.exchange, self.command, kinds, now).read()
            case ListingWay.EACH:
                return end_blocks(self.read_each(find_cmdlet_listing(self.cmdlet).each_of))

    async def read_all_pages(self, form: PageForm, after: str = "") -> AsyncGenerator[Block]:
        requester = PageRequester(self.exchange, self.command, form, self.page_size)
        async with aclosing(requester.read_pages(after, resumed=bool(after))) as pages:
            async for block in pages:
                yield block
        requester.check_end()

    async def read_entities(self, after: str = "") -> AsyncGenerator[Block]:
        entity_set = find_cmdlet_listing(self.cmdlet).entity_set
        if entity_set is None:
            raise WayFailed("there is no entity endpoint")
        entities = read_entities(self.exchange, self.command, entity_set, after, self.page_size)
        async with aclosing(entities) as pages:
            async for block in pages:
                yield block

    def read_each(self, owners_cmdlet: str) -> AsyncGenerator[list[ResponseRow]]:
        owners = Command(owners_cmdlet, {"ResultSize": "Unlimited"}, ("Guid",))
        guids = list_guids(list_objects(self.exchange, owners), owners_cmdlet)
        return read_each(self.exchange, self.command, guids)

    async def remember(self, way: ListingWay, form: PageForm) -> None:
        """Note which way worked and, without any name, why the one before it did not."""
        memory = self.exchange.way_memory
        row = await memory.find_fresh_row(self.cmdlet)
        has_pages = way in (ListingWay.PAGES, ListingWay.ENTITIES)
        size = self.page_size if has_pages and not self.is_about_one else 0
        if row is None and (way, form, size) == (ListingWay.PAGES, DEFAULT_PAGE_FORM, 0):
            return
        if row is None or (row.way, row.page_size) != (way, size):
            reason = "pages broke off" if self.page_count > 1 else "the second page was refused"
            await memory.remember(self.cmdlet, way, FULL_PAGES if size else reason, size)
        is_usual = way is not ListingWay.PAGES or form == DEFAULT_PAGE_FORM
        if not is_usual and await memory.find_page_forms() is None:
            await memory.remember(EVERY_CMDLET, form.name, "the usual form was refused")


async def end_blocks(blocks: AsyncGenerator[list[ResponseRow]]) -> AsyncGenerator[Block]:
    """Blocks that no later run can go on from."""
    async with aclosing(blocks):
        async for rows in blocks:
            yield rows, ""
