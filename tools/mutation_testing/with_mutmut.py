"""How much the tests notice: the program is changed in small ways, and each time they must fail.

    python -m tools.mutation_testing [decide] [run] [ledger] [--again] [--count] [--show]
                                     [--processes N]

Mutmut makes the mutants (settings: `[tool.mutmut]` in pyproject.toml) and runs, for each, the tests
that reach the changed function. This starts one Azurite for all of them and counts what came of it.

A mutant that the type checker refuses could never be merged; it is not tried and not counted. One
that behaves as the program does cannot be killed; such are listed by hand, each with the reason, in
`equivalent_mutants.toml`, by the function and the line they put in.
"""

import argparse
import asyncio
import importlib
import json
import os
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.functions_host.azurite import Azurite

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = ROOT / "mutants"
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
DECISIONS = (
    *("assess", "brake", "case_lifecycle", "causes", "clean_looks", "decision_context"),
    *("first_look", "held_plans", "judgement", "look", "memory_loss", "outcomes", "plan", "recall"),
    *("reconcile", "single_looks", "unplanned", "widening"),
)
LEDGER_MODULES = (
    *("census", "ledger", "lease", "lease_row", "records", "row_texts", "state_table"),
    "tenant_rows",
)
TARGETS: Mapping[str, tuple[str, ...]] = {
    "decide": tuple(f"core/engine/{name}.py" for name in DECISIONS),
    "run": ("core/engine/run.py",),
    "ledger": tuple(f"core/adapters/table_storage/{name}.py" for name in LEDGER_MODULES),
}
MIN_SCORE = 95.0

# What Mutmut keeps of a mutant is what the run of its tests ended with.
EXIT_TYPE_ERROR = 37
EXIT_KILLED = frozenset({1, 3})
EXIT_TIMEOUT = frozenset({24, 36, 152, 255, -24})
LIVING_OUTCOMES = frozenset({"survived", "untried"})
# On a busy machine the tests of a mutant that lives may run out of time as well.
RETRIED_OUTCOMES = LIVING_OUTCOMES | {"timeout"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One small change of the program: its name, and how the run of its tests ended."""

    name: str
    exit_code: int | None

    @property
    def function(self) -> str:
        """The function it changes, as Mutmut spells it."""
        return self.name.rpartition("__mutmut_")[0]

    @property
    def outcome(self) -> str:
        """What became of it."""
        if self.exit_code is None:
            return "untried"
        if self.exit_code == EXIT_TYPE_ERROR:
            return "refused"
        if self.exit_code in EXIT_KILLED:
            return "killed"
        return "timeout" if self.exit_code in EXIT_TIMEOUT else "survived"


def load_mutants(source: str) -> list[Mutant]:
    """All mutants of a source file and what came of them, as Mutmut wrote it down.

    Mutmut writes nothing about a file in which it finds nothing to mutate, and copies it.
    """
    record = MUTANTS / f"{source}.meta"
    if not record.exists() and (MUTANTS / source).exists():
        return []
    document = json.loads(record.read_text())
    return [Mutant(name, ended) for name, ended in document["exit_code_by_key"].items()]


def get_diff(mutant: Mutant, source: str) -> tuple[str, str]:
    """The lines it takes out and those it puts in instead, without their indentation."""
    # Installed only where mutants are made.
    show = importlib.import_module("mutmut.mutation.diff_apply").get_diff_for_mutant
    lines = show(mutant.name, path=source).splitlines()[2:]
    was, becomes = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return was, becomes


def load_equivalents() -> Mapping[tuple[str, str], str]:
    """Why mutants behave as the program does, by the function and the line they put in."""
    listed = tomllib.loads(EQUIVALENT.read_text())["mutant"]
    return {(one["function"], becomes): one["why"] for one in listed for becomes in one["becomes"]}


async def run_mutmut(patterns: list[str], processes: int) -> int:
    """Mutmut's run, with one Azurite for the tests of all mutants."""
    async with Azurite() as account:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mutmut", "run", f"--max-children={processes}", *patterns),
            cwd=ROOT,
            env=os.environ | {"EXOGUARD_TEST_AZURITE": json.dumps(account.endpoints)},
        )
        return await process.wait()


def summarize_target(target: str, show: bool) -> Iterator[str]:
    """A line about a target, and one for each mutant the tests did not notice."""
    known = load_equivalents()
    mutants = [(mutant, source) for source in TARGETS[target] for mutant in load_mutants(source)]
    count = Counter(mutant.outcome for mutant, _ in mutants)
    left: list[str] = []
    for mutant, source in mutants:
        if mutant.outcome in LIVING_OUTCOMES:
            was, becomes = get_diff(mutant, source)
            if (mutant.function, becomes) in known:
                count["equivalent"] += 1
            else:
                left.append(f"    {mutant.name}\n      - {was}\n      + {becomes}")
    dead = count["killed"] + count["timeout"]
    score = 100.0 * dead / max(dead + len(left), 1)
    yield (
        f"{target:<7} {score:5.1f} %   {len(mutants)} made, {count['refused']} refused by the type "
        f"checker, {count['killed']} killed, {count['timeout']} out of time, "
        f"{count['equivalent']} equivalent, {len(left)} left"
    )
    if show:
        yield from left
    if score < MIN_SCORE:
        yield f"    below {MIN_SCORE:.0f} %"


def main() -> int:
    """Make the mutants, try them, and fail when too many live."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation_testing", description=__doc__)
    parser.add_argument("target", nargs="*", choices=TARGETS)
    parser.add_argument(
        "--again", action="store_true", help="try only those that lived or ran out of time"
    )
    parser.add_argument("--count", action="store_true", help="try none, count what is known")
    parser.add_argument("--show", action="store_true", help="show those that live")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    asked.target = asked.target or list(TARGETS)
    if not asked.count:
        patterns = [
            f"{source.removesuffix('.py').replace('/', '.')}.*"
            for target in asked.target
            for source in TARGETS[target]
        ]
        if asked.again:
            patterns = [
                mutant.name
                for target in asked.target
                for source in TARGETS[target]
                for mutant in load_mutants(source)
                if mutant.outcome in RETRIED_OUTCOMES
            ]
        if patterns and (failed := asyncio.run(run_mutmut(patterns, asked.processes))):
            return failed
    lines = [line for target in asked.target for line in summarize_target(target, asked.show)]
    print("\n".join(lines))
    return int(any("below" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
