"""Taking up what people asked for, under the claim of the guard it concerns.

    ask ─► a row "asked" ─► attend ─► remember ─► restore ─► record ─► told on a card

A row is all it takes: whoever holds the guard next does what is asked, so that a busy guard, a lost
message or a killed worker costs time and loses nothing. While a large tenant is looked at in
shards the rows belong to those who work on them, and what is asked for waits for the end of that
round.
"""

import logging
from dataclasses import replace

from core.engine.finish import log_run, outcome_of, tell
from core.engine.request_decisions import (
    OF_RUNS,
    Answer,
    Remembered,
    answer,
    named,
    restored,
    waiting,
)
from core.errors import Unavailable
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.guards import Duty
from core.model.requests import Action, ActionState
from core.model.runs import ATTENDED, RunReport
from core.model.state import Memory
from core.ports import Claim, World
from core.tenant.changes import change_from_wire

log = logging.getLogger("exoguard.actions")

# How long to wait for a guard that is busy, in seconds, before looking again.
TURN = 5.0


async def attend(world: World, claim: Claim, memory: Memory, run: str) -> Memory:
    """Do what is asked for; the memory as it is afterwards."""
    if memory.state.round and memory.state.round.shards:
        return memory
    for action in waiting(memory):
        if action.deed in OF_RUNS:
            continue
        answered = answer(action, memory, world.now(), run)
        rows = (*answered.rows, answered.action)
        await claim.save(*rows)
        memory = remembered(memory, rows)
        if answered.intent:
            ended, rows = await taken_back(world, claim, answered)
            await claim.save(*rows)
            memory = remembered(memory, rows)
            answered = replace(answered, action=ended)
        log.info("%s %s: %s", action.deed, action.id, answered.action.state)
    return memory


async def taken_back(
    world: World, claim: Claim, answered: Answer
) -> tuple[Action, tuple[Remembered, ...]]:
    """Restore what was there before a change; what came of it."""
    intent, original = answered.intent, answered.original
    if intent is None or original is None:
        raise ValueError("nothing is to be restored")
    change = change_from_wire(original.kind, original.arguments)
    async with claim.acting():
        outcome = await outcome_of(intent, lambda: world.tenant.restore(change, original.before))
    return restored(answered, outcome, world.now())


def remembered(memory: Memory, rows: tuple[Remembered, ...]) -> Memory:
    """The memory with these rows in place of what they were."""
    cases = {row.key: row for row in rows if isinstance(row, Case)}
    changes = {row.id: row for row in rows if isinstance(row, ChangeRecord)}
    exemptions = {row.subject: row for row in rows if isinstance(row, Exemption)}
    actions = {row.id: row for row in rows if isinstance(row, Action)}
    old_changes = {record.id: record for record in memory.changes}
    old_actions = {action.id: action for action in memory.actions}
    return replace(
        memory,
        cases={**memory.cases, **cases},
        changes=tuple(
            sorted({**old_changes, **changes}.values(), key=lambda record: record.at, reverse=True)
        ),
        exemptions={**memory.exemptions, **exemptions},
        actions=tuple(sorted({**old_actions, **actions}.values(), key=lambda action: action.id)),
    )


def untold(memory: Memory) -> tuple[Action, ...]:
    """What was answered and nobody was told of, oldest first."""
    return tuple(
        action
        for action in reversed(memory.actions)
        if action.state is not ActionState.ASKED and not action.told
    )


def with_actions(report: RunReport, memory: Memory) -> RunReport:
    """The report with what it has to tell of what people asked for."""
    actions = untold(memory)
    return replace(report, actions=actions, names=named(memory, actions))


async def serve(duty: Duty, world: World, run: str) -> RunReport:
    """Do what is asked of one guard and tell it, without a look at the tenant.

    Waits for its turn while a run holds the guard. Raises Unavailable when that takes too long: the
    queue tries again, and the next run does it in any case.
    """
    report = RunReport(
        guard=duty.guard.name,
        title=duty.guard.title,
        noun=duty.guard.noun,
        run=run,
        mode=duty.mode,
        started=world.now(),
        status=ATTENDED,
    )
    while True:
        async with world.ledger.claim(duty.guard.name, run) as claim:
            if claim:
                memory = await attend(world, claim, await claim.recall(), run)
                report = replace(with_actions(report, memory), finished=world.now())
                report = await tell(world, claim, report)
                log_run(report)
                return report
        if world.spent() >= 1:
            raise Unavailable(
                f"{duty.guard.name} is busy: what is asked for waits for its next run"
            )
        await world.pause(TURN)
