"""From records to acts on record: which are new, and whose mailboxes they are about."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from core.activity.hints import (
    Resolved,
    build_act,
    hash_record,
    is_understood,
    list_concerns,
    list_mailbox_names,
    list_news,
    merge_new_acts,
)
from core.activity.operations import find_watches
from core.activity.progress import note_broken
from core.errors import MISTAKES
from core.jobs.activity_reading import Tick
from core.model.activity import Act
from core.tenant.activity import BROKEN_PREFIX, ActivityRecord
from core.tenant.mailboxes import Mailbox

log = logging.getLogger("exoguard.activity")

MAX_NAMES = 400
MAX_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class NewActs:
    """The records that were not known, and the acts to save for them."""

    records: Sequence[ActivityRecord]
    resolved: Resolved
    acts: tuple[Act, ...]
    new_keys: frozenset[str]
    """The keys of acts that are not on record yet."""


async def find_understood_acts(tick: Tick) -> NewActs:
    """What is new among the records of a tick. Raises LedgerError.

    A record that meets a mistake of the app leaves the others as they are: it counts as one that
    could not be understood, and the guards that it concerns look at everything.
    """
    try:
        return await find_new_acts(tick, select_relevant(tick))
    except MISTAKES:
        if not drop_odd_records(tick):
            raise
        log.exception("records that nobody foresaw are left out")
    return await find_new_acts(tick, select_relevant(tick))


def select_relevant(tick: Tick) -> list[ActivityRecord]:
    """The records of a tick that concern a guard."""
    return [one for one in tick.records if list_concerns(one)]


def drop_odd_records(tick: Tick) -> bool:
    """Leave out the records that meet a mistake; False if there are none. One that was left out
    before leads to no run again.
    """
    odd = [one for one in tick.records if not is_understood(one, tick.now)]
    for record in odd:
        tick.records.remove(record)
        known, mark = tick.get_cursor(record.log), f"{BROKEN_PREFIX}{hash_record(record)}"
        if mark not in known.broken:
            tick.cursors[record.log] = note_broken(known, [mark])
            tick.whole_guards |= {watch.guard for watch in find_watches(record.operation)}
    return bool(odd)


async def find_new_acts(tick: Tick, relevant: Sequence[ActivityRecord]) -> NewActs:
    """What is new among records that each concern a guard. Raises LedgerError."""
    known: tuple[Act, ...] = ()
    if relevant:
        times = [record.at for record in relevant]
        known = await tick.world.ledger.load_acts(min(times), max(times))
    news = list_news(relevant, known)
    resolved = await resolve_mailboxes(tick, news)
    acts = merge_new_acts(
        (build_act(one, list_concerns(one), resolved, tick.now) for one in news), known
    )
    new_keys = frozenset(act.key for act in acts) - {act.key for act in known}
    return NewActs(news, resolved, acts, new_keys)


async def resolve_mailboxes(tick: Tick, records: Sequence[ActivityRecord]) -> Resolved:
    """Look up the mailboxes that records name, by the surest name first.

    A weaker name counts only where a surer one is nobody's: where that one could not be looked up
    or is that of several, the mailbox is not known, whomever a weaker one stands for.
    """
    wanted = list_mailbox_names(records)
    by_name: dict[str, Mailbox] = {}
    unread: set[str] = set()
    for number in range(MAX_ROUNDS):
        asked = {
            key: names[number]
            for key, names in wanted.items()
            if key not in by_name and key not in unread and len(names) > number
        }
        if not asked:
            break
        batch = sorted(set(asked.values()))[:MAX_NAMES]
        read = await tick.world.tenant.mailboxes.find_mailboxes(batch)
        found = {one.name: one.mailbox for one in read.items}
        lost = {failure.object_id for failure in read.failures} | set(asked.values()) - set(batch)
        by_name |= {key: found[name] for key, name in asked.items() if name in found}
        tick.mailboxes |= {box.guid: box for box in found.values()}
        unread |= {key for key, name in asked.items() if name in lost or "" in lost}
    return Resolved(by_name, frozenset(unread - by_name.keys()))
