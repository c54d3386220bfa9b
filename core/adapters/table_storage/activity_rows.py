"""The rows of what is kept of audit records: how far logs are read, looks that wait, acts."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from azure.data.tables import TableEntity

from core.adapters.table_storage.codec import decode_stored_record
from core.adapters.table_storage.entities import (
    SCHEMA_VERSION,
    get_activity_key,
    get_search_key,
)
from core.adapters.table_storage.row_texts import get_row_text
from core.adapters.table_storage.state_table import StateTable
from core.keys import format_act_hour
from core.model.activity import Act, ActivityCursor, PendingLook
from core.model.audit_queries import AuditSearch, CauseWish
from core.ports import ACTIVITY_PARTITION, MAX_ACTS, ActivityRow, ActivityState

log = logging.getLogger("exoguard.ledger")

HOUR = timedelta(hours=1)


async def load_activity_state(table: StateTable) -> ActivityState:
    """Load how far the logs have been read and what waits, with the keys of the rows that cannot
    be decoded.
    """
    unreadable = set[str]()
    # Between them is only the lease; the acts come before.
    rows = await table.query_key_range(ACTIVITY_PARTITION, "cursor|", "wish}")
    by_kind: defaultdict[str, list[TableEntity]] = defaultdict(list)
    for row in rows:
        by_kind[str(row["RowKey"]).partition("|")[0]].append(row)
    cursors = decode_rows(ActivityCursor, by_kind["cursor"], unreadable)
    looks = decode_rows(PendingLook, by_kind["look"], unreadable)
    # A wish or a search that cannot be decoded costs a cause, and nothing else.
    searches = decode_rows(AuditSearch, by_kind["search"], set())
    wishes = decode_rows(CauseWish, by_kind["wish"], set())
    return ActivityState(
        {cursor.name: cursor for cursor in cursors},
        {look.guard: look for look in looks},
        frozenset(unreadable),
        {search.key: search for search in searches},
        {wish.guard: wish for wish in wishes},
    )


async def load_searches(table: StateTable, partition: str) -> dict[str, AuditSearch]:
    """Load the searches of the audit log in a partition, without those that cannot be decoded."""
    rows = await table.query_key_range(partition, "search|", "search}")
    return {one.key: one for one in decode_rows(AuditSearch, rows, set())}


def decode_rows[R: ActivityRow | AuditSearch](
    record_type: type[R], rows: Iterable[TableEntity], unreadable: set[str]
) -> list[R]:
    """Decode rows of one kind; the keys of those that cannot be are added to a set."""
    found: list[R] = []
    for entity in rows:
        try:
            if entity.get("v") != SCHEMA_VERSION:
                raise ValueError("another schema")
            row = decode_stored_record(record_type, get_row_text(entity, "body"))
            key = get_search_key(row) if isinstance(row, AuditSearch) else get_activity_key(row)
            if key != entity["RowKey"]:
                raise ValueError("the body of another row")
            found.append(row)
        except (ValueError, KeyError) as error:
            log.warning("row %s: %s", entity["RowKey"][:48], error)
            unreadable.add(entity["RowKey"])
    return found


async def load_acts(table: StateTable, since: datetime, until: datetime) -> tuple[Act, ...]:
    """Load the acts of some hours, oldest first, without rows that cannot be decoded.

    Of more than MAX_ACTS only the newest are loaded. Keys sort by the hour, oldest first, so where
    there are too many, the later half of the time is read first. In a single hour with too many
    it does not matter which of them are left out.
    """
    first, last = (at.replace(minute=0, second=0, microsecond=0) for at in (since, until))
    rows = await read_newest_rows(table, first, last, MAX_ACTS)
    return tuple(decode_rows(Act, rows, set()))


async def read_newest_rows(
    table: StateTable, first: datetime, last: datetime, room: int
) -> list[TableEntity]:
    """Read at most so many rows of acts, those of the latest hours up to and including the last."""
    low, high = f"act|{format_act_hour(first)}", f"act|{format_act_hour(last)}~"
    rows = await table.query_first_rows(ACTIVITY_PARTITION, low, high, room + 1)
    if len(rows) <= room:
        return rows
    if first >= last:
        log.warning("more than %d acts within an hour: some of them explain no case", room)
        return rows[:room]
    middle = first + HOUR * ((last - first) // HOUR // 2)
    later = await read_newest_rows(table, middle + HOUR, last, room)
    left = room - len(later)
    return [*(await read_newest_rows(table, first, middle, left) if left else ()), *later]
