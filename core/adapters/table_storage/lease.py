"""The lease of a guard or a shard: claimed by ETag, renewed while held, fencing each write.

A run claims a guard by writing its lease row under the ETag it read. Each write of the claim is an
entity-group transaction whose first operation replaces the lease row under the ETag the claim
holds: if a run was paused while another took over, its whole transaction fails. Each attempt
carries a nonce, so that a write whose response was lost is recognised as the claim's own.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableEntity, UpdateMode

from core.adapters.table_storage.census import RowCensus, compare_census, hash_operations
from core.adapters.table_storage.codec import encode_stored_record
from core.adapters.table_storage.entities import (
    PAST_PREFIX,
    SCHEMA_VERSION,
    Entity,
    build_archive_operations,
    build_delete_operation,
    build_entity,
    build_record_key,
)
from core.adapters.table_storage.lease_row import (
    DONE_PROPERTY,
    LEASE_ROW_KEY,
    RELEASED_UNTIL,
    Attempt,
    copy_state_parts,
    decode_guard_state,
    is_lease_believed,
    is_lease_expired,
    load_state,
)
from core.adapters.table_storage.records import (
    collect_records,
    decode_key_range,
    decode_row,
    read_record_rows,
)
from core.adapters.table_storage.responses import describe_table_error, require_etag
from core.adapters.table_storage.row_texts import (
    measure_operation,
    set_row_text,
    split_into_transactions,
)
from core.adapters.table_storage.state_table import StateTable
from core.errors import ClaimLost, LedgerError
from core.keys import RANGE_END, RANGE_START
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.outbox import OutboxRow
from core.model.state import GuardSnapshot, GuardState, Shard
from core.model.tally import Tally
from core.ports import ArchivedRecord, LedgerRow, PastKind, PastRow
from core.tenant.known_traits import KnownTraits

log = logging.getLogger("exoguard.ledger")

LEASE_DURATION = timedelta(seconds=60)
# A lease is renewed when a third of it has passed. With less than a quarter left, a write might
# reach the service after the lease has expired.
RENEW_FRACTION, SAFETY_FRACTION = 1 / 3, 1 / 4


async def acquire_lease(
    table: StateTable, guard: str, run: str, key: str, duration: timedelta = LEASE_DURATION
) -> "TableClaim | None":
    """Claim a guard or a shard; return None if another run holds it.

    Creates the lease row, or takes it over if the lease has expired. Raises LedgerError.
    """
    nonce = secrets.token_hex(8)
    found = await table.read_row(guard, key)
    now = table.clock.now()
    if found:
        table.check_tenant(found)
    if found and not is_lease_expired(found, now):
        return None
    is_believed = found is None or is_lease_believed(found, now)
    if not is_believed:
        log.error(
            "%s: the row %s has a time or a form that cannot be; it is taken over", guard, key
        )
    entity: Entity = {
        "PartitionKey": guard,
        "RowKey": key,
        "v": SCHEMA_VERSION,
        "owner": run,
        "until": (now + duration).isoformat(),
        "tenant": table.tenant,
        "epoch": int(found["epoch"]) + 1 if found and is_believed else 1,
        "nonce": nonce,
        "rows": found.get("rows", "") if found else "",
    }
    entity |= copy_state_parts(found) if found else {"state": ""}
    try:
        if found:
            etag = await table.write_row(lambda: table.replace_row(entity, found.metadata["etag"]))
        else:
            etag = await table.write_row(lambda: table.client.create_entity(entity))
    except (ResourceModifiedError, ResourceExistsError, ResourceNotFoundError):
        # Another run was first, unless the response to this very attempt was lost.
        winner = await table.read_row(guard, key)
        if not winner or winner.get("nonce") != nonce:
            return None
        etag = require_etag(winner.metadata)
    return TableClaim(table, guard, entity, etag, duration, took_over_odd_lease=not is_believed)


class TableClaim:
    """A lease that is held. Its writes run one at a time, each under the ETag of the one before."""

    def __init__(
        self,
        table: StateTable,
        guard: str,
        lease: Entity,
        etag: str | None,
        duration: timedelta,
        *,
        took_over_odd_lease: bool,
    ) -> None:
        self.took_over_odd_lease = took_over_odd_lease
        self.table = table
        self.guard = guard
        self.duration = duration
        self.lease = lease
        self.etag = etag
        self.epoch = int(lease["epoch"])
        self.renewed_at = time.monotonic()
        self.lost_reason = ""
        self.nonces = {lease["nonce"]}
        self.unreadable_row_keys: set[str] = set()
        self.census: RowCensus | None = None
        self.counts_unreadable = False
        # Workers of a pass in shards write rows that no census counts.
        self.is_counting = True
        self.unanswered: Attempt | None = None
        self.lock = asyncio.Lock()
        self.write_timeout: asyncio.Timeout | None = None

    @property
    def lease_seconds(self) -> float:
        """Seconds the lease lasts after a renewal."""
        return self.duration.total_seconds()

    def get_seconds_left(self) -> float:
        """Return the seconds until the lease expires if nothing renews it."""
        return self.lease_seconds - (time.monotonic() - self.renewed_at)

    async def ensure_held(self) -> None:
        """Raise ClaimLost unless enough of the lease is left for one write; renew it if needed."""
        if not self.lost_reason and self.get_seconds_left() < SAFETY_FRACTION * self.lease_seconds:
            await self.submit_with_fence([], is_renewal=True)
        if self.lost_reason:
            raise ClaimLost(self.lost_reason)

    @asynccontextmanager
    async def protect_writes(self) -> AsyncIterator[None]:
        """Cancel the block, which changes the tenant, as soon as the lease expires.

        Raises ClaimLost then.
        """
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
        """Renew the lease until cancelled. After a failure, the next write or check tries again."""
        while not self.lost_reason:
            await asyncio.sleep(RENEW_FRACTION * self.lease_seconds)
            try:
                await self.submit_with_fence([], is_renewal=True)
            except (LedgerError, HttpResponseError) as error:
                log.warning("%s: the claim was not renewed: %s", self.guard, type(error).__name__)

    async def load(self, low: str = RANGE_START, high: str = RANGE_END) -> GuardSnapshot:
        """Load the guard's state, what it remembers of objects, and its other records in a key
        range, without the archive.
        """
        is_whole = self.lease["RowKey"] == LEASE_ROW_KEY and (low, high) == (RANGE_START, RANGE_END)
        rows = await read_record_rows(self.table, self.guard, low, high, are_counted=is_whole)
        records = collect_records(rows)
        self.unreadable_row_keys |= records.unreadable_row_keys
        state = await self.read_guard_state()
        self.is_counting = not (state.scan_pass and state.scan_pass.shard_count)
        rows_differ = ""
        if is_whole:
            every = RowCensus.count_hashes({row.key: row.hash for row in rows})
            known = RowCensus.count_hashes(
                {row.key: row.hash for row in rows if row.record is not None}
            )
            if self.census is None:
                self.counts_unreadable = every.to_text() == self.lease["rows"]
                stored = self.lease["rows"], self.lease["state"]
                rows_differ = "" if self.counts_unreadable else compare_census(known, *stored)
            # Rows of a newer version that were counted stay counted while this one is deployed.
            self.census = every if self.counts_unreadable else known
        return replace(
            records.build_snapshot(),
            state=state,
            unreadable_rows=len(self.unreadable_row_keys),
            lease_disbelieved=self.took_over_odd_lease,
            rows_differ=rows_differ,
        )

    async def read_guard_state(self) -> GuardState:
        """Return the guard's state: from this claim's row, or read for a shard."""
        if self.lease["RowKey"] != LEASE_ROW_KEY:
            return await load_state(self.table, self.guard)
        try:
            return decode_guard_state(self.lease)
        except ValueError:
            self.unreadable_row_keys.add(LEASE_ROW_KEY)
            return GuardState()

    async def save(
        self,
        *rows: LedgerRow,
        state: GuardState | Shard | None = None,
        forget: tuple[Case | KnownTraits | OutboxRow, ...] = (),
    ) -> None:
        """Write rows in fenced transactions, and the state with the last of them.

        `forget` are records whose rows are deleted. Raises ClaimLost or LedgerError.
        """
        entities = {
            entity["RowKey"]: entity for entity in (build_entity(self.guard, r) for r in rows)
        }
        operations: list[tuple[Any, ...]] = [
            ("upsert", entity, {"mode": UpdateMode.REPLACE})
            for key, entity in entities.items()
            if key not in self.unreadable_row_keys
        ]
        operations += [
            build_delete_operation(self.guard, build_record_key(record)) for record in forget
        ]
        if not operations and state is None:
            return
        if self.census is None and self.lease["RowKey"] == LEASE_ROW_KEY:
            await self.load()
        *groups, last = list(split_into_transactions(operations, self.measure_fence())) or [()]
        for group in groups:
            await self.submit_with_fence(group)
        await self.submit_with_fence(last, state=state)

    async def archive(self, rows: Sequence[ArchivedRecord], tally: Tally) -> None:
        """Move the rows of records to the archive, with the tally that counts them, in one
        transaction.

        Raises ClaimLost or LedgerError.
        """
        operations: list[tuple[Any, ...]] = [
            ("upsert", build_entity(self.guard, tally), {"mode": UpdateMode.REPLACE})
        ]
        for row in rows:
            operations += build_archive_operations(self.guard, row)
        await self.submit_with_fence(operations)

    async def find_past_change(self, change_id: str) -> ChangeRecord | None:
        """Return an archived change; None if there is none, or it cannot be decoded."""
        row = await self.table.read_row(self.guard, f"{PAST_PREFIX}change|{change_id}")
        return (
            collect_records([decode_row(self.guard, row)]).changes.get(change_id) if row else None
        )

    async def list_past_rows(self, kind: PastKind) -> list[PastRow]:
        """List the archived rows of a kind by their keys."""
        prefix = f"{PAST_PREFIX}{kind}|"
        return [
            PastRow(row["RowKey"].removeprefix(prefix), str(row.get("ended", "")))
            for row in await self.table.query_keys(self.guard, prefix, f"{prefix}~")
        ]

    async def load_past_cases(self, prefix: str) -> tuple[Case, ...]:
        """Load the archived cases of the objects with a hash prefix."""
        first = f"{PAST_PREFIX}case|{prefix}"
        rows = await decode_key_range(self.table, self.guard, first, f"{first}~")
        return tuple(collect_records(rows).cases.values())

    async def delete_past_rows(self, kind: PastKind, keys: Sequence[str], *rows: LedgerRow) -> None:
        """Delete archived rows, and save rows together with the last of them."""
        operations = [
            build_delete_operation(self.guard, f"{PAST_PREFIX}{kind}|{key}") for key in keys
        ]
        upserts = [
            ("upsert", build_entity(self.guard, row), {"mode": UpdateMode.REPLACE}) for row in rows
        ]
        for group in split_into_transactions([*operations, *upserts], self.measure_fence()):
            await self.submit_with_fence(group)

    def measure_fence(self) -> int:
        """Return how many bytes the fence may take in a transaction: a new state may be longer."""
        return 2 * measure_operation(("update", self.lease))

    def stage_state(self, state: GuardState | Shard) -> Attempt:
        """A write of the lease row with a state, unless the one there is of another version.

        A pass can start without its state being saved, but its shards cannot be enqueued: raises
        LedgerError for that.
        """
        scan_pass = state.scan_pass if isinstance(state, GuardState) else None
        has_shards = bool(scan_pass and scan_pass.shard_count)
        if LEASE_ROW_KEY not in self.unreadable_row_keys:
            lease = set_row_text(self.lease, "state", encode_stored_record(state))
            if isinstance(state, Shard):
                lease[DONE_PROPERTY] = state.pass_id if state.done else ""
            return Attempt(lease, is_counting=not has_shards)
        if has_shards:
            raise LedgerError(
                f"the state of {self.guard} was not written by this version, so no scan pass can "
                "start: compare the versions deployed"
            )
        return Attempt(self.lease, self.is_counting)

    async def submit_with_fence(
        self,
        operations: Iterable[Any],
        *,
        state: GuardState | Shard | None = None,
        is_renewal: bool = False,
    ) -> None:
        """Submit the fence and some operations as one transaction, with the census after it.

        A renewal leaves the census as it is: how the rows differ from it may not be told yet.
        Raises ClaimLost or LedgerError.
        """
        async with self.lock:
            if self.lost_reason:
                raise ClaimLost(self.lost_reason)
            await self.settle_unanswered()
            operations = list(operations)
            attempt = (
                Attempt(self.lease, self.is_counting) if state is None else self.stage_state(state)
            )
            if self.census is not None and not is_renewal:
                attempt.hashes = hash_operations(operations)
                previous = self.census.note(attempt.hashes)
                rows = self.census.to_text() if attempt.is_counting else ""
                self.census.note(previous)
                attempt.lease = {**attempt.lease, "rows": rows}
            await self.submit_fenced(attempt, operations, attempts_left=3)

    async def settle_unanswered(self) -> None:
        """Find out whether a write took effect whose answer was lost, before anything follows it.

        Otherwise the next write would put the lease row, with its state and its census, back to
        what they were before. Raises ClaimLost or LedgerError.
        """
        if self.unanswered is None:
            return
        current = await self.read_own_lease()
        if current["nonce"] == self.unanswered.lease["nonce"]:
            self.accept(self.unanswered)
        self.unanswered = None

    async def read_own_lease(self) -> TableEntity:
        """Read the lease row, and know its ETag from then on. Raises ClaimLost if it is another
        run's.
        """
        current = await self.table.read_row(self.guard, self.lease["RowKey"])
        if not current or current.get("nonce") not in self.nonces:
            self.lost_reason = f"another run took over {self.guard}"
            raise ClaimLost(self.lost_reason)
        self.etag = current.metadata["etag"]
        return current

    def accept(self, attempt: Attempt) -> None:
        """Know that a write took effect."""
        self.lease, self.is_counting, self.unanswered = attempt.lease, attempt.is_counting, None
        if self.census is not None:
            self.census.note(attempt.hashes)

    async def submit_fenced(
        self, attempt: Attempt, operations: list[Any], attempts_left: int
    ) -> None:
        """Submit the transaction, and retry it if an earlier attempt of this claim took effect."""
        started = time.monotonic()
        nonce = secrets.token_hex(8)
        until = (self.table.clock.now() + self.duration).isoformat()
        attempt = replace(attempt, lease={**attempt.lease, "until": until, "nonce": nonce})
        self.nonces.add(nonce)
        fence = (
            "update",
            attempt.lease,
            {
                "mode": UpdateMode.REPLACE,
                "etag": self.etag,
                "match_condition": MatchConditions.IfNotModified,
            },
        )

        async def submit() -> Mapping[str, Any]:
            responses = await self.table.client.submit_transaction([fence, *operations])
            if len(responses) != 1 + len(operations):
                raise ValueError("the response covers only a part of the transaction")
            return responses[0]

        self.unanswered = attempt
        try:
            self.etag = await self.table.write_row(submit)
        except HttpResponseError as error:
            current = await self.read_own_lease()
            if current["nonce"] != nonce:
                self.unanswered = None
                if attempts_left <= 1 or error.status_code not in (404, 412):
                    raise LedgerError(describe_table_error(error)) from error
                if error.status_code == 404:
                    operations = await self.drop_needless_deletions(operations)
                await self.submit_fenced(attempt, operations, attempts_left - 1)
                return
        self.accept(attempt)
        self.renewed_at = started
        if self.write_timeout and not self.write_timeout.expired():
            self.write_timeout.reschedule(
                asyncio.get_running_loop().time() + self.get_seconds_left()
            )

    async def drop_needless_deletions(self, operations: Iterable[Any]) -> list[Any]:
        """The operations without deletions of rows that are gone already, and with all others."""
        return [
            one
            for one in operations
            if one[0] != "delete" or await self.table.read_row(self.guard, one[1]["RowKey"])
        ]

    async def release_lease(self) -> None:
        """End the lease at once, so that the next run need not wait until it expires."""
        async with self.lock:
            if self.lost_reason:
                return
            await self.settle_unanswered()
            released = {**self.lease, "until": RELEASED_UNTIL}
            await self.table.write_row(lambda: self.table.replace_row(released, self.etag))
