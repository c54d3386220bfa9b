"""Clocks that move only when a test advances them, or when somebody waits."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


@dataclass
class Clock:
    """The time, which only `advance` moves."""

    current: datetime = START

    def __call__(self) -> datetime:
        return self.current

    def advance(self, **span: float) -> None:
        """Move the time forward."""
        self.current += timedelta(**span)


@dataclass(slots=True)
class SleepClock:
    """A monotonic clock that leaps to whatever is waited for. It never wakes anybody too early."""

    now: float = 1_000.0
    waits: list[float] = field(default_factory=list)
    """How long each wait was."""

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Everybody who waits at the same time waits together."""
        until = self.now + seconds
        self.waits.append(seconds)
        await asyncio.sleep(0)
        self.now = max(self.now, until)
