"""Which objects are looked at alone before their cases end, and what a listing lacks. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from core.keys import compute_hash_prefix
from core.model.guards import MAX_SINGLE_LOOKS, SingleLook, describe_gap
from core.model.state import GuardState
from core.tenant.readings import ReadFailure, Reading


@dataclass(frozen=True, slots=True)
class Turn:
    """The objects that one run looks at alone."""

    ids: tuple[str, ...]
    waiting_count: int = 0
    """How many wait for a later run."""
    place: str = ""
    """The hash prefix of the last of them, after which the next run goes on; empty if none waits.
    """


def choose_turn(ids: Collection[str], after: str) -> Turn:
    """So many objects as one run looks at, from a place on: each has its turn before any has a
    second one, and nobody's name makes it the first.
    """
    placed = sorted((compute_hash_prefix(one), one) for one in ids)
    order = [one for one in placed if one[0] > after] + [one for one in placed if one[0] <= after]
    asked = order[:MAX_SINGLE_LOOKS]
    waiting_count = len(order) - len(asked)
    return Turn(
        tuple(one for _, one in asked), waiting_count, asked[-1][0] if waiting_count else ""
    )


def note_turn(state: GuardState, listing: str, turn: Turn) -> GuardState:
    """The state with the place after which the next run goes on with a listing."""
    others = {name: place for name, place in state.single_look_places.items() if name != listing}
    placed = {listing: turn.place} if turn.place else {}
    return replace(state, single_look_places={**others, **placed})


def build_gap_batch(
    look: SingleLook[Any], read: Reading[Any], turn: Turn, found: Collection[str]
) -> Reading[Any]:
    """What a listing leaves out that is there, as a batch without items to judge.

    `found` are objects that were judged anew and are as before.
    """
    unread, scope = {failure.object_id for failure in read.failures}, read.scope or ()
    stay = {one for one in turn.ids if one not in scope and unread.isdisjoint({"", one})}
    reason = describe_gap(len(stay.union(found)), turn.waiting_count)
    return Reading(
        failures=(ReadFailure(look.listing, reason),) if reason else (),
        sources=frozenset({look.listing}),
        scope=frozenset[str](),
    )
