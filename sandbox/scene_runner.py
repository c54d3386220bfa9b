"""Runs the app on a scene: a simulated tenant, a storage account and the app's own code.

Everything in between is real, unless a caller has other connections: the SDKs over HTTP, the
credential chain, the state table, the webhook. Only the time between two ticks is simulated, so
that every guard and check is due again.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientSession

from core.adapters.retry import gate_for
from core.bootstrap import connect_world_with, open_ledger
from core.config.catalog import CATALOG
from core.config.settings import Settings, get_setting_prefix, list_settings
from core.engine.run import create_run_id, run
from core.errors import ExoguardError
from core.jobs.activity import read_activity
from core.jobs.tenant_probe import probe_before_run
from core.json_document import to_json
from core.model.cases import Exemption
from core.model.guards import GuardConfig, Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.run_document import run_report_to_json
from core.model.runs import RunReport
from core.ports import Ledger, World
from core.status.probe_document import build_probe
from sandbox.console import SceneConsole, map_object_names
from sandbox.faults.injection import parse_fault_argument
from sandbox.functions_host.azurite import Azurite
from sandbox.reality.profile import Reality, parse_definition
from sandbox.scenes.build import resolve_dates
from sandbox.server import Sandbox

# The slowest guard's interval, so that every guard is due at every tick.
BETWEEN_TICKS = timedelta(hours=6)
# The lease of a killed run expires within a minute.
MAX_BUSY_ATTEMPTS = 15
BUSY_WAIT_SECONDS = 5.0

type StateOpener = Callable[[Settings], AbstractAsyncContextManager[Ledger]]


@dataclass(frozen=True, slots=True)
class Connections:
    """How the app reaches its state, and Graph and Exchange: as a deployed one does, unless the
    caller knows another way.
    """

    open_state: StateOpener = open_ledger
    open_session: Callable[[Sandbox], ClientSession] | None = None


OVER_HTTP = Connections()


@dataclass(slots=True)
class SteppingClock:
    """The current time plus an offset that the runner advances."""

    offset: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


def build_app_settings(
    sandbox: Sandbox, azurite: Azurite, modes: Mapping[str, str]
) -> dict[str, str]:
    """Builds the app's settings for this tenant and this storage account."""
    named = {f"{get_setting_prefix(guard)}_MODE": mode for guard, mode in modes.items()}
    storage = azurite.connection_string
    return {
        **{entry.name: entry.default for entry in list_settings() if entry.default},
        **sandbox.build_settings(),
        "AzureWebJobsStorage": storage,
        "STATE_CONNECTION_STRING": storage,
        **named,
    }


@dataclass(frozen=True, slots=True)
class SceneApp:
    """The app's own code with the settings of a scene."""

    settings: Settings
    clock: SteppingClock
    open_state: StateOpener
    session: ClientSession | None = None

    @asynccontextmanager
    async def connect_world(self) -> AsyncIterator[World]:
        """The world of one run. What is random in it is not, so that a scene plays out alike."""
        async with (
            self.open_state(self.settings) as ledger,
            connect_world_with(ledger, self.settings, self.clock, session=self.session) as world,
        ):
            # Periodic checks are due after their whole interval.
            yield replace(world, create_seed=str)

    async def store_exemptions(self, scene: Mapping[str, Any]) -> None:
        """Stores the scene's exemptions in the ledger."""
        now = self.clock()
        async with self.open_state(self.settings) as ledger:
            for row in scene.get("exemptions", []):
                until = datetime.fromisoformat(row["until"])
                granted = Exemption.grant(row["subject"], row["who"], row["why"], until, now)
                async with ledger.claim(row["guard"], "the scene") as claim:
                    assert claim is not None
                    # Without a request row, the exemption audit reports it as unauthorized.
                    asked = OperatorRequest(
                        id=create_run_id(now),
                        kind=RequestKind.EXEMPT,
                        subject=granted.subject,
                        requested_by=granted.granted_by,
                        reason=granted.reason,
                        at=now,
                        until=granted.until,
                        state=RequestState.DONE,
                        ended_at=now,
                        notified=True,
                    )
                    await claim.save(granted, asked)

    async def read_logs(self) -> dict[str, object]:
        """Reads the audit logs once, with the runs that their records lead to.

        The first reading comes after the guards' first runs, which have to see the tenant before.
        """
        async with self.connect_world() as world:
            result = await read_activity(
                world,
                self.settings.guard_configs,
                self.settings.activity,
                create_run_id(world.now()),
            )
        return {
            "status": result.status,
            "records": result.record_count,
            "troubles": list(result.troubles),
            "runs": [run_report_to_json(report, with_steps=True) for report in result.reports],
        }

    async def load_probe_document(self) -> dict[str, object]:
        """The last probe of the assumptions, as status.json has it."""
        async with self.open_state(self.settings) as ledger:
            report = await ledger.load_probe()
        return {"probe": to_json(build_probe(report)) if report else None}

    async def run_with_retries(self, config: GuardConfig, probes: bool = False) -> RunReport:
        """Runs a guard once, after waiting for the lease of a run that died."""
        for _ in range(MAX_BUSY_ATTEMPTS):
            async with self.connect_world() as world:
                if probes:
                    identifier = create_run_id(world.now())
                    await probe_before_run(config, world, self.settings.guard_configs, identifier)
                report = await run(config, world)
            if report.status != "busy":
                break
            await asyncio.sleep(BUSY_WAIT_SECONDS)
        return report


async def run_scene(
    scene: Mapping[str, Any],
    *,
    ticks: int = 1,
    modes: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    on_report: Callable[[int, RunReport], Awaitable[None]] | None = None,
    probes: bool = False,
    storage: Azurite | None = None,
    connections: Connections = OVER_HTTP,
) -> dict[str, Any]:
    """Runs every guard `ticks` times on a scene and returns the runs, cards and writes.

    A scene with `activity` also has its audit logs read in each tick; `activity` of the result says
    what that led to. `scene["ticks"]`, if present, lists edits to make before each tick;
    `"exemptions"` are stored in the ledger first. `settings` adds or overrides settings by name.
    `probes`: the assumptions are probed before the first run and daily, as by a deployed app, and
    the result has the last probe.
    `storage` is one that runs already: the caller then names a table of its own in `settings`.
    `connections` are those of the app, by default to a table in that storage and over HTTP.
    Raises SettingsError for an unknown mode.
    """
    clock = SteppingClock()
    scene = resolve_dates(scene, clock())
    async with AsyncExitStack() as stack:
        azurite = storage if storage else await stack.enter_async_context(Azurite())
        box = await stack.enter_async_context(Sandbox(scene))
        box.tenant.clock = clock
        environ = build_app_settings(box, azurite, modes or {}) | dict(settings or {})
        # Azure sets the managed identity endpoint in the environment, not in the app's settings.
        os.environ.update(
            {name: environ[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
        )
        given = Settings.read(environ)
        open_session = connections.open_session
        app = SceneApp(
            given, clock, connections.open_state, open_session(box) if open_session else None
        )
        await app.store_exemptions(scene)
        # A guard that is off asks nobody for anything: one world is enough for all of them.
        idle_world = await stack.enter_async_context(app.connect_world())
        runs: list[dict[str, object]] = []
        ticks_of_logs: list[dict[str, object]] = []
        for tick in range(1, ticks + 1):
            apply_tick_edits(box, scene, tick)
            if "activity" in scene and tick > 1:
                ticks_of_logs.append({"tick": tick, **await app.read_logs()})
            for config in given.guard_configs:
                if config.mode is Mode.OFF:
                    report = await run(config, idle_world)
                else:
                    report = await app.run_with_retries(config, probes)
                runs.append({"tick": tick, **run_report_to_json(report, with_steps=True)})
                if on_report:
                    await on_report(tick, report)
            if "activity" in scene and tick == 1:
                ticks_of_logs.append({"tick": tick, **await app.read_logs()})
            clock.offset += BETWEEN_TICKS
            end_throttling(box)
        result = {"runs": runs, "cards": list(box.cards), "writes": list(box.writes)}
        if "activity" in scene:
            result["activity"] = ticks_of_logs
        return result | (await app.load_probe_document() if probes else {})


def end_throttling(sandbox: Sandbox) -> None:
    """Lets the app and its tenant forget who has to wait: the simulated time is longer than any
    Retry-After, and than any seconds in which requests are counted.
    """
    gate_for.cache_clear()
    sandbox.end_windows()


def add_faults(scene: Mapping[str, Any], faults: Sequence[str]) -> dict[str, Any]:
    """Adds faults from the command line to a scene. Raises ValueError for an invalid one."""
    there = scene.get("faults") or []
    rows = [there] if isinstance(there, Mapping) else list(there)
    return {**scene, "faults": [*map(parse_fault_argument, faults), *rows]}


def set_reality(scene: Mapping[str, Any], profile: str, sides: Mapping[str, str]) -> dict[str, Any]:
    """Sets the profile and sides from the command line. Raises ValueError for an unknown one."""
    chosen = {**parse_definition(scene.get("reality")), **sides}
    if profile:
        chosen["profile"] = profile
    Reality(chosen)
    return {**scene, "reality": chosen} if chosen else dict(scene)


def apply_tick_edits(sandbox: Sandbox, scene: Mapping[str, Any], tick: int) -> None:
    """Applies the scene's edits for a tick."""
    plans = scene.get("ticks", [])
    if tick <= len(plans) and plans[tick - 1]:
        sandbox.tenant.apply_patch(plans[tick - 1])


def main(arguments: argparse.Namespace) -> int:
    """`python -m sandbox run`: prints one JSON document, or readable output."""
    modes = dict(entry.partition("=")[::2] for entry in arguments.mode)
    guards = [config.guard.name for config in CATALOG]
    if not modes.keys() <= set(guards):
        print(f"sandbox: --mode takes guard=mode; guards: {', '.join(guards)}", file=sys.stderr)
        return 2
    try:
        scene = add_faults(json.loads(arguments.scene.read_text(encoding="utf-8")), arguments.fault)
        sides = dict(entry.partition("=")[::2] for entry in arguments.reality)
        scene = set_reality(scene, arguments.profile, sides)
        output = None if arguments.json else SceneConsole()
        result = asyncio.run(
            run_scene(
                scene,
                ticks=arguments.ticks,
                modes=modes,
                on_report=output.print_tick_run if output else None,
                probes=not arguments.no_probe,
            )
        )
    except (OSError, ValueError, ExoguardError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    if output:
        output.print_probe(result.get("probe"))
        output.print_cards(result["cards"])
        output.print_writes(result["writes"], map_object_names(scene))
    else:
        json.dump(result, sys.stdout, indent=1)
        print()
    return 0
