"""Which tests can say anything about a module: those whose imports lead to it.

A guard's are those that import it themselves. Of any other package they are its own tests and those
of guards, which lean on it; most others start an app, and say little about one part of it. For the
same reason imports are not followed beyond `core.config`, which lists all guards.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

BEYOND = ("core.api", "core.bootstrap", "core.cli", "core.config", "core.doctor", "core.jobs")

# Where a node holds statements, or what holds them in turn.
STATEMENT_FIELDS = ("body", "orelse", "finalbody", "handlers", "cases")


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
        stem = root / name.replace(".", "/")
        source = (
            stem.with_suffix(".py") if stem.with_suffix(".py").exists() else stem / "__init__.py"
        )
        waiting += list_imported_modules(root, source)
    return frozenset(name for name in reached if name.startswith("core."))


@cache
def list_imported_modules(root: Path, path: Path) -> tuple[str, ...]:
    """The modules of core and of the tests' support that a file imports."""
    return tuple(find_imports(root, ast.parse(path.read_text(encoding="utf-8"))))


def find_imports(root: Path, tree: ast.Module) -> Iterator[str]:
    """The project's modules that are imported anywhere in a tree."""
    names: list[str] = []
    for node in walk_statements(tree):
        if isinstance(node, ast.Import):
            names += [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
    for name in names:
        stem = root / name.replace(".", "/")
        if name.startswith(("core.", "tests.support.")) and (
            stem.with_suffix(".py").exists() or (stem / "__init__.py").exists()
        ):
            yield name


def walk_statements(tree: ast.AST) -> Iterator[ast.AST]:
    """A tree and all statements in it; expressions, most of any tree, hold none."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for field in STATEMENT_FIELDS:
            waiting += getattr(node, field, ())
