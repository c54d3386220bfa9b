"""Plans what to change, once the whole tenant was read and every batch reconciled. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from core.engine.assess import assess_finding, merge_findings, select_changed_cases
from core.engine.case_lifecycle import parse_planned_changes, with_notification
from core.engine.decision_context import RELEASE_WINDOW, DecisionContext
from core.engine.reconcile import BatchResult, find_ended_cases, infer_applied
from core.engine.self_findings import (
    SELF_CHECK_KINDS,
    PlannedChange,
    build_brake_finding,
    build_shard_findings,
    find_self_check_findings,
    get_block_reason,
    population_dropped,
)
from core.keys import PREFIX_LENGTH, hash_parts
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Finding
from core.model.guards import Mode
from core.model.state import GuardState, ScanTotals
from core.tenant.changes import change_to_arguments
from core.tenant.readings import Reading


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does once it has looked at everything.

    `records` are the intents to remember before it acts, `act` the changes to make now, `preview`
    those the next run will make. `held` is why the brake holds, `hash` what releases it.
    """

    result: BatchResult = field(default_factory=BatchResult)
    records: tuple[ChangeRecord, ...] = ()
    changes_to_apply: tuple[ChangeRecord, ...] = ()
    preview: tuple[PlannedChange, ...] = ()
    block_reason: str = ""
    hash: str = ""
    released: bool = False
    state: GuardState = field(default_factory=GuardState)


def plan_changes(context: DecisionContext, totals: ScanTotals) -> Plan:
    """Decide about everything that was noted, once all of the tenant was looked at."""
    coverage = Reading[object](
        failures=totals.source_failures,
        sources=totals.sources,
        population=totals.population,
        complete=totals.complete,
    )
    state = context.snapshot.state
    lost = build_shard_findings(context.config, totals.abandoned_shards)
    found = find_self_check_findings(
        context.config, coverage, context.snapshot, context.grants, context.now
    )
    own = merge_findings(context, (*found, *lost))
    considered = {
        key: assess_finding(context, key, item, is_self_check=True) for key, item in own.items()
    }

    wanted, preview = split_planned_changes(context, totals.ready_case_keys)
    reason = get_block_reason(context.config, coverage, context.snapshot, wanted)
    held = build_brake_finding(context.config, coverage, reason, wanted) if reason else None
    released = bool(held and is_plan_released(context, held))
    stopped = held is not None and not released
    if held and not released:
        key = context.get_case_key(held)
        considered[key] = assess_finding(context, key, held, is_self_check=True)
    act = () if stopped else tuple(build_intents(context, wanted))

    trusted = released or not population_dropped(coverage, state)
    ended = [
        case
        for case in find_ended_cases(context, considered, coverage)
        if case.kind in SELF_CHECK_KINDS
    ]
    if context.is_mode_lowered:
        # A look that wants no changes does not tell whether the plan still waits.
        ended = [case for case in ended if case.kind != "brake"]
    begun = [context.snapshot.cases[key] for key in totals.unfinished_case_keys]
    finish = () if stopped or context.is_mode_lowered else tuple(resume_intents(context, begun))
    if stopped and not context.is_mode_lowered:
        ended += [replace(case, closed_at=context.now) for case in begun]
    closing, inferred = infer_applied(context, ended)
    rows = [*select_changed_cases(considered), *apply_correlation(context)]
    rows += [case for case in closing if case.notified_at or case.notification]
    noted = BatchResult(
        reported_findings=tuple(view.reported_finding for view in considered.values()),
        cases=tuple(rows),
        cases_to_delete=tuple(
            case for case in closing if not case.notified_at and not case.notification
        ),
        records=inferred,
    )
    return Plan(
        result=noted,
        records=act,
        changes_to_apply=(*act, *finish),
        preview=preview,
        block_reason=reason if stopped else "",
        hash=held.fingerprint if held and stopped else "",
        released=released,
        state=build_next_state(state, coverage, trusted),
    )


def split_planned_changes(
    context: DecisionContext, ready_case_keys: Iterable[str]
) -> tuple[list[PlannedChange], tuple[PlannedChange, ...]]:
    """The changes cases ask for: those to make now, and those the next run will make.

    What is seen for the first time is only announced.
    """
    now: list[PlannedChange] = []
    later: list[PlannedChange] = []
    for key in ready_case_keys:
        case = context.snapshot.cases.get(key)
        if case is None or case.closed_at or case.deferred_at or context.mode is not Mode.ENFORCE:
            continue
        into = later if context.is_initial_reading(case.sources) else now
        into += [(key, case.subject, change) for change in parse_planned_changes(case)]
    return now, tuple(later)


def is_plan_released(context: DecisionContext, brake_finding: Finding) -> bool:
    """True when a person asked for exactly this plan within the hour, and it was waiting.

    Who wrote down when it was asked for may be another instance, whose clock is ahead of this one.
    """
    request = context.run_options
    case = context.snapshot.cases.get(context.get_case_key(brake_finding))
    return (
        request.plan == brake_finding.fingerprint
        and request.at is not None
        and abs(context.now - request.at) <= RELEASE_WINDOW
        and case is not None
        and case.closed_at is None
    )


def build_intents(
    context: DecisionContext, planned: Sequence[PlannedChange]
) -> Iterator[ChangeRecord]:
    """The changes to make now. What an earlier run intended is taken up as it was intended.

    Its arguments hold what that run saw; a half-made change would be planned differently today.
    """
    resumed: set[str] = set()
    for number, (key, subject, change) in enumerate(planned):
        waiting = context.get_intended_changes(key)
        if waiting:
            if key not in resumed:
                resumed.add(key)
                yield from (replace(record, run=context.run) for record in waiting)
            continue
        yield ChangeRecord(
            id=key[:PREFIX_LENGTH] + hash_parts(context.run, key, number)[PREFIX_LENGTH:],
            case_key=key,
            subject=subject,
            kind=type(change).__name__,
            arguments=change_to_arguments(change),
            state=ChangeState.INTENDED,
            at=context.now,
            run=context.run,
        )


def resume_intents(context: DecisionContext, cases: Iterable[Case]) -> Iterator[ChangeRecord]:
    """Changes an earlier run may have half made, of cases whose finding is gone: made again."""
    for case in cases:
        yield from (
            replace(record, run=context.run) for record in context.get_intended_changes(case.key)
        )


def apply_correlation(context: DecisionContext) -> Iterator[Case]:
    """Open cases that become worse, or stop being so, for what they share with other objects."""
    several = context.config.guard.correlation
    if several is None:
        return
    sharing = [
        case
        for case in context.snapshot.cases.values()
        if case.correlation_keys and not case.closed_at
    ]
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for case in sharing:
        for what in case.correlation_keys:
            owners[what].add(case.object_id)
    for case in sharing:
        worse = any(len(owners[what]) >= several.min_objects for what in case.correlation_keys)
        if worse and not case.escalated:
            graver = replace(
                case,
                escalated=True,
                facts=(*case.facts, several.fact),
                severity=max(case.severity, several.severity),
            )
            grew = graver.severity > case.severity
            yield (
                with_notification(graver, Notification.CHANGED)
                if grew and case.notified_at
                else graver
            )
        elif case.escalated and not worse:
            yield replace(case, escalated=False)


def build_next_state(state: GuardState, coverage: Reading[object], trusted: bool) -> GuardState:
    """What the guard remembers of a look that saw all it could."""
    if not coverage.complete or not trusted:
        return replace(state, scan_pass=None)
    seen = {surface for surface in coverage.sources if not coverage.find_source_failure(surface)}
    return replace(
        state,
        baselined_sources=state.baselined_sources | seen,
        population=coverage.population,
        scan_pass=None,
    )
