"""What the HTTP API answers, as JSON Schema 2020-12: pure.

Every object is whole: each name it has is required, and null where there is nothing to say.
"""

from collections.abc import Iterable, Mapping

from core.keys import KEY, NUMBER
from core.model.changes import ChangeState
from core.model.findings import Severity, Verdict
from core.model.guards import Mode
from core.model.requests import ActionState, Deed

type Json = dict[str, object]

TEXT: Json = {"type": "string"}
NUMBER_OF: Json = {"type": "integer", "minimum": 0}
FLAG: Json = {"type": "boolean"}
TIME: Json = {"type": "string", "format": "date-time"}
TEXTS: Json = {"type": "array", "items": TEXT}
RUN_ID: Json = {"type": "string", "pattern": f"^{NUMBER}$"}
CASE_KEY: Json = {"type": "string", "pattern": f"^{KEY}$"}
NEVER_RAN = ("queued", "running", "busy", "off", "failed")
RAN = ("done", "going on", "busy", "off", "failed", "attended")


def ref(name: str) -> Json:
    """A reference to one of the schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def words(values: Iterable[str]) -> Json:
    """One of a list of texts."""
    return {"type": "string", "enum": [str(value) for value in values]}


def perhaps(schema: Json) -> Json:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def rows(schema: Json) -> Json:
    """A list."""
    return {"type": "array", "items": schema}


def whole(text: str, fields: Mapping[str, Json], **others: Json) -> Json:
    """An object with all of these names; `others` need not be there."""
    return {
        "type": "object",
        "description": text,
        "properties": {**fields, **others},
        "required": list(fields),
    }


ERROR = whole("What is wrong.", {"error": TEXT})
ACCEPTED = whole(
    "It is written down, and done by whoever holds the guard next.",
    {"action": RUN_ID, "status": words(ActionState), "address": TEXT},
)
ACCEPTED_RUN = whole(
    "The run is written down, and begins as soon as nobody else holds the guard.",
    {"run": RUN_ID, "action": RUN_ID, "status": {"const": "queued"}, "address": TEXT},
)
ACTION = whole(
    "What was asked for, by whom, why, and what came of it.",
    {
        "guard": TEXT,
        "action": RUN_ID,
        "deed": words(Deed),
        "subject": TEXT,
        "who": TEXT,
        "signed_in": TEXT,
        "why": TEXT,
        "asked": TIME,
        "until": perhaps(TIME),
        "status": words(ActionState),
        "ended": perhaps(TIME),
        "note": TEXT,
    },
)
CHANGE = whole(
    "A change of the tenant.",
    {
        "case": TEXT,
        "kind": TEXT,
        "subject": TEXT,
        "outcome": words((*ChangeState, "next run")),
        "note": TEXT,
    },
)
FINDING = whole(
    "Something that is wrong in the tenant.",
    {
        "key": CASE_KEY,
        "subject": TEXT,
        "object": TEXT,
        "kind": TEXT,
        "severity": words([severity.label for severity in Severity]),
        "verdict": words(Verdict),
        "state": TEXT,
        "summary": TEXT,
        "facts": TEXTS,
    },
    advice=TEXT,
    exempt_until=TIME,
)
REPORT = whole(
    "A run that has ended, or that goes on in the next one.",
    {
        "guard": TEXT,
        "run": RUN_ID,
        "status": words(RAN),
        "mode": words(Mode),
        "started": TIME,
        "finished": perhaps(TIME),
        "seen": NUMBER_OF,
        "population": NUMBER_OF,
        "unread": NUMBER_OF,
        "left": NUMBER_OF,
        "coverage": TEXT,
        "blind": TEXTS,
        "adopted": FLAG,
        "findings": rows(ref("Finding")),
        "changes": rows(ref("Change")),
        "preview": rows(ref("Change")),
        "held": TEXT,
        "plan": TEXT,
        "news": NUMBER_OF,
        "told": {"type": ["boolean", "null"]},
        "exemptions": NUMBER_OF,
        "error": TEXT,
        "open": NUMBER_OF,
        "critical": NUMBER_OF,
        "requests": {"type": "object", "additionalProperties": NUMBER_OF},
        "granted": {"type": "object", "additionalProperties": perhaps(TEXTS)},
    },
    findings_omitted=NUMBER_OF,
    changes_omitted=NUMBER_OF,
    preview_omitted=NUMBER_OF,
)
WAITING = whole(
    "A run that was asked for and has not reported.",
    {"guard": TEXT, "run": RUN_ID, "at": TIME, "status": words(NEVER_RAN)},
    error=TEXT,
)
DOCUMENT = whole(
    "This document.",
    {
        "openapi": {"const": "3.1.1"},
        "info": {"type": "object"},
        "paths": {"type": "object"},
        "components": {"type": "object"},
    },
)

ANSWERED: Mapping[str, Json] = {
    "Accepted": ACCEPTED,
    "AcceptedRun": ACCEPTED_RUN,
    "Action": ACTION,
    "Change": CHANGE,
    "Document": DOCUMENT,
    "Error": ERROR,
    "Finding": FINDING,
    "Report": REPORT,
    "Run": {
        "description": "What is known of a run.",
        "anyOf": [ref("Report"), ref("Waiting")],
    },
    "Waiting": WAITING,
}
