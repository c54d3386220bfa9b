"""Services that ask to wait, wherever and in whatever words: nobody calls before the time.

A run waits no longer than it has; what it did not get to see stays unknown, and the next run goes
on. The channel and the token endpoint are asked as carefully as Graph and Exchange.
"""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise, product
from typing import Any

import pytest

from core.adapters.retry import ThrottledService, ThrottleGate
from core.adapters.teams import SEND_INTERVAL, TeamsChannel
from core.bootstrap import NOTIFY_SECONDS
from core.model.guards import GuardConfig, Mode
from tests.resilience.generators.small_tenant import build_small_tenant
from tests.resilience.generators.staged import (
    BUDGET_MINUTES,
    AdapterHarness,
    RecordingSandbox,
    open_harness,
)
from tests.support.adaptive_cards import SAMPLE_CARD
from tests.support.builders import AUDIT_CONFIG, FORWARDING_CONFIG, SIGN_IN_CONFIG
from tests.support.fakes.clock import SleepClock

PLACES: dict[str, tuple[GuardConfig, dict[str, Any]]] = {
    "a list of Exchange": (SIGN_IN_CONFIG, {"service": "exchange", "match": "^Get-Mailbox"}),
    "the list of forwards": (
        FORWARDING_CONFIG,
        {"service": "exchange", "match": "^Get-Mailbox", "skip": 1},
    ),
    "a list of Graph": (FORWARDING_CONFIG, {"service": "graph", "match": "domains"}),
    "a whole batch": (SIGN_IN_CONFIG, {"service": "graph", "match": "batch"}),
    "some of a batch": (FORWARDING_CONFIG, {"service": "graph", "inner": True, "skip": 3}),
    "a single account": (SIGN_IN_CONFIG, {"service": "graph", "match": "^GET .*/users/[^/]+$"}),
    "the change of an account": (SIGN_IN_CONFIG, {"service": "graph", "match": "^PATCH"}),
    "a cmdlet that changes": (AUDIT_CONFIG, {"service": "exchange", "match": "^Set-Mailbox"}),
    "the token endpoint": (SIGN_IN_CONFIG, {"service": "entra"}),
    "the channel": (SIGN_IN_CONFIG, {"service": "teams"}),
}


def form(name: str) -> tuple[dict[str, Any], float]:
    """A 429 in one of the ways it is said, and for how long nobody may call after it."""
    in_half_a_minute = datetime.now(UTC) + timedelta(seconds=30)
    words: dict[str, tuple[dict[str, Any], float]] = {
        "0": ({"retryAfter": 0}, 0.25),
        "1": ({"retryAfter": 1}, 1.0),
        "30": ({"retryAfter": 30}, 30.0),
        "200": ({"retryAfter": 200}, 200.0),
        "a date": ({"headers": {"Retry-After": format_datetime(in_half_a_minute, True)}}, 25.0),
        "garbage": ({"headers": {"Retry-After": "in a while, perhaps"}}, 0.25),
        "nothing": ({}, 0.25),
    }
    return words[name]


def too_early(box: RecordingSandbox, service: str, seconds: float) -> list[float]:
    """How long after a refusal requests came that should have waited."""
    return [
        one.received_at - refused.received_at
        for refused in box.faulted
        for one in box.find_received(service)
        if 0 < one.received_at - refused.received_at < seconds - 0.001
    ]


def build_tenant_before_forwards() -> dict[str, Any]:
    """The small tenant before anything forwards: what forwards at the first look is a question."""
    scene = build_small_tenant()
    scene["graph"]["messageRules"] = {}
    for row in scene["exchange"]["Get-Mailbox"]:
        row["ForwardingSmtpAddress"] = None
    return scene


def start_forwards(stage: AdapterHarness) -> None:
    """The forwards of the small tenant appear."""
    scene = build_small_tenant()
    stage.sandbox.tenant.apply_patch(
        {
            "graph": {"messageRules": scene["graph"]["messageRules"]},
            "exchange": {"Get-Mailbox": scene["exchange"]["Get-Mailbox"]},
        }
    )


async def settled(stage: AdapterHarness) -> tuple[object, ...]:
    """The tenant as it is, the open cases, and how many of them are untold."""
    users = stage.sandbox.tenant.scene["graph"]["users"]
    boxes = stage.sandbox.tenant.scene["exchange"]["Get-Mailbox"]
    rules = stage.sandbox.tenant.scene["graph"]["messageRules"]
    open_ = await stage.get_open_cases()
    return (
        [row["accountEnabled"] for row in users],
        [row["AuditEnabled"] for row in boxes],
        [row["ForwardingSmtpAddress"] for row in boxes],
        [(one, row["isEnabled"]) for one, rows in rules.items() for row in rows],
        {case.key for case in open_.values() if case.kind != "unreadable"},
        sum(bool(case.notification) for case in open_.values()),
    )


PEACE: dict[str, tuple[object, ...]] = {}


async def in_peace(duty: GuardConfig) -> tuple[object, ...]:
    """What comes of it when nobody has to wait; found out once."""
    name = duty.guard.name
    if name not in PEACE:
        async with open_harness(build_tenant_before_forwards(), duty, Mode.ENFORCE) as stage:
            await stage.run_guard()
            start_forwards(stage)
            for _ in range(2):
                await stage.run_guard()
            PEACE[name] = await settled(stage)
    return PEACE[name]


EVERYWHERE = ("30", "200")
IN_PLACES = ("some of a batch", "the channel")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        *product(PLACES, EVERYWHERE),
        *product(IN_PLACES, ("0", "1", "a date", "garbage", "nothing")),
    ],
)
async def test_nobody_calls_before_the_time_and_in_the_end_all_is_as_it_should_be(
    place: str, said: str
) -> None:
    duty, where = PLACES[place]
    words, seconds = form(said)
    wanted = await in_peace(duty)
    async with open_harness(build_tenant_before_forwards(), duty, Mode.ENFORCE) as stage:
        first = await stage.run_guard()
        start_forwards(stage)
        begun = stage.timer.now
        report = await stage.run_guard({"kind": "throttle", "times": 2, **where, **words})
        assert stage.sandbox.faulted
        assert too_early(stage.sandbox, str(where["service"]), seconds) == []
        assert stage.timer.now - begun <= BUDGET_MINUTES * 60 + NOTIFY_SECONDS
        assert report.status == "done"
        if seconds < 100:
            assert (report.unread_count, report.unavailable_sources, report.delivered) == (
                0,
                first.unavailable_sources,
                True,
            )
            assert all(outcome.state == "applied" for outcome in report.outcomes)
        await stage.run_guard()
        assert await settled(stage) == wanted


async def test_a_run_that_is_throttled_to_its_end_goes_on_with_the_next() -> None:
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG) as stage:
        stage.range_size = 5
        await stage.run_guard()
        known, cards = set(await stage.get_open_cases()), len(stage.sandbox.cards)
        begun = stage.timer.now
        fault = {"service": "graph", "kind": "throttle", "inner": True, "retryAfter": 30}
        report = await stage.run_guard(fault)
        assert stage.timer.now - begun <= BUDGET_MINUTES * 60
        assert (report.status, report.read_count) == ("in-progress", 0)
        assert report.remaining_count + report.unread_count == report.population == 27
        assert set(await stage.get_open_cases()) >= known
        assert (await stage.run_guard()).status == "done"
        assert set(await stage.get_open_cases()) == known
        assert len(stage.sandbox.cards) == cards


@pytest.mark.parametrize("seconds", [60, 3_600])
async def test_a_mailbox_that_refuses_for_long_is_unread_and_all_others_are_read(
    seconds: int,
) -> None:
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG) as stage:
        await stage.run_guard()
        before = await stage.get_open_cases()
        mailbox = next(one.object_id for one in before.values() if "rule" in one.kind)
        fault = {
            "service": "graph",
            "kind": "throttle",
            "inner": True,
            "match": mailbox,
            "retryAfter": seconds,
        }
        begun = stage.timer.now
        report = await stage.run_guard(fault)
        assert stage.sandbox.faulted
        assert report.status == "done"
        assert report.unread_count == 1
        assert report.read_count == report.population - 1
        assert stage.timer.now - begun < 5 * 60
        assert set(await stage.get_open_cases()) >= set(before)


async def test_guards_that_run_at_the_same_time_wait_at_one_door() -> None:
    timer, door = SleepClock(), ThrottleGate()
    one, other = (
        ThrottledService(
            name, clock=timer, sleep=timer.sleep, jitter=lambda: 0.0, throttle_gate=door
        )
        for name in ("one", "other")
    )
    one.record_throttling(timer.now, 45.0)
    called: list[float] = []

    async def attempt() -> None:
        called.append(timer.now)

    await other.call(attempt)
    assert called == [1_045.0]
    one.record_throttling(timer.now, 999_999_999.0)
    assert door.not_before <= timer.now + 600


async def test_the_guards_together_send_no_more_cards_than_a_channel_takes() -> None:
    timer, door = SleepClock(), ThrottleGate()
    async with RecordingSandbox(build_small_tenant(), timer) as box:
        voices = [
            TeamsChannel(
                box.build_settings()["TEAMS_WEBHOOK_URL"],
                ThrottledService(
                    "teams", cap=1, clock=timer, sleep=timer.sleep, throttle_gate=door
                ),
                hosts=["127.0.0.1"],
            )
            for _ in range(4)
        ]
        for _ in range(3):
            for voice in voices:
                await voice.send(SAMPLE_CARD)
        for voice in voices:
            await voice.close()
        times = [one.received_at for one in box.find_received("teams")]
    assert len(times) == 12
    assert all(b - a >= SEND_INTERVAL - 0.001 for a, b in pairwise(times))
