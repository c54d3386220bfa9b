"""All that a guard sees of a tenant, its parts put together: what most tests want to look at."""

from collections.abc import AsyncIterator
from typing import Any

from core.model.guards import Guard, ObserveContext
from core.tenant.mailbox_index import MailboxIndex, MailboxPage
from core.tenant.port import Tenant
from core.tenant.readings import AllExcept, Reading


async def observe_all(guard: Guard[Any], tenant: Tenant, context: ObserveContext) -> Reading[Any]:
    """The parts of one look, none of more than a slice, as one reading.

    What a sweep did not read is no surface of it.
    """
    parts: list[Reading[Any]] = []
    index: MailboxIndex | None = None
    async for part in guard.observe(tenant, context):
        if isinstance(part, MailboxPage):
            index = index or MailboxIndex(context.open_case_ids, part.sources)
            index.add_page(part)
        else:
            parts.append(part)
    if index:
        parts.append(index.build_listing_reading())
        assert guard.inspect
        for piece in index.iter_ranges():
            parts.append(await guard.inspect(tenant, context, piece.mailboxes))
    sweeps = {sweep.name for sweep in guard.periodic_checks} - context.due_checks
    found = frozenset[str]().union(*(part.sources for part in parts))
    partly = {name: scope for part in parts for name, scope in part.partial_scopes.items()}
    return Reading(
        items=tuple(item for part in parts for item in part.items),
        failures=tuple(dict.fromkeys(failure for part in parts for failure in part.failures)),
        sources=found - (sweeps - partly.keys()),
        population=sum(part.population for part in parts),
        complete=all(part.complete for part in parts),
        scope=AllExcept(frozenset()),
        partial_scopes=partly,
        known_traits=tuple(known for part in parts for known in part.known_traits),
    )


async def collect_pages[T](pages: AsyncIterator[Reading[T]]) -> Reading[T]:
    """A listing's pages as one reading."""
    parts = [part async for part in pages]
    return Reading(
        items=tuple(item for part in parts for item in part.items),
        failures=tuple(failure for part in parts for failure in part.failures),
        sources=frozenset[str]().union(*(part.sources for part in parts)),
        population=sum(part.population for part in parts),
        complete=all(part.complete for part in parts),
    )
