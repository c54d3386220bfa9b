"""Rows of the organization's configuration: what belongs to each, and what is kept of it."""

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each
from core.adapters.graph.client import GraphClient
from core.adapters.parsing import ResponseRow, parse_identifier, parse_text, strip_annotations
from core.errors import NotFound, TenantError, Unavailable
from core.keys import hash_parts
from core.microsoft365.source_shapes import (
    ALL_RESULTS,
    TYPE_ANNOTATION,
    TYPE_NAME,
    ConfigurationSource,
    NameList,
)
from core.tenant.configuration import Configuration

NAME_LIMIT = 200
TEXT_LIMIT = 2_000
LIST_LIMIT = 2_000
MAX_DEPTH = 12
"""Levels of objects and lists. Approvers of a role lie eight levels down in its rules."""
MAX_RELATED = 60
"""Objects of a source that are asked for a relation, with a request each."""


def name_types(value: object, depth: int = MAX_DEPTH) -> object:
    """A value with the kind of each object under a name of its own, as deep as values are kept."""
    if not depth:
        return value
    if isinstance(value, list):
        return [name_types(part, depth - 1) for part in value]
    if not isinstance(value, Mapping):
        return value
    named = {key: name_types(part, depth - 1) for key, part in value.items()}
    kind = value.get(TYPE_ANNOTATION)
    return {**named, TYPE_NAME: kind} if isinstance(kind, str) else named


def keep_types(source: ConfigurationSource, row: ResponseRow) -> ResponseRow:
    """A row with the kinds of its objects, where they count."""
    named = name_types(row) if source.keeps_types else row
    return dict(named) if isinstance(named, Mapping) else row


def holds_properties(row: ResponseRow) -> bool:
    """Whether a row is an object at all: an empty one would say that nothing is set."""
    return any(
        value is not None and name != "value" and "@odata." not in name
        for name, value in row.items()
    )


def is_kept(row: Mapping[str, object]) -> bool:
    """What a source without a rule of its own says of each row."""
    return True


async def add_named_rows(
    exchange: ExchangeClient, source: ConfigurationSource, rows: list[ResponseRow]
) -> list[ResponseRow]:
    """Rows with what another cmdlet lists of each of them. Raises TenantError."""
    if len(rows) > MAX_RELATED:
        raise Unavailable(f"{source.read} has {len(rows):,} objects: too many to ask each")
    commands = [
        Command(
            source.relation,
            {"Identity": row.get(source.identity_property) or row.get("Name"), **ALL_RESULTS},
        )
        for row in rows
    ]
    result: list[ResponseRow] = []
    for row, outcome in zip(rows, await list_each(exchange, commands), strict=True):
        if isinstance(outcome, NotFound):
            # It was deleted: a listing shows it for a while longer.
            continue
        if isinstance(outcome, TenantError):
            raise outcome
        result.append({**row, source.relation: [strip_annotations(one) for one in outcome]})
    return result


async def add_relation(
    graph: GraphClient, source: ConfigurationSource, row: ResponseRow
) -> ResponseRow:
    """A row with the objects it is related to, by their ids or with what is asked of them.

    Raises TenantError.
    """
    identity = parse_identifier(row.get(source.identity_property), NAME_LIMIT)
    path = f"{source.read.partition('?')[0]}/{quote(identity, safe='')}/{source.relation}"
    if source.relates_whole_objects:
        whole = await read_related(graph, source, path)
        return {
            **row,
            source.relation: [strip_annotations(keep_types(source, one)) for one in whole],
        }
    if source.related_properties:
        names = ("id", *source.related_properties)
        pages = graph.read_pages(f"{path}?$select={','.join(names)}", source.permission)
        shown = [
            {name: one[name] for name in names if name in one}
            async for page in pages
            for one in page
        ]
        return {**row, source.relation: shown}
    pages = graph.read_pages(f"{path}?$select=id", source.permission)
    ids = [parse_identifier(one.get("id"), NAME_LIMIT) async for page in pages for one in page]
    return {**row, source.relation: [one for one in ids if one]}


async def read_related(
    graph: GraphClient, source: ConfigurationSource, path: str
) -> list[ResponseRow]:
    """The objects at the end of a relation. Raises TenantError."""
    try:
        return [one async for page in graph.read_pages(path, source.permission) for one in page]
    except NotFound:
        if not source.relates_to_nothing_if_absent:
            raise
        return []


def gather_names(names: NameList, rows: Sequence[ResponseRow]) -> ResponseRow:
    """Many objects as one, which holds the names of those without the mark.

    Raises Unavailable where an object does not say whether it has it.
    """
    if not all(isinstance(row.get(names.mark), bool) for row in rows):
        raise Unavailable(f"an object does not tell {names.mark}")
    found = (
        parse_text(row.get("displayName") or row.get("id"), NAME_LIMIT)
        for row in rows
        if not row[names.mark]
    )
    return {names.property_name: sorted(found)}


def parse_configuration(name: str, source: ConfigurationSource, row: ResponseRow) -> Configuration:
    """A row as an object of its source. Raises ValueError when it has no identity."""
    plain = strip_annotations(row)
    found = (
        parse_identifier(plain.get(source.identity_property), NAME_LIMIT)
        if source.identity_property
        else ""
    )
    if source.identity_property and not found:
        found = parse_text(plain.get(source.identity_property), NAME_LIMIT).strip()
    if source.identity_property and not found:
        raise ValueError(f"{source.read}: an object without {source.identity_property}")
    named = plain.get("Name") or plain.get("displayName") or plain.get("Identity")
    title = parse_text(named, NAME_LIMIT) or found
    values = {
        parse_text(key, NAME_LIMIT): clip_configuration_value(value)
        for key, value in plain.items()
        if not key.startswith("@odata.")
    }
    return Configuration(name, found, title, values)


def clip_text(text: str) -> str:
    """A text, bounded; a longer one ends with what tells it from any other that begins like it."""
    if len(text) <= TEXT_LIMIT:
        return parse_text(text, TEXT_LIMIT)
    return f"{parse_text(text, TEXT_LIMIT)}… ({describe_rest(len(text) - TEXT_LIMIT, text)})"


def clip_list(values: list[object], depth: int) -> list[object]:
    """A list, bounded; a longer one ends with a text that changes with any of the rest."""
    kept = [clip_configuration_value(part, depth - 1) for part in values[:LIST_LIMIT]]
    rest = sorted(map(hash_value, values[LIST_LIMIT:]))
    return [*kept, f"{describe_rest(len(rest), *rest)}"] if rest else kept


def hash_value(value: object) -> str:
    """What tells a JSON value from any other. Raises ValueError for one nested too deeply."""
    try:
        return hash_parts(json.dumps(value, sort_keys=True, default=str))
    except RecursionError:
        raise ValueError("a property is nested too deeply") from None


def describe_rest(count: int, *parts: str) -> str:
    """How much more there is, with a hash of it."""
    return f"{count:,} more, {hash_parts(*parts)[:12]}"


def clip_configuration_value(value: object, depth: int = MAX_DEPTH) -> object:
    """A JSON value, bounded in length and depth. What is cut off still shows when it changes."""
    if isinstance(value, str):
        return clip_text(value)
    if isinstance(value, Mapping | list) and value and not depth:
        return f"deeper, {hash_value(value)}"
    if isinstance(value, Mapping):
        inner = list(strip_annotations(value).items())[:LIST_LIMIT]
        return {
            parse_text(key, NAME_LIMIT): clip_configuration_value(part, depth - 1)
            for key, part in inner
        }
    if isinstance(value, list):
        return clip_list(value, depth)
    return value
