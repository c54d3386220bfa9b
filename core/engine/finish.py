"""The end of a run: decide about all that was noted, act, write down what came of it, tell it.

    settle ─► remember ─► act ─► record ─► alert ─► mark told

It is the same whether one run has looked at everything or many shards have.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched, groupby

from core.engine.decide import Plan, mark_notified, plan_changes, record_outcomes
from core.engine.request_decisions import resolve_run_requests
from core.engine.scan import Scan
from core.errors import (
    CardRejected,
    Forbidden,
    NotFound,
    NotificationError,
    Rejected,
    Superseded,
    Unavailable,
)
from core.microsoft365.permissions import READ_ONLY_VERBS
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Severity, Verdict
from core.model.requests import OperatorRequest, RunOptions
from core.model.run_document import run_report_to_log_line
from core.model.runs import REQUESTS_ONLY, ReportedFinding, RunReport
from core.model.state import GuardState, ScanTotals
from core.notifications.run_cards import ChannelMessage, build_cards
from core.ports import Claim, World
from core.status.counts import count_by_severity, select_open_cases
from core.tenant.changes import AppliedChange, build_change
from core.tenant.port import GrantedPermissions, Tenant

log = logging.getLogger("exoguard.run")

# Outcomes are written down this often, so that a run which dies repeats little.
RECORD_BATCH_SIZE = 10
HOUSEKEEPING_KEY = "housekeeping"
MAX_GRANTS_LISTED = 200
# A look that takes longer tells what it has found before it ends, and then again now and then.
FIRST_CARD_AFTER = timedelta(seconds=3)
NEXT_CARD_AFTER = timedelta(seconds=30)


def log_run(report: RunReport) -> None:
    """One line a run, whatever became of it: what watches from outside reads nothing else."""
    log.info("exoguard.run %s", run_report_to_log_line(report))


async def finish_run(scan: Scan) -> RunReport:
    """Everything that follows once the look has come as far as it will in this run."""
    plan = plan_changes(
        scan.decision_context, scan.totals if scan.finished else mark_totals_incomplete(scan.totals)
    )
    noted = plan.result
    await scan.claim.save(*noted.cases, *noted.records, *plan.records, forget=noted.cases_to_delete)
    for case in noted.cases_to_delete:
        scan.cases.pop(case.key, None)
    scan.apply_saved_rows(noted.cases, (*noted.records, *plan.records))
    outcomes = await apply_planned_changes(scan.world, scan.claim, plan, scan.cases)
    scan.apply_saved_rows((), ())
    report = replace(
        build_run_report(scan, plan),
        outcomes=outcomes,
        notifications=tuple(case for case in scan.cases.values() if case.notification),
        error=get_release_error(scan.decision_context.run_options, plan) if scan.finished else "",
        call_counts=scan.world.call_counts(),
        finished_at=scan.world.now(),
    )
    report, answered = add_resolved_requests(scan, plan, report)
    state = scan.build_state()
    if scan.finished:
        kept = plan.state
        state = replace(
            state,
            baselined_sources=kept.baselined_sources,
            population=kept.population,
            scan_pass=None,
        )
    state = await purge_if_due(scan.world, state, report)
    await scan.claim.save(report, *answered, state=state)
    return await send_notifications(scan.world, scan.claim, report)


def add_resolved_requests(
    scan: Scan, plan: Plan, report: RunReport
) -> tuple[RunReport, tuple[OperatorRequest, ...]]:
    """The report with what became of those who asked for this run, once it has seen everything."""
    if not scan.finished:
        return report, ()
    released = scan.decision_context.run_options.plan if plan.released else ""
    answered = resolve_run_requests(
        scan.snapshot.operator_requests, report.mode, released, plan.hash, scan.world.now()
    )
    return replace(report, operator_requests=(*report.operator_requests, *answered)), answered


def mark_totals_incomplete(totals: ScanTotals) -> ScanTotals:
    """A look that goes on later: nothing may be concluded from what it has not seen yet."""
    return replace(totals, complete=False, ready_case_keys=(), unfinished_case_keys=())


def build_run_report(scan: Scan, plan: Plan | None = None) -> RunReport:
    """The report with what was seen and decided."""
    tally, cases = scan.totals, scan.cases
    open_by_severity = count_by_severity(select_open_cases(cases.values()))
    rows = [*scan.reported_findings, *(plan.result.reported_findings if plan else ())]
    report = replace(
        scan.report,
        status="done" if scan.finished else "going on",
        read_count=tally.read_count,
        population=max(scan.expected_population or 0, tally.population),
        remaining_count=scan.remaining_count,
        unread_count=tally.unread_count,
        unavailable_sources=tuple(
            sorted({miss.source for miss in tally.source_failures if not miss.optional})
        ),
        baselined=scan.baselined,
        granted_permissions=summarize_grants(scan.decision_context.grants),
        findings=tuple(
            sorted(
                (apply_escalation(row, cases.get(row.key)) for row in rows),
                key=lambda row: (-row.finding.severity, row.finding.subject),
            )
        ),
        exemption_count=sum(
            exempt.until > scan.report.started_at for exempt in scan.snapshot.exemptions.values()
        ),
        open_count=sum(open_by_severity.values()),
        critical_count=open_by_severity.get(Severity.CRITICAL, 0),
    )
    if plan is None:
        return report
    return replace(
        report,
        preview=tuple(
            Outcome(case, subject, type(change).__name__, ChangeState.INTENDED)
            for case, subject, change in plan.preview
        ),
        block_reason=plan.block_reason,
        plan=plan.hash,
    )


def summarize_grants(grants: GrantedPermissions) -> dict[str, tuple[str, ...] | None]:
    """What the app may do, as far as a run row has room for it: cmdlets that only look do not
    count as too much.
    """
    roles, cmdlets = grants.app_roles, grants.cmdlets
    return {
        "graph": None if roles is None else tuple(sorted(roles))[:MAX_GRANTS_LISTED],
        "exchange": None
        if cmdlets is None
        else tuple(sorted(name for name in cmdlets if not name.startswith(READ_ONLY_VERBS)))[
            :MAX_GRANTS_LISTED
        ],
    }


def apply_escalation(row: ReportedFinding, case: Case | None) -> ReportedFinding:
    """A finding as its case has it: what it shares with others may have made it worse."""
    if case is None or not case.escalated or case.severity <= row.finding.severity:
        return row
    return replace(row, finding=replace(row.finding, severity=case.severity, facts=case.facts))


def get_release_error(run_options: RunOptions, plan: Plan) -> str:
    """What to say to somebody who released a plan that is not the one waiting."""
    if not run_options.plan or plan.released:
        return ""
    if plan.block_reason:
        return f"plan {run_options.plan} was not released: plan {plan.hash} waits now, for an hour"
    return f"plan {run_options.plan} was not released: no plan waits"


async def purge_if_due(world: World, state: GuardState, report: RunReport) -> GuardState:
    """The guard's state to remember; once a day old rows are removed."""
    last = state.checks_finished_at.get(HOUSEKEEPING_KEY)
    if last and abs(report.started_at - last) < timedelta(days=1):
        return state
    if last:
        await world.ledger.purge_expired(report.guard, report.started_at)
    return replace(
        state, checks_finished_at={**state.checks_finished_at, HOUSEKEEPING_KEY: report.started_at}
    )


def get_waiting_time(row: Case | OperatorRequest, now: datetime) -> timedelta:
    """How long news have waited, as far as their times tell."""
    if isinstance(row, OperatorRequest):
        return max(now - (row.ended_at or row.at), timedelta())
    since = {
        Notification.OPENED: row.opened_at,
        Notification.DONE: row.closed_at,
        Notification.CLOSED: row.closed_at,
    }
    return max(now - (since.get(row.notification) or now), timedelta())


async def send_notifications(world: World, claim: Claim, report: RunReport) -> RunReport:
    """Send the cards one after another; what each tells is marked told once it was taken.

    A channel that does not answer leaves the rest untold, for the next run. One that refuses a
    card, in whatever words, is still told the others.
    """
    messages = build_cards(report, world.public_url)
    if not messages:
        return report
    untold: list[ChannelMessage] = []
    error = ""
    for number, message in enumerate(messages):
        try:
            rows = await send_message(world, claim, message, report)
        except CardRejected as refused:
            untold.append(message)
            error = str(refused)
            continue
        except NotificationError as failed:
            untold += messages[number:]
            error = str(failed)
            break
        all_told = message is messages[-1] and not untold
        report = replace(
            report,
            card_count=report.card_count + 1,
            delivered=True if all_told else report.delivered,
        )
        await claim.save(*rows, *(get_report_rows(report) if all_told else ()))
    if untold:
        left = [row for message in untold for row in get_message_rows(message)]
        log.error("%s: %d news stay untold: %s", report.guard, len(left), error)
        report = replace(
            report,
            delivered=False,
            error=f"the alert was not taken: {error}",
            oldest_pending_age=max(get_waiting_time(row, world.now()) for row in left),
        )
        await claim.save(*get_report_rows(report))
    return report


def get_report_rows(report: RunReport) -> tuple[RunReport, ...]:
    """The report, to be remembered: unless nothing was looked at, which is no run."""
    return () if report.status == REQUESTS_ONLY else (report,)


def get_message_rows(message: ChannelMessage) -> tuple[Case | OperatorRequest, ...]:
    """Everything a message tells."""
    return (*message.cases, *message.operator_requests)


async def send_message(
    world: World, claim: Claim, message: ChannelMessage, report: RunReport
) -> tuple[Case | OperatorRequest, ...]:
    """The rows of a message that was taken, to be written as told. Raises AlertError.

    A card that is refused, too large perhaps, is followed by a plain one.
    """
    await claim.ensure_held()
    try:
        await world.notification_channel.send(message.payload)
    except CardRejected as error:
        log.warning("%s: a card was refused, so a plain one goes out: %s", report.guard, error)
        await world.notification_channel.send(message.build_plain_payload(report))
    actions = (replace(action, notified=True) for action in message.operator_requests)
    return (*mark_notified(message.cases, world.now()), *actions)


async def send_early_notifications(scan: Scan) -> None:
    """Cards while the look goes on, so that nobody waits for the end of a large tenant.

    What is found at the first look is told at its end, as one summary.
    """
    now = scan.world.now()
    since = scan.scan_pass.notified_at or scan.report.started_at
    patience = NEXT_CARD_AFTER if scan.scan_pass.notified_at else FIRST_CARD_AFTER
    news = [case for case in scan.cases.values() if case.notification and scan.owns_case(case)]
    asked = any(not action.notified for action in scan.report.operator_requests)
    if not (news or asked) or now - since < patience or any(case.baselined for case in news):
        return
    report = replace(build_run_report(scan), notifications=tuple(news), status="going on")
    scan.scan_pass = replace(scan.scan_pass, notified_at=now)
    for message in build_cards(report, scan.world.public_url):
        try:
            rows = await send_message(scan.world, scan.claim, message, report)
        except NotificationError as error:
            log.warning("%s: news wait for the end of the run: %s", report.guard, error)
            return
        await scan.claim.save(*rows, state=scan.build_state())
        scan.apply_saved_rows((row for row in rows if isinstance(row, Case)), ())
        known = {row.id: row for row in rows if isinstance(row, OperatorRequest)}
        actions = tuple(known.get(action.id, action) for action in scan.report.operator_requests)
        scan.report = replace(
            scan.report, card_count=scan.report.card_count + 1, operator_requests=actions
        )


async def apply_planned_changes(
    world: World, claim: Claim, plan: Plan, cases: dict[str, Case]
) -> tuple[Outcome, ...]:
    """Make the planned changes, case by case, and record what came of each."""
    outcomes: list[Outcome] = []
    forbidden: dict[str, Outcome] = {}
    by_case = [
        list(rows) for _, rows in groupby(plan.changes_to_apply, key=lambda record: record.case_key)
    ]
    for group in batched(by_case, RECORD_BATCH_SIZE, strict=False):
        rows: list[Case | ChangeRecord] = []
        for records in group:
            made = [
                (record, await attempt_change(world.tenant, claim, record, forbidden))
                for record in records
            ]
            concluded, case = record_outcomes(cases.get(records[0].case_key), made, world.now())
            rows += concluded
            if case:
                cases[case.key] = case
                rows.append(case)
            outcomes += (outcome for _, outcome in made)
        await claim.save(*rows)
    return tuple(outcomes)


async def attempt_change(
    tenant: Tenant, claim: Claim, record: ChangeRecord, forbidden: dict[str, Outcome]
) -> Outcome:
    """Make one change. What the tenant answers is an outcome; the others go on."""
    try:
        change = build_change(record.kind, record.arguments)
    except ValueError:
        note = f"this version does not know the change {record.kind}"
        return Outcome(record.case_key, record.subject, record.kind, ChangeState.SUPERSEDED, note)
    if record.kind in forbidden:
        return replace(forbidden[record.kind], case_key=record.case_key, subject=record.subject)
    async with claim.protect_writes():
        outcome = await capture_outcome(record, lambda: tenant.writer.apply(change))
    if outcome.lacks_permission:
        # The permission is missing for every object: asking again would only repeat the answer.
        forbidden[record.kind] = outcome
    return outcome


async def capture_outcome(
    record: ChangeRecord, attempt: Callable[[], Awaitable[AppliedChange]]
) -> Outcome:
    """What the tenant answers to one attempt, as an outcome."""
    result = Outcome(record.case_key, record.subject, record.kind, ChangeState.APPLIED)
    try:
        applied = await attempt()
    except (Superseded, NotFound) as error:
        return replace(result, state=ChangeState.SUPERSEDED, note=str(error))
    except Rejected as error:
        verdict = next((item for item in Verdict if item == error.verdict), Verdict.REFUSED)
        return replace(result, state=ChangeState.REFUSED, note=str(error), verdict=verdict)
    except Forbidden as error:
        missing = f"missing permission: {error.permission}; " if error.permission else ""
        note = f"{missing}{error}"
        return replace(result, state=ChangeState.FAILED, note=note, lacks_permission=True)
    except Unavailable as error:
        begun = dict(error.before or {})
        return replace(result, state=ChangeState.FAILED, note=str(error), before=begun)
    return replace(result, note=applied.note, before=dict(applied.before))
