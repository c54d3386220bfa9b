"""Puts what a search of the audit log found down to its cases, between the runs of their guard.

It takes the guard's claim, reads nothing of the tenant and changes no more than who did it: a case
is told of by what it says, so nothing is told anew. While another run or a pass in shards holds the
rows, it waits for the next tick.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.engine.causes import ActIndex, add_cause, get_search_start, list_changed
from core.engine.memory_check import check_memory, mark_state
from core.model.activity import Act
from core.model.cases import Case
from core.model.guards import Guard
from core.model.state import GuardSnapshot
from core.ports import World

log = logging.getLogger("exoguard.run")


@dataclass(frozen=True, slots=True)
class SearchNews:
    """What is known of a search of the audit log."""

    cases: frozenset[str]
    """The keys of the cases that it is for."""
    asked_at: datetime
    note: str
    has_answer: bool
    """Whether its records were read: a case that no act fits has none until it was asked."""
    acts: tuple[Act, ...] = ()
    """What it found, as far as this process read it."""


async def update_causes(world: World, guard: Guard[Any], run: str, news: SearchNews) -> bool:
    """Update the cases of a search; False if that has to wait. Raises LedgerError."""
    async with world.ledger.claim(guard.name, run) as claim:
        if claim is None:
            return False
        snapshot = await check_memory(world, claim, guard.name, await claim.load())
        if snapshot.state.scan_pass and snapshot.state.scan_pass.shard_count:
            return False
        due = [
            snapshot.cases[key]
            for key in sorted(news.cases)
            if key in snapshot.cases and not snapshot.cases[key].closed_at
        ]
        acts = await load_acts(world, due, news)
        changed = list_changed(due, apply_news(due, guard, news, acts, snapshot))
        if changed:
            state = replace(snapshot.state, revision=snapshot.state.revision + 1)
            await claim.save(*changed, state=state)
            await mark_state(world, guard.name, ())
        log.info("%s: a search was put down to %d of %d cases", guard.name, len(changed), len(due))
        return True


async def load_acts(world: World, cases: Iterable[Case], news: SearchNews) -> tuple[Act, ...]:
    """The acts that may explain some cases: those on record, and what the search found."""
    start = get_search_start(cases)
    if start is None or not news.has_answer:
        return ()
    known = await world.ledger.load_acts(start, world.now())
    return tuple({act.key: act for act in (*known, *news.acts)}.values())


def apply_news(
    cases: Iterable[Case],
    guard: Guard[Any],
    news: SearchNews,
    acts: Iterable[Act],
    snapshot: GuardSnapshot,
) -> list[Case]:
    """The cases with what is known of their search."""
    index = ActIndex.build(acts, guard.name)
    updated = []
    for case in cases:
        asked = max(news.asked_at, case.cause_asked_at or news.asked_at)
        new = replace(case, cause_note=news.note, cause_asked_at=asked)
        if news.has_answer:
            new = add_cause(new, index, news.asked_at, snapshot.changes, guard.settling_time)
        updated.append(new)
    return updated
