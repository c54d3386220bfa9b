"""What an operator does about a case, step by step, as every surface shows it. Pure.

Where accounts may be contained, that comes first: it saves the evidence itself, and is the one step
that stops an intruder at once. Who did it is known only once a record tells of it.
"""

from core.microsoft365.remedies import contain, look_around
from core.model.cases import Case
from core.model.findings import Step
from core.status.cause_texts import describe_actor
from core.tenant.activity import ActorKind

MAX_SHORT = 2
"""How many commands a card has room for."""


def list_steps(case: Case, *, may_contain: bool) -> tuple[Step, ...]:
    """The steps about an open case, or about what an event left behind; none about what is over."""
    if not case.steps or (case.closed_at and not case.is_one_off):
        return ()
    first = (contain(case.held_account),) if may_contain and case.held_account else ()
    return (*first, *case.steps, *list_actor_steps(case))


def list_actor_steps(case: Case) -> tuple[Step, ...]:
    """Look at the other cases of whoever did it, if it is somebody else than it was done to."""
    cause = case.cause
    if cause is None or cause.actor.kind is not ActorKind.PERSON:
        return ()
    if cause.actor.id in ("", case.object_id, case.held_account):
        return ()
    return (look_around(describe_actor(cause.actor), cause.actor.id),)


def list_short_steps(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The first steps that have a command."""
    return tuple(step for step in steps if step.command)[:MAX_SHORT]
