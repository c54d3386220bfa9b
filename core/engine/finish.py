"""The end of a run: decide about all that was noted, act, write down what came of it, tell it.

    settle ─► remember ─► act ─► record ─► alert ─► mark told

It is the same whether one run has looked at everything or many shards have.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched, groupby

from core.engine.decide import Plan, conclude, settle, told
from core.engine.request_decisions import run_ended
from core.engine.scan import Scan
from core.errors import AlertError, Forbidden, Gone, Moot, Refused, Unavailable, Unfit
from core.microsoft365.permissions import LOOKING
from core.model.cases import Case, News
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Severity, Verdict
from core.model.requests import Action, Request
from core.model.run_document import trace
from core.model.runs import ATTENDED, Reported, RunReport
from core.model.state import GuardState, Tally
from core.notifications.run_cards import Message, cards
from core.ports import Claim, World
from core.tenant.changes import Applied, change_from_wire
from core.tenant.port import Grants, Tenant

log = logging.getLogger("exoguard.run")

# Outcomes are written down this often, so that a run which dies repeats little.
RECORD_EVERY = 10
HOUSEKEEPING = "housekeeping"
GRANTED = 200
# A look that takes longer tells what it has found before it ends, and then again now and then.
FIRST_CARD = timedelta(seconds=3)
NEXT_CARD = timedelta(seconds=30)


def log_run(report: RunReport) -> None:
    """One line a run, whatever became of it: what watches from outside reads nothing else."""
    log.info("exoguard.run %s", trace(report))


async def closed(scan: Scan) -> RunReport:
    """Everything that follows once the look has come as far as it will in this run."""
    plan = settle(scan.situation, scan.tally if scan.finished else so_far(scan.tally))
    noted = plan.noted
    await scan.claim.save(*noted.cases, *noted.records, *plan.records, forget=noted.forget)
    for case in noted.forget:
        scan.cases.pop(case.key, None)
    scan.remember(noted.cases, (*noted.records, *plan.records))
    outcomes = await act(scan.world, scan.claim, plan, scan.cases)
    scan.remember((), ())
    report = replace(
        described(scan, plan),
        outcomes=outcomes,
        news=tuple(case for case in scan.cases.values() if case.news),
        error=misdirected(scan.situation.request, plan) if scan.finished else "",
        requests=scan.world.requests(),
        finished=scan.world.now(),
    )
    report, answered = answering(scan, plan, report)
    state = scan.state()
    if scan.finished:
        kept = plan.state
        state = replace(state, adopted=kept.adopted, population=kept.population, round=None)
    state = await tidied(scan.world, state, report)
    await scan.claim.save(report, *answered, state=state)
    return await tell(scan.world, scan.claim, report)


def answering(scan: Scan, plan: Plan, report: RunReport) -> tuple[RunReport, tuple[Action, ...]]:
    """The report with what became of those who asked for this run, once it has seen everything."""
    if not scan.finished:
        return report, ()
    released = scan.situation.request.plan if plan.released else ""
    answered = run_ended(scan.memory.actions, report.mode, released, plan.hash, scan.world.now())
    return replace(report, actions=(*report.actions, *answered)), answered


def so_far(tally: Tally) -> Tally:
    """A look that goes on later: nothing may be concluded from what it has not seen yet."""
    return replace(tally, complete=False, ready=(), unfinished=())


def described(scan: Scan, plan: Plan | None = None) -> RunReport:
    """The report with what was seen and decided."""
    tally, cases = scan.tally, scan.cases
    rows = [*scan.reported, *(plan.noted.reported if plan else ())]
    report = replace(
        scan.report,
        status="done" if scan.finished else "going on",
        seen=tally.seen,
        population=max(scan.expected or 0, tally.population),
        left=scan.left,
        unread=tally.unread,
        blind=tuple(sorted({miss.surface for miss in tally.blind if not miss.optional})),
        adopted=scan.adopted,
        granted=granted(scan.situation.grants),
        findings=tuple(
            sorted(
                (as_it_stands(row, cases.get(row.key)) for row in rows),
                key=lambda row: (-row.finding.severity, row.finding.subject),
            )
        ),
        exemptions=sum(
            exempt.until > scan.report.started for exempt in scan.memory.exemptions.values()
        ),
        open=sum(case.closed is None for case in cases.values()),
        critical=sum(
            case.closed is None and case.severity is Severity.CRITICAL for case in cases.values()
        ),
    )
    if plan is None:
        return report
    return replace(
        report,
        preview=tuple(
            Outcome(case, subject, type(change).__name__, ChangeState.INTENDED)
            for case, subject, change in plan.preview
        ),
        held=plan.held,
        plan=plan.hash,
    )


def granted(grants: Grants) -> dict[str, tuple[str, ...] | None]:
    """What the app may do, as far as a run row has room for it: cmdlets that only look do not
    count as too much.
    """
    roles, cmdlets = grants.app_roles, grants.cmdlets
    return {
        "graph": None if roles is None else tuple(sorted(roles))[:GRANTED],
        "exchange": None
        if cmdlets is None
        else tuple(sorted(name for name in cmdlets if not name.startswith(LOOKING)))[:GRANTED],
    }


def as_it_stands(row: Reported, case: Case | None) -> Reported:
    """A finding as its case has it: what it shares with others may have made it worse."""
    if case is None or not case.raised or case.severity <= row.finding.severity:
        return row
    return replace(row, finding=replace(row.finding, severity=case.severity, facts=case.facts))


def misdirected(request: Request, plan: Plan) -> str:
    """What to say to somebody who released a plan that is not the one waiting."""
    if not request.plan or plan.released:
        return ""
    if plan.held:
        return f"plan {request.plan} was not released: plan {plan.hash} waits now, for an hour"
    return f"plan {request.plan} was not released: no plan waits"


async def tidied(world: World, state: GuardState, report: RunReport) -> GuardState:
    """The guard's state to remember; once a day old rows are removed."""
    last = state.sweeps.get(HOUSEKEEPING)
    if last and abs(report.started - last) < timedelta(days=1):
        return state
    if last:
        await world.ledger.tidy(report.guard, report.started)
    return replace(state, sweeps={**state.sweeps, HOUSEKEEPING: report.started})


def waiting(row: Case | Action, now: datetime) -> timedelta:
    """How long news have waited, as far as their times tell."""
    if isinstance(row, Action):
        return max(now - (row.ended or row.at), timedelta())
    since = {News.OPENED: row.opened, News.DONE: row.closed, News.CLOSED: row.closed}
    return max(now - (since.get(row.news) or now), timedelta())


async def tell(world: World, claim: Claim, report: RunReport) -> RunReport:
    """Send the cards one after another; what each tells is marked told once it was taken.

    A channel that does not answer leaves the rest untold, for the next run. One that refuses a
    card, in whatever words, is still told the others.
    """
    messages = cards(report, world.address)
    if not messages:
        return report
    untold: list[Message] = []
    error = ""
    for number, message in enumerate(messages):
        try:
            rows = await sent(world, claim, message, report)
        except Unfit as refused:
            untold.append(message)
            error = str(refused)
            continue
        except AlertError as failed:
            untold += messages[number:]
            error = str(failed)
            break
        all_told = message is messages[-1] and not untold
        report = replace(report, cards=report.cards + 1, told=True if all_told else report.told)
        await claim.save(*rows, *(kept(report) if all_told else ()))
    if untold:
        left = [row for message in untold for row in told_by(message)]
        log.error("%s: %d news stay untold: %s", report.guard, len(left), error)
        report = replace(
            report,
            told=False,
            error=f"the alert was not taken: {error}",
            waiting=max(waiting(row, world.now()) for row in left),
        )
        await claim.save(*kept(report))
    return report


def kept(report: RunReport) -> tuple[RunReport, ...]:
    """The report, to be remembered: unless nothing was looked at, which is no run."""
    return () if report.status == ATTENDED else (report,)


def told_by(message: Message) -> tuple[Case | Action, ...]:
    """Everything a message tells."""
    return (*message.cases, *message.actions)


async def sent(
    world: World, claim: Claim, message: Message, report: RunReport
) -> tuple[Case | Action, ...]:
    """The rows of a message that was taken, to be written as told. Raises AlertError.

    A card that is refused, too large perhaps, is followed by a plain one.
    """
    await claim.check()
    try:
        await world.alerts.send(message.payload)
    except Unfit as error:
        log.warning("%s: a card was refused, so a plain one goes out: %s", report.guard, error)
        await world.alerts.send(message.plain(report))
    actions = (replace(action, told=True) for action in message.actions)
    return (*told(message.cases, world.now()), *actions)


async def tell_meanwhile(scan: Scan) -> None:
    """Cards while the look goes on, so that nobody waits for the end of a large tenant.

    What is found at the first look is told at its end, as one summary.
    """
    now = scan.world.now()
    since = scan.round.told or scan.report.started
    patience = NEXT_CARD if scan.round.told else FIRST_CARD
    news = [case for case in scan.cases.values() if case.news and scan.owns(case)]
    asked = any(not action.told for action in scan.report.actions)
    if not (news or asked) or now - since < patience or any(case.adopted for case in news):
        return
    report = replace(described(scan), news=tuple(news), status="going on")
    scan.round = replace(scan.round, told=now)
    for message in cards(report, scan.world.address):
        try:
            rows = await sent(scan.world, scan.claim, message, report)
        except AlertError as error:
            log.warning("%s: news wait for the end of the run: %s", report.guard, error)
            return
        await scan.claim.save(*rows, state=scan.state())
        scan.remember((row for row in rows if isinstance(row, Case)), ())
        known = {row.id: row for row in rows if isinstance(row, Action)}
        actions = tuple(known.get(action.id, action) for action in scan.report.actions)
        scan.report = replace(scan.report, cards=scan.report.cards + 1, actions=actions)


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
    except ValueError:
        note = f"this version does not know the change {record.kind}"
        return Outcome(record.case, record.subject, record.kind, ChangeState.MOOT, note)
    if record.kind in forbidden:
        return replace(forbidden[record.kind], case=record.case, subject=record.subject)
    async with claim.acting():
        outcome = await outcome_of(record, lambda: tenant.apply(change))
    if outcome.blocked:
        # The permission is missing for every object: asking again would only repeat the answer.
        forbidden[record.kind] = outcome
    return outcome


async def outcome_of(record: ChangeRecord, attempt: Callable[[], Awaitable[Applied]]) -> Outcome:
    """What the tenant answers to one attempt, as an outcome."""
    result = Outcome(record.case, record.subject, record.kind, ChangeState.APPLIED)
    try:
        applied = await attempt()
    except (Moot, Gone) as error:
        return replace(result, state=ChangeState.MOOT, note=str(error))
    except Refused as error:
        verdict = next((item for item in Verdict if item == error.verdict), Verdict.REFUSED)
        return replace(result, state=ChangeState.REFUSED, note=str(error), verdict=verdict)
    except Forbidden as error:
        missing = f"missing permission: {error.permission}; " if error.permission else ""
        note = f"{missing}{error}"
        return replace(result, state=ChangeState.FAILED, note=note, blocked=True)
    except Unavailable as error:
        begun = dict(error.before or {})
        return replace(result, state=ChangeState.FAILED, note=str(error), before=begun)
    return replace(result, note=applied.note, before=dict(applied.before))
