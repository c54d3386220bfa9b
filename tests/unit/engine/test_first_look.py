"""What was there at the first look is a question, also in large tenants and beside broken reads."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.model.findings import Finding, Verdict
from core.model.guards import GuardPolicy
from tests.support.synthetic_guard import (
    ENFORCE_CONFIG,
    GUARD,
    EngineHarness,
    ForwardItem,
    SyntheticTenant,
    judge,
)

SIZE = 520  # Six shards.
OLD = {f"m{n}": f"t{n}" for n in range(0, SIZE, 26)}
NEW = {f"m{n}": f"t{n}" for n in range(13, SIZE, 26)}


def judge_asking(item: ForwardItem, policy: GuardPolicy) -> Iterator[Finding]:
    for finding in judge(item, policy):
        yield replace(finding, asks_if_preexisting=True)


CONFIG = replace(ENFORCE_CONFIG, guard=replace(GUARD, judge=judge_asking))


async def look(stage: EngineHarness) -> None:
    """One look, with as many workers as it takes."""
    stage.queue.clear()
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)


def list_questions(stage: EngineHarness) -> set[str]:
    cases = stage.ledger.list_cases("toy").values()
    return {
        case.object_id
        for case in cases
        if case.kind == "forward" and case.closed_at is None and case.verdict == Verdict.ASK
    }


@pytest.fixture(params=[None, 200], ids=["one run", "shards"])
def stage(request: pytest.FixtureRequest) -> EngineHarness:
    return EngineHarness(SyntheticTenant(SIZE), CONFIG, shard_above=request.param)


async def test_what_one_look_after_the_first_could_not_read_is_changed_when_it_is_read(
    stage: EngineHarness,
) -> None:
    stage.tenant.forwards = dict(OLD)
    await look(stage)
    stage.tenant.forwards |= NEW
    stage.tenant.unreadable = set(stage.tenant.mailbox_ids)
    for _ in range(3):
        await look(stage)
    assert stage.tenant.writes == []
    stage.tenant.unreadable.clear()
    await look(stage)
    assert (sorted(stage.tenant.writes), list_questions(stage)) == (sorted(NEW), set(OLD))


async def test_what_the_first_look_could_not_read_stays_a_question_in_part_of_the_tenant(
    stage: EngineHarness,
) -> None:
    stage.tenant.forwards = dict(OLD)
    missed = set(list(OLD)[::2]) | {"m1"}
    stage.tenant.unreadable = set(missed)
    await look(stage)
    await look(stage)
    stage.tenant.forwards |= NEW | {"m1": "t1"}
    stage.tenant.unreadable = {"m13", "m1"}
    await look(stage)
    assert sorted(stage.tenant.writes) == sorted(NEW.keys() - {"m13"})
    stage.tenant.unreadable.clear()
    await look(stage)
    assert sorted(stage.tenant.writes) == sorted(NEW)
    assert list_questions(stage) == {*OLD, "m1"}
    # Nothing is kept of the mailboxes that were read in the end.
    rows = stage.ledger.list_cases("toy").values()
    assert not [case for case in rows if case.kind == "unreadable" and not case.notified_at]


async def test_a_first_look_over_several_runs_is_one_look() -> None:
    stage = EngineHarness(SyntheticTenant(SIZE, dict(OLD)), CONFIG)
    for unreadable in ({"m1", "m26"}, set[str]()):
        stage.tenant.unreadable = unreadable
        stage.budget_used = iter([0.0] * 3 + [1.0] * 99).__next__
        assert (await stage.run_timer()).status == "in-progress"
        stage.tenant.forwards |= {"m1": "t1"}
    stage.budget_used = lambda: 0.0
    await look(stage)
    assert stage.tenant.writes == []
    stage.tenant.forwards |= NEW
    await look(stage)
    assert sorted(stage.tenant.writes) == sorted(NEW)
    assert list_questions(stage) == {*OLD, "m1"}
