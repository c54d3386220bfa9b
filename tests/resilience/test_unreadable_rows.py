"""Rows of the state table that nobody here has written: no JSON, other types, other schemas, rows
that speak of another row, names made to be queries.

They are left as they are, counted and told; all others are worked with. What they said is not
known, so while they are there nothing is changed in the tenant: an exemption may be among them.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from azure.data.tables.aio import TableClient

from core.adapters.table_storage.codec import encode_stored_record
from core.adapters.table_storage.ledger import TableLedger
from core.engine.run import create_run_id, run
from core.errors import LedgerError
from core.keys import hash_parts
from core.model.cases import Case, Exemption, parse_planned_changes
from core.model.guards import ChangeLimit, GuardConfig
from core.model.runs import RunReport
from core.notifications.run_cards import build_cards
from core.ports import World
from core.status.change_texts import list_planned_kinds
from core.tenant.port import Tenant
from sandbox.functions_host.azurite import Azurite
from tests.support.adaptive_cards import build_request, build_rule_case
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.synthetic_guard import ENFORCE_CONFIG, SyntheticTenant

GUARD = "toy"
DUTY = replace(ENFORCE_CONFIG, limit=ChangeLimit(count=50))
CASE = build_rule_case(7)
BODY = encode_stored_record(CASE)
UNTIL = START + timedelta(days=30)
EXEMPT = Exemption("m1", "Dana", "a partner", UNTIL)

# Where a row stands, and what is in it besides its keys.
POISON: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "no JSON": (f"case|{CASE.key}", {"v": 1, "body": "nonsense"}),
    "a number for a text": (f"case|{CASE.key}", {"v": 1, "body": 7}),
    "bytes for a text": (f"case|{CASE.key}", {"v": 1, "body": b"\xff\x00"}),
    "a truth for a text": (f"case|{CASE.key}", {"v": 1, "body": True}),
    "no body": (f"case|{CASE.key}", {"v": 1}),
    "no version": (f"case|{CASE.key}", {"body": BODY}),
    "a newer version": (f"case|{CASE.key}", {"v": 2, "body": BODY}),
    "an older version": (f"case|{CASE.key}", {"v": 0, "body": BODY}),
    "a version in words": (f"case|{CASE.key}", {"v": "1", "body": BODY}),
    "deep": (f"case|{CASE.key}", {"v": 1, "body": "[" * 30_000}),
    "a field of another type": (
        f"case|{CASE.key}",
        {"v": 1, "body": BODY.replace('"failure_count":0', '"failure_count":"0"')},
    ),
    "a field too many": (f"case|{CASE.key}", {"v": 1, "body": BODY.replace('"kind"', '"mood"')}),
    "out of all time": (f"case|{CASE.key}", {"v": 1, "body": BODY.replace("2026-", "9999-")}),
    "before all time": (f"case|{CASE.key}", {"v": 1, "body": BODY.replace("2026-", "0001-")}),
    "a case of another key": (f"case|{'f' * 32}", {"v": 1, "body": BODY}),
    "a case among changes": (f"change|{CASE.key}", {"v": 1, "body": BODY}),
    "an exemption among cases": (
        f"case|{hash_parts('m1')}",
        {"v": 1, "body": encode_stored_record(EXEMPT)},
    ),
    "a newer exemption": (
        f"exempt|{hash_parts('m1')}",
        {"v": 2, "body": encode_stored_record(EXEMPT)},
    ),
    "an exemption of something else": (
        f"exempt|{hash_parts('m2')}",
        {"v": 1, "body": encode_stored_record(EXEMPT)},
    ),
    "an action of another id": (
        f"request|{create_run_id(START)}",
        {"v": 1, "body": encode_stored_record(build_request())},
    ),
}


@asynccontextmanager
async def ledger_of(azurite: Azurite) -> AsyncIterator[TableLedger]:
    """A ledger on a table of its own."""
    table = TableClient.from_connection_string(
        azurite.connection_string, table_name=f"t{uuid4().hex}", retry_total=0
    )
    async with table:
        yield TableLedger(table)


async def tick(
    ledger: TableLedger,
    toy: SyntheticTenant,
    alerts: FakeNotificationChannel,
    duty: GuardConfig = DUTY,
) -> RunReport:
    """One run of a guard that would put right what it finds."""
    clock = Clock()
    return await run(duty, World(cast(Tenant, toy), ledger, alerts, clock, build_cards))


async def put(ledger: TableLedger, key: str, row: Mapping[str, object]) -> dict[str, Any]:
    """A row as somebody else may have written it; as it is then in the table."""
    await ledger.table.client.upsert_entity({"PartitionKey": GUARD, "RowKey": key, **row})
    return dict(await ledger.table.client.get_entity(GUARD, key))


@pytest.mark.parametrize("name", POISON)
async def test_a_row_nobody_understands_is_told_left_alone_and_nothing_is_changed(
    azurite: Azurite, name: str
) -> None:
    async with ledger_of(azurite) as ledger:
        toy, alerts = SyntheticTenant(mailbox_count=4), FakeNotificationChannel()
        await tick(ledger, toy, alerts)
        key, row = POISON[name]
        poison = await put(ledger, key, row)
        toy.forwards["m1"] = "smtp:x@evil.example"
        report = await tick(ledger, toy, alerts)
        told = json.dumps(alerts.sent[-1:]) + json.dumps(alerts.sent[-2:-1])
        assert report.status == "done"
        assert "m1 forwards" in json.dumps(alerts.sent)
        assert "1 rows of the state table cannot be decoded" in told
        assert toy.writes == []
        assert dict(await ledger.table.client.get_entity(GUARD, key)) == poison
        # It is told once, and when it is gone the guard does what it was kept from.
        sent = len(alerts.sent)
        await tick(ledger, toy, alerts)
        assert len(alerts.sent) == sent
        await ledger.table.client.delete_entity(GUARD, key)
        await tick(ledger, toy, alerts)
        assert toy.writes == ["m1"]


async def test_many_rows_nobody_understands_are_counted_and_told_once(azurite: Azurite) -> None:
    async with ledger_of(azurite) as ledger:
        toy, alerts = SyntheticTenant(mailbox_count=4), FakeNotificationChannel()
        await tick(ledger, toy, alerts)
        for number in range(40):
            await put(ledger, f"case|{number:032x}", {"v": 1, "body": "x"})
        toy.forwards["m1"] = "smtp:x@evil.example"
        await tick(ledger, toy, alerts)
        assert "40 rows of the state table" in json.dumps(alerts.sent)
        assert json.dumps(alerts.sent).count("rows of the state table cannot") == 2
        assert (await ledger.load(GUARD)).unreadable_rows == 40


@pytest.mark.parametrize(
    "lease",
    [
        {"v": 2, "until": START.isoformat(), "epoch": 1},
        {"until": START.isoformat(), "epoch": 1},
    ],
    ids=["newer", "nothing"],
)
async def test_a_lease_of_another_version_stops_the_guard_and_says_so(
    azurite: Azurite, lease: Mapping[str, object]
) -> None:
    async with ledger_of(azurite) as ledger:
        toy, alerts = (
            SyntheticTenant(mailbox_count=2, forwards={"m1": "x@evil.example"}),
            FakeNotificationChannel(),
        )
        await tick(
            ledger,
            SyntheticTenant(),
            alerts,
            replace(DUTY, guard=replace(DUTY.guard, name="other")),
        )
        row = await put(ledger, "lease", lease)
        with pytest.raises(LedgerError, match="not written by this version"):
            await tick(ledger, toy, alerts)
        assert dict(await ledger.table.client.get_entity(GUARD, "lease")) == row
        assert toy.inspected == toy.writes == []


@pytest.mark.parametrize(
    "lease",
    [
        {"v": 1, "until": "9999-12-31T00:00:00+00:00", "epoch": 1},
        {"v": 1, "until": "tomorrow", "epoch": 1},
        {"v": 1, "until": START.replace(tzinfo=None).isoformat(), "epoch": 1},
        {"v": 1, "until": 7, "epoch": 1},
        {"v": 1, "until": START.isoformat(), "epoch": "many"},
        {"v": 1, "until": START.isoformat(), "epoch": 0},
    ],
    ids=["no end", "no time", "no zone", "a number", "no epoch", "never begun"],
)
async def test_a_lease_that_cannot_be_keeps_no_guard_from_its_work_and_is_told_once(
    azurite: Azurite, lease: Mapping[str, object]
) -> None:
    async with ledger_of(azurite) as ledger:
        toy, alerts = SyntheticTenant(mailbox_count=4), FakeNotificationChannel()
        await tick(ledger, toy, alerts)
        await put(ledger, "lease", lease)
        toy.forwards["m1"] = "smtp:x@evil.example"
        assert (await tick(ledger, toy, alerts)).status == "done"
        assert "m1 forwards" in json.dumps(alerts.sent)
        assert "in the state of" in json.dumps(alerts.sent)
        await tick(ledger, toy, alerts)
        sent = len(alerts.sent)
        await tick(ledger, toy, alerts)
        assert len(alerts.sent) == sent


@pytest.mark.parametrize("state", ["nonsense", 7, '{"baselined_sources": 7}', "[" * 30_000])
async def test_a_state_nobody_understands_begins_anew_and_is_told(
    azurite: Azurite, state: object
) -> None:
    async with ledger_of(azurite) as ledger:
        toy, alerts = SyntheticTenant(mailbox_count=4), FakeNotificationChannel()
        await tick(ledger, toy, alerts)
        lease = dict(await ledger.table.client.get_entity(GUARD, "lease"))
        await ledger.table.client.upsert_entity({**lease, "state": state})
        toy.forwards["m1"] = "smtp:x@evil.example"
        await tick(ledger, toy, alerts)
        assert "m1 forwards" in json.dumps(alerts.sent)
        assert "1 rows of the state table" in json.dumps(alerts.sent)
        assert toy.writes == []


@pytest.mark.parametrize("body", ["nonsense", "[]", 7, None, "[" * 30_000])
async def test_a_report_nobody_understands_hides_no_other(azurite: Azurite, body: object) -> None:
    async with ledger_of(azurite) as ledger:
        await tick(ledger, SyntheticTenant(mailbox_count=1), FakeNotificationChannel())
        bad = create_run_id(START + timedelta(hours=1))
        await put(ledger, f"run|{bad}", {"v": 1} | ({} if body is None else {"body": body}))
        found = await ledger.list_recent_runs(GUARD, 10)
        assert [document.get("status") for document in found] == [None, "done"]
        with pytest.raises(LedgerError, match="cannot be decoded"):
            await ledger.get_run(GUARD, bad)


@pytest.mark.parametrize("row", [{"v": 1}, {"v": 1, "body": 7}, {"v": 2, "body": "{}"}])
async def test_an_action_nobody_understands_is_none(
    azurite: Azurite, row: Mapping[str, object]
) -> None:
    async with ledger_of(azurite) as ledger:
        await tick(ledger, SyntheticTenant(), FakeNotificationChannel())
        await put(ledger, f"request|{build_request().id}", row)
        with pytest.raises(LedgerError, match="cannot be decoded"):
            await ledger.get_request(GUARD, build_request().id)


WISHES = (
    '["ClearMailboxForward", []]',
    '["ClearMailboxForward", {"mailbox_guid": 7}]',
    '["ClearMailboxForward", {"mailbox_guid": ["g"]}]',
    '["ClearMailboxForward", {}]',
    '["ClearMailboxForward"]',
    '["Format", {"disk": "c"}]',
    '["RaiseAuditAge", {"mailbox_guid": "g", "days": true}]',
    '[[], {"mailbox_guid": "g"}]',
    '{"ClearMailboxForward": 1, "x": 2}',
    "7",
    "[" * 20_000,
    '["ResetAuditSet", {"mailbox_guid": "g", "logon_types": ' + "[" * 9_000 + "]" * 9_000 + "}]",
)


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish[:40])
def test_a_change_that_is_none_is_never_made(wish: str) -> None:
    asked: Case = replace(CASE, planned_changes=(wish,))
    assert parse_planned_changes(asked) == ()
    assert isinstance(list_planned_kinds(asked), tuple)


@pytest.mark.parametrize(
    "name", ["x' or PartitionKey ne '", "' or '1' eq '1", "@guard", "%27", "toy' or RowKey ge '"]
)
async def test_a_name_made_to_be_a_query_finds_nothing_of_others(
    azurite: Azurite, name: str
) -> None:
    async with ledger_of(azurite) as ledger:
        toy, alerts = SyntheticTenant(mailbox_count=2), FakeNotificationChannel()
        await tick(ledger, toy, alerts)
        toy.forwards["m1"] = "smtp:x@evil.example"
        await tick(ledger, toy, alerts)
        memory = await ledger.load(name)
        assert (memory.cases, memory.changes, memory.operator_requests) == ({}, (), ())
        assert await ledger.list_recent_runs(name, 10) == []
        assert [one async for one in ledger.iter_runs(name, START, START + timedelta(days=1))] == []
        assert await ledger.list_requests(name, START) == ()
        assert await ledger.load_shards(name) == {}
        assert await ledger.get_request(GUARD, name) is None
        await ledger.purge_runs(name, START + timedelta(days=4_000))
        assert (await ledger.load(GUARD)).cases


async def test_keys_are_hashes_whatever_things_are_called(azurite: Azurite) -> None:
    evil = "x' or PartitionKey ne '/\\#?%\u0007\u202e"
    async with ledger_of(azurite) as ledger:
        toy, alerts = (
            SyntheticTenant(mailbox_count=2, forwards={"m1": evil}),
            FakeNotificationChannel(),
        )
        await tick(ledger, toy, alerts)
        async with ledger.claim(GUARD, "r") as claim:
            assert claim
            await claim.save(Exemption(evil, "Dana", "why", UNTIL))
        keys = [row["RowKey"] async for row in ledger.table.client.list_entities()]
        records = [key for key in keys if key.startswith(("case|", "exempt|", "change|"))]
        assert records
        for key in records:
            assert len(key.partition("|")[2]) == 32
            assert set(key.partition("|")[2]) <= set("0123456789abcdef")
        assert (await ledger.load(GUARD)).exemptions.keys() == {evil}
