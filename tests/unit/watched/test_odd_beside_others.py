"""One object of a collection is odd: it is unread by name, and of all others is told what was.

Whoever can make one odd object must not hide by it what is new, wider, weaker or gone elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from core.errors import MISTAKES
from core.model.findings import Finding
from core.tenant.configuration import Configuration
from core.watched.items import ANY, SourceRows, WatchedCollection
from core.watched.judge import WatchedVerdict
from core.watched.odd_objects import explain_misfit, name_made_up
from tests.resilience.generators.mutated_rows import list_properties, list_values
from tests.support.watched_examples import EXAMPLES, WatchedExample
from tests.support.watched_looks import COLLECTIONS, NOW, Looks, print_oddly

KNOWN, ODD, GONE, NEW = "id-known", "id-other", "id-gone", "id-new"
# What the example of an object needs so that others do not make up the same item as it does.
OWN_VALUES: Mapping[str, str] = {
    "application-access-policy": "AppId",
    "allow-entry": "Value",
    "migration-batch": "Identity",
}
NEVER_ODD = {"administrator", "ediscovery-case", "outside-federation"}
"""Of these, everything is understood: a value is shown as it is, or is a part of a hash."""
ENDS = (f"{WatchedVerdict.GONE} ", f"{WatchedVerdict.WEAKER} ")
LOOKS = 3
"""What is gone is told at the second look that misses it."""

type Rows = Sequence[Configuration]


def build(example: WatchedExample, name: str, identity: str, *changes: Any) -> Configuration:
    """An object like the example's, that makes up an item of its own."""
    own = {OWN_VALUES[name]: identity} if name in OWN_VALUES else {}
    return example.build(identity, own, *changes)


def raises(collection: WatchedCollection, rows: Rows) -> str:
    """Why nobody understands these objects; empty if somebody does."""
    by_source = {
        source: tuple(one for one in rows if one.source == source) for source in collection.sources
    }
    try:
        tuple(collection.describe(SourceRows(by_source, NOW)))
    except MISTAKES as error:
        return explain_misfit(error)
    return ""


def list_odd_rows(collection: WatchedCollection, rows: Rows, row: Configuration) -> Rows:
    """The row in every way in which nobody understands it any longer, those alike once."""
    found: dict[tuple[str, str], Configuration] = {}
    for path, value in list_properties(dict(row.values)):
        for _, other in list_values(value):
            odd = print_oddly(row, path, other)
            if reason := raises(collection, [odd if one is row else one for one in rows]):
                found.setdefault((path[0], reason), odd)
    return list(found.values())


def exchange(rows: Rows, row: Configuration, other: Configuration) -> Rows:
    """The rows with another one in the place of one."""
    return [other if one is row else one for one in rows]


async def look_on(looks: Looks, rows: Rows) -> list[Finding]:
    """What is told in the end of objects that stay like this."""
    told: list[Finding] = []
    for _ in range(LOOKS):
        told = await looks.look(rows)
    return told


def show(findings: Sequence[Finding], without: frozenset[str] = frozenset()) -> list[str]:
    """What is told of all objects but some, in words."""
    return sorted(
        f"{one.verdict} {one.kind} {one.severity.label} {one.object_id}: {one.summary}"
        for one in findings
        if one.object_id not in without
    )


def list_changes(example: WatchedExample) -> Iterator[Mapping[str, Any]]:
    """What happens to the known object meanwhile."""
    yield example.wider
    yield example.narrower


CASES = [
    pytest.param(name, at, id=f"{name} {source}")
    for name, example in sorted(EXAMPLES.items())
    if name != "administrator"
    for at, source in enumerate(("itself", *(one.source for one in example.others)))
]


@pytest.mark.parametrize(("name", "at"), CASES)
async def test_of_all_others_is_told_what_is_told_without_the_oddity(name: str, at: int) -> None:
    collection, example = COLLECTIONS[name], EXAMPLES[name]
    own = build(example, name, ODD)
    subject = (own, *example.others)[at]
    singles = [own] if example.is_single else []
    plural = [] if example.is_single else [build(example, name, one) for one in (KNOWN, GONE)]
    first = [*example.others, *(singles or [*plural, own])]
    assert not raises(collection, first)
    for change in list_changes(example):
        then = first
        if not example.is_single:
            changed = build(example, name, KNOWN, change)
            then = [*example.others, changed, own, build(example, name, NEW)]
        for odd in list_odd_rows(collection, first, subject):
            await compare_with_oddity(collection, first, then, subject, odd)


async def compare_with_oddity(
    collection: WatchedCollection,
    first: Rows,
    then: Rows,
    subject: Configuration,
    odd: Configuration,
) -> None:
    """What is told while one object is odd and once it is mended, beside what is told without."""
    plain, tried = Looks(collection), Looks(collection)
    for looks in (plain, tried):
        await looks.look(first)
    expected = await look_on(plain, then)
    told = await look_on(tried, exchange(then, subject, odd))
    made_up = frozenset(name_made_up(collection, odd)) | {subject.id, odd.id}
    unread = [one for one in tried.failures if not one.optional]
    if any(not one.object_id for one in unread):
        # Nothing can be compared without it, which is for its collection to say.
        assert is_needed_by_all(collection, subject, odd), unread
        assert told == []
    else:
        lacking = sorted(set(show(expected, made_up)) - set(show(told, made_up)))
        assert set(show(told, made_up)) <= set(show(expected, made_up))
        assert not lacking or may_hide(collection, subject, odd), lacking
        adds_to_all = ANY in collection.may_lack.get(subject.source, ())
        assert adds_to_all or all(one.startswith(ENDS) for one in lacking), lacking
        assert not [one for one in told if one.object_id in made_up], "it is told as if understood"
        if raises(collection, exchange(then, subject, odd)):
            assert (subject.name or subject.id) in {one.subject for one in tried.failures}
            assert not any(map(tried.covers, name_made_up(collection, odd)))
    mended = [await look_on(looks, then) for looks in (plain, tried)]
    assert show(mended[1]) == show(mended[0])


def is_own(collection: WatchedCollection, subject: Configuration) -> bool:
    """Whether an object makes up items."""
    return subject.source in collection.object_sources


def is_needed_by_all(
    collection: WatchedCollection, subject: Configuration, odd: Configuration
) -> bool:
    """Whether a collection says that nothing can be compared without an object of this source."""
    return not is_own(collection, subject) and subject.source not in collection.may_lack


def may_hide(collection: WatchedCollection, subject: Configuration, odd: Configuration) -> bool:
    """Whether it is not known without an object what others lost, or whether they are gone."""
    names_it = is_own(collection, subject) and any(name_made_up(collection, odd))
    return not names_it or ANY in collection.may_lack.get(subject.source, ())


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - NEVER_ODD))
def test_the_example_of_a_collection_shows_what_nobody_understands(name: str) -> None:
    row = EXAMPLES[name].build(ODD)
    assert list_odd_rows(COLLECTIONS[name], [*EXAMPLES[name].others, row], row)
