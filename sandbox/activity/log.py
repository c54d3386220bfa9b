"""The unified audit log: records in wire form, and the blobs in which they are served.

A scene's `activity` is a list of records as the Office 365 Management Activity API serves them, or
an object:

    records        the records; rows of Graph's directoryAudits may stand among them
    delayMinutes   how long after its CreationTime a record is served (3)
    perBlob        how many records one blob holds (50)
    warmUpHours    how long after a subscription began nothing is served (0)
    wideWindows    partial: a window of more than a day is answered with its first day, and not
                   refused
    enabled        false: the log is switched off, and the API knows no such tenant

A record may have `@sandbox.delayMinutes` of its own, by which it is late, and `@sandbox.times`, in
how many blobs it is served. An `activity` in a scene also makes the sandbox record what edits and
writes do (`sandbox.activity.edits`). A blob holds the records of a content type that are served at
the same second, the newest first.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sandbox.http_types import Row, is_true

EXCHANGE, DIRECTORY, GENERAL = "Audit.Exchange", "Audit.AzureActiveDirectory", "Audit.General"
SHAREPOINT, DLP = "Audit.SharePoint", "DLP.All"
CONTENT_TYPES = (DIRECTORY, EXCHANGE, SHAREPOINT, GENERAL, DLP)
RECORD_TYPES = {1: EXCHANGE, 2: EXCHANGE, 3: EXCHANGE, 50: EXCHANGE}
RECORD_TYPES |= {8: DIRECTORY, 9: DIRECTORY, 15: DIRECTORY}
RECORD_TYPES |= {4: SHAREPOINT, 6: SHAREPOINT, 14: SHAREPOINT}
DELAY_MINUTES = 3.0
PER_BLOB = 50
CONTENT_DAYS = 20
SERVED_AT = "@sandbox.servedAt"
# An edit is the effect of an act some seconds ago, since windows of content end before now.
EDIT_AGE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Blob:
    """Records that are served together, by one id of content."""

    content_type: str
    content_id: str
    created_at: datetime
    records: tuple[Row, ...]

    @property
    def expires_at(self) -> datetime:
        return self.created_at + timedelta(days=CONTENT_DAYS)


def get_records(scene: Mapping[str, Any]) -> list[Row]:
    """The records of a scene, of either service; a list that may be appended to."""
    activity = scene.get("activity")
    if isinstance(activity, MutableMapping):
        records = activity.setdefault("records", [])
        return records if isinstance(records, list) else []
    return activity if isinstance(activity, list) else []


def get_option(scene: Mapping[str, Any], name: str, default: Any) -> Any:
    """An option of a scene's `activity`, or its default."""
    activity = scene.get("activity")
    return activity.get(name, default) if isinstance(activity, Mapping) else default


def is_recording(scene: Mapping[str, Any]) -> bool:
    """Whether a scene says anything about activity, so that edits and writes are recorded."""
    return "activity" in scene


def is_log_enabled(scene: Mapping[str, Any], exchange: Mapping[str, Any]) -> bool:
    """Whether the unified audit log is on, by the scene and by Get-AdminAuditLogConfig."""
    if not is_true(get_option(scene, "enabled", True)):
        return False
    rows = exchange.get("Get-AdminAuditLogConfig") or []
    return not rows or is_true(rows[0].get("UnifiedAuditLogIngestionEnabled", True))


def parse_time(value: object) -> datetime | None:
    """A time of a record, which has no zone and means UTC; None for what is no time."""
    try:
        at = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def stamp_records(scene: Mapping[str, Any], now: datetime | None = None) -> None:
    """Note when each record is served first. One that appears at `now` is not served before."""
    for row in get_records(scene):
        if SERVED_AT in row:
            continue
        at = parse_time(row.get("activityDateTime") or row.get("CreationTime"))
        delay = row.get("@sandbox.delayMinutes", get_option(scene, "delayMinutes", DELAY_MINUTES))
        if at is None:
            continue
        served = at + timedelta(minutes=float(delay))
        row[SERVED_AT] = max(served, now - EDIT_AGE).isoformat() if now else served.isoformat()


def get_served_time(row: Row) -> datetime | None:
    """When a record is served first; None for one without a usable time."""
    return datetime.fromisoformat(row[SERVED_AT]) if SERVED_AT in row else None


def list_directory_rows(scene: Mapping[str, Any], now: datetime) -> list[Row]:
    """The rows of directoryAudits among the records that are served by now."""
    return [
        row
        for row in get_records(scene)
        if "activityDateTime" in row and (served := get_served_time(row)) and served <= now
    ]


def get_content_type(row: Row) -> str:
    """The content type of a record, by its RecordType, which may be text."""
    try:
        return RECORD_TYPES.get(int(row.get("RecordType") or 0), GENERAL)
    except (TypeError, ValueError):
        return GENERAL


def list_blobs(scene: Mapping[str, Any], now: datetime) -> list[Blob]:
    """All blobs that were made by now, in the order in which they were made."""
    served: dict[tuple[str, datetime], list[Row]] = {}
    for row in get_records(scene):
        if "activityDateTime" in row:
            continue
        at = get_served_time(row)
        for number in range(int(row.get("@sandbox.times", 1))):
            made = at + timedelta(minutes=number) if at else None
            if made and made <= now:
                moment = made.replace(microsecond=0)
                served.setdefault((get_content_type(row), moment), []).append(row)
    size = max(1, int(get_option(scene, "perBlob", PER_BLOB)))
    blobs = [
        build_blob(kind, moment, number, tuple(part))
        for (kind, moment), rows in served.items()
        for number, part in enumerate(cut(rows, size))
    ]
    return sorted(blobs, key=lambda blob: (blob.created_at, blob.content_id))


def cut(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def build_blob(kind: str, moment: datetime, number: int, records: tuple[Row, ...]) -> Blob:
    """A blob; its id has the form of the service's, with its dollar signs, and tells its content
    from any other.
    """
    mark = sha256(repr([kind, number, *map(repr, records)]).encode()).hexdigest()[:30]
    stamp = f"{moment:%Y%m%d%H%M%S}"
    content_id = f"{stamp}{number:09}${stamp}{number:09}${kind.lower().replace('.', '_')}${mark}"
    return Blob(kind, content_id, moment, tuple(reversed(records)))
