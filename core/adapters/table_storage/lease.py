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
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableEntity, UpdateMode

from core.adapters.table_storage.codec import decode_stored_record, encode_stored_record
from core.adapters.table_storage.entities import BATCH_SIZE, SCHEMA_VERSION, Entity, build_entity
from core.adapters.table_storage.records import load_records
from core.adapters.table_storage.responses import describe_table_error, require_etag
from core.adapters.table_storage.state_table import StateTable
from core.errors import ClaimLost, LedgerError
from core.keys import RANGE_END, RANGE_START
from core.model.cases import Case
from core.model.state import MAX_TIME_AHEAD, GuardSnapshot, GuardState, Shard
from core.ports import LedgerRow

log = logging.getLogger("exoguard.ledger")

LEASE_DURATION = timedelta(seconds=60)
# A lease is renewed when a third of it has passed. With less than a quarter left, a write might
# reach the service after the lease has expired.
RENEW_FRACTION, SAFETY_FRACTION = 1 / 3, 1 / 4
RELEASED_UNTIL = datetime.fromtimestamp(0, UTC).isoformat()
LEASE_ROW_KEY = "lease"
# The service stores the epoch as 32 bits.
MAX_EPOCH = 2**31 - 1


def build_shard_key(number: int) -> str:
    """Return the key of a shard's row. The keys sort as the numbers do."""
    return f"shard|{number:06d}"


def is_lease_expired(lease: TableEntity, now: datetime) -> bool:
    """Return whether a lease has expired, or cannot be believed.

    Raises LedgerError if another version wrote the row.
    """
    if lease.get("v") != SCHEMA_VERSION:
        name = lease["PartitionKey"]
        raise LedgerError(
            f"the lease of {name} was not written by this version (another schema): compare the "
            f"versions deployed, or delete the row 'lease' of partition '{name}'"
        )
    return not is_lease_believed(lease, now) or datetime.fromisoformat(lease["until"]) <= now


def is_lease_believed(lease: TableEntity, now: datetime) -> bool:
    """Return whether a run of this version can have written the times of a lease.

    Whoever writes one that never ends would otherwise stop the guard. To take it over is safe: an
    owner that lives loses its ETag, and with it every write.
    """
    try:
        until = datetime.fromisoformat(lease["until"])
        return until - now <= MAX_TIME_AHEAD and 0 < int(lease["epoch"]) < MAX_EPOCH
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


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
        "state": found.get("state", "") if found else "",
    }
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


async def load_state(table: StateTable, guard: str) -> GuardState:
    """Load the guard's state from its lease row. Raises LedgerError if it cannot be decoded."""
    lease = await table.read_row(guard, LEASE_ROW_KEY)
    if lease:
        table.check_tenant(lease)
    text = lease.get("state", "") if lease else ""
    try:
        return decode_stored_record(GuardState, text) if text else GuardState()
    except ValueError as error:
        raise LedgerError(f"the state of {guard} cannot be decoded: {error}") from error


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
            await self.submit_with_fence([])
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
                await self.submit_with_fence([])
            except (LedgerError, HttpResponseError) as error:
                log.warning("%s: the claim was not renewed: %s", self.guard, type(error).__name__)

    async def load(self, low: str = RANGE_START, high: str = RANGE_END) -> GuardSnapshot:
        """Load the guard's state and its records in a key range."""
        snapshot, unreadable = await load_records(self.table, self.guard, low, high)
        self.unreadable_row_keys |= unreadable
        state = await self.read_guard_state()
        return replace(
            snapshot,
            state=state,
            unreadable_rows=len(self.unreadable_row_keys),
            lease_disbelieved=self.took_over_odd_lease,
        )

    async def read_guard_state(self) -> GuardState:
        """Return the guard's state: from this claim's row, or read for a shard."""
        if self.lease["RowKey"] != LEASE_ROW_KEY:
            return await load_state(self.table, self.guard)
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
        """Write rows in fenced transactions, and the state with the last of them.

        `forget` are cases whose rows are deleted. Raises ClaimLost or LedgerError.
        """
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
        """Put a state into the lease row, unless the one there was written by another version.

        A pass can start without its state being saved, but its shards cannot be enqueued: raises
        LedgerError for that.
        """
        if LEASE_ROW_KEY not in self.unreadable_row_keys:
            self.lease = {**self.lease, "state": encode_stored_record(state)}
        elif isinstance(state, GuardState) and state.scan_pass and state.scan_pass.shard_count:
            raise LedgerError(
                f"the state of {self.guard} was not written by this version, so no scan pass can "
                "start: compare the versions deployed"
            )

    async def submit_with_fence(self, operations: Iterable[Any]) -> None:
        """Submit the fence and some operations as one transaction.

        Raises ClaimLost or LedgerError.
        """
        async with self.lock:
            if self.lost_reason:
                raise ClaimLost(self.lost_reason)
            await self.submit_fenced(list(operations), attempts_left=3)

    async def submit_fenced(self, operations: list[Any], attempts_left: int) -> None:
        """Submit the transaction, and retry it if an earlier attempt of this claim took effect."""
        started = time.monotonic()
        lease = {
            **self.lease,
            "until": (self.table.clock.now() + self.duration).isoformat(),
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

        async def submit() -> Mapping[str, Any]:
            responses = await self.table.client.submit_transaction([fence, *operations])
            if len(responses) != 1 + len(operations):
                raise ValueError("the response covers only a part of the transaction")
            return responses[0]

        try:
            self.etag = await self.table.write_row(submit)
        except HttpResponseError as error:
            current = await self.table.read_row(self.guard, self.lease["RowKey"])
            if not current or current.get("nonce") not in self.nonces:
                self.lost_reason = f"another run took over {self.guard}"
                raise ClaimLost(self.lost_reason) from error
            self.etag = current.metadata["etag"]
            if current["nonce"] != lease["nonce"]:
                if attempts_left <= 1 or error.status_code not in (404, 412):
                    raise LedgerError(describe_table_error(error)) from error
                # An earlier attempt may have deleted a row already.
                remaining = [row for row in operations if row[0] != "delete"]
                await self.submit_fenced(
                    remaining if error.status_code == 404 else operations, attempts_left - 1
                )
                return
        self.lease, self.renewed_at = lease, started
        if self.write_timeout and not self.write_timeout.expired():
            self.write_timeout.reschedule(
                asyncio.get_running_loop().time() + self.get_seconds_left()
            )

    async def release_lease(self) -> None:
        """End the lease at once, so that the next run need not wait until it expires."""
        async with self.lock:
            if self.lost_reason:
                return
            released = {**self.lease, "until": RELEASED_UNTIL}
            await self.table.write_row(lambda: self.table.replace_row(released, self.etag))
