"""A notification channel in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import NotificationError
from tests.support.fakes.crash import CrashInjector
from tests.support.fakes.journal import Journal


@dataclass(frozen=True)
class DeliveredMessage:
    """A message that the channel accepted."""

    payload: Mapping[str, object]


@dataclass
class FakeNotificationChannel:
    """A NotificationChannel that accepts at most `capacity` messages and keeps them."""

    crash_injector: CrashInjector = field(default_factory=CrashInjector)
    journal: Journal = field(default_factory=list)
    sent: list[Mapping[str, object]] = field(default_factory=list)
    is_down: bool = False
    capacity: int | None = None

    async def send(self, payload: Mapping[str, object]) -> None:
        """Accept a message, or fail as a webhook that is down."""
        with self.crash_injector():
            if self.is_down or (self.capacity is not None and len(self.sent) >= self.capacity):
                raise NotificationError("the webhook answers 503")
            self.sent.append(payload)
            self.journal.append(DeliveredMessage(payload))
