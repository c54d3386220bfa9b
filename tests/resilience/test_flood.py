"""Somebody makes ten thousand rules to drown one: it is told all the same, no mailbox hides
another, what does not fit on a card is counted, and nothing is too long to be remembered.
"""

import json
import re
from dataclasses import dataclass, field, replace

import pytest

from core.adapters.table_storage.codec import LONGEST
from core.engine.run import run
from core.engine.truncation import fitting
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Mode, Terms
from core.model.runs import RunReport
from core.notifications.adaptive_card import LIMIT
from core.notifications.run_cards import cards
from core.ports import World
from core.tenant.changes import ClearAuditBypass, ResetAuditSet
from core.tenant.mail_flow import AcceptedDomain, InboxRule
from core.tenant.mailboxes import Mailbox
from tests.support.adaptive_cards import case, content, texts
from tests.support.adaptive_cards import report as report_of
from tests.support.builders import FORWARDING
from tests.support.fakes.tenant import FakeTenant
from tests.support.fakes.world import START, Clock, FakeAlerts, FakeLedger
from tests.support.http_recorder import PERSON, ROOM, connected, rule, scene
from tests.support.synthetic_guard import Stage, Toy
from tests.support.tenants import OWNERS

MANY = 10_000
# Longer than a row, in signs that take twelve characters of it each.
LONG = "\U0001f984" * 2_000
MORE = re.compile(r"and (\d+) more: ")


@dataclass
class Channel:
    """The forwarding guard on a tenant that was clean when it first looked."""

    boxes: list[Mailbox]
    tenant: FakeTenant = field(default_factory=FakeTenant)
    alerts: FakeAlerts = field(default_factory=FakeAlerts)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.tenant.boxes = self.boxes
        self.tenant.domains = [AcceptedDomain("contoso.com")]

    async def tick(self) -> RunReport:
        """One run."""
        duty = replace(FORWARDING, mode=Mode.ALERT)
        world = World(self.tenant, self.ledger, self.alerts, Terms(START), self.clock)
        report = await run(duty, world)
        self.clock.advance(minutes=15)
        return report


def shown(alerts: FakeAlerts) -> str:
    """Everything that stands on cards."""
    return "\n".join(text for card in alerts.sent for text in texts(card))


def counted(alerts: FakeAlerts) -> int:
    """How many cases the cards tell, by name or by number."""
    told = 0
    for card in alerts.sent:
        items = content(card)["body"]
        told += sum(item.get("separator") is True and "items" in item for item in items)
        told += sum(map(int, MORE.findall("\n".join(texts(card)))))
    return told


def box(number: int, name: str = "") -> Mailbox:
    return Mailbox(f"u{number}", f"g{number}", f"{name or f'box{number}'}@contoso.com")


def sends(number: int, owner: str, target: str = "", name: str = ".") -> InboxRule:
    to = target or f"x{number}@drown.example"
    return InboxRule(f"r{number}", owner, name, "graph", redirect_to=(to,))


async def test_ten_thousand_rules_in_one_mailbox_hide_neither_another_nor_their_number() -> None:
    joe = box(0, "joe")
    channel = Channel([box(1), joe])
    await channel.tick()
    assert channel.alerts.sent == []
    channel.tenant.rules = [sends(number, "u1") for number in range(1, MANY + 1)]
    channel.tenant.rules.append(sends(MANY + 1, joe.id, "x@evil.example"))
    report = await channel.tick()
    cases = [case for case in channel.ledger.cases(FORWARDING.guard.name).values() if case.told]
    assert len(cases) == len(report.news) == MANY + 1
    assert counted(channel.alerts) == MANY + 1
    assert all(len(json.dumps(card).encode()) <= LIMIT for card in channel.alerts.sent)
    assert "joe@contoso.com" in shown(channel.alerts)


async def test_a_rule_in_each_of_ten_thousand_mailboxes_is_told() -> None:
    stage = Stage(Toy(size=MANY))
    await stage.tick()
    stage.tenant.bad = {one: f"{one}@drown.example" for one in stage.tenant.ids}
    report = await stage.tick()
    assert len(report.news) == len(stage.open()) == MANY
    assert counted(stage.alerts) == MANY
    assert all(len(json.dumps(card).encode()) <= LIMIT for card in stage.alerts.sent)


async def test_the_gravest_is_told_first_among_a_thousand_lesser_things() -> None:
    news = [case(number, severity=Severity.MEDIUM) for number in range(1_000)]
    grave = case(1_000, subject="ann@contoso.com", severity=Severity.CRITICAL)
    first, *others = cards(report_of(*news, grave))
    assert first.cases == (grave,)
    assert "ann@contoso.com" in "\n".join(texts(first.payload))
    assert sum(len(message.cases) for message in others) == len(news)


async def test_a_case_longer_than_a_row_is_told_and_takes_no_other_with_it() -> None:
    joe, long = box(0, "joe"), replace(box(1), address=f"{LONG}@contoso.com", name=LONG)
    channel = Channel([joe, long])
    await channel.tick()
    targets = tuple(f"{number}{LONG}@evil.example" for number in range(1_000))
    channel.tenant.rules = [
        replace(sends(1, long.id, name=LONG), redirect_to=targets, words=(LONG,) * 1_000),
        sends(2, joe.id, "x@evil.example"),
    ]
    report = await channel.tick()
    assert report.status == "done"
    assert {case.object_id for case in report.news} == {"u0", "u1"}
    assert "joe@contoso.com" in shown(channel.alerts)
    assert "more facts" in shown(channel.alerts)


@pytest.mark.parametrize("text", ["x" * 40_000, LONG * 4, "\u202e" * 30_000, "\0" * 9_000])
def test_whatever_is_found_fits_into_a_row_and_what_was_cut_says_so(text: str) -> None:
    finding = Finding(
        kind="k",
        object_id="o",
        subject=text,
        severity=Severity.HIGH,
        verdict=Verdict.EXTERNAL,
        summary=text,
        facts=(text,) * 300,
        advice=text,
        changes=(ClearAuditBypass("g"),),
    )
    found = fitting(finding)
    assert found.changes == finding.changes
    assert found.subject.endswith("…")
    assert "more facts" in found.facts[-1]
    assert len(json.dumps([found.subject, found.summary, found.advice, found.facts])) < LONGEST
    assert fitting(found) == found
    hostile = ResetAuditSet("g", ("Owner",), (("Owner", (text,)),))
    held = fitting(replace(finding, changes=(hostile,)))
    assert held.changes == ()
    assert "not made" in held.facts[-1]


async def test_more_rules_than_a_mailbox_can_hold_leave_it_unread_and_the_others_seen() -> None:
    rules = {PERSON: [rule(f"R{number}") for number in range(MANY + 1)], ROOM: [rule("only")]}
    async with connected(scene(graph={"messageRules": rules})) as connection:
        reading = await connection.tenant.inbox_rules(OWNERS)
        assert [seen.id for seen in reading.items] == ["only"]
        (miss,) = reading.unread
        assert miss.object_id == PERSON
        assert "more than" in miss.reason
