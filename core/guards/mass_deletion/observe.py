"""Reads the directory's audit log, its recycle bins, and what became of deleted users."""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from core.guards.mass_deletion.bursts import find_bursts
from core.guards.mass_deletion.items import UNKNOWN_ACTOR, UNREAD_BIN_KINDS, DeletionBurst
from core.guards.mass_deletion.options import (
    LOG_DELAY,
    MAX_DOWNTIME,
    MAX_LOOKUPS,
    SOURCE_COUNT,
    DeletionOptions,
    Policy,
)
from core.model.guards import ObserveContext
from core.tenant.directory import Account, DeletedObject, Deletion
from core.tenant.known_traits import KnownTraits, build_traits_key, note_traits
from core.tenant.merging import collect_failures, collect_sources
from core.tenant.port import HasAccounts, HasDeletions
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, DELETED_USERS, DELETIONS


class DeletionPorts(HasAccounts, HasDeletions, Protocol):
    """The ports this guard reads."""


async def observe(
    tenant: DeletionPorts, context: ObserveContext[DeletionOptions]
) -> AsyncIterator[Reading[DeletionBurst]]:
    """The audit log of two windows, what is in the recycle bin, and how many users there are."""
    terms = context.policy
    # Deletions since the last full scan count as if they had happened just now.
    unseen_since = min(
        terms.now, max(context.last_full_scan or terms.now, terms.now - MAX_DOWNTIME)
    )
    since = unseen_since - get_reading_period(terms)
    log = await tenant.deletions.read_deletions(since)
    bins = await tenant.deletions.read_deleted_objects(since)
    counted = await tenant.accounts.read_user_count()
    users = None
    if counted.items:
        users = counted.items[0] + len({one.id for one in bins.items if one.kind == "user"})
    known = {one.id for one in log.items}
    failure = log.find_source_failure(DELETIONS)
    window = replace(terms, now=unseen_since)
    # Without the audit log, the recycle bin still shows what was deleted, though not by whom.
    unseen = [build_bin_deletion(one) for one in bins.items if one.id not in known]
    if not failure:
        # A log that ends too soon without a word lacks many, and one that is late shows them soon.
        unseen = [one for one in unseen if one.at < terms.now - LOG_DELAY]
        unseen = unseen if find_bursts(unseen, users, window) else []
    bursts = find_bursts((*log.items, *unseen), users, window)
    if failure or unseen:
        bursts = list(mark_unread_actors(bursts, unseen, failure, context))
    found = [
        replace(burst, user_count=users, restorable_ids=frozenset(one.id for one in bins.items))
        for burst in bursts
    ]
    asked = list_users_to_check(found)
    accounts = Reading[Account](sources=frozenset({ACCOUNTS}))
    if asked:
        accounts = await tenant.accounts.read_users(asked)
    missing = list_missing_users(found, accounts, asked)
    lost = set[str]()
    by_id = Reading[DeletedObject]()
    unread_bin = bins.find_source_failure(DELETED_USERS)
    if missing and not (unread_bin and unread_bin.permission):
        # A listing that ended too soon makes nobody gone for good.
        by_id = await tenant.deletions.read_deleted_users(missing)
        lost = set(missing) - {one.id for one in by_id.items} - list_unread_users(by_id, missing)
    details = (counted, accounts) if unread_bin else (counted, accounts, by_id)
    counted_bursts = [note_reported_count(burst, context) for burst in found]
    yield Reading(
        items=tuple(
            add_deletion_outcomes(burst, by_id.items, accounts.items, lost)
            for burst, _ in counted_bursts
        ),
        known_traits=tuple(known for _, known in counted_bursts),
        failures=(
            *collect_failures((log, bins)),
            *(replace(failure, optional=True) for failure in collect_failures(details)),
        ),
        sources=collect_sources((log, bins, counted, accounts, by_id)),
        population=SOURCE_COUNT,
    )


def mark_unread_actors(
    bursts: Iterable[DeletionBurst],
    unseen: Collection[Deletion],
    failure: ReadFailure | None,
    context: ObserveContext[DeletionOptions],
) -> Iterator[DeletionBurst]:
    """The bursts of a log that ended too soon, for a reason or without a word: what it lacks makes
    nobody an actor.

    What only the recycle bin shows may be anybody's, so whoever stands beside it did nothing
    together with others. Most of it may have been told with its actors when the log was read in
    full, and those cases go on: only what is more than that is news.
    """
    nameless = {(one.kind, one.id) for one in unseen}
    for burst in bursts:
        lacks_names = any((one.kind, one.id) in nameless for one in burst.deletions)
        count = len(burst.deletions) - count_told_acts(burst.act_class.kind, context)
        if lacks_names and count <= burst.limit:
            continue
        is_attributed = not (lacks_names or burst.actor_id == UNKNOWN_ACTOR)
        yield replace(
            burst,
            actor_id=burst.actor_id if is_attributed else UNKNOWN_ACTOR,
            is_attributed=is_attributed,
            is_transient=not (failure and failure.permission),
            is_partial=is_attributed,
        )


def count_told_acts(kind: str, context: ObserveContext[DeletionOptions]) -> int:
    """How many acts of a class were told lately with their actors."""
    return sum(
        max(read_told_sizes(row, context), default=0)
        for row in context.known_traits.values()
        if row.kind == kind and row.object_id != UNKNOWN_ACTOR
    )


def read_told_sizes(
    row: KnownTraits | None, context: ObserveContext[DeletionOptions]
) -> dict[int, datetime]:
    """The sizes at which a burst was told, each with when. What was noted so long ago that its acts
    are no longer read belongs to an earlier burst.
    """
    now, period = context.policy.now, get_reading_period(context.policy)
    return {
        int(size): noted_at
        for size, noted_at in (row.traits if row else {}).items()
        if size.isdigit() and abs(now - noted_at) <= period
    }


def note_reported_count(
    burst: DeletionBurst, context: ObserveContext[DeletionOptions]
) -> tuple[DeletionBurst, KnownTraits]:
    """The burst with the size at which it was last told, and that size to be remembered.

    It is told again whenever it has doubled.
    """
    now, count, kind = context.policy.now, len(burst.deletions), burst.act_class.kind
    before = context.known_traits.get(build_traits_key(burst.actor_id, kind))
    sizes = read_told_sizes(before, context)
    reported = max(sizes, default=count)
    if count >= 2 * reported:
        reported = count
    noted = note_traits(context.known_traits, burst.actor_id, kind, (str(reported),), now)
    noted = replace(noted, traits={str(reported): sizes.get(reported, now)})
    return replace(burst, reported_count=reported), noted


def get_reading_period(policy: Policy) -> timedelta:
    """How far back acts are read."""
    return 2 * timedelta(hours=policy.options.hours)


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


def list_missing_users(
    bursts: Sequence[DeletionBurst], accounts: Reading[Account], checked_keys: Sequence[str]
) -> list[str]:
    """The users that were looked for by their ids and are not there again, as far as was read."""
    unread = list_unread_users(accounts, checked_keys)
    there = {one.id for one in accounts.items}
    deleted = {one.id for burst in bursts for one in burst.deletions}
    return [key for key in checked_keys if key in deleted and key not in unread | there]


def list_unread_users(reading: Reading[Any], keys: Iterable[str]) -> set[str]:
    """Those of some users of whom a reading by their keys does not say whether they exist."""
    if any(not failure.object_id for failure in reading.failures):
        return set(keys)
    return {failure.object_id for failure in reading.failures}


def add_deletion_outcomes(
    burst: DeletionBurst,
    kept_users: Iterable[DeletedObject],
    accounts: Iterable[Account],
    lost_ids: Collection[str],
) -> DeletionBurst:
    """The burst, knowing what became of its objects as far as anybody can tell.

    `kept_users` are in the recycle bin though its listing lacks them; nobody finds `lost_ids`.
    """
    ids = {one.id for one in accounts}
    names = {one.upn.lower() for one in accounts if one.upn}
    kept = burst.restorable_ids | {one.id for one in kept_users}
    users = [one for one in burst.deletions if one.kind == "user"]
    back = frozenset(one.id for one in users if one.id in ids)
    taken = frozenset(one.id for one in users if one.name.lower() in names and one.id not in back)
    unseen = frozenset(
        one.id
        for one in burst.deletions
        if not one.permanent
        and one.id not in kept | back
        and (
            one.kind in UNREAD_BIN_KINDS
            # A group that left the bin may have been restored: groups are not looked up.
            or one.kind == "group"
            or (one.kind == "user" and one.id not in lost_ids)
        )
    )
    return replace(
        burst, restorable_ids=kept, restored_ids=back, name_taken_ids=taken, unverified_ids=unseen
    )
