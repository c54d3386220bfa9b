"""Every scene is played once for all tests that look at it."""

import pytest_asyncio

from tests.support.run_scene import AUDIT, FORWARDING, SIGN_IN, SceneResult, play_scene


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def neglected() -> SceneResult:
    return await play_scene("neglected")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def enforced() -> SceneResult:
    return await play_scene("neglected", {FORWARDING: "enforce", SIGN_IN: "off", AUDIT: "alert"})


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def healthy() -> SceneResult:
    return await play_scene("healthy")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def attack() -> SceneResult:
    return await play_scene("attack")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def first_install() -> SceneResult:
    return await play_scene("first-install")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def missing_permissions() -> SceneResult:
    return await play_scene("missing-permissions")
