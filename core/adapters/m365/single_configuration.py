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
from core.adapters.parsing import ResponseRow, parse_text
from core.adapters.read_errors import build_object_failures, build_unavailable_reading
from core.errors import NotFound, TenantError
from core.microsoft365.assumptions.exchange_objects import SINGLE_SETTINGS
from core.microsoft365.configuration_sources import (
    CONFIGURATION_SOURCES,
    get_configuration_source_name,
)
from core.microsoft365.source_shapes import ConfigurationSource
from core.model.guards import Service
from core.tenant.configuration import Configuration
from core.tenant.readings import Reading

RELIES_ON = (SINGLE_SETTINGS,)

# What a cmdlet that lists takes, and not together with an identity.
LISTING_PARAMETERS = frozenset({"ResultSize", "Filter"})
# What of a path says how an object is shown, and not which ones are listed.
SHOWING_OPTIONS = ("$select=", "$expand=")

type Rows = dict[str, ResponseRow]
"""What was found, by the identity it was asked for by."""


async def fetch_single_configuration(
    graph: GraphClient, exchange: ExchangeClient, name: str, ids: Sequence[str]
) -> Reading[Configuration]:
    """Some objects of a source. One that is gone, or that the listing would not show, is absent.

    A failure names the identity that was asked for.
    """
    source, source_name = CONFIGURATION_SOURCES[name], get_configuration_source_name(name)
    found: Rows = {}
    try:
        if source.service is Service.EXCHANGE:
            failures = await read_from_exchange(exchange, source, ids, found)
        else:
            failures = await read_from_graph(graph, source, ids, found)
    except TenantError as error:
        return build_unavailable_reading(source_name, error)
    items: list[Configuration] = []
    for key, row in found.items():
        try:
            items.append(parse_configuration(name, source, row))
        except ValueError as error:
            failures[key] = str(error)
    return Reading(
        items=tuple(items),
        failures=build_object_failures(source_name, failures, len(ids), {}),
        sources=frozenset({source_name}),
        population=len(ids),
        scope=frozenset(ids),
    )


def is_identity_of(source: ConfigurationSource, key: str, row: ResponseRow) -> bool:
    """Whether a row is the object that was asked for."""
    names = (source.identity_property, "Guid", "Identity", "Name")
    return key.casefold() in {parse_text(row.get(name)).casefold() for name in names}


async def read_from_exchange(
    exchange: ExchangeClient, source: ConfigurationSource, ids: Sequence[str], found: Rows
) -> Failures:
    """Note what Exchange shows of each, and why one could not be read. Raises TenantError."""
    listing = source.read_parameters.items()
    more = {name: value for name, value in listing if name not in LISTING_PARAMETERS}
    commands = {
        one: Command(source.read, {**more, "Identity": one}, source.selected) for one in ids
    }
    objects = await fetch_single_objects(
        exchange,
        commands,
        lambda row: row,
        lambda key, row: is_identity_of(source, key, row),
        SINGLE_SETTINGS,
    )
    for key, row in objects.found.items():
        if source.lists(row):
            related = await add_named_rows(exchange, source, [row]) if source.relation else [row]
            found.update((key, one) for one in related)
    return objects.errors


async def read_from_graph(
    graph: GraphClient, source: ConfigurationSource, ids: Sequence[str], found: Rows
) -> Failures:
    """Note what Graph shows of each, and why one could not be read. Raises TenantError."""
    path, _, query = source.read.partition("?")
    shown = "&".join(one for one in query.split("&") if one.startswith(SHOWING_OPTIONS))
    paths = {one: f"{path}/{quote(one, safe='')}{f'?{shown}' if shown else ''}" for one in ids}
    failures: Failures = {}
    answers: Rows = {}

    def take(key: str, answer: ResponseRow | TenantError) -> None:
        if isinstance(answer, NotFound):
            return
        if isinstance(answer, TenantError):
            failures[key] = answer
        elif not is_identity_of(source, key, answer):
            failures[key] = OTHER_OBJECT
        else:
            answers[key] = keep_types(source, answer)

    await graph.get_batch(paths, source.permission, take)
    relates = source.relates or is_kept
    for key, row in answers.items():
        if source.lists(row):
            is_related = bool(source.relation) and relates(row)
            found[key] = await add_relation(graph, source, row) if is_related else row
    return failures
