"""What an action from a page is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.model.findings import Severity
from core.model.requests import RequestKind

MAX_ANSWERED = 50
"""The most cases that one form answers: as many as one person can look at, and as many as may wait
for a guard.
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """One check box of a form: a step that somebody may ask for."""

    name: str
    text: str
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class ActTarget:
    """The case, change, plan, guard or account that somebody is about to act on."""

    kind: RequestKind
    guard: str
    """The guard's name; empty for an account."""
    title: str
    """The guard's title."""
    subject: str
    """The key of a case or change, the hash of a plan, or the id of an exempt object or account."""
    summary: str = ""
    case_key: str = ""
    change_kind: str = ""
    """For an undo, what was done."""
    before: Mapping[str, object] = field(default_factory=dict)
    """For an undo, the values that come back."""
    planned_changes: tuple[tuple[str, str], ...] = ()
    """For a release, what will be done: pairs of a kind of change and a subject."""
    is_exact: bool = True
    """For a release, whether `planned_changes` are exactly those of the plan."""
    effects: tuple[str, ...] = ()
    """Of an account, what is done in any case."""
    choices: tuple[Choice, ...] = ()
    """Of an account, what may be asked for."""


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """What the person who looks at a containment may do about it from its page."""

    token: str = ""
    """The token of the form that carries the plan out; empty where that is not possible."""
    who: str = ""
    """Who is signed in; empty if unknown."""
    obstacle: str = ""
    """Why this plan is not carried out from the page, and what to do about it; empty if it can be,
    or nothing is to be done.
    """
    action: str = ""
    """The query of the page that asks for what comes next, such as taking it back."""
    action_text: str = ""


@dataclass(frozen=True, slots=True)
class AnsweredCase:
    """One of several cases that are answered at once."""

    guard: str
    title: str
    """The guard's title."""
    key: str
    summary: str = ""
    """Empty if the case is no longer on record."""
    severity: Severity | None = None
    text: str = ""
    """What will happen to it, or what became of the request for it."""
    is_left_out: bool = False
    """Whether nothing is done about it."""
