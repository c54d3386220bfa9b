"""A guard whose memory vanished, was edited or is of an older day says so and changes nothing."""

import copy
from dataclasses import replace
from datetime import timedelta

import pytest

from core.engine.memory_loss import STATE_LOST
from core.engine.operator_requests import run_requests_only
from core.engine.run import create_run_id
from core.model.cases import Case
from core.model.changes import ChangeState
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind
from core.status.guard_status import Health
from core.status.loading import load_all_guard_data
from core.status.overview import build_status
from tests.support.fakes.ledger import Partition
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    ENFORCE_CONFIG,
    EngineHarness,
    SyntheticTenant,
)

CONFIG = replace(ENFORCE_CONFIG, guard=replace(ALERT_CONFIG.guard, correlation=None))


async def build_stage() -> EngineHarness:
    """An enforcing guard that has looked twice and found nothing wrong."""
    stage = EngineHarness(SyntheticTenant(20), CONFIG)
    await stage.run_timer()
    await stage.run_timer()
    return stage


async def find_losses(stage: EngineHarness) -> list[Case]:
    cases = (await stage.ledger.load("toy")).cases.values()
    return [case for case in cases if case.kind == STATE_LOST and case.closed_at is None]


async def ask(stage: EngineHarness, kind: RequestKind, subject: str, **values: object) -> None:
    request = OperatorRequest(
        create_run_id(stage.clock()), kind, subject, "Dana", "because", stage.clock()
    )
    await stage.ledger.add_request("toy", replace(request, **values))  # type: ignore[arg-type]
    stage.clock.advance(seconds=1)
    await run_requests_only(stage.config, stage.world, create_run_id(stage.clock()))


def save_day(stage: EngineHarness) -> Partition:
    """A copy of the guard's rows, as a backup holds them."""
    return copy.deepcopy(stage.ledger.get_partition("toy"))


def restore_day(stage: EngineHarness, day: Partition) -> None:
    stage.ledger.partitions["toy"] = copy.deepcopy(day)


async def test_a_guard_that_runs_for_days_trusts_its_memory() -> None:
    stage = await build_stage()
    stage.tenant.forwards = {"m1": "a@evil"}
    for _ in range(5):
        await stage.run_timer()
        stage.clock.advance(days=1)
    assert await find_losses(stage) == []
    assert stage.tenant.writes == ["m1"]


async def lose_state(stage: EngineHarness) -> None:
    partition = stage.ledger.get_partition("toy")
    partition.state = partition.census = ""


async def lose_table(stage: EngineHarness) -> None:
    stage.ledger.partitions.clear()


async def lose_mark(stage: EngineHarness) -> None:
    stage.ledger.marks.clear()


async def lose_case(stage: EngineHarness) -> None:
    rows = stage.ledger.get_partition("toy").rows
    del rows[next(key for key in rows if key.startswith("case|"))]


async def edit_case(stage: EngineHarness) -> None:
    rows = stage.ledger.get_partition("toy").rows
    key = next(key for key in rows if key.startswith("case|"))
    rows[key] = (rows[key][0], rows[key][1].replace("It is", "It was").replace("forwards", "sends"))


@pytest.mark.parametrize("lose", [lose_state, lose_table, lose_mark, lose_case, edit_case])
async def test_a_loss_is_told_at_once_and_nothing_is_changed_until_somebody_says_go_on(
    lose: object,
) -> None:
    stage = await build_stage()
    stage.config = replace(CONFIG, mode=Mode.ALERT)
    stage.tenant.forwards = {"m1": "a@evil"}
    await stage.run_timer()
    stage.config = CONFIG
    await lose(stage)  # type: ignore[operator]
    sent = len(stage.notification_channel.sent)
    for _ in range(4):
        await stage.run_timer()
    assert stage.tenant.writes == []
    (case,) = await find_losses(stage)
    assert case.notified_at
    assert "cannot be right" in str(stage.notification_channel.sent[sent:])
    await ask(stage, RequestKind.ACKNOWLEDGE, case.key)
    await stage.run_timer()
    await stage.run_timer()
    await stage.run_timer()
    assert await find_losses(stage) == []
    assert stage.tenant.writes == ["m1"]


async def test_a_table_of_an_older_day_is_told_and_a_loss_after_it_is_told_again() -> None:
    stage = await build_stage()
    day = save_day(stage)
    for _ in range(3):
        await stage.run_timer()
    restore_day(stage, day)
    await stage.run_timer()
    (case,) = await find_losses(stage)
    assert "restored from an older day" in str(case.facts[0])
    await ask(stage, RequestKind.ACKNOWLEDGE, case.key)
    await stage.run_timer()
    assert await find_losses(stage) == []
    restore_day(stage, day)
    await stage.run_timer()
    (again,) = await find_losses(stage)
    assert again.key != case.key


async def test_a_table_of_just_before_a_persons_decision_is_an_older_one() -> None:
    stage = await build_stage()
    day = save_day(stage)
    until = stage.clock() + timedelta(days=30)
    await ask(stage, RequestKind.EXEMPT, "m1", until=until)
    restore_day(stage, day)
    stage.tenant.forwards = {"m1": "a@evil"}
    await stage.run_timer()
    assert len(await find_losses(stage)) == 1
    memory = await stage.ledger.load("toy")
    assert memory.exemptions["m1"].until == until
    assert [case.kind for case in memory.cases.values()] == [STATE_LOST]


async def test_an_undo_that_an_older_table_does_not_know_stays_undone() -> None:
    stage = await build_stage()
    stage.tenant.forwards = {"m1": "a@evil"}
    await stage.run_timer()
    (made,) = (await stage.ledger.load("toy")).changes
    assert made.state is ChangeState.APPLIED
    day = save_day(stage)
    await ask(stage, RequestKind.UNDO, made.id)
    assert stage.tenant.forwards == {"m1": "a@evil"}
    restore_day(stage, day)
    for _ in range(3):
        await stage.run_timer()
    (case,) = await find_losses(stage)
    await ask(stage, RequestKind.ACKNOWLEDGE, case.key)
    for _ in range(3):
        await stage.run_timer()
    assert stage.tenant.writes == ["m1"]
    assert stage.tenant.forwards == {"m1": "a@evil"}
    assert (await stage.ledger.load("toy")).exemptions.keys() == {made.case_key}


async def test_exemptions_that_vanished_are_in_force_again_as_their_requests_say() -> None:
    stage = await build_stage()
    await ask(stage, RequestKind.EXEMPT, "m1", until=stage.clock() + timedelta(days=30))
    rows = stage.ledger.get_partition("toy").rows
    del rows["exempt|m1"]
    stage.tenant.forwards = {"m1": "a@evil"}
    await stage.run_timer()
    assert len(await find_losses(stage)) == 1
    assert (await stage.ledger.load("toy")).exemptions.keys() == {"m1"}
    assert stage.tenant.writes == []


async def test_a_run_that_dies_after_it_noticed_a_loss_is_followed_by_one_that_knows() -> None:
    stage = await build_stage()
    stage.tenant.forwards = {"m1": "a@evil"}
    await lose_table(stage)
    async with stage.ledger.claim("toy", "died") as claim:
        assert claim
        await claim.load()
    await stage.run_timer()
    await stage.run_timer()
    assert len(await find_losses(stage)) == 1
    assert stage.tenant.writes == []


async def test_a_guard_that_does_not_trust_its_memory_is_degraded_on_the_page() -> None:
    stage = await build_stage()
    await lose_table(stage)
    await stage.run_timer()
    (data,) = await load_all_guard_data(stage.ledger, [stage.config])
    status = build_status([data], stage.clock())
    assert status.health is Health.FAILING
    assert any("memory cannot be right" in str(reason) for reason in status.reasons)
