"""What a stretch of work cost its process: time, CPU, memory, and how long others had to wait."""

import asyncio
import resource
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

LOOK_EVERY = 0.010
STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Cost:
    """`began` is of the machine's monotonic clock, which all processes share. Lags are of the event
    loop: how much later than asked for a sleeping task was woken."""

    began: float
    seconds: float
    cpu_seconds: float
    peak_mib: float
    lag_max_ms: float
    lag_p99_ms: float


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not below `share` of all values; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(-(-int(share * 10_000) * len(ordered) // 10_000) - 1, 0)]


def peak_mib() -> float:
    """The most memory this process ever held.

    On Linux it is read from /proc, because `getrusage` also counts what the process held before it
    became this program: the memory of whoever started it (man 2 getrusage, man 5 proc).
    """
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Meter:
    """An async context manager around the work; `cost` is there after it."""

    cost: Cost

    async def __aenter__(self) -> Self:
        self.lags = array("d")
        self.watcher = asyncio.create_task(self.watch())
        await asyncio.sleep(0)
        self.cpu = time.process_time()
        self.began = time.monotonic()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cpu = time.process_time() - self.cpu
        seconds = time.monotonic() - self.began
        # What blocks the loop at the very end is a lag too, though the watcher is not woken again.
        self.note()
        self.watcher.cancel()
        self.cost = Cost(
            began=self.began,
            seconds=seconds,
            cpu_seconds=cpu,
            peak_mib=peak_mib(),
            lag_max_ms=1000 * max(self.lags, default=0.0),
            lag_p99_ms=1000 * percentile(self.lags, 0.99),
        )

    async def watch(self) -> None:
        """Sleep a hundredth of a second again and again, and note by how much it was longer."""
        while True:
            self.asleep = time.monotonic()
            await asyncio.sleep(LOOK_EVERY)
            self.note()

    def note(self) -> None:
        """How much longer than asked for the watcher has slept by now."""
        self.lags.append(max(time.monotonic() - self.asleep - LOOK_EVERY, 0.0))
