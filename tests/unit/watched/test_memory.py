"""What is remembered of items: many entries, long ones, and what is narrower than before."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from core.model.findings import Severity
from core.tenant.known_traits import MAX_TRAIT_LENGTH, MAX_TRAITS, KnownTraits
from core.watched.items import (
    Trait,
    WatchedCollection,
    WatchedItem,
    WatchedNews,
    build_token,
    build_value_token,
)
from core.watched.memory import MAX_PARTS, compare_items

START = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)
COLLECTION = WatchedCollection(
    name="door",
    noun="door",
    plural="doors",
    needs=(),
    describe=lambda rows: (),
    advice="Close it.",
    techniques=("T1098",),
    reference="none",
    harmless="nothing",
    departure=Severity.MEDIUM,
    departs_with="lock 0999",
)


class Memory:
    """Looks at items, one a day, and keeps what is to be remembered."""

    def __init__(self) -> None:
        self.known: dict[str, KnownTraits] = {}
        self.now = START

    def look(self, *items: WatchedItem) -> Sequence[WatchedNews]:
        found = compare_items(COLLECTION, items, self.known, self.now)
        self.known |= {one.key: one for one in found.noted}
        self.now += timedelta(days=1)
        return found.news


def door(
    opens: Iterable[str] = (), keeps: Iterable[str] = (), traits: Iterable[Trait] = ()
) -> WatchedItem:
    every = (*(Trait(one, f"lets in {one}", Severity.MEDIUM) for one in opens), *traits)
    return WatchedItem("d1", "front", opens=every, keeps=frozenset(keeps))


def tokens(count: int) -> list[str]:
    return [f"guest {number:04}" for number in range(count)]


def test_one_entry_more_among_thousands_is_told() -> None:
    memory, many = Memory(), tokens(2_000)
    assert memory.look(door(many)) == ()
    assert memory.look(door(many)) == ()
    (news,) = memory.look(door([*many, "guest new"]))
    assert [one.token for one in news.added] == ["guest new"]
    assert news.since["guest new"] == "2026-11-03 06:00 UTC"
    (again,) = memory.look(door([*many, "guest new"]))
    assert [one.token for one in again.added] == ["guest new"]


def test_an_item_that_outgrows_a_row_tells_what_is_new_and_nothing_else() -> None:
    memory = Memory()
    memory.look(door(tokens(MAX_TRAITS)))
    (news,) = memory.look(door(tokens(MAX_TRAITS + 2)))
    assert len(news.added) == 2
    assert memory.look(door(tokens(MAX_TRAITS))) == ()
    (back,) = memory.look(door(tokens(MAX_TRAITS + 1)))
    assert len(back.added) == 1


def test_one_lock_less_among_thousands_is_told_until_it_is_back() -> None:
    memory, locks = Memory(), [f"lock {number:04}" for number in range(1_000)]
    memory.look(door(keeps=locks))
    for _ in range(2):
        (news,) = memory.look(door(keeps=locks[1:]))
        assert [one.token for one in news.lost] == ["lock 0000"]
    assert memory.look(door(keeps=locks)) == ()


def test_what_moves_to_another_row_as_old_locks_come_back_is_not_lost() -> None:
    memory = Memory()
    old = [f"lock {number:04}" for number in range(MAX_TRAITS)]
    new = [f"bolt {number:04}" for number in range(MAX_TRAITS // 2)]
    memory.look(door(keeps=old))
    (fewer,) = memory.look(door(keeps=[*old[MAX_TRAITS // 2 :], *new]))
    assert len(fewer.lost) == MAX_TRAITS // 2
    for _ in range(2):
        assert memory.look(door(keeps=[*old, *new])) == ()


def test_what_an_item_kept_in_a_later_row_counts_when_it_is_gone() -> None:
    memory, locks = Memory(), [f"lock {number:04}" for number in range(1_000)]
    memory.look(door(keeps=locks))
    memory.look()
    (news,) = memory.look()
    assert news.item is None
    (back,) = memory.look(door(["guest"], keeps=["lock 0000"]))
    assert (back.is_new, back.lost) == (True, ())
    # Nothing that the old one kept comes up again.
    (still,) = memory.look(door(["guest"], keeps=["lock 0000"]))
    assert still.lost == ()


def test_more_than_all_rows_hold_is_not_told_as_new() -> None:
    memory, many = Memory(), tokens(MAX_TRAITS * MAX_PARTS + 5)
    for _ in range(2):
        assert memory.look(door(many)) == ()
    assert sum(len(one.traits) for one in memory.known.values()) == MAX_TRAITS * MAX_PARTS


def test_long_tokens_that_begin_alike_stay_apart() -> None:
    memory, long = Memory(), "x" * 200
    memory.look(door([f"{long}a"], keeps=[f"lock {long}a", f"lock {long}b"]))
    (news,) = memory.look(door([f"{long}a", f"{long}b"], keeps=[f"lock {long}b"]))
    assert (len(news.added), len(news.lost)) == (1, 1)
    assert memory.look(door([f"{long}a"], keeps=[f"lock {long}a", f"lock {long}b"])) == ()


def test_tokens_of_long_kinds_and_entries_stay_apart_and_fit() -> None:
    kind = "TargetedDomainsToProtectByEverybodyInTheWholeOrganization"
    entries = [f"{'long-name-of-a-sub-domain.' * 3}{end}.example" for end in "abc"]
    found = {
        build(name, entry)
        for build in (build_token, build_value_token)
        for name in (kind, f"{kind}Too", "short")
        for entry in (*entries, "a.example")
    }
    assert len(found) == 2 * 3 * 4
    assert max(len(f"keeps {one}") for one in found) <= MAX_TRAIT_LENGTH


def test_what_is_narrower_than_before_is_no_news_and_what_is_wide_again_is() -> None:
    memory = Memory()
    wide = Trait("everywhere", "opens everything", Severity.HIGH)
    narrow = Trait("=scope a", "opens a", Severity.HIGH, within=("everywhere",))
    other = Trait("=scope b", "opens b", Severity.HIGH, within=("everywhere",))
    memory.look(door(traits=[wide]))
    for _ in range(2):
        assert memory.look(door(traits=[narrow])) == ()
    (moved,) = memory.look(door(traits=[other]))
    assert [one.token for one in moved.added] == ["=scope b"]
    (again,) = memory.look(door(traits=[wide]))
    assert [one.token for one in again.added] == ["everywhere"]
