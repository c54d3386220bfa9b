"""Whatever operation a process dies at, before it or when it has taken effect, nothing is lost.

For every guard of the catalog, with all it may change; for what people ask for; for a tenant in
shards; for the week's card. What must hold is stated in `tests.resilience.oracle`.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.config.catalog import CATALOG
from core.engine.apply import RECORD_BATCH_SIZE
from core.engine.operator_requests import run_requests_only
from core.model.guards import ChangeLimit, GuardConfig
from core.model.requests import OperatorRequest, RequestKind
from tests.resilience.generators.scenes import SCENES
from tests.resilience.harness import (
    CrashStory,
    RecordingHarness,
    Step,
    assert_crash_safe,
    assert_left_behind,
    assert_quiet_run,
    build_harness,
    build_scene_harness,
    edit_tenant,
    go_on,
    play_story,
    run_timer_and_queue,
)
from tests.resilience.oracle import find_violations
from tests.support.fakes.ledger import DAY
from tests.support.fakes.state import SingleWrite
from tests.support.synthetic_guard import ALERT_CONFIG, ENFORCE_CONFIG, SyntheticTenant

EVIL = "x@evil.example"
SIZE = 24
SPREAD = {f"m{number}": f"t{number}@evil.example" for number in range(0, SIZE, 6)}


def build_story(duty: GuardConfig) -> CrashStory:
    """A guard finds what is wrong, what gets worse, and what a person puts right."""
    scene = SCENES[duty.guard.name]
    return CrashStory(
        lambda: build_scene_harness(duty, scene),
        (
            run_timer_and_queue,
            edit_tenant(scene.worsen),
            run_timer_and_queue,
            edit_tenant(scene.repair),
            run_timer_and_queue,
        ),
    )


@pytest.mark.parametrize("duty", CATALOG, ids=lambda duty: duty.guard.name)
async def test_a_guard_may_die_at_any_operation(duty: GuardConfig) -> None:
    scene = SCENES[duty.guard.name]
    peaceful = await assert_crash_safe(build_story(duty))
    assert any(isinstance(event, SingleWrite) for event in peaceful.journal) is scene.can_remediate
    assert len(peaceful.notification_channel.sent) >= 2


async def test_a_copied_world_is_what_a_killed_process_leaves_behind() -> None:
    (duty,) = (duty for duty in CATALOG if duty.guard.name == "mailbox-audit")
    story = build_story(duty)
    _, deaths = await play_story(story)
    assert len(deaths) > 20
    for death in deaths:
        await assert_left_behind(story, death)


@pytest.mark.parametrize("name", [name for name, scene in SCENES.items() if scene.repair_otherwise])
async def test_what_became_right_while_nobody_lived_is_not_changed_any_more(name: str) -> None:
    (duty,) = (duty for duty in CATALOG if duty.guard.name == name)
    scene = SCENES[name]
    assert scene.repair_otherwise
    story = CrashStory(
        lambda: build_scene_harness(duty, scene), (run_timer_and_queue, run_timer_and_queue)
    )
    _, deaths = await play_story(story)
    for death in deaths:
        stage = await go_on(story, death, edit_tenant(scene.repair_otherwise))
        complaints = find_violations(stage.journal)
        assert not complaints, (death.name, complaints)
        await assert_quiet_run(stage)


# ----------------------------------------------------------------------------------------------
# What people ask for
# ----------------------------------------------------------------------------------------------


async def known(
    duty: GuardConfig = ENFORCE_CONFIG, bad: int = 1, limit: int = 50
) -> RecordingHarness:
    """A stage on which some mailboxes forwarded from the start, two runs later."""
    toy = SyntheticTenant(20, {f"m{number}": EVIL for number in range(bad)})
    duty = replace(duty, limit=ChangeLimit(limit, 0.0), guard=replace(duty.guard, correlation=None))
    stage = build_harness(duty, toy)
    await run_timer_and_queue(stage)
    await run_timer_and_queue(stage)
    return stage


def asking(deed: RequestKind, until: timedelta | None = None) -> Step:
    """A person asks for something, of what there is to ask it of."""

    async def asked(stage: RecordingHarness) -> None:
        now = stage.clock()
        action = OperatorRequest(
            id=stage.next_run_id(),
            kind=deed,
            subject=await subject(stage, deed),
            requested_by="Dana",
            reason="because",
            at=now,
            until=now + until if until else None,
        )
        await stage.ledger.add_request("toy", action)

    return asked


async def subject(stage: RecordingHarness, deed: RequestKind) -> str:
    """The change made, the plan that waits, or the case there is."""
    memory = await stage.ledger.load("toy")
    if deed is RequestKind.UNDO:
        return next(record.id for record in memory.changes if not record.undo_of)
    if deed is RequestKind.RELEASE:
        (brake,) = (case for case in memory.cases.values() if case.kind == "brake")
        return brake.plan_hash
    return next(iter(memory.cases))


async def served(stage: RecordingHarness) -> None:
    """A worker does what is asked."""
    await run_requests_only(stage.config, stage.world, stage.next_run_id())


async def test_a_worker_may_die_at_any_operation_of_taking_a_change_back() -> None:
    peaceful = await assert_crash_safe(
        CrashStory(known, (asking(RequestKind.UNDO), served, run_timer_and_queue))
    )
    toy: SyntheticTenant = peaceful.tenant.real
    assert (toy.forwards, toy.undone) == ({"m0": EVIL}, ["m0"])


async def test_a_worker_may_die_at_any_operation_of_exempting_and_of_ending_it() -> None:
    async def begin() -> RecordingHarness:
        return await known(ALERT_CONFIG)

    steps = (
        asking(RequestKind.EXEMPT, 30 * DAY),
        served,
        run_timer_and_queue,
        asking(RequestKind.END_EXEMPTION),
        served,
        run_timer_and_queue,
        asking(RequestKind.ACKNOWLEDGE),
        served,
    )
    peaceful = await assert_crash_safe(CrashStory(begin, steps))
    (case,) = peaceful.ledger.list_cases("toy").values()
    assert case.acknowledged_at
    assert case.closed_at is None


async def test_a_run_may_die_at_any_operation_of_carrying_out_a_released_plan() -> None:
    async def begin() -> RecordingHarness:
        return await known(bad=4, limit=3)

    peaceful = await assert_crash_safe(
        CrashStory(begin, (asking(RequestKind.RELEASE), run_timer_and_queue))
    )
    assert peaceful.tenant.real.forwards == {}


# ----------------------------------------------------------------------------------------------
# Large tenants
# ----------------------------------------------------------------------------------------------


async def large() -> RecordingHarness:
    """A stage whose starting point is a clean tenant of several slices."""
    stage = build_harness(
        replace(ENFORCE_CONFIG, limit=ChangeLimit(50, 0.0)),
        SyntheticTenant(SIZE, page_size=10),
        range_size=8,
    )
    stage.interval = timedelta(minutes=20)
    await run_timer_and_queue(stage)
    return stage


async def spread(stage: RecordingHarness) -> None:
    """Mailboxes everywhere begin to forward."""
    stage.tenant.real.forwards |= SPREAD


async def test_a_worker_may_die_at_any_operation_of_a_round_in_shards() -> None:
    async def begin() -> RecordingHarness:
        stage = await large()
        stage.shard_above = 16
        return stage

    peaceful = await assert_crash_safe(CrashStory(begin, (spread, run_timer_and_queue)))
    assert sorted(peaceful.tenant.real.writes) == sorted(SPREAD)


async def test_a_run_may_die_at_any_operation_of_a_look_that_takes_several() -> None:
    async def hurried(stage: RecordingHarness) -> None:
        left = iter([0.0] * 2)
        stage.budget_used = lambda: next(left, 1.0)
        await run_timer_and_queue(stage)
        stage.budget_used = lambda: 0.0

    peaceful = await assert_crash_safe(
        CrashStory(large, (spread, hurried, hurried, hurried, run_timer_and_queue))
    )
    assert sorted(peaceful.tenant.real.writes) == sorted(SPREAD)


async def test_what_takes_several_transactions_may_end_between_any_two() -> None:
    many = {f"m{number}": f"t{number}@evil.example" for number in range(21)}

    async def begin() -> RecordingHarness:
        stage = await large()
        # What came of ten cases still fits into one.
        stage.range_size, stage.ledger.batch_size = 100, 2 * RECORD_BATCH_SIZE
        return stage

    async def spreading(stage: RecordingHarness) -> None:
        stage.tenant.real.forwards |= many

    peaceful = await assert_crash_safe(CrashStory(begin, (spreading, run_timer_and_queue)))
    assert sorted(peaceful.tenant.real.writes) == sorted(many)
