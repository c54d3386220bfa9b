"""One act of Entra that two logs tell of: Entra's own and the unified audit log. Pure.

Only the unified log tells the session, and neither has an id of the other. What has the same name,
actor and object within some seconds is one act: told twice, it would look like two.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from core.microsoft365.activity_operations import normalize_operation
from core.microsoft365.assumptions.activity import SESSION
from core.model.activity import Act, identify_actor
from core.tenant.activity import ActivityLog

RELIES_ON = (SESSION,)

SECONDS_APART = 5
"""One log rounds to the second, and each stamps an act when it gets it."""

type TwinKey = tuple[str, str, int]


def merge_twins(acts: Iterable[Act]) -> list[Act]:
    """The acts, each once: that of Entra's own log, with the session of the unified one."""
    merged = {act.key: act for act in acts}
    own: defaultdict[TwinKey, list[str]] = defaultdict(list)
    for act in merged.values():
        if act.log is ActivityLog.DIRECTORY and act.count == 1:
            own[build_key(act, 0)].append(act.key)
    for act in list(merged.values()):
        if act.log is not ActivityLog.ENTRA_FEED or act.count > 1:
            continue
        near = (key for shift in (0, -1, 1) for key in own.get(build_key(act, shift), ()))
        twin = next((merged[key] for key in near if are_twins(merged[key], act)), None)
        if twin:
            own_key = build_key(twin, 0)
            own[own_key].remove(twin.key)
            merged[twin.key] = join_twins(twin, act)
            del merged[act.key]
    return list(merged.values())


def build_key(act: Act, shift: int) -> TwinKey:
    """What twins share, with the moment of an act or one beside it."""
    moment = int(act.at.timestamp()) // SECONDS_APART + shift
    return normalize_operation(act.operation), identify_actor(act.actor), moment


def are_twins(act: Act, other: Act) -> bool:
    """Whether two acts of one name and actor are one: about the same time, and about one object."""
    is_near = abs((act.at - other.at).total_seconds()) <= SECONDS_APART
    names, others = set(iter_names(act)), set(iter_names(other))
    return is_near and (not names or not others or not names.isdisjoint(others))


def iter_names(act: Act) -> Iterator[str]:
    """The names of what an act was done to."""
    return (name for target in act.targets for name in target.names)


def join_twins(own: Act, other: Act) -> Act:
    """One act of both: what its own log does not tell is that of the other."""
    return replace(
        own,
        session=own.session or other.session,
        address=own.address or other.address,
        client=own.client or other.client,
        seen_at=min(own.seen_at, other.seen_at),
    )
