"""Sends the weekly digest once a week, whatever happens to the timer or the channel.

    timer, every hour ─► claim ─► is it due? ─► load every guard ─► card ─► send ─► mark sent

It compares the schedule's last time with when the digest was last sent. If the channel was down at
that time, it is sent an hour later; a timer that fires twice finds it sent. Where the row that says
when it was sent cannot be read or written, it is sent in the hour that the schedule names. What
other channels have not taken yet of changed settings is sent again before it.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.engine.shared_state import FIRST_CHECK_KEY, SENT_KEY
from core.errors import LedgerError, NotificationError
from core.jobs.settings_notices import send_waiting_notices
from core.model.guards import GuardConfig, Mode
from core.model.state import GuardState
from core.ncrontab import CronSchedule
from core.notifications.digest_card import build_digest_card
from core.ports import DIGEST_PARTITION, Claim, World
from core.status.guard_status import DEFAULT_RUN_TIME
from core.status.loading import load_all_guard_data, load_shared_rows
from core.status.overview import build_status

log = logging.getLogger("exoguard.weekly")

TIMER_INTERVAL = timedelta(hours=1)
# A timer may fire this much early.
TIMER_TOLERANCE = timedelta(minutes=1)
# When the digest was sent last, where the row that says so is gone: any schedule has had a time.
LOST_ROW_AGE = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class BesideGuards:
    """What is on besides guards: its permissions are not held in vain."""

    containment: Mode = Mode.OFF
    searches: bool = False


NOTHING_BESIDE = BesideGuards()


async def send_weekly_digest(
    world: World,
    configs: Iterable[GuardConfig],
    schedule: str,
    run: str,
    run_time: timedelta = DEFAULT_RUN_TIME,
    beside: BesideGuards = NOTHING_BESIDE,
) -> str:
    """Send the digest if it is due: "sent", "not due", "busy", or "untold" until the next hour.

    `run_time` is how long a run may take. A digest of guards whose state cannot be read says so.
    """
    try:
        async with world.ledger.claim(DIGEST_PARTITION, run) as claim:
            if claim is None:
                return "busy"
            snapshot = await claim.load()
            await send_waiting_notices(world, claim, snapshot.outbox)
            if not snapshot.unreadable_rows:
                return await send_remembered_digest(
                    world, claim, snapshot.state, configs, schedule, run_time, beside
                )
    except LedgerError as error:
        log.error("the row of the weekly digest cannot be used: %s", error)
    if not is_digest_due(schedule, world.now() - TIMER_INTERVAL, world.now()):
        return "not due"
    return await send_digest_card(world, configs, run_time, beside)


async def send_remembered_digest(
    world: World,
    claim: Claim,
    state: GuardState,
    configs: Iterable[GuardConfig],
    schedule: str,
    run_time: timedelta,
    beside: BesideGuards,
) -> str:
    """Send the digest if it is due, and remember when it was sent."""
    now = world.now()
    finished = state.checks_finished_at
    last = finished.get(SENT_KEY) or finished.get(FIRST_CHECK_KEY)
    is_lost = (
        not state.revision and not state.settings and await world.ledger.load_mark(DIGEST_PARTITION)
    )
    if last is None and is_lost:
        # Somebody deleted the row: who sees no digest takes silence for peace.
        last = now - LOST_ROW_AGE
    if last is None:
        await claim.save(
            state=replace(state, checks_finished_at={**finished, FIRST_CHECK_KEY: now})
        )
        return "not due"
    if not is_digest_due(schedule, last, now):
        return "not due"
    await claim.ensure_held()
    result = await send_digest_card(world, configs, run_time, beside)
    if result == "sent":
        await claim.save(state=replace(state, checks_finished_at={**finished, SENT_KEY: now}))
    return result


async def send_digest_card(
    world: World, configs: Iterable[GuardConfig], run_time: timedelta, beside: BesideGuards
) -> str:
    """Send the digest: "sent", or "untold" if the channel did not accept it."""
    status = build_status(
        await load_all_guard_data(world.ledger, configs),
        world.now(),
        run_time,
        await load_shared_rows(world.ledger, world.now()),
        beside.containment,
        [channel.name for channel in world.channels],
        world.channel_faults,
        searches=beside.searches,
    )
    try:
        await world.notification_channel.send(build_digest_card(status, world.public_url))
    except NotificationError as error:
        log.error("the channel did not accept the weekly digest: %s", error)
        return "untold"
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
