"""What the engine needs besides the tenant: memory, a voice, and the time."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.model import Case, ChangeRecord, Exemption, GuardState, Memory, RunReport, Terms
from core.tenant import Tenant

type Row = Case | ChangeRecord | Exemption | RunReport


class Claim(Protocol):
    """The right to run one guard, held for a minute at a time and renewed while held.

    Every write goes through it and carries its epoch, so that an owner who was paused while
    somebody else took over cannot write anything any more.
    """

    epoch: int

    async def check(self) -> None:
        """Raise ClaimLost unless the claim is still held, with time to spare for one write."""
        ...

    async def recall(self) -> Memory:
        """All the guard remembers, in one partition scan."""
        ...

    async def save(
        self, *rows: Row, state: GuardState | None = None, forget: tuple[Case, ...] = ()
    ) -> None:
        """Write rows (and the guard's state) whole, in transactions that carry the fence.

        Raises ClaimLost when another run holds the guard, LedgerError when storage fails.
        """
        ...


class Ledger(Protocol):
    """The memory of all guards."""

    def claim(self, guard: str, run: str) -> AbstractAsyncContextManager[Claim | None]:
        """Hold a guard for one run; None when another run holds it. Released at the end."""
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

    async def exempt(self, guard: str, exemption: Exemption) -> None:
        """Remember an exemption, in place of an earlier one of the same subject."""
        ...

    async def tidy(self, guard: str, now: datetime) -> None:
        """Remove run rows after 30 days, closed cases after 90, records of changes after 400."""
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
    calls made so far, by service.
    """

    tenant: Tenant
    ledger: Ledger
    alerts: Alerts
    terms: Terms
    now: Callable[[], datetime]
    requests: Callable[[], Mapping[str, int]] = dict
