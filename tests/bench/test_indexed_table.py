"""The bench's own table keeps what the state table asks of one, and does not slow down with it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
from azure.data.tables.aio import TableClient

from bench.indexed_table import IndexedTables, SortedRows
from core.adapters.table_storage.entities import PAST_PREFIX, build_entity
from core.adapters.table_storage.ledger import TableLedger
from core.model.state import GuardState
from core.ports import PastKind
from tests.support.ledgers import GUARD, build_stored_case


@pytest_asyncio.fixture
async def tables() -> AsyncIterator[IndexedTables]:
    async with IndexedTables() as service:
        yield service


async def test_a_guard_keeps_and_archives_more_rows_than_a_page_has(tables: IndexedTables) -> None:
    cases = [build_stored_case(f"{number:08x}") for number in range(1_205)]
    client = TableClient.from_connection_string(
        tables.connection_string, table_name="state", retry_total=0
    )
    async with client:
        ledger = TableLedger(client)
        async with ledger.claim(GUARD, "first") as claim:
            assert claim
            await claim.save(*cases[:150], state=GuardState(population=7))
            past = (build_entity(GUARD, case) for case in cases)
            tables.tables["state"].put_many(
                {**row, "RowKey": f"{PAST_PREFIX}{row['RowKey']}"} for row in past
            )
            assert len(await claim.list_past_rows(PastKind.CASE)) == len(cases)
            await claim.save(replace(cases[0], note="later"), forget=tuple(cases[1:3]))
            async with ledger.claim(GUARD, "second") as other:
                assert other is None
        snapshot = await ledger.load(GUARD)
        assert len(snapshot.cases) == 148
        assert snapshot.cases[cases[0].key].note == "later"
        assert snapshot.state.population == 7
        assert len((await ledger.load_history(GUARD)).cases) == len(cases)


def test_rows_are_found_by_their_keys_in_order() -> None:
    rows = SortedRows()
    rows.put_many({"PartitionKey": "a", "RowKey": key, "ended": ""} for key in "dbc")
    rows.put({"PartitionKey": "a", "RowKey": "a", "ended": "2026"})
    rows.put({"PartitionKey": "b", "RowKey": "b", "ended": ""})

    def find(wanted: str) -> list[str]:
        return [row["RowKey"] for row in rows.iter_range(wanted, ("", ""))]

    assert find("PartitionKey eq 'a'") == ["a", "b", "c", "d"]
    assert find("PartitionKey eq 'a' and RowKey ge 'b' and RowKey lt 'd'") == ["b", "c"]
    assert find("PartitionKey eq 'a' and ended ne '' and ended lt '2027'") == ["a"]
    rows.remove(("a", "b"))
    assert find("PartitionKey eq 'a'") == ["a", "c", "d"]
