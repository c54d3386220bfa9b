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
from core.keys import hash_parts
from core.model.containment import STALLED, Containment
from core.model.outbox import ENDS, Notice, OutboxRow
from core.model.requests import OperatorRequest
from core.notifications.containment_card import (
    build_containment_card,
    build_plain_containment_card,
    build_unreadable_card,
)
from core.notifications.containment_notice import (
    build_containment_notice,
    build_unreadable_notice,
    compute_news_revision,
)
from core.ports import MessageChannel
from core.tenant.quoting import quote_text

log = logging.getLogger("exoguard.containment")

UNREADABLE = "unreadable|"
"""What the name of a check begins with that says that a card told of a row."""
MAX_NAME_LENGTH = 200

# Why a card stays untold: the channel does not take it, or the app cannot make any of it.
UNTOLD: tuple[type[Exception], ...] = (NotificationError, *MISTAKES)


async def tell_containments(desk: Desk, known: Mapping[str, OutboxRow]) -> None:
    """Tell each channel what is new, and again what it has not taken yet."""
    news = [news for one in desk.containments.values() if (news := one.news)]
    unreadable = describe_new_unreadable(desk)
    outbox = await save_notices(desk, news, unreadable, known)
    await run_together(send_cards(desk, news), send_to_channels(desk.world, desk.claim, outbox))
    await tell_unreadable(desk, unreadable)


async def save_notices(
    desk: Desk,
    news: Sequence[Containment],
    unreadable: Mapping[str, str],
    known: Mapping[str, OutboxRow],
) -> Outbox:
    """Save what the channels have to be told, and forget what was told long ago."""
    channels, now = desk.world.channels, desk.world.now()
    gone = list_rows_to_forget(known.values(), [one.name for one in channels], {}, now)
    outbox = Outbox({row.key: row for row in known.values() if row not in gone})
    rows = (
        *queue_news(desk, news, channels, outbox.rows),
        *queue_unreadable(desk, unreadable, outbox.rows),
    )
    if rows or gone:
        await desk.claim.save(*rows, forget=gone)
    outbox.put(rows)
    return outbox


def queue_unreadable(
    desk: Desk, unreadable: Mapping[str, str], rows: Mapping[str, OutboxRow]
) -> Iterable[OutboxRow]:
    """The rows of the channels that are told of what cannot be decoded."""
    if not unreadable:
        return
    now = desk.world.now()
    notice = build_unreadable_notice(unreadable, now)
    for channel in desk.world.channels:
        if accepts_notice(channel, notice, None) and (
            row := put_notice(channel.name, notice, hash_parts(*unreadable), rows, now)
        ):
            yield row


def describe_new_unreadable(desk: Desk) -> Mapping[str, str]:
    """The containments whose rows cannot be decoded and of which no card told yet, with what the
    requests of the same ids say of them.
    """
    told = desk.state.checks_finished_at
    return {
        one: describe_request(desk.requests.get(one))
        for one in desk.unreadable_ids
        if name_unreadable(one) not in told
    }


def describe_request(request: OperatorRequest | None) -> str:
    """Who asked for a containment, and of which account, as far as that is known."""
    if request is None:
        return "of which account is not known"
    who = quote_text(request.requested_by, MAX_NAME_LENGTH)
    return f"of the account {quote_text(request.subject, MAX_NAME_LENGTH)}, asked for by {who}"


def name_unreadable(containment: str) -> str:
    """The name under which it is remembered that a card told of a row. Its key may be anything."""
    return f"{UNREADABLE}{hash_parts(containment)[:16]}"


async def tell_unreadable(desk: Desk, unreadable: Mapping[str, str]) -> None:
    """Send a card of what cannot be decoded, and remember that; what can be decoded again, or is
    gone, is told anew when it is back.
    """
    known, now = desk.state.checks_finished_at, desk.world.now()
    marks = {name_unreadable(one): now for one in desk.unreadable_ids}
    checks = {
        name: at for name, at in known.items() if name in marks or not name.startswith(UNREADABLE)
    }
    if unreadable:
        await desk.claim.ensure_held()
        try:
            await desk.world.notification_channel.send(build_unreadable_card(unreadable))
        except UNTOLD as error:
            log.error("a card of what cannot be decoded was not accepted: %s", explain_error(error))
        else:
            checks = {**marks, **checks}
    await desk.save_checks(checks)


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
