"""`make run`: the app on the production worker, guarding a neglected tenant.

    1 first look   every guard takes an inventory and previews its changes
    2 repair       the enforcing guards make exactly those changes
    3 attack       an attacker signs in to a mailbox; an operator requests a run, which reports it
    4 aftermath    the attacker continues, and the guards report every step
    5 answer       an operator undoes a change and acknowledges a case; both are announced
    6 writes       what reached the tenant

Then everything keeps running, with the status page and commands to try by hand, until Ctrl-C.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from core.bootstrap import open_ledger
from core.cli.address import KEY_HEADER
from core.cli.api_client import ApiClient
from core.cli.http_client import open_remote_client
from core.cli.viewer import PageViewer
from core.config.catalog import CATALOG
from core.config.settings import Settings
from core.errors import ExoguardError
from core.model.guards import Service
from sandbox.acts import ActPrinter
from sandbox.console import SceneConsole, map_object_names
from sandbox.functions_host.azurite import Azurite, AzuriteError
from sandbox.functions_host.host import Host
from sandbox.scene_runner import build_app_settings, end_throttling
from sandbox.scenes.attack_steps import AttackStep, build_aftermath, build_rule_step
from sandbox.scenes.build import resolve_dates
from sandbox.server import Sandbox

ROOT = Path(__file__).resolve().parent.parent
SCENES_FOLDER = Path(__file__).resolve().parent / "scenes"
POLL_SECONDS = 0.2
WAIT_SECONDS = 120.0

ATTACKED_GUARD = "mailbox-forwarding"
ATTACKER_DOMAIN = "evil.example"
# Its cards are shown: it previews changes at the first look and makes them at the second.
PREVIEWING_GUARD = "shared-mailbox-sign-in"
RUN_REASON = {"who": "Dana", "why": "answers to invoices do not arrive"}


class Demo:
    """One tenant, one host and one console."""

    def __init__(
        self,
        sandbox: Sandbox,
        host: Host,
        settings: Settings,
        api_client: ApiClient,
        acts: ActPrinter,
    ) -> None:
        self.sandbox = sandbox
        self.host = host
        self.api_client = api_client
        self.settings = settings
        self.acts = acts
        self.output = acts.output
        self.shown_count = 0

    async def run_tick(self, shown_guard: str = "", only_news: bool = False) -> None:
        """Starts every timer once, like "Test/Run" in the portal, and prints what each guard
        reported; hours after the last time, for the services' limits. Of the cards, one of
        `shown_guard` is printed; `only_news`: so are the rows.
        """
        end_throttling(self.sandbox)
        self.acts.print_header()
        shown: Sequence[Mapping[str, Any]] = ()
        for config in self.settings.guard_configs:
            guard = config.guard.name
            with self.output.console.status(f"{guard} is reading the tenant …"):
                began = len(await self.load_runs(guard))
                await self.post_to_host(
                    f"/admin/functions/{guard}", self.host.keys.master, {"input": ""}
                )
                report = await self.wait_for_run(guard, began)
            self.acts.print_run(report, only_news)
            cards = self.take_new_cards()
            if guard == shown_guard and not self.acts.verbose:
                shown = cards
            else:
                self.acts.print_cards(cards, show_none)
        self.acts.end_rows()
        self.acts.print_cards(shown, show_any)

    async def load_runs(self, guard: str) -> list[Mapping[str, Any]]:
        """Loads the latest runs of a guard."""
        async with open_ledger(self.settings) as ledger:
            return list(await ledger.list_recent_runs(guard, 50))

    async def wait_for_run(self, guard: str, known_runs: int) -> Mapping[str, Any]:
        """Waits for the run in progress to end, with its cards; returns its report."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self.host.drain()
        except TimeoutError:
            raise ExoguardError(f"{guard} did not report within {WAIT_SECONDS:.0f} s") from None
        failed = [call for call in self.host.invocations if call.name == guard and call.error]
        if failed:
            raise ExoguardError(f"{guard} failed: {failed[-1].error.splitlines()[-1]}")
        runs = await self.load_runs(guard)
        if len(runs) <= known_runs:
            raise ExoguardError(f"{guard} ended without a report")
        return runs[0]

    def take_new_cards(self) -> Sequence[Mapping[str, Any]]:
        """The cards that arrived since the last call."""
        new = list(self.sandbox.cards[self.shown_count :])
        self.shown_count = len(self.sandbox.cards)
        return new

    async def run_attack(self) -> None:
        """Adds a rule to a mailbox and requests a run instead of waiting for the timer."""
        self.acts.begin_act("An attacker signs in to a mailbox and leaves a rule behind")
        step = build_rule_step(self.sandbox.tenant.scene)
        self.output.print_text(step.description)
        self.perform_step(step)
        self.output.print_text(f"An operator requests a run: POST /api/guards/{ATTACKED_GUARD}/run")
        report = await self.submit_request(f"/api/guards/{ATTACKED_GUARD}/run", RUN_REASON)
        self.acts.print_header()
        self.acts.print_run(report)
        self.acts.print_cards(self.take_new_cards(), names_the_attacker)

    def perform_step(self, step: AttackStep) -> None:
        """Performs one step of the attacker."""
        self.sandbox.tenant.apply_patch(
            resolve_dates({"edit": list(step.edits)}, datetime.now(UTC))
        )

    async def run_aftermath(self) -> None:
        """Performs the attacker's other steps, then runs every guard again."""
        self.acts.begin_act("The attacker continues, and every guard reports its part")
        for step in build_aftermath(self.sandbox.tenant.scene):
            self.acts.add_step(step.guard, step.description)
            self.perform_step(step)
        await self.run_tick(only_news=True)

    async def act_as_operator(self) -> None:
        """Responds as an operator: undoes one change and acknowledges one case."""
        self.acts.begin_act("An operator answers; who and why is recorded and announced")
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
        self.acts.print_cards(self.take_new_cards(), shows_an_undo)

    async def submit_request(self, path: str, body: Mapping[str, str]) -> Mapping[str, Any]:
        """Submits an operator's request over HTTP and waits for its report."""
        reply = await self.api_client.post(path, body)
        if reply.status != 202:
            raise ExoguardError(f"POST {path} answers {reply.status}: {reply.get_error()}")
        address = str(reply.parse_object()["address"])
        if self.acts.verbose:
            self.output.print_text(f"202 Accepted; follow the request at {address}")
        with self.output.console.status("waiting for the guard to process the request …"):
            return await self.wait_for_report(address)

    async def post_to_host(self, path: str, key: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Posts to the host with a key in the header."""
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
        """Polls an address until its report is there."""
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            report = (await self.api_client.get(address)).parse_object()
            if report.get("status") not in ("queued", "running", "asked"):
                # The report is saved before the cards are sent, and again after.
                await self.host.drain()
                return (await self.api_client.get(address)).parse_object()
            await asyncio.sleep(POLL_SECONDS)
        raise ExoguardError(f"{address} did not end within {WAIT_SECONDS:.0f} s")

    def print_sign_ins(self) -> None:
        """Prints how the app got its tokens: its settings hold no secret."""
        counts = self.sandbox.counts
        self.output.print_text(
            f"Signed in without a secret: {counts['msi']} managed identity tokens were assertions "
            f"for {counts['entra']} app tokens; the app then sent {counts['graph']} requests to "
            f"Graph and {counts['exchange']} to Exchange."
        )

    def print_addresses(self, viewer_address: str) -> None:
        """Prints all addresses, and commands to try."""
        key, master = self.host.keys.function, self.host.keys.master
        run = f"{self.host.base}/api/guards/{ATTACKED_GUARD}/run"
        admin = f"{self.host.base}/admin/functions/{ATTACKED_GUARD}"
        self.acts.begin_act("Everything keeps running; press Ctrl-C to stop")
        for line in (
            f"page      {viewer_address}",
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


def show_any(card: Mapping[str, Any]) -> bool:
    """Every card."""
    return True


def show_none(card: Mapping[str, Any]) -> bool:
    """No card."""
    return False


def names_the_attacker(card: Mapping[str, Any]) -> bool:
    """A card about what the attacker left behind."""
    return ATTACKER_DOMAIN in json.dumps(card)


def shows_an_undo(card: Mapping[str, Any]) -> bool:
    """The card of an undo."""
    return "Undone" in json.dumps(card)


def grant_what_is_needed(scene: Mapping[str, Any]) -> dict[str, Any]:
    """The scene with the permissions that the guards declare, and no others."""
    wanted = [one for config in CATALOG for one in config.guard.permissions]
    grants = {
        str(service): sorted({one.name for one in wanted if one.service is service})
        for service in Service
    }
    return {**scene, "grants": grants}


async def run_demo(once: bool, verbose: bool) -> None:
    """Runs the demo from start to end."""
    acts = ActPrinter(SceneConsole(), verbose)
    neglected = json.loads((SCENES_FOLDER / "neglected.json").read_text(encoding="utf-8"))
    scene = grant_what_is_needed(neglected)
    async with contextlib.AsyncExitStack() as stack:
        with acts.output.console.status("starting the storage account, the tenant and the host …"):
            azurite = await stack.enter_async_context(Azurite())
            box = await stack.enter_async_context(Sandbox(resolve_dates(scene, datetime.now(UTC))))
            environ = build_app_settings(box, azurite, {})
            host = await stack.enter_async_context(Host(ROOT, environ, timers_enabled=not once))
        key = {KEY_HEADER: host.keys.function}
        client = await stack.enter_async_context(open_remote_client(host.base, key))
        viewer = PageViewer(client, is_reusable=True)
        await viewer.start()
        stack.push_async_callback(viewer.stop)
        demo = Demo(box, host, Settings.read(environ), client, acts)
        # Alone on its line, so that it can be copied and clicked.
        acts.output.console.print(f"The page, now and whenever you like: {viewer.opening_url}")
        await play_acts(demo, len(scene["exchange"]["Get-Mailbox"]))
        if not once:
            demo.print_addresses(viewer.opening_url)
            await wait_for_interrupt()


async def play_acts(demo: Demo, mailbox_count: int) -> None:
    """From the first look to the operator's answer."""
    acts = demo.acts
    acts.begin_act(
        "First look: every guard takes an inventory",
        f"A simulated, neglected tenant with {mailbox_count} mailboxes runs on this machine; the "
        "app holds the permissions its guards need and no others. Nothing is changed yet: a card "
        "of each guard says what exists, and what would be changed.",
    )
    await demo.run_tick(PREVIEWING_GUARD)
    acts.begin_act(
        "Repair: the enforcing guards make the changes they announced",
        "Every change is recorded before it is made, and read back afterwards.",
    )
    await demo.run_tick(PREVIEWING_GUARD, only_news=True)
    await demo.run_attack()
    await demo.run_aftermath()
    await demo.act_as_operator()
    acts.begin_act("What reached the tenant")
    acts.print_rest(demo.sandbox.writes, map_object_names(demo.sandbox.tenant.scene))
    demo.print_sign_ins()


async def wait_for_interrupt() -> None:
    """Returns on SIGINT or SIGTERM."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    await interrupted.wait()


def main(arguments: argparse.Namespace) -> int:
    """`python -m sandbox demo`."""
    try:
        asyncio.run(run_demo(arguments.once, arguments.verbose))
    except (AzuriteError, ExoguardError) as error:
        SceneConsole().print_text(f"demo: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
