"""Which mutants the type checker refuses: those could never be merged and are not counted.

All mutants of a module are checked at once: each function is followed by its mutants under names of
their own, in a copy that the checker reads in place of the module.
"""

import ast
import json
import subprocess
import sys
import textwrap
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.mutation_testing.changes import Change, list_functions


def find_refused(
    changes: Mapping[str, tuple[ast.Module, Sequence[Change]]], root: Path, made_in: Path
) -> dict[str, frozenset[int]]:
    """The indices of the refused changes by source file, of the changes of some source files."""
    starts: dict[str, list[tuple[int, int | None]]] = {}
    shadows: list[str] = []
    for source, (tree, listed) in changes.items():
        text, starts[source] = write_with_mutants((root / source).read_text(), tree, listed)
        shadow = made_in / "type_check" / source
        shadow.parent.mkdir(parents=True, exist_ok=True)
        shadow.write_text(text)
        shadows += ["--shadow-file", source, str(shadow)]
    found = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--output=json", "--no-warn-unused-ignores"),
            *(f"--cache-dir={made_in / 'type_check' / 'cache'}", *shadows, *changes),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode not in (0, 1):
        raise SystemExit(f"mypy failed: {found.stdout}{found.stderr}")
    refused: dict[str, set[int]] = {source: set() for source in changes}
    for line in found.stdout.splitlines():
        error = json.loads(line)
        if error["severity"] != "error" or error["file"] not in starts:
            continue
        places = starts[error["file"]]
        place = bisect_right(places, error["line"], key=lambda one: one[0]) - 1
        number = places[place][1]
        if number is None:
            raise SystemExit(f"mypy refuses what is no mutant: {line}")
        refused[error["file"]].add(number)
    return {source: frozenset(numbers) for source, numbers in refused.items()}


def write_with_mutants(
    text: str, tree: ast.Module, changes: Sequence[Change]
) -> tuple[str, list[tuple[int, int | None]]]:
    """The source with all mutants of each function behind it, and whose each line is.

    Returns with it the first line of each piece and the index of its change; None: of the source.
    """
    lines = text.splitlines()
    rows: list[str] = []
    starts: list[tuple[int, int | None]] = []
    done = 0
    functions = sorted(list_functions(tree), key=lambda one: one[1].lineno)
    for name, function in functions:
        end = function.end_lineno or function.lineno
        starts.append((len(rows) + 1, None))
        rows += lines[done:end]
        done = end
        for number, change in enumerate(changes):
            if change.place.function != name:
                continue
            kept = function.name
            with change.made():
                function.name = f"{kept}__mutant_{number}"
                written = ast.unparse(function)
            function.name = kept
            starts.append((len(rows) + 1, number))
            rows += textwrap.indent(written, " " * function.col_offset).splitlines()
    starts.append((len(rows) + 1, None))
    rows += lines[done:]
    return "\n".join(rows) + "\n", starts
