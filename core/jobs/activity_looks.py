"""Lets guards look at what audit records name, and runs mailbox-forwarding at each tick."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from core.activity.hints import is_look_over, is_look_settled, iter_due_looks, note_attempt
from core.activity.operations import FORWARDING
from core.activity.options import ActivityOptions
from core.engine.run import create_run_id, run
from core.errors import FAILURES
from core.jobs.activity_reading import Tick
from core.model.activity import PendingLook
from core.model.guards import GuardConfig
from core.model.requests import RunOptions
from core.model.runs import RunReport
from core.ports import Claim, World
from core.tenant.mailboxes import Mailbox

# In a tenant with more mailboxes than SHARD_ABOVE, full runs because of records are this far apart.
LARGE_TENANT_PAUSE = timedelta(hours=1)
# A full run that ended so lately makes another one for nothing needless.
FORWARDING_PAUSE = timedelta(minutes=4)


async def take_looks(
    tick: Tick,
    claim: Claim,
    configs: Sequence[GuardConfig],
    looks: Mapping[str, PendingLook],
    options: ActivityOptions,
) -> list[RunReport]:
    """Let each guard look at what waits. What it could not look at waits for the next tick."""
    by_name = {config.guard.name: config for config in configs}
    reports: list[RunReport] = []
    for look in iter_due_looks(looks):
        if tick.world.budget_used() >= 1:
            break
        config = by_name[look.guard]
        report = await take_look(tick, config, look, options)
        if report is None:
            continue
        reports += [report] if report.status != "settled" else []
        taken = PendingLook(look.guard, tick.now)
        await claim.save(taken if is_look_over(report) else note_attempt(look))
    return [report for report in reports if report.status != "busy"]


async def take_look(
    tick: Tick, config: GuardConfig, look: PendingLook, options: ActivityOptions
) -> RunReport | None:
    """One guard's look; None if it has to wait. One that fails is tried again, and stops no other:
    a guard's mistake must not blind those after it.
    """
    run_id = create_run_id(tick.world.now())
    try:
        return await look_unless_settled(tick, config, look, options, run_id)
    except FAILURES as error:
        tick.note_failed_guard(config.guard.name, "the look that records led to failed", error)
        return replace(build_settled_report(config, tick.world, run_id), status="busy")


async def look_unless_settled(
    tick: Tick, config: GuardConfig, look: PendingLook, options: ActivityOptions, run_id: str
) -> RunReport | None:
    """One guard's look, unless a full run has made it needless; None if it has to wait."""
    world = tick.world
    is_whole = look.is_whole or config.guard.look_at is None
    if is_whole:
        state = await world.ledger.load_state(config.guard.name)
        scanned_at = state.checks_finished_at.get("looked")
        if is_look_settled(replace(look, is_whole=True), scanned_at, world.now()):
            return build_settled_report(config, world, run_id)
        is_large = (state.population or 0) > options.shard_above
        if is_large and scanned_at and abs(tick.now - scanned_at) < LARGE_TENANT_PAUSE:
            return None
    targets, unread_count = ((), 0) if is_whole else await load_mailboxes(tick, look.guids)
    if not is_whole and not targets:
        status = "busy" if unread_count else "settled"
        return replace(build_settled_report(config, world, run_id), status=status)
    report = await run(config, world, RunOptions(run_id, targets=targets))
    return replace(report, unread_count=report.unread_count + unread_count)


async def load_mailboxes(tick: Tick, guids: Sequence[str]) -> tuple[tuple[Mailbox, ...], int]:
    """The mailboxes of a look, without those gone since; and how many could not be read."""
    unknown = [guid for guid in guids if guid not in tick.mailboxes]
    lost: set[str] = set()
    if unknown:
        read = await tick.world.tenant.mailboxes.read_mailboxes(unknown)
        tick.mailboxes |= {box.guid: box for box in read.items}
        failed = {failure.object_id for failure in read.failures}
        lost = {guid for guid in unknown if guid not in tick.mailboxes and failed & {guid, ""}}
    return tuple(tick.mailboxes[guid] for guid in guids if guid in tick.mailboxes), len(lost)


def build_settled_report(config: GuardConfig, world: World, run_id: str) -> RunReport:
    """The report of a look that a full run has made needless."""
    return RunReport(
        guard=config.guard.name,
        title=config.guard.title,
        noun=config.guard.noun,
        run=run_id,
        mode=config.mode,
        started_at=world.now(),
        status="settled",
    )


async def run_forwarding(
    tick: Tick,
    configs: Sequence[GuardConfig],
    options: ActivityOptions,
    reports: Iterable[RunReport],
) -> list[RunReport]:
    """Run mailbox-forwarding at this tick in a tenant that is not too large for it.

    The state itself is quicker than any record of it: this needs no other permission.
    """
    config = next((one for one in configs if one.guard.name == FORWARDING), None)
    has_run = any(one.guard == FORWARDING and one.status == "done" for one in reports)
    if config is None or not options.runs_forwarding or has_run or tick.world.budget_used() >= 0.5:
        return []
    try:
        if not await is_forwarding_due(tick, options):
            return []
        report = await run(config, tick.world, RunOptions(create_run_id(tick.world.now())))
    except FAILURES as error:
        tick.note_failed_guard(FORWARDING, "the run of this tick failed", error)
        return []
    return [report] if report.status != "busy" else []


async def is_forwarding_due(tick: Tick, options: ActivityOptions) -> bool:
    """Whether mailbox-forwarding has seen this tenant whole, which is not too large, and not just
    now.
    """
    state = await tick.world.ledger.load_state(FORWARDING)
    last = state.checks_finished_at.get("looked")
    if state.population is None or last is None or state.scan_pass is not None:
        return False
    return state.population <= options.shard_above and abs(tick.now - last) >= FORWARDING_PAUSE
