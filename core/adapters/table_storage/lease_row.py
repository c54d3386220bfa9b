"""What a lease row holds: who has it until when, and the state of the guard or the shard."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from azure.data.tables import TableEntity

from core.adapters.table_storage.codec import decode_stored_record
from core.adapters.table_storage.entities import SCHEMA_VERSION, Entity
from core.adapters.table_storage.row_texts import get_row_text
from core.adapters.table_storage.state_table import StateTable
from core.errors import LedgerError
from core.model.state import MAX_LEASE_AHEAD, GuardState

RELEASED_UNTIL = datetime.fromtimestamp(0, UTC).isoformat()
LEASE_ROW_KEY = "lease"
# Of a shard that is done, its pass, for the service to count them by.
DONE_PROPERTY = "state_done"
# The service stores the epoch as 32 bits.
MAX_EPOCH = 2**31 - 1


@dataclass(slots=True)
class Attempt:
    """A write of the lease row, and what the rows written with it do to the census."""

    lease: Entity
    is_counting: bool
    hashes: Mapping[str, int | None] = field(default_factory=dict)


def build_shard_key(number: int) -> str:
    """Return the key of a shard's row. The keys sort as the numbers do."""
    return f"shard|{number:06d}"


def is_lease_expired(lease: TableEntity, now: datetime) -> bool:
    """Return whether a lease has expired, or cannot be believed.

    Raises LedgerError if another version wrote the row.
    """
    if lease.get("v") != SCHEMA_VERSION:
        name = lease["PartitionKey"]
        raise LedgerError(
            f"the lease of {name} was not written by this version (another schema): compare the "
            f"versions deployed, or delete the row 'lease' of partition '{name}'"
        )
    return not is_lease_believed(lease, now) or datetime.fromisoformat(lease["until"]) <= now


def is_lease_believed(lease: TableEntity, now: datetime) -> bool:
    """Return whether a run of this version can have written the times of a lease.

    Whoever writes one that never ends would otherwise stop the guard. To take it over is safe: an
    owner that lives loses its ETag, and with it every write.
    """
    try:
        until = datetime.fromisoformat(lease["until"])
        return until - now <= MAX_LEASE_AHEAD and 0 < int(lease["epoch"]) < MAX_EPOCH
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


def copy_state_parts(lease: TableEntity) -> Entity:
    """Return the properties of a lease row that hold its state, as they are."""
    parts = {name: value for name, value in lease.items() if name.startswith("state")}
    return {"state": "", **parts}


def decode_guard_state(lease: Mapping[str, Any]) -> GuardState:
    """Decode the guard's state from its lease row. Raises ValueError."""
    text = get_row_text(lease, "state") if lease.get("state") else ""
    return decode_stored_record(GuardState, text) if text else GuardState()


async def load_state(table: StateTable, guard: str) -> GuardState:
    """Load the guard's state from its lease row. Raises LedgerError if it cannot be decoded."""
    return decode_checked_state(table, guard, await table.read_row(guard, LEASE_ROW_KEY))


def decode_checked_state(table: StateTable, guard: str, lease: TableEntity | None) -> GuardState:
    """Decode the guard's state from its lease row, if it has one. Raises LedgerError."""
    if lease:
        table.check_tenant(lease)
    try:
        return decode_guard_state(lease or {})
    except ValueError as error:
        raise LedgerError(f"the state of {guard} cannot be decoded: {error}") from error
