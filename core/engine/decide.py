"""What to do about findings: pure, and the same for every guard.

    a part was looked at + memory ─► note     ─► cases to remember, what may be changed for them
    all parts were looked at      ─► settle   ─► changes to make, or the brake; the guard's state
    outcomes                      ─► conclude ─► the same cases and records, with what came of them
    a card was sent               ─► told     ─► the same cases, told

Nothing here does I/O, so every promise of the engine can be tested as a table: told once, reminded,
told when closed; alert mode never writes; the brake; first run; contested; exemptions.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.engine.self_findings import (
    OWN,
    UNASKED,
    Wanted,
    brake,
    failed_shards,
    fell,
    stop_reason,
    troubles,
    unreadables,
)
from core.engine.truncation import fitting, undoable
from core.keys import PLACE, digest
from core.model.cases import Case, News
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Duty, Mode
from core.model.requests import Request
from core.model.runs import Reported
from core.model.state import GuardState, Memory, Tally
from core.tenant.changes import IN_STEPS, Change, change_of, change_to_wire
from core.tenant.port import Grants
from core.tenant.readings import Reading

# What we changed and somebody changed back this often, within this time, is theirs to decide.
FLAPS = 2
WINDOW = timedelta(days=7)
TRIES = 3
RELEASE = timedelta(hours=1)
INFERRED = "in effect; the run that was to make it ended before it could say so"
IN_EFFECT = (ChangeState.APPLIED, ChangeState.INFERRED)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is decided by, besides what was seen. `memory` is as far as the run has come."""

    duty: Duty
    mode: Mode
    run: str
    memory: Memory
    now: datetime
    grants: Grants = field(default_factory=Grants)
    request: Request = field(default_factory=Request)

    @property
    def changes(self) -> Iterator[ChangeRecord]:
        """The changes guards asked for; what a person took back is that person's."""
        return (record for record in self.memory.changes if not record.restores)

    def applied(self, key: str) -> list[ChangeRecord]:
        """The changes made for a case within the contest window, and not taken back by a person."""
        return [
            record
            for record in self.changes
            if record.case == key
            and record.state in IN_EFFECT
            and not record.undone
            and self.now - record.at < WINDOW
        ]

    def pending(self, key: str) -> list[ChangeRecord]:
        """The changes intended for a case whose outcome was never recorded."""
        return [
            record
            for record in self.changes
            if record.case == key and record.state is ChangeState.INTENDED
        ]

    def key_of(self, finding: Finding) -> str:
        """The key of a finding's case.

        Where its row is another version's, which stays as it is, the finding has a row beside it:
        without one it would be told at every run, or at none.
        """
        key = finding.key(self.duty.guard.name)
        return key[:PLACE] + digest("beside", key)[PLACE:] if key in self.memory.strange else key

    def over(self, since: datetime, span: timedelta) -> bool:
        """True when so much time has passed, or when the moment lies so far ahead that the clock
        was wrong which told it: otherwise all would stand still until that day.
        """
        return abs(self.now - since) >= span

    @property
    def restrained(self) -> bool:
        """True when somebody asked an enforcing guard to look and not to change."""
        return self.mode is not Mode.ENFORCE and self.duty.mode is Mode.ENFORCE

    def exempt(self, key: str, finding: Finding, own: bool) -> datetime | None:
        """Until when somebody decided that this is right as it is.

        The engine's own findings are about no object, so only their case can be exempt; that an
        exemption was forged is not silenced by another.
        """
        if finding.kind == UNASKED:
            return None
        for subject in (key,) if own else (key, finding.object_id):
            exemption = self.memory.exemptions.get(subject)
            if exemption and exemption.until > self.now:
                return exemption.until
        return None

    def adopting(self, surfaces: Collection[str]) -> bool:
        """True when one of the surfaces is read for the first time."""
        return not self.memory.state.adopted.issuperset(surfaces)


@dataclass(frozen=True, slots=True)
class Noted:
    """What one part of the look comes to.

    `cases` are the rows to write, `forget` those to delete (never told, and gone), `records` what
    became of changes that were only intended. `tally` is what later parts need of it.
    """

    reported: tuple[Reported, ...] = ()
    cases: tuple[Case, ...] = ()
    forget: tuple[Case, ...] = ()
    records: tuple[ChangeRecord, ...] = ()
    adopted: bool = False
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does once it has looked at everything.

    `records` are the intents to remember before it acts, `act` the changes to make now, `preview`
    those the next run will make. `held` is why the brake holds, `hash` what releases it.
    """

    noted: Noted = field(default_factory=Noted)
    records: tuple[ChangeRecord, ...] = ()
    act: tuple[ChangeRecord, ...] = ()
    preview: tuple[Wanted, ...] = ()
    held: str = ""
    hash: str = ""
    released: bool = False
    state: GuardState = field(default_factory=GuardState)


@dataclass(frozen=True, slots=True)
class View:
    """One finding considered: its case if it has one, whether its row changed, what is allowed."""

    reported: Reported
    case: Case | None = None
    changed: bool = False
    fresh: bool = False
    may_change: bool = False
    previewed: bool = False


# ----------------------------------------------------------------------------------------------
# One part
# ----------------------------------------------------------------------------------------------


def note(
    situation: Situation,
    part: Reading[object],
    findings: Iterable[Finding],
    *,
    found: Collection[str] = (),
    trusted: bool = True,
) -> Noted:
    """Compare what one part shows with what is remembered of it.

    `found` are the keys of what earlier parts of the same look showed. A listing that shrank too
    much is not `trusted`: what it leaves out need not be gone.
    """
    ordinary = merged(situation, findings)
    own = merged(situation, unreadables(part))
    considered = {key: consider(situation, key, finding) for key, finding in ordinary.items()}
    considered |= {key: consider(situation, key, item, own=True) for key, item in own.items()}
    gone = [
        case
        for case in endings(situation, considered, part)
        if case.kind not in OWN
        and case.key not in found
        and (trusted or isinstance(part.scope, frozenset))
    ]
    begun = {case.key for case in gone if situation.pending(case.key)}
    unfinished = {key for key in begun if may_be_half_made(situation, key)}
    ended = [case for case in gone if case.key not in unfinished]
    closing, inferred = inferring(situation, ended)
    return Noted(
        reported=tuple(view.reported for view in considered.values()),
        cases=(*rows_of(considered), *(case for case in closing if case.told or case.news)),
        forget=tuple(case for case in closing if not case.told and not case.news),
        records=(
            *inferred,
            *(one for one in abandoned(situation, considered) if one.case not in begun),
        ),
        adopted=any(view.case.adopted for view in considered.values() if view.case and view.fresh),
        tally=Tally(
            population=part.population,
            unread=len(part.unread_objects),
            surfaces=part.surfaces - frozenset(part.partly),
            blind=tuple(miss for miss in part.unread if not miss.object_id),
            complete=part.complete,
            ready=tuple(
                key for key, view in considered.items() if view.may_change or view.previewed
            ),
            unfinished=tuple(sorted(unfinished)),
            notes=sum(view.case is None for view in considered.values()),
        ),
    )


def rows_of(considered: Mapping[str, View]) -> Iterator[Case]:
    """The cases that have to be written."""
    yield from (view.case for view in considered.values() if view.case and view.changed)


# ----------------------------------------------------------------------------------------------
# The whole
# ----------------------------------------------------------------------------------------------


def settle(situation: Situation, tally: Tally) -> Plan:
    """Decide about everything that was noted, once all of the tenant was looked at."""
    coverage = Reading[object](
        unread=tally.blind,
        surfaces=tally.surfaces,
        population=tally.population,
        complete=tally.complete,
    )
    state = situation.memory.state
    lost = failed_shards(situation.duty, tally.lost)
    found = troubles(situation.duty, coverage, situation.memory, situation.grants, situation.now)
    own = merged(situation, (*found, *lost))
    considered = {key: consider(situation, key, item, own=True) for key, item in own.items()}

    wanted, preview = wishes_of(situation, tally.ready)
    reason = stop_reason(situation.duty, coverage, situation.memory, wanted)
    held = brake(situation.duty, coverage, reason, wanted) if reason else None
    released = bool(held and released_by(situation, held))
    stopped = held is not None and not released
    if held and not released:
        key = situation.key_of(held)
        considered[key] = consider(situation, key, held, own=True)
    act = () if stopped else tuple(intents(situation, wanted))

    trusted = released or not fell(coverage, state)
    ended = [case for case in endings(situation, considered, coverage) if case.kind in OWN]
    if situation.restrained:
        # A look that wants no changes does not tell whether the plan still waits.
        ended = [case for case in ended if case.kind != "brake"]
    begun = [situation.memory.cases[key] for key in tally.unfinished]
    finish = () if stopped or situation.restrained else tuple(resumed(situation, begun))
    if stopped and not situation.restrained:
        ended += [replace(case, closed=situation.now) for case in begun]
    closing, inferred = inferring(situation, ended)
    rows = [*rows_of(considered), *raised(situation)]
    rows += [case for case in closing if case.told or case.news]
    noted = Noted(
        reported=tuple(view.reported for view in considered.values()),
        cases=tuple(rows),
        forget=tuple(case for case in closing if not case.told and not case.news),
        records=inferred,
    )
    return Plan(
        noted=noted,
        records=act,
        act=(*act, *finish),
        preview=preview,
        held=reason if stopped else "",
        hash=held.dangerous if held and stopped else "",
        released=released,
        state=next_state(state, coverage, trusted),
    )


def wishes_of(
    situation: Situation, ready: Iterable[str]
) -> tuple[list[Wanted], tuple[Wanted, ...]]:
    """The changes cases ask for: those to make now, and those the next run will make.

    What is seen for the first time is only announced.
    """
    now: list[Wanted] = []
    later: list[Wanted] = []
    for key in ready:
        case = situation.memory.cases.get(key)
        if case is None or case.closed or case.set_aside or situation.mode is not Mode.ENFORCE:
            continue
        into = later if situation.adopting(case.surfaces) else now
        into += [(key, case.subject, change) for change in wished(case)]
    return now, tuple(later)


def raised(situation: Situation) -> Iterator[Case]:
    """Open cases that become worse, or stop being so, for what they share with other objects."""
    several = situation.duty.guard.several
    if several is None:
        return
    sharing = [case for case in situation.memory.cases.values() if case.shared and not case.closed]
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for case in sharing:
        for what in case.shared:
            owners[what].add(case.object_id)
    for case in sharing:
        worse = any(len(owners[what]) >= several.count for what in case.shared)
        if worse and not case.raised:
            graver = replace(
                case,
                raised=True,
                facts=(*case.facts, several.fact),
                severity=max(case.severity, several.severity),
            )
            grew = graver.severity > case.severity
            yield with_news(graver, News.CHANGED) if grew and case.told else graver
        elif case.raised and not worse:
            yield replace(case, raised=False)


def may_be_half_made(situation: Situation, key: str) -> bool:
    """True when a change that nobody recorded may lack its second half, though its finding is gone.

    Any other is not made again: the object may have been put right, or changed to something that is
    right as well, before the run that died came to it.
    """
    kinds = {record.kind for record in situation.pending(key)}
    return situation.duty.mode is Mode.ENFORCE and not kinds.isdisjoint(IN_STEPS)


def resumed(situation: Situation, cases: Iterable[Case]) -> Iterator[ChangeRecord]:
    """Changes an earlier run may have half made, of cases whose finding is gone: made again."""
    for case in cases:
        yield from (replace(record, run=situation.run) for record in situation.pending(case.key))


def next_state(state: GuardState, coverage: Reading[object], trusted: bool) -> GuardState:
    """What the guard remembers of a look that saw all it could."""
    if not coverage.complete or not trusted:
        return replace(state, round=None)
    seen = {surface for surface in coverage.surfaces if not coverage.blind_to(surface)}
    return replace(state, adopted=state.adopted | seen, population=coverage.population, round=None)


# ----------------------------------------------------------------------------------------------
# One finding
# ----------------------------------------------------------------------------------------------


def merged(situation: Situation, findings: Iterable[Finding]) -> dict[str, Finding]:
    """Findings by key; those of one key become one, the gravest, with the changes of all."""
    result: dict[str, Finding] = {}
    for finding in findings:
        key = situation.key_of(finding)
        other = result.get(key)
        if other:
            first, second = (
                (finding, other) if finding.severity > other.severity else (other, finding)
            )
            finding = replace(
                first,
                changes=tuple(dict.fromkeys(first.changes + second.changes)),
                facts=tuple(dict.fromkeys(first.facts + second.facts)),
                shared=tuple(dict.fromkeys(first.shared + second.shared)),
            )
        result[key] = finding
    return result


def consider(situation: Situation, key: str, finding: Finding, own: bool = False) -> View:
    """What one finding means, given what is remembered of it."""
    finding, duty = fitting(finding), situation.duty
    old = situation.memory.cases.get(key)
    if finding.severity is Severity.INFO:
        return View(Reported(key, finding, "note", finding.verdict))
    until = situation.exempt(key, finding, own)
    if until:
        return exempted(situation, key, finding, old, until)
    made = situation.applied(key)
    if old and old.closed and made and not situation.over(made[0].at, duty.guard.settles):
        return View(Reported(key, finding, "settling", old.verdict), old)
    before = old
    if old and finding.patience and old.news is News.CLOSED:
        # Nobody heard that it had ended, and it has not: told anew only later, if ever, it would
        # stay open for whoever heard of it.
        old = replace(old, closed=None, closing="", news=News.NONE)
    known = old is not None and old.closed is None
    case = (
        continued(situation, old, finding)
        if known and old
        else opened(situation, key, finding, own)
    )
    if len(made) >= FLAPS and finding.changes and not case.set_aside:
        case = set_aside(case, Verdict.CONTESTED, situation.now)
    adopting = situation.adopting(finding.surfaces)
    ready = situation.mode is Mode.ENFORCE and bool(finding.changes) and not case.set_aside
    state = "known" if known else "waiting" if not case.news else "new"
    return View(
        Reported(key, finding, "adopted" if case.adopted and not known else state, case.verdict),
        case,
        changed=case != before,
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
        adopted=not own and situation.adopting(finding.surfaces),
        wanted=wishes(finding),
        shared=finding.shared,
        event=finding.event,
    )


def continued(situation: Situation, old: Case, finding: Finding) -> Case:
    """A case that is still open, brought up to date; with news only when something matters."""
    several = situation.duty.guard.several
    raised = several if old.raised and finding.shared else None
    case = replace(
        old,
        subject=finding.subject,
        summary=finding.summary,
        facts=(*finding.facts, raised.fact) if raised else finding.facts,
        advice=finding.advice,
        severity=max(finding.severity, raised.severity) if raised else finding.severity,
        surfaces=finding.surfaces,
        wanted=wishes(finding),
        shared=finding.shared,
        raised=raised is not None,
    )
    if case.set_aside and situation.over(case.set_aside, WINDOW):
        case = replace(case, verdict=case.judged, set_aside=None, failures=0)
    if finding.verdict is not case.judged:
        case = replace(
            case, judged=finding.verdict, verdict=finding.verdict, set_aside=None, failures=0
        )
        return with_news(case, News.CHANGED)
    if case.severity > old.severity:
        return with_news(case, News.CHANGED)
    if not case.told and not case.news:
        seen = case.sightings + 1
        news = News.OPENED if seen > finding.patience else News.NONE
        return replace(case, sightings=seen, news=news)
    if case.acknowledged or not case.told or case.news or is_choice(case):
        return case
    due = situation.over(case.told, situation.duty.remind)
    return replace(case, news=News.REMINDER) if due else case


def is_choice(case: Case) -> bool:
    """True for an optional permission the app was not given: told once, since one may do without.

    Whoever leaves it out on purpose would otherwise hear of it every week for ever.
    """
    return case.kind == "permission-missing" and case.severity is Severity.LOW


def wishes(finding: Finding) -> tuple[str, ...]:
    """The changes a finding asks for, as its case remembers them."""
    return tuple(
        json.dumps([type(change).__name__, change_to_wire(change)], sort_keys=True)
        for change in finding.changes
    )


def wished(case: Case) -> tuple[Change, ...]:
    """The changes a case asks for; none when another version wrote them."""
    try:
        return tuple(map(change_of, case.wanted))
    except ValueError:
        return ()


def with_news(case: Case, news: News) -> Case:
    """The case with something to tell; what was never told stays "opened".

    Who acknowledged it knew another case.
    """
    case = replace(case, acknowledged=None, acknowledged_by="")
    if case.news is News.OPENED or (not case.told and news is News.CHANGED):
        return replace(case, news=News.OPENED)
    return replace(case, news=news)


def set_aside(case: Case, verdict: Verdict, now: datetime) -> Case:
    """The case left to a person for a week."""
    return with_news(replace(case, verdict=verdict, set_aside=now), News.CHANGED)


def released_by(situation: Situation, held: Finding) -> bool:
    """True when a person asked for exactly this plan within the hour, and it was waiting.

    Who wrote down when it was asked for may be another instance, whose clock is ahead of this one.
    """
    request = situation.request
    case = situation.memory.cases.get(situation.key_of(held))
    return (
        request.plan == held.dangerous
        and request.at is not None
        and abs(situation.now - request.at) <= RELEASE
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
            id=key[:PLACE] + digest(situation.run, key, number)[PLACE:],
            case=key,
            subject=subject,
            kind=type(change).__name__,
            arguments=change_to_wire(change),
            state=ChangeState.INTENDED,
            at=situation.now,
            run=situation.run,
        )


def endings(
    situation: Situation, considered: Mapping[str, View], part: Reading[object]
) -> Iterator[Case]:
    """Open cases whose finding is gone, as far as the part covers them."""
    for key, case in situation.memory.cases.items():
        if case.closed or (key in considered and considered[key].case):
            continue
        if part.covers(case.surfaces, case.object_id):
            # A case that was told, or should have been, tells its end as well; an event has none.
            news = News.CLOSED if case.told or case.news else News.NONE
            news = case.news if case.event else news
            yield replace(case, closed=situation.now, closing="gone", news=news)


def inferring(
    situation: Situation, ended: Sequence[Case]
) -> tuple[list[Case], tuple[ChangeRecord, ...]]:
    """Cases that are gone, with changes whose run died before it could record them.

    The tenant shows their effect, so they are noted as inferred.
    """
    records = tuple(
        replace(record, state=ChangeState.INFERRED, at=situation.now, note=INFERRED)
        for case in ended
        for record in situation.pending(case.key)
    )
    done = {record.case for record in records}
    return [
        replace(case, closing="done", news=News.DONE, note=INFERRED) if case.key in done else case
        for case in ended
    ], records


def abandoned(situation: Situation, considered: Mapping[str, View]) -> Iterator[ChangeRecord]:
    """Intents of cases that are still open and may no longer be changed.

    What is only set aside keeps its intent: half of it may be made, and only it knows the rest.
    """
    for record in situation.changes:
        view = considered.get(record.case)
        if record.state is not ChangeState.INTENDED or view is None or view.may_change:
            continue
        # Nor does a look that was to change nothing give up what another run began.
        if not (situation.restrained or (view.case and view.case.set_aside)):
            yield replace(
                record, state=ChangeState.MOOT, at=situation.now, note="no longer allowed"
            )


def due_sweeps(duty: Duty, state: GuardState, now: datetime) -> frozenset[str]:
    """The slow parts of the observation whose time has come.

    One that is said to have been finished long from now was not, or it would never be due again.
    """
    return frozenset(
        sweep.name
        for sweep in duty.guard.sweeps
        if sweep.name not in state.sweeps or abs(now - state.sweeps[sweep.name]) >= sweep.every
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
        undoable(
            replace(
                record,
                state=ChangeState.INTENDED if outcome.half_made else outcome.state,
                at=now,
                note=outcome.note,
                before=record.before or outcome.before,
            )
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
