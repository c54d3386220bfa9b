"""Requests about accounts, processed under one claim: the plan, its steps, and taking them back.

    claim ─► go on with what is under way
          ─► open requests: plan | carry out | take back | evidence | impact
          ─► look again at synchronised accounts ─► cards

Carrying out: evidence, for 30 s at most ─► each step: on record ─► made ─► read back ─► on record.
A step that got no definite answer is tried again, also by later ticks; the other steps never wait
for it. A process that dies leaves a step that is on record as started, and the next one makes it
again: each can be repeated.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from core.containment.decisions import (
    LOOK_AGAIN_AFTER,
    MAX_ATTEMPTS,
    conclude_step,
    conclude_undo,
    decide_order,
    decide_release,
    start_step,
    summarize,
    with_step,
)
from core.containment.desk import (
    EVIDENCE_PERIOD,
    IMPACT_PERIOD,
    Desk,
    EvidenceTask,
    make_evidence,
    make_impact,
)
from core.containment.options import ContainmentOptions
from core.containment.picture import MailboxJudge, read_picture
from core.containment.planning import BLOCK, Plan, plan_containment
from core.errors import NotificationError, Rejected, TenantError, Unavailable
from core.model.cases import Exemption
from core.model.containment import (
    Containment,
    ContainmentState,
    ContainmentStep,
    StepState,
    compute_containment_hash,
)
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.notifications.containment_card import build_containment_card
from core.ports import CONTAINMENT_PARTITION, World
from core.tenant.changes import AppliedChange, Change, parse_change

log = logging.getLogger("exoguard.containment")

PASS_DELAYS = (5.0, 15.0)
"""Seconds between the passes over steps that got no definite answer."""
LATE_EVIDENCE_SECONDS = 120.0
UNDO_EXEMPTION = timedelta(days=30)


async def process_containments(
    world: World, options: ContainmentOptions, judge: MailboxJudge, run: str
) -> str:
    """Process everything about accounts: "busy", "off" or what was done, in words.

    Raises LedgerError if the state is unreachable.
    """
    async with world.ledger.claim(CONTAINMENT_PARTITION, run) as claim:
        if claim is None:
            return "busy"
        snapshot = await claim.load()
        containments = {one.id: one for one in await world.ledger.load_containments()}
        requests = {one.id: one for one in snapshot.operator_requests}
        desk = Desk(world, claim, options, judge, containments, requests)
        for containment in list(containments.values()):
            await go_on(desk, containment)
        for request in sorted(requests.values(), key=lambda one: (one.at, one.id)):
            if desk.requests[request.id].state is RequestState.REQUESTED:
                await process_request(desk, request)
        for containment in list(desk.containments.values()):
            await look_again(desk, containment)
        for containment in list(desk.containments.values()):
            await tell(desk, containment)
        return "; ".join(desk.log_lines) or "nothing to do"


async def go_on(desk: Desk, containment: Containment) -> None:
    """Go on with what a process that died, or an answer that did not come, left under way."""
    if containment.is_under_way and not desk.options.acts:
        desk.log_lines.append(f"{containment.id} stands still: CONTAINMENT_MODE is not enforce")
    elif containment.state is ContainmentState.RUNNING:
        await carry_out(desk, containment)
    elif containment.state is ContainmentState.UNDOING:
        await take_back(desk, containment)


async def process_request(desk: Desk, request: OperatorRequest) -> None:
    """Process one open request."""
    handlers: Mapping[RequestKind, Callable[[Desk, OperatorRequest], Awaitable[None]]] = {
        RequestKind.CONTAIN: process_contain,
        RequestKind.UNCONTAIN: process_uncontain,
        RequestKind.EVIDENCE: process_bundle,
        RequestKind.IMPACT: process_bundle,
    }
    handler = handlers.get(request.kind)
    if handler is None:
        await refuse(desk, request, "this is no request about an account")
    elif not desk.options.is_on:
        await refuse(desk, request, "CONTAINMENT_MODE is off")
    else:
        await handler(desk, request)
    log.info("%s %s: %s", request.kind, request.id, desk.requests[request.id].state)


async def finish(desk: Desk, request: OperatorRequest, note: str, *rows: Containment) -> None:
    """Save that a request is done, with what it led to."""
    now = desk.world.now()
    done = replace(request, state=RequestState.DONE, ended_at=now, note=note)
    desk.log_lines.append(f"{request.kind}: {note}")
    await desk.save(*rows, done)


async def refuse(desk: Desk, request: OperatorRequest, why: str) -> None:
    """Save that a request is refused, and why."""
    now = desk.world.now()
    desk.log_lines.append(f"{request.kind}: refused")
    await desk.save(replace(request, state=RequestState.REFUSED, ended_at=now, note=why))


# Plan ---------------------------------------------------------------------------------------------


async def process_contain(desk: Desk, request: OperatorRequest) -> None:
    """Show the plan for an account, or carry one out."""
    if not request.plan:
        plan = await make_plan(desk, request)
        if plan.refusal:
            now = desk.world.now()
            refused = replace(request, state=RequestState.REFUSED, ended_at=now, note=plan.refusal)
            await desk.save(plan, refused)
        else:
            await finish(desk, request, f"plan {plan.plan_hash}, valid for an hour", plan)
        return
    decided = decide_order(request, desk.containments.values(), desk.options, desk.world.now())
    if decided.containment is None:
        await refuse(desk, request, decided.refusal)
        return
    await desk.save(decided.containment)
    await carry_out(desk, decided.containment)


async def make_plan(desk: Desk, request: OperatorRequest, rule: str = "") -> Containment:
    """The plan for an account as it is now."""
    now = desk.world.now()
    picture = await read_picture(desk.world.tenant, request.subject, desk.judge, now)
    account = picture.account
    if account is None and picture.unread:
        plan = Plan(refusal=f"the account could not be read: {picture.unread[0]}")
    else:
        plan = plan_containment(picture, desk.options, request.steps)
    return Containment(
        id=request.id,
        account_id=request.subject,
        account_name=account.upn if account else "",
        requested_by=request.requested_by,
        reason=request.reason,
        planned_at=now,
        state=ContainmentState.REFUSED if plan.refusal else ContainmentState.PLANNED,
        refusal=plan.refusal,
        steps=plan.steps,
        remarks=plan.remarks,
        unread=picture.unread,
        plan_hash="" if plan.refusal else compute_containment_hash(request.subject, plan.steps),
        rule=rule,
    )


# Carry out ----------------------------------------------------------------------------------------


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
            containment = await keep_evidence(desk, containment, evidence, LATE_EVIDENCE_SECONDS)
    finally:
        if evidence:
            await evidence.cancel()
    await conclude(desk, containment)


async def keep_evidence(
    desk: Desk, containment: Containment, evidence: EvidenceTask, seconds: float
) -> Containment:
    """Keep the evidence if it comes in time."""
    bundle = await evidence.wait(seconds)
    if bundle is None or containment.bundle_digest:
        return containment
    containment = replace(containment, bundle_digest=bundle.digest)
    await desk.save(bundle, containment)
    return containment


async def make_steps(desk: Desk, containment: Containment) -> Containment:
    """Each open step once, then those without a definite answer twice more after a while."""
    for delay in (0.0, *PASS_DELAYS):
        open_steps = [step for step in containment.steps if step.is_open]
        if not open_steps or desk.world.budget_used() >= 1:
            break
        if delay:
            await desk.world.sleep(delay)
        for step in open_steps:
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
    if step.name == BLOCK and concluded.state is StepState.DONE and not containment.blocked_at:
        containment = replace(containment, blocked_at=now)
    await desk.save(containment)
    return containment


def try_parse_change(step: ContainmentStep) -> Change | None:
    """The change of a step; None if another version wrote it."""
    try:
        return parse_change(step.change)
    except ValueError:
        return None


async def attempt(
    desk: Desk, write: Callable[[], Awaitable[AppliedChange]]
) -> AppliedChange | TenantError:
    """One write under the claim: its answer, whatever it is."""
    async with desk.claim.protect_writes():
        try:
            return await write()
        except TenantError as error:
            return error


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


async def process_uncontain(desk: Desk, request: OperatorRequest) -> None:
    """Take a containment back, step by step."""
    decided = decide_release(request, desk.containments.values(), desk.options)
    if decided.containment is None:
        await refuse(desk, request, decided.refusal)
        return
    await desk.save(decided.containment)
    await take_back(desk, decided.containment)


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
            containment, state=ContainmentState.UNDONE, undone_at=now, untold="undone"
        )
        exemption = Exemption.grant(
            containment.account_id,
            containment.undone_by or "unknown",
            f"containment {containment.id} was taken back",
            now + UNDO_EXEMPTION,
            now,
        )
        await desk.claim.save(exemption)
    request = desk.requests.get(containment.undo_id)
    if request and request.state is RequestState.REQUESTED:
        await finish(desk, request, summarize_undo(containment), containment)
    else:
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


def summarize_undo(containment: Containment) -> str:
    """What was taken back, and what was not and why."""
    back = [step.name for step in containment.steps if step.state is StepState.UNDONE]
    parts = [f"taken back: {', '.join(back) or 'nothing'}"]
    kept = [
        f"{step.name} ({step.result})"
        for step in containment.steps
        if step.name in containment.undo_steps and step.state is not StepState.UNDONE
    ]
    parts += [f"not taken back: {'; '.join(kept)}"] if kept else []
    left = [
        step.name
        for step in containment.steps
        if step.state is StepState.DONE
        and step.is_reversible
        and step.name not in containment.undo_steps
    ]
    parts += [f"stays off unless named: {', '.join(left)}"] if left else []
    parts.append("it may take an hour until access returns everywhere")
    return "; ".join(parts) + "."


# Evidence and impact ------------------------------------------------------------------------------


async def process_bundle(desk: Desk, request: OperatorRequest) -> None:
    """Read the evidence or the impact of an account, and keep it under the request's id."""
    is_impact = request.kind is RequestKind.IMPACT
    make = make_impact if is_impact else make_evidence
    period = IMPACT_PERIOD if is_impact else EVIDENCE_PERIOD
    since = request.since or desk.world.now() - period
    bundle = await make(desk.world, request.subject, request.id, since)
    if bundle is None:
        await refuse(desk, request, "there is no such account, or it could not be read")
        return
    await desk.save(bundle)
    await finish(desk, request, f"sha256 {bundle.digest}")


# Afterwards ---------------------------------------------------------------------------------------


async def look_again(desk: Desk, containment: Containment) -> None:
    """See whether a synchronised account is still blocked; block it once more if it is not."""
    at, now = containment.look_again_at, desk.world.now()
    if at is None or now < at or containment.state is not ContainmentState.DONE:
        return
    target = await desk.world.tenant.containment.read_target(containment.account_id)
    if not target.items or target.items[0].enabled is None:
        return
    containment = replace(containment, look_again_at=None)
    step = containment.find_step(BLOCK)
    if step is None or not target.items[0].enabled or not desk.options.acts:
        await desk.save(containment)
        return
    again = with_step(containment, replace(step, state=StepState.PLANNED, attempts=0))
    again = replace(again, state=ContainmentState.RUNNING, untold="enabled")
    await desk.save(again)
    await carry_out(desk, again)


async def tell(desk: Desk, containment: Containment) -> None:
    """Send the card that a containment waits for. It may come twice, and is never lost."""
    if not containment.untold or containment.is_under_way:
        return
    await desk.claim.ensure_held()
    card = build_containment_card(containment, summarize(containment), desk.world.public_url)
    try:
        await desk.world.notification_channel.send(card)
    except NotificationError as error:
        log.error("the channel did not accept the card of a containment: %s", error)
        return
    await desk.save(replace(containment, untold=""))
