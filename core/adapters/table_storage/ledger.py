"""The ledger on Azure Table Storage: one partition a guard, every write fenced by a lease row.

    PartitionKey  guard
    RowKey        lease              owner, until, epoch, nonce, tenant; the guard's state
                  shard|<number>     the same for a piece of a large tenant, with what became of it
                  case|<key>         a case and its news
                  change|<id>        a change, from intention to outcome, with what was before
                  exempt|<hash>      an exemption
                  action|<run id>    what a person asked for, and what came of it
                  run|<run id>       a run's report; run ids sort newest first

The keys of cases and changes begin with the place of their object (`core.keys`), so what concerns
a piece of the tenant is a range of rows.

A claim is the lease row taken by ETag. Each write of a claim is an entity-group transaction whose
first operation replaces the lease row under the ETag the claim holds: an owner that was paused
while another took over fails as a whole. The time that decides is the storage service's (the Date
header of its answers), never this machine's. Each attempt carries a nonce, so that a write whose
reply was lost is recognised instead of taken for somebody else's.

Limits: 100 operations and 4 MiB a transaction, 64 KiB a string property (Microsoft Learn:
Understanding the Table service data model; Performing entity group transactions).
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import batched
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableEntity, TableErrorCode, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from core.adapters.table_storage.codec import decode_stored_record, encode_stored_record
from core.adapters.table_storage.entities import (
    SCHEMA_VERSION,
    Entity,
    EntityRecord,
    ServiceClock,
    build_delete_operations,
    build_entity,
    build_record_key,
    build_run_entity,
    decode_run_document,
)
from core.adapters.table_storage.responses import (
    EXPECTED_STATUSES,
    call_table_service,
    describe_table_error,
    is_transient_error,
    require_entity_keys,
    require_etag,
)
from core.errors import ClaimLost, LedgerError
from core.keys import RANGE_END, RANGE_START, format_descending_time
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.requests import OperatorRequest
from core.model.state import GuardSnapshot, GuardState, Shard
from core.ports import (
    KEEP_ACTIONS,
    KEEP_CASES,
    KEEP_CHANGES,
    KEEP_RUNS,
    Claim,
    LedgerRow,
    ShardStatus,
)

log = logging.getLogger("exoguard.ledger")

LEASE_DURATION = timedelta(seconds=60)
# A lease is renewed when a third of it has passed. Less than a quarter left, and a write might
# reach the service after it ended.
RENEW_FRACTION, SAFETY_FRACTION = 1 / 3, 1 / 4
BATCH_SIZE = 99  # and the fence
PAGE_SIZE = 200
# A table that somebody deleted keeps its name for a while, and cannot be made again.
MISSING_TABLE_CODES = (TableErrorCode.TABLE_NOT_FOUND, TableErrorCode.TABLE_BEING_DELETED)
UNIX_EPOCH = datetime.fromtimestamp(0, UTC)
RELEASED_UNTIL = UNIX_EPOCH.isoformat()
LEASE_ROW_KEY = "lease"
RECORD_TYPES: Mapping[str, type[EntityRecord]] = {
    "case": Case,
    "change": ChangeRecord,
    "exempt": Exemption,
    "action": OperatorRequest,
}
IDLE_SHARD = Shard("", "", "", 0, UNIX_EPOCH)


def build_shard_key(number: int) -> str:
    """The key of a shard's row; the rows sort as their numbers do."""
    return f"shard|{number:06d}"


def is_lease_expired(lease: TableEntity, now: datetime) -> bool:
    """True when the lease has ended. Raises LedgerError for a row this version cannot judge."""
    try:
        if lease["v"] != SCHEMA_VERSION:
            raise ValueError("another schema")
        return datetime.fromisoformat(lease["until"]) <= now and int(lease["epoch"]) > 0
    except (KeyError, TypeError, ValueError) as error:
        name = lease["PartitionKey"]
        raise LedgerError(
            f"the lease of {name} was not written by this version ({error}): compare the versions "
            f"deployed, or delete the row 'lease' of partition '{name}'"
        ) from error


class TableLedger:
    """Implements the Ledger port. `table` must have its own retries off.

    `tenant` is whose state it is: a table that holds another tenant's is refused.
    """

    def __init__(
        self,
        table: TableClient,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        tenant: str = "",
        lease_duration: timedelta = LEASE_DURATION,
    ) -> None:
        self.table = table
        self.tenant = tenant.lower()
        self.lease_duration = lease_duration
        self.sleep = sleep
        self.clock = ServiceClock()

    def check_tenant(self, lease: TableEntity) -> None:
        """Raise LedgerError for the lease of another tenant: two would undo each other's cases."""
        other = lease.get("tenant")
        if self.tenant and other and other != self.tenant:
            raise LedgerError(
                f"the table {self.table.table_name} holds the state of tenant {str(other)[:80]}, "
                f"and TENANT_ID is {self.tenant}: name another table in STATE_TABLE, or set "
                "TENANT_ID back if it is the same tenant by another name"
            )

    async def run_operation[T](self, attempt: Callable[[], Awaitable[T]]) -> T:
        """One operation, tried again through passing trouble; then LedgerError.

        A table that is not there yet is made on the way.
        """
        try:
            return await self.run_with_retries(attempt)
        except ResourceNotFoundError as error:
            # The SDK sets the code on errors of the table service, and only there.
            if getattr(error, "error_code", "") != TableErrorCode.TABLE_NOT_FOUND:
                raise
        try:
            with contextlib.suppress(ResourceExistsError):
                await self.run_with_retries(self.table.create_table)
            return await self.run_with_retries(attempt)
        except HttpResponseError as error:
            if getattr(error, "error_code", "") not in MISSING_TABLE_CODES:
                raise
            raise LedgerError("the state table is not there and cannot be made") from error

    async def run_with_retries[T](self, attempt: Callable[[], Awaitable[T]]) -> T:
        """One operation, tried again through passing trouble; then LedgerError."""
        policy = AsyncRetrying(
            retry=retry_if_exception(is_transient_error),
            stop=stop_after_attempt(5),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            sleep=self.sleep,
            reraise=True,
        )

        try:
            return await policy(partial(call_table_service, attempt))
        except HttpResponseError as error:
            if error.status_code in EXPECTED_STATUSES:
                raise
            raise LedgerError(describe_table_error(error)) from error
        except AzureError as error:
            raise LedgerError(f"the state table: {type(error).__name__}") from error

    async def read_row(self, guard: str, key: str) -> TableEntity | None:
        """One row, or None."""

        async def get() -> TableEntity:
            found = await self.table.get_entity(
                guard, key, raw_response_hook=self.clock.update_from_response
            )
            require_etag(found.metadata)
            return require_entity_keys(found)

        try:
            return await self.run_operation(get)
        except ResourceNotFoundError:
            return None

    async def query_rows(self, query: str, **parameters: str) -> list[TableEntity]:
        """All rows that match; values only as parameters, never written into the query.

        The SDK finds a parameter only as a word of its own, so no parenthesis may touch one.
        """

        async def scan() -> list[TableEntity]:
            pages = self.table.query_entities(
                query, parameters=parameters, raw_response_hook=self.clock.update_from_response
            )
            return [require_entity_keys(entity) async for entity in pages]

        return await self.run_operation(scan)

    @asynccontextmanager
    async def claim(
        self, guard: str, run: str, shard: int | None = None
    ) -> AsyncIterator[Claim | None]:
        """Hold a guard or a shard, renewing while the block runs; None when another holds it."""
        held = await self.acquire_lease(
            guard, run, LEASE_ROW_KEY if shard is None else build_shard_key(shard)
        )
        if held is None:
            yield None
            return
        renewal = asyncio.create_task(held.renew_until_cancelled())
        try:
            yield held
        finally:
            renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewal
            with contextlib.suppress(LedgerError, HttpResponseError):
                await held.release_lease()

    async def acquire_lease(self, guard: str, run: str, key: str) -> "TableClaim | None":
        """The lease row made, or taken over when its time has run out."""
        nonce = secrets.token_hex(8)
        found = await self.read_row(guard, key)
        now = self.clock.now()
        if found:
            self.check_tenant(found)
        if found and not is_lease_expired(found, now):
            return None
        entity: Entity = {
            "PartitionKey": guard,
            "RowKey": key,
            "v": SCHEMA_VERSION,
            "owner": run,
            "until": (now + self.lease_duration).isoformat(),
            "tenant": self.tenant,
            "epoch": int(found["epoch"]) + 1 if found else 1,
            "nonce": nonce,
            "state": found.get("state", "") if found else "",
        }
        try:
            if found:
                etag = await self.write_row(
                    lambda: self.replace_row(entity, found.metadata["etag"])
                )
            else:
                etag = await self.write_row(lambda: self.table.create_entity(entity))
        except (ResourceModifiedError, ResourceExistsError, ResourceNotFoundError):
            # Somebody else was first, unless it was this very attempt whose reply was lost.
            winner = await self.read_row(guard, key)
            if not winner or winner.get("nonce") != nonce:
                return None
            etag = require_etag(winner.metadata)
        return TableClaim(self, guard, entity, etag)

    async def write_row(self, attempt: Callable[[], Awaitable[Mapping[str, Any]]]) -> str:
        """One row written; the ETag it has now."""

        async def once() -> str:
            return require_etag(await attempt())

        return await self.run_operation(once)

    async def replace_row(self, entity: Entity, etag: str | None) -> Mapping[str, Any]:
        """Replace a row nobody has changed since `etag`."""
        return await self.table.update_entity(
            entity,
            mode=UpdateMode.REPLACE,
            etag=etag,
            match_condition=MatchConditions.IfNotModified,
            raw_response_hook=self.clock.update_from_response,
        )

    async def load_state(self, guard: str) -> GuardState:
        """What the guard remembers besides its cases."""
        lease = await self.read_row(guard, LEASE_ROW_KEY)
        if lease:
            self.check_tenant(lease)
        text = lease.get("state", "") if lease else ""
        try:
            return decode_stored_record(GuardState, text) if text else GuardState()
        except ValueError as error:
            raise LedgerError(f"the state of {guard} is not understood: {error}") from error

    async def load_shards(self, guard: str) -> Mapping[int, ShardStatus]:
        """The shards of the guard's last rounds; a row that is not understood is no shard."""
        found: dict[int, ShardStatus] = {}
        rows = await self.query_key_range(guard, "shard|", "shard}")
        now = self.clock.now()
        for entity in rows:
            try:
                number = int(entity["RowKey"].partition("|")[2])
                busy = not is_lease_expired(entity, now)
                # A claim that never came to save anything is only a claim.
                found[number] = ShardStatus(
                    decode_stored_record(Shard, entity["state"]) if entity["state"] else IDLE_SHARD,
                    busy,
                )
            except (ValueError, KeyError, LedgerError) as error:
                log.warning("%s: row %s: %s", guard, entity["RowKey"][:48], error)
        return found

    async def query_key_range(self, guard: str, first: str, last: str) -> list[TableEntity]:
        """The rows of a guard from one key up to another."""
        return await self.query_rows(
            "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last",
            guard=guard,
            first=first,
            last=last,
        )

    async def save_run_status(self, guard: str, run: str, document: Mapping[str, object]) -> None:
        """Write down what became of a requested run outside a claim."""
        entity = build_run_entity(guard, run, document, self.clock.now())
        await self.write_row(lambda: self.table.upsert_entity(entity, mode=UpdateMode.REPLACE))

    async def get_run(self, guard: str, run: str) -> Mapping[str, object] | None:
        """What is known of a run; "running" while its claim is held."""
        entity = await self.read_row(guard, f"run|{run}")
        if entity is None:
            return None
        known = decode_run_document(entity)
        if not known:
            raise LedgerError(f"the report of run {run} is not understood")
        lease = await self.read_row(guard, LEASE_ROW_KEY)
        if lease and lease.get("owner") == run and known.get("status") == "queued":
            return (
                known
                if is_lease_expired(lease, self.clock.now())
                else {**known, "status": "running"}
            )
        return known

    async def list_recent_runs(self, guard: str, count: int) -> list[Mapping[str, object]]:
        """The last runs of a guard as documents, newest first, as their row keys sort."""

        async def first() -> list[TableEntity]:
            found: list[TableEntity] = []
            async for entity in self.table.query_entities(
                "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last",
                parameters={"guard": guard, "first": "run|", "last": "run}"},
                results_per_page=count,
            ):
                found.append(require_entity_keys(entity))
                if len(found) == count:
                    break
            return found

        return [decode_run_document(entity) for entity in await self.run_operation(first)]

    async def iter_runs(
        self, guard: str, since: datetime, until: datetime
    ) -> AsyncIterator[Mapping[str, object]]:
        """The runs that began in a time, newest first, as their row keys sort."""
        # A run's id counts down: the later end of the time is the lower key.
        first, last = f"run|{format_descending_time(until)}", f"run|{format_descending_time(since)}"
        while True:
            page = await self.query_page(guard, first, last)
            for entity in page:
                yield decode_run_document(entity)
            if len(page) < PAGE_SIZE:
                return
            first = f"{page[-1]['RowKey']}!"

    async def query_page(self, guard: str, first: str, last: str) -> list[TableEntity]:
        """At most PAGE rows of a guard from one key up to another."""

        async def rows() -> list[TableEntity]:
            pages = self.table.query_entities(
                "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last",
                parameters={"guard": guard, "first": first, "last": last},
                results_per_page=PAGE_SIZE,
                raw_response_hook=self.clock.update_from_response,
            ).by_page()
            async for page in pages:
                return [require_entity_keys(entity) async for entity in page]
            return []

        return await self.run_operation(rows)

    async def load(self, guard: str) -> GuardSnapshot:
        """All the guard remembers, for who only reads."""
        memory, _ = await self.load_records(guard, RANGE_START, RANGE_END)
        return replace(memory, state=await self.load_state(guard))

    async def load_records(self, guard: str, low: str, high: str) -> tuple[GuardSnapshot, set[str]]:
        """The guard's records, and the keys of those that are not understood; not its state."""
        found = [
            entity
            for first, last in (
                (f"case|{low}", f"case|{high}"),
                (f"change|{low}", f"change|{high}"),
                ("exempt|", "exempt}"),
                ("action|", "action}"),
            )
            for entity in await self.query_key_range(guard, first, last)
        ]
        sorted_out = RecordCollector()
        for entity in found:
            sorted_out.add_row(guard, entity)
        return sorted_out.build_snapshot(), sorted_out.unreadable_row_keys

    async def add_request(self, guard: str, action: OperatorRequest) -> None:
        """Write down what a person asks for."""
        entity = build_entity(guard, action)
        await self.write_row(lambda: self.table.upsert_entity(entity, mode=UpdateMode.REPLACE))

    async def list_requests(self, guard: str, since: datetime) -> tuple[OperatorRequest, ...]:
        """What people asked for since then, newest first; a row not understood is none."""
        found = RecordCollector()
        for entity in await self.query_key_range(
            guard, "action|", f"action|{format_descending_time(since)}~"
        ):
            found.add_row(guard, entity)
        return tuple(found.operator_requests)

    async def get_request(self, guard: str, action: str) -> OperatorRequest | None:
        """What is known of something a person asked for."""
        entity = await self.read_row(guard, f"action|{action}")
        if entity is None:
            return None
        found = RecordCollector()
        found.add_row(guard, entity)
        if not found.operator_requests:
            raise LedgerError(f"the action {action} is not understood")
        return found.operator_requests[0]

    async def purge_expired(self, guard: str, now: datetime) -> None:
        """Remove run rows after 30 days, closed cases after 90, changes and actions after 400."""
        for prefix, kept in (
            ("run", KEEP_RUNS),
            ("case", KEEP_CASES),
            ("change", KEEP_CHANGES),
            ("action", KEEP_ACTIONS),
        ):
            old = await self.query_rows(
                "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last "
                "and ended ne '' and ended lt @cut",
                guard=guard,
                first=f"{prefix}|",
                last=f"{prefix}}}",
                cut=(min(now, self.clock.now()) - kept).isoformat(),
            )
            for group in batched(old, BATCH_SIZE, strict=False):
                # Only what is still as old as it was read: a case may have opened again since.
                with contextlib.suppress(TableTransactionError):
                    await self.run_operation(
                        partial(self.table.submit_transaction, build_delete_operations(group))
                    )


@dataclass(slots=True)
class RecordCollector:
    """Rows as what they are. One that is not understood is left alone and counted."""

    cases: dict[str, Case] = field(default_factory=dict)
    changes: list[ChangeRecord] = field(default_factory=list)
    exemptions: dict[str, Exemption] = field(default_factory=dict)
    operator_requests: list[OperatorRequest] = field(default_factory=list)
    unreadable_row_keys: set[str] = field(default_factory=set)

    def add_row(self, guard: str, entity: TableEntity) -> None:
        """One row as what it is."""
        key = entity["RowKey"]
        try:
            if entity.get("v") != SCHEMA_VERSION:
                raise ValueError("another schema")
            record = decode_stored_record(RECORD_TYPES[key.partition("|")[0]], entity["body"])
            # A row that speaks of another would be taken for that one, and never be put right.
            if build_record_key(record) != key:
                raise ValueError("another row's body")
            self.add_record(record)
        except (ValueError, KeyError) as error:
            log.warning("%s: row %s is not understood: %s", guard, key[:48], error)
            self.unreadable_row_keys.add(key)

    def add_record(self, record: EntityRecord) -> None:
        """One record to where it belongs."""
        match record:
            case Case():
                self.cases[record.key] = record
            case ChangeRecord():
                self.changes.append(record)
            case Exemption():
                self.exemptions[record.subject] = record
            case OperatorRequest():
                self.operator_requests.append(record)

    def build_snapshot(self) -> GuardSnapshot:
        """All of them together."""
        return GuardSnapshot(
            cases=self.cases,
            changes=tuple(sorted(self.changes, key=lambda record: record.at, reverse=True)),
            exemptions=self.exemptions,
            operator_requests=tuple(self.operator_requests),
            unreadable_rows=len(self.unreadable_row_keys),
            unreadable_keys=frozenset(
                key.removeprefix("case|")
                for key in self.unreadable_row_keys
                if key.startswith("case|")
            ),
        )


class TableClaim:
    """A held lease. All its writes are one at a time, each under the ETag of the one before."""

    def __init__(self, ledger: TableLedger, guard: str, lease: Entity, etag: str | None) -> None:
        self.ledger = ledger
        self.guard = guard
        self.lease = lease
        self.etag = etag
        self.epoch = int(lease["epoch"])
        self.renewed_at = time.monotonic()
        self.lost_reason = ""
        self.nonces = {lease["nonce"]}
        self.unreadable_row_keys: set[str] = set()
        self.lock = asyncio.Lock()
        self.write_timeout: asyncio.Timeout | None = None

    @property
    def lease_seconds(self) -> float:
        """How long the lease lasts from one renewal."""
        return self.ledger.lease_duration.total_seconds()

    def get_seconds_left(self) -> float:
        """Seconds until the lease runs out if nothing renews it."""
        return self.lease_seconds - (time.monotonic() - self.renewed_at)

    async def ensure_held(self) -> None:
        """Raise ClaimLost unless there is time to spare for one write."""
        if not self.lost_reason and self.get_seconds_left() < SAFETY_FRACTION * self.lease_seconds:
            await self.submit_with_fence([])
        if self.lost_reason:
            raise ClaimLost(self.lost_reason)

    @asynccontextmanager
    async def protect_writes(self) -> AsyncIterator[None]:
        """While something is done to the tenant: cut off as soon as the lease has run out."""
        await self.ensure_held()
        self.write_timeout = asyncio.timeout(self.get_seconds_left())
        try:
            async with self.write_timeout:
                yield
        except TimeoutError as error:
            if not self.write_timeout.expired():
                raise
            raise ClaimLost(f"the claim on {self.guard} ran out while it was used") from error
        finally:
            self.write_timeout = None

    async def renew_until_cancelled(self) -> None:
        """Renew until cancelled. A failure is seen by the next check, which tries again."""
        while not self.lost_reason:
            await asyncio.sleep(RENEW_FRACTION * self.lease_seconds)
            try:
                await self.submit_with_fence([])
            except (LedgerError, HttpResponseError) as error:
                log.warning("%s: the claim was not renewed: %s", self.guard, type(error).__name__)

    async def load(self, low: str = RANGE_START, high: str = RANGE_END) -> GuardSnapshot:
        """All the guard remembers but the reports of runs, by ranges of its partition."""
        memory, poisoned = await self.ledger.load_records(self.guard, low, high)
        self.unreadable_row_keys |= poisoned
        state = await self.read_guard_state()
        return replace(memory, state=state, unreadable_rows=len(self.unreadable_row_keys))

    async def read_guard_state(self) -> GuardState:
        """The guard's state: from the lease row this claim holds, or, for a shard, from its row."""
        if self.lease["RowKey"] != LEASE_ROW_KEY:
            return await self.ledger.load_state(self.guard)
        text = self.lease["state"]
        if not text:
            return GuardState()
        try:
            return decode_stored_record(GuardState, text)
        except ValueError:
            self.unreadable_row_keys.add(LEASE_ROW_KEY)
            return GuardState()

    async def save(
        self,
        *rows: LedgerRow,
        state: GuardState | Shard | None = None,
        forget: tuple[Case, ...] = (),
    ) -> None:
        """Write rows whole, in transactions that carry the fence, and the state with the last."""
        entities = {
            entity["RowKey"]: entity for entity in (build_entity(self.guard, r) for r in rows)
        }
        operations: list[Any] = [
            ("upsert", entity, {"mode": UpdateMode.REPLACE})
            for key, entity in entities.items()
            if key not in self.unreadable_row_keys
        ]
        operations += [
            ("delete", {"PartitionKey": self.guard, "RowKey": f"case|{case.key}"}, {})
            for case in forget
        ]
        if not operations and state is None:
            return
        *groups, last = list(batched(operations, BATCH_SIZE, strict=False)) or [()]
        for group in groups:
            await self.submit_with_fence(group)
        if state is not None:
            self.stage_state(state)
        await self.submit_with_fence(last)

    def stage_state(self, state: GuardState | Shard) -> None:
        """The state into the lease row. One that another version wrote there stays as it is.

        Without a state a look can be begun, and never be handed out: raises LedgerError for that.
        """
        if LEASE_ROW_KEY not in self.unreadable_row_keys:
            self.lease = {**self.lease, "state": encode_stored_record(state)}
        elif isinstance(state, GuardState) and state.scan_pass and state.scan_pass.shard_count:
            raise LedgerError(
                f"the state of {self.guard} was not written by this version, so no round can be "
                "begun: compare the versions deployed"
            )

    async def submit_with_fence(self, operations: Iterable[Any]) -> None:
        """One transaction: the fence, then the operations. Raises ClaimLost or LedgerError."""
        async with self.lock:
            if self.lost_reason:
                raise ClaimLost(self.lost_reason)
            await self.submit_fenced(list(operations), attempts_left=3)

    async def submit_fenced(self, operations: list[Any], attempts_left: int) -> None:
        """The transaction, tried again when it turns out that an earlier write of ours won."""
        started = time.monotonic()
        lease = {
            **self.lease,
            "until": (self.ledger.clock.now() + self.ledger.lease_duration).isoformat(),
            "nonce": secrets.token_hex(8),
        }
        self.nonces.add(lease["nonce"])
        fence = (
            "update",
            lease,
            {
                "mode": UpdateMode.REPLACE,
                "etag": self.etag,
                "match_condition": MatchConditions.IfNotModified,
            },
        )

        async def submitted() -> Mapping[str, Any]:
            answers = await self.ledger.table.submit_transaction([fence, *operations])
            if len(answers) != 1 + len(operations):
                raise ValueError("a transaction of which only a part was answered")
            return answers[0]

        try:
            self.etag = await self.ledger.write_row(submitted)
        except HttpResponseError as error:
            current = await self.ledger.read_row(self.guard, self.lease["RowKey"])
            if not current or current.get("nonce") not in self.nonces:
                self.lost_reason = f"another run took over {self.guard}"
                raise ClaimLost(self.lost_reason) from error
            self.etag = current.metadata["etag"]
            if current["nonce"] != lease["nonce"]:
                if attempts_left <= 1 or error.status_code not in (404, 412):
                    raise LedgerError(describe_table_error(error)) from error
                # A row to forget may be gone already: an earlier attempt removed it.
                kept = [row for row in operations if row[0] != "delete"]
                await self.submit_fenced(
                    kept if error.status_code == 404 else operations, attempts_left - 1
                )
                return
        self.lease, self.renewed_at = lease, started
        if self.write_timeout and not self.write_timeout.expired():
            self.write_timeout.reschedule(
                asyncio.get_running_loop().time() + self.get_seconds_left()
            )

    async def release_lease(self) -> None:
        """Let go at once: the next run need not wait for the lease to end."""
        async with self.lock:
            if self.lost_reason:
                return
            freed = {**self.lease, "until": RELEASED_UNTIL}
            await self.ledger.write_row(lambda: self.ledger.replace_row(freed, self.etag))
