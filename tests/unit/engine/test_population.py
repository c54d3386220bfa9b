"""Whether a listing is as long as the last one: of the objects, and of every list of settings."""

from dataclasses import replace
from typing import Any

import pytest

from core.engine.population import (
    count_known_objects,
    count_listings,
    find_least_trusted_count,
    find_listed_counts,
    is_absence_trusted,
    population_shrank,
)
from core.model.changes import ChangeState
from core.model.findings import Finding
from core.model.state import GuardSnapshot, GuardState
from core.tenant.readings import AllExcept, ListedCount, ReadFailure, Reading
from tests.support.decisions import (
    DAY,
    KEY,
    STATE,
    SURFACE,
    RunDecision,
    apply_plan,
    build_change_record,
    build_finding,
    build_known_snapshot,
    build_reading,
    build_scene,
    make_plan,
)
from tests.support.fakes.clock import START

# -- the objects -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "population", "unread", "kept"),
    [
        (None, 20, 0, 20),
        (None, 20, 5, 15),
        (None, 20, 20, 0),
        (None, 3, 5, 0),
        (20, 20, 0, 20),
        (20, 25, 5, 20),
        (20, 25, 2, 23),
        (20, 18, 5, 18),
        (20, 30, 30, 20),
        (20, 21, 0, 21),
        (0, 4, 1, 3),
    ],
)
def test_unread_objects_never_make_a_tenant_larger(
    known: int | None, population: int, unread: int, kept: int
) -> None:
    assert count_known_objects(population, unread, GuardState(population=known)) == kept


def test_what_is_counted_is_trusted_where_an_absence_is() -> None:
    assert find_least_trusted_count(GuardState()) == 0
    for known in range(60):
        for shrunk in (None, *range(0, known, 3)):
            state = GuardState(population=known, shrunk_population=shrunk)
            least = find_least_trusted_count(state)
            for count in range(known + 3):
                trusted = is_absence_trusted(build_reading(count), state)
                assert (count >= least) is trusted, (known, shrunk, count)


def test_a_first_look_that_missed_objects_the_guard_leaves_out_is_no_larger_tenant() -> None:
    """Six system mailboxes look like any other until they are read."""
    failures = tuple(ReadFailure(SURFACE, "HTTP 429", f"system-{n}") for n in range(6))
    first = make_plan(
        build_scene(GuardSnapshot(), reading=build_reading(26, failures=failures)), []
    )
    memory = apply_plan(first, GuardSnapshot())
    assert not population_shrank(build_reading(20), memory.state)
    second = make_plan(build_scene(memory, now=START + DAY), [])
    assert {case.kind for case in second.cases if case.closed_at is None} == set()


# -- lists of settings ---------------------------------------------------------------------------

BOTH = frozenset({SURFACE, "remote"})


def list_settings(count: int, **changes: Any) -> Reading[object]:
    listed = {"settings": ListedCount(count, BOTH)}
    return replace(Reading[object](sources=BOTH, population=20, listed_counts=listed), **changes)


def look(
    memory: GuardSnapshot, reading: Reading[object], *findings: Finding, day: int = 1
) -> tuple[RunDecision, GuardSnapshot]:
    plan = make_plan(build_scene(memory, now=START + day * DAY, reading=reading), findings)
    return plan, apply_plan(plan, memory)


def list_ended(plan: RunDecision) -> list[str]:
    return [case.object_id for case in plan.cases if case.closed_at]


def build_memory(count: int) -> GuardSnapshot:
    """A memory of so many listed settings, with a case about one of them."""
    memory = replace(build_known_snapshot(), state=replace(STATE, population=None))
    return look(memory, list_settings(count), build_finding(changes=()))[1]


@pytest.mark.parametrize(
    ("before", "after"), [(3, 1), (3, 2), (2, 1), (1, 0), (3, 0), (40, 30), (40, 36)]
)
def test_a_setting_that_a_shorter_list_lacks_is_believed_gone_at_the_second_look(
    before: int, after: int
) -> None:
    first, memory = look(build_memory(before), list_settings(after))
    assert list_ended(first) == []
    again, _ = look(memory, list_settings(after), day=2)
    assert list_ended(again) == ["a"]


@pytest.mark.parametrize("counts", [(1, 3), (1, 2, 3, 1, 3), (2, 1), (1, 3, 1, 3, 1)])
def test_a_list_that_comes_and_goes_ends_nothing(counts: tuple[int, ...]) -> None:
    memory = build_memory(3)
    for day, count in enumerate(counts, 1):
        found = [build_finding(changes=())] if count == 3 else []
        plan, memory = look(memory, list_settings(count), *found, day=day)
        assert list_ended(plan) == []


def test_a_list_as_long_as_before_ends_a_case_at_once() -> None:
    plan, _ = look(build_memory(3), list_settings(3))
    assert list_ended(plan) == ["a"]
    plan, _ = look(build_memory(40), list_settings(38))
    assert list_ended(plan) == ["a"]


def test_a_list_that_cannot_be_read_or_breaks_off_is_remembered_as_it_was() -> None:
    memory = build_memory(3)
    for reading in (
        list_settings(0, failures=(ReadFailure(SURFACE, "HTTP 503"),)),
        list_settings(1, complete=False),
    ):
        plan, memory = look(memory, reading)
        assert list_ended(plan) == []
    assert list_ended(look(memory, list_settings(1))[0]) == []


def test_what_the_guard_itself_changed_explains_a_shorter_list() -> None:
    memory = build_memory(3)
    intent = build_change_record(ChangeState.INTENDED, START)
    memory = replace(memory, changes=(intent,))
    plan, _ = look(memory, list_settings(2))
    assert [(case.key, case.resolution) for case in plan.cases if case.closed_at] == [(KEY, "done")]


def test_a_batch_about_everything_that_names_no_list_is_one() -> None:
    (listed,) = find_listed_counts(list_settings(3, listed_counts={})).values()
    assert listed == ListedCount(20, BOTH)


def test_lists_without_names_are_told_apart_by_their_sources() -> None:
    same, again, other = (
        find_listed_counts(Reading(sources=sources, population=1)).keys()
        for sources in (BOTH, BOTH, frozenset({SURFACE}))
    )
    assert same == again
    assert same != other


def test_a_list_with_a_name_of_its_own_speaks_for_its_sources_alone() -> None:
    state = GuardState(listed_counts={"rules": 3, "forwards": 3})
    batch = list_settings(
        0,
        listed_counts={
            "rules": ListedCount(2, frozenset({"remote"})),
            "forwards": ListedCount(2, frozenset({SURFACE}), min_missing=2),
        },
    )
    assert count_listings(batch, state).unconfirmed_sources == {"remote"}
    fewer = replace(
        batch,
        listed_counts={"forwards": ListedCount(1, frozenset({SURFACE}), min_missing=2)},
    )
    assert count_listings(fewer, state).unconfirmed_sources == {SURFACE}


@pytest.mark.parametrize(
    "reading",
    [
        list_settings(3, scope=frozenset({"a"})),
        list_settings(3, scope=AllExcept(frozenset())),
        list_settings(3, complete=False),
        list_settings(3, failures=(ReadFailure("remote", "HTTP 503"),)),
        list_settings(3, sources=frozenset()),
    ],
)
def test_only_a_whole_list_has_a_length(reading: Reading[object]) -> None:
    assert find_listed_counts(reading) == {}


def test_a_batch_about_no_object_may_name_the_lists_that_others_are_judged_by() -> None:
    named = list_settings(3, scope=frozenset())
    assert find_listed_counts(named)
    assert not named.covers(("remote",), "a")


def test_lists_that_are_no_longer_read_are_forgotten_by_a_look_that_missed_nothing() -> None:
    old = GuardSnapshot(state=replace(STATE, population=None, listed_counts={"old": 7}))
    missed = list_settings(3, failures=(ReadFailure("remote", "HTTP 503"),))
    plan, memory = look(old, missed)
    assert dict(plan.state.listed_counts) == {"old": 7}
    plan, _ = look(memory, list_settings(3))
    assert list(plan.state.listed_counts.values()) == [3]
