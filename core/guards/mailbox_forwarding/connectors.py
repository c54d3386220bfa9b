"""Connectors and journal rules: how the organization hands all mail on, or takes it in. Pure.

An outbound connector leads mail to a server, an inbound one lets a server deliver mail as if it
were the organization's own, and a journal rule sends a copy of mail to an address. Each has shapes
that are meant: hybrid servers under own names, a partner's mail to the partner's server.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.microsoft365.addresses import OwnDomains
from core.property_values import get_flag, get_text, get_texts, show_text
from core.tenant.configuration import Configuration
from core.tenant.domain_names import to_a_label

RELIES_ON = ("exchange-connector-shapes",)

OUTBOUND_CONNECTOR = "outbound-connector"
INBOUND_CONNECTOR = "inbound-connector"
JOURNAL_RULE = "journal-rule"
EVERY_DOMAIN = "*"
PARTNER = "partner"
# Below these anybody may have a domain, as in co.uk and com.au.
COMMON_SECOND_LABELS = frozenset({"ac", "co", "com", "edu", "gov", "net", "ne", "or", "org"})


@dataclass(frozen=True, slots=True)
class OutboundConnector:
    """Where mail to some domains goes."""

    id: str
    name: str
    enabled: bool
    smart_hosts: tuple[str, ...] = ()
    """Servers by name or address; empty if the recipients' own servers get the mail."""
    domains: tuple[str, ...] = ()
    """The recipients' domains, `*` for all."""
    for_rules_only: bool = False
    """Whether only mail that a mail-flow rule routes to it takes this way."""
    certificate: str = ""
    """The name that the server's certificate must have; empty if any will do."""
    takes_all: bool = False
    """Whether it takes all mail of the organization, by its accepted domains or via on-premises."""


@dataclass(frozen=True, slots=True)
class InboundConnector:
    """Whose servers may deliver mail."""

    id: str
    name: str
    enabled: bool
    on_premises: bool = False
    """Whether it is meant for the organization's own servers: their mail counts as internal."""
    internal: bool = False
    """Whether mail that comes this way counts as the organization's own."""
    senders: tuple[str, ...] = ()
    """The senders' domains, `*` for all."""
    addresses: tuple[str, ...] = ()
    """The servers' IP addresses."""
    certificate: str = ""
    """The name that the server's certificate must have."""
    needs_certificate: bool = False
    """Whether mail without that certificate is refused."""


@dataclass(frozen=True, slots=True)
class JournalRule:
    """A copy of every message of somebody, or of everybody."""

    id: str
    name: str
    enabled: bool
    address: str
    recipient: str = ""
    """Whose mail is copied; empty for everybody's."""
    scope: str = ""
    """Internal, External or Global."""


def get_object_id(item: Configuration) -> str:
    """What makes an object this one, whatever it is called."""
    return show_text(item.values, "Guid").lower() or item.id


def parse_outbound_connector(item: Configuration) -> OutboundConnector:
    """An object of Get-OutboundConnector. What is not said is taken for the worse."""
    values = item.values
    return OutboundConnector(
        id=get_object_id(item),
        name=item.name,
        enabled=get_flag(values, "Enabled", default=True),
        smart_hosts=get_texts(values, "SmartHosts"),
        domains=tuple(map(strip_address_space, get_texts(values, "RecipientDomains"))),
        for_rules_only=get_flag(values, "IsTransportRuleScoped", default=False),
        certificate=get_text(values, "TlsDomain"),
        takes_all=get_flag(values, "AllAcceptedDomains", default=False)
        or get_flag(values, "RouteAllMessagesViaOnPremises", default=False),
    )


def parse_inbound_connector(item: Configuration) -> InboundConnector:
    """An object of Get-InboundConnector. What is not said is taken for the worse."""
    values = item.values
    return InboundConnector(
        id=get_object_id(item),
        name=item.name,
        enabled=get_flag(values, "Enabled", default=True),
        on_premises=get_text(values, "ConnectorType").casefold() != PARTNER,
        internal=get_flag(values, "TreatMessagesAsInternal", default=False)
        or get_flag(values, "CloudServicesMailEnabled", default=False),
        senders=tuple(map(strip_address_space, get_texts(values, "SenderDomains"))),
        addresses=get_texts(values, "SenderIPAddresses"),
        certificate=get_text(values, "TlsSenderCertificateName"),
        needs_certificate=get_flag(values, "RequireTls", default=False)
        or get_flag(values, "RestrictDomainsToCertificate", default=False),
    )


def parse_journal_rule(item: Configuration) -> JournalRule:
    """An object of Get-JournalRule."""
    values = item.values
    return JournalRule(
        id=get_object_id(item),
        name=item.name,
        enabled=get_flag(values, "Enabled", default=True),
        address=get_text(values, "JournalEmailAddress"),
        recipient=get_text(values, "Recipient"),
        scope=get_text(values, "Scope"),
    )


def strip_address_space(text: str) -> str:
    """A domain without the type and cost that Exchange prints around it: `smtp:*;1`."""
    return text.casefold().removeprefix("smtp:").partition(";")[0].strip()


def is_own_server(name: str, own_domains: OwnDomains) -> bool:
    """True for a server's name, or that of its certificate, in a domain of the tenant."""
    host = to_a_label(name.strip().strip("[]"))
    labels = host.split(".")
    parents = (".".join(labels[start:]) for start in range(len(labels)))
    return any(parent in own_domains.exact for parent in parents)


def lies_below(host: str, domain: str) -> bool:
    """True for a server in a domain that one organization has; `com` and `co.uk` are nobody's."""
    name, parent = to_a_label(host.strip("[]")), to_a_label(domain.removeprefix("*."))
    return bool(get_owner_name(parent)) and (name == parent or name.endswith(f".{parent}"))


def get_owner_name(domain: str) -> str:
    """The label by which an organization is known: `bank` of `mail.bank.co.uk`; empty for what is
    nobody's.
    """
    labels = to_a_label(domain.removeprefix("*.")).split(".")
    has_second = len(labels) > 1 and labels[-2] in COMMON_SECOND_LABELS
    is_country = has_second and len(labels[-1]) == 2
    return next(iter(labels[-3:-2] if is_country else labels[-2:-1]), "")


def is_partner_server(host: str, domains: Sequence[str]) -> bool:
    """True for a server in each of the domains whose mail it gets.

    One that gets the mail of another organization as well is not that organization's own.
    """
    return bool(domains) and all(lies_below(host, one) for one in domains)


def is_server_of_namesakes(host: str, domains: Sequence[str]) -> bool:
    """True for a server in one of several domains that all bear one name: `bank.com` and `bank.de`.

    Most such domains are one partner's. But anybody may buy a name under another ending.
    """
    names = {get_owner_name(one) for one in domains}
    return len(names) == 1 and any(lies_below(host, one) for one in domains)


def list_foreign_hosts(
    connector: OutboundConnector, recipients: Sequence[str], own_domains: OwnDomains
) -> list[str]:
    """The servers of a connector that are neither the tenant's nor those of the recipients.

    `recipients` are the domains whose mail is led there; none stands for any domain. The names of
    servers below a domain are given by whoever has the domain, as its MX record is.
    """
    return [
        host
        for host in connector.smart_hosts
        if not is_own_server(host, own_domains) and not is_partner_server(host, recipients)
    ]


def takes_every_domain(domains: Iterable[str]) -> bool:
    """True for a connector for mail to or from any domain; none named counts as all."""
    found = list(domains)
    return not found or EVERY_DOMAIN in found
