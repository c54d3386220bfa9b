"""Decides the requests of operators. Pure.

    open request + snapshot ─► decide_request ─► rows to save, and a change to undo, if any
    outcome of the undo     ─► record_undo    ─► the same rows, with the outcome

Nothing is done twice: a repeated request finds the result of the first, and says so. What cannot be
done is refused with the reason, and the refusal is reported like any other result.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from core.engine.decision_context import IN_EFFECT_STATES, RELEASE_WINDOW
from core.engine.exemption_audit import UNDO_EXEMPTION_PERIOD, build_undo_reason
from core.engine.truncation import truncate_record
from core.engine.widening import end_as_exempt
from core.errors import SettingsError
from core.keys import PREFIX_LENGTH, hash_parts
from core.model.cases import UNDONE, Case, Exemption, Notification
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.guards import Mode
from core.model.requests import (
    ACCOUNT_REQUESTS,
    OperatorRequest,
    RequestKind,
    RequestState,
    RunOptions,
)
from core.model.state import GuardSnapshot
from core.tenant.changes import build_change
from core.tenant.quoting import quote_text
from core.tenant.reversibility import explain_irreversible

MAX_UNDO_ATTEMPTS = 3
# Who exempts a name exempts nothing, and is to know it.
UNKNOWN_SUBJECT = (
    "no case that is open or was lately is about it: an exemption goes by the key of a case or the "
    "id of an object, never by a name or an address"
)
# The run that these ask for resolves them at its end.
RUN_REQUEST_KINDS = (RequestKind.RUN, RequestKind.RELEASE)

type RequestRow = Case | ChangeRecord | Exemption | OperatorRequest


@dataclass(frozen=True, slots=True)
class RequestResult:
    """What to do about one request: rows to save, and a change to undo after that."""

    request: OperatorRequest
    rows: tuple[RequestRow, ...] = ()
    intent: ChangeRecord | None = None
    """The record of the undo itself."""
    original: ChangeRecord | None = None
    """The change to undo."""
    previous_exemption: Exemption | None = None
    """The exemption that was in force before."""
    remediated: Case | None = None
    """The case that the change to undo had ended."""


def list_open_requests(snapshot: GuardSnapshot) -> list[OperatorRequest]:
    """The open requests, oldest first."""
    asked = [one for one in snapshot.operator_requests if one.state is RequestState.REQUESTED]
    return sorted(asked, key=lambda one: (one.at, one.id))


def get_subject_names(
    snapshot: GuardSnapshot, requests: Iterable[OperatorRequest]
) -> dict[str, str]:
    """The names of the subjects of requests: of cases, of changes, and of objects with a case."""
    objects = {case.object_id: case.subject for case in snapshot.cases.values()}
    cases = {case.key: case.summary for case in snapshot.cases.values()}
    changes = {
        record.id: f"{record.kind} of {record.subject}"
        for record in (*snapshot.past_changes, *snapshot.changes)
    }
    known = objects | changes | cases
    return {one.subject: known[one.subject] for one in requests if one.subject in known}


def complete_request(request: OperatorRequest, now: datetime, note: str) -> OperatorRequest:
    """The request, done."""
    return replace(request, state=RequestState.DONE, ended_at=now, note=note)


def refuse_request(request: OperatorRequest, now: datetime, note: str) -> OperatorRequest:
    """The request, refused."""
    return replace(request, state=RequestState.REFUSED, ended_at=now, note=note)


def decide_request(
    request: OperatorRequest, snapshot: GuardSnapshot, now: datetime, run: str
) -> RequestResult:
    """Decide one request. Requests for a run are resolved by it: see `resolve_run_requests`."""
    if request.kind in ACCOUNT_REQUESTS:
        return RequestResult(refuse_request(request, now, "no guard contains accounts"))
    match request.kind:
        case RequestKind.ACKNOWLEDGE:
            return decide_acknowledge(request, snapshot, now)
        case RequestKind.EXEMPT:
            return decide_exempt(request, snapshot, now)
        case RequestKind.END_EXEMPTION:
            return decide_end_exemption(request, snapshot, now)
        case RequestKind.UNDO:
            return decide_undo(request, snapshot, now, run)
        case _:
            return RequestResult(request)


def decide_acknowledge(
    request: OperatorRequest, snapshot: GuardSnapshot, now: datetime
) -> RequestResult:
    """An operator acknowledges a case: no reminder is sent until it changes."""
    case = snapshot.cases.get(request.subject)
    if case is None or case.closed_at:
        return RequestResult(refuse_request(request, now, "no open case has that key"))
    if case.acknowledged_at:
        by = case.acknowledged_by
        return RequestResult(complete_request(request, now, f"it was acknowledged by {by} already"))
    known = replace(
        case,
        acknowledged_at=now,
        acknowledged_by=request.requested_by,
        notification=Notification.NONE
        if case.notification is Notification.REMINDER
        else case.notification,
    )
    return RequestResult(
        complete_request(request, now, "not brought up again until it changes"), (known,)
    )


def decide_exempt(
    request: OperatorRequest, snapshot: GuardSnapshot, now: datetime
) -> RequestResult:
    """Exempt a case or object until a date. Closes its open cases and suppresses new ones."""
    try:
        granted = Exemption.grant(
            request.subject, request.requested_by, request.reason, request.until or now, now
        )
    except SettingsError as error:
        return RequestResult(refuse_request(request, now, str(error)))
    about = [
        case for case in snapshot.cases.values() if granted.subject in (case.key, case.object_id)
    ]
    ended = tuple(end_as_exempt(case, now) for case in about if case.closed_at is None)
    note = f"exempt until {granted.until:%Y-%m-%d %H:%M} UTC; {len(ended)} open cases ended"
    if not about:
        note = f"{note}; {UNKNOWN_SUBJECT}"
    return RequestResult(complete_request(request, now, note), (granted, *ended))


def decide_end_exemption(
    request: OperatorRequest, snapshot: GuardSnapshot, now: datetime
) -> RequestResult:
    """End an exemption before its date."""
    found = snapshot.exemptions.get(request.subject)
    if found is None or found.until <= now:
        return RequestResult(
            refuse_request(request, now, "no exemption is in force for that subject")
        )
    note = "ended; the next run judges what it covered again"
    return RequestResult(complete_request(request, now, note), (replace(found, until=now),))


def decide_undo(
    request: OperatorRequest, snapshot: GuardSnapshot, now: datetime, run: str
) -> RequestResult:
    """Undo a change, and exempt its case, so that the guard does not repeat the change.

    The exemption is saved together with the intent: a run between the two steps finds it.
    """
    records = {record.id: record for record in (*snapshot.past_changes, *snapshot.changes)}
    original = records.get(request.subject)
    why_not = find_undo_obstacle(original)
    if why_not or original is None:
        return RequestResult(refuse_request(request, now, why_not))
    identity = original.id[:PREFIX_LENGTH] + hash_parts(request.id)[PREFIX_LENGTH:]
    intent = records.get(identity) or ChangeRecord(
        id=identity,
        case_key=original.case_key,
        subject=original.subject,
        kind=original.kind,
        arguments=original.arguments,
        state=ChangeState.INTENDED,
        at=now,
        run=run,
        undo_of=original.id,
    )
    granted = Exemption(
        original.case_key,
        request.requested_by,
        build_undo_reason(request),
        now + UNDO_EXEMPTION_PERIOD,
    )
    previous = snapshot.exemptions.get(original.case_key)
    if previous and previous.until >= granted.until:
        granted = previous
    request = replace(request, case_key=original.case_key)
    case = snapshot.cases.get(original.case_key)
    remediated = case if case and case.resolution == "done" else None
    return RequestResult(request, (granted, intent), intent, original, previous, remediated)


def find_undo_obstacle(original: ChangeRecord | None) -> str:
    """Why a change cannot be undone; empty if it can."""
    if original is None:
        return "no change has that id"
    if original.undo_of:
        return "that is a restoring itself: what it restored is the guard's to judge again"
    if original.undone_at:
        return f"it was taken back on {original.undone_at:%Y-%m-%d %H:%M} UTC already"
    if original.state not in IN_EFFECT_STATES:
        return f"it is not in effect: {original.state}"
    try:
        build_change(original.kind, original.arguments)
    except ValueError:
        return f"this version does not know the change {quote_text(original.kind, 60)}"
    return explain_irreversible(original.kind, original.before)


def record_undo(
    result: RequestResult, outcome: Outcome, now: datetime
) -> tuple[OperatorRequest, tuple[RequestRow, ...]]:
    """The request and the rows to save after an undo was attempted.

    If the undo failed, the exemption that was to protect it ends.
    """
    intent, original, operator_request = result.intent, result.original, result.request
    if intent is None or original is None:
        raise ValueError("the result has no change to undo")
    record = truncate_record(
        replace(
            intent,
            state=outcome.state,
            at=now,
            note=outcome.note,
            before=intent.before or outcome.before,
        )
    )
    if outcome.state is ChangeState.APPLIED:
        until = now + UNDO_EXEMPTION_PERIOD
        note = f"restored as it was, and exempt until {until:%Y-%m-%d} UTC"
        ended = complete_request(
            operator_request, now, f"{note}; {outcome.note}" if outcome.note else note
        )
        taken_back = (replace(result.remediated, resolution=UNDONE),) if result.remediated else ()
        return ended, (record, replace(original, undone_at=now), *taken_back, ended)
    tried = replace(operator_request, attempts=operator_request.attempts + 1, note=outcome.note)
    passing = outcome.state is ChangeState.FAILED and not outcome.lacks_permission
    if passing and tried.attempts < MAX_UNDO_ATTEMPTS:
        return tried, (replace(record, state=ChangeState.INTENDED), tried)
    ended = refuse_request(tried, now, outcome.note or str(outcome.state))
    protection = Exemption(
        original.case_key, operator_request.requested_by, build_undo_reason(operator_request), now
    )
    previous = result.previous_exemption
    is_own = previous is None or (previous.granted_by, previous.reason) == (
        protection.granted_by,
        protection.reason,
    )
    return ended, (record, ended, protection if is_own or previous is None else previous)


def with_requested_release(run_options: RunOptions, snapshot: GuardSnapshot) -> RunOptions:
    """The options of a run, with the plan that an operator released last, if one waits."""
    releases = [one for one in list_open_requests(snapshot) if one.kind is RequestKind.RELEASE]
    if run_options.plan or not releases:
        return run_options
    return replace(run_options, plan=releases[-1].subject, at=releases[-1].at)


def resolve_run_requests(
    requests: Iterable[OperatorRequest],
    mode: Mode,
    released_plan: str,
    blocked_plan: str,
    now: datetime,
) -> tuple[OperatorRequest, ...]:
    """Resolve the requests for a run or a release at the end of a run.

    `released_plan` is the plan that this run carried out because an operator released it,
    `blocked_plan` the one that waits now.
    """
    return tuple(
        resolve_run_request(operator_request, mode, released_plan, blocked_plan, now)
        for operator_request in requests
        if operator_request.state is RequestState.REQUESTED
        and operator_request.kind in RUN_REQUEST_KINDS
    )


def resolve_run_request(
    request: OperatorRequest, mode: Mode, released_plan: str, blocked_plan: str, now: datetime
) -> OperatorRequest:
    """Resolve one of them. A release waits up to an hour for a run that may change something."""
    if request.kind is RequestKind.RUN:
        return complete_request(request, now, "the run has ended")
    if request.subject == released_plan:
        return complete_request(request, now, "the plan was carried out")
    if abs(now - request.at) > RELEASE_WINDOW:
        return refuse_request(
            request, now, "an hour has passed: ask again, for the plan that waits then"
        )
    if mode is not Mode.ENFORCE:
        return request
    waits = f"plan {blocked_plan} waits now" if blocked_plan else "no plan waits"
    return refuse_request(request, now, f"it is not the plan that waits: {waits}")


def update_snapshot(snapshot: GuardSnapshot, rows: Iterable[RequestRow]) -> GuardSnapshot:
    """The snapshot with these rows in place of their earlier versions."""
    rows = tuple(rows)
    cases = {row.key: row for row in rows if isinstance(row, Case)}
    changes = {row.id: row for row in rows if isinstance(row, ChangeRecord)}
    exemptions = {row.subject: row for row in rows if isinstance(row, Exemption)}
    new_requests = {row.id: row for row in rows if isinstance(row, OperatorRequest)}
    old_changes = {record.id: record for record in snapshot.changes}
    old_requests = {
        operator_request.id: operator_request for operator_request in snapshot.operator_requests
    }
    return replace(
        snapshot,
        cases={**snapshot.cases, **cases},
        changes=tuple(
            sorted({**old_changes, **changes}.values(), key=lambda record: record.at, reverse=True)
        ),
        past_changes=tuple(one for one in snapshot.past_changes if one.id not in changes),
        exemptions={**snapshot.exemptions, **exemptions},
        operator_requests=tuple(
            sorted(
                {**old_requests, **new_requests}.values(),
                key=lambda operator_request: operator_request.id,
            )
        ),
    )
