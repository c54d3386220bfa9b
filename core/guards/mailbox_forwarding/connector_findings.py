"""Judges connectors and journal rules. Pure.

Silent are the shapes that are meant: servers under the organization's own names, as a hybrid setup
has, mail for a partner to the partner's own server, and what only makes a partner prove itself.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.guards.mailbox_forwarding.connectors import (
    EVERY_DOMAIN,
    InboundConnector,
    JournalRule,
    OutboundConnector,
    is_own_server,
    is_server_of_namesakes,
    list_foreign_hosts,
    takes_every_domain,
)
from core.guards.mailbox_forwarding.departure import ForwardingPolicyResult
from core.guards.mailbox_forwarding.forwards import MAX_TEXT_LENGTH
from core.guards.mailbox_forwarding.options import Policy
from core.guards.mailbox_forwarding.rating import (
    build_forward_fingerprint,
    decide_forward_verdict,
    rate_forward,
)
from core.guards.mailbox_forwarding.remedies import (
    build_connector_remedy,
    build_journal_remedy,
)
from core.guards.mailbox_forwarding.texts import format_forward_target, format_word_list
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.recipients import ForwardTarget
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.reach import Reach, Selection
from core.tenant.domain_names import to_a_label
from core.tenant.quoting import quote_text
from core.tenant.sources import DOMAINS

CONNECTOR_ADVICE = (
    "It applies to mail of the whole organization: find out who made it and what for, and switch "
    "it off unless somebody answers for it."
)
JOURNAL_TEXTS: Mapping[str, str] = {
    ForwardingVerdict.EXTERNAL: "sends a copy of mail to the outside",
    ForwardingVerdict.KEEP: "sends a copy of mail to an allowed domain outside",
    ForwardingVerdict.UNRESOLVED: "sends a copy of mail to somebody who cannot be identified",
    Verdict.COULD_NOT_TELL: "sends a copy of mail to a group whose members are not all known",
}


@dataclass(frozen=True, slots=True)
class ConnectorItem:
    """A connector, and the tenant's own domains."""

    connector: OutboundConnector | InboundConnector
    own_domains: OwnDomains


@dataclass(frozen=True, slots=True)
class JournalItem:
    """A journal rule, and where its copies go."""

    rule: JournalRule
    targets: tuple[ForwardTarget, ...]


def judge_connector(item: ConnectorItem, policy: Policy) -> Iterator[Finding]:
    """What is wrong with one connector."""
    match item.connector:
        case OutboundConnector() as outbound:
            yield from judge_outbound_connector(outbound, item.own_domains, policy)
        case InboundConnector() as inbound:
            yield from judge_inbound_connector(inbound, item.own_domains)


def judge_outbound_connector(
    connector: OutboundConnector, own_domains: OwnDomains, policy: Policy
) -> Iterator[Finding]:
    """A connector that leads mail to servers of others.

    One for mail-flow rules alone is told with the rule that uses it.
    """
    everything = connector.takes_all or takes_every_domain(connector.domains)
    hosts = list_foreign_hosts(connector, () if everything else connector.domains, own_domains)
    if not connector.enabled or not hosts or connector.for_rules_only:
        return
    allowed = {to_a_label(domain) for domain in policy.options.allowed_domains}
    own = [one for one in connector.domains if is_own_server(one, own_domains)]
    excused = all(any(is_below(host, one) for one in allowed) for host in hosts)
    namesakes = all(is_server_of_namesakes(host, connector.domains) for host in hosts)
    some = Severity.LOW if namesakes else Severity.MEDIUM
    grave = Severity.HIGH if everything or own else some
    name = quote_text(connector.name or connector.id, MAX_TEXT_LENGTH)
    what = "all mail" if everything else "mail for some domains"
    shown = ", ".join(quote_text(one, 100) for one in connector.domains[:20]) or EVERY_DOMAIN
    yield Finding(
        kind="outbound-connector",
        object_id=connector.id,
        subject=name,
        severity=Severity.INFO if excused else grave,
        verdict=ForwardingVerdict.KEEP if excused else ForwardingVerdict.ROUTED,
        summary=f"Outbound connector {name} leads {what} to a server of others.",
        facts=(
            Fact("server", format_word_list([quote_text(one, 100) for one in hosts])),
            Fact("for mail to", shown),
            Fact("", f"its certificate must name {quote_text(connector.certificate, 100)}")
            if connector.certificate
            else Fact("", "any certificate of the server will do"),
        ),
        sources=(get_configuration_source_name("outbound-connector"), DOMAINS),
        fingerprint=json.dumps(sorted(to_a_label(host) for host in hosts)),
        advice=CONNECTOR_ADVICE,
        steps=build_connector_remedy("outbound-connector", connector.id, name),
        asks_if_preexisting=True,
        reaches=(
            Reach.of(["route"], () if everything else [Selection.of("domains", connector.domains)]),
        ),
    )


def is_below(host: str, domain: str) -> bool:
    """True for a server in a domain."""
    name = to_a_label(host)
    return name == domain or name.endswith(f".{domain}")


def judge_inbound_connector(
    connector: InboundConnector, own_domains: OwnDomains
) -> Iterator[Finding]:
    """A connector that accepts mail as if it came from the organization's own servers.

    A partner's connector only asks the partner for more; it makes nothing internal.
    """
    tied = connector.needs_certificate and is_own_server(connector.certificate, own_domains)
    if not connector.enabled or tied or not (connector.on_premises or connector.internal):
        return
    name = quote_text(connector.name or connector.id, MAX_TEXT_LENGTH)
    proof = (
        Fact("proof", f"a certificate of {quote_text(connector.certificate, 100)}")
        if connector.certificate and connector.needs_certificate
        else Fact("proof", "the address of the server alone")
        if connector.addresses
        else Fact("proof", "none that was read")
    )
    senders = ", ".join(quote_text(one, 100) for one in connector.senders[:20])
    addresses = [quote_text(one, 60) for one in connector.addresses]
    says = (
        "accepts mail of a server of others as the organization's own"
        if connector.internal
        else "lets a server that no certificate of the organization names deliver mail as one "
        "of its own servers"
    )
    yield Finding(
        kind="inbound-connector",
        object_id=connector.id,
        subject=name,
        severity=Severity.HIGH if connector.internal else Severity.MEDIUM,
        verdict=ForwardingVerdict.TRUSTED,
        summary=f"Inbound connector {name} {says}.",
        facts=(
            proof,
            *([Fact("from", format_word_list(addresses))] if addresses else []),
            Fact("senders", senders or EVERY_DOMAIN),
        ),
        sources=(get_configuration_source_name("inbound-connector"), DOMAINS),
        fingerprint=json.dumps([sorted(connector.addresses), connector.certificate.casefold()]),
        advice=CONNECTOR_ADVICE,
        steps=build_connector_remedy("inbound-connector", connector.id, name),
        asks_if_preexisting=True,
        reaches=(
            Reach.of(
                ["accept", *(["internal"] if connector.internal else [])],
                ()
                if takes_every_domain(connector.senders)
                else [Selection.of("senders", connector.senders)],
            ),
        ),
    )


def judge_journal_rule(item: JournalItem, policy: Policy) -> Iterator[Finding]:
    """A journal rule that sends copies of mail outside.

    A journal cannot be kept in Exchange Online (Microsoft Learn: Journaling), so an address of an
    archive outside is usual, and a new one is told all the same.
    """
    verdict = decide_forward_verdict(item.targets, policy)
    rule = item.rule
    if verdict is None or not rule.enabled:
        return
    name = quote_text(rule.name or rule.id, MAX_TEXT_LENGTH)
    whose = quote_text(rule.recipient, MAX_TEXT_LENGTH) if rule.recipient else "everybody"
    yield Finding(
        kind="journal-rule",
        object_id=rule.id,
        subject=name,
        severity=rate_forward(verdict, ForwardingPolicyResult.ALLOWED),
        verdict=verdict,
        summary=f"Journal rule {name} {JOURNAL_TEXTS[verdict]}.",
        facts=(
            *(Fact("to", format_forward_target(target)) for target in item.targets[:20]),
            Fact("mail of", whose),
            Fact("scope", quote_text(rule.scope, 60) or "not said"),
        ),
        sources=(get_configuration_source_name("journal-rule"), DOMAINS),
        fingerprint=build_forward_fingerprint(item.targets),
        advice=CONNECTOR_ADVICE,
        steps=build_journal_remedy(rule.id, name, item.targets),
        asks_if_preexisting=True,
        reaches=(
            Reach.of(
                ["journal"], [Selection.of("recipient", [rule.recipient])] if rule.recipient else ()
            ),
        ),
    )
