"""Reads audit logs every few minutes, and lets guards look at what their records name.

    claim ─► read: directoryAudits, changed accounts, the activity feed
         ─► what each guard is to look at, new acts, how far each log was read ─► save in that order
         ─► look: run(config, world, targets) guard by guard ─► save what remains

What is to be looked at is saved before anybody looks: a killed tick looks again, and nothing is
lost. A log that cannot be read keeps its place; the others go on. A record alone opens and ends
nothing (`core.engine.look`).
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.activity.hints import (
    Resolved,
    add_mailboxes,
    build_act,
    build_looks,
    find_open_look,
    is_look_over,
    is_look_settled,
    iter_due_looks,
    list_concerns,
    list_mailbox_names,
    list_news,
    merge_new_acts,
    note_attempt,
    widen_look,
)
from core.activity.operations import (
    ENTRA_OPERATIONS,
    EXCHANGE_OPERATIONS,
    FORWARDING,
    SIGN_IN,
    list_feed_names,
)
from core.activity.options import ActivityOptions
from core.activity.progress import (
    drop_hopeless,
    get_audit_start,
    is_sweep_due,
    list_windows,
    note_failure,
    note_gap,
    note_lags,
    note_postponed,
    note_read,
    note_refused,
    note_success,
    select_unread,
    start_cursor,
)
from core.engine.run import create_run_id, run
from core.errors import ExoguardError
from core.model.activity import Act, ActivityCursor, PendingLook
from core.model.guards import GuardConfig, Mode
from core.model.requests import RunOptions
from core.model.runs import RunReport
from core.ports import ACTIVITY_PARTITION, ActivityState, Claim, World
from core.tenant.activity import ActivityContent, ActivityLog, ActivityRecord
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure
from core.tenant.sources import CHANGED_ACCOUNTS, UNIFIED_AUDIT_LOG

log = logging.getLogger("exoguard.activity")

FEED_OPERATIONS: Mapping[ActivityLog, tuple[str, ...]] = {
    ActivityLog.EXCHANGE: tuple(list_feed_names(EXCHANGE_OPERATIONS)),
    ActivityLog.ENTRA_FEED: tuple(list_feed_names(ENTRA_OPERATIONS)),
}
# A tick that is behind catches up over several ticks.
MAX_CONTENTS = 400
MAX_NAMES = 400
MAX_ROUNDS = 3
PURGE_KEY = "housekeeping"
# In a tenant with more mailboxes than SHARD_ABOVE, full runs because of records are this far apart.
LARGE_TENANT_PAUSE = timedelta(hours=1)
# A full run that ended so lately makes another one for nothing needless.
FORWARDING_PAUSE = timedelta(minutes=4)


@dataclass(slots=True)
class Tick:
    """One reading of all logs."""

    world: World
    state: ActivityState
    now: datetime
    cursors: dict[str, ActivityCursor] = field(default_factory=dict)
    """The cursors as far as this tick has come."""
    records: list[ActivityRecord] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    """The ids of accounts that were enabled or disabled."""
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    """Mailboxes that were looked up, by Exchange's id."""
    whole_guards: set[str] = field(default_factory=set)
    """The guards that are to run in full, whatever records say."""

    def get_cursor(self, name: str) -> ActivityCursor:
        """The cursor of a log, new at its first reading."""
        return (
            self.cursors.get(name) or self.state.cursors.get(name) or start_cursor(name, self.now)
        )


@dataclass(frozen=True, slots=True)
class ActivityReport:
    """What one tick did."""

    status: str
    """done, or busy while another tick is under way."""
    record_count: int = 0
    """How many new records concern a guard."""
    reports: tuple[RunReport, ...] = ()
    """The runs that it led to."""
    troubles: tuple[str, ...] = ()
    """Why a log could not be read."""
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
        await purge_acts(world, claim, tick.now)
    return ActivityReport(
        "done",
        record_count,
        tuple(reports),
        tuple(f"{one.name}: {one.error}" for one in tick.cursors.values() if one.error),
        world.call_counts(),
    )


# Reading ------------------------------------------------------------------------------------------


async def read_logs(tick: Tick, options: ActivityOptions) -> None:
    """Read every log as far as it can be read."""
    await read_directory(tick)
    if options.reads_accounts:
        await read_accounts(tick)
    is_known = any(name in tick.state.cursors for name in FEED_OPERATIONS)
    granted = await tick.world.tenant.activity.is_feed_granted() if options.feed == "auto" else None
    if options.feed == "on" or (options.feed == "auto" and (granted or is_known)):
        for feed in FEED_OPERATIONS:
            await read_feed(tick, feed)


async def read_directory(tick: Tick) -> None:
    """The directory's records since the last reading, with an overlap."""
    cursor = tick.get_cursor(ActivityLog.DIRECTORY)
    sweeps = is_sweep_due(cursor, tick.now)
    read = await tick.world.tenant.activity.read_directory_audits(
        get_audit_start(cursor, tick.now), tuple(ENTRA_OPERATIONS)
    )
    tick.records += read.items
    whole = next((one for one in read.failures if not one.object_id), None)
    if whole:
        cursor = note_failure(cursor, whole.reason, tick.now)
    else:
        swept = tick.now if sweeps else cursor.swept_at
        cursor = replace(note_success(cursor, tick.now), through=tick.now, swept_at=swept)
    tick.cursors[cursor.name] = cursor


async def read_accounts(tick: Tick) -> None:
    """Which accounts were enabled or disabled. After a link died, any may have been."""
    cursor = tick.get_cursor(CHANGED_ACCOUNTS)
    read = await tick.world.tenant.activity.read_changed_accounts(cursor.link)
    if read.failures or not read.items:
        reason = read.failures[0].reason if read.failures else "no answer"
        tick.cursors[cursor.name] = note_failure(cursor, reason, tick.now)
        return
    (changed,) = read.items
    tick.accounts += changed.ids
    if changed.has_restarted:
        tick.whole_guards.add(SIGN_IN)
    cursor = replace(note_success(cursor, tick.now), link=changed.link, through=tick.now)
    tick.cursors[cursor.name] = cursor


async def read_feed(tick: Tick, feed: ActivityLog) -> None:
    """The content of a log that was not read yet, and again what was refused before."""
    cursor = note_gap(tick.get_cursor(feed), tick.now)
    listed: list[ActivityContent] = []
    for start, end in list_windows(cursor, tick.now):
        reading = await tick.world.tenant.activity.list_content(feed, start, end)
        listed += reading.items
        if failure := next((one for one in reading.failures if not one.object_id), None):
            tick.cursors[feed] = note_feed_failure(tick, cursor, failure)
            return
    refused = [ActivityContent(one.id, one.created_at, one.expires_at) for one in cursor.refused]
    unread = select_unread(cursor, listed)
    for content in unread[:MAX_CONTENTS]:
        cursor, failure = await read_one_content(tick, feed, cursor, content)
        if failure and not failure.object_id:
            # One that fails at each tick must not hold up the others.
            cursor = note_postponed(cursor, content) if cursor.error else cursor
            tick.cursors[feed] = note_feed_failure(tick, cursor, failure)
            return
    for content in refused:
        cursor, failure = await read_one_content(tick, feed, cursor, content)
        if failure and not failure.object_id:
            cursor = note_postponed(cursor, content)
            break
    left = unread[MAX_CONTENTS:]
    through = left[0].created_at if left else tick.now
    cursor = drop_hopeless(note_read(cursor, (), through), tick.now)
    tick.cursors[feed] = note_success(cursor, tick.now)


async def read_one_content(
    tick: Tick, feed: ActivityLog, cursor: ActivityCursor, content: ActivityContent
) -> tuple[ActivityCursor, ReadFailure | None]:
    """The cursor after one content. One that is refused is a gap of its own."""
    read = await tick.world.tenant.activity.read_content(feed, content, FEED_OPERATIONS[feed])
    tick.records += read.items
    for failure in read.failures:
        if failure.object_id == content.id:
            return note_refused(cursor, content), failure
        if not failure.object_id:
            return cursor, failure
    return note_read(cursor, (content,), cursor.through), None


def note_feed_failure(tick: Tick, cursor: ActivityCursor, failure: ReadFailure) -> ActivityCursor:
    """The cursor of a feed that was not read. A log that is off is for its guard to see at once."""
    if failure.permission == UNIFIED_AUDIT_LOG and not cursor.error:
        tick.whole_guards.add("mailbox-audit")
    return note_failure(drop_hopeless(cursor, tick.now), failure.reason, tick.now)


# What is new --------------------------------------------------------------------------------------


async def save_news(
    tick: Tick, claim: Claim, configs: Sequence[GuardConfig]
) -> tuple[dict[str, PendingLook], int]:
    """Save what is to be looked at, then the new acts, then how far the logs were read.

    They may need several transactions, and what is known or read leads to no look any more.
    """
    relevant = [record for record in tick.records if list_concerns(record)]
    known: tuple[Act, ...] = ()
    if relevant:
        times = [record.at for record in relevant]
        known = await tick.world.ledger.load_acts(min(times), max(times))
    news = list_news(relevant, known)
    resolved = await resolve_mailboxes(tick, news)
    acts = merge_new_acts(
        (build_act(one, list_concerns(one), resolved, tick.now) for one in news), known
    )
    new_keys = {act.key for act in acts} - {act.key for act in known}
    for feed in ActivityLog:
        if feed in tick.cursors:
            lagged = [one.at for one in acts if one.log is feed and one.key in new_keys]
            tick.cursors[feed] = note_lags(tick.cursors[feed], lagged, tick.now)
    names = {config.guard.name for config in configs}
    started = {feed: tick.get_cursor(feed).started_at for feed in ActivityLog}
    looks = build_looks(news, resolved, tick.state.looks, started, tick.now)
    looks = await add_changed_accounts(tick, looks)
    for guard in tick.whole_guards:
        looks[guard] = widen_look(find_open_look(looks, guard, tick.now), tick.now)
    looks = {name: look for name, look in looks.items() if name in names}
    changed = [look for name, look in looks.items() if look != tick.state.looks.get(name)]
    await claim.save(*changed, *acts, *tick.cursors.values())
    return looks, len(news)


async def resolve_mailboxes(tick: Tick, records: Sequence[ActivityRecord]) -> Resolved:
    """Look up the mailboxes that records name, by the surest name first."""
    wanted = list_mailbox_names(records)
    by_name: dict[str, Mailbox] = {}
    unread: set[str] = set()
    for number in range(MAX_ROUNDS):
        asked = {
            key: names[number]
            for key, names in wanted.items()
            if key not in by_name and len(names) > number
        }
        if not asked:
            break
        batch = sorted(set(asked.values()))[:MAX_NAMES]
        read = await tick.world.tenant.mailboxes.find_mailboxes(batch)
        found = {one.name: one.mailbox for one in read.items}
        lost = {failure.object_id for failure in read.failures} | set(asked.values()) - set(batch)
        by_name |= {key: found[name] for key, name in asked.items() if name in found}
        tick.mailboxes |= {box.guid: box for box in found.values()}
        unread |= {key for key, name in asked.items() if name in lost or "" in lost}
    return Resolved(by_name, frozenset(unread - by_name.keys()))


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


# Looking ------------------------------------------------------------------------------------------


async def take_looks(
    tick: Tick,
    claim: Claim,
    configs: Sequence[GuardConfig],
    looks: Mapping[str, PendingLook],
    options: ActivityOptions,
) -> list[RunReport]:
    """Let each guard look at what waits. What it could not look at waits for the next tick."""
    by_name = {config.guard.name: config for config in configs}
    reports: list[RunReport] = []
    for look in iter_due_looks(looks):
        if tick.world.budget_used() >= 1:
            break
        config = by_name[look.guard]
        report = await take_look(tick, config, look, options)
        if report is None:
            continue
        reports += [report] if report.status != "settled" else []
        taken = PendingLook(look.guard, tick.now)
        await claim.save(taken if is_look_over(report) else note_attempt(look))
    return [report for report in reports if report.status != "busy"]


async def take_look(
    tick: Tick, config: GuardConfig, look: PendingLook, options: ActivityOptions
) -> RunReport | None:
    """One guard's look; None if it has to wait."""
    world, run_id = tick.world, create_run_id(tick.world.now())
    is_whole = look.is_whole or config.guard.look_at is None
    if is_whole:
        state = await world.ledger.load_state(config.guard.name)
        scanned_at = state.checks_finished_at.get("looked")
        if is_look_settled(replace(look, is_whole=True), scanned_at, world.now()):
            return build_settled_report(config, world, run_id)
        is_large = (state.population or 0) > options.shard_above
        if is_large and scanned_at and abs(tick.now - scanned_at) < LARGE_TENANT_PAUSE:
            return None
    targets, unread_count = ((), 0) if is_whole else await load_mailboxes(tick, look.guids)
    if not is_whole and not targets:
        status = "busy" if unread_count else "settled"
        return replace(build_settled_report(config, world, run_id), status=status)
    try:
        report = await run(config, world, RunOptions(run_id, targets=targets))
        return replace(report, unread_count=report.unread_count + unread_count)
    except ExoguardError as error:
        log.error("%s: the look that records led to failed: %s", config.guard.name, error)
        return replace(build_settled_report(config, world, run_id), status="busy")


async def load_mailboxes(tick: Tick, guids: Sequence[str]) -> tuple[tuple[Mailbox, ...], int]:
    """The mailboxes of a look, without those gone since; and how many could not be read."""
    unknown = [guid for guid in guids if guid not in tick.mailboxes]
    lost: set[str] = set()
    if unknown:
        read = await tick.world.tenant.mailboxes.read_mailboxes(unknown)
        tick.mailboxes |= {box.guid: box for box in read.items}
        failed = {failure.object_id for failure in read.failures}
        lost = {guid for guid in unknown if guid not in tick.mailboxes and failed & {guid, ""}}
    return tuple(tick.mailboxes[guid] for guid in guids if guid in tick.mailboxes), len(lost)


def build_settled_report(config: GuardConfig, world: World, run_id: str) -> RunReport:
    """The report of a look that a full run has made needless."""
    return RunReport(
        guard=config.guard.name,
        title=config.guard.title,
        noun=config.guard.noun,
        run=run_id,
        mode=config.mode,
        started_at=world.now(),
        status="settled",
    )


async def run_forwarding(
    tick: Tick,
    configs: Sequence[GuardConfig],
    options: ActivityOptions,
    reports: Iterable[RunReport],
) -> list[RunReport]:
    """Run mailbox-forwarding at this tick in a tenant that is not too large for it.

    The state itself is quicker than any record of it: this needs no other permission.
    """
    config = next((one for one in configs if one.guard.name == FORWARDING), None)
    has_run = any(one.guard == FORWARDING and one.status == "done" for one in reports)
    if config is None or not options.runs_forwarding or has_run or tick.world.budget_used() >= 0.5:
        return []
    state = await tick.world.ledger.load_state(FORWARDING)
    last = state.checks_finished_at.get("looked")
    is_known = state.population is not None and last is not None and state.scan_pass is None
    if not is_known or (state.population or 0) > options.shard_above:
        return []
    if last and abs(tick.now - last) < FORWARDING_PAUSE:
        return []
    try:
        report = await run(config, tick.world, RunOptions(create_run_id(tick.world.now())))
    except ExoguardError as error:
        log.error("%s: the run of this tick failed: %s", FORWARDING, error)
        return []
    return [report] if report.status != "busy" else []


async def purge_acts(world: World, claim: Claim, now: datetime) -> None:
    """Remove acts of more than eight days, once a day."""
    state = await world.ledger.load_state(ACTIVITY_PARTITION)
    last = state.checks_finished_at.get(PURGE_KEY)
    if last and abs(now - last) < timedelta(days=1):
        return
    await world.ledger.purge_acts(now)
    done = {**state.checks_finished_at, PURGE_KEY: now}
    await claim.save(state=replace(state, checks_finished_at=done))
