"""What an operation in an audit log means to a guard."""

from dataclasses import dataclass
from enum import Enum, auto


class About(Enum):
    """What an operation is about, as the guard looks at it."""

    MAILBOX = auto()
    """A mailbox, which the guard can look at by itself."""
    ACCOUNT = auto()
    """An account, which may have a mailbox: without one there is nothing to look at."""
    PERSON = auto()
    """An account: it explains what is found, and leads to no look by itself. Whom it leads to one
    of is told by `core.jobs.activity_people`.
    """
    WHOLE = auto()
    """Something of the organization, or what the guard cannot look at by itself."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What an operation means to one guard."""

    guard: str
    about: About
    parameters: frozenset[str] = frozenset()
    """Only where it sets one of these; none: always. A name with a star is a beginning."""
    kinds: tuple[str, ...] = ()
    """The kinds of cases it may lead to; none: any of the guard."""
    by_service: bool = False
    """Also where Microsoft's own service did it."""
