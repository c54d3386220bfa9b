"""What operators ask of a guard."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.model.guards import Mode
from core.tenant.mailboxes import Mailbox


class RequestKind(StrEnum):
    """What an operator can ask of a guard."""

    RUN = "run"
    RELEASE = "release"
    EXEMPT = "exempt"
    END_EXEMPTION = "end-exemption"
    UNDO = "undo"
    ACKNOWLEDGE = "acknowledge"
    CONTAIN = "contain"
    UNCONTAIN = "uncontain"
    EVIDENCE = "evidence"
    IMPACT = "impact"
    TEST_CHANNELS = "test-channels"


ACCOUNT_REQUESTS = frozenset(
    {RequestKind.CONTAIN, RequestKind.UNCONTAIN, RequestKind.EVIDENCE, RequestKind.IMPACT}
)
"""The requests about one account, which no guard processes."""


class RequestState(StrEnum):
    """Whether a request is open, done or refused."""

    REQUESTED = "requested"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """A request of an operator, and its result."""

    id: str
    """Made like the id of a run, so that the newest request sorts first."""
    kind: RequestKind
    subject: str
    """The key of a case, the id of an object or a change, the hash of a plan, the name of a channel
    (empty: all of them), or empty for a run.
    """
    requested_by: str
    """The name that the operator gave."""
    reason: str
    at: datetime
    authenticated_as: str = ""
    """How the API authenticated the request: "function key", or the account that the platform
    signed in.
    """
    until: datetime | None = None
    """The end of the requested exemption."""
    state: RequestState = RequestState.REQUESTED
    ended_at: datetime | None = None
    """When the request was done or refused."""
    note: str = ""
    """The result in words."""
    attempts: int = 0
    """How many attempts gave no definite result."""
    notified: bool = False
    """Whether the channel accepted a message about the result."""
    mode: Mode | None = None
    """The mode that the requested run is restricted to."""
    case_key: str = ""
    """The case that was exempt because its change was undone."""
    plan: str = ""
    """The hash of the containment plan to carry out; empty to be shown one."""
    steps: tuple[str, ...] = ()
    """The steps of a containment that are asked for, or that are to be taken back."""
    since: datetime | None = None
    """From when on an account's evidence or impact is asked for."""
    batch: str = ""
    """What the requests have in common that somebody made at once; empty for one by itself."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a requested run: a restricted mode, or the plan to release."""

    run: str = ""
    """The id the run is to have."""
    mode: Mode | None = None
    plan: str = ""
    """The hash of the plan to release."""
    at: datetime | None = None
    """When the operator requested it."""
    targets: tuple[Mailbox, ...] = ()
    """The mailboxes that records name: the run looks at these only."""
