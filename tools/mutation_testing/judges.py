"""Mutants of what judges: the guards, and what they and the engine lean on.

python -m tools.mutation_testing judges [TARGET …] [--show] [--module PART] [--alone]
"""

import argparse
import ast
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import pytest

from tools.mutation_testing.changes import Change, list_changes
from tools.mutation_testing.selection import list_test_files, name_module
from tools.mutation_testing.trials import MutatedFile, Outcome, Trials
from tools.mutation_testing.type_check import find_refused

ROOT = Path(__file__).resolve().parents[2]
MADE_IN = ROOT / "mutants"
EQUIVALENT = Path(__file__).with_name("equivalent_judge_mutants.toml")
MIN_SCORE = 90.0


def list_targets() -> dict[str, tuple[str, ...]]:
    """The source files of each target: one a guard, and what they lean on."""
    targets: dict[str, tuple[str, ...]] = {}
    for path in sorted((ROOT / "core" / "guards").iterdir()):
        if path.suffix == ".py" and path.stem != "__init__":
            targets[path.stem] = (str(path.relative_to(ROOT)),)
        elif (path / "__init__.py").exists():
            targets[path.name] = list_sources(path)
    engine = ("attention", "flapping", "impossible_times", "periodic_checks", "shared_state")
    return targets | {
        "watched": list_sources(ROOT / "core" / "watched"),
        "tenant": list_sources(ROOT / "core" / "tenant"),
        "microsoft365": list_sources(ROOT / "core" / "microsoft365"),
        "look_alikes": ("core/confusable_letters.py", "core/look_alikes.py"),
        "model": list_sources(ROOT / "core" / "model"),
        "engine": tuple(f"core/engine/{name}.py" for name in engine),
    }


def list_sources(folder: Path) -> tuple[str, ...]:
    """The modules of a package."""
    return tuple(str(path.relative_to(ROOT)) for path in sorted(folder.glob("*.py")))


@cache
def load_equivalents() -> Mapping[tuple[str, str, str], str]:
    """Why mutants behave as the program does, by the function and the change."""
    listed = tomllib.loads(EQUIVALENT.read_text()).get("mutant", [])
    return {
        (one["function"], one["was"], becomes): one["why"]
        for one in listed
        for becomes in one["becomes"]
    }


def load_files(sources: Sequence[str]) -> list[MutatedFile]:
    """Some source files with what can be changed in them, where there is anything."""
    trees = {source: ast.parse((ROOT / source).read_text(encoding="utf-8")) for source in sources}
    changes = {source: (tree, list(list_changes(tree))) for source, tree in trees.items()}
    changes = {source: found for source, found in changes.items() if found[1]}
    refused = find_refused(changes, ROOT, MADE_IN)
    return [
        MutatedFile(source, str(ROOT / source), tree, listed, refused[source])
        for source, (tree, listed) in changes.items()
    ]


def list_left(file: MutatedFile, outcomes: Sequence[Outcome]) -> list[Change]:
    """The mutants that no test noticed, without those that change no behaviour."""
    return [
        change
        for change, outcome in zip(file.changes, outcomes, strict=True)
        if outcome in (Outcome.SURVIVED, Outcome.UNREACHED) and not is_equivalent(file, change)
    ]


def count_outcomes(file: MutatedFile, outcomes: Sequence[Outcome]) -> Counter[str]:
    """How many mutants of a file came to what."""
    count = Counter[str](outcomes)
    count["left"] = len(list_left(file, outcomes))
    count["equivalent"] = count[Outcome.SURVIVED] + count[Outcome.UNREACHED] - count["left"]
    return count


def show_file(file: MutatedFile, outcomes: Sequence[Outcome], *, shows: bool) -> None:
    """Print a line about a module, and one for each mutant that no test noticed."""
    print(format_count(file.source, count_outcomes(file, outcomes)), flush=True)
    for change in list_left(file, outcomes) if shows else ():
        was, becomes = change.describe()
        print(f"    {file.source}:{change.place.lines.start} {change.place.function}")
        print(f"      - {was}\n      + {becomes}", flush=True)


def is_equivalent(file: MutatedFile, change: Change) -> bool:
    """True for a change that is listed by hand as one that changes no behaviour."""
    was, becomes = change.describe()
    function = f"{name_module(file.source)}.{change.place.function}"
    return (function, was, becomes) in load_equivalents()


def compute_score(count: Counter[str]) -> float:
    """How many mutants of a hundred the tests noticed; of none, all."""
    dead = count[Outcome.KILLED] + count[Outcome.TIMEOUT]
    tried = dead + count["left"]
    return 100.0 * dead / tried if tried else 100.0


def format_count(name: str, count: Counter[str]) -> str:
    """The figures of a module."""
    dead, score = count[Outcome.KILLED] + count[Outcome.TIMEOUT], compute_score(count)
    return (
        f"{name:<52} {score:5.1f} %  {dead:>5} of {dead + count['left']:>5}  "
        f"({count[Outcome.REFUSED]} refused, {count['equivalent']} equivalent)"
        + (f"  below {MIN_SCORE:.0f} %" if score < MIN_SCORE else "")
    )


def main(arguments: Sequence[str]) -> int:
    """Try the mutants of some targets, and fail when too many of a module live."""
    targets = list_targets()
    parser = argparse.ArgumentParser(prog="python -m tools.mutation_testing judges")
    parser.add_argument("target", nargs="*", help=", ".join(targets))
    parser.add_argument("--module", default="", help="only modules with this in their path")
    parser.add_argument("--show", action="store_true", help="show those that live")
    parser.add_argument("--alone", action="store_true", help="without the tests of guards on it")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.target) - targets.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    sources = [source for name in asked.target or targets for source in targets[name]]
    files = load_files([source for source in sources if asked.module in source])
    trials = Trials(ROOT, files, partial(show_file, shows=asked.show))
    mutated = frozenset(file.source for file in trials.files)
    tests = list_test_files(ROOT, mutated, alone=asked.alone)
    trials.start()
    pytest.main(["-n0", "-q", "-s", "-p", "no:cacheprovider", *tests], plugins=[trials])
    if len(trials.outcomes) < len(trials.files):
        return 2
    counts = [count_outcomes(file, trials.outcomes[file.source]) for file in files]
    total = sum(counts, Counter[str]())
    print(format_count("total", total))
    return int(any(compute_score(count) < MIN_SCORE for count in (*counts, total)))
