"""The app of a scene goes the connections that it is given."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import ClientSession

from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import Connections, run_scene
from sandbox.server import Sandbox
from tests.support.direct_session import open_direct_session
from tests.support.fakes.clock import Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.run_scene import AUDIT, load_scene, set_alone


@dataclass
class CountingSession:
    """A session that counts its requests."""

    sandbox: Sandbox
    inner: ClientSession
    count: int = 0

    def request(self, *arguments: Any, **options: Any) -> Any:
        """The request of the session within."""
        self.count += 1
        return self.inner.request(*arguments, **options)

    async def close(self) -> None:
        """The next run goes on with it."""


async def test_graph_exchange_and_the_state_are_reached_by_the_connections_given() -> None:
    sessions = list[CountingSession]()
    ledger = FakeLedger(Clock())

    def open_session(sandbox: Sandbox) -> ClientSession:
        sessions.append(CountingSession(sandbox, open_direct_session(sandbox)))
        return cast(ClientSession, sessions[0])

    result = await run_scene(
        load_scene("neglected"),
        modes=set_alone(AUDIT, "alert"),
        # It does not run: nobody may ask it.
        storage=Azurite(),
        connections=Connections(lambda _: nullcontext(ledger), open_session),
    )
    (run,) = (run for run in result["runs"] if run["guard"] == AUDIT)
    assert run["findings"]
    assert len(ledger.list_cases(AUDIT)) > 0
    (session,) = sessions
    counts = session.sandbox.counts
    assert session.count == counts["graph"] + counts["exchange"] > 0
