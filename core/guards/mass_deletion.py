"""The threat: much of the directory is deleted at once.

A filter of Entra Connect that was changed by mistake deletes every user it no longer covers; so
does an intruder with an administrator's role, or a script with a wrong list. Users and Microsoft
365 groups can be restored for 30 days, unless somebody deletes them for good as well. Whoever
hears of it in the first hour restores them; whoever hears of it after a month does not.
"""

import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Guard, Look, Permission, Service, Terms
from core.sanitize import plain
from core.tenant.directory import Account, Actor, DeletedObject, Deletion
from core.tenant.merging import missed, surfaces_of
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from core.tenant.surfaces import ACCOUNTS, DELETED_GROUPS, DELETED_USERS, DELETIONS

# Entra Connect refuses to delete more than this by itself; here it is never too few to tell.
CEILING = 500
# So many times the limit is graver still.
GRAVER = 5
KEPT = timedelta(days=30)
# What was deleted while Exoguard did not run is told, as long as it was not away for longer.
AWAY = timedelta(days=7)
# Deleted users of a burst that are looked up, to see which are back and which names are taken.
LOOKED_UP = 200
NAMED = 5
CUT = 200
SHORT = 48
SOURCES = 3

UNKNOWN, SEVERAL = "unknown", "several"
KINDS = ("user", "group", "device", "contact")
# Where what is not deleted for good is kept.
BINS = {"user": DELETED_USERS, "group": DELETED_GROUPS}
# What the synchronization of an on-premises directory goes by in the audit log. A name proves
# nothing, so it only adds to the advice.
SYNC_NAMES = frozenset(
    {
        "microsoft azure ad connect",
        "microsoft entra connect",
        "microsoft.azure.syncfabric",
        "on-premises directory synchronization service account",
    }
)


@dataclass(frozen=True, slots=True)
class Burst:
    """More was deleted within the window than the limit: by one actor, or by several together.

    `deletions` are those since the last pause of a whole window, one for each object, oldest first.
    `bin` are the objects that can be restored, `back` those that are there again, `taken` those
    whose name another object has by now, `unseen` those of which none of it is known. `users` is
    how many users there were, None if not known. `attributed` False: it is known from the recycle
    bin alone; `passing`: the audit log may be readable again in a moment.
    """

    who: str
    deletions: tuple[Deletion, ...]
    limit: int
    attributed: bool = True
    passing: bool = False
    users: int | None = None
    bin: frozenset[str] = frozenset()
    back: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    unseen: frozenset[str] = frozenset()

    @property
    def purged(self) -> tuple[Deletion, ...]:
        """The users and groups that somebody deleted for good."""
        return tuple(one for one in self.deletions if one.final and one.kind in ("user", "group"))


# ----------------------------------------------------------------------------------------------
# Observation
# ----------------------------------------------------------------------------------------------


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Burst]]:
    """The audit log of two windows, what is in the recycle bin, and how many users there are."""
    terms, window = look.terms, timedelta(hours=look.terms.mass_deletion_hours)
    # What happened while nobody looked counts as if it had happened just now.
    unseen_since = min(terms.now, max(look.last or terms.now, terms.now - AWAY))
    since = unseen_since - 2 * window
    log = await tenant.deletions(since)
    bins = await tenant.deleted_objects(since)
    counted = await tenant.user_count()
    users = None
    if counted.items:
        users = counted.items[0] + len({one.id for one in bins.items if one.kind == "user"})
    known = {one.id for one in log.items}
    miss = log.blind_to(DELETIONS)
    # What the log cannot tell, the recycle bin may: not who did it, but that it was done.
    unseen = [in_the_bin(one) for one in bins.items if one.id not in known] if miss else []
    found = [
        replace(
            burst,
            users=users,
            attributed=not (miss and burst.who == UNKNOWN),
            passing=bool(miss and not miss.permission),
            bin=frozenset(one.id for one in bins.items),
        )
        for burst in bursts(
            (*log.items, *unseen), limit_of(users, terms), replace(terms, now=unseen_since)
        )
    ]
    asked = worth_a_look(found)
    accounts = Reading[Account](surfaces=frozenset({ACCOUNTS}))
    if asked:
        accounts = await tenant.users_named(asked)
    yield Reading(
        items=tuple(with_fates(burst, bins, accounts, asked) for burst in found),
        unread=(
            *missed((log, bins)),
            *(replace(miss, optional=True) for miss in missed((counted, accounts))),
        ),
        surfaces=surfaces_of((log, bins, counted, accounts)),
        population=SOURCES,
    )


def in_the_bin(one: DeletedObject) -> Deletion:
    """A deletion known from what it left behind."""
    return Deletion(one.id, one.kind, one.at, one.name)


def worth_a_look(found: Sequence[Burst]) -> list[str]:
    """The users of bursts that may be there again: by their id, or others under their old name."""
    keys: dict[str, None] = {}
    for burst in found:
        for one in burst.deletions:
            if one.kind != "user" or one.final:
                continue
            if one.id not in burst.bin:
                keys[one.id] = None
            elif "@" in one.name and not one.name.startswith("$"):
                keys[one.name] = None
    return list(keys)[:LOOKED_UP]


def with_fates(
    burst: Burst,
    bins: Reading[DeletedObject],
    accounts: Reading[Account],
    asked: Collection[str],
) -> Burst:
    """The burst, knowing what became of its objects as far as anybody can tell."""
    ids = {one.id for one in accounts.items}
    names = {one.upn.lower() for one in accounts.items if one.upn}
    users = [one for one in burst.deletions if one.kind == "user"]
    back = frozenset(one.id for one in users if one.id in ids)
    taken = frozenset(one.id for one in users if one.name.lower() in names and one.id not in back)
    open_questions = {
        surface for surface in (DELETED_USERS, DELETED_GROUPS) if bins.blind_to(surface)
    }
    told = set(asked) - {miss.object_id for miss in accounts.unread}
    if accounts.blind_to(ACCOUNTS):
        told = set()
    unseen = frozenset(
        one.id
        for one in burst.deletions
        if not one.final
        and one.id not in burst.bin | back
        and (BINS.get(one.kind) in open_questions or (one.kind == "user" and one.id not in told))
    )
    return replace(burst, back=back, taken=taken, unseen=unseen)


# ----------------------------------------------------------------------------------------------
# What a burst is
# ----------------------------------------------------------------------------------------------


def limit_of(users: int | None, terms: Terms) -> int:
    """How many deletions within the window are still ordinary."""
    share = math.ceil(terms.mass_deletion_percent * (users or 0) / 100)
    return min(max(terms.mass_deletion_count, share), CEILING)


def bursts(deletions: Iterable[Deletion], limit: int, terms: Terms) -> list[Burst]:
    """Every actor who deleted more than the limit by itself, and all others if they did together.

    Actors are kept apart so that a burst somebody knows of does not cover another's.
    """
    by_actor: defaultdict[str, list[Deletion]] = defaultdict(list)
    for one in deletions:
        if not (one.final and not one.actor.id and one.kind in ("user", "group")):
            # Otherwise nobody did it: its 30 days were over.
            by_actor[one.actor.id or UNKNOWN].append(one)
    found, others = list[Burst](), list[Deletion]()
    for who, rows in sorted(by_actor.items()):
        episode = last_episode(rows, terms)
        if peak(episode, terms) > limit:
            found.append(Burst(who, episode, limit))
        else:
            others += rows
    episode = last_episode(others, terms)
    if peak(episode, terms) > limit:
        found.append(Burst(SEVERAL, episode, limit))
    return found


def last_episode(rows: Iterable[Deletion], terms: Terms) -> tuple[Deletion, ...]:
    """What was deleted since the last pause as long as the window; none while such a pause lasts.

    Each object once, by the last thing done to it: records come twice and in any order.
    """
    window = timedelta(hours=terms.mass_deletion_hours)
    objects: dict[str, Deletion] = {}
    for one in sorted(rows, key=lambda row: (row.at, row.final, row.id)):
        before = objects.get(one.id)
        objects[one.id] = replace(one, final=one.final or (before is not None and before.final))
    newest_first = sorted(objects.values(), key=lambda row: (row.at, row.id), reverse=True)
    after, episode = terms.now, list[Deletion]()
    for one in newest_first:
        if after - one.at > window:
            break
        episode.append(one)
        # What a wrong clock dates ahead must not stand apart from all that came before it.
        after = min(after, one.at)
    return tuple(reversed(episode))


def peak(episode: Sequence[Deletion], terms: Terms) -> int:
    """The most objects deleted within any one window."""
    window = timedelta(hours=terms.mass_deletion_hours)
    most, first = 0, 0
    for last, one in enumerate(episode):
        while one.at - episode[first].at > window:
            first += 1
        most = max(most, last - first + 1)
    return most


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------


def judge(burst: Burst, terms: Terms) -> Iterator[Finding]:
    """One burst, one case; graver when something is gone for good or very much is deleted."""
    grave = burst.purged or len(burst.deletions) >= GRAVER * burst.limit
    yield Finding(
        kind="mass-deletion",
        object_id=burst.who,
        subject=named(burst),
        severity=Severity.CRITICAL if grave else Severity.HIGH,
        verdict=Verdict.MASS_DELETION,
        summary=f"{amounts(burst.deletions)} were deleted by {named(burst)}.",
        facts=tuple(facts_of(burst, terms)),
        surfaces=(DELETIONS,) if burst.attributed else (DELETED_USERS,),
        advice=advice_of(burst),
        patience=2 if burst.passing and not burst.attributed else 0,
        event=True,
    )


def named(burst: Burst) -> str:
    """Who did it, as people know them."""
    if burst.who == SEVERAL:
        return "several accounts together"
    if burst.who == UNKNOWN:
        return "somebody unknown"
    actor = burst.deletions[-1].actor
    return plain(actor.name or actor.id, CUT)


def amounts(rows: Iterable[Deletion]) -> str:
    """How many objects of each kind: "12 users, 1 group"."""
    counts = Counter(one.kind for one in rows)
    parts = [f"{counts[kind]:,} {kind}{'s' * (counts[kind] != 1)}" for kind in KINDS]
    return ", ".join(part for part, kind in zip(parts, KINDS, strict=True) if counts[kind])


def facts_of(burst: Burst, terms: Terms) -> Iterator[str]:
    """When, who, how much, and what can still be had back."""
    first, last = (stamp(burst.deletions[end].at) for end in (0, -1))
    yield f"between {first} and {last}"
    yield who_fact(burst)
    hours = terms.mass_deletion_hours
    yield f"{share_of(burst)}told above {burst.limit} objects within {hours} hours"
    yield from restoring_facts(burst)
    names = sorted({one.name or one.id for one in burst.deletions}, key=str.casefold)[:NAMED]
    yield f"first by name: {', '.join(plain(name, SHORT) for name in names)}"


def who_fact(burst: Burst) -> str:
    """The actors, those who deleted most first."""
    if not burst.attributed:
        return "who did it is not known: the audit log could not be read, only the recycle bin"
    counts = Counter(one.actor.id for one in burst.deletions)
    actors: Mapping[str, Actor] = {one.actor.id: one.actor for one in burst.deletions}
    parts = []
    for found, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:3]:
        actor = actors[found]
        name = plain(actor.name or actor.id or "nobody the audit log names", 2 * SHORT)
        kind = "app " if actor.app else ""
        ip = f" from {plain(actor.ip, SHORT)}" if actor.ip else ""
        parts.append(f"{kind}{name}{ip} ({count:,})")
    more = len(counts) - len(parts)
    return f"by {', '.join(parts)}" + (f" and {more} more" if more > 0 else "")


def share_of(burst: Burst) -> str:
    """How much of all users is gone."""
    lost = sum(one.kind == "user" and one.id not in burst.back for one in burst.deletions)
    if burst.users is None or not lost:
        return ""
    return f"{100 * lost / max(burst.users, lost):.0f} % of all users; "


def restoring_facts(burst: Burst) -> Iterator[str]:
    """What became of the objects."""
    kept = [one for one in burst.deletions if one.id in burst.bin and not one.final]
    if kept:
        until = min(one.at for one in kept) + KEPT
        yield f"can be restored: {amounts(kept)}, the first of them until {until:%Y-%m-%d}"
    unseen = [one for one in burst.deletions if one.id in burst.unseen]
    if unseen:
        yield f"not known whether it can be restored: {amounts(unseen)}"
    taken = [one for one in kept if one.id in burst.taken]
    if taken:
        yield f"their name is somebody else's by now, so restoring collides: {amounts(taken)}"
    back = [one for one in burst.deletions if one.id in burst.back]
    if back:
        yield f"back already: {amounts(back)}"
    accounted = {one.id for one in kept} | burst.back | burst.unseen
    lost = [one for one in burst.deletions if one.id not in accounted]
    if lost:
        yield f"gone for good: {amounts(lost)} (deleted for good, or of a kind that is not kept)"


def stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def advice_of(burst: Burst) -> str:
    """How to stop it, and how to restore."""
    since = f"{burst.deletions[0].at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    restore = (
        "Restore: Entra admin center > Users > Deleted users, Groups > Deleted groups; or POST "
        "/directory/deletedItems/ID/restore for each; or Get-MgDirectoryDeletedItemAsUser -All | "
        f"? DeletedDateTime -ge '{since}' | % {{ Restore-MgDirectoryDeletedItem -DirectoryObjectId "
        "$_.Id }."
    )
    if is_sync(burst):
        return (
            "If this is Entra Connect, stop it (Set-ADSyncScheduler -SyncCycleEnabled $false) and "
            f"put its filter right; a full sync cycle then restores by itself. {restore}"
        )
    if burst.who in (UNKNOWN, SEVERAL):
        return f"Find out who deletes, and stop them. {restore}"
    return f"{restore} If it was not meant, block and sign out {named(burst)}."


def is_sync(burst: Burst) -> bool:
    """True when the deletions bear the name of directory synchronization."""
    names = {one.actor.name.lower() for one in burst.deletions}
    return any(name in SYNC_NAMES or name.startswith("sync_") for name in names)


GUARD = Guard(
    name="mass-deletion",
    title="Mass deletion",
    why="What was deleted can be restored for 30 days, if somebody notices.",
    permissions=(
        Permission(Service.GRAPH, "AuditLog.Read.All", "what was deleted, when and by whom"),
        Permission(
            Service.GRAPH, "User.Read.All", "how many users there are, and which can be restored"
        ),
        Permission(Service.GRAPH, "Group.Read.All", "which groups can be restored", optional=True),
    ),
    observe=observe,
    judge=judge,
    noun="sources",
)
