"""Generates the OpenAPI 3.1 document from the routes and the types of the responses. Pure.

    Route, Parameter ─► paths, parameters, request bodies        XDocument ─► response schemas

A new route needs its row in `core.api.routes.ROUTES` and a row in `SCHEMA_BY_ROUTE` here.

Source: OpenAPI Specification 3.1.1 (spec.openapis.org).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from core.api.authentication import OPERATOR_ROLE, READER_ROLE
from core.api.openapi.run_schemas import RUN_SCHEMAS
from core.api.openapi.schemas import JsonSchema, build_schema_ref, build_schemas
from core.api.responses import (
    AcceptedAccountDocument,
    AcceptedChannelTestDocument,
    AcceptedDocument,
    AcceptedRunDocument,
    ErrorDocument,
)
from core.keys import KEY_PATTERN, PREFIX_LENGTH, RUN_ID_PATTERN
from core.status.case_document import CaseDocument, CasePageDocument, OperatorRequestDocument
from core.status.channel_test_document import ChannelTestDocument
from core.status.containment_document import ContainmentDocument, ContainmentListDocument
from core.status.document import StatusDocument

PREFIX = "/api/"
JSON_TYPE = "application/json"
KEY_HEADER = "x-functions-key"
PATH_PARAMETER = re.compile(r"\{(\w+)\}")
ACCOUNT_PATTERN = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
DOCUMENTS = (
    AcceptedAccountDocument,
    AcceptedChannelTestDocument,
    AcceptedDocument,
    AcceptedRunDocument,
    CaseDocument,
    CasePageDocument,
    ChannelTestDocument,
    ContainmentDocument,
    ContainmentListDocument,
    ErrorDocument,
    OperatorRequestDocument,
    StatusDocument,
)
# Responses that are not JSON documents of their own dataclass.
OTHER_SCHEMAS: Mapping[str, JsonSchema] = {
    "AccountBundle": {
        "type": "object",
        "description": (
            "The evidence or the impact of an account at one time; the header Repr-Digest has the "
            "SHA-256 of all bytes."
        ),
        "properties": {
            "version": {"type": "integer"},
            "kind": {"enum": ["evidence", "impact"]},
            "account": {"type": "object"},
            "not_read": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["version", "kind", "account", "not_read"],
    },
    "Evidence": {
        "type": "string",
        "description": (
            "The records of a period, guard by guard, and how many there are of each kind; the "
            "header Repr-Digest has the SHA-256 of all bytes."
        ),
    },
    "CaseList": {
        "type": "string",
        "description": "The summaries of the selected cases, one a line.",
    },
    "OpenApi": {
        "type": "object",
        "description": "This document.",
        "properties": {
            "openapi": {"const": "3.1.1"},
            "info": {"type": "object"},
            "paths": {"type": "object"},
            "components": {"type": "object"},
        },
        "required": ["openapi", "info", "paths", "components"],
    },
    "Page": {
        "type": "string",
        "description": "A page for people: HTML, which works without scripts.",
    },
}
ALL_SCHEMAS: Mapping[str, JsonSchema] = dict(
    sorted({**build_schemas(DOCUMENTS), **RUN_SCHEMAS, **OTHER_SCHEMAS}.items())
)

# The schema of each route's successful response.
SCHEMA_BY_ROUTE: Mapping[str, str] = {
    "request-run": "AcceptedRun",
    "request-exemption": "Accepted",
    "request-exemption-end": "Accepted",
    "request-undo": "Accepted",
    "request-acknowledgement": "Accepted",
    "request-containment": "AcceptedAccount",
    "request-containment-end": "AcceptedAccount",
    "request-account-evidence": "AcceptedAccount",
    "request-account-impact": "AcceptedAccount",
    "account-request-report": "OperatorRequest",
    "request-channel-test": "AcceptedChannelTest",
    "channel-test-report": "ChannelTest",
    "containments-json": "ContainmentList",
    "containment-json": "Containment",
    "containment-page": "Page",
    "account-bundle": "AccountBundle",
    "status-page": "Page",
    "perform-act": "Page",
    "confirm-several": "Page",
    "perform-several": "Page",
    "act-page": "Page",
    "cases-page": "Page",
    "case-page": "Page",
    "object-page": "Page",
    "requests-page": "Page",
    "permissions-page": "Page",
    "coverage-page": "Page",
    "settings-page": "Page",
    "cases-csv": "CaseList",
    "cases-jsonl": "CaseList",
    "status-json": "Status",
    "cases-json": "CasePage",
    "case-json": "Case",
    "export": "Evidence",
    "run-report": "Run",
    "request-report": "OperatorRequest",
    "openapi": "OpenApi",
}
CONTAINMENT_OFF = "CONTAINMENT_MODE does not allow it."
MODE_FORBIDS = "A mode does not allow it: of the guard, or of containment."
CONFLICTS: Mapping[str, str] = {
    "act-page": f"{MODE_FORBIDS} Or nothing would come of it: it was done, or ended, meanwhile.",
    "perform-act": MODE_FORBIDS,
    "request-containment": CONTAINMENT_OFF,
    "request-containment-end": CONTAINMENT_OFF,
    "request-account-evidence": CONTAINMENT_OFF,
    "request-account-impact": CONTAINMENT_OFF,
    "request-channel-test": "The channel is off.",
    "request-run": "The guard's mode does not allow it: it is off, or it does not enforce.",
}
# Headers of a response other than those that every response has.
EXTRA_HEADERS: Mapping[str, tuple[str, ...]] = {
    "AccountBundle": ("Content-Disposition", "Repr-Digest"),
    "Evidence": ("Content-Disposition", "Repr-Digest"),
    "CaseList": ("Content-Disposition",),
    "Page": ("Content-Security-Policy",),
}
# The route that reports the result of an accepted request, and its parameter.
RESULT_ROUTES: Mapping[str, tuple[str, str]] = {
    "AcceptedRun": ("run-report", "run"),
    "Accepted": ("request-report", "request"),
    "AcceptedAccount": ("account-request-report", "request"),
    "AcceptedChannelTest": ("channel-test-report", "request"),
}
PATH_PARAMETERS: Mapping[str, tuple[str, str]] = {
    "run": (RUN_ID_PATTERN, "the id of a run, from the response that accepted it"),
    "request": (
        RUN_ID_PATTERN,
        "the id of a request, from the response that accepted it",
    ),
    "account": (ACCOUNT_PATTERN, "the object id of an account of Entra ID"),
    "containment": (RUN_ID_PATTERN, "the id of a containment, which is that of its first request"),
    "bundle": (RUN_ID_PATTERN, "the id of the request, or of the containment, it was kept for"),
    "case": (KEY_PATTERN, "the key of a case: 32 hex digits"),
    "object": (
        rf"[0-9a-f]{{{PREFIX_LENGTH}}}",
        "the first 8 hex digits of the keys of the object's cases",
    ),
    "change": (KEY_PATTERN, "the id of a change: 32 hex digits"),
}


class ParameterSpec(Protocol):
    """What this module needs of core.api.request.Parameter."""

    @property
    def name(self) -> str: ...
    @property
    def help(self) -> str: ...
    @property
    def pattern(self) -> str: ...
    @property
    def max_length(self) -> int: ...
    @property
    def required(self) -> bool: ...


class RouteSpec(Protocol):
    """What this module needs of core.api.request.Route."""

    @property
    def name(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def parameters(self) -> Sequence[ParameterSpec]: ...
    @property
    def media_types(self) -> Sequence[str]: ...
    @property
    def is_write(self) -> bool: ...
    @property
    def is_preview(self) -> bool: ...


def build_openapi_document(routes: Iterable[RouteSpec], guards: Iterable[str]) -> JsonSchema:
    """The whole document. `guards` are the names that {guard} in an address may have."""
    names = tuple(guards)
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = build_operation(
            route, names
        )
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Exoguard",
            "version": "1",
            "description": (
                "GET reads and has no effect. POST submits a request with a JSON body that states "
                "who and why; the response is 202 with the address of the result. "
                "Names are added and never change their meaning."
            ),
        },
        "servers": [{"url": "/", "description": "The function app"}],
        "security": [{"functionKey": []}, {"signedIn": []}, {"token": []}],
        "tags": [
            {"name": "read", "description": "Has no effect."},
            {"name": "write", "description": "Records who requested what, and why."},
        ],
        "paths": paths,
        "components": {
            "schemas": dict(ALL_SCHEMAS),
            "headers": HEADER_COMPONENTS,
            "responses": {
                name: build_error_response(text) for name, text in ERROR_DESCRIPTIONS.items()
            }
            | UNAUTHENTICATED,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def build_operation(route: RouteSpec, guards: Sequence[str]) -> JsonSchema:
    """One route as an operation."""
    operation: dict[str, object] = {
        "operationId": route.name,
        "tags": ["write" if route.is_write else "read"],
        "summary": route.summary,
        "responses": build_responses(route),
    }
    parameters = [build_path_parameter(name, guards) for name in PATH_PARAMETER.findall(route.path)]
    if route.is_write:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON_TYPE: {"schema": build_body_schema(route.parameters)}},
        }
    else:
        parameters += [build_query_parameter(parameter, guards) for parameter in route.parameters]
    return operation | ({"parameters": parameters} if parameters else {})


def build_path_parameter(name: str, guards: Sequence[str]) -> JsonSchema:
    """A parameter in the address. Raises LookupError if it has no description here."""
    if name == "guard":
        schema: JsonSchema = {"type": "string", "enum": list(guards)}
        text = "the name of a guard"
    else:
        pattern, text = PATH_PARAMETERS[name]
        schema = {"type": "string", "pattern": f"^{pattern}$"}
    return {"name": name, "in": "path", "required": True, "description": text, "schema": schema}


def build_query_parameter(parameter: ParameterSpec, guards: Sequence[str]) -> JsonSchema:
    """A parameter in the query. An empty value counts as absent."""
    schema: JsonSchema = {"type": "string", "enum": ["", *guards]}
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.help,
        "schema": schema if parameter.name == "guard" else build_text_schema(parameter),
    }


def build_body_schema(parameters: Sequence[ParameterSpec]) -> JsonSchema:
    """The schema of a POST body."""
    return {
        "type": "object",
        "properties": {
            parameter.name: build_text_schema(parameter) | {"description": parameter.help}
            for parameter in parameters
        },
        "required": [parameter.name for parameter in parameters if parameter.required],
        "additionalProperties": False,
    }


def build_text_schema(parameter: ParameterSpec) -> JsonSchema:
    """The schema of one text."""
    return {
        "type": "string",
        "pattern": f"^(?:{parameter.pattern})$",
        "maxLength": parameter.max_length,
    }


def build_responses(route: RouteSpec) -> JsonSchema:
    """The responses of a route, by status."""
    schema = SCHEMA_BY_ROUTE[route.name]
    success = {
        "description": ALL_SCHEMAS[schema]["description"],
        "headers": dict(COMMON_HEADERS),
        "content": {kind: {"schema": build_schema_ref(schema)} for kind in route.media_types},
    }
    if extra := EXTRA_HEADERS.get(schema, ("Location",) if route.is_write else ()):
        success["headers"] = COMMON_HEADERS | {name: build_header_ref(name) for name in extra}
    if schema in RESULT_ROUTES:
        success["links"] = build_result_link(schema)
    records = route.is_write and not route.is_preview
    responses: dict[str, object] = {"202" if records else "200": success}
    for status, name in list_error_responses(route).items():
        responses[str(status)] = (
            build_page_error_response(ERROR_DESCRIPTIONS[name])
            if schema == "Page" and name not in UNAUTHENTICATED
            else {"$ref": f"#/components/responses/{name}"}
        )
    if route.name in CONFLICTS:
        build = build_page_error_response if schema == "Page" else build_error_response
        responses["409"] = build(CONFLICTS[route.name])
    return dict(sorted(responses.items()))


def build_header_ref(name: str) -> JsonSchema:
    """A reference to a header component."""
    return {"$ref": f"#/components/headers/{name}"}


ACTS = ("act-page", "perform-act", "confirm-several", "perform-several")
"""Routes whose guard, case or object is named in the query or the body, and may not be there."""


def list_error_responses(route: RouteSpec) -> dict[int, str]:
    """The error responses of a route; 404 where it names something, in its address or its query."""
    errors = {400: "BadRequest", 401: "NotSignedIn", 403: "NotAllowed", 503: "Unavailable"}
    if "{" in route.path or route.name in ACTS:
        errors[404] = "NotFound"
    if route.is_write:
        errors |= {413: "TooLarge", 415: "NotJson", 429: "TooMany"}
    return errors


GUARDLESS = ("AcceptedAccount", "AcceptedChannelTest")
"""What is accepted that concerns no guard."""


def build_result_link(schema: str) -> JsonSchema:
    """The link from an accepted request to its result."""
    route, name = RESULT_ROUTES[schema]
    guard = {} if schema in GUARDLESS else {"guard": "$request.path.guard"}
    return {
        "result": {
            "operationId": route,
            "parameters": {**guard, name: f"$response.body#/{name}"},
            "description": "The result.",
        }
    }


def build_error_response(text: str) -> JsonSchema:
    """An error as JSON."""
    return {
        "description": text,
        "headers": dict(COMMON_HEADERS),
        "content": {JSON_TYPE: {"schema": build_schema_ref("Error")}},
    }


def build_page_error_response(text: str) -> JsonSchema:
    """An error as an HTML page."""
    return {
        "description": text,
        "headers": COMMON_HEADERS
        | {"Content-Security-Policy": build_header_ref("Content-Security-Policy")},
        "content": {"text/html": {"schema": build_schema_ref("Page")}},
    }


HEADER_COMPONENTS: JsonSchema = {
    "Cache-Control": {
        "description": "No client or proxy may store a response.",
        "required": True,
        "schema": {"const": "no-store"},
    },
    "X-Content-Type-Options": {
        "description": "Browsers do not guess another media type.",
        "required": True,
        "schema": {"const": "nosniff"},
    },
    "Location": {
        "description": "The address of the result.",
        "required": True,
        "schema": {
            "type": "string",
            "pattern": "^/api/(runs|requests|account-requests|channel-tests)/",
        },
    },
    "Content-Disposition": {
        "description": "The name of the file.",
        "required": True,
        "schema": {"type": "string", "pattern": "^attachment; filename="},
    },
    "Content-Security-Policy": {
        "description": "A page runs no script but its own, and loads no resources.",
        "required": True,
        "schema": {"type": "string", "pattern": "^default-src 'none'"},
    },
    "Repr-Digest": {
        "description": "The SHA-256 of the whole file (RFC 9530).",
        "required": True,
        "schema": {"type": "string", "pattern": "^sha-256=:"},
    },
}
COMMON_HEADERS: JsonSchema = {
    name: build_header_ref(name) for name in ("Cache-Control", "X-Content-Type-Options")
}
ERROR_DESCRIPTIONS: Mapping[str, str] = {
    "BadRequest": "The request is not valid for the route, or its address contains a key.",
    "NotAllowed": (
        f"The caller has neither of the app roles {READER_ROLE} and {OPERATOR_ROLE}, or only the "
        "reader role for a write; or a page of another site sent the request."
    ),
    "NotFound": "The address names nothing that exists.",
    "TooLarge": "The body is too large.",
    "NotJson": "The body must be JSON, with Content-Type: application/json.",
    "TooMany": "Too many requests are pending, or were made of late; the response says which.",
    "Unavailable": "A setting is invalid, or the state is unreachable; the response says which.",
}
# The platform in front of the app sends this response, with its own body or without one.
UNAUTHENTICATED: JsonSchema = {
    "NotSignedIn": {
        "description": "The function key is missing or wrong, or the sign-in is missing."
    }
}
SECURITY_SCHEMES: JsonSchema = {
    "functionKey": {
        "type": "apiKey",
        "in": "header",
        "name": KEY_HEADER,
        "description": "With SIGN_IN=key: a function key, in this header only.",
    },
    "signedIn": {
        "type": "apiKey",
        "in": "cookie",
        "name": "AppServiceAuthSession",
        "description": "With SIGN_IN=entra: the session of a browser signed in at /.auth/login.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": (
            "With SIGN_IN=entra: an Entra token for the app registration of the sign-in; its "
            f"app roles allow reading ({READER_ROLE}) or also writing ({OPERATOR_ROLE})."
        ),
    },
}
