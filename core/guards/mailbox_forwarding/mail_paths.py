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
from core.microsoft365.addresses import OwnDomains, get_lookup_name
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.recipients import locate_recipient
from core.tenant.configuration import Configuration
from core.tenant.port import HasConfiguration
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading


@dataclass(frozen=True, slots=True)
class MailPaths:
    """How the organization hands all its mail on, or takes it in."""

    outbound: Reading[Configuration]
    inbound: Reading[Configuration]
    journals: Reading[Configuration]

    @property
    def readings(self) -> tuple[Reading[Configuration], ...]:
        """All that was read."""
        return self.outbound, self.inbound, self.journals


async def read_mail_paths(tenant: HasConfiguration) -> MailPaths:
    """Read connectors and journal rules."""
    return MailPaths(
        *await asyncio.gather(
            tenant.configuration.read_configuration(OUTBOUND_CONNECTOR),
            tenant.configuration.read_configuration(INBOUND_CONNECTOR),
            tenant.configuration.read_configuration(JOURNAL_RULE),
        )
    )


def list_outbound_connectors(paths: MailPaths) -> tuple[OutboundConnector, ...] | None:
    """The outbound connectors; None if not all of them were read."""
    if paths.outbound.failures or not paths.outbound.complete:
        return None
    return tuple(map(parse_outbound_connector, paths.outbound.items))


def list_journal_names(paths: MailPaths, own_domains: OwnDomains) -> set[str]:
    """The addresses of journals that Exchange has to be asked about."""
    rules = map(parse_journal_rule, paths.journals.items)
    return {get_lookup_name(rule.address, own_domains) for rule in rules} - {""}


def assemble_mail_paths(
    paths: MailPaths, inputs: ForwardingInputs
) -> tuple[tuple[ConnectorItem | JournalItem, ...], tuple[ReadFailure, ...]]:
    """Connectors and journals to be judged, and those of which it is not known where they lead."""
    own = inputs.own_domains
    if own is None:
        return (), tuple(list_unplaced(paths, inputs))
    items: list[ConnectorItem | JournalItem] = [
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
    return tuple(items), tuple(lost)


def list_unplaced(paths: MailPaths, inputs: ForwardingInputs) -> Iterator[ReadFailure]:
    """Every object, where it is not known which domains are the tenant's own."""
    sources = (OUTBOUND_CONNECTOR, INBOUND_CONNECTOR, JOURNAL_RULE)
    for source, reading in zip(sources, paths.readings, strict=True):
        for item in reading.items:
            yield build_unplaced_failure(source, item.id, item.name, inputs)


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
