"""What a reading covers, and what is unread of it."""

from dataclasses import replace

import pytest

from core.tenant.merging import (
    LISTING_INCOMPLETE,
    PresenceTracker,
    collect_failures,
    collect_sources,
    count_listing,
    find_object_failure,
    select_answered,
)
from core.tenant.readings import (
    UNIDENTIFIED_PREFIX,
    AllExcept,
    ListedCount,
    ReadFailure,
    Reading,
)

RULES, ACCOUNTS = "inbox-rules", "accounts"
WHOLE = Reading(("a", "b"), sources=frozenset({RULES, ACCOUNTS}), population=2)
DETAIL = ReadFailure(RULES, "HTTP 503", "m2", optional=True)
ONE, ALL = ReadFailure(RULES, "HTTP 503", "m1"), ReadFailure(RULES, "HTTP 403")


@pytest.mark.parametrize(
    ("reading", "covers"),
    [
        (WHOLE, True),
        (replace(WHOLE, complete=False), False),
        (replace(WHOLE, sources=frozenset({ACCOUNTS})), False),
        (replace(WHOLE, scope=frozenset({"m1"})), True),
        (replace(WHOLE, scope=frozenset({"m2"})), False),
        (replace(WHOLE, scope=AllExcept(frozenset({"m1"}))), False),
        (replace(WHOLE, scope=AllExcept(frozenset({"m2"}))), True),
        (replace(WHOLE, partial_scopes={RULES: frozenset({"m2"})}), False),
        (replace(WHOLE, partial_scopes={RULES: frozenset({"m1"})}), True),
        (replace(WHOLE, partial_scopes={ACCOUNTS: frozenset({"m2"})}), True),
        (replace(WHOLE, failures=(ONE,)), False),
        (replace(WHOLE, failures=(replace(ONE, object_id="m2"),)), True),
        (replace(WHOLE, failures=(ALL,)), False),
        (replace(WHOLE, failures=(replace(ALL, source=ACCOUNTS),)), True),
        (replace(WHOLE, failures=(replace(ONE, object_id=f"{UNIDENTIFIED_PREFIX}7"),)), False),
    ],
)
def test_a_reading_covers_what_was_read_of_every_source(
    reading: Reading[str], covers: bool
) -> None:
    assert reading.covers((RULES,), "m1") is covers


def test_other_items_of_the_same_objects_keep_what_the_reading_says_of_these() -> None:
    part = replace(
        WHOLE,
        complete=False,
        scope=frozenset({"m1"}),
        continuation="next",
        restarted=True,
        partial_scopes={RULES: ()},
    )
    other = part.with_items((1,), (ONE,), frozenset({ACCOUNTS}), 7)
    assert other == Reading(
        (1,),
        (ONE,),
        frozenset({ACCOUNTS}),
        7,
        complete=False,
        scope=frozenset({"m1"}),
        continuation="next",
        restarted=True,
    )


def test_what_is_unread_is_named_by_object_unless_it_only_adds_detail() -> None:
    reading = replace(WHOLE, failures=(DETAIL, ONE, ALL))
    assert reading.unread_object_ids == {"m1"}
    assert reading.find_source_failure(RULES) == ALL
    assert reading.find_source_failure(ACCOUNTS) is None
    assert replace(WHOLE, failures=(ONE,)).find_source_failure(RULES) is None


def test_several_readings_have_the_sources_and_failures_of_all() -> None:
    other = Reading[str]((), (ONE, DETAIL), frozenset({"other"}), complete=False)
    assert collect_sources((WHOLE, other)) == {RULES, ACCOUNTS, "other"}
    incomplete = ReadFailure("other", LISTING_INCOMPLETE)
    assert collect_failures((other, WHOLE, other)) == (ONE, DETAIL, incomplete)
    assert collect_failures((other,), optional=True)[-1] == replace(incomplete, optional=True)
    # A reason that is known is enough.
    known = replace(other, failures=(ReadFailure("other", "HTTP 503"),))
    assert collect_failures((known,)) == known.failures


def test_a_listing_counts_what_it_could_not_read_and_an_incomplete_one_counts_nothing() -> None:
    reading = replace(WHOLE, failures=(ONE, replace(ONE, reason="again"), DETAIL, ALL))
    assert count_listing(RULES, reading) == {RULES: ListedCount(4, frozenset({RULES}), 1)}
    assert count_listing(RULES, reading, min_missing=3)[RULES].min_missing == 3
    assert count_listing(RULES, replace(reading, complete=False)) == {}


def test_an_object_is_unread_with_its_source_by_itself_or_with_what_was_not_listed() -> None:
    reading = replace(WHOLE, failures=(ONE,))
    assert find_object_failure(reading, RULES, "m1") == ONE
    assert find_object_failure(reading, RULES, "m2") is None
    assert find_object_failure(reading, ACCOUNTS, "m1") is None
    assert find_object_failure(replace(reading, failures=(ONE, ALL)), RULES, "m1") == ALL
    assert find_object_failure(replace(WHOLE, complete=False), RULES, "m1") == ReadFailure(
        RULES, LISTING_INCOMPLETE
    )


def test_what_a_listing_lacks_is_gone_but_what_it_could_not_read_is_there() -> None:
    tracker = PresenceTracker(frozenset({"m1", "m2", "m3"}))
    tracker.add_page(replace(WHOLE, scope=frozenset({"m2", "m9"}), failures=(ONE,)))
    (absent,) = tracker.build_absence_readings([RULES])
    assert absent.sources == {RULES}
    assert absent.covers((RULES,), "m3")
    assert not absent.covers((RULES,), "m1")
    assert not absent.covers((RULES,), "m2")


@pytest.mark.parametrize(
    "page",
    [
        replace(WHOLE, complete=False),
        replace(WHOLE, failures=(replace(ONE, object_id=f"{UNIDENTIFIED_PREFIX}1"),)),
    ],
)
def test_nothing_is_gone_from_a_listing_that_broke_off_or_has_a_row_of_nobody(
    page: Reading[str],
) -> None:
    tracker = PresenceTracker(frozenset({"m1"}))
    tracker.add_page(page)
    tracker.add_page(WHOLE)
    assert tracker.build_absence_readings([RULES]) == ()


def test_a_reading_by_id_answers_for_all_that_it_could_read() -> None:
    assert select_answered(["m1", "m3"], WHOLE) == {"m1", "m3"}
    assert select_answered(["m1", "m3"], replace(WHOLE, failures=(ONE,))) == {"m3"}
    assert select_answered(["m1", "m3"], replace(WHOLE, failures=(ONE, ALL))) == frozenset()
