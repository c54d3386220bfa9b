"""Handles one HTTP request: authenticates the caller, validates the input, calls the handler.

    headers, query ─► caller          body or query ─► parameters          handler ─► response

The function app calls `handle_request`. The command line, which holds an open ledger and knows its
caller, calls `dispatch_request`. Every error a caller can cause or meet becomes a response.
"""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from core.api.authentication import AccessDenied, Caller, authenticate_caller
from core.api.forms import FORM_TYPE, parse_form
from core.api.read_handlers import notice_response
from core.api.request import (
    HTML_ONLY,
    BadRequest,
    HttpRequest,
    HttpResponse,
    RequestContext,
    Route,
    json_response,
    validate_parameters,
)
from core.api.responses import ErrorDocument
from core.bootstrap import open_ledger
from core.config.settings import Settings, get_sign_in_method
from core.errors import ExoguardError
from core.json_document import to_json
from core.ports import Ledger
from core.strict_json import parse_strict_json

log = logging.getLogger("exoguard.api")

# Room for all fields at their longest, with every character written as two \uXXXX escapes.
MAX_BODY_BYTES = 32 * 1024


async def handle_request(
    route: Route,
    request: HttpRequest,
    environ: Mapping[str, str],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> HttpResponse:
    """Authenticate the caller and answer one request with the settings of `environ`."""
    try:
        settings = Settings.read(environ)
        platform_signs_in = environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
        caller = authenticate_caller(
            get_sign_in_method(settings.values), platform_signs_in, request.headers, request.query
        )
        async with open_ledger(settings) as ledger:
            return await dispatch_request(route, request, settings, ledger, caller, now())
    except AccessDenied as error:
        return error_response(route, error.status, str(error))
    except ExoguardError as error:
        log.error("%s: %s", route.name, error)
        return error_response(route, 503, str(error))


def error_response(route: Route, status: int, message: str) -> HttpResponse:
    """An error in the route's own media type: an HTML page for people, or JSON for programs."""
    if route.media_types == HTML_ONLY:
        return notice_response(status, message)
    return json_response(status, to_json(ErrorDocument(message)))


async def dispatch_request(
    route: Route,
    request: HttpRequest,
    settings: Settings,
    ledger: Ledger,
    caller: Caller,
    now: datetime,
) -> HttpResponse:
    """Answer one request of an authenticated caller. Errors become responses."""
    try:
        if route.is_write and not caller.is_operator:
            raise AccessDenied(
                403, "this account has read access only; this needs the app role Exoguard.Operator"
            )
        parameters = (
            parse_request_body(route, request, caller)
            if route.is_write
            else parse_request_query(route, request)
        )
        context = RequestContext(settings, ledger, now, caller, request, parameters)
        return await route.handle(context)
    except (BadRequest, AccessDenied) as error:
        return error_response(route, error.status, str(error))
    except ExoguardError as error:
        log.error("%s: %s", route.name, error)
        return error_response(route, 503, str(error))


def parse_request_body(route: Route, request: HttpRequest, caller: Caller) -> dict[str, str]:
    """The parameters in the JSON body of a POST. Raises BadRequest.

    JSON is accepted, which an HTML form on another site cannot send in the name of a signed-in
    operator; and where a route takes forms, those of a page of this app.
    """
    if len(request.body) > MAX_BODY_BYTES:
        raise BadRequest(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if route.takes_forms and content_type == FORM_TYPE:
        lists = {parameter.name for parameter in route.parameters if parameter.is_list}
        fields = parse_form(request, lists, needs_token=not route.is_preview)
        return validate_parameters(route.parameters, with_caller(route, fields, caller))
    if content_type != "application/json":
        raise BadRequest(415, "the body must be JSON, with Content-Type: application/json")
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise BadRequest(403, "a page of another site cannot send requests to this API")
    try:
        document = parse_strict_json(request.body)
        # JSON can escape one half of a surrogate pair, which no storage can encode.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadRequest(400, "the body is not JSON, or repeats a name") from None
    if not isinstance(document, dict):
        raise BadRequest(400, "the body must be a JSON object")
    return validate_parameters(route.parameters, with_caller(route, document, caller))


def with_caller(route: Route, document: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    """The parameters of a write; who a signed-in caller is need not be said."""
    asks_who = any(parameter.name == "who" for parameter in route.parameters)
    return {**({"who": caller.name} if caller.name and asks_who else {}), **document}


def parse_request_query(route: Route, request: HttpRequest) -> dict[str, str]:
    """The parameters in the query of a GET. Raises BadRequest."""
    return validate_parameters(route.parameters, dict(request.query))
