"""One batch against what the guard remembers: which cases open, continue or end. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.engine.assess import (
    FindingAssessment,
    assess_finding,
    merge_findings,
    select_changed_cases,
)
from core.engine.decision_context import DecisionContext
from core.engine.self_findings import (
    SELF_CHECK_KINDS,
    find_unreadable_objects,
)
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Finding
from core.model.guards import Mode
from core.model.runs import ReportedFinding
from core.model.state import ScanTotals
from core.tenant.changes import MULTI_STEP_CHANGES
from core.tenant.readings import Reading

INFERRED_NOTE = "in effect; the run that was to make it ended before it could say so"


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What one part of the look comes to.

    `cases` are the rows to write, `forget` those to delete (never told, and gone), `records` what
    became of changes that were only intended. `tally` is what later parts need of it.
    """

    reported_findings: tuple[ReportedFinding, ...] = ()
    cases: tuple[Case, ...] = ()
    cases_to_delete: tuple[Case, ...] = ()
    records: tuple[ChangeRecord, ...] = ()
    baselined: bool = False
    totals: ScanTotals = field(default_factory=ScanTotals)


def reconcile_batch(
    context: DecisionContext,
    batch: Reading[object],
    findings: Iterable[Finding],
    *,
    seen_keys: Collection[str] = (),
    trusted: bool = True,
) -> BatchResult:
    """Compare what one part shows with what is remembered of it.

    `found` are the keys of what earlier parts of the same look showed. A listing that shrank too
    much is not `trusted`: what it leaves out need not be gone.
    """
    ordinary = merge_findings(context, findings)
    own = merge_findings(context, find_unreadable_objects(batch))
    considered = {key: assess_finding(context, key, finding) for key, finding in ordinary.items()}
    considered |= {
        key: assess_finding(context, key, item, is_self_check=True) for key, item in own.items()
    }
    gone = [
        case
        for case in find_ended_cases(context, considered, batch)
        if case.kind not in SELF_CHECK_KINDS
        and case.key not in seen_keys
        and (trusted or isinstance(batch.scope, frozenset))
    ]
    begun = {case.key for case in gone if context.get_intended_changes(case.key)}
    unfinished = {key for key in begun if may_be_partially_applied(context, key)}
    ended = [case for case in gone if case.key not in unfinished]
    closing, inferred = infer_applied(context, ended)
    return BatchResult(
        reported_findings=tuple(view.reported_finding for view in considered.values()),
        cases=(
            *select_changed_cases(considered),
            *(case for case in closing if case.notified_at or case.notification),
        ),
        cases_to_delete=tuple(
            case for case in closing if not case.notified_at and not case.notification
        ),
        records=(
            *inferred,
            *(one for one in drop_stale_intents(context, considered) if one.case_key not in begun),
        ),
        baselined=any(
            view.case.baselined for view in considered.values() if view.case and view.is_new
        ),
        totals=ScanTotals(
            population=batch.population,
            unread_count=len(batch.unread_object_ids),
            sources=batch.sources - frozenset(batch.partial_scopes),
            source_failures=tuple(miss for miss in batch.failures if not miss.object_id),
            complete=batch.complete,
            ready_case_keys=tuple(
                key for key, view in considered.items() if view.may_change or view.previewed
            ),
            unfinished_case_keys=tuple(sorted(unfinished)),
            untracked_count=sum(view.case is None for view in considered.values()),
        ),
    )


def find_ended_cases(
    context: DecisionContext, assessments: Mapping[str, FindingAssessment], batch: Reading[object]
) -> Iterator[Case]:
    """Open cases whose finding is gone, as far as the part covers them."""
    for key, case in context.snapshot.cases.items():
        if case.closed_at or (key in assessments and assessments[key].case):
            continue
        if batch.covers(case.sources, case.object_id):
            # A case that was told, or should have been, tells its end as well; an event has none.
            news = (
                Notification.CLOSED if case.notified_at or case.notification else Notification.NONE
            )
            news = case.notification if case.is_one_off else news
            yield replace(case, closed_at=context.now, resolution="gone", notification=news)


def infer_applied(
    context: DecisionContext, ended_cases: Sequence[Case]
) -> tuple[list[Case], tuple[ChangeRecord, ...]]:
    """Cases that are gone, with changes whose run died before it could record them.

    The tenant shows their effect, so they are noted as inferred.
    """
    records = tuple(
        replace(record, state=ChangeState.INFERRED, at=context.now, note=INFERRED_NOTE)
        for case in ended_cases
        for record in context.get_intended_changes(case.key)
    )
    done = {record.case_key for record in records}
    return [
        replace(case, resolution="done", notification=Notification.DONE, note=INFERRED_NOTE)
        if case.key in done
        else case
        for case in ended_cases
    ], records


def may_be_partially_applied(context: DecisionContext, key: str) -> bool:
    """True when a change that nobody recorded may lack its second half, though its finding is gone.

    Any other is not made again: the object may have been put right, or changed to something that is
    right as well, before the run that died came to it.
    """
    kinds = {record.kind for record in context.get_intended_changes(key)}
    return context.config.mode is Mode.ENFORCE and not kinds.isdisjoint(MULTI_STEP_CHANGES)


def drop_stale_intents(
    context: DecisionContext, assessments: Mapping[str, FindingAssessment]
) -> Iterator[ChangeRecord]:
    """Intents of cases that are still open and may no longer be changed.

    What is only set aside keeps its intent: half of it may be made, and only it knows the rest.
    """
    for record in context.guard_changes:
        view = assessments.get(record.case_key)
        if record.state is not ChangeState.INTENDED or view is None or view.may_change:
            continue
        # Nor does a look that was to change nothing give up what another run began.
        if not (context.is_mode_lowered or (view.case and view.case.deferred_at)):
            yield replace(
                record, state=ChangeState.SUPERSEDED, at=context.now, note="no longer allowed"
            )
