"""Truncates findings and records of changes to what a row of the state table can hold. Pure.

An attacker decides how long names and rules in the tenant are, and a row property holds 32,768
characters. A finding that did not fit could not be saved, so it would never be notified, and would
take all other findings of its guard with it. So what is too long is truncated, always in the same
way, and says so.
"""

import json
from collections.abc import Iterable
from dataclasses import replace

from core.model.changes import ChangeRecord
from core.model.findings import Correlation, Fact, Finding, Step
from core.tenant.changes import change_to_arguments
from core.tenant.quoting import quote_text

# Characters of JSON, where a character beyond ASCII takes six or twelve.
MAX_FINDING_SIZE = 24_000
(
    MAX_SUBJECT_SIZE,
    MAX_SUMMARY_SIZE,
    MAX_ADVICE_SIZE,
    MAX_FACT_SIZE,
    MAX_FACTS_SIZE,
    MAX_CHANGES_SIZE,
) = 1_500, 3_000, 4_000, 1_200, 9_000, 5_000
MAX_STEPS_SIZE = 8_000
MAX_STEP_TEXT = 1_000
STEPS_TOO_LONG = "More is to be done than can be remembered: look at the object itself."
MAX_LABEL_SIZE = MAX_CORRELATION_SIZE = 120
MAX_BEFORE_SIZE = 16_000
CHANGE_TOO_LONG_FACT = Fact(
    "", "the change that would put it right is too long to be remembered, so it is not made"
)
BEFORE_TOO_LONG_NOTE = (
    "what was there before is too long to be remembered, so it cannot be taken back"
)


def sanitize_finding(finding: Finding) -> Finding:
    """The finding, its texts without hidden characters, whatever its guard quoted."""
    return replace(
        finding,
        subject=quote_text(finding.subject, MAX_FINDING_SIZE),
        summary=quote_text(finding.summary, MAX_FINDING_SIZE),
        advice=quote_text(finding.advice, MAX_FINDING_SIZE),
        # A command has no hidden characters: what it quotes is refused where it holds any.
        steps=tuple(with_text(one, quote_text(one.text, MAX_STEP_TEXT)) for one in finding.steps),
        facts=tuple(
            with_text(one, quote_text(one.text, MAX_FINDING_SIZE)) for one in finding.facts
        ),
        correlations=tuple(
            with_text(one, truncate_text(quote_text(one.text), MAX_CORRELATION_SIZE))
            for one in finding.correlations
        ),
    )


def with_text[T: (Step, Fact, Correlation)](part: T, text: str) -> T:
    """A part of a finding with another text; nearly always it is the one that it has."""
    return part if text == part.text else replace(part, text=text)


def truncate_finding(finding: Finding) -> Finding:
    """A finding whose case fits into a row; unchanged if it already does."""
    changes = [change_to_arguments(change) for change in finding.changes]
    changes_size = get_json_size(changes)
    if measure_shown(finding) + changes_size <= MAX_STEPS_SIZE:
        # Nor is any part of it too long.
        return finding
    kept = limit_steps(finding.steps)
    if kept is not finding.steps:
        finding = replace(finding, steps=kept)
    if measure_shown(finding) + changes_size <= MAX_FINDING_SIZE:
        return finding
    facts: list[Fact] = []
    room = MAX_FACTS_SIZE
    for fact in finding.facts:
        label = truncate_text(fact.label, MAX_LABEL_SIZE)
        facts.append(Fact(label, truncate_text(fact.text, MAX_FACT_SIZE)))
        room -= get_json_size(list_fact_parts(facts[-1:]))
        if room < 0:
            break
    if left := len(finding.facts) - len(facts):
        facts.append(Fact("", f"and {left:,} more facts"))
    too_long = changes_size > MAX_CHANGES_SIZE
    return replace(
        finding,
        subject=truncate_text(finding.subject, MAX_SUBJECT_SIZE),
        summary=truncate_text(finding.summary, MAX_SUMMARY_SIZE),
        advice=truncate_text(finding.advice, MAX_ADVICE_SIZE),
        facts=(*facts, CHANGE_TOO_LONG_FACT) if too_long else tuple(facts),
        changes=() if too_long else finding.changes,
    )


def measure_shown(finding: Finding) -> int:
    """The number of characters that the texts of a finding take as JSON."""
    steps = [(step.text, step.command) for step in finding.steps]
    texts = (finding.subject, finding.summary, finding.advice, steps)
    return get_json_size((*texts, list_fact_parts(finding.facts)))


def limit_steps(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps that a row has room for: whole ones, since half a command does something else."""
    kept: list[Step] = []
    room = MAX_STEPS_SIZE
    for step in steps:
        room -= get_json_size((step.text, step.command))
        if room < 0:
            return (*kept, Step(STEPS_TOO_LONG))
        kept.append(step)
    return steps


def list_fact_parts(facts: Iterable[Fact]) -> list[dict[str, str]]:
    """Facts as a row stores them."""
    return [{"label": fact.label, "text": fact.text} for fact in facts]


def truncate_record(record: ChangeRecord) -> ChangeRecord:
    """A record that fits into a row; without the values before the change if they do not fit."""
    if get_json_size(record.before) <= MAX_BEFORE_SIZE:
        return record
    note = f"{record.note}; {BEFORE_TOO_LONG_NOTE}" if record.note else BEFORE_TOO_LONG_NOTE
    return replace(record, before={}, note=note)


def truncate_text(text: str, max_size: int) -> str:
    """A text that takes at most this many characters as JSON, plus an ellipsis if it was
    truncated.
    """
    whole = text
    while get_json_size(text) > max_size:
        text = text[: len(text) * 3 // 4]
    return text if text == whole else f"{text}…"


def get_json_size(value: object) -> int:
    """The number of characters as JSON."""
    return len(json.dumps(value))
