"""Objects that nobody understands: found among many, left out, and what is not known without."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pytest

from core.property_values import get_text
from core.tenant.configuration import Configuration
from core.tenant.readings import UNIDENTIFIED_PREFIX, ReadFailure
from core.watched.items import (
    ANY,
    MAX_NAME_LENGTH,
    MAX_REASON_LENGTH,
    SourceRows,
    WatchedCollection,
    WatchedItem,
)
from core.watched.odd_objects import (
    MAX_ODD,
    Description,
    OddObject,
    describe_items,
    find_odd_object,
)
from tests.support.watched_looks import NOW

ACCEPTED, REMOTE, SPOOF = "accepted-domain", "remote-domain", "allow-spoof"


def describe_by_state(rows: SourceRows) -> Iterator[WatchedItem]:
    """The accepted domains; each must have a state, and no remote domain may have one."""
    for one in rows[REMOTE] or ():
        if get_text(one.values, "state"):
            raise ValueError("a remote domain has a state")
    found = list(rows[ACCEPTED] or ())
    if sum(get_text(one.values, "state") == "first" for one in found) > 1:
        raise ValueError("two are first")
    yield from (WatchedItem(one.id, one.name) for one in found)


PLAIN = WatchedCollection(
    name="plain-thing",
    noun="thing",
    plural="things",
    needs=(ACCEPTED,),
    uses=(REMOTE,),
    describe=describe_by_state,
    advice="",
    techniques=(),
    reference="",
    harmless="",
)


def build_rows(accepted: Sequence[object], remote: Sequence[object] = ()) -> SourceRows:
    """Objects with these states."""
    return SourceRows(
        {
            name: tuple(
                Configuration(name, f"id{at}", f"Name\n{at}", {"state": state})
                for at, state in enumerate(states)
            )
            for name, states in ((ACCEPTED, accepted), (REMOTE, remote))
        },
        NOW,
    )


def describe(collection: WatchedCollection, rows: SourceRows) -> Description:
    """What is understood of the rows: either something can be compared, or it is said why not."""
    found = describe_items(collection, rows)
    assert not (found.reason and (found.items or found.odd))
    return found


@pytest.mark.parametrize("at", [0, 1, 6, 49, 99])
def test_an_object_that_is_not_understood_is_left_out_by_name(at: int) -> None:
    states: list[object] = ["second"] * 100
    states[at] = 7
    found = describe(PLAIN, build_rows(states))
    assert [one.id for one in found.items] == [f"id{n}" for n in range(100) if n != at]
    (odd,) = found.odd
    assert (odd.source, odd.name, odd.reason) == (
        ACCEPTED,
        rf"Name\u000a{at}",
        "state is no text",
    )
    assert found.unread == {f"id{at}"}
    assert not found.may_lack
    assert odd.build_failure("watched") == ReadFailure(
        "watched", "state is no text", f"id{at}", rf"Name\u000a{at}"
    )


def test_a_source_that_only_adds_detail_is_unread_with_an_odd_object() -> None:
    seen = list[object]()

    def look(rows: SourceRows) -> Iterator[WatchedItem]:
        seen.append(rows[REMOTE])
        yield from describe_by_state(rows)

    found = describe(replace(PLAIN, describe=look), build_rows(["second"], ["", "", "third"]))
    assert [one.id for one in found.items] == ["id0"]
    assert (found.unread, found.may_lack, seen[-1]) == (frozenset(), (), None)
    (odd,) = found.odd
    failure = odd.build_failure("watched")
    assert (failure.object_id, failure.optional) == ("id2", True)


def test_objects_that_are_odd_for_different_reasons_are_found_one_after_another() -> None:
    found = describe(PLAIN, build_rows(["second", 7, "first"], ["", "third"]))
    assert [(one.source, one.item.id) for one in found.odd] == [(REMOTE, "id1"), (ACCEPTED, "id1")]
    assert [one.id for one in found.items] == ["id0", "id2"]


@pytest.mark.parametrize("count", [MAX_ODD, MAX_ODD + 1])
def test_so_many_are_left_out_and_after_that_nothing_is_compared(count: int) -> None:
    found = describe(PLAIN, build_rows([7] * count + ["second"]))
    if count > MAX_ODD:
        assert found.reason == rf"Name\u000a{MAX_ODD}: state is no text"
    else:
        assert [one.item.id for one in found.odd] == [f"id{at}" for at in range(MAX_ODD)]
        assert [one.id for one in found.items] == [f"id{MAX_ODD}"]


def test_none_is_left_out_where_several_only_together_are_not_understood() -> None:
    assert describe(PLAIN, build_rows(["first", "second", "first"])).reason == "two are first"


def test_without_an_object_by_which_others_are_judged_nothing_is_compared() -> None:
    judged = replace(PLAIN, needs=(ACCEPTED, REMOTE), uses=())
    rows = build_rows(["second"], ["", "third"])
    assert describe(judged, rows).reason == r"Name\u000a1: a remote domain has a state"
    adding = replace(judged, may_lack={REMOTE: ("keeps x ",)})
    found = describe(adding, rows)
    assert [one.id for one in found.items] == ["id0"]
    assert (found.unread, found.may_lack) == (frozenset(), ("keeps x ",))
    (odd,) = found.odd
    # It may count for any of the others: no case ends.
    assert odd.build_failure("watched").object_id == f"{UNIDENTIFIED_PREFIX}id1"


def test_one_that_does_not_say_what_it_makes_up_may_make_up_anything() -> None:
    def refuse(item: Configuration) -> Iterable[str]:
        raise ValueError("no name")

    rows = build_rows(["second", 7])
    for collection in (
        replace(PLAIN, name_items=refuse),
        replace(PLAIN, name_items=lambda one: ()),
    ):
        found = describe(collection, rows)
        assert (found.unread, found.may_lack) == (frozenset(), (ANY,))
        assert found.odd[0].build_failure("x").object_id == f"{UNIDENTIFIED_PREFIX}id1"
    two = describe(replace(PLAIN, name_items=lambda one: ("a", "b")), rows)
    assert two.unread == {"a", "b"}
    assert not two.may_lack
    nameless = OddObject(ACCEPTED, Configuration(ACCEPTED, "", "", {}), "odd", may_lack=(ANY,))
    assert nameless.build_failure("x").object_id == f"{UNIDENTIFIED_PREFIX}{ACCEPTED}"


def test_objects_of_several_listings_that_are_odd_alike_are_found_one_after_another() -> None:
    def describe_both(rows: SourceRows) -> Iterator[WatchedItem]:
        for source in (ACCEPTED, SPOOF):
            for one in rows[source] or ():
                yield WatchedItem(one.id, get_text(one.values, "state"))

    both = replace(
        PLAIN, needs=(ACCEPTED, SPOOF), uses=(), items_of=(ACCEPTED, SPOOF), describe=describe_both
    )
    rows = SourceRows(
        {
            name: tuple(
                Configuration(name, f"{name}{at}", "", {"state": state})
                for at, state in enumerate(("a", 7, "b"))
            )
            for name in (ACCEPTED, SPOOF)
        },
        NOW,
    )
    found = describe(both, rows)
    assert found.unread == {f"{ACCEPTED}1", f"{SPOOF}1"}
    assert len(found.items) == 4


def test_who_refers_to_what_was_left_out_is_left_out_too() -> None:
    def follow(rows: SourceRows) -> Iterator[WatchedItem]:
        list(describe_by_state(replace(rows, by_source={**rows.by_source, ACCEPTED: ()})))
        for one in rows[ACCEPTED] or ():
            rows.check_reference(REMOTE, get_text(one.values, "state"))
            yield WatchedItem(one.id, one.name)

    following = replace(
        PLAIN, needs=(ACCEPTED, REMOTE), uses=(), may_lack={REMOTE: ()}, describe=follow
    )
    found = describe(following, build_rows(["NAME\n1", "other", "ID1"], ["", "third"]))
    assert [one.id for one in found.items] == ["id1"]
    assert found.unread == {"id0", "id2"}
    assert [one.reason for one in found.odd[1:]] == [
        rf"it depends on the {REMOTE} NAME\u000a1",
        f"it depends on the {REMOTE} ID1",
    ]


def test_a_mistake_has_its_place_and_the_object_that_led_to_it() -> None:
    def slip(rows: SourceRows) -> Iterator[WatchedItem]:
        for one in rows[ACCEPTED] or ():
            yield WatchedItem(one.id, one.name["a"])  # type: ignore[index]  # the mistake

    slipping = replace(PLAIN, describe=slip, uses=())
    rows = SourceRows({ACCEPTED: (Configuration(ACCEPTED, "1", "x" * 500, {}),)}, NOW)
    (odd,) = describe(slipping, rows).odd
    assert odd.name == f"{'x' * MAX_NAME_LENGTH}… (500 characters)"
    assert odd.reason.startswith("a mistake of the app, TypeError at test_odd_objects.py:")


def test_a_long_reason_is_bounded_wherever_it_is_told() -> None:
    def refuse(rows: SourceRows) -> Iterable[WatchedItem]:
        if rows[ACCEPTED]:
            raise ValueError("odd" * 999)
        return ()

    rows = build_rows(["second"])
    found = find_odd_object(replace(PLAIN, describe=refuse), rows, "odd" * 999)
    assert found
    assert found.reason == ("odd" * 999)[:MAX_REASON_LENGTH]
    whole = describe(replace(PLAIN, describe=refuse, items_of=()), rows)
    assert len(whole.reason) == MAX_REASON_LENGTH
