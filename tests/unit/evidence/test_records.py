"""What an export says of the rows of a guard, and of what it cannot show."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from core.activity.progress import start_cursor
from core.config.catalog import CATALOG
from core.evidence.containment_records import list_containment_records, make_bundle_record
from core.evidence.daily_coverage import CoveragePeriod
from core.evidence.data_dictionary import RECORD_FIELDS
from core.evidence.records import (
    MAX_TEXT_LENGTH,
    EvidenceRecord,
    ExportHeader,
    format_record_time,
    list_assumption_records,
    list_gap_records,
    list_guard_records,
    list_log_records,
    sanitize_record_value,
)
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.containment import (
    AccountBundle,
    Containment,
    ContainmentState,
    ContainmentStep,
    StepState,
    StoredContainments,
)
from core.model.findings import Verdict
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot, ProbeReport
from core.tenant.activity import ActivityLog
from core.tenant.probing import AnswerStatus, ProbeAnswer
from tests.support.audit_builders import (
    DAY,
    EXPORT_HEADER,
    EXPORTED_AT,
    GUARD_NAME,
    SINCE,
    UNTIL,
    WITHIN_PERIOD,
    build_audited_case,
    build_audited_change,
    build_audited_request,
    build_run_document,
    filter_records,
)
from tests.support.builders import CONFIGS_BY_NAME

TICK = timedelta(milliseconds=1)
PROBE = ProbeReport(
    WITHIN_PERIOD,
    (
        ProbeAnswer(
            "exchange-bypass-rows",
            AnswerStatus.DOES_NOT_HOLD,
            "3 rows",
            stopped_at=WITHIN_PERIOD.replace(month=11, day=5, hour=0, minute=0),
        ),
    ),
)


def told(
    *rows: Case | ChangeRecord | Exemption | OperatorRequest,
    heading: ExportHeader = EXPORT_HEADER,
    guard: str = GUARD_NAME,
) -> list[EvidenceRecord]:
    """The records of a guard that remembers these rows."""
    snapshot = GuardSnapshot(
        cases={row.key: row for row in rows if isinstance(row, Case)},
        changes=tuple(row for row in rows if isinstance(row, ChangeRecord)),
        exemptions={row.subject: row for row in rows if isinstance(row, Exemption)},
        operator_requests=tuple(row for row in rows if isinstance(row, OperatorRequest)),
        unreadable_rows=3,
    )
    days = CoveragePeriod(heading.since, heading.until)
    return list(list_guard_records(heading, CONFIGS_BY_NAME[guard], snapshot, days))


# -- findings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "shown", "open_at_end"),
    [
        ({}, True, True),
        ({"opened_at": SINCE - DAY}, True, True),
        ({"opened_at": SINCE}, True, True),
        ({"opened_at": UNTIL - TICK}, True, True),
        ({"opened_at": UNTIL}, False, None),
        ({"closed_at": WITHIN_PERIOD + DAY}, True, False),
        ({"closed_at": UNTIL}, True, True),
        ({"closed_at": UNTIL - TICK}, True, False),
        ({"opened_at": SINCE - 2 * DAY, "closed_at": SINCE - TICK}, False, None),
        ({"opened_at": SINCE - 2 * DAY, "closed_at": SINCE}, True, False),
    ],
    ids=str,
)
def test_a_case_belongs_to_every_period_in_which_it_was_open(
    changes: dict[str, Any], shown: bool, open_at_end: bool | None
) -> None:
    found = filter_records("finding", told(build_audited_case(**changes)))
    assert [entry["open_at_end"] for entry in found] == ([open_at_end] if shown else [])


@pytest.mark.parametrize(("span", "open_at_end"), [(-TICK, False), (TICK, True)], ids=str)
def test_a_period_that_is_not_over_ends_with_the_export(span: timedelta, open_at_end: bool) -> None:
    heading = replace(EXPORT_HEADER, created_at=WITHIN_PERIOD + DAY)
    (entry,) = filter_records(
        "finding", told(build_audited_case(closed_at=heading.created_at + span), heading=heading)
    )
    assert entry["open_at_end"] is open_at_end


def test_a_finding_has_the_fields_an_auditor_needs() -> None:
    (entry,) = filter_records(
        "finding",
        told(
            build_audited_case(
                verdict=Verdict.CONTESTED,
                acknowledged_at=WITHIN_PERIOD + DAY,
                acknowledged_by="Dana",
                closed_at=WITHIN_PERIOD + 2 * DAY,
                resolution="done",
            )
        ),
    )
    assert (
        entry
        | {
            "severity": "high",
            "verdict": "contested",
            "guard_verdict": "external",
            "opened_at": "2026-11-04T05:00:00Z",
            "notified_at": "2026-11-04T05:00:00Z",
            "acknowledged_at": "2026-11-05T05:00:00Z",
            "acknowledged_by": "Dana",
            "closed_at": "2026-11-06T05:00:00Z",
            "resolution": "done",
            "facts": ["rule: .", "to: mallory@evil.example"],
            "controls": ["6.2.1"],
        }
        == entry
    )


def test_a_finding_keeps_the_verdict_of_its_guard() -> None:
    lacking = build_audited_case(
        kind="administrator-second-factor",
        guard_verdict="no-second-factor",
        verdict=Verdict.CONTESTED,
    )
    (entry,) = filter_records("finding", told(lacking, guard="mfa-registration"))
    assert entry["controls"] == ["5.2.3.4"]


def test_untrusted_text_is_sanitized_and_bounded() -> None:
    (entry,) = filter_records(
        "finding", told(build_audited_case(subject="a\u202egnp.exe", summary="x" * 1_000_000))
    )
    assert entry["subject"] == "a\\u202egnp.exe"
    assert entry["summary"] == "x" * MAX_TEXT_LENGTH + "… (1,000,000 characters)"


# -- changes -----------------------------------------------------------------------------------


def test_a_change_shows_the_previous_values_and_its_undo() -> None:
    first = build_audited_change(undone_at=WITHIN_PERIOD + DAY)
    second = build_audited_change(id="c2", undo_of="c1", at=WITHIN_PERIOD + DAY, before={})
    entries = filter_records("change", told(second, first))
    assert [entry["id"] for entry in entries] == ["c1", "c2"]
    assert entries[0]["before"] == {"ForwardingSmtpAddress": "smtp:mallory@evil.example"}
    assert (entries[0]["undone_at"], entries[0]["undone_by"]) == ("2026-11-05T05:00:00Z", ["c2"])
    assert (entries[1]["undo_of"], entries[1]["undone_by"]) == ("c1", [])


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"at": SINCE}, True),
        ({"at": UNTIL}, False),
        ({"at": SINCE - DAY}, False),
        ({"at": SINCE - DAY, "undone_at": SINCE}, True),
        ({"at": SINCE - DAY, "undone_at": UNTIL}, False),
    ],
    ids=str,
)
def test_a_change_belongs_to_the_period_in_which_it_was_made_or_undone(
    changes: dict[str, Any], shown: bool
) -> None:
    assert bool(filter_records("change", told(build_audited_change(**changes)))) is shown


# -- exemptions and requests --------------------------------------------------------------------

EXEMPTION = Exemption("0" * 32, "Dana", "a partner's mailbox", UNTIL)


def test_an_exemption_names_the_request_that_granted_it() -> None:
    operator_request = build_audited_request()
    (entry,) = filter_records("exemption", told(EXEMPTION, operator_request))
    assert (entry["request"], entry["granted"]) == (operator_request.id, "2026-11-04T05:01:00Z")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": RequestKind.UNDO},
        {"subject": "1" * 32},
        {"until": UNTIL + DAY},
        {"state": RequestState.REFUSED},
    ],
    ids=str,
)
def test_another_request_does_not_count_as_the_grant(changes: dict[str, Any]) -> None:
    (entry,) = filter_records("exemption", told(EXEMPTION, build_audited_request(**changes)))
    assert (entry["request"], entry["granted"]) == ("", None)


@pytest.mark.parametrize(
    ("until", "granted", "shown"),
    [
        (SINCE, SINCE - DAY, False),
        (SINCE + TICK, SINCE - DAY, True),
        (UNTIL + DAY, UNTIL - TICK, True),
        (UNTIL + DAY, UNTIL, False),
    ],
    ids=str,
)
def test_an_exemption_belongs_to_every_period_in_which_it_was_in_force(
    until: Any, granted: Any, shown: bool
) -> None:
    rows = (replace(EXEMPTION, until=until), build_audited_request(until=until, ended_at=granted))
    assert bool(filter_records("exemption", told(*rows))) is shown


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, True),
        ({"at": SINCE - DAY}, True),
        ({"at": SINCE - DAY, "ended_at": None}, False),
        ({"at": UNTIL, "ended_at": UNTIL}, False),
        ({"ended_at": UNTIL + DAY}, True),
    ],
    ids=str,
)
def test_a_request_belongs_to_the_period_in_which_it_was_made_or_ended(
    changes: dict[str, Any], shown: bool
) -> None:
    assert bool(filter_records("request", told(build_audited_request(**changes)))) is shown


# -- the guard and the whole -------------------------------------------------------------------


def test_a_guard_names_its_benchmark_controls() -> None:
    (entry,) = filter_records("guard", told())
    assert (entry["mode"], entry["schedule"]) == ("alert", "0 5/15 * * * *")
    assert entry["not_understood"] == 3
    (control,) = cast(list[dict[str, str]], entry["controls"])
    assert control["id"] == "6.2.1"
    assert control["source"].startswith("https://")
    assert "graph: MailboxSettings.Read" in cast(list[str], entry["reads"])
    assert entry["checks"] == []


def test_the_baseline_names_the_source_of_each_check() -> None:
    (entry,) = filter_records("guard", told(guard="tenant-baseline"))
    assert entry["checks"] == [{"id": row.id, "source": row.reference} for row in SHIPPED_ROWS]


@pytest.mark.parametrize("guard", [duty.guard.name for duty in CATALOG])
def test_every_guard_names_its_controls_or_says_why_there_are_none(guard: str) -> None:
    (entry,) = filter_records("guard", told(guard=guard))
    assert bool(entry["controls"]) is not bool(entry["without"])


CONTAINMENT = Containment(
    id="30708439043000-5e3aa1c7",
    account_id="11111111-0000-4000-8000-000000000001",
    account_name="mia@example.com",
    requested_by="Ann",
    reason="she clicked",
    planned_at=WITHIN_PERIOD,
    state=ContainmentState.DONE,
    steps=(
        ContainmentStep(
            "block-sign-in",
            "block the account's sign-in",
            '["BlockAccount", {"account_id": "11111111-0000-4000-8000-000000000001"}]',
            state=StepState.DONE,
            before={"accountEnabled": True},
            result="made",
            at=WITHIN_PERIOD,
        ),
    ),
)


def test_every_record_has_the_fields_of_the_dictionary_in_their_order() -> None:
    days = CoveragePeriod(SINCE, UNTIL)
    days.add_document(build_run_document(WITHIN_PERIOD))
    snapshot = GuardSnapshot(
        {"k": build_audited_case()},
        (build_audited_change(),),
        exemptions={"e": EXEMPTION},
        operator_requests=(build_audited_request(),),
    )
    entries = list(list_guard_records(EXPORT_HEADER, CONFIGS_BY_NAME[GUARD_NAME], snapshot, days))
    entries += list_gap_records(replace(EXPORT_HEADER, since=SINCE - 100 * DAY))
    entries += list_assumption_records(EXPORT_HEADER, PROBE)
    cursor = start_cursor(ActivityLog.DIRECTORY, EXPORT_HEADER.created_at)
    entries += list_log_records(EXPORT_HEADER, {ActivityLog.DIRECTORY: cursor})
    entries += list_containment_records(EXPORT_HEADER, StoredContainments((CONTAINMENT,)))
    entries.append(make_bundle_record(AccountBundle("b", "a", SINCE, "impact", "0" * 64, "{}")))
    for entry in entries:
        assert list(entry) == ["record", "schema", *RECORD_FIELDS[str(entry["record"])]]
    assert {entry["record"] for entry in entries} == RECORD_FIELDS.keys() - {"export", "digest"}


def test_a_containment_is_evidence_of_its_period_with_what_was_there_before() -> None:
    (entry,) = list_containment_records(EXPORT_HEADER, StoredContainments((CONTAINMENT,)))
    assert (entry["subject"], entry["who"], entry["state"]) == ("mia@example.com", "Ann", "done")
    assert entry["steps"] == [
        {
            "step": "block-sign-in",
            "state": "done",
            "by_exoguard": True,
            "title": "block the account's sign-in",
            "before": {"accountEnabled": True},
            "result": "made",
            "at": format_record_time(WITHIN_PERIOD),
        }
    ]
    later = replace(CONTAINMENT, planned_at=UNTIL)
    assert list(list_containment_records(EXPORT_HEADER, StoredContainments((later,)))) == []


@pytest.mark.parametrize("what", ["started_at", "ended_at", "undone_at"])
def test_what_was_done_in_the_period_to_an_account_that_was_contained_before_is_in_it(
    what: str,
) -> None:
    early = replace(CONTAINMENT, planned_at=SINCE - DAY)
    assert list(list_containment_records(EXPORT_HEADER, StoredContainments((early,)))) == []
    done = replace(early, **{what: WITHIN_PERIOD})  # type: ignore[arg-type]
    assert len(list(list_containment_records(EXPORT_HEADER, StoredContainments((done,))))) == 1


def test_a_probe_is_evidence_from_the_period_it_was_made_in() -> None:
    (entry,) = list_assumption_records(EXPORT_HEADER, PROBE)
    assert (entry["status"], entry["saw"]) == ("does-not-hold", "3 rows")
    assert entry["stopped_at"] == "2026-11-05T00:00:00Z"
    later = replace(PROBE, probed_at=UNTIL)
    assert list(list_assumption_records(EXPORT_HEADER, later)) == []
    assert list(list_assumption_records(EXPORT_HEADER, None)) == []


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = [
        build_audited_case(key=f"{number:032x}", opened_at=WITHIN_PERIOD - number % 3 * DAY)
        for number in range(20)
    ]
    assert told(*rows) == told(*reversed(rows))


def test_a_gap_names_what_is_past_its_retention() -> None:
    heading = replace(EXPORT_HEADER, since=EXPORTED_AT - 401 * DAY, until=EXPORTED_AT - 10 * DAY)
    entries = list(list_gap_records(heading))
    assert [entry["what"] for entry in entries] == ["coverage", "finding", "change", "request"]
    assert [entry["from"] for entry in entries] == ["2025-10-15T06:00:00Z"] * 4
    assert [entry["to"] for entry in entries] == [
        "2026-10-21T06:00:00Z",
        "2026-08-22T06:00:00Z",
        "2025-10-16T06:00:00Z",
        "2025-10-16T06:00:00Z",
    ]


def test_a_gap_ends_with_the_period() -> None:
    heading = replace(EXPORT_HEADER, since=EXPORTED_AT - 80 * DAY, until=EXPORTED_AT - 70 * DAY)
    (entry,) = list_gap_records(heading)
    assert (entry["what"], entry["to"]) == ("coverage", "2026-09-11T06:00:00Z")


def test_a_gap_names_the_future_part_of_a_period() -> None:
    (entry,) = list_gap_records(replace(EXPORT_HEADER, until=EXPORTED_AT + timedelta(hours=18)))
    assert (entry["what"], entry["from"], entry["to"]) == (
        "all",
        "2026-11-20T06:00:00Z",
        "2026-11-21T00:00:00Z",
    )


@pytest.mark.parametrize(("late", "kept"), [(timedelta(), "all"), (TICK, "partly")], ids=str)
def test_a_day_past_its_retention_is_marked_partly_kept(late: timedelta, kept: str) -> None:
    heading = replace(EXPORT_HEADER, created_at=SINCE + 30 * DAY + late)
    days = CoveragePeriod(SINCE, UNTIL)
    days.add_document(build_run_document(SINCE))
    entries = list(list_guard_records(heading, CONFIGS_BY_NAME[GUARD_NAME], GuardSnapshot(), days))
    assert filter_records("coverage", entries)[0]["kept"] == kept


def test_a_recent_period_has_no_gaps() -> None:
    assert list(list_gap_records(EXPORT_HEADER)) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        ({"b": 1, "a": "\u200b"}, {"a": "\\u200b", "b": 1}),
        (("x", None, True, 1.5), ["x", None, True, 1.5]),
        ({7: object}, {"7": "<class 'object'>"}),
    ],
    ids=str,
)
def test_any_value_is_shown_as_json(value: object, shown: object) -> None:
    assert sanitize_record_value(value) == shown


def test_the_keys_of_a_value_have_one_order() -> None:
    assert list(cast(dict[str, object], sanitize_record_value({"b": 1, "a": 2}))) == ["a", "b"]


def test_a_deep_value_is_cut() -> None:
    deep: object = "bottom"
    for _ in range(5_000):
        deep = [deep]
    assert "nested deeper" in str(sanitize_record_value(deep))
    assert "bottom" not in str(sanitize_record_value(deep))
