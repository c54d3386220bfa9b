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

from core.adapters.table_storage.codec import written
from core.keys import digest
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.requests import Action
from core.model.run_document import bounded, document
from core.model.runs import RunReport
from core.ports import Row

SCHEMA = 1

type Entity = dict[str, Any]


# A Date header tells whole seconds; what is nearer than this is no difference.
NEAR = timedelta(seconds=2)


@dataclass(slots=True)
class ServiceClock:
    """The storage service's time, the same for all instances: this machine's, put right by the
    Date headers of the service, and from then on what has passed here.
    """

    date: datetime = field(default_factory=lambda: datetime.now(UTC))
    mark: float = field(default_factory=time.monotonic)

    def hear(self, response: Any) -> None:
        """Take the time from an answer (a hook of the pipeline)."""
        text = response.http_response.headers.get("Date")
        if text:
            with contextlib.suppress(ValueError, TypeError):
                heard = email.utils.parsedate_to_datetime(text)
                if abs(heard - self.now()) > NEAR:
                    self.date, self.mark = heard, time.monotonic()

    def now(self) -> datetime:
        """What time the service has now."""
        return self.date + timedelta(seconds=time.monotonic() - self.mark)


type Record = Case | ChangeRecord | Exemption | Action


def record_key(record: Record) -> str:
    """The key of a record's row: its kind, and what tells it from others of the kind."""
    match record:
        case Case():
            return f"case|{record.key}"
        case ChangeRecord():
            return f"change|{record.id}"
        case Exemption():
            return f"exempt|{digest(record.subject)}"
        case Action():
            return f"action|{record.id}"


def record_entity(guard: str, record: Record, ended: datetime | None = None) -> Entity:
    """A record as a row. `ended` is when it began to age, for `tidy`."""
    return {
        "PartitionKey": guard,
        "RowKey": record_key(record),
        "v": SCHEMA,
        "ended": ended.isoformat() if ended else "",
        "body": written(record),
    }


def run_entity(guard: str, run: str, document: Mapping[str, object], ended: datetime) -> Entity:
    """A run's document as a row."""
    return {
        "PartitionKey": guard,
        "RowKey": f"run|{run}",
        "v": SCHEMA,
        "ended": ended.isoformat(),
        "body": bounded(document),
    }


def document_of(entity: TableEntity) -> Mapping[str, object]:
    """A run's document from its row; an empty one where the row holds none."""
    try:
        found = json.loads(entity["body"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def entity_of(guard: str, row: Row) -> Entity:
    """Any row of the port as an entity."""
    match row:
        case Case():
            return record_entity(guard, row, row.closed)
        case ChangeRecord():
            return record_entity(guard, row, row.at)
        case Exemption():
            return record_entity(guard, row)
        case Action():
            return record_entity(guard, row, row.ended)
        case RunReport():
            return run_entity(guard, row.run, document(row), row.finished or row.started)


def removals(rows: Iterable[TableEntity]) -> list[Any]:
    """Operations that delete rows nobody has changed since they were read."""
    return [
        (
            "delete",
            row,
            {"etag": row.metadata["etag"], "match_condition": MatchConditions.IfNotModified},
        )
        for row in rows
    ]
