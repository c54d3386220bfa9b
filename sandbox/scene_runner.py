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

from core.adapters.retry import door_of
from core.bootstrap import connect, open_ledger
from core.config.catalog import CATALOG
from core.config.settings import Settings, all_settings, prefix
from core.engine.run import new_run, run
from core.errors import ExoguardError
from core.model.cases import Exemption
from core.model.guards import Duty
from core.model.requests import Action, ActionState, Deed
from core.model.run_document import document
from core.model.runs import RunReport
from sandbox.console import Show, names_of
from sandbox.faults.injection import fault_in_words
from sandbox.functions_host.azurite import Azurite
from sandbox.scenes.build import freshened
from sandbox.server import Sandbox

# As long as the slowest guard's interval: at every tick everything is due.
BETWEEN_TICKS = timedelta(hours=6)
# A killed run's lease ends by itself within a minute.
BUSY_TRIES = 15
BUSY_WAIT = 5.0


@dataclass(slots=True)
class SteppingClock:
    """The time of day, moved on by hand."""

    offset: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


def environment(box: Sandbox, azurite: Azurite, modes: Mapping[str, str]) -> dict[str, str]:
    """The app's settings for this tenant and this storage account."""
    named = {f"{prefix(guard)}_MODE": mode for guard, mode in modes.items()}
    storage = azurite.connection_string
    return {
        **{entry.name: entry.default for entry in all_settings() if entry.default},
        **box.settings(),
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
    watch: Callable[[int, RunReport], Awaitable[None]] | None = None,
) -> dict[str, Any]:
    """Run every duty `ticks` times on a scene and return what came of it.

    `scene["ticks"]`, where there is one, lists edits to make before each tick; `"exemptions"` are
    put into the ledger first. `settings` are further ones by name. Raises SettingsError for a mode
    that does not exist.
    """
    clock = SteppingClock()
    scene = freshened(scene, clock())
    async with Azurite() as azurite, Sandbox(scene) as box:
        environ = environment(box, azurite, modes or {}) | dict(settings or {})
        # Azure gives the address of the managed identity endpoint to the process, not to the app.
        os.environ.update(
            {name: environ[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
        )
        given = Settings.read(environ)
        await exempt(given, scene, clock())
        runs: list[dict[str, object]] = []
        for tick in range(1, ticks + 1):
            edit(box, scene, tick)
            for duty in given.duties:
                report = await patiently(given, duty, clock)
                runs.append({"tick": tick, **document(report)})
                if watch:
                    await watch(tick, report)
            clock.offset += BETWEEN_TICKS
            # No service asks to wait for that long.
            door_of.cache_clear()
        return {"runs": runs, "cards": list(box.cards), "writes": list(box.writes)}


async def patiently(settings: Settings, duty: Duty, clock: SteppingClock) -> RunReport:
    """One run, waiting for the lease of one that died."""
    for _ in range(BUSY_TRIES):
        async with connect(settings, clock) as world:
            report = await run(duty, world)
        if report.status != "busy":
            break
        await asyncio.sleep(BUSY_WAIT)
    return report


def troubled(scene: Mapping[str, Any], faults: Sequence[str]) -> dict[str, Any]:
    """A scene with more faults, as somebody typed them. Raises ValueError for one that is none."""
    there = scene.get("faults") or []
    rows = [there] if isinstance(there, Mapping) else list(there)
    return {**scene, "faults": [*map(fault_in_words, faults), *rows]}


def edit(box: Sandbox, scene: Mapping[str, Any], tick: int) -> None:
    """What happens in the tenant before a tick."""
    plans = scene.get("ticks", [])
    if tick <= len(plans) and plans[tick - 1]:
        box.tenant.merge(plans[tick - 1])


async def exempt(settings: Settings, scene: Mapping[str, Any], now: datetime) -> None:
    """The scene's exemptions, as the ledger holds them."""
    async with open_ledger(settings) as ledger:
        for row in scene.get("exemptions", []):
            until = datetime.fromisoformat(row["until"])
            granted = Exemption.granted(row["subject"], row["who"], row["why"], until, now)
            async with ledger.claim(row["guard"], "the scene") as claim:
                assert claim is not None
                # Whoever granted it asked for it: an exemption without that is a forged one.
                asked = Action(
                    id=new_run(now),
                    deed=Deed.EXEMPT,
                    subject=granted.subject,
                    who=granted.who,
                    why=granted.why,
                    at=now,
                    until=granted.until,
                    state=ActionState.DONE,
                    ended=now,
                    told=True,
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
        scene = troubled(json.loads(arguments.scene.read_text(encoding="utf-8")), arguments.fault)
        show = None if arguments.json else Show()
        result = asyncio.run(
            run_scene(
                scene, ticks=arguments.ticks, modes=modes, watch=show.run_of_tick if show else None
            )
        )
    except (OSError, ValueError, ExoguardError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    if show:
        show.cards(result["cards"])
        show.writes(result["writes"], names_of(scene))
    else:
        json.dump(result, sys.stdout, indent=1)
        print()
    return 0
