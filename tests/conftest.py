"""What many tests share: one Azurite for the whole session."""

from collections.abc import AsyncIterator

import pytest_asyncio

from sandbox.azurite import Azurite


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    """A storage account in memory, started once."""
    async with Azurite() as account:
        yield account
