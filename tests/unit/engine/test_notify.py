"""Telling: card after card, each marked told by itself, so that little is ever repeated."""

from dataclasses import replace
from datetime import timedelta
from typing import cast

from core.adapters.table_storage.codec import read
from core.engine.finish import tell
from core.model.cases import Case, News
from core.model.findings import Severity
from core.model.guards import Terms
from core.model.requests import Action
from core.model.runs import RunReport
from core.ports import World
from core.tenant.port import Tenant
from tests.support.adaptive_cards import ADDRESS, action, case, over, report
from tests.support.fakes.tenant import FakeTenant
from tests.support.fakes.world import START, Clock, FakeAlerts, FakeLedger

NEWS = (case(1, severity=Severity.CRITICAL), case(2), over(3))
RUN = report(*NEWS, actions=(action(),))
GUARD = RUN.guard


class Stage:
    """One guard's memory and one channel."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ledger = FakeLedger(self.clock)
        self.alerts = FakeAlerts()
        tenant = cast(Tenant, FakeTenant())
        self.world = World(
            tenant, self.ledger, self.alerts, Terms(START), self.clock, address=ADDRESS
        )

    async def tell(self, run: RunReport) -> RunReport:
        async with self.ledger.claim(GUARD, run.run) as claim:
            assert claim
            await claim.save(*run.news, *run.actions)
            return await tell(self.world, claim, run)

    async def untold(self) -> tuple[set[str], set[str]]:
        """What the next run has to tell: cases and actions."""
        memory = await self.ledger.recall(GUARD)
        cases = {one.key for one in memory.cases.values() if one.news is not News.NONE}
        return cases, {one.id for one in memory.actions if not one.told}

    async def later(self, run: RunReport) -> RunReport:
        """The next run, as it would find things."""
        memory = await self.ledger.recall(GUARD)
        news = tuple(one for one in memory.cases.values() if one.news)
        return await self.tell(replace(run, news=news, actions=memory.actions, told=None, cards=0))


async def test_every_card_is_sent_and_everything_on_them_is_marked_told() -> None:
    stage = Stage()
    told = await stage.tell(RUN)
    assert (told.told, told.cards, len(stage.alerts.sent)) == (True, 4, 4)
    assert await stage.untold() == (set(), set())
    assert (await stage.later(RUN)).cards == 0
    assert len(stage.alerts.sent) == 4


async def test_the_report_of_the_run_says_that_it_was_told() -> None:
    stage = Stage()
    await stage.tell(RUN)
    kept = stage.ledger.partition(GUARD).runs[RUN.run]
    assert (kept["told"], kept["cards"]) == (True, 4)


async def test_what_was_taken_is_told_and_what_was_not_is_told_by_the_next_run() -> None:
    stage = Stage()
    stage.alerts.takes = 2
    stage.clock.advance(minutes=7)
    told = await stage.tell(RUN)
    assert (told.told, told.cards) == (False, 2)
    assert "503" in told.error
    assert told.waiting == timedelta(minutes=7)
    assert await stage.untold() == ({NEWS[2].key}, {action().id})
    stage.alerts.takes = None
    assert (await stage.later(RUN)).cards == 2
    assert len(stage.alerts.sent) == 4
    assert await stage.untold() == (set(), set())


async def test_a_channel_that_takes_nothing_leaves_everything_untold() -> None:
    stage = Stage()
    stage.alerts.down = True
    told = await stage.tell(RUN)
    assert (told.told, told.cards) == (False, 0)
    cases, actions = await stage.untold()
    assert (len(cases), len(actions)) == (3, 1)


async def test_actions_alone_are_told_and_only_once() -> None:
    stage = Stage()
    run = report(actions=(action(1), action(2, told=True)))
    assert (await stage.tell(run)).cards == 1
    assert "00000001" in str(stage.alerts.sent)
    rows = stage.ledger.partition(GUARD).rows
    assert read(Action, rows[f"action|{action(1).id}"][1]).told
    assert (await stage.later(run)).told is None


async def test_the_cards_link_to_where_the_app_is() -> None:
    stage = Stage()
    await stage.tell(RUN)
    assert f"{ADDRESS}/api/cases/{GUARD}/{NEWS[0].key}" in str(stage.alerts.sent[0])
    assert read(Case, stage.ledger.partition(GUARD).rows[f"case|{NEWS[0].key}"][1]).told == START
