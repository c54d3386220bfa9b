"""Requests about accounts, processed under one claim: the plan, its steps, and taking them back.

    claim ─► go on with who is not blocked yet
          ─► orders: plan | carry out | take back, oldest first
          ─► go on with what else is under way ─► evidence | impact, with orders served meanwhile
          ─► look again at synchronised accounts ─► cards
          ─► searches of the audit log ─► the next editions of what was kept

Carrying out (core/containment/steps.py): evidence, for 30 s at most ─► each step, one by one.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from core.containment.completion import complete_bundles
from core.containment.decisions import (
    decide_order,
    decide_release,
    explain_brake,
    with_step,
)
from core.containment.desk import (
    EVIDENCE_PERIOD,
    IMPACT_PERIOD,
    Desk,
    TellContainments,
    do_alone,
    finish,
    make_evidence,
    make_impact,
    read_beside_orders,
    refuse,
)
from core.containment.options import ContainmentOptions
from core.containment.picture import MailboxJudge, read_picture
from core.containment.planning import Plan, plan_containment
from core.containment.rules import RuleEvidence, RuleOrder, find_rule_orders
from core.containment.steps import carry_out, list_steps_to_return, summarize_undo, take_back
from core.errors import LedgerError
from core.keys import format_descending_time, hash_parts
from core.model.containment import (
    BLOCK,
    Containment,
    ContainmentState,
    StepState,
    compute_containment_hash,
)
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot
from core.ports import CONTAINMENT_PARTITION, KEEP_CONTAINMENTS, World
from core.tenant.quoting import quote_text

log = logging.getLogger("exoguard.containment")

ORDERS = frozenset({RequestKind.CONTAIN, RequestKind.UNCONTAIN})
ORDERS_PERIOD = timedelta(days=1)
MAX_STALL_TEXT = 300
RULE_SINCE = "rule-since|"
"""What the name of a check begins with that says since when a rule is on."""


async def process_containments(
    world: World,
    options: ContainmentOptions,
    judge: MailboxJudge,
    run: str,
    tell: TellContainments,
    evidence: RuleEvidence | None = None,
) -> str:
    """Process everything about accounts: "busy", "off" or what was done, in words.

    `tell` tells the channels what is new; `evidence` is what rules are judged by, and without it
    none is.

    Raises LedgerError if the state is unreachable.
    """
    async with world.ledger.claim(CONTAINMENT_PARTITION, run) as claim:
        if claim is None:
            return "busy"
        snapshot = await claim.load()
        stored = await world.ledger.load_containments()
        containments = {one.id: one for one in stored.containments}
        requests = {one.id: one for one in snapshot.operator_requests}
        desk = Desk(
            world,
            claim,
            options,
            judge,
            containments,
            requests,
            serve_orders,
            snapshot.state,
            stored.unreadable_ids,
        )
        desk.log_lines += filter(None, [desk.unreadable_text])
        begun = [one for one in containments.values() if one.is_under_way]
        await go_on_with(desk, [one for one in begun if not one.blocked_at])
        await process_orders(desk)
        await go_on_with(desk, [one for one in begun if one.blocked_at])
        for request in list_open_requests(desk):
            await process_request(desk, request)
        if evidence and options.is_on and options.rules:
            await do_alone(desk, "rules", apply_rules(desk, snapshot, evidence))
        await look_again_at_all(desk)
        await do_alone(desk, "news", tell(desk, snapshot.outbox))
        await do_alone(desk, "what was kept", complete_bundles(desk))
        await do_alone(desk, "what is over", forget_old(desk))
        return "; ".join(desk.log_lines) or "nothing to do"


async def go_on_with(desk: Desk, containments: Iterable[Containment]) -> None:
    """Go on with some containments as they were found, or say why they stand still."""
    for containment in containments:
        if desk.options.acts:
            why = await do_alone(desk, containment.id, go_on(desk, containment))
        else:
            why = f"CONTAINMENT_MODE is {desk.options.mode}, and not enforce"
            desk.log_lines.append(f"{containment.id} stands still: {why}")
        latest = desk.containments[containment.id]
        if latest.is_under_way:
            why = quote_text(why or describe_waiting(latest), MAX_STALL_TEXT)
            if latest.stalled != why:
                await desk.save(replace(latest, stalled=why))


def describe_waiting(containment: Containment) -> str:
    """Which steps got no definite answer, in this tick and in one before."""
    if containment.state is ContainmentState.UNDOING:
        steps = list_steps_to_return(containment)
    else:
        steps = [step for step in containment.steps if step.is_open]
    texts = [f"{step.name} ({step.result})" if step.result else step.name for step in steps]
    return f"no definite answer came to {', '.join(texts)}"


async def look_again_at_all(desk: Desk) -> None:
    """Look again at those that may have been enabled."""
    for containment in list(desk.containments.values()):
        await do_alone(desk, containment.id, look_again(desk, containment))


async def forget_old(desk: Desk) -> None:
    """Delete what is over and past its retention, if there is any."""
    now = desk.world.now()
    times = [one.planned_at for one in desk.containments.values()]
    times += [one.at for one in desk.requests.values()]
    if any(now - at > KEEP_CONTAINMENTS for at in times):
        await desk.world.ledger.purge_containments(now)


async def go_on(desk: Desk, containment: Containment) -> None:
    """Go on with what a process that died, or an answer that did not come, left under way."""
    if containment.state is ContainmentState.RUNNING:
        await carry_out(desk, containment)
    elif containment.state is ContainmentState.UNDOING:
        await take_back(desk, containment)


def list_open_requests(desk: Desk) -> list[OperatorRequest]:
    """The requests that wait for their answer, the oldest first."""
    waiting = [one for one in desk.requests.values() if one.state is RequestState.REQUESTED]
    return sorted(waiting, key=lambda one: (one.at, one.id))


async def serve_orders(desk: Desk) -> None:
    """Process the orders that came while something slow is read: nobody stays unblocked for it."""
    now = desk.world.now()
    try:
        found = await desk.world.ledger.list_requests(CONTAINMENT_PARTITION, now - ORDERS_PERIOD)
    except LedgerError as error:
        log.error("whether somebody is to be contained could not be read: %s", error)
        return
    desk.requests = {one.id: one for one in found} | desk.requests
    await process_orders(desk)


async def process_orders(desk: Desk) -> None:
    """Process the open requests to contain somebody, or to take that back, but for accounts at
    which something is under way.
    """
    for request in list_open_requests(desk):
        busy = {one.account_id for one in desk.containments.values() if one.is_under_way}
        if request.kind in ORDERS and request.subject not in busy:
            await process_request(desk, request)


async def process_request(desk: Desk, request: OperatorRequest) -> None:
    """Process one open request. One that meets a mistake is refused with that."""
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
        why = await do_alone(desk, f"{request.kind} {request.id}", handler(desk, request))
        if why and desk.requests[request.id].state is RequestState.REQUESTED:
            await refuse(desk, request, why)
    log.info("%s %s: %s", request.kind, request.id, desk.requests[request.id].state)


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


# Rules --------------------------------------------------------------------------------------------


async def apply_rules(desk: Desk, snapshot: GuardSnapshot, evidence: RuleEvidence) -> None:
    """Contain the accounts that rules name, within the brake.

    The first time that a rule is on, in alert mode, beyond the brake, and while the record of
    another containment cannot be decoded, the plan is shown instead.
    """
    now, known = desk.world.now(), desk.state.checks_finished_at
    since = {f"{RULE_SINCE}{rule}": rule for rule in desk.options.rules}
    tried = [rule for key, rule in since.items() if key in known]
    new = [rule for key, rule in since.items() if key not in known]
    for rules, is_preview in ((tried, False), (new, True)):
        orders = find_rule_orders(
            evidence, rules, desk.containments.values(), snapshot.exemptions, now
        )
        for order in orders:
            await do_alone(desk, order.rule, apply_rule(desk, order, is_preview=is_preview))
    checks = {key: at for key, at in known.items() if not key.startswith(RULE_SINCE)}
    checks |= {key: known.get(key, now) for key in since}
    await desk.save_checks(checks)


async def apply_rule(desk: Desk, order: RuleOrder, *, is_preview: bool) -> None:
    """Contain one account that a rule names, or show the plan."""
    now = desk.world.now()
    request = OperatorRequest(
        id=f"{format_descending_time(now)}-{hash_parts(order.account_id, order.rule)[:8]}",
        kind=RequestKind.CONTAIN,
        subject=order.account_id,
        requested_by=f"the rule {order.rule}",
        reason=quote_text(order.reason, 500),
        at=now,
    )
    plan = await make_plan(desk, request, order.rule)
    # Somebody may have brought the account back, and its record is among those.
    held = explain_brake(desk.containments.values(), desk.options, now) or desk.unreadable_text
    if plan.refusal or is_preview or held or not desk.options.acts:
        why = held or ("the rule is new: its first plans are shown" if is_preview else "")
        remarks = (*plan.remarks, f"It was not carried out: {why}.") if why else plan.remarks
        await desk.save(replace(plan, remarks=remarks, untold="planned"))
        return
    started = replace(
        plan,
        state=ContainmentState.RUNNING,
        order_id=request.id,
        ordered_by=request.requested_by,
        started_at=now,
    )
    await desk.save(started)
    desk.log_lines.append(f"the rule {order.rule} contains an account")
    await carry_out(desk, started)


def join_clauses(*clauses: str) -> str:
    """Reasons as one, without those that are empty."""
    return "; ".join(filter(None, clauses))


async def process_uncontain(desk: Desk, request: OperatorRequest) -> None:
    """Take back what was done to an account, step by step."""
    if not any(one.undo_id == request.id for one in desk.containments.values()):
        decided = decide_release(request, desk.containments.values(), desk.options)
        if not decided.containments:
            await refuse(desk, request, join_clauses(decided.refusal, desk.unreadable_text))
            return
        await desk.save(*decided.containments)
        for containment in decided.containments:
            await take_back(desk, containment)
    own = [one for one in desk.containments.values() if one.undo_id == request.id]
    await finish(desk, request, summarize_undo(own))


# Evidence and impact ------------------------------------------------------------------------------


async def process_bundle(desk: Desk, request: OperatorRequest) -> None:
    """Read the evidence or the impact of an account, and keep it under the request's id."""
    is_impact = request.kind is RequestKind.IMPACT
    make = make_impact if is_impact else make_evidence
    period = IMPACT_PERIOD if is_impact else EVIDENCE_PERIOD
    since = request.since or desk.world.now() - period
    kept = await read_beside_orders(desk, make(desk.world, request.subject, request.id, since))
    if kept is None:
        await refuse(desk, request, "there is no such account, or it could not be read")
        return
    await desk.save(*kept.rows)
    await finish(desk, request, f"sha256 {kept.bundle.digest}; {kept.bundle.state}")


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
