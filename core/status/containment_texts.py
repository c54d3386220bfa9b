"""What became of a containment and of its steps, in words for cards, pages and commands. Pure."""

from collections.abc import Mapping
from datetime import datetime

from core.model.containment import (
    BLOCK,
    PLAN_WINDOW,
    STALLED,
    Containment,
    ContainmentState,
    ContainmentStep,
    StepState,
)

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
STATE_SENTENCES: Mapping[ContainmentState, str] = {
    ContainmentState.PLANNED: "This is a plan: nothing was done. It is valid for an hour.",
    ContainmentState.REFUSED: "It is not contained.",
    ContainmentState.RUNNING: "It is being contained.",
    ContainmentState.DONE: "It is contained.",
    ContainmentState.UNDOING: "Its containment is being taken back.",
    ContainmentState.UNDONE: "Its containment was taken back.",
}
OTHER_HEADLINES: Mapping[str, str] = {
    "planned": "A rule asks for an account to be contained",
    "undone": "A containment was taken back",
    "enabled": "A contained account was enabled again",
    STALLED: "The containment of an account stands still",
}
UNREADABLE_HEADLINE = "The record of a containment cannot be decoded"
UNREADABLE_ADVICE = (
    "It stays as it is: nothing of it goes on and nothing is taken back, while all others go on. "
    "Finish it by hand. Compare the deployed version with the one that wrote the row, and find out "
    "who may write the state table. Until it can be decoded again, or is deleted, rules show plans "
    "and contain nobody."
)
MAX_UNREADABLE = 10
"""So many records that cannot be decoded are named."""
STALL_ADVICE = (
    "Exoguard looks every few minutes whether it can go on. Until it does, do by hand what "
    "is not made yet: block the account's sign-in first."
)
RELEASE_STALL_ADVICE = (
    "Exoguard looks every few minutes whether it can go on. Until it does, take back by hand "
    "what is still to be taken back, if that cannot wait."
)


def is_block_missing(containment: Containment) -> bool:
    """Whether sign-in was to be blocked and is not."""
    step = containment.find_step(BLOCK)
    return step is not None and bool(step.change) and step.state is not StepState.DONE


def is_partly_undone(containment: Containment) -> bool:
    """Whether something that was to be taken back was not."""
    return bool(list_not_taken_back(containment))


def list_not_taken_back(containment: Containment) -> tuple[ContainmentStep, ...]:
    """The steps that were to be taken back, and are not."""
    return tuple(
        step
        for step in containment.steps
        if step.name in containment.undo_steps and step.state is not StepState.UNDONE
    )


def has_succeeded(containment: Containment, step: ContainmentStep) -> bool:
    """Whether a step was made, or taken back where that is what is told."""
    if containment.untold == "undone" and step.name in containment.undo_steps:
        return step.state is StepState.UNDONE
    return step.state in (StepState.DONE, StepState.UNDONE)


def get_actor(containment: Containment) -> str:
    """Who has an account contained, or has that taken back."""
    if containment.state in (ContainmentState.UNDOING, ContainmentState.UNDONE):
        return containment.undone_by
    return containment.ordered_by or containment.requested_by


def explain_stall(containment: Containment) -> tuple[str, str]:
    """Why a containment stands still, and what to do meanwhile, as sentences."""
    is_release = containment.state is ContainmentState.UNDOING
    what = "It is being taken back, and stands" if is_release else "It stands"
    advice = RELEASE_STALL_ADVICE if is_release else STALL_ADVICE
    return f"{what} still: {containment.stalled}.", advice


def describe_state(containment: Containment, now: datetime) -> str:
    """How far a containment has come, as a sentence."""
    match containment.state:
        case ContainmentState.PLANNED if is_expired(containment, now):
            return "This was a plan: nothing was done, and it is no longer valid."
        case ContainmentState.DONE if is_block_missing(containment):
            return "Its plan was carried out, but its sign-in is not blocked."
        case ContainmentState.DONE if containment.find_step(BLOCK) is None:
            return "Its plan was carried out; blocking its sign-in was no part of it."
        case ContainmentState.UNDONE if is_partly_undone(containment):
            return "Its containment was taken back, but not all of it."
        case state:
            return STATE_SENTENCES[state]


def is_expired(containment: Containment, now: datetime) -> bool:
    """Whether a plan is too old, or too new, to be carried out."""
    return not now - PLAN_WINDOW <= containment.planned_at <= now


def describe_news(containment: Containment) -> str:
    """The headline of the card that a containment waits for."""
    if containment.untold == "undone" and is_partly_undone(containment):
        return "A containment was taken back, but not all of it"
    if containment.untold == STALLED and containment.state is ContainmentState.UNDOING:
        return "Taking back a containment stands still"
    if containment.untold != "done":
        return OTHER_HEADLINES.get(containment.untold, "A containment changed")
    if is_block_missing(containment):
        return "An account is not blocked: its containment failed in part"
    if containment.find_step(BLOCK) is None:
        return "Steps of a containment were made"
    return "An account was contained"
