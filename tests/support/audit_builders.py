"""Rows an audit may come upon, and a period to ask for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.evidence.records import Entry, Heading
from core.keys import countdown
from core.model.cases import Case
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity, Verdict
from core.model.requests import Action, ActionState, Deed

DAY = timedelta(days=1)
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL = datetime(2026, 11, 11, tzinfo=UTC)
MADE = datetime(2026, 11, 20, 6, tzinfo=UTC)
WITHIN = SINCE + timedelta(days=3, hours=5)
HEADING = Heading("contoso.example", SINCE, UNTIL, MADE, "1.2.3")
GUARD = "mailbox-forwarding"


def run_of(at: datetime) -> str:
    """The id of a run that began then, the same every time."""
    return f"{countdown(at)}-0badcafe"


def case(**changes: Any) -> Case:
    """A forward, found within the period and still there."""
    found = Case(
        key="0" * 32,
        kind="inbox-rule-forward",
        object_id="00000000-0000-0000-0000-000000000001",
        subject="ann@contoso.example",
        severity=Severity.HIGH,
        judged=Verdict.EXTERNAL,
        verdict=Verdict.EXTERNAL,
        summary="A rule forwards mail to mallory@evil.example.",
        opened=WITHIN,
        facts=("rule: .", "to: mallory@evil.example"),
        told=WITHIN,
    )
    return replace(found, **changes)


def record(**changes: Any) -> ChangeRecord:
    """A change made within the period."""
    made = ChangeRecord(
        id="c1",
        case="0" * 32,
        subject="ann@contoso.example",
        kind="ClearMailboxForward",
        arguments={"mailbox_guid": "g"},
        state=ChangeState.APPLIED,
        at=WITHIN,
        run=run_of(WITHIN),
        before={"ForwardingSmtpAddress": "smtp:mallory@evil.example"},
    )
    return replace(made, **changes)


def asked(**changes: Any) -> Action:
    """Something a person asked for within the period, and that was done."""
    action = Action(
        id=run_of(WITHIN),
        deed=Deed.EXEMPT,
        subject="0" * 32,
        who="Dana",
        why="a partner's mailbox",
        at=WITHIN,
        until=UNTIL,
        state=ActionState.DONE,
        ended=WITHIN + timedelta(minutes=1),
    )
    return replace(action, **changes)


def ran(at: datetime, **changes: Any) -> dict[str, object]:
    """The document of a run that saw everything."""
    return {
        "run": run_of(at),
        "status": "done",
        "started": at.isoformat(),
        "seen": 100,
        "population": 100,
        "unread": 0,
        "left": 0,
        "blind": [],
    } | changes


def of(kind: str, entries: list[Entry]) -> list[Entry]:
    """The records of one type."""
    return [entry for entry in entries if entry["record"] == kind]
