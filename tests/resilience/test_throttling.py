"""Services that ask to wait, wherever and in whatever words: nobody calls before the time.

A run waits no longer than it has; what it did not get to see stays unknown, and the next run goes
on. The channel and the token endpoint are asked as carefully as Graph and Exchange.
"""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise, product
from typing import Any

import pytest

from core.adapters.retry import Door, Service
from core.adapters.teams import APART, Teams
from core.bootstrap import TELLING
from core.model.guards import Duty, Mode
from tests.resilience.generators.small_tenant import small
from tests.resilience.generators.staged import MINUTES, Staged, Timer, Watched, staged
from tests.support.builders import AUDIT, FORWARDING, SIGN_IN
from tests.unit.adapters.test_teams import CARD

PLACES: dict[str, tuple[Duty, dict[str, Any]]] = {
    "a list of Exchange": (SIGN_IN, {"service": "exchange", "match": "^Get-Mailbox"}),
    "the list of forwards": (
        FORWARDING,
        {"service": "exchange", "match": "^Get-Mailbox", "skip": 1},
    ),
    "a list of Graph": (FORWARDING, {"service": "graph", "match": "domains"}),
    "a whole batch": (SIGN_IN, {"service": "graph", "match": "batch"}),
    "some of a batch": (FORWARDING, {"service": "graph", "inner": True, "skip": 3}),
    "a single account": (SIGN_IN, {"service": "graph", "match": "^GET .*/users/[^/]+$"}),
    "the change of an account": (SIGN_IN, {"service": "graph", "match": "^PATCH"}),
    "a cmdlet that changes": (AUDIT, {"service": "exchange", "match": "^Set-Mailbox"}),
    "the token endpoint": (SIGN_IN, {"service": "entra"}),
    "the channel": (SIGN_IN, {"service": "teams"}),
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


def too_early(box: Watched, service: str, seconds: float) -> list[float]:
    """How long after a refusal requests came that should have waited."""
    return [
        one.at - refused.at
        for refused in box.struck
        for one in box.came(service)
        if 0 < one.at - refused.at < seconds - 0.001
    ]


async def settled(stage: Staged) -> tuple[object, ...]:
    """The tenant as it is, the open cases, and how many of them are untold."""
    users = stage.box.tenant.scene["graph"]["users"]
    boxes = stage.box.tenant.scene["exchange"]["Get-Mailbox"]
    open_ = await stage.open()
    return (
        [row["accountEnabled"] for row in users],
        [row["AuditEnabled"] for row in boxes],
        {case.key for case in open_.values() if case.kind != "unreadable"},
        sum(bool(case.news) for case in open_.values()),
    )


PEACE: dict[str, tuple[object, ...]] = {}


async def in_peace(duty: Duty) -> tuple[object, ...]:
    """What comes of it when nobody has to wait; found out once."""
    name = duty.guard.name
    if name not in PEACE:
        async with staged(small(), duty, Mode.ENFORCE) as stage:
            for _ in range(3):
                await stage.tick()
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
    async with staged(small(), duty, Mode.ENFORCE) as stage:
        first = await stage.tick()
        begun = stage.timer.now
        report = await stage.tick({"kind": "throttle", "times": 2, **where, **words})
        assert stage.box.struck
        assert too_early(stage.box, str(where["service"]), seconds) == []
        assert stage.timer.now - begun <= MINUTES * 60 + TELLING
        assert report.status == "done"
        if seconds < 100:
            assert (report.unread, report.blind, report.told) == (0, first.blind, True)
            assert all(outcome.state == "applied" for outcome in report.outcomes)
        await stage.tick()
        assert await settled(stage) == wanted


async def test_a_run_that_is_throttled_to_its_end_goes_on_with_the_next() -> None:
    async with staged(small(), FORWARDING) as stage:
        stage.slice_size = 5
        await stage.tick()
        known, cards = set(await stage.open()), len(stage.box.cards)
        begun = stage.timer.now
        fault = {"service": "graph", "kind": "throttle", "inner": True, "retryAfter": 30}
        report = await stage.tick(fault)
        assert stage.timer.now - begun <= MINUTES * 60
        assert (report.status, report.seen) == ("going on", 0)
        assert report.left + report.unread == report.population == 27
        assert set(await stage.open()) >= known
        assert (await stage.tick()).status == "done"
        assert set(await stage.open()) == known
        assert len(stage.box.cards) == cards


async def test_guards_that_run_at_the_same_time_wait_at_one_door() -> None:
    timer, door = Timer(), Door()
    one, other = (
        Service(name, clock=timer, sleep=timer.sleep, chance=lambda: 0.0, door=door)
        for name in ("one", "other")
    )
    one.slow_down(timer.now, 45.0)
    called: list[float] = []

    async def attempt() -> None:
        called.append(timer.now)

    await other.call(attempt)
    assert called == [1_045.0]
    one.slow_down(timer.now, 999_999_999.0)
    assert door.not_before <= timer.now + 3_600


async def test_the_guards_together_send_no_more_cards_than_a_channel_takes() -> None:
    timer, door = Timer(), Door()
    async with Watched(small(), timer) as box:
        voices = [
            Teams(
                box.settings()["TEAMS_WEBHOOK_URL"],
                Service("teams", cap=1, clock=timer, sleep=timer.sleep, door=door),
                hosts=["127.0.0.1"],
            )
            for _ in range(4)
        ]
        for _ in range(3):
            for voice in voices:
                await voice.send(CARD)
        for voice in voices:
            await voice.close()
        times = [one.at for one in box.came("teams")]
    assert len(times) == 12
    assert all(b - a >= APART - 0.001 for a, b in pairwise(times))
