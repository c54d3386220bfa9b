"""What the engine needs besides the tenant: memory, a voice, and the time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from core.keys import RANGE_END, RANGE_START
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.requests import OperatorRequest
from core.model.runs import RunReport
from core.model.state import GuardSnapshot, GuardState, Shard
from core.tenant.mailbox_index import RANGE_SIZE
from core.tenant.port import Tenant

# How long the ledger keeps what has ended, before `tidy` removes it.
KEEP_RUNS = timedelta(days=30)
KEEP_CASES = timedelta(days=90)
KEEP_CHANGES = KEEP_ACTIONS = timedelta(days=400)

type LedgerRow = Case | ChangeRecord | Exemption | OperatorRequest | RunReport


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """A shard as the ledger has it: what is known of it, and whether somebody works on it now."""

    shard: Shard
    is_claimed: bool


class Claim(Protocol):
    """The right to run one guard, or one shard of it, held for a minute at a time and renewed.

    Every write goes through it and carries its epoch, so that an owner who was paused while
    somebody else took over cannot write anything any more.
    """

    epoch: int

    async def ensure_held(self) -> None:
        """Raise ClaimLost unless the claim is still held, with time to spare for one write."""
        ...

    def protect_writes(self) -> AbstractAsyncContextManager[None]:
        """While something is done to the tenant: checked at its beginning, and cut off with
        ClaimLost when the claim ends before it does.
        """
        ...

    async def load(self, low: str = RANGE_START, high: str = RANGE_END) -> GuardSnapshot:
        """All the guard remembers, or what concerns objects of a stretch of places."""
        ...

    async def save(
        self,
        *rows: LedgerRow,
        state: GuardState | Shard | None = None,
        forget: tuple[Case, ...] = (),
    ) -> None:
        """Write rows whole, in transactions that carry the fence; the state with the last of them.

        What the state says was passed is durable before it says so. `state` is that of the guard,
        or of the shard this is a claim on. Raises ClaimLost when another run holds the claim,
        LedgerError when storage fails.
        """
        ...


class Ledger(Protocol):
    """The memory of all guards."""

    def claim(
        self, guard: str, run: str, shard: int | None = None
    ) -> AbstractAsyncContextManager[Claim | None]:
        """Hold a guard, or one shard of it; None when another run does. Released at the end."""
        ...

    async def load_state(self, guard: str) -> GuardState:
        """What the guard remembers besides its cases. Raises LedgerError when not readable."""
        ...

    async def load_shards(self, guard: str) -> Mapping[int, ShardStatus]:
        """The shards of the guard's last rounds, by their number."""
        ...

    async def save_run_status(self, guard: str, run: str, document: Mapping[str, object]) -> None:
        """Write down what became of a requested run outside a claim: queued, busy, off, failed."""
        ...

    async def get_run(self, guard: str, run: str) -> Mapping[str, object] | None:
        """What is known of a run: {"status": ..., ...}; None when nobody asked for it."""
        ...

    async def list_recent_runs(self, guard: str, count: int) -> list[Mapping[str, object]]:
        """The last runs of a guard as documents, newest first."""
        ...

    def iter_runs(
        self, guard: str, since: datetime, until: datetime
    ) -> AsyncIterator[Mapping[str, object]]:
        """The runs of a guard that began from `since` up to `until`, newest first."""
        ...

    async def load(self, guard: str) -> GuardSnapshot:
        """All the guard remembers, for who only reads: nothing may be written by it."""
        ...

    async def add_request(self, guard: str, action: OperatorRequest) -> None:
        """Write down what a person asks for; a run, or who is called for it, takes it up."""
        ...

    async def list_requests(self, guard: str, since: datetime) -> tuple[OperatorRequest, ...]:
        """What people asked for since then, newest first."""
        ...

    async def get_request(self, guard: str, action: str) -> OperatorRequest | None:
        """What is known of something a person asked for, by its id."""
        ...

    async def purge_expired(self, guard: str, now: datetime) -> None:
        """Remove run rows after 30 days, closed cases after 90, changes and actions after 400."""
        ...


class RenderedMessage(Protocol):
    """A message for the notification channel, with the rows that it reports.

    Exactly these rows are marked as notified once the channel has accepted it.
    """

    @property
    def payload(self) -> Mapping[str, object]:
        """The message as the channel takes it."""
        ...

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases it reports."""
        ...

    @property
    def operator_requests(self) -> tuple[OperatorRequest, ...]:
        """The requests of operators whose results it reports."""
        ...

    def build_plain_payload(self, report: RunReport) -> Mapping[str, object]:
        """The same report for a channel that rejected the card: small, without untrusted text."""
        ...


# Makes the messages of a run's report, in sending order, with links to the app at an address.
type ReportRenderer = Callable[[RunReport, str], Sequence[RenderedMessage]]


class NotificationChannel(Protocol):
    """The voice."""

    async def send(self, payload: Mapping[str, object]) -> None:
        """Post one message. Raises AlertError when it was not taken."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside the process, in one hand.

    `requests` counts the calls made so far, by service. `spent` tells how much of the run's time is used, 1 when nothing
    more should be begun. A tenant of more than `shard_above` mailboxes is cut into shards for the
    queue, of which `shards_at_once` are worked on together; None: this process does it all.
    `slice_size` is how many mailboxes are looked into at a time, `pause` waits for a turn.
    `address` is where people reach the app, for links on cards; empty when nobody said.
    """

    tenant: Tenant
    ledger: Ledger
    notification_channel: NotificationChannel
    now: Callable[[], datetime]
    render: ReportRenderer
    call_counts: Callable[[], Mapping[str, int]] = dict
    budget_used: Callable[[], float] = lambda: 0.0
    shard_above: int | None = None
    shards_at_once: int = 4
    range_size: int = RANGE_SIZE
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    public_url: str = ""
