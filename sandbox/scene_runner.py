"""A scene's whole journey: the simulated tenant, a storage account and the app's own code.

Everything between is real: the SDKs over HTTP, the credential chain, the state table, the webhook.
Only the time between two ticks is made up, so that everything is due again.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.adapters.retry import gate_for
from core.bootstrap import connect_world, open_ledger
from core.config.catalog import CATALOG
from core.config.settings import Settings, get_setting_prefix, list_settings
from core.engine.run import create_run_id, run
from core.errors import ExoguardError
from core.model.cases import Exemption
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.run_document import run_report_to_json
from core.model.runs import RunReport
from sandbox.console import SceneConsole, map_object_names
from sandbox.faults.injection import parse_fault_argument
from sandbox.functions_host.azurite import Azurite
from sandbox.scenes.build import resolve_dates
from sandbox.server import Sandbox

# As long as the slowest guard's interval: at every tick everything is due.
BETWEEN_TICKS = timedelta(hours=6)
# A killed run's lease ends by itself within a minute.
MAX_BUSY_ATTEMPTS = 15
BUSY_WAIT_SECONDS = 5.0


@dataclass(slots=True)
class SteppingClock:
    """The time of day, moved on by hand."""

    offset: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


def build_app_settings(
    sandbox: Sandbox, azurite: Azurite, modes: Mapping[str, str]
) -> dict[str, str]:
    """The app's settings for this tenant and this storage account."""
    named = {f"{get_setting_prefix(guard)}_MODE": mode for guard, mode in modes.items()}
    storage = azurite.connection_string
    return {
        **{entry.name: entry.default for entry in list_settings() if entry.default},
        **sandbox.build_settings(),
        "AzureWebJobsStorage": storage,
        "STATE_CONNECTION_STRING": storage,
        **named,
    }


async def run_scene(
    scene: Mapping[str, Any],
    *,
    ticks: int = 1,
    modes: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    on_report: Callable[[int, RunReport], Awaitable[None]] | None = None,
) -> dict[str, Any]:
    """Run every duty `ticks` times on a scene and return what came of it.

    `scene["ticks"]`, where there is one, lists edits to make before each tick; `"exemptions"` are
    put into the ledger first. `settings` are further ones by name. Raises SettingsError for a mode
    that does not exist.
    """
    clock = SteppingClock()
    scene = resolve_dates(scene, clock())
    async with Azurite() as azurite, Sandbox(scene) as box:
        environ = build_app_settings(box, azurite, modes or {}) | dict(settings or {})
        # Azure gives the address of the managed identity endpoint to the process, not to the app.
        os.environ.update(
            {name: environ[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
        )
        given = Settings.read(environ)
        await store_exemptions(given, scene, clock())
        runs: list[dict[str, object]] = []
        for tick in range(1, ticks + 1):
            apply_tick_edits(box, scene, tick)
            for duty in given.guard_configs:
                report = await run_with_retries(given, duty, clock)
                runs.append({"tick": tick, **run_report_to_json(report)})
                if on_report:
                    await on_report(tick, report)
            clock.offset += BETWEEN_TICKS
            # No service asks to wait for that long.
            gate_for.cache_clear()
        return {"runs": runs, "cards": list(box.cards), "writes": list(box.writes)}


async def run_with_retries(
    settings: Settings, config: GuardConfig, clock: SteppingClock
) -> RunReport:
    """One run, waiting for the lease of one that died."""
    for _ in range(MAX_BUSY_ATTEMPTS):
        async with connect_world(settings, clock) as world:
            report = await run(config, world)
        if report.status != "busy":
            break
        await asyncio.sleep(BUSY_WAIT_SECONDS)
    return report


def add_faults(scene: Mapping[str, Any], faults: Sequence[str]) -> dict[str, Any]:
    """A scene with more faults, as somebody typed them. Raises ValueError for one that is none."""
    there = scene.get("faults") or []
    rows = [there] if isinstance(there, Mapping) else list(there)
    return {**scene, "faults": [*map(parse_fault_argument, faults), *rows]}


def apply_tick_edits(sandbox: Sandbox, scene: Mapping[str, Any], tick: int) -> None:
    """What happens in the tenant before a tick."""
    plans = scene.get("ticks", [])
    if tick <= len(plans) and plans[tick - 1]:
        sandbox.tenant.apply_patch(plans[tick - 1])


async def store_exemptions(settings: Settings, scene: Mapping[str, Any], now: datetime) -> None:
    """The scene's exemptions, as the ledger holds them."""
    async with open_ledger(settings) as ledger:
        for row in scene.get("exemptions", []):
            until = datetime.fromisoformat(row["until"])
            granted = Exemption.grant(row["subject"], row["who"], row["why"], until, now)
            async with ledger.claim(row["guard"], "the scene") as claim:
                assert claim is not None
                # Whoever granted it asked for it: an exemption without that is a forged one.
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


def main(arguments: argparse.Namespace) -> int:
    """`python -m sandbox run`: prints the document, or what a person would like to read."""
    modes = dict(entry.partition("=")[::2] for entry in arguments.mode)
    guards = [duty.guard.name for duty in CATALOG]
    if not modes.keys() <= set(guards):
        print(f"sandbox: --mode takes guard=mode; guards: {', '.join(guards)}", file=sys.stderr)
        return 2
    try:
        scene = add_faults(json.loads(arguments.scene.read_text(encoding="utf-8")), arguments.fault)
        show = None if arguments.json else SceneConsole()
        result = asyncio.run(
            run_scene(
                scene,
                ticks=arguments.ticks,
                modes=modes,
                on_report=show.print_tick_run if show else None,
            )
        )
    except (OSError, ValueError, ExoguardError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    if show:
        show.print_cards(result["cards"])
        show.print_writes(result["writes"], map_object_names(scene))
    else:
        json.dump(result, sys.stdout, indent=1)
        print()
    return 0
