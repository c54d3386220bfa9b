"""Reads connectors and journal rules, and finds out where journals go."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from core.guards.mailbox_forwarding.connector_findings import ConnectorItem, JournalItem
from core.guards.mailbox_forwarding.connectors import (
    INBOUND_CONNECTOR,
    JOURNAL_RULE,
    OUTBOUND_CONNECTOR,
    OutboundConnector,
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
from core.tenant.port import HasConfiguration
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading

type MailPathItem = ConnectorItem | JournalItem | StandingCopyItem


@dataclass(frozen=True, slots=True)
class MailPaths:
    """How the organization hands all its mail on, or takes it in."""

    outbound: Reading[Configuration]
    inbound: Reading[Configuration]
    journals: Reading[Configuration]
    transport: Reading[Configuration]
    policies: Reading[Configuration]

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


async def read_mail_paths(tenant: HasConfiguration) -> MailPaths:
    """Read connectors, journal rules and the settings that send copies."""
    return MailPaths(
        *await asyncio.gather(
            tenant.configuration.read_configuration(OUTBOUND_CONNECTOR),
            tenant.configuration.read_configuration(INBOUND_CONNECTOR),
            tenant.configuration.read_configuration(JOURNAL_RULE),
            tenant.configuration.read_configuration(TRANSPORT_CONFIG),
            tenant.configuration.read_configuration(OUTBOUND_POLICY),
        )
    )


def list_outbound_connectors(paths: MailPaths) -> tuple[OutboundConnector, ...] | None:
    """The outbound connectors; None if not all of them were read."""
    if paths.outbound.failures or not paths.outbound.complete:
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
        return (), tuple(list_unplaced(paths, inputs))
    items: list[MailPathItem] = [
        *(ConnectorItem(parse_outbound_connector(one), own) for one in paths.outbound.items),
        *(ConnectorItem(parse_inbound_connector(one), own) for one in paths.inbound.items),
    ]
    lost: list[ReadFailure] = []
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
