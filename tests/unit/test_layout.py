"""The layout of the repository: what tests share stands in modules that are no tests."""

from pathlib import Path

import pytest

from tests.conftest import LONG_FILES, TESTS
from tools.mutation_testing.selection import find_imports

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bench", "core", "sandbox", "tests", "tools")


def list_modules() -> list[Path]:
    """Every source file of Python, by its path in the repository."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found)


@pytest.mark.parametrize(
    "lines",
    [
        "import a.test_b",
        "import c, a.test_b as d",
        "from a.test_b import c",
        "from a import test_b",
        "from a import c, test_b as d",
        "if True:\n    from a import (\n        c as d,  # why (not)\n        test_b,\n    )\n",
    ],
)
def test_every_form_of_an_import_is_recognized(lines: str) -> None:
    assert "a.test_b" in find_imports(lines)
    assert not any(name in {"d", "a.d"} for name in find_imports(lines))


def test_nothing_is_imported_from_a_test_module() -> None:
    modules = list_modules()
    tests = {
        ".".join(path.with_suffix("").parts) for path in modules if path.name.startswith("test_")
    }
    assert len(tests) > 100
    imports = {
        str(path): sorted(tests & set(find_imports((ROOT / path).read_text("utf-8"))))
        for path in modules
    }
    assert {path: names for path, names in imports.items() if names} == {}


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
