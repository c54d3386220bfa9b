"""Each guard declares its own verdicts, with a sentence that explains each on the pages."""

import re
from pathlib import Path
from typing import Any

import pytest

from core.config.catalog import CATALOG
from core.microsoft365.cis_benchmark import CONTROLS
from core.model.findings import Verdict
from core.model.guards import Guard
from core.web.glossary import describe_verdict

GUARDS = [config.guard for config in CATALOG]
CORE = Path(__file__).resolve().parent.parent.parent.parent / "core"
GUARDS_DIRECTORY = CORE / "guards"
WATCHED_DIRECTORY = CORE / "watched"


def read_source(guard: Guard[Any]) -> str:
    """All modules of a guard as one text, with those that judge watched collections for it."""
    name = guard.name.replace("-", "_")
    modules = [GUARDS_DIRECTORY / f"{name}.py", *sorted((GUARDS_DIRECTORY / name).glob("*.py"))]
    source = "".join(path.read_text("utf-8") for path in modules if path.exists())
    if not re.search(r"\b(?:build_watched_guard|make_observer|compare_collection)\b", source):
        return source
    watched = sorted(WATCHED_DIRECTORY.glob("*.py"))
    return source + "".join(path.read_text("utf-8") for path in watched)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: str(guard.name))
def test_a_verdict_is_a_short_word_with_a_sentence_and_none_of_the_engine(
    guard: Guard[Any],
) -> None:
    for word, text in guard.verdicts.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+){0,2}", word)
        assert re.fullmatch(r"[^.]{10,100}", text)
    assert guard.verdicts.keys().isdisjoint(Verdict)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: str(guard.name))
def test_a_guard_gives_exactly_the_verdicts_it_declares(guard: Guard[Any]) -> None:
    source = read_source(guard)
    members = dict(re.findall(r'^    ([A-Z_]+) = "([a-z-]+)"$', source, re.MULTILINE))
    given = set(re.findall(r"\b[A-Z][A-Za-z]+Verdict\.([A-Z_]+)\b(?!: \"[a-z])", source))
    assert {members[name] for name in given} == set(guard.verdicts)


def test_the_sentence_of_a_verdict_is_the_guards_and_an_unknown_word_stands_for_itself() -> None:
    guards = {guard.name: guard for guard in GUARDS}
    forwarding, delegation = guards["mailbox-forwarding"], guards["mailbox-delegation"]
    assert describe_verdict(forwarding, "external") == "mail leaves the organization"
    assert describe_verdict(delegation, "external").endswith("has rights over a mailbox")
    assert describe_verdict(delegation, "refused").startswith("the tenant refused the change")
    assert describe_verdict(delegation, "of-another-version") == "of-another-version"


def test_the_controls_name_verdicts_that_their_guard_gives() -> None:
    known = {guard.name: {*guard.verdicts, *Verdict} for guard in GUARDS}
    named = [
        (guard, verdict)
        for guard, controls in CONTROLS.items()
        for control in controls
        for scope in control.scopes
        for verdict in scope.verdicts
    ]
    assert named
    assert [(guard, word) for guard, word in named if word not in known[guard]] == []
