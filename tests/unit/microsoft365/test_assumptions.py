"""The register and the code hold each other: no assumption without a user, no user without one."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import core
from core.config.catalog import CATALOG
from core.config.settings import list_settings
from core.microsoft365.assumptions.assumption import EVERY_GUARD
from core.microsoft365.assumptions.register import ASSUMPTIONS, ASSUMPTIONS_BY_ID
from core.model.findings import Verdict
from sandbox.reality.profile import FACTS

ROOT = Path(__file__).resolve().parents[3]
# Templates and the function app cannot declare a tuple: a comment names what they rely on.
NAMED_IN_COMMENTS = re.compile(r"(?://|#) Relies on ([a-z0-9 ,-]+)\.")
COMMENTED_FILES = ("function_app.py", "infra/*.bicep", "azure.yaml")


def list_declared_ids() -> Iterator[tuple[str, str]]:
    """Each module with the ids in its `RELIES_ON`."""
    for found in pkgutil.walk_packages(core.__path__, "core."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for assumption in getattr(module, "RELIES_ON", ()):
            yield found.name, getattr(assumption, "id", assumption)


def list_commented_ids() -> Iterator[tuple[str, str]]:
    """Each file with the ids that its comments name."""
    for pattern in COMMENTED_FILES:
        for path in ROOT.glob(pattern):
            for names, _ in find_commented_code(path.read_text(encoding="utf-8")):
                yield from ((path.name, name.strip()) for name in names.split(","))


def find_commented_code(text: str) -> Iterator[tuple[str, str]]:
    """The ids that each comment names, with the line of code that it stands above, if any."""
    for found in NAMED_IN_COMMENTS.finditer(text):
        below = (line.strip() for line in text[found.end() :].splitlines()[1:])
        first = next((line for line in below if not line.startswith(("//", "#", "@"))), "")
        yield found[1], first


def list_names_outside_declarations(module: str) -> set[str]:
    """The names that a module uses, but for its imports and its `RELIES_ON`."""
    path = Path(str(importlib.import_module(module).__file__))
    return {
        node.id
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if not (
            isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "RELIES_ON"
        )
        for node in ast.walk(statement)
        if isinstance(node, ast.Name)
    }


USES = (*list_declared_ids(), *list_commented_ids())


def test_ids_are_unique_and_spell_their_subject() -> None:
    assert len(ASSUMPTIONS_BY_ID) == len(ASSUMPTIONS) > 100
    for one in ASSUMPTIONS:
        assert re.fullmatch(
            r"(activity|exchange|graph|write|azure|teams|channel)-[a-z0-9-]{3,40}", one.id
        ), one.id


def test_code_names_no_unknown_assumption() -> None:
    assert {use for use in USES if use[1] not in ASSUMPTIONS_BY_ID} == set()


def test_every_assumption_is_relied_on() -> None:
    assert ASSUMPTIONS_BY_ID.keys() - {assumption for _, assumption in USES} == set()


def test_a_comment_stands_above_the_code_that_relies_on_what_it_names() -> None:
    for pattern in COMMENTED_FILES:
        for path in ROOT.glob(pattern):
            for names, below in find_commented_code(path.read_text(encoding="utf-8")):
                assert re.match(r"[a-zA-Z]", below), f"{path.name}: {names}"
    assert list(find_commented_code("// Relies on azure-timers.\n\n// the end\n")) == [
        ("azure-timers", "")
    ]


def test_what_relies_on_an_assumption_is_code_that_reads_writes_judges_or_tells() -> None:
    """Neither the register nor the probe relies on a fact: they declare it and ask about it."""
    packages = {use.split(".")[1] for use, _ in USES if use.startswith("core.")}
    assert packages <= {
        "activity",
        "adapters",
        "api",
        "config",
        "engine",
        "guards",
        "jobs",
        "microsoft365",
        "notifications",
    }
    for use, assumption in USES:
        assert ".assumptions" not in use, assumption
        assert ".probe" not in use, assumption


def test_an_assumption_with_ways_is_used_where_it_is_relied_on_to_choose_one() -> None:
    """A name in `RELIES_ON` alone steers nothing."""
    for assumption in ASSUMPTIONS:
        if not assumption.ways:
            continue
        users = [module for module, one in USES if one == assumption.id]
        chosen = [
            module
            for module in users
            if {
                name
                for name, value in vars(importlib.import_module(module)).items()
                if value is assumption
            }
            & list_names_outside_declarations(module)
        ]
        assert chosen, assumption.id


def test_no_module_names_an_assumption_twice() -> None:
    assert len(USES) == len(set(USES))


def test_what_depends_on_an_assumption_exists() -> None:
    guards = {config.guard.name for config in CATALOG}
    verdicts = {str(one) for one in Verdict}
    verdicts |= {str(name) for config in CATALOG for name in config.guard.verdicts}
    settings = {entry.name for entry in list_settings()}
    for one in ASSUMPTIONS:
        assert one.depends.guards == EVERY_GUARD or set(one.depends.guards) <= guards, one.id
        assert set(one.depends.verdicts) <= verdicts, one.id
        assert set(one.depends.settings) <= settings, one.id
        assert re.fullmatch(r"20\d\d(-[01]\d)?", one.dated), one.id
        for text in (one.assumed, one.otherwise):
            assert text.endswith("."), one.id


def test_the_runbook_tells_what_to_do_about_probed_assumptions_alone() -> None:
    text = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    table = text[text.index("| assumption | what it means") : text.index("| any other |")]
    named = {
        name
        for row in table.splitlines()[2:]
        for name in re.findall(r"`([a-z0-9-]+)`", row.split("|")[1])
    }
    assert named <= {one.id for one in ASSUMPTIONS if one.is_probed}
    steered = {one.id for one in ASSUMPTIONS if one.ways and one.is_probed}
    assert steered <= named


def test_the_sandbox_plays_only_facts_of_the_register() -> None:
    assert FACTS.keys() <= ASSUMPTIONS_BY_ID.keys()
