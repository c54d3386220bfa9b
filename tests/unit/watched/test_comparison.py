"""What a listing is compared with: items that come, go, come back, are one, or are too many."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.model.findings import Severity
from core.tenant.known_traits import MAX_TRAITS, NEWS_PERIOD, KnownTraits
from core.watched.items import Trait, WatchedCollection, WatchedItem, WatchedNews
from core.watched.memory import (
    MADE_WITH,
    MAX_ITEMS,
    MAX_LOST,
    TOGETHER,
    Comparison,
    compare_items,
    get_item_kind,
)

START = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
DOORS = WatchedCollection(
    name="door",
    noun="door",
    plural="doors",
    needs=(),
    describe=lambda rows: (),
    advice="Close it.",
    techniques=("T1098",),
    reference="none",
    harmless="nothing",
    departure=Severity.HIGH,
)
OPEN = Trait("open", "is open", Severity.MEDIUM)
GRAVE = Trait("grave", "is broken", Severity.HIGH)


class Memory:
    """Looks at items, and keeps what is to be remembered."""

    def __init__(self, collection: WatchedCollection = DOORS, now: datetime = START) -> None:
        self.collection, self.now = collection, now
        self.known: dict[str, KnownTraits] = {}
        self.found = Comparison((), (), ())

    def look(
        self,
        *items: WatchedItem,
        after: timedelta = DAY,
        unread: Collection[str] = (),
        may_lack: tuple[str, ...] = (),
    ) -> Sequence[WatchedNews]:
        """What is told of these items, so long after the look before."""
        self.now += after if self.known else timedelta()
        self.found = compare_items(self.collection, items, self.known, self.now, unread, may_lack)
        self.known |= {one.key: one for one in self.found.noted}
        return self.found.news


def door(identity: str = "d1", *opens: Trait, **more: Any) -> WatchedItem:
    return WatchedItem(identity, f"name of {identity}", opens=opens, **more)


# What comes -------------------------------------------------------------------------------------


def test_what_was_there_at_the_first_look_is_stock_if_it_opens_or_keeps_anything() -> None:
    memory = Memory()
    items = (door("d1", OPEN), door("d2", keeps=frozenset({"lock"})), door("d3"))
    assert memory.look(*items) == ()
    assert memory.found.stock == ("name of d1", "name of d2")
    memory.look(*items, door("d4", OPEN))
    assert memory.found.stock == ("name of d1", "name of d2")


@pytest.mark.parametrize(
    ("item", "is_told"),
    [
        (door("d2", OPEN), True),
        (door("d2", replace(OPEN, severity=Severity.INFO)), False),
        (door("d2", arrival=Severity.LOW), True),
        (door("d2"), False),
        (door("d2", keeps=frozenset({"lock"})), False),
    ],
)
def test_a_new_item_is_told_by_the_gravest_about_it(item: WatchedItem, is_told: bool) -> None:
    memory = Memory()
    memory.look(door())
    for _ in range(2):
        assert [one.object_id for one in memory.look(door(), item)] == ["d2"] * is_told
    assert all(one.is_new and one.since[""] == "2026-11-02 06:00 UTC" for one in memory.found.news)


def test_a_new_item_that_can_only_protect_is_not_told_unless_its_arrival_is_grave() -> None:
    memory = Memory(replace(DOORS, only_protects=True))
    memory.look(door())
    assert memory.look(door(), door("d2", OPEN)) == ()
    (news,) = memory.look(door(), door("d2", OPEN, GRAVE))
    assert (news.is_new, news.added) == (False, (GRAVE,))
    (news,) = memory.look(door(), door("d3", OPEN, arrival=Severity.HIGH))
    assert (news.is_new, news.added) == (True, (OPEN,))


@pytest.mark.parametrize(
    ("before", "is_told"),
    [(timedelta(), False), (MADE_WITH, False), (MADE_WITH + timedelta(seconds=1), True)],
)
def test_what_an_object_opens_from_its_making_on_is_no_news(
    before: timedelta, is_told: bool
) -> None:
    memory = Memory()
    memory.look(door())
    made = door("d2", OPEN, made_at=START + DAY - before)
    assert [one.object_id for one in memory.look(door(), made)] == ["d2"] * is_told


def test_what_is_grave_is_told_at_the_first_look_and_once() -> None:
    memory = Memory()
    (news,) = memory.look(door("d1", on_sight=(GRAVE,)))
    assert (news.is_new, news.added) == (False, (GRAVE,))
    # What is also new about the item comes first, and nothing twice.
    (news,) = memory.look(door("d1", OPEN, GRAVE, on_sight=(GRAVE,)))
    assert news.added == (OPEN, GRAVE)


def test_who_may_approve_is_news_only_where_approval_was_asked_before() -> None:
    approver = Trait("approver ann", "may be approved by ann", Severity.HIGH, after_kept="approval")
    asked = frozenset({"approval"})
    memory = Memory()
    memory.look(door())
    # Approval and approver came together.
    assert memory.look(door("d1", approver, keeps=asked)) == ()
    other = replace(approver, token="approver ben")
    (news,) = memory.look(door("d1", approver, other, keeps=asked))
    assert news.added == (other,)
    # Without approval, an approver says nothing; what was lost with it does.
    bare = Memory()
    bare.look(door())
    assert bare.look(door("d1", approver)) == ()
    lost = Memory()
    lost.look(door("d1", keeps=asked))
    (news,) = lost.look(door("d1", approver))
    assert news.added == (approver,)
    assert [one.token for one in news.lost] == ["approval"]


# What goes --------------------------------------------------------------------------------------


def test_an_item_that_two_looks_miss_is_told_for_a_month() -> None:
    memory = Memory()
    memory.look(door("d1", OPEN), door("d2"))
    assert memory.look(door("d2")) == ()
    assert memory.found.missed_once == {"d1"}
    (news,) = memory.look(door("d2"))
    assert (news.object_id, news.name, news.item) == ("d1", "name of d1", None)
    assert (news.departure, news.since) == (Severity.HIGH, {"": "2026-11-02 06:00 UTC"})
    assert memory.found.missed_once == frozenset()
    assert len(memory.look(door("d2"), after=NEWS_PERIOD - DAY - timedelta(seconds=1))) == 1
    assert memory.look(door("d2"), after=timedelta(seconds=1)) == ()


def test_an_item_that_is_gone_and_back_is_new_and_one_that_was_left_out_once_is_not() -> None:
    memory = Memory()
    memory.look(door("d1", OPEN), door("d2"))
    memory.look(door("d2"))
    assert memory.look(door("d1", OPEN), door("d2")) == ()
    memory.look(door("d2"))
    memory.look(door("d2"))
    (news,) = memory.look(door("d1", OPEN), door("d2"))
    assert (news.object_id, news.is_new) == ("d1", True)


def test_an_item_is_missed_only_where_it_kept_what_matters() -> None:
    memory = Memory(replace(DOORS, departs_with="lock"))
    memory.look(door("d1", OPEN), door("d2", keeps=frozenset({"lock"})))
    memory.look()
    assert [one.object_id for one in memory.look()] == ["d2"]


def test_where_nobody_minds_nothing_is_told_of_what_is_gone() -> None:
    memory = Memory(replace(DOORS, departure=Severity.INFO))
    memory.look(door("d1", OPEN))
    memory.look()
    assert memory.look() == ()


def test_how_grave_it_is_counts_what_went_within_the_hour_and_what_is_left() -> None:
    asked: list[tuple[str, set[str], set[str]]] = []

    def rate(item: str, gone: Collection[str], left: Collection[str]) -> Severity:
        asked.append((item, set(gone), set(left)))
        return Severity.MEDIUM if len(gone) > 1 else Severity.CRITICAL

    memory = Memory(replace(DOORS, rate_departure=rate))
    memory.look(*map(door, ("d1", "d2", "d3", "d4")))
    memory.look(door("d3"), door("d4"))
    memory.look(door("d4"), after=TOGETHER)
    asked.clear()
    news = memory.look(door("d4"), after=timedelta(seconds=1), unread=["d5"])
    assert {one.object_id: one.departure for one in news} == {
        "d1": Severity.MEDIUM,
        "d2": Severity.MEDIUM,
        "d3": Severity.MEDIUM,
    }
    assert asked[0] == ("d1", {"d1", "d2", "d3"}, {"d4", "d5"})
    memory.look(after=TOGETHER + timedelta(seconds=1))
    asked.clear()
    # No graver than the collection says.
    (last,) = [one for one in memory.look() if one.object_id == "d4"]
    assert last.departure is Severity.HIGH
    assert ("d4", {"d4"}, set()) in asked


def test_of_what_is_unread_nothing_is_told_and_nothing_is_forgotten() -> None:
    memory = Memory()
    memory.look(door("d1", OPEN), door("d2", OPEN))
    for _ in range(2):
        assert memory.look(door("d1", OPEN, GRAVE), door("d2", OPEN), unread=["d1"]) == ()
        assert memory.look(door("d2", OPEN), unread=["d1"]) == ()
    (news,) = memory.look(door("d1", OPEN, GRAVE), door("d2", OPEN))
    assert (news.object_id, news.added) == ("d1", (GRAVE,))


# What an item loses -----------------------------------------------------------------------------


def test_a_loss_is_told_until_it_is_kept_again_and_dated() -> None:
    memory = Memory()
    memory.look(door("d1", keeps=frozenset({"lock", "bar"})))
    for _ in range(2):
        (news,) = memory.look(door("d1", keeps=frozenset({"bar"})))
        assert [one.token for one in news.lost] == ["lock"]
        assert news.since["lock"] == "2026-11-02 06:00 UTC"
    assert memory.look(door("d1", keeps=frozenset({"lock", "bar"}))) == ()


def test_who_keeps_all_entries_of_a_list_has_lost_none_of_them() -> None:
    memory = Memory()
    memory.look(door("d1", keeps=frozenset({"for ann", "at night", "lock"})))
    (news,) = memory.look(door("d1", keeps=frozenset(), keeps_all_of=("for ",)))
    assert sorted(one.token for one in news.lost) == ["at night", "lock"]


def test_a_value_that_was_there_at_the_first_look_is_no_news_when_it_is_back() -> None:
    def mode(value: str) -> WatchedItem:
        return door("d1", Trait(f"=mode {value}", f"is {value}", Severity.MEDIUM))

    memory = Memory()
    memory.look(mode("a"))
    for value, is_told in (("b", True), ("a", False), ("b", True), ("c", True), ("a", False)):
        assert len(memory.look(mode(value))) == is_told


def test_what_an_item_opens_may_be_left_out_once_and_is_new_after_two_looks() -> None:
    memory = Memory()
    memory.look(door("d1", OPEN, GRAVE))
    assert memory.look(door("d1", OPEN)) == ()
    assert memory.found.missed_once == {"d1"}
    assert memory.look(door("d1", OPEN, GRAVE)) == ()
    assert memory.found.missed_once == frozenset()
    memory.look(door("d1", OPEN))
    assert memory.look(door("d1", OPEN)) == ()
    assert memory.found.missed_once == frozenset()
    (news,) = memory.look(door("d1", OPEN, GRAVE))
    assert news.added == (GRAVE,)


def test_of_many_losses_the_latest_are_remembered() -> None:
    memory = Memory()
    rounds = [[f"lock {turn} {number:03}" for number in range(250)] for turn in range(4)]
    for locks in rounds:
        memory.look(door("d1", keeps=frozenset(locks)))
    (news,) = memory.look(door("d1"))
    lost = {one.token for one in news.lost}
    assert len(lost) == MAX_LOST
    assert lost == {*rounds[2], *rounds[3]}


# Which items are one, and how many ----------------------------------------------------------------


def test_items_of_one_id_are_one_with_all_that_each_opens_and_keeps() -> None:
    memory = Memory()
    memory.look(door("d0"))
    twice = (
        door("d1", OPEN, keeps=frozenset({"a"}), arrival=Severity.LOW),
        door("d1", OPEN, GRAVE, keeps=frozenset({"b"}), arrival=Severity.MEDIUM, on_sight=(GRAVE,)),
    )
    (news,) = memory.look(door("d0"), *twice)
    assert news.item is not None
    assert (news.item.opens, news.item.keeps) == ((OPEN, GRAVE), frozenset({"a", "b"}))
    assert (news.item.arrival, news.item.on_sight) == (Severity.MEDIUM, (GRAVE,))
    assert memory.found.noted[-1].object_id == "d1"


def test_of_more_items_than_are_remembered_only_what_is_grave_on_sight_is_told() -> None:
    many = [door(f"d{number:05}") for number in range(MAX_ITEMS)]
    memory = Memory()
    memory.look(*many)
    assert memory.found.unremembered == 0
    more = [door("x1", OPEN, arrival=Severity.HIGH), door("x2", OPEN, on_sight=(GRAVE,))]
    (news,) = memory.look(*many, *more)
    assert (news.object_id, news.is_new, news.added) == ("x2", False, (GRAVE,))
    assert news.since == {}
    assert memory.found.unremembered == 2
    # Two that are gone leave room for two.
    memory.look(*many[2:])
    memory.look(*many[2:])
    memory.look(*many[2:], *more)
    assert memory.found.unremembered == 0


# What is remembered, and how ----------------------------------------------------------------------


def test_an_item_of_many_tokens_has_several_kinds_of_rows() -> None:
    assert get_item_kind(DOORS.name) == "watched door"
    assert [get_item_kind(DOORS.name, number) for number in (1, 2)] == [
        "watched door part 2",
        "watched door part 3",
    ]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_row_that_somebody_deleted_breaks_no_look(lost: int) -> None:
    memory = Memory()
    many = [Trait(f"t{number:04}", "is open", Severity.LOW) for number in range(3 * MAX_TRAITS)]
    memory.look(door("d1", *many))
    kind = get_item_kind(DOORS.name, lost)
    memory.known = {key: row for key, row in memory.known.items() if row.kind != kind}
    (news,) = memory.look(door("d1", *many))
    assert news.object_id == "d1"


def test_one_unread_item_keeps_no_other_from_being_looked_at() -> None:
    memory = Memory()
    memory.look(door("d1"), door("d2"))
    (news,) = memory.look(door("d1", OPEN), door("d2", OPEN), unread=["d1"])
    assert news.object_id == "d2"


def test_what_is_new_and_grave_is_told_once_however_long_its_token_is() -> None:
    long = replace(GRAVE, token="x" * 500)
    memory = Memory()
    memory.look(door("d1"))
    (news,) = memory.look(door("d1", long, on_sight=(long,)))
    assert len(news.added) == 1


def test_what_is_gone_is_called_as_it_was_last_called() -> None:
    memory = Memory()
    memory.look(door("d1", OPEN))
    memory.look(replace(door("d1", OPEN), name="the new name"))
    memory.look()
    (news,) = memory.look()
    assert news.name == "the new name"


def test_an_item_that_is_missed_now_and_then_is_never_gone() -> None:
    memory = Memory()
    for _ in range(3):
        assert memory.look(door("d1", OPEN)) == ()
        assert memory.look() == ()
        assert memory.found.missed_once == {"d1"}


def test_of_many_losses_the_latest_are_remembered_whatever_they_are_called() -> None:
    memory = Memory()
    for name in ("z", "y", "a"):
        memory.look(door("d1", keeps=frozenset(f"{name} {n:03}" for n in range(250))))
    (news,) = memory.look(door("d1"))
    assert {one.token[0] for one in news.lost} == {"a", "y"}


def test_what_is_narrower_is_as_old_as_the_oldest_that_included_it() -> None:
    wide, wider = replace(OPEN, token="wide"), replace(OPEN, token="wider")
    memory = Memory()
    memory.look(door("d1"))
    memory.look(door("d1", wider))
    memory.look(door("d1", wider, wide))
    narrow = replace(OPEN, token="narrow", within=("wide", "unheard of", "wider"))
    (news,) = memory.look(door("d1", narrow))
    assert news.since["narrow"] == "2026-11-02 06:00 UTC"


def test_who_may_approve_is_no_news_where_approval_was_given_up_long_before() -> None:
    approver = Trait("approver ann", "may be approved by ann", Severity.HIGH, after_kept="approval")
    memory = Memory()
    memory.look(door("d1", keeps=frozenset({"approval"})))
    memory.look(door("d1"))
    (news,) = memory.look(door("d1", approver))
    assert news.added == ()
    assert [one.token for one in news.lost] == ["approval"]


# What nobody understands ------------------------------------------------------------------------


def test_what_nobody_understood_at_the_first_look_was_there_before_once_it_is_understood() -> None:
    memory = Memory()
    memory.look(door("d1"), unread=["d2"])
    assert [*memory.found.stock] == []
    assert memory.look(door("d1"), unread=["d2", "d3"]) == ()
    odd, late = door("d2", OPEN, keeps=frozenset({"lock"})), door("d3", OPEN)
    assert [one.object_id for one in memory.look(door("d1"), odd, late)] == ["d3"]
    assert [*memory.found.stock] == ["name of d2"]
    # From then on it is an item like any other.
    (wider, _) = memory.look(door("d1"), replace(odd, opens=(OPEN, GRAVE)), late)
    assert (wider.is_new, wider.added) == (False, (GRAVE,))
    (weaker, _) = memory.look(door("d1"), door("d2", OPEN), late)
    assert [one.token for one in weaker.lost] == ["lock"]


def test_what_was_never_understood_is_told_when_it_is_gone_and_is_new_when_it_is_back() -> None:
    memory = Memory()
    memory.look(door("d1"), unread=["d2"])
    for told in (0, 1):
        assert [one.name for one in memory.look(door("d1"))] == ["d2"] * told
    (news,) = memory.look(door("d1"), door("d2", OPEN))
    assert news.is_new


def test_of_one_that_can_only_protect_nothing_is_noted_before_it_is_understood() -> None:
    memory = Memory(replace(DOORS, only_protects=True))
    memory.look(unread=["d2"])
    assert len(memory.known) == 1
    assert memory.look(door("d2", OPEN)) == ()


@pytest.mark.parametrize("may_lack", [("open", "keeps lock"), ("",)])
def test_what_others_may_lack_is_neither_lost_nor_new_when_it_is_back(
    may_lack: tuple[str, ...],
) -> None:
    memory = Memory()
    whole = door("d1", OPEN, keeps=frozenset({"lock"}))
    memory.look(whole)
    for _ in range(3):
        assert memory.look(door("d1"), may_lack=may_lack) == ()
        assert memory.found.missed_once == frozenset()
    assert memory.look(whole) == ()
    (news,) = memory.look(door("d1", OPEN, GRAVE), may_lack=may_lack)
    assert (news.added, news.lost) == ((GRAVE,), ())


def test_what_others_cannot_lack_is_lost_as_ever() -> None:
    memory = Memory()
    memory.look(door("d1", keeps=frozenset({"lock", "bolt"})), door("d2"))
    for told in ([], ["d2"]):
        news = memory.look(door("d1"), may_lack=("keeps bolt",))
        assert [one.object_id for one in news] == ["d1", *told]
        assert [one.token for one in news[0].lost] == ["lock"]


def test_none_is_missing_where_all_of_an_item_may_be_lacking() -> None:
    memory = Memory()
    memory.look(door("d1"), door("d2", OPEN))
    for _ in range(3):
        assert memory.look(door("d1"), may_lack=("",)) == ()
    assert memory.look(door("d1"), door("d2", OPEN)) == ()
