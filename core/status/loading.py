"""Reads from the ledger what the pages, the digest and the command line show.

What cannot be read is named, and keeps back nothing else.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.errors import FAILURES, LedgerError, explain_error
from core.model.activity import ActivityCursor
from core.model.guards import GuardConfig
from core.model.outbox import ChannelHealth
from core.model.state import ProbeReport
from core.ports import CHANNEL_PARTITION, CONTAINMENT_PARTITION, Ledger
from core.status.guard_status import (
    RECENT_REQUEST_WINDOW,
    GuardData,
    RequestView,
    list_recent_requests,
)
from core.tenant.quoting import quote_text

# Enough runs to include the last complete scan of a guard that runs every quarter of an hour.
MAX_RUNS = 120

MAX_NAMED, MAX_ID_LENGTH = 5, 60
"""Of containments that cannot be decoded."""
GUARDLESS_TITLES: Mapping[str, str] = {
    CONTAINMENT_PARTITION: "Containment",
    CHANNEL_PARTITION: "Channels",
}
"""What is shown in place of a guard's title, of requests that concern none."""


@dataclass(frozen=True, slots=True)
class SharedRows:
    """What is on record of no guard in particular."""

    cursors: Mapping[str, ActivityCursor] = field(default_factory=dict)
    """How far the audit logs were read."""
    healths: Mapping[str, ChannelHealth] = field(default_factory=dict)
    """How each channel besides Teams answered lately."""
    probe: ProbeReport | None = None
    """The last probe of the assumptions."""
    requests: tuple[RequestView, ...] = ()
    """The recent requests that concern no guard."""
    unread: tuple[str, ...] = ()
    """What of these cannot be read now, in words."""


NOTHING_SHARED = SharedRows()


async def load_shared_rows(ledger: Ledger, now: datetime) -> SharedRows:
    """Load what is on record of no guard in particular; of what cannot be read, its name."""

    async def load_cursors(rows: SharedRows) -> SharedRows:
        return replace(rows, cursors=(await ledger.load_activity()).cursors)

    async def load_healths(rows: SharedRows) -> SharedRows:
        return replace(rows, healths=await ledger.load_channel_healths())

    async def load_probe(rows: SharedRows) -> SharedRows:
        return replace(rows, probe=await ledger.load_probe())

    async def load_requests(rows: SharedRows) -> SharedRows:
        found = [
            RequestView(partition, title, one)
            for partition, title in GUARDLESS_TITLES.items()
            for one in list_recent_requests(
                await ledger.list_requests(partition, now - RECENT_REQUEST_WINDOW), now
            )
        ]
        return replace(rows, requests=tuple(found))

    async def load_unreadable(rows: SharedRows) -> SharedRows:
        ids = (await ledger.load_containments()).unreadable_ids
        named = (f"containment {quote_text(one, MAX_ID_LENGTH)}" for one in ids[:MAX_NAMED])
        more = [f"{len(ids) - MAX_NAMED:,} containments more"] if len(ids) > MAX_NAMED else []
        return replace(rows, unread=(*rows.unread, *named, *more))

    rows = SharedRows()
    for what, load in (
        ("how the audit logs are read", load_cursors),
        ("how the channels answered", load_healths),
        ("how the tenant answered when it was probed", load_probe),
        ("what was asked for of accounts and channels", load_requests),
        ("what became of contained accounts", load_unreadable),
    ):
        try:
            rows = await load(rows)
        except LedgerError:
            rows = replace(rows, unread=(*rows.unread, what))
    return rows


async def load_all_guard_data(ledger: Ledger, configs: Iterable[GuardConfig]) -> list[GuardData]:
    """Load what the status tells of every guard; of one that cannot be read, the reason."""
    return await asyncio.gather(*(load_guard_data(ledger, config) for config in configs))


async def load_guard_data(ledger: Ledger, config: GuardConfig) -> GuardData:
    """Load what the status tells of one guard: its records, its runs, and how far a scan is."""
    guard = config.guard.name
    try:
        snapshot = await ledger.load(guard)
        runs = await ledger.list_recent_runs(guard, MAX_RUNS)
        shards = await ledger.load_shards(guard) if snapshot.state.scan_pass else {}
    except FAILURES as error:
        return GuardData(config, read_error=explain_error(error))
    return GuardData(config, snapshot, runs, shards)


async def load_all_records(
    ledger: Ledger, configs: Iterable[GuardConfig], *, with_history: bool = False
) -> list[GuardData]:
    """Load the records of every guard alone, for who tells nothing of runs; with the archive only
    if asked for. Of a guard that cannot be read, the reason.
    """

    async def load_records(config: GuardConfig) -> GuardData:
        load = ledger.load_history if with_history else ledger.load
        try:
            return GuardData(config, await load(config.guard.name))
        except FAILURES as error:
            return GuardData(config, read_error=explain_error(error))

    return await asyncio.gather(*map(load_records, configs))
