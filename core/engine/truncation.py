"""What a row of the state table has room for: findings and changes cut to it. Pure.

What the tenant shows can be as long as whoever made it likes, and a row holds 32,768 characters. A
finding that did not fit could not be remembered, so it would never be told, and would take all
others of its guard with it. So what is too long is cut, always in the same way, and says so.
"""

import json
from dataclasses import replace

from core.model.changes import ChangeRecord
from core.model.findings import Finding
from core.tenant.changes import change_to_wire

# Characters of JSON, where a sign beyond ASCII takes six or twelve.
FINDING = 24_000
SUBJECT, SUMMARY, ADVICE, FACT, FACTS, CHANGES = 1_500, 3_000, 4_000, 1_200, 9_000, 5_000
BEFORE = 16_000
UNCHANGED = "the change that would put it right is too long to be remembered, so it is not made"
LOST = "what was there before is too long to be remembered, so it cannot be taken back"


def fitting(finding: Finding) -> Finding:
    """A finding whose case fits into a row, the same one where it does already."""
    changes = [change_to_wire(change) for change in finding.changes]
    shown = (finding.subject, finding.summary, finding.advice, finding.facts)
    if size(shown) + size(changes) <= FINDING:
        return finding
    facts: list[str] = []
    room = FACTS
    for fact in finding.facts:
        facts.append(cut(fact, FACT))
        room -= size(facts[-1])
        if room < 0:
            break
    if left := len(finding.facts) - len(facts):
        facts.append(f"and {left:,} more facts")
    too_long = size(changes) > CHANGES
    return replace(
        finding,
        subject=cut(finding.subject, SUBJECT),
        summary=cut(finding.summary, SUMMARY),
        advice=cut(finding.advice, ADVICE),
        facts=(*facts, UNCHANGED) if too_long else tuple(facts),
        changes=() if too_long else finding.changes,
    )


def undoable(record: ChangeRecord) -> ChangeRecord:
    """A record of a change that fits into a row; without what was before where that does not."""
    if size(record.before) <= BEFORE:
        return record
    note = f"{record.note}; {LOST}" if record.note else LOST
    return replace(record, before={}, note=note)


def cut(text: str, room: int) -> str:
    """A text that takes no more room than this as JSON, but for the dots that say it was cut."""
    whole = text
    while size(text) > room:
        text = text[: len(text) * 3 // 4]
    return text if text == whole else f"{text}…"


def size(value: object) -> int:
    """Characters of JSON."""
    return len(json.dumps(value))
