"""Mutants of what judges: the guards, and what they and the engine lean on.

python -m tools.mutation_testing judges [TARGET …] [--show] [--module PART]
"""

import argparse
import ast
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
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


def summarize(trials: Trials, shows: bool) -> Iterator[str]:
    """A line a module, and one for each mutant that no test noticed."""
    total: Counter[str] = Counter()
    for file in trials.files:
        outcomes = trials.outcomes[file.source]
        living = [
            change
            for change, outcome in zip(file.changes, outcomes, strict=True)
            if outcome in (Outcome.SURVIVED, Outcome.UNREACHED)
        ]
        left = [change for change in living if not is_equivalent(file, change)]
        count = Counter[str](outcomes)
        count["left"] = len(left)
        count["equivalent"] = len(living) - len(left)
        total += count
        yield format_count(file.source, count)
        if shows:
            for change in left:
                was, becomes = change.describe()
                yield f"    {file.source}:{change.place.lines.start} {change.place.function}"
                yield f"      - {was}\n      + {becomes}"
    yield format_count("total", total)


def is_equivalent(file: MutatedFile, change: Change) -> bool:
    """True for a change that is listed by hand as one that changes no behaviour."""
    was, becomes = change.describe()
    function = f"{name_module(file.source)}.{change.place.function}"
    return (function, was, becomes) in load_equivalents()


def format_count(name: str, count: Counter[str]) -> str:
    """The figures of a module."""
    dead = count[Outcome.KILLED] + count[Outcome.TIMEOUT]
    tried = dead + count["left"]
    score = 100.0 * dead / max(tried, 1)
    return (
        f"{name:<52} {score:5.1f} %  {dead:>5} of {tried:>5}  "
        f"({count[Outcome.REFUSED]} refused, {count['equivalent']} equivalent)"
        + (f"  below {MIN_SCORE:.0f} %" if tried and score < MIN_SCORE else "")
    )


def main(arguments: Sequence[str]) -> int:
    """Try the mutants of some targets, and fail when too many of a module live."""
    targets = list_targets()
    parser = argparse.ArgumentParser(prog="python -m tools.mutation_testing judges")
    parser.add_argument("target", nargs="*", help=", ".join(targets))
    parser.add_argument("--module", default="", help="only modules with this in their path")
    parser.add_argument("--show", action="store_true", help="show those that live")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.target) - targets.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    sources = [source for name in asked.target or targets for source in targets[name]]
    trials = Trials(ROOT, load_files([source for source in sources if asked.module in source]))
    tests = list_test_files(ROOT, frozenset(file.source for file in trials.files))
    trials.start()
    pytest.main(["-n0", "-q", "-s", "-p", "no:cacheprovider", *tests], plugins=[trials])
    if len(trials.outcomes) < len(trials.files):
        return 2
    lines = list(summarize(trials, asked.show))
    print("\n".join(lines))
    return int(any("below" in line for line in lines))
