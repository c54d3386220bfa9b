"""Single objects of the organization's configuration, each asked for by its identity."""

from collections.abc import Sequence
from urllib.parse import quote

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.single_objects import OTHER_OBJECT, fetch_single_objects
from core.adapters.graph.client import GraphClient
from core.adapters.graph.objects import Failures
from core.adapters.m365.configuration_rows import (
    add_named_rows,
    add_relation,
    is_kept,
    keep_types,
    parse_configuration,
)
from core.adapters.parsing import ResponseRow, explain_row_error, parse_text
from core.adapters.read_errors import build_object_failures, build_unavailable_reading
from core.errors import MISTAKES, NotFound, TenantError
from core.microsoft365.assumptions.exchange_objects import SINGLE_SETTINGS
from core.microsoft365.assumptions.graph_traces import SINGLE_FILTERS
from core.microsoft365.configuration_sources import (
    CONFIGURATION_SOURCES,
    get_configuration_source_name,
)
from core.microsoft365.source_shapes import ConfigurationSource
from core.model.guards import Service
from core.tenant.configuration import Configuration
from core.tenant.readings import Reading

RELIES_ON = (SINGLE_SETTINGS, SINGLE_FILTERS)

# What a cmdlet that lists takes, and not together with an identity.
LISTING_PARAMETERS = frozenset({"ResultSize", "Filter"})
# What of a path says how an object is shown, and not which ones are listed.
SHOWING_OPTIONS, FILTER = ("$select=", "$expand="), "$filter="

type Rows = list[tuple[str, ResponseRow]]
"""What was found, each with the key it was asked for by."""


async def fetch_single_configuration(
    graph: GraphClient, exchange: ExchangeClient, name: str, ids: Sequence[str]
) -> Reading[Configuration]:
    """Some objects of a source, by the key that `found_by` says. One that is gone, or that the
    listing would not show, is absent.

    A failure names the key that was asked for.
    """
    source, source_name = CONFIGURATION_SOURCES[name], get_configuration_source_name(name)
    found: Rows = []
    try:
        if source.service is Service.EXCHANGE:
            failures = await read_from_exchange(exchange, source, ids, found)
        else:
            failures = await read_from_graph(graph, source, ids, found)
    except TenantError as error:
        return build_unavailable_reading(source_name, error)
    items: list[Configuration] = []
    for key, row in found:
        try:
            items.append(parse_configuration(name, source, row))
        except MISTAKES as error:
            failures[key] = explain_row_error(error)
    return Reading(
        items=tuple(items),
        failures=build_object_failures(source_name, failures, len(ids), {}),
        sources=frozenset({source_name}),
        population=len(ids),
        scope=frozenset(ids),
    )


def is_identity_of(source: ConfigurationSource, key: str, row: ResponseRow) -> bool:
    """Whether a row is the object that was asked for."""
    if source.found_by:
        return source.name_key("", row) == key.casefold()
    names = (source.identity_property, "Guid", "Identity", "Name")
    return key.casefold() in {parse_text(row.get(name)).casefold() for name in names}


async def read_from_exchange(
    exchange: ExchangeClient, source: ConfigurationSource, ids: Sequence[str], found: Rows
) -> Failures:
    """Note what Exchange shows of each, and why one could not be read. Raises TenantError."""
    listing = source.read_parameters.items()
    more = {name: value for name, value in listing if name not in LISTING_PARAMETERS}
    name = source.found_by or "Identity"
    commands = {one: Command(source.read, {**more, name: one}, source.selected) for one in ids}
    objects = await fetch_single_objects(
        exchange,
        commands,
        lambda row: row,
        lambda key, row: is_identity_of(source, key, row),
        SINGLE_SETTINGS,
        filters=bool(source.found_by),
    )
    for key, row in objects.found.items():
        if source.lists(row):
            related = await add_named_rows(exchange, source, [row]) if source.relation else [row]
            found += ((key, one) for one in related)
    return objects.errors


async def read_from_graph(
    graph: GraphClient, source: ConfigurationSource, ids: Sequence[str], found: Rows
) -> Failures:
    """Note what Graph shows of each, and why one could not be read. Raises TenantError."""
    answers: dict[str, list[ResponseRow] | TenantError] = {}

    def take_object(key: str, answer: ResponseRow | TenantError) -> None:
        answers[key] = answer if isinstance(answer, TenantError) else [answer]

    paths = {one: build_single_path(source, one) for one in ids}
    if source.found_by:
        await graph.get_collections(paths, source.permission, answers.__setitem__)
    else:
        await graph.get_batch(paths, source.permission, take_object)
    failures: Failures = {}
    for key, answer in answers.items():
        if isinstance(answer, NotFound):
            continue
        if isinstance(answer, TenantError):
            failures[key] = answer
        elif not all(is_identity_of(source, key, row) for row in answer):
            failures[key] = OTHER_OBJECT
        else:
            rows = (keep_types(source, row) for row in answer)
            found += [(key, await relate(graph, source, row)) for row in rows if source.lists(row)]
    return failures


async def relate(graph: GraphClient, source: ConfigurationSource, row: ResponseRow) -> ResponseRow:
    """A row with what it is related to, where that is read of it. Raises TenantError."""
    relates = source.relates or is_kept
    return await add_relation(graph, source, row) if source.relation and relates(row) else row


def build_single_path(source: ConfigurationSource, key: str) -> str:
    """The path that shows what a key stands for: an object, or what a filter finds.

    A filter of the listing stays, unless its rows say as much themselves: Graph takes few filters
    that are joined.
    """
    path, _, query = source.read.partition("?")
    options = [one for one in query.split("&") if one.startswith(SHOWING_OPTIONS)]
    if not source.found_by:
        path = f"{path}/{quote(key, safe='')}"
        return f"{path}?{'&'.join(options)}" if options else path
    condition = f"{source.found_by} eq '{key.replace("'", "''")}'"
    listed = [one.removeprefix(FILTER) for one in query.split("&") if one.startswith(FILTER)]
    kept = [] if source.keeps or source.filtered else listed
    joined = quote(" and ".join((*kept, condition)), safe="'/")
    return f"{path}?{'&'.join((f'{FILTER}{joined}', *options))}"
