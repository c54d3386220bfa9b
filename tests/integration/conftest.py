"""Every scene is played once in each profile, for all tests that look at it."""

import pytest
import pytest_asyncio

from sandbox.reality.profile import PROFILES
from sandbox.scenes.build import SCENE_BUILDERS
from tests.support.run_scene import AUDIT, FORWARDING, SIGN_IN, SceneResult, play_scene

ENFORCED = {FORWARDING: "enforce", SIGN_IN: "off", AUDIT: "alert"}
PLAYED: dict[tuple[str, str, bool], SceneResult] = {}


async def play_once(name: str, profile: str, enforced: bool = False) -> SceneResult:
    """Plays a scene in a profile, unless it was played before."""
    key = (name, profile, enforced)
    if key not in PLAYED:
        PLAYED[key] = await play_scene(
            name, ENFORCED if enforced else None, profile, forwards_appear=enforced
        )
    return PLAYED[key]


def get_profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def neglected(request: pytest.FixtureRequest) -> SceneResult:
    return await play_once("neglected", get_profile(request))


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def enforced(request: pytest.FixtureRequest) -> SceneResult:
    return await play_once("neglected", get_profile(request), enforced=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def healthy(request: pytest.FixtureRequest) -> SceneResult:
    return await play_once("healthy", get_profile(request))


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def attack(request: pytest.FixtureRequest) -> SceneResult:
    return await play_once("attack", get_profile(request))


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def first_install(request: pytest.FixtureRequest) -> SceneResult:
    return await play_once("first-install", get_profile(request))


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def missing_permissions(request: pytest.FixtureRequest) -> SceneResult:
    return await play_once("missing-permissions", get_profile(request))


@pytest_asyncio.fixture(
    scope="session",
    loop_scope="session",
    params=[(name, profile) for profile in PROFILES for name in SCENE_BUILDERS],
    ids="-".join,
)
async def every_scene(request: pytest.FixtureRequest) -> SceneResult:
    name, profile = request.param
    return await play_once(name, profile)
