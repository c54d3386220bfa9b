"""Runs a scene to its end, and tabulates the results for tests."""

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from core.config.catalog import CATALOG
from core.microsoft365.configuration_sources import EXCHANGE_SOURCES
from core.model.guards import Service
from sandbox import scene_runner
from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import Connections, set_reality
from sandbox.scenes.build import SCENES_FOLDER
from tests.support.direct_session import open_direct_session
from tests.support.fakes.clock import Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.shared_azurite import get_shared_azurite

TICK_COUNT = 3
MAX_CARD_BYTES = 25 * 1024
ADDRESS = re.compile(r"[A-Z][\w.+-]*@[\w-]+(?:\.[\w-]+)+")
SIGN_IN, FORWARDING, AUDIT = "shared-mailbox-sign-in", "mailbox-forwarding", "mailbox-audit"

type FindingTable = Mapping[str, set[tuple[str, str]]]


@dataclass(frozen=True)
class SceneResult:
    """A scene and its results."""

    scene: Mapping[str, Any]
    result: Mapping[str, Any]

    @property
    def cards(self) -> Sequence[Mapping[str, Any]]:
        return list(self.result["cards"])

    @property
    def writes(self) -> Sequence[Mapping[str, Any]]:
        return list(self.result["writes"])

    def find_run(self, tick: int, guard: str) -> Mapping[str, Any]:
        """The one run of a guard in a tick."""
        (only,) = (
            run for run in self.result["runs"] if (run["tick"], run["guard"]) == (tick, guard)
        )
        return dict(only)

    def find_runs(self, tick: int) -> list[Mapping[str, Any]]:
        """All runs of a tick."""
        return [run for run in self.result["runs"] if run["tick"] == tick]

    def tabulate_findings(self, tick: int, guard: str) -> FindingTable:
        """The findings of a run: kind and verdict by the mailbox's alias, or by the object."""
        names = dict(self.list_aliases())
        table: dict[str, set[tuple[str, str]]] = {}
        for finding in self.find_run(tick, guard)["findings"]:
            name = names.get(finding["object"], finding["object"])
            table.setdefault(name, set()).add((finding["kind"], finding["verdict"]))
        return table

    def list_aliases(self) -> Iterator[tuple[str, str]]:
        """The alias of every mailbox, by each of its ids, and the name of every mail-flow rule."""
        for row in self.scene["exchange"].get("Get-TransportRule", ()):
            yield row["Guid"], row["Name"]
        for row in self.scene["exchange"]["Get-Mailbox"]:
            for key in ("ExternalDirectoryObjectId", "Guid"):
                yield row[key], row["Name"]

    def tabulate_writes(self) -> list[tuple[str, str]]:
        """The writes with their objects: ("PATCH", "info"), ("Set-Mailbox", "ben")."""
        names = dict(self.list_aliases())
        found = []
        for write in self.writes:
            if write["api"] == "graph":
                _, _, owner, *rest = write["target"].split("/")
                found.append(("/".join([write["method"], *rest]), names[owner]))
            else:
                cmdlet, _, identity = write["target"].partition(" ")
                found.append((cmdlet, names.get(identity, identity)))
        return found


async def run_scene(
    scene: Mapping[str, Any], *, as_deployed: bool = False, **options: Any
) -> dict[str, Any]:
    """Runs a scene as `sandbox.scene_runner.run_scene` does, with the state in memory and without
    connections to Graph and Exchange.

    `as_deployed`: over HTTP, with the state in a table of the storage that tests share. Either way
    is the same to a guard (tests/contract/test_ledger.py, tests/sandbox/test_direct_session.py),
    and every guard goes this one in every scene of sandbox/scenes (conftest.py).
    """
    if not as_deployed:
        ledger = FakeLedger(Clock())
        connections = Connections(lambda _: nullcontext(ledger), open_direct_session)
        return await scene_runner.run_scene(
            scene, storage=Azurite(), connections=connections, **options
        )
    table = {"STATE_TABLE": f"scene{uuid4().hex}"}
    options["settings"] = table | dict(options.get("settings") or {})
    return await scene_runner.run_scene(scene, storage=get_shared_azurite(), **options)


def set_alone(guard: str, mode: str) -> dict[str, str]:
    """The modes in which one guard runs and all others are off."""
    return {config.guard.name: "off" for config in CATALOG} | {guard: mode}


def load_scene(name: str) -> dict[str, Any]:
    """Loads a scene from its file."""
    scene: dict[str, Any] = json.loads((SCENES_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return scene


def may_read_nothing(guard: str) -> bool:
    """True for a guard all of whose reads list what a tenant may have none of."""
    optional = {source.read for source in EXCHANGE_SOURCES.values() if source.may_be_none}
    (config,) = (config for config in CATALOG if config.guard.name == guard)
    return {one.name for one in config.guard.permissions if not one.writes} <= optional


def list_declared_permissions() -> dict[str, list[str]]:
    """The permissions that the guards declare, and no others."""
    wanted = [permission for config in CATALOG for permission in config.guard.permissions]
    return {
        str(service): sorted({one.name for one in wanted if one.service is service})
        for service in Service
    }


async def play_scene(
    name: str,
    modes: Mapping[str, str] | None = None,
    profile: str = "",
    *,
    forwards_appear: bool = False,
    as_deployed: bool = False,
) -> SceneResult:
    """Runs a scene for three ticks, by default with the declared permissions only.

    `forwards_appear`: forwards and inbox rules appear after the first tick.
    """
    scene = {"grants": list_declared_permissions()} | load_scene(name)
    scene = set_reality(scene, profile, {})
    played = defer_forwards(scene) if forwards_appear else scene
    result = await run_scene(played, ticks=TICK_COUNT, modes=modes, as_deployed=as_deployed)
    return SceneResult(scene, fold_addresses(result))


def defer_forwards(scene: Mapping[str, Any]) -> dict[str, Any]:
    """The scene without its forwards and rules, which appear after the guard's first look."""
    later = copy.deepcopy(dict(scene))
    edits: list[dict[str, object]] = []
    for service, name in (("graph", "messageRules"), ("exchange", "Get-InboxRule")):
        rows = later[service].get(name)
        if rows:
            edits.append({"op": "set", "path": f"/{service}/{name}", "value": rows})
            later[service][name] = {}
    for number, row in enumerate(later["exchange"]["Get-Mailbox"]):
        for name in ("ForwardingAddress", "ForwardingSmtpAddress", "DeliverToMailboxAndForward"):
            if row.get(name):
                path = f"/exchange/Get-Mailbox/{number}/{name}"
                edits.append({"op": "set", "path": path, "value": row[name]})
                row[name] = False if name == "DeliverToMailboxAndForward" else None
    ticks: list[dict[str, Any]] = [*later.get("ticks", ()), {}, {}]
    first, second, *rest = ticks
    both = {**second, "edit": [*edits, *second.get("edit", ())]}
    return {**later, "ticks": [first, both, *rest]}


def fold_addresses(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result with its addresses in lower case: an address is the same in any case."""
    text = json.dumps(result, ensure_ascii=False)
    folded: dict[str, Any] = json.loads(ADDRESS.sub(lambda found: found[0].lower(), text))
    return folded


def expect_alike(kind: str, verdict: str, *names: str) -> dict[str, set[tuple[str, str]]]:
    """Rows of a table that expect the same for several mailboxes."""
    return {name: {(kind, verdict)} for name in names}


def dump_cards(cards: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(cards, ensure_ascii=False)
