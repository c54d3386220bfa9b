"""The program of test_functions_host: the app on the local host, used over HTTP; prints JSON.

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
from sandbox.functions_host.host import Host, Invocation
from sandbox.scene_runner import build_app_settings, end_throttling
from sandbox.server import Sandbox
from tests.support.shared_azurite import take_account

ROOT = Path(__file__).resolve().parents[2]
GUARD_NAME = "shared-mailbox-sign-in"


class HostClient:
    """Sends requests to the host and keeps the responses by name."""

    def __init__(self, host: Host, session: aiohttp.ClientSession) -> None:
        self.host = host
        self.session = session
        self.answers: dict[str, tuple[int, Any]] = {}

    async def send_request(
        self, name: str, method: str, path: str, body: bytes = b"", key: str | None = None
    ) -> Any:
        """Send one request; keep its status and its JSON under `name`."""
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


def build_request_body(**fields: str) -> bytes:
    """The JSON body of a request."""
    return json.dumps({"who": "Dana", "why": "a journey", **fields}).encode()


async def run_host_journey(scene: Mapping[str, Any]) -> dict[str, Any]:
    """Trigger timers, send requests and read reports, as an operator would."""
    async with Sandbox(scene) as box:
        environ = build_app_settings(box, take_account(), {})
        async with (
            Host(ROOT, environ, timers_enabled=False) as host,
            aiohttp.ClientSession() as session,
        ):
            caller = HostClient(host, session)
            timers: list[Invocation] = []
            for name in sorted(host.timers):
                timers.append(await host.invoke_timer(name))
                # What comes next has not to wait for the logs that this one read.
                end_throttling(box)
            run = f"/api/guards/{GUARD_NAME}/run"
            await caller.send_request("no key", "POST", run, build_request_body(), key="")
            await caller.send_request(
                "unknown", "POST", "/api/guards/no-such-guard/run", build_request_body()
            )
            await caller.send_request("bad body", "POST", run, build_request_body(mode="off"))
            await caller.send_request("bad run", "GET", f"/api/runs/{GUARD_NAME}/..%2F")
            queued = await caller.send_request(
                "asked", "POST", run, build_request_body(mode="alert")
            )
            await host.drain()
            await caller.send_request("report", "GET", queued["address"])
            settings = Settings.read(environ)
            async with open_ledger(settings) as ledger, ledger.claim(GUARD_NAME, "somebody"):
                held = await caller.send_request(
                    "asked while held", "POST", run, build_request_body()
                )
                await host.drain()
            await caller.send_request("busy", "GET", held["address"])
            enforced = await caller.send_request(
                "asked to enforce", "POST", run, build_request_body()
            )
            await host.drain()
            await caller.send_request("enforced", "GET", enforced["address"])
            return {
                "functions": sorted(host.functions),
                "timers": [[timer.name, timer.ok, timer.error[-300:]] for timer in timers],
                "answers": caller.answers,
                "writes": box.writes,
                "cards": len(box.cards),
            }


def main() -> None:
    """The journey through the scene of standard input; prints what was seen."""
    sys.stdout.write(json.dumps(asyncio.run(run_host_journey(json.loads(sys.stdin.read())))) + "\n")
