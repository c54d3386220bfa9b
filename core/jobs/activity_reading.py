"""Reads the audit logs of one tick, each as far as it can be read.

A log that cannot be read keeps its place; the others go on.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from core.activity.operations import (
    ENTRA_OPERATIONS,
    EXCHANGE_OPERATIONS,
    SIGN_IN,
)
from core.activity.options import ActivityOptions
from core.activity.progress import (
    SWEPT,
    drop_hopeless,
    get_audit_start,
    is_believable,
    list_windows,
    note_broken,
    note_failure,
    note_gap,
    note_postponed,
    note_read,
    note_refused,
    note_success,
    note_swept,
    note_unsubscribed,
    restart_cursor,
    select_unread,
    start_cursor,
    start_sweep,
)
from core.errors import ExoguardError, explain_error
from core.model.activity import ActivityCursor
from core.ports import ActivityState, World
from core.tenant.activity import BROKEN_PREFIX, ActivityContent, ActivityLog, ActivityRecord
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import CHANGED_ACCOUNTS, UNIFIED_AUDIT_LOG

log = logging.getLogger("exoguard.activity")

FEED_OPERATIONS: Mapping[ActivityLog, tuple[str, ...]] = {
    ActivityLog.EXCHANGE: tuple(EXCHANGE_OPERATIONS),
    ActivityLog.ENTRA_FEED: tuple(ENTRA_OPERATIONS),
}
# A tick that is behind catches up over several ticks.
MAX_CONTENTS = 400


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
    troubles: list[str] = field(default_factory=list)
    """Which guards failed, and why."""

    def note_failed_guard(self, guard: str, what: str, error: Exception) -> None:
        """Keep what failed of one guard, and log it: the others go on, so nothing else tells."""
        reason = f"{guard}: {what}: {explain_error(error)}"
        log.error("%s", reason, exc_info=None if isinstance(error, ExoguardError) else error)
        self.troubles.append(reason)

    def get_cursor(self, name: str) -> ActivityCursor:
        """The cursor of a log, new at its first reading, and anew where its row means nothing."""
        known = self.cursors.get(name) or self.state.cursors.get(name)
        if known is None and f"cursor|{name}" in self.state.unreadable:
            log.error("%s: how far it was read cannot be decoded: a week is read again", name)
            return restart_cursor(name, self.now)
        if known and not is_believable(known, self.now):
            log.error("%s: how far it was read lies ahead of now: a week is read again", name)
            return restart_cursor(name, self.now)
        return known or start_cursor(name, self.now)


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
    """The directory's records since the last reading, with an overlap; once a day, those of a week.

    What one reading does not hold is left to that sweep, a reading a tick: so the log counts as
    read up to now however much happened, and nothing of it waits for ever.
    """
    known = note_gap(tick.get_cursor(ActivityLog.DIRECTORY), tick.now, SWEPT)
    cursor = start_sweep(known, tick.now)
    start = get_audit_start(cursor, tick.now)
    cursor, left = await read_audits(tick, cursor, start, None)
    if not cursor.error:
        cursor = replace(note_success(cursor, tick.now), through=tick.now)
        if left:
            cursor = replace(cursor, sweep_until=left)
        elif cursor.sweep_until:
            week = tick.now - SWEPT
            swept, left = await read_audits(tick, cursor, week, cursor.sweep_until)
            cursor = cursor if swept.error else note_swept(swept, left, tick.now)
    tick.cursors[cursor.name] = cursor


async def read_audits(
    tick: Tick, cursor: ActivityCursor, since: datetime, until: datetime | None
) -> tuple[ActivityCursor, datetime | None]:
    """One reading of the directory's log: the cursor after it, and up to when more is to be read.

    The cursor has an error if the log could not be read.
    """
    read = await tick.world.tenant.activity.read_directory_audits(
        since, tuple(ENTRA_OPERATIONS), until
    )
    tick.records += read.items
    cursor = note_broken(cursor, list_broken(read))
    if whole := next((one for one in read.failures if not one.object_id), None):
        return note_failure(cursor, whole.reason, tick.now), None
    left = datetime.fromisoformat(read.continuation) if read.continuation else None
    return replace(cursor, error=""), left


def list_broken(reading: Reading[Any]) -> list[str]:
    """The records of a reading that could not be understood."""
    return [one.object_id for one in reading.failures if one.object_id.startswith(BROKEN_PREFIX)]


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
    if changed.has_restarted or cursor.restarted_at == tick.now:
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
        cursor = note_broken(cursor, list_broken(reading))
        if failure := next((one for one in reading.failures if not one.object_id), None):
            tick.cursors[feed] = note_feed_failure(tick, cursor, failure)
            return
        if not reading.complete:
            cursor = note_unsubscribed(cursor, tick.now)
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
    cursor = note_broken(cursor, list_broken(read))
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
