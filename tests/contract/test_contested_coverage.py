"""Every side of every contested fact is played by a test that looks at what the app then does.

Tests of the sandbox itself and of the probe do not count: the one shows that the sandbox plays the
side, the other that the probe finds it out.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sandbox.reality.profile import FACTS

TESTS = Path(__file__).resolve().parents[1]
FOLDERS = ("contract", "integration", "resilience", "unit/adapters", "unit/jobs")
# What asks about a fact or only plays it.
NOT_COUNTED = frozenset({"test_probe.py", "test_probe_combinations.py", Path(__file__).name})


def iter_strings(part: ast.AST) -> Iterator[str]:
    """Yield the string literals of a statement, but for its docstrings. Comments are none."""
    skipped: set[int] = set()
    for node in ast.walk(part):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
    for node in ast.walk(part):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in skipped
        ):
            yield node.value


@cache
def list_statements() -> tuple[frozenset[str], ...]:
    """The string literals of each top-level statement of the tests that count."""
    return tuple(
        frozenset(iter_strings(statement))
        for folder in FOLDERS
        for path in sorted((TESTS / folder).rglob("*.py"))
        if path.name not in NOT_COUNTED
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
    )


def is_played(fact: str, side: str) -> bool:
    """True if a statement has both: a table of sides, or a test with its parameters."""
    return any({fact, side} <= strings for strings in list_statements())


def test_every_side_but_the_default_is_played() -> None:
    sides = {
        (fact.id, side) for fact in FACTS.values() for side in fact.sides if side != fact.default
    }
    assert {one for one in sides if not is_played(*one)} == set()


def test_a_comment_or_a_docstring_plays_nothing() -> None:
    written = '"""exchange-paging refused."""\n# exchange-paging refused\nx = {"a": "b"}\n'
    found = [set(iter_strings(statement)) for statement in ast.parse(written).body]
    assert found == [set(), {"a", "b"}]
