"""The layout of the repository: what tests share stands in modules that are no tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LONG_FILES, TESTS
from tools.mutation_testing.selection import walk_statements

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bench", "core", "sandbox", "tests", "tools")
MODULES = sorted(
    path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")
)
TEST_MODULES = {path.with_suffix("").parts for path in MODULES if path.name.startswith("test_")}


def list_imported_modules(source: str) -> Iterator[tuple[str, ...]]:
    """The dotted paths, split, of every name that a module imports."""
    for node in walk_statements(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            module = tuple(node.module.split("."))
            yield module
            yield from ((*module, alias.name) for alias in node.names)


def test_the_repository_has_test_modules() -> None:
    assert len(TEST_MODULES) > 100


@pytest.mark.parametrize(
    "line", ["import a.test_b", "from a.test_b import c", "from a import test_b"]
)
def test_every_form_of_an_import_is_recognized(line: str) -> None:
    assert ("a", "test_b") in list_imported_modules(line)


def test_nothing_is_imported_from_a_test_module() -> None:
    sources = {path: (ROOT / path).read_text(encoding="utf-8") for path in MODULES}
    imports = {
        str(path): sorted(
            ".".join(module) for module in list_imported_modules(source) if module in TEST_MODULES
        )
        for path, source in sources.items()
        # To read all of them takes seconds.
        if "test_" in source
    }
    assert {path: modules for path, modules in imports.items() if modules} == {}


def test_the_files_that_begin_first_are_there() -> None:
    assert [name for name in LONG_FILES if not (TESTS / name).exists()] == []


def list_packages(root: Path) -> set[str]:
    """The folders below a root that hold Python, each with its path below that root."""
    return {
        path.parent.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if path.name != "__init__.py"
    } - {"."}


def test_the_unit_tests_mirror_the_packages_of_core() -> None:
    packages, tested = list_packages(ROOT / "core"), list_packages(ROOT / "tests" / "unit")
    # A folder that only holds packages has a place for tests too.
    assert tested <= packages | {name.partition("/")[0] for name in packages}
    # What is below the first level may be tested by the tests of its package.
    assert {name for name in packages if "/" not in name} <= tested | {
        name.partition("/")[0] for name in tested
    }
