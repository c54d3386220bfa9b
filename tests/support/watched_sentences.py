"""What the collections of a guard say of objects, word for word: for `sentences/` in the tests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.tenant.configuration import Configuration
from core.watched.items import SourceRows, WatchedCollection, WatchedItem
from tests.support.sentences import render_steps
from tests.support.watched_looks import NOW

type Cases = Mapping[str, Sequence[Mapping[str, object]]]
"""The properties of the objects of each case. `Called` is the name of an object, `Id` its id."""


@dataclass(frozen=True, slots=True)
class Describer:
    """Some collections, and what else the tenant has wherever they are described."""

    collections: Iterable[WatchedCollection]
    context: Mapping[str, Sequence[Configuration]] = field(default_factory=dict)

    def describe(
        self, collection: str, cases: Cases, source: str = "", **others: Sequence[Configuration]
    ) -> Iterator[str]:
        """What a collection says of objects with these values, each case by itself.

        They are of its first source, or of another one. What else there is may differ here; the
        context is left out as well for a title that ends with a star.
        """
        watched = next(one for one in self.collections if one.name == collection)
        source = source or watched.needs[0]
        rows = {name.replace("_", "-"): tuple(given) for name, given in others.items()}
        empty: dict[str, Any] = dict.fromkeys((*watched.needs, *watched.uses))
        for title, objects in cases.items():
            held = tuple(build(source, number, one) for number, one in enumerate(objects))
            known = {**empty, **self.context, **rows, source: held}
            yield from ("", f"# {collection}: {title}", "")
            for item in watched.describe(SourceRows(known, NOW)):
                yield from render_item(watched, item)
            if not rows and title.endswith("*"):
                for item in watched.describe(SourceRows({**empty, source: held}, NOW)):
                    yield from (f"without others: {line}" for line in render_item(watched, item))
        assert not list(watched.describe(SourceRows(empty, NOW)))


def build(source: str, number: int, values: Mapping[str, object]) -> Configuration:
    """An object with these properties, named as they say."""
    rest = dict(values)
    name, identity = str(rest.pop("Called", "Name")), str(rest.pop("Id", f"id{number}"))
    return Configuration(source, identity, name, rest)


def render_item(collection: WatchedCollection, item: WatchedItem) -> Iterator[str]:
    """All that is known of an item."""
    yield f"{item.name!r} ({item.id}): {item.arrival.label}"
    for one in item.opens:
        within = f", within {', '.join(one.within)}" if one.within else ""
        kept = f", after it kept {one.after_kept}" if one.after_kept else ""
        yield f"  {one.severity.label}: {one.text} [{one.token}]{within}{kept}"
    yield from (f"  at sight, {one.severity.label}: {one.text}" for one in item.on_sight)
    for token in sorted(item.keeps):
        loss = collection.explain_loss(token)
        yield f"  else {loss.severity.label}: {loss.text} [{token}]"
    yield from (f"  - {fact}" for fact in item.facts)
    if item.advice:
        yield f"  > {item.advice}"
    yield from render_steps(item.stop)
    yield from render_restoration(collection, item)
    if item.held_account:
        yield f"  held: {item.held_account}"
    if item.made_at:
        yield f"  made at {item.made_at}"
    if not item.is_object:
        yield "  is no object of its own"
    for beginning in item.keeps_all_of:
        yield f"  keeps all that begins with {beginning!r}"


def render_restoration(collection: WatchedCollection, item: WatchedItem) -> Iterator[str]:
    """How all that an item keeps and opens is set back, and how the last part of it is alone."""
    changed = [*sorted(item.keeps), *(one.token for one in item.opens)]
    for tokens in (changed, changed[-1:]) if len(changed) > 1 else (changed,):
        for line in render_steps(collection.restore(item.id, tokens)):
            yield f"  set back, {len(tokens)}:{line[3:]}"


def render_collection(one: WatchedCollection) -> Iterator[str]:
    """What is said of a collection as a whole."""
    yield from ("", f"# All {one.plural}", "", f"{one.name}: {one.noun}")
    yield f"needs {one.needs}, uses {one.uses}, {one.techniques}"
    yield from (one.advice, one.reference, one.harmless)
