"""The end of a run: plan, apply, save the report, notify.

    plan ─► save intents ─► apply ─► save report and state ─► notify ─► mark notified ─► tidy up

It is the same whether one run has read the whole tenant or many shards have. A look at single
objects ends alike, and says nothing of the rest.
"""

import logging
from dataclasses import replace

from core.activity.progress import find_search_times
from core.activity.searches import build_wish
from core.engine.apply import apply_changes
from core.engine.attention import select_due_notifications
from core.engine.causes import (
    ActIndex,
    add_cause,
    add_methods,
    get_method_start,
    get_search_start,
    is_method_due,
    is_search_due,
    list_changed,
    list_wished,
)
from core.engine.housekeeping import tidy_up
from core.engine.notify import send_notifications
from core.engine.plan import Plan
from core.engine.request_decisions import resolve_run_requests
from core.engine.run_report import build_run_report
from core.engine.scan_progress import Scan
from core.engine.unplanned import plan_all, plan_looked_at
from core.errors import MISTAKES, LedgerError
from core.microsoft365.permissions import note_granted_permissions
from core.model.cases import Case
from core.model.requests import OperatorRequest, RunOptions
from core.model.runs import LOOKED, RunReport
from core.model.state import ScanTotals
from core.tenant.sources import CREDENTIAL

log = logging.getLogger("exoguard.run")


async def finish_run(scan: Scan) -> RunReport:
    """Plan, apply, report and notify, once the scan has come as far as it will in this run."""
    plan = plan_all(
        scan.decision_context, scan.totals if scan.finished else mark_totals_incomplete(scan.totals)
    )
    result = plan.result
    await scan.claim.save(
        *result.cases, *result.records, *plan.records, forget=result.cases_to_delete
    )
    for case in result.cases_to_delete:
        scan.cases.pop(case.key, None)
    scan.apply_saved_rows(result.cases, (*result.records, *plan.records))
    outcomes = await apply_changes(scan.world, scan.claim, plan.changes_to_apply, scan.cases)
    scan.recalled_keys -= {outcome.case_key for outcome in outcomes}
    scan.apply_saved_rows((), ())
    await add_causes(scan)
    report = replace(
        build_run_report(scan, plan),
        outcomes=outcomes,
        notifications=select_due_notifications(scan.cases.values(), scan.world.now()),
        error=get_release_error(scan.decision_context.run_options, plan) if scan.finished else "",
        call_counts=scan.world.call_counts(),
        finished_at=scan.world.now(),
    )
    report, resolved = add_resolved_requests(scan, plan, report)
    state = scan.build_state()
    if scan.finished:
        settled = plan.state
        state = replace(
            state,
            baselined_sources=settled.baselined_sources,
            population=settled.population,
            shrunk_population=settled.shrunk_population,
            listed_counts=settled.listed_counts,
            shrunk_counts=settled.shrunk_counts,
            scan_pass=None,
        )
    context = scan.decision_context
    state = replace(
        state,
        granted_permissions=note_granted_permissions(
            context.config, context.grants, state.granted_permissions
        ),
        accepted_calls=scan.world.get_accepted_calls(),
        check_seed=state.check_seed or scan.world.create_seed(),
    )
    await scan.claim.save(report, *resolved, state=state)
    report = await send_notifications(scan.world, scan.claim, report, scan.outbox)
    if scan.finished:
        await tidy_up(scan, state)
    return report


async def add_causes(scan: Scan) -> None:
    """Put the cases that are due down to acts on record. Without the records a run goes on, as it
    does where a mistake keeps one of them from being understood.

    What is without a cause then is noted for a search of the audit log, where that is switched on.
    """
    try:
        await add_known_causes(scan)
    except MISTAKES:
        log.exception("%s: who caused its cases is not known", scan.config.guard.name)
    if not scan.world.searches_audit_log:
        return
    guard, now = scan.config.guard.name, scan.decision_context.now
    settling_time = scan.config.guard.settling_time
    wish = build_wish(guard, list_wished(list_own_cases(scan), now, settling_time), now)
    if wish:
        try:
            await scan.world.ledger.save_wish(wish)
        except LedgerError as error:
            log.warning("%s: no search for causes was noted: %s", guard, error)


def list_own_cases(scan: Scan) -> list[Case]:
    """The cases of this run that have a row of their own."""
    return [
        case
        for case in scan.cases.values()
        if scan.owns_case(case) and case.key not in scan.recalled_keys
    ]


async def add_known_causes(scan: Scan) -> None:
    """Put the cases that are due down to acts on record, and note which sign-in methods were given
    beside them.

    Methods are told by Entra's log, which is always read; a cause only where the log was that would
    tell of it.
    """
    guard, now = scan.config.guard.name, scan.decision_context.now
    cases = list_own_cases(scan)
    sought = [case for case in cases if is_search_due(case, now)]
    watched = [case for case in cases if is_method_due(case, now)]
    if not (sought or watched):
        return
    try:
        read_at = find_search_times((await scan.world.ledger.load_activity()).cursors).get(guard)
        if read_at is None:
            sought = []
        starts = [one for one in (get_search_start(sought), get_method_start(watched)) if one]
        if not starts:
            return
        acts = await scan.world.ledger.load_acts(min(starts), now)
    except LedgerError as error:
        log.warning("%s: the records were not searched for causes: %s", guard, error)
        return
    index, changes = ActIndex.build(acts, guard), scan.snapshot.changes
    due = list({case.key: case for case in (*sought, *watched)}.values())
    settling_time = scan.config.guard.settling_time
    causes = {
        case.key: add_cause(case, index, read_at, changes, settling_time)
        for case in sought
        if read_at
    }
    put_down = [causes.get(case.key, case) for case in due]
    given = {case.key for case in watched}
    found = [add_methods(case, index) if case.key in given else case for case in put_down]
    if changed := list_changed(due, found):
        await scan.claim.save(*changed)
        scan.apply_saved_rows(changed, ())


async def finish_look(scan: Scan) -> RunReport:
    """Plan, apply, report and notify after a look at single objects.

    An unfinished scan is one that got no token: the report says that nothing was read.
    """
    plan = plan_looked_at(scan.decision_context, scan.totals)
    await scan.claim.save(*plan.result.cases, *plan.records)
    scan.apply_saved_rows(plan.result.cases, plan.records)
    outcomes = await apply_changes(scan.world, scan.claim, plan.changes_to_apply, scan.cases)
    scan.recalled_keys -= {outcome.case_key for outcome in outcomes}
    scan.apply_saved_rows((), ())
    await add_causes(scan)
    report = build_run_report(scan, plan)
    report = replace(
        report,
        status=LOOKED,
        unavailable_sources=report.unavailable_sources if scan.finished else (CREDENTIAL,),
        outcomes=outcomes,
        notifications=select_due_notifications(scan.cases.values(), scan.world.now()),
        call_counts=scan.world.call_counts(),
        finished_at=scan.world.now(),
    )
    await scan.claim.save(report, state=scan.build_state())
    return await send_notifications(scan.world, scan.claim, report, scan.outbox)


def add_resolved_requests(
    scan: Scan, plan: Plan, report: RunReport
) -> tuple[RunReport, tuple[OperatorRequest, ...]]:
    """The report with the resolved requests for this run or a release, once the scan is
    complete.
    """
    if not scan.finished:
        return report, ()
    released = scan.decision_context.run_options.plan if plan.released else ""
    resolved = resolve_run_requests(
        scan.snapshot.operator_requests, report.mode, released, plan.hash, scan.world.now()
    )
    return replace(report, operator_requests=(*report.operator_requests, *resolved)), resolved


def mark_totals_incomplete(totals: ScanTotals) -> ScanTotals:
    """The totals of a scan that continues later: nothing follows from what it has not read yet."""
    return replace(totals, complete=False, ready_case_keys=(), unfinished_case_keys=())


def get_release_error(run_options: RunOptions, plan: Plan) -> str:
    """Why a plan that an operator released was not carried out; empty if it was."""
    if not run_options.plan or plan.released:
        return ""
    if plan.block_reason:
        return f"plan {run_options.plan} was not released: plan {plan.hash} waits now, for an hour"
    return f"plan {run_options.plan} was not released: no plan waits"
