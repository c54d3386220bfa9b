"""One mutant's tests in a process of their own: `python -m tools.mutation_testing.fresh_trial
SOURCE TEST …`, with the changed source on standard input. It ends with 1 when a test fails.
"""

import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType

import pytest

from tools.mutation_testing.selection import name_module


@dataclass(frozen=True, slots=True)
class ChangedModule:
    """Finds and loads the one module whose source was changed."""

    name: str
    path: str
    source: bytes

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """What the import system asks for every module that is not loaded yet."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """None: an ordinary module will do."""
        return None

    def load_module(self, fullname: str) -> ModuleType:
        """Not asked for by today's import system, which has `exec_module`."""
        raise ImportError(fullname)

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        exec(compile(self.source, self.path, "exec"), module.__dict__)  # noqa: S102


def main() -> int:
    """Run the tests with the changed module."""
    source, *tests = sys.argv[1:]
    sys.meta_path.insert(0, ChangedModule(name_module(source), source, sys.stdin.buffer.read()))
    return int(pytest.main(["-n0", "-x", "-q", "-p", "no:cacheprovider", "--timeout=60", *tests]))


if __name__ == "__main__":
    sys.exit(main())
