"""Every death that a process could die, each with the world that it leaves behind.

Nothing of a process outlives it but what it did to the world. So the world is copied at the moment
of each death of one life in peace, and each copy goes on from there.
"""

import copy
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from tests.support.fakes.clock import Clock
from tests.support.fakes.crash import CrashInjector


class MortalWorld(Protocol):
    """A tenant, a ledger and a channel: whatever is done to one of them may be the last."""

    tenant: Any
    ledger: Any
    channel: Any
    clock: Clock

    def get_place(self) -> object:
        """Where in its story a process is, as the world sees it."""
        ...


@dataclass(frozen=True)
class Death[World]:
    """A process is killed: in which step and operation, and the world that it leaves behind."""

    step: int
    operation: int
    after: bool
    world: World

    @property
    def name(self) -> str:
        return f"killed {'after' if self.after else 'before'} operation {self.operation}"


def copy_world[World](
    world: World, injector: CrashInjector, constants: Iterable[object] = ()
) -> World:
    """All that outlives the process, as it is at this moment. Constants are not copied."""
    memo: dict[int, object] = {id(one): one for one in constants}
    return copy.deepcopy(world, memo | {id(injector): CrashInjector()})


async def live_through[World: MortalWorld](
    world: World,
    steps: Sequence[Callable[[World], Awaitable[object]]],
    lives: Collection[int],
    constants: Iterable[object] = (),
) -> list[Death[World]]:
    """Everything that happens, in peace, and each death in those of the steps that are `lives`."""
    deaths = list[Death[World]]()
    injector = CrashInjector(get_place=world.get_place)

    def note_death(step: int, operation: int, after: bool) -> None:
        copied = copy_world(world, injector, constants)
        deaths.append(Death(step, operation, after, copied))

    for number, step in enumerate(steps):
        for place in (world.ledger, world.channel, world.tenant):
            place.crash_injector = injector if number in lives else CrashInjector()
        injector.note_death = partial(note_death, number)
        await step(world)
    return deaths


async def go_on[World: MortalWorld](
    death: Death[World], steps: Sequence[Callable[[World], Awaitable[object]]]
) -> World:
    """What happens after a death, some minutes later."""
    death.world.clock.advance(minutes=2)
    for step in steps[death.step + 1 :]:
        await step(death.world)
    return death.world
