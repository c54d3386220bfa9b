"""What a list of settings contained before, so that one that is cut once is not believed. Pure.

A page that is left out looks like a setting that somebody deleted, and what depends on it would be
judged by the rest. So for an hour, and at least until the next look, a list that lacks something is
no whole list. After that whoever deleted it is believed.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from core.keys import hash_parts
from core.tenant.known_traits import MAX_TRAITS, KnownTraits, build_traits_key, note_traits

KIND = "settings-list"
GONE = "-"
"""Before the trait of what was known and is no longer there."""
DOUBT_PERIOD = timedelta(hours=1)
"""For so long what went may also have been left out of a listing."""
TRAIT_LENGTH = 24
MAX_MISSING = MAX_TRAITS // 2
"""So many are remembered as missing, each with the time since when; the next look believes the
rest.
"""


def hash_names(names: Iterable[str]) -> set[str]:
    """Names as they are remembered."""
    return {hash_parts(name)[:TRAIT_LENGTH] for name in names}


def is_in_doubt(
    before: KnownTraits, trait: str, now: datetime, period: timedelta = DOUBT_PERIOD
) -> bool:
    """Whether what is missing is so since this look, or since less than a period."""
    gone_at = before.traits.get(f"{GONE}{trait}")
    return gone_at is None or gone_at == now or now - gone_at < period


def list_missing(
    list_name: str,
    names: Collection[str],
    known: Mapping[str, KnownTraits],
    now: datetime,
    period: timedelta = DOUBT_PERIOD,
) -> list[str]:
    """What a list of settings lacks that may only have been left out, as it is remembered.

    Of a very long list only a few hundred names are.
    """
    before, here = known.get(build_traits_key(list_name, KIND)), hash_names(names)
    return [
        trait
        for trait in (before.traits if before else ())
        if before
        and not trait.startswith(GONE)
        and trait not in here
        and is_in_doubt(before, trait, now, period)
    ]


def note_listing(
    list_name: str,
    names: Collection[str],
    known: Mapping[str, KnownTraits],
    now: datetime,
    period: timedelta = DOUBT_PERIOD,
) -> KnownTraits:
    """What is to be remembered of a list of settings after a look that read it to its end.

    Of a very long list the times since when something is missing come first: without them it would
    be in doubt for ever.
    """
    missing = list_missing(list_name, names, known, now, period)[:MAX_MISSING]
    gone = {f"{GONE}{trait}" for trait in missing}
    before = known.get(build_traits_key(list_name, KIND))
    traits = before.traits if before else {}
    here = sorted(hash_names(names), key=lambda trait: (trait not in traits, trait))
    kept = here[: MAX_TRAITS - 2 * len(missing)]
    return note_traits(known, list_name, KIND, {*kept, *missing, *gone}, now)
