"""Any faults, several at once, run after run: when they stop, all is as if there had been none.

What strikes is drawn from everything the sandbox can do to a request, at any service, of any part
of the requests, early or late in a run. Amid it some runs are killed, or lose their memory, at any
of their operations. Meanwhile an intruder does what each guard is there to see. Two runs after the
last fault the tenant and the open cases are those of a guard that met none, all of it was told, and
a third run changes and tells nothing.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from core.config.catalog import CATALOG
from core.engine.self_findings import SELF_CHECK_KINDS
from core.errors import LedgerError
from core.model.guards import ChangeLimit, Mode
from sandbox.scenes.attack_steps import build_aftermath, build_rule_step
from sandbox.scenes.build import resolve_dates
from tests.resilience.generators.staged import (
    AdapterHarness,
    LeftWorld,
    build_neglected_scene,
    get_object_cases,
    open_harness,
)
from tests.support.fakes.clock import START
from tests.support.fakes.crash import CrashInjector, SimulatedCrash
from tests.support.fakes.ledger import FakeLedger

ATTACKED = START + timedelta(hours=24)
SERVICES = ("graph", "exchange", "entra", "teams")
# Links to one more page for ever are followed no further.
ENOUGH_PAGES = 100
# What a service may answer by itself, in its own words.
STATUSES = (301, 400, 401, 403, 404, 409, 410, 412, 423, 424, 500, 501, 502, 503, 504, 507, 509)
# Well-formed answers to another question.
BODIES: tuple[Any, ...] = (
    None,
    [],
    "x",
    5,
    {},
    {"error": {"code": "x", "message": "y"}},
    {"responses": None},
    {"responses": []},
    {"value": None},
    {"value": "x"},
    {"value": {}},
    {"value": [None]},
    {"value": [[]]},
    {"value": [{}]},
)
STRIKING: tuple[dict[str, Any], ...] = (
    {"kind": "throttle", "retryAfter": 2},
    {"kind": "throttle", "retryAfter": 400},
    {"kind": "throttle"},
    {"kind": "error", "status": 429, "headers": {"Retry-After": "nan"}},
    {"kind": "error", "status": 302, "headers": {"Location": "https://evil.example/"}},
    *({"kind": "error", "status": status} for status in STATUSES),
    *({"kind": "error", "status": status, "late": True} for status in (400, 403, 404, 503, 504)),
    *({"kind": "wrongBody", "body": body} for body in BODIES),
    {"kind": "wrongBody", "status": 206},
    {"kind": "wrongBody", "late": True},
    {"kind": "html"},
    {"kind": "html", "status": 200},
    {"kind": "truncate"},
    {"kind": "truncate", "late": True},
    {"kind": "break"},
    {"kind": "gzip"},
    {"kind": "empty"},
    {"kind": "empty", "late": True},
    {"kind": "empty", "status": 201},
    {"kind": "empty", "status": 204},
    {"kind": "nulbytes"},
    {"kind": "drop"},
    {"kind": "drop", "late": True},
    {"kind": "hang", "seconds": 0},
    {"kind": "staleReads", "times": 2},
    {"kind": "staleReads", "times": 5},
    {"kind": "replies", "match": "batch", "many": 3, "how": "missing"},
    {"kind": "replies", "match": "batch", "many": 3, "how": "twice"},
    {"kind": "replies", "match": "batch", "many": 3, "how": "renamed"},
    {"kind": "replies", "match": "batch", "many": 3, "how": "null"},
    {"kind": "replies", "match": "batch", "many": 3, "how": "text"},
    {"kind": "replies", "match": "batch", "many": 3, "how": "padded"},
    {"kind": "deep"},
    {"kind": "duplicate"},
    {"kind": "numbers"},
    {"kind": "numbers", "number": -1},
    {"kind": "numbers", "number": 0},
    {"kind": "numbers", "number": 1e308},
    {"kind": "nulls"},
    {"kind": "bare"},
    {"kind": "typed"},
    {"kind": "loop"},
    {"kind": "endless"},
    {"kind": "foreign"},
    {"kind": "mislabelled"},
)


def faults(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Up to four faults at once."""
    for _ in range(chance.randint(1, 4)):
        fault = dict(chance.choice(STRIKING))
        fault.setdefault("times", chance.choice([1, 2, 5, 20, 10_000]))
        yield fault | {
            "service": chance.choice(SERVICES),
            "skip": chance.choice([0, 0, 1, 2, 5, 10]),
            "inner": chance.random() < 0.3,
        }


def out_of_reach() -> LedgerError:
    """What a ledger says from the moment its service is gone."""
    return LedgerError("the state table is out of reach")


ENDS: tuple[Callable[[], BaseException], ...] = (SimulatedCrash, out_of_reach)


def fate(chance: random.Random) -> CrashInjector:
    """Half of the runs end as they will; the others are killed, or lose their memory."""
    strike = chance.choice([0, chance.randint(1, 12)])
    return CrashInjector(strike, chance.random() < 0.5, error=chance.choice(ENDS))


async def struck(stage: AdapterHarness, chance: random.Random) -> None:
    """One run amid faults, to whatever end."""
    ledger = stage.ledger
    assert isinstance(ledger, FakeLedger)
    ledger.crash_injector = fate(chance)
    with suppress(SimulatedCrash, LedgerError):
        await stage.run_guard(*faults(chance))
    ledger.crash_injector = CrashInjector()


async def lived(stage: AdapterHarness, chance: random.Random | None) -> None:
    """The intruder amid whatever there is, and three runs in peace."""
    for number in range(6):
        if number == 2:
            scene = stage.sandbox.tenant.scene
            steps = (build_rule_step(scene), *build_aftermath(scene))
            edits = [edit for step in steps for edit in step.edits]
            stage.sandbox.tenant.apply_patch(resolve_dates({"edit": edits}, ATTACKED))
        await (struck(stage, chance) if chance else stage.run_guard())
    # What could not be read is told to be readable again once that has lasted.
    for _ in range(3):
        await stage.run_guard()


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """What a document says, by the place where it says it; without the times that writes leave."""
    if not isinstance(value, dict | list):
        if not path.endswith("signInSessionsValidFromDateTime"):
            yield path, value
        return
    for name, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield from flat(part, f"{path}/{name}")


def different(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Where two tenants differ."""
    return [
        (place, one.get(place), other.get(place))
        for place in sorted({*one, *other})
        if one.get(place) != other.get(place)
    ]


async def comes_to_rest(stage: AdapterHarness) -> None:
    """All that is open was told, and another run changes and tells nothing."""
    cases = (await stage.load_snapshot()).cases.values()
    assert not [case for case in cases if case.notification]
    told = re.findall(r"case ([0-9a-f]{8}) · ", json.dumps(stage.sandbox.cards, ensure_ascii=False))
    # What was there from the start is told as one summary, which names the worst of it. What could
    # not be read is told at the third run, and counts as unread until somebody looks there again.
    open_now = [case for case in cases if not case.closed_at and case.kind not in SELF_CHECK_KINDS]
    later = {case.short_key for case in open_now if not case.baselined}
    assert later <= set(told)
    before = (len(stage.sandbox.writes), len(stage.sandbox.cards))
    await stage.run_guard()
    assert (len(stage.sandbox.writes), len(stage.sandbox.cards)) == before


@dataclass(frozen=True)
class Ending:
    """How it all comes out: the tenant, and the cases that are open."""

    tenant: Mapping[str, Any]
    cases: list[tuple[str, str, str]]


async def play(stage: AdapterHarness, chance: random.Random | None) -> Ending:
    """The rest of the guard's story, to its rest: amid faults, or in peace."""
    stage.max_pages = ENOUGH_PAGES
    await lived(stage, chance)
    # The key of what is news since a moment holds the moment, which faults delay.
    open_cases = (await get_object_cases(stage)).values()
    ending = Ending(
        dict(flat(stage.sandbox.tenant.scene)),
        sorted((one.kind, one.object_id, one.summary) for one in open_cases),
    )
    await comes_to_rest(stage)
    return ending


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=CATALOG, ids=lambda duty: duty.guard.name
)
async def in_peace(request: pytest.FixtureRequest) -> tuple[LeftWorld, Ending]:
    """How a guard's story begins, two runs long, and how it ends without faults: told once,
    whatever befalls the copies that begin alike.
    """
    bold = replace(request.param, limit=ChangeLimit(count=1_000, percent=100.0))
    async with open_harness(build_neglected_scene(), bold, Mode.ENFORCE) as stage:
        await stage.run_guard()
        await stage.run_guard()
        begun = stage.leave()
        return begun, await play(stage, None)


@pytest.mark.parametrize("seed", range(2))
async def test_when_the_faults_stop_all_is_as_if_there_had_been_none(
    in_peace: tuple[LeftWorld, Ending], seed: int
) -> None:
    begun, wanted = in_peace
    async with begun.go_on() as stage:
        struck_ending = await play(stage, random.Random(f"{stage.config.guard.name} {seed}"))
    assert struck_ending.cases == wanted.cases
    assert different(wanted.tenant, struck_ending.tenant) == []
