"""Measures what a reading of the audit logs takes: everything that the activity timer does."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from bench.environment import BenchEnvironment
from bench.prices import list_times
from bench.results import FEED, FIRST_RUN, NO_CHANGE, Measurement
from bench.runs import run_client
from bench.tenant_generator import build_ordinary_records
from core.config.app_settings import ACTIVITY_SCHEDULE

# An assumption, and how many of them the simulated log takes at a time.
RECORDS_A_DAY = 100
MAX_RECORDS = 5_000
TICKS_A_DAY = len(list_times(str(ACTIVITY_SCHEDULE.default)))
FEED_SETTINGS = {"ACTIVITY_FEED": "on", "FORWARDING_EACH_TICK": "off"}


async def measure_feed(
    environment: BenchEnvironment, report_progress: Callable[[str], None]
) -> AsyncIterator[Measurement]:
    """Measures two readings of the audit logs: the first, and one of what happens in five minutes.

    Nothing of it concerns a guard. Runs of mailbox-forwarding at a tick are measured as its own.
    """
    size = environment.spec.mailboxes
    environ = environment.build_app_settings() | FEED_SETTINGS
    order = {"client": "tick", "environ": environ}
    for occasion in (FIRST_RUN, NO_CHANGE):
        report_progress(f"{size:,} mailboxes: {FEED}, {occasion}")
        count = min(size * RECORDS_A_DAY // TICKS_A_DAY, MAX_RECORDS) * (occasion == NO_CHANGE)
        logs = {"delayMinutes": 0, "perBlob": 500, "records": build_ordinary_records(count)}
        edit = {"op": "set", "path": "/activity", "value": logs}
        await environment.change_tenant("scene", {"edit": [edit]})
        row = await run_client(environment, FEED, occasion, order)
        yield replace(row, read=size, note=f"{count:,} records" if count else "")
