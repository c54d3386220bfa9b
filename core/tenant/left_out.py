"""Objects with a case that a listing leaves out although they are there: they stay as they are."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from core.tenant.merging import PresenceTracker
from core.tenant.readings import ReadFailure, Reading

MAX_MISSING = 200
"""Objects that are looked up because a listing lacks them; any more stay as they are."""


async def look_up_missing[T](
    listed: PresenceTracker,
    missing: Iterable[str],
    read: Callable[[Sequence[str]], Awaitable[Reading[T]]],
    get_listed_id: Callable[[T], str],
    failure: ReadFailure,
) -> Reading[Any]:
    """Those of the missing objects that are not known to be gone, each with the failure.

    `get_listed_id` is the id by which the listing should have an object that is there, or nothing.
    """
    ids = sorted(set(missing) - listed.present_ids)
    found = await read(ids[:MAX_MISSING]) if ids and listed.complete else Reading[T]()
    unread = {one.object_id for one in found.failures}
    left_out = {one for item in found.items if (one := get_listed_id(item))}
    left_out |= set(ids) & unread | set(ids[MAX_MISSING:])
    if "" in unread:
        left_out = set(ids)
    listed.present_ids |= left_out
    named = sorted(left_out)[:MAX_MISSING]
    return Reading(
        failures=tuple(ReadFailure(failure.source, failure.reason, one) for one in named),
        sources=frozenset({failure.source}),
        scope=frozenset(left_out),
    )
