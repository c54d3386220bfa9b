"""Processes the requests of operators, under the claim of the guard they are about.

    request row "requested" ─► decide ─► save ─► undo, if requested ─► save the outcome ─► notify

The row is enough: the next holder of the guard's claim processes it, so a busy guard, a lost
message or a killed worker costs time and loses nothing. While a large tenant is scanned in shards,
the rows belong to the workers, and requests wait for the end of the pass.
"""

import logging
from dataclasses import replace

from core.engine.apply import capture_outcome
from core.engine.memory_check import check_memory, mark_state
from core.engine.notify import send_notifications
from core.engine.outbox import Outbox
from core.engine.request_decisions import (
    RUN_REQUEST_KINDS,
    RequestResult,
    RequestRow,
    decide_request,
    get_subject_names,
    list_open_requests,
    record_undo,
    refuse_request,
    update_snapshot,
)
from core.engine.run_report import log_run
from core.errors import MISTAKES, Unavailable, explain_error
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.runs import REQUESTS_ONLY, RunReport
from core.model.state import GuardSnapshot
from core.ports import Claim, World
from core.tenant.changes import build_change

log = logging.getLogger("exoguard.requests")

# Seconds between two attempts to claim a busy guard.
CLAIM_RETRY_DELAY = 5.0


async def process_requests(
    world: World, claim: Claim, snapshot: GuardSnapshot, run: str
) -> GuardSnapshot:
    """Process the open requests; returns the snapshot as it is afterwards.

    One that a mistake keeps from being processed is refused, and keeps back neither another one nor
    the run.
    """
    if snapshot.state.scan_pass and snapshot.state.scan_pass.shard_count:
        return snapshot
    for operator_request in list_open_requests(snapshot):
        if operator_request.kind in RUN_REQUEST_KINDS:
            continue
        try:
            snapshot = await process_request(world, claim, snapshot, operator_request, run)
        except MISTAKES as error:
            log.exception("%s %s: refused", operator_request.kind, operator_request.id)
            ended = refuse_request(operator_request, world.now(), explain_error(error))
            await claim.save(ended)
            snapshot = update_snapshot(snapshot, (ended,))
    return snapshot


async def process_request(
    world: World, claim: Claim, snapshot: GuardSnapshot, operator_request: OperatorRequest, run: str
) -> GuardSnapshot:
    """Process one open request; returns the snapshot as it is afterwards."""
    if operator_request.kind is RequestKind.UNDO:
        snapshot = await recall_change(claim, snapshot, operator_request.subject)
    decided = decide_request(operator_request, snapshot, world.now(), run)
    rows = (*decided.rows, decided.request)
    await claim.save(*rows)
    snapshot = update_snapshot(snapshot, rows)
    if decided.intent:
        ended, rows = await undo_requested_change(world, claim, decided)
        await claim.save(*rows)
        snapshot = update_snapshot(snapshot, rows)
        decided = replace(decided, request=ended)
    log.info("%s %s: %s", operator_request.kind, operator_request.id, decided.request.state)
    return snapshot


async def recall_change(claim: Claim, snapshot: GuardSnapshot, change_id: str) -> GuardSnapshot:
    """The snapshot with a change that may be archived.

    It stays apart until it is saved as a row again: nothing may archive a row that is not there.
    """
    if any(record.id == change_id for record in (*snapshot.changes, *snapshot.past_changes)):
        return snapshot
    record = await claim.find_past_change(change_id)
    return replace(snapshot, past_changes=(*snapshot.past_changes, record)) if record else snapshot


async def undo_requested_change(
    world: World, claim: Claim, result: RequestResult
) -> tuple[OperatorRequest, tuple[RequestRow, ...]]:
    """Undo a change; returns the request and the rows to save."""
    intent, original = result.intent, result.original
    if intent is None or original is None:
        raise ValueError("the result has no change to undo")
    change = build_change(original.kind, original.arguments)
    async with claim.protect_writes():
        outcome = await capture_outcome(
            intent, lambda: world.tenant.writer.undo(change, original.before)
        )
    return record_undo(result, outcome, world.now())


def list_undelivered_requests(snapshot: GuardSnapshot) -> tuple[OperatorRequest, ...]:
    """The requests with a result that no message reported yet, oldest first."""
    return tuple(
        operator_request
        for operator_request in reversed(snapshot.operator_requests)
        if operator_request.state is not RequestState.REQUESTED and not operator_request.notified
    )


def add_requests_to_report(report: RunReport, snapshot: GuardSnapshot) -> RunReport:
    """The report with the requests whose results are to be reported."""
    operator_requests = list_undelivered_requests(snapshot)
    return replace(
        report,
        operator_requests=operator_requests,
        subject_names=get_subject_names(snapshot, operator_requests),
    )


async def run_requests_only(config: GuardConfig, world: World, run: str) -> RunReport:
    """Process the requests of one guard and report their results, without a scan.

    Waits while a run holds the guard. Raises Unavailable if that takes too long: the queue tries
    again, and the next run processes the requests in any case.
    """
    report = RunReport(
        guard=config.guard.name,
        title=config.guard.title,
        noun=config.guard.noun,
        run=run,
        mode=config.mode,
        started_at=world.now(),
        status=REQUESTS_ONLY,
    )
    while True:
        async with world.ledger.claim(config.guard.name, run) as claim:
            if claim:
                snapshot = await check_memory(world, claim, config.guard.name, await claim.load())
                snapshot = await process_requests(world, claim, snapshot, run)
                state = replace(snapshot.state, revision=snapshot.state.revision + 1)
                await claim.save(state=state)
                report = replace(add_requests_to_report(report, snapshot), finished_at=world.now())
                report = await send_notifications(
                    world, claim, report, Outbox(dict(snapshot.outbox))
                )
                await mark_state(world, config.guard.name, report.operator_requests)
                log_run(report)
                return report
        if world.budget_used() >= 1:
            raise Unavailable(f"{config.guard.name} is busy: its requests wait for its next run")
        await world.sleep(CLAIM_RETRY_DELAY)
