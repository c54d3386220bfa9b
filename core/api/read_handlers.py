"""Handlers of GET: they read the state and have no effect.

data of all guards ─► status, cases       state of one guard ─► a case
one row ─► a run, a request               a period ─► the evidence
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

from core import VERSION
from core.api.openapi.document import ACCOUNT_PATTERN
from core.api.request import (
    RESPONSE_HEADERS,
    BadRequest,
    HttpResponse,
    Parameter,
    RequestContext,
    json_response,
    path_parameter,
)
from core.config.coverage import list_techniques
from core.config.settings import Settings
from core.errors import LedgerError
from core.evidence.export import export_evidence
from core.evidence.file_format import (
    ExportFormat,
    InvalidPeriod,
    encode_case_list,
    parse_period,
)
from core.evidence.records import ExportHeader
from core.json_document import to_json
from core.keys import PREFIX_LENGTH, RUN_ID_PATTERN
from core.microsoft365.cis_benchmark import find_controls
from core.model.cases import Case
from core.model.findings import Severity
from core.status.case_document import (
    CaseSummaryDocument,
    build_case_document,
    build_case_page_document,
    build_case_summary,
    build_operator_request,
)
from core.status.case_query import (
    ABOUT_PATTERN,
    CASE_ANSWERS,
    CASE_ORDERS,
    CASE_STATES,
    MAX_SEARCH_LENGTH,
    CaseDetail,
    CaseFilter,
    CasePage,
    InvalidCaseFilter,
    find_case_detail,
    find_object_detail,
    find_related_cases,
    list_unreadable,
    select_case_page,
    select_cases,
)
from core.status.document import build_status_document
from core.status.guard_status import GuardData
from core.status.loading import load_all_guard_data, load_all_records, load_shared_rows
from core.status.overview import build_status
from core.status.remedy import list_steps
from core.status.tenant_status import TenantStatus

SEVERITY_LABELS = tuple(level.label for level in Severity if level is not Severity.INFO)


def build_optional_pattern(choices: Iterable[str]) -> str:
    """A pattern for one of `choices`, or an empty text."""
    return f"({'|'.join(choices)})?"


# Accounts that one page offers to contain.
MAX_HELD = 5
OBJECT_PATTERN = rf"[0-9a-f]{{{PREFIX_LENGTH}}}"
DATE_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
GUARD_PARAMETER = Parameter("guard", "only this guard", r"[a-z-]*", 60, required=False)
SEVERITY_PARAMETER = Parameter(
    "severity", "only this severity", build_optional_pattern(SEVERITY_LABELS), 10, required=False
)
STATE_PARAMETER = Parameter(
    "state",
    "open, closed or all",
    build_optional_pattern(CASE_STATES),
    10,
    required=False,
)
PAGE_PARAMETER = Parameter(
    "page", "the number of the page, from 1", r"([1-9][0-9]{0,5})?", 6, required=False
)
FROM_PARAMETER = Parameter("from", "the first day, in UTC", DATE_PATTERN, 10)
TO_PARAMETER = Parameter("to", "the day after the last day, in UTC", DATE_PATTERN, 10)
FORMAT_PARAMETER = Parameter(
    "format", "jsonl (JSON Lines) or csv", "|".join(ExportFormat), 5, required=False
)
ABOUT_PARAMETER = Parameter(
    "about",
    "only cases of one object, or of what cases share, as the links of cards name it",
    f"({ABOUT_PATTERN})?",
    16,
    required=False,
)
SEARCH_PARAMETER = Parameter(
    "q",
    "only cases that name this: words, an address, an id",
    rf"[^\x00-\x1f\x7f]{{0,{MAX_SEARCH_LENGTH}}}",
    MAX_SEARCH_LENGTH,
    required=False,
)
ANSWER_PARAMETER = Parameter(
    "answer",
    "none (nobody acknowledged the case) or acknowledged",
    build_optional_pattern(filter(None, CASE_ANSWERS)),
    12,
    required=False,
)
SINCE_PARAMETER = Parameter(
    "since",
    "only cases opened on this day, in UTC, or later",
    f"({DATE_PATTERN})?",
    10,
    required=False,
)
SORT_PARAMETER = Parameter(
    "sort",
    "severity, newest or oldest",
    build_optional_pattern(CASE_ORDERS),
    10,
    required=False,
)
BATCH_PARAMETER = Parameter(
    "batch",
    "only the requests of one form, by what they have in common",
    f"({RUN_ID_PATTERN})?",
    40,
    required=False,
)
CASE_COLUMNS = tuple(column.name for column in fields(CaseSummaryDocument))
CASE_SELECTION_PARAMETERS = (
    GUARD_PARAMETER,
    SEVERITY_PARAMETER,
    STATE_PARAMETER,
    ABOUT_PARAMETER,
    SEARCH_PARAMETER,
    ANSWER_PARAMETER,
    SINCE_PARAMETER,
    SORT_PARAMETER,
)
CASE_FILTER_PARAMETERS = (*CASE_SELECTION_PARAMETERS, PAGE_PARAMETER)
EXPORT_PARAMETERS = (FROM_PARAMETER, TO_PARAMETER, FORMAT_PARAMETER)


async def load_status(context: RequestContext) -> TenantStatus:
    """The status of the tenant and of every guard."""
    guard_data = await load_all_guard_data(context.ledger, context.settings.guard_configs)
    return build_status(
        guard_data,
        context.now,
        context.settings.run_time,
        await load_shared_rows(context.ledger, context.now),
        context.settings.containment.mode,
        [one.name for one in context.settings.channels],
        context.settings.channel_faults,
        searches=context.settings.activity.searches,
    )


async def get_status_json(context: RequestContext) -> HttpResponse:
    """The status as JSON."""
    return json_response(200, to_json(build_status_document(await load_status(context))))


async def get_status_page(context: RequestContext) -> HttpResponse:
    """The status as an HTML page."""
    from core.web import pages

    status = await load_status(context)
    settings = context.settings
    page = pages.render_status_page(status, settings.tenant_name, settings["PUBLIC_ADDRESS"])
    return html_response(200, page)


async def get_requests_page(context: RequestContext) -> HttpResponse:
    """What people asked for and what was changed, as an HTML page."""
    from core.web import pages

    status = await load_status(context)
    batch = context.parameters.get("batch", "")
    page = pages.render_requests_page(status, context.settings.tenant_name, batch)
    return html_response(200, page)


async def get_permissions_page(context: RequestContext) -> HttpResponse:
    """What the app may do and how the tenant answers, as an HTML page."""
    from core.web import pages

    status = await load_status(context)
    return html_response(200, pages.render_permissions_page(status, context.settings.tenant_name))


def parse_case_filter(context: RequestContext) -> CaseFilter:
    """The filter in the query. Raises BadRequest."""
    names = [config.guard.name for config in context.settings.guard_configs]
    try:
        return CaseFilter.parse(context.parameters, names)
    except InvalidCaseFilter as error:
        raise BadRequest(400, str(error)) from None


async def load_filtered_data(
    context: RequestContext, case_filter: CaseFilter
) -> Sequence[GuardData]:
    """What the ledger holds of the guards that a filter asks for; archived cases only if asked."""
    configs = [
        config
        for config in context.settings.guard_configs
        if case_filter.guard in ("", config.guard.name)
    ]
    return await load_all_records(context.ledger, configs, with_history=case_filter.state != "open")


async def load_case_page(context: RequestContext) -> CasePage:
    """The page of cases that the query selects. Raises BadRequest."""
    case_filter = parse_case_filter(context)
    return select_case_page(await load_filtered_data(context, case_filter), case_filter)


async def get_cases_csv(context: RequestContext) -> HttpResponse:
    """All cases that the query selects, as a table."""
    return await get_cases_file(context, ExportFormat.CSV)


async def get_cases_jsonl(context: RequestContext) -> HttpResponse:
    """All cases that the query selects, one JSON document a line."""
    return await get_cases_file(context, ExportFormat.JSONL)


async def get_cases_file(context: RequestContext, file_format: ExportFormat) -> HttpResponse:
    """All cases that the query selects, as a file.

    Raises LedgerError where the state of a guard cannot be read: a file does not say what it lacks.
    """
    case_filter = parse_case_filter(context)
    all_data = await load_filtered_data(context, case_filter)
    if missing := ", ".join(list_unreadable(all_data)):
        raise LedgerError(f"the state cannot be read of: {missing}; choose one of the other guards")
    pairs = select_cases(all_data, case_filter)
    records = [to_json(build_case_summary(case, config.guard.name)) for config, case in pairs]
    return HttpResponse(
        200,
        b"".join(encode_case_list(records, CASE_COLUMNS, file_format)),
        {
            **RESPONSE_HEADERS,
            "Content-Disposition": f'attachment; filename="exoguard-cases.{file_format}"',
        },
        file_format.media_type,
    )


async def get_object_page(context: RequestContext) -> HttpResponse:
    """Everything that all guards know of one object, as an HTML page."""
    from core.web import pages

    about = path_parameter(context, "object", OBJECT_PATTERN)
    configs = context.settings.guard_configs
    histories = await asyncio.gather(
        *(context.ledger.load_object(config.guard.name, about) for config in configs)
    )
    detail = find_object_detail(
        about,
        map(GuardData, configs, histories),
        await load_all_records(context.ledger, configs),
    )
    if detail is None:
        raise BadRequest(404, "no case is about this object")
    settings = context.settings
    page = pages.render_object_page(
        detail,
        about,
        context.now,
        settings.tenant_name,
        settings["PUBLIC_ADDRESS"],
        list_held_accounts(settings, (case for _, case in detail.open_cases)),
    )
    return html_response(200, page)


def list_held_accounts(settings: Settings, cases: Iterable[Case]) -> tuple[str, ...]:
    """The accounts that an intruder may hold by these cases, where accounts may be contained."""
    found = dict.fromkeys(
        case.held_account for case in cases if re.fullmatch(ACCOUNT_PATTERN, case.held_account)
    )
    return tuple(found) if settings.containment.is_on else ()


async def get_cases_json(context: RequestContext) -> HttpResponse:
    """A page of cases as JSON."""
    return json_response(200, to_json(build_case_page_document(await load_case_page(context))))


async def get_cases_page(context: RequestContext) -> HttpResponse:
    """A page of cases as an HTML page."""
    from core.web import pages

    return html_response(
        200,
        pages.render_cases_page(
            await load_case_page(context),
            context.settings.guard_configs,
            context.now,
            context.settings.tenant_name,
        ),
    )


async def load_case_detail(context: RequestContext) -> CaseDetail:
    """A case with its changes, exemption and requests. Raises BadRequest."""
    config, key = context.get_guard_config(), path_parameter(context, "case")
    prefix = key[:PREFIX_LENGTH]
    history = await context.ledger.load_object(config.guard.name, prefix)
    detail = find_case_detail(config, history, key)
    if detail is None:
        raise BadRequest(404, "there is no such case")
    if detail.case.cause is None:
        return detail
    all_data = await load_all_records(context.ledger, context.settings.guard_configs)
    snapshots = {data.config.guard.name: data.snapshot for data in all_data}
    return replace(detail, related=find_related_cases(detail.case, snapshots))


async def get_case_json(context: RequestContext) -> HttpResponse:
    """A case as JSON."""
    document = build_case_document(
        await load_case_detail(context), may_contain=context.settings.containment.is_on
    )
    return json_response(200, to_json(document))


async def get_case_page(context: RequestContext) -> HttpResponse:
    """A case as an HTML page."""
    from core.web import pages

    detail = await load_case_detail(context)
    case, guard = detail.case, detail.config.guard.name
    controls = tuple(find_controls(guard, case.kind, case.guard_verdict, case.object_id))
    settings = context.settings
    accounts = list_held_accounts(settings, [case])
    page = pages.render_case_page(
        detail,
        context.now,
        controls,
        settings.tenant_name,
        settings["PUBLIC_ADDRESS"],
        accounts[0] if accounts else "",
        list_techniques(guard, case.kind, case.guard_verdict),
        list_steps(case, may_contain=settings.containment.is_on),
    )
    return html_response(200, page)


def html_response(status: int, html: str) -> HttpResponse:
    """An HTML page. The template engine is imported on demand, to keep cold starts short."""
    from core.web.pages import PAGE_HEADERS

    return HttpResponse(status, html, PAGE_HEADERS, "text/html")


def notice_response(status: int, message: str) -> HttpResponse:
    """An error as an HTML page, which reveals nothing about the tenant."""
    from core.web.pages import render_notice_page

    headings = {
        401: "Sign in",
        403: "Access denied",
        404: "Not found",
        409: "Not possible now",
        503: "Not available",
    }
    return html_response(
        status, render_notice_page(headings.get(status, "Request not valid"), [message])
    )


async def get_evidence(context: RequestContext) -> HttpResponse:
    """The evidence of a period for auditors: a file with its digest in a header."""
    try:
        since, until = parse_period(
            context.parameters["from"], context.parameters["to"], context.now
        )
    except InvalidPeriod as error:
        raise BadRequest(400, str(error)) from None
    header = ExportHeader(context.settings["TENANT_ID"], since, until, context.now, VERSION)
    file_format = ExportFormat(context.parameters.get("format", ExportFormat.JSONL))
    export = await export_evidence(
        context.ledger,
        context.settings.guard_configs,
        header,
        file_format,
    )
    return HttpResponse(
        200,
        b"".join(export.iter_lines()),
        {**RESPONSE_HEADERS, **export.headers},
        file_format.media_type,
    )


async def get_run_report(context: RequestContext) -> HttpResponse:
    """The status or the report of a run."""
    guard = context.get_guard_config().guard.name
    document = await context.ledger.get_run(guard, path_parameter(context, "run", RUN_ID_PATTERN))
    if document is None:
        raise BadRequest(404, "there is no such run")
    return json_response(200, document)


async def get_request_report(context: RequestContext) -> HttpResponse:
    """The state of an operator's request."""
    guard = context.get_guard_config().guard.name
    operator_request = await context.ledger.get_request(
        guard, path_parameter(context, "request", RUN_ID_PATTERN)
    )
    if operator_request is None:
        raise BadRequest(404, "there is no such request")
    return json_response(200, to_json(build_operator_request(operator_request, guard)))
