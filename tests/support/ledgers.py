"""Rows for tests of the ledger, and a ledger on a table of its own."""

import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from azure.data.tables.aio import TableClient

from core.adapters.table_storage.ledger import TableLedger
from core.bootstrap import build_table_options
from core.engine.run import create_run_id
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Fact, Verdict
from core.model.requests import OperatorRequest, RequestKind
from core.model.state import GuardState, ScanTotals, Shard
from sandbox.functions_host.azurite import Azurite
from tests.support.cases import build_case
from tests.support.fakes.clock import START
from tests.support.fakes.ledger import DAY

GUARD = "toy"


@asynccontextmanager
async def open_table_ledger(azurite: Azurite, name: str = "") -> AsyncIterator[TableLedger]:
    """A ledger on a table of its own."""
    table = TableClient.from_connection_string(
        azurite.connection_string,
        table_name=name or f"t{uuid.uuid4().hex}",
        **build_table_options(),
    )
    async with table:
        yield TableLedger(table)


async def read_rows(table: TableClient) -> list[Mapping[str, Any]]:
    """A table, row by row."""
    return [row async for row in table.list_entities()]


async def create_with_rows(table: TableClient, rows: Iterable[Mapping[str, Any]]) -> None:
    """Makes a table that holds these rows and no others."""
    await table.create_table()
    partitions: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        partitions.setdefault(row["PartitionKey"], []).append(row)
    for held in partitions.values():
        await table.submit_transaction([("create", row) for row in held])


def build_stored_case(key: str = "k1") -> Case:
    return build_case(
        key=key,
        object_id="00000000-0000-0000-0000-000000000001",
        subject="o'brien@exämple.com \U0001f984",
        verdict=Verdict.CONTESTED,
        summary="It forwards / mail # ? \\ out.",
        facts=(Fact("", "a"), Fact("", "b")),
        sources=("mailboxes",),
        notification=Notification.OPENED,
        notified_at=START + DAY,
    )


def build_stored_record(number: int = 1) -> ChangeRecord:
    return ChangeRecord(
        id=f"c{number}",
        case_key="k1",
        subject="a@example.com",
        kind="ResetAuditSet",
        arguments={"mailbox_guid": "g", "extras": [["Owner", ["Copy"]]]},
        state=ChangeState.INTENDED,
        at=START + timedelta(seconds=number),
        run="r1",
        before={"AuditEnabled": True, "DefaultAuditSet": ["Admin"]},
    )


GUARD_STATE = GuardState(frozenset({"b", "a"}), 12, {"slow": START})
DONE_SHARD = Shard(
    "r1", "", "8", 500, START, done=True, totals=ScanTotals(500, 1, abandoned_shards=("why",))
)


def build_stored_request(**changes: Any) -> OperatorRequest:
    """A pending request of an operator."""
    operator_request = OperatorRequest(
        id=create_run_id(START),
        kind=RequestKind.ACKNOWLEDGE,
        subject="0" * 32,
        requested_by="Dana",
        reason="known; being looked into",
        at=START,
        authenticated_as="function key",
    )
    return replace(operator_request, **changes)
