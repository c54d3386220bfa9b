"""How far a log has been read, what was lost of it, and how late its records come. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from core.activity.operations import ENTRA_OPERATIONS, EXCHANGE_OPERATIONS
from core.microsoft365.assumptions.activity import AUDIT_LATE
from core.model.activity import LAG_BOUNDS, ActivityCursor, RefusedContent
from core.model.state import MAX_TIME_AHEAD
from core.tenant.activity import ActivityContent, ActivityLog

RELIES_ON = (AUDIT_LATE,)

OPERATIONS_BY_LOG = {
    ActivityLog.DIRECTORY: ENTRA_OPERATIONS,
    ActivityLog.EXCHANGE: EXCHANGE_OPERATIONS,
}
# Rows that are stamped earlier appear behind what was read (wazuh/wazuh#24323).
OVERLAP = timedelta(minutes=60)
# The feed lists content of the last seven days only, in windows of at most a day.
LISTED_FOR = timedelta(days=7) - timedelta(minutes=30)
WINDOW = timedelta(hours=24)
SWEEP_INTERVAL = timedelta(days=1)
SWEPT = timedelta(days=7)
FIRST_LOOK_BACK = timedelta(days=1)
# So long a new subscription may serve nothing (office-365-management-api: up to 12 hours).
WARM_UP = timedelta(hours=24)
MAX_READ_CONTENTS = 20_000
"""More than an overlap of an hour lists in a large tenant; they fit one row of the table."""
MAX_REFUSED = 30
MAX_BROKEN = 500
# So much is left out where more happened at one moment than a reading holds.
SKIPPED = timedelta(minutes=1)
MAX_CONTENT_ID = 200
MAX_ATTEMPTS = 288
"""How often one refused content is asked for again: a day of ticks."""
KEEP_LAG_DAYS = 7


def start_cursor(name: str, now: datetime) -> ActivityCursor:
    """The cursor of a log that was never read: it begins a day ago, for causes."""
    return ActivityCursor(name, started_at=now, through=now - FIRST_LOOK_BACK)


def restart_cursor(name: str, now: datetime) -> ActivityCursor:
    """The cursor of a log whose row cannot be decoded or believed. Nobody knows how far it was
    read, so all of a week is read again, and leads to looks again; what is known is found to be.
    """
    return ActivityCursor(name, now - SWEPT, now - LISTED_FOR, restarted_at=now)


def is_believable(cursor: ActivityCursor, now: datetime) -> bool:
    """Whether a cursor can be right. One that lies ahead would hide what nobody read, and one that
    began ahead would let nothing lead to a look.
    """
    latest = now + MAX_TIME_AHEAD
    return all(at <= latest for at in (cursor.through, cursor.started_at, cursor.read_at or now))


def get_audit_start(cursor: ActivityCursor, now: datetime) -> datetime:
    """From when on the directory's log is read: with an overlap, for at most a week."""
    return max(min(cursor.through, now) - OVERLAP, now - SWEPT)


def start_sweep(cursor: ActivityCursor, now: datetime) -> ActivityCursor:
    """The cursor with a week to be read again once a day, for records that came late. A time ahead
    came from a wrong clock.
    """
    is_due = cursor.swept_at is None or abs(now - cursor.swept_at) >= SWEEP_INTERVAL
    if cursor.sweep_until or not is_due:
        return cursor
    return replace(cursor, sweep_until=get_audit_start(cursor, now), swept_at=now)


def note_swept(cursor: ActivityCursor, left: datetime | None, now: datetime) -> ActivityCursor:
    """The cursor after a part of the week was read; `left` is up to when it is still to be."""
    if left is None or left <= now - SWEPT:
        return replace(cursor, sweep_until=None)
    if cursor.sweep_until and left >= cursor.sweep_until:
        # Too many records of one moment: what is older must not wait for them.
        left = cursor.sweep_until - SKIPPED
        cursor = replace(cursor, gap_from=left, gap_until=cursor.sweep_until)
    return replace(cursor, sweep_until=left)


def list_windows(cursor: ActivityCursor, now: datetime) -> list[tuple[datetime, datetime]]:
    """The windows of content to list, oldest first; none is longer than a day."""
    start = min(cursor.through, now) - OVERLAP
    if not cursor.read_contents and now - cursor.started_at < WARM_UP:
        # The first content comes late, and holds what happened before anybody subscribed.
        start = min(start, now - WINDOW)
    start = max(start, now - LISTED_FOR)
    found = []
    while start < now:
        end = min(start + WINDOW, now)
        found.append((start, end))
        start = end
    return found


def note_gap(
    cursor: ActivityCursor, now: datetime, kept_for: timedelta = LISTED_FOR
) -> ActivityCursor:
    """The cursor, with the time that is not read any more and nobody has read."""
    kept_from = now - kept_for
    if cursor.through >= kept_from:
        return cursor
    return replace(cursor, gap_from=cursor.through, gap_until=kept_from)


def note_unsubscribed(cursor: ActivityCursor, now: datetime) -> ActivityCursor:
    """The cursor of a log that had to be subscribed to. If it was before, somebody ended that, and
    what was made meanwhile is not served.
    """
    if not cursor.read_contents:
        return cursor
    return replace(cursor, gap_from=cursor.through, gap_until=now)


def hash_content(content_id: str) -> str:
    """A content's id as it is remembered."""
    return sha256(content_id.encode("utf-8", "replace")).hexdigest()[:12]


def select_unread(
    cursor: ActivityCursor, contents: Iterable[ActivityContent]
) -> list[ActivityContent]:
    """The contents that were not read, nor refused, oldest first and each once."""
    seen = set(cursor.read_contents) | {hash_content(one.id) for one in cursor.refused}
    found = {one.id: one for one in contents if hash_content(one.id) not in seen}
    return sorted(found.values(), key=lambda one: (one.created_at, one.id))


def note_read(
    cursor: ActivityCursor, contents: Sequence[ActivityContent], through: datetime
) -> ActivityCursor:
    """The cursor after some contents were read, and everything before a time."""
    hashes = (*cursor.read_contents, *(hash_content(one.id) for one in contents))
    read_ids = {one.id for one in contents}
    return replace(
        cursor,
        through=max(cursor.through, through),
        read_contents=hashes[-MAX_READ_CONTENTS:],
        refused=tuple(one for one in cursor.refused if one.id not in read_ids),
    )


def note_refused(cursor: ActivityCursor, content: ActivityContent) -> ActivityCursor:
    """The cursor with one more content that was refused; it holds up nothing else."""
    known = {one.id: one for one in cursor.refused}
    before = known.get(content.id)
    attempts = before.attempts + 1 if before else 1
    known[content.id] = RefusedContent(content.id, content.created_at, content.expires_at, attempts)
    return replace(cursor, refused=tuple(known.values()))


def note_postponed(cursor: ActivityCursor, content: ActivityContent) -> ActivityCursor:
    """The cursor with a content put behind all others, since it failed without being refused.

    It counts as no attempt. With MAX_REFUSED of them it stays where it is: nothing is lost.
    """
    known = {one.id: one for one in cursor.refused}
    one = known.pop(content.id, None)
    if one is None and len(known) >= MAX_REFUSED:
        return cursor
    last = one or RefusedContent(content.id, content.created_at, content.expires_at, attempts=0)
    return replace(cursor, refused=(*known.values(), last))


def drop_hopeless(cursor: ActivityCursor, now: datetime) -> ActivityCursor:
    """The cursor without refused contents that expired or were asked for too often: lost."""
    kept = [
        one
        for one in cursor.refused
        if one.expires_at > now and one.attempts < MAX_ATTEMPTS and len(one.id) <= MAX_CONTENT_ID
    ][-MAX_REFUSED:]
    lost = len(cursor.refused) - len(kept)
    return replace(cursor, refused=tuple(kept), lost_count=cursor.lost_count + lost)


def note_broken(cursor: ActivityCursor, ids: Iterable[str]) -> ActivityCursor:
    """The cursor with records that could not be understood, each counted once."""
    new = [one for one in dict.fromkeys(ids) if one not in cursor.broken]
    if not new:
        return cursor
    return replace(
        cursor,
        broken=(*cursor.broken, *new)[-MAX_BROKEN:],
        broken_count=cursor.broken_count + len(new),
    )


def note_success(cursor: ActivityCursor, now: datetime) -> ActivityCursor:
    """The cursor of a log that was read."""
    return replace(cursor, read_at=now, error="", failed_since=None)


def note_failure(cursor: ActivityCursor, reason: str, now: datetime) -> ActivityCursor:
    """The cursor of a log that could not be read."""
    return replace(cursor, error=reason[:300], failed_since=cursor.failed_since or now)


# Lag ----------------------------------------------------------------------------------------------


def note_lags(cursor: ActivityCursor, times: Iterable[datetime], now: datetime) -> ActivityCursor:
    """The cursor with how late some new records came; those of before it began say nothing."""
    counts = [0] * (len(LAG_BOUNDS) + 1)
    for at in times:
        if at >= cursor.started_at:
            lag = max((now - at).total_seconds(), 0.0)
            counts[sum(bound < lag for bound in LAG_BOUNDS)] += 1
    if not any(counts):
        return cursor
    day = f"{now:%Y-%m-%d}"
    before = cursor.lags.get(day, ())
    whole = [*before, *([0] * (len(counts) - len(before)))]
    lags = {**cursor.lags, day: tuple(a + b for a, b in zip(whole, counts, strict=True))}
    kept = sorted(lags)[-KEEP_LAG_DAYS:]
    return replace(cursor, lags={name: lags[name] for name in kept})


def find_search_times(cursors: Mapping[str, ActivityCursor]) -> dict[str, datetime]:
    """By guard, until when the logs that would tell of its objects were read. One that is behind
    counts as far as it has come.
    """
    found: dict[str, datetime] = {}
    for log, table in OPERATIONS_BY_LOG.items():
        cursor = cursors.get(log)
        if cursor and cursor.read_at:
            until = min(cursor.read_at, cursor.through)
            for guard in {watch.guard for watches in table.values() for watch in watches}:
                found[guard] = min(until, found.get(guard, until))
    return found
