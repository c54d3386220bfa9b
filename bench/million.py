"""`python -m bench.million [--publish]`: a scan of 1,000,000 mailboxes, in shards by two workers.

The simulated tenant (`bench.large_tenant`) makes what lies in a mailbox when it is asked for, and
the state table finds rows by key (`bench.indexed_table`). One process lists the tenant and plans
the shards; then two processes take them from a queue, as two instances of the app do, each half of
SHARDS_AT_ONCE at a time. The last of them ends the scan. It is a first look: the guard takes its
baseline, and a part of the shards reads what Graph hides.
--mailboxes N    another number
--shard-above N  another SHARD_ABOVE, for a small number of mailboxes
--publish        also write docs/million.json, of which docs/performance.md has the table
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.counting_proxy import CountingProxy
from bench.environment import (
    ROOT,
    BenchError,
    build_bench_settings,
    read_sandbox_info,
    run_child,
    run_to_end,
)
from bench.formatting import format_duration
from bench.indexed_table import IndexedTables
from bench.matrix import describe_machine
from bench.meter import Cost
from bench.results import FORWARDING
from bench.runs import get_default_number
from core.bootstrap import open_ledger
from core.config.settings import Settings

RESULTS = ROOT / "docs" / "million.json"
MAILBOXES = 1_000_000
LATENCY_MS = 20.0
WORKERS = 2
NOT_RUN = "Not run yet."


@dataclass(frozen=True, slots=True)
class Phase:
    """What one process did, and what the tenant and the table saw meanwhile of all of them."""

    name: str
    cost: Cost
    shards: int
    """Planned, or processed by a worker."""
    failed: int = 0


@dataclass(frozen=True, slots=True)
class MillionResults:
    """One scan of a large tenant."""

    machine: Mapping[str, str]
    mailboxes: int
    latency_ms: float
    seconds: float
    """From the start of the listing to the end of the scan."""
    population: int
    """The number of mailboxes that the guard has on record as read."""
    open_cases: int
    cards: int
    requests: Mapping[str, int]
    tables: Mapping[str, int]
    phases: tuple[Phase, ...]


class LargeBench:
    """A large tenant with its table, ready for clients."""

    def __init__(
        self,
        sandbox_info: Mapping[str, Any],
        storage: str,
        proxy: CountingProxy,
        shard_above: int,
    ) -> None:
        self.base = str(sandbox_info["base"])
        given = sandbox_info["settings"]
        self.identity = {name: given[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
        self.environ = build_bench_settings(given, storage, proxy)
        self.environ["SHARD_ABOVE"] = str(shard_above)
        self.proxy = proxy

    async def measure(self, name: str, client: str, **more: object) -> Phase:
        """Runs one client of `bench.client` in a process of its own. Raises BenchError."""
        order = {"client": client, "guard": FORWARDING, "environ": self.environ, **more}
        text = await run_to_end(
            "-m", "bench.client", stdin_text=json.dumps(order), environ=self.identity
        )
        answer = json.loads(text)
        seen = answer["seen"]
        if seen.get("error"):
            raise BenchError(f"{name}: {seen['error']}")
        return Phase(name, Cost(**answer["cost"]), seen["read"], seen.get("lost", 0))

    async def fetch_request_counts(self) -> dict[str, int]:
        """The requests to the tenant per service; those inside of `$batch` as `/inner`."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.base}/sandbox/requests") as response,
        ):
            counts: dict[str, int] = (await response.json())["counts"]
        return counts

    async def find_results(self) -> tuple[int, int]:
        """How many mailboxes the guard has read and how many cases are open. Raises BenchError."""
        async with open_ledger(Settings.read(self.environ)) as ledger:
            snapshot = await ledger.load(FORWARDING)
        if snapshot.state.scan_pass or snapshot.state.population is None:
            raise BenchError("the scan has not come to its end")
        open_count = sum(case.closed_at is None for case in snapshot.cases.values())
        return snapshot.state.population, open_count


@asynccontextmanager
async def start_large_tenant(
    mailboxes: int, latency_ms: float, shard_above: int
) -> AsyncIterator[LargeBench]:
    """Starts a large tenant and its table. Raises BenchError."""
    arguments = ("-m", "bench.large_tenant", str(mailboxes), "--latency", f"{latency_ms:g}")
    async with (
        IndexedTables() as tables,
        CountingProxy(tables.base) as proxy,
        run_child(*arguments) as server,
    ):
        info = await read_sandbox_info(server)
        storage = tables.connection_string.replace(tables.base, proxy.base)
        yield LargeBench(info, storage, proxy, shard_above)


async def measure_million(
    mailboxes: int, latency_ms: float, shard_above: int | None = None
) -> MillionResults:
    """Scans a tenant once; `shard_above` is the app's default. Raises BenchError."""
    if shard_above is None:
        shard_above = get_default_number("SHARD_ABOVE")
    if mailboxes <= shard_above:
        raise BenchError(f"{mailboxes:,} mailboxes are scanned without shards")
    report_progress(f"{mailboxes:,} mailboxes: making the tenant")
    async with start_large_tenant(mailboxes, latency_ms, shard_above) as stage:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            messages = str(Path(folder) / "messages")
            began = time.monotonic()
            report_progress("listing it and planning the shards")
            plan = await stage.measure("plan", "plan", messages=messages)
            report_progress(f"{plan.shards:,} shards, {WORKERS} workers")
            at_once = max(1, get_default_number("SHARDS_AT_ONCE") // WORKERS)
            workers = await asyncio.gather(
                *(
                    stage.measure(
                        f"worker {turn + 1}",
                        "shards",
                        messages=messages,
                        turn=turn,
                        turns=WORKERS,
                        at_once=at_once,
                    )
                    for turn in range(WORKERS)
                )
            )
            seconds = time.monotonic() - began
        population, open_cases = await stage.find_results()
        return MillionResults(
            machine=describe_machine(),
            mailboxes=mailboxes,
            latency_ms=latency_ms,
            seconds=round(seconds, 1),
            population=population,
            open_cases=open_cases,
            cards=len(stage.proxy.card_times),
            requests=await stage.fetch_request_counts(),
            tables=dict(stage.proxy.counts),
            phases=(plan, *workers),
        )


def report_progress(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def format_million(results: MillionResults | None) -> str:
    """A table in Markdown with a line of the whole; plain words where nothing was run yet."""
    if results is None:
        return NOT_RUN
    requests = results.requests
    inner = sum(requests.get(f"{name}/inner", 0) for name in ("graph", "exchange"))
    posts = sum(requests.get(name, 0) for name in ("graph", "exchange"))
    cpu = sum(phase.cost.cpu_seconds for phase in results.phases)
    missed = results.mailboxes - results.population
    machine = results.machine
    lines = [
        "| process | shards | time | CPU | peak MiB | lag ms |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {phase.name} | {phase.shards:,} | {format_duration(phase.cost.seconds)}"
            f" | {format_duration(phase.cost.cpu_seconds)} | {phase.cost.peak_mib:.0f}"
            f" | {phase.cost.lag_max_ms:.0f} ({phase.cost.lag_p99_ms:.0f}) |"
            for phase in results.phases
        ),
        "",
        f"{results.mailboxes:,} mailboxes in {format_duration(results.seconds)}, of which "
        f"{missed:,} were not read; {1000 * cpu / results.mailboxes:.3f} ms of CPU a mailbox; "
        f"{posts:,} requests ({inner:,} inside of batches), "
        f"{results.tables.get('requests', 0):,} to the table with "
        f"{results.tables.get('writes', 0):,} rows written; {results.open_cases:,} open cases, "
        f"{results.cards} cards. {results.latency_ms:g} ms a request, "
        f"{machine['cores']} cores of {machine['processor']}, Python {machine['python']}, "
        f"load {machine['load']} at the end.",
    ]
    return "\n".join(lines)


def load_million(path: Path = RESULTS) -> MillionResults | None:
    """What was published last; None if there is nothing yet."""
    if not path.exists():
        return None
    wire: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    phases = tuple(Phase(**{**row, "cost": Cost(**row["cost"])}) for row in wire.pop("phases"))
    return MillionResults(**wire, phases=phases)


def save_million(results: MillionResults, path: Path = RESULTS) -> None:
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Measure, print, and publish if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.million",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mailboxes", type=int, default=MAILBOXES)
    parser.add_argument("--latency", type=float, default=LATENCY_MS, help="ms a request takes")
    parser.add_argument("--shard-above", type=int)
    parser.add_argument("--publish", action="store_true")
    asked = parser.parse_args()
    try:
        results = asyncio.run(measure_million(asked.mailboxes, asked.latency, asked.shard_above))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(format_million(results))
    if asked.publish:
        save_million(results)
    return int(results.population != asked.mailboxes or any(one.failed for one in results.phases))


if __name__ == "__main__":
    sys.exit(main())
