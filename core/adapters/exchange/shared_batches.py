"""Batches that the commands of several callers fill together.

A service that answers a few requests at a time is asked in vain by each one that is not full. So a
batch is put together when its turn has come, of what waits by then: first what is asked for in a
few commands, since a caller waits for these alone, then what is asked for in many.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from core.adapters.exchange.batch import BatchProgress
from core.adapters.exchange.command import Command
from core.adapters.retry import RetryableError, ThrottledService, longest_wait
from core.errors import TenantError


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """The commands of one caller, until all of them are answered."""

    progress: BatchProgress
    left: set[int]
    end: asyncio.Future[None]


@dataclass(frozen=True, slots=True, eq=False)
class WaitingCommand:
    """One command of a caller, by its number."""

    asking: Asking
    number: int

    @property
    def command(self) -> Command:
        """What is asked."""
        return self.asking.progress.commands[self.number]

    @property
    def path(self) -> str:
        """Where its next page is."""
        return self.asking.progress.pending[self.number]

    @property
    def is_pending(self) -> bool:
        """Whether it has no answer yet, and somebody waits for one."""
        return self.number in self.asking.progress.pending and not self.asking.end.done()

    def record_error(self, error: TenantError) -> None:
        """Record that it gets no answer."""
        self.asking.progress.record_error(self.number, error)

    def leave(self) -> None:
        """Be done with it. The caller goes on once all of its commands are."""
        self.asking.left.discard(self.number)
        if not self.asking.left and not self.asking.end.done():
            self.asking.end.set_result(None)


type SendBatch = Callable[
    [Sequence[WaitingCommand]], Awaitable[dict[WaitingCommand, RetryableError]]
]
"""Sends pending commands once, records the answers, and returns those to send again.

Raises a TenantError, perhaps a RetryableError, where none of them was answered.
"""


@dataclass(slots=True, eq=False)
class Batch:
    """Commands that are sent together, once the turn of their batch has come."""

    take: Callable[[], list[WaitingCommand]]
    """Takes the commands out of the line."""
    send: SendBatch
    commands: list[WaitingCommand] | None = None
    unanswered: list[WaitingCommand] = field(default_factory=list)
    late: dict[WaitingCommand, RetryableError] = field(default_factory=dict)
    """The trouble of those to send again."""

    def fill(self) -> list[WaitingCommand]:
        """The commands, which are taken once."""
        if self.commands is None:
            self.commands = self.take()
            self.unanswered = self.commands
        return self.commands

    async def attempt(self) -> None:
        """Send what is not answered yet. Raises RetryableError or another TenantError."""
        size = len(self.fill())
        self.late = {}
        asked = [one for one in self.unanswered if one.is_pending]
        self.late = await self.send(asked) if asked else {}
        self.unanswered = list(self.late)
        for one in asked:
            # Whoever has all answers does not wait until others have theirs.
            if not one.is_pending:
                one.leave()
        if self.late:
            raise longest_wait(self.late.values(), size)

    def give_up(self, error: TenantError) -> None:
        """Record for each command without an answer its own trouble, or that of the batch."""
        self.fill()
        for one in self.unanswered:
            if one.is_pending:
                one.record_error(self.late.get(one, error))


class SharedBatches:
    """What waits to be sent in batches to a service, and who sends it.

    Nobody is concerned by a caller who gives up: what that one still waited for is not sent.
    """

    def __init__(self, service: ThrottledService, size: int, send: SendBatch) -> None:
        self.service = service
        self.size = size
        self.send = send
        self.few: deque[WaitingCommand] = deque()
        self.many: deque[WaitingCommand] = deque()
        self.in_line = 0
        """How many senders wait for their turn, and have no commands yet."""
        self.senders: set[asyncio.Task[None]] = set()

    async def complete(self, progress: BatchProgress) -> None:
        """Get all pending commands of a caller answered, page after page."""
        if not progress.pending:
            return
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asking = Asking(progress, set(progress.pending), end)
        line = self.few if len(asking.left) <= self.size else self.many
        line.extend(WaitingCommand(asking, number) for number in progress.pending)
        self.call_senders()
        await end

    async def close(self) -> None:
        """Send nothing more. Whoever still waits is cancelled."""
        senders = list(self.senders)
        for one in (*self.few, *self.many):
            one.asking.end.cancel()
        for task in senders:
            task.cancel()
        await asyncio.gather(*senders, return_exceptions=True)

    def call_senders(self) -> None:
        """Have a sender stand in line for every batch that waits, but no more than the service has
        places.
        """
        batches = math.ceil((len(self.few) + len(self.many)) / self.size)
        while self.in_line < min(batches, self.service.cap):
            self.in_line += 1
            batch = Batch(self.take_commands, self.send)
            task = asyncio.create_task(self.send_next(batch))
            self.senders.add(task)
            task.add_done_callback(partial(self.end_sender, batch))

    def take_commands(self) -> list[WaitingCommand]:
        """Take as many commands out of the line as fit into a batch."""
        self.in_line -= 1
        taken: list[WaitingCommand] = []
        while len(taken) < self.size and (line := self.few or self.many):
            one = line.popleft()
            if one.is_pending:
                taken.append(one)
        self.call_senders()
        return taken

    async def send_next(self, batch: Batch) -> None:
        """Send one batch once its turn has come, again for what is passing trouble."""
        try:
            await self.service.call(batch.attempt)
        except TenantError as error:
            batch.give_up(error)
        for one in batch.fill():
            if one.is_pending:
                # There is a further page of it: another batch asks for that.
                self.few.append(one)
            else:
                one.leave()
        self.call_senders()

    def end_sender(self, batch: Batch, task: asyncio.Task[None]) -> None:
        """Pass on what ended a sender too soon: its callers would wait for ever."""
        self.senders.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled():
            return
        # It may have ended before its turn came: then those are concerned who would have been next.
        for one in batch.fill():
            if one.asking.end.done():
                continue
            if error:
                one.asking.end.set_exception(error)
            else:
                one.asking.end.cancel()
