"""Which clients are measured, in which tenants and in which order."""

import json
import os
import platform
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.environment import Stage, finished, staged
from bench.meter import Cost
from bench.results import (
    AT_ONCE,
    FIRST,
    FLOOR,
    FORWARDING,
    GATHER,
    GUARDS,
    LOOP,
    MOVERS,
    NEWS,
    ORDINARY,
    RATE,
    SAMPLE,
    WHOLE,
    Measurement,
)
from bench.tenant_generator import Recipe, forward_outside, seated
from core.config.settings import all_settings
from sandbox.http_types import Row

# Graph runs the requests of one batch to Outlook four at a time (Microsoft Learn: "JSON batching").
STRICT = 4


@dataclass(frozen=True, slots=True)
class Course:
    """What to measure, besides the guards and the floor in each of the tenants.

    `loop` and `gather` are how many mailboxes the slow scripts read, in the smallest tenant; `news`
    is the tenant in which somebody sets a forward. `rate` is the tenant in which only a fifth of
    the mailboxes can be asked about in a `window` of seconds; `strict` one with a limit of four
    requests at once; `movers` how many in each thousand of the smallest sort mail into a folder.
    A tenant is named by its size; 0 leaves the occasion out.
    """

    sizes: tuple[int, ...]
    loop: int
    gather: int
    news: int
    rate: int
    window: int
    strict: int = 0
    movers: int = 0
    latency_ms: float = 80.0
    seed: int = 1


FULL = Course(
    (1_000, 10_000, 100_000),
    loop=150,
    gather=1_000,
    news=10_000,
    rate=10_000,
    window=10,
    strict=1_000,
    movers=300,
)
QUICK = Course((1_000, 10_000), loop=50, gather=100, news=1_000, rate=1_000, window=1)

type Say = Callable[[str], None]


def in_flight() -> int:
    """The most requests to Graph the app has under way, by default: batches, when it scans."""
    return int(next(one.default for one in all_settings() if one.name == "GRAPH_CONCURRENCY") or 0)


def machine() -> dict[str, str]:
    """What it is measured on, and how busy that is with other things."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "load": f"{os.getloadavg()[0]:.1f}",
        "cores": str(os.cpu_count()),
        "processor": models[0] if models else platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


async def measured(stage: Stage, client: str, occasion: str, order: Row) -> Measurement:
    """Let one client do its work, and add up what everybody saw of it."""
    given = stage.where["settings"]
    environ = {name: given[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
    before = await stage.requests()
    stage.watch.clear()
    server = stage.server_cpu()
    answer = json.loads(
        await finished("-m", "bench.client", said=json.dumps(order), environ=environ)
    )
    server = stage.server_cpu() - server
    after = await stage.requests()
    cost = Cost(**answer["cost"])
    seen: Mapping[str, Any] = answer["seen"]
    wrong = seen.get("status", "done") != "done"
    return Measurement(
        client=client,
        occasion=occasion,
        mailboxes=stage.recipe.mailboxes,
        read=seen["read"],
        cost=cost,
        server_cpu_seconds=server,
        requests={name: count - before.get(name, 0) for name, count in after.items()},
        tables=dict(stage.watch.counts),
        card_seconds=min(stage.watch.cards) - cost.began if stage.watch.cards else None,
        lost=seen.get("lost", 0),
        note=f"{seen['status']}: {seen['error']}" if wrong else str(seen.get("error", "")),
    )


async def guard(stage: Stage, name: str, occasion: str) -> Measurement:
    """One run of a guard."""
    order = {"client": "guard", "guard": name, "environ": stage.environ()}
    return await measured(stage, name, occasion, order)


async def baseline(stage: Stage, client: str, at_once: int, most: int | None = None) -> Measurement:
    """One of the clients the app is compared with; `most` mailboxes, or all."""
    whole = most is None or most >= stage.recipe.mailboxes
    order = {
        "client": "floor" if client == FLOOR else "typed",
        "base": stage.base,
        "token": await stage.token(),
        "ids": str(stage.ids),
        "most": None if whole else most,
        "at_once": at_once,
    }
    return await measured(stage, client, WHOLE if whole else SAMPLE, order)


# What happens in the tenant ---------------------------------------------------------------------


def new_forward(recipe: Recipe) -> Row:
    """The edits by which somebody on the first page of the listing forwards to a stranger."""
    number = next(one for one in range(recipe.mailboxes) if not recipe.habit(one))
    cast, seat = seated(recipe, number)
    name, actions, conditions = forward_outside("drop@evil.example")
    rule = cast.rule(seat, name, actions, conditions)
    twin = cast.exchange_rules[seat.address][-1]
    return {
        "edit": [
            {"op": "add", "path": f"/graph/messageRules/{seat.id}/-", "value": rule},
            {"op": "add", "path": f"/exchange/Get-InboxRule/{seat.address}/-", "value": twin},
        ]
    }


def limit(**most: int) -> Row:
    """A limit that Graph sets to all requests of the app together, inside batches."""
    return {"kind": "limit", "service": "graph", "inner": True, "per": "app", **most}


# The course -------------------------------------------------------------------------------------


async def run(course: Course, folder: Path, say: Say) -> AsyncIterator[Measurement]:
    """Measure everything, one after the other; `say` hears what is about to be done."""
    for size in course.sizes:
        say(f"{size:,} mailboxes: making the tenant")
        async with staged(Recipe(size, course.seed), folder, course.latency_ms) as stage:
            async for row in usual(stage, say):
                yield row
            async for row in occasions(course, stage, say):
                yield row
            if size == course.sizes[0]:
                async for row in scripts(course, stage, say):
                    yield row
    if course.movers:
        size = course.sizes[0]
        say(f"{size:,} mailboxes, {course.movers} in 1,000 of which sort mail into a folder")
        recipe = Recipe(size, course.seed, movers=course.movers)
        async with staged(recipe, folder, course.latency_ms) as stage:
            await guard(stage, FORWARDING, FIRST)
            yield await guard(stage, FORWARDING, MOVERS)


async def usual(stage: Stage, say: Say) -> AsyncIterator[Measurement]:
    """What is measured in every tenant. The floor comes right before the run it is compared with,
    so that both meet the machine in the same state."""
    size = f"{stage.recipe.mailboxes:,} mailboxes"
    for name in GUARDS:
        say(f"{size}: {name}, {FIRST}")
        yield await guard(stage, name, FIRST)
        if name == FORWARDING:
            say(f"{size}: the floor, a bare client")
            yield await baseline(stage, FLOOR, in_flight())
        say(f"{size}: {name}, {ORDINARY}")
        yield await guard(stage, name, ORDINARY)


async def scripts(course: Course, stage: Stage, say: Say) -> AsyncIterator[Measurement]:
    """The two slow ones."""
    say("the typed SDK, one request after the other")
    yield await baseline(stage, LOOP, 1, course.loop)
    say(f"the typed SDK, {in_flight()} requests at once")
    yield await baseline(stage, GATHER, in_flight(), course.gather)


async def occasions(course: Course, stage: Stage, say: Say) -> AsyncIterator[Measurement]:
    """What happens in this tenant, if anything, while the guard that asks most runs."""
    size = stage.recipe.mailboxes
    if size == course.news:
        say(f"{size:,} mailboxes: somebody forwards to a stranger")
        await stage.order("scene", new_forward(stage.recipe))
        yield await guard(stage, FORWARDING, NEWS)
    if size == course.rate:
        say(f"{size:,} mailboxes: throttled to {size // 5:,} requests in {course.window} s")
        yield await throttled(stage, RATE, limit(window=course.window, most=size // 5))
    if size == course.strict:
        say(f"{size:,} mailboxes: throttled to {STRICT} requests at once")
        yield await throttled(stage, AT_ONCE, limit(atOnce=STRICT))


async def throttled(stage: Stage, occasion: str, fault: Row) -> Measurement:
    """An ordinary run of the guard that asks most, while Graph sets a limit."""
    await stage.order("faults", fault)
    try:
        return await guard(stage, FORWARDING, occasion)
    finally:
        await stage.order("faults", [])
