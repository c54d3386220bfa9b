"""Choosing from many cases: by guard, severity and state, a page at a time. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import Duty
from core.model.requests import Action, Deed
from core.model.state import Memory
from core.status.guard_status import Standing, ordered

PAGE = 100
STATES = ("open", "closed", "all")


class BadChoice(ValueError):
    """What was asked of the list is not on offer; the message says what is."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which cases are wanted; empty means any. `page` counts from 1."""

    guard: str = ""
    severity: str = ""
    state: str = "open"
    page: int = 1

    @classmethod
    def read(cls, asked: Mapping[str, str], guards: Iterable[str]) -> "Choice":
        """A choice from the parameters of an address. Raises BadChoice."""
        guard, severity = asked.get("guard", ""), asked.get("severity", "")
        state, page = asked.get("state", "") or "open", asked.get("page", "") or "1"
        labels = [severity.label for severity in Severity if severity is not Severity.INFO]
        if guard and guard not in (known := tuple(guards)):
            raise BadChoice(f"guard is one of {', '.join(known)}")
        if severity and severity not in labels:
            raise BadChoice(f"severity is one of {', '.join(reversed(labels))}")
        if state not in STATES:
            raise BadChoice(f"state is one of {', '.join(STATES)}")
        if not (page.isascii() and page.isdigit() and len(page) <= 6 and int(page)):
            raise BadChoice("page is a number from 1")
        return cls(guard, severity, state, int(page))

    def allows(self, guard: str, case: Case) -> bool:
        """Whether a case is wanted."""
        return (
            self.guard in ("", guard)
            and self.severity in ("", case.severity.label)
            and (self.state == "all" or (case.closed is None) is (self.state == "open"))
        )


@dataclass(frozen=True, slots=True)
class Chosen:
    """A page of what was chosen: pairs of a duty and a case, out of `total`."""

    choice: Choice
    rows: tuple[tuple[Duty, Case], ...]
    total: int
    pages: int

    @property
    def first(self) -> int:
        """The number of the first one on the page, from 1; 0 of none."""
        return (self.choice.page - 1) * PAGE + 1 if self.rows else 0


def chosen(standings: Iterable[Standing], choice: Choice) -> Chosen:
    """The page that was asked for: open ones by gravity and age, closed ones the newest first."""
    found = [
        (standing.duty, case)
        for standing in standings
        for case in standing.memory.cases.values()
        if choice.allows(standing.duty.guard.name, case)
    ]
    still_open = [pair for pair in found if pair[1].closed is None]
    ended = [pair for pair in found if pair[1].closed is not None]
    rank = {case.key: number for number, case in enumerate(ordered(case for _, case in still_open))}
    still_open.sort(key=lambda pair: rank[pair[1].key])
    ended.sort(key=lambda pair: pair[1].closed or pair[1].opened, reverse=True)
    every = still_open + ended
    start = (choice.page - 1) * PAGE
    pages = max(1, -(-len(every) // PAGE))
    return Chosen(choice, tuple(every[start : start + PAGE]), len(every), pages)


@dataclass(frozen=True, slots=True)
class Whole:
    """A case with everything its guard remembers of it, newest first."""

    duty: Duty
    case: Case
    changes: tuple[ChangeRecord, ...] = ()
    exemption: Exemption | None = None
    actions: tuple[Action, ...] = ()


def whole(duty: Duty, memory: Memory, key: str) -> Whole | None:
    """A case by its key; None when it is not remembered."""
    case = memory.cases.get(key)
    if case is None:
        return None
    changes = tuple(record for record in memory.changes if record.case == key)
    about = {key, case.object_id}
    made = {record.id for record in changes}
    return Whole(
        duty=duty,
        case=case,
        changes=changes,
        exemption=memory.exemptions.get(key) or memory.exemptions.get(case.object_id),
        actions=tuple(
            action
            for action in memory.actions
            if action.subject in (made if action.deed is Deed.UNDO else about)
        ),
    )
