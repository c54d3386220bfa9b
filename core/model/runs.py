"""core.model.runs."""

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
    """A finding as a run reports it: its key, what the engine made of it, its verdict in force."""

    key: str
    finding: Finding
    state: str
    verdict: str
    until: datetime | None = None


# The status of a report that only tells what people asked for.
REQUESTS_ONLY = "requests-only"


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run saw, decided, did and said.

    `status` is done, busy, off or failed, or "in-progress" when the rest is left to the next run or to
    the queue. `seen` of `population` objects were read in full, `left` are still to be looked at.
    `adopted`: this run took what exists as its starting point. `preview` are changes the next run
    will make. `held` says why the brake holds, `plan` is the hash that releases it. `news` are
    the cases this run has to tell; `told` whether the webhook took them (None: nothing to tell).
    `open` and `critical` count the cases open after it, `waiting` is the age of the oldest news
    that are still untold, `requests` counts the calls of each service. `actions` are what people
    asked for and this run has to tell. `granted` is what the app may do in each service, None where
    that is not known. `why` is the guard's, `cards` how many messages of this run were taken.
    `names` are what people call the subjects of `actions`, as far as that is remembered.
    """

    guard: str
    title: str
    noun: str
    run: str
    mode: Mode
    started_at: datetime
    status: str = "done"
    finished_at: datetime | None = None
    read_count: int = 0
    population: int = 0
    unread_count: int = 0
    remaining_count: int = 0
    unavailable_sources: tuple[str, ...] = ()
    baselined: bool = False
    findings: tuple[ReportedFinding, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    preview: tuple[Outcome, ...] = ()
    block_reason: str = ""
    plan: str = ""
    notifications: tuple[Case, ...] = ()
    delivered: bool | None = None
    exemption_count: int = 0
    error: str = ""
    open_count: int = 0
    critical_count: int = 0
    oldest_pending_age: timedelta = timedelta()
    call_counts: Mapping[str, int] = field(default_factory=dict)
    shard_messages: tuple[str, ...] = ()
    operator_requests: tuple[OperatorRequest, ...] = ()
    granted_permissions: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    rationale: str = ""
    card_count: int = 0
    subject_names: Mapping[str, str] = field(default_factory=dict)
