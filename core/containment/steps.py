"""Makes the steps of a containment, and takes them back: on record, made, read back, on record.

A step that got no definite answer is tried again, also by later ticks; the other steps never wait
for it. A process that dies leaves a step that is on record as started, and the next one makes it
again: each can be repeated.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from core.containment.decisions import (
    FOUND_SO,
    LOOK_AGAIN_AFTER,
    MAX_ATTEMPTS,
    can_return,
    conclude_step,
    conclude_undo,
    start_step,
    summarize,
    with_step,
)
from core.containment.desk import Desk, EvidenceTask, finish
from core.errors import MISTAKES, Rejected, TenantError, Unavailable, explain_error
from core.microsoft365.powershell import build_enable_on_premises_command
from core.model.cases import Exemption
from core.model.containment import (
    BLOCK,
    SESSIONS,
    Containment,
    ContainmentState,
    ContainmentStep,
    StepState,
)
from core.model.requests import RequestState
from core.tenant.changes import AppliedChange, Change, parse_change

log = logging.getLogger("exoguard.containment")

PASS_DELAYS = (5.0, 15.0)
"""Seconds between the passes over steps that got no definite answer."""
LATE_PAUSES = 24
"""So often evidence that comes late is waited for, some seconds each time: two minutes."""
UNDO_EXEMPTION = timedelta(days=30)


async def carry_out(desk: Desk, containment: Containment) -> None:
    """Make the steps that are not made yet, beside the evidence; then say what came of it."""
    evidence = None if containment.bundle_digest else EvidenceTask.begin(desk.world, containment)
    try:
        if evidence:
            containment = await keep_evidence(
                desk, containment, evidence, desk.options.evidence_seconds
            )
        containment = await make_steps(desk, containment)
        if evidence and not containment.bundle_digest:
            containment = await keep_late_evidence(desk, containment, evidence)
    finally:
        if evidence:
            await evidence.cancel()
    await conclude(desk, containment)


async def keep_evidence(
    desk: Desk, containment: Containment, evidence: EvidenceTask, seconds: float
) -> Containment:
    """Keep the evidence if it comes in time."""
    kept = await evidence.wait(seconds)
    if kept is None or containment.bundle_digest:
        return containment
    containment = replace(containment, bundle_digest=kept.bundle.digest)
    await desk.save(*kept.rows, containment)
    return containment


async def keep_late_evidence(
    desk: Desk, containment: Containment, evidence: EvidenceTask
) -> Containment:
    """Keep the evidence that comes after the steps. Orders do not wait for it."""
    for _ in range(LATE_PAUSES):
        containment = await keep_evidence(desk, containment, evidence, desk.options.orders_pause)
        if evidence.task.done():
            break
        await desk.serve_orders(desk)
    return containment


async def make_steps(desk: Desk, containment: Containment) -> Containment:
    """Each open step once, then those without a definite answer twice more after a while."""
    for delay in (0.0, *PASS_DELAYS):
        if not any(step.is_open for step in containment.steps) or desk.world.budget_used() >= 1:
            break
        if delay:
            await desk.world.sleep(delay)
        for name in [step.name for step in containment.steps]:
            # One step may open another, so each is looked up at its turn.
            step = containment.find_step(name)
            if step and step.is_open:
                containment = await make_step(desk, containment, step)
    return containment


async def make_step(desk: Desk, containment: Containment, step: ContainmentStep) -> Containment:
    """One step: recorded, made, read back, recorded."""
    started = start_step(step, desk.world.now())
    containment = with_step(containment, started)
    await desk.save(containment)
    change = try_parse_change(started)
    if change is None:
        answer: AppliedChange | TenantError = Rejected("this version does not know the change")
    else:
        answer = await attempt(desk, lambda: desk.world.tenant.writer.apply(change))
    now = desk.world.now()
    concluded = conclude_step(started, answer, now)
    containment = with_step(containment, concluded)
    if step.name == BLOCK and concluded.state is StepState.DONE:
        containment = replace(containment, blocked_at=containment.blocked_at or now)
        if concluded.result != FOUND_SO:
            containment = reopen_sessions(containment)
    await desk.save(containment)
    return containment


def reopen_sessions(containment: Containment) -> Containment:
    """The containment after its block was made. Sessions that were told to end before it may have
    begun anew, so they are told once more.
    """
    step = containment.find_step(SESSIONS)
    if step is None or step.state is not StepState.DONE:
        return containment
    return with_step(containment, replace(step, state=StepState.PLANNED, attempts=0))


def try_parse_change(step: ContainmentStep) -> Change | None:
    """The change of a step; None if another version wrote it."""
    try:
        return parse_change(step.change)
    except ValueError:
        return None


async def attempt(
    desk: Desk, write: Callable[[], Awaitable[AppliedChange]]
) -> AppliedChange | TenantError:
    """One write under the claim: its answer, whatever it is. After a mistake nobody knows it."""
    async with desk.claim.protect_writes():
        try:
            return await write()
        except TenantError as error:
            return error
        except MISTAKES as error:
            log.exception("a step of a containment was not made")
            return Unavailable(explain_error(error))


async def conclude(desk: Desk, containment: Containment) -> None:
    """Save where a containment stands. What still has open steps goes on at the next tick."""
    now = desk.world.now()
    is_over = not any(step.is_open for step in containment.steps)
    if is_over:
        containment = replace(
            containment,
            state=ContainmentState.DONE,
            ended_at=now,
            untold=containment.untold or "done",
            stalled="",
            is_stall_told=False,
            look_again_at=now + LOOK_AGAIN_AFTER if is_looked_at_again(containment) else None,
        )
    request = desk.requests.get(containment.order_id)
    if request and request.state is RequestState.REQUESTED:
        await finish(desk, request, summarize(containment), containment)
    elif is_over:
        await desk.save(containment)


def is_looked_at_again(containment: Containment) -> bool:
    """Whether a synchronisation may undo the block. One that was made again is not looked at."""
    step = containment.find_step(BLOCK)
    is_synced = step is not None and bool(step.command)
    return is_synced and containment.blocked_at is not None and containment.untold != "enabled"


# Take back ----------------------------------------------------------------------------------------


async def take_back(desk: Desk, containment: Containment) -> None:
    """Take back each chosen step that is still made, in reverse order: sign-in comes last."""
    for delay in (0.0, *PASS_DELAYS):
        chosen = list_steps_to_return(containment)
        if not chosen or desk.world.budget_used() >= 1:
            break
        if delay:
            await desk.world.sleep(delay)
        for step in chosen:
            containment = await return_step(desk, containment, step)
    now = desk.world.now()
    if not list_steps_to_return(containment):
        containment = replace(
            containment,
            state=ContainmentState.UNDONE,
            undone_at=now,
            untold="undone",
            stalled="",
            is_stall_told=False,
        )
        exemption = Exemption.grant(
            containment.account_id,
            containment.undone_by or "unknown",
            f"containment {containment.id} was taken back",
            now + UNDO_EXEMPTION,
            now,
        )
        await desk.claim.save(exemption)
    await desk.save(containment)


def list_steps_to_return(containment: Containment) -> list[ContainmentStep]:
    """The steps that are still to be taken back, the last one first."""
    return [
        step
        for step in reversed(containment.steps)
        if step.name in containment.undo_steps
        and step.state is StepState.DONE
        and step.attempts < MAX_ATTEMPTS
    ]


async def return_step(desk: Desk, containment: Containment, step: ContainmentStep) -> Containment:
    """Take one step back; only what is temporary is tried again."""
    step = replace(step, attempts=step.attempts + 1)
    containment = with_step(containment, step)
    await desk.save(containment)
    change = try_parse_change(step)
    if change is None:
        answer: AppliedChange | TenantError = Rejected("this version does not know the change")
    else:
        answer = await attempt(desk, lambda: desk.world.tenant.writer.undo(change, step.before))
    concluded = conclude_undo(step, answer, desk.world.now())
    if not isinstance(answer, AppliedChange) and not is_temporary(answer):
        concluded = replace(concluded, attempts=MAX_ATTEMPTS)
    containment = with_step(containment, concluded)
    await desk.save(containment)
    return containment


def is_temporary(error: TenantError) -> bool:
    """Whether another attempt may go otherwise."""
    return isinstance(error, Unavailable)


def describe_other_directory(containment: Containment) -> str:
    """What to do where a synchronised account may have been disabled as well; empty for others."""
    step = containment.find_step(BLOCK)
    if step is None or not step.command or step.state is not StepState.UNDONE:
        return ""
    command = build_enable_on_premises_command(containment.account_name)
    how = f": {command}" if command else ""
    return f"if it was disabled in the directory on premises, enable it there as well{how}"


def summarize_undo(containments: Sequence[Containment]) -> str:
    """What was taken back of one or more containments, and what was not and why."""
    back: list[str] = []
    tried: list[str] = []
    kept: list[str] = []
    left: list[str] = []
    for containment in containments:
        again = {step.name for step in list_steps_to_return(containment)}
        is_under_way = containment.state is ContainmentState.UNDOING
        for step in containment.steps:
            if step.name in containment.undo_steps:
                if step.state is StepState.UNDONE:
                    back.append(step.name)
                else:
                    is_tried = is_under_way and step.name in again
                    (tried if is_tried else kept).append(f"{step.name} ({step.result})")
            elif step.state is StepState.DONE and step.is_reversible and can_return(step):
                left.append(step.name)
    parts = [f"taken back: {', '.join(dict.fromkeys(back)) or 'nothing'}"]
    parts += [f"still being tried: {'; '.join(tried)}"] if tried else []
    parts += [f"not taken back: {'; '.join(kept)}"] if kept else []
    parts += [f"stays off unless named: {', '.join(dict.fromkeys(left))}"] if left else []
    parts.append("it may take an hour until access returns everywhere")
    parts += list(dict.fromkeys(filter(None, map(describe_other_directory, containments))))
    return "; ".join(parts) + "."
