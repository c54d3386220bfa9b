"""Records of changes to the tenant, from the intent to the outcome."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.keys import hash_parts
from core.tenant.changes import Change, change_to_arguments


class ChangeState(StrEnum):
    """The state of a change: intended, in effect, inferred to be in effect, or not made."""

    INTENDED = "intended"
    APPLIED = "applied"
    INFERRED = "inferred"
    FAILED = "failed"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """A change of the tenant, saved as an intent before it is made and with its outcome after."""

    id: str
    case_key: str
    subject: str
    kind: str
    """The name of the change class in `core.tenant.changes`."""
    arguments: Mapping[str, object]
    """The fields of the change."""
    state: ChangeState
    at: datetime
    """When the record last changed its state."""
    run: str
    """The run that made or intended the change."""
    before: Mapping[str, object] = field(default_factory=dict)
    """The values before the change, from which it can be undone."""
    note: str = ""
    undo_of: str = ""
    """The id of the change that this one undoes; empty for a change of a guard."""
    undone_at: datetime | None = None
    """When an operator undid the change."""
    released_plan: str = ""
    """The hash of the plan that an operator released; empty for a change within the limit."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt to change the tenant."""

    case_key: str
    subject: str
    kind: str
    """The name of the change class in `core.tenant.changes`."""
    state: ChangeState
    note: str = ""
    verdict: str | None = None
    """Set when the tenant refused the change for good."""
    lacks_permission: bool = False
    """Whether a permission is missing: reported at once, and attempted again by every run."""
    before: Mapping[str, object] = field(default_factory=dict)
    """The values before the change."""

    @property
    def is_partially_applied(self) -> bool:
        """Whether the attempt failed after its first write was sent."""
        return self.state is ChangeState.FAILED and bool(self.before)


def compute_plan_hash(
    guard: str, planned_changes: Iterable[tuple[str, Change]], population: int | None
) -> str:
    """The hash of one plan: its cases and their changes, and the number of listed objects if the
    brake holds because the listing shrank.
    """
    rows = sorted(
        json.dumps([case, type(change).__name__, change_to_arguments(change)], sort_keys=True)
        for case, change in planned_changes
    )
    return hash_parts(guard, rows, population)
