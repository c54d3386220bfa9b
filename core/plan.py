"""What to do about findings: pure, and the same for every guard.

    findings + memory ─► make_plan ─► cases and intents to remember, changes to make, news to tell
    outcomes          ─► conclude  ─► the same cases and records, with what came of the changes
    a card was sent   ─► told      ─► the same cases, told

Nothing here does I/O, so every promise of the engine can be tested as a table: told once, reminded,
told when closed; alert mode never writes; the brake; first run; contested; exemptions.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.model import (
    Case,
    ChangeRecord,
    ChangeState,
    Duty,
    Finding,
    GuardState,
    Memory,
    Mode,
    News,
    Outcome,
    Reported,
    Request,
    Severity,
    Verdict,
    digest,
)
from core.tenant import Grants, Reading, change_to_wire
from core.troubles import Wanted, brake, fell, stop_reason, troubles

# What we changed and somebody changed back this often, within this time, is theirs to decide.
FLAPS = 2
WINDOW = timedelta(days=7)
TRIES = 3
RELEASE = timedelta(hours=1)
INFERRED = "in effect; the run that made it ended before it could say so"
IN_EFFECT = (ChangeState.APPLIED, ChangeState.INFERRED)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a plan is made from besides the findings."""

    duty: Duty
    mode: Mode
    run: str
    reading: Reading[object]
    memory: Memory
    now: datetime
    grants: Grants = field(default_factory=Grants)
    request: Request = field(default_factory=Request)

    def applied(self, key: str) -> list[ChangeRecord]:
        """The changes made for a case within the contest window."""
        return [
            record
            for record in self.memory.changes
            if record.case == key and record.state in IN_EFFECT and self.now - record.at < WINDOW
        ]

    def pending(self, key: str) -> list[ChangeRecord]:
        """The changes intended for a case whose outcome was never recorded."""
        return [
            record
            for record in self.memory.changes
            if record.case == key and record.state is ChangeState.INTENDED
        ]

    def exempt(self, key: str, finding: Finding, own: bool) -> datetime | None:
        """Until when somebody decided that this is right as it is.

        The engine's own findings are about no object, so only their case can be exempt.
        """
        for subject in (key,) if own else (key, finding.object_id):
            exemption = self.memory.exemptions.get(subject)
            if exemption and exemption.until > self.now:
                return exemption.until
        return None

    def adopting(self, finding: Finding) -> bool:
        """True when a surface of the finding is read for the first time."""
        return not self.memory.state.adopted.issuperset(finding.surfaces)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run remembers before it acts, what it may do, and what it will say.

    `cases` are the rows to write, `forget` those to delete (never told, and gone), `records` the
    intents and what became of old ones; `act` are the changes to make now, `preview` those the
    next run will make.
    """

    reported: tuple[Reported, ...] = ()
    cases: tuple[Case, ...] = ()
    forget: tuple[Case, ...] = ()
    records: tuple[ChangeRecord, ...] = ()
    act: tuple[ChangeRecord, ...] = ()
    preview: tuple[Wanted, ...] = ()
    held: str = ""
    hash: str = ""
    released: bool = False
    adopted: bool = False
    state: GuardState = field(default_factory=GuardState)


def make_plan(situation: Situation, findings: Iterable[Finding]) -> Plan:
    """Compare what is with what is remembered, and decide."""
    guard = situation.duty.guard.name
    found = merged(guard, findings)
    own = merged(
        guard, troubles(situation.duty, situation.reading, situation.memory, situation.grants)
    )
    considered = {key: consider(situation, key, finding) for key, finding in found.items()}
    considered |= {key: consider(situation, key, item, own=True) for key, item in own.items()}

    wanted = [
        (key, found[key].subject, change)
        for key, view in considered.items()
        if view.may_change
        for change in found[key].changes
    ]
    reason = stop_reason(situation.duty, situation.reading, situation.memory, wanted)
    held = brake(situation.duty, situation.reading, reason, wanted) if reason else None
    released = bool(held and released_by(situation, held))
    if held and not released:
        key = held.key(guard)
        considered[key] = consider(situation, key, held, own=True)
    act = () if held and not released else tuple(intents(situation, wanted))

    trusted = released or not fell(situation.reading, situation.memory.state)
    ended = list(endings(situation, considered, trusted))
    finish, inferred = finishing(situation, ended, stopped=bool(held) and not released)
    unfinished = {record.case for record in finish}
    done = {record.case for record in inferred}
    closing = [
        replace(case, closing="done", news=News.DONE, note=INFERRED) if case.key in done else case
        for case in ended
        if case.key not in unfinished
    ]
    rows = [view.case for view in considered.values() if view.case and view.changed]
    rows += [case for case in closing if case.told or case.news]
    return Plan(
        reported=tuple(view.reported for view in considered.values()),
        cases=tuple(rows),
        forget=tuple(case for case in closing if not case.told and not case.news),
        records=(*act, *inferred, *abandoned(situation, considered)),
        act=(*act, *finish),
        preview=tuple(preview(situation, found, considered)),
        held=reason if held and not released else "",
        hash=held.dangerous if held and not released else "",
        released=released,
        adopted=any(view.case.adopted for view in considered.values() if view.case and view.fresh),
        state=next_state(situation, trusted),
    )


@dataclass(frozen=True, slots=True)
class View:
    """One finding considered: its case if it has one, whether its row changed, what is allowed."""

    reported: Reported
    case: Case | None = None
    changed: bool = False
    fresh: bool = False
    may_change: bool = False
    previewed: bool = False


def merged(guard: str, findings: Iterable[Finding]) -> dict[str, Finding]:
    """Findings by key; those of one key become one, the gravest, with the changes of all."""
    result: dict[str, Finding] = {}
    for finding in findings:
        key = finding.key(guard)
        other = result.get(key)
        if other:
            first, second = (
                (finding, other) if finding.severity > other.severity else (other, finding)
            )
            finding = replace(
                first,
                changes=tuple(dict.fromkeys(first.changes + second.changes)),
                facts=tuple(dict.fromkeys(first.facts + second.facts)),
            )
        result[key] = finding
    return result


def consider(situation: Situation, key: str, finding: Finding, own: bool = False) -> View:
    """What one finding means, given what is remembered of it."""
    old = situation.memory.cases.get(key)
    if finding.severity is Severity.INFO:
        return View(Reported(key, finding, "note", finding.verdict))
    until = situation.exempt(key, finding, own)
    if until:
        return exempted(situation, key, finding, old, until)
    made = situation.applied(key)
    if old and old.closed and made and situation.now - made[0].at < situation.duty.guard.settles:
        return View(Reported(key, finding, "settling", old.verdict), old)
    known = old is not None and old.closed is None
    case = (
        continued(situation, old, finding)
        if known and old
        else opened(situation, key, finding, own)
    )
    if len(made) >= FLAPS and finding.changes and not case.set_aside:
        case = set_aside(case, Verdict.CONTESTED, situation.now)
    adopting = not own and situation.adopting(finding)
    ready = situation.mode is Mode.ENFORCE and bool(finding.changes) and not case.set_aside
    state = "known" if known else "waiting" if not case.news else "new"
    return View(
        Reported(key, finding, "adopted" if case.adopted and not known else state, case.verdict),
        case,
        changed=case != old,
        fresh=not known,
        may_change=ready and not adopting,
        previewed=ready and adopting,
    )


def exempted(
    situation: Situation, key: str, finding: Finding, old: Case | None, until: datetime
) -> View:
    """A finding somebody answered for: shown, not told, not changed; its case ends quietly."""
    reported = Reported(key, finding, "exempt", finding.verdict, until)
    if old is None or old.closed:
        return View(reported)
    ended = replace(old, closed=situation.now, closing="exempt", news=News.NONE)
    return View(reported, ended, changed=True)


def opened(situation: Situation, key: str, finding: Finding, own: bool) -> Case:
    """The case of a finding nobody knew, or of one that had ended."""
    return Case(
        key=key,
        kind=finding.kind,
        object_id=finding.object_id,
        subject=finding.subject,
        severity=finding.severity,
        judged=finding.verdict,
        verdict=finding.verdict,
        summary=finding.summary,
        opened=situation.now,
        facts=finding.facts,
        advice=finding.advice,
        surfaces=finding.surfaces,
        news=News.NONE if finding.patience else News.OPENED,
        adopted=not own and situation.adopting(finding),
    )


def continued(situation: Situation, old: Case, finding: Finding) -> Case:
    """A case that is still open, brought up to date; with news only when something matters."""
    case = replace(
        old,
        subject=finding.subject,
        summary=finding.summary,
        facts=finding.facts,
        advice=finding.advice,
        severity=finding.severity,
        surfaces=finding.surfaces,
    )
    if case.set_aside and situation.now - case.set_aside >= WINDOW:
        case = replace(case, verdict=case.judged, set_aside=None, failures=0)
    if finding.verdict is not case.judged:
        case = replace(
            case, judged=finding.verdict, verdict=finding.verdict, set_aside=None, failures=0
        )
        return with_news(case, News.CHANGED)
    if finding.severity > old.severity:
        return with_news(case, News.CHANGED)
    if not case.told and not case.news:
        seen = case.sightings + 1
        news = News.OPENED if seen > finding.patience else News.NONE
        return replace(case, sightings=seen, news=news)
    if case.told and not case.news and situation.now - case.told >= situation.duty.remind:
        return replace(case, news=News.REMINDER)
    return case


def with_news(case: Case, news: News) -> Case:
    """The case with something to tell; what was never told stays "opened"."""
    if case.news is News.OPENED or (not case.told and news is News.CHANGED):
        return replace(case, news=News.OPENED)
    return replace(case, news=news)


def set_aside(case: Case, verdict: Verdict, now: datetime) -> Case:
    """The case left to a person for a week."""
    return with_news(replace(case, verdict=verdict, set_aside=now), News.CHANGED)


def released_by(situation: Situation, held: Finding) -> bool:
    """True when a person asked for exactly this plan within the hour, and it was waiting."""
    request = situation.request
    case = situation.memory.cases.get(held.key(situation.duty.guard.name))
    return (
        request.plan == held.dangerous
        and request.at is not None
        and timedelta() <= situation.now - request.at <= RELEASE
        and case is not None
        and case.closed is None
    )


def intents(situation: Situation, wanted: Sequence[Wanted]) -> Iterator[ChangeRecord]:
    """The changes to make now. What an earlier run intended is taken up as it was intended.

    Its arguments hold what that run saw; a half-made change would be planned differently today.
    """
    resumed: set[str] = set()
    for number, (key, subject, change) in enumerate(wanted):
        waiting = situation.pending(key)
        if waiting:
            if key not in resumed:
                resumed.add(key)
                yield from (replace(record, run=situation.run) for record in waiting)
            continue
        yield ChangeRecord(
            id=digest(situation.run, key, number),
            case=key,
            subject=subject,
            kind=type(change).__name__,
            arguments=change_to_wire(change),
            state=ChangeState.INTENDED,
            at=situation.now,
            run=situation.run,
        )


def endings(situation: Situation, considered: Mapping[str, View], trusted: bool) -> Iterator[Case]:
    """Open cases whose finding is gone, as far as the reading can be believed."""
    for key, case in situation.memory.cases.items():
        if case.closed or (key in considered and considered[key].case):
            continue
        if trusted and situation.reading.covers(case.surfaces, case.object_id):
            # A case that was told, or should have been, tells its end as well.
            news = News.CLOSED if case.told or case.news else News.NONE
            yield replace(case, closed=situation.now, closing="gone", news=news)


def finishing(
    situation: Situation, ended: Sequence[Case], stopped: bool
) -> tuple[list[ChangeRecord], list[ChangeRecord]]:
    """Changes whose run died before it could record them, although the tenant shows their effect.

    While enforcing they are made again (each is safe to repeat, and a second half may be missing);
    otherwise they are noted as inferred.
    """
    waiting = [record for case in ended for record in situation.pending(case.key)]
    if situation.mode is Mode.ENFORCE and not stopped:
        return [replace(record, run=situation.run) for record in waiting], []
    return [], [
        replace(record, state=ChangeState.INFERRED, at=situation.now, note=INFERRED)
        for record in waiting
    ]


def abandoned(situation: Situation, considered: Mapping[str, View]) -> Iterator[ChangeRecord]:
    """Intents of cases that are still open and may no longer be changed.

    What is only set aside keeps its intent: half of it may be made, and only it knows the rest.
    """
    for record in situation.memory.changes:
        view = considered.get(record.case)
        if record.state is not ChangeState.INTENDED or view is None or view.may_change:
            continue
        if not (view.case and view.case.set_aside):
            yield replace(
                record, state=ChangeState.MOOT, at=situation.now, note="no longer allowed"
            )


def preview(
    situation: Situation, found: Mapping[str, Finding], considered: Mapping[str, View]
) -> Iterator[Wanted]:
    """What the next run will change, when this one only takes stock."""
    for key, finding in found.items():
        if considered[key].previewed:
            for change in finding.changes:
                yield key, finding.subject, change


def next_state(situation: Situation, trusted: bool) -> GuardState:
    """What the guard remembers of this reading."""
    state, reading = situation.memory.state, situation.reading
    sweeps = dict(state.sweeps)
    for sweep in situation.duty.guard.sweeps:
        if sweep.name in reading.surfaces and not reading.blind_to(sweep.name):
            sweeps[sweep.name] = situation.now
    if not reading.complete or not trusted:
        return replace(state, sweeps=sweeps)
    seen = {surface for surface in reading.surfaces if not reading.blind_to(surface)}
    return GuardState(adopted=state.adopted | seen, population=reading.population, sweeps=sweeps)


def due_sweeps(duty: Duty, state: GuardState, now: datetime) -> frozenset[str]:
    """The slow parts of the observation whose time has come."""
    return frozenset(
        sweep.name
        for sweep in duty.guard.sweeps
        if sweep.name not in state.sweeps or now - state.sweeps[sweep.name] >= sweep.every
    )


def conclude(
    case: Case | None, made: Sequence[tuple[ChangeRecord, Outcome]], now: datetime
) -> tuple[tuple[ChangeRecord, ...], Case | None]:
    """The changes made for one case and the case itself, with what came of them.

    The case is done when everything made for it is in effect; one refusal, or one change that
    failed too often, leaves it to a person. A change that failed after it was begun stays intended:
    half of it may be in effect, and the other half must not be forgotten with the finding.
    """
    records = tuple(
        replace(
            record,
            state=ChangeState.INTENDED if outcome.half_made else outcome.state,
            at=now,
            note=outcome.note,
            before=record.before or outcome.before,
        )
        for record, outcome in made
    )
    outcomes = [outcome for _, outcome in made if outcome.state is not ChangeState.MOOT]
    if case is None or not outcomes:
        return records, case
    before, case = case, replace(case, note=next(o.note for o in sorted(outcomes, key=gravity)))
    if all(outcome.state is ChangeState.APPLIED for outcome in outcomes):
        return records, replace(case, closed=now, closing="done", news=News.DONE)
    refused = [outcome for outcome in outcomes if outcome.state is ChangeState.REFUSED]
    for outcome in refused:
        if outcome.verdict not in (None, Verdict.REFUSED):
            return records, set_aside(case, outcome.verdict, now)
    if any(outcome.blocked for outcome in outcomes):
        return records, with_news(case, News.CHANGED) if case.note != before.note else case
    # A refusal without a known reason may pass as well; which of the two it was is said in the end.
    case = replace(case, failures=case.failures + 1)
    verdict = Verdict.REFUSED if refused else Verdict.FAILED
    return records, set_aside(case, verdict, now) if case.failures >= TRIES else case


def gravity(outcome: Outcome) -> int:
    """Sorts outcomes so that the one a person must hear of comes first."""
    order = (ChangeState.REFUSED, ChangeState.FAILED, ChangeState.APPLIED)
    return order.index(outcome.state)


def told(cases: Iterable[Case], now: datetime) -> tuple[Case, ...]:
    """The same cases, their news delivered."""
    return tuple(replace(case, news=News.NONE, told=now) for case in cases)
