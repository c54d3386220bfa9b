"""A known forward that takes more mail is told again; what an operator accepted covers no more."""

from copy import replace
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from core.engine.run import run
from core.model.cases import Case
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.mail_flow import AcceptedDomain, InboxRule, RuleCondition, TransportRule
from core.tenant.mailboxes import Mailbox
from core.tenant.sources import HIDDEN_RULES
from tests.support.adaptive_cards import collect_texts
from tests.support.builders import FORWARDING_CONFIG
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant

GUARD = FORWARDING_CONFIG.guard.name
ANNA = Mailbox("u1", "g1", "anna@contoso.com")
NEWS = (RuleCondition("subjectContains", ("newsletter",)),)
WORDS = (RuleCondition("bodyContains", ("password", "invoice")),)
SHOUTED = (RuleCondition("subjectContains", ("NEWSLETTER",)),)
COPIED = RuleCondition("sentCcMe", ("true",))
BOSS = (RuleCondition("fromAddresses", ("boss@contoso.com",)),)
KNOWN = InboxRule(
    "r1",
    "u1",
    "newsletter",
    "graph",
    sequence=1,
    forward_to=("anna@home.example",),
    conditions=NEWS,
    exceptions=BOSS,
)
SECOND = InboxRule("r2", "u1", ".", "graph", redirect_to=("anna@home.example",), conditions=WORDS)


@dataclass
class Scene:
    """The guard on a tenant whose first look found the known forward."""

    tenant: FakeTenant = field(default_factory=FakeTenant)
    alerts: FakeNotificationChannel = field(default_factory=FakeNotificationChannel)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.tenant.boxes = [ANNA]
        self.tenant.domains = [AcceptedDomain("contoso.com")]
        self.tenant.rules = [KNOWN]

    async def tick(self) -> list[str]:
        """One run; the texts of the cards that it sent."""
        before = len(self.alerts.sent)
        config = replace(FORWARDING_CONFIG, mode=Mode.ALERT)
        await run(config, World(self.tenant, self.ledger, self.alerts, self.clock, build_cards))
        self.clock.advance(minutes=15)
        return [text for card in self.alerts.sent[before:] for text in collect_texts(card)]

    def get_open_case(self) -> Case:
        """The only open case."""
        (case,) = [one for one in self.ledger.list_cases(GUARD).values() if one.closed_at is None]
        return case

    async def decide(self, kind: RequestKind, subject: str) -> None:
        """What an operator decides, carried out by the next run."""
        until = self.clock() + timedelta(days=90) if kind is RequestKind.EXEMPT else None
        await self.ledger.add_request(
            GUARD,
            OperatorRequest(f"{kind}", kind, subject, "Dana", "known", self.clock(), until=until),
        )
        await self.tick()


WIDER = {
    "the condition is gone": [replace(KNOWN, conditions=())],
    "a word more": [
        replace(KNOWN, conditions=(RuleCondition("subjectContains", ("newsletter", "invoice")),))
    ],
    "the exception is gone": [replace(KNOWN, exceptions=())],
    "a second rule": [KNOWN, SECOND],
    "deletes as well": [replace(KNOWN, delete="delete")],
    "marks as read as well": [replace(KNOWN, mark_as_read=True)],
}
SAME = {
    "another order": [replace(KNOWN, sequence=9)],
    "another name": [replace(KNOWN, name="copies", id="r9")],
    "another case": [
        replace(KNOWN, conditions=(RuleCondition("subjectContains", ("NEWSLETTER",)),))
    ],
    "another way to send": [replace(KNOWN, forward_to=(), redirect_to=("Anna@Home.example",))],
    "less mail": [replace(KNOWN, conditions=(*NEWS, RuleCondition("hasAttachments", ("true",))))],
    "one more exception": [
        replace(KNOWN, exceptions=(*BOSS, RuleCondition("sentCcMe", ("true",))))
    ],
}


@pytest.mark.parametrize("rules", WIDER.values(), ids=WIDER)
@pytest.mark.parametrize("decision", [None, RequestKind.ACKNOWLEDGE, RequestKind.EXEMPT])
async def test_more_mail_to_a_known_address_is_told_whatever_was_decided(
    decision: RequestKind | None, rules: list[InboxRule]
) -> None:
    scene = Scene()
    assert await scene.tick()
    if decision:
        await scene.decide(decision, scene.get_open_case().key)
    assert await scene.tick() == []
    scene.tenant.rules = rules
    assert any("anna@contoso.com" in text for text in await scene.tick())
    assert await scene.tick() == []


@pytest.mark.parametrize("rules", SAME.values(), ids=SAME)
@pytest.mark.parametrize("decision", [None, RequestKind.EXEMPT])
async def test_a_change_that_takes_no_more_mail_is_not_told(
    decision: RequestKind | None, rules: list[InboxRule]
) -> None:
    scene = Scene()
    await scene.tick()
    if decision:
        await scene.decide(decision, scene.get_open_case().key)
    await scene.tick()
    scene.tenant.rules = rules
    assert await scene.tick() == []
    assert await scene.tick() == []


@pytest.mark.parametrize("of_case", [True, False], ids=["case", "mailbox"])
async def test_an_exemption_of_a_visible_forward_covers_no_hidden_rule(of_case: bool) -> None:
    scene = Scene()
    await scene.tick()
    case = scene.get_open_case()
    await scene.decide(RequestKind.EXEMPT, case.key if of_case else case.object_id)
    scene.tenant.rules = []
    scene.tenant.exchange_rules = [replace(KNOWN, id="17", api="exchange")]
    scene.clock.advance(hours=25)
    texts = await scene.tick()
    assert any("hidden" in text.casefold() for text in texts)
    assert HIDDEN_RULES in scene.get_open_case().sources


async def test_a_copy_that_is_no_longer_kept_is_told_under_an_exemption_of_the_mailbox() -> None:
    scene = Scene()
    scene.tenant.rules = []
    kept = replace(ANNA, forwarding_smtp_address="smtp:anna@home.example", keeps_copy=True)
    scene.tenant.boxes = [kept]
    await scene.tick()
    await scene.decide(RequestKind.EXEMPT, "u1")
    assert await scene.tick() == []
    scene.tenant.boxes = [replace(kept, keeps_copy=False)]
    texts = await scene.tick()
    assert any("exempted it as it was" in text for text in texts)
    assert not any("pre-existing" in text for text in texts)


async def test_a_domain_that_begins_to_relay_mail_or_to_include_subdomains_is_told() -> None:
    scene = Scene()
    await scene.tick()
    assert await scene.tick() == []
    own = AcceptedDomain("contoso.com")
    scene.tenant.domains = [replace(own, authoritative=False)]
    texts = " ".join(await scene.tick())
    assert "contoso.com is no longer authoritative" in texts
    scene.tenant.domains = [replace(own, authoritative=False, includes_subdomains=True)]
    texts = " ".join(await scene.tick())
    assert "What lies below contoso.com became an accepted domain" in texts
    assert await scene.tick() == []


async def test_a_new_mail_flow_rule_to_a_colleague_is_told_and_again_when_it_takes_more() -> None:
    scene = Scene()
    archive = TransportRule("t1", "Archive", blind_copy_to=("bob@contoso.com",))
    scene.tenant.mail_flow_rules = [archive]
    first = " ".join(await scene.tick())
    assert "Archive" not in first
    assert await scene.tick() == []
    to_boss = {"SentTo": ("boss@contoso.com",)}
    copy = TransportRule("t2", "Copy", blind_copy_to=("bob@contoso.com",), conditions=to_boss)
    scene.tenant.mail_flow_rules = [archive, copy]
    assert "The mail-flow rule Copy is new" in " ".join(await scene.tick())
    assert await scene.tick() == []
    scene.tenant.mail_flow_rules = [archive, replace(copy, conditions={})]
    assert "takes every message" in " ".join(await scene.tick())
    scene.tenant.mail_flow_rules = [archive]
    await scene.tick()
    await scene.tick()
    cases = scene.ledger.list_cases(GUARD).values()
    assert not [one for one in cases if one.kind == "colleague-rule" and one.closed_at is None]
