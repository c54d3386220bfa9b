"""How the organization hands all its mail on: what is read, and what is made of a gap in it."""

from datetime import UTC, datetime

import pytest

from core.guards.mailbox_forwarding.colleague_rules import COLLEAGUE_RULES, MAIL_FLOW_RULE
from core.guards.mailbox_forwarding.connector_findings import ConnectorItem, JournalItem
from core.guards.mailbox_forwarding.connectors import (
    INBOUND_CONNECTOR,
    JOURNAL_RULE,
    OUTBOUND_CONNECTOR,
    parse_outbound_connector,
)
from core.guards.mailbox_forwarding.forwards import ForwardingInputs
from core.guards.mailbox_forwarding.mail_paths import (
    MailPaths,
    SingleIds,
    assemble_mail_paths,
    list_copy_names,
    list_outbound_connectors,
    look_at_missing_rules,
    read_mail_paths,
)
from core.guards.mailbox_forwarding.standing_copies import StandingCopyItem
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.recipients import KnownRecipients
from core.tenant.configuration import Configuration
from core.tenant.known_traits import KnownTraits, build_traits_key
from core.tenant.mail_flow import Recipient, TransportRule
from core.tenant.readings import ReadFailure, Reading
from core.watched.memory import get_item_kind
from tests.support.fakes.tenant import FakeTenant

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
OWN = OwnDomains(frozenset({"contoso.com"}))
INPUTS = ForwardingInputs(own_domains=OWN)
NOTHING = Reading[Configuration]()
OUTBOUND = Configuration(OUTBOUND_CONNECTOR, "o1", "Out", {"SmartHosts": ["mx.evil.example"]})
INBOUND = Configuration(INBOUND_CONNECTOR, "i1", "In", {})
TRANSPORT = Configuration(
    "transport-config", "t1", "transport", {"JournalingReportNdrTo": "ndr@contoso.com"}
)
POLICY = Configuration("outbound-spam-policy", "p1", "Default", {})


def journal(address: str, **more: object) -> Configuration:
    """A journal rule that copies mail to an address."""
    values = {"JournalEmailAddress": address, "Enabled": True, **more}
    return Configuration(JOURNAL_RULE, "j1", "Journal", values)


def paths(
    outbound: Reading[Configuration] = NOTHING,
    *journals: Configuration,
    transport: Reading[Configuration] = NOTHING,
) -> MailPaths:
    """What was read."""
    return MailPaths(outbound, NOTHING, Reading(journals), transport, NOTHING)


def test_what_is_asked_for_alone_is_of_one_source() -> None:
    single = SingleIds(JOURNAL_RULE, ["j1"])
    assert single.list_ids(JOURNAL_RULE) == ["j1"]
    assert not single.list_ids(OUTBOUND_CONNECTOR)
    assert not SingleIds().list_ids(OUTBOUND_CONNECTOR)


async def test_all_is_listed_but_what_is_asked_for_alone() -> None:
    every = [OUTBOUND, INBOUND, journal("a@contoso.com"), TRANSPORT, POLICY]
    tenant = FakeTenant(configurations=[*every, Configuration(JOURNAL_RULE, "j2", "Other", {})])
    read = await read_mail_paths(tenant, SingleIds(JOURNAL_RULE, ["j2"]))
    held = (read.outbound, read.inbound, read.journals, read.transport, read.policies)
    assert [[one.id for one in reading.items] for reading in held] == [
        ["o1"],
        ["i1"],
        ["j2"],
        ["t1"],
        ["p1"],
    ]
    assert read.readings == (read.outbound, read.inbound, read.journals)
    assert read.settings == (read.transport, read.policies)


@pytest.mark.parametrize(
    ("reading", "is_known"),
    [
        (Reading((OUTBOUND,)), True),
        (Reading((OUTBOUND,), complete=False), False),
        (Reading((OUTBOUND,), (ReadFailure("outbound-connector", "HTTP 503"),)), False),
        (Reading((), (ReadFailure("outbound-connector", "HTTP 503"),), complete=False), False),
    ],
)
def test_where_connectors_lead_is_known_where_all_of_them_were_read(
    reading: Reading[Configuration], is_known: bool
) -> None:
    known = (parse_outbound_connector(OUTBOUND),) if is_known else None
    assert list_outbound_connectors(paths(reading)) == known


def test_exchange_is_asked_about_copies_that_do_not_plainly_go_outside() -> None:
    assert list_copy_names(paths(NOTHING, journal("x@evil.example")), OWN) == set()
    names = list_copy_names(
        paths(NOTHING, journal("Archive@contoso.com"), transport=Reading((TRANSPORT,))), OWN
    )
    assert names == {"archive@contoso.com", "ndr@contoso.com"}


REMEMBERED = KnownTraits(
    build_traits_key("f1", get_item_kind(COLLEAGUE_RULES.name)),
    "f1",
    get_item_kind(COLLEAGUE_RULES.name),
    NOW,
    NOW,
    {"to bob": NOW},
)
LISTED = Reading((TransportRule("f2", "Other"),))


@pytest.mark.parametrize(
    ("rules", "is_asked"),
    [
        (LISTED, True),
        (Reading((TransportRule("f1", "Copies"),)), False),
        # A listing with a gap lacks more than what was left out of it.
        (Reading(LISTED.items, complete=False), False),
        (Reading(LISTED.items, (ReadFailure("transport-rules", "HTTP 503"),)), False),
    ],
)
async def test_a_known_rule_that_a_whole_listing_lacks_is_asked_for_alone(
    rules: Reading[TransportRule], is_asked: bool
) -> None:
    tenant = FakeTenant(configurations=[Configuration(MAIL_FLOW_RULE, "f1", "Copies", {})])
    found = await look_at_missing_rules(tenant, rules, {REMEMBERED.key: REMEMBERED}, NOW)
    assert found.ids == ({"f1"} if is_asked else set())
    assert bool(tenant.read_log) is is_asked


def test_each_path_is_judged_and_one_that_leads_nobody_knows_where_is_unread() -> None:
    unclear = journal("Nobody Known", Guid="j9")
    reports = Configuration("transport-config", "t2", "", {"JournalingReportNdrTo": "Nobody"})
    read = MailPaths(
        Reading((OUTBOUND,)),
        Reading((INBOUND,)),
        Reading((journal("x@evil.example"), unclear, journal("Nobody", Enabled=False))),
        Reading((TRANSPORT, reports)),
        NOTHING,
    )
    ndr = "ndr@contoso.com"
    failed = ForwardingInputs(
        own_domains=OWN,
        known_recipients=KnownRecipients({ndr: Recipient(ndr, True, "UserMailbox", ndr)}),
        recipient_reading=Reading(failures=(ReadFailure("recipients", "HTTP 503"),)),
    )
    items, lost = assemble_mail_paths(read, failed)
    assert [type(one) for one in items] == [
        ConnectorItem,
        ConnectorItem,
        JournalItem,
        StandingCopyItem,
    ]
    assert [(one.source, one.object_id, one.subject, one.reason) for one in lost] == [
        (
            get_configuration_source_name(JOURNAL_RULE),
            "j9",
            "Journal",
            "a recipient could not be looked up: HTTP 503",
        ),
        (
            get_configuration_source_name("transport-config"),
            "t2",
            "The organization",
            "a recipient could not be looked up: HTTP 503",
        ),
    ]


async def test_what_cannot_be_understood_is_unread_and_hides_nothing_beside_it() -> None:
    odd = [
        Configuration(OUTBOUND_CONNECTOR, "o2", "Odd", {"Enabled": "perhaps"}),
        Configuration(INBOUND_CONNECTOR, "i2", "Odd", {"SenderDomains": [{"x": 7}]}),
        Configuration(JOURNAL_RULE, "j2", "Odd", {"JournalEmailAddress": ["x@evil.example"]}),
        Configuration("outbound-spam-policy", "p2", "Odd", {"BccSuspiciousOutboundMail": 1}),
    ]
    tenant = FakeTenant(configurations=[OUTBOUND, INBOUND, journal("x@evil.example"), *odd])
    read = await read_mail_paths(tenant, SingleIds())
    for inputs in (INPUTS, ForwardingInputs()):
        items, lost = assemble_mail_paths(read, inputs)
        assert [(one.object_id, one.reason) for one in lost][:4] == [
            ("o2", "Enabled is neither true nor false"),
            ("i2", "SenderDomains has an entry that is no text"),
            ("j2", "JournalEmailAddress is no text"),
            ("p2", "BccSuspiciousOutboundMail is neither true nor false"),
        ]
        assert len(items) == (3 if inputs is INPUTS else 0)
    assert list_outbound_connectors(read) is None


def test_without_the_own_domains_every_path_is_unread() -> None:
    read = MailPaths(
        Reading((OUTBOUND,)),
        Reading((INBOUND,)),
        Reading((journal("x@evil.example"),)),
        Reading((TRANSPORT,)),
        NOTHING,
    )
    items, lost = assemble_mail_paths(read, ForwardingInputs())
    assert items == ()
    assert [one.object_id for one in lost] == ["o1", "i1", "j1", "t1"]
    assert {one.reason for one in lost} == {
        "the accepted domains were not read, so nothing can be called outside"
    }
