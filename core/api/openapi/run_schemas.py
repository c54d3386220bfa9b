"""JSON Schema 2020-12 of a run's report, as core.model.run_document writes it. Pure.

Every object is whole: each of its names is required, and null where there is no value.
"""

from collections.abc import Mapping

from core.api.openapi.schemas import JsonSchema, build_enum_schema, build_schema_ref
from core.json_document import VERDICT_DESCRIPTION
from core.keys import KEY_PATTERN, RUN_ID_PATTERN
from core.model.changes import ChangeState
from core.model.findings import Severity
from core.model.guards import Mode

TEXT: JsonSchema = {"type": "string"}
COUNT: JsonSchema = {"type": "integer", "minimum": 0}
BOOLEAN: JsonSchema = {"type": "boolean"}
TIME: JsonSchema = {"type": "string", "format": "date-time"}
TEXTS: JsonSchema = {"type": "array", "items": TEXT}
RUN_ID: JsonSchema = {"type": "string", "pattern": f"^{RUN_ID_PATTERN}$"}
CASE_KEY: JsonSchema = {"type": "string", "pattern": f"^{KEY_PATTERN}$"}
UNREPORTED_STATUSES = ("queued", "running", "busy", "off", "failed")
REPORTED_STATUSES = ("done", "in-progress", "busy", "off", "failed", "requests-only", "looked")


def build_nullable_schema(schema: JsonSchema) -> JsonSchema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def build_array_schema(schema: JsonSchema) -> JsonSchema:
    """A list."""
    return {"type": "array", "items": schema}


def build_object_schema(
    description: str, fields: Mapping[str, JsonSchema], **optional: JsonSchema
) -> JsonSchema:
    """An object that has all of these names, and may have the optional ones."""
    return {
        "type": "object",
        "description": description,
        "properties": {**fields, **optional},
        "required": list(fields),
    }


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
    "A finding: something wrong in the tenant.",
    {
        "key": CASE_KEY,
        "subject": TEXT,
        "object": TEXT,
        "kind": TEXT,
        "severity": build_enum_schema([severity.label for severity in Severity]),
        "verdict": {**TEXT, "description": VERDICT_DESCRIPTION},
        "state": TEXT,
        "summary": TEXT,
        "facts": TEXTS,
    },
    advice=TEXT,
    exempt_until=TIME,
)
REPORT = build_object_schema(
    "The report of a run that has ended, or continues in the next run.",
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
    "A run that was requested and has not reported yet.",
    {"guard": TEXT, "run": RUN_ID, "at": TIME, "status": build_enum_schema(UNREPORTED_STATUSES)},
    error=TEXT,
)
RUN_SCHEMAS: Mapping[str, JsonSchema] = {
    "Change": CHANGE,
    "Finding": FINDING,
    "Report": REPORT,
    "Run": {
        "description": "The status or the report of a run.",
        "anyOf": [build_schema_ref("Report"), build_schema_ref("UnreportedRun")],
    },
    "UnreportedRun": UNREPORTED_RUN,
}
