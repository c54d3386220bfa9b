"""What an action from a page is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.model.requests import RequestKind


@dataclass(frozen=True, slots=True)
class ActTarget:
    """The case, change, plan or guard that somebody is about to act on."""

    kind: RequestKind
    guard: str
    title: str
    """The guard's title."""
    subject: str
    """The key of a case or change, the hash of a plan, or the id of an exempt object."""
    summary: str = ""
    case_key: str = ""
    change_kind: str = ""
    """For an undo, what was done."""
    before: Mapping[str, object] = field(default_factory=dict)
    """For an undo, the values that come back."""
    planned_changes: tuple[tuple[str, str], ...] = ()
    """For a release, what will be done: pairs of a kind of change and a subject."""
