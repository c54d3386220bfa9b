"""Telling: card after card, each marked told by itself, so that little is ever repeated."""

from dataclasses import replace
from datetime import timedelta
from typing import cast

from core.adapters.table_storage.codec import decode_stored_record
from core.engine.notify import send_notifications
from core.engine.outbox import Outbox
from core.model.cases import Case, Notification
from core.model.findings import Severity
from core.model.requests import OperatorRequest
from core.model.runs import RunReport
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.port import Tenant
from tests.support.adaptive_cards import (
    PUBLIC_URL,
    build_closed_case,
    build_report,
    build_request,
    build_rule_case,
)
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant

NEWS = (build_rule_case(1, severity=Severity.CRITICAL), build_rule_case(2), build_closed_case(3))
RUN = build_report(*NEWS, operator_requests=(build_request(),))
GUARD = RUN.guard


class Stage:
    """One guard's memory and one channel."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ledger = FakeLedger(self.clock)
        self.alerts = FakeNotificationChannel()
        tenant = cast(Tenant, FakeTenant())
        self.world = World(
            tenant, self.ledger, self.alerts, self.clock, build_cards, public_url=PUBLIC_URL
        )

    async def tell(self, run: RunReport) -> RunReport:
        async with self.ledger.claim(GUARD, run.run) as claim:
            assert claim
            await claim.save(*run.notifications, *run.operator_requests)
            return await send_notifications(self.world, claim, run, Outbox({}))

    async def untold(self) -> tuple[set[str], set[str]]:
        """What the next run has to tell: cases and actions."""
        memory = await self.ledger.load(GUARD)
        cases = {
            one.key for one in memory.cases.values() if one.notification is not Notification.NONE
        }
        return cases, {one.id for one in memory.operator_requests if not one.notified}

    async def later(self, run: RunReport) -> RunReport:
        """The next run, as it would find things."""
        memory = await self.ledger.load(GUARD)
        news = tuple(one for one in memory.cases.values() if one.notification)
        return await self.tell(
            replace(
                run,
                notifications=news,
                operator_requests=memory.operator_requests,
                delivered=None,
                card_count=0,
            )
        )


async def test_every_card_is_sent_and_everything_on_them_is_marked_told() -> None:
    stage = Stage()
    told = await stage.tell(RUN)
    assert (told.delivered, told.card_count, len(stage.alerts.sent)) == (True, 4, 4)
    assert await stage.untold() == (set(), set())
    assert (await stage.later(RUN)).card_count == 0
    assert len(stage.alerts.sent) == 4


async def test_the_report_of_the_run_says_that_it_was_told() -> None:
    stage = Stage()
    await stage.tell(RUN)
    kept = stage.ledger.get_partition(GUARD).runs[RUN.run]
    assert (kept["told"], kept["cards"]) == (True, 4)


async def test_what_was_taken_is_told_and_what_was_not_is_told_by_the_next_run() -> None:
    stage = Stage()
    stage.alerts.capacity = 2
    stage.clock.advance(minutes=7)
    told = await stage.tell(RUN)
    assert (told.delivered, told.card_count) == (False, 2)
    assert "503" in told.error
    assert told.oldest_pending_age == timedelta(minutes=7)
    assert await stage.untold() == ({NEWS[2].key}, {build_request().id})
    stage.alerts.capacity = None
    assert (await stage.later(RUN)).card_count == 2
    assert len(stage.alerts.sent) == 4
    assert await stage.untold() == (set(), set())


async def test_a_channel_that_takes_nothing_leaves_everything_untold() -> None:
    stage = Stage()
    stage.alerts.is_down = True
    told = await stage.tell(RUN)
    assert (told.delivered, told.card_count) == (False, 0)
    cases, operator_requests = await stage.untold()
    assert (len(cases), len(operator_requests)) == (3, 1)


async def test_actions_alone_are_told_and_only_once() -> None:
    stage = Stage()
    run = build_report(operator_requests=(build_request(1), build_request(2, notified=True)))
    assert (await stage.tell(run)).card_count == 1
    assert "00000001" in str(stage.alerts.sent)
    rows = stage.ledger.get_partition(GUARD).rows
    assert decode_stored_record(OperatorRequest, rows[f"request|{build_request(1).id}"][1]).notified
    assert (await stage.later(run)).delivered is None


async def test_the_cards_link_to_where_the_app_is() -> None:
    stage = Stage()
    await stage.tell(RUN)
    assert f"{PUBLIC_URL}/api/cases/{GUARD}/{NEWS[0].key}" in str(stage.alerts.sent[0])
    assert (
        decode_stored_record(
            Case, stage.ledger.get_partition(GUARD).rows[f"case|{NEWS[0].key}"][1]
        ).notified_at
        == START
    )
