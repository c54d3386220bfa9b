"""What stands beside the case of a mailbox: facts of it, and no case by themselves."""

from copy import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core.guards.mailbox_forwarding.forwards import (
    ForwardRecipient,
    InboxRuleForward,
    MailboxForward,
    MailboxRules,
    TransportRuleForward,
)
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import Hiding
from core.guards.mailbox_forwarding.surroundings import MAX_MAILBOXES, add_surroundings
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.model.findings import Finding, Severity, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.mail_flow import AcceptedDomain, InboxRule, Recipient, TransportRule
from core.tenant.mailboxes import Mailbox, MailboxSurroundings, SweepRule
from core.tenant.readings import Reading
from core.tenant.sources import MAILBOX_SURROUNDINGS
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all

POLICY = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)
ANNA = Mailbox(
    "m1", "g1", "anna@contoso.com", "Anna", forwarding_smtp_address="smtp:thief@drop.example"
)
LEO = Mailbox("m2", "g2", "leo@contoso.com", "Leo")
BESIDE = MailboxSurroundings(
    "m1",
    sweep_rules=(SweepRule("tidy", "itdesk@contoso.com", "Deleted Items", 0),),
    blocked_senders=("bank.example", "itdesk@contoso.com"),
    trusts_only_lists=True,
    automatic_reply="I am away, write to x@drop.example",
    phones=("iPhone, iOS, since 2026-11-19",),
    published_calendar="FullDetails",
    own_add_ins=("Helper (from a file, ReadWriteMailbox)",),
    unread=("Get-SweepRule",),
)


def tenant(*beside: MailboxSurroundings) -> FakeTenant:
    return FakeTenant(
        boxes=[ANNA, LEO],
        domains=[AcceptedDomain("contoso.com")],
        known_recipients=[Recipient("thief@drop.example", False)],
        surroundings=list(beside),
    )


async def look(fake: FakeTenant, *cases: str) -> Reading[Any]:
    context = ObserveContext(POLICY, open_case_ids=frozenset(cases))
    return await observe_all(GUARD, fake, context)


async def findings(fake: FakeTenant, *cases: str) -> list[Finding]:
    reading = await look(fake, *cases)
    return [found for item in reading.items for found in GUARD.judge(item, POLICY)]


async def test_a_case_says_what_else_stands_in_its_mailbox() -> None:
    (found,) = await findings(tenant(BESIDE), "m1")
    facts = format_facts(found.facts)
    assert "sweep rule: tidy: moves mail of itdesk@contoso.com to Deleted Items" in facts
    assert "blocked senders: bank.example, itdesk@contoso.com" in facts
    assert "all mail of senders who are not on its safe list goes to junk mail" in facts
    assert "answers people outside: I am away, write to x@drop.example" in facts
    assert "phones: iPhone, iOS, since 2026-11-19" in facts
    assert "calendar: published to anybody (FullDetails)" in facts
    assert "add-ins of its own: Helper (from a file, ReadWriteMailbox)" in facts
    assert "could not be read beside it: Get-SweepRule" in facts


async def test_it_changes_nothing_else_about_the_case() -> None:
    (plain,) = await findings(tenant(BESIDE))
    (told,) = await findings(tenant(BESIDE), "m1")
    assert plain.compute_key(GUARD.name) == told.compute_key(GUARD.name)
    assert (plain.severity, plain.reaches) == (told.severity, told.reaches)
    assert told.facts[: len(plain.facts)] == plain.facts


async def test_mailboxes_with_a_case_are_asked_before_their_time() -> None:
    fake = tenant(BESIDE)
    await look(fake)
    # The one whose time is next is read in any look.
    assert [len(ids) for name, ids in fake.read_log if name == MAILBOX_SURROUNDINGS] == [1]
    fake.read_log.clear()
    await look(fake, "m1", "m2")
    asked = [ids for name, ids in fake.read_log if name == MAILBOX_SURROUNDINGS]
    # Once beside the forward, and once with what stands in each mailbox.
    assert [sorted(ids) for ids in asked] == [["m1"], ["m1", "m2"]]


async def test_what_cannot_be_read_beside_a_case_is_a_detail() -> None:
    fake = tenant(BESIDE)
    fake.fail_read(MAILBOX_SURROUNDINGS, "", "HTTP 503")
    reading = await look(fake, "m1")
    (failure,) = [one for one in reading.failures if one.source == MAILBOX_SURROUNDINGS]
    assert failure.optional
    assert len(await findings(fake, "m1")) == 1


async def test_a_mailbox_in_order_adds_no_fact() -> None:
    (plain,) = await findings(tenant())
    (told,) = await findings(tenant(), "m1")
    assert told.facts == plain.facts


OUTSIDE = ForwardTarget("x@drop.example", RecipientLocation.OUTSIDE, "x@drop.example")
SENDS = MailboxForward(ANNA, "ForwardingSmtpAddress", (OUTSIDE,))
FLOW = TransportRuleForward(TransportRule("t1", "Copies"), ())


def of(number: int, **more: Any) -> MailboxForward:
    """The forward of another mailbox."""
    return replace(SENDS, mailbox=replace(ANNA, id=f"m{number}"), **more)


async def test_only_open_cases_of_weight_are_looked_into_each_mailbox_once() -> None:
    open_ids = frozenset({"m1", "m2", "m3", "t1"})
    context = ObserveContext(POLICY, open_case_ids=open_ids)
    slight = of(3, is_overruled=True)
    items = (SENDS, replace(SENDS, setting="ForwardingAddress"), of(2), slight, of(4), FLOW)
    beside = [replace(BESIDE, mailbox_id=f"m{number}") for number in range(1, 5)]
    fake = tenant(*beside)
    placed, failures = await add_surroundings(fake, context, items)
    assert failures == ()
    assert [getattr(one, "beside", None) for one in placed] == [
        *(beside[0], beside[0], beside[1]),
        *(None, None, None),
    ]
    assert [ids for name, ids in fake.read_log if name == MAILBOX_SURROUNDINGS] == [("m1", "m2")]


RULE = InboxRuleForward(ANNA, InboxRule("r1", "m1", "One", "graph"), RuleVisibility.GRAPH)
SENDING = replace(RULE, recipients=(ForwardRecipient("forwards to", OUTSIDE),))
SLIGHT = replace(RULE, hiding=Hiding("delete", Severity.LOW))
NOBODY = ForwardTarget("Nobody", RecipientLocation.UNRESOLVED)


@pytest.mark.parametrize(
    ("item", "is_weighty"),
    [
        (replace(SENDS, targets=(NOBODY,)), True),
        (MailboxRules(ANNA, (SENDING, SLIGHT)), True),
        (MailboxRules(ANNA, (SLIGHT,)), False),
    ],
)
async def test_one_finding_of_weight_is_enough(
    item: MailboxForward | MailboxRules, is_weighty: bool
) -> None:
    context = ObserveContext(POLICY, open_case_ids=frozenset({"m1"}))
    (placed,), _ = await add_surroundings(tenant(BESIDE), context, (item,), {"m1": BESIDE})
    assert getattr(placed, "beside", None) == (BESIDE if is_weighty else None)


async def test_a_case_that_had_weight_when_it_was_last_seen_is_not_weighed_again() -> None:
    ids = frozenset({"m1"})
    slight = MailboxRules(ANNA, (SLIGHT,))
    for weighty_ids, beside in ((ids, BESIDE), (frozenset[str](), None)):
        context = ObserveContext(POLICY, open_case_ids=ids, weighty_case_ids=weighty_ids)
        (placed,), _ = await add_surroundings(tenant(BESIDE), context, (slight,), {"m1": BESIDE})
        assert getattr(placed, "beside", None) == beside


async def test_what_was_read_of_a_mailbox_without_a_case_is_not_told_beside_it() -> None:
    context = ObserveContext(POLICY, open_case_ids=frozenset({"m1"}))
    other = replace(BESIDE, mailbox_id="m2")
    known = {"m1": BESIDE, "m2": other}
    placed, _ = await add_surroundings(tenant(), context, (SENDS, of(2)), known)
    assert [getattr(one, "beside", None) for one in placed] == [BESIDE, None]


async def test_what_was_read_already_is_not_asked_for_again() -> None:
    context = ObserveContext(POLICY, open_case_ids=frozenset({"m1", "m2"}))
    fake = tenant(replace(BESIDE, mailbox_id="m2"))
    known = {"m1": replace(BESIDE, phones=("known",))}
    placed, _ = await add_surroundings(fake, context, (SENDS, of(2)), known)
    first, second = placed
    assert isinstance(first, MailboxForward)
    assert first.beside == known["m1"]
    assert isinstance(second, MailboxForward)
    assert second.beside == replace(BESIDE, mailbox_id="m2")
    assert [ids for name, ids in fake.read_log if name == MAILBOX_SURROUNDINGS] == [("m2",)]
    fake.read_log.clear()
    await add_surroundings(fake, context, (SENDS,), known)
    assert await add_surroundings(fake, context, (), known) == ((), ())
    assert not fake.read_log


async def test_of_very_many_cases_some_are_looked_into_and_what_failed_is_said() -> None:
    many = [of(number) for number in range(MAX_MAILBOXES + 2)]
    context = ObserveContext(POLICY, open_case_ids=frozenset(one.mailbox.id for one in many))
    fake = tenant()
    fake.fail_read(MAILBOX_SURROUNDINGS, "m1", "HTTP 503")
    placed, failures = await add_surroundings(fake, context, many)
    assert len(placed) == len(many)
    assert [one.object_id for one in failures] == ["m1"]
    (ids,) = [ids for name, ids in fake.read_log if name == MAILBOX_SURROUNDINGS]
    assert len(ids) == MAX_MAILBOXES
