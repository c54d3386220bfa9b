"""Trying mutants: one process collects the tests once, and each mutant is tried in a fork of it.

The fork changes the code of the one function and runs the tests that come by the changed lines,
the quickest first, until one fails. A function that ran while the modules were imported has left
its results behind in constants; its mutants are tried in a process of their own, which imports the
changed module.
"""

import ast
import functools
import gc
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from tools.mutation_testing.changes import Change
from tools.mutation_testing.forks import run_in_fork, run_test

MIN_SECONDS = 10.0
"""How long the tests of a mutant may take at least."""
SLOWER = 20
"""How many times as long as without a change they may take."""
START_SECONDS = 60.0
"""How long a process of its own may take besides."""
QUICK_SECONDS = 0.1
"""Tests as quick as this that have noticed mutants before are run first."""
MAX_TRIAL_SECONDS = 2.0
"""So much time, as tests take it without a change, is spent on a mutant that no test notices."""
TOOL = sys.monitoring.COVERAGE_ID


class Outcome(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"
    UNREACHED = "unreached"
    """No test comes by the changed lines."""
    REFUSED = "refused"
    """The type checker refuses it."""


@dataclass(frozen=True, slots=True)
class MutatedFile:
    """A source file with what can be changed in it."""

    source: str
    """Its path from the project's folder."""
    path: str
    """Where it is loaded from."""
    tree: ast.Module
    changes: Sequence[Change]
    refused: frozenset[int]
    """The indices of the changes that the type checker refuses."""


type Report = Callable[[MutatedFile, Sequence[Outcome]], None]
"""What is told of each source file once its mutants were tried."""


@dataclass(slots=True)
class Trials:
    """A plugin of pytest that runs the tests it collects once, and then tries the mutants."""

    root: Path
    files: Sequence[MutatedFile]
    report: Report
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    """What became of the mutants of each source file."""
    ran_at_import: set[tuple[str, str]] = field(default_factory=set)
    """Path and qualified name of the functions that ran while modules were imported."""
    tests_by_line: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    """The indices of the tests that come by a line of a path."""
    seconds: list[float] = field(default_factory=list)
    """How long each test took."""
    kills: Counter[int] = field(default_factory=Counter)
    """How many mutants each test has noticed."""
    functions: Mapping[tuple[str, str], list[FunctionType]] = field(default_factory=dict)
    caches: list[Callable[[], None]] = field(default_factory=list)
    """What forgets the results that functions keep."""

    def start(self) -> None:
        """Note from now on which functions run before the first test does."""
        paths = {file.path for file in self.files}

        def note_start(code: CodeType, offset: int) -> object:
            if code.co_filename in paths:
                name = code.co_qualname.partition(".<locals>")[0]
                self.ran_at_import.add((code.co_filename, name))
            return sys.monitoring.DISABLE

        sys.monitoring.use_tool_id(TOOL, "mutants")
        sys.monitoring.register_callback(TOOL, sys.monitoring.events.PY_START, note_start)
        sys.monitoring.set_events(TOOL, sys.monitoring.events.PY_START)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running the tests: all once, then those of each mutant."""
        sys.monitoring.set_events(TOOL, sys.monitoring.events.NO_EVENTS)
        if session.testsfailed:
            raise session.Interrupted("the tests could not be collected")
        self.functions = find_functions({file.path for file in self.files})
        self.run_all(session.items)
        self.caches = find_caches()
        # The forks share the pages of what is not counted through any more.
        gc.freeze()
        for file in self.files:
            self.outcomes[file.source] = [
                Outcome.REFUSED
                if index in file.refused
                else self.try_change(session.items, file, change)
                for index, change in enumerate(file.changes)
            ]
            self.report(file, self.outcomes[file.source])
        return True

    def run_all(self, items: Sequence[pytest.Item]) -> None:
        """Run every test without a change, and note which lines each comes by."""

        def note_line(code: CodeType, line: int) -> object:
            reached = self.tests_by_line.setdefault((code.co_filename, line), set())
            reached.add(len(self.seconds))
            return sys.monitoring.DISABLE

        events = sys.monitoring.events
        sys.monitoring.register_callback(TOOL, events.LINE, note_line)
        for found in self.functions.values():
            for code in (code for function in found for code in list_codes(function.__code__)):
                sys.monitoring.set_local_events(TOOL, code, events.LINE)
        kept = find_caches({Path(file.path).parent for file in self.files})
        for item, following in zip(items, [*items[1:], None], strict=True):
            # A result that another test has left behind would hide the lines it comes from.
            for forget in kept:
                forget()
            sys.monitoring.restart_events()
            # A busy machine makes tests wait; what they compute stays the same.
            started = time.process_time()
            if run_test(item, following):
                raise SystemExit(f"{item.nodeid} fails without any change")
            self.seconds.append(time.process_time() - started)
        sys.monitoring.free_tool_id(TOOL)

    def try_change(
        self, items: Sequence[pytest.Item], file: MutatedFile, change: Change
    ) -> Outcome:
        """Run the tests that come by a change, with it made."""
        reached = frozenset[int]().union(
            *(self.tests_by_line.get((file.path, line), ()) for line in change.place.lines)
        )
        outcome = Outcome.UNREACHED
        if reached:
            outcome = self.try_forked(items, file, change, self.sort_tests(reached))
        is_alive = outcome in (Outcome.UNREACHED, Outcome.SURVIVED)
        if is_alive and (file.path, change.place.function) in self.ran_at_import:
            # What it left behind shows in tests that do not come by it.
            near = frozenset[int]().union(
                *(tests for (path, _), tests in self.tests_by_line.items() if path == file.path)
            )
            chosen = self.sort_tests(near) or range(len(items))
            return self.try_afresh(file, change, [items[one].nodeid for one in chosen])
        return outcome

    def sort_tests(self, tests: Iterable[int]) -> list[int]:
        """Those first that have noticed most, then the quickest, until their time is spent."""

        def rank(test: int) -> tuple[int, float]:
            is_quick = self.seconds[test] < QUICK_SECONDS
            return -self.kills[test] if is_quick else 0, self.seconds[test]

        chosen, spent = list[int](), 0.0
        for test in sorted(tests, key=rank):
            if chosen and spent + self.seconds[test] > MAX_TRIAL_SECONDS:
                break
            chosen.append(test)
            spent += self.seconds[test]
        return chosen

    def try_forked(
        self,
        items: Sequence[pytest.Item],
        file: MutatedFile,
        change: Change,
        tests: Sequence[int],
    ) -> Outcome:
        """Run some tests in a fork in which the function does something else."""
        name = change.place.function
        with change.made():
            changed = find_code(compile(file.tree, file.path, "exec"), name)

        def put_code() -> None:
            for function in self.functions[file.path, name]:
                function.__code__ = changed
            for forget in self.caches:
                forget()

        limit = max(MIN_SECONDS, SLOWER * sum(self.seconds[one] for one in tests))
        result = run_in_fork(put_code, [items[one] for one in tests], limit)
        if not result.in_time:
            return Outcome.TIMEOUT
        if result.failed_test is not None:
            self.kills[tests[result.failed_test]] += 1
        return Outcome.KILLED if result.failed else Outcome.SURVIVED

    def try_afresh(self, file: MutatedFile, change: Change, tests: Sequence[str]) -> Outcome:
        """Run some tests in a process that imports the changed module."""
        with change.made():
            written = ast.unparse(file.tree)
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "tools.mutation_testing.fresh_trial", file.source, *tests],
                input=written.encode(),
                cwd=self.root,
                capture_output=True,
                timeout=START_SECONDS + SLOWER * sum(self.seconds),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome.TIMEOUT
        return Outcome.KILLED if ended.returncode else Outcome.SURVIVED


def list_objects() -> list[object]:
    """All objects that there are, those too that the tests have the collector leave alone."""
    gc.unfreeze()
    return gc.get_objects()


def find_functions(paths: set[str]) -> dict[tuple[str, str], list[FunctionType]]:
    """The functions of some files that exist, by path and qualified name."""
    found: dict[tuple[str, str], list[FunctionType]] = defaultdict(list)
    for one in list_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename in paths:
            found[one.__code__.co_filename, one.__code__.co_qualname].append(one)
    return found


def find_caches(folders: Container[Path] | None = None) -> list[Callable[[], None]]:
    """What forgets the results that functions of core keep: all of them, or those that functions of
    some folders keep for an argument. What takes none is a table that is read once.
    """
    cached = (
        one
        for one in list_objects()
        if isinstance(one, functools._lru_cache_wrapper) and one.__module__.startswith("core.")
    )
    return [
        one.cache_clear
        for one in cached
        if folders is None
        or (
            isinstance(one.__wrapped__, FunctionType)
            and one.__wrapped__.__code__.co_argcount
            and Path(one.__wrapped__.__code__.co_filename).parent in folders
        )
    ]


def list_codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those of the functions inside it."""
    yield code
    for inside in code.co_consts:
        if isinstance(inside, CodeType):
            yield from list_codes(inside)


def find_code(module: CodeType, name: str) -> CodeType:
    """The code of a function in that of its module."""
    return next(code for code in list_codes(module) if code.co_qualname == name)
