"""Checks a guard's memory at the start of a run, and marks at its end how far it has come.

    load ─► compare with the mark ─► save the distrust ─► put back what operators decided
    end of the run ─► copy requests to the journal ─► mark

The distrust is saved before anything else: a run that dies in between is followed by one that knows
of it. The mark comes last, so that it is never ahead of a state that was only meant to be saved.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace

from core.engine.memory_loss import distrust, explain_loss, find_lost_rows, trust_again
from core.engine.request_decisions import update_snapshot
from core.errors import LedgerError
from core.model.guards import Mode
from core.model.requests import OperatorRequest
from core.model.state import GuardSnapshot, GuardState, StateMark
from core.ports import Claim, World

log = logging.getLogger("exoguard.run")


async def check_memory(
    world: World, claim: Claim, guard: str, snapshot: GuardSnapshot
) -> GuardSnapshot:
    """The snapshot with what is known against it, and with what operators decided.

    Raises LedgerError if the journal cannot be read.
    """
    mark = await world.ledger.load_mark(guard)
    if mark is None and not snapshot.state.revision:
        await world.ledger.save_mark(guard, StateMark(0, world.now()))
    reason = explain_loss(snapshot, mark)
    if reason:
        log.error("%s: the memory cannot be right: %s", guard, reason)
        state = distrust(snapshot.state, reason, mark, world.now())
        await claim.save(state=state)
        snapshot = replace(snapshot, state=state)
        await world.ledger.save_mark(guard, StateMark(state.revision, world.now()))
    if snapshot.state.distrusted_since is None:
        return snapshot
    requests = await world.ledger.load_request_log(guard)
    if lost := find_lost_rows(snapshot, requests, world.now()):
        log.warning("%s: %d rows were put back from the log of requests", guard, len(lost))
        await claim.save(*lost)
        snapshot = update_snapshot(snapshot, lost)
    return trust_again(snapshot, guard)


def restrict_mode(mode: Mode, state: GuardState) -> Mode:
    """The mode of a run: alert at most, while the guard's memory is not trusted."""
    return mode.restrict_to(Mode.ALERT) if state.distrusted_since else mode


async def mark_state(world: World, guard: str, requests: Iterable[OperatorRequest]) -> None:
    """Mark how far the state has come, and record the results of requests in the journal.

    A mark that stays behind says nothing wrong, so a failure does not fail the run.
    """
    try:
        await world.ledger.log_requests(guard, tuple(requests))
        state = await world.ledger.load_state(guard)
        await world.ledger.save_mark(guard, StateMark(state.revision, world.now()))
    except LedgerError as error:
        log.error("%s: the state was not marked: %s", guard, error)
