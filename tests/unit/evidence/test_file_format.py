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

from core.evidence.daily_coverage import CoveragePeriod
from core.evidence.file_format import (
    COLUMNS,
    EvidenceExport,
    EvidenceWriter,
    ExportFormat,
    InvalidPeriod,
    encode_compact_json,
    escape_formula,
    parse_period,
    verify_export,
)
from core.evidence.records import EvidenceRecord, list_guard_records
from core.model.cases import Case
from core.model.findings import Fact
from core.model.state import GuardSnapshot
from core.sanitize import sanitize_text
from tests.support.audit_builders import (
    EXPORT_HEADER,
    EXPORTED_AT,
    GUARD_NAME,
    SINCE,
    UNTIL,
    build_audited_case,
    build_audited_change,
    build_audited_request,
    build_run_document,
    filter_records,
)
from tests.support.builders import CONFIGS_BY_NAME

DANGEROUS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def as_it_was(cell: str) -> str:
    """What a cell said before it was defused."""
    return re.sub("(^|;)'", r"\1", cell)


def made(form: ExportFormat, *cases: Case) -> EvidenceExport:
    """An export of one guard that remembers these cases."""
    days = CoveragePeriod(SINCE, UNTIL)
    days.add_document(build_run_document(SINCE))
    snapshot = GuardSnapshot(
        {one.key: one for one in cases},
        (build_audited_change(),),
        operator_requests=(build_audited_request(),),
    )
    press = EvidenceWriter(form)
    for entry in list_guard_records(EXPORT_HEADER, CONFIGS_BY_NAME[GUARD_NAME], snapshot, days):
        press.add_record(entry)
    return press.finish_export(EXPORT_HEADER)


def parsed(export: EvidenceExport) -> list[EvidenceRecord]:
    """JSON Lines read back."""
    return [json.loads(line) for line in export.iter_lines()]


def table(export: EvidenceExport) -> list[dict[str, str]]:
    """A table read back as the csv module reads any."""
    text = b"".join(export.iter_lines()).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def lines_of(content: bytes) -> Iterable[bytes]:
    """The lines of a file opened for bytes."""
    return io.BytesIO(content)


# -- the period --------------------------------------------------------------------------------


def test_a_period_runs_from_midnight_to_midnight() -> None:
    assert parse_period("2026-11-01", "2026-11-11", EXPORTED_AT) == (SINCE, UNTIL)


def test_a_period_may_include_today() -> None:
    since, until = parse_period("2026-11-20", "2026-11-21", EXPORTED_AT)
    assert since < EXPORTED_AT < until


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        ("", "2026-11-11", '"from" is not a valid date'),
        ("2026-11-01", "tomorrow", '"to" is not a valid date'),
        ("20261101", "2026-11-11", '"from" is not a valid date'),
        ("2026-W45-1", "2026-11-11", '"from" is not a valid date'),
        ("2026-11-31", "2026-12-01", '"from" is not a valid date'),
        ("2026-11-01T00:00:00", "2026-11-11", '"from" is not a valid date'),
        ("\u0662\u0660\u0662\u0666-11-01", "2026-11-11", '"from" is not a valid date'),
        ("2026-11-01\n", "2026-11-11", '"from" is not a valid date'),
        ("2026-11-01", "2026-11-01", "must be after"),
        ("0001-01-01", "0001-01-02", "must not be before 1970-01-01"),
        ("2026-11-02", "2026-11-01", "must be after"),
        ("2025-10-07", "2026-11-12", "at most 400 days"),
        ("2026-11-01", "2026-11-22", "must not be after 2026-11-21"),
    ],
)
def test_an_invalid_period_is_rejected_with_the_reason(since: str, until: str, why: str) -> None:
    with pytest.raises(InvalidPeriod, match=re.escape(why)):
        parse_period(since, until, EXPORTED_AT)


def test_four_hundred_days_are_a_period() -> None:
    first, last = parse_period("2025-10-08", "2026-11-12", EXPORTED_AT)
    assert last - first == timedelta(days=400)


# -- JSON Lines --------------------------------------------------------------------------------


def test_the_first_line_says_what_the_export_is() -> None:
    first, *rest = parsed(made(ExportFormat.JSONL, build_audited_case()))
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
            "request": 1,
            "coverage": 11 - 1,
            "assumption": 0,
            "log": 0,
            "containment": 0,
            "bundle": 0,
        },
    }
    assert rest[-1]["record"] == "digest"
    assert len(rest) == 1 + sum(cast(dict[str, int], first["counts"]).values())


def test_the_last_line_is_the_digest_of_all_before_it() -> None:
    *before, last = made(ExportFormat.JSONL, build_audited_case()).iter_lines()
    assert json.loads(last)["sha256"] == hashlib.sha256(b"".join(before)).hexdigest()


NAMES = ("subject", "summary", "kind", "note", "advice", "object_id")
TEXTS = st.text(max_size=60) | st.sampled_from(
    ["=1+1", ";=1", '";=1', "a,b", 'say "x"', "two\r\nlines", "'", ";'", "@SUM(1)", "\ud800"]
)


@given(st.fixed_dictionaries({name: TEXTS for name in NAMES}), st.lists(TEXTS, max_size=3))
@example({name: "=cmd|' /C calc'!A0" for name in NAMES}, ["-2+3", ";\t=1"])
def test_both_formats_read_back_the_same_for_any_text(
    texts: dict[str, str], facts: list[str]
) -> None:
    told = build_audited_case(facts=tuple(Fact("", fact) for fact in facts), **texts)
    (line,) = filter_records("finding", parsed(made(ExportFormat.JSONL, told)))
    shown = {name: sanitize_text(text, 4_000) for name, text in texts.items()}
    for name, field in zip(NAMES, (*NAMES[:-1], "object"), strict=True):
        assert line[field] == shown[name]
    assert line["facts"] == [sanitize_text(fact, 4_000) for fact in facts]
    (row,) = filter_records("finding", [dict(row) for row in table(made(ExportFormat.CSV, told))])
    for field, value in line.items():
        expected = (
            "" if value is None else value if isinstance(value, str) else encode_compact_json(value)
        )
        assert as_it_was(str(row[field])) == expected


@given(TEXTS)
def test_no_text_starts_a_new_line(text: str) -> None:
    usual, other = (
        made(ExportFormat.JSONL, build_audited_case()),
        made(ExportFormat.JSONL, build_audited_case(summary=text, note=text)),
    )
    assert len(list(usual.iter_lines())) == len(list(other.iter_lines()))
    for form in ExportFormat:
        content = b"".join(made(form, build_audited_case(summary=text, note=text)).iter_lines())
        assert content.count(b"\n") == len(content.splitlines())


# -- the table ---------------------------------------------------------------------------------


def test_the_columns_are_these_and_no_others() -> None:
    assert (
        *("record", "schema", "tenant", "from", "to", "made", "version", "counts"),
        *("what", "why"),
        *("guard", "title", "mode", "schedule", "controls", "without", "reads", "checks"),
        *("not_understood", "strays"),
        *(
            "id",
            "object",
            "subject",
            "kind",
            "severity",
            "verdict",
            "guard_verdict",
            "summary",
            "facts",
        ),
        *(
            "advice",
            "steps",
            "cause",
            "opened_at",
            "notified_at",
            "acknowledged_at",
            "acknowledged_by",
            "closed_at",
            "resolution",
        ),
        *("open_at_end", "baselined", "is_one_off", "notification", "deferred_at", "note"),
        *("case", "arguments", "before", "state", "at", "run", "undo_of", "undone_at", "undone_by"),
        *("who", "until", "granted", "request", "signed_in", "ended_at"),
        *("day", "kept", "runs", "scheduled", "finished", "complete", "unfinished", "failed"),
        *("idle", "unreadable", "worst", "best", "blind"),
        *("assumed", "status", "saw", "way", "probed_at", "held_at", "stopped_at"),
        *("name", "read_at", "records", "median_lag_seconds", "late_lag_seconds", "trouble"),
        *("refusal", "rule", "plan", "planned_at", "carried_out_by", "started_at", "blocked_at"),
        "evidence_sha256",
        *("edition", "made_at", "bundle_sha256", "document"),
    ) == COLUMNS


def test_every_row_has_every_column_and_ends_as_rfc_4180_says() -> None:
    export = made(ExportFormat.CSV, build_audited_case(summary='say "x", then\r\ngo'))
    assert all(line.endswith(b"\r\n") for line in export.iter_lines())
    rows = list(csv.reader(line.decode() for line in export.iter_lines()))
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
def test_formulas_are_escaped_reversibly(cell: str, shown: str) -> None:
    assert escape_formula(cell) == shown
    assert as_it_was(shown) == cell


@given(st.text(st.sampled_from("=+-@;'\" \t\r\na,\uff1d"), max_size=12) | st.text())
def test_every_cell_can_be_restored(cell: str) -> None:
    assert as_it_was(escape_formula(cell)) == cell


@given(st.text(st.sampled_from("=+-@;'\" a,\uff1d"), max_size=12))
def test_no_cell_is_a_formula_under_any_separator(text: str) -> None:
    content = b"".join(
        made(ExportFormat.CSV, build_audited_case(summary=text, subject=text)).iter_lines()
    ).decode()
    for sign in ",;":
        for row in csv.reader(io.StringIO(content, newline=""), delimiter=sign):
            assert not [cell for cell in row if cell.lstrip(' "').startswith(DANGEROUS)]


# -- the digest --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ExportFormat)
def test_the_same_rows_give_the_same_bytes(form: ExportFormat) -> None:
    cases = [build_audited_case(key=f"{number:032x}") for number in range(50)]
    again = cases[:]
    random.Random(7).shuffle(again)
    assert list(made(form, *cases).iter_lines()) == list(made(form, *again).iter_lines())


@pytest.mark.parametrize("form", ExportFormat)
def test_the_headers_describe_the_bytes(form: ExportFormat) -> None:
    export = made(form, build_audited_case())
    content = b"".join(export.iter_lines())
    digest = hashlib.sha256(content)
    assert (export.sha256, export.size) == (digest.hexdigest(), len(content))
    assert export.headers["Repr-Digest"] == (
        f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    )
    name = f"exoguard-2026-11-01-2026-11-11.{form}"
    assert export.headers["Content-Disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize("form", ExportFormat)
def test_an_unchanged_export_verifies(form: ExportFormat) -> None:
    export = made(form, build_audited_case())
    for digest in (export.sha256, export.sha256.upper(), export.repr_digest):
        assert verify_export(export.iter_lines(), digest).intact
        assert verify_export(export.iter_lines(), f"sha-512=:AAAA:, {export.repr_digest}").intact
    assert verify_export(export.iter_lines()).intact is (form is ExportFormat.JSONL)
    assert verify_export(export.iter_lines(), digest).sha256 == export.sha256


@pytest.mark.parametrize("form", ExportFormat)
def test_sha256sum_verifies_an_export(form: ExportFormat, tmp_path: Path) -> None:
    export = made(form, build_audited_case())
    (tmp_path / export.file_name).write_bytes(b"".join(export.iter_lines()))
    (tmp_path / "side").write_text(f"{export.sha256}  {export.file_name}\n", encoding="utf-8")
    command = ["sha256sum", "--check", "--strict", "side"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / export.file_name).write_bytes(b"".join(export.iter_lines())[1:])
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1


@given(st.data())
def test_a_change_of_any_byte_is_detected(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(ExportFormat))
    export = made(form, build_audited_case())
    content = bytearray(b"".join(export.iter_lines()))
    place = data.draw(
        st.integers(0, len(content) - 1) | st.integers(len(content) - 120, len(content) - 1)
    )
    content[place] ^= data.draw(st.integers(1, 255))
    assert not verify_export(lines_of(bytes(content))).intact
    assert not verify_export(lines_of(bytes(content)), export.repr_digest).intact


@given(st.data())
def test_a_truncated_or_extended_export_is_detected(data: st.DataObject) -> None:
    content = b"".join(made(ExportFormat.JSONL, build_audited_case()).iter_lines())
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first + 1, len(content)))
    assert not verify_export(lines_of(content[:first] + content[last:])).intact
    assert not verify_export(lines_of(content + b"\n")).intact
    assert not verify_export(lines_of(content[:first] + b" " + content[first:])).intact


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n", b"record,schema\r\n"])
def test_other_content_does_not_verify(content: bytes) -> None:
    assert not verify_export(lines_of(content)).intact


def test_a_rewritten_export_is_detected_only_by_a_digest_kept_elsewhere() -> None:
    first, forged = made(ExportFormat.JSONL, build_audited_case()), made(ExportFormat.JSONL)
    assert verify_export(forged.iter_lines()).intact
    assert not verify_export(forged.iter_lines(), first.repr_digest).intact


@pytest.mark.parametrize("digest", ["x", "0" * 63, "sha-256=:AAAA:", "md5=:AAAA:"])
def test_an_invalid_digest_is_reported(digest: str) -> None:
    checked = verify_export(made(ExportFormat.JSONL).iter_lines(), digest)
    assert (checked.intact, checked.note) == (False, "the digest given is not a SHA-256")


def test_two_exports_differ_only_in_the_time_they_were_made() -> None:
    one = made(ExportFormat.JSONL, build_audited_case())
    later = replace(EXPORT_HEADER, created_at=datetime(2026, 11, 20, 7, tzinfo=UTC))
    press = EvidenceWriter(ExportFormat.JSONL)
    for entry in parsed(one)[1:-1]:
        press.add_record(entry)
    other = list(press.finish_export(later).iter_lines())
    differ = [number for number, line in enumerate(one.iter_lines()) if line != other[number]]
    assert differ == [0, len(other) - 1]
