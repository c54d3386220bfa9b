"""What a change did, by its JSON document: what was there before, and how to take it back. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from core.cli.formatting import moment
from core.engine.request_decisions import objection
from core.model.changes import ChangeRecord, ChangeState

NOT_UNDERSTOOD = "this version does not understand its record"


def was(row: Mapping[str, Any]) -> Iterator[str]:
    """What was there before, a line a name."""
    before = row.get("before")
    for name, value in before.items() if isinstance(before, dict) else ():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"{name} = {shown}"


def why_not(row: Mapping[str, Any]) -> str:
    """Why a change cannot be taken back; nothing when it can."""
    at = moment(row.get("at"))
    if at is None:
        return NOT_UNDERSTOOD
    try:
        record = ChangeRecord(
            id=str(row["change"]),
            case=str(row["case"]),
            subject=str(row["subject"]),
            kind=str(row["kind"]),
            arguments=dict(row["arguments"]),
            state=ChangeState(row["outcome"]),
            at=at,
            run=str(row["run"]),
            before=dict(row["before"]),
            restores=str(row["restores"] or ""),
            undone=moment(row["undone"]),
        )
    except (KeyError, TypeError, ValueError):
        return NOT_UNDERSTOOD
    return objection(record)


def how_to_undo(row: Mapping[str, Any]) -> str:
    """The command that takes a change back, or why there is none."""
    reason = why_not(row)
    return f"cannot be undone: {reason}" if reason else f"undo {row['guard']} {row['change']}"
