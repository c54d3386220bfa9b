"""A notification channel in memory."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from core.errors import CardRejected, NotificationError
from core.model.findings import Severity
from core.model.outbox import OutboxRow
from tests.support.fakes.crash import CrashInjector
from tests.support.fakes.journal import Journal


@dataclass(frozen=True)
class DeliveredMessage:
    """A message that the channel accepted."""

    payload: Mapping[str, object]

    @cached_property
    def text(self) -> str:
        """All that it says. Whoever checks a promise reads every message again."""
        return json.dumps(self.payload, ensure_ascii=False)


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


@dataclass
class FakeMessageChannel:
    """A MessageChannel in memory. `refused_keys` are cases of which it takes no message,
    `only_plain` ones of which it takes none with text from the tenant, and `failing_keys` ones at
    which it fails. The details of `odd_keys` meet a mistake of the app.
    """

    name: str = "mail"
    setup: str = "one"
    least_severity: Severity = Severity.HIGH
    guards: frozenset[str] = frozenset()
    batch_size: int = 5
    patience: float = 60.0
    crash_injector: CrashInjector = field(default_factory=CrashInjector)
    sent: list[tuple[OutboxRow, ...]] = field(default_factory=list)
    plain: list[tuple[OutboxRow, ...]] = field(default_factory=list)
    is_down: bool = False
    hangs: bool = False
    refused_keys: set[str] = field(default_factory=set)
    only_plain: set[str] = field(default_factory=set)
    failing_keys: set[str] = field(default_factory=set)
    odd_keys: set[str] = field(default_factory=set)
    attempt_count: int = 0

    async def send(self, rows: Sequence[OutboxRow], *, is_plain: bool = False) -> None:
        """Accept a message, refuse it, hang, or fail as a service that is down."""
        self.attempt_count += 1
        with self.crash_injector():
            if self.hangs:
                await asyncio.Event().wait()
            if self.is_down:
                raise NotificationError("HTTP 503")
            keys = {row.notice.case_key for row in rows}
            if keys & self.odd_keys and not is_plain:
                raise KeyError("nobody foresaw this case")
            if keys & self.failing_keys:
                raise NotificationError("HTTP 500")
            if keys & self.refused_keys or (keys & self.only_plain and not is_plain):
                raise CardRejected("HTTP 400")
            (self.plain if is_plain else self.sent).append(tuple(rows))

    @property
    def told_ids(self) -> list[str]:
        """The ids of what it took, in order."""
        return [row.message_id for rows in (*self.sent, *self.plain) for row in rows]

    @property
    def told_keys(self) -> list[str]:
        """The keys of the cases it was told of, in order."""
        return [row.notice.case_key for rows in (*self.sent, *self.plain) for row in rows]
