"""The retry policy: Retry-After, backoff, gate, limit, deadline."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.retry import Again, inner_trouble, retry_after, slowest, trouble
from core.errors import Forbidden, Unavailable
from tests.adapters.connection import Clock, service

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def failing(*troubles: Exception) -> tuple[Callable[[], Awaitable[str]], list[int]]:
    """An attempt that fails in these ways, one after the other, and then succeeds."""
    left = list(troubles)
    tries: list[int] = []

    async def attempt() -> str:
        tries.append(1)
        if left:
            raise left.pop(0)
        return "done"

    return attempt, tries


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("30", 30.0),
        (" 7 ", 7.0),
        ("Sat, 21 Nov 2026 12:00:10 GMT", 10.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 12:00:10", 10.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("9" * 4000, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_garbage_is_nothing(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after(header, NOW) == seconds


@given(st.text(max_size=80))
def test_no_retry_after_header_breaks_the_policy(header: str) -> None:
    found = retry_after(header, NOW)
    assert found is None or found >= 0


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_statuses_are_worth_another_try(status: int) -> None:
    again = trouble(status, "3", "GET /users")
    assert again is not None
    assert (again.after, again.busy) == (3.0, status in (429, 503))


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 413, 501])
def test_other_statuses_are_not(status: int) -> None:
    assert trouble(status, "3", "GET /users") is None


def test_replies_in_a_batch_may_say_retry_after_as_a_number() -> None:
    for after in (4, "4"):
        again = inner_trouble(429, {"Retry-After": after}, "one")
        assert again is not None
        assert again.after == 4.0
    assert inner_trouble(424, None, "one") is not None
    assert inner_trouble(404, {"Retry-After": "4"}, "one") is None


def test_several_troubles_wait_for_the_slowest() -> None:
    both = slowest([Again("a", after=2.0), Again("b", after=9.0, busy=True), Again("c")])
    assert (both.after, both.busy) == (9.0, True)


async def test_a_call_waits_as_long_as_it_was_asked_to() -> None:
    clock = Clock()
    attempt, tries = failing(Again("busy", after=30.0, busy=True))
    assert await service(clock).call(attempt) == "done"
    assert len(tries) == 2
    assert sum(clock.waits) == pytest.approx(30.0)


async def test_without_retry_after_waits_grow() -> None:
    clock = Clock()
    attempt, _ = failing(*[Again("broken")] * 4)
    assert await service(clock).call(attempt) == "done"
    assert clock.waits == [0.25, 0.5, 1.0, 2.0]


async def test_tries_are_counted_and_the_last_trouble_is_told() -> None:
    clock = Clock()
    attempt, tries = failing(*[Again("HTTP 500")] * 9)
    with pytest.raises(Unavailable, match="HTTP 500"):
        await service(clock, attempts=3).call(attempt)
    assert len(tries) == 3


async def test_a_refusal_is_not_tried_again() -> None:
    attempt, tries = failing(Forbidden("no", "User.Read.All"))
    with pytest.raises(Forbidden):
        await service(Clock()).call(attempt)
    assert len(tries) == 1


async def test_a_wait_longer_than_patience_is_not_waited_for() -> None:
    clock = Clock()
    busy = service(clock, patience=60.0)
    attempt, tries = failing(Again("busy", after=200.0, busy=True))
    with pytest.raises(Unavailable):
        await busy.call(attempt)
    assert (len(tries), clock.waits) == (1, [])
    with pytest.raises(Unavailable, match="asked to wait"):
        await busy.call(failing()[0])


async def test_nothing_is_started_or_waited_for_past_the_deadline() -> None:
    clock = Clock()
    late = service(clock, deadline=clock.now + 10.0)
    attempt, tries = failing(*[Again("busy", after=6.0, busy=True)] * 5)
    with pytest.raises(Unavailable):
        await late.call(attempt)
    assert len(tries) == 2
    assert clock.now <= late.deadline
    clock.now = late.deadline
    attempt, tries = failing()
    with pytest.raises(Unavailable, match="time of this run"):
        await late.call(attempt)
    assert tries == []


async def test_while_the_gate_is_closed_nobody_calls() -> None:
    clock = Clock()
    shared = service(clock, start=8)
    called_at: list[float] = []
    first = failing(Again("busy", after=20.0, busy=True))[0]

    async def other() -> None:
        called_at.append(clock.now)

    async def refused() -> str:
        return await first()

    one = asyncio.create_task(shared.call(refused))
    await asyncio.sleep(0.01)
    await asyncio.gather(one, *(shared.call(other) for _ in range(5)))
    assert min(called_at) >= 1020.0


async def test_more_run_at_once_after_clean_answers_up_to_the_cap() -> None:
    growing = service(Clock(), start=1, cap=3)
    for _ in range(40):
        await growing.call(failing()[0])
    assert growing.limit == 3


async def test_being_pushed_back_halves_the_limit_once_for_a_burst() -> None:
    clock = Clock()
    burst = service(clock, start=8, cap=8)
    ready = asyncio.Event()
    refused: list[int] = []

    async def attempt() -> None:
        if len(refused) < 8:
            refused.append(1)
            if len(refused) == 8:
                ready.set()
            await ready.wait()
            raise Again("busy", after=1.0, busy=True)

    await asyncio.gather(*(burst.call(attempt) for _ in range(8)))
    assert burst.limit <= 5
    assert burst.limit >= 4


async def test_never_more_than_the_limit_are_in_flight() -> None:
    narrow = service(Clock(), start=2, cap=3)
    now = most = 0

    async def attempt() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    await asyncio.gather(*(narrow.call(attempt) for _ in range(30)))
    assert most <= 3
    assert narrow.in_flight == 0


async def test_a_call_that_hangs_is_given_up() -> None:
    async def hang() -> None:
        await asyncio.sleep(3600)

    hanging = service(Clock(), attempts=2, longest=0.01)
    with pytest.raises(Unavailable, match="did not answer in time"):
        await hanging.call(hang)
    assert hanging.requests == 2
    assert hanging.deadline == math.inf
