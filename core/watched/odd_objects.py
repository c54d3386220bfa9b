"""Objects that nobody understands, or that alone could not be read: each is left out and told by
name, and the rest is compared.

    describe ─► a mistake: which object? ─► without it ─► describe
                  └─► none alone, too many, or all the others depend on it: the whole is unread

Whoever can make one odd object must not blind a guard to the others. Nothing is concluded from what
is left out: what it makes up stays as it is remembered, and so does what others may have from it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from core.errors import MISTAKES, explain_error
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.tenant.readings import UNIDENTIFIED_PREFIX, ReadFailure, Reading
from core.watched.items import (
    ANY,
    MAX_NAME_LENGTH,
    MAX_REASON_LENGTH,
    SourceRows,
    WatchedCollection,
    WatchedItem,
)

MAX_ODD = 5
"""After so many objects that are not understood, it is none of them that is odd."""


@dataclass(frozen=True, slots=True)
class OddObject:
    """An object that nobody understands, and what is not known without it."""

    source: str
    item: Configuration
    reason: str
    is_detail: bool = False
    """Whether its source only adds detail, and is unread with it."""
    makes_up: tuple[str, ...] = ()
    """The ids of the items that it makes up."""
    may_lack: tuple[str, ...] = ()
    """The beginnings of the tokens that items of other objects may lack."""
    permission: str = ""
    """The permission that is missing to read it."""

    @property
    def name(self) -> str:
        """What people call it, quoted."""
        return quote_text(self.item.name or self.item.id, MAX_NAME_LENGTH)

    def build_failure(self, source: str) -> ReadFailure:
        """What is told of it, as a part of a collection. Where others may lack something, no case
        of the collection ends.
        """
        known = "" if self.may_lack else next(iter(self.makes_up), self.item.id)
        return ReadFailure(
            source,
            self.reason,
            known or mark_unidentified(self.item.id or self.source),
            self.name,
            permission=self.permission,
            optional=self.is_detail,
        )


def mark_unidentified(name: str) -> str:
    """The id of what may be any object."""
    return name if name.startswith(UNIDENTIFIED_PREFIX) else f"{UNIDENTIFIED_PREFIX}{name}"


@dataclass(frozen=True, slots=True)
class Description:
    """What the objects of a collection make up, as far as they are understood."""

    items: tuple[WatchedItem, ...] = ()
    odd: tuple[OddObject, ...] = ()
    reason: str = ""
    """Why nothing can be compared; empty where the odd objects are all that is left out."""

    @property
    def unread(self) -> frozenset[str]:
        """The ids of the items that odd objects make up."""
        return frozenset(chain.from_iterable(one.makes_up for one in self.odd))

    @property
    def may_lack(self) -> tuple[str, ...]:
        """The beginnings of the tokens that other items may lack."""
        return tuple({token: None for one in self.odd for token in one.may_lack})


def list_unread_objects(
    collection: WatchedCollection, read: Mapping[str, Reading[Configuration]]
) -> tuple[OddObject, ...]:
    """The objects that alone could not be read of sources that were, where others can be compared
    without them; none where a source as a whole was not read, or too many of its objects.
    """
    found = [
        OddObject(
            source,
            Configuration(source, failure.object_id, failure.subject, {}),
            failure.reason,
            may_lack=(ANY,),
            permission=failure.permission,
        )
        for source in collection.needs
        if can_lack_objects(collection, source) and is_partly_read(read[source])
        for failure in read[source].failures
        if not failure.optional
    ]
    return tuple(found) if len(found) <= MAX_ODD else ()


def can_lack_objects(collection: WatchedCollection, source: str) -> bool:
    """Whether other objects can be compared without one of a source."""
    return source in collection.object_sources or source in collection.may_lack


def is_partly_read(reading: Reading[Configuration]) -> bool:
    """Whether a source was read but for objects that are known."""
    return reading.complete and all(one.object_id for one in reading.failures)


def describe_items(
    collection: WatchedCollection, rows: SourceRows, lost: Iterable[OddObject] = ()
) -> Description:
    """The items that objects make up, those left out that nobody understands, beside those that are
    `lost` already; or why none of them can be compared: then a collection is unread, and those
    beside it are compared all the same.
    """
    odd = list(lost)
    while True:
        try:
            return Description(tuple(collection.describe(rows)), tuple(odd))
        except MISTAKES as error:
            reason = explain_misfit(error)
        found = find_odd_object(collection, rows, reason)
        named = f"{found.name}: {reason}" if found else reason
        weighed = weigh_omission(collection, found) if found else None
        if weighed is None or len(odd) >= MAX_ODD:
            return Description(reason=named[:MAX_REASON_LENGTH])
        odd.append(weighed)
        rows = leave_out(rows, weighed)


def explain_misfit(error: Exception) -> str:
    """Why objects are not understood, in words."""
    return (str(error) if isinstance(error, ValueError) else "") or explain_error(error)


def find_odd_object(
    collection: WatchedCollection, rows: SourceRows, reason: str
) -> OddObject | None:
    """The object that is not understood for this reason; None if it is none alone. It is looked for
    where the least is missed without it first, and then in each listing of items by itself, since
    several may have an object that is odd for the same reason.
    """
    sources = (*collection.uses, *collection.needs)
    for place in (rows, *(keep_listing(collection, rows, one) for one in collection.needs)):
        for source in sources:
            if found := search_halves(collection, place, source, reason):
                return OddObject(source, found, reason[:MAX_REASON_LENGTH])
    return None


def keep_listing(collection: WatchedCollection, rows: SourceRows, source: str) -> SourceRows:
    """The rows with one listing of items, and none of the others."""
    others = set(collection.object_sources) - {source}
    return replace(rows, by_source={**rows.by_source, **dict.fromkeys(others, ())})


def search_halves(
    collection: WatchedCollection, rows: SourceRows, source: str, reason: str
) -> Configuration | None:
    """The object of one listing that is not understood for this reason, looked for in halves."""

    def is_odd(objects: tuple[Configuration, ...]) -> bool:
        only = replace(rows, by_source={**rows.by_source, source: objects})
        try:
            tuple(collection.describe(only))
        except MISTAKES as error:
            return explain_misfit(error) == reason
        return False

    objects = rows[source] or ()
    if not objects or is_odd(()):
        return None
    while len(objects) > 1:
        half = objects[: len(objects) // 2]
        objects = half if is_odd(half) else objects[len(half) :]
    return objects[0] if is_odd(objects) else None


def weigh_omission(collection: WatchedCollection, odd: OddObject) -> OddObject | None:
    """The object with what is not known without it; None where nothing can be compared then."""
    if odd.source in collection.uses:
        return replace(odd, is_detail=True)
    lacking = collection.may_lack.get(odd.source)
    if odd.source in collection.object_sources:
        made_up = tuple(name_made_up(collection, odd.item))
        return replace(odd, makes_up=made_up, may_lack=(lacking or ()) if made_up else (ANY,))
    return None if lacking is None else replace(odd, may_lack=lacking)


def name_made_up(collection: WatchedCollection, item: Configuration) -> Iterator[str]:
    """The ids of the items that an odd object makes up; none where it does not say."""
    try:
        yield from tuple(collection.name_items(item))
    except MISTAKES:
        return


def leave_out(rows: SourceRows, odd: OddObject) -> SourceRows:
    """The rows without an odd object. Where its source only adds detail, that source is unread."""
    kept = tuple(one for one in rows[odd.source] or () if one is not odd.item)
    names = {odd.item.name.casefold(), odd.item.id.casefold()} - {""}
    return replace(
        rows,
        by_source={**rows.by_source, odd.source: None if odd.is_detail else kept},
        odd_names={
            **rows.odd_names,
            odd.source: rows.odd_names.get(odd.source, frozenset()) | names,
        },
    )
