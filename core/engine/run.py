"""One run of one guard, from the trigger to the notification.

    claim ─► load ─► check the memory ─► process requests of operators
                 ├─► scan, batch by batch: judge ─► reconcile ─► save
                 └─► plan ─► save intents ─► apply ─► save outcomes ─► notify ─► mark notified

The order is the guarantee. A change is saved as an intent before it is made, so every change is on
record; a row is marked as notified after its message was sent, so a notification may be sent twice
and is never lost. A run that dies between two steps leaves a state that the next run continues
from.

`core.engine.scan` reads, `core.engine.finish` does what follows. A tenant too large for one run is
read by several workers, in shards: `core.engine.shards`. Where audit records name single objects, a
run looks at these alone: `core.engine.look`.
"""

import logging
import secrets
from dataclasses import replace
from datetime import datetime

from core.engine.decision_context import DecisionContext
from core.engine.finish import finish_run
from core.engine.look import look_at_targets
from core.engine.memory_check import check_memory, mark_state, restrict_mode
from core.engine.memory_loss import trust_again
from core.engine.notify import send_early_notifications
from core.engine.operator_requests import add_requests_to_report, process_requests
from core.engine.request_decisions import with_requested_release
from core.engine.run_report import log_run
from core.engine.scan import scan_tenant
from core.engine.scan_progress import Scan
from core.engine.shards import continue_scan_pass, enqueue_shards
from core.engine.shared_state import add_shared_state
from core.errors import MISTAKES, ExoguardError, LedgerError, explain_error
from core.keys import format_descending_time
from core.model.guards import GuardConfig, Mode
from core.model.requests import RunOptions
from core.model.run_document import run_report_to_json
from core.model.runs import RunReport
from core.ports import Claim, World
from core.tenant.readers import GrantedPermissions

RELIES_ON = ("azure-drained-instances",)

log = logging.getLogger("exoguard.run")

STATUSES_BEFORE_REPORT = frozenset({"queued", "running", "failed"})
"""What is on record of a requested run before it has a report."""


def create_run_id(now: datetime) -> str:
    """The id of a run: 14 digits that decrease over time, a dash, and 8 random hex digits."""
    return f"{format_descending_time(now)}-{secrets.token_hex(4)}"


async def run(
    config: GuardConfig, world: World, run_options: RunOptions | None = None
) -> RunReport:
    """Run one guard once. Raises LedgerError if the state is unreachable: then nothing was done.

    Raises a mistake of the guard as it is, after it is on record for the status page.
    """
    run_options = run_options or RunOptions()
    started = world.now()
    report = RunReport(
        guard=config.guard.name,
        title=config.guard.title,
        rationale=config.guard.rationale,
        noun=config.guard.noun,
        run=run_options.run or create_run_id(started),
        mode=config.mode.restrict_to(run_options.mode),
        started_at=started,
        status="failed",
    )
    try:
        report = await claim_and_run(config, world, report, run_options)
    except ExoguardError as error:
        report = replace(report, finished_at=world.now())
        log.error("%s: the run failed: %s", report.guard, error)
        raise
    except MISTAKES as error:
        report = replace(report, finished_at=world.now(), error=explain_error(error))
        log.exception("%s: the run failed: %s", report.guard, report.error)
        await record_failed_run(world, report)
        raise
    finally:
        log_run(report)
    return report


async def record_failed_run(world: World, report: RunReport) -> None:
    """Record that a run failed by a mistake, and where, unless it has left a report before.

    Such a run fails again and again, while the state can be reached: without a record, people would
    only see after a while that the guard is late.
    """
    try:
        known = await world.ledger.get_run(report.guard, report.run)
        if known is None or known.get("status") in STATUSES_BEFORE_REPORT:
            document = run_report_to_json(report)
            await world.ledger.save_run_status(report.guard, report.run, document)
    except LedgerError as error:
        log.error("%s: that the run failed is not on record: %s", report.guard, error)


async def claim_and_run(
    config: GuardConfig, world: World, report: RunReport, run_options: RunOptions
) -> RunReport:
    """The run, if the guard is on and no other run holds it."""
    if report.mode is Mode.OFF:
        return replace(report, status="off", finished_at=world.now())
    async with world.ledger.claim(config.guard.name, report.run) as claim:
        # The time of the state's service, which all instances share, is known after the claim.
        report = replace(report, started_at=world.now())
        if claim is None:
            return replace(report, status="busy", finished_at=world.now())
        report = await run_claimed(config, world, claim, report, run_options)
        await mark_state(world, config.guard.name, report.operator_requests)
        return report


async def run_claimed(
    config: GuardConfig, world: World, claim: Claim, report: RunReport, run_options: RunOptions
) -> RunReport:
    """The run itself, while it holds the claim."""
    guard = config.guard.name
    snapshot = await check_memory(world, claim, guard, await claim.load())
    world.resume_calls(snapshot.state.accepted_calls)
    snapshot = await process_requests(world, claim, snapshot, report.run)
    snapshot = trust_again(snapshot, guard)
    report = replace(report, mode=restrict_mode(report.mode, snapshot.state))
    report = add_requests_to_report(report, snapshot)
    snapshot = await add_shared_state(config, world, snapshot)
    if run_options.targets and config.guard.look_at:
        return await look_at_targets(config, world, claim, report, snapshot, run_options)
    if report.mode is config.mode:
        run_options = with_requested_release(run_options, snapshot)
    under_way = await continue_scan_pass(config, world, claim, report, snapshot, run_options)
    if isinstance(under_way, RunReport):
        return under_way
    granted = await world.tenant.permissions.read_granted_permissions()
    context = DecisionContext(
        config,
        report.mode,
        report.run,
        under_way,
        report.started_at,
        granted.items[0] if granted.items else GrantedPermissions(),
        run_options,
    )
    scan = Scan.resume_or_start(context, world, claim, report, granted)
    index = await scan_tenant(scan, send_early_notifications)
    if index:
        await enqueue_shards(scan, index)
    return await finish_run(scan)
