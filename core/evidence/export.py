"""The evidence export: reads the ledger guard by guard, and changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

from core.evidence.daily_coverage import Days
from core.evidence.file_format import Export, Form, Press
from core.evidence.records import Entry, Heading, chapter, gaps
from core.model.baseline import Baseline
from core.model.guards import Duty
from core.ports import Ledger

# The ledger's stretch of runs holds its later end and not its earlier one, to the millisecond; a
# period is the other way round.
TICK = timedelta(milliseconds=1)
# Writing down a record takes no turn of the event loop by itself.
BREATH = 200


async def gather(
    ledger: Ledger, duties: Iterable[Duty], heading: Heading, baseline: Baseline
) -> AsyncIterator[Entry]:
    """Every record of a period, with one guard in memory at a time. Raises LedgerError."""
    for gap in gaps(heading):
        yield gap
    for duty in sorted(duties, key=lambda duty: duty.guard.name):
        async for entry in of_guard(ledger, duty, heading, baseline):
            yield entry


async def of_guard(
    ledger: Ledger, duty: Duty, heading: Heading, baseline: Baseline
) -> AsyncIterator[Entry]:
    """The records of one guard."""
    name, days = duty.guard.name, Days(heading.since, heading.until)
    async for document in ledger.runs(name, heading.since - TICK, heading.until - TICK):
        days.take(document)
    memory = await ledger.recall(name)
    for entry in chapter(heading, duty, memory, days, baseline):
        yield entry


async def export(
    ledger: Ledger,
    duties: Iterable[Duty],
    heading: Heading,
    form: Form,
    baseline: Baseline | None = None,
) -> Export:
    """The evidence for a period, ready to be sent or written. Raises LedgerError."""
    press, number = Press(form), 0
    async for entry in gather(ledger, duties, heading, baseline or Baseline()):
        press.add(entry)
        number += 1
        if number % BREATH == 0:
            await asyncio.sleep(0)
    return press.finished(heading)
