"""How one guard stands: when it looked and what it saw, what is open, what waits for a person.

Derived from what the ledger remembers and nothing else, so that the page, the JSON, the health
check and the digest can only say the same. Silence is not health: a guard that should have looked
and did not is late, and one that never looked is not well.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from core.model.cases import Case, Exemption, News
from core.model.changes import ChangeRecord, ChangeState, plan_hash
from core.model.findings import Severity, Verdict
from core.model.guards import Duty, Mode
from core.model.requests import Action, ActionState
from core.model.state import Memory, Round
from core.ncrontab import Cron
from core.ports import Held
from core.status.run_history import WAITING, Run
from core.tenant.changes import Change, change_of

RUN_MINUTES = 8.0
# What a run may take besides asking: to begin, to write down, to tell.
MARGIN = timedelta(minutes=2)
LATELY = timedelta(days=7)
PERSONS = timedelta(days=30)
SOON = timedelta(days=14)
FORGOTTEN = timedelta(days=30)
AGES = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
PLAN = re.compile(r"plan ([0-9a-f]{32})")


class Health(StrEnum):
    """How well something is, the worst last: of a guard, and of all of them."""

    OFF = "off"
    OK = "ok"
    ATTENTION = "attention"
    FAILING = "failing"

    @property
    def rank(self) -> int:
        """Greater is worse."""
        return list(Health).index(self)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger knows of one guard, as the caller gathered it.

    `runs` are its newest documents (`Ledger.history`; a day's worth tells of the last complete
    look). `unreadable` says why there is no memory, when the state could not be read.
    """

    duty: Duty
    memory: Memory = field(default_factory=Memory)
    runs: Sequence[Mapping[str, object]] = ()
    shards: Mapping[int, Held] = field(default_factory=dict)
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is not well, in a sentence. Foreign words in it are not escaped.

    Of reasons that are as bad, those of a higher `grade` come first.
    """

    health: Health
    text: str
    guard: str = ""
    grade: Severity = Severity.MEDIUM

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts the worst first."""
        return -self.health.rank, -self.grade


@dataclass(frozen=True, slots=True)
class Progress:
    """A look at the whole tenant that goes on over several runs, or in the queue.

    `pieces` of `total` shards are done, `busy` are worked on; 0 of 0 when runs follow each other.
    """

    began: datetime
    pieces: int = 0
    total: int = 0
    busy: int = 0
    stalled: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """When a guard looked and when it has to again.

    `last` is its newest run of any outcome, `looked` the newest that saw all of the tenant, None
    when no run that is still known did. `due` is when it should look next; past by more than the
    grace, it is `late` by so much since `missed`.
    """

    schedule: str
    words: str
    last: Run | None = None
    looked: datetime | None = None
    due: datetime | None = None
    missed: datetime | None = None
    late: timedelta = timedelta()
    never: bool = False
    asked: datetime | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the tenant the newest look read, as `core.model.run_document.coverage` has it."""

    at: datetime
    noun: str
    seen: int
    population: int
    unread: int = 0
    left: int = 0
    blind: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """From 0 to 1; of nothing, all. Never 1 while anything was not read."""
        share = self.seen / self.population if self.population else 1.0
        whole = self.seen >= self.population and not self.unread
        return min(share, 1.0) if whole else min(share, 0.9999)


@dataclass(frozen=True, slots=True)
class Decision:
    """Something only a person can decide.

    `kind` is plan, contested, ask, refused, failed or half-made. For a plan, `plan` is the hash
    that releases it and `would` what it would change: pairs of a kind of change and a subject,
    `exact` when these are known to be those of the hash.
    """

    guard: str
    title: str
    kind: str
    subject: str
    summary: str
    since: datetime
    case: str = ""
    severity: Severity = Severity.HIGH
    plan: str = ""
    would: tuple[tuple[str, str], ...] = ()
    exact: bool = False
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Pardon:
    """An exemption, with the name of what it is about as far as a case tells it."""

    guard: str
    exemption: Exemption
    named: str = ""
    case: str = ""
    in_force: bool = True
    soon: bool = False


@dataclass(frozen=True, slots=True)
class Untold:
    """What has not been told to the channel yet: news of cases, outcomes of actions."""

    cases: int = 0
    actions: int = 0
    oldest: datetime | None = None

    @property
    def number(self) -> int:
        """All of it."""
        return self.cases + self.actions

    def plus(self, other: "Untold") -> "Untold":
        """That of two guards."""
        known = [moment for moment in (self.oldest, other.oldest) if moment]
        oldest = min(known, default=None)
        return Untold(self.cases + other.cases, self.actions + other.actions, oldest)


# ----------------------------------------------------------------------------------------------
# Time
# ----------------------------------------------------------------------------------------------


def timing(
    standing: Standing, runs: Sequence[Run], now: datetime, since: datetime | None, grace: timedelta
) -> Timing:
    """When a guard looked, when it has to, whether it is late.

    A guard that never ran counts from `since`: the first moment at which any guard is known to
    have run, because then the app was there.
    """
    duty, memory = standing.duty, standing.memory
    cron = Cron.parse(duty.schedule)
    looks = [run for run in runs if run.looked]
    state = memory.state
    never = not looks and state.population is None and state.round is None
    waiting = [run.began for run in runs if run.status in WAITING]
    known = Timing(
        schedule=duty.schedule,
        words=cron.spoken(),
        last=next((run for run in runs if run.looked or run.status == "failed"), None),
        looked=next((run.ended or run.began for run in runs if run.status == "done"), None),
        never=never,
        asked=waiting[0] if waiting else None,
        progress=progress(state.round, standing.shards) if state.round else None,
    )
    if duty.mode is Mode.OFF:
        return known
    sign = max((run.last_sign for run in looks), default=since)
    missed = cron.next(sign) if sign else None
    late = now - missed if missed and now - missed > grace else timedelta()
    return replace(known, due=cron.next(now), missed=missed if late else None, late=late)


def progress(going_on: Round, shards: Mapping[int, Held]) -> Progress:
    """How far a look has come that no run has finished."""
    mine = [
        held
        for number, held in shards.items()
        if held.shard.round == going_on.id and number < going_on.shards
    ]
    return Progress(
        began=going_on.began,
        pieces=sum(held.shard.done for held in mine),
        total=going_on.shards,
        busy=sum(held.busy and not held.shard.done for held in mine),
        stalled=going_on.stalled,
    )


def coverage(duty: Duty, runs: Iterable[Run]) -> Coverage | None:
    """What the newest look read; None when no run that is known looked."""
    run = next((run for run in runs if run.looked), None)
    if run is None:
        return None
    return Coverage(
        run.began, duty.guard.noun, run.seen, run.population, run.unread, run.left, run.blind
    )


# ----------------------------------------------------------------------------------------------
# Cases
# ----------------------------------------------------------------------------------------------


def ordered(cases: Iterable[Case]) -> tuple[Case, ...]:
    """The gravest first, then the oldest."""
    return tuple(sorted(cases, key=lambda case: (-case.severity, case.opened, case.key)))


def by_severity(cases: Iterable[Case]) -> dict[Severity, int]:
    """How many of each severity, the gravest first."""
    counted = Counter(case.severity for case in cases)
    return {severity: counted[severity] for severity in reversed(Severity) if counted[severity]}


def by_age(cases: Iterable[Case], now: datetime) -> tuple[int, int, int, int]:
    """How many were opened within a day, within a week, within 30 days, before."""
    counted = [0] * (len(AGES) + 1)
    for case in cases:
        counted[sum(now - case.opened > age for age in AGES)] += 1
    day, week, month, older = counted
    return day, week, month, older


def untold_since(case: Case) -> datetime | None:
    """Since when the news of a case have waited, as far as its times tell."""
    match case.news:
        case News.NONE:
            return None
        case News.OPENED:
            return case.opened
        case News.DONE | News.CLOSED:
            return case.closed
        case _:
            return case.set_aside or case.told


def untold(memory: Memory) -> Untold:
    """What the channel has not heard yet."""
    cases = [case for case in memory.cases.values() if case.news]
    actions = [
        action
        for action in memory.actions
        if action.state is not ActionState.ASKED and not action.told
    ]
    times = [*map(untold_since, cases), *(action.ended for action in actions)]
    return Untold(len(cases), len(actions), min((one for one in times if one), default=None))


# ----------------------------------------------------------------------------------------------
# What waits for a person
# ----------------------------------------------------------------------------------------------

KINDS = {
    Verdict.CONTESTED: "contested",
    Verdict.ASK: "ask",
    Verdict.REFUSED: "refused",
    Verdict.FAILED: "failed",
}


def decisions(standing: Standing, runs: Sequence[Run]) -> Iterator[Decision]:
    """Everything about a guard that a person has to decide, the gravest and oldest first."""
    duty, memory = standing.duty, standing.memory
    name, title = duty.guard.name, duty.guard.title
    for case in ordered(case for case in memory.cases.values() if case.closed is None):
        if case.kind == "brake":
            yield braked(duty, memory, case, runs)
        elif case.verdict in KINDS:
            yield Decision(
                guard=name,
                title=title,
                kind=KINDS[case.verdict],
                subject=case.subject,
                summary=case.summary,
                since=case.set_aside or case.opened,
                case=case.key,
                severity=case.severity,
                acknowledged=case.acknowledged is not None,
            )
    for record in memory.changes:
        if half_made(record):
            known = memory.cases.get(record.case)
            yield Decision(
                guard=name,
                title=title,
                kind="half-made",
                subject=record.subject,
                summary=f"{record.kind} was begun and not finished: {record.note or 'no answer'}",
                since=record.at,
                case=known.key if known else "",
                severity=known.severity if known else Severity.HIGH,
            )


def half_made(record: ChangeRecord) -> bool:
    """True for a change whose first step was sent and whose last was not."""
    return record.state is ChangeState.INTENDED and bool(record.before)


def braked(duty: Duty, memory: Memory, case: Case, runs: Sequence[Run]) -> Decision:
    """The plan the brake holds. What it would do is told by the cases that ask for changes."""
    found = next((match for fact in case.facts if (match := PLAN.fullmatch(fact))), None)
    name = found.group(1) if found else ""
    wanted = tuple(wishes(memory))
    population = next((run.population for run in runs if run.looked), 0)
    made_of = plan_hash(duty.guard.name, ((one.key, change) for one, change in wanted), population)
    return Decision(
        guard=duty.guard.name,
        title=duty.guard.title,
        kind="plan",
        subject=case.subject,
        summary=case.summary,
        since=case.opened,
        case=case.key,
        severity=case.severity,
        plan=name,
        would=tuple((type(change).__name__, one.subject) for one, change in wanted),
        exact=made_of == name,
        acknowledged=case.acknowledged is not None,
    )


def wishes(memory: Memory) -> Iterator[tuple[Case, Change]]:
    """The changes that open cases ask for and that would be made, were it not for the brake."""
    for case in ordered(memory.cases.values()):
        adopted = memory.state.adopted.issuperset(case.surfaces)
        if case.closed or case.set_aside or not adopted:
            continue
        for text in case.wanted:
            try:
                yield case, change_of(text)
            except ValueError:
                # Another version wrote it; the hash will then not be that of the plan.
                continue


# ----------------------------------------------------------------------------------------------
# What people did
# ----------------------------------------------------------------------------------------------


def pardons(guard: str, memory: Memory, now: datetime) -> tuple[Pardon, ...]:
    """The exemptions, those that end first in front; expired ones for a while after them."""
    by_object = {case.object_id: case for case in memory.cases.values()}
    found = []
    for subject, exemption in memory.exemptions.items():
        left = exemption.until - now
        if left < -FORGOTTEN:
            continue
        case = memory.cases.get(subject)
        about = case or by_object.get(subject)
        found.append(
            Pardon(
                guard,
                exemption,
                named=about.subject if about else "",
                case=case.key if case else "",
                in_force=left > timedelta(),
                soon=timedelta() < left <= SOON,
            )
        )
    return tuple(sorted(found, key=lambda one: (not one.in_force, one.exemption.until)))


def by_people(memory: Memory, now: datetime) -> tuple[Action, ...]:
    """What people asked for lately, and all that still waits for its answer."""
    return tuple(
        action
        for action in memory.actions
        if now - action.at <= PERSONS or action.state is ActionState.ASKED
    )


def lately(memory: Memory, now: datetime) -> tuple[ChangeRecord, ...]:
    """What was changed in the last week, newest first."""
    recent = (record for record in memory.changes if now - record.at <= LATELY)
    return tuple(sorted(recent, key=lambda record: record.at, reverse=True))
