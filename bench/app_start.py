"""`python -m bench.app_start [--publish]`: what a cold start of the app takes.

Each stage is a process of its own, which does what a new worker does, up to there: it starts
Python, loads the worker library, imports and indexes the app, and connects a run's world, which
loads the adapters. Times are CPU times, so that other work of the machine makes little difference.
The package of the app holds what Python compiles of its modules; beside it is what a start would
take that has to compile them, as it does where the package was built by another Python.
--publish writes docs/start.json.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.environment import ROOT

RESULTS = ROOT / "docs" / "start.json"
REPEATS = 5
SETTINGS: Mapping[str, str] = {
    "TENANT_ID": "00000000-0000-4000-8000-000000000001",
    "CLIENT_ID": "00000000-0000-4000-8000-000000000002",
    "CLIENT_SECRET": "none",
    "STATE_CONNECTION_STRING": "DefaultEndpointsProtocol=https;AccountName=none;AccountKey=bm9uZQ=="
    ";EndpointSuffix=core.windows.net",
    "TEAMS_WEBHOOK_URL": "https://none.environment.api.powerplatform.com/workflows/none",
}
LOAD_WORKER = "import azure_functions_runtime\n"
INDEX_APP = (
    "from azure_functions_runtime.loader import index_function_app\n"
    "index_function_app('function_app.py')\n"
)
CONNECT = (
    "import asyncio, os\n"
    "from core.bootstrap import connect_world\n"
    "from core.config.settings import Settings\n"
    "async def connect():\n"
    "    async with connect_world(Settings.read(os.environ)):\n"
    "        pass\n"
    "asyncio.run(connect())\n"
)
STAGES: Mapping[str, str] = {
    "Python": "",
    "worker library": LOAD_WORKER,
    "app imported and indexed": LOAD_WORKER + INDEX_APP,
    "first run connected": LOAD_WORKER + INDEX_APP + CONNECT,
}
# The kernel's own figure for a process includes what its parent held when it was made.
TELL_SIZE = (
    "import sys\n"
    "peak = open('/proc/self/status').read().split('VmHWM:')[1].split()[0]\n"
    "print(len(sys.modules), peak)\n"
)
IMPORTED = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*(\S+)")
SHOWN_PACKAGES = 10


@dataclass(frozen=True, slots=True)
class StartFigures:
    """What a process takes up to the end of a stage, with compiled files and without them."""

    stage: str
    cpu_seconds: float
    uncompiled_cpu_seconds: float
    peak_mib: float
    modules: int


@dataclass(frozen=True, slots=True)
class StartResults:
    """The stages, and the packages whose own code takes most of the app's import."""

    stages: tuple[StartFigures, ...]
    packages: tuple[tuple[str, float], ...]
    """Names with their share of the time."""


def run_python(program: str, more: Mapping[str, str], *options: str) -> tuple[float, str]:
    """CPU seconds, and what a process printed on either channel. Raises OSError."""
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(
            [sys.executable, *options, "-c", program],
            cwd=ROOT,
            env={**os.environ, **SETTINGS, **more},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if child.returncode:
        raise OSError(f"a start failed: {said[-2_000:]}")
    return used.ru_utime + used.ru_stime, said


def measure_stage(stage: str, repeats: int) -> StartFigures:
    """The median of several starts; the first one only fills caches."""
    program = STAGES[stage] + TELL_SIZE
    with tempfile.TemporaryDirectory() as folder:
        # A deployed app writes nothing to its package.
        bare = {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        firsts = [run_python(program, bare)[0] for _ in range(max(1, repeats // 2))]
        compiled = {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        runs = [run_python(program, compiled) for _ in range(repeats + 1)][1:]
    modules, peak = map(int, runs[-1][1].split()[-2:])
    return StartFigures(
        stage,
        round(statistics.median(cpu for cpu, _ in runs), 3),
        round(statistics.median(firsts), 3),
        round(peak / 1024, 1),
        modules,
    )


def name_package(module: str) -> str:
    """The package a module counts to: of the app's own and of Azure's, the second level."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] in ("core", "azure") else parts[0]


def list_import_shares(said: str, without: frozenset[str]) -> list[tuple[str, float]]:
    """Packages by the share of import time that their own modules take, the largest first."""
    times: Counter[str] = Counter()
    for micros, module in IMPORTED.findall(said):
        if module not in without:
            times[name_package(module)] += int(micros)
    total = times.total() or 1
    return [(name, round(micros / total, 3)) for name, micros in times.most_common(SHOWN_PACKAGES)]


def measure_starts(repeats: int) -> StartResults:
    """All stages, and where the import of the app spends its time beyond the worker's own."""
    stages = tuple(measure_stage(stage, repeats) for stage in STAGES)
    list_names = "import sys\nprint(*sys.modules)\n"
    known = frozenset(run_python(LOAD_WORKER + list_names, {})[1].split())
    with tempfile.TemporaryDirectory() as folder:
        compiled = {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        for _ in range(2):
            said = run_python(LOAD_WORKER + INDEX_APP, compiled, "-X", "importtime")[1]
    return StartResults(stages, tuple(list_import_shares(said, known)))


def format_starts(results: StartResults | None) -> str:
    """Two tables in Markdown; nothing where nothing was measured yet."""
    if results is None:
        return "Not measured yet."
    lines = [
        "| up to | CPU as deployed | CPU without compiled files | peak MiB | modules |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {row.stage} | {row.cpu_seconds:.2f} s | {row.uncompiled_cpu_seconds:.2f} s"
            f" | {row.peak_mib:.0f} | {row.modules:,} |"
            for row in results.stages
        ),
        "",
        "| import of the app, by package | share |",
        "| --- | --- |",
        *(f"| {name} | {share:.0%} |" for name, share in results.packages),
    ]
    return "\n".join(lines)


def load_starts(path: Path = RESULTS) -> StartResults | None:
    """The figures that were published last; None if there are none yet."""
    if not path.exists():
        return None
    wire = json.loads(path.read_text(encoding="utf-8"))
    return StartResults(
        tuple(StartFigures(**row) for row in wire["stages"]),
        tuple((name, share) for name, share in wire["packages"]),
    )


def save_starts(results: StartResults, path: Path = RESULTS) -> None:
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and publish if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.app_start", description=__doc__)
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    asked = parser.parse_args(arguments)
    results = measure_starts(asked.repeats)
    print(format_starts(results))
    if asked.publish:
        save_starts(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
