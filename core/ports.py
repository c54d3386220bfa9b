"""What the engine needs besides the tenant: memory, a voice, and the time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from core.keys import END, FIRST
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.guards import Terms
from core.model.requests import Action
from core.model.runs import RunReport
from core.model.state import GuardState, Memory, Shard
from core.tenant.mailbox_index import SLICE
from core.tenant.port import Tenant

# How long the ledger keeps what has ended, before `tidy` removes it.
KEEP_RUNS = timedelta(days=30)
KEEP_CASES = timedelta(days=90)
KEEP_CHANGES = KEEP_ACTIONS = timedelta(days=400)

type Row = Case | ChangeRecord | Exemption | Action | RunReport


@dataclass(frozen=True, slots=True)
class Held:
    """A shard as the ledger has it: what is known of it, and whether somebody works on it now."""

    shard: Shard
    busy: bool


class Claim(Protocol):
    """The right to run one guard, or one shard of it, held for a minute at a time and renewed.

    Every write goes through it and carries its epoch, so that an owner who was paused while
    somebody else took over cannot write anything any more.
    """

    epoch: int

    async def check(self) -> None:
        """Raise ClaimLost unless the claim is still held, with time to spare for one write."""
        ...

    def acting(self) -> AbstractAsyncContextManager[None]:
        """While something is done to the tenant: checked at its beginning, and cut off with
        ClaimLost when the claim ends before it does.
        """
        ...

    async def recall(self, low: str = FIRST, high: str = END) -> Memory:
        """All the guard remembers, or what concerns objects of a stretch of places."""
        ...

    async def save(
        self, *rows: Row, state: GuardState | Shard | None = None, forget: tuple[Case, ...] = ()
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

    async def state(self, guard: str) -> GuardState:
        """What the guard remembers besides its cases. Raises LedgerError when not readable."""
        ...

    async def shards(self, guard: str) -> Mapping[int, Held]:
        """The shards of the guard's last rounds, by their number."""
        ...

    async def note(self, guard: str, run: str, document: Mapping[str, object]) -> None:
        """Write down what became of a requested run outside a claim: queued, busy, off, failed."""
        ...

    async def report(self, guard: str, run: str) -> Mapping[str, object] | None:
        """What is known of a run: {"status": ..., ...}; None when nobody asked for it."""
        ...

    async def history(self, guard: str, count: int) -> list[Mapping[str, object]]:
        """The last runs of a guard as documents, newest first."""
        ...

    def runs(
        self, guard: str, since: datetime, until: datetime
    ) -> AsyncIterator[Mapping[str, object]]:
        """The runs of a guard that began from `since` up to `until`, newest first."""
        ...

    async def recall(self, guard: str) -> Memory:
        """All the guard remembers, for who only reads: nothing may be written by it."""
        ...

    async def ask(self, guard: str, action: Action) -> None:
        """Write down what a person asks for; a run, or who is called for it, takes it up."""
        ...

    async def actions(self, guard: str, since: datetime) -> tuple[Action, ...]:
        """What people asked for since then, newest first."""
        ...

    async def action(self, guard: str, action: str) -> Action | None:
        """What is known of something a person asked for, by its id."""
        ...

    async def tidy(self, guard: str, now: datetime) -> None:
        """Remove run rows after 30 days, closed cases after 90, changes and actions after 400."""
        ...


class Alerts(Protocol):
    """The voice."""

    async def send(self, payload: Mapping[str, object]) -> None:
        """Post one message. Raises AlertError when it was not taken."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside the process, in one hand.

    `terms` are the settings guards judge by; each run sets their moment. `requests` counts the
    calls made so far, by service. `spent` tells how much of the run's time is used, 1 when nothing
    more should be begun. A tenant of more than `shard_above` mailboxes is cut into shards for the
    queue, of which `shards_at_once` are worked on together; None: this process does it all.
    `slice_size` is how many mailboxes are looked into at a time, `pause` waits for a turn.
    `address` is where people reach the app, for links on cards; empty when nobody said.
    """

    tenant: Tenant
    ledger: Ledger
    alerts: Alerts
    terms: Terms
    now: Callable[[], datetime]
    requests: Callable[[], Mapping[str, int]] = dict
    spent: Callable[[], float] = lambda: 0.0
    shard_above: int | None = None
    shards_at_once: int = 4
    slice_size: int = SLICE
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    address: str = ""
