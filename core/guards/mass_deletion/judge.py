"""Judges bursts: how grave each is, what can be had back, and how to stop it. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from core.guards.mass_deletion.items import (
    APPS,
    DIRECTORY_OBJECTS,
    LOCKOUTS,
    POLICIES,
    SEVERAL_ACTORS,
    UNKNOWN_ACTOR,
    DeletionBurst,
    format_act_counts,
)
from core.guards.mass_deletion.options import (
    CRITICAL_FACTOR,
    MAX_LABEL_LENGTH,
    MAX_NAMED,
    MAX_TEXT_LENGTH,
    RETENTION,
    Policy,
)
from core.guards.mass_deletion.remedies import build_burst_remedy, get_held_actor
from core.guards.mass_deletion.verdicts import DeletionVerdict
from core.model.findings import Fact, Finding, Severity
from core.tenant.directory import Actor, Deletion
from core.tenant.quoting import quote_text
from core.tenant.sources import DELETED_USERS, DELETIONS

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


def judge(burst: DeletionBurst, policy: Policy) -> Iterator[Finding]:
    """One burst, one case; graver when something is gone for good or there is very much of it.

    It is another case once it has doubled, and has another verdict once users are gone for good, so
    that both are told at once.
    """
    is_purged = bool(burst.purged_deletions or burst.lost_users)
    verdict = DeletionVerdict.MASS_LOCKOUT
    if burst.act_class.is_deletion:
        verdict = DeletionVerdict.DELETED_FOR_GOOD if is_purged else DeletionVerdict.MASS_DELETION
    yield Finding(
        kind=burst.act_class.kind,
        object_id=burst.actor_id,
        subject=format_burst_actor(burst),
        severity=rate_burst(burst, is_purged),
        verdict=verdict,
        summary=f"{'At least ' if burst.is_partial else ''}"
        f"{format_act_counts(burst.deletions)}{burst.act_class.deed} by "
        f"{format_burst_actor(burst)}.",
        facts=tuple(list_burst_facts(burst, policy)),
        sources=(DELETIONS,) if burst.is_attributed else (DELETED_USERS,),
        fingerprint=str(burst.reported_count),
        advice=build_burst_advice(burst),
        steps=build_burst_remedy(
            burst, format_burst_actor(burst), is_sync=is_directory_sync(burst)
        ),
        held_account=get_held_actor(burst),
        confirmations_needed=2 if burst.is_transient and not burst.is_attributed else 0,
        is_one_off=True,
        # Whoever may delete users in numbers may not therefore purge them, or delete policies.
        needs_own_exemption=is_purged or burst.act_class is not DIRECTORY_OBJECTS,
    )


def rate_burst(burst: DeletionBurst, is_purged: bool) -> Severity:
    """How grave a burst is. What Exoguard itself locked out is on its own record."""
    if is_by_this_app(burst) and not burst.act_class.is_deletion:
        return Severity.LOW
    if is_purged or len(burst.deletions) >= CRITICAL_FACTOR * burst.limit:
        return Severity.CRITICAL
    return Severity.HIGH


def is_by_this_app(burst: DeletionBurst) -> bool:
    """Whether Exoguard itself did all of it."""
    return all(one.actor.is_this_app for one in burst.deletions)


def format_burst_actor(burst: DeletionBurst) -> str:
    """Who did it, as people know them."""
    if burst.actor_id == SEVERAL_ACTORS:
        return "several accounts together"
    if burst.actor_id == UNKNOWN_ACTOR:
        return "somebody unknown"
    actor = burst.deletions[-1].actor
    return quote_text(actor.name or actor.id, MAX_TEXT_LENGTH)


def list_burst_facts(burst: DeletionBurst, policy: Policy) -> Iterator[Fact]:
    """When, who, how much, and what can still be had back."""
    first, last = (format_deletion_time(burst.deletions[end].at) for end in (0, -1))
    yield Fact("", f"between {first} and {last}")
    yield Fact("", describe_burst_actors(burst))
    hours = policy.options.hours
    what = "objects" if burst.act_class.is_deletion else "acts"
    yield Fact(
        "", f"{describe_user_share(burst)}told above {burst.limit} {what} within {hours} hours"
    )
    if burst.act_class.is_deletion:
        yield from list_restore_facts(burst)
    elif is_by_this_app(burst):
        yield Fact("", "it was Exoguard itself: compare with the changes on its record")
    names = sorted({one.name or one.id for one in burst.deletions}, key=str.casefold)[:MAX_NAMED]
    yield Fact("first by name", ", ".join(quote_text(name, MAX_LABEL_LENGTH) for name in names))


def describe_burst_actors(burst: DeletionBurst) -> str:
    """The actors, those who deleted most first."""
    named = [one for one in burst.deletions if one.actor.id]
    if burst.is_attributed:
        return f"by {format_actors(burst.deletions)}"
    if not named:
        return "who did it is not known: the audit log does not show it, only the recycle bin does"
    unknown = len(burst.deletions) - len(named)
    return (
        f"who did {unknown:,} of it is not known: the audit log does not show it; what it shows "
        f"is by {format_actors(named)}"
    )


def format_actors(acts: Sequence[Deletion]) -> str:
    """Who did how much, as people know them."""
    counts = Counter(one.actor.id for one in acts)
    actors: Mapping[str, Actor] = {one.actor.id: one.actor for one in acts}
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
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")


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
            f"{format_act_counts(kept)}, the first of them until {until:%Y-%m-%d}",
        )
    unseen = [one for one in burst.deletions if one.id in burst.unverified_ids]
    if unseen:
        yield Fact("", f"not known whether it can be restored: {format_act_counts(unseen)}")
    taken = [one for one in kept if one.id in burst.name_taken_ids]
    if taken:
        yield Fact(
            "",
            "their name is somebody else's by now, so restoring collides: "
            f"{format_act_counts(taken)}",
        )
    back = [one for one in burst.deletions if one.id in burst.restored_ids]
    if back:
        yield Fact("back already", format_act_counts(back))
    accounted = {one.id for one in kept} | burst.restored_ids | burst.unverified_ids
    lost = [one for one in burst.deletions if one.id not in accounted]
    if lost:
        yield Fact(
            "gone for good",
            f"{format_act_counts(lost)} (deleted for good, or of a kind that is not kept)",
        )


def format_deletion_time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


OTHER_ADVICE: Mapping[str, str] = {
    APPS.kind: "Bring them back within 30 days.",
    POLICIES.kind: "Make sure that sign-ins still ask for a second factor, and bring the policies "
    "back.",
    LOCKOUTS.kind: "Start with administrators and emergency accounts: enable them, give them new "
    "passwords, and look at their sign-in methods.",
}
RESTORE_ADVICE = "Bring back what can be brought back, each by its id."


def build_burst_advice(burst: DeletionBurst) -> str:
    """How to stop it, and how to restore."""
    if burst.act_class is not DIRECTORY_OBJECTS:
        return f"{build_stop_advice(burst)} {OTHER_ADVICE[burst.act_class.kind]}"
    if is_directory_sync(burst):
        return (
            "If this is Entra Connect, stop it and put its filter right; a full sync cycle then "
            f"restores by itself. {RESTORE_ADVICE}"
        )
    return f"{build_stop_advice(burst)} {RESTORE_ADVICE}"


def build_stop_advice(burst: DeletionBurst) -> str:
    """How to stop whoever does it."""
    if burst.actor_id in (UNKNOWN_ACTOR, SEVERAL_ACTORS):
        return (
            f"Find out who {'deletes' if burst.act_class.is_deletion else 'did it'}, and stop them."
        )
    return f"If it was not meant, block and sign out {format_burst_actor(burst)}."


def is_directory_sync(burst: DeletionBurst) -> bool:
    """True when the deletions bear the name of directory synchronization."""
    names = {one.actor.name.lower() for one in burst.deletions}
    return any(name in SYNC_NAMES or name.startswith("sync_") for name in names)
