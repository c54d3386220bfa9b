"""The brake: which planned changes wait for an operator, and the finding that names them. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.engine.population import population_dropped
from core.model.changes import ChangeState, compute_plan_hash
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import Guard, GuardConfig
from core.model.state import GuardSnapshot
from core.tenant.changes import Change, get_joint_target
from core.tenant.readings import Reading

type PlannedChange = tuple[str, str, Change]  # case key, subject, change

MAX_LISTED_SUBJECTS = 20


@dataclass(frozen=True, slots=True)
class BrakeDecision:
    """Which of the planned changes the brake holds, and why."""

    reason: str = ""
    """Empty if the brake does not hold."""
    held: tuple[PlannedChange, ...] = ()
    passed: tuple[PlannedChange, ...] = ()


def decide_brake(
    config: GuardConfig,
    reading: Reading[object],
    snapshot: GuardSnapshot,
    planned: Sequence[PlannedChange],
) -> BrakeDecision:
    """Hold the changes of objects, the standalone changes, both or none.

    Standalone changes concern no object that the guard counts: a switch of the organization, or an
    account. So neither the number of changed objects nor a listing that shrank holds them; they
    have a limit of their own, so that they are not made by the hundred either.
    """
    standalone, counted = split_standalone_changes(config.guard, planned)
    reason = get_block_reason(config, reading, snapshot, counted)
    own_reason = get_standalone_block_reason(config, snapshot, standalone)
    return BrakeDecision(
        reason or own_reason,
        held=(*(counted if reason else ()), *(standalone if own_reason else ())),
        passed=(*(() if reason else counted), *(() if own_reason else standalone)),
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
    fresh = count_fresh_changes(snapshot, planned)
    if fresh > config.limit.count:
        return (
            f"{fresh} changes of the organization and of accounts are wanted and a run may make "
            f"{config.limit.count}"
        )
    return ""


def count_fresh_changes(snapshot: GuardSnapshot, planned: Sequence[PlannedChange]) -> int:
    """How many changes the brake counts. Those that are made of one mailbox together count once.

    Intents of an earlier run have passed the brake, so they do not count.
    """
    passed = {one.case_key for one in snapshot.changes if one.state is ChangeState.INTENDED}
    fresh = [change for case, _, change in planned if case not in passed]
    joint = {target for change in fresh if (target := get_joint_target(change))}
    return len(joint) + sum(not get_joint_target(change) for change in fresh)


def get_block_reason(
    config: GuardConfig,
    reading: Reading[object],
    snapshot: GuardSnapshot,
    planned: Sequence[PlannedChange],
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
    fresh = count_fresh_changes(snapshot, planned)
    if fresh > allowed:
        return f"{fresh} changes are wanted and a run may make {allowed}"
    return ""


def build_brake_finding(
    config: GuardConfig,
    reading: Reading[object],
    reason: str,
    planned: Sequence[PlannedChange],
    *,
    is_partial: bool = False,
) -> Finding:
    """The plan that waits for the release by an operator; `is_partial`: other changes pass."""
    outcome = "None of these changes was made." if is_partial else "Nothing was changed."
    name = compute_plan_hash(
        config.guard.name, ((case, change) for case, _, change in planned), reading.population
    )
    subjects = sorted({subject for _, subject, _ in planned})
    more = len(subjects) - MAX_LISTED_SUBJECTS
    return Finding(
        kind="brake",
        object_id=config.guard.name,
        subject=config.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        summary=f"The brake holds: {reason}. {outcome}",
        facts=(
            Fact("", f"plan {name}"),
            *(Fact("", f"would change {subject}") for subject in subjects[:MAX_LISTED_SUBJECTS]),
            *((Fact("", f"and {more} more"),) if more > 0 else ()),
        ),
        fingerprint=name,
        plan_hash=name,
        advice=(
            f"Review the list; to release exactly this plan once, within an hour: "
            f"python -m core.cli release {config.guard.name} {name}"
        ),
    )
