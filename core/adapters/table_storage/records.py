"""The record rows of a guard: cases, changes, exemptions, operator requests and known traits."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from azure.data.tables import TableEntity

from core.adapters.table_storage.codec import decode_stored_record
from core.adapters.table_storage.entities import SCHEMA_VERSION, EntityRecord, build_record_key
from core.adapters.table_storage.state_table import StateTable
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.requests import OperatorRequest
from core.model.state import GuardSnapshot
from core.tenant.known_traits import KnownTraits

log = logging.getLogger("exoguard.ledger")

RECORD_TYPES: Mapping[str, type[EntityRecord]] = {
    "case": Case,
    "change": ChangeRecord,
    "exempt": Exemption,
    "request": OperatorRequest,
    "known": KnownTraits,
}


@dataclass(slots=True)
class RecordCollector:
    """Collects decoded records, and the keys of the rows that cannot be decoded."""

    cases: dict[str, Case] = field(default_factory=dict)
    changes: list[ChangeRecord] = field(default_factory=list)
    exemptions: dict[str, Exemption] = field(default_factory=dict)
    operator_requests: list[OperatorRequest] = field(default_factory=list)
    known_traits: dict[str, KnownTraits] = field(default_factory=dict)
    unreadable_row_keys: set[str] = field(default_factory=set)

    def add_row(self, guard: str, entity: TableEntity) -> None:
        """Decode one row."""
        key = entity["RowKey"]
        try:
            if entity.get("v") != SCHEMA_VERSION:
                raise ValueError("another schema")
            record = decode_stored_record(RECORD_TYPES[key.partition("|")[0]], entity["body"])
            # A body that belongs to another row would replace that record and never be corrected.
            if build_record_key(record) != key:
                raise ValueError("the body of another row")
            self.add_record(record)
        except (ValueError, KeyError) as error:
            log.warning("%s: row %s cannot be decoded: %s", guard, key[:48], error)
            self.unreadable_row_keys.add(key)

    def add_record(self, record: EntityRecord) -> None:
        """Collect one record."""
        match record:
            case Case():
                self.cases[record.key] = record
            case ChangeRecord():
                self.changes.append(record)
            case Exemption():
                self.exemptions[record.subject] = record
            case OperatorRequest():
                self.operator_requests.append(record)
            case KnownTraits():
                self.known_traits[record.key] = record

    def build_snapshot(self) -> GuardSnapshot:
        """Build a snapshot of the records, without the guard's state."""
        return GuardSnapshot(
            cases=self.cases,
            changes=tuple(sorted(self.changes, key=lambda record: record.at, reverse=True)),
            exemptions=self.exemptions,
            operator_requests=tuple(self.operator_requests),
            known_traits=self.known_traits,
            unreadable_rows=len(self.unreadable_row_keys),
            unreadable_keys=frozenset(
                key.removeprefix("case|")
                for key in self.unreadable_row_keys
                if key.startswith("case|")
            ),
        )


async def load_records(
    table: StateTable, guard: str, low: str, high: str
) -> tuple[GuardSnapshot, set[str]]:
    """Load a guard's records in a key range, and the keys of the rows that cannot be decoded."""
    found = [
        entity
        for first, last in (
            (f"case|{low}", f"case|{high}"),
            (f"change|{low}", f"change|{high}"),
            (f"known|{low}", f"known|{high}"),
            ("exempt|", "exempt}"),
            ("request|", "request}"),
        )
        for entity in await table.query_key_range(guard, first, last)
    ]
    collector = RecordCollector()
    for entity in found:
        collector.add_row(guard, entity)
    return collector.build_snapshot(), collector.unreadable_row_keys
