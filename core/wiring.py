"""Settings -> World: the only module that knows all adapters.

Adapters are imported when they are connected, so that starting the app costs no import of the
Microsoft Graph SDK.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from core.ports import Ledger, World
from core.settings import Settings


def utc_now() -> datetime:
    """The time of this machine; what decides between runs is the storage service's instead."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_ledger(settings: Settings) -> AsyncIterator[Ledger]:
    """The ledger alone, for what needs no tenant."""
    from azure.data.tables.aio import TableClient

    from core.adapters.ledger_table import TableLedger

    async with AsyncExitStack() as stack:
        name = settings["STATE_TABLE"]
        if settings["STATE_CONNECTION_STRING"]:
            table = TableClient.from_connection_string(
                settings["STATE_CONNECTION_STRING"], table_name=name, retry_total=0
            )
        else:
            from azure.identity.aio import ManagedIdentityCredential

            identity = await stack.enter_async_context(
                ManagedIdentityCredential(client_id=settings["MANAGED_IDENTITY_CLIENT_ID"] or None)
            )
            table = TableClient(
                settings["STATE_TABLE_ENDPOINT"], name, credential=identity, retry_total=0
            )
        await stack.enter_async_context(table)
        yield TableLedger(table)
