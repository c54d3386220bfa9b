"""The commands that read: complete output, no control characters, within 80 columns."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import TextIO, cast

import pytest

from core import VERSION
from core.cli.api_client import EXIT_OK, EXIT_PROBLEM, EXIT_UNAVAILABLE, EXIT_USAGE, ApiResponse
from core.cli.formatting import (
    format_age,
    format_time_and_age,
    format_utc,
    parse_deadline,
)
from core.cli.program import EXIT_BROKEN_PIPE, main
from core.cli.session import PipeConsole, Session, open_console
from core.model.cases import Exemption
from core.model.changes import ChangeState
from core.model.findings import Fact, Severity, Verdict
from tests.support.fakes.clock import START
from tests.support.fakes.ledger import DAY
from tests.support.local_app import (
    GUARD_NAME,
    RAISE_AUDIT_AGE_CHANGE,
    LocalApp,
    build_applied_change,
    build_open_case,
)

# Colours, a cleared screen, a window title, a direction override, a line break, markup of rich, a
# link: none of them may take effect on the operator's terminal.
HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]x[/] \u202egnp\r\nfake line\x9b31m [link=http://e]y[/]"
CONTROL_CHARACTERS = ("\x1b", "\x07", "\x9b", "\u202e", "\r")


def build_hostile_app() -> LocalApp:
    """An app whose ledger holds only hostile text."""
    app = LocalApp()
    app.save_rows(
        build_open_case(
            subject=HOSTILE,
            summary=HOSTILE,
            facts=(Fact("", HOSTILE),),
            advice=HOSTILE,
            note=HOSTILE,
            object_id=HOSTILE,
            acknowledged_at=START,
            acknowledged_by=HOSTILE,
        ),
        build_applied_change(subject=HOSTILE, note=HOSTILE, before={HOSTILE: [HOSTILE]}),
    )
    return app


@pytest.mark.parametrize(
    "words",
    [("status",), ("cases",), ("case", build_open_case().short_key), ("changes",), ("requests",)],
)
def test_untrusted_text_cannot_control_the_terminal(words: tuple[str, ...]) -> None:
    app = build_hostile_app()
    app.run_command(
        *("exempt", GUARD_NAME, "an object", "--until", "9d", "--yes", "--wait"),
        *("--why", "[bold]w[/]", "--who", "\u200b[red]me"),
    )
    result = app.run_command(*words)
    assert result.exit_code in (EXIT_OK, EXIT_PROBLEM)
    assert not any(sign in result.out + result.err for sign in CONTROL_CHARACTERS)
    assert "fake line" not in [line.strip() for line in result.out.splitlines()]
    if words != ("status",):
        assert "[red]me" in result.out or "[bold red]x[/]" in result.out


@pytest.mark.parametrize("width", [80, 40])
def test_what_is_printed_fits_the_terminal(width: int) -> None:
    app = build_hostile_app()
    app.width = width
    for words in (("status",), ("cases",), ("case", build_open_case().short_key)):
        lines = app.run_command(*words).out.splitlines()
        assert max(len(line) for line in lines if "·" not in line) <= width


def test_colours_add_no_information() -> None:
    plain, coloured = LocalApp(), LocalApp(is_colored=True, environ={"TERM": "xterm-256color"})
    for app in (plain, coloured):
        app.save_rows(build_open_case(severity=Severity.CRITICAL))
    assert "\x1b[" not in plain.run_command("cases").out
    assert "\x1b[1;31mcritical" in coloured.run_command("cases").out
    assert "critical" in plain.run_command("cases").out


def test_status_exits_with_1_for_an_open_severe_case() -> None:
    app = LocalApp()
    app.save_rows(build_open_case())
    result = app.run_command("status")
    assert result.exit_code == EXIT_PROBLEM
    assert "1 high" in result.out


def override(app: LocalApp, **changes: object) -> LocalApp:
    """Make the status healthy, except for these changes."""
    document = json.loads(app.run_command("status", "--json").out)
    guards = [row | {"health": "ok", "late": False} for row in document["guards"]]
    well = {**document, "health": "ok", "guards": guards, "reasons": [], **changes}
    app.canned_replies["/api/status.json"] = ApiResponse(200, json.dumps(well).encode())
    return app


def test_status_exits_with_0_when_nothing_is_wrong() -> None:
    assert override(LocalApp()).run_command("status").exit_code == EXIT_OK
    assert override(LocalApp(), health="attention").run_command("status").exit_code == EXIT_OK
    for health in ("failing", "off"):
        assert override(LocalApp(), health=health).run_command("status").exit_code == EXIT_PROBLEM


@pytest.mark.parametrize("change", [{"late": True}, {"health": "failing"}])
def test_status_exits_with_1_for_a_late_or_failing_guard(
    change: dict[str, object],
) -> None:
    app = override(LocalApp())
    document = json.loads(app.canned_replies["/api/status.json"].body)
    document["guards"][0] |= change
    app.canned_replies["/api/status.json"] = ApiResponse(200, json.dumps(document).encode())
    result = app.run_command("status")
    assert result.exit_code == EXIT_PROBLEM
    assert ("late" if "late" in change else "failing") in result.out


def test_json_is_the_response_of_the_api_unchanged() -> None:
    app = LocalApp()
    app.save_rows(build_open_case(), build_applied_change())
    body = (
        b'{"cases":  [], "total": 0, "counted": 0, "page": 1, "pages": 1, "unreadable": [], '
        b'"new": "\\u001b"}'
    )
    app.canned_replies["/api/cases.json"] = ApiResponse(200, body)
    assert app.run_command("cases", "--json").out == body.decode() + "\n"
    whole = json.loads(app.run_command("case", build_open_case().key, "--json").out)
    assert (whole["case"], whole["guard"]) == (build_open_case().key, GUARD_NAME)
    assert json.loads(app.run_command("changes", "--json").out)["changes"]


def test_cases_are_filtered() -> None:
    app = LocalApp()
    app.save_rows(
        build_open_case(1),
        build_open_case(2, severity=Severity.LOW),
        build_open_case(3, closed_at=START, resolution="x"),
    )
    assert "box2" in app.run_command("cases", "--severity", "low").out
    assert "box1" not in app.run_command("cases", "--severity", "low").out
    assert "3 cases" in app.run_command("cases", "--state", "all").out
    assert "1 case\n" in app.run_command("cases", "--state", "closed").out
    assert "No cases." in app.run_command("cases", "--guard", "app-consent").out
    for words in (("--severity", "bad"), ("--state", "bad"), ("--guard", "bad"), ("--page", "0")):
        assert app.run_command("cases", *words).exit_code == EXIT_USAGE


def test_a_page_that_the_list_does_not_have_is_not_told_as_no_cases() -> None:
    app = LocalApp()
    app.save_rows(build_open_case(1), build_open_case(2))
    beyond = app.run_command("cases", "--page", "2").out
    assert "No cases" not in beyond
    assert "None on page 2: 2 cases on 1 page" in beyond


def test_cases_that_stand_for_others_are_counted_as_in_the_status() -> None:
    app = LocalApp()
    app.save_rows(build_open_case(1), build_open_case(2, folded_count=40))
    assert "2 cases, which stand for 41" in app.run_command("cases").out
    status = json.loads(app.run_command("status", "--json").out)
    assert status["open"]["all"] == 41
    rows = json.loads(app.run_command("cases", "--json").out)["cases"]
    assert sorted(row["stands_for"] for row in rows) == [1, 40]


def test_a_list_that_lacks_the_cases_of_a_guard_says_so() -> None:
    app = LocalApp()
    app.save_rows(build_open_case(1))
    app.ledger.unreadable_guards.add(GUARD_NAME)
    for words in (("cases",), ("cases", "--json"), ("changes",), ("requests", "--json")):
        result = app.run_command(*words)
        assert result.exit_code == EXIT_UNAVAILABLE
        assert f"cannot be read now of {GUARD_NAME}" in result.err
    assert app.run_command("cases", "--guard", "app-consent").exit_code == EXIT_OK
    sought = app.run_command("case", build_open_case(1).short_key)
    assert sought.exit_code == EXIT_UNAVAILABLE
    assert f"but the state cannot be read of {GUARD_NAME}" in sought.err


def test_decisions_that_somebody_acknowledged_are_counted_apart() -> None:
    app = LocalApp()
    app.save_rows(
        build_open_case(1, verdict=Verdict.ASK),
        build_open_case(2, verdict=Verdict.ASK, acknowledged_at=START, acknowledged_by="Dana"),
    )
    shown = app.run_command("status").out
    assert "Waiting for your decision: 1, and 1 that somebody acknowledged" in shown


def test_cases_are_searched_and_sorted() -> None:
    app = LocalApp()
    app.save_rows(
        build_open_case(1, acknowledged_at=START, acknowledged_by="Dana"),
        build_open_case(2, opened_at=START - 9 * DAY, severity=Severity.LOW),
        build_open_case(3, opened_at=START + DAY, severity=Severity.LOW),
    )
    found = app.run_command("cases", "--about", "BOX2@contoso.com").out
    assert ("box2" in found, "1 case\n" in found) == (True, True)
    assert "No cases." in app.run_command("cases", "--about", "nobody@contoso.com").out
    assert "box1" not in app.run_command("cases", "--answer", "none").out
    assert "1 case\n" in app.run_command("cases", "--answer", "acknowledged").out
    assert "box2" not in app.run_command("cases", "--since", "2026-11-20").out
    newest = app.run_command("cases", "--sort", "newest").out
    assert newest.index("box3") < newest.index("box1") < newest.index("box2")
    for words in (("--since", "soon"), ("--answer", "x"), ("--sort", "x"), ("--about", "x" * 999)):
        result = app.run_command("cases", *words)
        assert (result.exit_code, bool(result.err)) == (EXIT_USAGE, True)


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert LocalApp().run_command().exit_code == EXIT_OK
    bare = capsys.readouterr().out
    assert LocalApp().run_command("--help").exit_code == EXIT_OK
    assert bare == capsys.readouterr().out
    assert "acknowledge" in bare


def test_the_version_needs_no_connection() -> None:
    result = LocalApp(environ={"EXOGUARD_APP": "", "EXOGUARD_KEY": ""}).run_command("--version")
    assert (result.exit_code, result.out) == (EXIT_OK, f"exoguard {VERSION}\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_name_with_signs_that_the_output_does_not_know_ends_nothing(encoding: str) -> None:
    app = LocalApp()
    app.save_rows(build_open_case(1, subject="\u5c71\u7530@contoso.com"), build_open_case(2))
    file = TextIOWrapper(written := BytesIO(), encoding=encoding)
    session = Session(out=open_console(file), client_factory=app.open_client, now=app.clock)
    assert main(["cases"], session) == EXIT_OK
    file.flush()
    out = written.getvalue()
    assert b"\\u5c71\\u7530@contoso.com" in out
    assert b"box2@contoso.com" in out


def test_an_answer_of_another_form_leaves_the_result_unknown() -> None:
    app = LocalApp()
    app.canned_replies["/api/status.json"] = ApiResponse(200, b'{"version": 1, "open": [HOSTILE]}')
    assert app.run_command("status").exit_code == EXIT_UNAVAILABLE
    app.canned_replies["/api/status.json"] = ApiResponse(200, b'{"version": 1, "open": "x"}')
    result = app.run_command("status")
    assert (result.exit_code, "could not be shown" in result.err) == (EXIT_UNAVAILABLE, True)


class ClosedPipe:
    """A stream that nobody reads any more."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Refuse, as the operating system does."""
        raise BrokenPipeError

    def flush(self) -> None:
        """Refuse as well."""
        raise BrokenPipeError

    def isatty(self) -> bool:
        """It is no terminal."""
        return False


@pytest.mark.parametrize("words", [("cases",), ("cases", "--json"), ("changes",), ("--version",)])
def test_a_reader_that_left_is_no_problem_of_the_tenant(words: tuple[str, ...]) -> None:
    app = LocalApp()
    app.save_rows(build_open_case(), build_applied_change())
    err = StringIO()
    session = Session(
        environ={},
        out=PipeConsole(file=cast(TextIO, ClosedPipe())),
        err=PipeConsole(file=err),
        client_factory=app.open_client,
    )
    assert main(words, session) == EXIT_BROKEN_PIPE
    assert err.getvalue() == ""


def test_changes_show_how_to_undo_them_or_why_not() -> None:
    app = LocalApp()
    app.save_rows(
        build_applied_change(1),
        build_applied_change(2, undone_at=START),
        build_applied_change(3, state=ChangeState.FAILED),
        build_applied_change(4, **RAISE_AUDIT_AGE_CHANGE),
        build_applied_change(5, undo_of=build_applied_change(1).id),
        build_applied_change(6, kind="NobodyKnows"),
    )
    out = " ".join(app.run_command("changes").out.split())
    assert f"undo {GUARD_NAME} {build_applied_change(1).id}" in out
    assert out.count("cannot be undone") == 5
    assert "it was taken back on" in out
    assert "it is not in effect: failed" in out
    assert "this version does not know the change" in out
    assert "a lower AuditLogAgeLimit deletes all older records" in out


def test_an_unknown_id_exits_with_2() -> None:
    app = LocalApp()
    for words in (
        ("case", "0badcafe"),
        ("case", "0" * 32),
        ("request", GUARD_NAME, "00000000000000-00000000"),
    ):
        result = app.run_command(*words)
        assert (result.exit_code, result.out) == (EXIT_UNAVAILABLE, "")
    assert app.run_command("request", GUARD_NAME, "x").exit_code == EXIT_USAGE


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (ApiResponse(401, b""), "the key is missing or wrong"),
        (ApiResponse(403, b'{"error": "not you\\u001b"}'), "not you\\u001b"),
        (ApiResponse(404, b"<html>"), "out of date"),
        (ApiResponse(500, b""), "see its log"),
        (ApiResponse(503, b'{"error": "no table"}'), "503: no table (the app is not ready"),
        (ApiResponse(302, b"", {"location": "https://evil.example"}), "not followed"),
        (ApiResponse(200, b"<html>sign in</html>"), "is this the address of an Exoguard app"),
        (ApiResponse(200, b"[" * 100_000), "is this the address of an Exoguard app"),
        (ApiResponse(418, b"{}"), "unexpected status"),
        (ApiResponse(200, b'{"version": 2}'), "a different version"),
    ],
)
def test_an_unsuccessful_response_is_explained_with_a_remedy(
    reply: ApiResponse, words: str
) -> None:
    app = LocalApp(canned_replies={"/api/status.json": reply})
    result = app.run_command("status")
    assert (result.exit_code, result.out) == (EXIT_UNAVAILABLE, "")
    assert words in result.err


def test_the_status_lists_what_is_pending() -> None:
    app = LocalApp()
    app.save_rows(build_open_case())
    app.run_command(
        "exempt", GUARD_NAME, "an object", "--until", "9d", "--why", "w", "--yes", "--wait"
    )
    document = json.loads(app.run_command("status", "--json").out)
    plan = "ab" * 16
    decision = {
        "guard": GUARD_NAME, "kind": "plan", "subject": "changes held", "summary": "40 changes",
        "since": START.isoformat(), "severity": "high", "case": build_open_case().key,
        "acknowledged": False, "plan": plan, "would_change": [], "list_is_exact": True,
    }  # fmt: skip
    document["decisions"] = [decision]
    document["pending_notifications"] = {
        "cases": 2,
        "requests": 1,
        "oldest": (START - DAY).isoformat(),
    }
    app.canned_replies["/api/status.json"] = ApiResponse(200, json.dumps(document).encode())
    out = app.run_command("status").out
    assert f"release {GUARD_NAME} {plan}" in " ".join(out.split())
    assert "Pending notifications: 3, oldest 24 h ago" in out
    assert "an object: w" in " ".join(out.split())


# ----------------------------------------------------------------------------------------------
# Evidence
# ----------------------------------------------------------------------------------------------


def test_an_export_is_written_whole_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    app, file = LocalApp(), tmp_path / "evidence.jsonl"
    app.save_rows(build_open_case())
    result = app.run_command("export", "--from", "2026-11-01", "-o", str(file))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (result.exit_code, result.out) == (EXIT_OK, "")
    assert digest in result.err
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [file]
    assert app.run_command("verify", str(file), "--digest", digest).exit_code == EXIT_OK
    assert app.run_command("verify", str(file), "--digest", "0" * 64).exit_code == EXIT_PROBLEM
    assert app.run_command("verify", str(tmp_path / "none")).exit_code == EXIT_UNAVAILABLE
    last = json.loads(file.read_text().splitlines()[0])
    assert (last["from"], last["to"]) == ("2026-11-01T00:00:00Z", "2026-11-21T00:00:00Z")


def test_an_export_goes_to_standard_output_byte_for_byte(tmp_path: Path) -> None:
    app = LocalApp()
    words = ("export", "--from", "2026-11-01", "--to", "2026-11-02", "--format", "csv", "-o")
    printed = app.run_command(*words, "-")
    app.run_command(*words, str(tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").read_bytes().decode() == printed.out
    assert "\r\n" in printed.out


def test_an_export_damaged_in_transit_is_not_kept(tmp_path: Path) -> None:
    damaged = ApiResponse(200, b"{}\n", {"repr-digest": "sha-256=:AAAA:"})
    app = LocalApp(canned_replies={"/api/export": damaged})
    result = app.run_command("export", "--from", "2026-11-01", "-o", str(tmp_path / "x"))
    assert (result.exit_code, list(tmp_path.iterdir())) == (EXIT_UNAVAILABLE, [])
    assert "damaged in transit" in result.err


def test_an_export_replaces_a_file_only_with_force(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_text("mine")
    words = ("export", "--from", "2026-11-01", "-o", str(file))
    assert LocalApp().run_command(*words).exit_code == EXIT_USAGE
    assert file.read_text() == "mine"
    assert LocalApp().run_command(*words, "--force").exit_code == EXIT_OK
    assert file.read_text() != "mine"
    nowhere = ("export", "--from", "2026-11-01", "-o", str(tmp_path / "no" / "where"))
    assert LocalApp().run_command(*nowhere).exit_code == EXIT_UNAVAILABLE
    for wrong in (("--from", "yesterday"), ("--from", "2026-11-01", "--format", "xml")):
        assert (
            LocalApp().run_command("export", *wrong, "-o", str(tmp_path / "y")).exit_code
            == EXIT_USAGE
        )


# ----------------------------------------------------------------------------------------------
# Doctor and times
# ----------------------------------------------------------------------------------------------


def test_coverage_says_who_tells_of_a_technique_and_what_is_off_here(tmp_path: Path) -> None:
    app = LocalApp()
    shown = app.run_command("coverage", "--technique", "T1114.003")
    assert "(journal-rule)" in shown.out
    assert "Of 1" in shown.out
    layer = tmp_path / "layer.json"
    app.run_command("coverage", "--navigator", str(layer))
    assert json.loads(layer.read_text("utf-8"))["domain"] == "enterprise-attack"
    nowhere = app.run_command("coverage", "--navigator", str(tmp_path / "none" / "layer.json"))
    assert (nowhere.exit_code, "cannot be written" in nowhere.err) == (EXIT_UNAVAILABLE, True)
    assert app.run_command("coverage", "--technique", "T1").exit_code == EXIT_USAGE


def test_doctor_prints_what_core_doctor_prints() -> None:
    app = LocalApp()
    assert "Get-Mailbox" in app.run_command("doctor", "--needs").out
    missing = app.run_command("doctor")
    assert missing.exit_code == EXIT_UNAVAILABLE
    assert "setting   TENANT_ID is missing" in missing.out
    assert "az functionapp config appsettings list" in missing.err
    assert "appsettings list" not in app.run_command("doctor", "--needs").err
    app.environ |= {"TENANT_ID": "t", "CLIENT_ID": "c"}
    assert "appsettings list" not in app.run_command("doctor").err


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(minutes=59), "59 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=3, minutes=59), "3 h"),
        (timedelta(days=40), "40 d"),
    ],
)
def test_durations_are_printed_in_their_largest_unit(length: timedelta, words: str) -> None:
    assert format_age((START - length).isoformat(), START) == f"{words} ago"
    assert format_age((START + length).isoformat(), START) == f"in {words}"


def test_times_are_printed_in_utc_and_invalid_ones_as_a_dash() -> None:
    assert format_utc("2026-11-20T08:00:00+02:00") == "2026-11-20 06:00 UTC"
    assert format_time_and_age("2026-11-20T03:00:00Z", START) == "2026-11-20 03:00 UTC (3 h ago)"
    for none in (None, "", "soon", 7):
        assert (format_utc(none), format_age(none, START), format_time_and_age(none, START)) == (
            "-",
            "-",
            "-",
        )


@pytest.mark.parametrize(
    "text", ["", "d", "x30d", "-1d", "99999d", "soon", "٣d", "2026-13-01", "0001-01-01T00:00+14:00"]
)
def test_an_invalid_deadline_is_none(text: str) -> None:
    assert parse_deadline(text, START) is None


def test_an_exemption_shows_until_when_and_why() -> None:
    app = LocalApp()
    case = build_open_case()
    app.save_rows(case)
    granted = Exemption(case.key, "Dana", "known", START + 9 * DAY)
    app.save_rows(replace(case, closed_at=START, resolution="exempt"), granted)
    out = " ".join(app.run_command("case", case.short_key).out.split())
    assert " exempt until 2026-11-29 06:00 UTC, by Dana: known" in out
    app.clock.advance(days=10)
    out = " ".join(app.run_command("case", case.short_key).out.split())
    assert "was exempt until 2026-11-29 06:00 UTC" in out


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = LocalApp(is_colored=True)
    app.save_rows(build_open_case(severity=Severity.CRITICAL))
    assert "\x1b[1;31m" not in app.run_command("cases").out
    assert "critical" in app.run_command("cases").out
