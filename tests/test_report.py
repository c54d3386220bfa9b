"""The JSON document of a run: complete, and small enough for a row when it has to be."""

import json

from core.model import Finding, Mode, Reported, RunReport, Severity, Verdict
from core.report import ROW_LIMIT, bounded, coverage, document
from tests.fake_world import START


def finding(number: int) -> Reported:
    found = Finding(
        kind="forward",
        object_id=str(number),
        subject=f"user{number}@contoso.com",
        severity=Severity.HIGH,
        verdict=Verdict.EXTERNAL,
        summary="It forwards." * 5,
        facts=("fact" * 10,) * 3,
    )
    return Reported(found.key("g"), found, "new", Verdict.EXTERNAL)


def report(count: int) -> RunReport:
    return RunReport(
        "g",
        "Guard",
        "mailboxes",
        "run",
        Mode.ALERT,
        START,
        seen=8,
        population=10,
        unread=2,
        blind=("inbox-rules",),
        findings=tuple(finding(number) for number in range(count)),
    )


def test_coverage_names_what_was_not_seen() -> None:
    line = coverage(report(0))
    assert line == "8 of 10 mailboxes read; 2 unreadable; not seen at all: inbox-rules"


def test_a_document_names_every_finding_with_its_verdict() -> None:
    rows = document(report(2))["findings"]
    assert isinstance(rows, list)
    assert [(row["subject"], row["verdict"], row["severity"]) for row in rows] == [
        ("user0@contoso.com", "external", "high"),
        ("user1@contoso.com", "external", "high"),
    ]


def test_a_document_of_thousands_fits_a_row_and_says_what_is_missing() -> None:
    text = bounded(document(report(3000)))
    kept = json.loads(text)
    assert len(text) <= ROW_LIMIT
    assert len(kept["findings"]) + kept["findings_omitted"] == 3000
    assert kept["coverage"] == coverage(report(3000))


def test_a_small_document_is_kept_whole() -> None:
    assert json.loads(bounded(document(report(2)))) == document(report(2))
