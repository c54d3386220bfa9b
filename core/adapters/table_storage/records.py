"""The record rows of a guard: cases, changes, exemptions, operator requests, traits, the tally.

What no run needs any more is archived under another key, so that a run and the status page read as
much after a year as after a day.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from azure.data.tables import TableEntity

from core.adapters.table_storage.census import hash_row
from core.adapters.table_storage.codec import decode_stored_record
from core.adapters.table_storage.entities import (
    PAST_PREFIX,
    SCHEMA_VERSION,
    EntityRecord,
    build_record_key,
)
from core.adapters.table_storage.lease_row import LEASE_ROW_KEY
from core.adapters.table_storage.row_texts import get_row_text
from core.adapters.table_storage.state_table import StateTable
from core.keys import RANGE_END, RANGE_START
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.outbox import OutboxRow
from core.model.requests import OperatorRequest
from core.model.state import GuardSnapshot
from core.model.tally import Tally
from core.tenant.known_traits import KnownTraits

log = logging.getLogger("exoguard.ledger")

RECORD_TYPES: Mapping[str, type[EntityRecord]] = {
    "case": Case,
    "change": ChangeRecord,
    "exempt": Exemption,
    "request": OperatorRequest,
    "known": KnownTraits,
    "out": OutboxRow,
    "days": Tally,
}
ALL_RECORDS = ("case|", "request}")
"""From the first key of a record to after the last. The archive is before them, runs are after."""


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """A row of a guard's records, decoded."""

    key: str
    record: EntityRecord | None
    """None if it cannot be decoded."""
    hash: int = 0
    """Its part of the checksum of all rows, for whoever counts them."""


def decode_row(guard: str, entity: TableEntity, *, is_counted: bool = False) -> DecodedRow:
    """Decode a row, and take its part of the checksum if it `is_counted`."""
    return DecodedRow(
        entity["RowKey"], decode_record(guard, entity), hash_row(entity) if is_counted else 0
    )


def decode_record(guard: str, entity: TableEntity) -> EntityRecord | None:
    """Decode the record of a row; None if that cannot be done."""
    key = entity["RowKey"]
    own_key = key.removeprefix(PAST_PREFIX)
    try:
        if entity.get("v") != SCHEMA_VERSION:
            raise ValueError("another schema")
        record = decode_stored_record(
            RECORD_TYPES[own_key.partition("|")[0]], get_row_text(entity, "body")
        )
        # A body that belongs to another row would replace that record and never be corrected.
        if build_record_key(record) != own_key:
            raise ValueError("the body of another row")
    except (ValueError, KeyError) as error:
        log.warning("%s: row %s cannot be decoded: %s", guard, key[:48], error)
        return None
    return record


@dataclass(slots=True)
class RecordCollector:
    """Collects decoded records, and the keys of the rows that cannot be decoded."""

    cases: dict[str, Case] = field(default_factory=dict)
    changes: dict[str, ChangeRecord] = field(default_factory=dict)
    exemptions: dict[str, Exemption] = field(default_factory=dict)
    operator_requests: dict[str, OperatorRequest] = field(default_factory=dict)
    known_traits: dict[str, KnownTraits] = field(default_factory=dict)
    outbox: dict[str, OutboxRow] = field(default_factory=dict)
    tally: Tally | None = None
    unreadable_row_keys: set[str] = field(default_factory=set)

    def add_row(self, row: DecodedRow) -> None:
        """Collect one row."""
        if row.record is None:
            self.unreadable_row_keys.add(row.key)
        else:
            self.add_record(row.record)

    def add_record(self, record: EntityRecord) -> None:
        """Collect one record."""
        match record:
            case Case():
                self.cases[record.key] = record
            case ChangeRecord():
                self.changes[record.id] = record
            case Exemption():
                self.exemptions[record.subject] = record
            case OperatorRequest():
                self.operator_requests[record.id] = record
            case KnownTraits():
                self.known_traits[record.key] = record
            case OutboxRow():
                self.outbox[record.key] = record
            case Tally():
                self.tally = record

    def build_snapshot(self) -> GuardSnapshot:
        """Build a snapshot of the records, without the guard's state."""
        return GuardSnapshot(
            cases=self.cases,
            changes=tuple(
                sorted(self.changes.values(), key=lambda record: record.at, reverse=True)
            ),
            exemptions=self.exemptions,
            operator_requests=tuple(
                sorted(self.operator_requests.values(), key=lambda record: record.id)
            ),
            known_traits=self.known_traits,
            outbox=self.outbox,
            tally=self.tally or Tally(),
            unreadable_rows=len(self.unreadable_row_keys),
            unreadable_keys=frozenset(
                key.removeprefix("case|")
                for key in self.unreadable_row_keys
                if key.startswith("case|")
            ),
        )


async def read_record_rows(
    table: StateTable,
    guard: str,
    low: str,
    high: str,
    *,
    are_counted: bool = False,
) -> list[DecodedRow]:
    """Read the rows of a guard's records in a key range, without those in the archive; what it
    remembers of objects is read of all of them.
    """
    ranges = [
        (f"case|{low}", f"case|{high}"),
        (f"change|{low}", f"change|{high}"),
        ("days|", "days}"),
        ("exempt|", "exempt}"),
        ("known|", "known}"),
        (f"out|{low}", f"out|{high}"),
        ("request|", "request}"),
    ]
    if (low, high) == (RANGE_START, RANGE_END):
        ranges = [ALL_RECORDS]
    return [
        row
        for first, last in ranges
        for row in await decode_key_range(table, guard, first, last, are_counted=are_counted)
    ]


async def read_object_rows(table: StateTable, guard: str, prefix: str) -> list[DecodedRow]:
    """Read the cases and changes of one object, all exemptions and all requests, those of the
    archive first. Nobody waits for seven answers one after another.
    """
    ranges = [
        (f"{PAST_PREFIX}case|{prefix}", f"{PAST_PREFIX}case|{prefix}~"),
        (f"{PAST_PREFIX}change|{prefix}", f"{PAST_PREFIX}change|{prefix}~"),
        (f"{PAST_PREFIX}request|", f"{PAST_PREFIX}request}}"),
        (f"case|{prefix}", f"case|{prefix}~"),
        (f"change|{prefix}", f"change|{prefix}~"),
        ("exempt|", "exempt}"),
        ("request|", "request}"),
    ]
    found = await asyncio.gather(*(decode_key_range(table, guard, *each) for each in ranges))
    return [row for rows in found for row in rows]


async def decode_key_range(
    table: StateTable, guard: str, first: str, last: str, *, are_counted: bool = False
) -> list[DecodedRow]:
    """Read and decode the rows of a guard from one key up to, not including, another.

    What is no such record is left out: a partition may hold others beside them, as that of
    containments does.
    """

    def decode(entity: TableEntity) -> DecodedRow | None:
        return decode_row(guard, entity, is_counted=are_counted) if is_record(entity) else None

    rows = await table.convert_key_range(decode, guard, first, last)
    return [row for row in rows if row is not None]


def is_record(entity: TableEntity) -> bool:
    """True for a row that holds a record, in the archive or not."""
    return entity["RowKey"].removeprefix(PAST_PREFIX).partition("|")[0] in RECORD_TYPES


async def read_whole_guard(
    table: StateTable, guard: str, *, with_past: bool
) -> tuple[list[DecodedRow], TableEntity | None]:
    """Read the rows of all records of a guard, those of the archive first, and its lease row.

    A page reads this of every guard. The lease lies among the records and the archive before them,
    so that one range holds them all.
    """

    def decode(entity: TableEntity) -> DecodedRow | TableEntity | None:
        if entity["RowKey"] == LEASE_ROW_KEY:
            return entity
        return decode_row(guard, entity) if is_record(entity) else None

    first, last = ALL_RECORDS
    found = await table.convert_key_range(decode, guard, PAST_PREFIX if with_past else first, last)
    rows = [row for row in found if isinstance(row, DecodedRow)]
    return rows, next((row for row in found if isinstance(row, TableEntity)), None)


def collect_records(rows: Iterable[DecodedRow]) -> RecordCollector:
    """Collect decoded rows. Of two with the same record the later one counts."""
    collector = RecordCollector()
    for row in rows:
        collector.add_row(row)
    return collector
