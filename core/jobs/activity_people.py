"""Whom records of passwords and ways to sign in are about: administrators, and people of cases.

Passwords are set all day. Such a record leads to a look only where it is about somebody who holds a
role, or of whom a guard has found something lately: then the case is told again with it.
"""

from collections.abc import Mapping, Sequence

from core.activity.hints import add_mailboxes, find_open_look, widen_look
from core.activity.operations import PRIVILEGED, RISKY
from core.engine.causes import METHOD_OPERATIONS, is_method_due, list_people
from core.errors import FAILURES
from core.guards.privileged_change.administrators import list_known_administrators
from core.jobs.activity_reading import Tick
from core.model.activity import MAX_LOOKED_AT, PendingLook
from core.model.guards import GuardConfig
from core.model.state import GuardSnapshot
from core.tenant.activity import ActivityRecord

# Guards that cannot look at single objects, and whose runs take a few requests.
QUICK_GUARDS = frozenset({RISKY})


async def add_people(
    tick: Tick,
    looks: Mapping[str, PendingLook],
    records: Sequence[ActivityRecord],
    configs: Sequence[GuardConfig],
) -> dict[str, PendingLook]:
    """The looks with those that new records of ways to sign in lead to. A guard of which nobody can
    tell whom its cases are about looks at everything.
    """
    given = [
        one
        for one in records
        if one.operation in METHOD_OPERATIONS
        and not one.actor.is_this_app
        and one.at >= tick.get_cursor(one.log).started_at
    ]
    found = dict(looks)
    for config in configs if given else ():
        name = config.guard.name
        if name != PRIVILEGED and config.guard.look_at is None and name not in QUICK_GUARDS:
            continue
        look = find_open_look(found, name, tick.now)
        try:
            if about := select_about(given, await list_people_of_guard(tick, name)):
                found[name] = await add_persons(tick, config, look, about)
        except FAILURES as error:
            tick.note_failed_guard(name, "whom its cases are about is not known", error)
            found[name] = widen_look(look, tick.now)
    return found


async def list_people_of_guard(tick: Tick, guard: str) -> frozenset[str]:
    """Whom such a record must be about for a guard to look. Raises LedgerError."""
    snapshot = await tick.world.ledger.load(guard)
    if guard == PRIVILEGED:
        return list_known_administrators(snapshot.known_traits.values())
    return list_people_of_cases(tick, snapshot)


def list_people_of_cases(tick: Tick, snapshot: GuardSnapshot) -> frozenset[str]:
    """The people of the cases that such a record may still be told with."""
    due = [case for case in snapshot.cases.values() if is_method_due(case, tick.now)]
    return frozenset(name for case in due for name in list_people(case))


def select_about(records: Sequence[ActivityRecord], people: frozenset[str]) -> list[ActivityRecord]:
    """The records about some people, by their ids or names."""
    return [one for one in records if not people.isdisjoint(map(str.casefold, one.names))]


async def add_persons(
    tick: Tick, config: GuardConfig, look: PendingLook, records: Sequence[ActivityRecord]
) -> PendingLook:
    """The look with the mailboxes of whom records are about. Who has none is not looked at: the
    guard's next run tells the case with what is on record.
    """
    names = sorted({one.names[0] for one in records})
    if config.guard.look_at is None or len(names) > MAX_LOOKED_AT:
        return widen_look(look, tick.now)
    read = await tick.world.tenant.mailboxes.find_mailboxes(names)
    tick.mailboxes |= {one.mailbox.guid: one.mailbox for one in read.items}
    look = add_mailboxes(look, (one.mailbox for one in read.items), tick.now)
    return widen_look(look, tick.now) if read.failures else look
