"""Reads audit logs every few minutes, and lets guards look at what their records name.

    claim ─► read: directoryAudits, changed accounts, the activity feed
         ─► what each guard is to look at, new acts, how far each log was read ─► save in that order
         ─► look: run(config, world, targets) guard by guard ─► save what remains
         ─► search the audit log for causes, if that is on (core/jobs/audit_searches.py)

What is to be looked at is saved before anybody looks: a killed tick looks again, and nothing is
lost. A log that cannot be read keeps its place; the others go on. A record alone opens and ends
nothing (`core.engine.look`).
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.activity.hints import (
    add_mailboxes,
    build_looks,
    find_open_look,
    widen_look,
)
from core.activity.operations import SIGN_IN
from core.activity.options import ActivityOptions
from core.activity.progress import note_lags
from core.errors import FAILURES, ExoguardError, explain_error
from core.jobs.activity_acts import MAX_NAMES, find_understood_acts
from core.jobs.activity_looks import run_forwarding, take_looks
from core.jobs.activity_people import add_people
from core.jobs.activity_reading import Tick, read_logs
from core.jobs.audit_searches import search_for_causes
from core.model.activity import PendingLook
from core.model.guards import GuardConfig, Mode
from core.model.runs import RunReport
from core.ports import ACTIVITY_PARTITION, Claim, World
from core.tenant.activity import ActivityLog

log = logging.getLogger("exoguard.activity")

PURGE_KEY = "housekeeping"


@dataclass(frozen=True, slots=True)
class ActivityReport:
    """What one tick did."""

    status: str
    """done, busy while another tick is under way, or failed."""
    record_count: int = 0
    """How many new records concern a guard."""
    reports: tuple[RunReport, ...] = ()
    """The runs that it led to."""
    troubles: tuple[str, ...] = ()
    """Why a log could not be read, and which guards failed."""
    call_counts: Mapping[str, int] = field(default_factory=dict)

    def to_log_line(self) -> str:
        """The tick in one line of JSON, for monitoring."""
        return json.dumps(
            {
                "status": self.status,
                "records": self.record_count,
                "runs": [f"{report.guard}: {report.status}" for report in self.reports],
                "troubles": list(self.troubles),
                "calls": dict(self.call_counts),
            }
        )

    @property
    def shard_messages(self) -> list[str]:
        """The messages to put on the shard queue."""
        return [message for report in self.reports for message in report.shard_messages]


async def run_tick(
    read: Callable[[], Awaitable[ActivityReport]], go_on: Callable[[], Awaitable[str]]
) -> ActivityReport:
    """Read the logs, then go on with accounts that are being contained: neither waits for what the
    other fails at, be it by a mistake.

    Raises the error of either at the end; but messages for shards leave only with a tick that
    succeeds, so with some of them an error of the second is logged alone.
    """
    failure: Exception | None = None
    report = ActivityReport("failed")
    try:
        report = await read()
    except FAILURES as error:
        failure = error
    log.info("exoguard.activity %s", report.to_log_line())
    try:
        log.info("accounts: %s", await go_on())
    except FAILURES as error:
        trace = None if isinstance(error, ExoguardError) else error
        log.error("accounts: %s", explain_error(error), exc_info=trace)
        failure = failure or error
    if failure and not report.shard_messages:
        raise failure
    return report


async def read_activity(
    world: World, configs: Sequence[GuardConfig], options: ActivityOptions, run_id: str
) -> ActivityReport:
    """One tick. Raises LedgerError if the state is unreachable: then nothing was done."""
    async with world.ledger.claim(ACTIVITY_PARTITION, run_id) as claim:
        if claim is None:
            return ActivityReport("busy")
        tick = Tick(world, await world.ledger.load_activity(), world.now())
        await read_logs(tick, options)
        active = [config for config in configs if config.mode is not Mode.OFF]
        looks, record_count = await save_news(tick, claim, active)
        reports = await take_looks(tick, claim, active, looks, options)
        reports += await run_forwarding(tick, active, options, reports)
        searched = await search_for_causes(tick, claim, active, options, run_id)
        await purge_acts(world, claim, tick.now)
    return ActivityReport(
        "done",
        record_count,
        tuple(reports),
        (
            *(f"{one.name}: {one.error}" for one in tick.cursors.values() if one.error),
            *(f"{key}: cannot be decoded" for key in sorted(tick.state.unreadable)),
            *tick.troubles,
            *searched,
        ),
        world.call_counts(),
    )


# What is new --------------------------------------------------------------------------------------


async def save_news(
    tick: Tick, claim: Claim, configs: Sequence[GuardConfig]
) -> tuple[dict[str, PendingLook], int]:
    """Save what is to be looked at, then the new acts, then how far the logs were read.

    They may need several transactions, and what is known or read leads to no look any more.
    """
    found = await find_understood_acts(tick)
    news, resolved, acts = found.records, found.resolved, found.acts
    new_keys = found.new_keys
    for feed in ActivityLog:
        if feed in tick.cursors:
            lagged = [one.at for one in acts if one.log is feed and one.key in new_keys]
            tick.cursors[feed] = note_lags(tick.cursors[feed], lagged, tick.now)
    names = {config.guard.name for config in configs}
    started = {feed: tick.get_cursor(feed).started_at for feed in ActivityLog}
    looks = build_looks(news, resolved, tick.state.looks, started, tick.now)
    looks = await add_changed_accounts(tick, looks)
    looks = await add_people(tick, looks, news, configs)
    for guard in tick.whole_guards | set(list_lost_looks(tick)):
        looks[guard] = widen_look(find_open_look(looks, guard, tick.now), tick.now)
    looks = {name: look for name, look in looks.items() if name in names}
    changed = [look for name, look in looks.items() if look != tick.state.looks.get(name)]
    await claim.save(*changed, *acts, *tick.cursors.values())
    return looks, len(news)


def list_lost_looks(tick: Tick) -> list[str]:
    """The guards of looks that wait and cannot be decoded: they look at everything."""
    guards = [key.removeprefix("look|") for key in tick.state.unreadable if key.startswith("look|")]
    for guard in guards:
        log.error("%s: what it was to look at cannot be decoded: it runs in full", guard)
    return sorted(guards)


async def add_changed_accounts(tick: Tick, looks: dict[str, PendingLook]) -> dict[str, PendingLook]:
    """The looks with the mailboxes of accounts that were enabled or disabled."""
    if not tick.accounts:
        return looks
    look = find_open_look(looks, SIGN_IN, tick.now)
    read = await tick.world.tenant.mailboxes.find_mailboxes(tick.accounts[:MAX_NAMES])
    look = add_mailboxes(look, (one.mailbox for one in read.items), tick.now)
    tick.mailboxes |= {one.mailbox.guid: one.mailbox for one in read.items}
    is_cut = len(tick.accounts) > MAX_NAMES or bool(read.failures)
    return {**looks, SIGN_IN: widen_look(look, tick.now) if is_cut else look}


async def purge_acts(world: World, claim: Claim, now: datetime) -> None:
    """Remove acts of more than eight days, once a day."""
    state = await world.ledger.load_state(ACTIVITY_PARTITION)
    last = state.checks_finished_at.get(PURGE_KEY)
    if last and abs(now - last) < timedelta(days=1):
        return
    await world.ledger.purge_acts(now)
    done = {**state.checks_finished_at, PURGE_KEY: now}
    await claim.save(state=replace(state, checks_finished_at=done))
