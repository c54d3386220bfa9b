"""`python -m bench`: measure, print one table, write one JSON file.

--quick      1,000 and 10,000 mailboxes, small samples, each way of listing once: some minutes
--publish    also make these results the reference: docs/performance.{json,md,png}
--scans      measure only mailbox-forwarding, mailbox-audit and the bare clients beside them;
             --publish puts them into the reference's place, --sizes may name some of the sizes
--listings   measure only the ways of listing; likewise
--activity   measure only ticks of the audit logs and sweeps over mailboxes; likewise
--contrary   measure only the guards, in a tenant as measured and in a contrary one; likewise, and
             --sizes may name another tenant than that of 10,000 mailboxes
--profile P  measure in a profile of the sandbox: contrary is the worst case of each contested fact
--write      measure nothing; write the tables and the pictures of the references again
--days N     simulate N days of a tenant with an attacker in it; --publish puts the table and the
             picture into docs/reliability.md; --sizes gives the number of mailboxes
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from bench import matrix, plot, report
from bench.app_start import REPEATS, measure_starts, save_starts
from bench.days import DayFigures, Simulation, check_bounds
from bench.days_report import DaysResults, describe_victims, format_day, publish_days
from bench.days_tenant import FULL_SIZE
from bench.derived import build_contrary_lines, build_lines, build_listing_lines
from bench.detection import list_missed
from bench.environment import ROOT, BenchError
from bench.formatting import (
    COLLECTION_HEADINGS,
    CONTRARY_HEADINGS,
    DETECTION_HEADINGS,
    HEADINGS,
    LISTING_HEADINGS,
    SWEEP_HEADINGS,
    TICK_HEADINGS,
    describe_setup,
    format_cells,
    format_contrary_cells,
    format_duration,
    format_listing_cells,
)
from bench.results import Measurement, Results, load_results, save_results
from sandbox.functions_host.azurite import AzuriteError
from sandbox.reality.profile import DEFAULT_PROFILE, PROFILES

DEFAULT_RESULTS = ROOT / ".tools" / "bench" / "results.json"
LEFT_COLUMNS = ("what", "cmdlet", "way", "also")
# Rows stay on one line, even without a terminal or in a narrow one.
MIN_WIDTH = 170

type MeasureCallback = Callable[
    [matrix.BenchMatrix, Path, matrix.ProgressCallback], AsyncIterator[Measurement]
]


async def run_matrix(
    plan: matrix.BenchMatrix, console: Console, path: Path, measure: MeasureCallback
) -> Results:
    """Runs the matrix and reports progress. Partial results are saved after each measurement."""
    began = time.monotonic()
    machine = {**matrix.describe_machine(), "profile": plan.profile}
    results = Results(machine, plan.latency_ms, matrix.get_graph_concurrency(), ())

    def say(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.0f} s[/]  {what}", highlight=False)

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async for row in measure(plan, Path(folder), say):
            results = replace(results, rows=(*results.rows, row))
            save_results(results, path)
            shown = f"{format_duration(row.cost.seconds)}, {row.cpu_ms:.3f} ms of CPU a mailbox"
            console.print(f"{'':10}{shown}", style="dim", highlight=False)
    return results


def print_results(results: Results, console: Console) -> None:
    """Prints the table of results, size by size."""
    table = Table(
        title="What a scan costs",
        caption=describe_setup(results),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for name in HEADINGS:
        table.add_column(name, justify="left" if name in LEFT_COLUMNS else "right", no_wrap=True)
    size = 0
    for line in build_lines(results):
        if line.mailboxes != size and size:
            table.add_section()
        size = line.mailboxes
        table.add_row(*format_cells(line))
    console.print(table)


def print_table(
    title: str, headings: Sequence[str], lines: Sequence[Sequence[str]], console: Console
) -> None:
    """Prints a table, unless it has no lines."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in headings:
        table.add_column(name, justify="left" if name in LEFT_COLUMNS else "right", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    if lines:
        console.print(table)


def list_listing_cells(results: Results) -> list[tuple[str, ...]]:
    return [format_listing_cells(line) for line in build_listing_lines(results)]


def list_contrary_cells(results: Results) -> list[tuple[str, ...]]:
    return [format_contrary_cells(line) for line in build_contrary_lines(results)]


def choose_measures(asked: argparse.Namespace) -> MeasureCallback:
    """What to measure."""
    if asked.listings:
        return matrix.measure_only_listings
    if asked.activity:
        return matrix.measure_only_activity
    if asked.scans:
        return matrix.measure_only_scans
    return matrix.measure_profiles if asked.contrary else matrix.measure_all


def publish_results(results: Results) -> None:
    """Makes the results the published reference."""
    save_results(results, report.RESULTS)
    report.write_document(results)
    report.write_deployment(results)


def publish(asked: argparse.Namespace, results: Results) -> None:
    """Makes the results the reference, or a part of it."""
    if asked.scans or asked.listings or asked.contrary or asked.activity:
        whole = load_results(report.RESULTS).replace_rows(results.rows)
        publish_results(whole)
        if asked.scans:
            plot.draw_plot(whole, report.PICTURE)
        return
    save_starts(measure_starts(REPEATS))
    publish_results(results)
    plot.draw_plot(results, report.PICTURE)


def write_references() -> int:
    """Writes the tables and the pictures of the references again."""
    publish_results(load_results(report.RESULTS))
    plot.draw_plot(load_results(report.RESULTS), report.PICTURE)
    publish_days(DaysResults.load())
    return 0


def simulate_days(asked: argparse.Namespace, console: Console) -> int:
    """Simulates days, prints each, and says what goes against the promises."""
    size = asked.sizes[0] if asked.sizes else FULL_SIZE
    simulation = Simulation(size, asked.days)

    def show(day: DayFigures) -> None:
        console.print(dict(format_day(day)), highlight=False)

    asyncio.run(simulation.play(show))
    results = DaysResults.of(simulation)
    console.print(describe_victims(results), highlight=False)
    complaints = check_bounds(simulation)
    for complaint in complaints:
        console.print(f"bench: {complaint}", style="red", markup=False)
    if asked.publish:
        publish_days(results)
    return int(bool(complaints))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--scans", action="store_true")
    parser.add_argument("--listings", action="store_true")
    parser.add_argument("--activity", action="store_true")
    parser.add_argument("--contrary", action="store_true")
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--days", type=int, metavar="N")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help="other sizes of tenants")
    parser.add_argument("--profile", choices=PROFILES, default=DEFAULT_PROFILE)
    parser.add_argument(
        "--to", type=Path, default=DEFAULT_RESULTS, help="the JSON file (%(default)s)"
    )
    return parser.parse_args()


def can_be_reference(asked: argparse.Namespace) -> bool:
    """Whether what was asked for may be published. A comparison of two profiles or with the bare
    clients is one of each size by itself; everything else is compared from size to size.
    """
    if asked.quick or asked.profile != DEFAULT_PROFILE:
        return False
    return asked.contrary or asked.scans or not asked.sizes


def print_tables(asked: argparse.Namespace, results: Results, console: Console) -> None:
    """Prints all that was measured, each kind as a table of its own."""
    if not asked.listings and not asked.activity:
        print_results(results, console)
    for title, headings, lines in (
        ("What a way of listing costs", LISTING_HEADINGS, list_listing_cells(results)),
        ("What a contrary tenant costs", CONTRARY_HEADINGS, list_contrary_cells(results)),
        ("What a sweep costs", SWEEP_HEADINGS, report.list_sweep_cells(results)),
        (
            "What looks at collections cost",
            COLLECTION_HEADINGS,
            report.list_collection_cells(results),
        ),
        ("What a tick costs", TICK_HEADINGS, report.list_tick_cells(results)),
        ("How late an act is seen", DETECTION_HEADINGS, report.list_detection_cells(results)),
    ):
        print_table(title, headings, lines, console)


def main() -> int:
    asked = parse_options()
    console = Console(width=max(Console().width, MIN_WIDTH))
    if asked.write or asked.days:
        return simulate_days(asked, console) if asked.days else write_references()
    if asked.publish and not can_be_reference(asked):
        console.print("bench: only a whole run as measured can be the reference")
        return 2
    plan = matrix.QUICK if asked.quick else matrix.FULL
    if asked.sizes:
        least = min(asked.sizes)
        sizes = tuple(sorted(asked.sizes))
        plan = replace(plan, sizes=sizes, compared_size=least, critical_size=least)
    plan = replace(plan, profile=asked.profile)
    try:
        results = asyncio.run(run_matrix(plan, console, asked.to, choose_measures(asked)))
    except (BenchError, AzuriteError) as error:
        console.print(f"bench: {error}", style="red", markup=False)
        return 1
    print_tables(asked, results, console)
    if asked.publish:
        publish(asked, results)
    missed = list_missed(results)
    for line in missed:
        console.print(f"bench: {line}", style="red", markup=False)
    return int(bool(missed) or any(row.lost for row in results.rows))


if __name__ == "__main__":
    sys.exit(main())
