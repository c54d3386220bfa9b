"""Which exemptions somebody asked for: pure.

An exemption keeps a guard from telling and from changing, so whoever can write the state table
could blind a guard with a row. Every exemption there rightly is has an action beside it, in the
same partition, that says who asked for it and when it was granted; one that has none is told.
"""

from datetime import datetime, timedelta

from core.model.cases import Exemption
from core.model.requests import Action, ActionState, Deed
from core.model.state import Memory

# A change that a person took back is left alone for so long.
UNDONE_FOR = timedelta(days=30)


def reason(action: Action) -> str:
    """Why the exemption is there that protects what was taken back."""
    return f"a change was taken back: {action.why}"[:500]


def unaccounted(memory: Memory, now: datetime) -> tuple[Exemption, ...]:
    """The exemptions in force that nobody asked for, or not so, by their subjects."""
    restored = {(record.restores, record.case) for record in memory.changes if record.restores}
    return tuple(
        exemption
        for _, exemption in sorted(memory.exemptions.items())
        if exemption.until > now
        and not any(
            granted_by(action, exemption) or protects(action, exemption, now, restored)
            for action in memory.actions
        )
    )


def granted_by(action: Action, exemption: Exemption) -> bool:
    """Whether somebody asked for exactly this, and got it."""
    if action.deed is not Deed.EXEMPT or action.state is not ActionState.DONE:
        return False
    asked = (action.subject.strip(), action.who.strip()[:200], action.why.strip()[:500])
    return (*asked, action.until) == (
        exemption.subject,
        exemption.who,
        exemption.why,
        exemption.until,
    )


def protects(
    action: Action, exemption: Exemption, now: datetime, restored: set[tuple[str, str]]
) -> bool:
    """Whether it keeps a guard from what somebody takes back, or took back.

    `restored` are the changes that were to be taken back, each with its case: a change's own record
    may have grown too old to be kept.
    """
    return (
        action.deed is Deed.UNDO
        and action.state is not ActionState.REFUSED
        and (action.subject, exemption.subject) in restored
        and (exemption.who, exemption.why) == (action.who, reason(action))
        and exemption.until <= (action.ended or now) + UNDONE_FOR
    )
