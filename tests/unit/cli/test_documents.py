"""Documents and pages name only commands, options and addresses that exist."""

import re
from pathlib import Path

import pytest

from core.cli.local_client import match_route
from tests.support.status_samples import build_busy_tenant, build_hostile_tenant
from tools.docs_gen.cli_samples import COMMAND_NAMES, render_command

ROOT = Path(__file__).resolve().parents[3]
CALLED = re.compile(r"(?:\bexo|python -m core\.cli)((?: --[a-z]+)*) ([a-z]+(?:-[a-z]+)*)\b")
OPTIONS = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        *(f"docs/{name}.md" for name in ("operations", "cli", "a-card-came", "first-week")),
    ],
)
def test_every_command_a_document_names_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = {match[2] for match in CALLED.finditer(text)}
    assert named <= set(COMMAND_NAMES)
    assert named or name == "README.md"


def test_every_option_a_document_names_exists() -> None:
    help_text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").partition("## Every command")
    known = set(OPTIONS.findall(help_text[0] + help_text[2]))
    names = ("operations.md", "a-card-came.md", "first-week.md")
    text = "\n".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in names)
    commands = re.findall(r"(?:^|`)exo [^`\n]*", text, re.MULTILINE)
    assert len(commands) > 5
    assert {option for line in commands for option in OPTIONS.findall(line)} <= known


@pytest.mark.parametrize("words", [("status",), ("cases",), ("changes",), ("requests",)])
def test_hostile_names_on_the_pages_are_harmless_on_a_terminal(words: tuple[str, ...]) -> None:
    text = render_command(build_hostile_tenant(), *words)
    assert text
    strange = {sign for sign in text if not sign.isprintable()} - {"\n"}
    assert strange == set()


def test_a_busy_status_fits_eighty_columns() -> None:
    for words in (("status",), ("cases",), ("requests",)):
        lines = render_command(build_busy_tenant(), *words).splitlines()
        assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/api/status.json", "status-json"),
        ("GET", f"/api/cases/mailbox-audit/{'a' * 32}.json", "case-json"),
        ("GET", "/api/runs/mailbox-audit/x", "run-report"),
        ("POST", "/api/guards/mailbox-audit/exemptions/end", "request-exemption-end"),
        ("POST", "/api/guards/mailbox-audit/exemptions", "request-exemption"),
    ],
)
def test_an_address_finds_its_route_without_a_host(method: str, path: str, name: str) -> None:
    route, parameters = match_route(method, path) or (None, {})
    assert route
    assert route.name == name
    assert all("/" not in value for value in parameters.values())


def test_an_unknown_address_finds_no_route() -> None:
    assert match_route("GET", "/api/nothing") is None
    assert match_route("POST", "/api/status.json") is None
    assert match_route("GET", "/admin/host/keys") is None
