"""The two commands a newcomer starts with."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.config.catalog import CATALOG
from sandbox.__main__ import build_parser
from sandbox.acts import ActPrinter
from sandbox.console import SceneConsole
from sandbox.scene_runner import main

ROOT = Path(__file__).resolve().parents[2]
SCENES = ROOT / "sandbox" / "scenes"


def sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m sandbox ...` in the project's folder."""
    command = [sys.executable, "-m", "sandbox", *arguments]
    environ = {**os.environ, "COLUMNS": "140", "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=250
    )


def test_the_demonstration_shows_preview_change_and_attack_and_ends_by_itself() -> None:
    done = sandbox("demo", "--once")
    assert done.returncode == 0, done.stderr[-2000:]
    shown = done.stdout
    lines = shown.splitlines()
    assert len(lines) < 140
    assert lines[0].startswith("The page, now and whenever you like: http://127.0.0.1:")
    acts = {part[0]: part for part in re.split(r"\n(?=[1-9]\. )", shown)[1:]}
    assert list(acts) == ["1", "2", "3", "4", "5", "6"]
    guards = [config.guard.name for config in CATALOG]
    rows = {
        act: [one for one in guards if f" {one} " in f" {text}".replace("\n", " ")]
        for act, text in acts.items()
    }
    # At the first look one row a guard; from then on only of those that have something to tell.
    assert rows["1"] == guards
    assert rows["2"] == ["shared-mailbox-sign-in", "mailbox-audit"]
    assert rows["3"] == ["mailbox-forwarding"]
    assert len(rows["4"]) == len(guards) - 1
    assert "nothing yet; 8 next run" in acts["1"]
    assert "7 applied, 1 refused" in acts["2"]
    assert f"{len(guards) - 2} more guards ran: nothing new." in acts["2"]
    assert "An inbox rule of dana@contoso.com forwards mail to the outside, and" in acts["3"]
    assert "collector@evil.example" in acts["3"]
    assert re.search(r"\nhigh +mass-deletion +derya deletes 14 users", acts["4"])
    assert acts["4"].count("Put right at once.") == 2
    assert "Undone" in acts["5"]
    # One card each of first look, repair, attack and answer.
    assert [text.count("╭") for text in acts.values()] == [1, 1, 1, 0, 1, 0]
    # Eight blocks, seven writes of audit settings, and one account enabled again by the undo. No
    # password was set lately, so no block ends sessions at once.
    assert "16 writes received by the tenant: 9 x PATCH /users, 6 x Set-Mailbox" in acts["6"]
    assert "revokeSignInSessions" not in shown
    # The app holds exactly what its guards need, and needs no more.
    assert "permission" not in shown.partition("2. ")[2]


def test_everything_is_printed_with_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    finding = {
        "state": "new", "severity": "high", "verdict": "external", "summary": "mail leaves",
        "facts": ["to evil.example"],
    }  # fmt: skip
    known = {**finding, "state": "known", "severity": "critical"}
    report = {
        "guard": "mailbox-forwarding", "mode": "alert", "coverage": "66 of 66",
        "findings": [finding, known], "held": "", "preview": [], "told": True, "cards": 1,
        "news": 1, "error": "", "changes": [{"kind": "BlockSignIn", "outcome": "applied"}],
    }  # fmt: skip
    quiet = {**report, "findings": [known], "cards": 0, "news": 0, "changes": [], "told": None}
    seconds = iter([100.0, 107.4])
    brief = ActPrinter(SceneConsole(), now=lambda: next(seconds))
    brief.begin_act("Attack", "It goes on.")
    brief.print_header()
    brief.print_run(report, only_news=True)
    brief.print_run(quiet, only_news=True)
    brief.add_step("mailbox-forwarding", "A rule appears.")
    brief.print_header()
    brief.print_run(report, only_news=True)
    brief.end_rows()
    brief.end_rows()
    shown = capsys.readouterr().out
    assert "1. Attack (7 s)" in shown
    row = next(line for line in shown.splitlines() if line.startswith("mailbox-forwarding"))
    assert row.split() == ["mailbox-forwarding", "alert", "1", "high", "1", "applied", "1", "card"]
    assert "high      mailbox-forwarding      A rule appears. Put right at once." in shown
    assert shown.count("1 more guard ran: nothing new.") == 1
    assert "evil.example" not in shown
    full = ActPrinter(SceneConsole(), verbose=True)
    full.print_header()
    full.print_run(report, only_news=True)
    full.print_run(quiet, only_news=True)
    full.end_rows()
    shown = capsys.readouterr().out
    assert "to evil.example" in shown
    assert shown.count("mailbox-forwarding (alert)") == 2
    assert "more guard" not in shown


def test_a_scene_gives_one_json_document() -> None:
    done = sandbox("run", "--scene", str(SCENES / "attack.json"), "--json", "--ticks", "3")
    assert done.returncode == 0, done.stderr[-2000:]
    document = json.loads(done.stdout)
    assert document.keys() == {"runs", "cards", "writes", "probe"}
    assert len(document["runs"]) == 3 * len(CATALOG)
    last = [run for run in document["runs"] if run["tick"] == 3]
    found = {(row["subject"], row["verdict"]) for run in last for row in run["findings"]}
    assert ("director@contoso.com", "external") in found
    for run in document["runs"]:
        assert {"guard", "mode", "seen", "unread", "findings", "changes"} <= run.keys()
        for row in run["findings"]:
            assert {"key", "subject", "kind", "severity", "verdict", "summary", "facts"} <= set(row)
    for row in document["writes"]:
        assert row.keys() == {"api", "method", "target", "body"}


def run_here(*arguments: str) -> int:
    """Run `python -m sandbox run ...` in this process; returns its exit code."""
    return main(build_parser().parse_args(["run", *arguments]))


def test_a_missing_or_invalid_scene_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    for path in (tmp_path / "nowhere.json", broken):
        assert run_here("--scene", str(path), "--json") == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("sandbox: ")
        assert shown.err.count("\n") == 1


def test_an_unknown_mode_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    scene = str(SCENES / "healthy.json")
    assert run_here("--scene", scene, "--json", "--mode", "mailbox-audit=loud") == 2
    refusal = capsys.readouterr().err
    assert "MAILBOX_AUDIT_MODE: 'loud' is not a choice; use off, alert or enforce" in refusal
    assert run_here("--scene", scene, "--json", "--mode", "mailbox-odit=alert") == 2
    assert "guards: shared-mailbox-sign-in, mailbox-forwarding" in capsys.readouterr().err
