"""core.model.runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.model.cases import Case
from core.model.changes import Outcome
from core.model.findings import Finding, Verdict
from core.model.guards import Mode
from core.model.requests import Action


@dataclass(frozen=True, slots=True)
class Reported:
    """A finding as a run reports it: its key, what the engine made of it, its verdict in force."""

    key: str
    finding: Finding
    state: str
    verdict: Verdict
    until: datetime | None = None


# The status of a report that only tells what people asked for.
ATTENDED = "attended"


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run saw, decided, did and said.

    `status` is done, busy, off or failed, or "going on" when the rest is left to the next run or to
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
    started: datetime
    status: str = "done"
    finished: datetime | None = None
    seen: int = 0
    population: int = 0
    unread: int = 0
    left: int = 0
    blind: tuple[str, ...] = ()
    adopted: bool = False
    findings: tuple[Reported, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    preview: tuple[Outcome, ...] = ()
    held: str = ""
    plan: str = ""
    news: tuple[Case, ...] = ()
    told: bool | None = None
    exemptions: int = 0
    error: str = ""
    open: int = 0
    critical: int = 0
    waiting: timedelta = timedelta()
    requests: Mapping[str, int] = field(default_factory=dict)
    orders: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    granted: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    why: str = ""
    cards: int = 0
    names: Mapping[str, str] = field(default_factory=dict)
