"""Tells of guards that no longer look: their runs fail, or do not come to an end.

    every hour ─► the last runs of each guard that is on ─► failed or missed twice ─► case ─► card
    the next scan of the guard that is complete ─► the case ends ─► card

Whatever ends a guard's runs ends what the guard would tell of it, so this does without one: it
takes the guard's claim and saves no more than the case. It is the guard's own case, like any other:
told once, reminded, and told to be over.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from core.engine.assess import assess_finding
from core.engine.attention import select_due_notifications
from core.engine.decision_context import DecisionContext
from core.engine.memory_check import check_memory, mark_state
from core.engine.notify import send_notifications
from core.engine.operator_requests import add_requests_to_report
from core.engine.outbox import Outbox
from core.engine.self_findings import RUNS_FAIL
from core.engine.self_remedies import build_failing_remedy
from core.errors import FAILURES, ExoguardError, explain_error
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardConfig, Mode
from core.model.runs import TOLD_ONLY, RunReport
from core.ncrontab import CronSchedule
from core.ports import World
from core.status.guard_status import DEFAULT_RUN_TIME, RUN_MARGIN
from core.status.run_history import RunSummary, parse_runs
from core.tenant.quoting import quote_text
from core.time_format import format_time

log = logging.getLogger("exoguard.failing")

# One failure may pass by itself; the page of the status shows it at once.
FAILURES_IN_A_ROW = 2
MAX_RUNS = 20
MAX_REASON_LENGTH = 300


async def tell_failing_guards(
    world: World,
    configs: Iterable[GuardConfig],
    run: str,
    run_time: timedelta = DEFAULT_RUN_TIME,
) -> str:
    """Open a case for each guard that no longer looks. Returns their names, or "none".

    `run_time` is how long a run may take. A guard that is busy, or of which nothing can be said,
    waits for the next hour and keeps back no other.
    """
    told: list[str] = []
    for config in configs:
        guard = config.guard.name
        try:
            if config.mode is not Mode.OFF and (
                facts := await find_failure(world, config, run_time)
            ):
                await save_and_tell(world, config, build_failing_finding(config, facts), run)
                told.append(guard)
        except FAILURES as error:
            trace = None if isinstance(error, ExoguardError) else error
            log.error(
                "%s: whether it still looks is not told: %s",
                guard,
                explain_error(error),
                exc_info=trace,
            )
    return ", ".join(told) or "none"


async def find_failure(world: World, config: GuardConfig, run_time: timedelta) -> tuple[Fact, ...]:
    """Since when a guard no longer looks, and why; empty if it does, or never did."""
    now = world.now()
    documents = await world.ledger.list_recent_runs(config.guard.name, MAX_RUNS)
    runs = [one for one in parse_runs(documents, now) if one.has_scanned or one.status == "failed"]
    return explain_failures(runs) or explain_absence(config, runs, now, run_time + RUN_MARGIN)


def explain_failures(runs: Sequence[RunSummary]) -> tuple[Fact, ...]:
    """Since when the runs of a guard fail, newest first, and why; empty if the last ones did not.

    The same for as long as they fail for the same reason.
    """
    failed = runs[: next((at for at, one in enumerate(runs) if one.status != "failed"), len(runs))]
    if len(failed) < FAILURES_IN_A_ROW:
        return ()
    reason = quote_text(failed[0].error or "no reason is on record", MAX_REASON_LENGTH)
    since = () if len(failed) == MAX_RUNS else (Fact("since", format_time(failed[-1].started_at)),)
    return (*since, Fact("", f"its last run failed: {reason}"))


def explain_absence(
    config: GuardConfig, runs: Sequence[RunSummary], now: datetime, grace: timedelta
) -> tuple[Fact, ...]:
    """Since when a guard has not run although it was due twice; empty if it has, or never did.

    `grace` is how long after its time a run may still end.
    """
    if not runs:
        return ()
    schedule, last = CronSchedule.parse(config.schedule), max(one.last_active_at for one in runs)
    due = last
    for _ in range(FAILURES_IN_A_ROW):
        due = schedule.find_next(due)
    if now - due <= grace:
        return ()
    when = format_time(last)
    return (Fact("", f"its last run was on {when}, and those that were due since left no trace"),)


def build_failing_finding(config: GuardConfig, facts: tuple[Fact, ...]) -> Finding:
    """A guard that no longer looks: nothing else it would tell is told."""
    return Finding(
        kind=RUNS_FAIL,
        object_id=config.guard.name,
        subject=config.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title} no longer looks: its runs fail.",
        facts=facts,
        advice="Look at the log of the function with the guard's name. If a new version came "
        "before the first failure, go back to the one before it.",
        steps=build_failing_remedy(config.guard.name),
    )


async def save_and_tell(world: World, config: GuardConfig, finding: Finding, run: str) -> None:
    """Save the case of a guard that no longer looks, and tell what of its cases waits to be told.

    Does nothing while another run holds the guard.
    """
    guard = config.guard.name
    async with world.ledger.claim(guard, run) as claim:
        if claim is None:
            return
        snapshot = await check_memory(world, claim, guard, await claim.load())
        context = DecisionContext(config, config.mode, run, snapshot, world.now())
        key = context.get_case_key(finding)
        view = assess_finding(context, key, finding, is_self_check=True)
        cases = dict(snapshot.cases)
        if view.case and view.changed:
            cases[key] = view.case
            state = replace(snapshot.state, revision=snapshot.state.revision + 1)
            await claim.save(view.case, state=state)
        due = select_due_notifications(cases.values(), world.now())
        report = RunReport(
            guard=guard,
            title=config.guard.title,
            noun=config.guard.noun,
            run=run,
            mode=config.mode,
            started_at=context.now,
            status=TOLD_ONLY,
            # The starting point of a guard is told as a whole, once it is known.
            notifications=tuple(case for case in due if not case.baselined),
            finished_at=world.now(),
        )
        report = add_requests_to_report(report, snapshot)
        report = await send_notifications(world, claim, report, Outbox(dict(snapshot.outbox)))
        await mark_state(world, guard, report.operator_requests)
