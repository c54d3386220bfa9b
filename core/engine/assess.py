"""Assesses one finding against the cases the guard remembers: report, case, change. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from core.engine.case_lifecycle import defer_case, open_case, recall_member, update_case
from core.engine.clean_looks import date_case
from core.engine.decision_context import DecisionContext
from core.engine.first_look import mark_unread_object, was_preexisting
from core.engine.self_findings import RECURRING_PATIENCE
from core.engine.truncation import sanitize_finding, truncate_finding, truncate_text
from core.engine.widening import (
    ACCEPTED_FACT,
    add_ended_exemption,
    add_exemption_fact,
    close_as_exempt,
    exceeds_exemption,
    mark_accepted,
    mark_beyond_exemption,
    was_accepted,
)
from core.model.cases import Case, Notification
from core.model.findings import Finding, Severity, Verdict
from core.model.folded import hash_extent
from core.model.guards import Mode
from core.model.runs import ReportedFinding

# What we changed and somebody changed back this often, within this time, is theirs to decide.
FLAP_COUNT = 2
MAX_CHANGED_FACTS, MAX_NOTE_LENGTH = 3, 900


@dataclass(frozen=True, slots=True)
class FindingAssessment:
    """One assessed finding: what to report, its case, and whether the guard may change the
    tenant.
    """

    reported_finding: ReportedFinding
    case: Case | None = None
    changed: bool = False
    """Whether the row of the case has to be saved."""
    is_new: bool = False
    may_change: bool = False
    """Whether this run may make its changes."""
    previewed: bool = False
    """Whether the next run will make its changes."""


def merge_findings(context: DecisionContext, findings: Iterable[Finding]) -> dict[str, Finding]:
    """Findings by key. Those with the same key become one: the most severe, with the changes of
    all.
    """
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
                correlations=tuple(dict.fromkeys(first.correlations + second.correlations)),
                reaches=tuple(dict.fromkeys(first.reaches + second.reaches)),
            )
        result[key] = finding
    return result


def assess_finding(
    context: DecisionContext, key: str, finding: Finding, is_self_check: bool = False
) -> FindingAssessment:
    """Assess a finding against its case, if there is one."""
    finding, config = truncate_finding(sanitize_finding(finding)), context.config
    old = context.snapshot.cases.get(key)
    if finding.severity is Severity.INFO:
        return report_note(context, key, finding, old)
    old = old or recall_folded_case(context, key, finding)
    exempt = assess_exemption(context, key, finding, old, is_self_check)
    if exempt:
        return exempt
    exemption = context.find_exemption(key, finding, is_self_check)
    is_beyond = exemption is not None and exemption.until > context.now
    finding = add_exemption_fact(finding, is_beyond)
    finding = add_ended_exemption(finding, exemption, context.now)
    applied = context.get_applied_changes(key)
    if (
        old
        and old.closed_at
        and applied
        and not context.has_elapsed(applied[0].at, config.guard.settling_time)
    ):
        return FindingAssessment(ReportedFinding(key, finding, "settling", old.verdict), old)
    before = old
    is_patient = finding.confirmations_needed or finding.kind in RECURRING_PATIENCE
    if old and is_patient and old.notification is Notification.CLOSED:
        # The end was never delivered, and the finding is back. A new case would wait for its
        # confirmations, or be told once more, while operators still know the old one as open.
        old = replace(
            mark_unread_object(context, old, old),
            closed_at=None,
            resolution="",
            notification=Notification.NONE,
        )
    known = old is not None and old.closed_at is None
    preexisting = finding.asks_if_preexisting and was_preexisting(context, old, finding)
    accepted = finding.asks_if_preexisting and was_accepted(old, exemption)
    if preexisting or accepted:
        finding = finding.as_question(None if preexisting else ACCEPTED_FACT)
    case = (
        update_case(context, old, finding)
        if known and old
        else mark_unread_object(context, open_case(context, key, finding, is_self_check), old)
    )
    if old and not known:
        case = replace(
            case,
            card_times=old.card_times,
            card_severity=old.card_severity,
            flap_told_at=old.flap_told_at,
            untold_change_at=old.untold_change_at,
        )
    case = keep_history(case, old if is_beyond else None, preexisting)
    case = mark_accepted(case) if accepted else case
    case = date_case(context, case, finding, old, is_beyond=is_beyond)
    if len(applied) >= FLAP_COUNT and finding.changes and not case.deferred_at:
        case = defer_case(case, Verdict.CONTESTED, context.now)
    is_initial = context.is_initial_reading(finding.sources)
    may_change = context.mode is Mode.ENFORCE and bool(finding.changes) and not case.deferred_at
    state = "known" if known else "waiting" if not case.notification else "new"
    return FindingAssessment(
        ReportedFinding(
            key, finding, "adopted" if case.baselined and not known else state, case.verdict
        ),
        case,
        changed=case != before,
        is_new=not known,
        may_change=may_change and not is_initial,
        previewed=may_change and is_initial,
    )


def recall_folded_case(context: DecisionContext, key: str, finding: Finding) -> Case | None:
    """The open case of a finding that is kept in another case; None if there is none."""
    place = context.folded.get(key)
    return recall_member(context, key, finding, place) if place and place.is_open else None


def keep_history(case: Case, exempted: Case | None, was_there: bool) -> Case:
    """The case with what was before it: an exemption it goes beyond, the guard's first look."""
    if exempted:
        return mark_beyond_exemption(case, exempted)
    return replace(case, baselined=True) if was_there and not case.baselined else case


def assess_exemption(
    context: DecisionContext, key: str, finding: Finding, old: Case | None, is_self_check: bool
) -> FindingAssessment | None:
    """Report an exempt finding without a notification or change, and close its case.

    None if no exemption covers it, or if it goes further than what was accepted.
    """
    until = context.get_exempt_until(key, finding, is_self_check)
    if until is None or exceeds_exemption(old, finding):
        return None
    place = context.folded.get(key)
    if place and not place.is_open and old is None:
        # It was exempted with others, as it was then.
        is_same = hash_extent(finding) == place.member.extent
        return (
            FindingAssessment(ReportedFinding(key, finding, "exempt", finding.verdict, until))
            if is_same
            else None
        )
    ended = close_as_exempt(context.now, key, finding, old)
    reported = ReportedFinding(key, finding, "exempt", finding.verdict, until)
    return FindingAssessment(reported, ended, changed=ended is not None)


def report_note(
    context: DecisionContext, key: str, finding: Finding, old: Case | None
) -> FindingAssessment:
    """Report a finding that needs no case, and close the case it had: the object is still there.

    One whose change was intended ends elsewhere: the change may be what made a note of it.
    """
    reported = ReportedFinding(key, finding, "note", finding.verdict)
    if old is None or old.closed_at or context.get_intended_changes(key):
        return FindingAssessment(reported)
    changed = [str(fact) for fact in finding.facts if fact not in old.facts]
    texts = ("; ".join(changed[:MAX_CHANGED_FACTS]), finding.advice)
    ended = replace(
        old,
        closed_at=context.now,
        resolution="noted",
        notification=Notification.CLOSED
        if old.notified_at or old.notification
        else Notification.NONE,
        subject=finding.subject,
        summary=finding.summary,
        facts=finding.facts,
        advice=finding.advice,
        steps=finding.steps,
        held_account=finding.held_account,
        guard_verdict=finding.verdict,
        verdict=finding.verdict,
        planned_changes=(),
        note=truncate_text(". ".join(filter(None, texts)), MAX_NOTE_LENGTH),
    )
    return FindingAssessment(reported, ended, changed=True)


def select_changed_cases(assessments: Mapping[str, FindingAssessment]) -> Iterator[Case]:
    """The cases that have to be saved."""
    yield from (
        assessment.case
        for assessment in assessments.values()
        if assessment.case and assessment.changed
    )
