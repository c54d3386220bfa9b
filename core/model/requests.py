"""core.model.requests."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.model.guards import Mode


class RequestKind(StrEnum):
    """What a person can ask of a guard."""

    RUN = "run"
    RELEASE = "release"
    EXEMPT = "exempt"
    END_EXEMPTION = "end-exemption"
    UNDO = "undo"
    ACKNOWLEDGE = "acknowledge"


class RequestState(StrEnum):
    """What became of what a person asked for."""

    REQUESTED = "asked"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """Something a person asked for: what, of which thing, who, why, and what came of it.

    `id` is made as a run's id is, so that the newest sorts first. `subject` is the key of a case,
    the id of an object or of a change, the hash of a plan, or nothing for a run. `signed_in` says
    how the request was let in ("function key", or the account as the platform's sign-in names it):
    `who` is what it says of itself. `ended` is when it was done or refused, `note` what came of it,
    `tries` how often it was begun without an answer; `told` whether the channel was told.
    """

    id: str
    kind: RequestKind
    subject: str
    requested_by: str
    reason: str
    at: datetime
    authenticated_as: str = ""
    until: datetime | None = None
    state: RequestState = RequestState.REQUESTED
    ended_at: datetime | None = None
    note: str = ""
    attempts: int = 0
    notified: bool = False


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a person asked for when running a guard by hand: restraint, or the release of a plan."""

    run: str = ""
    mode: Mode | None = None
    plan: str = ""
    at: datetime | None = None
