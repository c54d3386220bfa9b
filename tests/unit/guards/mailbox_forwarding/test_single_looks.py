"""Objects that a listing of forwarding no longer shows: each is looked for alone."""

from copy import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core.guards.mailbox_forwarding.connector_findings import ConnectorItem, JournalItem
from core.guards.mailbox_forwarding.forwards import (
    MailboxForward,
    MailboxRules,
    TransportRuleForward,
)
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.observe import INSPECTED_SOURCES
from core.guards.mailbox_forwarding.single_looks import (
    SINGLE_LOOKS,
    look_up_mailboxes,
    make_look_up,
)
from core.guards.mailbox_forwarding.standing_copies import StandingCopyItem
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.configuration import Configuration
from core.tenant.mail_flow import AcceptedDomain, InboxRule, TransportRule
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    DOMAINS,
    INBOX_RULES,
    MAILBOX_FORWARDS,
    MAILBOX_SURROUNDINGS,
    MAILBOXES,
    OUTBOUND_POLICIES,
    TRANSPORT_RULES,
)
from tests.support.fakes.tenant import FakeTenant

EVIL = "x@evil.example"
CONTEXT = ObserveContext(
    GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options), known_traits={}
)
ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann", forwarding_smtp_address=f"smtp:{EVIL}")
BEN = replace(ANN, id="m2", guid="g2", address="ben@contoso.com")
DISCOVERY = replace(ANN, id="m3", guid="g3", kind="DiscoveryMailbox")
RULE = InboxRule("r1", "m1", "One", "graph", redirect_to=(EVIL,))
POLICY = Configuration(
    "outbound-spam-policy",
    "p1",
    "Default",
    {
        "Guid": "p1",
        "BccSuspiciousOutboundMail": True,
        "BccSuspiciousOutboundAdditionalRecipients": [EVIL],
    },
)


def build_tenant() -> FakeTenant:
    """A tenant with one thing of each kind."""
    return FakeTenant(
        boxes=[ANN, BEN, DISCOVERY],
        rules=[RULE],
        domains=[AcceptedDomain("contoso.com")],
        mail_flow_rules=[TransportRule("t1", "Copies", redirect_to=(EVIL,))],
        configurations=[
            Configuration("outbound-connector", "o1", "Out", {}),
            Configuration("inbound-connector", "i1", "In", {}),
            Configuration("journal-rule", "j1", "All", {"JournalEmailAddress": EVIL}),
            POLICY,
        ],
    )


@pytest.mark.parametrize(
    ("source", "object_id", "kind"),
    [
        (MAILBOX_FORWARDS, "m1", MailboxForward),
        (TRANSPORT_RULES, "t1", TransportRuleForward),
        ("outbound-connector", "o1", ConnectorItem),
        ("inbound-connector", "i1", ConnectorItem),
        ("journal-rule", "j1", JournalItem),
        ("outbound-spam-policy", "p1", StandingCopyItem),
    ],
)
async def test_one_object_is_asked_for_alone_and_nothing_is_concluded_of_others(
    source: str, object_id: str, kind: type[object]
) -> None:
    tenant = build_tenant()
    reading = await make_look_up(source)(tenant, CONTEXT, [object_id])
    assert {type(one) for one in reading.items} == {kind}
    assert reading.scope == {object_id}
    assert reading.known_traits == ()
    is_configuration = source not in (MAILBOX_FORWARDS, TRANSPORT_RULES)
    name = get_configuration_source_name(source) if is_configuration else source
    assert reading.covers((name,), object_id)
    assert [ids for read, ids in tenant.read_log if read == name] == [(object_id,)]
    (look,) = [one for one in SINGLE_LOOKS if one.listing == name]
    assert look.sources == {name}


async def test_whose_case_is_looked_at_has_to_be_read_and_detail_about_others_has_not() -> None:
    tenant = build_tenant()
    name = get_configuration_source_name("outbound-spam-policy")
    tenant.fail_read(name, "p1", "HTTP 503")
    tenant.fail_read(OUTBOUND_POLICIES, "", "HTTP 503")
    reading = await make_look_up("outbound-spam-policy")(tenant, CONTEXT, ["p1"])
    failures = {(one.source, one.object_id): one.optional for one in reading.failures}
    assert failures == {(name, "p1"): False, (OUTBOUND_POLICIES, ""): True}


async def test_what_nothing_can_be_said_without_stays_needed() -> None:
    tenant = build_tenant()
    tenant.fail_read(DOMAINS, "", "HTTP 503")
    reading = await make_look_up("journal-rule")(tenant, CONTEXT, ["j1"])
    needed = {(one.source, one.object_id) for one in reading.failures if not one.optional}
    name = get_configuration_source_name("journal-rule")
    assert {(DOMAINS, ""), (name, "j1")} <= needed


async def look_up(tenant: FakeTenant, *ids: str) -> Reading[Any]:
    """Mailboxes that the listing does not show, looked for alone."""
    return await look_up_mailboxes(tenant, CONTEXT, ids)


async def test_a_mailbox_that_is_there_is_read_as_a_whole_and_one_that_is_not_is_gone() -> None:
    tenant = build_tenant()
    reading = await look_up(tenant, "m1", "m9")
    assert {type(one) for one in reading.items} == {MailboxRules}
    for object_id in ("m1", "m9"):
        assert reading.covers(INSPECTED_SOURCES, object_id)
    assert not reading.covers((INBOX_RULES,), "m2")
    assert [ids for name, ids in tenant.read_log if name == MAILBOX_SURROUNDINGS] == [("m1",)]


async def test_a_mailbox_of_another_kind_is_not_looked_into() -> None:
    tenant = build_tenant()
    reading = await look_up(tenant, "m3")
    assert not reading.items
    assert reading.covers((MAILBOXES,), "m3")
    assert not [ids for name, ids in tenant.read_log if name == MAILBOX_SURROUNDINGS and ids]


async def test_of_a_mailbox_whose_surroundings_did_not_answer_only_those_stay_open() -> None:
    tenant = build_tenant()
    tenant.fail_read(MAILBOX_SURROUNDINGS, "m1", "HTTP 503")
    reading = await look_up(tenant, "m1", "m2")
    assert ReadFailure(MAILBOX_SURROUNDINGS, "HTTP 503", "m1") in [
        replace(one, optional=False) for one in reading.failures
    ]
    assert not reading.covers((MAILBOX_SURROUNDINGS,), "m1")
    assert reading.covers((MAILBOX_SURROUNDINGS,), "m2")


async def test_a_mailbox_that_could_not_be_looked_for_is_not_gone() -> None:
    tenant = build_tenant()
    tenant.fail_read(MAILBOXES, "m9", "HTTP 503")
    reading = await look_up(tenant, "m1", "m9")
    assert [one.object_id for one in reading.failures] == ["m9"]
    assert reading.scope == {"m1"}
