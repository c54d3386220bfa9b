"""Two runs of one guard at the same time, one after another, or with less leave than it has.

A timer that fires twice, late, or several times in a row; a run by hand beside it, two of those,
one that may only look; the mode lowered while a plan waits or a round is in the queue. Whoever
holds the guard does everything once; whoever does not does nothing at all.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.adapters.table_storage.codec import read
from core.engine.decide import IN_EFFECT
from core.engine.operator_requests import serve
from core.engine.run import run
from core.model.changes import ChangeRecord, ChangeState
from core.model.guards import Duty, Limit, Mode
from core.model.requests import Action, ActionState, Deed, Request
from core.model.runs import RunReport
from tests.support.fakes.world import Death, Reaper
from tests.support.synthetic_guard import ALERT, ENFORCE, Stage, Toy

SIZE = 40
THIEVES = {"m3": "thief", "m31": "crook"}
LOOK = Request(mode=Mode.ALERT)


async def settled(duty: Duty = ENFORCE, size: int = SIZE) -> Stage[Toy]:
    """A guard that has taken stock of a clean tenant, in which something is wrong now."""
    stage = Stage(Toy(size), duty)
    await stage.tick()
    stage.tenant.bad = dict(THIEVES)
    stage.tenant.inspected.clear()
    return stage


async def at_once(stage: Stage[Toy], *requests: Request) -> list[RunReport]:
    """So many runs that begin in the same moment; each waits for the tenant now and then."""
    stage.tenant.seconds = 0.001
    asked = [replace(request, run=request.run or stage.new_run()) for request in requests]
    return list(await asyncio.gather(*(run(stage.duty, stage.world, request) for request in asked)))


async def quiet(stage: Stage[Toy]) -> None:
    """Nothing more is told, and nothing more is changed."""
    told, written = len(stage.alerts.sent), list(stage.tenant.writes)
    await stage.tick()
    assert (len(stage.alerts.sent), stage.tenant.writes) == (told, written)


def records(stage: Stage[Toy]) -> list[ChangeRecord]:
    """All that is remembered of changes."""
    rows = stage.ledger.partition("toy").rows.values()
    return [read(ChangeRecord, text) for kind, text in rows if kind is ChangeRecord]


# -- a timer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [2, 3])
async def test_a_timer_that_fires_several_times_at_once_is_one_run(times: int) -> None:
    stage = await settled()
    reports = await at_once(stage, *[Request()] * times)
    assert sorted(report.status for report in reports) == ["busy"] * (times - 1) + ["done"]
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.ids)
    assert sorted(stage.tenant.writes) == sorted(THIEVES)
    assert all(stage.told(name) == 1 for name in THIEVES)
    await quiet(stage)


async def test_a_timer_that_catches_up_on_many_ticks_does_nothing_twice() -> None:
    stage = await settled()
    stage.every = timedelta()
    for _ in range(5):
        report = await stage.tick()
        assert report.status == "done"
    assert sorted(stage.tenant.writes) == sorted(THIEVES)
    assert all(stage.told(name) == 1 for name in THIEVES)


@pytest.mark.parametrize("mode", [Mode.ALERT, Mode.ENFORCE])
async def test_a_timer_that_is_days_late_goes_on_as_if_it_had_been_in_time(mode: Mode) -> None:
    stage = await settled(replace(ENFORCE, mode=mode))
    stage.clock.advance(days=3)
    await stage.tick()
    assert all(stage.told(name) == 1 for name in THIEVES)
    assert sorted(stage.tenant.writes) == (sorted(THIEVES) if mode is Mode.ENFORCE else [])
    await quiet(stage)


# -- runs by hand ------------------------------------------------------------------------------


async def test_a_run_by_hand_during_a_run_of_the_timer_is_told_that_it_is_busy() -> None:
    stage = await settled()
    by_timer, by_hand = await at_once(stage, Request(), Request(run="1-hand"))
    assert (by_timer.status, by_hand.status) == ("done", "busy")
    assert (by_hand.outcomes, by_hand.news, by_hand.seen) == ((), (), 0)
    assert "1-hand" not in stage.ledger.partition("toy").runs
    assert sorted(stage.tenant.writes) == sorted(THIEVES)


async def test_what_two_people_ask_for_in_one_moment_is_done_once_for_both() -> None:
    stage = await settled()
    first, second = (
        Action(stage.new_run(), Deed.RUN, "", who, "to see", stage.clock()) for who in ("Ada", "Bo")
    )
    for action in (first, second):
        await stage.ledger.ask("toy", action)
    await at_once(stage, Request(run=first.id), Request(run=second.id))
    for action in (first, second):
        found = await stage.ledger.action("toy", action.id)
        assert found
        assert found.state is ActionState.DONE
    assert sorted(stage.tenant.writes) == sorted(THIEVES)


async def test_a_run_that_may_only_look_writes_nothing_whoever_comes_first() -> None:
    for requests in ((LOOK, Request()), (Request(), LOOK)):
        stage = await settled()
        reports = await at_once(stage, *requests)
        (winner,) = [report for report in reports if report.status == "done"]
        changed = winner.mode is Mode.ENFORCE
        assert sorted(stage.tenant.writes) == (sorted(THIEVES) if changed else [])
        await stage.tick()
        assert sorted(stage.tenant.writes) == sorted(THIEVES)
        assert all(1 <= stage.told(name) <= 2 for name in THIEVES)


async def dies(stage: Stage[Toy], reaper: Reaper) -> bool:
    """A run that is killed; False when it ended before that."""
    with stage.mortal(reaper):
        try:
            await stage.tick()
        except Death:
            stage.clock.advance(minutes=2)
            return True
    return False


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_look_after_a_death_neither_writes_nor_forgets_what_was_begun(after: bool) -> None:
    kept = 0
    for operation in range(1, 60):
        stage = await settled()
        died = await dies(stage, Reaper(operation, after))
        written, before = list(stage.tenant.writes), records(stage)
        await stage.tick(LOOK)
        assert stage.tenant.writes == written, operation
        # What shows its effect is noted as made; nothing is given up.
        now = {record.id: record for record in records(stage)}
        unlike = [now[old.id].state for old in before if now[old.id] != old]
        assert set(unlike) <= {ChangeState.INFERRED}, operation
        kept += any(record.state is ChangeState.INTENDED for record in before)
        await stage.tick()
        assert sorted(set(stage.tenant.writes)) == sorted(THIEVES), operation
        assert {record.state for record in records(stage)} <= set(IN_EFFECT), operation
        if not died:
            break
    assert kept


# -- the mode is lowered -----------------------------------------------------------------------

HELD = replace(ENFORCE, limit=Limit(count=1, percent=0.0))


async def held() -> tuple[Stage[Toy], str]:
    """A guard whose plan the brake holds, and the plan's name."""
    stage = await settled(HELD)
    report = await stage.tick()
    assert report.held
    return stage, report.plan


async def release(stage: Stage[Toy], plan: str) -> Action:
    """Somebody asks for the plan."""
    action = Action(stage.new_run(), Deed.RELEASE, plan, "Dana", "reviewed", stage.clock())
    await stage.ledger.ask("toy", action)
    return action


async def test_a_look_while_a_plan_waits_does_not_take_it_away() -> None:
    stage, plan = await held()
    cards = len(stage.alerts.sent)
    await stage.tick(LOOK)
    assert len(stage.alerts.sent) == cards
    await release(stage, plan)
    await stage.tick()
    assert sorted(stage.tenant.writes) == sorted(THIEVES)


@pytest.mark.parametrize("mode", [Mode.ALERT, Mode.OFF])
async def test_a_plan_released_while_the_guard_may_not_change_changes_nothing(mode: Mode) -> None:
    stage, plan = await held()
    stage.duty = replace(HELD, mode=mode)
    action = await release(stage, plan)
    for _ in range(3):
        await stage.tick(Request(plan=plan, at=stage.clock()))
    await serve(stage.duty, stage.world, stage.new_run())
    stage.duty = HELD
    stage.clock.advance(hours=1)
    report = await stage.tick()
    assert stage.tenant.writes == []
    assert (report.held != "", report.plan) == (True, plan)
    found = await stage.ledger.action("toy", action.id)
    assert found
    assert found.state is ActionState.REFUSED


async def in_the_queue() -> Stage[Toy]:
    """An enforcing guard whose look was handed out in shards."""
    stage = await settled(size=520)
    stage.shard_above = 200
    await stage.tick()
    assert len(stage.queue) == 6
    return stage


async def test_a_round_in_the_queue_ends_without_changes_when_the_guard_may_no_longer() -> None:
    stage = await in_the_queue()
    stage.duty = ALERT
    for message in stage.queue:
        await stage.worked(message)
    assert (stage.tenant.writes, records(stage)) == ([], [])
    assert all(stage.told(name) == 1 for name in THIEVES)
    assert (await stage.ledger.state("toy")).round is None


async def test_a_round_whose_guard_was_off_for_a_while_is_begun_anew() -> None:
    stage = await in_the_queue()
    stage.duty = replace(ENFORCE, mode=Mode.OFF)
    for _ in range(3):
        assert (await stage.tick()).status == "off"
    stage.queue.clear()
    stage.duty = ENFORCE
    await stage.tick()
    for message in stage.queue:
        await stage.worked(message)
    assert sorted(stage.tenant.writes) == sorted(THIEVES)
    # Once that it was found, while the look went on, and once that it was put right.
    assert all(1 <= stage.told(name) <= 2 for name in THIEVES)
    await quiet(stage)
