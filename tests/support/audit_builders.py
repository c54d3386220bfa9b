"""Rows an audit may come upon, and a period to ask for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.evidence.records import EvidenceRecord, ExportHeader
from core.keys import format_descending_time
from core.model.cases import Case
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Fact
from core.model.requests import OperatorRequest, RequestKind, RequestState
from tests.support.cases import build_case

DAY = timedelta(days=1)
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL = datetime(2026, 11, 11, tzinfo=UTC)
EXPORTED_AT = datetime(2026, 11, 20, 6, tzinfo=UTC)
WITHIN_PERIOD = SINCE + timedelta(days=3, hours=5)
EXPORT_HEADER = ExportHeader("contoso.example", SINCE, UNTIL, EXPORTED_AT, "1.2.3")
GUARD_NAME = "mailbox-forwarding"


def build_run_id(at: datetime) -> str:
    """The id of a run that began then, the same every time."""
    return f"{format_descending_time(at)}-0badcafe"


def build_audited_case(**changes: Any) -> Case:
    """A forward, found within the period and still there."""
    found = build_case(
        key="0" * 32,
        kind="inbox-rule-forward",
        object_id="00000000-0000-0000-0000-000000000001",
        subject="ann@contoso.example",
        summary="A rule forwards mail to mallory@evil.example.",
        opened_at=WITHIN_PERIOD,
        facts=(Fact("rule", "."), Fact("to", "mallory@evil.example")),
        notified_at=WITHIN_PERIOD,
    )
    return replace(found, **changes)


def build_audited_change(**changes: Any) -> ChangeRecord:
    """A change made within the period."""
    made = ChangeRecord(
        id="c1",
        case_key="0" * 32,
        subject="ann@contoso.example",
        kind="ClearMailboxForward",
        arguments={"mailbox_guid": "g"},
        state=ChangeState.APPLIED,
        at=WITHIN_PERIOD,
        run=build_run_id(WITHIN_PERIOD),
        before={"ForwardingSmtpAddress": "smtp:mallory@evil.example"},
    )
    return replace(made, **changes)


def build_audited_request(**changes: Any) -> OperatorRequest:
    """Something a person asked for within the period, and that was done."""
    operator_request = OperatorRequest(
        id=build_run_id(WITHIN_PERIOD),
        kind=RequestKind.EXEMPT,
        subject="0" * 32,
        requested_by="Dana",
        reason="a partner's mailbox",
        at=WITHIN_PERIOD,
        until=UNTIL,
        state=RequestState.DONE,
        ended_at=WITHIN_PERIOD + timedelta(minutes=1),
    )
    return replace(operator_request, **changes)


def build_run_document(at: datetime, **changes: Any) -> dict[str, object]:
    """The document of a run that saw everything."""
    return {
        "run": build_run_id(at),
        "status": "done",
        "started": at.isoformat(),
        "seen": 100,
        "population": 100,
        "unread": 0,
        "left": 0,
        "blind": [],
    } | changes


def filter_records(record_type: str, entries: list[EvidenceRecord]) -> list[EvidenceRecord]:
    """The records of one type."""
    return [entry for entry in entries if entry["record"] == record_type]
