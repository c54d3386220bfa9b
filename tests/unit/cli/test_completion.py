"""What a shell completes, and that it never prints a sentence or a text of the tenant."""

import json
from collections.abc import Mapping

import pytest

from core.cli.api_client import ApiResponse
from core.cli.words import CASE_ANSWERS, CASE_STATES, GUARD_NAMES, SEVERITY_LABELS
from core.model.findings import Severity
from tests.support.local_app import GUARD_NAME, LocalApp, build_open_case

HOSTILE = "$(touch /tmp/x)`id`'; rm \"x"


def complete(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    app: LocalApp,
    line: str,
    shell: str = "bash",
) -> list[str]:
    """What a shell is told at the end of a line."""
    words = line.split(" ")
    variables: Mapping[str, str] = {
        "_EXO_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    app.environ |= {"EXOGUARD_PROGRAM": "exo"}
    with pytest.raises(SystemExit) as end:
        app.run_command(*words[1:])
    assert end.value.code == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("exo run ", GUARD_NAMES),
        ("exo cases --guard ", GUARD_NAMES),
        ("exo cases --severity ", SEVERITY_LABELS),
        ("exo cases --state ", CASE_STATES),
        ("exo cases --answer ", CASE_ANSWERS),
        ("exo export --format ", ("jsonl", "csv")),
        ("exo run mailbox-audit --mode ", ("alert",)),
    ],
)
def test_words_of_the_api_are_completed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    known: tuple[str, ...],
) -> None:
    assert set(complete(monkeypatch, capsys, LocalApp(), line)) == set(known)
    first = known[0]
    assert first in complete(monkeypatch, capsys, LocalApp(), line + first[:3])
    assert complete(monkeypatch, capsys, LocalApp(), f"{line}zz") == []


@pytest.mark.parametrize("command", ["case", "acknowledge", f"exempt {GUARD_NAME}"])
def test_open_cases_are_completed_for_what_takes_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    app = LocalApp()
    shown, other = build_open_case(1), build_open_case(2)
    app.save_rows(shown, other)
    found = complete(monkeypatch, capsys, app, f"exo {command} ")
    assert set(found) == {shown.short_key, other.short_key}
    assert complete(monkeypatch, capsys, app, f"exo {command} {shown.short_key[:5]}") == [
        shown.short_key
    ]


def test_a_second_case_is_completed_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = LocalApp()
    app.save_rows(build_open_case(1), build_open_case(2))
    line = f"exo acknowledge {build_open_case(1).short_key} "
    assert build_open_case(2).short_key in complete(monkeypatch, capsys, app, line)


def test_no_text_of_the_tenant_reaches_a_shell_that_evaluates_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = LocalApp()
    app.save_rows(build_open_case(subject=HOSTILE, summary=HOSTILE, severity=Severity.CRITICAL))
    text = " ".join(complete(monkeypatch, capsys, app, "exo case ", "zsh"))
    assert build_open_case().short_key in text
    assert f"critical {GUARD_NAME}" in text
    assert "touch" not in text


@pytest.mark.parametrize(
    "row",
    [
        {"short": HOSTILE, "guard": GUARD_NAME, "severity": "high"},
        {"short": "0badcafe", "guard": HOSTILE, "severity": "high"},
        {"short": "0badcafe", "guard": GUARD_NAME, "severity": HOSTILE},
        {"guard": GUARD_NAME},
    ],
)
def test_a_row_of_a_forged_answer_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], row: dict[str, str]
) -> None:
    app = LocalApp()
    body = json.dumps({"cases": [row]}).encode()
    app.canned_replies["/api/cases.json"] = ApiResponse(200, body)
    assert complete(monkeypatch, capsys, app, "exo case ") == []


def test_nothing_is_printed_where_the_cases_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = LocalApp(is_terminal=True)
    for reply in (ApiResponse(500, b""), ApiResponse(200, b"<html>"), ApiResponse(200, b"{}")):
        app.canned_replies["/api/cases.json"] = reply
        assert complete(monkeypatch, capsys, app, "exo case ") == []
    assert app.prompts == []
