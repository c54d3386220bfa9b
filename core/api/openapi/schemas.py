"""JSON Schema 2020-12 of the documents the API answers, generated from their dataclasses. Pure.

    XDocument ─► components/schemas/X          its docstring ─► description          fields ─► names

The report of a run is the exception: core.model.run_document writes it as plain JSON, and its
schemas are written out in core.api.openapi.run_schemas.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from core.json_document import is_inline, is_optional

type JsonSchema = dict[str, object]

SUFFIX = "Document"
SCALARS: Mapping[type, JsonSchema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
}


def build_schemas(documents: Iterable[type]) -> dict[str, JsonSchema]:
    """The schemas of these documents and of all they refer to, by component name."""
    schemas: dict[str, JsonSchema] = {}
    pending = list(documents)
    while pending:
        document = pending.pop()
        name = get_component_name(document)
        if name not in schemas:
            schemas[name] = build_document_schema(document)
            pending += find_references(document)
    return schemas


def get_component_name(document: type) -> str:
    """The name of a document in the OpenAPI document."""
    return document.__name__.removesuffix(SUFFIX)


def build_schema_ref(name: str) -> JsonSchema:
    """A reference to one of the schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def build_document_schema(document: type) -> JsonSchema:
    """The schema of one dataclass."""
    properties, required = build_properties(document)
    return {
        "type": "object",
        "description": cleandoc(document.__doc__ or ""),
        "properties": properties,
        "required": required,
    }


def build_properties(document: type) -> tuple[dict[str, JsonSchema], list[str]]:
    """The schemas of a document's fields by name, and the names that are always there."""
    hints = get_type_hints(document, include_extras=True)
    properties: dict[str, JsonSchema] = {}
    required: list[str] = []
    for entry in fields(document):
        hint = hints[entry.name]
        if is_inline(entry):
            inlined, always = build_properties(hint)
            properties |= inlined
            required += always
        elif is_optional(entry):
            [hint] = list_members(hint)
            properties[entry.name] = build_type_schema(hint)
        else:
            properties[entry.name] = build_type_schema(hint)
            required.append(entry.name)
    return properties, required


def list_members(hint: Any) -> list[Any]:
    """The members of a union without None."""
    return [member for member in get_args(hint) if member is not NoneType]


def build_type_schema(hint: Any) -> JsonSchema:
    """The schema of one type. Raises LookupError for a type that a document cannot hold."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        base, *keywords = arguments
        return build_type_schema(base) | {k: v for each in keywords for k, v in each.items()}
    if origin in (Union, UnionType):
        return {"anyOf": [*map(build_type_schema, list_members(hint)), {"type": "null"}]}
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else build_enum_schema(arguments)
    if origin is tuple:
        return {"type": "array", "items": build_type_schema(arguments[0])}
    if origin is Mapping:
        return {"type": "object"}
    if is_dataclass(hint) and isinstance(hint, type):
        return build_schema_ref(get_component_name(hint))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return build_enum_schema(hint)
    return dict(SCALARS[hint])


def build_enum_schema(values: Iterable[object]) -> JsonSchema:
    """One of a list of texts."""
    return {"type": "string", "enum": [str(value) for value in values]}


def find_references(document: type) -> Iterator[type]:
    """The documents that the fields of a document refer to."""
    hints = get_type_hints(document, include_extras=True)
    for entry in fields(document):
        hint = hints[entry.name]
        if is_inline(entry):
            yield from find_references(hint)
        else:
            yield from find_documents(hint)


def find_documents(hint: Any) -> Iterator[type]:
    """The dataclasses within a type."""
    if is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for argument in get_args(hint):
        yield from find_documents(argument)
