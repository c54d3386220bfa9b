"""Everything people look at, as one value: how each guard stands, and how all of it does.

    the ledger ─► Standing, one a guard ─► status() ─► the page, status.json, the digest, health

`failing`: Exoguard does not see, or does not speak. `attention`: it does, and somebody is needed.
`ok` has to be earned: every guard that is on has looked in time and seen all, nothing waits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.microsoft365.permissions import Excess, excess
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import Duty, Mode
from core.model.requests import Action
from core.status.daily_history import Day, history
from core.status.guard_status import (
    MARGIN,
    RUN_MINUTES,
    Coverage,
    Decision,
    Health,
    Pardon,
    Reason,
    Standing,
    Timing,
    Untold,
    by_age,
    by_people,
    by_severity,
    coverage,
    decisions,
    lately,
    ordered,
    pardons,
    timing,
    untold,
)
from core.status.run_history import Run, runs_of
from core.tenant.port import Grants

# News that wait for longer are not on their way: the channel does not take them.
PATIENCE = timedelta(minutes=30)
# The kinds of cases that say Exoguard itself is hindered.
HINDERED = {
    "blind": "cannot see part of the tenant",
    "credential": "the app cannot sign in to the tenant",
    "permission-missing": "a permission is missing",
    "scan-stalled": "the look in shards stood still",
    "shard-failed": "some mailboxes could not be looked at",
    "state-unreadable": "rows of the state are not understood",
}


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """How one guard stands. `open` are its open cases, the gravest and oldest first.

    `remembered` are the keys of those cases of the changes `lately` made that are still known.
    """

    duty: Duty
    health: Health
    reasons: tuple[Reason, ...]
    timing: Timing
    coverage: Coverage | None = None
    open: tuple[Case, ...] = ()
    levels: Mapping[Severity, int] = field(default_factory=dict)
    ages: tuple[int, int, int, int] = (0, 0, 0, 0)
    decisions: tuple[Decision, ...] = ()
    lately: tuple[ChangeRecord, ...] = ()
    remembered: frozenset[str] = frozenset()
    pardons: tuple[Pardon, ...] = ()
    lacking: tuple[Case, ...] = ()
    untold: Untold = field(default_factory=Untold)
    actions: tuple[Action, ...] = ()
    poisoned: int = 0
    unreadable: str = ""

    @property
    def name(self) -> str:
        """The guard's name."""
        return self.duty.guard.name

    @property
    def title(self) -> str:
        """The guard's title."""
        return self.duty.guard.title


@dataclass(frozen=True, slots=True)
class Rights:
    """What the app may do and no enabled guard needs, as the newest runs found it.

    `at` is when, None where no run told. What is not known is not too much. What is missing is a
    case of the guard that lacks it: the runs that look are the ones to say so.
    """

    excess: Excess
    grants: Grants = field(default_factory=Grants)
    at: datetime | None = None

    @property
    def too_much(self) -> tuple[str, ...]:
        """The names of what could be taken away."""
        return (*self.excess.app_roles, *self.excess.cmdlets)


@dataclass(frozen=True, slots=True)
class Status:
    """All of it, at one moment. `reasons` say why it is not ok, the worst first."""

    at: datetime
    health: Health
    reasons: tuple[Reason, ...]
    guards: tuple[GuardStatus, ...]
    rights: Rights
    history: tuple[Day, ...]

    @property
    def levels(self) -> dict[Severity, int]:
        """Open cases of all guards by severity, the gravest first."""
        return by_severity(case for guard in self.guards for case in guard.open)

    @property
    def lacking(self) -> tuple[tuple[GuardStatus, Case], ...]:
        """The permissions guards lack: the gravest first."""
        every = ((guard, case) for guard in self.guards for case in guard.lacking)
        return tuple(sorted(every, key=lambda pair: (-pair[1].severity, pair[1].subject)))

    @property
    def untold(self) -> Untold:
        """What the channel has not heard of any guard."""
        whole = Untold()
        for guard in self.guards:
            whole = whole.plus(guard.untold)
        return whole

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What waits for a person, of all guards: plans first, then the gravest and oldest."""
        every = (one for guard in self.guards for one in guard.decisions)
        return tuple(
            sorted(every, key=lambda one: (one.kind != "plan", -one.severity, one.since, one.case))
        )

    @property
    def pardons(self) -> tuple[Pardon, ...]:
        """The exemptions of all guards, those that end first in front, expired ones last."""
        every = (one for guard in self.guards for one in guard.pardons)
        return tuple(sorted(every, key=lambda one: (not one.in_force, one.exemption.until)))

    @property
    def lately(self) -> tuple[tuple[GuardStatus, ChangeRecord], ...]:
        """What was changed in the last week, newest first."""
        every = ((guard, record) for guard in self.guards for record in guard.lately)
        return tuple(sorted(every, key=lambda pair: pair[1].at, reverse=True))

    @property
    def actions(self) -> tuple[tuple[GuardStatus, Action], ...]:
        """What people asked for lately, newest first."""
        every = ((guard, action) for guard in self.guards for action in guard.actions)
        return tuple(sorted(every, key=lambda pair: pair[1].at, reverse=True))


def status(
    standings: Sequence[Standing], now: datetime, run_minutes: float = RUN_MINUTES
) -> Status:
    """How everything stands now. `run_minutes` is the setting of that name: the grace of a run."""
    runs = [runs_of(standing.runs, now) for standing in standings]
    since = min((run.began for known in runs for run in known), default=None)
    grace = timedelta(minutes=run_minutes) + MARGIN
    guards = tuple(
        of_guard(standing, known, now, since, grace)
        for standing, known in zip(standings, runs, strict=True)
    )
    rights = rights_of([standing.duty for standing in standings], runs)
    reasons = sorted(
        [*overall(guards, rights), *(one for guard in guards for one in guard.reasons)],
        key=lambda reason: reason.rank,
    )
    return Status(
        at=now,
        health=worst(reasons),
        reasons=tuple(reasons),
        guards=guards,
        rights=rights,
        history=history(
            [case for standing in standings for case in standing.memory.cases.values()],
            [record for standing in standings for record in standing.memory.changes],
            now,
        ),
    )


def of_guard(
    standing: Standing, runs: Sequence[Run], now: datetime, since: datetime | None, grace: timedelta
) -> GuardStatus:
    """How one guard stands."""
    duty, memory = standing.duty, standing.memory
    open_cases = ordered(case for case in memory.cases.values() if case.closed is None)
    recent = lately(memory, now)
    found = GuardStatus(
        duty=duty,
        health=Health.OK,
        reasons=(),
        timing=timing(standing, runs, now, since, grace),
        coverage=coverage(duty, runs),
        open=open_cases,
        levels=by_severity(open_cases),
        ages=by_age(open_cases, now),
        decisions=tuple(decisions(standing, runs)),
        lately=recent,
        remembered=frozenset(one.case for one in recent if one.case in memory.cases),
        pardons=pardons(duty.guard.name, memory, now),
        lacking=tuple(case for case in open_cases if case.kind == "permission-missing"),
        untold=untold(memory),
        actions=by_people(memory, now),
        poisoned=memory.poisoned,
        unreadable=standing.unreadable,
    )
    if duty.mode is Mode.OFF:
        return replace(found, health=Health.OFF)
    reasons = tuple(
        sorted([*hindrances(found, now), *concerns(found)], key=lambda reason: reason.rank)
    )
    return replace(found, health=worst(reasons), reasons=reasons)


def worst(reasons: Iterable[Reason]) -> Health:
    """The worst of all, ok when there is no reason for anything else."""
    return max((reason.health for reason in reasons), key=lambda one: one.rank, default=Health.OK)


def rights_of(duties: Sequence[Duty], runs: Sequence[Sequence[Run]]) -> Rights:
    """What the newest runs that could tell found the app to be allowed."""
    every = sorted((run for known in runs for run in known), key=lambda run: run.began)
    roles = cmdlets = at = None
    for run in every:
        if run.granted.app_roles is not None:
            roles, at = run.granted.app_roles, run.began
        if run.granted.cmdlets is not None:
            cmdlets, at = run.granted.cmdlets, run.began
    grants = Grants(roles, cmdlets)
    return Rights(excess(duties, grants), grants, at)


# ----------------------------------------------------------------------------------------------
# Reasons, in words
# ----------------------------------------------------------------------------------------------


def hindrances(guard: GuardStatus, now: datetime) -> Iterator[Reason]:
    """What keeps a guard from seeing or speaking."""
    if guard.unreadable:
        why = f"its state cannot be read: {guard.unreadable}"
        yield Reason(Health.FAILING, why, guard.name)
        return
    yield from silences(guard)
    for kind, words in HINDERED.items():
        cases = [case for case in guard.open if case.kind == kind]
        if cases:
            grave = max(case.severity for case in cases) >= Severity.HIGH
            level = Health.FAILING if grave else Health.ATTENTION
            yield Reason(level, counted(words, len(cases)), guard.name)
    if guard.poisoned and not any(case.kind == "state-unreadable" for case in guard.open):
        why = f"{guard.poisoned} {plural('row', guard.poisoned)} of its state not understood"
        yield Reason(Health.ATTENTION, why, guard.name)
    waiting = guard.untold
    if waiting.oldest and now - waiting.oldest > PATIENCE:
        alerts = f"{waiting.number} {plural('alert', waiting.number)}"
        why = f"{alerts} not taken by the channel for {span(now - waiting.oldest)}"
        yield Reason(Health.FAILING, why, guard.name)


def silences(guard: GuardStatus) -> Iterator[Reason]:
    """What its runs, or their absence, say against a guard."""
    time, name = guard.timing, guard.name
    if time.late:
        ran = "never looked" if time.never else "not looked"
        since = f", due since {time.missed:%Y-%m-%d %H:%M} UTC" if time.missed else ""
        yield Reason(Health.FAILING, f"late by {span(time.late)}: it has {ran}{since}", name)
    elif time.never:
        yield Reason(Health.ATTENTION, "it has not looked yet", name)
    if time.last and time.last.status == "failed":
        yield Reason(Health.FAILING, f"its last run failed: {time.last.error or 'no reason'}", name)
    if time.progress and time.progress.stalled:
        yield Reason(Health.FAILING, "its look at the tenant stood still and was begun anew", name)


def concerns(guard: GuardStatus) -> Iterator[Reason]:
    """What a person has to look at."""
    name = guard.name
    plans = [one for one in guard.decisions if one.kind == "plan"]
    if plans:
        yield Reason(Health.ATTENTION, "a plan waits for its release", name, Severity.HIGH)
    asked = [one for one in guard.decisions if one.kind != "plan" and not one.acknowledged]
    if asked:
        verb = "needs" if len(asked) == 1 else "need"
        yield Reason(Health.ATTENTION, f"{len(asked)} {verb} a decision", name)
    grave = [case for case in guard.open if weighs(case)]
    if grave:
        levels = ", ".join(f"{n} {level.label}" for level, n in by_severity(grave).items())
        number = len(grave)
        text = f"{number} open {plural('case', number)}: {levels}"
        yield Reason(Health.ATTENTION, text, name, max(case.severity for case in grave))
    seen = guard.coverage
    if seen and seen.unread:
        yield Reason(Health.ATTENTION, f"{seen.unread:,} of its {seen.noun} not readable", name)


def weighs(case: Case) -> bool:
    """Whether an open case is a reason to look: high ones always, medium ones until known."""
    if case.kind in HINDERED or case.kind == "brake":
        return False
    if case.severity >= Severity.HIGH:
        return True
    return case.severity is Severity.MEDIUM and case.acknowledged is None


def overall(guards: Sequence[GuardStatus], rights: Rights) -> Iterator[Reason]:
    """What concerns all of them together."""
    if all(guard.health is Health.OFF for guard in guards):
        yield Reason(Health.ATTENTION, "every guard is off: nobody watches")
    more = len(rights.too_much)
    if more:
        yield Reason(
            Health.ATTENTION, f"the app has {more} {plural('permission', more)} no guard needs"
        )


def plural(word: str, number: int) -> str:
    """A word for one or several."""
    return word if number == 1 else f"{word}s"


def counted(words: str, number: int) -> str:
    """Words with their number, when it is more than one."""
    return words if number == 1 else f"{words} ({number})"


def span(length: timedelta) -> str:
    """A length of time in words, in the largest unit of which there are two."""
    minutes = int(length.total_seconds() // 60)
    for unit, size in (("day", 1440), ("hour", 60)):
        if minutes >= 2 * size:
            return f"{minutes // size} {unit}s"
    return f"{max(minutes, 1)} {plural('minute', max(minutes, 1))}"
