"""One guard's memory, the Teams channel and two further ones, for tests of the outbox."""

from dataclasses import replace
from typing import cast

from core.engine.notify import send_notifications
from core.engine.outbox import Outbox
from core.model.cases import Case
from core.model.findings import Severity
from core.model.outbox import OutboxRow
from core.model.runs import RunReport
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.port import Tenant
from tests.support.adaptive_cards import build_report, build_rule_case
from tests.support.fakes.channel import FakeMessageChannel, FakeNotificationChannel
from tests.support.fakes.clock import Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant

CRITICAL = build_rule_case(1, severity=Severity.CRITICAL)
HIGH = build_rule_case(2, severity=Severity.HIGH)
LOW = build_rule_case(3, severity=Severity.LOW)
RUN = build_report(CRITICAL, HIGH, LOW)
GUARD = RUN.guard


class ChannelStage:
    """One guard's memory, the Teams channel and two further ones."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ledger = FakeLedger(self.clock)
        self.teams = FakeNotificationChannel()
        self.mail = FakeMessageChannel("mail")
        self.hook = FakeMessageChannel("webhook", batch_size=1)
        self.world = World(
            cast(Tenant, FakeTenant()),
            self.ledger,
            self.teams,
            self.clock,
            build_cards,
            channels=(self.mail, self.hook),
        )

    async def tell(self, run: RunReport) -> RunReport:
        """A run that finds this; what is pending in the table is in it as well."""
        async with self.ledger.claim(GUARD, run.run) as claim:
            assert claim
            await claim.save(*run.notifications)
            snapshot = await claim.load()
            news = tuple(case for case in snapshot.cases.values() if case.notification)
            report = replace(run, notifications=news, delivered=None, card_count=0)
            return await send_notifications(
                self.world, claim, report, Outbox(dict(snapshot.outbox))
            )

    async def later(self, *cases: Case, minutes: int = 15) -> RunReport:
        """The next run, in which these cases are as given."""
        self.clock.advance(minutes=minutes)
        return await self.tell(replace(RUN, notifications=cases))

    async def rows(self) -> dict[str, OutboxRow]:
        """The rows as the next run finds them."""
        return dict((await self.ledger.load(GUARD)).outbox)
