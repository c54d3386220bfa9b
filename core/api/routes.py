"""The routes of the HTTP API: address, parameters, media types and handler of each.

GET reads and has no effect. POST takes a JSON body with who and why, records an operator's request
and answers 202 with the address of its result. The function app registers its functions from this
table, the OpenAPI document is generated from it, and the command line uses it without HTTP.
"""

from core.api.account_handlers import (
    CONTAINMENT_PLAN_PARAMETER,
    EDITION_PARAMETER,
    SINCE_PARAMETER,
    STEPS_PARAMETER,
    UNDO_STEPS_PARAMETER,
    get_account_bundle,
    get_account_request,
    get_containment_json,
    get_containments,
    request_account_evidence,
    request_account_impact,
    request_containment,
    request_containment_end,
)
from core.api.account_pages import get_containment_page
from core.api.addresses import ADDRESS
from core.api.channel_handlers import (
    CHANNEL_PARAMETER,
    get_channel_test,
    request_channel_test,
)
from core.api.coverage_handlers import TECHNIQUE_PARAMETER, get_coverage_page
from core.api.openapi.document import build_openapi_document
from core.api.page_actions import (
    ACT_PARAMETERS,
    PERFORM_PARAMETERS,
    get_act_page,
    perform_act,
)
from core.api.read_handlers import (
    BATCH_PARAMETER,
    CASE_FILTER_PARAMETERS,
    CASE_SELECTION_PARAMETERS,
    EXPORT_PARAMETERS,
    get_case_json,
    get_case_page,
    get_cases_csv,
    get_cases_json,
    get_cases_jsonl,
    get_cases_page,
    get_evidence,
    get_object_page,
    get_permissions_page,
    get_request_report,
    get_requests_page,
    get_run_report,
    get_status_json,
    get_status_page,
)
from core.api.request import HTML_ONLY, HttpResponse, RequestContext, Route, json_response
from core.api.settings_handlers import get_settings_page
from core.api.several_cases import (
    CONFIRM_PARAMETERS,
    SEVERAL_PARAMETERS,
    confirm_several,
    perform_several,
)
from core.api.write_handlers import (
    MODE_PARAMETER,
    PLAN_PARAMETER,
    SUBJECT_PARAMETER,
    UNTIL_PARAMETER,
    WHO_PARAMETER,
    WHY_PARAMETER,
    request_acknowledgement,
    request_exemption,
    request_exemption_end,
    request_run,
    request_undo,
)
from core.config.catalog import CATALOG
from core.evidence.file_format import ExportFormat


async def get_openapi(context: RequestContext) -> HttpResponse:
    """This API as an OpenAPI document."""
    return json_response(200, build_api_document())


def build_api_document() -> dict[str, object]:
    """The OpenAPI document of all routes."""
    return build_openapi_document(ROUTES, (config.guard.name for config in CATALOG))


ROUTES = (
    Route(
        *ADDRESS["request-run"],
        "Run a guard now; with a plan, release exactly the changes that the change limit blocked",
        request_run,
        (WHO_PARAMETER, WHY_PARAMETER, MODE_PARAMETER, PLAN_PARAMETER),
    ),
    Route(
        *ADDRESS["request-exemption"],
        "Exempt a case or an object until a date",
        request_exemption,
        (SUBJECT_PARAMETER, UNTIL_PARAMETER, WHO_PARAMETER, WHY_PARAMETER),
    ),
    Route(
        *ADDRESS["request-exemption-end"],
        "End an exemption before its time",
        request_exemption_end,
        (SUBJECT_PARAMETER, WHO_PARAMETER, WHY_PARAMETER),
    ),
    Route(
        *ADDRESS["request-undo"],
        "Undo a change, and keep the earlier values for 30 days",
        request_undo,
        (WHO_PARAMETER, WHY_PARAMETER),
    ),
    Route(
        *ADDRESS["request-acknowledgement"],
        "Acknowledge a case: no reminders until it changes",
        request_acknowledgement,
        (WHO_PARAMETER, WHY_PARAMETER),
    ),
    Route(
        *ADDRESS["request-containment"],
        "Be shown the plan for containing an account; with its hash, carry it out",
        request_containment,
        (WHO_PARAMETER, WHY_PARAMETER, STEPS_PARAMETER, CONTAINMENT_PLAN_PARAMETER),
    ),
    Route(
        *ADDRESS["request-containment-end"],
        "Take back an account's containment; rules and forwards only where they are named",
        request_containment_end,
        (WHO_PARAMETER, WHY_PARAMETER, UNDO_STEPS_PARAMETER),
    ),
    Route(
        *ADDRESS["request-account-evidence"],
        "Keep the evidence of an account as one document with its digest",
        request_account_evidence,
        (WHO_PARAMETER, WHY_PARAMETER, SINCE_PARAMETER),
    ),
    Route(
        *ADDRESS["request-account-impact"],
        "Find out whom an account wrote to since a time",
        request_account_impact,
        (WHO_PARAMETER, WHY_PARAMETER, SINCE_PARAMETER),
    ),
    Route(
        *ADDRESS["request-channel-test"],
        "Send a test to a channel, or to each, and learn what each answers",
        request_channel_test,
        (WHO_PARAMETER, WHY_PARAMETER, CHANNEL_PARAMETER),
    ),
    Route(
        *ADDRESS["perform-act"],
        "Record a request that a person confirmed on a page",
        perform_act,
        PERFORM_PARAMETERS,
        HTML_ONLY,
        takes_forms=True,
    ),
    Route(
        *ADDRESS["confirm-several"],
        "What a request about several cases will do, and a form that makes it, as an HTML page",
        confirm_several,
        CONFIRM_PARAMETERS,
        HTML_ONLY,
        takes_forms=True,
        is_preview=True,
    ),
    Route(
        *ADDRESS["perform-several"],
        "Record the requests about several cases that a person confirmed on a page",
        perform_several,
        SEVERAL_PARAMETERS,
        HTML_ONLY,
        takes_forms=True,
    ),
    Route(
        *ADDRESS["act-page"],
        "What a request will do, and a form that makes it, as an HTML page",
        get_act_page,
        ACT_PARAMETERS,
        HTML_ONLY,
    ),
    Route(
        *ADDRESS["status-page"],
        "The status of all guards, as an HTML page",
        get_status_page,
        (),
        HTML_ONLY,
    ),
    Route(
        *ADDRESS["cases-page"],
        "A page of cases, as an HTML page",
        get_cases_page,
        CASE_FILTER_PARAMETERS,
        HTML_ONLY,
    ),
    Route(
        *ADDRESS["object-page"],
        "Everything that all guards know of one object, as an HTML page",
        get_object_page,
        (),
        HTML_ONLY,
    ),
    Route(
        *ADDRESS["requests-page"],
        "What people decided and asked for, and what was changed, as an HTML page",
        get_requests_page,
        (BATCH_PARAMETER,),
        HTML_ONLY,
    ),
    Route(
        *ADDRESS["permissions-page"],
        "What the app may do and lacks, and how the tenant answers, as an HTML page",
        get_permissions_page,
        (),
        HTML_ONLY,
    ),
    Route(
        *ADDRESS["coverage-page"],
        "What is told of the things intruders do, in this tenant, as an HTML page",
        get_coverage_page,
        (TECHNIQUE_PARAMETER,),
        HTML_ONLY,
    ),
    Route(
        *ADDRESS["settings-page"],
        "The settings in force, as an HTML page",
        get_settings_page,
        (),
        HTML_ONLY,
    ),
    Route(*ADDRESS["status-json"], "The status of all guards", get_status_json),
    Route(*ADDRESS["cases-json"], "A page of cases", get_cases_json, CASE_FILTER_PARAMETERS),
    Route(
        *ADDRESS["cases-csv"],
        "All cases of a selection, as a table",
        get_cases_csv,
        CASE_SELECTION_PARAMETERS,
        (ExportFormat.CSV.media_type,),
    ),
    Route(
        *ADDRESS["cases-jsonl"],
        "All cases of a selection, one JSON document a line",
        get_cases_jsonl,
        CASE_SELECTION_PARAMETERS,
        (ExportFormat.JSONL.media_type,),
    ),
    Route(
        *ADDRESS["case-json"],
        "A case with its changes, exemption and requests",
        get_case_json,
    ),
    Route(
        *ADDRESS["case-page"],
        "A case with its changes, exemption and requests, as an HTML page",
        get_case_page,
        (),
        HTML_ONLY,
    ),
    Route(
        *ADDRESS["export"],
        "Findings, changes, exemptions, requests and coverage of a period, as evidence",
        get_evidence,
        EXPORT_PARAMETERS,
        (ExportFormat.JSONL.media_type, ExportFormat.CSV.media_type),
    ),
    Route(*ADDRESS["run-report"], "The result of a run", get_run_report),
    Route(
        *ADDRESS["request-report"],
        "The result of an operator's request",
        get_request_report,
    ),
    Route(
        *ADDRESS["account-request-report"],
        "The result of a request about an account",
        get_account_request,
    ),
    Route(
        *ADDRESS["channel-test-report"],
        "A test of the channels, and what each answered",
        get_channel_test,
    ),
    Route(
        *ADDRESS["containments-json"],
        "The latest containments of accounts",
        get_containments,
    ),
    Route(
        *ADDRESS["containment-json"],
        "The containment of an account, step by step",
        get_containment_json,
    ),
    Route(
        *ADDRESS["containment-page"],
        "The containment of an account, as an HTML page",
        get_containment_page,
        (),
        HTML_ONLY,
    ),
    Route(
        *ADDRESS["account-bundle"],
        "The evidence or the impact of an account, as it was kept",
        get_account_bundle,
        (EDITION_PARAMETER,),
    ),
    Route(*ADDRESS["openapi"], "This API as an OpenAPI document", get_openapi),
)
ROUTE = {route.name: route for route in ROUTES}
