"""A running tenant and a signed-in client."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from sandbox.server import Sandbox
from tests.sandbox.tenant_client import TenantClient, build_client_scene

type StartTenant = Callable[..., AbstractAsyncContextManager[TenantClient]]


@asynccontextmanager
async def run_sandbox(latency: float = 0.0, **changes: Any) -> AsyncIterator[TenantClient]:
    async with Sandbox(build_client_scene(**changes), latency=latency) as sandbox:
        trusted = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=sandbox.ca_path))
        async with aiohttp.ClientSession(connector=trusted) as session:
            client = TenantClient(sandbox, session)
            await client.sign_in()
            yield client


@pytest.fixture
def start() -> StartTenant:
    """Starts a tenant of its own, with parts of the scene replaced."""
    return run_sandbox


@pytest_asyncio.fixture
async def client() -> AsyncIterator[TenantClient]:
    async with run_sandbox() as client:
        yield client
