"""The ledger on Azure Table Storage: one partition a guard, every write fenced by a lease row.

    PartitionKey  guard
    RowKey        lease              owner, until, epoch, nonce, tenant; the guard's state
                  shard|<number>     the same for a shard of a large tenant, with its result
                  archive|<key>      the archive: a case, change or request that no run needs
                  case|<key>         a case and its pending notification
                  change|<id>        a change, from intention to outcome, with what was before
                  days|tally         the numbers of what is archived, by day
                  exempt|<hash>      an exemption
                  known|<key>        what the guard has seen of an object before
                  out|<key>|<channel>  what a channel besides Teams was or is to be told of a case
                  request|<run id>   an operator request and its result
                  run|<run id>       a run's report; run ids sort newest first

The partition "activity" holds what is kept of audit records, under a lease of its own.

    RowKey        cursor|<log>       how far a log has been read
                  look|<guard>       what a guard is to look at
                  act|<hour><hash>   who did what, for eight days

One more partition, "tenant", holds what is true of the tenant whichever guard runs. Its rows carry
no fence: the last writer wins, and any of them was right.

    RowKey        way|<cmdlet>       how the objects of a cmdlet are listed
                  probe|last         the last probe of the assumptions
                  inbox|<hex digits> which folders are Inboxes, of mailboxes with hashes alike
                  channel|<name>     how a channel besides Teams answered lately

The keys of cases, changes and known traits begin with the hash prefix of their object
(`core.keys`), so what concerns a part of the tenant is a range of rows. `lease.py` claims, renews
and fences.

`row_texts.py` keeps rows and transactions within the limits of the service; `census.py` notices
what others do to the rows.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import batched

from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableEntity, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from core.adapters.table_storage import shard_rows, tenant_rows
from core.adapters.table_storage.activity_rows import (
    load_activity_state,
    load_acts,
    load_searches,
)
from core.adapters.table_storage.codec import decode_stored_record
from core.adapters.table_storage.entities import (
    PAST_PREFIX,
    SCHEMA_VERSION,
    build_activity_entity,
    build_delete_operation,
    build_entity,
    build_run_entity,
    decode_run_document,
    get_containment_key,
)
from core.adapters.table_storage.journal import Journal
from core.adapters.table_storage.lease import LEASE_DURATION, acquire_lease
from core.adapters.table_storage.lease_row import (
    LEASE_ROW_KEY,
    build_shard_key,
    decode_checked_state,
    is_lease_expired,
    load_state,
)
from core.adapters.table_storage.records import (
    collect_records,
    decode_key_range,
    decode_row,
    read_object_rows,
    read_whole_guard,
)
from core.adapters.table_storage.responses import require_entity_keys
from core.adapters.table_storage.row_texts import BATCH_SIZE, get_row_text
from core.adapters.table_storage.state_table import PAGE_SIZE, StateTable
from core.adapters.table_storage.tenant_rows import PROBE_ROW_KEY
from core.errors import LedgerError
from core.keys import format_descending_time
from core.model.activity import Act
from core.model.audit_queries import AuditSearch, CauseWish
from core.model.containment import (
    AccountBundle,
    Containment,
    StoredBundles,
    StoredContainments,
)
from core.model.outbox import ChannelHealth
from core.model.requests import OperatorRequest
from core.model.state import (
    GuardSnapshot,
    GuardState,
    InboxGroup,
    ProbeReport,
    StateMark,
    Way,
)
from core.ports import (
    ACTIVITY_PARTITION,
    CHANNEL_PARTITION,
    CONTAINMENT_PARTITION,
    KEEP_ACTS,
    KEEP_CONTAINMENTS,
    KEEP_REQUESTS,
    KEEP_RUNS,
    ActivityState,
    Claim,
    ContainmentRow,
    ShardStatus,
)

log = logging.getLogger("exoguard.ledger")


class TableLedger:
    """Implements the Ledger port. Retries of the clients themselves must be off.

    With a `tenant` (its id), a table that holds another tenant's state is rejected. Without a
    `journal_client`, the journal is in the state's own table, and witnesses no restored one.
    """

    def __init__(
        self,
        client: TableClient,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        journal_client: TableClient | None = None,
        tenant: str = "",
        lease_duration: timedelta = LEASE_DURATION,
    ) -> None:
        self.table = StateTable(client, sleep, tenant)
        self.journal = Journal(StateTable(journal_client or client, sleep, tenant))
        self.lease_duration = lease_duration

    @asynccontextmanager
    async def claim(
        self, guard: str, run: str, shard: int | None = None
    ) -> AsyncIterator[Claim | None]:
        """Claim a guard or a shard and renew the lease during the block.

        The block gets None if another run holds it.
        """
        held = await acquire_lease(
            self.table,
            guard,
            run,
            LEASE_ROW_KEY if shard is None else build_shard_key(shard),
            self.lease_duration,
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

    async def load_state(self, guard: str) -> GuardState:
        """Load the guard's state."""
        return await load_state(self.table, guard)

    async def load_shards(self, guard: str) -> Mapping[int, ShardStatus]:
        """Load the shards of the guard's last scan passes, without rows that cannot be decoded."""
        return await shard_rows.load_shards(self.table, guard)

    async def load_shard(self, guard: str, number: int) -> ShardStatus | None:
        """Load one shard; None if there is none, or its row cannot be decoded."""
        return await shard_rows.load_shard(self.table, guard, number)

    async def list_claimed_shards(self, guard: str) -> frozenset[int]:
        """List the shards that a worker holds now."""
        return await shard_rows.list_claimed_shards(self.table, guard)

    async def count_done_shards(self, guard: str, pass_id: str) -> int:
        """Count the shards of a pass that are done."""
        return await shard_rows.count_done_shards(self.table, guard, pass_id)

    async def save_run_status(self, guard: str, run: str, document: Mapping[str, object]) -> None:
        """Save the status of a run that holds no claim."""
        entity = build_run_entity(guard, run, document, self.table.clock.now())
        await self.table.write_row(
            lambda: self.table.client.upsert_entity(entity, mode=UpdateMode.REPLACE)
        )

    async def get_run(self, guard: str, run: str) -> Mapping[str, object] | None:
        """Return the document of a run, with status "running" while its claim is held."""
        entity = await self.table.read_row(guard, f"run|{run}")
        if entity is None:
            return None
        known = decode_run_document(entity)
        if not known:
            raise LedgerError(f"the report of run {run} cannot be decoded")
        lease = await self.table.read_row(guard, LEASE_ROW_KEY)
        if lease and lease.get("owner") == run and known.get("status") == "queued":
            return (
                known
                if is_lease_expired(lease, self.table.clock.now())
                else {**known, "status": "running"}
            )
        return known

    async def list_recent_runs(self, guard: str, count: int) -> list[Mapping[str, object]]:
        """List the documents of a guard's last runs, newest first, as their row keys sort."""

        async def first() -> list[TableEntity]:
            found: list[TableEntity] = []
            async for entity in self.table.client.query_entities(
                "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last",
                parameters={"guard": guard, "first": "run|", "last": "run}"},
                results_per_page=count,
            ):
                found.append(require_entity_keys(entity))
                if len(found) == count:
                    break
            return found

        return [decode_run_document(entity) for entity in await self.table.run_operation(first)]

    async def iter_runs(
        self, guard: str, since: datetime, until: datetime
    ) -> AsyncIterator[Mapping[str, object]]:
        """Iterate over the documents of runs that started in a period, newest first."""
        # A run's id counts down: the later end of the time is the lower key.
        first, last = f"run|{format_descending_time(until)}", f"run|{format_descending_time(since)}"
        while True:
            page = await self.table.query_page(guard, first, last)
            for entity in page:
                yield decode_run_document(entity)
            if len(page) < PAGE_SIZE:
                return
            first = f"{page[-1]['RowKey']}!"

    async def load(self, guard: str) -> GuardSnapshot:
        """Load the guard's state and records without the archive, for readers without a claim."""
        return await self.load_whole_guard(guard, with_past=False)

    async def load_history(self, guard: str) -> GuardSnapshot:
        """Load the same with the archive. A record in both is as it is now."""
        return await self.load_whole_guard(guard, with_past=True)

    async def load_object(self, guard: str, prefix: str) -> GuardSnapshot:
        """Load what the pages of one object tell. A record that is in the archive as well is as it
        is now.
        """
        return collect_records(await read_object_rows(self.table, guard, prefix)).build_snapshot()

    async def load_whole_guard(self, guard: str, *, with_past: bool) -> GuardSnapshot:
        """Load all records of a guard and its state."""
        rows, lease = await read_whole_guard(self.table, guard, with_past=with_past)
        records = collect_records(rows).build_snapshot()
        return replace(records, state=decode_checked_state(self.table, guard, lease))

    async def add_request(self, guard: str, operator_request: OperatorRequest) -> None:
        """Save an operator request."""
        entity = build_entity(guard, operator_request)
        await self.table.write_row(
            lambda: self.table.client.upsert_entity(entity, mode=UpdateMode.REPLACE)
        )
        await self.journal.log_requests(guard, [operator_request])

    async def list_requests(self, guard: str, since: datetime) -> tuple[OperatorRequest, ...]:
        """List the operator requests since a time, newest first, without undecodable rows."""
        last = f"request|{format_descending_time(since)}~"
        rows = await decode_key_range(self.table, guard, "request|", last)
        return collect_records(rows).build_snapshot().operator_requests

    async def get_request(self, guard: str, request_id: str) -> OperatorRequest | None:
        """Return an operator request by its id, or None. Raises LedgerError."""
        key = f"request|{request_id}"
        entity = await self.table.read_row(guard, key)
        entity = entity or await self.table.read_row(guard, f"{PAST_PREFIX}{key}")
        if entity is None:
            return None
        requests = collect_records([decode_row(guard, entity)]).operator_requests
        if not requests:
            raise LedgerError(f"the request {request_id} cannot be decoded")
        return requests[request_id]

    async def load_ways(self) -> Mapping[str, Way]:
        """Load how each cmdlet's objects are listed."""
        return await tenant_rows.load_ways(self.table)

    async def save_way(self, way: Way) -> None:
        """Save how a cmdlet's objects are listed."""
        await tenant_rows.save_rows(self.table, {f"way|{way.cmdlet}": way})

    async def load_inboxes(self, first: str, last: str) -> Sequence[InboxGroup]:
        """Load which folders are Inboxes, without rows that cannot be decoded."""
        return await tenant_rows.load_inboxes(self.table, first, last)

    async def save_inboxes(self, groups: Sequence[InboxGroup]) -> None:
        """Save which folders are Inboxes."""
        await tenant_rows.save_rows(self.table, {f"inbox|{one.name}": one for one in groups})

    async def load_probe(self) -> ProbeReport | None:
        """Load the last probe; None for none, or for one that cannot be decoded."""
        return await tenant_rows.load_probe(self.table)

    async def save_probe(self, report: ProbeReport) -> None:
        """Save a probe in place of the last one."""
        await tenant_rows.save_rows(self.table, {PROBE_ROW_KEY: report})

    async def load_channel_healths(self) -> Mapping[str, ChannelHealth]:
        """Load how each further channel answered lately, without undecodable rows."""
        return await tenant_rows.load_channel_healths(self.table)

    async def save_channel_health(self, health: ChannelHealth) -> None:
        """Save how a channel answered."""
        await tenant_rows.save_rows(self.table, {f"channel|{health.channel}": health})

    async def load_activity(self) -> ActivityState:
        """Load how far the logs have been read, and which rows of that cannot be decoded."""
        return await load_activity_state(self.table)

    async def load_acts(self, since: datetime, until: datetime) -> tuple[Act, ...]:
        """Load the acts of some hours, oldest first, without rows that cannot be decoded."""
        return await load_acts(self.table, since, until)

    async def save_wish(self, wish: CauseWish) -> None:
        """Save which cases of a guard wait for a search of the audit log."""
        entity = build_activity_entity(ACTIVITY_PARTITION, wish)
        await self.table.write_row(
            lambda: self.table.client.upsert_entity(entity, mode=UpdateMode.REPLACE)
        )

    async def load_account_searches(self) -> Mapping[str, AuditSearch]:
        """Load the searches of the audit log for accounts."""
        return await load_searches(self.table, CONTAINMENT_PARTITION)

    async def load_containments(self) -> StoredContainments:
        """Load every containment, and the ids of those that cannot be decoded."""
        rows = await self.table.query_key_range(CONTAINMENT_PARTITION, "contain|", "contain}")
        found, unreadable = list[Containment](), list[str]()
        for row in rows:
            try:
                found.append(decode_containment_row(Containment, row))
            except LedgerError as error:
                log.error("%s", error)
                unreadable.append(str(row["RowKey"]).removeprefix("contain|"))
        return StoredContainments(tuple(found), tuple(unreadable))

    async def load_bundle(self, bundle_id: str, edition: int = 0) -> AccountBundle | None:
        """Load an edition of what was kept of an account."""
        key = f"bundle|{bundle_id}"
        rows = await self.table.query_key_range(CONTAINMENT_PARTITION, key, f"{key}}}")
        found = [decode_containment_row(AccountBundle, row) for row in rows]
        if edition:
            return next((one for one in found if one.edition == edition), None)
        return max(found, key=lambda one: one.edition, default=None)

    async def load_bundles(self, since: datetime, until: datetime) -> StoredBundles:
        """Load every edition that was kept in a period. The rows' own times are the keys'."""
        rows = await self.table.query_rows(
            "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last "
            "and ended ge @since and ended lt @until",
            None,
            guard=CONTAINMENT_PARTITION,
            first="bundle|",
            last="bundle}",
            since=since.isoformat(),
            until=until.isoformat(),
        )
        found, unreadable = list[AccountBundle](), list[str]()
        for row in rows:
            try:
                found.append(decode_containment_row(AccountBundle, row))
            except LedgerError:
                unreadable.append(str(row["RowKey"]))
        found.sort(key=lambda one: (one.at, one.id, one.edition))
        return StoredBundles(tuple(found), tuple(sorted(unreadable)))

    async def purge_containments(self, now: datetime) -> None:
        """Delete containments, evidence and requests of more than 400 days."""
        for prefix in ("contain", "bundle", "request", "search"):
            await self.purge_rows(CONTAINMENT_PARTITION, prefix, now, KEEP_CONTAINMENTS)

    async def purge_channel_tests(self, now: datetime) -> None:
        """Delete tests of channels of more than 400 days, and results of more than 30."""
        await self.purge_rows(CHANNEL_PARTITION, "request", now, KEEP_REQUESTS)
        await self.purge_runs(CHANNEL_PARTITION, now)

    async def load_mark(self, guard: str) -> StateMark | None:
        """Load how far the guard's state had come. Raises LedgerError."""
        return await self.journal.load_mark(guard)

    async def save_mark(self, guard: str, mark: StateMark) -> None:
        """Save how far the guard's state has come."""
        await self.journal.save_mark(guard, mark)

    async def log_requests(self, guard: str, requests: Sequence[OperatorRequest]) -> None:
        """Save requests, as they are now, in the journal too."""
        await self.journal.log_requests(guard, requests)

    async def load_request_log(self, guard: str) -> tuple[OperatorRequest, ...]:
        """Load the requests that the journal knows."""
        return await self.journal.load_requests(guard)

    async def purge_runs(self, guard: str, now: datetime) -> None:
        """Delete the reports of runs that ended more than 30 days ago."""
        await self.purge_rows(guard, "run", now, KEEP_RUNS)

    async def purge_acts(self, now: datetime) -> None:
        """Delete acts, and searches that ended, of more than eight days."""
        for prefix in ("act", "search"):
            await self.purge_rows(ACTIVITY_PARTITION, prefix, now, KEEP_ACTS)

    async def purge_rows(self, guard: str, prefix: str, now: datetime, age: timedelta) -> None:
        """Delete the rows of a kind that ended longer ago than an age, by the earlier clock."""
        old = await self.table.query_rows(
            "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last "
            "and ended ne '' and ended lt @cut",
            ["PartitionKey", "RowKey"],
            guard=guard,
            first=f"{prefix}|",
            last=f"{prefix}}}",
            cut=(min(now, self.table.clock.now()) - age).isoformat(),
        )
        deletions = [build_delete_operation(guard, row["RowKey"]) for row in old]
        for group in batched(deletions, BATCH_SIZE, strict=False):
            # Another housekeeping may have deleted some of them: the next one goes on.
            with contextlib.suppress(TableTransactionError):
                await self.table.run_operation(partial(self.table.client.submit_transaction, group))


def decode_containment_row[R: ContainmentRow](record_type: type[R], entity: TableEntity) -> R:
    """Decode the row of a containment. Raises LedgerError."""
    key = str(entity["RowKey"])
    try:
        if entity.get("v") != SCHEMA_VERSION:
            raise ValueError("another schema")
        row = decode_stored_record(record_type, get_row_text(entity, "body"))
        if get_containment_key(row) != key:
            raise ValueError("the body of another row")
    except (ValueError, KeyError) as error:
        raise LedgerError(f"the row {key[:48]} cannot be decoded: {error}") from error
    return row
