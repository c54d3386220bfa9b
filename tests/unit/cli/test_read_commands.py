"""What the command line prints: everything that is there, nothing that acts, within 80 columns."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.cli.api_client import FINE, UNKNOWN, USAGE, WRONG, Reply
from core.cli.formatting import ago, both, last_of, span, utc
from core.model.cases import Exemption
from core.model.changes import ChangeState
from core.model.findings import Severity
from tests.support.fakes.world import DAY, START
from tests.support.local_app import GUARD, RAISED, Counter, a_case, a_change

# Colours, a cleared screen, a title of the window, a direction that turns around, a line of its
# own, markup of rich, a link: none of it may act on the terminal of who looks.
HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]x[/] \u202egnp\r\nfake line\x9b31m [link=http://e]y[/]"
ACTING = ("\x1b", "\x07", "\x9b", "\u202e", "\r")


def hostile() -> Counter:
    """A ledger in which every foreign text is hostile."""
    counter = Counter()
    counter.keep(
        a_case(
            subject=HOSTILE,
            summary=HOSTILE,
            facts=(HOSTILE,),
            advice=HOSTILE,
            note=HOSTILE,
            object_id=HOSTILE,
            acknowledged=START,
            acknowledged_by=HOSTILE,
        ),
        a_change(subject=HOSTILE, note=HOSTILE, before={HOSTILE: [HOSTILE]}),
    )
    return counter


@pytest.mark.parametrize(
    "words", [("status",), ("cases",), ("case", a_case().short), ("changes",), ("actions",)]
)
def test_nothing_foreign_acts_on_the_terminal(words: tuple[str, ...]) -> None:
    counter = hostile()
    counter.run(
        *("exempt", GUARD, "an object", "--until", "9d", "--yes", "--wait"),
        *("--why", "[bold]w[/]", "--who", "\u200b[red]me"),
    )
    said = counter.run(*words)
    assert said.code in (FINE, WRONG)
    assert not any(sign in said.out + said.err for sign in ACTING)
    assert "fake line" not in [line.strip() for line in said.out.splitlines()]
    if words != ("status",):
        assert "[red]me" in said.out or "[bold red]x[/]" in said.out


@pytest.mark.parametrize("width", [80, 40])
def test_what_is_printed_fits_the_terminal(width: int) -> None:
    counter = hostile()
    counter.width = width
    for words in (("status",), ("cases",), ("case", a_case().short)):
        lines = counter.run(*words).out.splitlines()
        assert max(len(line) for line in lines if "·" not in line) <= width


def test_colour_says_nothing_that_words_do_not() -> None:
    plain, coloured = Counter(), Counter(colour=True, environ={"TERM": "xterm-256color"})
    for counter in (plain, coloured):
        counter.keep(a_case(severity=Severity.CRITICAL))
    assert "\x1b[" not in plain.run("cases").out
    assert "\x1b[1;31mcritical" in coloured.run("cases").out
    assert "critical" in plain.run("cases").out


def test_the_status_ends_as_wrong_when_something_grave_is_open() -> None:
    counter = Counter()
    counter.keep(a_case())
    said = counter.run("status")
    assert said.code == WRONG
    assert "1 high" in said.out


def status_of(counter: Counter, **changes: object) -> Counter:
    """Everything is well, but for these."""
    document = json.loads(counter.run("status", "--json").out)
    guards = [row | {"health": "ok", "late": False} for row in document["guards"]]
    well = {**document, "health": "ok", "guards": guards, "reasons": [], **changes}
    counter.replies["/api/status.json"] = Reply(200, json.dumps(well).encode())
    return counter


def test_the_status_ends_as_fine_when_nothing_is_wrong() -> None:
    assert status_of(Counter()).run("status").code == FINE
    assert status_of(Counter(), health="attention").run("status").code == FINE
    assert status_of(Counter(), health="failing").run("status").code == WRONG


@pytest.mark.parametrize("change", [{"late": True}, {"health": "failing"}])
def test_the_status_ends_as_wrong_when_a_guard_is_late_or_failing(
    change: dict[str, object],
) -> None:
    counter = status_of(Counter())
    document = json.loads(counter.replies["/api/status.json"].body)
    document["guards"][0] |= change
    counter.replies["/api/status.json"] = Reply(200, json.dumps(document).encode())
    said = counter.run("status")
    assert said.code == WRONG
    assert ("late" if "late" in change else "failing") in said.out


def test_json_is_what_the_api_answers_and_nothing_else() -> None:
    counter = Counter()
    counter.keep(a_case(), a_change())
    body = b'{"cases":  [], "total": 0, "page": 1, "pages": 1, "new": "\\u001b"}'
    counter.replies["/api/cases.json"] = Reply(200, body)
    assert counter.run("cases", "--json").out == body.decode() + "\n"
    whole = json.loads(counter.run("case", a_case().key, "--json").out)
    assert (whole["case"], whole["guard"]) == (a_case().key, GUARD)
    assert json.loads(counter.run("changes", "--json").out)["changes"]


def test_cases_are_chosen_from() -> None:
    counter = Counter()
    counter.keep(a_case(1), a_case(2, severity=Severity.LOW), a_case(3, closed=START, closing="x"))
    assert "box2" in counter.run("cases", "--severity", "low").out
    assert "box1" not in counter.run("cases", "--severity", "low").out
    assert "3 cases" in counter.run("cases", "--state", "all").out
    assert "1 case\n" in counter.run("cases", "--state", "closed").out
    assert "No cases." in counter.run("cases", "--guard", "app-consent").out
    for words in (("--severity", "bad"), ("--state", "bad"), ("--guard", "bad"), ("--page", "0")):
        assert counter.run("cases", *words).code == USAGE


def test_changes_tell_how_to_take_them_back_or_why_not() -> None:
    counter = Counter()
    counter.keep(
        a_change(1),
        a_change(2, undone=START),
        a_change(3, state=ChangeState.FAILED),
        a_change(4, **RAISED),
        a_change(5, restores=a_change(1).id),
        a_change(6, kind="NobodyKnows"),
    )
    out = " ".join(counter.run("changes").out.split())
    assert f"undo {GUARD} {a_change(1).id}" in out
    assert out.count("cannot be undone") == 5
    assert "it was taken back on" in out
    assert "it is not in effect: failed" in out
    assert "this version does not know the change" in out
    assert "a lower AuditLogAgeLimit deletes all older records" in out


def test_what_cannot_be_found_is_not_found_out() -> None:
    counter = Counter()
    for words in (
        ("case", "0badcafe"),
        ("case", "0" * 32),
        ("action", GUARD, "00000000000000-00000000"),
    ):
        said = counter.run(*words)
        assert (said.code, said.out) == (UNKNOWN, "")
    assert counter.run("action", GUARD, "x").code == USAGE


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401, b""), "the key is wrong"),
        (Reply(403, b'{"error": "not you\\u001b"}'), "not you\\u001b"),
        (Reply(404, b"<html>"), "is it up to date"),
        (Reply(500, b""), "its log tells why"),
        (Reply(503, b'{"error": "no table"}'), "503: no table (the app is not ready"),
        (Reply(302, b"", {"location": "https://evil.example"}), "not followed"),
        (Reply(200, b"<html>sign in</html>"), "is this the address of an Exoguard app"),
        (Reply(200, b"[" * 100_000), "is this the address of an Exoguard app"),
        (Reply(418, b"{}"), "not expected"),
        (Reply(200, b'{"version": 2}'), "of another version"),
    ],
)
def test_an_answer_that_is_none_is_told_with_what_to_do(reply: Reply, words: str) -> None:
    counter = Counter(replies={"/api/status.json": reply})
    said = counter.run("status")
    assert (said.code, said.out) == (UNKNOWN, "")
    assert words in said.err


def test_the_status_names_what_waits() -> None:
    counter = Counter()
    counter.keep(a_case())
    counter.run("exempt", GUARD, "an object", "--until", "9d", "--why", "w", "--yes", "--wait")
    document = json.loads(counter.run("status", "--json").out)
    plan = "ab" * 16
    decision = {
        "guard": GUARD, "kind": "plan", "subject": "changes held", "summary": "40 changes",
        "since": START.isoformat(), "severity": "high", "case": a_case().key,
        "acknowledged": False, "plan": plan, "would_change": [], "list_is_exact": True,
    }  # fmt: skip
    document["decisions"] = [decision]
    document["untold"] = {"cases": 2, "actions": 1, "oldest": (START - DAY).isoformat()}
    counter.replies["/api/status.json"] = Reply(200, json.dumps(document).encode())
    out = counter.run("status").out
    assert f"release {GUARD} {plan}" in " ".join(out.split())
    assert "3 not told yet, the oldest 1 d ago" in out
    assert "an object: w" in " ".join(out.split())


# ----------------------------------------------------------------------------------------------
# Evidence
# ----------------------------------------------------------------------------------------------


def test_an_export_is_written_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    counter, file = Counter(), tmp_path / "evidence.jsonl"
    counter.keep(a_case())
    said = counter.run("export", "--from", "2026-11-01", "-o", str(file))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (said.code, said.out) == (FINE, "")
    assert digest in said.err
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [file]
    assert counter.run("verify", str(file), "--digest", digest).code == FINE
    assert counter.run("verify", str(file), "--digest", "0" * 64).code == WRONG
    assert counter.run("verify", str(tmp_path / "none")).code == UNKNOWN
    last = json.loads(file.read_text().splitlines()[0])
    assert (last["from"], last["to"]) == ("2026-11-01T00:00:00Z", "2026-11-21T00:00:00Z")


def test_an_export_goes_to_standard_output_byte_for_byte(tmp_path: Path) -> None:
    counter = Counter()
    words = ("export", "--from", "2026-11-01", "--to", "2026-11-02", "--format", "csv", "-o")
    printed = counter.run(*words, "-")
    counter.run(*words, str(tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").read_bytes().decode() == printed.out
    assert "\r\n" in printed.out


def test_an_export_that_was_damaged_on_the_way_is_not_kept(tmp_path: Path) -> None:
    damaged = Reply(200, b"{}\n", {"repr-digest": "sha-256=:AAAA:"})
    counter = Counter(replies={"/api/export": damaged})
    said = counter.run("export", "--from", "2026-11-01", "-o", str(tmp_path / "x"))
    assert (said.code, list(tmp_path.iterdir())) == (UNKNOWN, [])
    assert "did not arrive as it was sent" in said.err


def test_an_export_never_replaces_a_file_unasked(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_text("mine")
    words = ("export", "--from", "2026-11-01", "-o", str(file))
    assert Counter().run(*words).code == USAGE
    assert file.read_text() == "mine"
    assert Counter().run(*words, "--force").code == FINE
    assert file.read_text() != "mine"
    nowhere = ("export", "--from", "2026-11-01", "-o", str(tmp_path / "no" / "where"))
    assert Counter().run(*nowhere).code == UNKNOWN
    for wrong in (("--from", "yesterday"), ("--from", "2026-11-01", "--format", "xml")):
        assert Counter().run("export", *wrong, "-o", str(tmp_path / "y")).code == USAGE


# ----------------------------------------------------------------------------------------------
# The doctor, and times
# ----------------------------------------------------------------------------------------------


def test_the_doctor_is_the_same_as_by_itself() -> None:
    counter = Counter()
    assert "exchange Get-Mailbox" in counter.run("doctor", "--needs").out
    missing = counter.run("doctor")
    assert missing.code == UNKNOWN
    assert "setting   TENANT_ID is missing" in missing.out


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=5), "5 s"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=3, minutes=59), "3 h"),
        (timedelta(days=40), "40 d"),
    ],
)
def test_spans_are_told_in_their_largest_unit(length: timedelta, words: str) -> None:
    assert span(length) == words
    assert ago((START - length).isoformat(), START) == f"{words} ago"
    assert ago((START + length).isoformat(), START) == f"in {words}"


def test_times_are_told_in_utc_and_what_is_none_is_not_made_up() -> None:
    assert utc("2026-11-20T08:00:00+02:00") == "2026-11-20 06:00 UTC"
    assert both("2026-11-20T03:00:00Z", START) == "2026-11-20 03:00 UTC (3 h ago)"
    for none in (None, "", "soon", 7):
        assert (utc(none), ago(none, START), both(none, START)) == ("-", "-", "-")


@pytest.mark.parametrize("text", ["", "d", "x30d", "-1d", "99999d", "soon", "٣d", "2026-13-01"])
def test_what_is_no_end_is_none(text: str) -> None:
    assert last_of(text, START) is None


def test_an_exemption_shows_until_when_and_why() -> None:
    counter = Counter()
    case = a_case()
    counter.keep(case)
    granted = Exemption(case.key, "Dana", "known", START + 9 * DAY)
    counter.keep(replace(case, closed=START, closing="exempt"), granted)
    out = " ".join(counter.run("case", case.short).out.split())
    assert "until 2026-11-29 06:00 UTC, by Dana: known" in out


def test_a_terminal_that_wants_no_colour_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    counter = Counter(colour=True)
    counter.keep(a_case(severity=Severity.CRITICAL))
    assert "\x1b[1;31m" not in counter.run("cases").out
    assert "critical" in counter.run("cases").out
