"""All that a guard sees of a tenant, its parts put together: what most tests want to look at."""

from collections.abc import AsyncIterator
from typing import Any

from core.model.guards import Guard, Look
from core.tenant.mailbox_index import Page, Roll
from core.tenant.port import Tenant
from core.tenant.readings import Others, Reading


async def looked(guard: Guard[Any], tenant: Tenant, look: Look) -> Reading[Any]:
    """The parts of one look, none of more than a slice, as one reading.

    What a sweep did not read is no surface of it.
    """
    parts: list[Reading[Any]] = []
    roll: Roll | None = None
    async for part in guard.observe(tenant, look):
        if isinstance(part, Page):
            roll = roll or Roll(look.watched, part.surfaces)
            roll.add(part)
        else:
            parts.append(part)
    if roll:
        parts.append(roll.rest())
        assert guard.inspect
        for piece in roll.slices():
            parts.append(await guard.inspect(tenant, look, piece.mailboxes))
    sweeps = {sweep.name for sweep in guard.sweeps} - look.due
    surfaces = frozenset[str]().union(*(part.surfaces for part in parts))
    partly = {name: scope for part in parts for name, scope in part.partly.items()}
    return Reading(
        items=tuple(item for part in parts for item in part.items),
        unread=tuple(dict.fromkeys(miss for part in parts for miss in part.unread)),
        surfaces=surfaces - (sweeps - partly.keys()),
        population=sum(part.population for part in parts),
        complete=all(part.complete for part in parts),
        scope=Others(frozenset()),
        partly=partly,
    )


async def whole[T](pages: AsyncIterator[Reading[T]]) -> Reading[T]:
    """A listing's pages as one reading."""
    parts = [part async for part in pages]
    return Reading(
        items=tuple(item for part in parts for item in part.items),
        unread=tuple(miss for part in parts for miss in part.unread),
        surfaces=frozenset[str]().union(*(part.surfaces for part in parts)),
        population=sum(part.population for part in parts),
        complete=all(part.complete for part in parts),
    )
