"""core.model.changes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.keys import hash_parts
from core.tenant.changes import Change, change_to_arguments


class ChangeState(StrEnum):
    """What became of a change: written down, in effect, in effect by inference, or why not."""

    INTENDED = "intended"
    APPLIED = "applied"
    INFERRED = "inferred"
    FAILED = "failed"
    REFUSED = "refused"
    SUPERSEDED = "moot"


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """A change of the tenant, from its intention to its outcome, with what was there before.

    With `restores` it takes back the change of that id. `undone` is when it was taken back itself.
    """

    id: str
    case_key: str
    subject: str
    kind: str
    arguments: Mapping[str, object]
    state: ChangeState
    at: datetime
    run: str
    before: Mapping[str, object] = field(default_factory=dict)
    note: str = ""
    undo_of: str = ""
    undone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change in this run; `kind` names it as `core.tenant.Change` does.

    `verdict` is set where the tenant refused it for good; `blocked` where a permission is missing,
    so that it is told at once and tried again every run. `before` is what was there before it.
    """

    case_key: str
    subject: str
    kind: str
    state: ChangeState
    note: str = ""
    verdict: str | None = None
    lacks_permission: bool = False
    before: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_partially_applied(self) -> bool:
        """True when it failed after its first step was sent."""
        return self.state is ChangeState.FAILED and bool(self.before)


def compute_plan_hash(
    guard: str, planned_changes: Iterable[tuple[str, Change]], population: int
) -> str:
    """The name of exactly one plan: which cases, which changes, out of how many objects."""
    rows = sorted(
        json.dumps([case, type(change).__name__, change_to_arguments(change)], sort_keys=True)
        for case, change in planned_changes
    )
    return hash_parts(guard, rows, population)
