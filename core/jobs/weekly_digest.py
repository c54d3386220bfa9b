"""Sends the weekly digest once a week, whatever happens to the timer or the channel.

    timer, every hour ─► claim ─► is it due? ─► load every guard ─► card ─► send ─► mark sent

It compares the schedule's last time with when the digest was last sent. If the channel was down at
that time, it is sent an hour later; a timer that fires twice finds it sent.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from core.engine.shared_state import FIRST_CHECK_KEY, SENT_KEY
from core.errors import NotificationError
from core.model.guards import GuardConfig
from core.ncrontab import CronSchedule
from core.notifications.digest_card import build_digest_card
from core.ports import DIGEST_PARTITION, World
from core.status.guard_status import DEFAULT_RUN_TIME
from core.status.overview import build_status, load_all_guard_data

log = logging.getLogger("exoguard.weekly")

# A timer may fire this much early.
TIMER_TOLERANCE = timedelta(minutes=1)


async def send_weekly_digest(
    world: World,
    configs: Iterable[GuardConfig],
    schedule: str,
    run: str,
    run_time: timedelta = DEFAULT_RUN_TIME,
) -> str:
    """Send the digest if it is due: "sent", "not due", "busy", or "untold" until the next hour.

    `run_time` is how long a run may take. Raises LedgerError if the state is unreachable.
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
        known = build_status(await load_all_guard_data(world.ledger, configs), now, run_time)
        await claim.ensure_held()
        try:
            await world.notification_channel.send(build_digest_card(known, world.public_url))
        except NotificationError as error:
            log.error("the channel did not accept the weekly digest: %s", error)
            return "untold"
        await claim.save(
            state=replace(state, checks_finished_at={**state.checks_finished_at, SENT_KEY: now})
        )
        return "sent"


def is_digest_due(schedule: str, last_sent: datetime, now: datetime) -> bool:
    """Whether the schedule has had a time since the digest was last sent.

    A digest that seems to have been sent in the future was not.
    """
    return (
        last_sent > now + TIMER_TOLERANCE
        or CronSchedule.parse(schedule).find_next(last_sent + TIMER_TOLERANCE)
        <= now + TIMER_TOLERANCE
    )
