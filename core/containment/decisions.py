"""Decides what operators ask of an account's containment, and what an answer makes of a step. Pure.

A plan is carried out once, within the hour, for the account it was made for, and only while the
brake has room. Everything else is refused with the reason.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.containment.options import ContainmentOptions
from core.errors import Forbidden, NotFound, Rejected, Superseded, TenantError, Unavailable
from core.model.containment import (
    PLAN_WINDOW,
    Containment,
    ContainmentState,
    ContainmentStep,
    StepState,
    compute_containment_hash,
)
from core.model.requests import OperatorRequest
from core.tenant.changes import AppliedChange, parse_change
from core.tenant.quoting import quote_text
from core.tenant.reversibility import explain_irreversible

BRAKE_WINDOW = timedelta(hours=1)
MAX_ATTEMPTS = 18
"""How often a step is tried that got no definite answer: three times a tick, for half an hour."""
LOOK_AGAIN_AFTER = timedelta(minutes=45)
"""A synchronisation comes every half hour (Microsoft Learn: Entra Connect Sync scheduler)."""
FOUND_SO = "it was so already: nothing was written"
FOUND_MADE = "in effect; the process that made it could not say so"


@dataclass(frozen=True, slots=True)
class OrderDecision:
    """The containment that an order starts, or why it does not."""

    refusal: str = ""
    containment: Containment | None = None


def decide_order(
    request: OperatorRequest,
    containments: Iterable[Containment],
    options: ContainmentOptions,
    now: datetime,
) -> OrderDecision:
    """Whether the plan that a request names is carried out."""
    known = tuple(containments)
    same = [
        one for one in known if one.plan_hash == request.plan and one.account_id == request.subject
    ]
    if not same:
        return OrderDecision("no plan of this account has that hash: ask for a plan first")
    # An account may be planned for alike more than once; the latest plan is the one shown.
    plan = max(same, key=lambda one: one.planned_at)
    if reason := explain_order_refusal(plan, known, options, now):
        return OrderDecision(reason)
    return OrderDecision(
        containment=replace(
            plan,
            state=ContainmentState.RUNNING,
            order_id=request.id,
            ordered_by=request.requested_by,
            started_at=now,
        )
    )


def explain_order_refusal(
    plan: Containment,
    containments: Collection[Containment],
    options: ContainmentOptions,
    now: datetime,
) -> str:
    """Why a plan is not carried out; empty if it is."""
    if not options.acts:
        return "CONTAINMENT_MODE is not enforce: plans are shown and not carried out"
    if plan.state is not ContainmentState.PLANNED:
        return describe_earlier_order(plan)
    if not timedelta(0) <= now - plan.planned_at <= PLAN_WINDOW:
        return (
            f"the plan is of {plan.planned_at:%H:%M} UTC, and one is valid for an hour: ask for a "
            "new one"
        )
    if compute_containment_hash(plan.account_id, plan.steps) != plan.plan_hash:
        return "the stored plan is not the one that was shown: ask for a new one"
    if {plan.account_id.lower(), plan.account_name.lower()} & options.break_glass:
        return "it is a break-glass account (BREAK_GLASS_ACCOUNTS): only a person may block it"
    other = next(
        (one for one in containments if one.is_under_way and one.account_id == plan.account_id),
        None,
    )
    if other:
        return f"the account is being contained or released since request {other.order_id}"
    return explain_brake(containments, options, now)


def explain_brake(
    containments: Iterable[Containment], options: ContainmentOptions, now: datetime
) -> str:
    """Why the brake holds; empty if it does not. A start in the future counts as well."""
    recent = [one for one in containments if one.started_at and now - one.started_at < BRAKE_WINDOW]
    if len(recent) < options.per_hour:
        return ""
    return (
        f"the brake holds: {len(recent)} accounts were contained within an hour and "
        f"CONTAINMENT_LIMIT allows {options.per_hour}: wait, or raise it"
    )


def describe_earlier_order(plan: Containment) -> str:
    """Why a plan that was used, or refused, is not carried out."""
    if plan.state is ContainmentState.REFUSED:
        return f"the account is not contained: {plan.refusal}"
    when = f" at {plan.started_at:%Y-%m-%d %H:%M} UTC" if plan.started_at else ""
    who = quote_text(plan.ordered_by, 200) if plan.ordered_by else "a rule"
    return f"the plan was carried out already{when}, by {who}"


# Taking back --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReleaseDecision:
    """The containments of an account that are taken back together, or why none is."""

    refusal: str = ""
    containments: tuple[Containment, ...] = ()


def decide_release(
    request: OperatorRequest, containments: Iterable[Containment], options: ContainmentOptions
) -> ReleaseDecision:
    """Whether what was done to an account is taken back, and which steps.

    An account may have been contained more than once: each step is taken back by the containment
    that made it, the latest first.
    """
    if not options.acts:
        return ReleaseDecision("CONTAINMENT_MODE is not enforce: nothing is taken back")
    own = sorted(
        (one for one in containments if one.account_id == request.subject and one.started_at),
        key=lambda one: (one.started_at, one.id),
        reverse=True,
    )
    if not own:
        return ReleaseDecision("Exoguard has not contained this account")
    if any(one.is_under_way for one in own):
        return ReleaseDecision("it is being carried out: wait for its end")
    known = {step.name for one in own for step in one.steps}
    if unknown := [name for name in request.steps if name not in known]:
        listed = ", ".join(quote_text(name, 60) for name in unknown)
        return ReleaseDecision(f"the containment has no step {listed}")
    chosen = [(one, list_steps_to_release(one, request.steps)) for one in own]
    if not any(names for _, names in chosen):
        if nameable := list_nameable(own):
            return ReleaseDecision(f"nothing comes back unasked: name {', '.join(nameable)}")
        reasons = "; ".join(
            f"{step.name}: {explain_step_stays(step)}"
            for step in own[0].steps
            if step.change and explain_step_stays(step)
        )
        return ReleaseDecision(f"nothing of it can be taken back: {reasons or 'no step was made'}")
    return ReleaseDecision(
        containments=tuple(start_release(one, request, names) for one, names in chosen if names)
    )


def list_nameable(containments: Iterable[Containment]) -> list[str]:
    """The steps that are taken back where they are named."""
    found = (step.name for one in containments for step in one.steps if can_return(step))
    return list(dict.fromkeys(found))


def list_steps_to_release(containment: Containment, named: Collection[str]) -> tuple[str, ...]:
    """The steps of a containment that are taken back: those that return unasked, and named ones."""
    return tuple(
        step.name
        for step in containment.steps
        if (step.returns_unasked or step.name in named) and can_return(step)
    )


def start_release(
    containment: Containment, request: OperatorRequest, names: tuple[str, ...]
) -> Containment:
    """The containment as it is recorded before it is taken back."""
    return replace(
        containment,
        state=ContainmentState.UNDOING,
        undo_id=request.id,
        undone_by=request.requested_by,
        undo_steps=names,
        look_again_at=None,
        steps=tuple(
            replace(step, attempts=0) if step.name in names else step for step in containment.steps
        ),
    )


def can_return(step: ContainmentStep) -> bool:
    """Whether a step was made and can be taken back."""
    return step.state is StepState.DONE and not explain_step_stays(step)


def explain_step_stays(step: ContainmentStep) -> str:
    """Why a step of Exoguard's stays as it is; empty if it can be taken back."""
    if step.state is not StepState.DONE:
        return f"it is {step.state}"
    try:
        kind = type(parse_change(step.change)).__name__
    except ValueError:
        return "this version does not know the change"
    return explain_irreversible(kind, step.before)


def describe_unreadable(ids: Collection[str]) -> str:
    """That some containments cannot be decoded, as a clause; empty if all can."""
    if not ids:
        return ""
    if len(ids) == 1:
        return "the row of one containment cannot be decoded, and may be about any account"
    return f"the rows of {len(ids):,} containments cannot be decoded, and may be about any account"


# Steps --------------------------------------------------------------------------------------------


def start_step(step: ContainmentStep, now: datetime) -> ContainmentStep:
    """The step as it is recorded before it is made."""
    return replace(step, state=StepState.STARTED, at=now, attempts=step.attempts + 1)


def conclude_step(
    step: ContainmentStep, answer: AppliedChange | TenantError, now: datetime
) -> ContainmentStep:
    """A step that was started, with the tenant's answer.

    A step whose first attempt got no answer may be found in effect. Then what was there before is
    what the first attempt saw, or else what the plan saw.
    """
    match answer:
        case AppliedChange() if answer.unchanged and step.attempts > 1:
            before = step.before or step.prior or answer.before
            return replace(step, state=StepState.DONE, before=before, result=FOUND_MADE, at=now)
        case AppliedChange():
            note = answer.note or (FOUND_SO if answer.unchanged else "made, and seen to be so")
            return replace(
                step, state=StepState.DONE, before=dict(answer.before), result=note, at=now
            )
        case Superseded() | NotFound():
            return replace(step, state=StepState.GONE, result=describe_error(answer), at=now)
        case Rejected():
            return replace(step, state=StepState.REFUSED, result=describe_error(answer), at=now)
        case Forbidden():
            missing = f"missing permission: {answer.permission}; " if answer.permission else ""
            return replace(
                step, state=StepState.FAILED, result=f"{missing}{describe_error(answer)}", at=now
            )
        case Unavailable():
            state = StepState.FAILED if step.attempts >= MAX_ATTEMPTS else StepState.STARTED
            before = dict(answer.before) if answer.before else step.before
            return replace(step, state=state, before=before, result=describe_error(answer), at=now)
    raise answer


def conclude_undo(
    step: ContainmentStep, answer: AppliedChange | TenantError, now: datetime
) -> ContainmentStep:
    """A step that was to be taken back, with the tenant's answer. What was not stays as it is."""
    if isinstance(answer, AppliedChange):
        note = answer.note or ("it was as before already" if answer.unchanged else "taken back")
        return replace(step, state=StepState.UNDONE, result=note, at=now)
    return replace(step, result=f"not taken back: {describe_error(answer)}", at=now)


def describe_error(error: TenantError) -> str:
    """An error in words, bounded."""
    return quote_text(str(error), 300)


def with_step(containment: Containment, step: ContainmentStep) -> Containment:
    """The containment with one step replaced."""
    steps = tuple(step if one.name == step.name else one for one in containment.steps)
    return replace(containment, steps=steps)


def count_states(steps: Iterable[ContainmentStep]) -> Mapping[StepState, int]:
    """How many steps are in each state."""
    found: dict[StepState, int] = {}
    for step in steps:
        found[step.state] = found.get(step.state, 0) + 1
    return found


def summarize(containment: Containment) -> str:
    """What came of a containment, in a sentence for the request and the card."""
    made = [step for step in containment.steps if step.change]
    counts = count_states(made)
    parts = [f"{counts.get(StepState.DONE, 0)} of {len(made)} steps are made"]
    parts += [
        f"{counts[state]} {text}"
        for state, text in (
            (StepState.STARTED, "are still being tried"),
            (StepState.FAILED, "failed"),
            (StepState.REFUSED, "were refused"),
            (StepState.GONE, "had nothing left to change"),
            (StepState.UNDONE, "were taken back"),
        )
        if counts.get(state)
    ]
    persons = sum(step.state is StepState.FOR_A_PERSON for step in containment.steps)
    parts += [f"{persons} stay for a person"] if persons else []
    if containment.state is ContainmentState.DONE and not containment.bundle_digest:
        parts.append("no evidence was kept: ask for it by itself")
    blocked = containment.blocked_at
    started = containment.started_at
    if blocked and started and containment.state is not ContainmentState.UNDONE:
        seconds = max(0, round((blocked - started).total_seconds()))
        parts.append(f"sign-in was seen to be blocked after {seconds} s")
    return "; ".join(parts) + "."
