"""Two runs of one guard at the same time, one after another, or with less leave than it has.

A timer that fires twice, late, or several times in a row; a run by hand beside it, two of those,
one that may only look; the mode lowered while a plan waits or a round is in the queue. Whoever
holds the guard does everything once; whoever does not does nothing at all.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.adapters.table_storage.codec import decode_stored_record
from core.engine.decision_context import IN_EFFECT_STATES
from core.engine.operator_requests import run_requests_only
from core.engine.run import run
from core.model.changes import ChangeRecord, ChangeState
from core.model.guards import ChangeLimit, GuardConfig, Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState, RunOptions
from core.model.runs import RunReport
from tests.support.fakes.crash import CrashInjector, SimulatedCrash
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    ENFORCE_CONFIG,
    EngineHarness,
    SyntheticTenant,
)

SIZE = 40
THIEVES = {"m3": "thief", "m31": "crook"}
LOOK = RunOptions(mode=Mode.ALERT)


async def settled(
    duty: GuardConfig = ENFORCE_CONFIG, size: int = SIZE
) -> EngineHarness[SyntheticTenant]:
    """A guard that has taken stock of a clean tenant, in which something is wrong now."""
    stage = EngineHarness(SyntheticTenant(size), duty)
    await stage.run_timer()
    stage.tenant.forwards = dict(THIEVES)
    stage.tenant.inspected.clear()
    return stage


async def at_once(stage: EngineHarness[SyntheticTenant], *requests: RunOptions) -> list[RunReport]:
    """So many runs that begin in the same moment; each waits for the tenant now and then."""
    stage.tenant.latency_seconds = 0.001
    asked = [replace(request, run=request.run or stage.next_run_id()) for request in requests]
    return list(
        await asyncio.gather(*(run(stage.config, stage.world, request) for request in asked))
    )


async def quiet(stage: EngineHarness[SyntheticTenant]) -> None:
    """Nothing more is told, and nothing more is changed."""
    told, written = len(stage.notification_channel.sent), list(stage.tenant.writes)
    await stage.run_timer()
    assert (len(stage.notification_channel.sent), stage.tenant.writes) == (told, written)


def records(stage: EngineHarness[SyntheticTenant]) -> list[ChangeRecord]:
    """All that is remembered of changes."""
    rows = stage.ledger.get_partition("toy").rows.values()
    return [decode_stored_record(ChangeRecord, text) for kind, text in rows if kind is ChangeRecord]


# -- a timer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [2, 3])
async def test_a_timer_that_fires_several_times_at_once_is_one_run(times: int) -> None:
    stage = await settled()
    reports = await at_once(stage, *[RunOptions()] * times)
    assert sorted(report.status for report in reports) == ["busy"] * (times - 1) + ["done"]
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.mailbox_ids)
    assert sorted(stage.tenant.writes) == sorted(THIEVES)
    assert all(stage.count_notifications(name) == 1 for name in THIEVES)
    await quiet(stage)


async def test_a_timer_that_catches_up_on_many_ticks_does_nothing_twice() -> None:
    stage = await settled()
    stage.interval = timedelta()
    for _ in range(5):
        report = await stage.run_timer()
        assert report.status == "done"
    assert sorted(stage.tenant.writes) == sorted(THIEVES)
    assert all(stage.count_notifications(name) == 1 for name in THIEVES)


@pytest.mark.parametrize("mode", [Mode.ALERT, Mode.ENFORCE])
async def test_a_timer_that_is_days_late_goes_on_as_if_it_had_been_in_time(mode: Mode) -> None:
    stage = await settled(replace(ENFORCE_CONFIG, mode=mode))
    stage.clock.advance(days=3)
    await stage.run_timer()
    assert all(stage.count_notifications(name) == 1 for name in THIEVES)
    assert sorted(stage.tenant.writes) == (sorted(THIEVES) if mode is Mode.ENFORCE else [])
    await quiet(stage)


# -- runs by hand ------------------------------------------------------------------------------


async def test_a_run_by_hand_during_a_run_of_the_timer_is_told_that_it_is_busy() -> None:
    stage = await settled()
    by_timer, by_hand = await at_once(stage, RunOptions(), RunOptions(run="1-hand"))
    assert (by_timer.status, by_hand.status) == ("done", "busy")
    assert (by_hand.outcomes, by_hand.notifications, by_hand.read_count) == ((), (), 0)
    assert "1-hand" not in stage.ledger.get_partition("toy").runs
    assert sorted(stage.tenant.writes) == sorted(THIEVES)


async def test_what_two_people_ask_for_in_one_moment_is_done_once_for_both() -> None:
    stage = await settled()
    first, second = (
        OperatorRequest(stage.next_run_id(), RequestKind.RUN, "", who, "to see", stage.clock())
        for who in ("Ada", "Bo")
    )
    for action in (first, second):
        await stage.ledger.add_request("toy", action)
    await at_once(stage, RunOptions(run=first.id), RunOptions(run=second.id))
    for action in (first, second):
        found = await stage.ledger.get_request("toy", action.id)
        assert found
        assert found.state is RequestState.DONE
    assert sorted(stage.tenant.writes) == sorted(THIEVES)


async def test_a_run_that_may_only_look_writes_nothing_whoever_comes_first() -> None:
    for requests in ((LOOK, RunOptions()), (RunOptions(), LOOK)):
        stage = await settled()
        reports = await at_once(stage, *requests)
        (winner,) = [report for report in reports if report.status == "done"]
        changed = winner.mode is Mode.ENFORCE
        assert sorted(stage.tenant.writes) == (sorted(THIEVES) if changed else [])
        await stage.run_timer()
        assert sorted(stage.tenant.writes) == sorted(THIEVES)
        assert all(1 <= stage.count_notifications(name) <= 2 for name in THIEVES)


async def dies(stage: EngineHarness[SyntheticTenant], reaper: CrashInjector) -> bool:
    """A run that is killed; False when it ended before that."""
    with stage.inject_crashes(reaper):
        try:
            await stage.run_timer()
        except SimulatedCrash:
            stage.clock.advance(minutes=2)
            return True
    return False


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_look_after_a_death_neither_writes_nor_forgets_what_was_begun(after: bool) -> None:
    kept = 0
    for operation in range(1, 60):
        stage = await settled()
        died = await dies(stage, CrashInjector(operation, after))
        written, before = list(stage.tenant.writes), records(stage)
        await stage.run_timer(LOOK)
        assert stage.tenant.writes == written, operation
        # What shows its effect is noted as made; nothing is given up.
        now = {record.id: record for record in records(stage)}
        unlike = [now[old.id].state for old in before if now[old.id] != old]
        assert set(unlike) <= {ChangeState.INFERRED}, operation
        kept += any(record.state is ChangeState.INTENDED for record in before)
        await stage.run_timer()
        assert sorted(set(stage.tenant.writes)) == sorted(THIEVES), operation
        assert {record.state for record in records(stage)} <= set(IN_EFFECT_STATES), operation
        if not died:
            break
    assert kept


# -- the mode is lowered -----------------------------------------------------------------------

HELD = replace(ENFORCE_CONFIG, limit=ChangeLimit(count=1, percent=0.0))


async def held() -> tuple[EngineHarness[SyntheticTenant], str]:
    """A guard whose plan the brake holds, and the plan's name."""
    stage = await settled(HELD)
    report = await stage.run_timer()
    assert report.block_reason
    return stage, report.plan


async def release(stage: EngineHarness[SyntheticTenant], plan: str) -> OperatorRequest:
    """Somebody asks for the plan."""
    action = OperatorRequest(
        stage.next_run_id(), RequestKind.RELEASE, plan, "Dana", "reviewed", stage.clock()
    )
    await stage.ledger.add_request("toy", action)
    return action


async def test_a_look_while_a_plan_waits_does_not_take_it_away() -> None:
    stage, plan = await held()
    cards = len(stage.notification_channel.sent)
    await stage.run_timer(LOOK)
    assert len(stage.notification_channel.sent) == cards
    await release(stage, plan)
    await stage.run_timer()
    assert sorted(stage.tenant.writes) == sorted(THIEVES)


@pytest.mark.parametrize("mode", [Mode.ALERT, Mode.OFF])
async def test_a_plan_released_while_the_guard_may_not_change_changes_nothing(mode: Mode) -> None:
    stage, plan = await held()
    stage.config = replace(HELD, mode=mode)
    action = await release(stage, plan)
    for _ in range(3):
        await stage.run_timer(RunOptions(plan=plan, at=stage.clock()))
    await run_requests_only(stage.config, stage.world, stage.next_run_id())
    stage.config = HELD
    stage.clock.advance(hours=1)
    report = await stage.run_timer()
    assert stage.tenant.writes == []
    assert (report.block_reason != "", report.plan) == (True, plan)
    found = await stage.ledger.get_request("toy", action.id)
    assert found
    assert found.state is RequestState.REFUSED


async def in_the_queue() -> EngineHarness[SyntheticTenant]:
    """An enforcing guard whose look was handed out in shards."""
    stage = await settled(size=520)
    stage.shard_above = 200
    await stage.run_timer()
    assert len(stage.queue) == 6
    return stage


async def test_a_round_in_the_queue_ends_without_changes_when_the_guard_may_no_longer() -> None:
    stage = await in_the_queue()
    stage.config = ALERT_CONFIG
    for message in stage.queue:
        await stage.process_message(message)
    assert (stage.tenant.writes, records(stage)) == ([], [])
    assert all(stage.count_notifications(name) == 1 for name in THIEVES)
    assert (await stage.ledger.load_state("toy")).scan_pass is None


async def test_a_round_whose_guard_was_off_for_a_while_is_begun_anew() -> None:
    stage = await in_the_queue()
    stage.config = replace(ENFORCE_CONFIG, mode=Mode.OFF)
    for _ in range(3):
        assert (await stage.run_timer()).status == "off"
    stage.queue.clear()
    stage.config = ENFORCE_CONFIG
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)
    assert sorted(stage.tenant.writes) == sorted(THIEVES)
    # Once that it was found, while the look went on, and once that it was put right.
    assert all(1 <= stage.count_notifications(name) <= 2 for name in THIEVES)
    await quiet(stage)
