"""Typed JSON documents: a dataclass declares the names of a document once, with their types. Pure.

    dataclass ─► to_json ─► JSON               dataclass ─► core.api.openapi.schemas ─► JSON Schema

Every field is part of the document, null where its value is None. Two kinds of fields differ: one
with a default is left out while it is None, and one with the metadata INLINE holds another document
whose names are merged into those of its own.

Constraints that a Python type cannot express are JSON Schema keywords in an `Annotated` type.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from core.keys import KEY_PATTERN, RUN_ID_PATTERN

INLINE: Mapping[str, bool] = {"inline": True}

Count = Annotated[int, {"minimum": 0}]
CaseKey = Annotated[str, {"pattern": f"^{KEY_PATTERN}$"}]
VERDICT_DESCRIPTION = "A verdict of the engine or of the guard; docs/guards.md explains each."
VerdictWord = Annotated[str, {"description": VERDICT_DESCRIPTION}]
RunId = Annotated[str, {"pattern": f"^{RUN_ID_PATTERN}$"}]


def is_inline(document_field: "Field[Any]") -> bool:
    """True for a field whose document is merged into the one that has it."""
    return document_field.metadata == INLINE


def is_optional(document_field: "Field[Any]") -> bool:
    """True for a field that a document may lack."""
    return document_field.default is not MISSING


def to_json(value: object) -> Any:
    """A document, or a part of one, as values that `json.dumps` takes. Times are ISO 8601."""
    match value:
        case StrEnum():
            return value.value
        case date():
            return value.isoformat()
        case tuple() | list():
            return [to_json(item) for item in value]
        case Mapping():
            return {name: to_json(item) for name, item in value.items()}
        case _ if is_dataclass(value):
            return dataclass_to_json(value)
        case _:
            return value


def dataclass_to_json(document: Any) -> dict[str, Any]:
    """The fields of a document by name."""
    found: dict[str, Any] = {}
    for entry in fields(document):
        value = getattr(document, entry.name)
        if is_inline(entry):
            found |= dataclass_to_json(value)
        elif value is not None or not is_optional(entry):
            found[entry.name] = to_json(value)
    return found
