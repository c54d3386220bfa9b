"""Measures a block of work in its process: time, CPU, memory and event loop lag."""

import asyncio
import gc
import resource
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

SAMPLE_SECONDS = 0.010
STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Cost:
    """`began` is of the machine's monotonic clock, which all processes share. Lags are how much
    later than requested the event loop woke a sleeping task.
    """

    began: float
    seconds: float
    cpu_seconds: float
    peak_mib: float
    lag_max_ms: float
    lag_p99_ms: float


def compute_percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not below `share` of all values; 0 if there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(-(-int(share * 10_000) * len(ordered) // 10_000) - 1, 0)]


def read_peak_mib() -> float:
    """The peak memory of this process.

    On Linux it is read from /proc, because `getrusage` also counts what the process held before it
    executed this program: the parent's memory (man 2 getrusage, man 5 proc).
    """
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Meter:
    """An async context manager around the work; `cost` is set at its end."""

    cost: Cost

    async def __aenter__(self) -> Self:
        # What was imported a moment ago is long kept in a process that has run before.
        gc.collect()
        self.lags = array("d")
        self.watcher = asyncio.create_task(self.sample_lags())
        await asyncio.sleep(0)
        self.cpu_start = time.process_time()
        self.started_at = time.monotonic()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cpu = time.process_time() - self.cpu_start
        seconds = time.monotonic() - self.started_at
        # Blocking the loop at the very end is a lag too, although the sampler wakes no more.
        self.record_lag()
        self.watcher.cancel()
        self.cost = Cost(
            began=self.started_at,
            seconds=seconds,
            cpu_seconds=cpu,
            peak_mib=read_peak_mib(),
            lag_max_ms=1000 * max(self.lags, default=0.0),
            lag_p99_ms=1000 * compute_percentile(self.lags, 0.99),
        )

    async def sample_lags(self) -> None:
        """Sleeps for a hundredth of a second repeatedly and records the excess."""
        while True:
            self.sleep_start = time.monotonic()
            await asyncio.sleep(SAMPLE_SECONDS)
            self.record_lag()

    def record_lag(self) -> None:
        """Records how much longer than requested the sampler has slept by now."""
        self.lags.append(max(time.monotonic() - self.sleep_start - SAMPLE_SECONDS, 0.0))
