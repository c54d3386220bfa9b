"""Every scene is played once for all tests that look at it."""

import pytest_asyncio

from tests.support.run_scene import AUDIT, FORWARDING, SIGN_IN, Journey, played


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def neglected() -> Journey:
    return await played("neglected")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def enforced() -> Journey:
    return await played("neglected", {FORWARDING: "enforce", SIGN_IN: "off", AUDIT: "alert"})


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def healthy() -> Journey:
    return await played("healthy")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def attack() -> Journey:
    return await played("attack")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def first_install() -> Journey:
    return await played("first-install")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def missing_permissions() -> Journey:
    return await played("missing-permissions")
