"""The JSON document of a run: complete, and small enough for a row when it has to be."""

import json
from dataclasses import replace

from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Mode
from core.model.run_document import ROW_LIMIT, bounded, coverage, document, share, trace
from core.model.runs import Reported, RunReport
from tests.support.fakes.world import START


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


def test_the_line_for_the_log_has_figures_and_nothing_from_the_tenant() -> None:
    line = trace(report(2))
    figures = json.loads(line)
    assert (figures["coverage"], figures["findings"], figures["blind"]) == (0.8, 2, ["inbox-rules"])
    assert "contoso" not in line


def test_of_nothing_everything_was_read() -> None:
    assert share(replace(report(0), seen=0, population=0)) == 1.0


def test_a_document_of_thousands_fits_a_row_and_says_what_is_missing() -> None:
    text = bounded(document(report(3000)))
    kept = json.loads(text)
    assert len(text) <= ROW_LIMIT
    assert len(kept["findings"]) + kept["findings_omitted"] == 3000
    assert kept["coverage"] == coverage(report(3000))


def test_a_small_document_is_kept_whole() -> None:
    assert json.loads(bounded(document(report(2)))) == document(report(2))
