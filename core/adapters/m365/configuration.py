"""Objects of the organization's configuration, as `core.microsoft365.configuration_sources` lays
down.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_objects, list_rows
from core.adapters.graph.client import GraphClient
from core.adapters.m365.configuration_rows import (
    MAX_RELATED,
    add_named_rows,
    add_relation,
    gather_names,
    holds_properties,
    is_kept,
    keep_types,
    parse_configuration,
)
from core.adapters.m365.group_reads import fetch_account_names, fetch_groups
from core.adapters.m365.single_configuration import fetch_single_configuration
from core.adapters.parsing import ResponseRow, parse_each_row
from core.adapters.read_errors import (
    build_read_failure,
    build_row_failures,
    build_unavailable_reading,
)
from core.errors import Forbidden, NotFound, Rejected, TenantError, Unavailable
from core.microsoft365.configuration_sources import (
    CONFIGURATION_SOURCES,
    get_configuration_source_name,
)
from core.microsoft365.source_shapes import ConfigurationSource, build_filter
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

    async def read_objects(self, name: str, ids: Sequence[str]) -> Reading[Configuration]:
        """Some objects of a source, each asked for alone; one that is gone is absent."""
        return await fetch_single_configuration(self.graph, self.exchange, name, ids)

    async def read_groups(self, ids: Sequence[str]) -> Reading[Configuration]:
        """The transitive members and the rule of some groups; one that is gone is absent."""
        return await fetch_groups(self.graph, ids)

    async def read_account_names(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The principal names of some accounts, as far as they can be read."""
        return await fetch_account_names(self.graph, ids)


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
    keeps = build_filter(source.keeps or is_kept)
    relates = build_filter(source.relates or is_kept)
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
    keeps_it = build_filter(keeps)
    listed = 0
    async for part in list_objects(exchange, command):
        listed += len(part.rows)
        kept += filter(keeps_it, part.rows)
    if not listed:
        raise Unavailable(f"{command.cmdlet} listed nothing")
    return kept
