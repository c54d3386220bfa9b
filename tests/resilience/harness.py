"""Dying at every single operation of a story, and living on until all is quiet.

A story is a guard, a tenant and what happens, step by step. It is played once in peace, which
counts its operations; then for each of them with the process killed right before it, and with the
process killed when it had taken effect and no answer had come yet. To be killed after the answer,
or at a mere read, is to be killed before the next operation that leaves something behind: nothing
but the process knows the difference. Whoever was killed comes back as a platform brings it back:
the same step once more, without anything in memory.
"""

import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from core.engine.decide import IN_EFFECT
from core.engine.self_findings import OWN
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.guards import Duty, Mode
from tests.resilience.generators.scenes import Scene
from tests.resilience.oracle import Ended, Watched, broken, overheard, rows, stands
from tests.support.fakes.tenant import FakeTenant, Wrote
from tests.support.fakes.world import Death, Delivered, Reaper
from tests.support.synthetic_guard import Stage, Toy

type Play = Stage[Watched]
type Step = Callable[[Play], Awaitable[object]]

NOT_CONTENT = {"writes", "undone", "sent", "signed_out", "asked", "left", "journal", "reaper"}


@dataclass(frozen=True)
class Story:
    """What happens. `begin` sets the scene, in peace; each of `steps` is a life of the process."""

    begin: Callable[[], Awaitable[Play]]
    steps: tuple[Step, ...]


def on_stage(duty: Duty, tenant: FakeTenant | Toy, **more: Any) -> Play:
    """A tenant that is watched, with a memory and a channel of its own."""
    watched = Watched(tenant)
    stage = Stage(watched, duty, **more)

    async def view() -> object:
        terms = replace(stage.terms, now=stage.clock())
        return await stands(duty.guard, tenant, terms, stage.clock())

    watched.view = view
    stage.duty = replace(duty, guard=overheard(duty.guard, stage.journal))
    return stage


async def stage_of(duty: Duty, scene: Scene) -> Play:
    """A guard that may change what it can, on the tenant of a scene."""
    enforcing = replace(duty, mode=Mode.ENFORCE)
    return on_stage(enforcing, scene.tenant(), terms=scene.terms, every=scene.every)


def edit(change: Callable[[FakeTenant], None]) -> Step:
    """Something happens in the tenant."""

    async def edited(stage: Play) -> None:
        change(stage.tenant.real)

    return edited


async def tick(stage: Play) -> None:
    """The timer fires, and the queue is worked on: a message goes when it is done."""
    stage.journal.append(await stage.tenant.view())
    await stage.tick()
    while stage.queue:
        await stage.worked(stage.queue[0])
        stage.queue.pop(0)


async def nothing(stage: Play) -> None:
    """Nobody does anything."""


async def played(story: Story, reaper: Reaper, meanwhile: Step = nothing) -> Play:
    """A story from beginning to end, with a death somewhere, and then until all is quiet.

    `meanwhile` is what happens between the death and the next life.
    """
    stage = await story.begin()
    for step in story.steps:
        with stage.mortal(reaper):
            try:
                await step(stage)
                continue
            except Death:
                stage.journal.append(Ended())
                stage.clock.advance(minutes=2)
        await meanwhile(stage)
        await step(stage)
    await tick(stage)
    await tick(stage)
    return stage


@dataclass(frozen=True)
class End:
    """How it all comes out: the tenant, the cases and the changes made.

    That a round had to be begun anew is told and over, and no difference.
    """

    tenant: Mapping[str, object]
    cases: Mapping[str, tuple[object, ...]]
    changes: list[str]

    @classmethod
    async def of(cls, stage: Play) -> "End":
        """What is there when a story is over."""
        memory = await stage.ledger.recall(stage.duty.guard.name)
        return cls(
            content(stage.tenant.real),
            {
                key: outlined(case)
                for key, case in memory.cases.items()
                if case.closed is None or case.kind not in OWN
            },
            sorted(
                f"{one.case} {one.kind} {outcome(one)} {bool(one.restores)}"
                for one in memory.changes
            ),
        )


def outcome(record: ChangeRecord) -> str:
    """What became of a change; whether the run that made it could say so is no difference."""
    return "undone" if record.undone else "made" if record.state in IN_EFFECT else record.state


def content(tenant: Any) -> Mapping[str, object]:
    """What a tenant holds, without what it remembers of being asked."""
    if isinstance(tenant, Toy):
        return dict(tenant.bad)
    return {
        one.name: copy.copy(getattr(tenant, one.name))
        for one in fields(tenant)
        if one.name not in NOT_CONTENT
    }


def outlined(case: Case) -> tuple[object, ...]:
    """What of a case does not depend on when it was found."""
    told = case.told is not None
    return (case.verdict, case.closed is None, case.closing, str(case.news), told, case.severity)


async def silence(stage: Play) -> None:
    """One more run writes nothing to the tenant, tells nothing and has nothing to remember."""
    before = len(stage.journal)
    await tick(stage)
    loud = [
        event
        for event in stage.journal[before:]
        if isinstance(event, Wrote | Delivered)
        or any(rows(event, Case))
        or any(rows(event, ChangeRecord))
    ]
    assert not loud, loud


async def quiet(stage: Play, end: End, name: str) -> None:
    """Nothing was broken, all is as it should be, and it stays so."""
    complaints = broken(stage.journal)
    assert not complaints, (name, complaints)
    now = await End.of(stage)
    for part in fields(End):
        there, wanted = getattr(now, part.name), getattr(end, part.name)
        assert there == wanted, (name, there, wanted)
    await silence(stage)


async def deaths(story: Story, meanwhile: Step = nothing) -> AsyncIterator[tuple[str, Play]]:
    """The story with a death at each operation, one after another."""
    counting = Reaper()
    await played(story, counting)
    for number in counting.lasting:
        for after in (False, True):
            name = f"killed {'after' if after else 'before'} operation {number}"
            yield name, await played(story, Reaper(number, after), meanwhile)


async def prove(story: Story) -> Play:
    """Whenever the process dies, no promise is broken and it all comes out the same."""
    peaceful = await played(story, Reaper())
    end = await End.of(peaceful)
    await quiet(peaceful, end, "in peace")
    async for name, stage in deaths(story):
        await quiet(stage, end, name)
    return peaceful
