"""Whatever operation a process dies at, before it or when it has taken effect, nothing is lost.

For every guard of the catalog, with all it may change; for what people ask for; for a tenant in
shards; for the week's card. What must hold is stated in `tests.resilience.oracle`.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.config.catalog import CATALOG
from core.engine.finish import RECORD_EVERY
from core.engine.operator_requests import serve
from core.model.guards import Duty, Limit
from core.model.requests import Action, Deed
from tests.resilience.generators.scenes import SCENES
from tests.resilience.harness import (
    Play,
    Step,
    Story,
    deaths,
    edit,
    on_stage,
    prove,
    silence,
    stage_of,
    tick,
)
from tests.resilience.oracle import broken
from tests.support.fakes.tenant import Wrote
from tests.support.fakes.world import DAY
from tests.support.synthetic_guard import ALERT, ENFORCE, Toy

EVIL = "x@evil.example"
SIZE = 24
SPREAD = {f"m{number}": f"t{number}@evil.example" for number in range(0, SIZE, 6)}


@pytest.mark.parametrize("duty", CATALOG, ids=lambda duty: duty.guard.name)
async def test_a_guard_may_die_at_any_operation(duty: Duty) -> None:
    scene = SCENES[duty.guard.name]
    story = Story(
        lambda: stage_of(duty, scene),
        (tick, edit(scene.later), tick, edit(scene.mended), tick),
    )
    peaceful = await prove(story)
    assert any(isinstance(event, Wrote) for event in peaceful.journal) is scene.writes
    assert len(peaceful.alerts.sent) >= 2


@pytest.mark.parametrize("name", [name for name, scene in SCENES.items() if scene.otherwise])
async def test_what_became_right_while_nobody_lived_is_not_changed_any_more(name: str) -> None:
    (duty,) = (duty for duty in CATALOG if duty.guard.name == name)
    scene = SCENES[name]
    assert scene.otherwise
    story = Story(lambda: stage_of(duty, scene), (tick, tick))
    async for at, stage in deaths(story, edit(scene.otherwise)):
        complaints = broken(stage.journal)
        assert not complaints, (at, complaints)
        await silence(stage)


# ----------------------------------------------------------------------------------------------
# What people ask for
# ----------------------------------------------------------------------------------------------


async def known(duty: Duty = ENFORCE, bad: int = 1, limit: int = 50) -> Play:
    """A stage on which some mailboxes forwarded from the start, two runs later."""
    toy = Toy(20, {f"m{number}": EVIL for number in range(bad)})
    duty = replace(duty, limit=Limit(limit, 0.0), guard=replace(duty.guard, several=None))
    stage = on_stage(duty, toy)
    await tick(stage)
    await tick(stage)
    return stage


def asking(deed: Deed, until: timedelta | None = None) -> Step:
    """A person asks for something, of what there is to ask it of."""

    async def asked(stage: Play) -> None:
        now = stage.clock()
        action = Action(
            id=stage.new_run(),
            deed=deed,
            subject=await subject(stage, deed),
            who="Dana",
            why="because",
            at=now,
            until=now + until if until else None,
        )
        await stage.ledger.ask("toy", action)

    return asked


async def subject(stage: Play, deed: Deed) -> str:
    """The change made, the plan that waits, or the case there is."""
    memory = await stage.ledger.recall("toy")
    if deed is Deed.UNDO:
        return next(record.id for record in memory.changes if not record.restores)
    if deed is Deed.RELEASE:
        (brake,) = (case for case in memory.cases.values() if case.kind == "brake")
        return brake.facts[0].removeprefix("plan ")
    return next(iter(memory.cases))


async def served(stage: Play) -> None:
    """A worker does what is asked."""
    await serve(stage.duty, stage.world, stage.new_run())


async def test_a_worker_may_die_at_any_operation_of_taking_a_change_back() -> None:
    peaceful = await prove(Story(known, (asking(Deed.UNDO), served, tick)))
    toy: Toy = peaceful.tenant.real
    assert (toy.bad, toy.restored) == ({"m0": EVIL}, ["m0"])


async def test_a_worker_may_die_at_any_operation_of_exempting_and_of_ending_it() -> None:
    async def begin() -> Play:
        return await known(ALERT)

    steps = (
        asking(Deed.EXEMPT, 30 * DAY),
        served,
        tick,
        asking(Deed.END_EXEMPTION),
        served,
        tick,
        asking(Deed.ACKNOWLEDGE),
        served,
    )
    peaceful = await prove(Story(begin, steps))
    (case,) = peaceful.ledger.cases("toy").values()
    assert case.acknowledged
    assert case.closed is None


async def test_a_run_may_die_at_any_operation_of_carrying_out_a_released_plan() -> None:
    async def begin() -> Play:
        return await known(bad=4, limit=3)

    peaceful = await prove(Story(begin, (asking(Deed.RELEASE), tick)))
    assert peaceful.tenant.real.bad == {}


# ----------------------------------------------------------------------------------------------
# Large tenants
# ----------------------------------------------------------------------------------------------


async def large() -> Play:
    """A stage whose starting point is a clean tenant of several slices."""
    stage = on_stage(replace(ENFORCE, limit=Limit(50, 0.0)), Toy(SIZE, page=10), slice_size=8)
    stage.every = timedelta(minutes=20)
    await tick(stage)
    return stage


async def spread(stage: Play) -> None:
    """Mailboxes everywhere begin to forward."""
    stage.tenant.real.bad |= SPREAD


async def test_a_worker_may_die_at_any_operation_of_a_round_in_shards() -> None:
    async def begin() -> Play:
        stage = await large()
        stage.shard_above = 16
        return stage

    peaceful = await prove(Story(begin, (spread, tick)))
    assert sorted(peaceful.tenant.real.writes) == sorted(SPREAD)


async def test_a_run_may_die_at_any_operation_of_a_look_that_takes_several() -> None:
    async def hurried(stage: Play) -> None:
        left = iter([0.0] * 2)
        stage.spent = lambda: next(left, 1.0)
        await tick(stage)
        stage.spent = lambda: 0.0

    peaceful = await prove(Story(large, (spread, hurried, hurried, hurried, tick)))
    assert sorted(peaceful.tenant.real.writes) == sorted(SPREAD)


async def test_what_takes_several_transactions_may_end_between_any_two() -> None:
    many = {f"m{number}": f"t{number}@evil.example" for number in range(21)}

    async def begin() -> Play:
        stage = await large()
        # What came of ten cases still fits into one.
        stage.slice_size, stage.ledger.batch = 100, 2 * RECORD_EVERY
        return stage

    async def spreading(stage: Play) -> None:
        stage.tenant.real.bad |= many

    peaceful = await prove(Story(begin, (spreading, tick)))
    assert sorted(peaceful.tenant.real.writes) == sorted(many)
