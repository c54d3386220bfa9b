"""`make mutants` mutates, type-checks and counts the same modules, and knows every judge."""

import ast
import gc
import re
import time
import tomllib

import pytest

from core.guards.mailbox_audit.memory import parse_letters
from core.look_alikes import strip_hidden
from core.microsoft365.known_apps import load_abused_apps
from tools.docs_gen.documents import ROOT
from tools.mutation_testing import judges, with_mutmut
from tools.mutation_testing.changes import list_changes, list_function_changes, list_functions
from tools.mutation_testing.forks import run_in_fork
from tools.mutation_testing.selection import list_test_files, name_module
from tools.mutation_testing.trials import find_caches, find_functions
from tools.mutation_testing.type_check import write_with_mutants

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]


def test_what_is_mutated_is_type_checked_and_counted() -> None:
    counted = {source for sources in with_mutmut.TARGETS.values() for source in sources}
    checked = {word for word in SETTINGS["type_check_command"] if word.endswith(".py")}
    assert set(SETTINGS["only_mutate"]) == checked == counted
    assert all((ROOT / source).exists() for source in counted)


def test_every_equivalent_mutant_is_of_a_function_that_exists() -> None:
    for function, _ in with_mutmut.load_equivalents():
        path, _, name = function.partition("xǁ") if "xǁ" in function else function.partition("x_")
        source = ROOT / f"{path.rstrip('.').replace('.', '/')}.py"
        defined = re.findall(r"def (\w+)[\[(]", source.read_text(encoding="utf-8"))
        assert name.rpartition("ǁ")[2] in defined, function


def test_every_module_of_every_guard_is_a_target() -> None:
    targets = judges.list_targets()
    sources = {source for found in targets.values() for source in found}
    guards = {str(path.relative_to(ROOT)) for path in (ROOT / "core" / "guards").rglob("*.py")}
    assert guards - sources == {"core/guards/__init__.py"}
    assert all((ROOT / source).exists() for source in sources)


@pytest.mark.parametrize("target", sorted(judges.list_targets()))
def test_every_target_has_tests_that_import_it(target: str) -> None:
    assert list_test_files(ROOT, frozenset(judges.list_targets()[target]))


def test_what_guards_lean_on_can_be_tried_with_its_own_tests_alone() -> None:
    sources = frozenset(judges.list_targets()["look_alikes"])
    alone = list_test_files(ROOT, sources, alone=True)
    assert alone == ["tests/unit/test_look_alikes.py"]
    assert set(alone) < set(list_test_files(ROOT, sources))


def test_every_equivalent_mutant_of_a_judge_can_still_be_made() -> None:
    listed = judges.load_equivalents()
    functions = {function for function, _, _ in listed}
    made: set[tuple[str, str, str]] = set()
    for source in {one for found in judges.list_targets().values() for one in found}:
        module = name_module(source)
        if any(function.startswith(f"{module}.") for function in functions):
            for name, function in list_functions(ast.parse((ROOT / source).read_text("utf-8"))):
                if f"{module}.{name}" in functions:
                    made |= {
                        (f"{module}.{name}", *change.describe())
                        for change in list_function_changes(name, function)
                    }
    assert listed.keys() - made == set()


SAMPLE = '''
class Judge:
    def rate(self, size: int, names: list[str]) -> Severity | None:
        """Says how grave it is."""
        if size >= 3 and any(name for name in names if name != "x"):
            return Severity.HIGH
        return None
'''


def test_the_changes_of_a_function_are_those_that_alter_what_it_decides() -> None:
    tree = ast.parse(SAMPLE)
    changes = list(list_changes(tree))
    made = {becomes for _, becomes in (change.describe() for change in changes)}
    assert {change.place.function for change in changes} == {"Judge.rate"}
    condition = "any((name for name in names if name != 'x'))"
    assert made == {
        f"size >= 3 or {condition}",
        "size >= 3",
        condition,
        f"size > 3 and {condition}",
        f"size < 3 and {condition}",
        f"size >= 4 and {condition}",
        condition.replace("any", "all"),
        "for name in names",
        "for name in names if name == 'x'",
        "for name in names if name != 'XXxXX'",
        "return None",
        "return Severity.MEDIUM",
    }
    # Each is taken back: the tree is what it was.
    assert ast.dump(tree) == ast.dump(ast.parse(SAMPLE))


def test_the_type_checker_reads_every_mutant_behind_the_function_it_is_of() -> None:
    tree = ast.parse(SAMPLE)
    changes = list(list_changes(tree))
    text, starts = write_with_mutants(SAMPLE, tree, changes)
    functions = ast.parse(text).body[0]
    assert isinstance(functions, ast.ClassDef)
    names = [one.name for one in functions.body if isinstance(one, ast.FunctionDef)]
    assert names == ["rate", *(f"rate__mutant_{index}" for index in range(len(changes)))]
    lines = text.splitlines()
    for line, index in starts:
        if index is not None:
            assert f"rate__mutant_{index}(" in lines[line - 1]


def test_what_the_collector_leaves_alone_can_be_changed_all_the_same() -> None:
    path = str(ROOT / "core" / "look_alikes.py")
    gc.freeze()
    found = find_functions({path})
    gc.freeze()
    assert found[path, "strip_hidden"] == [strip_hidden]


def test_what_a_guard_keeps_for_an_argument_is_forgotten_and_no_table_is() -> None:
    folders = {ROOT / "core" / "guards" / "mailbox_audit", ROOT / "core" / "microsoft365"}
    found = find_caches(folders)
    assert parse_letters.cache_clear in found
    assert load_abused_apps.cache_clear not in found
    assert load_abused_apps.cache_clear in find_caches()


def test_tests_that_a_busy_machine_keeps_waiting_notice_no_mutant() -> None:
    assert run_in_fork(lambda: time.sleep(0.3), [], 0.2).in_time


def test_tests_that_compute_without_an_end_are_ended() -> None:
    def spin() -> None:
        while True:
            pass

    assert not run_in_fork(spin, [], 0.2).in_time
