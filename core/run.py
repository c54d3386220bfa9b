"""One run of one guard, from the trigger to the alert.

    claim ─► recall ─► observe ─► judge ─► plan ─► remember ─► act ─► record ─► alert ─► mark told

The order is the promise. A change is written down before it is made, so nothing is done that
nobody knows of; news are marked told after they were sent, so they are told twice at worst and
never not at all. Dying between any two steps leaves a state from which the next run goes on.
"""

import logging
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched, groupby
from typing import Any

from core.errors import AlertError, ExoguardError, Forbidden, Gone, Moot, Refused, Unavailable
from core.message import card
from core.model import (
    Case,
    ChangeRecord,
    ChangeState,
    Duty,
    GuardState,
    Look,
    Memory,
    Mode,
    News,
    Outcome,
    Request,
    RunReport,
    Severity,
    Verdict,
)
from core.plan import Plan, Situation, conclude, due_sweeps, make_plan, told
from core.ports import Claim, World
from core.report import trace
from core.tenant import CREDENTIAL, Grants, Reading, Tenant, change_from_wire

log = logging.getLogger("exoguard.run")

# Outcomes are written down this often, so that a run which dies repeats little.
RECORD_EVERY = 10
HOUSEKEEPING = "housekeeping"
# 3000-01-01T00:00Z in milliseconds: run ids count down to it, so that the newest sorts first.
FAR = 32_503_680_000_000


def new_run(now: datetime) -> str:
    """A run's id: 14 digits that fall as time goes on, a dash, and 8 hex digits of chance."""
    return f"{FAR - int(now.timestamp() * 1000):014d}-{secrets.token_hex(4)}"


async def run(duty: Duty, world: World, request: Request | None = None) -> RunReport:
    """Run one guard once. Raises LedgerError when the state cannot be reached: nothing was done."""
    request = request or Request()
    started = world.now()
    report = RunReport(
        guard=duty.guard.name,
        title=duty.guard.title,
        noun=duty.guard.noun,
        run=request.run or new_run(started),
        mode=duty.mode.lowered(request.mode),
        started=started,
        status="failed",
    )
    try:
        report = await attempted(duty, world, report, request)
    except ExoguardError as error:
        report = replace(report, error=str(error), finished=world.now())
        log.error("%s: the run failed: %s", report.guard, error)
        raise
    finally:
        # One line a run, whatever became of it: what watches from outside reads nothing else.
        log.info("exoguard.run %s", trace(report))
    return report


async def attempted(duty: Duty, world: World, report: RunReport, request: Request) -> RunReport:
    """The run, if the guard is on and nobody else runs it."""
    if report.mode is Mode.OFF:
        return replace(report, status="off", finished=world.now())
    async with world.ledger.claim(duty.guard.name, report.run) as claim:
        if claim is None:
            return replace(report, status="busy", finished=world.now())
        return await claimed(duty, world, claim, report, request)


async def claimed(
    duty: Duty, world: World, claim: Claim, report: RunReport, request: Request
) -> RunReport:
    """The run itself, while the claim is held."""
    memory = await claim.recall()
    terms = replace(world.terms, now=report.started)
    look = Look(terms, due_sweeps(duty, memory.state, report.started))
    granted = await world.tenant.grants()
    reading = await observed(duty, world, look, granted)
    findings = [finding for item in reading.items for finding in duty.guard.judge(item, terms)]
    plan = make_plan(
        Situation(
            duty,
            report.mode,
            report.run,
            reading,
            memory,
            report.started,
            granted.items[0] if granted.items else Grants(),
            request,
        ),
        findings,
    )
    await claim.save(*plan.cases, *plan.records, forget=plan.forget)
    cases = {**memory.cases, **{case.key: case for case in plan.cases}}
    outcomes = await act(world, claim, plan, cases)
    report = replace(
        described(report, plan, reading, memory),
        outcomes=outcomes,
        news=tuple(case for case in cases.values() if case.news),
        error=misdirected(request, plan),
        open=sum(case.closed is None for case in cases.values()),
        critical=sum(
            case.closed is None and case.severity is Severity.CRITICAL for case in cases.values()
        ),
        requests=world.requests(),
        finished=world.now(),
    )
    await claim.save(report, state=await tidied(world, plan, report))
    return await tell(world, claim, report)


async def observed(duty: Duty, world: World, look: Look, granted: Reading[Grants]) -> Reading[Any]:
    """What the guard sees, with what the app may do; nothing when it cannot sign in at all."""
    if granted.blind_to(CREDENTIAL):
        return Reading(unread=granted.unread, surfaces=granted.surfaces, complete=False)
    reading = await duty.guard.observe(world.tenant, look)
    return replace(
        reading,
        unread=reading.unread + granted.unread,
        surfaces=reading.surfaces | granted.surfaces,
    )


def described(report: RunReport, plan: Plan, reading: Reading[object], memory: Memory) -> RunReport:
    """The report with what was seen and decided."""
    blind = [miss for miss in reading.unread if not miss.object_id and not miss.optional]
    return replace(
        report,
        status="done",
        seen=max(reading.population - reading.unread_objects, 0),
        population=reading.population,
        unread=reading.unread_objects,
        blind=tuple(sorted({miss.surface for miss in blind})),
        adopted=plan.adopted,
        findings=tuple(
            sorted(plan.reported, key=lambda row: (-row.finding.severity, row.finding.subject))
        ),
        preview=tuple(
            Outcome(case, subject, type(change).__name__, ChangeState.INTENDED)
            for case, subject, change in plan.preview
        ),
        held=plan.held,
        plan=plan.hash,
        exemptions=sum(exempt.until > report.started for exempt in memory.exemptions.values()),
    )


def misdirected(request: Request, plan: Plan) -> str:
    """What to say to somebody who released a plan that is not the one waiting."""
    if not request.plan or plan.released:
        return ""
    if plan.held:
        return f"plan {request.plan} was not released: plan {plan.hash} waits now, for an hour"
    return f"plan {request.plan} was not released: no plan waits"


async def tidied(world: World, plan: Plan, report: RunReport) -> GuardState:
    """The guard's state to remember; once a day old rows are removed."""
    sweeps = plan.state.sweeps
    last = sweeps.get(HOUSEKEEPING)
    if last and report.started - last < timedelta(days=1):
        return plan.state
    if last:
        await world.ledger.tidy(report.guard, report.started)
    return replace(plan.state, sweeps={**sweeps, HOUSEKEEPING: report.started})


def waiting(case: Case, now: datetime) -> timedelta:
    """How long a case's news have waited, as far as its times tell."""
    since = {News.OPENED: case.opened, News.DONE: case.closed, News.CLOSED: case.closed}
    return max(now - (since.get(case.news) or now), timedelta())


async def tell(world: World, claim: Claim, report: RunReport) -> RunReport:
    """Send the news, then mark them told; a channel that does not answer leaves them untold."""
    if not report.news:
        return report
    await claim.check()
    try:
        await world.alerts.send(card(report))
    except AlertError as error:
        log.error("%s: %d news stay untold: %s", report.guard, len(report.news), error)
        report = replace(
            report,
            told=False,
            error=f"the alert was not taken: {error}",
            waiting=max(waiting(case, world.now()) for case in report.news),
        )
        await claim.save(report)
        return report
    report = replace(report, told=True)
    await claim.save(*told(report.news, world.now()), report)
    return report


async def act(
    world: World, claim: Claim, plan: Plan, cases: dict[str, Case]
) -> tuple[Outcome, ...]:
    """Make the planned changes, case by case, and record what came of each."""
    outcomes: list[Outcome] = []
    forbidden: dict[str, Outcome] = {}
    by_case = [list(rows) for _, rows in groupby(plan.act, key=lambda record: record.case)]
    for group in batched(by_case, RECORD_EVERY, strict=False):
        rows: list[Case | ChangeRecord] = []
        for records in group:
            made = [
                (record, await make(world.tenant, claim, record, forbidden)) for record in records
            ]
            concluded, case = conclude(cases.get(records[0].case), made, world.now())
            rows += concluded
            if case:
                cases[case.key] = case
                rows.append(case)
            outcomes += (outcome for _, outcome in made)
        await claim.save(*rows)
    return tuple(outcomes)


async def make(
    tenant: Tenant, claim: Claim, record: ChangeRecord, forbidden: dict[str, Outcome]
) -> Outcome:
    """Make one change. What the tenant answers is an outcome; the others go on."""
    try:
        change = change_from_wire(record.kind, record.arguments)
    except (KeyError, TypeError):
        note = f"this version does not know the change {record.kind}"
        return Outcome(record.case, record.subject, record.kind, ChangeState.MOOT, note)
    result = Outcome(record.case, record.subject, record.kind, ChangeState.APPLIED)
    if record.kind in forbidden:
        return replace(forbidden[record.kind], case=record.case, subject=record.subject)
    await claim.check()
    try:
        applied = await tenant.apply(change)
    except (Moot, Gone) as error:
        return replace(result, state=ChangeState.MOOT, note=str(error))
    except Refused as error:
        verdict = next((item for item in Verdict if item == error.verdict), Verdict.REFUSED)
        return replace(result, state=ChangeState.REFUSED, note=str(error), verdict=verdict)
    except Forbidden as error:
        # The permission is missing for every object: asking again would only repeat the answer.
        missing = f"missing permission: {error.permission}; " if error.permission else ""
        note = f"{missing}{error}"
        blocked = replace(result, state=ChangeState.FAILED, note=note, blocked=True)
        forbidden[record.kind] = blocked
        return blocked
    except Unavailable as error:
        begun = dict(error.before or {})
        return replace(result, state=ChangeState.FAILED, note=str(error), before=begun)
    return replace(result, note=applied.note, before=dict(applied.before))
