"""What happened to one case, in order: from its row, its changes and what people asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from core.model.cases import Case
from core.model.changes import ChangeState
from core.model.requests import Action, ActionState
from core.status.case_query import Whole
from core.web.glossary import ANSWER, CHANGE, DEED, OUTCOME, ending


@dataclass(frozen=True, slots=True)
class Event:
    """One moment: what happened, who did it, what was said. Foreign words are raw."""

    at: datetime
    what: str
    who: str = ""
    note: str = ""
    grave: bool = False


def timeline(whole: Whole) -> tuple[Event, ...]:
    """Oldest first."""
    events = [*of_case(whole.case), *of_changes(whole), *map(of_action, whole.actions)]
    return tuple(sorted(events, key=lambda event: event.at))


def of_case(case: Case) -> Iterator[Event]:
    """The life of the case itself."""
    found = "Found at the first look: it existed already" if case.adopted else "Found"
    yield Event(case.opened, found)
    if case.told:
        yield Event(case.told, "Last told to the channel")
    if case.acknowledged:
        yield Event(case.acknowledged, "Acknowledged", case.acknowledged_by)
    if case.set_aside:
        yield Event(case.set_aside, "Left to a person for a week", note=case.note, grave=True)
    if case.closed:
        yield Event(case.closed, f"Closed. {ending(case)}", note=case.note)


def of_changes(whole: Whole) -> Iterator[Event]:
    """What was changed in the tenant for it, and taken back."""
    for record in whole.changes:
        kind = CHANGE.get(record.kind, record.kind)
        verb = "Undo" if record.restores else "Change"
        yield Event(
            record.at,
            f"{verb}: {kind}: {OUTCOME[record.state]}",
            note=record.note,
            grave=record.state in (ChangeState.FAILED, ChangeState.REFUSED),
        )
        if record.undone:
            yield Event(record.undone, f"Taken back: {kind}")


def of_action(action: Action) -> Event:
    """What a person asked for, and what came of it."""
    answer = ANSWER[action.state] + (f": {action.note}" if action.note else "")
    return Event(
        action.at,
        f"{action.who} {DEED[action.deed]}: {answer}",
        note=action.why,
        grave=action.state is ActionState.REFUSED,
    )
