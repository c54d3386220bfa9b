"""Builds the rows of the state table, and keeps the time of the storage service."""

import contextlib
import email.utils
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.data.tables import TableEntity, UpdateMode

from core.adapters.table_storage.codec import encode_stored_record
from core.adapters.table_storage.row_texts import get_row_text, set_row_text
from core.keys import hash_parts
from core.model.activity import Act, ActivityCursor, PendingLook
from core.model.audit_queries import AuditSearch, CauseWish
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.containment import AccountBundle, Containment
from core.model.outbox import OutboxRow
from core.model.requests import OperatorRequest
from core.model.run_document import run_report_to_json, truncate_run_json
from core.model.runs import RunReport
from core.model.tally import Tally
from core.ports import ActivityRow, ContainmentRow, GuardRow, LedgerRow
from core.tenant.known_traits import KnownTraits

RELIES_ON = ("azure-table-limits",)

SCHEMA_VERSION = 1

type Entity = dict[str, Any]


# A Date header has whole seconds, so a smaller difference means nothing.
CLOCK_TOLERANCE = timedelta(seconds=2)


@dataclass(slots=True)
class ServiceClock:
    """The storage service's time, which is the same for all instances.

    It starts as this machine's time, is corrected by the Date headers of responses, and advances by
    this machine's monotonic clock.
    """

    service_time: datetime = field(default_factory=lambda: datetime.now(UTC))
    monotonic_mark: float = field(default_factory=time.monotonic)

    def update_from_response(self, response: Any) -> None:
        """Set the clock by the Date header of a response. Used as a hook of the SDK's pipeline."""
        text = response.http_response.headers.get("Date")
        if text:
            with contextlib.suppress(ValueError, TypeError):
                service_now = email.utils.parsedate_to_datetime(text)
                if abs(service_now - self.now()) > CLOCK_TOLERANCE:
                    self.service_time, self.monotonic_mark = service_now, time.monotonic()

    def now(self) -> datetime:
        """Return the current time of the service."""
        return self.service_time + timedelta(seconds=time.monotonic() - self.monotonic_mark)


def get_activity_key(row: ActivityRow) -> str:
    """Return the row key of what is kept of audit records. Acts sort by their hour."""
    match row:
        case Act():
            return f"act|{row.key}"
        case ActivityCursor():
            return f"cursor|{row.name}"
        case PendingLook():
            return f"look|{row.guard}"
        case CauseWish():
            return f"wish|{row.guard}"


def build_activity_entity(partition: str, row: ActivityRow) -> Entity:
    """Build the row of what is kept of audit records; only acts are ever over."""
    entity = {
        "PartitionKey": partition,
        "RowKey": get_activity_key(row),
        "v": SCHEMA_VERSION,
        "ended": row.at.isoformat() if isinstance(row, Act) else "",
    }
    return set_row_text(entity, "body", encode_stored_record(row))


def get_containment_key(row: ContainmentRow) -> str:
    """Return the row key of a containment, or of what was kept of its account."""
    match row:
        case Containment():
            return f"contain|{row.id}"
        case AccountBundle():
            return f"bundle|{row.id}" + (f"|{row.edition:04}" if row.edition > 1 else "")


def build_containment_entity(partition: str, row: ContainmentRow) -> Entity:
    """Build the row of a containment, or of what was kept of its account."""
    ended = row.planned_at if isinstance(row, Containment) else row.at
    entity = {
        "PartitionKey": partition,
        "RowKey": get_containment_key(row),
        "v": SCHEMA_VERSION,
        "ended": ended.isoformat(),
    }
    return set_row_text(entity, "body", encode_stored_record(row))


def get_search_key(search: AuditSearch) -> str:
    """Return the row key of a search of the audit log."""
    return f"search|{search.key}"


def build_search_entity(partition: str, search: AuditSearch) -> Entity:
    """Build the row of a search of the audit log."""
    entity = {
        "PartitionKey": partition,
        "RowKey": get_search_key(search),
        "v": SCHEMA_VERSION,
        "ended": search.ended_at.isoformat() if search.ended_at else "",
    }
    return set_row_text(entity, "body", encode_stored_record(search))


type EntityRecord = (
    Case | ChangeRecord | Exemption | OperatorRequest | KnownTraits | OutboxRow | Tally
)

PAST_PREFIX = "archive|"
"""What the key of an archived row begins with, before the key that it had. Of all keys of a guard
these are the first, so that one range holds its records with or without them.
"""


def build_record_key(record: EntityRecord) -> str:
    """Return the row key of a record: its kind and its identity within the kind."""
    match record:
        case Case():
            return f"case|{record.key}"
        case ChangeRecord():
            return f"change|{record.id}"
        case Exemption():
            return f"exempt|{hash_parts(record.subject)}"
        case OperatorRequest():
            return f"request|{record.id}"
        case KnownTraits():
            return f"known|{record.key}"
        case OutboxRow():
            return f"out|{record.key}"
        case Tally():
            return "days|tally"


def build_record_entity(guard: str, record: EntityRecord, ended: datetime | None = None) -> Entity:
    """Build the row of a record. `ended` is when its retention period begins."""
    row = {
        "PartitionKey": guard,
        "RowKey": build_record_key(record),
        "v": SCHEMA_VERSION,
        "ended": ended.isoformat() if ended else "",
    }
    return set_row_text(row, "body", encode_stored_record(record))


def build_run_entity(
    guard: str, run: str, document: Mapping[str, object], ended: datetime
) -> Entity:
    """Build the row of a run's document."""
    row = {
        "PartitionKey": guard,
        "RowKey": f"run|{run}",
        "v": SCHEMA_VERSION,
        "ended": ended.isoformat(),
    }
    return set_row_text(row, "body", truncate_run_json(document))


def decode_run_document(entity: TableEntity) -> Mapping[str, object]:
    """Decode a run's document. Returns an empty one if the row holds none."""
    try:
        document = json.loads(get_row_text(entity, "body"))
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def build_entity(guard: str, row: LedgerRow) -> Entity:
    """Build the row of anything that a claim saves."""
    if isinstance(row, Containment | AccountBundle):
        return build_containment_entity(guard, row)
    if isinstance(row, AuditSearch):
        return build_search_entity(guard, row)
    return build_guard_entity(guard, row)


def build_guard_entity(guard: str, row: GuardRow | ActivityRow) -> Entity:
    """Build the row of what a guard stores, or of what is kept of audit records."""
    match row:
        case Case():
            return build_record_entity(guard, row, row.closed_at)
        case ChangeRecord():
            return build_record_entity(guard, row, row.at)
        case Exemption() | Tally() | OutboxRow():
            return build_record_entity(guard, row)
        case OperatorRequest():
            return build_record_entity(guard, row, row.ended_at)
        case KnownTraits():
            return build_record_entity(guard, row, row.last_seen_at)
        case Act() | ActivityCursor() | PendingLook() | CauseWish():
            return build_activity_entity(guard, row)
        case RunReport():
            return build_run_entity(
                guard, row.run, run_report_to_json(row), row.finished_at or row.started_at
            )


def build_delete_operation(guard: str, key: str) -> tuple[Any, ...]:
    """Build the operation that deletes a row."""
    return ("delete", {"PartitionKey": guard, "RowKey": key}, {})


def build_archive_operations(guard: str, record: LedgerRow) -> list[tuple[Any, ...]]:
    """Build the operations that move the row of a record to the archive."""
    entity = build_entity(guard, record)
    key = entity["RowKey"]
    archived = {**entity, "RowKey": f"{PAST_PREFIX}{key}"}
    return [
        ("upsert", archived, {"mode": UpdateMode.REPLACE}),
        build_delete_operation(guard, key),
    ]
