"""Cases, changes, exemptions and requests as JSON documents.

Names are added and never change their meaning. Text from the tenant is not escaped here;
every renderer has to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from core.json_document import INLINE, CaseKey, Count, RunId, VerdictWord
from core.model.activity import Cause
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity, format_facts
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.status.case_query import CaseDetail, CasePage, count_stood_for
from core.status.cause_texts import describe_act, describe_actor
from core.status.remedy import list_steps
from core.tenant.activity import ActivityLog, ActorKind

DOCUMENT_VERSION: Literal[1] = 1

SeverityLabel = Annotated[str, {"enum": [severity.label for severity in Severity]}]
CaseStateName = Literal["open", "closed"]
Resolution = Annotated[str, {"enum": ["done", "undone", "gone", "noted", "exempt", "folded"]}]


@dataclass(frozen=True, slots=True)
class ChangeRecordDocument:
    """A change of the tenant, with the values before it."""

    guard: str
    change: CaseKey
    case: str
    kind: str
    subject: str
    arguments: Mapping[str, object]
    before: Mapping[str, object]
    outcome: ChangeState
    at: datetime
    run: str
    note: str
    undo_of: CaseKey | None
    undone_at: datetime | None


def build_change_record(record: ChangeRecord, guard: str) -> ChangeRecordDocument:
    """The document of one change."""
    return ChangeRecordDocument(
        guard=guard,
        change=record.id,
        case=record.case_key,
        kind=record.kind,
        subject=record.subject,
        arguments=record.arguments,
        before=record.before,
        outcome=record.state,
        at=record.at,
        run=record.run,
        note=record.note,
        undo_of=record.undo_of or None,
        undone_at=record.undone_at,
    )


@dataclass(frozen=True, slots=True)
class ExemptionDocument:
    """An exemption as an operator granted it."""

    subject: str
    who: str
    why: str
    until: datetime


def build_exemption(exemption: Exemption) -> ExemptionDocument:
    """The document of one exemption."""
    return ExemptionDocument(
        exemption.subject, exemption.granted_by, exemption.reason, exemption.until
    )


@dataclass(frozen=True, slots=True)
class OperatorRequestDocument:
    """What an operator requested, why, and the result."""

    guard: str
    request: RunId
    kind: RequestKind
    subject: str | None
    who: str
    why: str
    signed_in: str | None
    at: datetime
    until: datetime | None
    status: RequestState
    ended_at: datetime | None
    note: str | None


def build_operator_request(
    operator_request: OperatorRequest, guard: str
) -> OperatorRequestDocument:
    """The document of one request."""
    return OperatorRequestDocument(
        guard=guard,
        request=operator_request.id,
        kind=operator_request.kind,
        subject=operator_request.subject or None,
        who=operator_request.requested_by,
        why=operator_request.reason,
        signed_in=operator_request.authenticated_as or None,
        at=operator_request.at,
        until=operator_request.until,
        status=operator_request.state,
        ended_at=operator_request.ended_at,
        note=operator_request.note or None,
    )


@dataclass(frozen=True, slots=True)
class CaseSummaryDocument:
    """A case as a list of cases shows it. It stands for others where an object has very many."""

    guard: str
    case: CaseKey
    short: str
    state: CaseStateName
    severity: SeverityLabel
    verdict: VerdictWord
    kind: str
    subject: str
    summary: str
    opened_at: datetime
    closed_at: datetime | None
    resolution: Resolution | None
    notified_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    stands_for: Count


def build_case_summary(case: Case, guard: str) -> CaseSummaryDocument:
    """The document of one case in a list."""
    return CaseSummaryDocument(
        guard=guard,
        case=case.key,
        short=case.short_key,
        state="closed" if case.closed_at else "open",
        severity=case.severity.label,
        verdict=case.verdict,
        kind=case.kind,
        subject=case.subject,
        summary=case.summary,
        opened_at=case.opened_at,
        closed_at=case.closed_at,
        resolution=case.resolution or None,
        notified_at=case.notified_at,
        acknowledged_at=case.acknowledged_at,
        acknowledged_by=case.acknowledged_by or None,
        stands_for=count_stood_for(case),
    )


@dataclass(frozen=True, slots=True)
class CauseDocument:
    """The act that a case is put down to, as an audit record tells it."""

    text: str
    operation: str
    at: datetime
    log: ActivityLog
    actor: str
    actor_kind: ActorKind
    actor_id: str | None
    app_id: str | None
    address: str | None
    client: str | None
    session: str | None
    set: str | None
    count: Count
    also: tuple[str, ...]
    also_count: Count
    same_session: bool
    other_addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RelatedCaseDocument:
    """An open case that the same session, or the same actor at the same address, led to."""

    guard: str
    case: CaseKey
    severity: SeverityLabel
    summary: str


def build_cause_document(cause: Cause) -> CauseDocument:
    """The document of a cause."""
    return CauseDocument(
        text=describe_act(cause),
        operation=cause.operation,
        at=cause.at,
        log=cause.log,
        actor=describe_actor(cause.actor),
        actor_kind=cause.actor.kind,
        actor_id=cause.actor.id or None,
        app_id=cause.actor.app_id or None,
        address=cause.address or None,
        client=cause.client or None,
        session=cause.session or None,
        set=cause.detail or None,
        count=cause.count,
        also=cause.beside,
        also_count=cause.beside_count,
        same_session=cause.is_same_session,
        other_addresses=cause.other_addresses,
    )


@dataclass(frozen=True, slots=True)
class StepDocument:
    """One step of what an operator does about a case, with the command and where it is typed."""

    text: str
    command: str | None
    shell: str | None


@dataclass(frozen=True, slots=True)
class CaseDocument:
    """A case with its changes, exemption and requests."""

    version: Literal[1]
    case_summary: CaseSummaryDocument = field(metadata=INLINE)
    title: str
    why: str
    object: str
    guard_verdict: VerdictWord
    facts: tuple[str, ...]
    advice: str | None
    steps: tuple[StepDocument, ...]
    cause: CauseDocument | None
    cause_sought_at: datetime | None
    earlier_change: CauseDocument | None
    clean_at: datetime | None
    found_at: datetime | None
    new_methods: tuple[str, ...]
    related: tuple[RelatedCaseDocument, ...]
    note: str | None
    notification: str | None
    deferred_at: datetime | None
    baselined: bool
    is_one_off: bool
    correlation_keys: tuple[str, ...]
    failure_count: Count
    changes: tuple[ChangeRecordDocument, ...]
    exemption: ExemptionDocument | None
    requests: tuple[OperatorRequestDocument, ...]


def build_case_document(detail: CaseDetail, *, may_contain: bool = False) -> CaseDocument:
    """The document of one case in full; `may_contain`: whether accounts may be contained."""
    guard, case = detail.config.guard, detail.case
    return CaseDocument(
        version=DOCUMENT_VERSION,
        case_summary=build_case_summary(case, guard.name),
        title=guard.title,
        why=guard.rationale,
        object=case.object_id,
        guard_verdict=case.guard_verdict,
        facts=format_facts(case.facts),
        advice=case.advice or None,
        steps=tuple(
            StepDocument(step.text, step.command or None, step.shell.value if step.shell else None)
            for step in list_steps(case, may_contain=may_contain)
        ),
        cause=build_cause_document(case.cause) if case.cause else None,
        cause_sought_at=case.cause_sought_at,
        earlier_change=build_cause_document(case.earlier_change) if case.earlier_change else None,
        clean_at=case.clean_at,
        found_at=case.found_at,
        new_methods=case.new_methods,
        related=tuple(
            RelatedCaseDocument(guard, other.key, other.severity.label, other.summary)
            for guard, other in detail.related
        ),
        note=case.note or None,
        notification=case.notification.value or None,
        deferred_at=case.deferred_at,
        baselined=case.baselined,
        is_one_off=case.is_one_off,
        correlation_keys=tuple(shared.key for shared in case.correlations),
        failure_count=case.failure_count,
        changes=tuple(build_change_record(record, guard.name) for record in detail.changes),
        exemption=build_exemption(detail.exemption) if detail.exemption else None,
        requests=tuple(
            build_operator_request(operator_request, guard.name)
            for operator_request in detail.operator_requests
        ),
    )


@dataclass(frozen=True, slots=True)
class CasePageDocument:
    """A page of cases: open ones by severity and age, then closed ones, the newest first.

    `unreadable` are the guards whose state cannot be read now: their cases are missing. `counted`
    is how many cases those of all pages stand for, as the status counts them.
    """

    version: Literal[1]
    total: Count
    counted: Count
    page: Count
    pages: Count
    cases: tuple[CaseSummaryDocument, ...]
    unreadable: tuple[str, ...]


def build_case_page_document(page: CasePage) -> CasePageDocument:
    """The document of one page of cases."""
    return CasePageDocument(
        version=DOCUMENT_VERSION,
        total=page.total,
        counted=page.counted,
        page=page.case_filter.page,
        pages=page.page_count,
        cases=tuple(build_case_summary(case, config.guard.name) for config, case in page.rows),
        unreadable=page.unreadable,
    )
