"""The ways that the last probe of this tenant chose, read from the state once they are needed.

An adapter asks for the way of an assumption before it goes one. A tenant that was never probed, or
a state that cannot be read, means the default way of each; so does a way that the register no
longer lists.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from core.errors import LedgerError
from core.microsoft365.assumptions.assumption import Assumption
from core.model.state import ProbeReport

log = logging.getLogger(__name__)


async def load_no_probe() -> ProbeReport | None:
    """Stand in for a state without a probe."""
    return None


@dataclass(slots=True)
class ChosenWays:
    """The way to go for each assumption whose probe chooses one."""

    load: Callable[[], Awaitable[ProbeReport | None]] = load_no_probe
    by_assumption: dict[str, str] | None = field(default=None, init=False)
    """The ways by the id of their assumption; None before they were read."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def read_once(self) -> None:
        """Read the last probe, unless that was done before."""
        async with self.lock:
            if self.by_assumption is not None:
                return
            try:
                report = await self.load()
            except LedgerError as error:
                log.warning("the ways that the probe chose cannot be read: %s", error)
                report = None
            # A probe of this very run may have been adopted meanwhile.
            if self.by_assumption is None:
                answers = report.answers if report else ()
                self.by_assumption = {one.assumption: one.way for one in answers if one.way}

    def adopt(self, ways: Mapping[str, str]) -> None:
        """Go these ways from now on: those that a probe has just chosen."""
        self.by_assumption = dict(ways)

    def get(self, assumption: Assumption) -> str:
        """The way to go, as far as the last probe was read."""
        way = (self.by_assumption or {}).get(assumption.id, "")
        return way if way in assumption.ways else assumption.default_way

    async def find(self, assumption: Assumption) -> str:
        """The way to go."""
        await self.read_once()
        return self.get(assumption)
