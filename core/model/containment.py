"""The containment of one account: what is planned, step by step, and what became of each step.

    planned ─► running ─► done ─► undoing ─► undone
       └─► refused, expired

One row holds all of it, so what was there before a step is on record before the step is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from core.keys import hash_parts

PLAN_WINDOW = timedelta(hours=1)
"""How long a plan may be carried out: an account changes."""
BLOCK = "block-sign-in"
"""The step without which an account is not contained."""
SESSIONS = "end-sessions"
"""The step that counts only after the block: until then, whoever is told to end begins anew."""
STALLED = "stalled"
"""What there is to tell of a containment that stands still."""
MAX_STEPS = 60
MAX_STEP_TEXT = 600


class ContainmentState(StrEnum):
    """How far the containment of an account has come."""

    PLANNED = "planned"
    REFUSED = "refused"
    RUNNING = "running"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


class StepState(StrEnum):
    """What became of one step."""

    PLANNED = "planned"
    STARTED = "started"
    """On record as about to be made: the tenant shows whether it was."""
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    GONE = "gone"
    """What it was about has gone, or was changed meanwhile."""
    FOR_A_PERSON = "for-a-person"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class ContainmentStep:
    """One step of a plan: a change that Exoguard makes, or what stays for a person."""

    name: str
    """Its name within the plan, by which a person asks for it or takes it back."""
    title: str
    """What it does, as a phrase."""
    change: str = ""
    """The change as JSON, as cases store it; empty for a step that stays for a person."""
    needs: str = ""
    """The permission that the app needs for it."""
    remark: str = ""
    """What it does not do, what may live on and for how long, or what takes it back."""
    command: str = ""
    """What a person runs: in place of the change, or beside it."""
    is_reversible: bool = False
    returns_unasked: bool = False
    """Whether taking the containment back takes this step back without its being named."""
    prior: Mapping[str, object] = field(default_factory=dict)
    """What was there when the plan was made, as the change records it."""
    state: StepState = StepState.PLANNED
    before: Mapping[str, object] = field(default_factory=dict)
    """What was there before the change, as it was made."""
    result: str = ""
    """What came of it, in words."""
    at: datetime | None = None
    """When its state last changed."""
    attempts: int = 0

    @property
    def is_open(self) -> bool:
        """Whether Exoguard still has to make it, or to look whether it was made."""
        return bool(self.change) and self.state in (StepState.PLANNED, StepState.STARTED)


@dataclass(frozen=True, slots=True)
class Containment:
    """One plan for one account, and how it was carried out."""

    id: str
    """The id of the request that asked for the plan."""
    account_id: str
    account_name: str
    """The account's principal name, as it was then."""
    requested_by: str
    reason: str
    planned_at: datetime
    state: ContainmentState = ContainmentState.PLANNED
    refusal: str = ""
    """Why nothing is done, if so."""
    steps: tuple[ContainmentStep, ...] = ()
    remarks: tuple[str, ...] = ()
    """What a person has to know of this account before the plan is carried out."""
    unread: tuple[str, ...] = ()
    """What could not be read for the plan, and why."""
    plan_hash: str = ""
    rule: str = ""
    """The rule that asked for it; empty where a person did."""
    order_id: str = ""
    """The request by which the plan is or was carried out."""
    ordered_by: str = ""
    started_at: datetime | None = None
    blocked_at: datetime | None = None
    """When the account was seen to be blocked."""
    ended_at: datetime | None = None
    look_again_at: datetime | None = None
    """When to see whether a synchronised account is still blocked."""
    undo_id: str = ""
    """The request by which it is or was taken back."""
    undone_by: str = ""
    undo_steps: tuple[str, ...] = ()
    """The steps that are taken back."""
    undone_at: datetime | None = None
    bundle_digest: str = ""
    """SHA-256 of the evidence that was kept before and beside the steps."""
    untold: str = ""
    """What no card has told yet: planned, done, undone or enabled; empty if all is told."""
    stalled: str = ""
    """Why it stands still, in words; empty while it goes on, and once it is over."""
    is_stall_told: bool = False
    """Whether a card has told that it stood still: once, however often it does."""

    def find_step(self, name: str) -> ContainmentStep | None:
        """A step by its name."""
        return next((step for step in self.steps if step.name == name), None)

    @property
    def is_under_way(self) -> bool:
        """Whether it is being carried out or taken back."""
        return self.state in (ContainmentState.RUNNING, ContainmentState.UNDOING)

    @property
    def news(self) -> "Containment | None":
        """What a card has to tell of it now; None if nothing.

        While it is under way that is no more than that it stands still.
        """
        if not self.is_under_way:
            return self if self.untold else None
        if self.stalled and not self.is_stall_told:
            return replace(self, untold=STALLED)
        return None


@dataclass(frozen=True, slots=True)
class StoredContainments:
    """Every containment on record, as far as it can be decoded."""

    containments: tuple[Containment, ...] = ()
    """Newest first."""
    unreadable_ids: tuple[str, ...] = ()
    """The ids, as their rows' keys have them, of those that cannot be decoded: each may be of any
    account, and under way.
    """


@dataclass(frozen=True, slots=True)
class AccountBundle:
    """What is known of one account at one time, kept as it was: one JSON text and its digest."""

    id: str
    """The id of the request or containment that it was made for."""
    account_id: str
    at: datetime
    kind: str
    """Evidence or impact."""
    digest: str
    body: str
    edition: int = 1
    """It is completed when records come: each edition stays as it was."""
    is_complete: bool = True
    """False: another edition is to come."""
    state: str = "complete"
    """How complete it is, in words."""


@dataclass(frozen=True, slots=True)
class StoredBundles:
    """What was kept of accounts in a period, as far as it can be decoded."""

    bundles: tuple[AccountBundle, ...]
    """Oldest first."""
    unreadable_keys: tuple[str, ...] = ()
    """The keys of the rows that cannot be decoded: bundle, id and edition."""


def compute_containment_hash(account_id: str, steps: tuple[ContainmentStep, ...]) -> str:
    """The hash of a plan: the account, and each step with its change and its command."""
    return hash_parts(account_id, [[step.name, step.change, step.command] for step in steps])
