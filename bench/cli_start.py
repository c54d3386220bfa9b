"""How long a terminal waits for the command line: `python -m bench.cli_start`.

CPU time of a process, as a multiple of that of an empty Python, which says the same on a busy
machine as on an idle one. The first start of each is not counted: it compiles, and fills caches.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

REPEATS = 7
EMPTY = ("-c", "pass")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("-m", "core.cli"),
    ("-m", "core.cli", "--version"),
    ("-m", "core.cli", "--app", "http://127.0.0.1:9", "cases"),
)


def measure_cpu_seconds(words: Sequence[str]) -> float:
    """The median CPU time of a process that runs these arguments, in seconds."""
    environ = {**os.environ, "EXOGUARD_KEY": "none"}
    times = []
    for _ in range(REPEATS + 1):
        before = os.times()
        subprocess.run(
            [sys.executable, *words], env=environ, capture_output=True, check=False, timeout=60
        )
        after = os.times()
        times.append(
            after.children_user
            - before.children_user
            + after.children_system
            - before.children_system
        )
    return statistics.median(times[1:])


def main() -> int:
    """Print one line a command: seconds, and the ratio to an empty Python."""
    empty = measure_cpu_seconds(EMPTY)
    print(f"{empty:6.3f} s      1   python -c pass")
    for words in COMMANDS:
        seconds = measure_cpu_seconds(words)
        print(f"{seconds:6.3f} s  {seconds / empty:5.0f}   python {' '.join(words)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
