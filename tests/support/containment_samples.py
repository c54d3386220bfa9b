"""Containments whose every text somebody else chose, and all that is told of one."""

from collections.abc import Mapping
from dataclasses import replace

from core.model.containment import (
    STALLED,
    Containment,
    ContainmentState,
    ContainmentStep,
    StepState,
)
from tests.support.adaptive_cards import HOSTILE_TEXT
from tests.support.fakes.clock import START

CHANGE = '["DisableInboxRule", {"mailbox_id": "u", "rule_id": "r"}]'


def build_containment(text: str, *states: StepState) -> Containment:
    """A containment that is over, with a step for each state and fifteen for a person."""
    made = tuple(
        ContainmentStep(f"rule-{number}", text[:400], CHANGE, state=state, result=text[:300])
        for number, state in enumerate(states)
    )
    own = tuple(
        ContainmentStep(
            f"own-{number}", text[:400], state=StepState.FOR_A_PERSON, command=text[:500]
        )
        for number in range(15)
    )
    return Containment(
        "30708425056706-52e65694", "u1", text[:256], text[:256], text[:500], START,
        ContainmentState.DONE, steps=(*made, *own), ordered_by=text[:256], untold="done",
    )  # fmt: skip


HOSTILE = build_containment(HOSTILE_TEXT, *StepState)
UNDOING = replace(
    HOSTILE, undo_steps=tuple(step.name for step in HOSTILE.steps), undone_by=HOSTILE_TEXT
)
TOLD_CONTAINMENTS: Mapping[str, Containment] = {
    "planned": replace(HOSTILE, state=ContainmentState.PLANNED, untold="planned"),
    "done": HOSTILE,
    "enabled again": replace(HOSTILE, untold="enabled"),
    "stands still": replace(
        HOSTILE, state=ContainmentState.RUNNING, stalled=HOSTILE_TEXT, untold=STALLED
    ),
    "stands still on its way back": replace(
        UNDOING, state=ContainmentState.UNDOING, stalled=HOSTILE_TEXT, untold=STALLED
    ),
    "taken back": replace(UNDOING, state=ContainmentState.UNDONE, untold="undone"),
}
"""One for all that a card tells of a containment."""
