"""The evidence of a period, read from the fake ledger and from Table Storage (Azurite)."""

import hashlib
import json
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
from azure.data.tables.aio import TableClient

from core.adapters.table_storage.ledger import TableLedger
from core.errors import LedgerError
from core.evidence.export import export_evidence
from core.evidence.file_format import EvidenceExport, ExportFormat, verify_export
from core.evidence.records import EvidenceRecord
from core.model.cases import Exemption
from core.model.containment import AccountBundle
from core.model.requests import RequestKind, RequestState
from core.ports import CHANNEL_PARTITION, CONTAINMENT_PARTITION, Ledger
from sandbox.functions_host.azurite import Azurite
from tests.support.audit_builders import (
    DAY,
    EXPORT_HEADER,
    EXPORTED_AT,
    GUARD_NAME,
    SINCE,
    UNTIL,
    WITHIN_PERIOD,
    build_audited_case,
    build_audited_change,
    build_audited_request,
    build_run_document,
    build_run_id,
    filter_records,
)
from tests.support.builders import AUDIT_CONFIG, FORWARDING_CONFIG, SIGN_IN_CONFIG
from tests.support.fakes.clock import Clock
from tests.support.fakes.ledger import FakeLedger

TICK = timedelta(milliseconds=1)


@pytest_asyncio.fixture
async def table(azurite: Azurite) -> AsyncIterator[TableLedger]:
    """A ledger on a table of its own."""
    client = TableClient.from_connection_string(
        azurite.connection_string, table_name=f"t{uuid.uuid4().hex}", retry_total=0
    )
    async with client:
        yield TableLedger(client)


@pytest.fixture(params=["fake", "table"])
def ledger(request: pytest.FixtureRequest, table: TableLedger) -> Ledger:
    """Both implementations of the port."""
    return FakeLedger(Clock()) if request.param == "fake" else table


async def note(ledger: Ledger, at: datetime, **changes: object) -> None:
    """A run that saw everything, but for what is said otherwise."""
    await ledger.save_run_status(GUARD_NAME, build_run_id(at), build_run_document(at, **changes))


def records(made: EvidenceExport) -> list[EvidenceRecord]:
    """JSON Lines read back."""
    return [json.loads(line) for line in made.iter_lines()]


async def taken(ledger: Ledger, form: ExportFormat = ExportFormat.JSONL) -> list[EvidenceRecord]:
    """The evidence of one guard."""
    return records(await export_evidence(ledger, [FORWARDING_CONFIG], EXPORT_HEADER, form))


async def test_what_was_kept_of_an_account_is_in_it_edition_by_edition_as_it_was(
    ledger: Ledger,
) -> None:
    text = json.dumps({"state": "é" * 5_000, "rows": [1, "=cmd"]}, ensure_ascii=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    kept = AccountBundle("30708439043000-5e3aa1c7", "a1", WITHIN_PERIOD, "impact", digest, text)
    async with ledger.claim(CONTAINMENT_PARTITION, "r1") as claim:
        assert claim
        times = (WITHIN_PERIOD, WITHIN_PERIOD, SINCE + 7 * DAY, UNTIL - timedelta(seconds=1), UNTIL)
        await claim.save(
            *(replace(kept, edition=number, at=at) for number, at in enumerate(times, start=1))
        )
    found = [entry for entry in await taken(ledger) if entry["record"] == "bundle"]
    assert [entry["edition"] for entry in found] == [1, 2, 3, 4]
    for entry in found:
        document = str(entry["document"])
        assert hashlib.sha256(document.encode()).hexdigest() == entry["bundle_sha256"] == digest


async def test_who_asked_about_an_account_or_tested_the_channels_is_in_it(ledger: Ledger) -> None:
    asked = build_audited_request(
        kind=RequestKind.IMPACT, subject="a1", state=RequestState.REFUSED, note="it is off"
    )
    await ledger.add_request(CONTAINMENT_PARTITION, asked)
    await ledger.add_request(
        CHANNEL_PARTITION, build_audited_request(kind=RequestKind.TEST_CHANNELS, subject="")
    )
    early = replace(asked, id=build_run_id(SINCE - DAY), at=SINCE - DAY, ended_at=SINCE - DAY)
    await ledger.add_request(CONTAINMENT_PARTITION, early)
    found = filter_records("request", await taken(ledger))
    assert [(one["guard"], one["kind"], one["who"], one["state"]) for one in found] == [
        ("channels", "test-channels", "Dana", "done"),
        ("containment", "impact", "Dana", "refused"),
    ]


async def test_the_evidence_is_what_the_ledger_remembers_of_the_period(ledger: Ledger) -> None:
    async with ledger.claim(GUARD_NAME, "r1") as claim:
        assert claim
        await claim.save(
            build_audited_case(subject="o'brien@exämple.com \U0001f984"),
            build_audited_case(key="1" * 32, opened_at=UNTIL),
            build_audited_change(undone_at=WITHIN_PERIOD + DAY),
            build_audited_change(id="c2", at=WITHIN_PERIOD + DAY, undo_of="c1"),
            Exemption("0" * 32, "Dana", "a partner's mailbox", UNTIL),
        )
    await ledger.add_request(GUARD_NAME, build_audited_request())
    await note(ledger, WITHIN_PERIOD, seen=90, unread=10)
    await note(ledger, WITHIN_PERIOD + timedelta(hours=1))
    entries = await taken(ledger)
    assert entries[0]["counts"] == {
        "gap": 0,
        "guard": 1,
        "finding": 1,
        "change": 2,
        "exemption": 1,
        "request": 1,
        "coverage": 10,
        "assumption": 0,
        "log": 0,
        "containment": 0,
        "bundle": 0,
    }
    assert filter_records("finding", entries)[0]["subject"] == "o'brien@exämple.com \U0001f984"
    assert [entry["undone_by"] for entry in filter_records("change", entries)] == [["c2"], []]
    assert filter_records("exemption", entries)[0]["request"] == build_audited_request().id
    (day,) = [entry for entry in filter_records("coverage", entries) if entry["runs"]]
    assert day | {"day": "2026-11-04", "runs": 2, "complete": 1, "worst": 0.9, "best": 1.0} == day


async def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(
    ledger: Ledger,
) -> None:
    for at in (SINCE - TICK, SINCE, UNTIL - TICK, UNTIL):
        await note(ledger, at)
    entries = await taken(ledger)
    assert {
        entry["day"]: entry["runs"]
        for entry in filter_records("coverage", entries)
        if entry["runs"]
    } == {
        "2026-11-01": 1,
        "2026-11-10": 1,
    }
    assert filter_records("guard", entries)[0]["strays"] == 0


async def test_days_without_a_run_are_told(ledger: Ledger) -> None:
    days = filter_records("coverage", await taken(ledger))
    assert [(day["runs"], day["scheduled"], day["worst"]) for day in days] == [(0, 96, None)] * 10


async def test_an_old_period_says_what_is_no_longer_kept(ledger: Ledger) -> None:
    heading = replace(EXPORT_HEADER, since=SINCE - 60 * DAY, until=SINCE - 30 * DAY)
    await note(ledger, heading.since + DAY)
    entries = records(
        await export_evidence(ledger, [FORWARDING_CONFIG], heading, ExportFormat.JSONL)
    )
    (gap,) = filter_records("gap", entries)
    assert (gap["what"], gap["to"]) == ("coverage", "2026-10-02T00:00:00Z")
    (day,) = filter_records("coverage", entries)
    assert (day["day"], day["kept"], day["runs"]) == ("2026-09-03", "partly", 1)


async def test_an_export_needs_no_claim_and_sees_what_a_running_guard_wrote(
    ledger: Ledger,
) -> None:
    async with ledger.claim(GUARD_NAME, "r1") as claim:
        assert claim
        await claim.save(build_audited_case())
        assert filter_records("finding", await taken(ledger))
        await claim.ensure_held()


async def test_guards_come_one_after_the_other_by_their_names(ledger: Ledger) -> None:
    made = await export_evidence(
        ledger,
        [SIGN_IN_CONFIG, FORWARDING_CONFIG, AUDIT_CONFIG],
        EXPORT_HEADER,
        ExportFormat.JSONL,
    )
    guards = [entry["guard"] for entry in records(made)[1:-1]]
    assert list(dict.fromkeys(guards)) == [
        "mailbox-audit",
        "mailbox-forwarding",
        "shared-mailbox-sign-in",
    ]
    assert guards == sorted(guards, key=str)


async def test_the_same_rows_give_the_same_bytes(ledger: Ledger) -> None:
    async with ledger.claim(GUARD_NAME, "r1") as claim:
        assert claim
        await claim.save(*(build_audited_case(key=f"{number:032x}") for number in range(120)))
    for form in ExportFormat:
        first = await export_evidence(
            ledger, [FORWARDING_CONFIG, AUDIT_CONFIG], EXPORT_HEADER, form
        )
        second = await export_evidence(
            ledger, [AUDIT_CONFIG, FORWARDING_CONFIG], EXPORT_HEADER, form
        )
        assert list(first.iter_lines()) == list(second.iter_lines())
        assert verify_export(second.iter_lines(), first.repr_digest).intact


async def test_thousands_of_rows_are_kept_small_until_they_are_sent(ledger: Ledger) -> None:
    number = 3_000
    async with ledger.claim(GUARD_NAME, "r1") as claim:
        assert claim
        await claim.save(
            *(
                build_audited_case(
                    key=f"{index:032x}",
                    subject=f"user{index}@contoso.example",
                    opened_at=SINCE + index * timedelta(minutes=3),
                )
                for index in range(number)
            )
        )
    made = await export_evidence(ledger, [FORWARDING_CONFIG], EXPORT_HEADER, ExportFormat.JSONL)
    entries = records(made)
    subjects = [entry["subject"] for entry in filter_records("finding", entries)]
    assert subjects == [f"user{index}@contoso.example" for index in range(number)]
    assert sum(map(len, made.body.blocks)) + len(made.body.buffer) < made.size / 4
    assert verify_export(made.iter_lines()).intact


# -- rows nobody understands -------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"status": "done"},
        {"run": [], "started": {}},
        build_run_document(WITHIN_PERIOD, seen=None),
    ],
    ids=["empty", "bare", "wrong types", "no figure"],
)
async def test_a_document_of_another_version_is_counted_and_breaks_nothing(
    ledger: Ledger, document: dict[str, object]
) -> None:
    await ledger.save_run_status(GUARD_NAME, build_run_id(WITHIN_PERIOD), document)
    await note(ledger, WITHIN_PERIOD + DAY)
    entries = await taken(ledger)
    unread = sum(int(str(day["unreadable"])) for day in filter_records("coverage", entries))
    assert unread + int(str(filter_records("guard", entries)[0]["strays"])) == 1
    assert sum(int(str(day["complete"])) for day in filter_records("coverage", entries)) == 1


@pytest.mark.parametrize(
    "body", ["no json", "[]", "[" * 30_000, "7", None], ids=lambda b: str(b)[:9]
)
async def test_a_row_that_holds_no_document_is_counted(
    table: TableLedger, body: str | None
) -> None:
    await note(table, WITHIN_PERIOD + DAY)
    row = {"PartitionKey": GUARD_NAME, "RowKey": f"run|{build_run_id(WITHIN_PERIOD)}", "v": 1}
    await table.table.client.upsert_entity(row | ({"body": body} if body else {}))
    entries = await taken(table)
    assert filter_records("guard", entries)[0]["strays"] == 1
    assert sum(int(str(day["runs"])) for day in filter_records("coverage", entries)) == 1


async def test_rows_of_another_version_are_said_to_be_missing(table: TableLedger) -> None:
    async with table.claim(GUARD_NAME, "r1") as claim:
        assert claim
        await claim.save(build_audited_case())
    await table.table.client.upsert_entity(
        {"PartitionKey": GUARD_NAME, "RowKey": "case|zz", "v": 1, "body": "{}"}
    )
    entries = await taken(table)
    assert filter_records("guard", entries)[0]["not_understood"] == 1
    assert len(filter_records("finding", entries)) == 1


async def test_a_bundle_that_cannot_be_decoded_is_a_gap_and_not_the_end(table: TableLedger) -> None:
    bundle = AccountBundle("30708439042000-5e3aa1c7", "u1", WITHIN_PERIOD, "impact", "0" * 64, "{}")
    async with table.claim(CONTAINMENT_PARTITION, "r1") as claim:
        assert claim
        await claim.save(bundle, replace(bundle, edition=2))
    key = f"bundle|{bundle.id}"
    row = dict(await table.table.client.get_entity(CONTAINMENT_PARTITION, key))
    await table.table.client.upsert_entity({**row, "body": "no json"})
    entries = await taken(table)
    assert [one["edition"] for one in filter_records("bundle", entries)] == [2]
    (gap,) = [one for one in filter_records("gap", entries) if one["what"] == "bundle"]
    assert gap["why"] == f"the row {key} cannot be decoded"


async def test_a_ledger_that_cannot_be_read_gives_no_export(azurite: Azurite) -> None:
    # What cannot be read is never shown as nothing. Nobody listens at the discard port.
    nowhere = re.sub("//127.0.0.1:[0-9]+", "//127.0.0.1:9", azurite.connection_string)
    async with TableClient.from_connection_string(nowhere, "state", retry_total=0) as client:
        with pytest.raises(LedgerError):
            await export_evidence(
                TableLedger(client), [FORWARDING_CONFIG], EXPORT_HEADER, ExportFormat.JSONL
            )


async def test_nothing_is_written(ledger: Ledger) -> None:
    await note(ledger, WITHIN_PERIOD)
    before = [row async for row in ledger.iter_runs(GUARD_NAME, SINCE, EXPORTED_AT)]
    memory = await ledger.load(GUARD_NAME)
    await taken(ledger)
    assert [row async for row in ledger.iter_runs(GUARD_NAME, SINCE, EXPORTED_AT)] == before
    assert await ledger.load(GUARD_NAME) == memory
