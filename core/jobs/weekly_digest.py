"""The week's card is sent once a week, however often anybody asks and whoever dies.

    timer, every hour ─► claim ─► is it due? ─► recall every guard ─► card ─► send ─► mark sent

Level-triggered like everything else: what counts is the schedule's last moment and when the card
was sent last. A channel that was down at that moment gets it an hour later, and a timer that fires
twice finds it sent.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from core.errors import NotificationError
from core.model.guards import GuardConfig
from core.ncrontab import CronSchedule
from core.notifications.digest_card import build_digest_card
from core.ports import World
from core.status.guard_status import DEFAULT_RUN_MINUTES
from core.status.overview import build_status, load_all_guard_data

log = logging.getLogger("exoguard.weekly")

DIGEST_PARTITION = "digest"
SENT_KEY = "weekly-digest"
# Where nothing was ever sent, the weeks are counted from when somebody first asked.
FIRST_CHECK_KEY = "begun"
# A timer may come this much before its time.
TIMER_TOLERANCE = timedelta(minutes=1)


async def send_weekly_digest(
    world: World,
    configs: Iterable[GuardConfig],
    schedule: str,
    run: str,
    minutes: float = DEFAULT_RUN_MINUTES,
) -> str:
    """Send the week's card if it is due: "sent", "not due", "busy", or "untold" for the next hour.

    `minutes` is how long a run may take. Raises LedgerError when the state cannot be reached.
    """
    async with world.ledger.claim(DIGEST_PARTITION, run) as claim:
        if claim is None:
            return "busy"
        state, now = (await claim.load()).state, world.now()
        last = state.checks_finished_at.get(SENT_KEY) or state.checks_finished_at.get(
            FIRST_CHECK_KEY
        )
        if last is None:
            await claim.save(
                state=replace(
                    state, checks_finished_at={**state.checks_finished_at, FIRST_CHECK_KEY: now}
                )
            )
            return "not due"
        if not is_digest_due(schedule, last, now):
            return "not due"
        known = build_status(await load_all_guard_data(world.ledger, configs), now, minutes)
        await claim.ensure_held()
        try:
            await world.notification_channel.send(build_digest_card(known, world.public_url))
        except NotificationError as error:
            log.error("the week's card was not taken: %s", error)
            return "untold"
        await claim.save(
            state=replace(state, checks_finished_at={**state.checks_finished_at, SENT_KEY: now})
        )
        return "sent"


def is_digest_due(schedule: str, last_sent: datetime, now: datetime) -> bool:
    """True when the schedule has come to a moment that no card was sent for.

    A card that is said to have been sent tomorrow was not.
    """
    return (
        last_sent > now + TIMER_TOLERANCE
        or CronSchedule.parse(schedule).find_next(last_sent + TIMER_TOLERANCE)
        <= now + TIMER_TOLERANCE
    )
