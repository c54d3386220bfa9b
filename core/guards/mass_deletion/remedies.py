"""What an operator does about a burst of deletions or lockouts, step by step. Pure.

Each object is brought back by its id. By the time of its deletion, what somebody else meant to
delete would come back with it.
"""

from collections.abc import Iterator
from itertools import batched

from core.guards.mass_deletion.items import (
    APPS,
    DIRECTORY_OBJECTS,
    LOCKOUTS,
    SEVERAL_ACTORS,
    UNKNOWN_ACTOR,
    DeletionBurst,
)
from core.microsoft365.remedies import (
    ask,
    block_sign_in,
    build_each_command,
    look_around,
    make_graph_step,
    name_evidence,
    read_directory_log,
    stop_app,
)
from core.model.findings import Shell, Step

IDS_A_COMMAND, MAX_COMMANDS = 30, 3
NOT_MEANT = "it was meant"
BINS = {
    "user": "Get-MgDirectoryDeletedItemAsUser",
    "group": "Get-MgDirectoryDeletedItemAsGroup",
    "application": "Get-MgDirectoryDeletedItemAsApplication",
    "service-principal": "Get-MgDirectoryDeletedItemAsServicePrincipal",
}
RESTORE = "Restore-MgDirectoryDeletedItem -DirectoryObjectId $_"
ENABLE = "Update-MgUser -UserId $_ -AccountEnabled:$true"


def get_held_actor(burst: DeletionBurst) -> str:
    """The account that did it, which an intruder may hold; empty for an app or nobody known."""
    return "" if is_app(burst) or is_unknown(burst) else burst.actor_id


def is_unknown(burst: DeletionBurst) -> bool:
    """Whether no single account did it."""
    return burst.actor_id in (UNKNOWN_ACTOR, SEVERAL_ACTORS)


def is_app(burst: DeletionBurst) -> bool:
    """Whether an app did it."""
    return burst.deletions[-1].actor.is_app


def build_burst_remedy(burst: DeletionBurst, actor: str, *, is_sync: bool) -> tuple[Step, ...]:
    """The steps about a burst. `actor` is quoted."""
    return (
        *list_saving_steps(burst),
        *list_stopping_steps(burst, actor, is_sync=is_sync),
        *list_restoring_steps(burst),
        *list_rest_steps(burst, actor),
    )


def list_saving_steps(burst: DeletionBurst) -> Iterator[Step]:
    """Save what the recycle bin has, before somebody empties it. Each burst has files of its own:
    one that is there already is kept.
    """
    burst_id = f"{burst.actor_id} {burst.deletions[0].at.isoformat()}"
    kinds = dict.fromkeys(one.kind for one in burst.deletions if one.kind in BINS)
    for kind in kinds:
        yield make_graph_step(
            f"Save the list of what the recycle bin has of {kind}s: it keeps them for 30 days.",
            f"{BINS[kind]} -All | Export-Clixml -NoClobber -Path "
            f"'{name_evidence(f'deleted-{kind}s', burst_id)}.xml'",
        )
    if not kinds:
        yield make_graph_step(
            "Save what the log of the directory has of the last days.",
            "Get-MgAuditLogDirectoryAudit -All | Export-Clixml -Depth 6 -NoClobber -Path "
            f"'{name_evidence(burst.act_class.kind, burst_id)}.xml'",
        )


def list_stopping_steps(burst: DeletionBurst, actor: str, *, is_sync: bool) -> Iterator[Step]:
    """Stop whoever does it, before anything is brought back."""
    if is_sync:
        yield Step(
            "If this is Entra Connect, stop it on its server, and put its filter right; a full "
            "cycle then brings back what it deleted.",
            "Set-ADSyncScheduler -SyncCycleEnabled $false",
            Shell.DIRECTORY,
        )
        return
    if is_unknown(burst):
        yield ask("everybody who may do this, whether they are at work on it now")
        return
    yield ask(actor if not is_app(burst) else f"whoever runs the app {actor}")
    if is_app(burst):
        yield stop_app(burst.actor_id, NOT_MEANT)
    else:
        yield from block_sign_in(burst.actor_id, NOT_MEANT)


def list_restoring_steps(burst: DeletionBurst) -> Iterator[Step]:
    """Bring back, by id, what can be brought back."""
    if burst.act_class is LOCKOUTS:
        disabled = [one.id for one in burst.deletions if one.kind == "disabled"]
        yield Step(
            "Start with administrators and emergency accounts: enable them, give them new "
            "passwords, and look at their sign-in methods."
        )
        yield from list_each(disabled, ENABLE, "Enable these accounts")
        return
    if burst.act_class in (DIRECTORY_OBJECTS, APPS):
        kept = [
            one.id
            for one in burst.deletions
            if one.kind in BINS
            and not one.permanent
            and one.id not in burst.restored_ids
            and (burst.act_class is APPS or one.id in burst.restorable_ids | burst.unverified_ids)
        ]
        yield from list_each(kept, RESTORE, "Bring these back, by their ids")
        return
    yield Step(
        "Make sure that sign-ins still ask for a second factor, and bring the policies back: Entra "
        "admin center > Conditional Access > Policies > Deleted policies, or from a copy."
    )


def list_each(ids: list[str], action: str, text: str) -> Iterator[Step]:
    """The same for each id, so many a command; the rest is counted."""
    groups = list(batched(ids, IDS_A_COMMAND, strict=False))
    for group in groups[:MAX_COMMANDS]:
        yield make_graph_step(f"{text} ({len(group):,}).", build_each_command(group, action))
    if rest := sum(map(len, groups[MAX_COMMANDS:])):
        yield Step(f"Do the same with {rest:,} more, by the ids in what was saved first.")


def list_rest_steps(burst: DeletionBurst, actor: str) -> Iterator[Step]:
    """What else whoever did it has done."""
    if is_unknown(burst):
        yield look_around("this burst", burst.act_class.kind)
        return
    yield look_around(actor, burst.actor_id)
    if not is_app(burst):
        yield read_directory_log(actor, burst.actor_id)
