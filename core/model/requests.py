"""core.model.requests."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.model.guards import Mode


class Deed(StrEnum):
    """What a person can ask of a guard."""

    RUN = "run"
    RELEASE = "release"
    EXEMPT = "exempt"
    END_EXEMPTION = "end-exemption"
    UNDO = "undo"
    ACKNOWLEDGE = "acknowledge"


class ActionState(StrEnum):
    """What became of what a person asked for."""

    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person asked for: what, of which thing, who, why, and what came of it.

    `id` is made as a run's id is, so that the newest sorts first. `subject` is the key of a case,
    the id of an object or of a change, the hash of a plan, or nothing for a run. `signed_in` says
    how the request was let in ("function key", or the account as the platform's sign-in names it):
    `who` is what it says of itself. `ended` is when it was done or refused, `note` what came of it,
    `tries` how often it was begun without an answer; `told` whether the channel was told.
    """

    id: str
    deed: Deed
    subject: str
    who: str
    why: str
    at: datetime
    signed_in: str = ""
    until: datetime | None = None
    state: ActionState = ActionState.ASKED
    ended: datetime | None = None
    note: str = ""
    tries: int = 0
    told: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for when running a guard by hand: restraint, or the release of a plan."""

    run: str = ""
    mode: Mode | None = None
    plan: str = ""
    at: datetime | None = None
