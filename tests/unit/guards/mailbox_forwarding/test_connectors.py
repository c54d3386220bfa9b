"""Connectors and journal rules: the shapes that are meant, then one thing varied a case."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.guards.mailbox_forwarding.connector_findings import (
    ConnectorItem,
    JournalItem,
    judge_connector,
    judge_journal_rule,
)
from core.guards.mailbox_forwarding.connectors import (
    InboundConnector,
    JournalRule,
    OutboundConnector,
    get_owner_name,
    is_own_server,
    lies_below,
    parse_inbound_connector,
    parse_journal_rule,
    parse_outbound_connector,
)
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import (
    ForwardTarget,
    KnownRecipients,
    RecipientLocation,
    locate_recipient,
)
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy
from core.tenant.configuration import Configuration
from core.tenant.mail_flow import AcceptedDomain

TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)
ALLOWING = replace(
    TERMS, options=replace(GUARD.options, allowed_domains=frozenset({"archive.example"}))
)
OWN = OwnDomains.from_accepted_domains([AcceptedDomain("contoso.com")])
HYBRID_OUT = OutboundConnector(
    "c1",
    "Outbound to 1",
    True,
    ("mail.contoso.com",),
    ("contoso.com",),
    certificate="mail.contoso.com",
)
PARTNER = OutboundConnector("c2", "Bank", True, ("relay.bank.example",), ("bank.example",))
HYBRID_IN = InboundConnector(
    "c3",
    "Inbound from 1",
    True,
    on_premises=True,
    internal=True,
    senders=("*",),
    certificate="*.contoso.com",
    needs_certificate=True,
)
JOURNAL = JournalRule("j1", "Archive", True, "j@archive.example")


def judge(
    connector: OutboundConnector | InboundConnector, policy: GuardPolicy = TERMS
) -> list[Finding]:
    return list(judge_connector(ConnectorItem(connector, OWN), policy))


def only(connector: OutboundConnector | InboundConnector, policy: GuardPolicy = TERMS) -> Finding:
    (finding,) = judge(connector, policy)
    return finding


@pytest.mark.parametrize(
    "connector",
    [
        HYBRID_OUT,
        replace(HYBRID_OUT, domains=("*",), takes_all=True),
        PARTNER,
        replace(PARTNER, smart_hosts=("bank.example",)),
        replace(PARTNER, domains=("bank.example", "*.bank.example")),
        replace(PARTNER, smart_hosts=("mx.bank.co.uk",), domains=("bank.co.uk",)),
        replace(PARTNER, smart_hosts=()),
        replace(PARTNER, smart_hosts=("203.0.113.9",), enabled=False),
        replace(PARTNER, smart_hosts=("203.0.113.9",), for_rules_only=True),
    ],
)
def test_mail_to_own_servers_or_to_the_partners_is_nothing(connector: OutboundConnector) -> None:
    assert judge(connector) == []


@pytest.mark.parametrize(
    ("connector", "severity"),
    [
        (replace(PARTNER, smart_hosts=("203.0.113.9",)), Severity.MEDIUM),
        (replace(PARTNER, smart_hosts=("relay.bank.example.evil.example",)), Severity.MEDIUM),
        (replace(PARTNER, smart_hosts=("relay.notbank.example",)), Severity.MEDIUM),
        (replace(PARTNER, smart_hosts=("relay.bank.example", "203.0.113.9")), Severity.MEDIUM),
        (replace(PARTNER, domains=("bank.example", "other.example")), Severity.MEDIUM),
        (replace(PARTNER, domains=("bank.example", "bank.de")), Severity.LOW),
        (replace(PARTNER, domains=("bank.co.uk", "*.bank.example")), Severity.LOW),
        (replace(PARTNER, domains=("bank.de", "bank.fr")), Severity.MEDIUM),
        (replace(PARTNER, domains=("bank.example", "bank.de", "x.example")), Severity.MEDIUM),
        (
            replace(
                PARTNER,
                domains=("bank.example", "bank.de"),
                smart_hosts=("relay.bank.example", "203.0.113.9"),
            ),
            Severity.MEDIUM,
        ),
        (replace(PARTNER, domains=("example", "com")), Severity.MEDIUM),
        (replace(PARTNER, domains=("*.example",)), Severity.MEDIUM),
        (
            replace(PARTNER, smart_hosts=("mx.evil.co.uk",), domains=("*.co.uk",)),
            Severity.MEDIUM,
        ),
        (replace(PARTNER, domains=("*",)), Severity.HIGH),
        (replace(PARTNER, domains=("*", "bank.example")), Severity.HIGH),
        (replace(PARTNER, takes_all=True), Severity.HIGH),
        (replace(PARTNER, domains=()), Severity.HIGH),
        (replace(PARTNER, domains=("other.example",), takes_all=True), Severity.HIGH),
        (replace(HYBRID_OUT, smart_hosts=("mail.evilcontoso.com",)), Severity.HIGH),
        (replace(HYBRID_OUT, smart_hosts=("mail.contoso.com.evil.example",)), Severity.HIGH),
    ],
)
def test_mail_through_a_server_of_others_is_told(
    connector: OutboundConnector, severity: Severity
) -> None:
    finding = only(connector)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.ROUTED, severity)
    assert finding.object_id == connector.id
    assert finding.kind == "outbound-connector"


def test_a_known_connector_that_leads_elsewhere_is_another_finding() -> None:
    first = only(replace(PARTNER, domains=("*",)))
    renamed = only(replace(PARTNER, domains=("*",), name="x"))
    elsewhere = only(replace(PARTNER, domains=("*",), smart_hosts=("203.0.113.9",)))
    assert renamed.compute_key("g") == first.compute_key("g")
    assert elsewhere.compute_key("g") != first.compute_key("g")
    (narrow,) = only(replace(PARTNER, smart_hosts=("203.0.113.9",))).reaches
    (wide,) = elsewhere.reaches
    assert wide.covers(narrow)
    assert not narrow.covers(wide)


def test_a_server_in_an_allowed_domain_is_shown_and_not_told() -> None:
    filtering = replace(PARTNER, domains=("*",), smart_hosts=("eu.archive.example",))
    finding = only(filtering, ALLOWING)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.KEEP, Severity.INFO)
    itself = replace(filtering, smart_hosts=("archive.example",))
    assert only(itself, ALLOWING).verdict == ForwardingVerdict.KEEP
    namesake = replace(filtering, smart_hosts=("notarchive.example",))
    assert only(namesake, ALLOWING).verdict == ForwardingVerdict.ROUTED
    both = replace(filtering, smart_hosts=("eu.archive.example", "203.0.113.9"))
    assert only(both, ALLOWING).severity is Severity.HIGH


def measure_cuts(finding: Finding) -> list[int]:
    """How much is shown of each long text in the facts of a finding."""
    return [len(shown) for shown in re.findall(r"(n+)…", str(format_facts(finding.facts)))]


LONG = "n" * 300


def test_an_outbound_connector_without_a_name_goes_by_its_id_and_long_texts_are_cut() -> None:
    many = tuple(f"d{number}.example" for number in range(21))
    servers = ("203.0.113.9", f"{LONG}.example")
    bare = only(replace(PARTNER, name="", smart_hosts=servers, domains=many, certificate=LONG))
    assert bare.subject == "c2"
    assert bare.summary == (
        "Outbound connector c2 leads mail for some domains to a server of others."
    )
    assert f"for mail to: {', '.join(many[:20])}" in format_facts(bare.facts)
    assert measure_cuts(bare) == [100, 100]
    named = only(replace(PARTNER, name=LONG, domains=(LONG,)))
    assert measure_cuts(named) == [100]
    assert named.subject.startswith("n" * 200 + "…")


def test_an_inbound_connector_without_a_name_goes_by_its_id_and_long_texts_are_cut() -> None:
    many = tuple(f"d{number}.example" for number in range(21))
    opened = replace(HYBRID_IN, name="", certificate=LONG, senders=many, addresses=(LONG,))
    bare = only(opened)
    assert bare.subject == "c3"
    assert f"senders: {', '.join(many[:20])}" in format_facts(bare.facts)
    assert measure_cuts(bare) == [100, 60]
    named = only(replace(opened, name=LONG, senders=(LONG,)))
    assert measure_cuts(named) == [100, 60, 100]
    assert named.subject.startswith("n" * 200 + "…")


def test_a_connector_is_the_same_in_whatever_order_and_case_its_parts_come() -> None:
    hosts = ("203.0.113.9", "mx.Evil.example")
    keys = {
        only(replace(PARTNER, smart_hosts=order)).compute_key("g")
        for order in (hosts, hosts[::-1], tuple(map(str.lower, hosts)))
    }
    assert len(keys) == 1
    opened = replace(HYBRID_IN, certificate="*.Evil.example", addresses=("192.0.2.1", "192.0.2.2"))
    same = replace(opened, certificate="*.evil.example", addresses=opened.addresses[::-1])
    assert only(opened).compute_key("g") == only(same).compute_key("g")
    moved = replace(opened, addresses=("192.0.2.3",))
    assert only(moved).compute_key("g") != only(opened).compute_key("g")
    other = replace(opened, certificate="*.other.example")
    assert only(other).compute_key("g") != only(opened).compute_key("g")


def test_what_is_told_of_a_connector_depends_on_its_own_listing_and_the_domains() -> None:
    outbound, inbound = (
        only(replace(PARTNER, domains=("*",))),
        only(replace(HYBRID_IN, certificate="")),
    )
    assert outbound.sources == ("configuration-outbound-connector", "domains")
    assert inbound.sources == ("configuration-inbound-connector", "domains")
    (told,) = journal("j@drop.example")
    assert told.sources == ("configuration-journal-rule", "domains")
    for finding in (outbound, inbound, told):
        assert finding.asks_if_preexisting
        assert finding.advice.startswith("It applies to mail of the whole organization")


def test_a_connector_that_names_no_domain_is_for_all_of_them() -> None:
    assert "for mail to: *" in format_facts(only(replace(PARTNER, domains=())).facts)
    every = replace(HYBRID_IN, certificate="", senders=())
    assert "senders: *" in format_facts(only(every).facts)


def test_a_connector_for_more_mail_goes_further() -> None:
    some = replace(HYBRID_IN, certificate="", senders=("bank.example",))
    ((narrow,), (every,)) = (only(one).reaches for one in (some, replace(some, senders=("*",))))
    assert every.covers(narrow)
    assert not narrow.covers(every)
    ((trusted,), (delivering,)) = (
        only(one).reaches for one in (some, replace(some, internal=False))
    )
    assert trusted.covers(delivering)
    assert not delivering.covers(trusted)


@pytest.mark.parametrize(
    "connector",
    [
        HYBRID_IN,
        replace(HYBRID_IN, internal=False, certificate="mail.contoso.com"),
        replace(HYBRID_IN, enabled=False, certificate=""),
        replace(HYBRID_IN, on_premises=False, internal=False, certificate=""),
        replace(HYBRID_IN, on_premises=False, internal=False, addresses=("203.0.113.9",)),
    ],
)
def test_own_servers_and_partners_that_prove_themselves_are_nothing(
    connector: InboundConnector,
) -> None:
    assert judge(connector) == []


@pytest.mark.parametrize(
    ("connector", "severity", "proof"),
    [
        (
            replace(HYBRID_IN, certificate="*.evil.example"),
            Severity.HIGH,
            "proof: a certificate of *.evil.example",
        ),
        (
            replace(HYBRID_IN, needs_certificate=False, addresses=("203.0.113.9",)),
            Severity.HIGH,
            "proof: the address of the server alone",
        ),
        (replace(HYBRID_IN, certificate=""), Severity.HIGH, "proof: none that was read"),
        (
            replace(HYBRID_IN, internal=False, certificate="", addresses=("203.0.113.9",)),
            Severity.MEDIUM,
            "proof: the address of the server alone",
        ),
        (
            replace(HYBRID_IN, on_premises=False, certificate="x.example"),
            Severity.HIGH,
            "proof: a certificate of x.example",
        ),
    ],
)
def test_mail_of_others_that_counts_as_ones_own_is_told(
    connector: InboundConnector, severity: Severity, proof: str
) -> None:
    finding = only(connector)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.TRUSTED, severity)
    assert proof in format_facts(finding.facts)


def journal(
    address: str, policy: GuardPolicy = TERMS, rule: JournalRule = JOURNAL
) -> list[Finding]:
    targets = locate_recipient(address, OWN, KnownRecipients()) or ()
    return list(judge_journal_rule(JournalItem(replace(rule, address=address), targets), policy))


def test_a_journal_outside_is_told_and_one_of_an_allowed_archive_is_shown() -> None:
    (finding,) = journal("j@drop.example")
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.EXTERNAL, Severity.HIGH)
    assert format_facts(finding.facts)[:2] == ("to: j@drop.example", "mail of: everybody")
    (kept,) = journal("j@archive.example", ALLOWING)
    assert (kept.verdict, kept.severity) == (ForwardingVerdict.KEEP, Severity.INFO)
    (lost,) = journal("")
    assert lost.verdict == ForwardingVerdict.UNRESOLVED


def test_a_journal_shows_its_first_targets_and_what_it_is_for() -> None:
    targets = tuple(
        ForwardTarget("j", RecipientLocation.OUTSIDE, f"j{number}@drop.example")
        for number in range(21)
    )
    rule = replace(JOURNAL, name="", recipient=LONG, scope=LONG)
    (finding,) = judge_journal_rule(JournalItem(rule, targets), TERMS)
    assert (finding.subject, len(finding.facts)) == ("j1", 22)
    assert measure_cuts(finding) == [200, 60]
    (plain,) = journal("j@drop.example")
    assert (plain.subject, format_facts(plain.facts)[2]) == ("Archive", "scope: not said")
    (named,) = journal("j@drop.example", rule=replace(JOURNAL, name=LONG))
    assert named.subject.startswith("n" * 200 + "…")
    (other,) = journal("x@drop.example")
    assert other.compute_key("g") != plain.compute_key("g")


def test_a_journal_on_premises_and_a_disabled_one_are_nothing() -> None:
    inside = (ForwardTarget("j", RecipientLocation.INSIDE, "journal@contoso.com"),)
    assert list(judge_journal_rule(JournalItem(JOURNAL, inside), TERMS)) == []
    assert journal("j@drop.example", rule=replace(JOURNAL, enabled=False)) == []


def test_a_journal_to_a_group_that_was_not_looked_into_is_told() -> None:
    unseen = (ForwardTarget("j", RecipientLocation.UNSEEN, "g@contoso.com", reason="dynamic"),)
    (finding,) = judge_journal_rule(JournalItem(JOURNAL, unseen), TERMS)
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.LOW)


def test_a_journal_of_everybody_goes_further_than_one_of_somebody() -> None:
    ((everybody,),) = [one.reaches for one in journal("j@drop.example")]
    of_ceo = replace(JOURNAL, recipient="ceo@contoso.com")
    ((somebody,),) = [one.reaches for one in journal("j@drop.example", rule=of_ceo)]
    assert everybody.covers(somebody)
    assert not somebody.covers(everybody)


# ----------------------------------------------------------------------------------------------
# How Exchange prints them
# ----------------------------------------------------------------------------------------------


def item(**values: object) -> Configuration:
    return Configuration("x", "Gateway", "Gateway", values)


def test_an_outbound_connector_is_read_in_the_forms_of_the_wire() -> None:
    found = parse_outbound_connector(
        item(
            Guid="6C7A0A1E-0000-4000-8000-000000000001",
            Enabled="True",
            SmartHosts=[{"Domain": "relay.example"}, "[192.0.2.1]"],
            RecipientDomains="smtp:Bank.example;1",
            IsTransportRuleScoped=False,
            TlsDomain="relay.example",
            RouteAllMessagesViaOnPremises=True,
        )
    )
    assert found == OutboundConnector(
        "6c7a0a1e-0000-4000-8000-000000000001",
        "Gateway",
        True,
        ("relay.example", "[192.0.2.1]"),
        ("bank.example",),
        certificate="relay.example",
        takes_all=True,
    )


def test_an_inbound_connector_is_read_in_the_forms_of_the_wire() -> None:
    found = parse_inbound_connector(
        item(
            ConnectorType="OnPremises",
            SenderDomains=["smtp:*;1"],
            SenderIPAddresses="192.0.2.1",
            RequireTls="False",
            CloudServicesMailEnabled=True,
            TlsSenderCertificateName=None,
        )
    )
    assert found == InboundConnector(
        *("Gateway", "Gateway", True),
        on_premises=True,
        internal=True,
        senders=("*",),
        addresses=("192.0.2.1",),
    )


def test_a_journal_rule_is_read_and_what_is_not_said_counts_as_enabled() -> None:
    found = parse_journal_rule(item(JournalEmailAddress=" j@drop.example ", Recipient=None))
    assert found == JournalRule("Gateway", "Gateway", True, "j@drop.example")
    assert not parse_journal_rule(item(Enabled="False")).enabled


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("bank.com", "bank"),
        ("mail.bank.com", "bank"),
        ("*.bank.com", "bank"),
        ("bank.co.uk", "bank"),
        ("mail.bank.co.uk", "bank"),
        ("bank.de", "bank"),
        # Nobody's.
        ("com", ""),
        ("*.com", ""),
        ("co.uk", ""),
        ("uk", ""),
        # Below .com anybody may be called `co`, and has it alone.
        ("bank.co.com", "co"),
    ],
)
def test_an_organization_is_known_by_the_label_that_it_bought(domain: str, name: str) -> None:
    assert get_owner_name(domain) == name


@pytest.mark.parametrize(
    ("host", "is_own", "is_partners"),
    [
        ("mail.contoso.com", True, False),
        ("*.contoso.com", True, False),
        (" [MAIL.CONTOSO.COM] ", True, False),
        ("contoso.com.evil.example", False, False),
        ("RELAY.BANK.MX", False, True),
        ("[relay.bank.mx]", False, True),
        ("bank.mx", False, True),
        ("evilbank.mx", False, False),
    ],
)
def test_a_server_belongs_to_whoever_has_its_domain(
    host: str, is_own: bool, is_partners: bool
) -> None:
    assert is_own_server(host, OWN) is is_own
    assert lies_below(host, "bank.mx") is lies_below(host, "*.bank.mx") is is_partners
    assert not lies_below(host, "mx")


@pytest.mark.parametrize(
    ("values", "takes_all"),
    [
        ({}, False),
        ({"AllAcceptedDomains": True}, True),
        ({"RouteAllMessagesViaOnPremises": "True"}, True),
        ({"AllAcceptedDomains": "False", "RouteAllMessagesViaOnPremises": False}, False),
    ],
)
def test_a_connector_takes_all_mail_by_either_of_two_settings(
    values: dict[str, object], takes_all: bool
) -> None:
    connector = Configuration("outbound-connector", "c1", "Out", values)
    assert parse_outbound_connector(connector).takes_all is takes_all
