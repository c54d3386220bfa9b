"""Tells every channel what is new of contained accounts.

    a containment with news ─► a row for each further channel, saved first
                            ─► its card, and what the rows hold, all at the same time

What a channel does not take is sent again at the next tick, and holds up no other. A message may
come twice, and is never lost.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from core.containment.decisions import summarize
from core.containment.desk import Desk
from core.engine.deliver import UNSENT, run_together, send_to_channels
from core.engine.outbox import Outbox, list_rows_to_forget, put_notice
from core.errors import MISTAKES, CardRejected, NotificationError, explain_error
from core.model.containment import STALLED, Containment
from core.model.outbox import ENDS, Notice, OutboxRow
from core.notifications.containment_card import (
    build_containment_card,
    build_plain_containment_card,
)
from core.notifications.containment_notice import build_containment_notice, compute_news_revision
from core.ports import MessageChannel

log = logging.getLogger("exoguard.containment")

# Why a card stays untold: the channel does not take it, or the app cannot make any of it.
UNTOLD: tuple[type[Exception], ...] = (NotificationError, *MISTAKES)


async def tell_containments(desk: Desk, known: Mapping[str, OutboxRow]) -> None:
    """Tell each channel what is new, and again what it has not taken yet."""
    news = [news for one in desk.containments.values() if (news := one.news)]
    outbox = await save_notices(desk, news, known)
    await run_together(send_cards(desk, news), send_to_channels(desk.world, desk.claim, outbox))


async def save_notices(
    desk: Desk, news: Sequence[Containment], known: Mapping[str, OutboxRow]
) -> Outbox:
    """Save what the channels have to be told, and forget what was told long ago."""
    channels, now = desk.world.channels, desk.world.now()
    gone = list_rows_to_forget(known.values(), [one.name for one in channels], {}, now)
    outbox = Outbox({row.key: row for row in known.values() if row not in gone})
    rows = tuple(queue_news(desk, news, channels, outbox.rows))
    if rows or gone:
        await desk.claim.save(*rows, forget=gone)
    outbox.put(rows)
    return outbox


def queue_news(
    desk: Desk,
    news: Iterable[Containment],
    channels: Iterable[MessageChannel],
    rows: Mapping[str, OutboxRow],
) -> Iterable[OutboxRow]:
    """The rows of the channels whose filters let the news through."""
    now = desk.world.now()
    for containment in news:
        try:
            notice = build_containment_notice(containment, summarize(containment), now)
        except MISTAKES:
            log.exception("no message can be made of a containment")
            continue
        for channel in channels:
            if accepts_notice(channel, notice, rows.get(f"{notice.case_key}|{channel.name}")):
                revision = compute_news_revision(containment)
                if row := put_notice(channel.name, notice, revision, rows, now):
                    yield row


def accepts_notice(channel: MessageChannel, notice: Notice, row: OutboxRow | None) -> bool:
    """Whether a channel is told: by its least severity, and of the end of what it knows of. No
    containment is one guard's, so that the guards it is told of decide nothing.
    """
    if row and row.accepted_times and notice.event in ENDS:
        return True
    return notice.severity >= channel.least_severity


async def send_cards(desk: Desk, news: Iterable[Containment]) -> None:
    """Send the card of each to Teams, and a plain one if that rejects it."""
    for containment in news:
        await desk.claim.ensure_held()
        try:
            await send_card(desk, containment)
        except UNTOLD as error:
            log.error("a card of a containment was not accepted: %s", explain_error(error))
        else:
            told = desk.containments[containment.id]
            is_stall = containment.untold == STALLED
            changes = {"is_stall_told": True} if is_stall else {"untold": ""}
            await desk.save(replace(told, **changes))


async def send_card(desk: Desk, containment: Containment) -> None:
    """Send one card. Raises NotificationError."""
    channel, url = desk.world.notification_channel, desk.world.public_url
    try:
        await channel.send(build_containment_card(containment, summarize(containment), url))
    except UNSENT as error:
        log.warning(
            "a card of a containment is followed by a plain one: %s",
            explain_error(error),
            exc_info=None if isinstance(error, CardRejected) else error,
        )
        await channel.send(build_plain_containment_card(containment, url))
