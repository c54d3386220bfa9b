"""Which tests can say anything about a module: those whose imports lead to it.

A guard's are those that import it themselves. Of any other package they are its own tests and those
of guards, which lean on it; most others start an app, and say little about one part of it. For the
same reason imports are not followed beyond `core.config`, which lists all guards.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

BEYOND = ("core.api", "core.bootstrap", "core.cli", "core.config", "core.doctor", "core.jobs")

IMPORT = re.compile(r"^ *(?:from ([\w.]+) )?import (\((?:#.*|[^#)])*\)|.*)", re.MULTILINE)


def list_test_files(root: Path, sources: frozenset[str], *, alone: bool = False) -> list[str]:
    """The files of unit tests that import one of some source files, directly or by others.

    `alone`: without those of guards, for what is no part of a guard.
    """
    wanted = {name_module(source) for source in sources}
    leaning = () if alone else ("guards",)
    guards = {".".join(name.split(".")[:3]) for name in wanted if name.startswith("core.guards.")}
    found: list[str] = []
    for path in sorted((root / "tests" / "unit").rglob("test_*.py")):
        named = {".".join(name.split(".")[:3]) for name in list_imported_modules(root, path)}
        others = wanted & find_reached_modules(root, path)
        folder = path.relative_to(root / "tests" / "unit").parts[0]
        near = {one for one in others if folder in (*leaning, one.split(".")[1], path.name)}
        if named & guards or any(not name.startswith("core.guards.") for name in near):
            found.append(str(path.relative_to(root)))
    return found


def name_module(source: str) -> str:
    """A source file's dotted name."""
    return source.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def find_reached_modules(root: Path, path: Path) -> frozenset[str]:
    """All modules of core that a file imports, and those that they import."""
    reached: set[str] = set()
    waiting = list(list_imported_modules(root, path))
    while waiting:
        name = waiting.pop()
        if name in reached or name.startswith(BEYOND):
            continue
        reached.add(name)
        waiting += list_imported_modules(root, find_sources(root)[name])
    return frozenset(name for name in reached if name.startswith("core."))


@cache
def list_imported_modules(root: Path, path: Path) -> tuple[str, ...]:
    """The modules of core and of the tests' support that a file imports."""
    sources = find_sources(root)
    return tuple(name for name in find_imports(path.read_text("utf-8")) if name in sources)


@cache
def find_sources(root: Path) -> dict[str, Path]:
    """The source files of core and of the tests' support, by the names of their modules."""
    return {
        name_module(str(path.relative_to(root))): path
        for folder in (root / "core", root / "tests" / "support")
        for path in folder.rglob("*.py")
    }


def find_imports(source: str) -> Iterator[str]:
    """The dotted names of all that a module's source imports, and of the modules it imports from.

    Taken from the lines that begin as imports do, where the linter and the layout keep them: to
    parse the source takes thirteen times as long. A text that holds source counts too.
    """
    for origin, listed in IMPORT.findall(source):
        if origin:
            yield origin
        for name in re.findall(r"[\w.]+", re.sub(r"#.*| as \w+", "", listed)):
            yield f"{origin}.{name}" if origin else name
