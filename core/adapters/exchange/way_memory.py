"""Which way lists the objects of each cmdlet in this tenant, as far as runs and probes found out.

Exchange changes, so what was found is tried again after a week. The state is asked only for a
listing of more than one page, and a state that cannot be read or written only costs time here.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from core.adapters.exchange.batch import PAGE_SIZE
from core.errors import LedgerError
from core.microsoft365.exchange_listings import (
    DEFAULT_PAGE_FORM,
    ListingWay,
    PageForm,
    find_page_form,
)
from core.model.state import EVERY_CMDLET, Way

log = logging.getLogger(__name__)

TRY_AGAIN_AFTER = timedelta(days=7)
NO_PAGE_FORM = "none"
"""The probe's answer where no form of asking for a second page works."""


async def load_nothing() -> Mapping[str, Way]:
    """Stand in for a state without rows."""
    return {}


async def save_nothing(way: Way) -> None:
    """Stand in for a state that keeps nothing."""


def get_system_time() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class WayMemory:
    """The ways that are known, loaded once and saved as they change."""

    load: Callable[[], Awaitable[Mapping[str, Way]]] = load_nothing
    save: Callable[[Way], Awaitable[None]] = save_nothing
    now: Callable[[], datetime] = get_system_time
    known: dict[str, Way] | None = field(default=None, init=False)
    initial_domain: str = field(default="", init=False)
    """The tenant's .onmicrosoft.com domain, once it was read."""

    async def find_row(self, cmdlet: str) -> Way | None:
        """The row of a cmdlet, or None."""
        if self.known is None:
            try:
                self.known = dict(await self.load())
            except LedgerError as error:
                log.warning("the ways of listing cannot be read: %s", error)
                self.known = {}
        return self.known.get(cmdlet)

    async def find_fresh_row(self, cmdlet: str) -> Way | None:
        """The row of a cmdlet that is less than a week old, or None."""
        row = await self.find_row(cmdlet)
        return row if row and self.now() - row.since < TRY_AGAIN_AFTER else None

    async def find_way(self, cmdlet: str) -> ListingWay | None:
        """The way that last worked for a cmdlet, or None where it is to be found out again."""
        row = await self.find_fresh_row(cmdlet)
        return ListingWay(row.way) if row and row.way in list(ListingWay) else None

    async def find_page_size(self, cmdlet: str) -> int:
        """How many rows to ask for in a page of a cmdlet, or 0 for as many as usual."""
        row = await self.find_fresh_row(cmdlet)
        return row.page_size if row and 0 < row.page_size <= PAGE_SIZE else 0

    async def find_page_forms(self) -> tuple[PageForm, ...] | None:
        """The form of asking for a page that works, none if none does, None if it is unknown."""
        row = await self.find_fresh_row(EVERY_CMDLET)
        if row is None:
            return None
        if row.way == NO_PAGE_FORM:
            return ()
        return (find_page_form(row.way) or DEFAULT_PAGE_FORM,)

    async def remember(self, cmdlet: str, way: str, reason: str, page_size: int = 0) -> None:
        """Note that a way worked, and what was wrong with the one before it."""
        row = Way(cmdlet, way, self.now(), reason, page_size)
        await self.find_row(cmdlet)
        if self.known is not None:
            self.known[cmdlet] = row
        try:
            await self.save(row)
        except LedgerError as error:
            log.warning("the way of listing cannot be saved: %s", error)
