"""What a past costs: a run and the status page over rows that nobody needs any more.

`python -m bench.remembered [--publish]` fills the state table with as many closed cases as asked
for, a fifth for each of five guards, as runs of ninety days leave them: those of the last day among
the rows that a run loads, the others in the archive. The table is one that finds rows by key
(`bench.indexed_table`), since Azurite walks through all of them for each request. Then it measures
runs without news of one of the guards and the status page, each in a process of its own, and prints
both with their ratio.
--publish writes docs/remembered.json.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from bench.environment import ROOT, BenchEnvironment, run_to_end, start_environment
from bench.indexed_table import IndexedTables, SortedRows
from bench.meter import Cost
from bench.results import FORWARDING
from bench.tenant_generator import TenantSpec
from core.adapters.table_storage.entities import PAST_PREFIX, build_entity
from core.bootstrap import open_ledger
from core.config.catalog import CATALOG
from core.config.settings import Settings
from core.engine.recall import is_case_settled
from core.keys import build_object_key
from core.model.cases import Case
from core.model.findings import Fact, Severity

RESULTS = ROOT / "docs" / "remembered.json"
MAILBOXES = 1_000
LATENCY_MS = 80.0
SIZES = (1_000, 100_000)
REPEATS = 3
PERIOD = timedelta(days=90)
CASES_PER_OBJECT = 20
GUARDS = (FORWARDING, *(one.guard.name for one in CATALOG if one.guard.name != FORWARDING))[:5]
"""Of each guard at most 20,000 are kept: see `core.ports.MAX_PAST_CASES`."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The median cost of one kind of work over so many remembered cases."""

    work: str
    remembered: int
    seconds: float
    cpu_seconds: float
    peak_mib: float


def build_past_cases(count: int, now: datetime) -> Iterator[Case]:
    """Closed and told cases, evenly over the period, as forwarding rules leave them."""
    for number in range(count):
        closed = now - PERIOD * ((number + 0.5) / count)
        object_id = f"{number // CASES_PER_OBJECT:08x}-0000-4000-8000-000000000000"
        yield Case(
            key=build_object_key(object_id, number),
            kind="inbox-rule",
            object_id=object_id,
            subject=f"person{number // CASES_PER_OBJECT}@contoso.example",
            severity=Severity.HIGH,
            guard_verdict="external",
            verdict="external",
            summary=f"An inbox rule forwards mail to target{number}@fabrikam.example.",
            opened_at=closed - timedelta(hours=2),
            facts=(
                Fact("rule", f"rule {number}"),
                Fact("to", f"target{number}@fabrikam.example"),
                Fact("conditions", "the subject contains invoice or payment"),
            ),
            advice="Ask the owner of the mailbox, and remove the rule if nobody knows it.",
            sources=("inbox-rules",),
            notified_at=closed,
            closed_at=closed,
            resolution="gone",
        )


async def fill_table(environ: dict[str, str], rows: SortedRows, count: int) -> int:
    """Store past cases of a guard as its runs would have; returns how many a run loads.

    The archive is written past the claim, which would take a transaction for thirty of them.
    """
    recalled: list[Case] = []
    async with open_ledger(Settings.read(environ)) as ledger:
        now = ledger.table.clock.now()
        for guard in GUARDS:
            cases = list(build_past_cases(count // len(GUARDS), now))
            settled = [case for case in cases if is_case_settled(case, now)]
            recalled = cases[: len(cases) - len(settled)]
            async with ledger.claim(guard, "filler") as claim:
                if claim is None:
                    raise RuntimeError("the guard is held")
                snapshot = await claim.load()
                await claim.save(*recalled, snapshot.tally.add(settled, (), now))
            archived = (build_entity(guard, case) for case in settled)
            rows.put_many({**row, "RowKey": f"{PAST_PREFIX}{row['RowKey']}"} for row in archived)
    return len(recalled)


async def measure(environment: BenchEnvironment, work: str, environ: dict[str, str]) -> Cost:
    """Run one client of `bench.client` in a process of its own."""
    given = environment.tenant.info["settings"]
    identity = {name: given[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
    order: dict[str, Any] = {"client": work, "guard": FORWARDING, "environ": environ}
    answer = json.loads(
        await run_to_end("-m", "bench.client", stdin_text=json.dumps(order), environ=identity)
    )
    if answer["seen"].get("status", "done") != "done":
        raise RuntimeError(f"{work}: {answer['seen']}")
    return Cost(**answer["cost"])


async def measure_size(
    environment: BenchEnvironment, tables: IndexedTables, count: int, repeats: int
) -> Iterator[Figures]:
    """The figures over so many remembered cases, on a table of their own."""
    name = f"remembered{count}"
    storage = {"STATE_TABLE": name, "STATE_CONNECTION_STRING": tables.connection_string}
    environ = {**environment.build_app_settings(), **storage}
    await measure(environment, "guard", environ)
    recalled = await fill_table(environ, tables.tables[name], count)
    print(f"{count:,} remembered, of which a run loads {recalled:,}", file=sys.stderr)
    found = []
    for work in ("guard", "status"):
        costs = [await measure(environment, work, environ) for _ in range(repeats)]
        found.append(
            Figures(
                {"guard": "run", "status": "status page"}[work],
                count,
                round(median(cost.seconds for cost in costs), 3),
                round(median(cost.cpu_seconds for cost in costs), 3),
                round(median(cost.peak_mib for cost in costs), 1),
            )
        )
    return iter(found)


async def measure_sizes(sizes: tuple[int, ...], repeats: int) -> list[Figures]:
    """The figures of all sizes, in the same tenant."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        spec = TenantSpec(MAILBOXES)
        async with (
            IndexedTables() as tables,
            start_environment(spec, Path(folder), LATENCY_MS) as environment,
        ):
            return [
                row
                for size in sizes
                for row in await measure_size(environment, tables, size, repeats)
            ]


def format_figures(figures: list[Figures]) -> str:
    """A table in Markdown, each size with its ratio to the first."""
    lines = [
        "| work | remembered rows | time | ratio | CPU | ratio | peak MiB | ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    first = {row.work: row for row in reversed(figures)}
    for row in sorted(figures, key=lambda row: (row.work, row.remembered)):
        base = first[row.work]
        cells = [row.work, f"{row.remembered:,}"]
        for value, other, text in (
            (row.seconds, base.seconds, f"{row.seconds:.2f} s"),
            (row.cpu_seconds, base.cpu_seconds, f"{row.cpu_seconds:.2f} s"),
            (row.peak_mib, base.peak_mib, f"{row.peak_mib:.0f}"),
        ):
            cells += [text, f"{value / other:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def load_figures(path: Path = RESULTS) -> list[Figures]:
    """The figures that were published last; none if there are none yet."""
    if not path.exists():
        return []
    return [Figures(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def main() -> None:
    """Measure, print, and publish if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.remembered", description=__doc__)
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=REPEATS)
    asked = parser.parse_args()
    figures = asyncio.run(measure_sizes(tuple(asked.sizes), asked.repeats))
    print(format_figures(figures))
    if asked.publish:
        text = json.dumps([asdict(row) for row in figures], indent=2)
        RESULTS.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
