"""What became of the steps of a containment, in words for cards, pages and commands. Pure."""

from collections.abc import Mapping

from core.model.containment import StepState

STEP_STATE_TEXTS: Mapping[StepState, str] = {
    StepState.PLANNED: "not made yet",
    StepState.STARTED: "still being tried",
    StepState.DONE: "done",
    StepState.FAILED: "failed",
    StepState.REFUSED: "refused",
    StepState.GONE: "nothing left to change",
    StepState.FOR_A_PERSON: "for you",
    StepState.UNDONE: "taken back",
}
