"""Shared by all tests: one Azurite per session."""

import json
import os
from collections.abc import AsyncIterator

import pytest_asyncio

from sandbox.functions_host.azurite import Azurite

# The addresses of one that runs already, for who starts many sessions one after another.
AZURITE_ENDPOINTS_VARIABLE = "EXOGUARD_TEST_AZURITE"
# function_app refuses to start without settings, here and in processes that tests start.
os.environ.setdefault("TENANT_ID", "00000000-0000-4000-8000-000000000001")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    """A storage account in memory, started once per session."""
    if addresses := os.environ.get(AZURITE_ENDPOINTS_VARIABLE):
        yield Azurite(endpoints=json.loads(addresses))
        return
    async with Azurite() as account:
        yield account
