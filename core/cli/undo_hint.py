"""Describes a change from its JSON document: the values before it, and how to undo it. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from core.cli.formatting import parse_document_time

NOT_UNDERSTOOD = "this version cannot read its record"


def format_before(row: Mapping[str, Any]) -> Iterator[str]:
    """The values before the change, one line each."""
    before = row.get("before")
    for name, value in before.items() if isinstance(before, dict) else ():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"{name} = {shown}"


def explain_undo_refusal(row: Mapping[str, Any]) -> str:
    """Why a change cannot be undone; empty if it can."""
    # Only who lists changes waits for the engine's rules to be imported.
    from core.engine.request_decisions import find_undo_obstacle
    from core.model.changes import ChangeRecord, ChangeState

    at = parse_document_time(row.get("at"))
    if at is None:
        return NOT_UNDERSTOOD
    try:
        record = ChangeRecord(
            id=str(row["change"]),
            case_key=str(row["case"]),
            subject=str(row["subject"]),
            kind=str(row["kind"]),
            arguments=dict(row["arguments"]),
            state=ChangeState(row["outcome"]),
            at=at,
            run=str(row["run"]),
            before=dict(row["before"]),
            undo_of=str(row["undo_of"] or ""),
            undone_at=parse_document_time(row["undone_at"]),
        )
    except (KeyError, TypeError, ValueError):
        return NOT_UNDERSTOOD
    return find_undo_obstacle(record)


def format_undo_hint(row: Mapping[str, Any]) -> str:
    """The command that undoes a change, or the reason why it cannot be undone."""
    reason = explain_undo_refusal(row)
    return f"cannot be undone: {reason}" if reason else f"undo {row['guard']} {row['change']}"
