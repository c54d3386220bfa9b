"""A program for test_host_journey: the app on the local host, asked over HTTP; prints JSON.

One process hosts one app, so it runs on its own.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from core.bootstrap import open_ledger
from core.config.settings import Settings
from sandbox.functions_host.azurite import Azurite
from sandbox.functions_host.host import Host
from sandbox.scene_runner import environment
from sandbox.server import Sandbox

ROOT = Path(__file__).resolve().parents[2]
GUARD = "shared-mailbox-sign-in"


class Caller:
    """Calls the host and remembers what it answered, by name."""

    def __init__(self, host: Host, session: aiohttp.ClientSession) -> None:
        self.host = host
        self.session = session
        self.answers: dict[str, tuple[int, Any]] = {}

    async def call(
        self, name: str, method: str, path: str, body: bytes = b"", key: str | None = None
    ) -> Any:
        """One request; its status and its JSON are kept under `name`."""
        headers = {
            "x-functions-key": self.host.keys.function if key is None else key,
            "Content-Type": "application/json",
        }
        address = self.host.base + path
        async with self.session.request(method, address, data=body, headers=headers) as reply:
            text = await reply.text()
            answer = json.loads(text) if text.startswith("{") else text
            self.answers[name] = (reply.status, answer)
            return answer


def asks(**wish: str) -> bytes:
    """The body of a request."""
    return json.dumps({"who": "Dana", "why": "a journey", **wish}).encode()


async def journey(scene: Mapping[str, Any]) -> dict[str, Any]:
    """Timers, requests and reports, as an administrator would use them."""
    async with Azurite() as azurite, Sandbox(scene) as box:
        environ = environment(box, azurite, {})
        async with (
            Host(ROOT, environ, schedules=False) as host,
            aiohttp.ClientSession() as session,
        ):
            caller = Caller(host, session)
            timers = [await host.invoke_timer(name) for name in sorted(host.timers)]
            run = f"/api/guards/{GUARD}/run"
            await caller.call("no key", "POST", run, asks(), key="")
            await caller.call("unknown", "POST", "/api/guards/no-such-guard/run", asks())
            await caller.call("bad body", "POST", run, asks(mode="off"))
            await caller.call("bad run", "GET", f"/api/runs/{GUARD}/..%2F")
            queued = await caller.call("asked", "POST", run, asks(mode="alert"))
            await host.drain()
            await caller.call("report", "GET", queued["address"])
            settings = Settings.read(environ)
            async with open_ledger(settings) as ledger, ledger.claim(GUARD, "somebody"):
                held = await caller.call("asked while held", "POST", run, asks())
                await host.drain()
            await caller.call("busy", "GET", held["address"])
            enforced = await caller.call("asked to enforce", "POST", run, asks())
            await host.drain()
            await caller.call("enforced", "GET", enforced["address"])
            return {
                "functions": sorted(host.functions),
                "timers": [[timer.name, timer.ok, timer.error[-300:]] for timer in timers],
                "answers": caller.answers,
                "writes": box.writes,
                "cards": len(box.cards),
            }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(journey(json.loads(sys.stdin.read())))) + "\n")
