"""Which mailboxes are asked again, and which folders are looked up at every run."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.guards.mailbox_forwarding.departure import ForwardingPolicyResult
from core.guards.mailbox_forwarding.forwards import (
    MailboxForward,
    MailboxRules,
    TransportRuleForward,
)
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.hiding import is_plain_reading
from core.guards.mailbox_forwarding.mail_paths import SingleIds
from core.guards.mailbox_forwarding.mailbox_traces import MailboxTraces
from core.guards.mailbox_forwarding.observe import (
    ForwardingPorts,
    find_unclear_mailboxes,
    inspect,
    is_puzzling,
    list_traces,
    look_at,
    needs_folder_lookup,
    observe,
    read_listed_forwards,
    read_mailboxes,
    read_rules,
    reread_ambiguous_rules,
)
from core.guards.mailbox_forwarding.options import ForwardingOptions
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import RecipientLocation
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.configuration import Configuration
from core.tenant.known_traits import KnownTraits
from core.tenant.mail_flow import (
    AcceptedDomain,
    GroupMembers,
    InboxRule,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    RuleCondition,
    SenderScope,
    TransportRule,
)
from core.tenant.mailbox_index import MailboxPage
from core.tenant.mailboxes import Mailbox, MailboxSurroundings
from core.tenant.member_memory import MemberMemory
from core.tenant.readings import Reading
from core.tenant.sources import (
    DOMAINS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_SURROUNDINGS,
    RECIPIENTS,
    RULE_FOLDERS,
)
from tests.support.fakes.mailboxes import FakeMailboxReader
from tests.support.fakes.tenant import FakeTenant

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
BEN = Mailbox("m2", "g2", "ben@contoso.com", "Ben")
NEWS = (RuleCondition("senderContains", ("news@shop.example",)),)
SORTS = InboxRule("r1", "m1", "Newsletters", "graph", move_to="F1", conditions=NEWS)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (SORTS, False),
        (replace(SORTS, mailbox_id="m9"), True),
        (replace(SORTS, forward_to=("x@evil.example",)), True),
        (replace(SORTS, mark_as_read=True), True),
        (replace(SORTS, conditions=()), True),
        (
            replace(
                SORTS, conditions=(RuleCondition("recipientContains", ("ann@contoso.com",)), *NEWS)
            ),
            False,
        ),
        (
            replace(SORTS, conditions=(RuleCondition("sentToAddresses", ("ann@contoso.com",)),)),
            False,
        ),
        (replace(SORTS, name="..."), True),
        (
            replace(SORTS, conditions=(RuleCondition("subjectContains", ("wire transfer",)),)),
            True,
        ),
        (
            replace(SORTS, conditions=(RuleCondition("senderContains", ("helpdesk@x.example",)),)),
            True,
        ),
        # Known nowhere is at home nowhere: an office that counts only at home does not.
        (
            replace(SORTS, conditions=(RuleCondition("senderContains", ("hr@x.example",)),)),
            False,
        ),
        (replace(SORTS, move_to="Archive"), True),
    ],
)
def test_a_folder_is_looked_up_at_once_where_a_rule_may_hide_mail(
    rule: InboxRule, expected: bool
) -> None:
    assert needs_folder_lookup(rule, frozenset({"m9"})) is expected


def test_only_an_enabled_rule_that_graph_does_not_show_in_full_makes_a_mailbox_unclear() -> None:
    unclear = replace(SORTS, readable=False)
    assert find_unclear_mailboxes([ANN, BEN], [unclear]) == [ANN]
    assert find_unclear_mailboxes([ANN, BEN], [replace(unclear, enabled=False)]) == []
    assert find_unclear_mailboxes([ANN, BEN], [SORTS]) == []


async def test_a_mailbox_with_a_rule_left_open_is_asked_for_all_its_rules() -> None:
    tenant = FakeTenant(boxes=[ANN, BEN], rules=[SORTS, replace(SORTS, id="r9", move_to="")])
    of_ben = replace(SORTS, id="r2", mailbox_id="m2")
    graph = Reading((SORTS, of_ben))
    left_open = Reading((replace(SORTS, readable=False),))
    same = await reread_ambiguous_rules(tenant, [ANN, BEN], graph, Reading((SORTS,)))
    assert same is graph
    again = await reread_ambiguous_rules(tenant, [ANN, BEN], graph, left_open)
    assert [rule.id for rule in again.items] == ["r2", "r1", "r9"]
    tenant.fail_read(INBOX_RULES, "m1", "HTTP 503")
    unread = await reread_ambiguous_rules(tenant, [ANN, BEN], graph, left_open)
    assert [failure.object_id for failure in unread.failures] == ["m1"]
    assert [rule.id for rule in unread.items] == ["r2"]


async def test_a_mailbox_where_exchange_shows_a_rule_that_marks_as_read_is_asked_for_all() -> None:
    """Graph's view may lack its twin, without which it would be hidden."""
    reads = replace(SORTS, id="r3", move_to="", mark_as_read=True)
    tenant = FakeTenant(boxes=[ANN, BEN], rules=[SORTS, reads])
    graph = await tenant.inbox_rules.read_inbox_rules([ANN, BEN], is_plain_reading=is_plain_reading)
    assert [rule.id for rule in graph.items] == ["r1"]
    shown = Reading((replace(reads, api="exchange"),))
    again = await reread_ambiguous_rules(tenant, [ANN, BEN], graph, shown)
    assert [rule.id for rule in again.items] == ["r1", "r3"]


async def test_a_mailbox_with_an_open_case_is_asked_for_all_its_rules_once() -> None:
    marks = replace(SORTS, id="r3", move_to="", mark_as_read=True)
    tenant = FakeTenant(boxes=[ANN, BEN], rules=[marks, replace(marks, mailbox_id="m2")])
    graph, exchange = await read_rules(tenant, [ANN, BEN], [ANN], swept=False)
    assert [rule.mailbox_id for rule in graph.items] == ["m1"], "of Ben none matters"
    assert len(exchange.items) == 1
    assert [ids for source, ids in tenant.read_log if source == HIDDEN_RULES] == [("m1",)]
    assert [ids for source, ids in tenant.read_log if source == INBOX_RULES] == [("m1", "m2")]


@pytest.mark.parametrize("visible", [True, False])
async def test_a_plain_rule_is_hidden_only_where_graph_does_not_show_it(visible: bool) -> None:
    reads = replace(SORTS, id="r3", move_to="", mark_as_read=True)
    tenant = FakeTenant(boxes=[ANN, BEN])
    if visible:
        tenant.rules.append(reads)
    else:
        tenant.exchange_rules.append(replace(reads, api="exchange"))
    context = ObserveContext(
        GuardPolicy(NOW, GUARD.options), open_case_ids=frozenset({ANN.id}), known_traits={}
    )
    reading = await inspect(tenant, context, [ANN, BEN])
    found = [item for item in reading.items if isinstance(item, MailboxRules)]
    assert bool(found) is not visible


@dataclass
class GatedMailboxes:
    """Names the forwards once somebody has asked for the mailboxes."""

    reader: FakeMailboxReader
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def list_mailboxes(self) -> AsyncIterator[Reading[Mailbox]]:
        self.asked.set()
        async for page in self.reader.list_mailboxes():
            yield page

    async def read_forwarding_mailboxes(self) -> Reading[Mailbox]:
        await self.asked.wait()
        return await self.reader.read_forwarding_mailboxes()


async def test_the_first_mailboxes_are_handed_on_while_the_forwards_are_listed() -> None:
    tenant = FakeTenant(boxes=[ANN, BEN], page_size=1)
    ports = SimpleNamespace(
        mailboxes=GatedMailboxes(tenant.mailboxes),
        mail_flow=tenant.mail_flow,
        configuration=tenant.configuration,
    )
    context = ObserveContext(GuardPolicy(NOW, GUARD.options), known_traits={})
    async with asyncio.timeout(5):
        parts = [part async for part in observe(cast(ForwardingPorts, ports), context)]
    pages = [part for part in parts if isinstance(part, MailboxPage)]
    assert [box.id for page in pages for box in page.mailboxes.items] == [ANN.id, BEN.id]
    assert (parts[0], parts[-1]) == tuple(pages), "the rest is handed on after what is listed"


# -- what is asked for, and what is made of it ----------------------------------------------------

EVIL = "x@evil.example"
SENDS = InboxRule("r2", "m1", "Copies", "graph", redirect_to=(EVIL,))
TELLING = MailboxSurroundings("m2", trusts_only_lists=True)


def ask(*due: str, cases: Sequence[str] = (), **more: Any) -> ObserveContext[ForwardingOptions]:
    """What a look begins with."""
    return ObserveContext(
        GuardPolicy(NOW, GUARD.options),
        frozenset(due),
        open_case_ids=frozenset(cases),
        **{"known_traits": {}, **more},
    )


def build_tenant(*rules: InboxRule, **more: Any) -> FakeTenant:
    """A tenant of Ann and Ben."""
    values = {"domains": [AcceptedDomain("contoso.com")], **more}
    return FakeTenant(boxes=[ANN, BEN], rules=[*rules], **values)


def list_asked(tenant: FakeTenant, source: str) -> list[Any]:
    """What a source was asked for, once for each request."""
    return [asked for name, asked in tenant.read_log if name == source]


async def test_a_tenant_without_any_mailbox_is_looked_at() -> None:
    @dataclass(frozen=True)
    class NoMailboxes:
        """Lists no page at all."""

        reader: FakeMailboxReader

        async def list_mailboxes(self) -> AsyncIterator[Reading[Mailbox]]:
            pages: tuple[Reading[Mailbox], ...] = ()
            for page in pages:
                yield page

        async def read_forwarding_mailboxes(self) -> Reading[Mailbox]:
            return await self.reader.read_forwarding_mailboxes()

    tenant = build_tenant()
    ports = SimpleNamespace(
        mailboxes=NoMailboxes(tenant.mailboxes),
        mail_flow=tenant.mail_flow,
        configuration=tenant.configuration,
    )
    parts = [part async for part in observe(cast(ForwardingPorts, ports), ask())]
    assert parts
    assert not [part for part in parts if isinstance(part, MailboxPage)]


async def test_a_look_at_one_mailbox_reads_all_that_stands_in_it_and_what_is_listed() -> None:
    boxes = [replace(ANN, forwarding_smtp_address=f"smtp:{EVIL}"), BEN]
    tenant = build_tenant(SENDS, surroundings=[TELLING])
    tenant.boxes = boxes
    readings = [one async for one in look_at(tenant, ask(HIDDEN_RULES), boxes)]
    listed, _, read = readings
    assert [type(one) for one in listed.items] == [MailboxForward]
    assert {type(one) for one in read.items} == {MailboxForward, MailboxRules, MailboxTraces}
    assert list_asked(tenant, MAILBOX_SURROUNDINGS) == [("m1", "m2")]


STAFF = "staff@contoso.com"
LETS_STAFF = OutboundPolicy(
    "Staff", "Off", is_default=False, enabled=True, scope=SenderScope(groups=(STAFF,))
)


@pytest.mark.parametrize(("forwards", "is_asked"), [(True, True), (False, False)])
async def test_groups_of_policies_are_asked_about_where_a_mailbox_forwards(
    forwards: bool, is_asked: bool
) -> None:
    tenant = build_tenant(policies=[LETS_STAFF])
    if forwards:
        tenant.boxes = [replace(ANN, forwarding_smtp_address=f"smtp:{EVIL}")]
    await read_listed_forwards(tenant, ask())
    asked = [name for names in list_asked(tenant, RECIPIENTS) for name in names]
    assert (STAFF in asked) is is_asked


async def test_a_mail_flow_rule_knows_the_connectors_and_the_time() -> None:
    out = Configuration("outbound-connector", "o1", "Out", {"SmartHosts": ["mx.evil.example"]})
    over = TransportRule("f1", "Over", redirect_to=("Nobody",), expires_at=NOW - HOUR)
    tenant = build_tenant(configurations=[out])
    tenant.mail_flow_rules = [over]
    tenant.fail_read(RECIPIENTS, "Nobody")
    listed, *_ = await read_listed_forwards(tenant, ask())
    (rule,) = [one for one in listed.items if isinstance(one, TransportRuleForward)]
    assert [one.id for one in rule.connectors or ()] == ["o1"]
    assert not [one for one in listed.failures if one.object_id == "f1"], "it acts no more"
    tenant.mail_flow_rules = [replace(over, expires_at=NOW + HOUR)]
    listed, *_ = await read_listed_forwards(tenant, ask())
    assert [one for one in listed.failures if one.object_id == "f1"]


async def test_a_known_rule_that_the_listing_lacks_is_asked_for_unless_one_is_looked_at() -> None:
    copies = TransportRule("f1", "Copies", blind_copy_to=("ben@contoso.com",))
    tenant = build_tenant(
        known_recipients=[Recipient("ben@contoso.com", True, "UserMailbox", "ben@contoso.com")],
        configurations=[Configuration("mail-flow-rule", "f1", "Copies", {})],
    )
    tenant.mail_flow_rules = [copies]
    _, shown = await read_listed_forwards(tenant, ask())
    known = {row.key: row for row in shown.known_traits}
    assert [row.object_id for row in shown.known_traits if row.traits] == ["f1"]
    tenant.mail_flow_rules = []
    # It is there, and only the listing lacks it: nothing is concluded.
    _, shown, gap = await read_listed_forwards(tenant, ask(known_traits=known))
    assert "f1" not in {row.object_id for row in shown.known_traits}
    assert gap.failures
    single = SingleIds("transport-rules", ["f2"])
    assert len(await read_listed_forwards(tenant, ask(known_traits=known), single)) == 2
    tenant.configurations = []
    _, shown = await read_listed_forwards(tenant, ask(known_traits=known))
    assert [row.object_id for row in shown.known_traits if row.absent_since] == ["f1"]


@pytest.mark.parametrize(
    ("rule", "is_followed"),
    [
        (SORTS, True),
        (replace(SORTS, enabled=False), False),
        (replace(SORTS, delete="delete"), False),
        (replace(SORTS, move_to="", mark_as_read=True), False),
    ],
)
async def test_the_folder_of_a_rule_that_moves_mail_now_is_looked_up(
    rule: InboxRule, is_followed: bool
) -> None:
    tenant = build_tenant(rule)
    await read_mailboxes(tenant, ask(RULE_FOLDERS), [ANN])
    assert bool(list_asked(tenant, RULE_FOLDERS)) is is_followed
    reading = await read_mailboxes(tenant, ask(), [ANN])
    # Of one that is looked up once a day nothing is concluded in between.
    assert reading.covers((RULE_FOLDERS,), "m1") is not is_followed


async def test_one_mailbox_that_tells_something_is_enough_to_ask_for_the_own_domains() -> None:
    tenant = build_tenant(surroundings=[TELLING])
    reading = await read_mailboxes(tenant, ask(cases=["m1", "m2"]), [ANN, BEN])
    assert list_asked(tenant, DOMAINS)
    (told,) = [one for one in reading.items if isinstance(one, MailboxTraces)]
    assert (told.mailbox, told.own_domains.contains_domain("contoso.com")) == (BEN, True)
    quiet = build_tenant(surroundings=[replace(TELLING, trusts_only_lists=False)])
    assert not (await read_mailboxes(quiet, ask(cases=["m1", "m2"]), [ANN, BEN])).items
    assert not list_asked(quiet, DOMAINS)


async def test_a_group_that_a_look_knows_to_have_more_members_is_not_believed() -> None:
    group = Recipient(STAFF, True, "MailUniversalDistributionGroup", STAFF, id="g9")
    people = [
        Recipient(f"{one}@contoso.com", True, "UserMailbox", f"{one}@contoso.com") for one in "ab"
    ]
    tenant = build_tenant(
        replace(SENDS, redirect_to=(STAFF,)),
        known_recipients=[group, *people],
        group_members=[GroupMembers("g9", tuple(people))],
    )
    memory = MemberMemory({}, NOW - HOUR)
    more = replace(people[0], name=EVIL, address=EVIL, kind="MailContact", external_address=EVIL)
    assert memory.is_whole(GroupMembers("g9", (*people, more)))
    for known, is_told in (({}, False), (memory.noted, True)):
        reading = await read_mailboxes(tenant, ask(known_traits=known), [ANN])
        rules = [
            one for item in reading.items if isinstance(item, MailboxRules) for one in item.rules
        ]
        places = {one.target.location for rule in rules for one in rule.recipients}
        assert bool(places or reading.failures) is is_told


async def test_why_a_recipient_could_not_be_looked_up_is_said() -> None:
    tenant = build_tenant(replace(SENDS, redirect_to=("Nobody",)))
    tenant.fail_read(RECIPIENTS, "Nobody", "HTTP 418")
    reading = await read_mailboxes(tenant, ask(), [ANN])
    (failure,) = reading.failures
    assert (failure.source, failure.object_id) == (INBOX_RULES, "m1")
    assert failure.reason == "a recipient could not be looked up: HTTP 418"


async def test_a_rule_that_stops_forwards_counts_for_as_long_as_it_acts() -> None:
    stops = TransportRule(
        "f1",
        "Stop",
        actions={"RejectMessageReasonText": ("no",)},
        conditions={"MessageTypeMatches": ("AutoForward",)},
        expires_at=NOW - HOUR,
    )
    found = []
    for expires_at in (NOW - HOUR, NOW + HOUR):
        tenant = build_tenant(
            SENDS,
            remote_domain_list=[RemoteDomain("*", auto_forward=True)],
            policies=[OutboundPolicy("Default", "On", is_default=True)],
        )
        tenant.rules = [replace(SENDS, redirect_to=(), forward_to=(EVIL,))]
        tenant.mail_flow_rules = [replace(stops, expires_at=expires_at)]
        reading = await read_mailboxes(tenant, ask(), [ANN])
        (item,) = [one for one in reading.items if isinstance(one, MailboxRules)]
        found.append(item.rules[0].departure.result)
    assert found == [ForwardingPolicyResult.ALLOWED, ForwardingPolicyResult.BLOCKED]


async def test_no_part_of_a_large_tenant_takes_a_new_domain_for_its_own() -> None:
    tenant = build_tenant(replace(SENDS, redirect_to=(), forward_to=("ann@drop.example",)))
    known: dict[str, KnownTraits] = {}
    for count in range(3):
        policy = GuardPolicy(NOW + count * HOUR, GUARD.options)
        cases = ["domain:drop.example"] if count == 2 else []
        context = replace(ask(cases=cases, known_traits=dict(known)), policy=policy)
        for reading in await read_listed_forwards(tenant, context):
            known |= {row.key: row for row in reading.known_traits}
        tenant.domains = [AcceptedDomain("contoso.com"), AcceptedDomain("drop.example")]
        later = GuardPolicy(policy.now + HOUR / 2, GUARD.options)
        part = replace(ask(known_traits=dict(known), knows_every_case=False), policy=later)
        found = await read_mailboxes(tenant, part, [ANN])
        (item,) = [one for one in found.items if isinstance(one, MailboxRules)]
        (sending,) = item.rules[0].recipients
        assert sending.target.location is RecipientLocation.OUTSIDE


async def test_what_stands_in_a_mailbox_with_a_case_is_read_once_and_told_beside_it() -> None:
    beside = MailboxSurroundings("m1", automatic_reply="I am away")
    tenant = build_tenant(SENDS, surroundings=[beside])
    reading = await read_mailboxes(tenant, ask(cases=["m1"]), [ANN, BEN])
    (item,) = [one for one in reading.items if isinstance(one, MailboxRules)]
    assert item.beside == beside
    assert len(list_asked(tenant, MAILBOX_SURROUNDINGS)) == 1


async def test_a_mailbox_that_could_not_be_read_beside_its_rules_is_remembered() -> None:
    tenant = build_tenant()
    tenant.fail_read(MAILBOX_SURROUNDINGS, "m1", "HTTP 503")
    reading = await read_mailboxes(tenant, ask(cases=["m1"]), [ANN])
    (row,) = reading.known_traits
    assert (row.object_id, list(row.traits)) == ("m1", ["missed"])
    assert not reading.covers((MAILBOX_SURROUNDINGS,), "m1")


async def test_a_mailbox_with_a_case_of_which_graph_shows_too_little_is_asked_for_once() -> None:
    unclear = replace(SORTS, readable=False)
    tenant = build_tenant(unclear, replace(unclear, mailbox_id="m2"))
    await read_rules(tenant, [ANN, BEN], [ANN], swept=False)
    assert list_asked(tenant, HIDDEN_RULES) == [("m1",), ("m2",)]


OWN = OwnDomains(frozenset({"contoso.com"}))


@pytest.mark.parametrize(
    ("found", "own", "asks", "is_known"),
    [
        (TELLING, OWN, True, True),
        (TELLING, None, True, False),
        # Nobody asked for the domains, so nothing that stands there was seen.
        (TELLING, None, False, True),
        (replace(TELLING, trusts_only_lists=False), None, True, True),
        (replace(TELLING, unread=("Get-SweepRule",)), OWN, True, False),
    ],
)
def test_a_mailbox_is_known_as_a_whole_or_not_at_all(
    found: MailboxSurroundings, own: OwnDomains | None, asks: bool, is_known: bool
) -> None:
    told = list_traces([ANN, BEN], Reading((found,)), own, asks=asks)
    assert list(told) == (["m2"] if is_known else [])


OWN_RULE = InboxRule("17", "m1", "Junk E-Mail Rule", "exchange")
KEEPS = replace(OWN_RULE, name="Keeps")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (KEEPS, True),
        (replace(KEEPS, enabled=False), False),
        (replace(KEEPS, enabled=False, readable=False), True),
        (replace(KEEPS, move_to="ann:\\Archive"), False),
        (OWN_RULE, False),
    ],
)
def test_only_a_look_at_graphs_harmless_rules_tells_whether_a_rule_is_hidden(
    rule: InboxRule, expected: bool
) -> None:
    assert is_puzzling(rule) is expected
