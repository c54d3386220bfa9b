"""Running some of the tests that a process has collected in a fork of it, until one fails."""

import math
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from _pytest.runner import runtestprotocol

MAX_MEMORY_BYTES = 4 << 30
BUSY_FACTOR = 6
"""How many times as long as they may compute tests may take: other processes make them wait."""


@dataclass(frozen=True, slots=True)
class ForkResult:
    """How the tests in a fork ended."""

    in_time: bool
    failed: bool = False
    failed_test: int | None = None
    """Which of the tests failed; None: none, or the change itself could not be made."""


def run_test(item: pytest.Item, following: pytest.Item | None) -> bool:
    """Run one collected test, and say whether it failed."""
    return any(one.failed for one in runtestprotocol(item, nextitem=following, log=False))


def run_in_fork(
    prepare: Callable[[], None], items: Sequence[pytest.Item], limit: float
) -> ForkResult:
    """Prepare a child process, and run tests there for at most so many seconds of CPU time."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        run_in_child(prepare, items, writer, math.ceil(limit))
    os.close(writer)
    ended = wait_for(child, BUSY_FACTOR * limit)
    told = os.read(reader, 16)
    os.close(reader)
    if ended in (None, -signal.SIGXCPU):
        return ForkResult(in_time=False)
    return ForkResult(True, ended != 0, int(told) if told else None)


def run_in_child(
    prepare: Callable[[], None], items: Sequence[pytest.Item], writer: int, cpu_seconds: int
) -> None:
    """The child's part, which ends with 1 when a test fails; it never returns."""
    status = 1
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        prepare()
        failed = next(
            (
                index
                for index, (item, following) in enumerate(
                    zip(items, [*items[1:], None], strict=True)
                )
                if run_test(item, following)
            ),
            None,
        )
        if failed is None:
            status = 0
        else:
            os.write(writer, str(failed).encode())
    finally:
        os._exit(status)


def wait_for(child: int, limit: float) -> int | None:
    """The exit code of a child; None when it took too long and was ended."""
    until = time.monotonic() + limit
    pause = 0.001
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(pause * 1.3, 0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
