"""A tenant in shards: whatever the workers do, it comes to the same as one run over everything."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from core.adapters.table_storage.codec import decode_stored_record, encode_stored_record
from core.engine.run import run
from core.engine.scan_progress import truncate_totals
from core.engine.shard_message import ShardMessage
from core.engine.shards import MAX_QUEUE_MESSAGE_LENGTH, abandon_shard, process_shard
from core.keys import hash_parts
from core.model.findings import Severity
from core.model.guards import GuardConfig, Mode, ObserveContext, Permission, Service
from core.model.requests import RunOptions
from core.model.state import GuardState, ScanPass, ScanTotals, Shard
from core.tenant.known_traits import note_traits
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Tenant
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import ReadFailure, Reading
from tests.support.fakes.clock import START
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    ENFORCE_CONFIG,
    GUARD,
    EngineHarness,
    ForwardItem,
    SyntheticTenant,
    inspect,
)

SIZE = 520  # Six shards.
SPREAD = {f"m{n}": f"t{n}" for n in range(0, SIZE, 20)}


async def ready(duty: GuardConfig = ALERT_CONFIG) -> EngineHarness:
    """A stage whose starting point is a clean tenant, and which has something to find now."""
    stage = EngineHarness(SyntheticTenant(SIZE), duty)
    await stage.run_timer()
    stage.shard_above = 200
    stage.tenant.forwards = dict(SPREAD)
    stage.tenant.inspected.clear()
    return stage


async def test_the_timer_only_plans_and_the_last_shard_closes_the_round() -> None:
    stage = await ready()
    planned = await stage.run_timer()
    assert (planned.status, planned.remaining_count, len(stage.queue)) == ("in-progress", SIZE, 6)
    assert stage.tenant.inspected == []
    for message in stage.queue:
        assert await stage.process_message(message) == "done"
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.mailbox_ids)
    final: Any = stage.ledger.get_partition("toy").runs[planned.run]
    assert (final["status"], final["seen"], final["population"]) == ("done", SIZE, SIZE)
    assert {row["subject"] for row in final["findings"]} == {f"{name}@x" for name in SPREAD}
    assert stage.get_open_subjects() == {f"{name}@x" for name in SPREAD}
    assert all(stage.count_notifications(name) == 1 for name in SPREAD)
    assert (await stage.ledger.load_state("toy")).scan_pass is None


async def test_below_the_limit_nothing_is_handed_out() -> None:
    stage = await ready()
    stage.shard_above = SIZE
    report = await stage.run_timer()
    assert (report.status, report.shard_messages) == ("done", ())


async def test_enforcing_waits_for_the_last_shard_and_is_then_held_by_the_brake_as_ever() -> None:
    stage = await ready(ENFORCE_CONFIG)
    await stage.run_timer()
    for message in stage.queue[:-1]:
        await stage.process_message(message)
    assert stage.tenant.writes == []
    await stage.process_message(stage.queue[-1])
    assert sorted(stage.tenant.writes) == sorted(SPREAD)
    assert stage.get_open_subjects() == set()

    stage = await ready(ENFORCE_CONFIG)
    stage.tenant.forwards = {f"m{n}": f"t{n}" for n in range(0, SIZE, 5)}
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)
    assert stage.tenant.writes == []
    assert "toy" in stage.get_open_subjects()


async def test_a_plan_the_brake_holds_is_released_at_the_end_of_the_next_round() -> None:
    stage = await ready(ENFORCE_CONFIG)
    stage.tenant.forwards = {f"m{n}": f"t{n}" for n in range(0, SIZE, 5)}
    held = ""
    for request in (None, "release"):
        stage.queue.clear()
        asked = RunOptions(plan=held, at=stage.clock()) if request else None
        planned = await stage.run_timer(asked)
        for message in stage.queue:
            await stage.process_message(message)
        final: Any = stage.ledger.get_partition("toy").runs[planned.run]
        held = final["plan"]
    assert held == ""
    assert len(stage.tenant.writes) == len(range(0, SIZE, 5))


async def test_a_missing_permission_stays_one_case_over_plan_and_end_of_a_round() -> None:
    lacking = Permission(Service.EXCHANGE, "Get-Mailbox", "to look")
    stage = await ready(replace(ALERT_CONFIG, guard=replace(GUARD, permissions=(lacking,))))
    stage.tenant.granted = GrantedPermissions(cmdlets=frozenset({"Get-Recipient"}))
    for _ in range(2):
        stage.queue.clear()
        await stage.run_timer()
        for message in stage.queue:
            await stage.process_message(message)
        (case,) = [
            one
            for one in stage.ledger.list_cases("toy").values()
            if one.kind == "permission-missing"
        ]
        assert case.closed_at is None
        assert case.notified_at


def test_what_a_guard_or_a_shard_remembers_fits_its_row_however_bad_the_tenant_is() -> None:
    keys = tuple(f"{n:032x}" for n in range(5_000))
    misses = tuple(ReadFailure(f"surface-{n}", "x" * 300, permission="P" * 60) for n in range(100))
    tally = truncate_totals(
        ScanTotals(source_failures=misses, ready_case_keys=keys, unfinished_case_keys=keys)
    )
    shard = Shard("r", "", "~", 500, START, totals=tally)
    state = GuardState(scan_pass=ScanPass("r", START, tally))
    assert decode_stored_record(Shard, encode_stored_record(shard)) == shard
    assert decode_stored_record(GuardState, encode_stored_record(state)) == state
    assert len(tally.ready_case_keys) > 500


@pytest.mark.parametrize("seed", range(6))
async def test_workers_side_by_side_in_any_order_with_messages_twice(seed: int) -> None:
    chance = random.Random(seed)
    stage = await ready()
    await stage.run_timer()
    messages = stage.queue * 2
    chance.shuffle(messages)
    waiting = asyncio.Queue[str]()
    for message in messages:
        waiting.put_nowait(message)

    async def worker() -> None:
        while not waiting.empty():
            await stage.process_message(waiting.get_nowait())
            await asyncio.sleep(0)

    await asyncio.gather(*(worker() for _ in range(3)))
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.mailbox_ids)
    assert stage.get_open_subjects() == {f"{name}@x" for name in SPREAD}
    assert all(stage.count_notifications(name) == 1 for name in SPREAD)


async def test_a_shard_that_fails_for_good_is_a_case_and_its_mailboxes_are_not_clean() -> None:
    stage = await ready()
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)
    stage.queue.clear()
    stage.tenant.forwards = {}
    stage.tenant.crashing = {"m20"}
    planned = await stage.run_timer()
    unlucky = ""
    for message in stage.queue:
        try:
            await stage.process_message(message)
        except RuntimeError:
            unlucky = message
    assert await stage.abandon_message(unlucky) == "given up"
    final = stage.ledger.get_partition("toy").runs[planned.run]
    size = len(ShardMessage.from_json(unlucky).mailboxes)
    assert (final["seen"], final["unread"]) == (SIZE - size, size)
    assert "m20@x" in stage.get_open_subjects()
    kinds = {case.kind for case in stage.ledger.list_cases("toy").values() if not case.closed_at}
    assert "shard-failed" in kinds
    assert "shard" in str(stage.notification_channel.sent)
    stage.queue.clear()
    stage.tenant.crashing = set()
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)
    assert stage.get_open_subjects() == set()


async def test_a_shard_that_is_done_is_not_given_up_where_the_end_of_its_pass_failed() -> None:
    stage = await ready()
    planned = await stage.run_timer()
    first, *others = stage.queue
    await stage.process_message(first)
    await stage.abandon_message(first)
    for message in others:
        await stage.process_message(message)
    final = stage.ledger.get_partition("toy").runs[planned.run]
    assert (final["seen"], final["unread"]) == (SIZE, 0)


async def test_no_more_shards_are_worked_on_together_than_the_setting_says() -> None:
    stage = await ready()
    stage.shards_at_once = 2
    await stage.run_timer()
    stage.tenant.latency_seconds, stage.tenant.max_concurrent = 0.01, 0
    await asyncio.gather(*(stage.process_message(message) for message in stage.queue))
    assert stage.tenant.max_concurrent == 2
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.mailbox_ids)


async def test_a_timer_that_finds_a_round_under_way_leaves_it_alone() -> None:
    stage = await ready()
    await stage.run_timer()
    await stage.process_message(stage.queue[0])
    report = await stage.run_timer()
    assert (report.status, report.shard_messages) == ("in-progress", ())
    assert 0 < report.read_count < SIZE


async def test_what_finished_shards_found_is_told_while_the_others_wait() -> None:
    stage = await ready()
    await stage.run_timer()
    stage.clock.advance(minutes=-14)
    for message in stage.queue[:3]:
        await stage.process_message(message)
        stage.clock.advance(seconds=40)
    assert stage.notification_channel.sent
    assert "still to come" in str(stage.notification_channel.sent[-1])
    for message in stage.queue[3:]:
        await stage.process_message(message)
    assert all(stage.count_notifications(name) == 1 for name in SPREAD)


async def test_messages_that_were_lost_cost_time_and_no_mailbox() -> None:
    stage = await ready()
    await stage.run_timer()
    lost = stage.queue[:]
    stage.queue.clear()
    stage.clock.advance(minutes=15)
    again = await stage.run_timer()
    assert (again.status, len(again.shard_messages)) == ("in-progress", 6)
    assert "scan-stalled" in {case.kind for case in stage.ledger.list_cases("toy").values()}
    assert [await stage.process_message(message) for message in lost] == ["superseded"] * 6
    for message in stage.queue:
        await stage.process_message(message)
    assert stage.get_open_subjects() >= {f"{name}@x" for name in SPREAD}
    stage.queue.clear()
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)
    assert stage.get_open_subjects() == {f"{name}@x" for name in SPREAD}


async def test_what_several_share_across_shards_is_worse_at_the_end_of_the_round() -> None:
    stage = await ready()
    stage.tenant.forwards = {"m1": "one", "m180": "one", "m500": "one"}
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)
    severities = {
        case.severity for case in stage.ledger.list_cases("toy").values() if not case.closed_at
    }
    assert severities == {Severity.CRITICAL}


async def test_sweeps_are_spread_over_the_rounds() -> None:
    stage = EngineHarness(SyntheticTenant(SIZE, deep_forwards={"m7": "x"}), shard_above=200)
    rounds = 0
    while len(stage.tenant.deep_checked) < SIZE and rounds < 10:
        rounds += 1
        stage.queue.clear()
        await stage.run_timer()
        assert sum(bool(ShardMessage.from_json(message).due_checks) for message in stage.queue) <= 1
        for message in stage.queue:
            await stage.process_message(message)
    assert rounds == 6
    assert sorted(stage.tenant.deep_checked) == sorted(stage.tenant.mailbox_ids)
    assert "m7@x" in stage.get_open_subjects()
    assert "deep" in (await stage.ledger.load_state("toy")).checks_finished_at


async def test_a_shard_knows_of_the_tenant_what_one_run_over_everything_knows() -> None:
    seen: list[ObserveContext] = []

    async def note(
        tenant: Tenant, context: ObserveContext, owners: Sequence[Mailbox]
    ) -> Reading[ForwardItem]:
        seen.append(context)
        return await inspect(tenant, context, owners)

    stage = await ready(replace(ALERT_CONFIG, guard=replace(GUARD, inspect=note)))
    seen.clear()
    rows = [note_traits({}, name, "domains", ("contoso.com",), START) for name in "abcdefgh"]
    state = await stage.ledger.load_state("toy")
    async with stage.ledger.claim("toy", "r1") as claim:
        assert claim
        await claim.save(*rows, state=replace(state, check_seed="5eed"))
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)
    assert len(seen) == 6
    assert [context.is_first_range for context in seen] == [True, *[False] * 5]
    for context in seen:
        assert set(context.known_traits) == {row.key for row in rows}
        # When it was last looked at as a whole, and how many mailboxes there were.
        assert context.last_full_scan == context.last_scan == START
        assert 0 < SIZE - context.least_trusted_count < SIZE / 2
        assert not context.knows_every_case
        assert context.seed == "5eed"


async def test_a_shard_deletes_what_need_not_be_remembered_of_its_mailboxes() -> None:
    async def forget(
        tenant: Tenant, context: ObserveContext, owners: Sequence[Mailbox]
    ) -> Reading[ForwardItem]:
        read, ids = await inspect(tenant, context, owners), {box.id for box in owners}
        rows = context.known_traits.values()
        return replace(read, forgotten_traits=tuple(one for one in rows if one.object_id in ids))

    stage = await ready(replace(ALERT_CONFIG, guard=replace(GUARD, inspect=forget)))
    rows = [note_traits({}, name, "missed", ("missed",), START) for name in ("m1", "m400", "other")]
    async with stage.ledger.claim("toy", "r1") as claim:
        assert claim
        await claim.save(*rows)
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)
    known = (await stage.ledger.load("toy")).known_traits
    assert [row.object_id for row in known.values()] == ["other"]


async def test_where_messages_are_halved_a_round_checks_as_many_mailboxes_as_ever() -> None:
    stage = EngineHarness(SyntheticTenant(SIZE, deep_forwards={"m7": "x"}), shard_above=200)
    # Hash after hash: what no compression makes shorter.
    stage.tenant.format_address = lambda name: "".join(hash_parts(name, part) for part in range(40))
    await stage.run_timer()
    messages = [ShardMessage.from_json(text) for text in stage.queue]
    checked = [message for message in messages if message.due_checks]
    assert len(messages) > 6
    assert [message.number for message in checked] == list(range(len(checked)))
    counts = [len(message.mailboxes) for message in checked]
    assert sum(counts[:-1]) < stage.world.range_size <= sum(counts)


async def test_rounds_without_news_write_a_row_a_shard_and_two_more() -> None:
    stage = await ready()
    stage.tenant.forwards = {}
    rows = stage.ledger.save_count
    await stage.run_timer()
    for message in stage.queue:
        await stage.process_message(message)
    # The plan before the messages go out, its report, each shard, and the end.
    assert stage.ledger.save_count - rows == 2 + 6 + 1
    assert stage.ledger.get_partition("toy").rows == {}


def test_a_message_brings_back_its_order_and_fits_into_the_queue() -> None:
    boxes = tuple(Mailbox(f"{n:08x}-aaaa", f"g{n}", f"{n}@contoso.com") for n in range(500))
    order = ShardMessage("toy", "1-2", 7, ENFORCE_CONFIG.mode, "", "g", ("deep",), boxes)
    message = order.to_json()
    assert len(message) <= MAX_QUEUE_MESSAGE_LENGTH
    assert ShardMessage.from_json(message) == order


@pytest.mark.parametrize(
    "forge",
    [
        lambda message: replace(message, mailboxes=message.mailboxes[1:]),
        lambda message: replace(message, low="0"),
        lambda message: replace(message, number=message.number + 1),
        lambda message: replace(message, mode=Mode.ENFORCE),
        lambda message: replace(message, due_checks=("deep", "deep")),
        lambda message: replace(message, seal=""),
        lambda message: message.seal_with(""),
        lambda message: message.seal_with("guessed"),
    ],
    ids=["mailboxes", "range", "number", "mode", "checks", "no seal", "no key", "another key"],
)
async def test_a_message_that_the_planning_run_did_not_write_does_nothing(
    forge: Callable[[ShardMessage], ShardMessage], caplog: pytest.LogCaptureFixture
) -> None:
    stage = await ready()
    stage.config = replace(stage.config, mode=Mode.ALERT)
    await stage.run_timer()
    message = ShardMessage.from_json(stage.queue[0])
    stage.tenant.inspected.clear()
    forged = forge(message)
    assert forged != message
    result = await process_shard(stage.config, stage.world, forged, "worker")
    given_up = await abandon_shard(stage.config, stage.world, forged, "worker", "because")
    assert (result, given_up) == ("refused", "refused")
    assert stage.tenant.inspected == []
    assert "was not written by the run" in caplog.text
    assert await process_shard(stage.config, stage.world, message, "worker") == "done"


async def test_a_message_that_comes_twice_inspects_once() -> None:
    stage = await ready()
    await stage.run_timer()
    message = ShardMessage.from_json(stage.queue[0])
    stage.tenant.inspected.clear()
    for _ in range(2):
        assert await process_shard(stage.config, stage.world, message, "worker") == "done"
    assert sorted(stage.tenant.inspected) == sorted(box.id for box in message.mailboxes)


async def test_addresses_too_long_for_a_message_make_more_shards() -> None:
    stage = await ready()
    # Hash after hash: what no compression makes shorter.
    stage.tenant.format_address = lambda name: "".join(hash_parts(name, part) for part in range(40))
    await stage.run_timer()
    assert len(stage.queue) > 6
    assert max(map(len, stage.queue)) <= MAX_QUEUE_MESSAGE_LENGTH
    ids = [box.id for message in stage.queue for box in ShardMessage.from_json(message).mailboxes]
    assert sorted(ids) == sorted(stage.tenant.mailbox_ids)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "nonsense", json.dumps({"guard": "toy"}), '{"mailboxes": "AAAA"}'],
)
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a shard message"):
        ShardMessage.from_json(text)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"shard":7', '"shard":"7"'),
        ('"shard":7', '"shard":7.5'),
        ('"shard":7', '"shard":7,"shard":8'),
        ('"shard":7', '"shard":7,"colour":"red"'),
        ('"due":["deep"]', '"due":"deep"'),
        ('"low":"",', ""),
    ],
)
def test_a_shard_message_with_a_wrong_field_is_refused(was: str, becomes: str) -> None:
    text = ShardMessage("toy", "1-2", 7, ENFORCE_CONFIG.mode, "", "g", ("deep",), ()).to_json()
    assert was in text
    with pytest.raises(ValueError, match="not a shard message"):
        ShardMessage.from_json(text.replace(was, becomes))


async def test_a_guard_that_is_switched_off_plans_nothing() -> None:
    stage = await ready()
    report = await run(replace(ENFORCE_CONFIG, mode=Mode.OFF), stage.world)
    assert (report.status, report.shard_messages) == ("off", ())
