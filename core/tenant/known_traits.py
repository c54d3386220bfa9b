"""What a guard has seen of an object before, so that it can tell what is new about it. Pure.

Many things are harmless for as long as they were always there: an administrator's passkey, a holder
of a role. Only their appearance between two looks is worth telling. A guard notes them as traits of
an object; the engine stores them in the same save as the findings that they led to.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from core.keys import build_object_key

MAX_TRAITS = 300
"""How many traits of one kind are remembered of an object; more do not fit into a row."""
MAX_TRAIT_LENGTH = 64
NEWS_PERIOD = timedelta(days=30)
"""How long a trait counts as new after it was first seen."""
REFRESH_INTERVAL = timedelta(days=7)
"""How old the time of the last look may become before it is saved again."""


@dataclass(frozen=True, slots=True)
class KnownTraits:
    """The traits of one kind that a guard knows of one object."""

    key: str
    """The key of its row."""
    object_id: str
    kind: str
    first_looked_at: datetime
    """When the guard first looked at the object: what it saw then is no news."""
    last_seen_at: datetime
    """When it last saw the object, to a week."""
    traits: Mapping[str, datetime]
    """Each trait that the object had at the last look, with the time it was first seen."""
    name: str = ""
    """The object's name at the last look, where a guard tells that the object is gone."""
    lost: Mapping[str, datetime] = field(default_factory=dict)
    """Protections that it no longer has, each with the time its loss was seen."""
    absent_since: datetime | None = None
    """When a complete listing first lacked the object; None while it is there."""

    def list_new_traits(self, now: datetime) -> Iterator[tuple[str, datetime]]:
        """The traits that appeared after the first look and lately, each with when it was seen.

        One that is dated ahead came from a wrong clock and counts as new.
        """
        for name, seen_at in sorted(self.traits.items()):
            if seen_at != self.first_looked_at and now - seen_at < NEWS_PERIOD:
                yield name, seen_at


@lru_cache(maxsize=4_096)
def build_traits_key(object_id: str, kind: str) -> str:
    """The key under which the traits of an object are remembered. Each look asks for the same."""
    return build_object_key(object_id, "known", kind)


def note_traits(
    known: Mapping[str, KnownTraits],
    object_id: str,
    kind: str,
    traits: Collection[str],
    now: datetime,
) -> KnownTraits:
    """What is known of an object after a look at it that read all of its traits.

    A trait that is gone is forgotten: when it comes back, it is new. Of too many traits those
    already known stay, so that none of them seems new.
    """
    key = build_traits_key(object_id, kind)
    before = known.get(key)
    names = {name[:MAX_TRAIT_LENGTH] for name in traits}
    if before is None:
        kept = sorted(names)[:MAX_TRAITS]
        return KnownTraits(key, object_id, kind, now, now, dict.fromkeys(kept, now))
    kept = sorted(names, key=lambda name: (name not in before.traits, name))[:MAX_TRAITS]
    seen = {name: before.traits.get(name, now) for name in sorted(kept)}
    is_stale = abs(now - before.last_seen_at) >= REFRESH_INTERVAL
    if seen == before.traits and not is_stale:
        return before
    return replace(before, traits=seen, last_seen_at=now if is_stale else before.last_seen_at)
