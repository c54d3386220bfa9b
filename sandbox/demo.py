"""`make run`: the app on the real worker, a neglected tenant, and what the guards make of it.

    first tick    every guard takes stock and says what it will change
    second tick   the enforcing guards change exactly that
    attack        somebody gets into a mailbox; a run that is asked for tells
    third tick    the intruder goes on, and every guard has something to say

Then everything keeps running, with the addresses to try it by hand, until Ctrl-C.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from core.errors import ExoguardError
from core.settings import Settings
from core.wiring import open_ledger
from sandbox.azurite import Azurite, AzuriteError
from sandbox.host import Host
from sandbox.intruder import Step, aftermath, rule
from sandbox.journey import environment
from sandbox.page import page
from sandbox.scenery import freshened
from sandbox.server import Sandbox
from sandbox.show import Show, names_of

ROOT = Path(__file__).resolve().parent.parent
SCENES = Path(__file__).resolve().parent / "scenes"
POLL = 0.2
PATIENCE = 120.0

ATTACKED = "mailbox-forwarding"
ASKED = {"who": "Dana", "why": "answers to invoices do not arrive"}


class Demo:
    """One tenant, one host, one terminal."""

    def __init__(self, box: Sandbox, host: Host, settings: Settings, show: Show) -> None:
        self.box = box
        self.host = host
        self.settings = settings
        self.show = show
        self.shown = 0
        self.reports: list[Mapping[str, Any]] = []

    async def tick(self, title: str, said: str) -> None:
        """Every timer once, as the portal's "Test/Run" does it, and what each guard reported."""
        self.show.title(title)
        self.show.say(said)
        for duty in self.settings.duties:
            guard = duty.guard.name
            with self.show.console.status(f"{guard} is looking at the tenant …"):
                began = len(await self.history(guard))
                await self.post(f"/admin/functions/{guard}", self.host.keys.master, {"input": ""})
                report = await self.newest(guard, began)
            self.present(report)

    async def history(self, guard: str) -> list[Mapping[str, Any]]:
        """The runs of a guard so far."""
        async with open_ledger(self.settings) as ledger:
            return list(await ledger.history(guard, 50))

    async def newest(self, guard: str, count: int) -> Mapping[str, Any]:
        """The report of the run that is under way, once its card is out as well."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            await asyncio.sleep(POLL)
            await self.host.drain()
            runs = await self.history(guard)
            if len(runs) > count:
                return runs[0]
            failed = [call for call in self.host.invocations if call.name == guard and call.error]
            if failed:
                raise ExoguardError(f"{guard} failed: {failed[-1].error.splitlines()[-1]}")
        raise ExoguardError(f"{guard} did not report within {PATIENCE:.0f} s")

    def present(self, report: Mapping[str, Any]) -> None:
        """A run, and the cards it sent."""
        self.reports.append(report)
        self.show.run(report)
        for card in self.box.cards[self.shown :]:
            self.show.card(card)
        self.shown = len(self.box.cards)

    async def attack(self) -> None:
        """A rule appears in a mailbox, and a person asks for a run instead of waiting."""
        self.show.title("Attack: somebody signs in to a mailbox and leaves a rule behind")
        self.make(rule(self.box.tenant.scene))
        self.show.say(f"A person asks for a run: POST /api/guards/{ATTACKED}/run")
        answer = await self.post(f"/api/guards/{ATTACKED}/run", self.host.keys.function, ASKED)
        self.show.say(f"202 Accepted, to be followed at {answer['address']}")
        with self.show.console.status("the queue brings the request to the guard …"):
            report = await self.followed(str(answer["address"]))
        self.present(report)

    def make(self, step: Step) -> None:
        """Something the intruder does, said and done."""
        self.show.say(step.said)
        self.box.tenant.merge(freshened({"edit": list(step.edits)}, datetime.now(UTC)))

    async def aftermath(self) -> None:
        """The intruder goes on, and everybody looks again."""
        self.show.title("The intruder goes on")
        for step in aftermath(self.box.tenant.scene):
            self.make(step)
        await self.tick(
            "Third tick: every guard tells what is new to it",
            "What the enforcing guards may put right, they put right at once; the rest is told "
            "with what to do.",
        )

    async def post(self, path: str, key: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A call of the host with a key in its header."""
        headers = {"x-functions-key": key}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.host.base + path, json=body, headers=headers) as reply,
        ):
            text = await reply.text()
            if reply.status != 202:
                raise ExoguardError(f"POST {path} answers {reply.status}: {text[:300]}")
            return json.loads(text) if text else {}

    async def followed(self, address: str) -> Mapping[str, Any]:
        """The report at an address, when it is there."""
        headers = {"x-functions-key": self.host.keys.function}
        until = time.monotonic() + PATIENCE
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < until:
                async with session.get(self.host.base + address, headers=headers) as reply:
                    report: Mapping[str, Any] = await reply.json()
                if report.get("status") not in ("queued", "running"):
                    await self.host.drain()
                    return report
                await asyncio.sleep(POLL)
        raise ExoguardError(f"{address} did not end within {PATIENCE:.0f} s")

    def signed_in(self) -> None:
        """How the app came to its tokens: there is no secret in its settings."""
        counts = self.box.counts
        self.show.say(
            f"Signed in without a secret: {counts['msi']} tokens of the managed identity vouched "
            f"for {counts['entra']} tokens of the app; then {counts['graph']} requests to Graph "
            f"and {counts['exchange']} to Exchange."
        )

    def addresses(self, local: str) -> None:
        """Where everything is, and what to try."""
        key, master = self.host.keys.function, self.host.keys.master
        run = f"{self.host.base}/api/guards/{ATTACKED}/run"
        admin = f"{self.host.base}/admin/functions/{ATTACKED}"
        self.show.title("Everything keeps running; Ctrl-C ends it")
        for line in (
            f"look      {local}",
            f"app       {self.host.base} (timers run on their schedules)",
            f"tenant    {self.box.base}/sandbox/state, …/writes, …/cards, …/requests",
            f"run one   curl -X POST -H 'x-functions-key: {key}' -d '{json.dumps(ASKED)}' {run}",
            f"a timer   curl -X POST -H 'x-functions-key: {master}' -d '{{\"input\":\"\"}}' "
            f"-H 'Content-Type: application/json' {admin}",
        ):
            self.show.console.print(line, soft_wrap=True, markup=False)


async def demonstrate(once: bool) -> None:
    """The whole of it."""
    show = Show()
    scene = json.loads((SCENES / "neglected.json").read_text(encoding="utf-8"))
    async with contextlib.AsyncExitStack() as stack:
        with show.console.status("starting the storage account, the tenant and the host …"):
            azurite = await stack.enter_async_context(Azurite())
            box = await stack.enter_async_context(Sandbox(freshened(scene, datetime.now(UTC))))
            environ = environment(box, azurite, {})
            host = await stack.enter_async_context(Host(ROOT, environ, schedules=not once))
        demo = Demo(box, host, Settings.read(environ), show)
        mailboxes = len(scene["exchange"]["Get-Mailbox"])
        show.say(f"A tenant with {mailboxes} mailboxes nobody looked after, on this machine.")
        await demo.tick(
            "First tick: every guard takes stock",
            "What exists already is the starting point: one card each, and a preview of the "
            "changes. Nothing is changed yet.",
        )
        await demo.tick(
            "Second tick: the enforcing guards put right what they announced",
            "Every change is written down before it is made and read back after.",
        )
        await demo.attack()
        await demo.aftermath()
        show.writes(box.writes, names_of(box.tenant.scene))
        demo.signed_in()
        if not once:
            local = await stack.enter_async_context(page(demo.reports, box))
            demo.addresses(local)
            await interrupted()


async def interrupted() -> None:
    """Returns when somebody has had enough."""
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, enough.set)
    await enough.wait()


def main(arguments: argparse.Namespace) -> int:
    """`python -m sandbox demo`."""
    try:
        asyncio.run(demonstrate(arguments.once))
    except (AzuriteError, ExoguardError) as error:
        Show().say(f"demo: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
