"""Which mailboxes are asked again, and which folders are looked up at every run."""

import asyncio
from collections.abc import AsyncIterator
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from core.guards.mailbox_forwarding.forwards import MailboxRules
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.hiding import is_plain_reading
from core.guards.mailbox_forwarding.observe import (
    ForwardingPorts,
    find_unclear_mailboxes,
    inspect,
    needs_folder_lookup,
    observe,
    read_rules,
    reread_ambiguous_rules,
)
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.mail_flow import InboxRule, RuleCondition
from core.tenant.mailbox_index import MailboxPage
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import INBOX_RULES
from tests.support.fakes.mailboxes import FakeMailboxReader
from tests.support.fakes.tenant import FakeTenant

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
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
    graph, exchange, asked = await read_rules(tenant, [ANN, BEN], [ANN], swept=False)
    assert [rule.mailbox_id for rule in graph.items] == ["m1"], "of Ben none matters"
    assert (len(exchange.items), asked) == (1, [ANN])
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


async def test_the_first_mailboxes_are_asked_for_while_the_forwards_are_listed() -> None:
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
    assert parts[-2:] == pages, "what is listed is told first"
