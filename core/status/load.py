"""Reads what the ledger knows of every guard, for who looks at all of them. Nothing is written."""

import asyncio
from collections.abc import Iterable

from core.errors import LedgerError
from core.model.guards import Duty
from core.ports import Ledger
from core.status.guard_status import Standing

# As many runs as tell of the last complete look of a guard that runs every quarter of an hour.
RUNS = 120


async def standings(ledger: Ledger, duties: Iterable[Duty]) -> list[Standing]:
    """What the ledger knows of every guard; of one that cannot be read, why."""
    return await asyncio.gather(*(standing(ledger, duty) for duty in duties))


async def standing(ledger: Ledger, duty: Duty) -> Standing:
    """What the ledger knows of one guard."""
    guard = duty.guard.name
    try:
        return Standing(
            duty,
            await ledger.recall(guard),
            await ledger.history(guard, RUNS),
            await ledger.shards(guard),
        )
    except LedgerError as error:
        return Standing(duty, unreadable=str(error))
