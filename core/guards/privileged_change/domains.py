"""Domains, and the providers that sign people of some of them in. Pure.

Microsoft Graph v1.0: domain, internalDomainFederation.
"""

from collections.abc import Iterator, Mapping

from core.keys import hash_parts
from core.microsoft365.remedies import build_command, build_graph_request, make_graph_step
from core.model.findings import Severity, Step
from core.property_values import get_flag, get_objects, get_text
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
)

DOMAIN, FEDERATION = "domain", "federationConfiguration"
MAX_NAME_LENGTH = 120
VERIFIED = "verified"
# Microsoft Graph: federatedIdpMfaBehavior. Of these, the provider's word on a second factor counts.
TRUSTING = frozenset({"acceptifmfadonebyfederatedidp", "enforcemfabyfederatedidp"})


def describe_domain(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each domain: whether it is in use, and by whose tokens its people sign in."""
    for one in rows[DOMAIN] or ():
        is_verified = get_flag(one.values, "isVerified", default=False)
        is_federated = get_text(one.values, "authenticationType").casefold() not in ("managed", "")
        opens = []
        if is_verified:
            text = "is verified: accounts and mail may be of it"
            opens.append(Trait(VERIFIED, text, Severity.MEDIUM))
        if is_federated:
            text = "lets another provider sign its people in: whoever holds that is anybody here"
            opens.append(Trait("federated", text, Severity.CRITICAL))
        for provider in get_objects(one.values, FEDERATION) if is_federated else ():
            opens += list_provider_traits(provider)
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.id, MAX_NAME_LENGTH),
            opens=tuple(opens),
            keeps=frozenset({VERIFIED} if is_verified else ()),
            stop=tuple(list_stop_steps(one.id, is_federated=is_federated)),
        )


def list_stop_steps(domain: str, *, is_federated: bool) -> Iterator[Step]:
    """Have people of the domain sign in here again, or see what uses a new one."""
    if is_federated:
        yield make_graph_step(
            "Save the federation of the domain.",
            build_graph_request("GET", "", "domains", domain, "federationConfiguration"),
        )
        yield make_graph_step(
            "Unless somebody answers for it: have the people of the domain sign in here again. "
            "Those whose password only the provider knows need a new one.",
            build_command("Update-MgDomain", "-AuthenticationType Managed", DomainId=domain),
        )
        yield Step("End the sessions of its people, administrators first.")
        return
    yield make_graph_step(
        "Unless somebody answers for it: see what uses the domain, and take it away in Entra admin "
        "center > Settings > Domain names.",
        build_command("Get-MgDomainNameReference", "-All", DomainId=domain),
    )


def list_provider_traits(provider: Mapping[str, object]) -> Iterator[Trait]:
    """What a provider may do: the issuer, the keys and the addresses that are believed."""
    issuer = get_text(provider, "issuerUri")
    if issuer:
        text = f"believes tokens of the issuer {quote_text(issuer, MAX_NAME_LENGTH)}"
        yield Trait(build_value_token("issuer", issuer), text, Severity.CRITICAL)
    # A key that was the next one and becomes the present one is no news.
    for name in ("signingCertificate", "nextSigningCertificate"):
        if key := get_text(provider, name):
            text = "believes tokens signed with another certificate"
            yield Trait(build_token("key", hash_parts(key)), text, Severity.HIGH)
    for name in ("passiveSignInUri", "activeSignInUri", "metadataExchangeUri"):
        if address := get_text(provider, name):
            text = f"sends people to sign in to {quote_text(address, MAX_NAME_LENGTH)}"
            yield Trait(build_value_token(name, address), text, Severity.HIGH)
    if get_text(provider, "federatedIdpMfaBehavior").casefold() in TRUSTING:
        text = "believes the provider that a second factor was asked for"
        yield Trait("trusted second factor", text, Severity.HIGH)


def explain_domain_loss(token: str) -> Trait:
    """What it means that a domain is no longer in use."""
    text = "is no longer verified: mail and accounts of it stop working"
    return Trait(token, text, Severity.MEDIUM)


DOMAINS = WatchedCollection(
    name="domain",
    noun="domain",
    plural="domains",
    needs=(DOMAIN,),
    describe=describe_domain,
    explain_loss=explain_domain_loss,
    advice="Ask whoever changed it, by telephone. Unless somebody answers for it, set it back: "
    "Entra admin center > Settings > Domain names. A domain that was federated becomes managed "
    "again, and the sessions of its people are ended.",
    techniques=("T1484.002", "T1556.007"),
    reference="Microsoft Graph v1.0: /domains, internalDomainFederation",
    harmless="a domain that is not verified, a certificate that was announced as the next one, and "
    "a domain whose people sign in here again",
    departure=Severity.MEDIUM,
    departure_text="accounts and mail of it stop working",
    departs_with=VERIFIED,
)
