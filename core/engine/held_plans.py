"""Plans that the brake holds: which changes each names, and which of them a release covers. Pure.

    held ─► each case: held since ─► release of a plan ─► cases held by then, planned as they were

A plan is the set of changes that wait when it is named. A release covers those of them that are
still wanted, whatever else moved meanwhile; what came later waits for a plan of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from core.engine.brake import PlannedChange
from core.engine.case_lifecycle import with_notification
from core.engine.decision_context import RELEASE_WINDOW, DecisionContext
from core.engine.population import SHRUNK_SHARE
from core.model.cases import Case, HeldPlan, Notification
from core.model.findings import Finding
from core.model.guards import Mode
from core.tenant.readings import Reading

# What may still be released is at most an hour old; the rest tells operators what they asked for.
MAX_REMEMBERED_PLANS = 40
PLAN_MEMORY = timedelta(hours=26)


def find_released_plan(context: DecisionContext, brake_key: str) -> HeldPlan | None:
    """The plan that an operator released within the hour, if the brake held it.

    A run that may not change anything can only believe a listing that shrank. The request may come
    from an instance whose clock is ahead.
    """
    request = context.run_options
    case = context.snapshot.cases.get(brake_key)
    if not request.plan or request.at is None or case is None or case.closed_at:
        return None
    if abs(context.now - request.at) > RELEASE_WINDOW:
        return None
    plan = next((plan for plan in case.held_plans if plan.hash == request.plan), None)
    may_release = context.mode is Mode.ENFORCE or (plan and plan.population is not None)
    return plan if may_release else None


def split_released_changes(
    context: DecisionContext, planned: Iterable[PlannedChange], released: HeldPlan | None
) -> tuple[tuple[PlannedChange, ...], tuple[PlannedChange, ...]]:
    """The changes that a released plan covers, and the others."""
    covered: list[PlannedChange] = []
    others: list[PlannedChange] = []
    for one in planned:
        case = context.snapshot.cases.get(one[0])
        is_covered = bool(released and case and case.held_since and case.held_since <= released.at)
        (covered if is_covered else others).append(one)
    return tuple(covered), tuple(others)


def is_listing_released(released: HeldPlan | None, reading: Reading[object]) -> bool:
    """Whether an operator accepted a listing as short as this one."""
    return (
        released is not None
        and released.population is not None
        and reading.population >= (1 - SHRUNK_SHARE) * released.population
    )


def mark_held_cases(context: DecisionContext, held: Iterable[PlannedChange]) -> tuple[Case, ...]:
    """The cases whose changes the brake holds from now on."""
    keys = dict.fromkeys(key for key, _, _ in held)
    cases = (context.snapshot.cases[key] for key in keys if key in context.snapshot.cases)
    return tuple(replace(case, held_since=context.now) for case in cases if not case.held_since)


def follow_plan(
    context: DecisionContext,
    case: Case,
    finding: Finding,
    held: Sequence[PlannedChange],
    population: int | None,
) -> Case:
    """The case of the brake with the plan that waits now.

    It is notified again when twice as much waits as operators were told of.
    """
    cases = (context.snapshot.cases.get(key) for key, _, _ in held)
    at = max(((one and one.held_since) or context.now for one in cases), default=context.now)
    known = [plan for plan in case.held_plans if abs(context.now - plan.at) < PLAN_MEMORY]
    if any(plan.hash == finding.plan_hash and (not held or plan.at >= at) for plan in known):
        return replace(case, plan_hash=finding.plan_hash)
    plan = HeldPlan(finding.plan_hash, at, len(held), population)
    told = [one.change_count for one in known if case.notified_at and one.at <= case.notified_at]
    others = [one for one in known if one.hash != plan.hash]
    case = replace(
        case,
        plan_hash=finding.plan_hash,
        held_plans=(*others, plan)[-MAX_REMEMBERED_PLANS:],
    )
    if told and len(held) >= 2 * max(told):
        return with_notification(case, Notification.CHANGED)
    return case
