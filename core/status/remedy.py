"""What an operator does about a case, step by step, as every surface shows it. Pure.

Where accounts may be contained, that comes first: it saves the evidence itself, and is the one step
that stops an intruder at once. Who did it is known only once a record tells of it: somebody other
than the one it was done to is asked first, since theirs may be the account that is in other hands.
"""

from core.microsoft365.remedies import ask_actor, contain
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
    return (*first, *list_actor_steps(case), *case.steps)


def list_actor_steps(case: Case) -> tuple[Step, ...]:
    """Ask whoever did it, if a record tells of a person other than the one it was done to."""
    cause = case.cause
    if cause is None or cause.actor.kind is not ActorKind.PERSON:
        return ()
    actor = cause.actor
    known = {one.casefold() for one in (case.object_id, case.held_account, case.subject)}
    names = {one.casefold() for one in (actor.id, actor.name) if one}
    if not names or names & known:
        return ()
    return (ask_actor(describe_actor(actor), actor.id, actor.name),)


def list_short_steps(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The first steps that have a command."""
    return tuple(step for step in steps if step.command)[:MAX_SHORT]
