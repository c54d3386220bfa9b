"""From records to acts on record: which are new, and whose mailboxes they are about."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.activity.hints import (
    Resolved,
    build_act,
    list_concerns,
    list_mailbox_names,
    list_news,
    merge_new_acts,
)
from core.jobs.activity_reading import Tick
from core.model.activity import Act
from core.tenant.activity import ActivityRecord
from core.tenant.mailboxes import Mailbox

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
