"""Reads what the ledger knows of every guard, for who looks at all of them. Nothing is written."""

import asyncio
from collections.abc import Iterable

from core.errors import LedgerError
from core.model.guards import GuardConfig
from core.ports import Ledger
from core.status.guard_status import GuardData

# As many runs as tell of the last complete look of a guard that runs every quarter of an hour.
MAX_RUNS = 120


async def load_all_guard_data(ledger: Ledger, configs: Iterable[GuardConfig]) -> list[GuardData]:
    """What the ledger knows of every guard; of one that cannot be read, why."""
    return await asyncio.gather(*(load_guard_data(ledger, duty) for duty in configs))


async def load_guard_data(ledger: Ledger, config: GuardConfig) -> GuardData:
    """What the ledger knows of one guard."""
    guard = config.guard.name
    try:
        return GuardData(
            config,
            await ledger.load(guard),
            await ledger.list_recent_runs(guard, MAX_RUNS),
            await ledger.load_shards(guard),
        )
    except LedgerError as error:
        return GuardData(config, read_error=str(error))
