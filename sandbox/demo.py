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
from core.cli.api_client import ApiClient
from core.cli.http_client import KEY_HEADER, open_remote_client
from core.cli.viewer import PageViewer
from core.config.settings import Settings
from core.errors import ExoguardError
from sandbox.console import SceneConsole, map_object_names
from sandbox.functions_host.azurite import Azurite, AzuriteError
from sandbox.functions_host.host import Host
from sandbox.scene_runner import build_app_settings
from sandbox.scenes.attack_steps import AttackStep, build_aftermath, build_rule_step
from sandbox.scenes.build import resolve_dates
from sandbox.server import Sandbox

ROOT = Path(__file__).resolve().parent.parent
SCENES_FOLDER = Path(__file__).resolve().parent / "scenes"
POLL_SECONDS = 0.2
WAIT_SECONDS = 120.0

ATTACKED_GUARD = "mailbox-forwarding"
RUN_REASON = {"who": "Dana", "why": "answers to invoices do not arrive"}


class Demo:
    """One tenant, one host, one terminal."""

    def __init__(
        self,
        sandbox: Sandbox,
        host: Host,
        settings: Settings,
        api_client: ApiClient,
        output: SceneConsole,
    ) -> None:
        self.sandbox = sandbox
        self.host = host
        self.api_client = api_client
        self.settings = settings
        self.output = output
        self.shown_count = 0

    async def run_tick(self, title: str, text: str) -> None:
        """Every timer once, as the portal's "Test/Run" does it, and what each guard reported."""
        self.output.print_title(title)
        self.output.print_text(text)
        for duty in self.settings.guard_configs:
            guard = duty.guard.name
            with self.output.console.status(f"{guard} is looking at the tenant …"):
                began = len(await self.load_runs(guard))
                await self.post_to_host(
                    f"/admin/functions/{guard}", self.host.keys.master, {"input": ""}
                )
                report = await self.wait_for_run(guard, began)
            self.print_run(report)

    async def load_runs(self, guard: str) -> list[Mapping[str, Any]]:
        """The runs of a guard so far."""
        async with open_ledger(self.settings) as ledger:
            return list(await ledger.list_recent_runs(guard, 50))

    async def wait_for_run(self, guard: str, known_runs: int) -> Mapping[str, Any]:
        """The report of the run that is under way, once its card is out as well."""
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            await asyncio.sleep(POLL_SECONDS)
            await self.host.drain()
            runs = await self.load_runs(guard)
            if len(runs) > known_runs:
                return runs[0]
            failed = [call for call in self.host.invocations if call.name == guard and call.error]
            if failed:
                raise ExoguardError(f"{guard} failed: {failed[-1].error.splitlines()[-1]}")
        raise ExoguardError(f"{guard} did not report within {WAIT_SECONDS:.0f} s")

    def print_run(self, report: Mapping[str, Any]) -> None:
        """A run, and the cards it sent."""
        self.output.print_run(report)
        self.print_new_cards()

    def print_new_cards(self) -> None:
        """The cards that came since the last look."""
        for card in self.sandbox.cards[self.shown_count :]:
            self.output.print_card(card)
        self.shown_count = len(self.sandbox.cards)

    async def run_attack(self) -> None:
        """A rule appears in a mailbox, and a person asks for a run instead of waiting."""
        self.output.print_title("Attack: somebody signs in to a mailbox and leaves a rule behind")
        self.perform_step(build_rule_step(self.sandbox.tenant.scene))
        self.output.print_text(f"A person asks for a run: POST /api/guards/{ATTACKED_GUARD}/run")
        self.print_run(await self.submit_request(f"/api/guards/{ATTACKED_GUARD}/run", RUN_REASON))

    def perform_step(self, step: AttackStep) -> None:
        """Something the intruder does, said and done."""
        self.output.print_text(step.description)
        self.sandbox.tenant.apply_patch(
            resolve_dates({"edit": list(step.edits)}, datetime.now(UTC))
        )

    async def run_aftermath(self) -> None:
        """The intruder goes on, and everybody looks again."""
        self.output.print_title("The intruder goes on")
        for step in build_aftermath(self.sandbox.tenant.scene):
            self.perform_step(step)
        await self.run_tick(
            "Third tick: every guard tells what is new to it",
            "What the enforcing guards may put right, they put right at once; the rest is told "
            "with what to do.",
        )

    async def act_as_operator(self) -> None:
        """What a person makes of it: one change was wrong, one case is being looked into."""
        self.output.print_title(
            "A person answers: every deed is recorded with who and why, and told"
        )
        status = (await self.api_client.get("/api/status.json")).parse_object()
        change = next(row for row in status["changes"] if row["kind"] == "BlockSignIn")
        self.output.print_text(f"Undo: {change['subject']} is needed for one more week.")
        why = {"who": "Dana", "why": "the archive is still being sorted, ticket 4711"}
        await self.submit_request(f"/api/changes/{change['guard']}/{change['change']}/undo", why)
        cases = (
            await self.api_client.get("/api/cases.json", {"guard": ATTACKED_GUARD})
        ).parse_object()
        case = cases["cases"][0]
        self.output.print_text(f"Acknowledge: {case['summary']}")
        why = {"who": "Dana", "why": "password reset, sessions ended; asking the owner"}
        await self.submit_request(f"/api/cases/{case['guard']}/{case['case']}/acknowledge", why)
        self.print_new_cards()

    async def submit_request(self, path: str, body: Mapping[str, str]) -> Mapping[str, Any]:
        """What became of something that is asked for over HTTP."""
        reply = await self.api_client.post(path, body)
        if reply.status != 202:
            raise ExoguardError(f"POST {path} answers {reply.status}: {reply.get_error()}")
        address = str(reply.parse_object()["address"])
        self.output.print_text(f"202 Accepted, to be followed at {address}")
        with self.output.console.status("the queue brings the request to the guard …"):
            return await self.wait_for_report(address)

    async def post_to_host(self, path: str, key: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
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

    async def wait_for_report(self, address: str) -> Mapping[str, Any]:
        """The report at an address, when it is there."""
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            report = (await self.api_client.get(address)).parse_object()
            if report.get("status") not in ("queued", "running", "asked"):
                await self.host.drain()
                return report
            await asyncio.sleep(POLL_SECONDS)
        raise ExoguardError(f"{address} did not end within {WAIT_SECONDS:.0f} s")

    def print_sign_ins(self) -> None:
        """How the app came to its tokens: there is no secret in its settings."""
        counts = self.sandbox.counts
        self.output.print_text(
            f"Signed in without a secret: {counts['msi']} tokens of the managed identity vouched "
            f"for {counts['entra']} tokens of the app; then {counts['graph']} requests to Graph "
            f"and {counts['exchange']} to Exchange."
        )

    def print_addresses(self, viewer_address: str) -> None:
        """Where everything is, and what to try."""
        key, master = self.host.keys.function, self.host.keys.master
        run = f"{self.host.base}/api/guards/{ATTACKED_GUARD}/run"
        admin = f"{self.host.base}/admin/functions/{ATTACKED_GUARD}"
        self.output.print_title("Everything keeps running; Ctrl-C ends it")
        for line in (
            f"look      {viewer_address} (opens once, in your browser; then it keeps a cookie)",
            f"app       {self.host.base} (timers run on their schedules)",
            f"commands  export EXOGUARD_APP={self.host.base} EXOGUARD_KEY={key}; "
            "tools/exo status; tools/exo --help",
            f"tenant    {self.sandbox.base}/sandbox/state, …/writes, …/cards, …/requests",
            f"run one   curl -X POST -H 'x-functions-key: {key}' -d '{json.dumps(RUN_REASON)}' "
            f"-H 'Content-Type: application/json' {run}",
            f"a timer   curl -X POST -H 'x-functions-key: {master}' -d '{{\"input\":\"\"}}' "
            f"-H 'Content-Type: application/json' {admin}",
        ):
            self.output.console.print(line, soft_wrap=True, markup=False)


async def run_demo(once: bool) -> None:
    """The whole of it."""
    show = SceneConsole()
    scene = json.loads((SCENES_FOLDER / "neglected.json").read_text(encoding="utf-8"))
    async with contextlib.AsyncExitStack() as stack:
        with show.console.status("starting the storage account, the tenant and the host …"):
            azurite = await stack.enter_async_context(Azurite())
            box = await stack.enter_async_context(Sandbox(resolve_dates(scene, datetime.now(UTC))))
            environ = build_app_settings(box, azurite, {})
            host = await stack.enter_async_context(Host(ROOT, environ, timers_enabled=not once))
        key = {KEY_HEADER: host.keys.function}
        way = await stack.enter_async_context(open_remote_client(host.base, key))
        demo = Demo(box, host, Settings.read(environ), way, show)
        mailboxes = len(scene["exchange"]["Get-Mailbox"])
        show.print_text(
            f"A tenant with {mailboxes} mailboxes nobody looked after, on this machine."
        )
        await demo.run_tick(
            "First tick: every guard takes stock",
            "What exists already is the starting point: one card each, and a preview of the "
            "changes. Nothing is changed yet.",
        )
        await demo.run_tick(
            "Second tick: the enforcing guards put right what they announced",
            "Every change is written down before it is made and read back after.",
        )
        await demo.run_attack()
        await demo.run_aftermath()
        await demo.act_as_operator()
        show.print_writes(box.writes, map_object_names(box.tenant.scene))
        demo.print_sign_ins()
        if not once:
            viewer = PageViewer(way)
            await viewer.start()
            stack.push_async_callback(viewer.stop)
            demo.print_addresses(viewer.opening_url)
            await wait_for_interrupt()


async def wait_for_interrupt() -> None:
    """Returns when somebody has had enough."""
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, enough.set)
    await enough.wait()


def main(arguments: argparse.Namespace) -> int:
    """`python -m sandbox demo`."""
    try:
        asyncio.run(run_demo(arguments.once))
    except (AzuriteError, ExoguardError) as error:
        SceneConsole().print_text(f"demo: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
