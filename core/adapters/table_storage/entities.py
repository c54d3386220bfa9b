"""How rows of the state table look, and what time the storage service has."""

import contextlib
import email.utils
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core import MatchConditions
from azure.data.tables import TableEntity

from core.adapters.table_storage.codec import encode_stored_record
from core.keys import hash_parts
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.requests import OperatorRequest
from core.model.run_document import run_report_to_json, truncate_run_json
from core.model.runs import RunReport
from core.ports import LedgerRow

SCHEMA_VERSION = 1

type Entity = dict[str, Any]


# A Date header tells whole seconds; what is nearer than this is no difference.
CLOCK_TOLERANCE = timedelta(seconds=2)


@dataclass(slots=True)
class ServiceClock:
    """The storage service's time, the same for all instances: this machine's, put right by the
    Date headers of the service, and from then on what has passed here.
    """

    service_time: datetime = field(default_factory=lambda: datetime.now(UTC))
    monotonic_mark: float = field(default_factory=time.monotonic)

    def update_from_response(self, response: Any) -> None:
        """Take the time from an answer (a hook of the pipeline)."""
        text = response.http_response.headers.get("Date")
        if text:
            with contextlib.suppress(ValueError, TypeError):
                heard = email.utils.parsedate_to_datetime(text)
                if abs(heard - self.now()) > CLOCK_TOLERANCE:
                    self.service_time, self.monotonic_mark = heard, time.monotonic()

    def now(self) -> datetime:
        """What time the service has now."""
        return self.service_time + timedelta(seconds=time.monotonic() - self.monotonic_mark)


type EntityRecord = Case | ChangeRecord | Exemption | OperatorRequest


def build_record_key(record: EntityRecord) -> str:
    """The key of a record's row: its kind, and what tells it from others of the kind."""
    match record:
        case Case():
            return f"case|{record.key}"
        case ChangeRecord():
            return f"change|{record.id}"
        case Exemption():
            return f"exempt|{hash_parts(record.subject)}"
        case OperatorRequest():
            return f"action|{record.id}"


def build_record_entity(guard: str, record: EntityRecord, ended: datetime | None = None) -> Entity:
    """A record as a row. `ended` is when it began to age, for `tidy`."""
    return {
        "PartitionKey": guard,
        "RowKey": build_record_key(record),
        "v": SCHEMA_VERSION,
        "ended": ended.isoformat() if ended else "",
        "body": encode_stored_record(record),
    }


def build_run_entity(
    guard: str, run: str, document: Mapping[str, object], ended: datetime
) -> Entity:
    """A run's document as a row."""
    return {
        "PartitionKey": guard,
        "RowKey": f"run|{run}",
        "v": SCHEMA_VERSION,
        "ended": ended.isoformat(),
        "body": truncate_run_json(document),
    }


def decode_run_document(entity: TableEntity) -> Mapping[str, object]:
    """A run's document from its row; an empty one where the row holds none."""
    try:
        found = json.loads(entity["body"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def build_entity(guard: str, row: LedgerRow) -> Entity:
    """Any row of the port as an entity."""
    match row:
        case Case():
            return build_record_entity(guard, row, row.closed_at)
        case ChangeRecord():
            return build_record_entity(guard, row, row.at)
        case Exemption():
            return build_record_entity(guard, row)
        case OperatorRequest():
            return build_record_entity(guard, row, row.ended_at)
        case RunReport():
            return build_run_entity(
                guard, row.run, run_report_to_json(row), row.finished_at or row.started_at
            )


def build_delete_operations(rows: Iterable[TableEntity]) -> list[Any]:
    """Operations that delete rows nobody has changed since they were read."""
    return [
        (
            "delete",
            row,
            {"etag": row.metadata["etag"], "match_condition": MatchConditions.IfNotModified},
        )
        for row in rows
    ]
