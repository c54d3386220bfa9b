"""One run of a guard in a process of its own, whose claim lasts for seconds instead of a minute.

    python -m tests.resilience.fuzz.worker SETTINGS GUARD SECONDS [--halt]

With `--halt` the process stops itself (SIGSTOP) when the changes it intends are written down. What
became of the run is the exit code: 0 done, 3 another run took over.
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from azure.data.tables.aio import TableClient

from core.adapters.table_storage.ledger import TableLedger
from core.bootstrap import connect_world, open_ledger
from core.config.settings import Settings
from core.engine.run import run
from core.errors import ClaimLost


class HaltingTable:
    """A table client that stops its process once intended changes were written."""

    def __init__(self, table: TableClient) -> None:
        self.table = table

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    async def submit_transaction(self, operations: Any, **options: Any) -> Any:
        answer = await self.table.submit_transaction(operations, **options)
        if any(row["RowKey"].startswith("change|") for _, row, *_ in operations):
            os.kill(os.getpid(), signal.SIGSTOP)
        return answer


async def run_guard(file: str, guard: str, seconds: str, *options: str) -> int:
    settings = Settings.read(json.loads(Path(file).read_text(encoding="utf-8")))
    duty = settings.find_guard_config(guard)
    assert duty
    async with connect_world(settings) as world, open_ledger(settings) as ledger:
        table = (
            cast(TableClient, HaltingTable(ledger.table.client)) if options else ledger.table.client
        )
        short = TableLedger(
            table,
            journal_client=ledger.journal.table.client,
            tenant=settings["TENANT_ID"],
            lease_duration=timedelta(seconds=float(seconds)),
        )
        try:
            report = await run(duty, replace(world, ledger=short, now=short.table.clock.now))
        except ClaimLost:
            return 3
    return 0 if report.status == "done" else 1


def main() -> int:
    """The run that the command line names; returns its exit code."""
    return asyncio.run(run_guard(*sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
