"""What to do about findings: pure, and the same for every guard.

    a part was looked at + memory ─► note     ─► cases to remember, what may be changed for them
    all parts were looked at      ─► settle   ─► changes to make, or the brake; the guard's state
    outcomes                      ─► conclude ─► the same cases and records, with what came of them
    a card was sent               ─► told     ─► the same cases, told

Nothing here does I/O, so every promise of the engine can be tested as a table: told once, reminded,
told when closed; alert mode never writes; the brake; first run; contested; exemptions.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.engine.self_findings import (
    SELF_CHECK_KINDS,
    UNAUTHORIZED_EXEMPTION,
    PlannedChange,
    build_brake_finding,
    build_shard_findings,
    find_self_check_findings,
    find_unreadable_objects,
    get_block_reason,
    population_dropped,
)
from core.engine.truncation import truncate_finding, truncate_record
from core.keys import PREFIX_LENGTH, hash_parts
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import GuardConfig, Mode
from core.model.requests import RunOptions
from core.model.runs import ReportedFinding
from core.model.state import GuardSnapshot, GuardState, ScanTotals
from core.tenant.changes import MULTI_STEP_CHANGES, Change, change_to_arguments, parse_change
from core.tenant.port import GrantedPermissions
from core.tenant.readings import Reading

# What we changed and somebody changed back this often, within this time, is theirs to decide.
FLAP_COUNT = 2
CONTEST_WINDOW = timedelta(days=7)
MAX_CHANGE_ATTEMPTS = 3
RELEASE_WINDOW = timedelta(hours=1)
INFERRED_NOTE = "in effect; the run that was to make it ended before it could say so"
IN_EFFECT_STATES = (ChangeState.APPLIED, ChangeState.INFERRED)


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """All that is decided by, besides what was seen. `memory` is as far as the run has come."""

    config: GuardConfig
    mode: Mode
    run: str
    snapshot: GuardSnapshot
    now: datetime
    grants: GrantedPermissions = field(default_factory=GrantedPermissions)
    run_options: RunOptions = field(default_factory=RunOptions)

    @property
    def guard_changes(self) -> Iterator[ChangeRecord]:
        """The changes guards asked for; what a person took back is that person's."""
        return (record for record in self.snapshot.changes if not record.undo_of)

    def get_applied_changes(self, case_key: str) -> list[ChangeRecord]:
        """The changes made for a case within the contest window, and not taken back by a person."""
        return [
            record
            for record in self.guard_changes
            if record.case_key == case_key
            and record.state in IN_EFFECT_STATES
            and not record.undone_at
            and self.now - record.at < CONTEST_WINDOW
        ]

    def get_intended_changes(self, case_key: str) -> list[ChangeRecord]:
        """The changes intended for a case whose outcome was never recorded."""
        return [
            record
            for record in self.guard_changes
            if record.case_key == case_key and record.state is ChangeState.INTENDED
        ]

    def get_case_key(self, finding: Finding) -> str:
        """The key of a finding's case.

        Where its row is another version's, which stays as it is, the finding has a row beside it:
        without one it would be told at every run, or at none.
        """
        key = finding.compute_key(self.config.guard.name)
        return (
            key[:PREFIX_LENGTH] + hash_parts("beside", key)[PREFIX_LENGTH:]
            if key in self.snapshot.unreadable_keys
            else key
        )

    def has_elapsed(self, since: datetime, span: timedelta) -> bool:
        """True when so much time has passed, or when the moment lies so far ahead that the clock
        was wrong which told it: otherwise all would stand still until that day.
        """
        return abs(self.now - since) >= span

    @property
    def is_mode_lowered(self) -> bool:
        """True when somebody asked an enforcing guard to look and not to change."""
        return self.mode is not Mode.ENFORCE and self.config.mode is Mode.ENFORCE

    def get_exempt_until(self, key: str, finding: Finding, is_self_check: bool) -> datetime | None:
        """Until when somebody decided that this is right as it is.

        The engine's own findings are about no object, so only their case can be exempt; that an
        exemption was forged is not silenced by another.
        """
        if finding.kind == UNAUTHORIZED_EXEMPTION:
            return None
        for subject in (key,) if is_self_check else (key, finding.object_id):
            exemption = self.snapshot.exemptions.get(subject)
            if exemption and exemption.until > self.now:
                return exemption.until
        return None

    def is_initial_reading(self, sources: Collection[str]) -> bool:
        """True when one of the surfaces is read for the first time."""
        return not self.snapshot.state.baselined_sources.issuperset(sources)


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


@dataclass(frozen=True, slots=True)
class FindingAssessment:
    """One finding considered: its case if it has one, whether its row changed, what is allowed."""

    reported_finding: ReportedFinding
    case: Case | None = None
    changed: bool = False
    is_new: bool = False
    may_change: bool = False
    previewed: bool = False


# ----------------------------------------------------------------------------------------------
# One part
# ----------------------------------------------------------------------------------------------


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


def select_changed_cases(assessments: Mapping[str, FindingAssessment]) -> Iterator[Case]:
    """The cases that have to be written."""
    yield from (view.case for view in assessments.values() if view.case and view.changed)


# ----------------------------------------------------------------------------------------------
# The whole
# ----------------------------------------------------------------------------------------------


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


def may_be_partially_applied(context: DecisionContext, key: str) -> bool:
    """True when a change that nobody recorded may lack its second half, though its finding is gone.

    Any other is not made again: the object may have been put right, or changed to something that is
    right as well, before the run that died came to it.
    """
    kinds = {record.kind for record in context.get_intended_changes(key)}
    return context.config.mode is Mode.ENFORCE and not kinds.isdisjoint(MULTI_STEP_CHANGES)


def resume_intents(context: DecisionContext, cases: Iterable[Case]) -> Iterator[ChangeRecord]:
    """Changes an earlier run may have half made, of cases whose finding is gone: made again."""
    for case in cases:
        yield from (
            replace(record, run=context.run) for record in context.get_intended_changes(case.key)
        )


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


# ----------------------------------------------------------------------------------------------
# One finding
# ----------------------------------------------------------------------------------------------


def merge_findings(context: DecisionContext, findings: Iterable[Finding]) -> dict[str, Finding]:
    """Findings by key; those of one key become one, the gravest, with the changes of all."""
    result: dict[str, Finding] = {}
    for finding in findings:
        key = context.get_case_key(finding)
        other = result.get(key)
        if other:
            first, second = (
                (finding, other) if finding.severity > other.severity else (other, finding)
            )
            finding = replace(
                first,
                changes=tuple(dict.fromkeys(first.changes + second.changes)),
                facts=tuple(dict.fromkeys(first.facts + second.facts)),
                correlation_keys=tuple(
                    dict.fromkeys(first.correlation_keys + second.correlation_keys)
                ),
            )
        result[key] = finding
    return result


def assess_finding(
    context: DecisionContext, key: str, finding: Finding, is_self_check: bool = False
) -> FindingAssessment:
    """What one finding means, given what is remembered of it."""
    finding, duty = truncate_finding(finding), context.config
    old = context.snapshot.cases.get(key)
    if finding.severity is Severity.INFO:
        return FindingAssessment(ReportedFinding(key, finding, "note", finding.verdict))
    until = context.get_exempt_until(key, finding, is_self_check)
    if until:
        return close_as_exempt(context, key, finding, old, until)
    made = context.get_applied_changes(key)
    if (
        old
        and old.closed_at
        and made
        and not context.has_elapsed(made[0].at, duty.guard.settling_time)
    ):
        return FindingAssessment(ReportedFinding(key, finding, "settling", old.verdict), old)
    before = old
    if old and finding.confirmations_needed and old.notification is Notification.CLOSED:
        # Nobody heard that it had ended, and it has not: told anew only later, if ever, it would
        # stay open for whoever heard of it.
        old = replace(old, closed_at=None, resolution="", notification=Notification.NONE)
    known = old is not None and old.closed_at is None
    case = (
        update_case(context, old, finding)
        if known and old
        else open_case(context, key, finding, is_self_check)
    )
    if len(made) >= FLAP_COUNT and finding.changes and not case.deferred_at:
        case = defer_case(case, Verdict.CONTESTED, context.now)
    adopting = context.is_initial_reading(finding.sources)
    ready = context.mode is Mode.ENFORCE and bool(finding.changes) and not case.deferred_at
    state = "known" if known else "waiting" if not case.notification else "new"
    return FindingAssessment(
        ReportedFinding(
            key, finding, "adopted" if case.baselined and not known else state, case.verdict
        ),
        case,
        changed=case != before,
        is_new=not known,
        may_change=ready and not adopting,
        previewed=ready and adopting,
    )


def close_as_exempt(
    context: DecisionContext, key: str, finding: Finding, old: Case | None, until: datetime
) -> FindingAssessment:
    """A finding somebody answered for: shown, not told, not changed; its case ends quietly."""
    reported = ReportedFinding(key, finding, "exempt", finding.verdict, until)
    if old is None or old.closed_at:
        return FindingAssessment(reported)
    ended = replace(old, closed_at=context.now, resolution="exempt", notification=Notification.NONE)
    return FindingAssessment(reported, ended, changed=True)


def open_case(context: DecisionContext, key: str, finding: Finding, is_self_check: bool) -> Case:
    """The case of a finding nobody knew, or of one that had ended."""
    return Case(
        key=key,
        kind=finding.kind,
        object_id=finding.object_id,
        subject=finding.subject,
        severity=finding.severity,
        guard_verdict=finding.verdict,
        verdict=finding.verdict,
        summary=finding.summary,
        opened_at=context.now,
        facts=finding.facts,
        advice=finding.advice,
        sources=finding.sources,
        notification=Notification.NONE if finding.confirmations_needed else Notification.OPENED,
        baselined=not is_self_check and context.is_initial_reading(finding.sources),
        planned_changes=encode_planned_changes(finding),
        correlation_keys=finding.correlation_keys,
        is_one_off=finding.is_one_off,
        plan_hash=finding.plan_hash,
    )


def update_case(context: DecisionContext, old: Case, finding: Finding) -> Case:
    """A case that is still open, brought up to date; with news only when something matters."""
    several = context.config.guard.correlation
    raised = several if old.escalated and finding.correlation_keys else None
    case = replace(
        old,
        subject=finding.subject,
        summary=finding.summary,
        facts=(*finding.facts, raised.fact) if raised else finding.facts,
        advice=finding.advice,
        severity=max(finding.severity, raised.severity) if raised else finding.severity,
        sources=finding.sources,
        planned_changes=encode_planned_changes(finding),
        correlation_keys=finding.correlation_keys,
        escalated=raised is not None,
    )
    if case.deferred_at and context.has_elapsed(case.deferred_at, CONTEST_WINDOW):
        case = replace(case, verdict=case.guard_verdict, deferred_at=None, failure_count=0)
    if finding.verdict is not case.guard_verdict:
        case = replace(
            case,
            guard_verdict=finding.verdict,
            verdict=finding.verdict,
            deferred_at=None,
            failure_count=0,
        )
        return with_notification(case, Notification.CHANGED)
    if case.severity > old.severity:
        return with_notification(case, Notification.CHANGED)
    if not case.notified_at and not case.notification:
        seen = case.seen_count + 1
        news = Notification.OPENED if seen > finding.confirmations_needed else Notification.NONE
        return replace(case, seen_count=seen, notification=news)
    if (
        case.acknowledged_at
        or not case.notified_at
        or case.notification
        or is_optional_permission_case(case)
    ):
        return case
    due = context.has_elapsed(case.notified_at, context.config.reminder_interval)
    return replace(case, notification=Notification.REMINDER) if due else case


def is_optional_permission_case(case: Case) -> bool:
    """True for an optional permission the app was not given: told once, since one may do without.

    Whoever leaves it out on purpose would otherwise hear of it every week for ever.
    """
    return case.kind == "permission-missing" and case.severity is Severity.LOW


def encode_planned_changes(finding: Finding) -> tuple[str, ...]:
    """The changes a finding asks for, as its case remembers them."""
    return tuple(
        json.dumps([type(change).__name__, change_to_arguments(change)], sort_keys=True)
        for change in finding.changes
    )


def parse_planned_changes(case: Case) -> tuple[Change, ...]:
    """The changes a case asks for; none when another version wrote them."""
    try:
        return tuple(map(parse_change, case.planned_changes))
    except ValueError:
        return ()


def with_notification(case: Case, notification: Notification) -> Case:
    """The case with something to tell; what was never told stays "opened".

    Who acknowledged it knew another case.
    """
    case = replace(case, acknowledged_at=None, acknowledged_by="")
    if case.notification is Notification.OPENED or (
        not case.notified_at and notification is Notification.CHANGED
    ):
        return replace(case, notification=Notification.OPENED)
    return replace(case, notification=notification)


def defer_case(case: Case, verdict: Verdict, now: datetime) -> Case:
    """The case left to a person for a week."""
    return with_notification(replace(case, verdict=verdict, deferred_at=now), Notification.CHANGED)


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


def find_due_checks(config: GuardConfig, state: GuardState, now: datetime) -> frozenset[str]:
    """The slow parts of the observation whose time has come.

    One that is said to have been finished long from now was not, or it would never be due again.
    """
    return frozenset(
        sweep.name
        for sweep in config.guard.periodic_checks
        if sweep.name not in state.checks_finished_at
        or abs(now - state.checks_finished_at[sweep.name]) >= sweep.interval
    )


def record_outcomes(
    case: Case | None, attempts: Sequence[tuple[ChangeRecord, Outcome]], now: datetime
) -> tuple[tuple[ChangeRecord, ...], Case | None]:
    """The changes made for one case and the case itself, with what came of them.

    The case is done when everything made for it is in effect; one refusal, or one change that
    failed too often, leaves it to a person. A change that failed after it was begun stays intended:
    half of it may be in effect, and the other half must not be forgotten with the finding.
    """
    records = tuple(
        truncate_record(
            replace(
                record,
                state=ChangeState.INTENDED if outcome.is_partially_applied else outcome.state,
                at=now,
                note=outcome.note,
                before=record.before or outcome.before,
            )
        )
        for record, outcome in attempts
    )
    outcomes = [outcome for _, outcome in attempts if outcome.state is not ChangeState.SUPERSEDED]
    if case is None or not outcomes:
        return records, case
    before, case = (
        case,
        replace(case, note=next(o.note for o in sorted(outcomes, key=rank_outcome))),
    )
    if all(outcome.state is ChangeState.APPLIED for outcome in outcomes):
        return records, replace(
            case, closed_at=now, resolution="done", notification=Notification.DONE
        )
    refused = [outcome for outcome in outcomes if outcome.state is ChangeState.REFUSED]
    for outcome in refused:
        if outcome.verdict not in (None, Verdict.REFUSED):
            return records, defer_case(case, outcome.verdict, now)
    if any(outcome.lacks_permission for outcome in outcomes):
        return records, with_notification(
            case, Notification.CHANGED
        ) if case.note != before.note else case
    # A refusal without a known reason may pass as well; which of the two it was is said in the end.
    case = replace(case, failure_count=case.failure_count + 1)
    verdict = Verdict.REFUSED if refused else Verdict.FAILED
    return records, defer_case(
        case, verdict, now
    ) if case.failure_count >= MAX_CHANGE_ATTEMPTS else case


def rank_outcome(outcome: Outcome) -> int:
    """Sorts outcomes so that the one a person must hear of comes first."""
    order = (ChangeState.REFUSED, ChangeState.FAILED, ChangeState.APPLIED)
    return order.index(outcome.state)


def mark_notified(cases: Iterable[Case], now: datetime) -> tuple[Case, ...]:
    """The same cases, their news delivered."""
    return tuple(replace(case, notification=Notification.NONE, notified_at=now) for case in cases)
