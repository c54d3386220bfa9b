"""One run of one guard, from the trigger to the alert.

    claim ─► recall ─► attend to what people asked for
                   ├─► look, part by part: judge ─► note ─► save
                   └─► settle ─► remember ─► act ─► record ─► alert ─► mark told

The order is the promise. A change is written down before it is made, so nothing is done that
nobody knows of; news are marked told after they were sent, so they are told twice at worst and
never not at all. Dying between any two steps leaves a state from which the next run goes on.

`core.engine.scan` looks, `core.engine.finish` does what follows. A tenant too large for one run is
looked at by many at once, in shards: `core.engine.shards`.
"""

import logging
import secrets
from dataclasses import replace
from datetime import datetime

from core.engine.decide import Situation
from core.engine.finish import closed, log_run, tell_meanwhile
from core.engine.operator_requests import attend, with_actions
from core.engine.request_decisions import with_release
from core.engine.scan import Scan, look
from core.engine.shards import hand_out, meanwhile
from core.errors import ExoguardError
from core.keys import countdown
from core.model.guards import Duty, Mode
from core.model.requests import Request
from core.model.runs import RunReport
from core.ports import Claim, World
from core.tenant.port import Grants

log = logging.getLogger("exoguard.run")


def new_run(now: datetime) -> str:
    """A run's id: 14 digits that fall as time goes on, a dash, and 8 hex digits of chance."""
    return f"{countdown(now)}-{secrets.token_hex(4)}"


async def run(duty: Duty, world: World, request: Request | None = None) -> RunReport:
    """Run one guard once. Raises LedgerError when the state cannot be reached: nothing was done."""
    request = request or Request()
    started = world.now()
    report = RunReport(
        guard=duty.guard.name,
        title=duty.guard.title,
        why=duty.guard.why,
        noun=duty.guard.noun,
        run=request.run or new_run(started),
        mode=duty.mode.lowered(request.mode),
        started=started,
        status="failed",
    )
    try:
        report = await attempted(duty, world, report, request)
    except ExoguardError as error:
        report = replace(report, finished=world.now())
        log.error("%s: the run failed: %s", report.guard, error)
        raise
    finally:
        log_run(report)
    return report


async def attempted(duty: Duty, world: World, report: RunReport, request: Request) -> RunReport:
    """The run, if the guard is on and nobody else runs it."""
    if report.mode is Mode.OFF:
        return replace(report, status="off", finished=world.now())
    async with world.ledger.claim(duty.guard.name, report.run) as claim:
        # Only now is it known what time the state's service has, which is that of all instances.
        report = replace(report, started=world.now())
        if claim is None:
            return replace(report, status="busy", finished=world.now())
        return await claimed(duty, world, claim, report, request)


async def claimed(
    duty: Duty, world: World, claim: Claim, report: RunReport, request: Request
) -> RunReport:
    """The run itself, while the claim is held."""
    memory = await attend(world, claim, await claim.recall(), report.run)
    report = with_actions(report, memory)
    if report.mode is Mode.ENFORCE:
        request = with_release(request, memory)
    under_way = await meanwhile(duty, world, claim, report, memory, request)
    if isinstance(under_way, RunReport):
        return under_way
    granted = await world.tenant.grants()
    situation = Situation(
        duty,
        report.mode,
        report.run,
        under_way,
        report.started,
        granted.items[0] if granted.items else Grants(),
        request,
    )
    scan = Scan.begun(situation, world, claim, report, granted)
    roll = await look(scan, tell_meanwhile)
    if roll:
        await hand_out(scan, roll)
    return await closed(scan)
