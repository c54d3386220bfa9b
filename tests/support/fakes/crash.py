"""Crash injection: the process dies before or after any operation on the outside world."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class SimulatedCrash(BaseException):
    """Stands for a killed process; no code catches it."""


@dataclass
class CrashInjector:
    """Raises at the n-th operation: before it, or after it took effect. 0 never raises.

    With an `error` other than a crash, the resource stays unreachable from that operation on.
    `write_numbers` are the numbers of the operations that write. Between two with the same place,
    which `get_place` tells, nothing happens but in the memory of the process. `joined_numbers` are
    those of the operations that began while another was under way. `note_death` is told of every
    moment that `list_deaths` names, while it lasts.
    """

    crash_at: int = 0
    after: bool = False
    count: int = 0
    crashed: bool = False
    error: Callable[[], BaseException] = SimulatedCrash
    get_place: Callable[[], object] = lambda: None
    write_numbers: list[int] = field(default_factory=list)
    places: list[object] = field(default_factory=list)
    joined_numbers: set[int] = field(default_factory=set)
    running_count: int = 0
    note_death: Callable[[int, bool], None] = lambda number, after: None

    @contextmanager
    def __call__(self, *, reads: bool = False) -> Iterator[None]:
        """Count one operation and crash if it is the chosen one."""
        if self.crashed:
            raise self.error()
        self.count += 1
        number = self.count
        if not reads:
            self.note_write(number)
        if number == self.crash_at and not self.after:
            self.crashed = True
            raise self.error()
        if self.running_count:
            self.joined_numbers.add(number)
        self.running_count += 1
        try:
            yield
        finally:
            self.running_count -= 1
            if not reads:
                self.note_death(number, True)
            if number == self.crash_at:
                self.crashed = True
                raise self.error()

    def note_write(self, number: int) -> None:
        """Note an operation that writes, before it has any effect."""
        place = self.get_place()
        if not self.places or self.places[-1] != place:
            self.note_death(number, False)
        self.write_numbers.append(number)
        self.places.append(place)

    def list_deaths(self) -> Iterator[tuple[int, bool]]:
        """The operations to die at, before or after: each way to leave the world behind, once.

        Who dies before an operation leaves what is left by who dies after the one before it, unless
        something else happened in between.
        """
        before: object = object()
        for number, place in zip(self.write_numbers, self.places, strict=True):
            if place != before:
                yield number, False
            yield number, True
            before = place
