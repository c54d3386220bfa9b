"""The brake: which planned changes wait for an operator, and the finding that names them. Pure."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.engine.decision_context import IN_EFFECT_STATES
from core.engine.population import population_dropped
from core.engine.self_remedies import build_release_remedy
from core.keys import PREFIX_LENGTH
from core.model.changes import ChangeRecord, ChangeState, compute_plan_hash
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import ChangeLimit, Guard, GuardConfig
from core.model.state import GuardSnapshot
from core.tenant.changes import Change, get_joint_target
from core.tenant.readings import Reading

type PlannedChange = tuple[str, str, Change]  # case key, subject, change

MAX_LISTED_SUBJECTS = 20

BUDGET_WINDOW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BrakeDecision:
    """Which of the planned changes the brake holds, and why."""

    reason: str = ""
    """Empty if the brake does not hold."""
    holds_all: bool = False
    """Whether it holds every change of an object that the guard counts."""
    held: tuple[PlannedChange, ...] = ()
    passed: tuple[PlannedChange, ...] = ()


def decide_brake(
    config: GuardConfig,
    reading: Reading[object],
    snapshot: GuardSnapshot,
    planned: Sequence[PlannedChange],
    now: datetime,
) -> BrakeDecision:
    """Hold the changes of objects, those of single objects that have too many, or neither; and the
    standalone changes by themselves.

    Standalone changes concern no object that the guard counts: a switch of the organization, or an
    account. So neither the number of changed objects nor a listing that shrank holds them; they
    have a limit of their own, so that they are not made by the hundred either.
    """
    standalone, counted = split_standalone_changes(config.guard, planned)
    excess = find_excess_cases(config.limit, snapshot, counted, now)
    usual = [one for one in counted if one[0] not in excess]
    reason = get_block_reason(config, reading, snapshot, usual, now)
    excess_reason = describe_excess(config, excess, counted)
    own_reason = get_standalone_block_reason(config, snapshot, standalone)
    held_keys = {key for key, _, _ in counted} if reason else excess
    held = [one for one in counted if one[0] in held_keys] + [*(standalone if own_reason else ())]
    return BrakeDecision(
        "; ".join(filter(None, (reason, excess_reason, own_reason))),
        holds_all=bool(reason),
        held=tuple(held),
        passed=tuple(
            one
            for one in (*counted, *standalone)
            if one[0] not in held_keys and not (own_reason and one in standalone)
        ),
    )


def split_standalone_changes(
    guard: Guard[Any, Any], planned: Sequence[PlannedChange]
) -> tuple[tuple[PlannedChange, ...], tuple[PlannedChange, ...]]:
    """The standalone changes, and those of objects that the guard counts."""
    kinds = guard.standalone_changes
    return (
        tuple(one for one in planned if type(one[2]).__name__ in kinds),
        tuple(one for one in planned if type(one[2]).__name__ not in kinds),
    )


def get_standalone_block_reason(
    config: GuardConfig, snapshot: GuardSnapshot, planned: Sequence[PlannedChange]
) -> str:
    """Why no standalone change may be made now; empty if the brake does not hold them."""
    if planned and snapshot.unreadable_rows:
        return f"{snapshot.unreadable_rows} rows of the state table cannot be decoded"
    fresh = len(select_fresh_changes(snapshot, planned))
    if fresh > config.limit.count:
        return (
            f"{fresh} changes of the organization and of accounts are wanted and a run may make "
            f"{config.limit.count}"
        )
    return ""


def select_fresh_changes(
    snapshot: GuardSnapshot, planned: Iterable[PlannedChange]
) -> list[PlannedChange]:
    """The changes that the brake counts: intents of an earlier run have passed it."""
    passed = {one.case_key for one in snapshot.changes if one.state is ChangeState.INTENDED}
    return [one for one in planned if one[0] not in passed]


def get_owner(case_key: str) -> str:
    """The object that a case is about, as the beginning of the case's key tells it apart."""
    return case_key[:PREFIX_LENGTH]


def list_recent_changes(snapshot: GuardSnapshot, now: datetime) -> list[ChangeRecord]:
    """What guards changed within the budget's time without a release by an operator."""
    return [
        one
        for one in snapshot.changes
        if one.state in IN_EFFECT_STATES
        and not one.undo_of
        and not one.released_plan
        and abs(now - one.at) < BUDGET_WINDOW
    ]


def find_excess_cases(
    limit: ChangeLimit, snapshot: GuardSnapshot, planned: Sequence[PlannedChange], now: datetime
) -> frozenset[str]:
    """The cases whose object has had, or would have, too many changes within a day.

    Who owns a mailbox can make any number of changes of it necessary, by adding rules for instance.
    Such a mailbox must not hold the changes of all others. The gravest cases of an object, and
    among them the oldest, come first.
    """
    made: defaultdict[str, set[str]] = defaultdict(set)
    for record in list_recent_changes(snapshot, now):
        made[get_owner(record.case_key)].add(record.case_key)
    wanted: defaultdict[str, dict[str, tuple[bool, int, datetime]]] = defaultdict(dict)
    for key, _, change in select_fresh_changes(snapshot, planned):
        case = snapshot.cases.get(key)
        rank = (-case.severity, case.opened_at) if case else (0, now)
        # Several changes of one mailbox that are one command count once: they go together.
        wanted[get_owner(key)][key] = (not get_joint_target(change), *rank)
    excess: set[str] = set()
    for owner, ranks in wanted.items():
        joint = sorted(key for key, rank in ranks.items() if not rank[0])
        single = sorted((key for key, rank in ranks.items() if rank[0]), key=ranks.__getitem__)
        room = limit.per_object - len(made[owner] - ranks.keys()) - bool(joint)
        excess.update(single[max(room, 0) :])
    return frozenset(excess)


def describe_excess(
    config: GuardConfig, excess: Collection[str], planned: Sequence[PlannedChange]
) -> str:
    """Why single objects wait, by name; empty if none does."""
    if not excess:
        return ""
    subjects = sorted({subject for key, subject, _ in planned if key in excess})
    more = f" and {len(subjects) - 3} more" if len(subjects) > 3 else ""
    return (
        f"{', '.join(subjects[:3])}{more}: {len(excess)} changes beyond the "
        f"{config.limit.per_object} that are made of one object in a day"
    )


def get_block_reason(
    config: GuardConfig,
    reading: Reading[object],
    snapshot: GuardSnapshot,
    planned: Sequence[PlannedChange],
    now: datetime,
) -> str:
    """Why no object may be changed now; empty if the brake does not hold."""
    if population_dropped(reading, snapshot.state):
        return (
            f"the listing fell from {snapshot.state.population} to {reading.population} "
            f"{config.guard.noun}"
        )
    if not planned:
        return ""
    if snapshot.unreadable_rows:
        # One of them may be an exemption, or the record of a change that was undone.
        return f"{snapshot.unreadable_rows} rows of the state table cannot be decoded"
    if not reading.complete:
        return "the listing is incomplete"
    share = math.ceil(config.limit.percent * reading.population / 100)
    allowed = min(max(config.limit.count, share), config.limit.ceiling)
    fresh = {get_owner(key) for key, _, _ in select_fresh_changes(snapshot, planned)}
    if len(fresh) > allowed:
        return f"{len(fresh)} objects would be changed and a run may change {allowed}"
    recent = {get_owner(one.case_key) for one in list_recent_changes(snapshot, now)}
    budget = allowed * config.limit.runs_per_day
    if fresh and len(recent | fresh) > budget:
        return (
            f"{len(recent | fresh)} objects would be changed within a day and {budget} may be "
            f"without a release"
        )
    return ""


def build_brake_finding(
    config: GuardConfig,
    reason: str,
    held: Sequence[PlannedChange],
    population: int | None,
    *,
    is_partial: bool = False,
) -> Finding:
    """The plan that waits for the release by an operator.

    `population` is that of a listing which shrank too much, None for another reason; `is_partial`:
    other changes pass. One case follows the plan, whatever it comes to hold.
    """
    outcome = "None of these changes was made." if is_partial else "Nothing was changed."
    plan_hash = compute_plan_hash(
        config.guard.name, ((case, change) for case, _, change in held), population
    )
    subjects = sorted({subject for _, subject, _ in held})
    more = len(subjects) - MAX_LISTED_SUBJECTS
    return Finding(
        kind="brake",
        object_id=config.guard.name,
        subject=config.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        summary=f"The brake holds: {reason}. {outcome}",
        facts=(
            Fact("", f"plan {plan_hash}"),
            *(Fact("", f"would change {subject}") for subject in subjects[:MAX_LISTED_SUBJECTS]),
            *((Fact("", f"and {more} more"),) if more > 0 else ()),
        ),
        plan_hash=plan_hash,
        advice="Review the list; release what it names, within an hour, if all of it is meant.",
        steps=build_release_remedy(config.guard.name, plan_hash),
    )
