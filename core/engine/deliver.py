"""Sends what further channels have to be told, each by itself, and marks each row after it.

    rows of a channel ─► send ─► mark accepted, failed or refused ─► save

A row is marked after its message was accepted: a run that dies between the two sends the message
again under the same id, so a receiver that knows ids sees it once. One channel that fails, hangs or
refuses holds up neither another one nor the card.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import batched
from typing import Any

from core.engine.outbox import (
    Outbox,
    mark_accepted,
    mark_failed,
    queue_notices,
    select_rows_to_send,
)
from core.errors import (
    MISTAKES,
    CardRejected,
    ChannelForbidden,
    LedgerError,
    NotificationError,
    explain_error,
)
from core.model.outbox import ChannelHealth, CopyState, OutboxRow
from core.model.runs import RunReport
from core.ports import Claim, MessageChannel, World

log = logging.getLogger("exoguard.run")

MAX_ERROR = 500
# Whoever refuses so many takes nothing now: the rest waits for the next run.
MAX_REFUSED_IN_A_ROW = 5
# For so long a channel is sent messages within a scan, and at the end of a run; the rest waits.
EARLY_TIME, LATE_TIME = timedelta(seconds=10), timedelta(minutes=2)

# Why a message is not sent as it is: the channel does not take it, or the app cannot make it.
UNSENT: tuple[type[Exception], ...] = (CardRejected, *MISTAKES)


async def run_together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run coroutines at the same time. The first error ends the others and is raised as it is."""
    tasks = [asyncio.create_task(one) for one in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def queue_for_channels(world: World, claim: Claim, report: RunReport, outbox: Outbox) -> None:
    """Save what the channels have to be told of a report, before its card is sent."""
    rows = queue_notices(report, world.channels, outbox.rows, world.now())
    if rows:
        await claim.save(*rows)
        outbox.put(rows)


async def send_to_channels(world: World, claim: Claim, outbox: Outbox) -> None:
    """Send each channel what it has to be told."""
    await run_together(*(send_to_channel(world, claim, one, outbox) for one in world.channels))


def is_answering(outbox: Outbox, channel: MessageChannel) -> bool:
    """Whether nothing that a channel was sent last is still to be taken."""
    return not any(
        row.channel == channel.name and row.failure_count and row.state is CopyState.PENDING
        for row in outbox.rows.values()
    )


async def send_to_answering_channels(world: World, claim: Claim, outbox: Outbox) -> None:
    """Send during a scan what the channels have to be told that did not fail in it, for a short
    time: one that takes each message slowly must not hold up the scan.
    """
    channels = [one for one in world.channels if is_answering(outbox, one)]
    await run_together(
        *(send_to_channel(world, claim, one, outbox, EARLY_TIME) for one in channels)
    )


async def send_to_channel(
    world: World,
    claim: Claim,
    channel: MessageChannel,
    outbox: Outbox,
    time: timedelta = LATE_TIME,
) -> None:
    """Send one channel what it has to be told, until it does not answer, or takes nothing of it.

    After a time no other message is begun: what is left waits for the next run.
    """
    begun = world.now()
    due = select_rows_to_send(outbox.rows.values(), channel.name, world.now())
    if not due:
        return
    failure: NotificationError | None = None
    refusal, is_any_taken, refused_count = "", False, 0
    waiting = deque[Sequence[OutboxRow]](batched(due, channel.batch_size, strict=False))
    while waiting and refused_count < MAX_REFUSED_IN_A_ROW:
        if abs(world.now() - begun) >= time:
            break
        rows = waiting.popleft()
        await claim.ensure_held()
        try:
            refused = await send_or_reject(channel, rows)
        except NotificationError as error:
            failure = error
            await save_rows(claim, outbox, mark_failed(rows, str(error), world.now()))
            break
        now, refusal = world.now(), refused or refusal
        if refused and len(rows) > 1:
            # What makes a message unwelcome may be one case of many: the others are told.
            middle = len(rows) // 2
            waiting.extendleft((rows[middle:], rows[:middle]))
        elif refused:
            refused_count += 1
            await save_rows(claim, outbox, mark_failed(rows, refused, now, is_refused=True))
        else:
            is_any_taken, refused_count = True, 0
            await save_rows(claim, outbox, mark_accepted(rows, now))
    why = str(failure or refusal)
    if why:
        log.error("channel %s: a message was not taken: %s", channel.name, why)
    await note_health(
        world,
        channel,
        "" if failure is None and is_any_taken else why,
        is_forbidden=isinstance(failure, ChannelForbidden),
    )


async def save_rows(claim: Claim, outbox: Outbox, rows: Sequence[OutboxRow]) -> None:
    """Save rows and hold them as saved."""
    await claim.save(*rows)
    outbox.put(rows)


async def send_or_reject(channel: MessageChannel, rows: Sequence[OutboxRow]) -> str:
    """Send one message, and for a single case a plain one if the channel does not take it, or a
    mistake of the app keeps it from being made.

    Returns why it takes neither; empty if it took one. Of several cases only one may be unwelcome,
    and the others keep their details: none is made plain before it is alone. Raises
    NotificationError if the channel takes nothing now.
    """
    try:
        async with asyncio.timeout(channel.patience):
            try:
                await channel.send(rows)
            except UNSENT as error:
                if len(rows) > 1:
                    return explain_error(error)
                log.warning(
                    "channel %s: a message is followed by a plain one: %s",
                    channel.name,
                    explain_error(error),
                    exc_info=None if isinstance(error, CardRejected) else error,
                )
                await channel.send(rows, is_plain=True)
    except UNSENT as error:
        return explain_error(error)
    except TimeoutError as error:
        raise NotificationError(
            f"no answer within {channel.patience:g} seconds; it may have been taken"
        ) from error
    return ""


async def note_health(
    world: World, channel: MessageChannel, error: str, *, is_forbidden: bool = False
) -> None:
    """Record how a channel answered, for the status of all guards. An empty error: it took it."""
    now = world.now()
    try:
        old = (await world.ledger.load_channel_healths()).get(channel.name)
        if old is None or old.setup != channel.setup:
            old = ChannelHealth(channel.name, channel.setup, now)
        await world.ledger.save_channel_health(
            replace(
                old,
                accepted_at=old.accepted_at if error else now,
                failed_at=now if error else old.failed_at,
                error=error[:MAX_ERROR],
                is_forbidden=is_forbidden,
            )
        )
    except LedgerError as failure:
        log.warning("how channel %s answered was not recorded: %s", channel.name, failure)
