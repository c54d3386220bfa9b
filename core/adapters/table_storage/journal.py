"""A second table that witnesses the first: how far each guard's state had come, and what operators
asked for.

    PartitionKey  journal|<guard>
    RowKey        mark               the revision of the guard's state, and when it was saved
                  request|<run id>   a copy of an operator request

Whoever restores the state table to an older day, empties it or names another restores not this one.
It is in the same account under the same identity: it proves nothing against somebody who can write
both.
"""

from collections.abc import Sequence

from azure.data.tables import UpdateMode

from core.adapters.table_storage.codec import decode_stored_record, encode_stored_record
from core.adapters.table_storage.entities import SCHEMA_VERSION, Entity, build_entity
from core.adapters.table_storage.records import collect_records, decode_key_range
from core.adapters.table_storage.row_texts import get_row_text, set_row_text
from core.adapters.table_storage.state_table import StateTable
from core.errors import LedgerError
from core.model.requests import OperatorRequest
from core.model.state import StateMark

JOURNAL_SUFFIX = "journal"
"""What the name of the journal's table ends with, after that of the state table."""
MARK_ROW_KEY = "mark"


def name_partition(guard: str) -> str:
    """Return the partition of a guard in the journal."""
    return f"journal|{guard}"


class Journal:
    """The marks and the requests beside a state table."""

    def __init__(self, table: StateTable) -> None:
        self.table = table

    async def load_mark(self, guard: str) -> StateMark | None:
        """Return the mark of a guard; None for none. Raises LedgerError."""
        row = await self.table.read_row(name_partition(guard), MARK_ROW_KEY)
        if row is None:
            return None
        try:
            return decode_stored_record(StateMark, get_row_text(row, "body"))
        except (ValueError, KeyError) as error:
            raise LedgerError(
                f"the mark of {guard} cannot be decoded: delete the row '{MARK_ROW_KEY}' of "
                f"partition '{name_partition(guard)}' in the table {self.table.client.table_name}"
            ) from error

    async def save_mark(self, guard: str, mark: StateMark) -> None:
        """Save the mark of a guard."""
        row = {"PartitionKey": name_partition(guard), "RowKey": MARK_ROW_KEY, "v": SCHEMA_VERSION}
        await self.save_row(set_row_text(row, "body", encode_stored_record(mark)))

    async def log_requests(self, guard: str, requests: Sequence[OperatorRequest]) -> None:
        """Save requests as they are now."""
        for request in requests:
            await self.save_row(build_entity(name_partition(guard), request))

    async def load_requests(self, guard: str) -> tuple[OperatorRequest, ...]:
        """Return all requests, newest first, without rows that cannot be decoded."""
        partition = name_partition(guard)
        rows = await decode_key_range(self.table, partition, "request|", "request}")
        return collect_records(rows).build_snapshot().operator_requests

    async def save_row(self, row: Entity) -> None:
        """Save one row."""
        await self.table.write_row(
            lambda: self.table.client.upsert_entity(row, mode=UpdateMode.REPLACE)
        )
