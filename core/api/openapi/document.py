"""The HTTP API described as OpenAPI 3.1, from the same rows that register and serve it: pure.

    Route, Field ─► paths, parameters, bodies        core.api.openapi.response_schemas ─► what is
    answered

A new route needs its row in `core.api.routes.ROUTES` and a row in `ANSWERS` here.

Source: OpenAPI Specification 3.1.1 (spec.openapis.org).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from core.api.authentication import OPERATOR, READER
from core.api.openapi.response_schemas import ANSWERED, Json, ref
from core.api.openapi.status_schemas import STATUS_SCHEMAS
from core.keys import KEY, NUMBER

PREFIX = "/api/"
JSON_TYPE = "application/json"
KEY_HEADER = "x-functions-key"
PARAMETER = re.compile(r"\{(\w+)\}")
SCHEMAS: Mapping[str, Json] = dict(sorted({**ANSWERED, **STATUS_SCHEMAS}.items()))

# The schema of what a route answers when all is well; the media type says what is no JSON.
ANSWERS: Mapping[str, str] = {
    "request-run": "AcceptedRun",
    "request-exemption": "Accepted",
    "request-exemption-end": "Accepted",
    "request-undo": "Accepted",
    "request-acknowledgement": "Accepted",
    "status-page": "Page",
    "cases-page": "Page",
    "case-page": "Page",
    "status-json": "Status",
    "cases-json": "Cases",
    "case-json": "Case",
    "export": "Evidence",
    "run-report": "Run",
    "action-report": "Action",
    "openapi": "Document",
}
CONFLICTS: Mapping[str, str] = {
    "request-run": "The guard is set to something else: it is off, or does not enforce.",
}
# Headers of an answer beside those that every answer has.
FURTHER: Mapping[str, tuple[str, ...]] = {
    "Evidence": ("Content-Disposition", "Repr-Digest"),
    "Page": ("Content-Security-Policy",),
}
# Where one can see what became of it: the route, and its parameter.
FOLLOWED: Mapping[str, tuple[str, str]] = {
    "AcceptedRun": ("run-report", "run"),
    "Accepted": ("action-report", "action"),
}
PLACES: Mapping[str, tuple[str, str]] = {
    "run": (NUMBER, "the id of a run, as the answer to the request names it"),
    "action": (NUMBER, "the id of what was asked for, as the answer to the request names it"),
    "case": (KEY, "the key of a case: 32 hex digits"),
    "change": (KEY, "the id of a change: 32 hex digits"),
}


class Described(Protocol):
    """A field of a body or a query, as `core.api.routes.Field`."""

    @property
    def name(self) -> str: ...
    @property
    def help(self) -> str: ...
    @property
    def pattern(self) -> str: ...
    @property
    def longest(self) -> int: ...
    @property
    def required(self) -> bool: ...


class Way(Protocol):
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
    def fields(self) -> Sequence[Described]: ...
    @property
    def answers(self) -> Sequence[str]: ...
    @property
    def acts(self) -> bool: ...


def document(routes: Iterable[Way], guards: Iterable[str]) -> Json:
    """The whole document. `guards` are the names an address may have."""
    names = tuple(guards)
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = operation(route, names)
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
            "schemas": dict(SCHEMAS),
            "headers": HEADERS,
            "responses": {name: refusal(text) for name, text in REFUSALS.items()} | DENIED,
            "securitySchemes": SCHEMES,
        },
    }


def operation(route: Way, guards: Sequence[str]) -> Json:
    """One route."""
    found: dict[str, object] = {
        "operationId": route.name,
        "tags": ["act" if route.acts else "look"],
        "summary": route.summary,
        "responses": responses(route),
    }
    parameters = [place(name, guards) for name in PARAMETER.findall(route.path)]
    if route.acts:
        found["requestBody"] = {
            "required": True,
            "content": {JSON_TYPE: {"schema": body(route.fields)}},
        }
    else:
        parameters += [asked(entry, guards) for entry in route.fields]
    return found | ({"parameters": parameters} if parameters else {})


def place(name: str, guards: Sequence[str]) -> Json:
    """A parameter in the address. Raises LookupError for one nobody described."""
    if name == "guard":
        schema: Json = {"type": "string", "enum": list(guards)}
        text = "the name of a guard"
    else:
        pattern, text = PLACES[name]
        schema = {"type": "string", "pattern": f"^{pattern}$"}
    return {"name": name, "in": "path", "required": True, "description": text, "schema": schema}


def asked(entry: Described, guards: Sequence[str]) -> Json:
    """A parameter in the query; an empty one is none."""
    schema: Json = {"type": "string", "enum": ["", *guards]}
    return {
        "name": entry.name,
        "in": "query",
        "required": entry.required,
        "description": entry.help,
        "schema": schema if entry.name == "guard" else text_of(entry),
    }


def body(fields: Sequence[Described]) -> Json:
    """What a POST says."""
    return {
        "type": "object",
        "properties": {
            entry.name: text_of(entry) | {"description": entry.help} for entry in fields
        },
        "required": [entry.name for entry in fields if entry.required],
        "additionalProperties": False,
    }


def text_of(entry: Described) -> Json:
    """The text a field takes."""
    return {"type": "string", "pattern": f"^(?:{entry.pattern})$", "maxLength": entry.longest}


def responses(route: Way) -> Json:
    """Everything a route can answer, by status."""
    schema = ANSWERS[route.name]
    good = {
        "description": SCHEMAS[schema]["description"],
        "headers": dict(SENT),
        "content": {kind: {"schema": ref(schema)} for kind in route.answers},
    }
    if further := FURTHER.get(schema, ("Location",) if route.acts else ()):
        good["headers"] = SENT | {name: header(name) for name in further}
    if route.acts:
        good["links"] = link(schema)
    found: dict[str, object] = {"202" if route.acts else "200": good}
    in_front = "".join(DENIED)
    for status, name in refusals_of(route).items():
        page = schema == "Page" and name != in_front
        shown = notice(REFUSALS[name]) if page else {"$ref": f"#/components/responses/{name}"}
        found[str(status)] = shown
    if route.name in CONFLICTS:
        found["409"] = refusal(CONFLICTS[route.name])
    return dict(sorted(found.items()))


def header(name: str) -> Json:
    """A reference to one of the headers."""
    return {"$ref": f"#/components/headers/{name}"}


def refusals_of(route: Way) -> dict[int, str]:
    """How a route can refuse a request; what no address names cannot be missing."""
    found = {400: "BadRequest", 401: "NotSignedIn", 403: "NotAllowed", 503: "Unavailable"}
    if "{" in route.path:
        found[404] = "NotFound"
    if route.acts:
        found |= {413: "TooLarge", 415: "NotJson", 429: "TooMany"}
    return found


def link(schema: str) -> Json:
    """From the answer to a request to what became of it."""
    route, name = FOLLOWED[schema]
    return {
        "became": {
            "operationId": route,
            "parameters": {"guard": "$request.path.guard", name: f"$response.body#/{name}"},
            "description": "What became of it.",
        }
    }


def refusal(text: str) -> Json:
    """An answer that says what is wrong."""
    return {
        "description": text,
        "headers": dict(SENT),
        "content": {JSON_TYPE: {"schema": ref("Error")}},
    }


def notice(text: str) -> Json:
    """An answer that says what is wrong to whoever asked for a page."""
    return {
        "description": text,
        "headers": SENT | {"Content-Security-Policy": header("Content-Security-Policy")},
        "content": {"text/html": {"schema": ref("Page")}},
    }


HEADERS: Json = {
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
SENT: Json = {name: header(name) for name in ("Cache-Control", "X-Content-Type-Options")}
REFUSALS: Mapping[str, str] = {
    "BadRequest": "The request is not what the route takes; or a key stands in the address.",
    "NotAllowed": (
        f"Who signed in has neither of the app roles {READER} and {OPERATOR}, or may only look; "
        "or a page of another site asks."
    ),
    "NotFound": "There is nothing of that name.",
    "TooLarge": "The body is larger than any request is.",
    "NotJson": "The body is JSON, and says so in Content-Type.",
    "TooMany": "Many things wait for this guard already.",
    "Unavailable": "The settings are wrong, or the state cannot be reached; the answer says which.",
}
# The platform in front of the app answers this one, with a body of its own or with none.
DENIED: Json = {"NotSignedIn": {"description": "No function key, a wrong one, or no sign-in."}}
SCHEMES: Json = {
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
            f"app roles say whether its holder may look ({READER}) or act ({OPERATOR})."
        ),
    },
}
