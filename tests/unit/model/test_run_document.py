"""The JSON document of a run: complete, and small enough for a row when it has to be."""

import json
from dataclasses import replace
from datetime import timedelta

from core.model.changes import ChangeState, Outcome
from core.model.findings import Fact, Finding, Severity, Step
from core.model.guards import Mode
from core.model.run_document import (
    RUN_ROW_LIMIT,
    compute_run_coverage,
    format_run_coverage,
    run_finding_to_json,
    run_report_to_json,
    run_report_to_log_line,
    truncate_run_json,
)
from core.model.runs import ReportedFinding, RunReport
from tests.support.cases import build_case
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


def test_coverage_is_one_line_and_says_what_is_still_to_come() -> None:
    whole = replace(report(0), read_count=1_200, population=1_200, unread_count=0)
    whole = replace(whole, unavailable_sources=())
    assert format_run_coverage(whole) == "1,200 of 1,200 mailboxes read"
    partial = replace(whole, remaining_count=2_000, unavailable_sources=("rules", "folders"))
    assert format_run_coverage(partial) == (
        "1,200 of 1,200 mailboxes read; 2,000 still to come; not seen at all: rules, folders"
    )
    assert compute_run_coverage(replace(whole, read_count=1, population=3)) == 0.3333


def test_a_finding_has_its_advice_and_with_it_the_steps_where_they_are_asked_for() -> None:
    found = finding(1)
    assert "advice" not in run_finding_to_json(found)
    steps = (Step("Look.", "Get-InboxRule"), Step("Ask."))
    told = replace(found, finding=replace(found.finding, advice="Close it.", steps=steps))
    assert run_finding_to_json(told)["advice"] == "Close it."
    assert run_finding_to_json(told, with_steps=True)["advice"] == (
        "Close it. 1. Look. Get-InboxRule 2. Ask."
    )
    rows = run_report_to_json(replace(report(0), findings=(told,)), with_steps=True)["findings"]
    assert isinstance(rows, list)
    assert rows == [run_finding_to_json(told, with_steps=True)]


def test_a_finding_as_a_program_reads_it() -> None:
    exempt = replace(finding(1), until=START)
    assert run_finding_to_json(exempt) == {
        "key": exempt.key,
        "subject": "user1@contoso.com",
        "object": "1",
        "kind": "forward",
        "severity": "high",
        "verdict": "external",
        "state": "new",
        "summary": "It forwards." * 5,
        "facts": ["fact" * 10] * 3,
        "exempt_until": "2026-11-20T06:00:00+00:00",
    }
    assert "exempt_until" not in run_finding_to_json(finding(1))


CHANGE = Outcome("c1", "Ann", "ClearMailboxForward", ChangeState.APPLIED, note="done")
FULL = replace(
    report(1),
    status="done",
    finished_at=START + timedelta(seconds=12.3456),
    remaining_count=3,
    baselined=True,
    outcomes=(CHANGE, CHANGE, replace(CHANGE, state=ChangeState.FAILED)),
    preview=(CHANGE,),
    block_reason="too many",
    plan="p1",
    notifications=(build_case(),),
    early_count=4,
    delivered=True,
    exemption_count=5,
    error="none",
    open_count=6,
    critical_count=7,
    oldest_pending_age=timedelta(minutes=90, seconds=7),
    call_counts={"graph": 8, "exchange": 9},
    granted_permissions={"graph": ("User.Read.All",), "exchange": None},
    card_count=10,
)


def test_the_document_of_a_run_as_a_program_reads_it() -> None:
    change = {
        "case": "c1",
        "kind": "ClearMailboxForward",
        "subject": "Ann",
        "outcome": "applied",
        "note": "done",
    }
    assert run_report_to_json(FULL) == {
        "guard": "g",
        "run": "run",
        "status": "done",
        "mode": "alert",
        "started": "2026-11-20T06:00:00+00:00",
        "finished": "2026-11-20T06:00:12.345600+00:00",
        "seen": 8,
        "population": 10,
        "unread": 2,
        "left": 3,
        "coverage": "8 of 10 mailboxes read; 3 still to come; 2 unreadable; "
        "not seen at all: inbox-rules",
        "blind": ["inbox-rules"],
        "adopted": True,
        "findings": [run_finding_to_json(finding(0))],
        "changes": [change, change, change | {"outcome": "failed"}],
        "preview": [change | {"outcome": "next run"}],
        "held": "too many",
        "plan": "p1",
        "news": 5,
        "told": True,
        "cards": 10,
        "exemptions": 5,
        "error": "none",
        "open": 6,
        "critical": 7,
        "requests": {"graph": 8, "exchange": 9},
        "granted": {"graph": ["User.Read.All"], "exchange": None},
    }
    assert run_report_to_json(replace(FULL, finished_at=None))["finished"] is None


def test_the_line_for_the_log_as_the_alert_rules_query_it() -> None:
    assert json.loads(run_report_to_log_line(FULL)) == {
        "guard": "g",
        "run": "run",
        "status": "done",
        "mode": "alert",
        "seen": 8,
        "population": 10,
        "unread": 2,
        "left": 3,
        "coverage": 0.8,
        "blind": ["inbox-rules"],
        "findings": 1,
        "open": 6,
        "critical": 7,
        "changes": 3,
        "failed_changes": 1,
        "news": 5,
        "told": True,
        "held": True,
        "oldest_untold_minutes": 90.1,
        "seconds": 12.35,
        "graph_requests": 8,
        "exchange_requests": 9,
        "adopted": True,
    }
    bare = json.loads(run_report_to_log_line(replace(FULL, finished_at=None, call_counts={})))
    assert (bare["seconds"], bare["graph_requests"], bare["exchange_requests"]) == (0.0, 0, 0)
    # A clock that went back took no time.
    odd = replace(FULL, finished_at=START - timedelta(seconds=9))
    assert json.loads(run_report_to_log_line(odd))["seconds"] == 0.0


def test_findings_are_left_out_before_changes() -> None:
    document = {"findings": ["f" * 50] * 8, "preview": [], "changes": ["c" * 50] * 8, "n": 1}
    limit = len(json.dumps(document, separators=(",", ":")))
    assert json.loads(truncate_run_json(document, limit)) == document
    kept = json.loads(truncate_run_json(document, limit - 1))
    assert (len(kept["findings"]), kept["findings_omitted"]) == (4, 4)
    assert len(kept["changes"]) == 8
    kept = json.loads(truncate_run_json(document, 400))
    assert (len(kept["findings"]), kept["findings_omitted"]) == (0, 8)
    assert (len(kept["changes"]), kept["changes_omitted"]) == (4, 4)
    assert kept["n"] == 1


def test_what_would_be_done_is_left_out_before_what_was_and_no_room_is_wasted() -> None:
    document = {"findings": [], "preview": ["p" * 50] * 8, "changes": ["c" * 50] * 8}
    text = truncate_run_json(document, 800)
    kept = json.loads(text)
    assert (len(kept["preview"]), kept["preview_omitted"], len(kept["changes"])) == (4, 4, 8)
    assert ", " not in text
