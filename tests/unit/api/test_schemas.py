"""The generated schemas describe the documents that the API answers."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Literal

import pytest
from jsonschema_rs import Draft202012Validator, ValidationError

from core.api.openapi.document import ALL_SCHEMAS
from core.api.openapi.schemas import build_schemas, build_type_schema
from core.json_document import INLINE, Count, to_json
from core.status.case_document import build_case_document, build_case_page_document
from core.status.case_query import CaseDetail, CaseFilter, select_case_page
from core.status.document import build_status_document
from core.status.overview import build_status
from tests.support.status_samples import NOW, build_busy_tenant, build_hostile_tenant


@cache
def build_validator(schema: str) -> Draft202012Validator:
    """What a document is held to."""
    whole = {
        "$ref": f"#/components/schemas/{schema}",
        "components": {"schemas": dict(ALL_SCHEMAS)},
    }
    return Draft202012Validator(whole, validate_formats=True)


def validate(document: Any, schema: str) -> None:
    """Raises ValidationError for a document that is not as its schema says."""
    build_validator(schema).validate(document)


@pytest.mark.parametrize("build_tenant", [build_busy_tenant, build_hostile_tenant])
def test_documents_are_as_their_schemas_say(build_tenant: Any) -> None:
    data = build_tenant()
    validate(to_json(build_status_document(build_status(data, NOW))), "Status")
    page = select_case_page(data, CaseFilter(state="all"))
    validate(to_json(build_case_page_document(page)), "CasePage")
    for config, case in page.rows:
        validate(to_json(build_case_document(CaseDetail(config, case))), "Case")


def test_a_document_that_lacks_a_name_is_not_valid() -> None:
    document = to_json(build_status_document(build_status(build_busy_tenant(), NOW)))
    del document["guards"][0]["late"]
    with pytest.raises(ValidationError, match='"late" is a required property'):
        validate(document, "Status")


@dataclass(frozen=True, slots=True)
class InnerDocument:
    """An inner document."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class OuterDocument:
    """An outer document."""

    version: Literal[1]
    count: Count
    merged: InnerDocument = field(metadata=INLINE)
    rows: tuple[InnerDocument, ...]
    note: str | None = None


def test_a_schema_has_the_names_and_the_docstring_of_its_dataclass() -> None:
    time = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
    inner = {
        "type": "object",
        "description": "An inner document.",
        "properties": {"at": time},
        "required": ["at"],
    }
    outer = {
        "type": "object",
        "description": "An outer document.",
        "properties": {
            "version": {"const": 1},
            "count": {"type": "integer", "minimum": 0},
            "at": time,
            "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}},
            "note": {"type": "string"},
        },
        "required": ["version", "count", "at", "rows"],
    }
    assert build_schemas([OuterDocument]) == {"Outer": outer, "Inner": inner}


def test_a_type_that_no_document_holds_has_no_schema() -> None:
    with pytest.raises(LookupError):
        build_type_schema(bytes)
