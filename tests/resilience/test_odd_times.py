"""Clocks that are wrong, days that are long, years that are far away.

An instance whose clock is an hour off beside one whose clock is right; a clock that leaps by a day
or more and comes back; the nights of daylight saving time; times beyond 2038 and times as .NET
writes them. No claim is taken from who holds it, nothing is told twice for it, nothing stands still
for it, and no age is negative.
"""

import email.utils
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from core.adapters.parsing import parse_timestamp
from core.adapters.table_storage.entities import CLOCK_TOLERANCE, ServiceClock
from core.adapters.table_storage.lease import acquire_lease
from core.adapters.table_storage.ledger import TableLedger
from core.engine.run import run
from core.json_document import to_json
from core.keys import format_act_hour, format_descending_time
from core.model.guards import ChangeLimit
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.run_document import run_report_to_log_line
from core.model.runs import RunReport
from core.ncrontab import CronSchedule
from core.ports import ACTIVITY_PARTITION
from core.status.document import build_status_document
from core.status.loading import load_guard_data
from core.status.overview import build_status
from core.status.run_history import parse_run
from sandbox.functions_host.azurite import Azurite
from tests.support.acts import build_act
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import DAY
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    DEEP_CHECK,
    ENFORCE_CONFIG,
    EngineHarness,
    SyntheticTenant,
)

HOUR = timedelta(hours=1)
THIEVES = {"m3": "thief", "m31": "crook"}


# -- the time of the state's service -----------------------------------------------------------


async def ledger_off_by(table: TableClient, off: timedelta) -> TableLedger:
    """The ledger of an instance whose clock is wrong, before it heard from the service."""
    ledger = TableLedger(table)
    ledger.table.clock = ServiceClock(datetime.now(UTC) + off, time.monotonic())
    return ledger


@pytest.mark.parametrize("off", [HOUR, -HOUR, DAY, -DAY, 400 * DAY], ids=str)
async def test_a_wrong_clock_neither_takes_a_claim_early_nor_gives_one_away(
    azurite: Azurite, off: timedelta
) -> None:
    name = f"t{uuid.uuid4().hex}"
    async with TableClient.from_connection_string(
        azurite.connection_string, table_name=name, retry_total=0
    ) as table:
        right, wrong = TableLedger(table), await ledger_off_by(table, off)
        for holder, other in ((right, wrong), (wrong, right)):
            for guard in ("first", "again"):
                held = await acquire_lease(holder.table, f"{guard}-{id(holder)}", "r1", "lease")
                assert held
                assert (
                    await acquire_lease(other.table, f"{guard}-{id(holder)}", "r2", "lease") is None
                )
        lease = await right.table.read_row(f"first-{id(wrong)}", "lease")
        assert lease
        until = datetime.fromisoformat(lease["until"])
        assert abs(until - datetime.now(UTC) - right.lease_duration) < timedelta(seconds=10)
        assert abs(wrong.table.clock.now() - datetime.now(UTC)) < timedelta(seconds=10)
        lease["until"] = (datetime.now(UTC) - 3 * CLOCK_TOLERANCE).isoformat()
        await table.update_entity(lease, mode=UpdateMode.REPLACE)
        assert await acquire_lease(right.table, f"first-{id(wrong)}", "r3", "lease")


def test_a_clock_that_is_right_never_runs_backwards_for_a_date_of_whole_seconds() -> None:
    clock = ServiceClock()
    for _ in range(20):
        before = clock.now()
        date = email.utils.format_datetime(before, usegmt=True)
        clock.update_from_response(
            SimpleNamespace(http_response=SimpleNamespace(headers={"Date": date}))
        )
        assert clock.now() >= before


async def test_what_a_wrong_clock_would_call_old_is_not_tidied_away(azurite: Azurite) -> None:
    name = f"t{uuid.uuid4().hex}"
    async with TableClient.from_connection_string(
        azurite.connection_string, table_name=name, retry_total=0
    ) as table:
        ledger = TableLedger(table)
        await ledger.save_run_status("toy", "1", {"status": "done"})
        await ledger.purge_runs("toy", datetime.now(UTC) + 400 * DAY)
        assert await ledger.get_run("toy", "1") == {"status": "done"}
        now = datetime.now(UTC)
        async with ledger.claim(ACTIVITY_PARTITION, "r1") as claim:
            assert claim
            await claim.save(replace(build_act(), key=f"{format_act_hour(now)}0", at=now))
        await ledger.purge_acts(now + 400 * DAY)
        assert len(await ledger.load_acts(now, now)) == 1


# -- instances that do not agree ---------------------------------------------------------------


async def off_by(stage: EngineHarness[SyntheticTenant], off: timedelta) -> RunReport:
    """A run on an instance whose clock is wrong, all the time."""
    world = replace(stage.world, now=lambda: stage.clock() + off)
    report = await run(stage.config, world)
    stage.clock.advance(minutes=15)
    return report


@pytest.mark.parametrize("off", [HOUR, -HOUR, timedelta(minutes=5)], ids=str)
async def test_two_instances_an_hour_apart_tell_once_and_change_once(off: timedelta) -> None:
    stage = EngineHarness(SyntheticTenant(40), ENFORCE_CONFIG)
    await stage.run_timer()
    stage.tenant.forwards = dict(THIEVES)
    for turn in range(8):
        report = await off_by(stage, off if turn % 2 else timedelta())
        assert report.status == "done"
        assert min(numbers(json.loads(run_report_to_log_line(report)))) >= 0
    assert sorted(stage.tenant.writes) == sorted(THIEVES)
    assert all(stage.count_notifications(name) == 1 for name in THIEVES)


@pytest.mark.parametrize("seconds", [-2, -300, 2, 300, -3600])
async def test_a_release_counts_whoever_wrote_down_when_it_was_asked_for(seconds: float) -> None:
    stage = EngineHarness(
        SyntheticTenant(40), replace(ENFORCE_CONFIG, limit=ChangeLimit(count=1, percent=0.0))
    )
    await stage.run_timer()
    stage.tenant.forwards = dict(THIEVES)
    held = await stage.run_timer()
    asked = stage.clock() - timedelta(seconds=seconds)
    action = OperatorRequest(
        stage.next_run_id(), RequestKind.RELEASE, held.plan, "Dana", "reviewed", asked
    )
    await stage.ledger.add_request("toy", action)
    await stage.run_timer()
    assert sorted(stage.tenant.writes) == sorted(THIEVES)
    found = await stage.ledger.get_request("toy", action.id)
    assert found
    assert found.state is RequestState.DONE


# -- a clock that leaps ------------------------------------------------------------------------


async def leapt(leap: timedelta) -> EngineHarness[SyntheticTenant]:
    """A guard one of whose runs, the one that found and told, was far off in time."""
    stage = EngineHarness(SyntheticTenant(40), ALERT_CONFIG)
    await stage.run_timer()
    stage.tenant.forwards = dict(THIEVES)
    await off_by(stage, leap)
    assert all(stage.count_notifications(name) == 1 for name in THIEVES)
    return stage


@pytest.mark.parametrize("leap", [HOUR, DAY, -DAY, 30 * DAY, 4000 * DAY], ids=str)
async def test_after_a_leap_nothing_is_told_again_before_its_time(leap: timedelta) -> None:
    stage = await leapt(leap)
    for _ in range(4):
        await stage.run_timer()
    again = abs(leap) >= ALERT_CONFIG.reminder_interval
    assert all(stage.count_notifications(name) == 1 + again for name in THIEVES)


@pytest.mark.parametrize("leap", [HOUR, DAY, 30 * DAY, 4000 * DAY], ids=str)
async def test_after_a_leap_sweeps_and_reminders_are_not_forgotten(leap: timedelta) -> None:
    stage = await leapt(leap)
    told, swept = stage.count_notifications("m3"), len(stage.tenant.deep_checked)
    stage.clock.current += 2 * DAY + HOUR
    await stage.run_timer()
    assert len(stage.tenant.deep_checked) > swept
    stage.clock.current += 2 * ALERT_CONFIG.reminder_interval
    await stage.run_timer()
    assert stage.count_notifications("m3") > told
    assert DEEP_CHECK in (await stage.ledger.load_state("toy")).checks_finished_at


async def test_what_was_changed_at_a_time_yet_to_come_is_not_left_alone_until_then() -> None:
    stage = EngineHarness(SyntheticTenant(40), ENFORCE_CONFIG)
    await stage.run_timer()
    stage.tenant.forwards = dict(THIEVES)
    await off_by(stage, 30 * DAY)
    stage.tenant.forwards = dict(THIEVES)
    await stage.run_timer()
    assert stage.tenant.writes.count("m3") == 2


@pytest.mark.parametrize("leap", [HOUR, DAY, 30 * DAY], ids=str)
async def test_no_age_is_negative_wherever_it_is_shown(leap: timedelta) -> None:
    stage = await leapt(leap)
    stage.notification_channel.is_down = True
    stage.tenant.forwards["m7"] = "another"
    report = await stage.run_timer()
    assert report.oldest_pending_age >= timedelta()
    for now in (stage.clock(), stage.clock() - leap, stage.clock() - 2 * leap):
        known = build_status([await load_guard_data(stage.ledger, ALERT_CONFIG)], now)
        assert min(numbers(to_json(build_status_document(known))), default=0) >= 0
        assert known.guards[0].timing.late_by >= timedelta()


def numbers(value: object) -> Iterator[float]:
    """All numbers within a document."""
    if isinstance(value, dict):
        for part in value.values():
            yield from numbers(part)
    elif isinstance(value, list):
        for part in value:
            yield from numbers(part)
    elif isinstance(value, int | float):
        yield value


# -- ticks that were left out ------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [32, 300])
async def test_ticks_that_were_left_out_are_seen_from_the_memory_alone(minutes: int) -> None:
    duty = replace(ALERT_CONFIG, schedule="0 */15 * * * *")
    stage = EngineHarness(SyntheticTenant(10), duty)
    for _ in range(3):
        await stage.run_timer()
    fine = build_status([await load_guard_data(stage.ledger, duty)], stage.clock())
    assert fine.guards[0].timing.late_by == timedelta()
    late = build_status(
        [await load_guard_data(stage.ledger, duty)], stage.clock() + timedelta(minutes=minutes)
    )
    assert late.guards[0].timing.late_by > timedelta()
    assert any("late" in reason.text or "since" in reason.text for reason in late.reasons)


# -- nights and years --------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_the_nights_of_the_clock_change_have_as_many_ticks_as_any_other(zone: str) -> None:
    cron = CronSchedule.parse("0 */15 * * * *")
    year = [START.replace(month=1, day=1, hour=0) + day * DAY for day in range(366)]
    offsets = [night.astimezone(ZoneInfo(zone)).utcoffset() for night in year]
    changes = [day for day, (one, other) in enumerate(pairwise(offsets)) if one != other]
    assert len(changes) == 2
    for day in changes:
        at, ticks = year[day], []
        while (at := cron.find_next(at)) <= year[day + 1]:
            ticks.append(at)
        assert len(ticks) == 96
        assert {later - tick for tick, later in pairwise(ticks)} == {timedelta(minutes=15)}


@pytest.mark.parametrize(
    "begin",
    [
        datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC),
        datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC),
        datetime(2286, 11, 20, 17, 46, 39, tzinfo=UTC),
    ],
    ids=lambda begin: str(begin.year),
)
async def test_a_guard_lives_over_the_ends_of_counters(begin: datetime) -> None:
    duty = replace(ENFORCE_CONFIG, schedule="0 */15 * * * *")
    stage = EngineHarness(SyntheticTenant(40), duty, clock=Clock(begin - timedelta(minutes=16)))
    runs = [(await stage.run_timer()).run]
    stage.tenant.forwards = dict(THIEVES)
    runs += [(await stage.run_timer()).run for _ in range(3)]
    assert sorted(stage.tenant.writes) == sorted(THIEVES)
    assert all(stage.count_notifications(name) == 1 for name in THIEVES)
    assert sorted(runs) == runs[::-1]
    assert len({len(run) for run in runs}) == 1
    known = build_status(
        [await load_guard_data(stage.ledger, duty)], stage.clock() - timedelta(minutes=14)
    )
    assert known.guards[0].timing.late_by == timedelta()
    assert format_descending_time(begin) > format_descending_time(begin + HOUR)


MOMENT = datetime(2038, 1, 19, 3, 14, 7, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2038-01-19T03:14:07.1234567Z",
        "2038-01-19T03:14:07.123456Z",
        "2038-01-19T03:14:07.1234567+00:00",
        "2038-01-19T05:14:07.1234567+02:00",
        "2038-01-18T22:14:07.1234567-05:00",
    ],
)
def test_a_time_is_the_same_time_however_it_is_written(text: str) -> None:
    assert parse_timestamp(text) == MOMENT
    ran = parse_run({"status": "done", "started": text}, MOMENT)
    assert ran
    assert ran.started_at == MOMENT


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"])
def test_times_that_stand_for_never_break_nothing(text: str) -> None:
    ran = parse_run({"status": "done", "started": text}, MOMENT)
    assert ran is None or ran.started_at <= MOMENT
