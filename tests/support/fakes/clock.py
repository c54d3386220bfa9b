"""A clock that moves only when a test advances it."""

from dataclasses import dataclass
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
