"""The JSON document of a run: complete, and small enough for a row when it has to be."""

import json
from dataclasses import replace

from core.model.findings import Fact, Finding, Severity
from core.model.guards import Mode
from core.model.run_document import (
    RUN_ROW_LIMIT,
    compute_run_coverage,
    format_run_coverage,
    run_report_to_json,
    run_report_to_log_line,
    truncate_run_json,
)
from core.model.runs import ReportedFinding, RunReport
from tests.support.fakes.clock import START


def finding(number: int) -> ReportedFinding:
    found = Finding(
        kind="forward",
        object_id=str(number),
        subject=f"user{number}@contoso.com",
        severity=Severity.HIGH,
        verdict="external",
        summary="It forwards." * 5,
        facts=(Fact("", "fact" * 10),) * 3,
    )
    return ReportedFinding(found.compute_key("g"), found, "new", "external")


def report(count: int) -> RunReport:
    return RunReport(
        "g",
        "Guard",
        "mailboxes",
        "run",
        Mode.ALERT,
        START,
        read_count=8,
        population=10,
        unread_count=2,
        unavailable_sources=("inbox-rules",),
        findings=tuple(finding(number) for number in range(count)),
    )


def test_coverage_names_what_was_not_seen() -> None:
    line = format_run_coverage(report(0))
    assert line == "8 of 10 mailboxes read; 2 unreadable; not seen at all: inbox-rules"


def test_a_document_names_every_finding_with_its_verdict() -> None:
    rows = run_report_to_json(report(2))["findings"]
    assert isinstance(rows, list)
    assert [(row["subject"], row["verdict"], row["severity"]) for row in rows] == [
        ("user0@contoso.com", "external", "high"),
        ("user1@contoso.com", "external", "high"),
    ]


def test_the_line_for_the_log_has_figures_and_nothing_from_the_tenant() -> None:
    line = run_report_to_log_line(report(2))
    figures = json.loads(line)
    assert (figures["coverage"], figures["findings"], figures["blind"]) == (0.8, 2, ["inbox-rules"])
    assert "contoso" not in line


def test_of_nothing_everything_was_read() -> None:
    assert compute_run_coverage(replace(report(0), read_count=0, population=0)) == 1.0


def test_a_document_of_thousands_fits_a_row_and_says_what_is_missing() -> None:
    text = truncate_run_json(run_report_to_json(report(3000)))
    kept = json.loads(text)
    assert len(text) <= RUN_ROW_LIMIT
    assert len(kept["findings"]) + kept["findings_omitted"] == 3000
    assert kept["coverage"] == format_run_coverage(report(3000))


def test_a_small_document_is_kept_whole() -> None:
    assert json.loads(truncate_run_json(run_report_to_json(report(2)))) == run_report_to_json(
        report(2)
    )
