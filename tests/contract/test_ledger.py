"""The Ledger port: the same promises on the fake and on Table Storage (Azurite)."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import batched
from typing import Any, cast

import pytest
import pytest_asyncio
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from core.adapters.table_storage.journal import JOURNAL_SUFFIX
from core.adapters.table_storage.lease import LEASE_DURATION, TableClaim, acquire_lease
from core.adapters.table_storage.ledger import TableLedger
from core.adapters.table_storage.state_table import PAGE_SIZE
from core.engine.run import create_run_id
from core.errors import ClaimLost, LedgerError
from core.model.activity import ActivityCursor, PendingLook
from core.model.cases import Exemption, Notification
from core.model.guards import Mode
from core.model.requests import RequestKind, RequestState
from core.model.runs import RunReport
from core.model.state import (
    EVERY_CMDLET,
    GuardSnapshot,
    GuardState,
    InboxGroup,
    KnownInbox,
    ProbeReport,
    ScanPass,
    ScanTotals,
    StateMark,
    Way,
)
from core.model.tally import Tally
from core.ports import ACTIVITY_PARTITION, ActivityState, Ledger, PastKind
from core.tenant.known_traits import KnownTraits
from core.tenant.probing import AnswerStatus, ProbeAnswer
from sandbox.functions_host.azurite import Azurite
from tests.support.acts import build_act
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.crash import SimulatedCrash
from tests.support.fakes.ledger import DAY, FakeLedger
from tests.support.ledgers import (
    DONE_SHARD,
    GUARD,
    GUARD_STATE,
    build_stored_case,
    build_stored_record,
    build_stored_request,
    open_table_ledger,
)

NONE = Notification.NONE
TRAITS = KnownTraits("k2", "o", "method", START - DAY, START, {"fido2": START - DAY, "sms": START})


@pytest_asyncio.fixture(params=["fake", "table"])
async def ledger(request: pytest.FixtureRequest, azurite: Azurite) -> AsyncIterator[Ledger]:
    """Both implementations of the port."""
    if request.param == "fake":
        yield FakeLedger(Clock())
    else:
        async with open_table_ledger(azurite) as real:
            yield real


async def test_what_was_saved_is_recalled_as_it_was(ledger: Ledger) -> None:
    exemption = Exemption("x", "me", "why", START + DAY)
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(
            build_stored_case(),
            build_stored_record(1),
            build_stored_record(2),
            exemption,
            TRAITS,
            state=GUARD_STATE,
        )
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        memory = await claim.load()
    assert memory.cases == {"k1": build_stored_case()}
    assert [row.id for row in memory.changes] == ["c2", "c1"]
    assert memory.changes[1] == build_stored_record(1)
    assert memory.exemptions == {"x": exemption}
    assert memory.known_traits == {"k2": TRAITS}
    assert memory.state == GUARD_STATE
    assert memory.unreadable_rows == 0


async def test_a_held_guard_is_busy_and_others_are_not(ledger: Ledger) -> None:
    async with ledger.claim(GUARD, "r1") as first, ledger.claim(GUARD, "r2") as second:
        assert first
        assert second is None
        async with ledger.claim("another", "r3") as third:
            assert third
    async with ledger.claim(GUARD, "r4") as again:
        assert again
        assert again.epoch == first.epoch + 1


async def test_a_claim_is_released_when_the_run_fails(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError):
        async with ledger.claim(GUARD, "r1"):
            raise ZeroDivisionError
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim


async def test_saving_again_replaces_and_forgetting_removes(ledger: Ledger) -> None:
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(build_stored_case("k1"), build_stored_case("k2"))
        await claim.save(
            replace(build_stored_case("k1"), notification=Notification.NONE),
            forget=(build_stored_case("k2"),),
        )
        memory = await claim.load()
    assert {key: row.notification for key, row in memory.cases.items()} == {"k1": Notification.NONE}


async def test_more_rows_than_a_transaction_holds_are_saved(ledger: Ledger) -> None:
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(
            *(build_stored_case(f"k{number}") for number in range(250)), state=GUARD_STATE
        )
        memory = await claim.load()
    assert (len(memory.cases), memory.state) == (250, GUARD_STATE)


async def test_a_run_tells_its_status_from_request_to_report(ledger: Ledger) -> None:
    await ledger.save_run_status(GUARD, "r1", {"status": "queued"})
    assert await ledger.get_run(GUARD, "nobody") is None
    queued = await ledger.get_run(GUARD, "r1")
    assert queued
    assert queued["status"] == "queued"
    report = RunReport(GUARD, "Toy", "toys", "r1", Mode.ALERT, START, finished_at=START)
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(report)
    done = await ledger.get_run(GUARD, "r1")
    assert done
    assert (done["status"], done["mode"]) == ("done", "alert")


async def test_the_last_runs_are_told_newest_first(ledger: Ledger) -> None:
    for minute in range(3):
        now = START + timedelta(minutes=minute)
        await ledger.save_run_status(
            GUARD, create_run_id(now), {"status": "done", "minute": minute}
        )
    assert [run["minute"] for run in await ledger.list_recent_runs(GUARD, 2)] == [2, 1]


async def test_what_is_archived_is_recalled_only_by_who_asks_for_it(ledger: Ledger) -> None:
    ended = replace(build_stored_case("aa1"), closed_at=START - 9 * DAY, notification=NONE)
    change, request = build_stored_record(1), build_stored_request()
    tally = Tally().add([ended], [change.at], START)
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.load()
        await claim.save(ended, build_stored_case("aa2"), change, request, state=GUARD_STATE)
        await claim.archive((ended, change, request), tally)
        assert await claim.find_past_change(change.id) == change
        assert await claim.find_past_change("another") is None
        assert await claim.load_past_cases("aa") == (ended,)
        assert await claim.load_past_cases("ab") == ()
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        memory = await claim.load()
    assert memory.cases == {"aa2": build_stored_case("aa2")}
    assert (memory.changes, memory.operator_requests, memory.tally) == ((), (), tally)
    assert memory.rows_differ == ""
    assert await ledger.load(GUARD) == memory
    history = await ledger.load_history(GUARD)
    assert history.cases.keys() == {"aa1", "aa2"}
    assert (history.changes, history.operator_requests) == ((change,), (request,))
    one = await ledger.load_object(GUARD, "aa1")
    assert (one.cases, one.operator_requests) == ({"aa1": ended}, (request,))
    assert await ledger.load_object(GUARD, change.id[:2]) == GuardSnapshot(
        changes=(change,), operator_requests=(request,)
    )
    assert (await ledger.load_object(GUARD, "ab")).cases == {}
    assert await ledger.get_request(GUARD, request.id) == request


async def test_a_case_that_is_back_counts_as_it_is_now(ledger: Ledger) -> None:
    ended = replace(build_stored_case(), closed_at=START - 9 * DAY, notification=NONE)
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(ended)
        await claim.archive((ended,), Tally())
        await claim.save(build_stored_case())
    assert (await ledger.load_history(GUARD)).cases == {"k1": build_stored_case()}
    assert (await ledger.load_object(GUARD, "k1")).cases == {"k1": build_stored_case()}
    again = replace(build_stored_case(), closed_at=START, notification=NONE)
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        await claim.archive((again,), Tally())
        assert (await claim.load()).cases == {}
    assert (await ledger.load_history(GUARD)).cases == {"k1": again}


async def test_archived_rows_are_listed_with_their_end_and_deleted_by_key(ledger: Ledger) -> None:
    rows = [
        replace(build_stored_case(f"k{n:03}"), closed_at=START - n * DAY, notification=NONE)
        for n in range(120)
    ]
    stands = replace(rows[0], key="folded", folded_count=118)
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        for group in batched(rows, 30, strict=True):
            await claim.save(*group)
            await claim.archive(group, Tally())
        listed = await claim.list_past_rows(PastKind.CASE)
        assert [(row.key, row.ended_at) for row in listed] == [
            (row.key, row.closed_at.isoformat()) for row in rows if row.closed_at
        ]
        assert await claim.list_past_rows(PastKind.CHANGE) == []
        await claim.delete_past_rows(PastKind.CASE, [row.key for row in rows[2:]], stands)
        left = await claim.list_past_rows(PastKind.CASE)
        assert [row.key for row in left] == ["k000", "k001"]
        assert (await claim.load()).cases == {"folded": stands}


async def test_reports_are_kept_for_a_month_and_traits_are_forgotten(ledger: Ledger) -> None:
    young, old = (create_run_id(START - age * DAY) for age in (29, 31))
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        for name, age in ((young, 29), (old, 31)):
            at = START - age * DAY
            await claim.save(RunReport(GUARD, "Toy", "toys", name, Mode.ALERT, at, finished_at=at))
        await claim.save(TRAITS, replace(TRAITS, key="unseen"))
        await claim.save(forget=(replace(TRAITS, key="unseen"),))
        assert (await claim.load()).known_traits == {TRAITS.key: TRAITS}
    await ledger.purge_runs(GUARD, START)
    assert await ledger.get_run(GUARD, young)
    assert await ledger.get_run(GUARD, old) is None


async def test_whoever_works_on_a_stretch_of_keys_knows_the_traits_of_all(ledger: Ledger) -> None:
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(replace(TRAITS, key="1a"), replace(TRAITS, key="9a"))
        assert set((await claim.load("0", "8")).known_traits) == {"1a", "9a"}
    # Pages tell nothing of traits.
    assert (await ledger.load_object(GUARD, "1a")).known_traits == {}


# -- audit logs ---------------------------------------------------------------------------------


async def test_how_far_logs_are_read_and_where_to_look_is_kept_and_looks_are_forgotten(
    ledger: Ledger,
) -> None:
    cursor = ActivityCursor("exchange", START - DAY, START, lags={"2026-11-20": (0, 2)})
    look = PendingLook(GUARD, START, ("g1", "g2"), attempts=1)
    assert await ledger.load_activity() == ActivityState({}, {})
    async with ledger.claim(ACTIVITY_PARTITION, "r1") as claim:
        assert claim
        await claim.save(cursor, look, build_act(), state=GUARD_STATE)
        assert await ledger.load_activity() == ActivityState({"exchange": cursor}, {GUARD: look})
        await claim.save(later := replace(cursor, through=START + DAY, error="503"))
        await claim.save(taken := replace(look, guids=(), attempts=0))
    assert await ledger.load_activity() == ActivityState({"exchange": later}, {GUARD: taken})
    assert (await ledger.load_state(ACTIVITY_PARTITION)) == GUARD_STATE


async def test_acts_are_found_by_their_hours_and_go_after_eight_days(ledger: Ledger) -> None:
    acts = tuple(build_act(minutes=minutes) for minutes in (-12_000, -11_000, 0, 59, 61))
    async with ledger.claim(ACTIVITY_PARTITION, "r1") as claim:
        assert claim
        await claim.save(*reversed(acts))
    assert await ledger.load_acts(START - 30 * DAY, START + DAY) == acts
    assert await ledger.load_acts(START, START) == acts[2:4]
    assert await ledger.load_acts(START + DAY, START + 2 * DAY) == ()
    await ledger.purge_acts(START)
    assert await ledger.load_acts(START - 30 * DAY, START + DAY) == acts[1:]


# -- the table alone: fencing, lost replies, rows nobody understands ----------------------------


def table_claim(claim: object) -> TableClaim:
    assert isinstance(claim, TableClaim)
    return claim


async def take_over(ledger: TableLedger) -> None:
    """What another instance does when a lease ran out: a new owner, a new epoch, a new ETag."""
    lease = await ledger.table.read_row(GUARD, "lease")
    assert lease is not None
    lease |= {"owner": "other", "nonce": "other", "epoch": lease["epoch"] + 1}
    await ledger.table.client.update_entity(lease, mode=UpdateMode.REPLACE)


async def test_an_owner_that_was_overtaken_writes_nothing(azurite: Azurite) -> None:
    async with open_table_ledger(azurite) as ledger, ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(build_stored_case("before"))
        await take_over(ledger)
        with pytest.raises(ClaimLost):
            await claim.save(build_stored_case("after"))
        with pytest.raises(ClaimLost):
            await claim.ensure_held()
        assert await ledger.table.read_row(GUARD, "case|before") is not None
        assert await ledger.table.read_row(GUARD, "case|after") is None


async def test_a_lease_that_ran_out_is_taken_with_the_next_epoch(azurite: Azurite) -> None:
    async with open_table_ledger(azurite) as ledger:
        held = await acquire_lease(ledger.table, GUARD, "dead", "lease")
        assert held
        assert await acquire_lease(ledger.table, GUARD, "early", "lease") is None
        lease = await ledger.table.read_row(GUARD, "lease")
        assert lease is not None
        lease["until"] = (ledger.table.clock.now() - timedelta(seconds=2)).isoformat()
        await ledger.table.client.update_entity(lease, mode=UpdateMode.REPLACE)
        later = await acquire_lease(ledger.table, GUARD, "next", "lease")
        assert later
        assert later.epoch == held.epoch + 1


@pytest.mark.parametrize("row", [{"v": 2}, {"v": "1"}, {"v": None}], ids=str)
async def test_a_lease_nobody_understands_is_not_taken_over(
    azurite: Azurite, row: dict[str, object]
) -> None:
    async with open_table_ledger(azurite) as ledger:
        async with ledger.claim(GUARD, "r1"):
            pass
        lease = await ledger.table.read_row(GUARD, "lease")
        assert lease is not None
        await ledger.table.client.update_entity({**lease, **row}, mode=UpdateMode.REPLACE)
        with pytest.raises(LedgerError, match="delete the row 'lease'"):
            async with ledger.claim(GUARD, "r2"):
                pass


@pytest.mark.parametrize(
    "row",
    [{"until": "9999-12-31T00:00:00+00:00"}, {"until": "soon"}, {"until": 7}, {"epoch": "x"}],
    ids=str,
)
async def test_a_lease_that_cannot_be_is_taken_over_and_its_owner_can_no_longer_write(
    azurite: Azurite, row: dict[str, object]
) -> None:
    async with open_table_ledger(azurite) as ledger:
        held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
        assert held
        lease = await ledger.table.read_row(GUARD, "lease")
        assert lease is not None
        await ledger.table.client.update_entity({**lease, **row}, mode=UpdateMode.REPLACE)
        async with ledger.claim(GUARD, "r2") as claim:
            assert claim
            assert (await claim.load()).lease_disbelieved
            await claim.save(build_stored_case("k1"))
        with pytest.raises(ClaimLost):
            await held.save(build_stored_case("k2"))
        async with ledger.claim(GUARD, "r3") as claim:
            assert claim
            assert not (await claim.load()).lease_disbelieved


async def test_a_write_whose_reply_was_lost_is_recognised_as_ours(azurite: Azurite) -> None:
    async with open_table_ledger(azurite) as ledger, ledger.claim(GUARD, "r1") as claim:
        held = table_claim(claim)
        stale = held.etag
        await held.save(build_stored_case("k1"))
        # The service has the write and its new ETag; to this side it looks as if nothing arrived.
        held.etag = stale
        await held.save(build_stored_case("k2"))
        assert set((await held.load()).cases) == {"k1", "k2"}


async def test_renewing_moves_the_end_of_the_lease(azurite: Azurite) -> None:
    async with open_table_ledger(azurite) as ledger, ledger.claim(GUARD, "r1") as claim:
        held = table_claim(claim)
        held.renewed_at -= LEASE_DURATION.total_seconds() - 1
        assert held.get_seconds_left() < 2
        await held.ensure_held()
        assert held.get_seconds_left() > LEASE_DURATION.total_seconds() - 5


@pytest.mark.parametrize(
    "row",
    [
        {"v": 1, "body": "not json"},
        {"v": 1, "body": '{"key": 7}'},
        {"v": 1, "body": "[" * 100_000},
        {"v": 2, "body": "{}"},
        {"v": 1},
    ],
    ids=["no JSON", "wrong types", "deep", "newer", "no body"],
)
async def test_a_row_nobody_understands_is_left_alone(
    azurite: Azurite, row: dict[str, object]
) -> None:
    async with open_table_ledger(azurite) as ledger:
        async with ledger.claim(GUARD, "r1") as claim:
            assert claim
            await claim.save(build_stored_case("good"))
        if len(str(row.get("body", ""))) > 32_000:
            row["body"] = str(row["body"])[:30_000]
        poison = {"PartitionKey": GUARD, "RowKey": "case|k1", **row}
        await ledger.table.client.upsert_entity(poison)
        async with ledger.claim(GUARD, "r2") as claim:
            assert claim
            memory = await claim.load()
            assert (set(memory.cases), memory.unreadable_rows) == ({"good"}, 1)
            await claim.save(build_stored_case("k1"), build_stored_case("k3"))
        kept = await ledger.table.read_row(GUARD, "case|k1")
        assert kept is not None
        assert kept.get("body") == row.get("body")
        assert await ledger.table.read_row(GUARD, "case|k3") is not None


async def test_a_run_without_news_writes_the_lease_and_one_row(azurite: Azurite) -> None:
    async with open_table_ledger(azurite) as ledger:
        report = RunReport(GUARD, "Toy", "toys", "r1", Mode.ALERT, START)
        async with ledger.claim(GUARD, "r1") as claim:
            assert claim
            await claim.save(report, state=GUARD_STATE)
        rows = [row["RowKey"] async for row in ledger.table.client.list_entities()]
        assert sorted(rows) == ["lease", "run|r1"]


# -- shards ------------------------------------------------------------------------------------


async def test_shards_are_held_apart_from_each_other_and_from_the_guard(ledger: Ledger) -> None:
    async with (
        ledger.claim(GUARD, "r1") as guard,
        ledger.claim(GUARD, "r2", 0) as first,
        ledger.claim(GUARD, "r3", 1) as second,
        ledger.claim(GUARD, "r4", 1) as third,
    ):
        assert guard
        assert first
        assert second
        assert third is None
        known = await ledger.load_shards(GUARD)
        assert {number: held.is_claimed for number, held in known.items()} == {0: True, 1: True}
        assert await ledger.list_claimed_shards(GUARD) == {0, 1}
    assert await ledger.list_claimed_shards(GUARD) == frozenset()
    known = await ledger.load_shards(GUARD)
    assert {number: held.is_claimed for number, held in known.items()} == {0: False, 1: False}


async def test_what_a_shard_came_to_is_kept_beside_the_state_of_the_guard(ledger: Ledger) -> None:
    going_on = ScanPass("r1", START, ScanTotals(3, 1, frozenset({"a"})), 3, "0f", 2, START, 1)
    state = replace(GUARD_STATE, scan_pass=going_on, check_progress={"slow": "0f"})
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(state=state)
    async with ledger.claim(GUARD, "r2", 7) as claim:
        assert claim
        assert (await claim.load()).state == state
        await claim.save(build_stored_case(), state=DONE_SHARD)
    assert {number: held.shard for number, held in (await ledger.load_shards(GUARD)).items()} == {
        7: DONE_SHARD
    }
    assert await ledger.load_state(GUARD) == state
    assert await ledger.load_state("another") == GuardState()


async def test_one_shard_is_found_by_its_number_and_those_of_a_pass_are_counted_when_done(
    ledger: Ledger,
) -> None:
    other = replace(DONE_SHARD, pass_id="r0")
    states = (DONE_SHARD, replace(DONE_SHARD, done=False), other, DONE_SHARD)
    for number, state in enumerate(states):
        async with ledger.claim(GUARD, "r1", number) as claim:
            assert claim
            await claim.save(state=state)
    async with ledger.claim(GUARD, "r1", 3):
        # Who takes a shard over, and saves nothing, leaves it as it was.
        for number, state in enumerate(states):
            status = await ledger.load_shard(GUARD, number)
            assert status
            assert (status.shard, status.is_claimed) == (state, number == 3)
        assert await ledger.count_done_shards(GUARD, DONE_SHARD.pass_id) == 2
    assert await ledger.load_shard(GUARD, 9) is None
    assert await ledger.load_shard("another", 0) is None
    assert await ledger.count_done_shards(GUARD, "r0") == 1
    async with ledger.claim(GUARD, "r2", 0) as claim:
        assert claim
        await claim.save(state=replace(other, done=False))
    assert await ledger.count_done_shards(GUARD, DONE_SHARD.pass_id) == 1
    assert await ledger.count_done_shards("another", "r0") == 0


async def test_a_stretch_of_places_is_recalled_with_all_exemptions(ledger: Ledger) -> None:
    keys = ("00000000a", "7fffffffb", "80000000c", "ffffffffd")
    exemption = Exemption("x", "me", "why", START + DAY)
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        records = [replace(build_stored_record(), id=key) for key in keys]
        await claim.save(*(build_stored_case(key) for key in keys), *records, exemption)
        memory = await claim.load("7fffffff", "80000000")
        assert set(memory.cases) == {"7fffffffb"}
        assert [row.id for row in memory.changes] == ["7fffffffb"]
        assert set(memory.exemptions) == {"x"}
        assert set((await claim.load("80000000")).cases) == set(keys[2:])
        assert set((await claim.load()).cases) == set(keys)


class CutOff:
    """A table whose process is killed at its n-th transaction."""

    def __init__(self, table: TableClient, transactions: int) -> None:
        self.table = table
        self.left = transactions

    def __getattr__(self, name: str) -> Any:
        if name == "submit_transaction":
            self.left -= 1
            if self.left < 0:
                raise SimulatedCrash
        return getattr(self.table, name)


async def test_the_state_is_written_with_the_last_of_many_rows(azurite: Azurite) -> None:
    async with open_table_ledger(azurite) as ledger:
        for transactions, kept in ((2, GuardState()), (3, GUARD_STATE)):
            mortal = TableLedger(cast(TableClient, CutOff(ledger.table.client, transactions)))
            held = await acquire_lease(mortal.table, f"{GUARD}{transactions}", "r1", "lease")
            assert held
            rows = [build_stored_case(f"k{number}") for number in range(250)]
            with contextlib.suppress(SimulatedCrash):
                await held.save(*rows, state=GUARD_STATE)
            assert await ledger.load_state(f"{GUARD}{transactions}") == kept


async def test_a_shard_that_was_taken_back_writes_nothing_more(azurite: Azurite) -> None:
    async with open_table_ledger(azurite) as ledger:
        paused = await acquire_lease(ledger.table, GUARD, "r1", "shard|000003")
        assert paused
        await paused.release_lease()
        async with ledger.claim(GUARD, "r2", 3) as claim:
            assert claim
        with pytest.raises(ClaimLost):
            await paused.save(build_stored_case(), state=DONE_SHARD)
        assert (await ledger.load_shards(GUARD))[3].shard.done is False


# ----------------------------------------------------------------------------------------------
# What is read and asked for without a claim
# ----------------------------------------------------------------------------------------------


async def test_what_is_asked_for_waits_until_a_claim_takes_it_up(ledger: Ledger) -> None:
    first, second = (
        build_stored_request(),
        build_stored_request(id=create_run_id(START + DAY), kind=RequestKind.RUN, subject=""),
    )
    await ledger.add_request(GUARD, first)
    await ledger.add_request(GUARD, second)
    assert await ledger.get_request(GUARD, first.id) == first
    assert await ledger.get_request(GUARD, "nobody-asked") is None
    assert await ledger.get_request("other", first.id) is None
    assert await ledger.list_requests(GUARD, START) == (second, first)
    assert await ledger.list_requests(GUARD, START + timedelta(hours=1)) == (second,)
    async with ledger.claim(GUARD, "run") as claim:
        assert claim is not None
        assert (await claim.load()).operator_requests == (second, first)
        done = replace(first, state=RequestState.DONE, ended_at=START, note="done")
        await claim.save(done)
    assert await ledger.get_request(GUARD, first.id) == done


async def test_somebody_may_ask_while_a_run_holds_the_guard(ledger: Ledger) -> None:
    async with ledger.claim(GUARD, "run") as claim:
        assert claim is not None
        await ledger.add_request(GUARD, build_stored_request())
        await claim.save(build_stored_case())
    assert len((await ledger.load(GUARD)).operator_requests) == 1


async def test_who_only_reads_sees_what_a_claim_sees(ledger: Ledger) -> None:
    async with ledger.claim(GUARD, "run") as claim:
        assert claim is not None
        await claim.save(
            build_stored_case(),
            Exemption("id", "Dana", "known", START + DAY),
            state=GuardState(population=7),
        )
        await ledger.add_request(GUARD, build_stored_request())
        assert await ledger.load(GUARD) == await claim.load()
    assert (await ledger.load("nobody")) == GuardSnapshot()


async def test_runs_are_told_by_the_time_they_began(ledger: Ledger) -> None:
    starts = [START + timedelta(hours=hour) for hour in range(5)]
    for start in starts:
        await ledger.save_run_status(GUARD, create_run_id(start), {"started": start.isoformat()})
    found = [run async for run in ledger.iter_runs(GUARD, starts[1], starts[3])]
    assert [run["started"] for run in found] == [starts[3].isoformat(), starts[2].isoformat()]


async def test_many_runs_are_read_page_by_page(azurite: Azurite) -> None:
    async with open_table_ledger(azurite) as ledger:
        total = 2 * PAGE_SIZE + 1
        for number in range(total):
            await ledger.save_run_status(
                GUARD, create_run_id(START + timedelta(minutes=number)), {"n": number}
            )
        found = [run["n"] async for run in ledger.iter_runs(GUARD, START - DAY, START + DAY)]
        assert found == list(range(total))[::-1]


async def test_the_ways_of_a_tenant_are_kept_by_cmdlet(ledger: Ledger) -> None:
    assert await ledger.load_ways() == {}
    first = Way("Get-Mailbox", "entities", START, "ContinuationRefused")
    await ledger.save_way(first)
    await ledger.save_way(Way(EVERY_CMDLET, "post-app-front", START))
    later = replace(first, way="slices", since=START + DAY)
    await ledger.save_way(later)
    assert await ledger.load_ways() == {
        "Get-Mailbox": later,
        EVERY_CMDLET: Way(EVERY_CMDLET, "post-app-front", START),
    }


async def test_known_inboxes_are_kept_by_group_and_loaded_by_range(ledger: Ledger) -> None:
    assert not await ledger.load_inboxes("00", "ff")
    inbox = KnownInbox("id", "\\Posteingang", 739_000)
    groups = [InboxGroup(f"{n:02x}", {f"{n:016x}": inbox}) for n in range(256)]
    # More than a property holds.
    groups[127] = InboxGroup("7f", {f"{n:016x}": inbox for n in range(500)})
    await ledger.save_inboxes(groups)
    assert list(await ledger.load_inboxes("00", "ff")) == groups
    later = InboxGroup("7f", {})
    await ledger.save_inboxes([later])
    assert list(await ledger.load_inboxes("00", "7f")) == [*groups[:127], later]
    assert list(await ledger.load_inboxes("80", "80")) == [groups[128]]


async def test_the_last_probe_takes_the_place_of_the_one_before(ledger: Ledger) -> None:
    assert await ledger.load_probe() is None
    answers = (
        ProbeAnswer("exchange-paging", AnswerStatus.HOLDS, "2 rows", "post-app-front"),
        ProbeAnswer("x", AnswerStatus.DOES_NOT_HOLD, error="Forbidden", stopped_at=START),
    )
    await ledger.save_probe(ProbeReport(START, ()))
    await ledger.save_probe(report := ProbeReport(START + DAY, answers, 12, 3.5, "ab"))
    assert await ledger.load_probe() == report
    assert report.find_answer("x") == answers[1]


async def test_the_journal_keeps_the_last_mark_and_each_request_as_it_was_last(
    ledger: Ledger,
) -> None:
    assert await ledger.load_mark(GUARD) is None
    for revision in (1, 2):
        await ledger.save_mark(GUARD, StateMark(revision, START))
    assert await ledger.load_mark(GUARD) == StateMark(2, START)
    assert await ledger.load_mark("another") is None
    first, second = (build_stored_request(id=create_run_id(START + n * DAY)) for n in (0, 1))
    await ledger.add_request(GUARD, first)
    await ledger.add_request(GUARD, second)
    done = replace(second, state=RequestState.DONE, ended_at=START, case_key="k1")
    await ledger.log_requests(GUARD, [done])
    assert await ledger.load_request_log(GUARD) == (done, first)
    assert await ledger.load_request_log("another") == ()
    assert (await ledger.load("journal|toy")).operator_requests in ((), (done, first))
    assert await ledger.get_request(GUARD, second.id) == second


async def test_the_journal_of_an_app_is_a_table_of_its_own(azurite: Azurite) -> None:
    name = f"t{uuid.uuid4().hex}"
    journal = TableClient.from_connection_string(
        azurite.connection_string, table_name=f"{name}{JOURNAL_SUFFIX}", retry_total=0
    )
    async with open_table_ledger(azurite, name) as bare, journal:
        ledger = TableLedger(bare.table.client, journal_client=journal)
        await ledger.save_mark(GUARD, StateMark(7, START))
        async with ledger.claim(GUARD, "r1") as claim:
            assert claim
            await claim.save(build_stored_case())
        await ledger.table.client.delete_table()
        assert await ledger.load_mark(GUARD) == StateMark(7, START)
        await journal.update_entity(
            {"PartitionKey": f"journal|{GUARD}", "RowKey": "mark", "body": "{"},
            mode=UpdateMode.REPLACE,
        )
        with pytest.raises(LedgerError, match="delete the row 'mark'"):
            await ledger.load_mark(GUARD)
