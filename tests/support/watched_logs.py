"""A tenant on working fakes that guards have seen once, and whose logs are read tick by tick."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.activity.options import ActivityOptions
from core.engine.run import run
from core.jobs.activity import ActivityReport, read_activity
from core.model.cases import Case
from core.model.guards import GuardConfig
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.activity import ActivityRecord
from core.tenant.directory import Account
from core.tenant.mail_flow import AcceptedDomain, InboxRule
from core.tenant.mailboxes import Mailbox
from tests.support.acts import build_record
from tests.support.builders import FORWARDING_CONFIG
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import Clock
from tests.support.fakes.crash import CrashInjector
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant

FORWARDING, DELEGATION = "mailbox-forwarding", "mailbox-delegation"
PRIVILEGED = "privileged-change"
QUIET = ActivityOptions(runs_forwarding=False)
ANN = Mailbox("u1", "g1", "ann@contoso.com")
INFO = Mailbox("u2", "g2", "info@contoso.com", kind="SharedMailbox")
HIDDEN = InboxRule("h1", "u1", ".", "exchange", redirect_to=("x@evil.example",))


@dataclass
class Watched:
    """A tenant that guards have seen once, and whose logs are read."""

    configs: Sequence[GuardConfig] = (FORWARDING_CONFIG,)
    options: ActivityOptions = QUIET
    clock: Clock = field(default_factory=Clock)
    tenant: FakeTenant = field(
        default_factory=lambda: FakeTenant(
            boxes=[ANN, INFO],
            users=[Account("u1", "ann@contoso.com"), Account("u2", "info@contoso.com")],
            domains=[AcceptedDomain("contoso.com")],
        )
    )

    def __post_init__(self) -> None:
        self.crash = CrashInjector()
        self.ledger = FakeLedger(self.clock, self.crash)
        self.channel = FakeNotificationChannel()
        self.number = 0

    def build_world(self) -> World:
        return World(self.tenant, self.ledger, self.channel, self.clock, build_cards)

    async def begin(self) -> None:
        """The guards' first runs, and the logs' first reading."""
        for config in self.configs:
            await run(config, self.build_world())
        await self.tick()
        self.clock.advance(minutes=5)

    async def tick(self) -> ActivityReport:
        self.number += 1
        return await read_activity(
            self.build_world(), self.configs, self.options, f"tick-{self.number}"
        )

    def add_record(self, operation: str, *names: str, **more: Any) -> ActivityRecord:
        """A record of now, which the feed serves now."""
        number = len(self.tenant.activity_records)
        more = {"record_id": f"r{number}", "at": self.clock(), **more}
        record = build_record(operation, *names, **more)
        self.tenant.activity_records.append(record)
        self.tenant.served_at[record.id] = self.clock()
        return record

    def list_cases(self, guard: str = FORWARDING) -> list[Case]:
        return [one for one in self.ledger.list_cases(guard).values() if one.closed_at is None]
