"""One measured client in a process of its own: `python -m bench.client`, with its task on stdin.

It prepares (imports, connections, one request where that loads code), works once inside the meter,
and prints one JSON object with its cost and counts. As in a process that has run before, everything
is imported, so start-up is not part of the figures.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenacity import retry, retry_if_exception_type, stop_after_attempt

from bench.meter import Meter

if TYPE_CHECKING:
    from core.config.settings import Settings
    from core.model.guards import GuardConfig
    from core.model.runs import RunReport

type ClientOrder = Mapping[str, Any]
type ClientFindings = Mapping[str, int | str]

MAX_DELIVERIES = 5
"""How often the queue delivers a message: `maxDequeueCount` in host.json."""


def read_ids(order: ClientOrder) -> Iterator[str]:
    """Reads account ids from a file, one after the other."""
    with Path(order["ids"]).open(encoding="utf-8") as lines:
        yield from (line.strip() for line in islice(lines, order["most"]))


def save_messages(order: ClientOrder, messages: Iterable[str]) -> None:
    """Puts the messages of a queue into a file, one a line."""
    Path(order["messages"]).write_text("\n".join(messages), encoding="utf-8")


def load_messages(order: ClientOrder) -> Iterator[str]:
    """One worker's share of the messages of a queue."""
    messages = Path(order["messages"]).read_text(encoding="utf-8").splitlines()
    return iter(messages[order["turn"] :: order["turns"]])


async def prepare_guard(order: ClientOrder) -> tuple["Settings", "GuardConfig"]:
    """The settings and the guard of an order, once everything that a run needs is imported. Raises
    LookupError.
    """
    from core.bootstrap import connect_world
    from core.config.settings import Settings

    settings = Settings.read(order["environ"])
    duty = settings.find_guard_config(order["guard"])
    if duty is None:
        raise LookupError(order["guard"])
    async with connect_world(settings):
        pass  # Imports the adapters before measuring.
    return settings, duty


async def run_measured(order: ClientOrder, *, has_queue: bool = False) -> tuple[Meter, "RunReport"]:
    """Measures a run of a guard, from its connections to its last state row.

    With a queue for shards it plans those of a large tenant; without one this process scans the
    whole tenant. The pause of random length before a periodic check is no work, so there is none.
    """
    settings, duty = await prepare_guard(order)
    from core.bootstrap import connect_world
    from core.engine.run import run

    async with Meter() as meter, connect_world(settings, has_queue=has_queue) as world:
        report = await run(duty, replace(world, sweep_pause=0.0))
    return meter, report


async def measure_guard(order: ClientOrder) -> tuple[Meter, ClientFindings]:
    """Measures a whole run of a guard."""
    meter, report = await run_measured(order)
    return meter, {
        "status": report.status,
        "read": report.population - report.unread_count,
        "lost": report.unread_count,
        "open_cases": report.open_count,
        "error": report.error,
    }


async def measure_plan(order: ClientOrder) -> tuple[Meter, ClientFindings]:
    """Measures the run that lists a large tenant and plans its shards, which go to a file."""
    meter, report = await run_measured(order, has_queue=True)
    save_messages(order, report.shard_messages)
    return meter, {
        "status": report.status,
        "read": len(report.shard_messages),
        "error": report.error,
    }


async def measure_shards(order: ClientOrder) -> tuple[Meter, ClientFindings]:
    """Measures one of several workers, which takes its share of the messages of a queue.

    As an instance of the app it works on some at a time, connects for each of them anew, and is
    given a message again that it could not finish. Raises ExoguardError for one that stays so.
    """
    settings, duty = await prepare_guard(order)
    from core.bootstrap import connect_world
    from core.engine.run import create_run_id
    from core.engine.shard_message import ShardMessage
    from core.engine.shards import process_shard
    from core.errors import ExoguardError

    mine = load_messages(order)
    outcomes = Counter[str]()

    @retry(
        retry=retry_if_exception_type(ExoguardError),
        stop=stop_after_attempt(MAX_DELIVERIES),
        reraise=True,
    )
    async def deliver(message: ShardMessage) -> str:
        async with connect_world(
            settings, has_queue=True, shared_by=settings.shards_at_once
        ) as world:
            return await process_shard(duty, world, message, create_run_id(world.now()))

    async def work() -> None:
        for text in mine:
            outcomes[await deliver(ShardMessage.from_json(text))] += 1

    async with Meter() as meter, asyncio.TaskGroup() as group:
        for _ in range(order["at_once"]):
            group.create_task(work())
    return meter, {"read": outcomes["done"], "lost": outcomes.total() - outcomes["done"]}


async def measure_status(order: ClientOrder) -> tuple[Meter, ClientFindings]:
    """Measures the status page, from its connection to its last byte."""
    from core.bootstrap import open_ledger
    from core.config.settings import Settings
    from core.status.loading import load_all_guard_data
    from core.status.overview import build_status
    from core.web.pages import render_status_page

    settings = Settings.read(order["environ"])
    async with open_ledger(settings):
        pass  # Imports the adapters before measuring.
    async with Meter() as meter, open_ledger(settings) as ledger:
        data = await load_all_guard_data(ledger, settings.guard_configs)
        page = render_status_page(build_status(data, ledger.table.clock.now(), settings.run_time))
    return meter, {"read": len(page)}


async def measure_listing(order: ClientOrder) -> tuple[Meter, ClientFindings]:
    """Measures a whole listing by one way, once that is known to be the one."""
    from core.bootstrap import connect_world
    from core.config.settings import Settings
    from core.model.state import Way

    settings = Settings.read(order["environ"])
    async with connect_world(settings) as world:
        await world.ledger.save_way(Way(order["cmdlet"], order["way"], world.now()))
    read, errors = 0, list[str]()
    async with Meter() as meter, connect_world(settings) as world:
        readings = (
            world.tenant.auditing.list_mailbox_audits()
            if order["cmdlet"] == "Get-Mailbox"
            else world.tenant.delegation.list_send_as()
        )
        async for part in readings:
            read += len(part.items) + sum(one.count for one in part.listed_counts.values())
            errors += [failure.reason for failure in part.failures]
    return meter, {"read": read, "error": "; ".join(errors)[:200]}


async def measure_tick(order: ClientOrder) -> tuple[Meter, ClientFindings]:
    """Measures one reading of the audit logs, with the looks it leads to."""
    from core.bootstrap import connect_world
    from core.config.settings import Settings
    from core.engine.run import create_run_id
    from core.jobs.activity import read_activity

    settings = Settings.read(order["environ"])
    async with connect_world(settings):
        pass  # Imports the adapters before measuring.
    async with Meter() as meter, connect_world(settings) as world:
        run_id = create_run_id(world.now())
        tick = await read_activity(world, settings.guard_configs, settings.activity, run_id)
    looks = [report for report in tick.reports if report.status == "looked"]
    new = [
        (report.guard, one.key) for report in looks for one in report.findings if one.state == "new"
    ]
    return meter, {
        "status": tick.status,
        "read": len(looks),
        "lost": len(tick.troubles),
        "open_cases": len(new),
        "error": tick.to_log_line()[:400]
        if tick.troubles
        else ", ".join(sorted({guard for guard, _ in new})),
    }


async def measure_sweep(order: ClientOrder) -> tuple[Meter, ClientFindings]:
    """Measures what is read mailbox by mailbox of one source, with the listing of the mailboxes."""
    from core.bootstrap import connect_world
    from core.config.settings import Settings
    from core.tenant.sources import FOLDER_RIGHTS, FULL_ACCESS, OWN_ADD_INS

    settings = Settings.read(order["environ"])
    async with connect_world(settings):
        pass  # Imports the adapters before measuring.
    read = lost = 0
    async with Meter() as meter, connect_world(settings) as world:
        delegation = world.tenant.delegation
        readers = {
            FULL_ACCESS: delegation.read_full_access,
            FOLDER_RIGHTS: delegation.read_folder_rights,
            OWN_ADD_INS: delegation.read_own_add_ins,
        }
        async for page in world.tenant.mailboxes.list_mailboxes():
            answer = await readers[order["sweep"]](page.items)
            read += len(page.items)
            lost += len(answer.failures)
    return meter, {"read": read, "lost": lost}


async def measure_sdk(order: ClientOrder) -> tuple[Meter, ClientFindings]:
    """Measures a script on the typed SDK: one request per mailbox."""
    from bench import baselines

    async with baselines.open_typed_client(order["base"], order["token"]) as client:
        ids = list(read_ids(order))
        await baselines.count_typed_rules(
            client, ids[0]
        )  # Loads the SDK's models before measuring.
        async with Meter() as meter:
            read = await baselines.read_with_sdk(client, ids, order["at_once"])
    return meter, {"read": read}


async def measure_bare_client(order: ClientOrder) -> tuple[Meter, ClientFindings]:
    """Measures the minimal client."""
    from bench import baselines

    async with Meter() as meter:
        read = await baselines.read_with_batches(
            order["base"], order["token"], read_ids(order), order["at_once"]
        )
    return meter, {"read": read}


async def measure_bare_first_look(order: ClientOrder) -> tuple[Meter, ClientFindings]:
    """Measures the minimal client that asks Exchange for each mailbox too, at the same time."""
    from bench import baselines

    async with Meter() as meter:
        graph, exchange = await asyncio.gather(
            baselines.read_with_batches(
                order["base"], order["token"], read_ids(order), order["at_once"]
            ),
            baselines.read_with_commands(
                order["base"],
                order["tenant_id"],
                order["exchange_token"],
                read_ids(order),
                order["commands_at_once"],
            ),
        )
    return meter, {"read": min(graph, exchange)}


CLIENT_RUNNERS: Mapping[
    str, Callable[[ClientOrder], Coroutine[None, None, tuple[Meter, ClientFindings]]]
] = {
    "guard": measure_guard,
    "plan": measure_plan,
    "shards": measure_shards,
    "status": measure_status,
    "listing": measure_listing,
    "tick": measure_tick,
    "sweep": measure_sweep,
    "typed": measure_sdk,
    "floor": measure_bare_client,
    "first look": measure_bare_first_look,
}


async def run_order(order: ClientOrder) -> Mapping[str, Any]:
    """The cost and counts of the client that an order names."""
    meter, seen = await CLIENT_RUNNERS[order["client"]](order)
    return {"cost": asdict(meter.cost), "seen": seen}


def main() -> None:
    print(json.dumps(asyncio.run(run_order(json.load(sys.stdin)))))


if __name__ == "__main__":
    main()
