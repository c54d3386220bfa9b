"""Reconciles one batch with the stored cases: which open, continue or close. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.engine.assess import (
    FindingAssessment,
    assess_finding,
    merge_findings,
    select_changed_cases,
)
from core.engine.case_lifecycle import with_notification
from core.engine.decision_context import DecisionContext
from core.engine.flapping import note_flapping, split_waiting_cases
from core.engine.open_folds import drop_members, list_members
from core.engine.population import count_listings
from core.engine.self_findings import (
    SELF_CHECK_KINDS,
    find_unreadable_objects,
)
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Finding
from core.model.guards import Mode
from core.model.runs import ReportedFinding
from core.model.state import GuardSnapshot, ScanTotals
from core.tenant.changes import MULTI_STEP_CHANGES
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import Reading

INFERRED_NOTE = "in effect; the run that made it died before it recorded the outcome"


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of reconciling one batch."""

    reported_findings: tuple[ReportedFinding, ...] = ()
    cases: tuple[Case, ...] = ()
    """The cases to save."""
    cases_to_delete: tuple[Case, ...] = ()
    """The cases that closed before any notification: their rows are deleted."""
    records: tuple[ChangeRecord, ...] = ()
    """The changes that were only intended, with their inferred outcome."""
    recalled: tuple[Case, ...] = ()
    """Known cases that are kept in another one, and have no row of their own."""
    unlisted: tuple[Case, ...] = ()
    """The cases whose finding the listing no longer shows, and whose objects are looked at alone
    before they end.
    """
    baselined: bool = False
    unconfirmed_sources: frozenset[str] = frozenset()
    """The sources whose listing is shorter than before, as this batch or an earlier one says."""
    totals: ScanTotals = field(default_factory=ScanTotals)
    """What later batches need to know."""


def reconcile_batch(
    context: DecisionContext,
    batch: Reading[object],
    findings: Iterable[Finding],
    *,
    seen_keys: Collection[str] = (),
    unconfirmed_sources: frozenset[str] = frozenset(),
    trusted: bool = True,
) -> BatchResult:
    """Compare one batch with the stored cases.

    `seen_keys` are the findings of earlier batches of the same scan, `unconfirmed_sources` those
    whose listing is shorter than before, as an earlier batch says. A listing that shrank too much
    is not `trusted`: what it leaves out may still exist. Nor does a shorter listing of
    configuration end a case at the first look, unless a change of the guard's own explains it. And
    where the guard can look at an object alone, no listing ends its cases.
    """
    listings = count_listings(batch, context.snapshot.state)
    unconfirmed = listings.unconfirmed_sources | unconfirmed_sources
    ordinary = merge_findings(context, findings)
    self_findings = merge_findings(context, find_unreadable_objects(batch))
    assessed = {key: assess_finding(context, key, finding) for key, finding in ordinary.items()}
    assessed |= {
        key: assess_finding(context, key, item, is_self_check=True)
        for key, item in self_findings.items()
    }
    is_listing = not isinstance(batch.scope, frozenset)
    believed = trusted or not is_listing
    absent = [
        case
        for case in find_ended_cases(context, assessed, batch)
        if case.key not in seen_keys
        and believed
        and (unconfirmed.isdisjoint(case.sources) or context.get_intended_changes(case.key))
    ]
    covered = [
        fold
        for fold in context.snapshot.cases.values()
        if fold.members
        and believed
        and unconfirmed.isdisjoint(fold.sources)
        and batch.covers(fold.sources, fold.object_id)
    ]
    lacking = [fold for fold in covered if any(list_gone_members(fold, assessed, seen_keys))]
    unlisted = [
        case
        for case in (*absent, *lacking)
        if is_listing and context.config.guard.find_single_look(case.sources)
    ]
    unlisted_keys = {case.key for case in unlisted}
    gone = [case for case in absent if case.key not in unlisted_keys]
    intended_keys = {case.key for case in gone if context.get_intended_changes(case.key)}
    unfinished_keys = {key for key in intended_keys if may_be_partially_applied(context, key)}
    own = [case for case in gone if case.key in intended_keys - unfinished_keys]
    others = [case for case in gone if case.key not in intended_keys]
    assessed = note_flapping(context, assessed, others)
    closing, waiting, telling = split_waiting_cases(context, assessed, others)
    closed, inferred = infer_applied(context, (*own, *closing))
    rows = {
        case.key: case
        for case in (
            *select_changed_cases(assessed),
            *filter(is_worth_keeping, closed),
            *waiting,
            *telling,
        )
    }
    read_folds = [fold.key for fold in covered if fold.key not in unlisted_keys]
    rows |= {
        fold.key: fold for fold in list_changed_folds(context, assessed, read_folds, seen_keys)
    }
    return BatchResult(
        reported_findings=tuple(assessment.reported_finding for assessment in assessed.values()),
        cases=tuple(rows.values()),
        cases_to_delete=tuple(case for case in closed if not is_worth_keeping(case)),
        recalled=tuple(
            view.case
            for key, view in assessed.items()
            if view.case and not view.changed and key not in context.snapshot.cases
        ),
        unlisted=tuple(unlisted),
        records=(
            *inferred,
            *(
                one
                for one in drop_stale_intents(context, assessed)
                if one.case_key not in intended_keys
            ),
        ),
        baselined=any(
            assessment.case.baselined
            for assessment in assessed.values()
            if assessment.case and assessment.is_new
        ),
        unconfirmed_sources=unconfirmed,
        totals=ScanTotals(
            population=batch.population,
            unread_count=len(batch.unread_object_ids),
            sources=batch.sources - frozenset(batch.partial_scopes),
            source_failures=tuple(failure for failure in batch.failures if not failure.object_id),
            doubtful_sources=unconfirmed.union(
                batch.partial_scopes, () if trusted and not batch.lacks_any else batch.sources
            ),
            complete=batch.complete,
            ready_case_keys=tuple(
                key
                for key, assessment in assessed.items()
                if assessment.may_change or assessment.previewed
            ),
            unfinished_case_keys=tuple(sorted(unfinished_keys)),
            untracked_count=sum(assessment.case is None for assessment in assessed.values()),
            listed_counts=listings.trusted,
            shrunk_counts=listings.shrunk,
        ),
    )


def select_changed_traits(
    snapshot: GuardSnapshot, batch: Reading[object]
) -> tuple[KnownTraits, ...]:
    """What a batch adds to the guard's memory of its objects, and has to be saved."""
    return tuple(one for one in batch.known_traits if snapshot.known_traits.get(one.key) != one)


def is_worth_keeping(case: Case) -> bool:
    """Whether the row of a closed case stays: it was or will be notified, or later batches need its
    mark. The reports of the runs name the others.
    """
    return bool(
        case.notified_at or case.card_times or case.notification or case.unread_since_first_look
    )


def find_ended_cases(
    context: DecisionContext,
    assessments: Mapping[str, FindingAssessment],
    batch: Reading[object],
    *,
    is_self_check: bool = False,
) -> Iterator[Case]:
    """Open cases whose finding is gone, as far as the batch covers their objects: those about
    Exoguard itself, or all others.
    """
    for key, case in context.snapshot.cases.items():
        if case.closed_at or case.members or (key in assessments and assessments[key].case):
            continue
        if (case.kind in SELF_CHECK_KINDS) is not is_self_check:
            continue
        if batch.covers(case.sources, case.object_id):
            # The end is reported if the case was, or should have been; an event has no end.
            notification = (
                Notification.CLOSED if case.notified_at or case.notification else Notification.NONE
            )
            notification = case.notification if case.is_one_off else notification
            yield replace(case, closed_at=context.now, resolution="gone", notification=notification)


def list_changed_folds(
    context: DecisionContext,
    assessments: Mapping[str, FindingAssessment],
    covered: Collection[str],
    seen_keys: Collection[str],
) -> Iterator[Case]:
    """Cases that hold others, without those that are over and those with a row of their own again.

    `covered` are those whose object was read in full. They are brought up again like any other.
    """
    moved = {key for key, view in assessments.items() if view.changed and key in context.folded}
    for key in dict.fromkeys((*covered, *(context.folded[one].fold_key for one in moved))):
        fold = context.snapshot.cases[key]
        if fold.closed_at:
            continue
        gone = set(list_gone_members(fold, assessments, seen_keys)) if key in covered else set()
        changed = drop_members(fold, gone, moved, context.now)
        is_due = fold.notified_at and context.has_elapsed(
            fold.notified_at, context.config.reminder_interval
        )
        if is_due and not (changed.notification or changed.acknowledged_at or changed.closed_at):
            changed = with_notification(changed, Notification.REMINDER)
        if changed != fold:
            yield changed


def list_gone_members(
    fold: Case, assessments: Mapping[str, FindingAssessment], seen_keys: Collection[str]
) -> Iterator[str]:
    """The folded cases of which a covered object has no finding any more, or only a note."""
    for member in list_members(fold):
        view = assessments.get(member.key)
        is_noted = view is not None and view.reported_finding.state == "note"
        if member.key not in seen_keys and (view is None or is_noted):
            yield member.key


def infer_applied(
    context: DecisionContext, ended_cases: Sequence[Case]
) -> tuple[list[Case], tuple[ChangeRecord, ...]]:
    """Closed cases, with the intended changes whose run died before it recorded the outcome.

    The tenant shows their effect, so they are recorded as inferred.
    """
    records = tuple(
        replace(record, state=ChangeState.INFERRED, at=context.now, note=INFERRED_NOTE)
        for case in ended_cases
        for record in context.get_intended_changes(case.key)
    )
    done = {record.case_key for record in records}
    return [
        replace(
            case,
            resolution="done",
            notification=Notification.DONE,
            note=INFERRED_NOTE,
            untold_change_at=context.now,
        )
        if case.key in done
        else case
        for case in ended_cases
    ], records


def may_be_partially_applied(context: DecisionContext, key: str) -> bool:
    """Whether an unrecorded change of several writes may lack its second one.

    Any other change is not made again: the object may have been corrected before that run reached
    it.
    """
    kinds = {record.kind for record in context.get_intended_changes(key)}
    return context.config.mode is Mode.ENFORCE and not kinds.isdisjoint(MULTI_STEP_CHANGES)


def drop_stale_intents(
    context: DecisionContext, assessments: Mapping[str, FindingAssessment]
) -> Iterator[ChangeRecord]:
    """Intents of open cases that may no longer be changed.

    A deferred case keeps its intent: half of it may be applied, and only the intent knows the rest.
    """
    for record in context.guard_changes:
        assessment = assessments.get(record.case_key)
        if record.state is not ChangeState.INTENDED or assessment is None or assessment.may_change:
            continue
        # A run restricted to reporting does not drop what another run started.
        if not (context.is_mode_lowered or (assessment.case and assessment.case.deferred_at)):
            yield replace(
                record, state=ChangeState.SUPERSEDED, at=context.now, note="no longer allowed"
            )
