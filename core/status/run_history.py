"""What a run's document says, read back from the state: as far as it can be believed.

Another version may have written it, and what it tells of the tenant is foreign. So nothing here
raises: what is not of its kind is not there, and a document without a beginning is no run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from core.tenant.port import GrantedPermissions

# A document from so far in the future was not written by a clock that can be compared with.
MAX_CLOCK_SKEW = timedelta(minutes=10)
MAX_TEXT_LENGTH = 600
MAX_LIST_LENGTH = 2_000
MAX_COUNT = 10**9
# What a run can be after it looked at the tenant.
SCAN_STATUSES = ("done", "going on")
PENDING_STATUSES = ("queued", "running")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as its document tells it; the names are those of `core.model.RunReport`.

    `changes` and `preview` are pairs of a kind of change and a subject, `omitted` how many rows of
    theirs and of the findings did not fit. `granted` is what the app may do, as far as was known.
    """

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
    preview: tuple[tuple[str, str], ...] = ()
    omitted_count: int = 0
    granted_permissions: GrantedPermissions = field(default_factory=GrantedPermissions)

    @property
    def has_scanned(self) -> bool:
        """True for a run that got as far as looking at the tenant."""
        return self.status in SCAN_STATUSES

    @property
    def last_active_at(self) -> datetime:
        """The last moment at which the run is known to have been alive."""
        return max(self.started_at, self.finished_at or self.started_at)


def parse_runs(documents: Iterable[Mapping[str, object]], now: datetime) -> tuple[RunSummary, ...]:
    """The runs among documents, newest first; what is no run is left out."""
    found = [run for run in (parse_run(document, now) for document in documents) if run]
    return tuple(sorted(found, key=lambda run: run.started_at, reverse=True))


def parse_run(document: Mapping[str, object], now: datetime) -> RunSummary | None:
    """The run a document speaks of. None when it has no status or no beginning."""
    status = read_run_text(document.get("status"), 20)
    began = read_run_time(document.get("started"), now) or read_run_time(document.get("at"), now)
    if not status or began is None:
        return None
    told = document.get("told")
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
        delivered=told if isinstance(told, bool) else None,
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
    """What the app may do, by service; what is not a list is not known."""
    if not isinstance(value, Mapping):
        return GrantedPermissions()
    roles, cmdlets = value.get("graph"), value.get("exchange")
    return GrantedPermissions(
        frozenset(read_run_texts(roles)) if isinstance(roles, list) else None,
        frozenset(read_run_texts(cmdlets)) if isinstance(cmdlets, list) else None,
    )


def read_run_text(value: object, limit: int = MAX_TEXT_LENGTH) -> str:
    """A text, cut where it is too long."""
    return value[:limit] if isinstance(value, str) else ""


def read_run_count(value: object) -> int:
    """A number of things. True is no number."""
    return value if type(value) is int and 0 <= value <= MAX_COUNT else 0


def read_run_time(value: object, now: datetime) -> datetime | None:
    """A time, in UTC, that has come."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
        if read is None or read.tzinfo is None or read > now + MAX_CLOCK_SKEW:
            return None
        return read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_run_texts(value: object) -> tuple[str, ...]:
    """The texts of a list."""
    if not isinstance(value, list):
        return ()
    return tuple(
        part[:MAX_TEXT_LENGTH] for part in value[:MAX_LIST_LENGTH] if isinstance(part, str)
    )


def read_run_changes(value: object) -> tuple[tuple[str, str], ...]:
    """What rows say was changed: the kind and the subject."""
    if not isinstance(value, list):
        return ()
    return tuple(
        (read_run_text(row.get("kind"), 80), read_run_text(row.get("subject")))
        for row in value[:MAX_LIST_LENGTH]
        if isinstance(row, Mapping)
    )
