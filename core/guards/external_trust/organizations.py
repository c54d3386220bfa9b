"""Other organizations of Exchange: what they may see, and what counts as the tenant's own. Pure.

The hybrid wizard makes relationships, connectors and endpoints between the two halves of one
organization. They are told apart by what ties them, Get-OnPremisesOrganization and the tenant's own
domains, and never by their names, which anybody can choose.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.microsoft365.remedies import build_command, make_exchange_step
from core.model.findings import Severity
from core.property_values import get_flag, get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.domain_names import to_a_label
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
)
from core.watched.own_domains import list_settled_names

DOMAINS, ON_PREMISES = "accepted-domain", "on-premises-organization"
RELATIONSHIP = "organization-relationship"
INTRA_ORGANIZATION = "intra-organization-connector"
FEDERATION_TRUST = "federation-trust"
FEDERATED_ORGANIZATION = "federated-organization"
UNLESS = "Unless somebody answers for it"
MAX_NAME_LENGTH = 120
TECHNIQUES = ("T1484.002", "T1537")
# Ways in which a relationship lets mailboxes leave (Microsoft Learn: cross-tenant mailbox
# migration). What is not one of these lets them come, or nothing.
OUTWARD_MOVES = frozenset({"outbound", "remoteoutbound"})
INWARD_MOVES = frozenset({"inbound", "remoteinbound"})
# What is no name of a server, such as a whole address, is nobody's own, however it ends.
HOST_NAME = re.compile(r"[\w.-]+")
MICROSOFT_TOKEN_ISSUERS = frozenset({"urn:federation:microsoftonline"})


@dataclass(frozen=True, slots=True)
class OwnOrganization:
    """The domains of the tenant that did not come lately."""

    domains: frozenset[str]

    def owns(self, domain: str) -> bool:
        """Whether a domain is the tenant's own, or below one of its own."""
        folded = to_a_label(domain.strip().strip("."))
        return HOST_NAME.fullmatch(folded) is not None and any(
            folded == one or folded.endswith(f".{one}") for one in self.domains
        )

    def owns_all(self, domains: Iterable[str]) -> bool:
        """Whether there are domains, and all are the tenant's own."""
        found = list(domains)
        return bool(found) and all(map(self.owns, found))


def read_own_organization(rows: SourceRows) -> OwnOrganization:
    """The tenant's own side, as Exchange has it."""
    return OwnOrganization(frozenset(list_settled_names(rows[DOMAINS])))


def read_tied_names(rows: SourceRows) -> frozenset[str]:
    """The names of the relationships that the hybrid wizard made."""
    hybrid = rows[ON_PREMISES] or ()
    return frozenset(get_text(one.values, "OrganizationRelationship").casefold() for one in hybrid)


def is_tied(relationship: Configuration, tied_names: frozenset[str], rows: SourceRows) -> bool:
    """Whether the hybrid wizard made a relationship between the tenant's own domains. Raises
    ValueError if nobody understands what it made.
    """
    if rows.odd_names.get(ON_PREMISES):
        raise ValueError("whether the hybrid wizard made it is not known")
    return relationship.name.casefold() in tied_names


def quote_name(item: Configuration) -> str:
    """What people call an object."""
    return quote_text(item.name or item.id, MAX_NAME_LENGTH)


def describe_relationship(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each organization whose people see calendars here, or that may move mailboxes."""
    own, tied_names = read_own_organization(rows), read_tied_names(rows)
    for one in rows[RELATIONSHIP] or ():
        domains = get_texts(one.values, "DomainNames")
        tied = own.owns_all(domains) and is_tied(one, tied_names, rows)
        if not get_flag(one.values, "Enabled", default=True):
            yield WatchedItem(id=one.id, name=quote_name(one))
            continue
        moves = () if tied else tuple(list_move_traits(one))
        yield WatchedItem(
            id=one.id,
            name=quote_name(one),
            opens=(*moves, *list_relationship_traits(one, domains, own, tied=tied)),
            on_sight=tuple(trait for trait in moves if trait.severity >= Severity.HIGH),
            arrival=Severity.INFO if tied else Severity.LOW,
            stop=(
                make_exchange_step(
                    f"{UNLESS}: switch it off; it stays there.",
                    build_command(
                        "Set-OrganizationRelationship", "-Enabled $false", Identity=one.id
                    ),
                ),
            ),
        )


def list_move_traits(relationship: Configuration) -> Iterator[Trait]:
    """Whether mailboxes may leave for the other organization, and by which app."""
    values = relationship.values
    capability = get_text(values, "MailboxMoveCapability").casefold()
    if not get_flag(values, "MailboxMoveEnabled", default=False):
        return
    whose = ", ".join(
        quote_text(scope, 60) for scope in get_texts(values, "MailboxMovePublishedScopes")[:3]
    )
    of = f" of {whose}" if whose else ""
    if capability in OUTWARD_MOVES:
        text = f"lets the other organization take mailboxes{of} away (moves are on: {capability})"
        yield Trait(f"move {capability}", text, Severity.HIGH)
    elif capability in INWARD_MOVES:
        text = f"lets mailboxes be moved in (moves are on: {capability})"
        yield Trait(f"move {capability}", text, Severity.MEDIUM)
    else:
        text = "lets mailboxes be moved between the organizations"
        yield Trait(build_value_token("move", capability or "any"), text, Severity.HIGH)
    if app := get_text(values, "OAuthApplicationId"):
        text = f"lets the app {quote_text(app, 60)} move mailboxes"
        yield Trait(build_value_token("app", app), text, Severity.HIGH)
    if get_flag(values, "IdentityMoveEnabled", default=False):
        yield Trait("identity", "lets identities be moved too", Severity.HIGH)


def list_relationship_traits(
    relationship: Configuration, domains: Iterable[str], own: OwnOrganization, *, tied: bool
) -> Iterator[Trait]:
    """For whom the relationship counts, and what they see."""
    values = relationship.values
    for domain in domains:
        severity = Severity.INFO if tied or own.owns(domain) else Severity.MEDIUM
        text = f"also counts for {quote_text(domain, MAX_NAME_LENGTH)}"
        yield Trait(build_token("domain", domain), text, severity)
    if tied:
        return
    level = get_text(values, "FreeBusyAccessLevel").casefold()
    if get_flag(values, "FreeBusyAccessEnabled", default=False) and level not in ("", "none"):
        yield Trait("free-busy", "shows when people are busy", Severity.LOW)
        if level != "availabilityonly":
            yield Trait("details", "shows subjects and places of meetings", Severity.MEDIUM)
    if get_flag(values, "ArchiveAccessEnabled", default=False):
        yield Trait("archive", "gives access to archives", Severity.HIGH)


def describe_intra_organization(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each server that counts as a part of the organization."""
    own = read_own_organization(rows)
    for one in rows[INTRA_ORGANIZATION] or ():
        values = one.values
        domains = get_texts(values, "TargetAddressDomains")
        endpoints = [
            text
            for name in ("DiscoveryEndpoint", "TargetSharingEpr")
            if (text := get_text(values, name))
        ]
        inside = own.owns_all(domains) and all(own.owns(find_host(each)) for each in endpoints)
        grave = Severity.INFO if inside else Severity.HIGH
        is_on = get_flag(values, "Enabled", default=True)
        traits = [
            Trait(
                build_token("domain", domain),
                f"leads mail and calendars of {quote_text(domain, MAX_NAME_LENGTH)} there",
                Severity.INFO if own.owns(domain) and inside else Severity.HIGH,
            )
            for domain in domains
        ] + [
            Trait(
                build_value_token("endpoint", endpoint),
                f"asks the server {quote_text(find_host(endpoint), MAX_NAME_LENGTH)}",
                Severity.INFO if own.owns(find_host(endpoint)) else Severity.HIGH,
            )
            for endpoint in endpoints
        ]
        yield WatchedItem(
            id=one.id,
            name=quote_name(one),
            opens=tuple(traits) if is_on else (),
            arrival=grave if is_on else Severity.LOW,
            stop=(
                make_exchange_step(
                    f"{UNLESS}: switch it off; it stays there.",
                    build_command(
                        "Set-IntraOrganizationConnector", "-Enabled $false", Identity=one.id
                    ),
                ),
            ),
        )


def find_host(address: str) -> str:
    """The host of an address; the text itself where there is none."""
    rest = address.partition("://")[2] or address
    # Whatever stands before an @ is a name to sign in with, and may look like a host.
    server = re.split(r"[/\\?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return server.partition(":")[0]


def describe_federation_trust(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each issuer whose tokens Exchange accepts. Every tenant has two of Microsoft."""
    for one in rows[FEDERATION_TRUST] or ():
        issuer = get_text(one.values, "TokenIssuerUri")
        known = issuer.casefold() in MICROSOFT_TOKEN_ISSUERS
        yield WatchedItem(
            id=one.id,
            name=quote_name(one),
            opens=(
                Trait(
                    build_value_token("issuer", issuer),
                    f"accepts tokens of {quote_text(issuer or 'nobody', MAX_NAME_LENGTH)}",
                    Severity.INFO if known else Severity.CRITICAL,
                ),
            ),
            arrival=Severity.MEDIUM if known else Severity.HIGH,
            stop=(
                make_exchange_step(
                    f"{UNLESS}: remove it. What was saved says how it was.",
                    build_command("Remove-FederationTrust", "-Confirm:$false", Identity=one.id),
                ),
            ),
        )


def describe_federated_organization(rows: SourceRows) -> Iterator[WatchedItem]:
    """The name under which the tenant is federated, with the domains that count."""
    own = read_own_organization(rows)
    for one in rows[FEDERATED_ORGANIZATION] or ():
        is_on = get_flag(one.values, "Enabled", default=False)
        domains = get_texts(one.values, "Domains") if is_on else ()
        yield WatchedItem(
            id=one.id,
            name=quote_name(one),
            opens=tuple(
                Trait(
                    build_token("domain", domain),
                    f"is federated for {quote_text(domain, MAX_NAME_LENGTH)}",
                    Severity.MEDIUM if own.owns(domain) else Severity.HIGH,
                )
                for domain in domains
            ),
        )


ORGANIZATION_RELATIONSHIP = WatchedCollection(
    name="organization-relationship",
    noun="organization relationship",
    plural="organization relationships",
    needs=(RELATIONSHIP, DOMAINS, ON_PREMISES),
    # A relationship that is to be told from the wizard's is unread then.
    may_lack={ON_PREMISES: ()},
    describe=describe_relationship,
    advice="Ask who agreed on it with the other organization; switch it off unless somebody "
    "answers for it.",
    techniques=TECHNIQUES,
    reference="Microsoft Learn: Get-OrganizationRelationship; cross-tenant mailbox migration",
    harmless="what the hybrid wizard made between the tenant's own domains, free/busy times that "
    "were shown at the first look, and a relationship that is switched off, narrowed or removed",
)
INTRA_ORGANIZATION_CONNECTOR = WatchedCollection(
    name="intra-organization-connector",
    noun="intra-organization connector",
    plural="intra-organization connectors",
    needs=(INTRA_ORGANIZATION, DOMAINS, ON_PREMISES),
    describe=describe_intra_organization,
    advice="Ask who set it; switch it off unless somebody answers for it.",
    techniques=TECHNIQUES,
    reference="Microsoft Learn: Get-IntraOrganizationConnector",
    harmless="one between servers under the tenant's own domains",
)
FEDERATION_TRUSTS = WatchedCollection(
    name="federation-trust",
    noun="federation trust",
    plural="federation trusts",
    needs=(FEDERATION_TRUST,),
    describe=describe_federation_trust,
    advice="Ask who added it; remove it unless somebody answers for it.",
    techniques=("T1484.002",),
    reference="Microsoft Learn: Get-FederationTrust",
    harmless="the two trusts of Microsoft's that every tenant has from the start",
)
FEDERATED_ORGANIZATION_ID = WatchedCollection(
    name="federated-organization",
    noun="federated organization identifier",
    plural="federated organization identifiers",
    needs=(FEDERATED_ORGANIZATION, DOMAINS, ON_PREMISES),
    describe=describe_federated_organization,
    advice="Ask who federated the domain, and take it out unless somebody answers for it.",
    techniques=("T1484.002",),
    reference="Microsoft Learn: Get-FederatedOrganizationIdentifier",
    harmless="what was federated at the first look, and a domain that is no longer",
)
