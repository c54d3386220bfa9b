"""A tenant in shards: whatever the workers do, it comes to the same as one run over everything."""

import asyncio
import json
import random
from dataclasses import replace
from typing import Any

import pytest

from core.adapters.table_storage.codec import read, written
from core.engine.run import run
from core.engine.scan import bounded
from core.engine.shards import MESSAGE_LIMIT, Order
from core.keys import digest
from core.model.findings import Severity
from core.model.guards import Duty, Mode, Permission, Service
from core.model.requests import Request
from core.model.state import GuardState, Round, Shard, Tally
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Grants
from core.tenant.readings import Unread
from tests.support.fakes.world import START
from tests.support.synthetic_guard import ALERT, ENFORCE, GUARD, Stage, Toy

SIZE = 520  # Six shards.
SPREAD = {f"m{n}": f"t{n}" for n in range(0, SIZE, 20)}


async def ready(duty: Duty = ALERT) -> Stage:
    """A stage whose starting point is a clean tenant, and which has something to find now."""
    stage = Stage(Toy(SIZE), duty)
    await stage.tick()
    stage.shard_above = 200
    stage.tenant.bad = dict(SPREAD)
    stage.tenant.inspected.clear()
    return stage


async def test_the_timer_only_plans_and_the_last_shard_closes_the_round() -> None:
    stage = await ready()
    planned = await stage.tick()
    assert (planned.status, planned.left, len(stage.queue)) == ("going on", SIZE, 6)
    assert stage.tenant.inspected == []
    for message in stage.queue:
        assert await stage.worked(message) == "done"
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.ids)
    final: Any = stage.ledger.partition("toy").runs[planned.run]
    assert (final["status"], final["seen"], final["population"]) == ("done", SIZE, SIZE)
    assert {row["subject"] for row in final["findings"]} == {f"{name}@x" for name in SPREAD}
    assert stage.open() == {f"{name}@x" for name in SPREAD}
    assert all(stage.told(name) == 1 for name in SPREAD)
    assert (await stage.ledger.state("toy")).round is None


async def test_below_the_limit_nothing_is_handed_out() -> None:
    stage = await ready()
    stage.shard_above = SIZE
    report = await stage.tick()
    assert (report.status, report.orders) == ("done", ())


async def test_enforcing_waits_for_the_last_shard_and_is_then_held_by_the_brake_as_ever() -> None:
    stage = await ready(ENFORCE)
    await stage.tick()
    for message in stage.queue[:-1]:
        await stage.worked(message)
    assert stage.tenant.writes == []
    await stage.worked(stage.queue[-1])
    assert sorted(stage.tenant.writes) == sorted(SPREAD)
    assert stage.open() == set()

    stage = await ready(ENFORCE)
    stage.tenant.bad = {f"m{n}": f"t{n}" for n in range(0, SIZE, 5)}
    await stage.tick()
    for message in stage.queue:
        await stage.worked(message)
    assert stage.tenant.writes == []
    assert "toy" in stage.open()


async def test_a_plan_the_brake_holds_is_released_at_the_end_of_the_next_round() -> None:
    stage = await ready(ENFORCE)
    stage.tenant.bad = {f"m{n}": f"t{n}" for n in range(0, SIZE, 5)}
    held = ""
    for request in (None, "release"):
        stage.queue.clear()
        asked = Request(plan=held, at=stage.clock()) if request else None
        planned = await stage.tick(asked)
        for message in stage.queue:
            await stage.worked(message)
        final: Any = stage.ledger.partition("toy").runs[planned.run]
        held = final["plan"]
    assert held == ""
    assert len(stage.tenant.writes) == len(range(0, SIZE, 5))


async def test_a_missing_permission_stays_one_case_over_plan_and_end_of_a_round() -> None:
    lacking = Permission(Service.EXCHANGE, "Get-Mailbox", "to look")
    stage = await ready(replace(ALERT, guard=replace(GUARD, permissions=(lacking,))))
    stage.tenant.granted = Grants(cmdlets=frozenset({"Get-Recipient"}))
    for _ in range(2):
        stage.queue.clear()
        await stage.tick()
        for message in stage.queue:
            await stage.worked(message)
        (case,) = [
            one for one in stage.ledger.cases("toy").values() if one.kind == "permission-missing"
        ]
        assert case.closed is None
        assert case.told


def test_what_a_guard_or_a_shard_remembers_fits_its_row_however_bad_the_tenant_is() -> None:
    keys = tuple(f"{n:032x}" for n in range(5_000))
    misses = tuple(Unread(f"surface-{n}", "x" * 300, permission="P" * 60) for n in range(100))
    tally = bounded(Tally(blind=misses, ready=keys, unfinished=keys))
    shard = Shard("r", "", "~", 500, START, tally=tally)
    state = GuardState(round=Round("r", START, tally))
    assert read(Shard, written(shard)) == shard
    assert read(GuardState, written(state)) == state
    assert len(tally.ready) > 500


@pytest.mark.parametrize("seed", range(6))
async def test_workers_side_by_side_in_any_order_with_messages_twice(seed: int) -> None:
    chance = random.Random(seed)
    stage = await ready()
    await stage.tick()
    messages = stage.queue * 2
    chance.shuffle(messages)
    waiting = asyncio.Queue[str]()
    for message in messages:
        waiting.put_nowait(message)

    async def worker() -> None:
        while not waiting.empty():
            await stage.worked(waiting.get_nowait())
            await asyncio.sleep(0)

    await asyncio.gather(*(worker() for _ in range(3)))
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.ids)
    assert stage.open() == {f"{name}@x" for name in SPREAD}
    assert all(stage.told(name) == 1 for name in SPREAD)


async def test_a_shard_that_fails_for_good_is_a_case_and_its_mailboxes_are_not_clean() -> None:
    stage = await ready()
    await stage.tick()
    for message in stage.queue:
        await stage.worked(message)
    stage.queue.clear()
    stage.tenant.bad = {}
    stage.tenant.broken = {"m20"}
    planned = await stage.tick()
    unlucky = ""
    for message in stage.queue:
        try:
            await stage.worked(message)
        except RuntimeError:
            unlucky = message
    assert await stage.given_up(unlucky) == "given up"
    final = stage.ledger.partition("toy").runs[planned.run]
    size = len(Order.unpacked(unlucky).mailboxes)
    assert (final["seen"], final["unread"]) == (SIZE - size, size)
    assert "m20@x" in stage.open()
    kinds = {case.kind for case in stage.ledger.cases("toy").values() if not case.closed}
    assert "shard-failed" in kinds
    assert "shard" in str(stage.alerts.sent)
    stage.queue.clear()
    stage.tenant.broken = set()
    await stage.tick()
    for message in stage.queue:
        await stage.worked(message)
    assert stage.open() == set()


async def test_no_more_shards_are_worked_on_together_than_the_setting_says() -> None:
    stage = await ready()
    stage.at_once = 2
    await stage.tick()
    stage.tenant.seconds, stage.tenant.most = 0.01, 0
    await asyncio.gather(*(stage.worked(message) for message in stage.queue))
    assert stage.tenant.most == 2
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.ids)


async def test_a_timer_that_finds_a_round_under_way_leaves_it_alone() -> None:
    stage = await ready()
    await stage.tick()
    await stage.worked(stage.queue[0])
    report = await stage.tick()
    assert (report.status, report.orders) == ("going on", ())
    assert 0 < report.seen < SIZE


async def test_what_finished_shards_found_is_told_while_the_others_wait() -> None:
    stage = await ready()
    await stage.tick()
    stage.clock.advance(minutes=-14)
    for message in stage.queue[:3]:
        await stage.worked(message)
        stage.clock.advance(seconds=40)
    assert stage.alerts.sent
    assert "still to come" in str(stage.alerts.sent[-1])
    for message in stage.queue[3:]:
        await stage.worked(message)
    assert all(stage.told(name) == 1 for name in SPREAD)


async def test_messages_that_were_lost_cost_time_and_no_mailbox() -> None:
    stage = await ready()
    await stage.tick()
    lost = stage.queue[:]
    stage.queue.clear()
    stage.clock.advance(minutes=15)
    again = await stage.tick()
    assert (again.status, len(again.orders)) == ("going on", 6)
    assert "scan-stalled" in {case.kind for case in stage.ledger.cases("toy").values()}
    assert [await stage.worked(message) for message in lost] == ["superseded"] * 6
    for message in stage.queue:
        await stage.worked(message)
    assert stage.open() >= {f"{name}@x" for name in SPREAD}
    stage.queue.clear()
    await stage.tick()
    for message in stage.queue:
        await stage.worked(message)
    assert stage.open() == {f"{name}@x" for name in SPREAD}


async def test_what_several_share_across_shards_is_worse_at_the_end_of_the_round() -> None:
    stage = await ready()
    stage.tenant.bad = {"m1": "one", "m180": "one", "m500": "one"}
    await stage.tick()
    for message in stage.queue:
        await stage.worked(message)
    severities = {case.severity for case in stage.ledger.cases("toy").values() if not case.closed}
    assert severities == {Severity.CRITICAL}


async def test_sweeps_are_spread_over_the_rounds() -> None:
    stage = Stage(Toy(SIZE, deep={"m7": "x"}), shard_above=200)
    rounds = 0
    while len(stage.tenant.swept) < SIZE and rounds < 10:
        rounds += 1
        stage.queue.clear()
        await stage.tick()
        assert sum(bool(Order.unpacked(message).due) for message in stage.queue) <= 1
        for message in stage.queue:
            await stage.worked(message)
    assert rounds == 6
    assert sorted(stage.tenant.swept) == sorted(stage.tenant.ids)
    assert "m7@x" in stage.open()
    assert "deep" in (await stage.ledger.state("toy")).sweeps


async def test_rounds_without_news_write_a_row_a_shard_and_two_more() -> None:
    stage = await ready()
    stage.tenant.bad = {}
    rows = stage.ledger.saves
    await stage.tick()
    for message in stage.queue:
        await stage.worked(message)
    # The plan before the messages go out, its report, each shard, and the end.
    assert stage.ledger.saves - rows == 2 + 6 + 1
    assert stage.ledger.partition("toy").rows == {}


def test_a_message_brings_back_its_order_and_fits_into_the_queue() -> None:
    boxes = tuple(Mailbox(f"{n:08x}-aaaa", f"g{n}", f"{n}@contoso.com") for n in range(500))
    order = Order("toy", "1-2", 7, ENFORCE.mode, "", "g", ("deep",), boxes)
    message = order.packed()
    assert len(message) <= MESSAGE_LIMIT
    assert Order.unpacked(message) == order


async def test_addresses_too_long_for_a_message_make_more_shards() -> None:
    stage = await ready()
    # Hash after hash: what no compression makes shorter.
    stage.tenant.address = lambda name: "".join(digest(name, part) for part in range(40))
    await stage.tick()
    assert len(stage.queue) > 6
    assert max(map(len, stage.queue)) <= MESSAGE_LIMIT
    ids = [box.id for message in stage.queue for box in Order.unpacked(message).mailboxes]
    assert sorted(ids) == sorted(stage.tenant.ids)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "nonsense", json.dumps({"guard": "toy"}), '{"mailboxes": "AAAA"}'],
)
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an order"):
        Order.unpacked(text)


async def test_a_guard_that_is_switched_off_plans_nothing() -> None:
    stage = await ready()
    report = await run(replace(ENFORCE, mode=Mode.OFF), stage.world)
    assert (report.status, report.orders) == ("off", ())
