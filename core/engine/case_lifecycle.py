"""Opens cases, updates them, and decides which notification is pending. Pure."""

import json
from dataclasses import replace
from datetime import datetime

from core.engine.clean_looks import find_clean_look
from core.engine.decision_context import CONTEST_WINDOW, DecisionContext
from core.engine.open_folds import FoldedPlace
from core.engine.widening import list_widening_facts, note_widening
from core.model.cases import Case, Notification
from core.model.findings import Finding
from core.model.folded import hash_extent, hash_plan
from core.model.reach import limit_reaches
from core.tenant.changes import change_to_arguments


def open_case(context: DecisionContext, key: str, finding: Finding, is_self_check: bool) -> Case:
    """The case of a finding that had none, or whose case was closed."""
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
        steps=finding.steps,
        held_account=finding.held_account,
        sources=finding.sources,
        notification=Notification.NONE if finding.confirmations_needed else Notification.OPENED,
        baselined=not is_self_check and context.is_initial_reading(finding.sources),
        planned_changes=encode_planned_changes(finding),
        correlations=finding.correlations,
        is_one_off=finding.is_one_off,
        plan_hash=finding.plan_hash,
        told_reaches=limit_reaches(finding.reaches),
    )


def update_case(context: DecisionContext, old: Case, finding: Finding) -> Case:
    """An open case with the values of its finding; a notification is pending only if it matters."""
    old = note_widening(old, finding, context.now)
    is_wider = old.widened_at == context.now
    if is_wider:
        clean_at = find_clean_look(context, finding)
        old = replace(old, clean_at=clean_at, found_at=context.read_at)
    facts = (*list_widening_facts(old), *finding.facts)
    rule = context.config.guard.correlation
    escalation = rule if old.escalated and finding.correlations else None
    planned = encode_planned_changes(finding)
    case = replace(
        old,
        subject=finding.subject,
        summary=finding.summary,
        facts=(*facts, escalation.fact) if escalation else facts,
        advice=finding.advice,
        steps=finding.steps,
        held_account=finding.held_account,
        severity=max(finding.severity, escalation.severity) if escalation else finding.severity,
        sources=finding.sources,
        planned_changes=planned,
        held_since=old.held_since if planned == old.planned_changes else None,
        correlations=finding.correlations,
        escalated=escalation is not None,
    )
    if case.deferred_at and context.has_elapsed(case.deferred_at, CONTEST_WINDOW):
        case = replace(case, verdict=case.guard_verdict, deferred_at=None, failure_count=0)
    if finding.verdict != case.guard_verdict:
        case = replace(
            case,
            guard_verdict=finding.verdict,
            verdict=finding.verdict,
            deferred_at=None,
            failure_count=0,
        )
        return with_notification(case, Notification.CHANGED)
    if case.severity > old.severity or is_wider:
        return with_notification(case, Notification.CHANGED)
    if not case.notified_at and not case.notification:
        seen_count = case.seen_count + 1
        notification = (
            Notification.OPENED if seen_count > finding.confirmations_needed else Notification.NONE
        )
        return replace(case, seen_count=seen_count, notification=notification)
    if case.acknowledged_at or not case.notified_at or case.notification or finding.is_said_once:
        return case
    is_due = context.has_elapsed(case.notified_at, context.config.reminder_interval)
    return replace(case, notification=Notification.REMINDER) if is_due else case


def recall_member(context: DecisionContext, key: str, finding: Finding, place: FoldedPlace) -> Case:
    """The open case of a finding that was folded into another one, as it would be with a row.

    One that goes further than when it was folded, or is judged otherwise, has still to be told so.
    """
    member = place.member
    if finding.asks_if_preexisting and member.baselined:
        finding = finding.as_question()
    case = replace(
        open_case(context, key, finding, False),
        opened_at=member.opened_at,
        severity=member.severity,
        notification=Notification.NONE,
        notified_at=context.now,
        baselined=member.baselined,
        escalated=member.escalated,
        held_since=member.held_since if hash_plan(finding) == member.plan else None,
    )
    if hash_extent(finding) == member.extent:
        return update_case(context, case, finding)
    return replace(case, guard_verdict="")


def with_notification(case: Case, notification: Notification) -> Case:
    """The case with a pending notification; one that was never delivered stays "opened".

    An acknowledgement ends, because it was about the case as it was.
    """
    case = replace(case, acknowledged_at=None, acknowledged_by="")
    if case.notification is Notification.OPENED or (
        not case.notified_at and notification is Notification.CHANGED
    ):
        return replace(case, notification=Notification.OPENED)
    return replace(case, notification=notification)


def defer_case(case: Case, verdict: str, now: datetime) -> Case:
    """The case, left to an operator for a week."""
    return with_notification(replace(case, verdict=verdict, deferred_at=now), Notification.CHANGED)


def encode_planned_changes(finding: Finding) -> tuple[str, ...]:
    """The changes of a finding, as its case stores them."""
    return tuple(
        json.dumps([type(change).__name__, change_to_arguments(change)], sort_keys=True)
        for change in finding.changes
    )
