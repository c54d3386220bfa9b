"""The HTTP API described as OpenAPI 3.1, from the same rows that register and serve it: pure.

    Route, Field ─► paths, parameters, bodies        core.api.openapi.response_schemas ─► what is
    answered

A new route needs its row in `core.api.routes.ROUTES` and a row in `ANSWERS` here.

Source: OpenAPI Specification 3.1.1 (spec.openapis.org).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from core.api.authentication import OPERATOR_ROLE, READER_ROLE
from core.api.openapi.run_schemas import RUN_SCHEMAS
from core.api.openapi.schemas import JsonSchema, build_schema_ref, build_schemas
from core.api.responses import AcceptedDocument, AcceptedRunDocument, ErrorDocument
from core.keys import KEY_PATTERN, RUN_ID_PATTERN
from core.status.case_document import CaseDocument, CasePageDocument, OperatorRequestDocument
from core.status.document import StatusDocument

PREFIX = "/api/"
JSON_TYPE = "application/json"
KEY_HEADER = "x-functions-key"
PATH_PARAMETER = re.compile(r"\{(\w+)\}")
DOCUMENTS = (
    AcceptedDocument,
    AcceptedRunDocument,
    CaseDocument,
    CasePageDocument,
    ErrorDocument,
    OperatorRequestDocument,
    StatusDocument,
)
# Responses that are not JSON documents of their own dataclass.
OTHER_SCHEMAS: Mapping[str, JsonSchema] = {
    "Evidence": {
        "type": "string",
        "description": (
            "The records of a period, guard by guard, and how many there are of each kind; the "
            "header Repr-Digest has the SHA-256 of all bytes."
        ),
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
    "Page": {"type": "string", "description": "A page for people: HTML, without scripts."},
}
ALL_SCHEMAS: Mapping[str, JsonSchema] = dict(
    sorted({**build_schemas(DOCUMENTS), **RUN_SCHEMAS, **OTHER_SCHEMAS}.items())
)

# The schema of what a route answers when all is well; the media type says what is no JSON.
SCHEMA_BY_ROUTE: Mapping[str, str] = {
    "request-run": "AcceptedRun",
    "request-exemption": "Accepted",
    "request-exemption-end": "Accepted",
    "request-undo": "Accepted",
    "request-acknowledgement": "Accepted",
    "status-page": "Page",
    "cases-page": "Page",
    "case-page": "Page",
    "status-json": "Status",
    "cases-json": "CasePage",
    "case-json": "Case",
    "export": "Evidence",
    "run-report": "Run",
    "action-report": "OperatorRequest",
    "openapi": "OpenApi",
}
CONFLICTS: Mapping[str, str] = {
    "request-run": "The guard is set to something else: it is off, or does not enforce.",
}
# Headers of an answer beside those that every answer has.
EXTRA_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Evidence": ("Content-Disposition", "Repr-Digest"),
    "Page": ("Content-Security-Policy",),
}
# Where one can see what became of it: the route, and its parameter.
RESULT_ROUTES: Mapping[str, tuple[str, str]] = {
    "AcceptedRun": ("run-report", "run"),
    "Accepted": ("action-report", "action"),
}
PATH_PARAMETERS: Mapping[str, tuple[str, str]] = {
    "run": (RUN_ID_PATTERN, "the id of a run, as the answer to the request names it"),
    "action": (
        RUN_ID_PATTERN,
        "the id of what was asked for, as the answer to the request names it",
    ),
    "case": (KEY_PATTERN, "the key of a case: 32 hex digits"),
    "change": (KEY_PATTERN, "the id of a change: 32 hex digits"),
}


class ParameterSpec(Protocol):
    """A field of a body or a query, as `core.api.routes.Field`."""

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
    """A route, as `core.api.routes.Route`."""

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


def build_openapi_document(routes: Iterable[RouteSpec], guards: Iterable[str]) -> JsonSchema:
    """The whole document. `guards` are the names an address may have."""
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
                "Looking is GET and has no effect. Acting is POST with a JSON body that says who "
                "asks and why; the answer is 202 with the address that tells what became of it. "
                "Names are promises: they are added to, and never change their meaning."
            ),
        },
        "servers": [{"url": "/", "description": "The function app"}],
        "security": [{"functionKey": []}, {"signedIn": []}, {"token": []}],
        "tags": [
            {"name": "look", "description": "Has no effect."},
            {"name": "act", "description": "Leaves a record of who asked for what, and why."},
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
    """One route."""
    found: dict[str, object] = {
        "operationId": route.name,
        "tags": ["act" if route.is_write else "look"],
        "summary": route.summary,
        "responses": build_responses(route),
    }
    parameters = [build_path_parameter(name, guards) for name in PATH_PARAMETER.findall(route.path)]
    if route.is_write:
        found["requestBody"] = {
            "required": True,
            "content": {JSON_TYPE: {"schema": build_body_schema(route.parameters)}},
        }
    else:
        parameters += [build_query_parameter(entry, guards) for entry in route.parameters]
    return found | ({"parameters": parameters} if parameters else {})


def build_path_parameter(name: str, guards: Sequence[str]) -> JsonSchema:
    """A parameter in the address. Raises LookupError for one nobody described."""
    if name == "guard":
        schema: JsonSchema = {"type": "string", "enum": list(guards)}
        text = "the name of a guard"
    else:
        pattern, text = PATH_PARAMETERS[name]
        schema = {"type": "string", "pattern": f"^{pattern}$"}
    return {"name": name, "in": "path", "required": True, "description": text, "schema": schema}


def build_query_parameter(parameter: ParameterSpec, guards: Sequence[str]) -> JsonSchema:
    """A parameter in the query; an empty one is none."""
    schema: JsonSchema = {"type": "string", "enum": ["", *guards]}
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.help,
        "schema": schema if parameter.name == "guard" else build_text_schema(parameter),
    }


def build_body_schema(parameters: Sequence[ParameterSpec]) -> JsonSchema:
    """What a POST says."""
    return {
        "type": "object",
        "properties": {
            entry.name: build_text_schema(entry) | {"description": entry.help}
            for entry in parameters
        },
        "required": [entry.name for entry in parameters if entry.required],
        "additionalProperties": False,
    }


def build_text_schema(parameter: ParameterSpec) -> JsonSchema:
    """The text a field takes."""
    return {
        "type": "string",
        "pattern": f"^(?:{parameter.pattern})$",
        "maxLength": parameter.max_length,
    }


def build_responses(route: RouteSpec) -> JsonSchema:
    """Everything a route can answer, by status."""
    schema = SCHEMA_BY_ROUTE[route.name]
    good = {
        "description": ALL_SCHEMAS[schema]["description"],
        "headers": dict(COMMON_HEADERS),
        "content": {kind: {"schema": build_schema_ref(schema)} for kind in route.media_types},
    }
    if further := EXTRA_HEADERS.get(schema, ("Location",) if route.is_write else ()):
        good["headers"] = COMMON_HEADERS | {name: build_header_ref(name) for name in further}
    if route.is_write:
        good["links"] = build_result_link(schema)
    found: dict[str, object] = {"202" if route.is_write else "200": good}
    in_front = "".join(UNAUTHENTICATED)
    for status, name in list_error_responses(route).items():
        page = schema == "Page" and name != in_front
        shown = (
            build_page_error_response(ERROR_DESCRIPTIONS[name])
            if page
            else {"$ref": f"#/components/responses/{name}"}
        )
        found[str(status)] = shown
    if route.name in CONFLICTS:
        found["409"] = build_error_response(CONFLICTS[route.name])
    return dict(sorted(found.items()))


def build_header_ref(name: str) -> JsonSchema:
    """A reference to one of the headers."""
    return {"$ref": f"#/components/headers/{name}"}


def list_error_responses(route: RouteSpec) -> dict[int, str]:
    """How a route can refuse a request; what no address names cannot be missing."""
    found = {400: "BadRequest", 401: "NotSignedIn", 403: "NotAllowed", 503: "Unavailable"}
    if "{" in route.path:
        found[404] = "NotFound"
    if route.is_write:
        found |= {413: "TooLarge", 415: "NotJson", 429: "TooMany"}
    return found


def build_result_link(schema: str) -> JsonSchema:
    """From the answer to a request to what became of it."""
    route, name = RESULT_ROUTES[schema]
    return {
        "became": {
            "operationId": route,
            "parameters": {"guard": "$request.path.guard", name: f"$response.body#/{name}"},
            "description": "What became of it.",
        }
    }


def build_error_response(text: str) -> JsonSchema:
    """An answer that says what is wrong."""
    return {
        "description": text,
        "headers": dict(COMMON_HEADERS),
        "content": {JSON_TYPE: {"schema": build_schema_ref("Error")}},
    }


def build_page_error_response(text: str) -> JsonSchema:
    """An answer that says what is wrong to whoever asked for a page."""
    return {
        "description": text,
        "headers": COMMON_HEADERS
        | {"Content-Security-Policy": build_header_ref("Content-Security-Policy")},
        "content": {"text/html": {"schema": build_schema_ref("Page")}},
    }


HEADER_COMPONENTS: JsonSchema = {
    "Cache-Control": {
        "description": "Nobody keeps an answer.",
        "required": True,
        "schema": {"const": "no-store"},
    },
    "X-Content-Type-Options": {
        "description": "Nobody takes it for something else.",
        "required": True,
        "schema": {"const": "nosniff"},
    },
    "Location": {
        "description": "Where to see what became of it.",
        "required": True,
        "schema": {"type": "string", "pattern": "^/api/(runs|actions)/"},
    },
    "Content-Disposition": {
        "description": "The name of the file.",
        "required": True,
        "schema": {"type": "string", "pattern": "^attachment; filename="},
    },
    "Content-Security-Policy": {
        "description": "Nothing runs in a page, and it loads nothing.",
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
    "BadRequest": "The request is not what the route takes; or a key stands in the address.",
    "NotAllowed": (
        f"The caller has neither of the app roles {READER_ROLE} and {OPERATOR_ROLE}, or only the "
        "reader role for a write; or a page of another site sent the request."
    ),
    "NotFound": "There is nothing of that name.",
    "TooLarge": "The body is larger than any request is.",
    "NotJson": "The body is JSON, and says so in Content-Type.",
    "TooMany": "Many things wait for this guard already.",
    "Unavailable": "The settings are wrong, or the state cannot be reached; the answer says which.",
}
# The platform in front of the app answers this one, with a body of its own or with none.
UNAUTHENTICATED: JsonSchema = {
    "NotSignedIn": {"description": "No function key, a wrong one, or no sign-in."}
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
        "description": "With SIGN_IN=entra: a browser that signed in at /.auth/login/aad.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": (
            "With SIGN_IN=entra: a token of Entra for the app registration of the sign-in; its "
            f"app roles say whether its holder may look ({READER_ROLE}) or act ({OPERATOR_ROLE})."
        ),
    },
}
