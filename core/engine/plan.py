"""Plans what to change, once the whole tenant was read and every batch reconciled. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from core.engine.assess import assess_finding, merge_findings, select_changed_cases
from core.engine.brake import PlannedChange, build_brake_finding, decide_brake
from core.engine.case_lifecycle import with_notification
from core.engine.decision_context import DecisionContext
from core.engine.first_look import list_spent_marks
from core.engine.held_plans import (
    find_released_plan,
    follow_plan,
    is_listing_released,
    mark_held_cases,
    split_released_changes,
)
from core.engine.population import (
    count_known_objects,
    is_absence_trusted,
    population_dropped,
    remember_listings,
)
from core.engine.reconcile import (
    BatchResult,
    find_ended_cases,
    infer_applied,
    is_worth_keeping,
)
from core.engine.self_findings import build_shard_findings, find_self_check_findings
from core.keys import PREFIX_LENGTH, hash_parts
from core.model.cases import Case, Notification, parse_planned_changes
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Finding
from core.model.guards import Mode
from core.model.state import GuardSnapshot, GuardState, ScanTotals
from core.tenant.changes import change_to_arguments
from core.tenant.readings import Reading


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does once it has read the whole tenant."""

    result: BatchResult = field(default_factory=BatchResult)
    """The result of the self-check."""
    records: tuple[ChangeRecord, ...] = ()
    """The intents to save before anything is changed."""
    changes_to_apply: tuple[ChangeRecord, ...] = ()
    """The changes to make now."""
    preview: tuple[PlannedChange, ...] = ()
    """The changes that the next run will make."""
    block_reason: str = ""
    """Why the brake holds; empty when it does not."""
    hash: str = ""
    """The hash that releases the plan."""
    released: bool = False
    state: GuardState = field(default_factory=GuardState)


def plan_changes(
    context: DecisionContext, totals: ScanTotals, troubles: Iterable[Finding] = ()
) -> Plan:
    """Decide about the whole tenant, once every batch was reconciled. The `troubles` are told with
    what the self-check finds.
    """
    coverage = Reading[object](
        failures=totals.source_failures,
        sources=totals.sources,
        population=totals.population,
        complete=totals.complete,
    )
    state = context.snapshot.state
    shard_findings = build_shard_findings(context.config, totals.abandoned_shards)
    found = find_self_check_findings(
        context.config, coverage, context.snapshot, context.grants, context.now
    )
    self_findings = merge_findings(context, (*found, *shard_findings, *troubles))
    assessed = {
        key: assess_finding(context, key, item, is_self_check=True)
        for key, item in self_findings.items()
    }

    planned, preview = split_planned_changes(context, totals.ready_case_keys)
    released = find_released_plan(context, get_brake_key(context))
    covered, waiting = split_released_changes(context, planned, released)
    trusted = is_listing_released(released, coverage) or is_absence_trusted(coverage, state)
    dropped = coverage.population if not trusted and population_dropped(coverage, state) else None
    decision = decide_brake(
        context.config,
        coverage,
        context.snapshot if not trusted else forget_population(context.snapshot, coverage),
        waiting,
        context.now,
    )
    is_blocked = bool(decision.reason)
    plan_hash, held_cases = "", mark_held_cases(context, decision.held)
    if is_blocked:
        brake = build_brake_finding(
            context.config,
            decision.reason,
            decision.held,
            dropped,
            is_partial=bool(decision.passed or covered),
        )
        key, plan_hash = get_brake_key(context), brake.plan_hash
        view = assess_finding(context, key, brake, is_self_check=True)
        if view.case:
            case = follow_plan(context, view.case, brake, decision.held, dropped)
            view = replace(view, case=case, changed=case != context.snapshot.cases.get(key))
        assessed[key] = view
    intents = (
        *build_intents(context, covered, context.run_options.plan),
        *build_intents(context, decision.passed),
    )

    ended = list(find_ended_cases(context, assessed, coverage, is_self_check=True))
    if context.is_mode_lowered:
        # A run that may not change anything cannot know whether the plan still waits.
        ended = [case for case in ended if case.kind != "brake"]
    unfinished = [context.snapshot.cases[key] for key in totals.unfinished_case_keys]
    resumed = (
        ()
        if decision.holds_all or context.is_mode_lowered
        else tuple(resume_intents(context, unfinished))
    )
    if decision.holds_all and not context.is_mode_lowered:
        ended += [replace(case, closed_at=context.now) for case in unfinished]
    ended_cases, inferred = infer_applied(context, ended)
    rows = {
        case.key: case
        for case in (
            *held_cases,
            *select_changed_cases(assessed),
            *apply_correlation(with_cases(context, held_cases)),
            *filter(is_worth_keeping, ended_cases),
        )
    }
    result = BatchResult(
        reported_findings=tuple(view.reported_finding for view in assessed.values()),
        cases=tuple(rows.values()),
        cases_to_delete=(
            *(case for case in ended_cases if not is_worth_keeping(case)),
            *(list_spent_marks(context) if totals.complete else ()),
        ),
        records=inferred,
    )
    return Plan(
        result=result,
        records=intents,
        changes_to_apply=(*intents, *resumed),
        preview=preview,
        block_reason=decision.reason,
        hash=plan_hash,
        released=released is not None,
        state=remember_listings(
            build_next_state(state, coverage, totals.unread_count, trusted=trusted), totals
        ),
    )


def plan_look(
    context: DecisionContext, totals: ScanTotals, troubles: Iterable[Finding] = ()
) -> Plan:
    """Decide about what a look at single objects found. Only what it saw follows from it, and the
    `troubles`.

    The brake counts it as a run of a tenant as large as the last full one was. What it holds, and
    what an earlier run holds, waits for the next full run.
    """
    state = context.snapshot.state
    planned, preview = split_planned_changes(context, totals.ready_case_keys)
    free = [one for one in planned if not context.snapshot.cases[one[0]].held_since]
    coverage = Reading[object](sources=totals.sources, population=state.population or 0)
    decision = decide_brake(context.config, coverage, context.snapshot, free, context.now)
    intents = tuple(build_intents(context, decision.passed))
    unfinished = [context.snapshot.cases[key] for key in totals.unfinished_case_keys]
    resumed = (
        ()
        if decision.holds_all or context.is_mode_lowered
        else tuple(resume_intents(context, unfinished))
    )
    assessed = {
        key: assess_finding(context, key, item, is_self_check=True)
        for key, item in merge_findings(context, troubles).items()
    }
    return Plan(
        result=BatchResult(
            reported_findings=tuple(view.reported_finding for view in assessed.values()),
            cases=(*select_changed_cases(assessed), *apply_correlation(context)),
        ),
        records=intents,
        changes_to_apply=(*intents, *resumed),
        preview=preview,
        block_reason=decision.reason,
        state=state,
    )


def split_planned_changes(
    context: DecisionContext, ready_case_keys: Iterable[str]
) -> tuple[list[PlannedChange], tuple[PlannedChange, ...]]:
    """The planned changes of cases: those to make now, and those the next run will make.

    Changes of objects that are read for the first time are only announced.
    """
    now: list[PlannedChange] = []
    later: list[PlannedChange] = []
    for key in ready_case_keys:
        case = context.snapshot.cases.get(key)
        if case is None or case.closed_at or case.deferred_at or context.mode is not Mode.ENFORCE:
            continue
        target = later if context.is_initial_reading(case.sources) else now
        target += [(key, case.subject, change) for change in parse_planned_changes(case)]
    return now, tuple(later)


def get_brake_key(context: DecisionContext) -> str:
    """The key of the brake's only case."""
    return context.get_case_key(build_brake_finding(context.config, "", (), None))


def with_cases(context: DecisionContext, cases: Iterable[Case]) -> DecisionContext:
    """The context with these cases in place of those of the same keys."""
    known = {**context.snapshot.cases, **{case.key: case for case in cases}}
    return replace(context, snapshot=replace(context.snapshot, cases=known))


def forget_population(snapshot: GuardSnapshot, coverage: Reading[object]) -> GuardSnapshot:
    """The snapshot as if the last listing had been as long as this one."""
    return replace(snapshot, state=replace(snapshot.state, population=coverage.population))


def build_intents(
    context: DecisionContext, planned: Sequence[PlannedChange], released_plan: str = ""
) -> Iterator[ChangeRecord]:
    """The changes to make now. Intents of an earlier run are resumed with their own arguments.

    Their arguments hold what that run read; a partially applied change would be planned differently
    now.
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
            released_plan=released_plan,
        )


def resume_intents(context: DecisionContext, cases: Iterable[Case]) -> Iterator[ChangeRecord]:
    """The changes that an earlier run may have applied in part, of cases whose finding is gone."""
    for case in cases:
        yield from (
            replace(record, run=context.run) for record in context.get_intended_changes(case.key)
        )


def apply_correlation(context: DecisionContext) -> Iterator[Case]:
    """Cases whose severity rises, or returns, because of what they share with other objects."""
    rule = context.config.guard.correlation
    if rule is None:
        return
    sharing = [
        case for case in context.snapshot.cases.values() if case.correlations and not case.closed_at
    ]
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for case in sharing:
        for shared in case.correlations:
            if not shared.is_loose:
                owners[shared.key].add(case.object_id)
    for case in sharing:
        worse = any(
            len(owners[shared.key]) >= rule.min_objects
            for shared in case.correlations
            if not shared.is_loose
        )
        if worse and not case.escalated:
            escalated = replace(
                case,
                escalated=True,
                facts=(*case.facts, rule.fact),
                severity=max(case.severity, rule.severity),
            )
            is_more_severe = escalated.severity > case.severity
            yield (
                with_notification(escalated, Notification.CHANGED)
                if is_more_severe and case.notified_at
                else escalated
            )
        elif case.escalated and not worse:
            yield replace(case, escalated=False)


def build_next_state(
    state: GuardState, coverage: Reading[object], unread_count: int, *, trusted: bool
) -> GuardState:
    """The state of the guard after a complete scan."""
    if not coverage.complete:
        return replace(state, scan_pass=None)
    if not trusted:
        waits = not population_dropped(coverage, state)
        return replace(
            state,
            shrunk_population=coverage.population if waits else state.shrunk_population,
            scan_pass=None,
        )
    seen = {source for source in coverage.sources if not coverage.find_source_failure(source)}
    return replace(
        state,
        baselined_sources=state.baselined_sources | seen,
        population=count_known_objects(coverage.population, unread_count, state),
        shrunk_population=None,
        scan_pass=None,
    )
