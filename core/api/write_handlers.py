"""Handlers of POST: each records an operator's request and enqueues a run message for it.

    parameters ─► OperatorRequest, a row of the ledger ─► RunMessage, on the queue ─► 202

No handler changes the tenant. The queue's consumer processes the row; the address in `Location`
reports the result.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.api.request import (
    BadRequest,
    HttpResponse,
    Parameter,
    RequestContext,
    json_response,
    path_parameter,
)
from core.api.responses import AcceptedDocument, AcceptedRunDocument
from core.config.settings import get_setting_prefix
from core.engine.request_decisions import RUN_REQUEST_KINDS
from core.engine.run import create_run_id
from core.errors import SettingsError
from core.jobs.run_requests import RunMessage
from core.json_document import to_json
from core.keys import KEY_PATTERN
from core.model.cases import Exemption
from core.model.guards import GuardConfig, Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.tenant.quoting import quote_text

# The most requests that may be pending for one guard: above what operators need, below what a
# script could send.
MAX_PENDING_REQUESTS = 50


def build_line_pattern(excluded: str = "") -> str:
    """A pattern for one line of visible text, without control characters and `excluded` ones."""
    allowed = rf"[^\x00-\x1f\x7f-\x9f{excluded}]"
    return rf"{allowed}*[^\s\ufeff\x00-\x1f\x7f-\x9f{excluded}]{allowed}*"


LINE_PATTERN = build_line_pattern()
WHO_PARAMETER = Parameter("who", "the operator's name or address", LINE_PATTERN, 200)
WHY_PARAMETER = Parameter("why", "the reason, kept with the request", LINE_PATTERN, 500)
MODE_PARAMETER = Parameter(
    "mode", "a stricter mode for this run only: alert", "alert|enforce", 8, required=False
)
PLAN_PARAMETER = Parameter(
    "plan",
    "the blocked plan to release: 32 hex digits, named in the alert",
    KEY_PATTERN,
    32,
    required=False,
)
SUBJECT_PARAMETER = Parameter(
    "subject",
    "the key of a case, or the id of an object; never a pattern",
    build_line_pattern(excluded="*?%"),
    256,
)
UNTIL_PARAMETER = Parameter(
    "until",
    "the end: a date, or a time with its zone; within a year",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2}))?",
    40,
    format="date-time",
)


async def request_run(context: RequestContext) -> HttpResponse:
    """Request a run now, or release exactly the plan that the change limit blocked."""
    config = context.get_guard_config()
    check_guard_is_on(config)
    mode = Mode(context.parameters["mode"]) if "mode" in context.parameters else None
    if mode and config.mode.restrict_to(mode) is not mode:
        raise BadRequest(
            409, f'"mode" can only be stricter: {config.guard.name} is in {config.mode} mode'
        )
    plan = context.parameters.get("plan", "")
    if plan and config.mode.restrict_to(mode) is not Mode.ENFORCE:
        raise BadRequest(409, '"plan" releases changes, but in alert mode no changes are made')
    kind = RequestKind.RELEASE if plan else RequestKind.RUN
    return await enqueue_request(context, config, kind, plan or str(mode or ""), mode=mode)


def check_guard_is_on(config: GuardConfig) -> None:
    """Raise BadRequest if a guard is off."""
    if config.mode is Mode.OFF:
        name = get_setting_prefix(config.guard.name)
        raise BadRequest(409, f"{config.guard.name} is off: set {name}_MODE")


async def request_exemption(context: RequestContext) -> HttpResponse:
    """Request an exemption of one case or object until a time."""
    until = parse_until_parameter(context.parameters["until"])
    subject = context.parameters["subject"].strip()
    try:
        Exemption.grant(
            subject, context.parameters["who"], context.parameters["why"], until, context.now
        )
    except SettingsError as error:
        raise BadRequest(400, str(error)) from None
    return await enqueue_request(
        context, context.get_guard_config(), RequestKind.EXEMPT, subject, until=until
    )


async def request_exemption_end(context: RequestContext) -> HttpResponse:
    """Request that an exemption ends before its time."""
    return await enqueue_request(
        context,
        context.get_guard_config(),
        RequestKind.END_EXEMPTION,
        context.parameters["subject"].strip(),
    )


async def request_undo(context: RequestContext) -> HttpResponse:
    """Request the undo of a change: its earlier values are restored and kept for 30 days."""
    return await enqueue_request(
        context, context.get_guard_config(), RequestKind.UNDO, path_parameter(context, "change")
    )


async def request_acknowledgement(context: RequestContext) -> HttpResponse:
    """Request the acknowledgement of a case: no reminders until it changes."""
    return await enqueue_request(
        context,
        context.get_guard_config(),
        RequestKind.ACKNOWLEDGE,
        path_parameter(context, "case"),
    )


def parse_until_parameter(text: str) -> datetime:
    """A time, or a date, which starts at midnight UTC. Raises BadRequest."""
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(
            400, f"'{quote_text(text, 40)}' is not a valid date; use YYYY-MM-DD"
        ) from None
    return until if until.tzinfo else until.replace(tzinfo=UTC)


async def enqueue_request(
    context: RequestContext,
    config: GuardConfig,
    kind: RequestKind,
    subject: str,
    until: datetime | None = None,
    mode: Mode | None = None,
) -> HttpResponse:
    """Record a request and return its run message for the queue.

    An equal request that is still pending is not recorded twice: the response points to it, and its
    message goes out again, since the first may never have reached the queue. Raises BadRequest when
    too many requests are pending for the guard.
    """
    guard = config.guard.name
    operator_request = OperatorRequest(
        id=create_run_id(context.now),
        kind=kind,
        subject=subject,
        requested_by=context.parameters["who"].strip(),
        reason=context.parameters["why"].strip(),
        at=context.now,
        authenticated_as=context.caller.authenticated_as,
        until=until,
        mode=mode,
        batch=context.batch,
    )
    pending = [
        other
        for other in await context.ledger.list_requests(guard, context.now - timedelta(days=1))
        if other.state is RequestState.REQUESTED
    ]
    for other in pending:
        if (other.kind, other.subject, other.until) == (kind, subject, until):
            return accept_request(guard, other)
    if len(pending) >= MAX_PENDING_REQUESTS:
        raise BadRequest(
            429, f"{len(pending)} requests are already pending for {guard}: see its status"
        )
    await context.ledger.add_request(guard, operator_request)
    if kind in RUN_REQUEST_KINDS:
        run_status = {
            "guard": guard,
            "run": operator_request.id,
            "at": context.now.isoformat(),
            "status": "queued",
        }
        await context.ledger.save_run_status(guard, operator_request.id, run_status)
    return accept_request(guard, operator_request)


def accept_request(guard: str, operator_request: OperatorRequest) -> HttpResponse:
    """202, and the message by which the request is processed."""
    runs_guard = operator_request.kind in RUN_REQUEST_KINDS
    message = RunMessage(guard, operator_request.id, operator_request.at, runs_guard=runs_guard)
    return replace(accepted_response(guard, operator_request), run_messages=(message,))


def accepted_response(guard: str, operator_request: OperatorRequest) -> HttpResponse:
    """202: the request is recorded; `Location` is the address of its result."""
    request_id = operator_request.id
    if operator_request.kind in RUN_REQUEST_KINDS:
        address = f"/api/runs/{guard}/{request_id}"
        run = AcceptedRunDocument(request_id, request_id, "queued", address)
        return json_response(202, to_json(run), Location=address)
    address = f"/api/requests/{guard}/{request_id}"
    accepted = AcceptedDocument(request_id, operator_request.state, address)
    return json_response(202, to_json(accepted), Location=address)
