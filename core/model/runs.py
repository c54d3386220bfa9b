"""What a run reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.model.cases import Case
from core.model.changes import Outcome
from core.model.findings import Finding
from core.model.guards import Mode
from core.model.requests import OperatorRequest


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """A finding as a run reports it."""

    key: str
    """The key of its case."""
    finding: Finding
    state: str
    """What the engine made of it: new, known, waiting, adopted, settling, exempt or note."""
    verdict: str
    """The verdict in force."""
    until: datetime | None = None
    """The end of its exemption."""


# The status of a report that only tells what people asked for.
REQUESTS_ONLY = "requests-only"
# The status of a report that tells what waits of a guard whose runs fail.
TOLD_ONLY = "told-only"
# The status of a report of a look at single objects, which records named.
LOOKED = "looked"


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run read, decided, changed and notified."""

    guard: str
    title: str
    noun: str
    """What the guard counts."""
    run: str
    mode: Mode
    started_at: datetime
    status: str = "done"
    """done, busy, off or failed; in-progress when the next run or the queue continues the scan;
    requests-only when the run only processed requests; looked when it looked at single objects;
    told-only when there was no run.
    """
    finished_at: datetime | None = None
    read_count: int = 0
    """How many objects were read in full."""
    population: int = 0
    """How many objects there are."""
    unread_count: int = 0
    """How many objects could not be read in full."""
    remaining_count: int = 0
    """How many objects are still to be read."""
    unavailable_sources: tuple[str, ...] = ()
    """The data sources that could not be read at all."""
    baselined: bool = False
    """Whether this run took what exists as its starting point."""
    findings: tuple[ReportedFinding, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    preview: tuple[Outcome, ...] = ()
    """The changes that the next run will make."""
    block_reason: str = ""
    """Why the brake holds; empty when it does not."""
    plan: str = ""
    """The hash that releases the plan the brake holds."""
    notifications: tuple[Case, ...] = ()
    """The cases with a pending notification."""
    delivered: bool | None = None
    """Whether the channel accepted every message; None when there was none."""
    exemption_count: int = 0
    error: str = ""
    is_early: bool = False
    """Whether the run tells this before its end: what cannot wait for its summary."""
    early_count: int = 0
    """How many cases its cards told before its end."""
    open_count: int = 0
    """How many cases are open after the run."""
    critical_count: int = 0
    """How many of them are critical."""
    oldest_pending_age: timedelta = timedelta()
    """The age of the oldest notification that is still pending."""
    call_counts: Mapping[str, int] = field(default_factory=dict)
    """The number of calls to each service."""
    shard_messages: tuple[str, ...] = ()
    """The messages to put on the shard queue."""
    operator_requests: tuple[OperatorRequest, ...] = ()
    """The requests whose results the run reports."""
    granted_permissions: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    """What the app may do in each service; None where that is unknown."""
    rationale: str = ""
    """Why the guard exists, in one sentence."""
    card_count: int = 0
    """How many messages of the run the channel accepted."""
    subject_names: Mapping[str, str] = field(default_factory=dict)
    """The names of the subjects of the requests, as far as they are stored."""
