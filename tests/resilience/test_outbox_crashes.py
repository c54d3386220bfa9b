"""A run is killed while channels are told: nothing is lost, and little is told twice."""

import contextlib
from collections import Counter

import pytest

from core.model.findings import Severity
from tests.support.adaptive_cards import build_rule_case
from tests.support.channel_stage import RUN, ChannelStage
from tests.support.fakes.crash import CrashInjector, SimulatedCrash

CASES = {
    build_rule_case(1, severity=Severity.CRITICAL).key,
    build_rule_case(2, severity=Severity.HIGH).key,
}
MAX_OPERATIONS = 60


def put_injector(stage: ChannelStage, injector: CrashInjector) -> None:
    """Let every operation on the outside world count."""
    for one in (stage.ledger, stage.teams, stage.mail, stage.hook):
        one.crash_injector = injector


async def kill_and_go_on(crash_at: int, *, after: bool, is_teams_down: bool) -> bool:
    """Kill a run at an operation, and let the next ones finish. Returns whether it was killed."""
    stage = ChannelStage()
    stage.teams.is_down = is_teams_down
    injector = CrashInjector(crash_at, after)
    put_injector(stage, injector)
    with contextlib.suppress(SimulatedCrash):
        await stage.tell(RUN)
    put_injector(stage, CrashInjector())
    stage.clock.advance(minutes=15)
    await stage.tell(RUN) if not await stage.rows() else await stage.later()
    await stage.later()
    for channel in (stage.mail, stage.hook):
        assert set(channel.told_keys) == CASES
        assert max(Counter(channel.told_ids).values()) <= 2
    return injector.crashed


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("is_teams_down", [False, True])
async def test_a_run_that_is_killed_at_any_operation_loses_nothing(
    after: bool, is_teams_down: bool
) -> None:
    killed = 0
    for crash_at in range(1, MAX_OPERATIONS):
        if not await kill_and_go_on(crash_at, after=after, is_teams_down=is_teams_down):
            break
        killed += 1
    assert 5 < killed < MAX_OPERATIONS - 1
