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
    `write_numbers` are the numbers of the operations that write.
    """

    crash_at: int = 0
    after: bool = False
    count: int = 0
    crashed: bool = False
    error: Callable[[], BaseException] = SimulatedCrash
    write_numbers: list[int] = field(default_factory=list)

    @contextmanager
    def __call__(self, *, reads: bool = False) -> Iterator[None]:
        """Count one operation and crash if it is the chosen one."""
        if self.crashed:
            raise self.error()
        self.count += 1
        number = self.count
        self.write_numbers += () if reads else (number,)
        if number == self.crash_at and not self.after:
            self.crashed = True
            raise self.error()
        try:
            yield
        finally:
            if number == self.crash_at:
                self.crashed = True
                raise self.error()
