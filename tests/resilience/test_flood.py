"""Somebody makes ten thousand rules to drown one: it is told all the same, no mailbox hides
another, what does not fit on a card is counted, and nothing is too long to be remembered.
"""

import json
import re
from copy import replace
from dataclasses import dataclass, field

import pytest

from core.adapters.table_storage.codec import MAX_RECORD_LENGTH
from core.engine.run import run
from core.engine.truncation import STEPS_TOO_LONG, truncate_finding
from core.model.findings import Fact, Finding, Severity, Step, format_facts
from core.model.guards import Mode
from core.model.runs import RunReport
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.changes import ClearAuditBypass, ResetAuditSet
from core.tenant.mail_flow import AcceptedDomain, InboxRule, RuleCondition
from core.tenant.mailboxes import Mailbox
from tests.support.adaptive_cards import build_report as report_of
from tests.support.adaptive_cards import build_rule_case, collect_texts, get_card_content
from tests.support.builders import FORWARDING_CONFIG
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant
from tests.support.http_recorder import PERSON, ROOM, build_rule_row, build_scene, connect_sandbox
from tests.support.synthetic_guard import EngineHarness, SyntheticTenant
from tests.support.tenants import OWNERS

MANY = 10_000
# Longer than a row, in signs that take twelve characters of it each.
LONG = "\U0001f984" * 2_000
SEVERAL = re.compile(r"\*\*([\d,]+) new\*\*")
MORE = re.compile(r"and ([\d,]+) more")


@dataclass
class Channel:
    """The forwarding guard on a tenant that was clean when it first looked."""

    boxes: list[Mailbox]
    tenant: FakeTenant = field(default_factory=FakeTenant)
    alerts: FakeNotificationChannel = field(default_factory=FakeNotificationChannel)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.tenant.boxes = self.boxes
        self.tenant.domains = [AcceptedDomain("contoso.com")]

    async def tick(self) -> RunReport:
        """One run."""
        duty = replace(FORWARDING_CONFIG, mode=Mode.ALERT)
        world = World(self.tenant, self.ledger, self.alerts, self.clock, build_cards)
        report = await run(duty, world)
        self.clock.advance(minutes=15)
        return report


def shown(alerts: FakeNotificationChannel) -> str:
    """Everything that stands on cards."""
    return "\n".join(text for card in alerts.sent for text in collect_texts(card))


def counted(alerts: FakeNotificationChannel) -> int:
    """How many cases the cards tell, by name or by number."""
    told = 0
    for card in alerts.sent:
        for item in get_card_content(card)["body"]:
            if item.get("separator") is True and "items" in item:
                several = SEVERAL.match(item["items"][0]["text"])
                told += int(several[1].replace(",", "")) if several else 1
            told += sum(int(one.replace(",", "")) for one in MORE.findall(item.get("text", "")))
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
    cases = [
        case
        for case in channel.ledger.list_cases(FORWARDING_CONFIG.guard.name).values()
        if case.notified_at
    ]
    assert len(cases) == len(report.notifications) == MANY + 1
    assert counted(channel.alerts) == MANY + 1
    assert all(len(json.dumps(card).encode()) <= MAX_MESSAGE_BYTES for card in channel.alerts.sent)
    assert "joe@contoso.com" in shown(channel.alerts)


async def test_a_rule_in_each_of_ten_thousand_mailboxes_is_told() -> None:
    stage = EngineHarness(SyntheticTenant(mailbox_count=MANY))
    await stage.run_timer()
    stage.tenant.forwards = {one: f"{one}@drown.example" for one in stage.tenant.mailbox_ids}
    report = await stage.run_timer()
    assert len(report.notifications) == len(stage.get_open_subjects()) == MANY
    assert counted(stage.notification_channel) == MANY
    assert all(
        len(json.dumps(card).encode()) <= MAX_MESSAGE_BYTES
        for card in stage.notification_channel.sent
    )


async def test_the_gravest_is_told_first_among_a_thousand_lesser_things() -> None:
    news = [build_rule_case(number, severity=Severity.MEDIUM) for number in range(1_000)]
    grave = build_rule_case(1_000, subject="ann@contoso.com", severity=Severity.CRITICAL)
    first, *others = build_cards(report_of(*news, grave))
    assert first.cases == (grave,)
    assert "ann@contoso.com" in "\n".join(collect_texts(first.payload))
    assert sum(len(message.cases) for message in others) == len(news)


async def test_a_case_longer_than_a_row_is_told_and_takes_no_other_with_it() -> None:
    joe, long = box(0, "joe"), replace(box(1), address=f"{LONG}@contoso.com", name=LONG)
    channel = Channel([joe, long])
    await channel.tick()
    targets = tuple(f"{number}{LONG}@evil.example" for number in range(1_000))
    channel.tenant.rules = [
        replace(
            sends(1, long.id, name=LONG),
            redirect_to=targets,
            conditions=(RuleCondition("subjectContains", (LONG,) * 1_000),),
        ),
        sends(2, joe.id, "x@other.example"),
    ]
    report = await channel.tick()
    assert report.status == "done"
    assert {case.object_id for case in report.notifications} == {"u0", "u1"}
    assert "joe@contoso.com" in shown(channel.alerts)
    assert "more facts" in shown(channel.alerts)


@pytest.mark.parametrize("text", ["x" * 40_000, LONG * 4, "\u202e" * 30_000, "\0" * 9_000])
def test_whatever_is_found_fits_into_a_row_and_what_was_cut_says_so(text: str) -> None:
    finding = Finding(
        kind="k",
        object_id="o",
        subject=text,
        severity=Severity.HIGH,
        verdict="external",
        summary=text,
        facts=(Fact("", text),) * 300,
        advice=text,
        changes=(ClearAuditBypass("g"),),
    )
    found = truncate_finding(finding)
    assert found.changes == finding.changes
    assert found.subject.endswith("…")
    assert "more facts" in str(found.facts[-1])
    assert (
        len(json.dumps([found.subject, found.summary, found.advice, format_facts(found.facts)]))
        < MAX_RECORD_LENGTH
    )
    assert truncate_finding(found) == found
    hostile = ResetAuditSet("g", ("Owner",), (("Owner", (text,)),))
    held = truncate_finding(replace(finding, changes=(hostile,)))
    assert held.changes == ()
    assert "not made" in str(held.facts[-1])


@pytest.mark.parametrize("count", [7, 8, 20])
def test_steps_are_left_out_whole_where_they_alone_are_too_long(count: int) -> None:
    steps = tuple(Step("x" * 1_000, f"Remove-This {number}") for number in range(count))
    finding = Finding(
        kind="k",
        object_id="o",
        subject="s",
        severity=Severity.HIGH,
        verdict="external",
        summary="s",
        steps=steps,
    )
    kept = truncate_finding(finding).steps
    assert kept == (steps if count == 7 else (*steps[:7], Step(STEPS_TOO_LONG)))


async def test_more_rules_than_a_mailbox_can_hold_leave_it_unread_and_the_others_seen() -> None:
    rules = {
        PERSON: [build_rule_row(f"R{number}") for number in range(MANY + 1)],
        ROOM: [build_rule_row("only")],
    }
    async with connect_sandbox(build_scene(graph={"messageRules": rules})) as connection:
        reading = await connection.tenant.inbox_rules.read_inbox_rules(OWNERS)
        assert [seen.id for seen in reading.items] == ["only"]
        (miss,) = reading.failures
        assert miss.object_id == PERSON
        assert "more than" in miss.reason
