"""What people asked for, decided: pure.

    an Action asked for + memory ─► answer ─► rows to remember, and a change to take back, if any
    what came of taking it back  ─► ended  ─► the same rows, with the outcome

Nothing is done twice: what was asked for again finds itself done, and says so. What cannot be done
is refused with the reason, and the refusal is told like everything else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from core.engine.decide import IN_EFFECT, RELEASE
from core.engine.exemption_audit import UNDONE_FOR, reason
from core.engine.truncation import undoable
from core.errors import SettingsError
from core.keys import PLACE, digest
from core.model.cases import Case, Exemption, News
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.guards import Mode
from core.model.requests import Action, ActionState, Deed, Request
from core.model.state import Memory
from core.sanitize import plain
from core.tenant.changes import change_from_wire
from core.tenant.reversibility import irreversible

TRIES = 3
# These are answered by the run they ask for, when it ends.
OF_RUNS = (Deed.RUN, Deed.RELEASE)

type Remembered = Case | ChangeRecord | Exemption | Action


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do about one action: rows to remember, and what to restore after that.

    `intent` is the record of the restoring itself, `original` the change it takes back, `earlier`
    the exemption that was there before.
    """

    action: Action
    rows: tuple[Remembered, ...] = ()
    intent: ChangeRecord | None = None
    original: ChangeRecord | None = None
    earlier: Exemption | None = None


def waiting(memory: Memory) -> list[Action]:
    """What was asked for and not answered yet, oldest first."""
    asked = [one for one in memory.actions if one.state is ActionState.ASKED]
    return sorted(asked, key=lambda one: (one.at, one.id))


def named(memory: Memory, actions: Iterable[Action]) -> dict[str, str]:
    """What people call the subjects of actions: of cases, of changes, of objects with a case."""
    objects = {case.object_id: case.subject for case in memory.cases.values()}
    cases = {case.key: case.summary for case in memory.cases.values()}
    changes = {record.id: f"{record.kind} of {record.subject}" for record in memory.changes}
    known = objects | changes | cases
    return {one.subject: known[one.subject] for one in actions if one.subject in known}


def done(action: Action, now: datetime, note: str) -> Action:
    """The action, done."""
    return replace(action, state=ActionState.DONE, ended=now, note=note)


def refused(action: Action, now: datetime, note: str) -> Action:
    """The action, which cannot be done."""
    return replace(action, state=ActionState.REFUSED, ended=now, note=note)


def answer(action: Action, memory: Memory, now: datetime, run: str) -> Answer:
    """What one action comes to. Those that ask for a run are answered by it: `run_ended`."""
    match action.deed:
        case Deed.ACKNOWLEDGE:
            return acknowledge(action, memory, now)
        case Deed.EXEMPT:
            return exempt(action, memory, now)
        case Deed.END_EXEMPTION:
            return end_exemption(action, memory, now)
        case Deed.UNDO:
            return undo(action, memory, now, run)
        case _:
            return Answer(action)


def acknowledge(action: Action, memory: Memory, now: datetime) -> Answer:
    """A person knows of a case: it is not brought up again until it changes."""
    case = memory.cases.get(action.subject)
    if case is None or case.closed:
        return Answer(refused(action, now, "no open case has that key"))
    if case.acknowledged:
        by = case.acknowledged_by
        return Answer(done(action, now, f"it was acknowledged by {by} already"))
    known = replace(
        case,
        acknowledged=now,
        acknowledged_by=action.who,
        news=News.NONE if case.news is News.REMINDER else case.news,
    )
    return Answer(done(action, now, "not brought up again until it changes"), (known,))


def exempt(action: Action, memory: Memory, now: datetime) -> Answer:
    """Something is right as it is, for a time: its cases end quietly, and no more are opened."""
    try:
        granted = Exemption.granted(
            action.subject, action.who, action.why, action.until or now, now
        )
    except SettingsError as error:
        return Answer(refused(action, now, str(error)))
    ended = tuple(
        replace(case, closed=now, closing="exempt", news=News.NONE)
        for case in memory.cases.values()
        if case.closed is None and granted.subject in (case.key, case.object_id)
    )
    note = f"exempt until {granted.until:%Y-%m-%d %H:%M} UTC; {len(ended)} open cases ended"
    return Answer(done(action, now, note), (granted, *ended))


def end_exemption(action: Action, memory: Memory, now: datetime) -> Answer:
    """An exemption is over before its time."""
    found = memory.exemptions.get(action.subject)
    if found is None or found.until <= now:
        return Answer(refused(action, now, "no exemption is in force for that subject"))
    note = "over; what it covered is looked at again by the next run"
    return Answer(done(action, now, note), (replace(found, until=now),))


def undo(action: Action, memory: Memory, now: datetime, run: str) -> Answer:
    """A change is to be taken back, and the guard is to leave it alone for a while.

    The exemption is remembered together with the intent: a run that comes between finds it.
    """
    records = {record.id: record for record in memory.changes}
    original = records.get(action.subject)
    why_not = objection(original)
    if why_not or original is None:
        return Answer(refused(action, now, why_not))
    identity = original.id[:PLACE] + digest(action.id)[PLACE:]
    intent = records.get(identity) or ChangeRecord(
        id=identity,
        case=original.case,
        subject=original.subject,
        kind=original.kind,
        arguments=original.arguments,
        state=ChangeState.INTENDED,
        at=now,
        run=run,
        restores=original.id,
    )
    granted = Exemption(original.case, action.who, reason(action), now + UNDONE_FOR)
    earlier = memory.exemptions.get(original.case)
    if earlier and earlier.until >= granted.until:
        granted = earlier
    return Answer(action, (granted, intent), intent, original, earlier)


def objection(original: ChangeRecord | None) -> str:
    """Why a change cannot be taken back; nothing when it can."""
    if original is None:
        return "no change has that id"
    if original.restores:
        return "that is a restoring itself: what it restored is the guard's to judge again"
    if original.undone:
        return f"it was taken back on {original.undone:%Y-%m-%d %H:%M} UTC already"
    if original.state not in IN_EFFECT:
        return f"it is not in effect: {original.state}"
    try:
        change_from_wire(original.kind, original.arguments)
    except ValueError:
        return f"this version does not know the change {plain(original.kind, 60)}"
    return irreversible(original.kind, original.before)


def restored(
    answered: Answer, outcome: Outcome, now: datetime
) -> tuple[Action, tuple[Remembered, ...]]:
    """What came of taking a change back: the action, and the rows to remember.

    Where it did not come about, the exemption that was to protect it does not stay.
    """
    intent, original, action = answered.intent, answered.original, answered.action
    if intent is None or original is None:
        raise ValueError("nothing was to be restored")
    record = undoable(
        replace(
            intent,
            state=outcome.state,
            at=now,
            note=outcome.note,
            before=intent.before or outcome.before,
        )
    )
    if outcome.state is ChangeState.APPLIED:
        until = now + UNDONE_FOR
        note = f"restored as it was, and exempt until {until:%Y-%m-%d} UTC"
        ended = done(action, now, f"{note}; {outcome.note}" if outcome.note else note)
        return ended, (record, replace(original, undone=now), ended)
    tried = replace(action, tries=action.tries + 1, note=outcome.note)
    passing = outcome.state is ChangeState.FAILED and not outcome.blocked
    if passing and tried.tries < TRIES:
        return tried, (replace(record, state=ChangeState.INTENDED), tried)
    ended = refused(tried, now, outcome.note or str(outcome.state))
    mine = Exemption(original.case, action.who, reason(action), now)
    earlier = answered.earlier
    was_mine = earlier is None or (earlier.who, earlier.why) == (mine.who, mine.why)
    return ended, (record, ended, mine if was_mine or earlier is None else earlier)


def with_release(request: Request, memory: Memory) -> Request:
    """A run's request with the plan a person released last, if one waits to be released."""
    releases = [one for one in waiting(memory) if one.deed is Deed.RELEASE]
    if request.plan or not releases:
        return request
    return replace(request, plan=releases[-1].subject, at=releases[-1].at)


def run_ended(
    actions: Iterable[Action], mode: Mode, released: str, held: str, now: datetime
) -> tuple[Action, ...]:
    """What became of those who asked for a run, or released a plan, when a run has ended.

    `released` is the plan this run carried out because somebody released it, `held` the one that
    waits now.
    """
    return tuple(
        run_answered(action, mode, released, held, now)
        for action in actions
        if action.state is ActionState.ASKED and action.deed in OF_RUNS
    )


def run_answered(action: Action, mode: Mode, released: str, held: str, now: datetime) -> Action:
    """One of them. A release waits for a run that may change something, for an hour."""
    if action.deed is Deed.RUN:
        return done(action, now, "the run has ended")
    if action.subject == released:
        return done(action, now, "the plan was carried out")
    if abs(now - action.at) > RELEASE:
        return refused(action, now, "an hour has passed: ask again, for the plan that waits then")
    if mode is not Mode.ENFORCE:
        return action
    waits = f"plan {held} waits now" if held else "no plan waits"
    return refused(action, now, f"it is not the plan that waits: {waits}")
