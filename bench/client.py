"""One measured client in a process of its own: `python -m bench.client`, its order on stdin.

It gets ready (imports, connections, one request where that loads code), does its work once inside
the meter, and prints one JSON object: what it cost and what it saw. A program that has run before
has imported everything, so start-up is not part of the figures.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from bench.meter import Meter

type Order = Mapping[str, Any]
type Seen = Mapping[str, int | str]


def ids_of(order: Order) -> Iterator[str]:
    """The ids of the accounts to read, one after the other from their file."""
    with Path(order["ids"]).open(encoding="utf-8") as lines:
        yield from (line.strip() for line in islice(lines, order["most"]))


async def guard(order: Order) -> tuple[Meter, Seen]:
    """A whole run of a guard, from its connections to its last row of state."""
    from core.bootstrap import connect
    from core.config.settings import Settings
    from core.engine.run import run

    settings = Settings.read(order["environ"])
    duty = settings.duty(order["guard"])
    if duty is None:
        raise LookupError(order["guard"])
    async with connect(settings):
        pass  # It imports the adapters.
    # Without a queue to share it out by, this process does it all, however large the tenant.
    async with Meter() as meter, connect(settings) as world:
        report = await run(duty, world)
    return meter, {
        "status": report.status,
        "read": report.population - report.unread,
        "lost": report.unread,
        "error": report.error,
    }


async def typed(order: Order) -> tuple[Meter, Seen]:
    """A script on the typed SDK: one request a mailbox."""
    from bench import baselines

    async with baselines.typed_client(order["base"], order["token"]) as client:
        ids = list(ids_of(order))
        await baselines.typed_rules(client, ids[0])  # It loads the SDK's models.
        async with Meter() as meter:
            read = await baselines.typed(client, ids, order["at_once"])
    return meter, {"read": read}


async def floor(order: Order) -> tuple[Meter, Seen]:
    """The bare client."""
    from bench import baselines

    async with Meter() as meter:
        read = await baselines.floor(order["base"], order["token"], ids_of(order), order["at_once"])
    return meter, {"read": read}


CLIENTS: Mapping[str, Callable[[Order], Coroutine[None, None, tuple[Meter, Seen]]]] = {
    "guard": guard,
    "typed": typed,
    "floor": floor,
}


def main() -> None:
    order = json.load(sys.stdin)
    meter, seen = asyncio.run(CLIENTS[order["client"]](order))
    print(json.dumps({"cost": asdict(meter.cost), "seen": seen}))


if __name__ == "__main__":
    main()
