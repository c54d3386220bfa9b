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
from enum import StrEnum
from typing import Protocol

from core.guards.mass_deletion.options import (
    COUNT,
    HOURS,
    PERCENT,
    DeletionOptions,
    Policy,
    read_options,
)
from core.model.findings import Fact, Finding, Severity
from core.model.guards import Guard, ObserveContext, Permission, Service
from core.model.options import SettingReader
from core.tenant.directory import Account, Actor, DeletedObject, Deletion
from core.tenant.merging import collect_failures, collect_sources
from core.tenant.port import HasAccounts, HasDeletions
from core.tenant.quoting import quote_text
from core.tenant.readings import Reading
from core.tenant.sources import ACCOUNTS, DELETED_GROUPS, DELETED_USERS, DELETIONS

RELIES_ON = (
    "graph-deleted-days",
    "graph-group-restore",
)


class DeletionVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    MASS_DELETION = "mass-deletion"


VERDICT_TEXTS: Mapping[str, str] = {
    DeletionVerdict.MASS_DELETION: "much was deleted at once",
}

# Entra Connect stops at more deletions than this, so more are reported in a tenant of any size.
MAX_DELETION_LIMIT = 500
# So many times the limit is critical.
CRITICAL_FACTOR = 5
RETENTION = timedelta(days=30)
# Deletions made while Exoguard did not run are reported if it was down no longer than this.
MAX_DOWNTIME = timedelta(days=7)
# Deleted users of a burst that are looked up, to see which are back and which names are taken.
MAX_LOOKUPS = 200
MAX_NAMED = 5
MAX_TEXT_LENGTH = 200
MAX_LABEL_LENGTH = 48
SOURCE_COUNT = 3

UNKNOWN_ACTOR, SEVERAL_ACTORS = "unknown", "several"
OBJECT_KINDS = ("user", "group", "device", "contact")
# Where what is not deleted for good is kept.
RECYCLE_BINS = {"user": DELETED_USERS, "group": DELETED_GROUPS}
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
class DeletionBurst:
    """More was deleted within the window than the limit: by one actor, or by several together.

    `deletions` are those since the last pause of a whole window, one for each object, oldest first.
    `bin` are the objects that can be restored, `back` those that are there again, `taken` those
    whose name another object has by now, `unseen` those of which none of it is known. `users` is
    how many users there were, None if not known. `attributed` False: it is known from the recycle
    bin alone; `passing`: the audit log may be readable again in a moment.
    """

    actor_id: str
    deletions: tuple[Deletion, ...]
    limit: int
    is_attributed: bool = True
    is_transient: bool = False
    user_count: int | None = None
    restorable_ids: frozenset[str] = frozenset()
    restored_ids: frozenset[str] = frozenset()
    name_taken_ids: frozenset[str] = frozenset()
    unverified_ids: frozenset[str] = frozenset()

    @property
    def purged_deletions(self) -> tuple[Deletion, ...]:
        """The users and groups that somebody deleted for good."""
        return tuple(
            one for one in self.deletions if one.permanent and one.kind in ("user", "group")
        )


# ----------------------------------------------------------------------------------------------
# Observation
# ----------------------------------------------------------------------------------------------


class DeletionPorts(HasAccounts, HasDeletions, Protocol):
    """The ports this guard reads."""


async def observe(
    tenant: DeletionPorts, context: ObserveContext[DeletionOptions]
) -> AsyncIterator[Reading[DeletionBurst]]:
    """The audit log of two windows, what is in the recycle bin, and how many users there are."""
    terms, window = context.policy, timedelta(hours=context.policy.options.hours)
    # Deletions since the last full scan count as if they had happened just now.
    unseen_since = min(
        terms.now, max(context.last_full_scan or terms.now, terms.now - MAX_DOWNTIME)
    )
    since = unseen_since - 2 * window
    log = await tenant.deletions.read_deletions(since)
    bins = await tenant.deletions.read_deleted_objects(since)
    counted = await tenant.accounts.read_user_count()
    users = None
    if counted.items:
        users = counted.items[0] + len({one.id for one in bins.items if one.kind == "user"})
    known = {one.id for one in log.items}
    miss = log.find_source_failure(DELETIONS)
    # Without the audit log, the recycle bin still shows what was deleted, though not by whom.
    unseen = [build_bin_deletion(one) for one in bins.items if one.id not in known] if miss else []
    found = [
        replace(
            burst,
            user_count=users,
            is_attributed=not (miss and burst.actor_id == UNKNOWN_ACTOR),
            is_transient=bool(miss and not miss.permission),
            restorable_ids=frozenset(one.id for one in bins.items),
        )
        for burst in find_bursts(
            (*log.items, *unseen),
            compute_deletion_limit(users, terms),
            replace(terms, now=unseen_since),
        )
    ]
    asked = list_users_to_check(found)
    accounts = Reading[Account](sources=frozenset({ACCOUNTS}))
    if asked:
        accounts = await tenant.accounts.read_users(asked)
    yield Reading(
        items=tuple(add_deletion_outcomes(burst, bins, accounts, asked) for burst in found),
        failures=(
            *collect_failures((log, bins)),
            *(replace(miss, optional=True) for miss in collect_failures((counted, accounts))),
        ),
        sources=collect_sources((log, bins, counted, accounts)),
        population=SOURCE_COUNT,
    )


def build_bin_deletion(deleted_object: DeletedObject) -> Deletion:
    """A deletion known from what it left behind."""
    return Deletion(deleted_object.id, deleted_object.kind, deleted_object.at, deleted_object.name)


def list_users_to_check(bursts: Sequence[DeletionBurst]) -> list[str]:
    """The users of bursts that may be there again: by their id, or others under their old name."""
    keys: dict[str, None] = {}
    for burst in bursts:
        for one in burst.deletions:
            if one.kind != "user" or one.permanent:
                continue
            if one.id not in burst.restorable_ids:
                keys[one.id] = None
            elif "@" in one.name and not one.name.startswith("$"):
                keys[one.name] = None
    return list(keys)[:MAX_LOOKUPS]


def add_deletion_outcomes(
    burst: DeletionBurst,
    recycle_bins: Reading[DeletedObject],
    accounts: Reading[Account],
    checked_keys: Collection[str],
) -> DeletionBurst:
    """The burst, knowing what became of its objects as far as anybody can tell."""
    ids = {one.id for one in accounts.items}
    names = {one.upn.lower() for one in accounts.items if one.upn}
    users = [one for one in burst.deletions if one.kind == "user"]
    back = frozenset(one.id for one in users if one.id in ids)
    taken = frozenset(one.id for one in users if one.name.lower() in names and one.id not in back)
    open_questions = {
        surface
        for surface in (DELETED_USERS, DELETED_GROUPS)
        if recycle_bins.find_source_failure(surface)
    }
    told = set(checked_keys) - {miss.object_id for miss in accounts.failures}
    if accounts.find_source_failure(ACCOUNTS):
        told = set()
    unseen = frozenset(
        one.id
        for one in burst.deletions
        if not one.permanent
        and one.id not in burst.restorable_ids | back
        and (
            RECYCLE_BINS.get(one.kind) in open_questions
            or (one.kind == "user" and one.id not in told)
        )
    )
    return replace(burst, restored_ids=back, name_taken_ids=taken, unverified_ids=unseen)


# ----------------------------------------------------------------------------------------------
# What a burst is
# ----------------------------------------------------------------------------------------------


def compute_deletion_limit(user_count: int | None, policy: Policy) -> int:
    """How many deletions within the window are still ordinary."""
    share = math.ceil(policy.options.percent * (user_count or 0) / 100)
    return min(max(policy.options.count, share), MAX_DELETION_LIMIT)


def find_bursts(deletions: Iterable[Deletion], limit: int, policy: Policy) -> list[DeletionBurst]:
    """Each actor who deleted more than the limit, and the others where they did so together.

    Actors are kept apart so that an acknowledged burst does not hide that of another actor.
    """
    by_actor: defaultdict[str, list[Deletion]] = defaultdict(list)
    for one in deletions:
        if not (one.permanent and not one.actor.id and one.kind in ("user", "group")):
            # Without an actor, Entra purged it after its 30 days in the recycle bin.
            by_actor[one.actor.id or UNKNOWN_ACTOR].append(one)
    found, others = list[DeletionBurst](), list[Deletion]()
    for who, rows in sorted(by_actor.items()):
        episode = extract_last_episode(rows, policy)
        if count_peak_deletions(episode, policy) > limit:
            found.append(DeletionBurst(who, episode, limit))
        else:
            others += rows
    episode = extract_last_episode(others, policy)
    if count_peak_deletions(episode, policy) > limit:
        found.append(DeletionBurst(SEVERAL_ACTORS, episode, limit))
    return found


def extract_last_episode(deletions: Iterable[Deletion], policy: Policy) -> tuple[Deletion, ...]:
    """What was deleted since the last pause as long as the window; none while such a pause lasts.

    Each object once, by the last thing done to it: records come twice and in any order.
    """
    window = timedelta(hours=policy.options.hours)
    objects: dict[str, Deletion] = {}
    for one in sorted(deletions, key=lambda row: (row.at, row.permanent, row.id)):
        before = objects.get(one.id)
        objects[one.id] = replace(
            one, permanent=one.permanent or (before is not None and before.permanent)
        )
    newest_first = sorted(objects.values(), key=lambda row: (row.at, row.id), reverse=True)
    after, episode = policy.now, list[Deletion]()
    for one in newest_first:
        if after - one.at > window:
            break
        episode.append(one)
        # What a wrong clock dates ahead must not stand apart from all that came before it.
        after = min(after, one.at)
    return tuple(reversed(episode))


def count_peak_deletions(episode: Sequence[Deletion], policy: Policy) -> int:
    """The most objects deleted within any one window."""
    window = timedelta(hours=policy.options.hours)
    most, first = 0, 0
    for last, one in enumerate(episode):
        while one.at - episode[first].at > window:
            first += 1
        most = max(most, last - first + 1)
    return most


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------


def judge(burst: DeletionBurst, policy: Policy) -> Iterator[Finding]:
    """One burst, one case; graver when something is gone for good or very much is deleted."""
    grave = burst.purged_deletions or len(burst.deletions) >= CRITICAL_FACTOR * burst.limit
    yield Finding(
        kind="mass-deletion",
        object_id=burst.actor_id,
        subject=format_burst_actor(burst),
        severity=Severity.CRITICAL if grave else Severity.HIGH,
        verdict=DeletionVerdict.MASS_DELETION,
        summary=f"{format_object_counts(burst.deletions)} were deleted by "
        f"{format_burst_actor(burst)}.",
        facts=tuple(list_burst_facts(burst, policy)),
        sources=(DELETIONS,) if burst.is_attributed else (DELETED_USERS,),
        advice=build_burst_advice(burst),
        confirmations_needed=2 if burst.is_transient and not burst.is_attributed else 0,
        is_one_off=True,
    )


def format_burst_actor(burst: DeletionBurst) -> str:
    """Who did it, as people know them."""
    if burst.actor_id == SEVERAL_ACTORS:
        return "several accounts together"
    if burst.actor_id == UNKNOWN_ACTOR:
        return "somebody unknown"
    actor = burst.deletions[-1].actor
    return quote_text(actor.name or actor.id, MAX_TEXT_LENGTH)


def format_object_counts(deletions: Iterable[Deletion]) -> str:
    """How many objects of each kind: "12 users, 1 group"."""
    counts = Counter(one.kind for one in deletions)
    parts = [f"{counts[kind]:,} {kind}{'s' * (counts[kind] != 1)}" for kind in OBJECT_KINDS]
    return ", ".join(part for part, kind in zip(parts, OBJECT_KINDS, strict=True) if counts[kind])


def list_burst_facts(burst: DeletionBurst, policy: Policy) -> Iterator[Fact]:
    """When, who, how much, and what can still be had back."""
    first, last = (format_deletion_time(burst.deletions[end].at) for end in (0, -1))
    yield Fact("", f"between {first} and {last}")
    yield Fact("", describe_burst_actors(burst))
    hours = policy.options.hours
    yield Fact(
        "", f"{describe_user_share(burst)}told above {burst.limit} objects within {hours} hours"
    )
    yield from list_restore_facts(burst)
    names = sorted({one.name or one.id for one in burst.deletions}, key=str.casefold)[:MAX_NAMED]
    yield Fact("first by name", ", ".join(quote_text(name, MAX_LABEL_LENGTH) for name in names))


def describe_burst_actors(burst: DeletionBurst) -> str:
    """The actors, those who deleted most first."""
    if not burst.is_attributed:
        return "who did it is not known: the audit log could not be read, only the recycle bin"
    counts = Counter(one.actor.id for one in burst.deletions)
    actors: Mapping[str, Actor] = {one.actor.id: one.actor for one in burst.deletions}
    parts = []
    for found, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:3]:
        actor = actors[found]
        name = quote_text(
            actor.name or actor.id or "nobody the audit log names", 2 * MAX_LABEL_LENGTH
        )
        kind = "app " if actor.is_app else ""
        ip = f" from {quote_text(actor.ip, MAX_LABEL_LENGTH)}" if actor.ip else ""
        parts.append(f"{kind}{name}{ip} ({count:,})")
    more = len(counts) - len(parts)
    return f"by {', '.join(parts)}" + (f" and {more} more" if more > 0 else "")


def describe_user_share(burst: DeletionBurst) -> str:
    """How much of all users is gone."""
    lost = sum(one.kind == "user" and one.id not in burst.restored_ids for one in burst.deletions)
    if burst.user_count is None or not lost:
        return ""
    return f"{100 * lost / max(burst.user_count, lost):.0f} % of all users; "


def list_restore_facts(burst: DeletionBurst) -> Iterator[Fact]:
    """What became of the objects."""
    kept = [one for one in burst.deletions if one.id in burst.restorable_ids and not one.permanent]
    if kept:
        until = min(one.at for one in kept) + RETENTION
        yield Fact(
            "can be restored",
            f"{format_object_counts(kept)}, the first of them until {until:%Y-%m-%d}",
        )
    unseen = [one for one in burst.deletions if one.id in burst.unverified_ids]
    if unseen:
        yield Fact("", f"not known whether it can be restored: {format_object_counts(unseen)}")
    taken = [one for one in kept if one.id in burst.name_taken_ids]
    if taken:
        yield Fact(
            "",
            "their name is somebody else's by now, so restoring collides: "
            f"{format_object_counts(taken)}",
        )
    back = [one for one in burst.deletions if one.id in burst.restored_ids]
    if back:
        yield Fact("back already", format_object_counts(back))
    accounted = {one.id for one in kept} | burst.restored_ids | burst.unverified_ids
    lost = [one for one in burst.deletions if one.id not in accounted]
    if lost:
        yield Fact(
            "gone for good",
            f"{format_object_counts(lost)} (deleted for good, or of a kind that is not kept)",
        )


def format_deletion_time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def build_burst_advice(burst: DeletionBurst) -> str:
    """How to stop it, and how to restore."""
    since = f"{burst.deletions[0].at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    restore = (
        "Restore: Entra admin center > Users > Deleted users, Groups > Deleted groups; or POST "
        "/directory/deletedItems/ID/restore for each; or Get-MgDirectoryDeletedItemAsUser -All | "
        f"? DeletedDateTime -ge '{since}' | % {{ Restore-MgDirectoryDeletedItem -DirectoryObjectId "
        "$_.Id }."
    )
    if is_directory_sync(burst):
        return (
            "If this is Entra Connect, stop it (Set-ADSyncScheduler -SyncCycleEnabled $false) and "
            f"put its filter right; a full sync cycle then restores by itself. {restore}"
        )
    if burst.actor_id in (UNKNOWN_ACTOR, SEVERAL_ACTORS):
        return f"Find out who deletes, and stop them. {restore}"
    return f"{restore} If it was not meant, block and sign out {format_burst_actor(burst)}."


def is_directory_sync(burst: DeletionBurst) -> bool:
    """True when the deletions bear the name of directory synchronization."""
    names = {one.actor.name.lower() for one in burst.deletions}
    return any(name in SYNC_NAMES or name.startswith("sync_") for name in names)


GUARD = Guard(
    name="mass-deletion",
    title="Mass deletion",
    looks_for="bursts of deleted users, groups or devices: who deleted them, what can be restored",
    rationale="What was deleted can be restored for 30 days, if somebody notices.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(Service.GRAPH, "AuditLog.Read.All", "what was deleted, when and by whom"),
        Permission(
            Service.GRAPH, "User.Read.All", "how many users there are, and which can be restored"
        ),
        Permission(Service.GRAPH, "Group.Read.All", "which groups can be restored", optional=True),
    ),
    observe=observe,
    judge=judge,
    settings=(COUNT, PERCENT, HOURS),
    read_options=read_options,
    options=read_options(SettingReader()),
    noun="sources",
)
