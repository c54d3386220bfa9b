"""No case ends by a listing where the guard can look at the object alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from core.engine.single_looks import choose_turn
from core.model.guards import MAX_SINGLE_LOOKS, ObserveContext, SingleLook
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    DEEP_CHECK,
    GUARD,
    RULES_SOURCE,
    UNLISTED_SOURCE,
    EngineHarness,
    ForwardItem,
    SyntheticTenant,
    look_up,
)


async def find_presence(
    tenant: Tenant, context: ObserveContext, ids: Sequence[str]
) -> Reading[ForwardItem]:
    """Which mailboxes are gone. Those that are there stay as they are."""
    toy = cast(SyntheticTenant, tenant)
    gone = frozenset(one for one in ids if one in toy.deleted)
    return Reading(sources=frozenset({RULES_SOURCE, DEEP_CHECK}), scope=gone)


LOOKS = {"judged anew": look_up, "there": find_presence}


def build_harness(look: str, count: int = 200, **known: Any) -> EngineHarness:
    """A guard that can look at mailboxes alone, on a tenant of so many."""
    single = SingleLook(UNLISTED_SOURCE, frozenset({RULES_SOURCE, DEEP_CHECK}), LOOKS[look])
    guard = replace(GUARD, single_looks=(single,))
    return EngineHarness(
        SyntheticTenant(count, **known), replace(ALERT_CONFIG, guard=guard), range_size=1_000
    )


def list_open(stage: EngineHarness) -> set[str]:
    """The mailboxes with a case, each with its kind."""
    return {
        f"{case.object_id} {case.kind}"
        for case in stage.ledger.list_cases("toy").values()
        if case.closed_at is None and case.kind in ("forward", "deep")
    }


@pytest.mark.parametrize("look", LOOKS)
async def test_what_a_listing_leaves_out_and_is_there_stays_and_the_listing_is_named(
    look: str,
) -> None:
    stage = build_harness(look, forwards={"m1": "x", "m2": "y"}, deep_forwards={"m1": "z"})
    await stage.run_timer()
    assert list_open(stage) == {"m1 forward", "m1 deep", "m2 forward"}
    stage.tenant.omitted = {"m1"}
    stage.tenant.deleted = {"m2"}
    report = await stage.run_timer()
    assert list_open(stage) == {"m1 forward", "m1 deep"}
    assert report.unavailable_sources == (UNLISTED_SOURCE,)
    stage.tenant.omitted = set()
    report = await stage.run_timer()
    assert list_open(stage) == {"m1 forward", "m1 deep"}
    assert report.unavailable_sources == ()


async def test_what_was_mended_while_a_listing_leaves_it_out_ends() -> None:
    stage = build_harness("judged anew", forwards={"m1": "x"}, deep_forwards={"m1": "z"})
    await stage.run_timer()
    stage.tenant.omitted, stage.tenant.forwards = {"m1"}, {}
    await stage.run_timer()
    assert list_open(stage) == {"m1 deep"}


async def test_what_cannot_be_looked_up_stays() -> None:
    stage = build_harness("judged anew", forwards={"m1": "x"})
    await stage.run_timer()
    stage.tenant.omitted, stage.tenant.unreadable = {"m1"}, {"m1"}
    report = await stage.run_timer()
    assert list_open(stage) == {"m1 forward"}
    assert (report.unread_count, report.unavailable_sources) == (1, ())


async def test_more_than_a_run_looks_at_wait_for_the_next_and_the_listing_is_named() -> None:
    extra = 20
    names = [f"m{number}" for number in range(MAX_SINGLE_LOOKS + extra)]
    stage = build_harness("judged anew", 2_000, forwards=dict.fromkeys(names, "x"))
    await stage.run_timer()
    stage.tenant.deleted = set(names)
    report = await stage.run_timer()
    assert len(list_open(stage)) == extra
    assert report.unavailable_sources == (UNLISTED_SOURCE,)
    report = await stage.run_timer()
    assert list_open(stage) == set()
    assert report.unavailable_sources == ()


@pytest.mark.parametrize("look", LOOKS)
async def test_what_stays_unlisted_keeps_nobody_from_a_turn(look: str) -> None:
    names = [f"m{number}" for number in range(3 * MAX_SINGLE_LOOKS)]
    stage = build_harness(look, 5_000, forwards=dict.fromkeys(names, "x"))
    await stage.run_timer()
    stage.tenant.omitted = set(names)
    await stage.run_timer()
    # Whichever is mended or deleted while the listing lacks all of them is found out.
    stage.tenant.deleted = {"m0", "m150", "m299"}
    for _ in range(3):
        report = await stage.run_timer()
        assert report.unavailable_sources == (UNLISTED_SOURCE,)
    left = {one.partition(" ")[0] for one in list_open(stage)}
    assert left == set(names) - stage.tenant.deleted


def test_each_object_has_its_turn_before_any_has_a_second_one() -> None:
    ids, place, asked = [f"id {number}" for number in range(250)], "", list[str]()
    for _ in range(5):
        turn = choose_turn(ids, place)
        assert turn.waiting_count == 250 - MAX_SINGLE_LOOKS
        place = turn.place
        asked += turn.ids
    assert Counter(asked) == dict.fromkeys(ids, 2)
    assert choose_turn(ids[:5], place).place == ""


async def test_a_listing_is_believed_of_what_the_guard_cannot_look_at() -> None:
    stage = build_harness("judged anew", forwards={"m1": "x"})
    look = replace(stage.config.guard.single_looks[0], sources=frozenset({"others"}))
    stage.config = replace(stage.config, guard=replace(stage.config.guard, single_looks=(look,)))
    await stage.run_timer()
    stage.tenant.omitted = {"m1"}
    await stage.run_timer()
    assert list_open(stage) == set()
