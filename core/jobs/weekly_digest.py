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

from core.errors import AlertError
from core.model.guards import Duty
from core.ncrontab import Cron
from core.notifications.digest_card import digest
from core.ports import World
from core.status.guard_status import RUN_MINUTES
from core.status.load import standings
from core.status.overview import status

log = logging.getLogger("exoguard.weekly")

PARTITION = "digest"
SENT = "weekly-digest"
# Where nothing was ever sent, the weeks are counted from when somebody first asked.
BEGUN = "begun"
# A timer may come this much before its time.
EARLY = timedelta(minutes=1)


async def weekly(
    world: World, duties: Iterable[Duty], schedule: str, run: str, minutes: float = RUN_MINUTES
) -> str:
    """Send the week's card if it is due: "sent", "not due", "busy", or "untold" for the next hour.

    `minutes` is how long a run may take. Raises LedgerError when the state cannot be reached.
    """
    async with world.ledger.claim(PARTITION, run) as claim:
        if claim is None:
            return "busy"
        state, now = (await claim.recall()).state, world.now()
        last = state.sweeps.get(SENT) or state.sweeps.get(BEGUN)
        if last is None:
            await claim.save(state=replace(state, sweeps={**state.sweeps, BEGUN: now}))
            return "not due"
        if not due(schedule, last, now):
            return "not due"
        known = status(await standings(world.ledger, duties), now, minutes)
        await claim.check()
        try:
            await world.alerts.send(digest(known, world.address))
        except AlertError as error:
            log.error("the week's card was not taken: %s", error)
            return "untold"
        await claim.save(state=replace(state, sweeps={**state.sweeps, SENT: now}))
        return "sent"


def due(schedule: str, last: datetime, now: datetime) -> bool:
    """True when the schedule has come to a moment that no card was sent for.

    A card that is said to have been sent tomorrow was not.
    """
    return last > now + EARLY or Cron.parse(schedule).next(last + EARLY) <= now + EARLY
