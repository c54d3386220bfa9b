"""The rows of what is true of the tenant, whichever guard runs.

They carry no fence: the last writer wins, and any of them was right.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from azure.data.tables import TableEntity, UpdateMode

from core.adapters.table_storage.codec import decode_stored_record, encode_stored_record
from core.adapters.table_storage.entities import SCHEMA_VERSION
from core.adapters.table_storage.row_texts import (
    get_row_text,
    set_row_text,
    split_into_transactions,
)
from core.adapters.table_storage.state_table import StateTable
from core.model.outbox import ChannelHealth
from core.model.state import InboxGroup, ProbeReport, Way
from core.ports import TENANT_PARTITION

log = logging.getLogger("exoguard.ledger")

PROBE_ROW_KEY = "probe|last"

type TenantRow = Way | InboxGroup | ProbeReport | ChannelHealth


async def load_ways(table: StateTable) -> Mapping[str, Way]:
    """Load how each cmdlet's objects are listed, without rows that cannot be decoded."""
    rows = await table.query_key_range(TENANT_PARTITION, "way|", "way}")
    return {way.cmdlet: way for way in decode_rows(Way, rows)}


async def load_inboxes(table: StateTable, first: str, last: str) -> tuple[InboxGroup, ...]:
    """Load the groups from one name to another, both included, without undecodable rows."""
    rows = await table.query_key_range(TENANT_PARTITION, f"inbox|{first}", f"inbox|{last}~")
    return tuple(decode_rows(InboxGroup, rows))


async def load_probe(table: StateTable) -> ProbeReport | None:
    """Load the last probe; None for none, or for one that cannot be decoded."""
    row = await table.read_row(TENANT_PARTITION, PROBE_ROW_KEY)
    return next(decode_rows(ProbeReport, [row] if row else []), None)


async def load_channel_healths(table: StateTable) -> Mapping[str, ChannelHealth]:
    """Load how each further channel answered lately, without rows that cannot be decoded."""
    rows = await table.query_key_range(TENANT_PARTITION, "channel|", "channel}")
    return {health.channel: health for health in decode_rows(ChannelHealth, rows)}


def decode_rows[R: TenantRow](record_type: type[R], rows: Iterable[TableEntity]) -> Iterator[R]:
    """Decode rows of one kind; what cannot be decoded is logged."""
    for row in rows:
        try:
            yield decode_stored_record(record_type, get_row_text(row, "body"))
        except (ValueError, KeyError) as error:
            log.warning("row %s: %s", row["RowKey"][:48], error)


async def save_rows(table: StateTable, records: Mapping[str, TenantRow]) -> None:
    """Save records by the keys of their rows, in place of what stood there."""
    entities = [
        set_row_text(
            {"PartitionKey": TENANT_PARTITION, "RowKey": key, "v": SCHEMA_VERSION},
            "body",
            encode_stored_record(record),
        )
        for key, record in records.items()
    ]
    if len(entities) == 1:
        save = partial(table.client.upsert_entity, entities[0], mode=UpdateMode.REPLACE)
        await table.write_row(save)
        return
    operations = [("upsert", one, {"mode": UpdateMode.REPLACE}) for one in entities]
    for group in split_into_transactions(operations, fence_bytes=0):
        await table.run_operation(partial(table.client.submit_transaction, group))
