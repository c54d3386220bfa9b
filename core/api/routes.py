"""The HTTP API: every route, what it takes, who may use it, what it answers.

    request ─► sign-in ─► body and query as typed values ─► handler ─► answer (and a ticket)

Reading is GET and has no effect. Acting is POST with a JSON body that says who and why: it becomes
a row and a message, and the answer is 202 with the address that tells what became of it. The same
table registers the functions, writes the OpenAPI document, and serves the command line without
HTTP.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.api.authentication import AccessDenied, Caller, authenticate_caller
from core.api.openapi.document import build_openapi_document
from core.api.read_handlers import (
    CASE_FILTER_PARAMETERS,
    EXPORT_PARAMETERS,
    get_case_json,
    get_case_page,
    get_cases_json,
    get_cases_page,
    get_evidence,
    get_request_report,
    get_run_report,
    get_status_json,
    get_status_page,
    notice_response,
)
from core.api.request import (
    BadRequest,
    HttpRequest,
    HttpResponse,
    Parameter,
    RequestContext,
    Route,
    json_response,
    path_parameter,
)
from core.bootstrap import open_ledger
from core.config.catalog import CATALOG
from core.config.settings import Settings, get_setting_prefix, get_sign_in_method
from core.engine.run import create_run_id
from core.errors import ExoguardError, SettingsError
from core.evidence.file_format import ExportFormat
from core.jobs.run_requests import RunMessage
from core.keys import KEY_PATTERN
from core.model.cases import Exemption
from core.model.guards import GuardConfig, Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.ports import Ledger
from core.sanitize import sanitize_text
from core.strict_json import parse_strict_json

log = logging.getLogger("exoguard.api")

# All fields at their longest, every sign of them written as two \uXXXX, fit in.
MAX_BODY_BYTES = 16 * 1024
HTML_ONLY = ("text/html",)
# So many things may wait for one guard: more than people ask for, fewer than a script could.
MAX_PENDING_REQUESTS = 50
# ----------------------------------------------------------------------------------------------
# Asking for something
# ----------------------------------------------------------------------------------------------


def build_line_pattern(excluded: str = "") -> str:
    """Something to read, on one line: no control character, none of these, and not only space."""
    sign = rf"[^\x00-\x1f\x7f-\x9f{excluded}]"
    return rf"{sign}*[^\s\ufeff\x00-\x1f\x7f-\x9f{excluded}]{sign}*"


LINE_PATTERN = build_line_pattern()
WHO_PARAMETER = Parameter("who", "who asks: a name or an address", LINE_PATTERN, 200)
WHY_PARAMETER = Parameter("why", "why, for whoever reads it later", LINE_PATTERN, 500)
MODE_PARAMETER = Parameter(
    "mode", "restrains this one run: alert", "alert|enforce", 8, required=False
)
PLAN_PARAMETER = Parameter(
    "plan",
    "releases the changes the brake holds: 32 hex digits an alert names",
    KEY_PATTERN,
    32,
    False,
)
SUBJECT_PARAMETER = Parameter(
    "subject",
    "the key of a case, or the id of an object; never a pattern",
    build_line_pattern(excluded="*?%"),
    256,
)
UNTIL_PARAMETER = Parameter(
    "until",
    "when it ends: a date, or a time with its zone; within a year",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2}))?",
    40,
    format="date-time",
)


async def request_run(context: RequestContext) -> HttpResponse:
    """Ask for a run now, or release exactly the plan that the brake holds."""
    duty = context.get_guard_config()
    if duty.mode is Mode.OFF:
        name = get_setting_prefix(duty.guard.name)
        raise BadRequest(409, f"{duty.guard.name} is off: set {name}_MODE")
    mode = Mode(context.parameters["mode"]) if "mode" in context.parameters else None
    if mode and duty.mode.restrict_to(mode) is not mode:
        raise BadRequest(409, f'"mode" may only go down: {duty.guard.name} is in {duty.mode} mode')
    plan = context.parameters.get("plan", "")
    if plan and duty.mode.restrict_to(mode) is not Mode.ENFORCE:
        raise BadRequest(409, '"plan" releases changes, and in alert mode none are made')
    deed = RequestKind.RELEASE if plan else RequestKind.RUN
    return await enqueue_request(context, duty, deed, plan or str(mode or ""), mode=mode)


async def request_exemption(context: RequestContext) -> HttpResponse:
    """Say that one thing is right as it is, for a time."""
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
    """End an exemption before its time."""
    return await enqueue_request(
        context,
        context.get_guard_config(),
        RequestKind.END_EXEMPTION,
        context.parameters["subject"].strip(),
    )


async def request_undo(context: RequestContext) -> HttpResponse:
    """Take a change back: what was there before is restored, and left alone for 30 days."""
    return await enqueue_request(
        context, context.get_guard_config(), RequestKind.UNDO, path_parameter(context, "change")
    )


async def request_acknowledgement(context: RequestContext) -> HttpResponse:
    """Say that a case is known: it is not brought up again until it changes."""
    return await enqueue_request(
        context,
        context.get_guard_config(),
        RequestKind.ACKNOWLEDGE,
        path_parameter(context, "case"),
    )


def parse_until_parameter(text: str) -> datetime:
    """A date, which begins at midnight UTC, or a time. Raises BadRequest."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(400, f"{sanitize_text(text, 40)} is no date") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def enqueue_request(
    context: RequestContext,
    config: GuardConfig,
    kind: RequestKind,
    subject: str,
    until: datetime | None = None,
    mode: Mode | None = None,
) -> HttpResponse:
    """Write down what is asked for, and put a ticket for it on the queue.

    Who asks again before it is done is told of what waits already.
    """
    guard = config.guard.name
    action = OperatorRequest(
        id=create_run_id(context.now),
        kind=kind,
        subject=subject,
        requested_by=context.parameters["who"].strip(),
        reason=context.parameters["why"].strip(),
        at=context.now,
        authenticated_as=context.caller.authenticated_as,
        until=until,
    )
    waiting = [
        one
        for one in await context.ledger.list_requests(guard, context.now - timedelta(days=1))
        if one.state is RequestState.REQUESTED
    ]
    same = [one for one in waiting if (one.kind, one.subject, one.until) == (kind, subject, until)]
    if same:
        return accepted_response(guard, same[0])
    if len(waiting) >= MAX_PENDING_REQUESTS:
        raise BadRequest(429, f"{len(waiting)} things wait for {guard} already: see its status")
    await context.ledger.add_request(guard, action)
    runs = kind in (RequestKind.RUN, RequestKind.RELEASE)
    if runs:
        began = {
            "guard": guard,
            "run": action.id,
            "at": context.now.isoformat(),
            "status": "queued",
        }
        await context.ledger.save_run_status(guard, action.id, began)
    return replace(
        accepted_response(guard, action),
        run_message=RunMessage(guard, action.id, context.now, runs_guard=runs, mode=mode),
    )


def accepted_response(guard: str, operator_request: OperatorRequest) -> HttpResponse:
    """202: it is written down, and here is where one can see what became of it."""
    if operator_request.kind in (RequestKind.RUN, RequestKind.RELEASE):
        address = f"/api/runs/{guard}/{operator_request.id}"
        body = {
            "run": operator_request.id,
            "action": operator_request.id,
            "status": "queued",
            "address": address,
        }
    else:
        address = f"/api/actions/{guard}/{operator_request.id}"
        body = {
            "action": operator_request.id,
            "status": str(operator_request.state),
            "address": address,
        }
    return json_response(202, body, Location=address)


async def get_openapi(context: RequestContext) -> HttpResponse:
    """This API, described for programs."""
    return json_response(200, build_api_document())


def build_api_document() -> dict[str, object]:
    """The OpenAPI document of all routes."""
    return build_openapi_document(ROUTES, (duty.guard.name for duty in CATALOG))


# ----------------------------------------------------------------------------------------------
# Every route
# ----------------------------------------------------------------------------------------------

ROUTES = (
    Route(
        "request-run",
        "POST",
        "guards/{guard}/run",
        "Run a guard now; with a plan, release exactly the changes the brake holds",
        request_run,
        (WHO_PARAMETER, WHY_PARAMETER, MODE_PARAMETER, PLAN_PARAMETER),
    ),
    Route(
        "request-exemption",
        "POST",
        "guards/{guard}/exemptions",
        "Exempt one case, or one object, until a day",
        request_exemption,
        (SUBJECT_PARAMETER, UNTIL_PARAMETER, WHO_PARAMETER, WHY_PARAMETER),
    ),
    Route(
        "request-exemption-end",
        "POST",
        "guards/{guard}/exemptions/end",
        "End an exemption before its time",
        request_exemption_end,
        (SUBJECT_PARAMETER, WHO_PARAMETER, WHY_PARAMETER),
    ),
    Route(
        "request-undo",
        "POST",
        "changes/{guard}/{change}/undo",
        "Take a change back, and leave it alone for 30 days",
        request_undo,
        (WHO_PARAMETER, WHY_PARAMETER),
    ),
    Route(
        "request-acknowledgement",
        "POST",
        "cases/{guard}/{case}/acknowledge",
        "Say that a case is known; it is not brought up again until it changes",
        request_acknowledgement,
        (WHO_PARAMETER, WHY_PARAMETER),
    ),
    Route(
        "status-page",
        "GET",
        "status",
        "How everything stands, as a page",
        get_status_page,
        (),
        HTML_ONLY,
    ),
    Route(
        "cases-page",
        "GET",
        "cases",
        "A page of cases, as a page",
        get_cases_page,
        CASE_FILTER_PARAMETERS,
        HTML_ONLY,
    ),
    Route("status-json", "GET", "status.json", "How everything stands", get_status_json),
    Route(
        "cases-json", "GET", "cases.json", "A page of cases", get_cases_json, CASE_FILTER_PARAMETERS
    ),
    Route(
        "case-json",
        "GET",
        "cases/{guard}/{case}.json",
        "A case with everything that is known of it",
        get_case_json,
    ),
    Route(
        "case-page",
        "GET",
        "cases/{guard}/{case}",
        "A case with everything that is known of it, as a page",
        get_case_page,
        (),
        HTML_ONLY,
    ),
    Route(
        "export",
        "GET",
        "export",
        "Findings, changes, exemptions, actions and coverage of a period, as evidence",
        get_evidence,
        EXPORT_PARAMETERS,
        (ExportFormat.JSONL.media_type, ExportFormat.CSV.media_type),
    ),
    Route("run-report", "GET", "runs/{guard}/{run}", "What became of a run", get_run_report),
    Route(
        "action-report",
        "GET",
        "actions/{guard}/{action}",
        "What became of something that was asked for",
        get_request_report,
    ),
    Route("openapi", "GET", "openapi.json", "This API as an OpenAPI document", get_openapi),
)


# ----------------------------------------------------------------------------------------------
# One request
# ----------------------------------------------------------------------------------------------


async def handle_request(
    route: Route,
    request: HttpRequest,
    environ: Mapping[str, str],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> HttpResponse:
    """One request, from who it comes to what is answered."""
    try:
        settings = Settings.read(environ)
        enabled = environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
        who = authenticate_caller(
            get_sign_in_method(settings.values), enabled, request.headers, request.query
        )
        async with open_ledger(settings) as ledger:
            return await dispatch_request(route, request, settings, ledger, who, now())
    except AccessDenied as error:
        return error_response(route, error.status, str(error))
    except ExoguardError as error:
        log.error("%s: %s", route.name, error)
        return error_response(route, 503, str(error))


def error_response(route: Route, status: int, message: str) -> HttpResponse:
    """What is wrong with a request, as the route answers: for people, or for programs."""
    if route.media_types == HTML_ONLY:
        return notice_response(status, message)
    return json_response(status, {"error": message})


async def dispatch_request(
    route: Route,
    request: HttpRequest,
    settings: Settings,
    ledger: Ledger,
    who: Caller,
    now: datetime,
) -> HttpResponse:
    """One request of somebody who was let in. What is wrong with it is an answer as well."""
    try:
        if route.is_write and not who.is_operator:
            raise AccessDenied(
                403, "this account may look, but not act: it needs Exoguard.Operator"
            )
        wish = (
            parse_request_body(route, request, who)
            if route.is_write
            else parse_request_query(route, request)
        )
        return await route.handle(RequestContext(settings, ledger, now, who, request, wish))
    except (BadRequest, AccessDenied) as error:
        return error_response(route, error.status, str(error))
    except ExoguardError as error:
        log.error("%s: %s", route.name, error)
        return error_response(route, 503, str(error))


def parse_request_body(route: Route, request: HttpRequest, caller: Caller) -> dict[str, str]:
    """What the body of a POST asks for. Raises BadRequest.

    Only JSON is taken: a form of another site cannot send it in somebody's name.
    """
    if len(request.body) > MAX_BODY_BYTES:
        raise BadRequest(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest(415, "the body is JSON, with Content-Type: application/json")
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise BadRequest(403, "a page of another site cannot act here")
    try:
        wish = parse_strict_json(request.body)
        # Half of a surrogate pair can be escaped in JSON, and is no text that could be kept.
        json.dumps(wish, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadRequest(400, "the body is not JSON, or says something twice") from None
    if not isinstance(wish, dict):
        raise BadRequest(400, "the body is a JSON object")
    if caller.name and "who" not in wish:
        wish["who"] = caller.name
    return validate_parameters(route.parameters, wish)


def parse_request_query(route: Route, request: HttpRequest) -> dict[str, str]:
    """What the query of a GET asks for. Raises BadRequest."""
    return validate_parameters(route.parameters, dict(request.query))


def validate_parameters(
    parameters: tuple[Parameter, ...], raw: Mapping[str, Any]
) -> dict[str, str]:
    """The values asked for, each as its field wants it. Raises BadRequest naming what is wrong."""
    known = {entry.name for entry in parameters}
    names = ", ".join(f'"{entry.name}"' for entry in parameters)
    if strange := [name for name in raw if name not in known]:
        raise BadRequest(
            400, f"{sanitize_text(strange[0], 40)} is not known here; there are: {names}"
        )
    values: dict[str, str] = {}
    for entry in parameters:
        if entry.name not in raw:
            if entry.required:
                raise BadRequest(400, f'"{entry.name}" is missing: {entry.help}')
            continue
        value = raw[entry.name]
        fits = isinstance(value, str) and len(value) <= entry.max_length
        if not fits or not re.fullmatch(entry.pattern, value):
            raise BadRequest(
                400, f'"{entry.name}" is {entry.help}; at most {entry.max_length} characters'
            )
        values[entry.name] = value
    return values
