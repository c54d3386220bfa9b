"""A look at the single objects that audit records name, by the guard's ordinary judgement.

    records ─► the job `activity` ─► run(config, world, targets) ─► judge ─► reconcile ─► finish

It takes the guard's claim and its brake, and opens, updates and ends cases of what it has seen.
Nothing follows from it about anything else: it keeps the guard's periodic checks and a scan that
takes several runs as they are, and notes no more than when it looked at what. While shards of a
scan are in the queue it waits, since their workers write the same rows; and before the guard's
first full run it has nothing to compare with.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from core.engine.clean_looks import note_looks
from core.engine.decision_context import DecisionContext
from core.engine.finish import finish_look
from core.engine.judgement import look_at_mailboxes
from core.engine.scan import add_batch
from core.engine.scan_progress import Scan
from core.model.guards import GuardConfig
from core.model.requests import RunOptions
from core.model.runs import LOOKED, RunReport
from core.model.state import GuardSnapshot, GuardState
from core.ports import Claim, World
from core.tenant.mailboxes import Mailbox
from core.tenant.readers import GrantedPermissions
from core.tenant.sources import CREDENTIAL

log = logging.getLogger("exoguard.run")


async def look_at_targets(
    config: GuardConfig,
    world: World,
    claim: Claim,
    report: RunReport,
    snapshot: GuardSnapshot,
    run_options: RunOptions,
) -> RunReport:
    """Look at some mailboxes. The report is "busy" if the look has to wait, else "looked".

    It says what could not be read: the caller is to look again.
    """
    state = snapshot.state
    if state.population is None:
        return replace(report, status=LOOKED, finished_at=world.now())
    if state.scan_pass and state.scan_pass.shard_count:
        return replace(report, status="busy", finished_at=world.now())
    granted = await world.tenant.permissions.read_granted_permissions()
    apart = replace(snapshot, state=replace(state, scan_pass=None))
    context = DecisionContext(
        config,
        report.mode,
        report.run,
        apart,
        report.started_at,
        granted.items[0] if granted.items else GrantedPermissions(),
        replace(run_options, plan=""),
    )
    scan = Scan.resume_or_start(context, world, claim, report, granted)
    scan.kept_state = state
    scan.apply_saved_rows((), ())
    if not granted.find_source_failure(CREDENTIAL):
        await look(scan, run_options.targets)
        scan.finished = True
        scan.kept_state = note_look(scan, state, run_options.targets)
    return await finish_look(scan)


def note_look(scan: Scan, state: GuardState, mailboxes: Sequence[Mailbox]) -> GuardState:
    """The guard's state with the objects that this look has read in full."""
    totals = scan.other_totals
    failed = {failure.source for failure in totals.source_failures}
    ids = tuple(
        one
        for box in mailboxes
        if scan.unread_ids.isdisjoint({box.id, box.guid})
        for one in dict.fromkeys((box.id, box.guid))
    )
    sources = totals.sources - failed - totals.doubtful_sources
    noted = note_looks(state, ids, sources, scan.report.started_at)
    return replace(noted, revision=state.revision + 1)


async def look(scan: Scan, mailboxes: Sequence[Mailbox]) -> None:
    """Read, judge and reconcile the mailboxes, with every periodic check of the guard."""
    guard = scan.config.guard
    checks = frozenset(check.name for check in guard.periodic_checks)
    context = replace(scan.build_observe_context(), due_checks=checks, continuation="")
    for batch in await look_at_mailboxes(guard, scan.world.tenant, context, mailboxes):
        await add_batch(scan, batch)
    log.info("%s: looked at %d objects that records name", guard.name, len(mailboxes))
