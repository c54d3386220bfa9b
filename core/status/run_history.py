"""Run documents parsed back from the state, with tolerance. Pure.

Another version may have written a document, and its texts are untrusted. Nothing here raises: a
value of the wrong type counts as missing, and a document without status or start is not a run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from core.tenant.readers import GrantedPermissions

# A document from further in the future was written by a clock that cannot be trusted.
MAX_CLOCK_SKEW = timedelta(minutes=10)
MAX_TEXT_LENGTH = 600
MAX_LIST_LENGTH = 2_000
MAX_COUNT = 10**9
# The statuses of a run that scanned the tenant.
SCAN_STATUSES = ("done", "in-progress")
PENDING_STATUSES = ("queued", "running")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as its document describes it; the fields are those of `core.model.runs.RunReport`."""

    run: str
    status: str
    started_at: datetime
    mode: str = ""
    finished_at: datetime | None = None
    read_count: int = 0
    population: int = 0
    unread_count: int = 0
    remaining_count: int = 0
    unavailable_sources: tuple[str, ...] = ()
    baselined: bool = False
    block_reason: str = ""
    plan: str = ""
    delivered: bool | None = None
    error: str = ""
    changes: tuple[tuple[str, str], ...] = ()
    """Pairs of a kind of change and a subject."""
    preview: tuple[tuple[str, str], ...] = ()
    """The changes of the next run, in the same form."""
    omitted_count: int = 0
    """Changes, previews and findings that did not fit into the document."""
    granted_permissions: GrantedPermissions = field(default_factory=GrantedPermissions)

    @property
    def has_scanned(self) -> bool:
        """Whether the run scanned the tenant."""
        return self.status in SCAN_STATUSES

    @property
    def last_active_at(self) -> datetime:
        """The last time at which the run is known to have been active."""
        return max(self.started_at, self.finished_at or self.started_at)


def parse_runs(documents: Iterable[Mapping[str, object]], now: datetime) -> tuple[RunSummary, ...]:
    """The runs among documents, newest first; other documents are left out."""
    found = [run for run in (parse_run(document, now) for document in documents) if run]
    return tuple(sorted(found, key=lambda run: run.started_at, reverse=True))


def parse_run(document: Mapping[str, object], now: datetime) -> RunSummary | None:
    """The run that a document describes; None without a status or a start."""
    status = read_run_text(document.get("status"), 20)
    began = read_run_time(document.get("started"), now) or read_run_time(document.get("at"), now)
    if not status or began is None:
        return None
    delivered = document.get("told")
    return RunSummary(
        run=read_run_text(document.get("run"), 64),
        status=status,
        started_at=began,
        mode=read_run_text(document.get("mode"), 20),
        finished_at=read_run_time(document.get("finished"), now),
        read_count=read_run_count(document.get("seen")),
        population=read_run_count(document.get("population")),
        unread_count=read_run_count(document.get("unread")),
        remaining_count=read_run_count(document.get("left")),
        unavailable_sources=read_run_texts(document.get("blind")),
        baselined=document.get("adopted") is True,
        block_reason=read_run_text(document.get("held")),
        plan=read_run_text(document.get("plan"), 64),
        delivered=delivered if isinstance(delivered, bool) else None,
        error=read_run_text(document.get("error")),
        changes=read_run_changes(document.get("changes")),
        preview=read_run_changes(document.get("preview")),
        omitted_count=sum(
            read_run_count(document.get(f"{name}_omitted"))
            for name in ("changes", "preview", "findings")
        ),
        granted_permissions=parse_run_grants(document.get("granted")),
    )


def parse_run_grants(value: object) -> GrantedPermissions:
    """The permissions a run read, by service; None where the document has no list."""
    if not isinstance(value, Mapping):
        return GrantedPermissions()
    roles, cmdlets = value.get("graph"), value.get("exchange")
    return GrantedPermissions(
        frozenset(read_run_texts(roles)) if isinstance(roles, list) else None,
        frozenset(read_run_texts(cmdlets)) if isinstance(cmdlets, list) else None,
    )


def read_run_text(value: object, limit: int = MAX_TEXT_LENGTH) -> str:
    """A text, cut at `limit` characters."""
    return value[:limit] if isinstance(value, str) else ""


def read_run_count(value: object) -> int:
    """A count within bounds, else 0. A boolean is not a count."""
    return value if type(value) is int and 0 <= value <= MAX_COUNT else 0


def read_run_time(value: object, now: datetime) -> datetime | None:
    """A time in UTC that is not in the future, else None."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
        if read is None or read.tzinfo is None or read > now + MAX_CLOCK_SKEW:
            return None
        return read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_run_texts(value: object) -> tuple[str, ...]:
    """The texts of a list; entries of other types are left out."""
    if not isinstance(value, list):
        return ()
    return tuple(
        part[:MAX_TEXT_LENGTH] for part in value[:MAX_LIST_LENGTH] if isinstance(part, str)
    )


def read_run_changes(value: object) -> tuple[tuple[str, str], ...]:
    """The kind and subject of each change of a list."""
    if not isinstance(value, list):
        return ()
    return tuple(
        (read_run_text(row.get("kind"), 80), read_run_text(row.get("subject")))
        for row in value[:MAX_LIST_LENGTH]
        if isinstance(row, Mapping)
    )
