"""The rows of a large tenant's shards: one by number, those in progress, those that are done.

Every worker asks for each shard that it takes, so none of these reads the rows of all the others:
of a million mailboxes there are two thousand.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from azure.data.tables import TableEntity

from core.adapters.table_storage.codec import decode_stored_record
from core.adapters.table_storage.lease_row import (
    DONE_PROPERTY,
    build_shard_key,
    is_lease_expired,
)
from core.adapters.table_storage.row_texts import get_row_text
from core.adapters.table_storage.state_table import StateTable
from core.errors import LedgerError
from core.model.state import Shard
from core.ports import ShardStatus

log = logging.getLogger("exoguard.ledger")

FIRST_KEY, END_KEY = "shard|", "shard}"
SHARDS = "PartitionKey eq @guard and RowKey ge @first and RowKey lt @end"
IDLE_SHARD = Shard("", "", "", 0, datetime.fromtimestamp(0, UTC))
"""A shard that was claimed, and of which nothing was saved yet."""


async def load_shards(table: StateTable, guard: str) -> Mapping[int, ShardStatus]:
    """Load the shards of the guard's last scan passes, without rows that cannot be decoded."""
    rows = await table.query_key_range(guard, FIRST_KEY, END_KEY)
    return decode_shards(rows, table.clock.now())


async def load_shard(table: StateTable, guard: str, number: int) -> ShardStatus | None:
    """Load one shard; None if there is none, or its row cannot be decoded."""
    row = await table.read_row(guard, build_shard_key(number))
    return decode_shards([row], table.clock.now()).get(number) if row else None


async def list_claimed_shards(table: StateTable, guard: str) -> frozenset[int]:
    """List the shards that a worker holds now: few, however many there are."""
    now = table.clock.now()
    rows = await table.query_rows(
        f"{SHARDS} and until gt @now",
        guard=guard,
        first=FIRST_KEY,
        end=END_KEY,
        now=now.isoformat(),
    )
    shards = decode_shards(rows, now)
    return frozenset(number for number, status in shards.items() if status.is_claimed)


async def count_done_shards(table: StateTable, guard: str, pass_id: str) -> int:
    """Count the shards of a pass that are done."""
    rows = await table.query_rows(
        f"{SHARDS} and {DONE_PROPERTY} eq @done",
        ["PartitionKey", "RowKey"],
        guard=guard,
        first=FIRST_KEY,
        end=END_KEY,
        done=pass_id,
    )
    return len(rows)


def decode_shards(rows: list[TableEntity], now: datetime) -> dict[int, ShardStatus]:
    """Decode the rows of shards. One that cannot be decoded is logged and left out."""
    found: dict[int, ShardStatus] = {}
    for row in rows:
        try:
            number = int(row["RowKey"].partition("|")[2])
            busy = not is_lease_expired(row, now)
            text = get_row_text(row, "state") if row["state"] else ""
            shard = decode_stored_record(Shard, text) if text else IDLE_SHARD
            found[number] = ShardStatus(shard, busy)
        except (ValueError, KeyError, LedgerError) as error:
            log.warning("%s: row %s: %s", row["PartitionKey"], row["RowKey"][:48], error)
    return found
