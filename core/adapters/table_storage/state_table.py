"""One table of Azure Table Storage: rows read and written through retries.

The time that counts is the storage service's (the Date header of its responses), never this
machine's, since instances compare it with one another.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.data.tables import TableEntity, TableErrorCode, UpdateMode
from azure.data.tables.aio import TableClient
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from core.adapters.retry import retry_after
from core.adapters.table_storage.entities import Entity, ServiceClock
from core.adapters.table_storage.responses import (
    EXPECTED_STATUSES,
    call_table_service,
    describe_table_error,
    is_transient_error,
    require_entity_keys,
    require_etag,
)
from core.errors import LedgerError

PAGE_SIZE = 200
# A deleted table keeps its name for a while and cannot be created again until then.
MISSING_TABLE_CODES = (TableErrorCode.TABLE_NOT_FOUND, TableErrorCode.TABLE_BEING_DELETED)


class StateTable:
    """The table that holds the state of one tenant. Retries of the `client` itself must be off.

    With a `tenant` (its id), a table that holds another tenant's state is rejected.
    """

    def __init__(
        self,
        client: TableClient,
        sleep: Callable[[float], Awaitable[None]],
        tenant: str,
    ) -> None:
        self.client = client
        self.tenant = tenant.lower()
        self.sleep = sleep
        self.clock = ServiceClock()

    def check_tenant(self, lease: TableEntity) -> None:
        """Raise LedgerError for another tenant's lease: two apps would close each other's cases."""
        other = lease.get("tenant")
        if self.tenant and other and other != self.tenant:
            raise LedgerError(
                f"the table {self.client.table_name} holds the state of tenant {str(other)[:80]}, "
                f"and TENANT_ID is {self.tenant}: name another table in STATE_TABLE, or set "
                "TENANT_ID back if it is the same tenant by another name"
            )

    async def run_operation[T](self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run an operation with retries, and create the table if it does not exist yet.

        Raises LedgerError.
        """
        try:
            return await self.run_with_retries(attempt)
        except ResourceNotFoundError as error:
            # The SDK sets the code only on errors of the table service.
            if getattr(error, "error_code", "") != TableErrorCode.TABLE_NOT_FOUND:
                raise
        try:
            with contextlib.suppress(ResourceExistsError):
                await self.run_with_retries(self.client.create_table)
            return await self.run_with_retries(attempt)
        except HttpResponseError as error:
            if getattr(error, "error_code", "") not in MISSING_TABLE_CODES:
                raise
            raise LedgerError("the state table does not exist and cannot be created") from error

    async def run_with_retries[T](self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run an operation, and retry transient failures. Raises LedgerError when none succeeds."""
        try:
            try:
                return await call_table_service(attempt)
            except AzureError as error:
                if not is_transient_error(error):
                    raise
                return await self.retry(attempt, error)
        except HttpResponseError as error:
            if error.status_code in EXPECTED_STATUSES:
                raise
            raise LedgerError(describe_table_error(error)) from error
        except AzureError as error:
            raise LedgerError(f"the state table: {type(error).__name__}") from error

    async def retry[T](self, attempt: Callable[[], Awaitable[T]], failure: AzureError) -> T:
        """Go on after a first attempt that failed. Nearly every operation is over before."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(is_transient_error),
            stop=stop_after_attempt(5),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            sleep=self.sleep,
            reraise=True,
        )
        return await retry_after(retrying, lambda: call_table_service(attempt), failure)

    async def read_row(self, guard: str, key: str) -> TableEntity | None:
        """Read one row; return None if there is none."""

        async def get() -> TableEntity:
            found = await self.client.get_entity(
                guard, key, raw_response_hook=self.clock.update_from_response
            )
            require_etag(found.metadata)
            return require_entity_keys(found)

        try:
            return await self.run_operation(get)
        except ResourceNotFoundError:
            return None

    async def query_rows(
        self, query: str, select: list[str] | None = None, **parameters: str
    ) -> list[TableEntity]:
        """Return all rows that match, whole or with selected properties. Values are passed as
        parameters, never inside the query.

        The SDK recognises a parameter only between spaces, so no parenthesis may touch one.
        """
        return await self.convert_rows(lambda row: row, query, select, **parameters)

    async def convert_rows[T](
        self,
        convert: Callable[[TableEntity], T],
        query: str,
        select: list[str] | None = None,
        **parameters: str,
    ) -> list[T]:
        """Return what is made of each of the same rows.

        Each is converted as it arrives, so only a page of rows is in memory as the service sent it.
        """

        async def scan() -> list[T]:
            pages = self.client.query_entities(
                query,
                parameters=parameters,
                select=select,
                raw_response_hook=self.clock.update_from_response,
            )
            return [convert(require_entity_keys(entity)) async for entity in pages]

        return await self.run_operation(scan)

    async def write_row(self, attempt: Callable[[], Awaitable[Mapping[str, Any]]]) -> str:
        """Write one row and return its new ETag."""

        async def write() -> str:
            return require_etag(await attempt())

        return await self.run_operation(write)

    async def replace_row(self, entity: Entity, etag: str | None) -> Mapping[str, Any]:
        """Replace a row unless it has changed since `etag`."""
        return await self.client.update_entity(
            entity,
            mode=UpdateMode.REPLACE,
            etag=etag,
            match_condition=MatchConditions.IfNotModified,
            raw_response_hook=self.clock.update_from_response,
        )

    async def query_key_range(self, guard: str, first: str, last: str) -> list[TableEntity]:
        """Return the rows of a guard from one key up to, not including, another."""
        return await self.convert_key_range(lambda row: row, guard, first, last)

    async def convert_key_range[T](
        self, convert: Callable[[TableEntity], T], guard: str, first: str, last: str
    ) -> list[T]:
        """Return what is made of each of the same rows, as it arrives."""
        return await self.convert_rows(
            convert,
            "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last",
            guard=guard,
            first=first,
            last=last,
        )

    async def query_first_rows(
        self, guard: str, first: str, last: str, count: int
    ) -> list[TableEntity]:
        """Return the first rows of a guard from one key up to, not including, another. What is
        beyond them is not read.
        """

        async def scan() -> list[TableEntity]:
            found: list[TableEntity] = []
            async for entity in self.client.query_entities(
                "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last",
                parameters={"guard": guard, "first": first, "last": last},
                raw_response_hook=self.clock.update_from_response,
            ):
                found.append(require_entity_keys(entity))
                if len(found) == count:
                    break
            return found

        return await self.run_operation(scan)

    async def query_keys(self, guard: str, first: str, last: str) -> list[TableEntity]:
        """Return the keys of the same, and when their retention periods began."""
        return await self.query_rows(
            "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last",
            ["PartitionKey", "RowKey", "ended"],
            guard=guard,
            first=first,
            last=last,
        )

    async def query_page(self, guard: str, first: str, last: str) -> list[TableEntity]:
        """Return at most PAGE_SIZE rows of a guard from one key up to, not including, another."""

        async def rows() -> list[TableEntity]:
            pages = self.client.query_entities(
                "PartitionKey eq @guard and RowKey ge @first and RowKey lt @last",
                parameters={"guard": guard, "first": first, "last": last},
                results_per_page=PAGE_SIZE,
                raw_response_hook=self.clock.update_from_response,
            ).by_page()
            async for page in pages:
                return [require_entity_keys(entity) async for entity in page]
            return []

        return await self.run_operation(rows)
