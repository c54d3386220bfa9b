"""Assesses one finding against the cases the guard remembers: report, case, change. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from core.engine.case_lifecycle import defer_case, open_case, update_case
from core.engine.decision_context import DecisionContext
from core.engine.truncation import truncate_finding
from core.model.cases import Case, Notification
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Mode
from core.model.runs import ReportedFinding

# What we changed and somebody changed back this often, within this time, is theirs to decide.
FLAP_COUNT = 2


@dataclass(frozen=True, slots=True)
class FindingAssessment:
    """One finding considered: its case if it has one, whether its row changed, what is allowed."""

    reported_finding: ReportedFinding
    case: Case | None = None
    changed: bool = False
    is_new: bool = False
    may_change: bool = False
    previewed: bool = False


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


def select_changed_cases(assessments: Mapping[str, FindingAssessment]) -> Iterator[Case]:
    """The cases that have to be written."""
    yield from (view.case for view in assessments.values() if view.case and view.changed)
