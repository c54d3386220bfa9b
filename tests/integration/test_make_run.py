"""The two commands a newcomer starts with."""

import json
import os
import subprocess
import sys
from pathlib import Path

from core.config.catalog import CATALOG

ROOT = Path(__file__).resolve().parents[2]
SCENES = ROOT / "sandbox" / "scenes"


def sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m sandbox ...` in the project's folder."""
    command = [sys.executable, "-m", "sandbox", *arguments]
    environ = {**os.environ, "COLUMNS": "140", "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=110
    )


def test_the_demonstration_shows_preview_change_and_attack_and_ends_by_itself() -> None:
    done = sandbox("demo", "--once")
    assert done.returncode == 0, done.stderr[-2000:]
    shown = done.stdout
    assert "changed  nothing yet; the next run will make 8 x BlockSignIn" in shown
    assert "7 x BlockSignIn applied, 1 x BlockSignIn refused" in shown.replace("\n", " ")
    assert "An inbox rule of dana@contoso.com forwards mail to the outside, and" in shown
    assert "collector@evil.example" in shown
    third = shown.partition("Third tick")[2]
    sent = [line.strip() for line in third.splitlines() if line.startswith("sent ")]
    # The run that the operator requested reported the rule; every other guard reports now.
    assert len(sent) == len(CATALOG)
    quiet = [line for line in sent if line.endswith("nothing: no news")]
    assert len(quiet) == 1
    # What a run says it sent is what follows: never a card under "nothing".
    assert "nothing: no news\n╭" not in shown
    assert "14 users were deleted by derya@contoso.com." in third
    # Eight blocks, seven writes of audit settings, and one account enabled again by the undo. No
    # password was set lately, so no block ends sessions at once.
    assert "16 writes received by the tenant" in third
    assert "revokeSignInSessions" not in third
    assert "Undone" in third
    assert "Acknowledged" in third


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


def test_a_missing_or_invalid_scene_is_reported_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    for path in (tmp_path / "nowhere.json", broken):
        done = sandbox("run", "--scene", str(path), "--json")
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("sandbox: ")
        assert done.stderr.count("\n") == 1


def test_an_unknown_mode_is_refused_by_name() -> None:
    scene = str(SCENES / "healthy.json")
    done = sandbox("run", "--scene", scene, "--json", "--mode", "mailbox-audit=loud")
    assert done.returncode == 2
    assert "MAILBOX_AUDIT_MODE: 'loud' is not a choice; use off, alert or enforce" in done.stderr
    done = sandbox("run", "--scene", scene, "--json", "--mode", "mailbox-odit=alert")
    assert done.returncode == 2
    assert "guards: shared-mailbox-sign-in, mailbox-forwarding" in done.stderr
