"""Reads connectors, journal rules and rules that were left out, and finds out where journals go."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from core.guards.mailbox_forwarding.colleague_rules import COLLEAGUE_RULES, MAIL_FLOW_RULE
from core.guards.mailbox_forwarding.connector_findings import ConnectorItem, JournalItem
from core.guards.mailbox_forwarding.connectors import (
    INBOUND_CONNECTOR,
    JOURNAL_RULE,
    OUTBOUND_CONNECTOR,
    OutboundConnector,
    get_object_id,
    parse_inbound_connector,
    parse_journal_rule,
    parse_outbound_connector,
)
from core.guards.mailbox_forwarding.forwards import MAX_TEXT_LENGTH, ForwardingInputs
from core.guards.mailbox_forwarding.standing_copies import (
    OUTBOUND_POLICY,
    TRANSPORT_CONFIG,
    StandingCopy,
    StandingCopyItem,
    list_standing_copies,
)
from core.microsoft365.addresses import OwnDomains, get_lookup_name
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.recipients import locate_recipient
from core.tenant.configuration import Configuration
from core.tenant.known_traits import KnownTraits
from core.tenant.mail_flow import TransportRule
from core.tenant.port import HasConfiguration
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.watched.left_out import LeftOut, look_at_missing

type MailPathItem = ConnectorItem | JournalItem | StandingCopyItem


@dataclass(frozen=True, slots=True)
class SingleIds:
    """Objects of one source that are asked for alone, because a listing lacks them."""

    source: str = ""
    """The data source, or the configuration source."""
    ids: Sequence[str] = ()

    def list_ids(self, source: str) -> Sequence[str]:
        """Those of a source."""
        return self.ids if source == self.source else ()


NOTHING_SINGLE = SingleIds()


@dataclass(frozen=True, slots=True)
class MailPaths:
    """How the organization hands all its mail on, or takes it in."""

    outbound: Reading[Configuration]
    inbound: Reading[Configuration]
    journals: Reading[Configuration]
    transport: Reading[Configuration]
    policies: Reading[Configuration]
    unclear: tuple[ReadFailure, ...] = ()
    """The objects of all of these that cannot be understood."""

    @property
    def readings(self) -> tuple[Reading[Configuration], ...]:
        """All that was read and the guard cannot do without."""
        return self.outbound, self.inbound, self.journals

    @property
    def settings(self) -> tuple[Reading[Configuration], ...]:
        """The settings that may send copies."""
        return self.transport, self.policies

    def list_standing_copies(self) -> Iterator[StandingCopy]:
        """The copies that Exchange itself sends."""
        for reading in self.settings:
            for item in reading.items:
                yield from list_standing_copies(item)


async def read_mail_paths(tenant: HasConfiguration, single: SingleIds) -> MailPaths:
    """Read connectors, journal rules and the settings that send copies."""

    async def read(source: str) -> Reading[Configuration]:
        if ids := single.list_ids(source):
            return await tenant.configuration.read_objects(source, ids)
        return await tenant.configuration.read_configuration(source)

    found = await asyncio.gather(*map(read, PARSERS))
    unclear = [tuple(find_unclear(*pair)) for pair in zip(found, PARSERS, strict=True)]
    outbound, inbound, journals, transport, policies = map(leave_out, found, unclear)
    lost = tuple(chain(*unclear))
    return MailPaths(outbound, inbound, journals, transport, policies, lost)


def list_copies(item: Configuration) -> list[StandingCopy]:
    """The settings of one object that send copies to somebody now."""
    return list(list_standing_copies(item))


PARSERS: Mapping[str, Callable[[Configuration], object]] = {
    OUTBOUND_CONNECTOR: parse_outbound_connector,
    INBOUND_CONNECTOR: parse_inbound_connector,
    JOURNAL_RULE: parse_journal_rule,
    TRANSPORT_CONFIG: list_copies,
    OUTBOUND_POLICY: list_copies,
}
"""What is read, in the order of `MailPaths`, and what understands one object of it."""


def find_unclear(reading: Reading[Configuration], source: str) -> Iterator[ReadFailure]:
    """The objects of a reading that cannot be understood."""
    for item in reading.items:
        try:
            PARSERS[source](item)
        except ValueError as error:
            shown = quote_text(item.name, MAX_TEXT_LENGTH)
            name = get_configuration_source_name(source)
            yield ReadFailure(name, str(error), get_object_id(item), shown)


def leave_out(
    reading: Reading[Configuration], unclear: Iterable[ReadFailure]
) -> Reading[Configuration]:
    """A reading without the objects that cannot be understood."""
    ids = {one.object_id for one in unclear}
    clear = tuple(one for one in reading.items if get_object_id(one) not in ids)
    return replace(reading, items=clear)


async def look_at_missing_rules(
    tenant: HasConfiguration,
    rules: Reading[TransportRule],
    known: Mapping[str, KnownTraits],
    now: datetime,
) -> LeftOut:
    """The known mail-flow rules that their listing lacks, each asked for alone."""
    listed = tuple(Configuration(MAIL_FLOW_RULE, one.id, one.name, {}) for one in rules.items)
    read = {MAIL_FLOW_RULE: Reading(listed, rules.failures, complete=rules.complete)}
    return await look_at_missing(tenant, COLLEAGUE_RULES, read, known, now)


def list_outbound_connectors(paths: MailPaths) -> tuple[OutboundConnector, ...] | None:
    """The outbound connectors; None if not all of them were read."""
    names = {one.source for one in paths.unclear}
    is_whole = get_configuration_source_name(OUTBOUND_CONNECTOR) not in names
    if paths.outbound.failures or not (paths.outbound.complete and is_whole):
        return None
    return tuple(map(parse_outbound_connector, paths.outbound.items))


def list_copy_names(paths: MailPaths, own_domains: OwnDomains) -> set[str]:
    """The addresses of journals and other copies that Exchange has to be asked about."""
    addresses = [parse_journal_rule(one).address for one in paths.journals.items]
    addresses += [one for copy in paths.list_standing_copies() for one in copy.addresses]
    return {get_lookup_name(address, own_domains) for address in addresses} - {""}


def assemble_mail_paths(
    paths: MailPaths, inputs: ForwardingInputs
) -> tuple[tuple[MailPathItem, ...], tuple[ReadFailure, ...]]:
    """Connectors and journals to be judged, and those of which it is not known where they lead."""
    own = inputs.own_domains
    if own is None:
        return (), (*paths.unclear, *list_unplaced(paths, inputs))
    items: list[MailPathItem] = [
        *(ConnectorItem(parse_outbound_connector(one), own) for one in paths.outbound.items),
        *(ConnectorItem(parse_inbound_connector(one), own) for one in paths.inbound.items),
    ]
    lost = [*paths.unclear]
    for item in paths.journals.items:
        rule = parse_journal_rule(item)
        targets = locate_recipient(rule.address, own, inputs.known_recipients)
        if targets is not None:
            items.append(JournalItem(rule, targets))
        elif rule.enabled:
            lost.append(build_unplaced_failure(JOURNAL_RULE, rule.id, rule.name, inputs))
    for copy in paths.list_standing_copies():
        placed = inputs.locate_recipients((copy.setting, one) for one in copy.addresses)
        if placed is None:
            lost.append(build_unplaced_failure(copy.source, copy.object_id, copy.title, inputs))
        else:
            items.append(StandingCopyItem(copy, tuple(one.target for one in placed)))
    return tuple(items), tuple(lost)


def list_unplaced(paths: MailPaths, inputs: ForwardingInputs) -> Iterator[ReadFailure]:
    """Every object, where it is not known which domains are the tenant's own."""
    sources = (OUTBOUND_CONNECTOR, INBOUND_CONNECTOR, JOURNAL_RULE)
    for source, reading in zip(sources, paths.readings, strict=True):
        for item in reading.items:
            yield build_unplaced_failure(source, item.id, item.name, inputs)
    for copy in paths.list_standing_copies():
        yield build_unplaced_failure(copy.source, copy.object_id, copy.title, inputs)


def build_unplaced_failure(
    source: str, object_id: str, name: str, inputs: ForwardingInputs
) -> ReadFailure:
    """An object of which it is not known where it leads."""
    return ReadFailure(
        get_configuration_source_name(source),
        inputs.explain_location_failure(),
        object_id,
        quote_text(name, MAX_TEXT_LENGTH),
    )
