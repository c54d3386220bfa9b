"""A guard that no longer looks is told once, and told to be over, without any run of its own."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.engine.run import run
from core.engine.self_findings import RUNS_FAIL
from core.errors import LedgerError
from core.jobs.failing_guards import tell_failing_guards
from core.jobs.hourly import do_each
from core.model.cases import Case
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind
from tests.support.fakes.channel import FakeMessageChannel
from tests.support.mistakes import make_slip
from tests.support.synthetic_guard import ALERT_CONFIG, GUARD, EngineHarness, SyntheticTenant

OTHER = replace(ALERT_CONFIG, guard=replace(GUARD, name="another", title="Another"))


BROKEN = make_slip(ALERT_CONFIG, KeyError("of ann@contoso.com"))


def build_stage() -> EngineHarness[SyntheticTenant]:
    """A guard that runs every hour."""
    return EngineHarness(SyntheticTenant(4), interval=timedelta(hours=1))


async def fail(stage: EngineHarness[SyntheticTenant], times: int) -> None:
    """Runs that end by a mistake."""
    stage.config = BROKEN
    for _ in range(times):
        with pytest.raises(KeyError):
            await stage.run_timer()
        stage.clock.advance(hours=1)


async def tell(stage: EngineHarness[SyntheticTenant], **more: Any) -> str:
    """The check of one hour."""
    world = replace(stage.world, **more)
    return await tell_failing_guards(world, (stage.config,), stage.next_run_id())


def find_case(stage: EngineHarness[SyntheticTenant]) -> Case | None:
    cases = stage.ledger.list_cases("toy").values()
    return next((one for one in cases if one.kind == RUNS_FAIL and one.closed_at is None), None)


async def test_a_guard_that_fails_again_and_again_is_told_once_and_told_to_be_over() -> None:
    stage, mail = build_stage(), FakeMessageChannel()
    await stage.run_timer()
    await fail(stage, 1)
    assert await tell(stage) == "none"
    since = stage.clock.current
    await fail(stage, 1)
    assert await tell(stage, channels=(mail,)) == "toy"
    case = find_case(stage)
    assert case
    assert case.notified_at
    assert mail.told_keys == [case.key]
    (card,) = map(str, stage.notification_channel.sent)
    assert "Toy no longer looks: its runs fail." in card
    assert "a mistake of the app, KeyError at mistakes.py:" in card
    assert "ann@contoso" not in card
    assert "told without a run" in card
    assert str(case.facts[0]) == f"since: {since - timedelta(hours=1):%Y-%m-%d %H:%M} UTC"
    runs = len(stage.ledger.get_partition("toy").runs)
    for _ in range(4):
        await fail(stage, 1)
        assert await tell(stage, channels=(mail,)) == "toy"
    assert len(stage.notification_channel.sent) == 1
    assert len(mail.told_ids) == 1
    assert len(stage.ledger.get_partition("toy").runs) == runs + 4
    # It looks again.
    stage.config = ALERT_CONFIG
    report = await stage.run_timer()
    assert report.status == "done"
    assert find_case(stage) is None
    stage.clock.advance(hours=2)
    await stage.run_timer()
    assert "Resolved" in str(stage.notification_channel.sent[-1])
    assert await tell(stage) == "none"


async def test_it_is_reminded_of_like_any_other_case() -> None:
    stage = build_stage()
    await stage.run_timer()
    await fail(stage, 2)
    await tell(stage)
    stage.clock.advance(hours=24 * 8)
    await fail(stage, 1)
    await tell(stage)
    assert len(stage.notification_channel.sent) == 2


async def test_a_guard_that_never_came_to_the_end_of_a_run_is_told_too() -> None:
    stage = build_stage()
    await fail(stage, 2)
    assert await tell(stage) == "toy"
    assert find_case(stage)


async def test_one_failure_between_runs_that_end_is_not_told() -> None:
    stage = build_stage()
    await fail(stage, 1)
    stage.config = ALERT_CONFIG
    await stage.run_timer()
    await fail(stage, 1)
    assert await tell(stage) == "none"


@pytest.mark.parametrize(("hours", "told"), [(0.5, "none"), (2.1, "none"), (2.2, "toy")])
async def test_a_guard_whose_runs_leave_no_trace_is_told_when_it_missed_two(
    hours: float, told: str
) -> None:
    stage = build_stage()
    stage.clock.current = stage.clock.current.replace(minute=0, second=0)
    await stage.run_timer()
    stage.clock.current += timedelta(hours=hours) - stage.interval
    assert await tell(stage) == told


async def test_a_guard_that_is_off_or_never_ran_or_is_busy_is_not_told() -> None:
    stage = build_stage()
    assert await tell(stage) == "none"
    await fail(stage, 2)
    stage.config = replace(BROKEN, mode=Mode.OFF)
    assert await tell(stage) == "none"
    stage.config = BROKEN
    async with stage.ledger.claim("toy", "another run"):
        await tell(stage)
    assert find_case(stage) is None


async def test_what_waits_of_a_failing_guard_is_told_with_it() -> None:
    stage = build_stage()
    await stage.run_timer()
    stage.tenant.forwards = {"m1": "x"}
    stage.notification_channel.is_down = True
    await stage.run_timer()
    stage.notification_channel.is_down = False
    request = OperatorRequest(
        stage.next_run_id(), RequestKind.ACKNOWLEDGE, "nothing", "Ada", "why", stage.clock()
    )
    await stage.ledger.add_request("toy", request)
    await fail(stage, 2)
    await tell(stage)
    assert stage.count_notifications("m1") == 1
    assert find_case(stage)


async def test_a_guard_of_which_nothing_can_be_said_keeps_back_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = build_stage()
    await fail(stage, 2)
    odd = replace(OTHER, schedule="no schedule")
    await run(OTHER, stage.world)
    world = stage.world
    assert await tell_failing_guards(world, (odd, BROKEN), "r1") == "toy"
    assert "another: whether it still looks is not told: a mistake of the app" in caplog.text
    stage.ledger.is_down = True
    assert await tell_failing_guards(world, (BROKEN,), "r2") == "none"


async def test_each_part_of_an_hour_is_done_whatever_becomes_of_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    async def slip_up() -> str:
        raise KeyError("x")

    async def lose_state() -> str:
        raise LedgerError("503")

    async def succeed() -> str:
        done.append("it")
        return "sent"

    with pytest.raises(KeyError):
        await do_each({"first": slip_up, "second": lose_state, "third": succeed})
    assert done == ["it"]
    assert "first: a mistake of the app, KeyError at" in caplog.text
    assert "second: 503" in caplog.text
    await do_each({"third": succeed})
