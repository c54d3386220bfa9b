"""Every scene is played once in each profile, for all tests of all processes that look at it.

As installed, where Microsoft's services are as measured, all is as deployed: HTTP to the services,
the state in a table. Where they are contrary, what they answer is what matters, and not how it
travels; where more is enforced, what is written.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.reality.profile import DEFAULT_PROFILE, PROFILES
from sandbox.scenes.build import SCENE_BUILDERS
from tests.support.run_scene import AUDIT, FORWARDING, SIGN_IN, SceneResult, play_scene

ENFORCED = {FORWARDING: "enforce", SIGN_IN: "off", AUDIT: "alert"}


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Hold a file alone among the processes of a test session; it is free when one of them dies."""
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class ScenePlayer:
    """Plays scenes, and keeps what came of them in a folder that all processes share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.played: dict[str, SceneResult] = {}

    async def play(self, name: str, profile: str, enforced: bool = False) -> SceneResult:
        """What came of a scene in a profile, which is played unless it was before."""
        key = f"{name}-{profile}-{'enforced' if enforced else 'as-installed'}"
        if key not in self.played:
            file = self.folder / f"{key}.json"
            with lock_file(file.with_suffix(".lock")):
                if not file.exists():
                    modes = ENFORCED if enforced else None
                    found = await play_scene(
                        name,
                        modes,
                        profile,
                        forwards_appear=enforced,
                        as_deployed=profile == DEFAULT_PROFILE and not enforced,
                    )
                    new = file.with_suffix(".new")
                    new.write_text(json.dumps([found.scene, found.result]), encoding="utf-8")
                    new.rename(file)
            self.played[key] = SceneResult(*json.loads(file.read_text(encoding="utf-8")))
        return self.played[key]


@pytest.fixture(scope="session")
def scene_player(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> ScenePlayer:
    """The player of this process. Its folder belongs to the session: all processes share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "scenes"
    folder.mkdir(exist_ok=True)
    return ScenePlayer(folder)


def get_profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def neglected(request: pytest.FixtureRequest, scene_player: ScenePlayer) -> SceneResult:
    return await scene_player.play("neglected", get_profile(request))


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def enforced(request: pytest.FixtureRequest, scene_player: ScenePlayer) -> SceneResult:
    return await scene_player.play("neglected", get_profile(request), enforced=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def healthy(request: pytest.FixtureRequest, scene_player: ScenePlayer) -> SceneResult:
    return await scene_player.play("healthy", get_profile(request))


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def attack(request: pytest.FixtureRequest, scene_player: ScenePlayer) -> SceneResult:
    return await scene_player.play("attack", get_profile(request))


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def first_install(request: pytest.FixtureRequest, scene_player: ScenePlayer) -> SceneResult:
    return await scene_player.play("first-install", get_profile(request))


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def missing_permissions(
    request: pytest.FixtureRequest, scene_player: ScenePlayer
) -> SceneResult:
    return await scene_player.play("missing-permissions", get_profile(request))


@pytest_asyncio.fixture(
    scope="session",
    loop_scope="session",
    params=[(name, profile) for profile in PROFILES for name in SCENE_BUILDERS],
    ids="-".join,
)
async def every_scene(request: pytest.FixtureRequest, scene_player: ScenePlayer) -> SceneResult:
    name, profile = request.param
    return await scene_player.play(name, profile)
