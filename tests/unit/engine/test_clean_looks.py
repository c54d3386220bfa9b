"""When a finding was not there yet: the last look that read its object and did not find it."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.engine.causes import build_cause
from core.engine.clean_looks import MAX_LOOKED_ALONE, date_case, find_clean_look, note_looks
from core.engine.decision_context import DecisionContext
from core.engine.self_findings import build_object_finding
from core.model.cases import Case, Exemption
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind
from core.model.state import GuardSnapshot, GuardState
from core.tenant.readings import ReadFailure
from tests.support.acts import build_act
from tests.support.cases import build_case
from tests.support.decisions import CONFIG, SURFACE, build_finding
from tests.support.fakes.clock import START
from tests.support.synthetic_guard import (
    ENFORCE_CONFIG,
    EngineHarness,
    SyntheticTenant,
)

SIZE = 260
QUARTER = timedelta(minutes=15)


async def run_all(stage: EngineHarness) -> datetime:
    """One look at everything, with as many workers as it takes; when it began."""
    stage.queue.clear()
    began = stage.clock()
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)
    return began


def get_case(stage: EngineHarness, kind: str = "forward", name: str = "m1") -> Case:
    cases = stage.ledger.list_cases("toy").values()
    (case,) = (one for one in cases if (one.kind, one.object_id) == (kind, name))
    return case


@pytest.fixture(params=[None, 200], ids=["one run", "shards"])
async def stage(request: pytest.FixtureRequest) -> EngineHarness:
    """A tenant that was seen once, and was clean."""
    found = EngineHarness(SyntheticTenant(SIZE), shard_above=request.param)
    await run_all(found)
    return found


async def test_what_comes_after_a_clean_look_came_after_that_look(stage: EngineHarness) -> None:
    clean = await run_all(stage)
    stage.tenant.forwards["m1"] = "x"
    seen = await run_all(stage)
    case = get_case(stage)
    assert case.clean_at == clean
    assert case.found_at is not None
    assert seen <= case.found_at <= stage.clock()
    await run_all(stage)
    assert get_case(stage) == case


async def test_what_a_first_look_finds_may_have_been_there_for_ever() -> None:
    stage = EngineHarness(SyntheticTenant(SIZE, {"m1": "x"}))
    await run_all(stage)
    assert (get_case(stage).clean_at, get_case(stage).baselined) == (None, True)


async def test_a_look_that_could_not_read_an_object_did_not_find_it_clean(
    stage: EngineHarness,
) -> None:
    clean = await run_all(stage)
    stage.tenant.unreadable = {"m1"}
    await run_all(stage)
    await run_all(stage)
    stage.tenant.unreadable.clear()
    stage.tenant.forwards |= {"m1": "x", "m2": "x"}
    last = stage.clock() - QUARTER
    await run_all(stage)
    assert get_case(stage).clean_at == clean
    assert get_case(stage, name="m2").clean_at == last


async def test_a_look_that_read_nothing_of_a_source_found_nothing_clean(
    stage: EngineHarness,
) -> None:
    clean = await run_all(stage)
    stage.tenant.unavailable = True
    await run_all(stage)
    stage.tenant.unavailable = False
    stage.tenant.forwards["m1"] = "x"
    await run_all(stage)
    assert get_case(stage).clean_at == clean


async def test_a_listing_that_was_broken_off_found_nothing_clean(stage: EngineHarness) -> None:
    clean = await run_all(stage)
    stage.tenant.listing_interrupted = True
    await run_all(stage)
    stage.tenant.listing_interrupted = False
    stage.tenant.forwards["m1"] = "x"
    await run_all(stage)
    assert get_case(stage).clean_at == clean


async def finish_check(stage: EngineHarness) -> datetime:
    """When the last check began that is finished now; a pass in shards makes a part of one."""
    while "deep" not in (state := await stage.ledger.load_state("toy")).read_from:
        await run_all(stage)
    return state.read_from["deep"]


async def test_what_only_a_periodic_check_reads_came_after_the_check_before_began(
    stage: EngineHarness,
) -> None:
    began = await finish_check(stage)
    assert began == START
    await run_all(stage)
    stage.tenant.deep_forwards["m1"] = "x"
    for _ in range(100):
        await run_all(stage)
    assert get_case(stage, "deep").clean_at == began


async def test_a_check_that_took_several_runs_began_with_the_first_of_them() -> None:
    stage = EngineHarness(SyntheticTenant(SIZE), shard_above=100, range_size=20)
    assert await finish_check(stage) == START
    state = await stage.ledger.load_state("toy")
    assert state.checks_begun_at == {}
    assert state.checks_finished_at["deep"] > START + 2 * QUARTER


async def test_an_object_that_was_looked_at_by_itself_was_clean_then(stage: EngineHarness) -> None:
    whole = await run_all(stage)
    looked = stage.clock()
    await stage.look(["m1"])
    stage.tenant.forwards |= {"m1": "x", "m2": "x"}
    stage.tenant.deep_forwards["m1"] = "x"
    await run_all(stage)
    assert get_case(stage).clean_at == looked
    assert get_case(stage, name="m2").clean_at == whole
    await stage.look(["m1"])
    assert get_case(stage, "deep").clean_at == looked


async def test_an_object_that_a_look_could_not_read_was_not_clean_then(
    stage: EngineHarness,
) -> None:
    whole = await run_all(stage)
    stage.tenant.unreadable = {"m1"}
    await stage.look(["m1"])
    stage.tenant.unreadable.clear()
    stage.tenant.forwards["m1"] = "x"
    await stage.look(["m1"])
    assert get_case(stage).clean_at == whole


async def test_looks_at_single_objects_are_forgotten_after_a_reading_of_everything() -> None:
    stage = EngineHarness(SyntheticTenant(SIZE))
    await run_all(stage)
    await stage.look(["m1"])
    assert (await stage.ledger.load_state("toy")).looked_alone.keys() == {"m1", "g-m1"}
    stage.clock.advance(days=1)
    await run_all(stage)
    await stage.look(["m2"])
    assert (await stage.ledger.load_state("toy")).looked_alone.keys() == {"m2", "g-m2"}


async def test_what_came_back_after_we_changed_it_came_after_our_change() -> None:
    stage = EngineHarness(SyntheticTenant(SIZE), ENFORCE_CONFIG)
    await run_all(stage)
    stage.tenant.forwards["m1"] = "x"
    await run_all(stage)
    done = get_case(stage)
    assert done.resolution == "done"
    stage.clock.advance(hours=2)
    stage.tenant.forwards["m1"] = "x"
    await stage.look(["m1"])
    again = get_case(stage)
    assert again.opened_at > done.opened_at
    assert again.clean_at == done.closed_at


async def test_what_went_and_came_back_came_after_it_was_gone(stage: EngineHarness) -> None:
    for target in ("x", "", "x", ""):
        stage.tenant.forwards = {"m1": target} if target else {}
        gone = await run_all(stage)
    assert get_case(stage).absent_since is not None
    stage.tenant.forwards = {"m1": "x"}
    back = await run_all(stage)
    case = get_case(stage)
    assert case.absent_since is None
    assert case.clean_at
    assert gone <= case.clean_at <= back <= case.seen_since


async def test_what_an_exemption_covered_was_there_all_the_time() -> None:
    stage = EngineHarness(SyntheticTenant(SIZE))
    await run_all(stage)
    stage.tenant.forwards["m1"] = "x"
    clean = stage.clock() - QUARTER
    await run_all(stage)
    first = get_case(stage)
    until = stage.clock() + timedelta(days=1)
    await stage.ledger.add_request(
        "toy",
        OperatorRequest(
            "r1", RequestKind.EXEMPT, first.key, "me", "known", stage.clock(), until=until
        ),
    )
    await run_all(stage)
    stage.clock.advance(days=2)
    await run_all(stage)
    again = get_case(stage)
    assert again.closed_at is None
    assert again.opened_at > first.opened_at
    assert (again.clean_at, again.seen_since) == (clean, first.seen_since)


async def test_a_listing_that_lacks_too_many_objects_found_nothing_clean(
    stage: EngineHarness,
) -> None:
    clean = await run_all(stage)
    stage.tenant.omitted = {f"m{number}" for number in range(200, SIZE)}
    await run_all(stage)
    stage.tenant.omitted.clear()
    stage.tenant.forwards["m1"] = "x"
    await run_all(stage)
    assert get_case(stage).clean_at == clean


# The decision alone -------------------------------------------------------------------------------

NOW = START + timedelta(days=1)
READ = NOW - timedelta(hours=1)
FINDING = build_finding("a")
UNREAD = build_object_finding(ReadFailure(SURFACE, "HTTP 503", "a")).compute_key(CONFIG.guard.name)


def find_look(*cases: Case, exemptions: Collection[str] = (), **state: Any) -> datetime | None:
    """The clean look of an object, by what the state says of its one source."""
    return find_clean_look(build_context(*cases, exemptions=exemptions, **state), FINDING)


def build_context(*cases: Case, exemptions: Collection[str] = (), **state: Any) -> DecisionContext:
    """A look of now at one source, which was read in full an hour before."""
    known = {"baselined_sources": frozenset({SURFACE}), "read_from": {SURFACE: READ}, **state}
    snapshot = GuardSnapshot(
        cases={case.key: case for case in cases},
        exemptions={one: Exemption(one, "me", "known", NOW) for one in exemptions},
        state=GuardState(**known),
    )
    return DecisionContext(CONFIG, Mode.ALERT, "run", snapshot, NOW)


def build_unread_case(closed_at: datetime | None) -> Case:
    """The case of an object that was not read, and that was read the day before."""
    case = build_case(key=UNREAD, object_id="a", closed_at=closed_at)
    return replace(case, clean_at=START)


def test_who_did_what_an_exemption_covered_stays_told_unless_it_goes_further_now() -> None:
    cause = build_cause(build_act())
    new = build_case(object_id="a", opened_at=NOW)
    old = replace(
        build_case(object_id="a", closed_at=READ, resolution="exempt"),
        clean_at=START,
        found_at=START + QUARTER,
        cause=cause,
        earlier_change=cause,
    )
    context = build_context()
    again = date_case(context, new, FINDING, old, is_beyond=False)
    assert again == replace(
        new, clean_at=START, found_at=START + QUARTER, cause=cause, earlier_change=cause
    )
    further = date_case(context, new, FINDING, old, is_beyond=True)
    assert further == replace(new, clean_at=READ, found_at=NOW)
    # Of what was never told nothing is known.
    unknown = date_case(build_context(exemptions=["a"]), new, FINDING, None, is_beyond=False)
    assert unknown == replace(new, found_at=NOW)


def test_what_was_unread_until_this_look_was_clean_when_it_was_last_read() -> None:
    assert find_look() == READ
    assert find_look(build_unread_case(None)) == START
    # This look has ended the case; one that ended before says that the object was read.
    assert find_look(build_unread_case(NOW)) == START
    assert find_look(build_unread_case(READ)) == READ
    assert find_look(exemptions=[UNREAD]) is None


def test_a_time_ahead_is_no_clean_look() -> None:
    ahead = NOW + timedelta(hours=2)
    assert find_look(read_from={SURFACE: ahead}) is None
    alone = {"looked_alone": {"a": ahead}, "alone_sources": frozenset({SURFACE})}
    assert find_look(**alone) == READ


def test_a_source_that_was_never_read_in_full_bounds_nothing() -> None:
    assert find_look(read_from={}) is None
    assert find_look(baselined_sources=frozenset[str]()) is None


def test_a_look_at_one_object_counts_for_what_it_read_of_it() -> None:
    alone = {"a": NOW - timedelta(minutes=5)}
    assert find_look(looked_alone=alone, alone_sources=frozenset({SURFACE})) == alone["a"]
    assert find_look(looked_alone=alone, alone_sources=frozenset({"other"})) == READ
    assert find_look(looked_alone={"b": alone["a"]}, alone_sources=frozenset({SURFACE})) == READ


def test_looks_that_read_less_are_not_remembered_beside_those_that_read_more() -> None:
    both, one = frozenset({SURFACE, "other"}), frozenset({SURFACE})
    state = GuardState(read_from={SURFACE: START})
    first = note_looks(state, ["a"], both, READ)
    again = note_looks(first, ["b"], both, NOW)
    assert (again.looked_alone, again.alone_sources) == ({"a": READ, "b": NOW}, both)
    less = note_looks(again, ["c"], one, NOW)
    assert (less.looked_alone, less.alone_sources) == ({"c": NOW}, one)
    many = note_looks(first, [f"x{number}" for number in range(MAX_LOOKED_ALONE)], both, NOW)
    assert len(many.looked_alone) == MAX_LOOKED_ALONE
    assert "a" not in many.looked_alone
