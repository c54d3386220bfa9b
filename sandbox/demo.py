"""`make run`: the app on the real worker, a neglected tenant, and what the guards make of it.

    first tick    every guard takes stock and says what it will change
    second tick   the enforcing guards change exactly that
    attack        somebody gets into a mailbox; a run that is asked for tells
    third tick    the intruder goes on, and every guard has something to say
    answer        a person takes a change back and acknowledges a case, and the channel is told

Then everything keeps running, with the status page and the addresses to try it by hand, until
Ctrl-C.
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

from core.bootstrap import open_ledger
from core.cli.api_client import Way
from core.cli.http_client import KEY_HEADER, over_http
from core.cli.viewer import Viewer
from core.config.settings import Settings
from core.errors import ExoguardError
from sandbox.console import Show, names_of
from sandbox.functions_host.azurite import Azurite, AzuriteError
from sandbox.functions_host.host import Host
from sandbox.scene_runner import environment
from sandbox.scenes.attack_steps import Step, aftermath, rule
from sandbox.scenes.build import freshened
from sandbox.server import Sandbox

ROOT = Path(__file__).resolve().parent.parent
SCENES = Path(__file__).resolve().parent / "scenes"
POLL = 0.2
PATIENCE = 120.0

ATTACKED = "mailbox-forwarding"
ASKED = {"who": "Dana", "why": "answers to invoices do not arrive"}


class Demo:
    """One tenant, one host, one terminal."""

    def __init__(self, box: Sandbox, host: Host, settings: Settings, way: Way, show: Show) -> None:
        self.box = box
        self.host = host
        self.way = way
        self.settings = settings
        self.show = show
        self.shown = 0

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
        self.show.run(report)
        self.cards()

    def cards(self) -> None:
        """The cards that came since the last look."""
        for card in self.box.cards[self.shown :]:
            self.show.card(card)
        self.shown = len(self.box.cards)

    async def attack(self) -> None:
        """A rule appears in a mailbox, and a person asks for a run instead of waiting."""
        self.show.title("Attack: somebody signs in to a mailbox and leaves a rule behind")
        self.make(rule(self.box.tenant.scene))
        self.show.say(f"A person asks for a run: POST /api/guards/{ATTACKED}/run")
        self.present(await self.asked(f"/api/guards/{ATTACKED}/run", ASKED))

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

    async def answer(self) -> None:
        """What a person makes of it: one change was wrong, one case is being looked into."""
        self.show.title("A person answers: every deed is recorded with who and why, and told")
        status = (await self.way.get("/api/status.json")).document()
        change = next(row for row in status["changes"] if row["kind"] == "BlockSignIn")
        self.show.say(f"Undo: {change['subject']} is needed for one more week.")
        why = {"who": "Dana", "why": "the archive is still being sorted, ticket 4711"}
        await self.asked(f"/api/changes/{change['guard']}/{change['change']}/undo", why)
        cases = (await self.way.get("/api/cases.json", {"guard": ATTACKED})).document()
        case = cases["cases"][0]
        self.show.say(f"Acknowledge: {case['summary']}")
        why = {"who": "Dana", "why": "password reset, sessions ended; asking the owner"}
        await self.asked(f"/api/cases/{case['guard']}/{case['case']}/acknowledge", why)
        self.cards()

    async def asked(self, path: str, body: Mapping[str, str]) -> Mapping[str, Any]:
        """What became of something that is asked for over HTTP."""
        reply = await self.way.post(path, body)
        if reply.status != 202:
            raise ExoguardError(f"POST {path} answers {reply.status}: {reply.error()}")
        address = str(reply.document()["address"])
        self.show.say(f"202 Accepted, to be followed at {address}")
        with self.show.console.status("the queue brings the request to the guard …"):
            return await self.followed(address)

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
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            report = (await self.way.get(address)).document()
            if report.get("status") not in ("queued", "running", "asked"):
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
            f"look      {local} (opens once, in your browser; then it keeps a cookie)",
            f"app       {self.host.base} (timers run on their schedules)",
            f"commands  export EXOGUARD_APP={self.host.base} EXOGUARD_KEY={key}; "
            "tools/exo status; tools/exo --help",
            f"tenant    {self.box.base}/sandbox/state, …/writes, …/cards, …/requests",
            f"run one   curl -X POST -H 'x-functions-key: {key}' -d '{json.dumps(ASKED)}' "
            f"-H 'Content-Type: application/json' {run}",
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
        key = {KEY_HEADER: host.keys.function}
        way = await stack.enter_async_context(over_http(host.base, key))
        demo = Demo(box, host, Settings.read(environ), way, show)
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
        await demo.answer()
        show.writes(box.writes, names_of(box.tenant.scene))
        demo.signed_in()
        if not once:
            viewer = Viewer(way)
            await viewer.start()
            stack.push_async_callback(viewer.stop)
            demo.addresses(viewer.first_address)
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
