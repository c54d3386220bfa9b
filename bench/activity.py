"""`python -m bench.activity SIZE...`: a tick of the audit logs, by the size of the tenant.

For each size: three guards see the tenant once; one tick reads logs in which nothing is new; then
somebody adds a rule that no view shows, gives full access to a mailbox and takes one out of audit,
and the next tick reads the records of that. It prints what each tick cost, and fails where a guard
did not look or opened no case. Runs of mailbox-forwarding at each tick are measured by `bench`.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.environment import ROOT, BenchEnvironment, BenchError, start_environment
from bench.matrix import run_client, run_guard
from bench.results import Measurement
from bench.tenant_generator import TenantSpec, build_mailbox
from sandbox.reality.profile import DEFAULT_PROFILE

GUARDS = ("mailbox-forwarding", "mailbox-delegation", "mailbox-audit")
LATENCY_MS = 50.0
# An edit is the effect of an act some seconds ago, and windows of the feed end before now.
SERVED_AFTER_SECONDS = 8.0
SETTINGS = {"ACTIVITY_FEED": "on", "FORWARDING_EACH_TICK": "off"}
HEADINGS = ("mailboxes", "tick", "seconds", "requests", "looks", "cases")
THIEF = {
    "userPrincipalName": "eve@contoso.example",
    "id": "44444444-0000-4000-8000-00000000000e",
    "ipAddress": "198.51.100.9",
}


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


async def measure_ticks(size: int, folder: Path) -> list[Measurement]:
    """Measures a tick without news and one after an attack. Raises BenchError."""
    spec = TenantSpec(size)
    async with start_environment(spec, folder, LATENCY_MS, DEFAULT_PROFILE) as environment:
        logs = {"delayMinutes": 0}
        edit = {"op": "set", "path": "/activity", "value": logs}
        await environment.change_tenant("scene", {"edit": [edit]})
        for guard in GUARDS:
            await run_guard(environment, guard, "first run")
        await run_tick(environment, "first")  # Begins the subscriptions.
        # What happened before a log was first read leads to no look.
        await asyncio.sleep(SERVED_AFTER_SECONDS)
        quiet = await run_tick(environment, "no news")
        await environment.change_tenant("scene", build_attack(spec))
        await asyncio.sleep(SERVED_AFTER_SECONDS)
        attacked = await run_tick(environment, "three acts")
    if attacked.read < len(GUARDS) or attacked.open_cases < len(GUARDS):
        raise BenchError(f"{size:,} mailboxes: looked {attacked.read}, {attacked.note}")
    return [quiet, attacked]


def format_row(row: Measurement) -> tuple[str, ...]:
    """The cells of one tick."""
    return (
        f"{row.mailboxes:,}",
        row.occasion,
        f"{row.cost.seconds:.1f}",
        f"{sum(count for name, count in row.requests.items() if '/' not in name):,}",
        str(row.read),
        str(row.open_cases),
    )


async def measure_sizes(sizes: list[int], console: Console) -> None:
    """Measures each size, and prints it as soon as it is known."""
    table = Table(*HEADINGS)
    folder = ROOT / ".tools" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as kept:
        for size in sizes:
            for row in await measure_ticks(size, Path(kept)):
                table.add_row(*format_row(row))
                console.print(*format_row(row), dict(row.requests), highlight=False)
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sizes", type=int, nargs="*", default=[1_000, 10_000])
    asked = parser.parse_args()
    try:
        asyncio.run(measure_sizes(asked.sizes, Console()))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
