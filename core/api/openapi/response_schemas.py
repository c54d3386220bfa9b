"""What the HTTP API answers, as JSON Schema 2020-12: pure.

Every object is whole: each name it has is required, and null where there is nothing to say.
"""

from collections.abc import Iterable, Mapping

from core.keys import KEY_PATTERN, RUN_ID_PATTERN
from core.model.changes import ChangeState
from core.model.findings import Severity, Verdict
from core.model.guards import Mode
from core.model.requests import RequestKind, RequestState

type JsonSchema = dict[str, object]

TEXT: JsonSchema = {"type": "string"}
COUNT: JsonSchema = {"type": "integer", "minimum": 0}
BOOLEAN: JsonSchema = {"type": "boolean"}
TIME: JsonSchema = {"type": "string", "format": "date-time"}
TEXTS: JsonSchema = {"type": "array", "items": TEXT}
RUN_ID: JsonSchema = {"type": "string", "pattern": f"^{RUN_ID_PATTERN}$"}
CASE_KEY: JsonSchema = {"type": "string", "pattern": f"^{KEY_PATTERN}$"}
UNREPORTED_STATUSES = ("queued", "running", "busy", "off", "failed")
REPORTED_STATUSES = ("done", "going on", "busy", "off", "failed", "attended")


def build_schema_ref(name: str) -> JsonSchema:
    """A reference to one of the schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def build_enum_schema(values: Iterable[str]) -> JsonSchema:
    """One of a list of texts."""
    return {"type": "string", "enum": [str(value) for value in values]}


def build_nullable_schema(schema: JsonSchema) -> JsonSchema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def build_array_schema(schema: JsonSchema) -> JsonSchema:
    """A list."""
    return {"type": "array", "items": schema}


def build_object_schema(
    description: str, fields: Mapping[str, JsonSchema], **optional: JsonSchema
) -> JsonSchema:
    """An object with all of these names; `others` need not be there."""
    return {
        "type": "object",
        "description": description,
        "properties": {**fields, **optional},
        "required": list(fields),
    }


ERROR = build_object_schema("What is wrong.", {"error": TEXT})
ACCEPTED = build_object_schema(
    "It is written down, and done by whoever holds the guard next.",
    {"action": RUN_ID, "status": build_enum_schema(RequestState), "address": TEXT},
)
ACCEPTED_RUN = build_object_schema(
    "The run is written down, and begins as soon as nobody else holds the guard.",
    {"run": RUN_ID, "action": RUN_ID, "status": {"const": "queued"}, "address": TEXT},
)
OPERATOR_REQUEST = build_object_schema(
    "What was asked for, by whom, why, and what came of it.",
    {
        "guard": TEXT,
        "action": RUN_ID,
        "kind": build_enum_schema(RequestKind),
        "subject": TEXT,
        "who": TEXT,
        "signed_in": TEXT,
        "why": TEXT,
        "asked": TIME,
        "until": build_nullable_schema(TIME),
        "status": build_enum_schema(RequestState),
        "ended": build_nullable_schema(TIME),
        "note": TEXT,
    },
)
CHANGE = build_object_schema(
    "A change of the tenant.",
    {
        "case": TEXT,
        "kind": TEXT,
        "subject": TEXT,
        "outcome": build_enum_schema((*ChangeState, "next run")),
        "note": TEXT,
    },
)
FINDING = build_object_schema(
    "Something that is wrong in the tenant.",
    {
        "key": CASE_KEY,
        "subject": TEXT,
        "object": TEXT,
        "kind": TEXT,
        "severity": build_enum_schema([severity.label for severity in Severity]),
        "verdict": build_enum_schema(Verdict),
        "state": TEXT,
        "summary": TEXT,
        "facts": TEXTS,
    },
    advice=TEXT,
    exempt_until=TIME,
)
REPORT = build_object_schema(
    "A run that has ended, or that goes on in the next one.",
    {
        "guard": TEXT,
        "run": RUN_ID,
        "status": build_enum_schema(REPORTED_STATUSES),
        "mode": build_enum_schema(Mode),
        "started": TIME,
        "finished": build_nullable_schema(TIME),
        "seen": COUNT,
        "population": COUNT,
        "unread": COUNT,
        "left": COUNT,
        "coverage": TEXT,
        "blind": TEXTS,
        "adopted": BOOLEAN,
        "findings": build_array_schema(build_schema_ref("Finding")),
        "changes": build_array_schema(build_schema_ref("Change")),
        "preview": build_array_schema(build_schema_ref("Change")),
        "held": TEXT,
        "plan": TEXT,
        "news": COUNT,
        "told": {"type": ["boolean", "null"]},
        "exemptions": COUNT,
        "error": TEXT,
        "open": COUNT,
        "critical": COUNT,
        "requests": {"type": "object", "additionalProperties": COUNT},
        "granted": {"type": "object", "additionalProperties": build_nullable_schema(TEXTS)},
    },
    findings_omitted=COUNT,
    changes_omitted=COUNT,
    preview_omitted=COUNT,
)
UNREPORTED_RUN = build_object_schema(
    "A run that was asked for and has not reported.",
    {"guard": TEXT, "run": RUN_ID, "at": TIME, "status": build_enum_schema(UNREPORTED_STATUSES)},
    error=TEXT,
)
DOCUMENT = build_object_schema(
    "This document.",
    {
        "openapi": {"const": "3.1.1"},
        "info": {"type": "object"},
        "paths": {"type": "object"},
        "components": {"type": "object"},
    },
)

RESPONSE_SCHEMAS: Mapping[str, JsonSchema] = {
    "Accepted": ACCEPTED,
    "AcceptedRun": ACCEPTED_RUN,
    "Action": OPERATOR_REQUEST,
    "Change": CHANGE,
    "Document": DOCUMENT,
    "Error": ERROR,
    "Finding": FINDING,
    "Report": REPORT,
    "Run": {
        "description": "What is known of a run.",
        "anyOf": [build_schema_ref("Report"), build_schema_ref("Waiting")],
    },
    "Waiting": UNREPORTED_RUN,
}
