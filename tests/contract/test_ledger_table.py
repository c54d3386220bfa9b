"""What only the ledger on Table Storage has: passing trouble, leases and their end, odd rows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from http.client import BadStatusLine
from typing import Any, cast

import pytest
import pytest_asyncio
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.data.tables import TableEntity, TableErrorCode, UpdateMode
from azure.data.tables.aio import TableClient

from bench.counting_proxy import CountingProxy
from core.adapters.table_storage.activity_rows import read_newest_rows
from core.adapters.table_storage.entities import SCHEMA_VERSION, build_entity
from core.adapters.table_storage.lease import LEASE_DURATION, TableClaim, acquire_lease
from core.adapters.table_storage.lease_row import build_shard_key, is_lease_expired
from core.adapters.table_storage.ledger import TableLedger
from core.adapters.table_storage.responses import (
    call_table_service,
    describe_table_error,
    is_transient_error,
    require_entity_keys,
    require_etag,
)
from core.adapters.table_storage.shard_rows import IDLE_SHARD
from core.adapters.table_storage.tenant_rows import PROBE_ROW_KEY
from core.engine.run import create_run_id
from core.errors import ClaimLost, LedgerError
from core.model.cases import Exemption
from core.model.guards import Mode
from core.model.runs import RunReport
from core.model.state import (
    GuardSnapshot,
    GuardState,
    ProbeReport,
    ScanPass,
    ScanTotals,
    Shard,
    Way,
)
from core.model.tally import Tally
from core.ports import ACTIVITY_PARTITION, TENANT_PARTITION
from core.status.loading import load_all_records, load_guard_data
from core.tenant.known_traits import KnownTraits
from sandbox.functions_host.azurite import Azurite
from tests.support.acts import build_act
from tests.support.fakes.clock import START
from tests.support.fakes.ledger import DAY
from tests.support.ledgers import (
    DONE_SHARD,
    GUARD,
    GUARD_STATE,
    build_stored_case,
    build_stored_record,
    build_stored_request,
    open_table_ledger,
)
from tests.support.synthetic_guard import ALERT_CONFIG

SECOND = timedelta(seconds=1)


@pytest_asyncio.fixture
async def ledger(azurite: Azurite) -> AsyncIterator[TableLedger]:
    async with open_table_ledger(azurite) as real:
        yield real


def http(
    status: int, kind: type[HttpResponseError] = HttpResponseError, code: str = ""
) -> HttpResponseError:
    """An answer of the service that is no success; `code` is its own word for it."""
    error = kind("no")
    error.status_code = status
    vars(error)["error_code"] = code
    return error


# -- passing trouble ---------------------------------------------------------------------------


class Troubled:
    """An operation that fails with what it is given, one after the other, and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.attempts = 0
        self.slept: list[float] = []

    async def __call__(self) -> str:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @property
    def ledger(self) -> TableLedger:
        return TableLedger(cast(TableClient, None), sleep=self.sleep)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_passing_trouble_is_waited_out(status: int) -> None:
    attempt = Troubled(http(status), ServiceRequestError("reset"), http(status), http(status))
    assert await attempt.ledger.table.run_operation(attempt) == "done"
    assert attempt.attempts == 5
    # Each wait is drawn from a range twice as long, the first from a fifth of a second.
    longest = [0.2, 0.4, 0.8, 1.6]
    assert all(0 <= slept <= most for slept, most in zip(attempt.slept, longest, strict=True))


async def test_waits_are_drawn_from_ranges_that_double() -> None:
    drawn: list[list[float]] = [[], [], [], []]
    for _ in range(200):
        attempt = Troubled(*(http(503) for _ in range(4)))
        await attempt.ledger.table.run_operation(attempt)
        for known, slept in zip(drawn, attempt.slept, strict=True):
            known.append(slept)
    for known, most in zip(drawn, (0.2, 0.4, 0.8, 1.6), strict=True):
        assert most / 2 < max(known) <= most


async def test_trouble_that_does_not_pass_is_told_after_five_attempts() -> None:
    attempt = Troubled(*(http(503) for _ in range(9)))
    with pytest.raises(LedgerError, match=r"^the state table answers 503$"):
        await attempt.ledger.table.run_operation(attempt)
    assert attempt.attempts == 5


async def test_a_table_that_cannot_be_reached_is_told_by_what_went_wrong() -> None:
    attempt = Troubled(*(ServiceRequestError("refused") for _ in range(9)))
    with pytest.raises(LedgerError, match=r"^the state table: ServiceRequestError$"):
        await attempt.ledger.table.run_operation(attempt)


@pytest.mark.parametrize("status", [400, 404, 409, 412])
async def test_an_answer_to_what_was_asked_is_the_callers_to_judge(status: int) -> None:
    attempt = Troubled(http(status))
    with pytest.raises(HttpResponseError) as raised:
        await attempt.ledger.table.run_with_retries(attempt)
    assert (raised.value.status_code, attempt.attempts) == (status, 1)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_names_the_role_that_is_missing(status: int) -> None:
    attempt = Troubled(http(status))
    remedy = "^the state table refuses access: assign Storage Table Data Contributor to the app$"
    with pytest.raises(LedgerError, match=remedy):
        await attempt.ledger.table.run_with_retries(attempt)
    assert attempt.attempts == 1


def test_only_trouble_of_the_service_and_the_way_to_it_passes() -> None:
    assert is_transient_error(http(503))
    assert is_transient_error(ServiceRequestError("reset"))
    assert not is_transient_error(http(412))
    assert not is_transient_error(http(301))
    assert is_transient_error(http(200))
    assert is_transient_error(http(299))
    assert not is_transient_error(http(300))
    assert not is_transient_error(ValueError("a mistake of ours"))
    assert describe_table_error(http(507)) == "the state table answers 507"


@pytest.mark.parametrize(
    "error", [KeyError("x"), IndexError(), TypeError(), RecursionError(), BadStatusLine("<")]
)
async def test_what_the_sdk_trips_over_is_an_answer_that_was_lost(error: Exception) -> None:
    attempt = Troubled(error)
    await attempt.ledger.table.run_operation(attempt)
    assert attempt.attempts == 2
    with pytest.raises(ServiceResponseError, match=type(error).__name__):
        await call_table_service(Troubled(error))


@pytest.mark.parametrize("etag", [None, "", 7, "W/\"datetime'2026-11-21T17%3A23"])
def test_a_write_that_left_no_etag_was_not_answered(etag: object) -> None:
    with pytest.raises(ValueError, match="without an ETag"):
        require_etag({"etag": etag})
    assert require_etag({"etag": 'W/"x"'}) == 'W/"x"'


@pytest.mark.parametrize("row", [{}, {"PartitionKey": "toy"}, {"PartitionKey": "toy", "RowKey": 7}])
def test_a_row_without_keys_is_nobodys_row(row: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="without keys"):
        require_entity_keys(TableEntity(row))
    assert require_entity_keys(TableEntity({"PartitionKey": "toy", "RowKey": "lease"}))


class Vanished:
    """A table that is not there and, for the reason given, cannot be made."""

    def __init__(self, code: str, error: HttpResponseError | None = None) -> None:
        self.error = error or (http(409, code=code) if code else None)

    async def attempt(self) -> None:
        raise http(404, ResourceNotFoundError, TableErrorCode.TABLE_NOT_FOUND)

    async def create_table(self) -> None:
        if self.error:
            raise self.error


def bare(status: int, kind: type[HttpResponseError]) -> HttpResponseError:
    """An answer of something else than the table service: without its word for what is wrong."""
    error = kind("no")
    error.status_code = status
    assert not hasattr(error, "error_code")
    return error


async def test_an_answer_that_is_not_of_the_table_service_is_the_callers_to_judge() -> None:
    attempt = Troubled(answer := bare(404, ResourceNotFoundError))
    with pytest.raises(ResourceNotFoundError) as raised:
        await attempt.ledger.table.run_operation(attempt)
    assert raised.value is answer
    gone = Vanished("", refusal := bare(409, HttpResponseError))
    with pytest.raises(HttpResponseError) as refused:
        await TableLedger(cast(TableClient, gone)).table.run_operation(gone.attempt)
    assert refused.value is refusal


@pytest.mark.parametrize("code", ["", TableErrorCode.TABLE_BEING_DELETED])
async def test_a_table_that_is_gone_and_cannot_be_made_is_told(code: str) -> None:
    gone = Vanished(code)
    ledger = TableLedger(cast(TableClient, gone))
    with pytest.raises(
        LedgerError, match=r"^the state table does not exist and cannot be created$"
    ):
        await ledger.table.run_operation(gone.attempt)


# -- the lease ---------------------------------------------------------------------------------


def lease_row(**changes: object) -> TableEntity:
    row = {"PartitionKey": GUARD, "v": 1, "until": START.isoformat(), "epoch": 1}
    return TableEntity(row | changes)


@pytest.mark.parametrize(
    ("row", "now", "free"),
    [
        (lease_row(), START - SECOND, False),
        (lease_row(), START, True),
        (lease_row(), START + SECOND, True),
        (lease_row(until=(START + 300 * SECOND).isoformat()), START, False),
        (lease_row(until=(START + 301 * SECOND).isoformat()), START, True),
        (lease_row(until="9999-12-31T23:59:59+00:00"), START, True),
        (lease_row(until=START.replace(tzinfo=None).isoformat()), START, True),
        (lease_row(until="tomorrow"), START - SECOND, True),
        (lease_row(until=7), START - SECOND, True),
        (lease_row(epoch="many"), START - SECOND, True),
        (lease_row(epoch=2**31 - 1), START - SECOND, True),
        (lease_row(epoch=0), START - SECOND, True),
    ],
    ids=str,
)
def test_a_lease_is_free_from_the_moment_it_ends(
    row: TableEntity, now: datetime, free: bool
) -> None:
    assert is_lease_expired(row, now) is free


def test_a_lease_of_another_version_names_the_row_to_delete() -> None:
    remedy = (
        rf"^the lease of {GUARD} was not written by this version \(another schema\): compare the "
        rf"versions deployed, or delete the row 'lease' of partition '{GUARD}'$"
    )
    with pytest.raises(LedgerError, match=remedy):
        is_lease_expired(lease_row(v=2), START)


class Lossy:
    """A table that writes a row, and whose answer does not come through but for a conflict.

    The library tries again by itself, and then finds its own write in the way. `stolen` is who
    writes in between.
    """

    def __init__(self, table: TableClient, stolen: str = "") -> None:
        self.table = table
        self.stolen = stolen

    async def create_entity(self, row: dict[str, Any]) -> None:
        await self.table.create_entity(self.with_thief(row))
        raise http(409, ResourceExistsError)

    async def update_entity(self, row: dict[str, Any], **options: Any) -> None:
        await self.table.update_entity(self.with_thief(row), **options)
        raise http(412, ResourceModifiedError)

    def with_thief(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {"owner": self.stolen, "nonce": self.stolen} if self.stolen else row

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)


@pytest.mark.parametrize("anew", [True, False], ids=["first", "taken over"])
async def test_a_lease_whose_answer_was_lost_is_ours_and_that_of_another_is_not(
    ledger: TableLedger, anew: bool
) -> None:
    table = ledger.table.client
    if not anew:
        async with ledger.claim(GUARD, "r0"):
            pass
    ledger.table.client = cast(TableClient, Lossy(table, stolen="thief"))
    assert await acquire_lease(ledger.table, GUARD, "r1", "lease") is None
    ledger.table.client = table
    await spoil(ledger, "lease", until=START.isoformat())
    if anew:
        await table.delete_entity(GUARD, "lease")
    ledger.table.client = cast(TableClient, Lossy(table))
    held = await acquire_lease(ledger.table, GUARD, "r2", "lease")
    assert held
    ledger.table.client = table
    await held.save(build_stored_case())
    assert await ledger.table.read_row(GUARD, "case|k1")


async def test_every_answer_tells_the_time_of_the_service(ledger: TableLedger) -> None:
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
    assert held
    now = ledger.table.clock.now()

    async def page() -> object:
        return [run async for run in ledger.iter_runs(GUARD, START - DAY, START)]

    asked: list[Callable[[], Awaitable[object]]] = [
        lambda: ledger.table.read_row(GUARD, "lease"),
        lambda: ledger.table.query_key_range(GUARD, "a", "z"),
        page,
        held.release_lease,
    ]
    for ask in asked:
        ledger.table.clock.service_time -= DAY
        await ask()
        assert ledger.table.clock.now() >= now - timedelta(seconds=3)


async def test_a_claim_lasts_as_long_as_the_lease(ledger: TableLedger) -> None:
    before = ledger.table.clock.now()
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
    assert held
    row = await ledger.table.read_row(GUARD, "lease")
    assert row
    until = datetime.fromisoformat(row["until"])
    assert (
        before + LEASE_DURATION <= until <= ledger.table.clock.now() + LEASE_DURATION + 3 * SECOND
    )
    assert (row["owner"], row["epoch"], row["v"]) == ("r1", 1, 1)
    assert (
        LEASE_DURATION.total_seconds() - 30
        < held.get_seconds_left()
        <= LEASE_DURATION.total_seconds()
    )
    await held.release_lease()
    row = await ledger.table.read_row(GUARD, "lease")
    assert row
    assert is_lease_expired(row, START - 15_000 * DAY)


@pytest.mark.parametrize(("left", "renewed"), [(0.2, True), (0.3, False)])
async def test_a_claim_is_renewed_when_less_than_a_quarter_of_it_is_left(
    ledger: TableLedger, left: float, renewed: bool
) -> None:
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
    assert held
    etag = held.etag
    held.renewed_at -= held.get_seconds_left() - left * held.lease_seconds
    await held.ensure_held()
    assert (held.etag != etag) is renewed


async def test_a_claim_renews_itself_while_it_is_held(ledger: TableLedger) -> None:
    ledger.lease_duration = timedelta(seconds=0.3)
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        first = later = await ledger.table.read_row(GUARD, "lease")
        while first and later and later["until"] == first["until"]:
            await asyncio.sleep(0.05)
            later = await ledger.table.read_row(GUARD, "lease")
    assert first
    assert later
    assert later["until"] > first["until"]
    assert later["epoch"] == first["epoch"]


async def test_a_renewal_ends_with_the_claim(ledger: TableLedger) -> None:
    ledger.lease_duration = timedelta(seconds=0.1)
    running = len(asyncio.all_tasks())
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        assert len(asyncio.all_tasks()) == running + 1
    assert len(asyncio.all_tasks()) == running


async def test_what_is_done_under_a_claim_that_ran_out_is_cut_off(ledger: TableLedger) -> None:
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease", timedelta(seconds=0.5))
    assert held
    with pytest.raises(ClaimLost, match=f"^the claim on {GUARD} ran out while it was used$"):
        async with held.protect_writes():
            await asyncio.sleep(60)
    assert held.write_timeout is None


async def test_a_timeout_of_what_is_done_is_not_taken_for_the_end_of_the_claim(
    ledger: TableLedger,
) -> None:
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
    assert held
    with pytest.raises(TimeoutError):
        async with held.protect_writes():
            raise TimeoutError


async def test_what_is_done_may_go_on_for_longer_when_the_claim_is_renewed(
    ledger: TableLedger,
) -> None:
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
    assert held
    async with held.protect_writes():
        assert held.write_timeout
        held.write_timeout.reschedule(asyncio.get_running_loop().time() + 30)
        first = held.write_timeout.when()
        await held.save(build_stored_case())
        later = held.write_timeout.when()
    assert first
    assert later
    assert first < later <= asyncio.get_running_loop().time() + held.lease_seconds


async def test_a_claim_that_is_lost_stays_lost_and_says_why(ledger: TableLedger) -> None:
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
    assert held
    row = await ledger.table.read_row(GUARD, "lease")
    assert row
    await ledger.table.client.update_entity({**row, "nonce": "another's"}, mode=UpdateMode.REPLACE)
    for _ in range(2):
        with pytest.raises(ClaimLost, match=f"^another run took over {GUARD}$"):
            await held.save(build_stored_case())
        with pytest.raises(ClaimLost, match=f"^another run took over {GUARD}$"):
            await held.ensure_held()
    await held.release_lease()
    left = await ledger.table.read_row(GUARD, "lease")
    assert left
    assert left["until"] == row["until"]


async def test_a_claim_whose_lease_row_is_gone_is_lost(ledger: TableLedger) -> None:
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
    assert held
    await ledger.table.client.delete_entity(GUARD, "lease")
    with pytest.raises(ClaimLost):
        await held.save(build_stored_case())
    assert await ledger.table.read_row(GUARD, "case|k1") is None


async def test_what_is_gone_already_can_be_forgotten_with_what_is_to_be_kept(
    ledger: TableLedger,
) -> None:
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(
            build_stored_case("k1"), forget=(build_stored_case("never-there"),), state=GUARD_STATE
        )
        memory = await claim.load()
    assert (set(memory.cases), memory.state) == ({"k1"}, GUARD_STATE)


async def test_a_write_the_service_does_not_accept_is_told_and_the_claim_lives_on(
    ledger: TableLedger,
) -> None:
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
    assert held
    foreign = ("upsert", {"PartitionKey": "another", "RowKey": "k"}, {"mode": UpdateMode.REPLACE})
    with pytest.raises((LedgerError, ValueError)):
        await held.submit_with_fence([foreign])
    await held.save(build_stored_case())
    assert await ledger.table.read_row(GUARD, "case|k1")


async def test_what_is_gone_already_keeps_nothing_else_from_being_forgotten(
    ledger: TableLedger,
) -> None:
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(build_stored_case("k1"), build_stored_case("k2"), state=GUARD_STATE)
        await claim.save(forget=(build_stored_case("never-there"), build_stored_case("k2")))
        assert set((await claim.load()).cases) == {"k1"}
    assert await reload(ledger) == ""


class Deaf:
    """A table that does what it is told, and whose next answers to transactions are lost."""

    def __init__(self, table: TableClient, lost_answers: int) -> None:
        self.table = table
        self.lost_answers = lost_answers

    async def submit_transaction(self, operations: list[Any]) -> Any:
        if not self.lost_answers:
            return await self.table.submit_transaction(operations)
        self.lost_answers -= 1
        with contextlib.suppress(HttpResponseError):
            await self.table.submit_transaction(operations)
        raise ServiceResponseError("the answer was lost")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)


@pytest.mark.parametrize("is_done", [True, False])
async def test_a_renewal_after_a_write_without_an_answer_leaves_what_was_written(
    ledger: TableLedger, is_done: bool
) -> None:
    await fill(ledger)
    new_state = replace(GUARD_STATE, population=99)
    async with ledger.claim(GUARD, "r2") as claim:
        assert isinstance(claim, TableClaim)
        await claim.load()
        table, ledger.table.sleep = ledger.table.client, do_not_wait
        troubled = Deaf(table, 5) if is_done else Refusing(table, 503)
        ledger.table.client = cast(TableClient, troubled)
        with pytest.raises(LedgerError):
            await claim.save(build_stored_case("7"), state=new_state)
        ledger.table.client = table
        await claim.submit_with_fence([], is_renewal=True)
    assert await reload(ledger) == ""
    stored = await ledger.load(GUARD)
    assert ("7" in stored.cases, stored.state) == (
        (True, new_state) if is_done else (False, GUARD_STATE)
    )


async def do_not_wait(_: float) -> None:
    """Waits for nothing."""


class Refusing:
    """A table that answers every transaction with the same status and does none of them."""

    def __init__(self, table: TableClient, status: int) -> None:
        self.table = table
        self.status = status
        self.sent: list[list[str]] = []

    async def submit_transaction(self, operations: list[Any]) -> None:
        self.sent.append([kind for kind, *_ in operations])
        raise http(self.status)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (400, [["update", "upsert", "delete"]]),
        (404, [["update", "upsert", "delete"], ["update", "upsert"], ["update", "upsert"]]),
        (412, [["update", "upsert", "delete"]] * 3),
    ],
)
async def test_a_transaction_that_is_never_accepted_is_given_up_and_the_claim_is_not(
    ledger: TableLedger, status: int, sent: list[list[str]]
) -> None:
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
    assert held
    table, ledger.table.client = (
        ledger.table.client,
        cast(TableClient, Refusing(ledger.table.client, status)),
    )
    with pytest.raises(LedgerError, match=f"^the state table answers {status}$"):
        await held.save(build_stored_case("k1"), forget=(build_stored_case("k2"),))
    assert cast(Refusing, ledger.table.client).sent == sent
    ledger.table.client = table
    await held.save(build_stored_case("k1"))
    assert held.lost_reason == ""


async def test_nothing_to_say_is_no_write(ledger: TableLedger) -> None:
    held = await acquire_lease(ledger.table, GUARD, "r1", "lease")
    assert held
    etag = held.etag
    await held.save()
    assert held.etag == etag


async def test_the_state_of_another_tenant_is_refused_with_the_remedy(
    ledger: TableLedger,
) -> None:
    other = "T" * 100
    theirs = TableLedger(ledger.table.client, tenant=other)
    async with theirs.claim(GUARD, "r1") as claim:
        assert claim
        assert await theirs.load_state(GUARD) == GuardState()
    ours = TableLedger(ledger.table.client, tenant="Ours")
    remedy = (
        rf"^the table {ledger.table.client.table_name} holds the state of tenant {'t' * 80}, "
        "and TENANT_ID is ours: name another table in STATE_TABLE, or set TENANT_ID back if it is "
        "the same tenant by another name$"
    )
    with pytest.raises(LedgerError, match=remedy):
        await ours.load_state(GUARD)
    with pytest.raises(LedgerError, match=remedy):
        await acquire_lease(ours.table, GUARD, "r2", "lease")
    # Who does not say whose it is may look, and what was written before tenants were is anybody's.
    assert await ledger.load_state(GUARD) == GuardState()
    async with ledger.claim(GUARD, "r3") as claim:
        assert claim
    assert await ours.load_state(GUARD) == GuardState()


# -- states and rows ---------------------------------------------------------------------------


async def spoil(ledger: TableLedger, key: str, **changes: object) -> None:
    """Somebody writes into a row by hand."""
    row = await ledger.table.read_row(GUARD, key)
    assert row
    await ledger.table.client.update_entity({**row, **changes}, mode=UpdateMode.REPLACE)


async def test_a_state_nobody_understands_stops_who_only_reads_and_is_counted_by_a_claim(
    ledger: TableLedger,
) -> None:
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(state=GUARD_STATE)
    await spoil(ledger, "lease", state="{")
    with pytest.raises(LedgerError, match=f"^the state of {GUARD} cannot be decoded: "):
        await ledger.load_state(GUARD)
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        memory = await claim.load()
        assert (memory.state, memory.unreadable_rows) == (GuardState(), 1)
        await claim.save(build_stored_case(), state=GUARD_STATE)
        with pytest.raises(LedgerError, match="no scan pass can start"):
            await claim.save(
                state=replace(
                    GUARD_STATE, scan_pass=ScanPass("r2", START, DONE_SHARD.totals, shard_count=2)
                )
            )
    row = await ledger.table.read_row(GUARD, "lease")
    assert row
    assert row["state"] == "{"
    assert await ledger.table.read_row(GUARD, "case|k1")


async def test_a_lease_without_a_state_is_a_guard_that_remembers_nothing(
    ledger: TableLedger,
) -> None:
    async with ledger.claim(GUARD, "r1"):
        row = await ledger.table.read_row(GUARD, "lease")
    assert row
    bare = {name: value for name, value in row.items() if name != "state"}
    released = {**bare, "until": START.isoformat()}
    await ledger.table.client.update_entity(released, mode=UpdateMode.REPLACE)
    assert await ledger.load_state(GUARD) == GuardState()
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        assert (await claim.load()) == GuardSnapshot()


async def test_a_state_without_shards_is_dropped_where_the_row_is_not_understood(
    ledger: TableLedger,
) -> None:
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
    await spoil(ledger, "lease", state="{")
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        await claim.load()
        await claim.save(
            state=replace(
                GUARD_STATE, scan_pass=ScanPass("r2", START, DONE_SHARD.totals, shard_count=0)
            )
        )
    row = await ledger.table.read_row(GUARD, "lease")
    assert row
    assert row["state"] == "{"


async def test_a_row_nobody_understood_is_spared_whatever_is_recalled_after_it(
    ledger: TableLedger,
) -> None:
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(build_stored_case("1"), build_stored_case("8"))
        await spoil(ledger, "case|1", body="of another version")
        first = await claim.load("0", "5")
        assert (first.unreadable_rows, first.unreadable_keys) == (1, frozenset({"1"}))
        assert (await claim.load("5")).unreadable_rows == 1
        await claim.save(build_stored_case("1"))
    row = await ledger.table.read_row(GUARD, "case|1")
    assert row
    assert row["body"] == "of another version"
    assert (await ledger.load(GUARD)).unreadable_rows == 1


async def test_shards_nobody_understands_are_none_and_one_that_saved_nothing_is_idle(
    ledger: TableLedger,
) -> None:
    for number in range(4):
        async with ledger.claim(GUARD, "r1", number) as claim:
            assert claim
            if number != 1:
                await claim.save(state=DONE_SHARD)
    await spoil(ledger, build_shard_key(2), state="{")
    await spoil(ledger, build_shard_key(3), v=2)
    known = {number: held.shard for number, held in (await ledger.load_shards(GUARD)).items()}
    assert known == {0: DONE_SHARD, 1: IDLE_SHARD}
    alone = [await ledger.load_shard(GUARD, number) for number in range(5)]
    assert [held.shard if held else None for held in alone] == [
        *(DONE_SHARD, IDLE_SHARD, None, None, None)
    ]
    assert Shard("", "", "", 0, datetime.fromisoformat("1970-01-01T00:00:00+00:00")) == IDLE_SHARD


async def test_only_rows_of_shards_are_read_for_shards(
    ledger: TableLedger, caplog: pytest.LogCaptureFixture
) -> None:
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(build_stored_case("7"), build_stored_record(), state=GUARD_STATE)
    assert await ledger.load_shards(GUARD) == {}
    assert caplog.records == []


async def test_a_row_nobody_understands_is_logged_with_the_reason(
    ledger: TableLedger, caplog: pytest.LogCaptureFixture
) -> None:
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(*(build_stored_case(key) for key in ("1", "2", "3")))
    other = await ledger.table.read_row(GUARD, "case|3")
    assert other
    await spoil(ledger, "case|1", v=2)
    await spoil(ledger, "case|2", body=other["body"])
    assert (await ledger.load(GUARD)).unreadable_rows == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"{GUARD}: row case|1 cannot be decoded: another schema",
        f"{GUARD}: row case|2 cannot be decoded: the body of another row",
    ]


async def test_rows_of_the_tenant_bear_the_version_and_are_read_by_their_kind(
    ledger: TableLedger, caplog: pytest.LogCaptureFixture
) -> None:
    await ledger.save_probe(ProbeReport(START, ()))
    await ledger.save_way(way := Way("Get-Mailbox", "pages", START))
    assert await ledger.load_ways() == {"Get-Mailbox": way}
    assert caplog.records == []
    rows = await ledger.table.query_rows("PartitionKey eq @kept", kept=TENANT_PARTITION)
    assert {row["RowKey"]: row["v"] for row in rows} == {
        PROBE_ROW_KEY: SCHEMA_VERSION,
        "way|Get-Mailbox": SCHEMA_VERSION,
    }


async def test_the_rows_of_shards_sort_as_their_numbers_do() -> None:
    numbers = [0, 9, 10, 99, 100, 65_000]
    assert sorted(map(build_shard_key, numbers)) == [build_shard_key(number) for number in numbers]


# -- runs --------------------------------------------------------------------------------------


async def test_a_requested_run_is_running_while_its_own_claim_is_held(
    ledger: TableLedger,
) -> None:
    await ledger.save_run_status(GUARD, "r1", {"status": "queued", "guard": GUARD})
    async with ledger.claim(GUARD, "r1"):
        assert await ledger.get_run(GUARD, "r1") == {"status": "running", "guard": GUARD}
    assert await ledger.get_run(GUARD, "r1") == {"status": "queued", "guard": GUARD}
    async with ledger.claim(GUARD, "another"):
        assert await ledger.get_run(GUARD, "r1") == {"status": "queued", "guard": GUARD}
    await ledger.save_run_status(GUARD, "r1", {"status": "done"})
    async with ledger.claim(GUARD, "r1"):
        assert await ledger.get_run(GUARD, "r1") == {"status": "done"}


async def test_a_report_nobody_understands_is_told_as_such(ledger: TableLedger) -> None:
    await ledger.save_run_status(GUARD, "r1", {"status": "queued"})
    await spoil(ledger, "run|r1", body="[]")
    with pytest.raises(LedgerError, match=r"^the report of run r1 cannot be decoded$"):
        await ledger.get_run(GUARD, "r1")


async def test_an_action_nobody_understands_is_told_as_such_and_not_listed(
    ledger: TableLedger,
) -> None:
    good, bad = build_stored_request(), build_stored_request()
    await ledger.add_request(GUARD, good)
    await ledger.add_request(GUARD, bad)
    await spoil(ledger, f"request|{bad.id}", body="[]")
    with pytest.raises(LedgerError, match=f"^the request {bad.id} cannot be decoded$"):
        await ledger.get_request(GUARD, bad.id)
    assert await ledger.list_requests(GUARD, START) == (good,)


async def test_what_is_asked_for_again_replaces_what_was_asked(ledger: TableLedger) -> None:
    operator_request = build_stored_request()
    await ledger.add_request(GUARD, operator_request)
    await ledger.add_request(GUARD, replace(operator_request, reason="I know better now"))
    assert (await ledger.list_requests(GUARD, START))[0].reason == "I know better now"
    await ledger.save_run_status(GUARD, "r1", {"status": "queued", "more": 1})
    await ledger.save_run_status(GUARD, "r1", {"status": "done"})
    assert await ledger.get_run(GUARD, "r1") == {"status": "done"}


async def test_runs_and_histories_keep_to_their_guard(ledger: TableLedger) -> None:
    for guard in (GUARD, "another"):
        for minute in range(3):
            now = START + timedelta(minutes=minute)
            await ledger.save_run_status(
                guard, create_run_id(now), {"guard": guard, "minute": minute}
            )
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(build_stored_case(), build_stored_record())
    known = await ledger.list_recent_runs(GUARD, 9)
    assert [(run["guard"], run["minute"]) for run in known] == [(GUARD, n) for n in (2, 1, 0)]
    since, until = START - DAY, START + DAY
    found = [run async for run in ledger.iter_runs(GUARD, since, until)]
    assert found == known
    memory = await ledger.load("another")
    assert (memory.cases, memory.changes) == ({}, ())


async def test_more_old_reports_than_a_transaction_holds_are_purged(ledger: TableLedger) -> None:
    old = START - 31 * DAY
    reports = [
        RunReport(GUARD, "Toy", "toys", f"{n}", Mode.ALERT, old, finished_at=old)
        for n in range(120)
    ]
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(*reports)
    await ledger.purge_runs(GUARD, START)
    rows = [row["RowKey"] async for row in ledger.table.client.list_entities()]
    assert rows == ["lease"]


async def test_a_record_longer_than_a_property_is_split_and_is_recalled_whole(
    ledger: TableLedger,
) -> None:
    traits = KnownTraits(
        "k", "o", "x", START, START, {"\U0001f984" * 7_000 + str(n): START for n in range(3)}
    )
    state = replace(
        GUARD_STATE, baselined_sources=frozenset(f"baseline-{'x' * 60}-{n}" for n in range(500))
    )
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(traits, state=state)
    row = await ledger.table.read_row(GUARD, "lease")
    assert row
    assert {"state", "state1", "state2"} <= row.keys()
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        memory = await claim.load()
        assert (memory.state, memory.known_traits) == (state, {"k": traits})
        assert memory.rows_differ == ""
        await claim.save(replace(traits, traits={}), state=GUARD_STATE)
    row = await ledger.table.read_row(GUARD, "lease")
    assert row
    assert "state1" not in row
    assert await ledger.load_state(GUARD) == GUARD_STATE
    assert (await ledger.load(GUARD)).known_traits == {"k": replace(traits, traits={})}


async def test_rows_that_are_too_much_for_one_transaction_are_saved_in_several(
    ledger: TableLedger,
) -> None:
    # As UTF-8 they would fit, but the SDK escapes each letter: 99 rows take 9 MiB then.
    cases = [replace(build_stored_case(f"k{n:03}"), summary="\u0416" * 15_000) for n in range(99)]
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        await claim.save(*cases)
    assert (await ledger.load(GUARD)).cases == {case.key: case for case in cases}


# -- rows that somebody else wrote ----------------------------------------------------------------


async def reload(ledger: TableLedger) -> str:
    """How the rows differ from what the last claim left, as the next claim sees it."""
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        return (await claim.load()).rows_differ


async def fill(ledger: TableLedger) -> None:
    """Two cases, an exemption and a state, and one case that is gone again."""
    async with ledger.claim(GUARD, "r1") as claim:
        assert claim
        assert (await claim.load()).rows_differ == ""
        exemption = Exemption("x", "me", "why", START + DAY)
        cases = [build_stored_case(key) for key in ("1", "2", "3")]
        await claim.save(*cases, exemption, state=GUARD_STATE)
        await claim.save(forget=(cases[2],))
        await claim.save(replace(cases[1], summary="changed"), build_stored_request())


async def test_rows_that_only_the_app_wrote_do_not_differ(ledger: TableLedger) -> None:
    await fill(ledger)
    await ledger.add_request(GUARD, build_stored_request(id=create_run_id(START + SECOND)))
    await ledger.save_run_status(GUARD, "r9", {"status": "queued"})
    assert await reload(ledger) == ""


async def test_a_row_that_vanished_was_added_or_was_edited_is_noticed_by_the_next_claim(
    ledger: TableLedger,
) -> None:
    await fill(ledger)
    row = await ledger.table.read_row(GUARD, "case|1")
    assert row
    await ledger.table.client.delete_entity(GUARD, "case|1")
    assert await reload(ledger) == "1 cases vanished"
    # Nothing was saved since, so nothing was accepted either.
    assert await reload(ledger) == "1 cases vanished"
    await ledger.table.client.create_entity({**row, "RowKey": "case|1"})
    assert await reload(ledger) == ""
    await spoil(ledger, "case|1", body=str(row["body"]).replace("high", "low"))
    assert await reload(ledger) == ("rows were changed" if "high" in row["body"] else "")
    forged = build_entity(GUARD, Exemption("y", "me", "why", START + DAY))
    await ledger.table.client.create_entity(forged)
    assert await reload(ledger) == "1 exemptions were added"


async def test_a_claim_that_saved_something_leaves_the_rows_as_they_are_now(
    ledger: TableLedger,
) -> None:
    await fill(ledger)
    await ledger.table.client.delete_entity(GUARD, "case|1")
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        assert (await claim.load()).rows_differ
        assert (await claim.load()).rows_differ == ""
        await claim.save(state=GUARD_STATE)
    assert await reload(ledger) == ""


async def test_a_renewal_alone_accepts_nothing(ledger: TableLedger) -> None:
    await fill(ledger)
    await ledger.table.client.delete_entity(GUARD, "case|1")
    async with ledger.claim(GUARD, "r2") as claim:
        assert isinstance(claim, TableClaim)
        await claim.load()
        await claim.submit_with_fence([], is_renewal=True)
    assert await reload(ledger) == "1 cases vanished"


async def test_rows_without_the_row_of_their_state_are_noticed(ledger: TableLedger) -> None:
    await fill(ledger)
    await ledger.table.client.delete_entity(GUARD, "lease")
    assert await reload(ledger) == "the row of the guard's state is gone"
    assert await reload(ledger) == "the row of the guard's state is gone"


@pytest.mark.parametrize("count", ["{", "[]", '{"case": "x"}', "\u0000"])
async def test_a_count_nobody_understands_is_noticed(ledger: TableLedger, count: str) -> None:
    await fill(ledger)
    await spoil(ledger, "lease", rows=count)
    assert await reload(ledger) == "the count of the rows cannot be decoded"


async def test_rows_of_workers_in_shards_are_not_counted_until_their_pass_is_over(
    ledger: TableLedger,
) -> None:
    await fill(ledger)
    under_way = replace(
        GUARD_STATE, scan_pass=ScanPass("r2", START, DONE_SHARD.totals, shard_count=2)
    )
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        await claim.load()
        await claim.save(state=under_way)
    async with ledger.claim(GUARD, "w1", 0) as claim:
        assert claim
        await claim.load("0", "8")
        await claim.save(build_stored_case("5"), state=DONE_SHARD)
    async with ledger.claim(GUARD, "r3") as claim:
        assert claim
        assert (await claim.load()).rows_differ == ""
        await claim.save(build_stored_case("6"), state=GUARD_STATE)
    assert await reload(ledger) == ""
    await ledger.table.client.delete_entity(GUARD, "case|5")
    assert await reload(ledger) == "1 cases vanished"


async def test_a_row_that_cannot_be_decoded_is_no_difference_by_itself(
    ledger: TableLedger,
) -> None:
    await fill(ledger)
    poison = {"PartitionKey": GUARD, "RowKey": "case|poison", "v": 2, "body": "x"}
    await ledger.table.client.create_entity(poison)
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        memory = await claim.load()
        assert (memory.unreadable_rows, memory.rows_differ) == (1, "")
        await claim.save(state=GUARD_STATE)
    await ledger.table.client.delete_entity(GUARD, "case|poison")
    assert await reload(ledger) == ""
    await spoil(ledger, "case|1", v=2)
    assert await reload(ledger) == ""
    await spoil(ledger, "case|1", v=2, body="x")
    assert await reload(ledger) == "1 cases vanished"


async def test_rows_of_a_newer_version_stay_counted_while_an_older_one_is_deployed(
    ledger: TableLedger,
) -> None:
    await fill(ledger)
    written = await ledger.table.read_row(GUARD, "case|1")
    assert written
    # To this version, the row that the newer one wrote and counted is of another schema.
    await spoil(ledger, "case|1", v=2)
    async with ledger.claim(GUARD, "r2") as claim:
        assert claim
        memory = await claim.load()
        assert (memory.unreadable_rows, memory.rows_differ) == (1, "")
        assert (await claim.load()).rows_differ == ""
        await claim.save(build_stored_case("5"), state=GUARD_STATE)
    await spoil(ledger, "case|1", v=SCHEMA_VERSION)
    assert await reload(ledger) == ""
    assert set((await ledger.load(GUARD)).cases) == {"1", "2", "5"}
    await ledger.table.client.delete_entity(GUARD, "case|1")
    assert await reload(ledger) == "1 cases vanished"


async def test_of_too_many_acts_those_of_the_latest_hours_are_read(ledger: TableLedger) -> None:
    acts = [build_act(minutes=60 * hour + one) for hour in range(20) for one in range(3)]
    async with ledger.claim(ACTIVITY_PARTITION, "r1") as claim:
        assert claim
        await claim.save(*acts, state=GUARD_STATE)
    last = START + timedelta(hours=19)
    for room in (60, 59, 10, 6, 4, 3, 1):
        rows = await read_newest_rows(ledger.table, START, last, room)
        keys = [row["RowKey"] for row in rows]
        assert keys == sorted(keys)
        assert len(keys) == room
        whole = room // 3 * 3
        assert set(keys) >= {f"act|{act.key}" for act in acts[len(acts) - whole :]}


@contextlib.asynccontextmanager
async def watch_reads(
    azurite: Azurite, ledger: TableLedger
) -> AsyncIterator[tuple[TableLedger, Callable[[], int]]]:
    """A ledger on the same table, and the number of requests it sent since the last look."""
    async with CountingProxy(azurite.endpoints["Table"]) as watch:
        seen = replace(azurite, endpoints={**azurite.endpoints, "Table": watch.base})
        async with open_table_ledger(seen, ledger.table.client.table_name) as reader:
            yield reader, lambda: watch.counts.pop("requests", 0)


async def test_whoever_reads_all_of_a_guard_asks_for_one_range(azurite: Azurite) -> None:
    ended = build_stored_case("old")
    async with open_table_ledger(azurite) as ledger:
        async with ledger.claim(GUARD, "r1") as claim:
            assert claim
            await claim.load()
            await claim.save(build_stored_case(), ended, state=GUARD_STATE)
            await claim.archive([replace(ended, closed_at=START)], Tally())
        async with watch_reads(azurite, ledger) as (reader, count_requests):
            now = await reader.load(GUARD)
            assert count_requests() == 1
            ever = await reader.load_history(GUARD)
            assert count_requests() == 1
    assert (set(now.cases), now.state) == ({"k1"}, GUARD_STATE)
    assert (set(ever.cases), ever.state) == ({"k1", "old"}, GUARD_STATE)


async def test_a_page_reads_of_a_guard_what_it_shows(azurite: Azurite) -> None:
    config = replace(ALERT_CONFIG, guard=replace(ALERT_CONFIG.guard, name=GUARD))
    scan = ScanPass("r1", START, ScanTotals(), shard_count=2)
    async with open_table_ledger(azurite) as ledger:
        async with ledger.claim(GUARD, "r1") as claim:
            assert claim
            await claim.save(build_stored_case(), state=GUARD_STATE)
        async with ledger.claim(GUARD, "r1", 1) as shard_claim:
            assert shard_claim
            await shard_claim.save(state=DONE_SHARD)
        async with watch_reads(azurite, ledger) as (reader, count_requests):
            (told,) = await load_all_records(reader, [config])
            assert (set(told.snapshot.cases), count_requests()) == ({"k1"}, 1)
            one = await reader.load_object(GUARD, "k1")
            assert (set(one.cases), count_requests()) == ({"k1"}, 7)
            idle = await load_guard_data(reader, config)
            assert (idle.shards, count_requests()) == ({}, 2)
            async with ledger.claim(GUARD, "r2") as claim:
                assert claim
                await claim.save(state=replace(GUARD_STATE, scan_pass=scan))
            busy = await load_guard_data(reader, config)
            assert (set(busy.shards), count_requests()) == ({1}, 3)
