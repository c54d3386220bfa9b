"""What a burst is: so many acts of one class within a window, by one actor or by several. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from core.guards.mass_deletion.items import (
    ACT_CLASSES,
    SEVERAL_ACTORS,
    UNKNOWN_ACTOR,
    ActClass,
    DeletionBurst,
    find_act_class,
)
from core.guards.mass_deletion.options import MAX_DELETION_LIMIT, Policy
from core.tenant.directory import Deletion


def compute_deletion_limit(user_count: int | None, policy: Policy) -> int:
    """How many deletions within the window are still ordinary."""
    share = math.ceil(policy.options.percent * (user_count or 0) / 100)
    return min(max(policy.options.count, share), MAX_DELETION_LIMIT)


def compute_act_limit(group: ActClass, user_count: int | None, policy: Policy) -> int:
    """How many acts of a class within the window are still ordinary."""
    if group.max_count is not None:
        return min(group.max_count, policy.options.count)
    return (
        compute_deletion_limit(user_count, policy)
        if group.scales
        else min(policy.options.count, MAX_DELETION_LIMIT)
    )


def find_bursts(
    acts: Iterable[Deletion], user_count: int | None, policy: Policy
) -> list[DeletionBurst]:
    """The bursts of each class of acts."""
    by_class: defaultdict[str, list[Deletion]] = defaultdict(list)
    for one in acts:
        by_class[find_act_class(one.kind).kind].append(one)
    return [
        burst
        for group in ACT_CLASSES
        for burst in find_class_bursts(
            by_class[group.kind], group, compute_act_limit(group, user_count, policy), policy
        )
    ]


def find_class_bursts(
    acts: Iterable[Deletion], group: ActClass, limit: int, policy: Policy
) -> list[DeletionBurst]:
    """Each actor who did more than the limit, and the others where they did so together.

    Actors are kept apart so that an acknowledged burst does not hide that of another actor.
    """
    by_actor: defaultdict[str, list[Deletion]] = defaultdict(list)
    for one in acts:
        if not (one.permanent and not one.actor.id and one.kind in ("user", "group")):
            # Without an actor, Entra purged it after its 30 days in the recycle bin.
            by_actor[one.actor.id or UNKNOWN_ACTOR].append(one)
    found, others = list[DeletionBurst](), list[Deletion]()
    for who, rows in sorted(by_actor.items()):
        episode = extract_last_episode(rows, policy)
        if count_peak_deletions(episode, policy) > limit:
            found.append(DeletionBurst(who, episode, limit, group))
        else:
            others += rows
    episode = extract_last_episode(others, policy)
    if count_peak_deletions(episode, policy) > limit:
        found.append(DeletionBurst(SEVERAL_ACTORS, episode, limit, group))
    return found


def extract_last_episode(deletions: Iterable[Deletion], policy: Policy) -> tuple[Deletion, ...]:
    """What was done since the last pause as long as the window; none while such a pause lasts.

    Each object once, by the last thing done to it: records come twice and in any order.
    """
    window = timedelta(hours=policy.options.hours)
    objects: dict[tuple[str, str], Deletion] = {}
    for one in sorted(deletions, key=lambda row: (row.at, row.permanent, row.id)):
        before = objects.get((one.kind, one.id))
        objects[one.kind, one.id] = replace(
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
