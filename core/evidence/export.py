"""Builds the evidence export from the ledger, guard by guard, without writing."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

from core.evidence.containment_records import list_containment_records, make_bundle_record
from core.evidence.daily_coverage import CoveragePeriod
from core.evidence.file_format import EvidenceExport, EvidenceWriter, ExportFormat
from core.evidence.records import (
    EvidenceRecord,
    ExportHeader,
    list_assumption_records,
    list_gap_records,
    list_guard_records,
    list_log_records,
    list_request_records,
    make_gap_record,
)
from core.model.guards import GuardConfig
from core.ports import CHANNEL_PARTITION, CONTAINMENT_PARTITION, Ledger

# The ledger's interval of runs includes its later end and excludes its earlier one, to the
# millisecond; a period is the other way round.
LEDGER_RESOLUTION = timedelta(milliseconds=1)
WEEK = timedelta(days=7)
# Requests that concern no guard are done or refused within so long.
LONGEST_REQUEST = timedelta(days=2)
GUARDLESS_PARTITIONS = (CHANNEL_PARTITION, CONTAINMENT_PARTITION)
# Writing records never yields to the event loop by itself.
YIELD_INTERVAL = 200


async def collect_evidence(
    ledger: Ledger, configs: Iterable[GuardConfig], header: ExportHeader
) -> AsyncIterator[EvidenceRecord]:
    """All records of a period, with one guard, or a week of what was kept of accounts, in memory at
    a time. Raises LedgerError.
    """
    for gap in list_gap_records(header):
        yield gap
    for answer in list_assumption_records(header, await ledger.load_probe()):
        yield answer
    for record in list_log_records(header, (await ledger.load_activity()).cursors):
        yield record
    for record in list_containment_records(header, await ledger.load_containments()):
        yield record
    async for record in iter_account_records(ledger, header):
        yield record
    for config in sorted(configs, key=lambda config: config.guard.name):
        async for record in collect_guard_evidence(ledger, config, header):
            yield record


async def iter_account_records(
    ledger: Ledger, header: ExportHeader
) -> AsyncIterator[EvidenceRecord]:
    """What was kept of accounts, and what was requested of them and of channels.

    Bundles come week by week: a year of them is too much to hold at once.
    """
    since = header.since
    while since < header.until:
        until = min(since + WEEK, header.until)
        stored = await ledger.load_bundles(since, until)
        for bundle in stored.bundles:
            yield make_bundle_record(bundle)
        for key in stored.unreadable_keys:
            yield make_gap_record("bundle", since, until, f"the row {key} cannot be decoded")
        since = until
    for partition in GUARDLESS_PARTITIONS:
        requests = await ledger.list_requests(partition, header.since - LONGEST_REQUEST)
        for record in list_request_records(header, partition, requests):
            yield record


async def collect_guard_evidence(
    ledger: Ledger, config: GuardConfig, header: ExportHeader
) -> AsyncIterator[EvidenceRecord]:
    """The records of one guard."""
    name, days = config.guard.name, CoveragePeriod(header.since, header.until)
    async for document in ledger.iter_runs(
        name, header.since - LEDGER_RESOLUTION, header.until - LEDGER_RESOLUTION
    ):
        days.add_document(document)
    snapshot = await ledger.load_history(name)
    for record in list_guard_records(header, config, snapshot, days):
        yield record


async def export_evidence(
    ledger: Ledger,
    configs: Iterable[GuardConfig],
    header: ExportHeader,
    file_format: ExportFormat,
) -> EvidenceExport:
    """The evidence of a period, ready to be sent or written. Raises LedgerError."""
    writer, number = EvidenceWriter(file_format), 0
    async for record in collect_evidence(ledger, configs, header):
        writer.add_record(record)
        number += 1
        if number % YIELD_INTERVAL == 0:
            await asyncio.sleep(0)
    return writer.finish_export(header)
