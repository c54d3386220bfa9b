"""The roll: every mailbox in exactly one slice, whatever their number and their names."""

import tracemalloc
from itertools import islice
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.keys import RANGE_END, RANGE_START, compute_hash_prefix
from core.tenant.mailbox_index import (
    BETWEEN_CHECKS_LIMIT,
    MailboxIndex,
    MailboxPage,
    MailboxRange,
    iter_range_sizes,
    mailbox_to_row,
    parse_mailbox_rows,
    select_between_checks,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure, Reading

SURFACES = frozenset({"inbox-rules", "mailboxes"})
names = st.text(min_size=1, max_size=40)


def roll_of(boxes: list[Mailbox], watched: frozenset[str] = frozenset()) -> MailboxIndex:
    roll = MailboxIndex(watched, SURFACES)
    roll.add_page(MailboxPage(Reading(tuple(boxes), population=len(boxes)), SURFACES))
    return roll


def boxes_of(number: int) -> list[Mailbox]:
    return [Mailbox(f"id-{n}", f"guid-{n}", f"{n}@contoso.com") for n in range(number)]


@given(st.lists(names, unique=True, max_size=60), st.integers(1, 7), st.integers(0, 9))
def test_the_slices_hold_every_mailbox_once_and_leave_no_gap(
    ids: list[str], size: int, first_size: int
) -> None:
    roll = roll_of([Mailbox(one, f"guid {one}", f"{one}@x") for one in ids])
    pieces = list(roll.iter_ranges(size=size, first_size=first_size))
    assert [piece.low for piece in pieces] == [RANGE_START, *(piece.high for piece in pieces[:-1])]
    assert pieces[-1].high == RANGE_END
    assert [piece.is_first for piece in pieces] == [True, *(False for _ in pieces[1:])]
    found = [box for piece in pieces for box in piece.mailboxes]
    assert sorted(box.id for box in found) == sorted(ids)
    assert all(box.address == f"{box.id}@x" for box in found)
    for piece in pieces:
        assert all(piece.low <= compute_hash_prefix(box.id) < piece.high for box in piece.mailboxes)


def test_slices_may_begin_small() -> None:
    roll = roll_of(boxes_of(60))
    counts = [len(piece.mailboxes) for piece in roll.iter_ranges(size=16, first_size=3)]
    assert counts == [3, 6, 7, 16, 16, 12]
    assert [len(piece.mailboxes) for piece in roll.iter_ranges(size=40, first_size=90)] == [40, 20]


@given(st.integers(0, 40), st.integers(0, 40))
def test_going_on_after_a_slice_leaves_out_nothing_and_repeats_nothing(size: int, at: int) -> None:
    roll = roll_of(boxes_of(size))
    pieces = list(roll.iter_ranges(size=3))
    before = pieces[: at % len(pieces)]
    after = before[-1].high if before else RANGE_START
    rest = list(roll.iter_ranges(after, size=5))
    assert rest[0].is_first is (not before)
    seen = [box.id for piece in [*before, *rest] for box in piece.mailboxes]
    assert sorted(seen) == sorted(f"id-{n}" for n in range(size))


def test_a_mailbox_that_appeared_behind_the_cursor_waits_for_the_next_round() -> None:
    first = list(roll_of(boxes_of(20)).iter_ranges(size=10))
    grown = roll_of(boxes_of(40))
    rest = [
        box.id for piece in grown.iter_ranges(first[0].high, size=10) for box in piece.mailboxes
    ]
    assert {box.id for box in first[1].mailboxes} <= set(rest)
    assert {box.id for box in first[0].mailboxes}.isdisjoint(rest)


def test_a_mailbox_listed_twice_is_looked_into_once() -> None:
    boxes = boxes_of(3)
    (piece,) = roll_of([*boxes, *boxes]).iter_ranges()
    assert len(piece.mailboxes) == 3


def test_what_a_complete_listing_does_not_name_is_gone_and_what_is_broken_is_not() -> None:
    roll = MailboxIndex(frozenset({"id-1", "lost", "broken"}), SURFACES)
    broken = ReadFailure("mailboxes", "unreadable", "broken")
    roll.add_page(
        MailboxPage(Reading(tuple(boxes_of(3)), failures=(broken,), population=4), SURFACES)
    )
    rest = roll.build_listing_reading()
    surfaces = ("inbox-rules", "mailboxes")
    assert rest.covers(surfaces, "lost")
    assert not rest.covers(surfaces, "id-1")
    assert not rest.covers(surfaces, "broken")
    assert rest.population == 1
    assert rest.unread_object_ids == {"broken"}
    roll.add_page(MailboxPage(Reading(complete=False), SURFACES))
    roll.add_page(MailboxPage(Reading(), SURFACES))
    assert not roll.build_listing_reading().covers(surfaces, "lost")


def test_kinds_that_are_left_out_are_counted_and_not_looked_into() -> None:
    roll = MailboxIndex()
    kinds = ("DiscoveryMailbox", "UserMailbox")
    listed = tuple(Mailbox(kind, "g", "a@x", kind=kind) for kind in kinds)
    roll.add_page(
        MailboxPage(Reading(listed, population=2), SURFACES, excluded_kinds=("DiscoveryMailbox",))
    )
    (piece,) = roll.iter_ranges()
    assert [box.id for box in piece.mailboxes] == ["UserMailbox"]
    assert roll.build_listing_reading().population == 1
    assert roll_of(boxes_of(3)).build_listing_reading().population == 0


def test_a_case_of_a_mailbox_that_is_left_out_now_is_over() -> None:
    roll = MailboxIndex(
        open_case_ids=frozenset({"UserMailbox", "DiscoveryMailbox"}), sources=SURFACES
    )
    kinds = ("UserMailbox", "DiscoveryMailbox")
    listed = tuple(Mailbox(kind, "g", "a@x", kind=kind) for kind in kinds)
    roll.add_page(
        MailboxPage(Reading(listed, population=2), SURFACES, excluded_kinds=("DiscoveryMailbox",))
    )
    assert not roll.build_listing_reading().covers(SURFACES, "UserMailbox")
    assert roll.build_listing_reading().covers(SURFACES, "DiscoveryMailbox")


def test_mailboxes_come_as_they_were_listed_in_full_slices_and_the_last_ones_at_the_end() -> None:
    roll = MailboxIndex()
    seen: list[str] = []
    for start in range(0, 10, 5):
        part = tuple(boxes_of(10)[start : start + 5])
        roll.add_page(MailboxPage(Reading(part, population=5), SURFACES))
        while piece := roll.take_listed_range(3):
            assert len(piece.mailboxes) == 3
            assert piece.is_first is (not seen)
            seen += [box.id for box in piece.mailboxes]
    assert len(seen) == 9
    last = roll.take_listed_range(3, last=True)
    assert last
    assert (last.low, last.high) == ("", ""), "listing order is no key range"
    assert [*seen, *(box.id for box in last.mailboxes)] == [f"id-{n}" for n in range(10)]
    assert roll.take_listed_range(3, last=True) is None


SOME_GUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
some_ids = st.one_of(st.uuids().map(str), st.just(SOME_GUID.upper()), names)


@given(
    st.builds(
        Mailbox,
        id=some_ids,
        guid=some_ids,
        address=names,
        kind=st.sampled_from(["UserMailbox", "SharedMailbox"]) | names,
        has_account=st.booleans(),
        quota_bytes=st.none() | st.integers(0, 2**60),
    )
)
def test_the_index_keeps_what_inspecting_a_mailbox_needs(box: Mailbox) -> None:
    roll = roll_of([box])
    (listed, ordered) = (roll.take_listed_range(last=True), next(roll.iter_ranges()))
    assert listed
    assert listed.mailboxes == ordered.mailboxes == (box,)


def test_of_two_rows_of_a_mailbox_the_later_one_counts() -> None:
    roll = roll_of([Mailbox("m1", "g1", "old@x"), Mailbox("m1", "g1", "new@x")])
    listed = roll.take_listed_range(last=True)
    assert listed
    assert [box.address for box in listed.mailboxes] == ["new@x"]


def test_ten_thousand_mailboxes_take_less_than_a_megabyte() -> None:
    boxes = [
        Mailbox(str(UUID(int=n << 64)), str(UUID(int=n << 32)), f"anna.bauer-{n:06}@contoso.com")
        for n in range(10_000)
    ]
    tracemalloc.start()
    try:
        roll = roll_of(boxes)
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
    assert len(roll.rows) == 10_000


@pytest.mark.parametrize("quota", [None, 0, 53_687_091_200, 2**60])
def test_a_row_keeps_the_quota_of_a_mailbox_if_it_was_read(quota: int | None) -> None:
    box = Mailbox("m1", "g1", "info@contoso.com", kind="SharedMailbox", quota_bytes=quota)
    assert parse_mailbox_rows([mailbox_to_row(box)]) == (box,)


@pytest.mark.parametrize("rest", ['"5"', "5.0", "5.5", "true", "5,6", "NaN"])
def test_a_row_with_another_quota_than_a_number_is_none(rest: str) -> None:
    with pytest.raises(ValueError, match=r"^not a row of the mailbox index$"):
        parse_mailbox_rows([f'12345678["m1","g1","info@contoso.com","SharedMailbox",true,{rest}]'])


@pytest.mark.parametrize("row", ['["m1","g1","a",1,true,null]', '["m1"]', "{}", "", "[", "null"])
def test_anything_else_is_no_row(row: str) -> None:
    with pytest.raises(ValueError, match=r"^not a row of the mailbox index$"):
        parse_mailbox_rows([f"12345678{row}"])


def test_mailboxes_of_one_prefix_stay_together() -> None:
    # Two of the first ids whose hashes begin alike.
    twins = ("id-10014", "id-22672")
    ids = [*twins, *(f"id-{n}" for n in range(9))]
    roll = roll_of([Mailbox(one, "g", "a@x") for one in ids])
    for size in (1, 2):
        pieces = list(roll.iter_ranges(size=size))
        (both,) = [one for one in pieces if {box.id for box in one.mailboxes} & {*twins}]
        assert {*twins} <= {box.id for box in both.mailboxes}
        assert sum(len(one.mailboxes) for one in pieces) == len(ids)
        assert max(len(one.mailboxes) for one in pieces if one is not both) <= size
        assert len(both.mailboxes) <= size + 1


def test_a_slice_is_halved_between_prefixes_and_loses_nobody() -> None:
    roll = roll_of(boxes_of(9))
    (piece,) = roll.iter_ranges()
    first, second = piece.halve()
    assert (first.low, second.high) == (piece.low, piece.high)
    assert first.high == second.low
    assert (len(first.mailboxes), len(second.mailboxes)) == (4, 5)
    assert [*first.mailboxes, *second.mailboxes] == [*piece.mailboxes]
    assert all(compute_hash_prefix(box.id) < first.high for box in first.mailboxes)
    assert first != second
    assert isinstance(first, MailboxRange)


@pytest.mark.parametrize(
    ("size", "first", "sizes"),
    [
        (10, 0, [10, 10, 10]),
        (10, 2, [2, 4, 4, 10, 10]),
        (7, 2, [2, 4, 1, 7]),
        (7, 7, [7, 7]),
        (4, 9, [4, 4]),
    ],
)
def test_a_first_slice_may_be_cut_into_growing_ones(
    size: int, first: int, sizes: list[int]
) -> None:
    assert list(islice(iter_range_sizes(size, first), len(sizes))) == sizes


def test_between_two_checks_only_mailboxes_with_a_case_are_read_and_not_too_many() -> None:
    boxes = boxes_of(BETWEEN_CHECKS_LIMIT + 9)
    assert select_between_checks(boxes, {"id-3", "id-1", "gone"}) == [boxes[1], boxes[3]]
    cases = {box.id for box in boxes}
    assert select_between_checks(boxes, cases) == boxes[:BETWEEN_CHECKS_LIMIT]


def test_a_mailbox_without_an_address_keeps_its_name() -> None:
    box = Mailbox("m1", "g1", "", name="Info", kind="RoomMailbox", has_account=False)
    (kept,) = parse_mailbox_rows([mailbox_to_row(box)])
    assert kept == Mailbox("m1", "g1", "Info", kind="RoomMailbox", has_account=False)
