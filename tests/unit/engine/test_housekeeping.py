"""Runs leave behind what the next one needs; what is older is archived, counted and deleted."""

from dataclasses import replace
from datetime import timedelta

from core.engine.housekeeping import (
    MAX_KEPT,
    find_crowded_prefixes,
    select_rows_to_delete,
)
from core.engine.recall import MAX_CASES_PER_OBJECT
from core.keys import build_object_key
from core.model.cases import Notification
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.ports import KEEP_CASES, PastKind, PastRow
from core.status.counts import count_guard
from core.status.daily_history import build_daily_history
from tests.support.fakes.clock import START
from tests.support.ledgers import build_stored_case, build_stored_request
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    ENFORCE_CONFIG,
    EngineHarness,
    SyntheticTenant,
)

DAY = timedelta(days=1)
CONFIG = replace(ALERT_CONFIG, guard=replace(ALERT_CONFIG.guard, correlation=None))


async def build_stage(forwards: dict[str, str] | None = None) -> EngineHarness:
    """A tenant that a guard has looked at once."""
    stage = EngineHarness(SyntheticTenant(20), CONFIG)
    await stage.run_timer()
    stage.tenant.forwards = dict(forwards or {})
    await stage.run_timer()
    return stage


async def run_daily(stage: EngineHarness, days: int) -> None:
    for _ in range(days):
        stage.clock.advance(days=1)
        await stage.run_timer()


async def test_an_ended_case_is_recalled_for_a_day_and_stays_on_record_for_ninety() -> None:
    stage = await build_stage({"m1": "a@evil"})
    stage.tenant.forwards = {}
    await stage.run_timer()
    await stage.run_timer()
    (case,) = (await stage.ledger.load("toy")).cases.values()
    assert case.closed_at
    await run_daily(stage, 2)
    assert (await stage.ledger.load("toy")).cases == {}
    assert list((await stage.ledger.load_history("toy")).cases) == [case.key]
    await run_daily(stage, 89)
    assert (await stage.ledger.load_history("toy")).cases == {}


async def test_the_numbers_by_day_are_the_same_before_and_after_archiving() -> None:
    stage = await build_stage({f"m{n}": "a@evil" for n in range(5)})
    stage.clock.advance(days=1)
    stage.tenant.forwards = {"m0": "a@evil"}
    await stage.run_timer()
    await stage.run_timer()
    await run_daily(stage, 2)
    live = await stage.ledger.load("toy")
    every = await stage.ledger.load_history("toy")
    now = stage.clock()
    assert (len(live.cases), len(every.cases)) == (1, 5)
    counts = count_guard(live, 0, now)
    assert (counts.opened, counts.closed, counts.open_cases) == (5, 4, 1)
    assert build_daily_history(
        live.cases.values(), live.changes, [live.tally], now
    ) == build_daily_history(every.cases.values(), every.changes, [], now)


async def test_a_finding_that_comes_back_after_months_is_a_new_case_under_its_key() -> None:
    stage = await build_stage({"m1": "a@evil"})
    (known,) = (await stage.ledger.load("toy")).cases
    stage.tenant.forwards = {}
    await stage.run_timer()
    await run_daily(stage, 60)
    stage.tenant.forwards = {"m1": "a@evil"}
    sent = len(stage.notification_channel.sent)
    await stage.run_timer()
    (case,) = (await stage.ledger.load_history("toy")).cases.values()
    assert (case.key, case.closed_at) == (known, None)
    assert len(stage.notification_channel.sent) == sent + 1


async def test_a_change_of_months_ago_can_still_be_undone() -> None:
    stage = EngineHarness(SyntheticTenant(20, {"m1": "a@evil"}), ENFORCE_CONFIG)
    await stage.run_timer()
    await stage.run_timer()
    (made,) = (await stage.ledger.load("toy")).changes
    await run_daily(stage, 60)
    assert (await stage.ledger.load("toy")).changes == ()
    request = OperatorRequest(
        "0" * 14 + "-00000000", RequestKind.UNDO, made.id, "Dana", "it was right", stage.clock()
    )
    await stage.ledger.add_request("toy", request)
    await stage.run_timer()
    assert stage.tenant.undone == ["m1"]
    answered = await stage.ledger.get_request("toy", request.id)
    assert answered
    assert answered.state is RequestState.DONE
    assert (await stage.ledger.load("toy")).exemptions


async def test_what_one_mailbox_was_is_bounded_at_the_end_of_each_run() -> None:
    stage = await build_stage()
    at = stage.clock() - timedelta(hours=2)
    async with stage.ledger.claim("toy", "r") as claim:
        assert claim
        await claim.save(
            *(
                replace(
                    build_stored_case(build_object_key("m1", n)),
                    object_id="m1",
                    opened_at=at,
                    closed_at=at + timedelta(seconds=n),
                    notified_at=at,
                    resolution="gone",
                    notification=Notification.NONE,
                )
                for n in range(400)
            )
        )
    await stage.run_timer()
    snapshot = await stage.ledger.load("toy")
    folded = [case for case in snapshot.cases.values() if case.folded_count]
    assert [case.folded_count for case in folded] == [350]
    assert len(snapshot.cases) == MAX_CASES_PER_OBJECT + 1
    assert sum(sum(day.values()) for day in snapshot.tally.closed.values()) == 350
    assert count_guard(snapshot, 0, stage.clock()).closed == 400


async def test_archived_cases_of_one_mailbox_are_folded_once_a_day() -> None:
    stage = await build_stage()
    at = stage.clock() - 9 * DAY
    cases = [
        replace(
            build_stored_case(build_object_key("m1", n)),
            object_id="m1",
            closed_at=at + timedelta(seconds=n),
            notification=Notification.NONE,
        )
        for n in range(170)
    ]
    async with stage.ledger.claim("toy", "r") as claim:
        assert claim
        await claim.save(*cases)
        await claim.archive(cases, (await claim.load()).tally)
    await run_daily(stage, 2)
    history = await stage.ledger.load_history("toy")
    assert len(history.cases) == MAX_CASES_PER_OBJECT + 1
    (folded,) = [case for case in history.cases.values() if case.folded_count]
    assert folded.folded_count == 120
    newest = {case.key for case in cases[120:]}
    assert newest < history.cases.keys()


async def test_what_people_asked_for_is_archived_once_it_proves_nothing() -> None:
    stage = await build_stage()
    row = build_stored_request(
        kind=RequestKind.EXEMPT,
        subject="m9",
        until=stage.clock() + 40 * DAY,
        state=RequestState.DONE,
        ended_at=stage.clock(),
        notified=True,
    )
    await stage.ledger.add_request("toy", row)
    await run_daily(stage, 35)
    assert (await stage.ledger.load("toy")).operator_requests == (row,)
    await run_daily(stage, 10)
    assert (await stage.ledger.load("toy")).operator_requests == ()
    assert await stage.ledger.get_request("toy", row.id) == row


# -- what is deleted -------------------------------------------------------------------------------


def build_rows(count: int, age: timedelta = timedelta()) -> list[PastRow]:
    return [
        PastRow(f"k{n:06}", (START - age + timedelta(seconds=n)).isoformat()) for n in range(count)
    ]


def test_rows_go_by_their_age_the_oldest_first() -> None:
    rows = [*build_rows(3, 91 * DAY), PastRow("young", (START - 89 * DAY).isoformat())]
    assert select_rows_to_delete(rows, KEEP_CASES, 10, START) == ["k000000", "k000001", "k000002"]


def test_rows_go_by_their_number_the_oldest_first() -> None:
    assert select_rows_to_delete(build_rows(10), KEEP_CASES, 10, START) == []
    assert select_rows_to_delete(build_rows(12), KEEP_CASES, 10, START) == ["k000000", "k000001"]


def test_what_is_deleted_in_one_run_is_bounded() -> None:
    found = select_rows_to_delete(build_rows(30_000), KEEP_CASES, MAX_KEPT[PastKind.CASE], START)
    assert len(found) == 9_000


def test_objects_with_too_many_rows_are_found_by_the_beginning_of_their_keys() -> None:
    many = [PastRow(build_object_key("m1", n), "") for n in range(MAX_CASES_PER_OBJECT + 1)]
    few = [PastRow(build_object_key("m2", n), "") for n in range(MAX_CASES_PER_OBJECT)]
    assert find_crowded_prefixes([*many, *few]) == [many[0].key[:8]]
