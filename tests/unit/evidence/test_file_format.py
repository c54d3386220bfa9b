"""The export as a file: its lines, its table, its digest."""

import base64
import csv
import hashlib
import io
import json
import random
import re
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.evidence.daily_coverage import Days
from core.evidence.file_format import (
    COLUMNS,
    BadPeriod,
    Export,
    Form,
    Press,
    compact,
    defused,
    period,
    verify,
)
from core.evidence.records import Entry, chapter
from core.model.baseline import Baseline
from core.model.cases import Case
from core.model.state import Memory
from core.sanitize import plain
from tests.support.audit_builders import (
    GUARD,
    HEADING,
    MADE,
    SINCE,
    UNTIL,
    asked,
    case,
    of,
    ran,
    record,
)
from tests.support.builders import BY_NAME

DANGEROUS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def as_it_was(cell: str) -> str:
    """What a cell said before it was defused."""
    return re.sub("(^|;)'", r"\1", cell)


def made(form: Form, *cases: Case) -> Export:
    """An export of one guard that remembers these cases."""
    days = Days(SINCE, UNTIL)
    days.take(ran(SINCE))
    memory = Memory({one.key: one for one in cases}, (record(),), actions=(asked(),))
    press = Press(form)
    for entry in chapter(HEADING, BY_NAME[GUARD], memory, days, Baseline()):
        press.add(entry)
    return press.finished(HEADING)


def parsed(export: Export) -> list[Entry]:
    """JSON Lines read back."""
    return [json.loads(line) for line in export.lines()]


def table(export: Export) -> list[dict[str, str]]:
    """A table read back as the csv module reads any."""
    text = b"".join(export.lines()).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def lines_of(content: bytes) -> Iterable[bytes]:
    """The lines of a file opened for bytes."""
    return io.BytesIO(content)


# -- the period --------------------------------------------------------------------------------


def test_a_period_runs_from_midnight_to_midnight() -> None:
    assert period("2026-11-01", "2026-11-11", MADE) == (SINCE, UNTIL)


def test_today_can_be_part_of_it() -> None:
    since, until = period("2026-11-20", "2026-11-21", MADE)
    assert since < MADE < until


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        ("", "2026-11-11", '"from" is a date'),
        ("2026-11-01", "tomorrow", '"to" is a date'),
        ("20261101", "2026-11-11", '"from" is a date'),
        ("2026-W45-1", "2026-11-11", '"from" is a date'),
        ("2026-11-31", "2026-12-01", '"from" is a date'),
        ("2026-11-01T00:00:00", "2026-11-11", '"from" is a date'),
        ("\u0662\u0660\u0662\u0666-11-01", "2026-11-11", '"from" is a date'),
        ("2026-11-01\n", "2026-11-11", '"from" is a date'),
        ("2026-11-01", "2026-11-01", "later day"),
        ("2026-11-02", "2026-11-01", "later day"),
        ("2025-10-07", "2026-11-12", "at most 400 days"),
        ("2026-11-01", "2026-11-22", "2026-11-21 at the latest"),
    ],
)
def test_a_period_that_is_none_is_refused_with_the_reason(since: str, until: str, why: str) -> None:
    with pytest.raises(BadPeriod, match=re.escape(why)):
        period(since, until, MADE)


def test_four_hundred_days_are_a_period() -> None:
    first, last = period("2025-10-08", "2026-11-12", MADE)
    assert last - first == timedelta(days=400)


# -- JSON Lines --------------------------------------------------------------------------------


def test_the_first_line_says_what_the_export_is() -> None:
    first, *rest = parsed(made(Form.JSONL, case()))
    assert first == {
        "record": "export",
        "schema": 1,
        "tenant": "contoso.example",
        "from": "2026-11-01T00:00:00Z",
        "to": "2026-11-11T00:00:00Z",
        "made": "2026-11-20T06:00:00Z",
        "version": "1.2.3",
        "counts": {
            "gap": 0,
            "guard": 1,
            "finding": 1,
            "change": 1,
            "exemption": 0,
            "action": 1,
            "coverage": 11 - 1,
        },
    }
    assert rest[-1]["record"] == "digest"
    assert len(rest) == 1 + sum(cast(dict[str, int], first["counts"]).values())


def test_the_last_line_is_the_digest_of_all_before_it() -> None:
    *before, last = made(Form.JSONL, case()).lines()
    assert json.loads(last)["sha256"] == hashlib.sha256(b"".join(before)).hexdigest()


NAMES = ("subject", "summary", "kind", "note", "advice", "object_id")
TEXTS = st.text(max_size=60) | st.sampled_from(
    ["=1+1", ";=1", '";=1', "a,b", 'say "x"', "two\r\nlines", "'", ";'", "@SUM(1)", "\ud800"]
)


@given(st.fixed_dictionaries({name: TEXTS for name in NAMES}), st.lists(TEXTS, max_size=3))
@example({name: "=cmd|' /C calc'!A0" for name in NAMES}, ["-2+3", ";\t=1"])
def test_whatever_a_case_says_both_forms_read_back_the_same(
    texts: dict[str, str], facts: list[str]
) -> None:
    told = case(facts=tuple(facts), **texts)
    (line,) = of("finding", parsed(made(Form.JSONL, told)))
    shown = {name: plain(text, 4_000) for name, text in texts.items()}
    for name, field in zip(NAMES, (*NAMES[:-1], "object"), strict=True):
        assert line[field] == shown[name]
    assert line["facts"] == [plain(fact, 4_000) for fact in facts]
    (row,) = of("finding", [dict(row) for row in table(made(Form.CSV, told))])
    for field, value in line.items():
        expected = "" if value is None else value if isinstance(value, str) else compact(value)
        assert as_it_was(str(row[field])) == expected


@given(TEXTS)
def test_no_case_makes_a_line_of_its_own(text: str) -> None:
    usual, other = made(Form.JSONL, case()), made(Form.JSONL, case(summary=text, note=text))
    assert len(list(usual.lines())) == len(list(other.lines()))
    for form in Form:
        content = b"".join(made(form, case(summary=text, note=text)).lines())
        assert content.count(b"\n") == len(content.splitlines())


# -- the table ---------------------------------------------------------------------------------


def test_the_columns_are_these_and_no_others() -> None:
    assert (
        *("record", "schema", "tenant", "from", "to", "made", "version", "counts"),
        *("what", "why"),
        *("guard", "title", "mode", "schedule", "controls", "without", "reads", "checks"),
        *("not_understood", "strays"),
        *("id", "object", "subject", "kind", "severity", "verdict", "judged", "summary", "facts"),
        *("advice", "opened", "told", "acknowledged", "acknowledged_by", "closed", "closing"),
        *("open_at_end", "adopted", "event", "untold", "set_aside", "note"),
        *("case", "arguments", "before", "state", "at", "run", "restores", "undone", "undone_by"),
        *("who", "until", "granted", "action", "deed", "signed_in", "ended"),
        *("day", "kept", "runs", "scheduled", "finished", "complete", "unfinished", "failed"),
        *("idle", "unreadable", "worst", "best", "blind"),
    ) == COLUMNS


def test_every_row_has_every_column_and_ends_as_rfc_4180_says() -> None:
    export = made(Form.CSV, case(summary='say "x", then\r\ngo'))
    assert all(line.endswith(b"\r\n") for line in export.lines())
    rows = list(csv.reader(line.decode() for line in export.lines()))
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert rows[1][:4] == ["export", "1", "contoso.example", "2026-11-01T00:00:00Z"]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=1", "a;'=1"),
        ('a;"=1', "a;'\"=1"),
        ("'quoted'", "''quoted'"),
        ("a=1-2", "a=1-2"),
        ("ann@contoso.example", "ann@contoso.example"),
        ("", ""),
    ],
)
def test_what_a_spreadsheet_would_run_is_defused_and_can_be_told(cell: str, shown: str) -> None:
    assert defused(cell) == shown
    assert as_it_was(shown) == cell


@given(st.text(st.sampled_from("=+-@;'\" \t\r\na,\uff1d"), max_size=12) | st.text())
def test_every_cell_can_be_put_back_as_it_was(cell: str) -> None:
    assert as_it_was(defused(cell)) == cell


@given(st.text(st.sampled_from("=+-@;'\" a,\uff1d"), max_size=12))
def test_no_spreadsheet_finds_a_formula_whichever_sign_parts_its_cells(text: str) -> None:
    content = b"".join(made(Form.CSV, case(summary=text, subject=text)).lines()).decode()
    for sign in ",;":
        for row in csv.reader(io.StringIO(content, newline=""), delimiter=sign):
            assert not [cell for cell in row if cell.lstrip(' "').startswith(DANGEROUS)]


# -- the digest --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", Form)
def test_the_same_rows_give_the_same_bytes(form: Form) -> None:
    cases = [case(key=f"{number:032x}") for number in range(50)]
    again = cases[:]
    random.Random(7).shuffle(again)
    assert list(made(form, *cases).lines()) == list(made(form, *again).lines())


@pytest.mark.parametrize("form", Form)
def test_what_goes_with_the_bytes_speaks_of_these_bytes(form: Form) -> None:
    export = made(form, case())
    content = b"".join(export.lines())
    digest = hashlib.sha256(content)
    assert (export.sha256, export.size) == (digest.hexdigest(), len(content))
    assert export.headers["Repr-Digest"] == (
        f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    )
    name = f"exoguard-2026-11-01-2026-11-11.{form}"
    assert export.headers["Content-Disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize("form", Form)
def test_an_export_is_as_it_was_made(form: Form) -> None:
    export = made(form, case())
    for digest in (export.sha256, export.sha256.upper(), export.repr_digest):
        assert verify(export.lines(), digest).intact
        assert verify(export.lines(), f"sha-512=:AAAA:, {export.repr_digest}").intact
    assert verify(export.lines()).intact is (form is Form.JSONL)
    assert verify(export.lines(), digest).sha256 == export.sha256


@pytest.mark.parametrize("form", Form)
def test_the_usual_command_checks_an_export(form: Form, tmp_path: Path) -> None:
    export = made(form, case())
    (tmp_path / export.name).write_bytes(b"".join(export.lines()))
    (tmp_path / "side").write_text(f"{export.sha256}  {export.name}\n", encoding="utf-8")
    command = ["sha256sum", "--check", "--strict", "side"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / export.name).write_bytes(b"".join(export.lines())[1:])
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1


@given(st.data())
def test_a_change_of_any_byte_is_found(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(Form))
    export = made(form, case())
    content = bytearray(b"".join(export.lines()))
    place = data.draw(
        st.integers(0, len(content) - 1) | st.integers(len(content) - 120, len(content) - 1)
    )
    content[place] ^= data.draw(st.integers(1, 255))
    assert not verify(lines_of(bytes(content))).intact
    assert not verify(lines_of(bytes(content)), export.repr_digest).intact


@given(st.data())
def test_an_export_that_lacks_something_or_has_too_much_is_found(data: st.DataObject) -> None:
    content = b"".join(made(Form.JSONL, case()).lines())
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first + 1, len(content)))
    assert not verify(lines_of(content[:first] + content[last:])).intact
    assert not verify(lines_of(content + b"\n")).intact
    assert not verify(lines_of(content[:first] + b" " + content[first:])).intact


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n", b"record,schema\r\n"])
def test_what_is_no_export_is_not_taken_for_one(content: bytes) -> None:
    assert not verify(lines_of(content)).intact


def test_an_export_that_was_made_anew_is_only_told_by_a_digest_kept_apart() -> None:
    first, forged = made(Form.JSONL, case()), made(Form.JSONL)
    assert verify(forged.lines()).intact
    assert not verify(forged.lines(), first.repr_digest).intact


@pytest.mark.parametrize("digest", ["x", "0" * 63, "sha-256=:AAAA:", "md5=:AAAA:"])
def test_a_digest_that_is_none_is_said_to_be_none(digest: str) -> None:
    checked = verify(made(Form.JSONL).lines(), digest)
    assert (checked.intact, checked.note) == (False, "the digest given is no SHA-256")


def test_only_the_moment_it_was_made_differs_between_two_exports() -> None:
    one = made(Form.JSONL, case())
    later = replace(HEADING, made=datetime(2026, 11, 20, 7, tzinfo=UTC))
    press = Press(Form.JSONL)
    for entry in parsed(one)[1:-1]:
        press.add(entry)
    other = list(press.finished(later).lines())
    differ = [number for number, line in enumerate(one.lines()) if line != other[number]]
    assert differ == [0, len(other) - 1]
