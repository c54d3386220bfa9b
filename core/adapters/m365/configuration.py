"""Objects of the organization's configuration, as `core.microsoft365.configuration_sources` lays
down.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each, list_objects, list_rows
from core.adapters.graph.client import GraphClient
from core.adapters.m365.group_reads import fetch_groups
from core.adapters.parsing import (
    ResponseRow,
    parse_each_row,
    parse_identifier,
    parse_text,
    strip_annotations,
)
from core.adapters.read_errors import (
    build_read_failure,
    build_row_failures,
    build_unavailable_reading,
)
from core.errors import Forbidden, NotFound, Rejected, TenantError, Unavailable
from core.keys import hash_parts
from core.microsoft365.configuration_sources import (
    CONFIGURATION_SOURCES,
    get_configuration_source_name,
)
from core.microsoft365.source_shapes import (
    ALL_RESULTS,
    TYPE_ANNOTATION,
    TYPE_NAME,
    ConfigurationSource,
    NameList,
)
from core.model.guards import Service
from core.tenant.configuration import Configuration
from core.tenant.readings import Reading

RELIES_ON = (
    "exchange-null-property",
    "graph-federation-configuration",
    "exchange-mailbox-filters",
    "graph-device-owners",
    "graph-device-policy",
    "graph-outside-federation",
    "graph-principal-owners",
)

NAME_LIMIT = 200
TEXT_LIMIT = 2_000
LIST_LIMIT = 2_000
MAX_DEPTH = 6
MAX_RELATED = 60
"""Objects of a source that are asked for a relation, with a request each."""


@dataclass(frozen=True, slots=True)
class M365ConfigurationReader:
    """Implements ConfigurationReader."""

    graph: GraphClient
    exchange: ExchangeClient

    async def read_configuration(self, name: str) -> Reading[Configuration]:
        """Every object of a source. None at all counts as unread, unless a tenant may have none."""
        source, source_name = CONFIGURATION_SOURCES[name], get_configuration_source_name(name)
        try:
            rows = await read_source_rows(self.graph, self.exchange, source)
            if not rows and not source.may_be_none:
                raise Unavailable(f"{source.read} answered with nothing")
        except TenantError as error:
            if source.optional_because and isinstance(error, Forbidden | Rejected | NotFound):
                return build_absent_reading(source, source_name, error)
            return build_unavailable_reading(source_name, error)
        items, broken = parse_each_row(rows, lambda row: parse_configuration(name, source, row))
        unread = build_row_failures(source_name, broken, [""] * len(broken))
        return Reading(tuple(items), unread, frozenset({source_name}), population=len(rows))

    async def read_groups(self, ids: Sequence[str]) -> Reading[Configuration]:
        """The transitive members and the rule of some groups; one that is gone is absent."""
        return await fetch_groups(self.graph, ids)


def build_absent_reading(
    source: ConfigurationSource, name: str, error: TenantError
) -> Reading[Configuration]:
    """The reading of a source that the tenant may not have at all."""
    reason = (
        f"{source.read} was refused: the app lacks {source.permission}, or the tenant has nothing "
        f"to read there ({source.optional_because})"
    )
    refused = Forbidden(reason, source.permission) if isinstance(error, Forbidden) else reason
    failure = build_read_failure(name, refused, optional=True)
    return Reading(failures=(failure,), sources=frozenset({name}))


def name_types(value: object, depth: int = 2 * MAX_DEPTH) -> object:
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


async def read_source_rows(
    graph: GraphClient, exchange: ExchangeClient, source: ConfigurationSource
) -> list[ResponseRow]:
    """What a cmdlet or a path of Graph answers. Raises TenantError."""
    if source.service is Service.EXCHANGE:
        command = Command(source.read, source.read_parameters, source.selected)
        if source.keeps:
            return await list_kept_rows(exchange, command, source.keeps)
        rows = await list_rows(exchange, command)
        return await add_named_rows(exchange, source, rows) if source.relation else rows
    pages = graph.read_pages(source.read, source.permission)
    if source.name_list:
        return [gather_names(source.name_list, [row async for page in pages for row in page])]
    if not source.identity_property:
        row = await graph.get(source.read, source.permission)
        if not holds_properties(row):
            raise Unavailable(f"{source.read} answered with an object without properties")
        return [keep_types(source, row)]
    keeps, relates = source.keeps or is_kept, source.relates or is_kept
    rows = [keep_types(source, row) async for page in pages for row in page if keeps(row)]
    if not source.relation:
        return rows
    asked = sum(map(relates, rows))
    if asked > MAX_RELATED:
        raise Unavailable(
            f"{source.read.partition('?')[0]} has {asked:,} objects to ask one by one: too many"
        )
    return [await add_relation(graph, source, row) if relates(row) else row for row in rows]


async def list_kept_rows(
    exchange: ExchangeClient, command: Command, keeps: Callable[[ResponseRow], bool]
) -> list[ResponseRow]:
    """The rows of a long listing that are kept, of each page as it comes. Raises TenantError, also
    where nothing was listed at all: that is not a listing of which nothing is kept.
    """
    kept: list[ResponseRow] = []
    listed = 0
    async for part in list_objects(exchange, command):
        listed += len(part.rows)
        kept += filter(keeps, part.rows)
    if not listed:
        raise Unavailable(f"{command.cmdlet} listed nothing")
    return kept


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
        pages = graph.read_pages(path, source.permission)
        whole = [one async for page in pages for one in page]
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
    rest = sorted(json.dumps(one, sort_keys=True, default=str) for one in values[LIST_LIMIT:])
    return [*kept, f"{describe_rest(len(rest), *rest)}"] if rest else kept


def describe_rest(count: int, *parts: str) -> str:
    """How much more there is, with a hash of it."""
    return f"{count:,} more, {hash_parts(*parts)[:12]}"


def clip_configuration_value(value: object, depth: int = MAX_DEPTH) -> object:
    """A JSON value, bounded in length and depth. What is cut off still shows when it changes."""
    if isinstance(value, str):
        return clip_text(value)
    if isinstance(value, Mapping):
        if not depth:
            return {}
        inner = list(strip_annotations(value).items())[:LIST_LIMIT]
        return {
            parse_text(key, NAME_LIMIT): clip_configuration_value(part, depth - 1)
            for key, part in inner
        }
    if isinstance(value, list):
        return clip_list(value, depth) if depth else []
    return value
