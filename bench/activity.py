"""`python -m bench.activity SIZE...`: a tick of the audit logs, by the size of the tenant.

For each size one tick reads logs in which nothing is new. It is to take less than two seconds and
at most ten requests, whatever the size, and the command fails where it does not.

Up to `--attacked` mailboxes three guards have seen the tenant before, and somebody then adds a rule
that no view shows, gives full access to a mailbox and takes one out of audit: the next tick reads
the records of that. The command fails where a guard did not look or opened no case. It prints what
each tick cost, and how late an act is seen by runs at the guards' own schedules and by ticks. Runs
of mailbox-forwarding at each tick are measured by `bench`.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.costs import SCHEDULES, TICKS
from bench.detection import Detection, compare_detection
from bench.environment import ROOT, BenchEnvironment, BenchError, start_environment
from bench.formatting import format_duration
from bench.results import FIRST_RUN, NO_CHANGE, Measurement
from bench.runs import run_client, run_guard
from bench.tenant_generator import TenantSpec, build_mailbox
from sandbox.reality.profile import DEFAULT_PROFILE

GUARDS = ("mailbox-forwarding", "mailbox-delegation", "mailbox-audit")
LATENCY_MS = 50.0
# An edit is the effect of an act some seconds ago, and windows of the feed end before now.
SERVED_AFTER_SECONDS = 8.0
SETTINGS = {"ACTIVITY_FEED": "on", "FORWARDING_EACH_TICK": "off"}
# What a tick without news is to stay below, in a tenant of any size.
QUIET_SECONDS = 2.0
QUIET_REQUESTS = 10
ATTACKED_UP_TO = 20_000
NO_NEWS, THREE_ACTS = "no news", "three acts"
HEADINGS = ("mailboxes", "what", "seconds", "requests", "looks", "cases")
DELAY_HEADINGS = (
    "mailboxes", "guard", "by runs: mean", "worst", "by ticks: mean", "worst", "gained",
)  # fmt: skip
THIEF = {
    "userPrincipalName": "eve@contoso.example",
    "id": "44444444-0000-4000-8000-00000000000e",
    "ipAddress": "198.51.100.9",
}


@dataclass(frozen=True, slots=True)
class TickFigures:
    """What a tick without news cost in a tenant of a size."""

    mailboxes: int
    seconds: float
    requests: int


def list_missed(ticks: Iterable[TickFigures]) -> list[str]:
    """The ticks without news that took too long or asked too often."""
    return [
        f"{tick.mailboxes:,} mailboxes: a tick without news took {tick.seconds:.1f} s and "
        f"{tick.requests} requests"
        for tick in ticks
        if tick.seconds >= QUIET_SECONDS or tick.requests > QUIET_REQUESTS
    ]


def build_attack(spec: TenantSpec) -> dict[str, Any]:
    """What somebody does to the first mailbox of a person: three acts."""
    number = next(
        one for one in range(spec.mailboxes) if spec.get_mailbox_kind(one) == "UserMailbox"
    )
    _, seat = build_mailbox(spec, number)
    rule = {
        "Identity": f"{seat.address}\\77",
        "RuleIdentity": "77",
        "Name": ".",
        "Enabled": True,
        "RedirectTo": ["drop@evil.example"],
        "@sandbox.hidden": True,
    }
    right = {
        "Identity": seat.address,
        "User": "S-1-5-21-1-2-3-4",
        "AccessRights": ["FullAccess"],
        "IsInherited": False,
        "Deny": False,
    }
    bypass = f"/exchange/Get-MailboxAuditBypassAssociation/{seat.guid}/AuditBypassEnabled"
    return {
        "actor": THIEF,
        "edit": [
            {"op": "add", "path": f"/exchange/Get-InboxRule/{seat.address}/-", "value": rule},
            {"op": "set", "path": "/exchange/Get-MailboxPermission", "value": [right]},
            {"op": "set", "path": bypass, "value": True},
        ],
    }


async def run_tick(environment: BenchEnvironment, occasion: str) -> Measurement:
    """Measures one reading of the logs with the looks it leads to."""
    environ = environment.build_app_settings() | SETTINGS
    return await run_client(environment, "tick", occasion, {"client": "tick", "environ": environ})


async def measure_ticks(size: int, folder: Path, *, is_attacked: bool) -> list[Measurement]:
    """Measures a tick without news, and the guards' usual runs and a tick after an attack.

    Raises BenchError.
    """
    spec = TenantSpec(size)
    async with start_environment(spec, folder, LATENCY_MS, DEFAULT_PROFILE) as environment:
        logs = {"delayMinutes": 0}
        edit = {"op": "set", "path": "/activity", "value": logs}
        await environment.change_tenant("scene", {"edit": [edit]})
        runs = []
        for guard in GUARDS if is_attacked else ():
            await run_guard(environment, guard, FIRST_RUN)
            runs.append(await run_guard(environment, guard, NO_CHANGE))
        await run_tick(environment, FIRST_RUN)  # Begins the subscriptions.
        # What happened before a log was first read leads to no look.
        await asyncio.sleep(SERVED_AFTER_SECONDS)
        quiet = await run_tick(environment, NO_NEWS)
        if not is_attacked:
            return [quiet]
        await environment.change_tenant("scene", build_attack(spec))
        await asyncio.sleep(SERVED_AFTER_SECONDS)
        attacked = await run_tick(environment, THREE_ACTS)
    if attacked.read < len(GUARDS) or attacked.open_cases < len(GUARDS):
        raise BenchError(f"{size:,} mailboxes: looked {attacked.read}, {attacked.note}")
    # A run opens no case and makes no look here: its columns are those of ticks.
    return [quiet, *(replace(row, read=0, open_cases=0) for row in runs), attacked]


def read_quiet(row: Measurement) -> TickFigures:
    """The figures of a tick without news."""
    return TickFigures(row.mailboxes, row.cost.seconds, count_requests(row))


def count_requests(row: Measurement) -> int:
    """The requests over HTTP, those for tokens included."""
    return sum(count for name, count in row.requests.items() if "/" not in name)


def compare_delays(rows: Iterable[Measurement]) -> Iterator[Detection]:
    """How late each guard sees an act in the tenant of these measurements."""
    found = {row.client if row.occasion == NO_CHANGE else row.occasion: row for row in rows}
    attacked = found.get(THREE_ACTS)
    for guard in GUARDS if attacked else ():
        if attacked:
            yield compare_detection(
                guard,
                SCHEDULES[guard],
                found[guard].cost.seconds,
                TICKS,
                attacked.cost.seconds,
            )


def format_row(row: Measurement) -> tuple[str, ...]:
    """The cells of one tick, or of one guard's usual run."""
    return (
        f"{row.mailboxes:,}",
        row.occasion if row.client == "tick" else f"{row.client}, {row.occasion}",
        f"{row.cost.seconds:.2f}",
        f"{count_requests(row):,}",
        str(row.read),
        str(row.open_cases),
    )


def format_delay(size: int, one: Detection) -> tuple[str, ...]:
    """The cells of how late one guard sees an act."""
    times = (
        one.by_run.mean,
        one.by_run.worst,
        one.by_tick.mean,
        one.by_tick.worst,
        one.gained,
    )
    return f"{size:,}", one.guard, *(format_duration(time.total_seconds()) for time in times)


async def measure_sizes(sizes: list[int], attacked_up_to: int, console: Console) -> list[str]:
    """Measures each size, prints it as soon as it is known, and returns which targets it missed."""
    table, delays = Table(*HEADINGS), Table(*DELAY_HEADINGS)
    table.columns[1].no_wrap = delays.columns[1].no_wrap = True
    quiet = []
    folder = ROOT / ".tools" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as kept:
        for size in sizes:
            rows = await measure_ticks(size, Path(kept), is_attacked=size <= attacked_up_to)
            quiet += [read_quiet(row) for row in rows if row.occasion == NO_NEWS]
            for row in rows:
                table.add_row(*format_row(row))
                console.print(*format_row(row), dict(row.requests), highlight=False)
            for one in compare_delays(rows):
                delays.add_row(*format_delay(size, one))
    console.print(table)
    if delays.row_count:
        console.print(delays)
        console.print("gained: how late a record may be so that a tick is still as soon as a run.")
    return list_missed(quiet)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument(
        "--attacked",
        type=int,
        default=ATTACKED_UP_TO,
        metavar="MAILBOXES",
        help="the largest tenant whose guards run and that is attacked",
    )
    asked = parser.parse_args()
    try:
        missed = asyncio.run(measure_sizes(asked.sizes, asked.attacked, Console()))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
