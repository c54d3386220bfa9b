"""A tenant in which one account was taken, a ledger, a channel, and what operators ask."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.containment.account_picture import HiddenRule, JudgedChange
from core.containment.options import ContainmentOptions
from core.containment.picture import JudgedMailbox
from core.containment.rules import RuleEvidence
from core.containment.story import process_containments
from core.jobs.containment_news import tell_containments
from core.keys import format_descending_time
from core.model.containment import Containment
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind
from core.notifications.run_cards import build_cards
from core.ports import CONTAINMENT_PARTITION, World
from core.tenant.changes import ClearMailboxForward, DisableInboxRule
from core.tenant.containing import AccountDetail, DetailKind, TargetAccount
from core.tenant.directory import Account
from core.tenant.mail_flow import InboxRule
from core.tenant.mailboxes import Mailbox
from tests.support.fakes.channel import FakeMessageChannel, FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant

MIA, GUID = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000001"
BOX = Mailbox(MIA, GUID, "mia@example.com", forwarding_smtp_address="smtp:x@evil.example")
RULE = InboxRule("r1", MIA, ".", "graph", redirect_to=("x@evil.example",))
HIDDEN = InboxRule("77", MIA, "..", "exchange", redirect_to=("x@evil.example",))
DEVICE = AccountDetail(
    "44444444-0000-4000-8000-000000000001",
    "DESKTOP-EVIL",
    "Windows",
    START - timedelta(hours=1),
    (("accountEnabled", "True"),),
)
SWITCHES: dict[str, bool | None] = {
    "OWAEnabled": True,
    "MAPIEnabled": True,
    "EwsEnabled": None,
    "ActiveSyncEnabled": True,
    "OutlookMobileEnabled": True,
    "ImapEnabled": False,
    "PopEnabled": True,
}
ENFORCE = ContainmentOptions(mode=Mode.ENFORCE)


async def judge(mailbox: Mailbox) -> JudgedMailbox:
    """As the guard of forwarding would."""
    return JudgedMailbox(
        (
            JudgedChange(
                "clear the forward to x@evil.example",
                ClearMailboxForward(GUID),
                {
                    "ForwardingAddress": None,
                    "ForwardingSmtpAddress": "smtp:x@evil.example",
                    "DeliverToMailboxAndForward": False,
                },
            ),
            JudgedChange("switch off the rule .", DisableInboxRule(MIA, "r1"), {"isEnabled": True}),
        ),
        (HiddenRule("switch off the hidden rule ..", HIDDEN.id),),
    )


def build_tenant(**more: Any) -> FakeTenant:
    """A tenant in which Mia's account was taken."""
    target = TargetAccount(
        MIA, "mia@example.com", "Mia", sessions_valid_from=datetime(2026, 1, 1, tzinfo=UTC)
    )
    return FakeTenant(
        boxes=[BOX],
        users=[Account(MIA, "mia@example.com", enabled=True)],
        rules=[RULE],
        exchange_rules=[HIDDEN],
        devices={DEVICE.id: True},
        account_details={(MIA, DetailKind.DEVICES): (DEVICE,)},
        targets=[replace(target, **more)],
        client_switches={GUID: dict(SWITCHES)},
    )


@dataclass
class Stage:
    """A tenant, a ledger, a channel and what operators ask."""

    tenant: FakeTenant = field(default_factory=build_tenant)
    options: ContainmentOptions = ENFORCE
    clock: Clock = field(default_factory=Clock)
    count: int = 0
    searches: bool = False
    channels: tuple[FakeMessageChannel, ...] = ()
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.channel = FakeNotificationChannel()

    @property
    def world(self) -> World:
        return World(
            self.tenant,
            self.ledger,
            self.channel,
            self.clock,
            build_cards,
            sleep=self.sleep,
            searches_audit_log=self.searches,
            channels=self.channels,
        )

    async def sleep(self, seconds: float) -> None:
        self.clock.current += timedelta(seconds=seconds)

    def next_id(self) -> str:
        self.count += 1
        return f"{format_descending_time(self.clock())}-{self.count:08x}"

    async def ask(self, kind: RequestKind = RequestKind.CONTAIN, **more: Any) -> str:
        """Somebody asks for something about Mia."""
        fields = {"subject": MIA, "requested_by": "Ann", "reason": "she clicked", **more}
        request = OperatorRequest(self.next_id(), kind, at=self.clock(), **fields)
        await self.ledger.add_request(CONTAINMENT_PARTITION, request)
        self.asked.append(request.id)
        return request.id

    def get_place(self) -> object:
        """Where in its story a process is, as the world sees it."""
        return self.clock(), self.count

    async def process(self, evidence: RuleEvidence | None = None) -> str:
        self.clock.current += timedelta(seconds=5)
        return await process_containments(
            self.world, self.options, judge, self.next_id(), tell_containments, evidence
        )

    async def get_request(self, request_id: str) -> OperatorRequest:
        request = await self.ledger.get_request(CONTAINMENT_PARTITION, request_id)
        assert request
        return request

    async def get_latest(self) -> Containment:
        return (await self.ledger.load_containments()).containments[0]

    async def plan(self, **more: Any) -> Containment:
        """Ask for a plan, and read it."""
        request = await self.ask(**more)
        await self.process()
        stored = await self.ledger.load_containments()
        return next(one for one in stored.containments if one.id == request)

    async def contain(self, **more: Any) -> OperatorRequest:
        """Ask for a plan and carry it out."""
        plan = await self.plan(**more)
        order = await self.ask(plan=plan.plan_hash)
        await self.process()
        return await self.get_request(order)

    @property
    def is_enabled(self) -> bool | None:
        return self.tenant.users[0].enabled
