"""The evidence export: reads the ledger guard by guard, and changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

from core.evidence.daily_coverage import CoveragePeriod
from core.evidence.file_format import EvidenceExport, EvidenceWriter, ExportFormat
from core.evidence.records import EvidenceRecord, ExportHeader, list_gap_records, list_guard_records
from core.model.guards import GuardConfig
from core.ports import Ledger

# The ledger's stretch of runs holds its later end and not its earlier one, to the millisecond; a
# period is the other way round.
LEDGER_RESOLUTION = timedelta(milliseconds=1)
# Writing down a record takes no turn of the event loop by itself.
YIELD_INTERVAL = 200


async def collect_evidence(
    ledger: Ledger, configs: Iterable[GuardConfig], header: ExportHeader
) -> AsyncIterator[EvidenceRecord]:
    """Every record of a period, with one guard in memory at a time. Raises LedgerError."""
    for gap in list_gap_records(header):
        yield gap
    for duty in sorted(configs, key=lambda duty: duty.guard.name):
        async for entry in collect_guard_evidence(ledger, duty, header):
            yield entry


async def collect_guard_evidence(
    ledger: Ledger, config: GuardConfig, header: ExportHeader
) -> AsyncIterator[EvidenceRecord]:
    """The records of one guard."""
    name, days = config.guard.name, CoveragePeriod(header.since, header.until)
    async for document in ledger.iter_runs(
        name, header.since - LEDGER_RESOLUTION, header.until - LEDGER_RESOLUTION
    ):
        days.add_document(document)
    memory = await ledger.load(name)
    for entry in list_guard_records(header, config, memory, days):
        yield entry


async def export_evidence(
    ledger: Ledger,
    configs: Iterable[GuardConfig],
    header: ExportHeader,
    file_format: ExportFormat,
) -> EvidenceExport:
    """The evidence for a period, ready to be sent or written. Raises LedgerError."""
    press, number = EvidenceWriter(file_format), 0
    async for entry in collect_evidence(ledger, configs, header):
        press.add_record(entry)
        number += 1
        if number % YIELD_INTERVAL == 0:
            await asyncio.sleep(0)
    return press.finish_export(header)
