"""What a run's document says, read back from the state: as far as it can be believed.

Another version may have written it, and what it tells of the tenant is foreign. So nothing here
raises: what is not of its kind is not there, and a document without a beginning is no run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from core.tenant.port import Grants

# A document from so far in the future was not written by a clock that can be compared with.
SKEW = timedelta(minutes=10)
WORDS = 600
NAMES = 2_000
COUNT = 10**9
# What a run can be after it looked at the tenant.
LOOKED = ("done", "going on")
WAITING = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Run:
    """One run as its document tells it; the names are those of `core.model.RunReport`.

    `changes` and `preview` are pairs of a kind of change and a subject, `omitted` how many rows of
    theirs and of the findings did not fit. `granted` is what the app may do, as far as was known.
    """

    run: str
    status: str
    began: datetime
    mode: str = ""
    ended: datetime | None = None
    seen: int = 0
    population: int = 0
    unread: int = 0
    left: int = 0
    blind: tuple[str, ...] = ()
    adopted: bool = False
    held: str = ""
    plan: str = ""
    told: bool | None = None
    error: str = ""
    changes: tuple[tuple[str, str], ...] = ()
    preview: tuple[tuple[str, str], ...] = ()
    omitted: int = 0
    granted: Grants = field(default_factory=Grants)

    @property
    def looked(self) -> bool:
        """True for a run that got as far as looking at the tenant."""
        return self.status in LOOKED

    @property
    def last_sign(self) -> datetime:
        """The last moment at which the run is known to have been alive."""
        return max(self.began, self.ended or self.began)


def runs_of(documents: Iterable[Mapping[str, object]], now: datetime) -> tuple[Run, ...]:
    """The runs among documents, newest first; what is no run is left out."""
    found = [run for run in (run_of(document, now) for document in documents) if run]
    return tuple(sorted(found, key=lambda run: run.began, reverse=True))


def run_of(document: Mapping[str, object], now: datetime) -> Run | None:
    """The run a document speaks of. None when it has no status or no beginning."""
    status = words(document.get("status"), 20)
    began = moment(document.get("started"), now) or moment(document.get("at"), now)
    if not status or began is None:
        return None
    told = document.get("told")
    return Run(
        run=words(document.get("run"), 64),
        status=status,
        began=began,
        mode=words(document.get("mode"), 20),
        ended=moment(document.get("finished"), now),
        seen=count(document.get("seen")),
        population=count(document.get("population")),
        unread=count(document.get("unread")),
        left=count(document.get("left")),
        blind=names(document.get("blind")),
        adopted=document.get("adopted") is True,
        held=words(document.get("held")),
        plan=words(document.get("plan"), 64),
        told=told if isinstance(told, bool) else None,
        error=words(document.get("error")),
        changes=pairs(document.get("changes")),
        preview=pairs(document.get("preview")),
        omitted=sum(
            count(document.get(f"{name}_omitted")) for name in ("changes", "preview", "findings")
        ),
        granted=granted(document.get("granted")),
    )


def granted(value: object) -> Grants:
    """What the app may do, by service; what is not a list is not known."""
    if not isinstance(value, Mapping):
        return Grants()
    roles, cmdlets = value.get("graph"), value.get("exchange")
    return Grants(
        frozenset(names(roles)) if isinstance(roles, list) else None,
        frozenset(names(cmdlets)) if isinstance(cmdlets, list) else None,
    )


def words(value: object, limit: int = WORDS) -> str:
    """A text, cut where it is too long."""
    return value[:limit] if isinstance(value, str) else ""


def count(value: object) -> int:
    """A number of things. True is no number."""
    return value if type(value) is int and 0 <= value <= COUNT else 0


def moment(value: object, now: datetime) -> datetime | None:
    """A time, in UTC, that has come."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
        if read is None or read.tzinfo is None or read > now + SKEW:
            return None
        return read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def names(value: object) -> tuple[str, ...]:
    """The texts of a list."""
    if not isinstance(value, list):
        return ()
    return tuple(part[:WORDS] for part in value[:NAMES] if isinstance(part, str))


def pairs(value: object) -> tuple[tuple[str, str], ...]:
    """What rows say was changed: the kind and the subject."""
    if not isinstance(value, list):
        return ()
    return tuple(
        (words(row.get("kind"), 80), words(row.get("subject")))
        for row in value[:NAMES]
        if isinstance(row, Mapping)
    )
