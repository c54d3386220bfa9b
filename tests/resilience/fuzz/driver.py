"""`make fuzz`: coverage-guided chance (atheris) against every target, for a bounded time.

    make fuzz                              a minute for each target
    make fuzz ARGS="--seconds 600 --target records"

What breaks a target is put into `corpus/<target>`, which the ordinary tests replay.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
MAX_INPUT_BYTES = 2_048
STAT_PATTERN = re.compile(r"^stat::(\w+):\s+(\d+)$", re.MULTILINE)
COVERAGE_PATTERN = re.compile(r"\bcov: (\d+) ft: (\d+) corp: (\d+)")


def main() -> int:
    options = parse_arguments()
    if options.worker:
        return run_fuzz_worker(options.target[0], options.rest)
    failed = 0
    for name in options.target or list_targets():
        failed += fuzz_target(name, options.seconds)
    return min(failed, 1)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", action="append", help="only this one; repeatable")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def list_targets() -> Sequence[str]:
    """The targets there are."""
    from tests.resilience.fuzz.targets import TARGETS

    return tuple(TARGETS)


def fuzz_target(name: str, seconds: int) -> bool:
    """One target in a process of its own, since libFuzzer ends with the process. True: it broke."""
    seeds = CORPUS / name
    seeds.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as found:
        command = [
            *(
                sys.executable,
                "-m",
                "tests.resilience.fuzz.driver",
                "--worker",
                "--target",
                name,
                "--",
            ),
            *(f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}", "-print_final_stats=1"),
            *("-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={seeds}/", found, str(seeds)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    figures = dict(STAT_PATTERN.findall(done.stderr))
    covered = COVERAGE_PATTERN.findall(done.stderr)
    edges = covered[-1][0] if covered else "0"
    runs = int(figures.get("number_of_executed_units", 0))
    outcome = f"broke\n{done.stderr[-6_000:]}" if done.returncode else "held"
    sys.stdout.write(f"{name:12} {runs:>10,} executions, {edges:>6} edges: {outcome}\n")
    sys.stdout.flush()
    return bool(done.returncode)


def run_fuzz_worker(name: str, options: Sequence[str]) -> int:
    """Never returns: atheris ends the process."""
    atheris = import_module("atheris")  # Not installed where nobody fuzzes.
    # What is imported in here is compiled with counters of its branches.
    with atheris.instrument_imports(include=["core"]):
        from tests.resilience.fuzz.targets import TARGETS
    target: Callable[[bytes], None] = TARGETS[name]
    atheris.Setup([sys.argv[0], *options], target)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
