"""What can be looked at over the HTTP API: nothing here has an effect.

standings of all guards ─► status, cases      one guard's memory ─► a case
one row ─► a run, an action                   a period ─► the evidence
"""

from collections.abc import Iterable

from core import VERSION
from core.api.request import (
    RESPONSE_HEADERS,
    BadRequest,
    HttpResponse,
    Parameter,
    RequestContext,
    json_response,
    path_parameter,
)
from core.evidence.export import export_evidence
from core.evidence.file_format import ExportFormat, InvalidPeriod, parse_period
from core.evidence.records import ExportHeader
from core.keys import RUN_ID_PATTERN
from core.microsoft365.cis_benchmark import find_controls
from core.model.findings import Severity
from core.model.requests import OperatorRequest
from core.status.case_query import (
    CASE_STATES,
    CaseDetail,
    CaseFilter,
    CasePage,
    InvalidCaseFilter,
    find_case_detail,
    select_case_page,
)
from core.status.document import case_detail_to_json, case_page_to_json, status_to_json
from core.status.load import load_all_guard_data
from core.status.overview import TenantStatus, build_status

SEVERITY_LABELS = tuple(level.label for level in Severity if level is not Severity.INFO)


def build_optional_pattern(choices: Iterable[str]) -> str:
    """A pattern: one of some words, or nothing."""
    return f"({'|'.join(choices)})?"


DATE_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
GUARD_PARAMETER = Parameter("guard", "only of this guard", r"[a-z-]*", 60, required=False)
SEVERITY_PARAMETER = Parameter(
    "severity", "only of this severity", build_optional_pattern(SEVERITY_LABELS), 10, required=False
)
STATE_PARAMETER = Parameter(
    "state",
    "open ones, closed ones, or all",
    build_optional_pattern(CASE_STATES),
    10,
    required=False,
)
PAGE_PARAMETER = Parameter("page", "which page, from 1", r"([1-9][0-9]{0,5})?", 6, required=False)
FROM_PARAMETER = Parameter("from", "the first day, in UTC", DATE_PATTERN, 10)
TO_PARAMETER = Parameter("to", "the day after the last one, in UTC", DATE_PATTERN, 10)
FORMAT_PARAMETER = Parameter(
    "format", "jsonl (JSON Lines) or csv", "|".join(ExportFormat), 5, required=False
)
CASE_FILTER_PARAMETERS = (GUARD_PARAMETER, SEVERITY_PARAMETER, STATE_PARAMETER, PAGE_PARAMETER)
EXPORT_PARAMETERS = (FROM_PARAMETER, TO_PARAMETER, FORMAT_PARAMETER)


async def load_status(context: RequestContext) -> TenantStatus:
    """How everything stands."""
    known = await load_all_guard_data(context.ledger, context.settings.guard_configs)
    return build_status(known, context.now, context.settings.run_seconds / 60)


async def get_status_json(context: RequestContext) -> HttpResponse:
    """How everything stands, for programs."""
    return json_response(200, status_to_json(await load_status(context)))


async def get_status_page(context: RequestContext) -> HttpResponse:
    """How everything stands, as a page."""
    from core.web import pages

    return html_response(200, pages.render_status_page(await load_status(context)))


async def load_case_page(context: RequestContext) -> CasePage:
    """A page of cases, as it was chosen."""
    names = [duty.guard.name for duty in context.settings.guard_configs]
    try:
        choice = CaseFilter.parse(context.parameters, names)
    except InvalidCaseFilter as error:
        raise BadRequest(400, str(error)) from None
    duties = [
        duty for duty in context.settings.guard_configs if choice.guard in ("", duty.guard.name)
    ]
    return select_case_page(await load_all_guard_data(context.ledger, duties), choice)


async def get_cases_json(context: RequestContext) -> HttpResponse:
    """A page of cases, for programs."""
    found = await load_case_page(context)
    rows = [(duty.guard.name, case) for duty, case in found.rows]
    return json_response(
        200, case_page_to_json(rows, found.total, found.case_filter.page, found.page_count)
    )


async def get_cases_page(context: RequestContext) -> HttpResponse:
    """A page of cases, as a page."""
    from core.web import pages

    return html_response(
        200,
        pages.render_cases_page(
            await load_case_page(context), context.settings.guard_configs, context.now
        ),
    )


async def load_case_detail(context: RequestContext) -> CaseDetail:
    """A case with everything that is known of it. Raises BadRequest."""
    duty, key = context.get_guard_config(), path_parameter(context, "case")
    found = find_case_detail(duty, await context.ledger.load(duty.guard.name), key)
    if found is None:
        raise BadRequest(404, "there is no such case")
    return found


async def get_case_json(context: RequestContext) -> HttpResponse:
    """A case with everything that is known of it, for programs."""
    found = await load_case_detail(context)
    shown = case_detail_to_json(
        found.config, found.case, found.changes, found.exemption, found.operator_requests
    )
    return json_response(200, shown)


async def get_case_page(context: RequestContext) -> HttpResponse:
    """A case with everything that is known of it, as a page."""
    from core.web import pages

    found = await load_case_detail(context)
    case, guard = found.case, found.config.guard.name
    controls = tuple(find_controls(guard, case.kind, case.guard_verdict, case.object_id))
    return html_response(200, pages.render_case_page(found, context.now, controls))


def html_response(status: int, html: str) -> HttpResponse:
    """A page. Templates are only loaded when somebody wants to see one."""
    from core.web.pages import PAGE_HEADERS as PAGE_HEADERS

    return HttpResponse(status, html, PAGE_HEADERS, "text/html")


def notice_response(status: int, message: str) -> HttpResponse:
    """What is wrong with a request for a page, as a page that tells nothing of the tenant."""
    from core.web.pages import render_notice_page

    headings = {401: "Sign in", 403: "Not for this account", 404: "Not found", 503: "Out of reach"}
    return html_response(
        status, render_notice_page(headings.get(status, "That is not possible"), [message])
    )


async def get_evidence(context: RequestContext) -> HttpResponse:
    """What auditors want to see of a period, as a file with a digest."""
    try:
        since, until = parse_period(
            context.parameters["from"], context.parameters["to"], context.now
        )
    except InvalidPeriod as error:
        raise BadRequest(400, str(error)) from None
    heading = ExportHeader(context.settings["TENANT_ID"], since, until, context.now, VERSION)
    form = ExportFormat(context.parameters.get("format", ExportFormat.JSONL))
    made = await export_evidence(
        context.ledger,
        context.settings.guard_configs,
        heading,
        form,
        context.settings.policy.baseline,
    )
    return HttpResponse(
        200, b"".join(made.iter_lines()), {**RESPONSE_HEADERS, **made.headers}, form.media_type
    )


async def get_run_report(context: RequestContext) -> HttpResponse:
    """What became of a run."""
    guard = context.get_guard_config().guard.name
    found = await context.ledger.get_run(guard, path_parameter(context, "run", RUN_ID_PATTERN))
    if found is None:
        raise BadRequest(404, "there is no such run")
    return json_response(200, found)


async def get_request_report(context: RequestContext) -> HttpResponse:
    """What became of something a person asked for."""
    guard = context.get_guard_config().guard.name
    found = await context.ledger.get_request(
        guard, path_parameter(context, "action", RUN_ID_PATTERN)
    )
    if found is None:
        raise BadRequest(404, "there is no such action")
    return json_response(200, request_report_to_json(guard, found))


def request_report_to_json(guard: str, operator_request: OperatorRequest) -> dict[str, object]:
    """An action as the API shows it."""
    return {
        "guard": guard,
        "action": operator_request.id,
        "kind": str(operator_request.kind),
        "subject": operator_request.subject,
        "who": operator_request.requested_by,
        "signed_in": operator_request.authenticated_as,
        "why": operator_request.reason,
        "asked": operator_request.at.isoformat(),
        "until": operator_request.until.isoformat() if operator_request.until else None,
        "status": str(operator_request.state),
        "ended": operator_request.ended_at.isoformat() if operator_request.ended_at else None,
        "note": operator_request.note,
    }
