"""A case whose finding became a note ends, and says what the note says."""

from dataclasses import replace

import pytest

from core.engine.assess import report_note
from core.model.cases import Notification
from core.model.findings import Fact, Severity
from core.model.state import GuardSnapshot
from tests.support.decisions import (
    DAY,
    STATE,
    build_finding,
    build_known_snapshot,
    build_scene,
)
from tests.support.fakes.clock import START


@pytest.mark.parametrize("was_notified", [True, False])
def test_a_case_whose_finding_became_a_note_ends_as_the_note_says(was_notified: bool) -> None:
    (old,) = build_known_snapshot().cases.values()
    old = replace(old, facts=(Fact("was", "there"),), notified_at=START if was_notified else None)
    note = build_finding(
        severity=Severity.INFO,
        verdict="internal",
        subject="a, renamed",
        summary="It stays inside.",
        facts=(Fact("was", "there"), Fact("target", "inside"), Fact("domain", "own")),
        advice="Nothing is to be done.",
    )
    later = START + DAY
    context, _ = build_scene(GuardSnapshot(cases={old.key: old}, state=STATE), now=later)
    assessed = report_note(context, old.key, note, old)
    assert assessed.changed
    assert assessed.case == replace(
        old,
        closed_at=later,
        resolution="noted",
        notification=Notification.CLOSED if was_notified else Notification.NONE,
        subject=note.subject,
        summary=note.summary,
        facts=note.facts,
        advice=note.advice,
        guard_verdict="internal",
        verdict="internal",
        planned_changes=(),
        note="target: inside; domain: own. Nothing is to be done.",
    )
